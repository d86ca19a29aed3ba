"""Report and files to take away."""

from reirrad.ui.reportpage import show

show()
