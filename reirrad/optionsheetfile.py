"""The option sheet as a PDF of one page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from reirrad.assessment import Assessment
from reirrad.errors import ReirradError
from reirrad.exploration import Exploration
from reirrad.options import Option
from reirrad.optionsheet import MOST_ROWS, option_sheet
from reirrad.reportpdf import as_pdf
from reirrad.tumour import Tumour

__all__ = ["option_sheet_pdf"]

ROWS_OF_A_PAGE: Final = (MOST_ROWS, 10, 6)  # limits that the sheet shows, until it fits


def option_sheet_pdf(assessment: Assessment, exploration: Exploration, options: Sequence[Option], tumour: Tumour, day: str) -> bytes:
    """Set the option sheet with as many rows as one page holds; parameters as those of `option_sheet`.

    Raises
    ------
    ReirradError
        When it does not fit one page.
    """
    for most_rows in ROWS_OF_A_PAGE[:-1]:
        with suppress(ReirradError):
            return as_pdf(option_sheet(assessment, exploration, options, tumour, day=day, most_rows=most_rows))
    return as_pdf(option_sheet(assessment, exploration, options, tumour, day=day, most_rows=ROWS_OF_A_PAGE[-1]))
