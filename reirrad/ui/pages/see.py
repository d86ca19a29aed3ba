"""See images, doses and registration."""

from reirrad.ui.seepage import show

show()
