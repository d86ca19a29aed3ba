"""Explore schedules."""

from reirrad.ui.explorepage import show

show()
