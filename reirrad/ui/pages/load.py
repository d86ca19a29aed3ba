"""Load a case: files, courses, structures."""

from reirrad.ui.loadpage import show

show()
