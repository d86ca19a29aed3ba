"""Limits, dose-volume histograms, what-if."""

from reirrad.ui.limitspage import show

show()
