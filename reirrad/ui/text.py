"""Text from outside, made harmless for the Markdown that Streamlit takes every label and message for."""

from __future__ import annotations

import re
from typing import Final

from reirrad.errors import printable

__all__ = ["plain"]

# Markdown, HTML, LaTeX ($), emoji and colour directives (:), and what begins lists and headings.
SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
# What becomes a link or an icon wherever it stands, escaped or not, is broken by a character that is not seen.
REPLACED: Final = re.compile(r"(?i)(https?|www)(?=\\[:.])|(?=@)|\\:(?=material/)")
UNSEEN: Final = "\u2060"  # word joiner


def plain(text: object, longest: int = 2000) -> str:
    r"""Return the text so that Markdown shows it as it is, without control characters.

    >>> plain("Rectum_new <b>")
    'Rectum\\_new \\<b\\>'

    It is for messages, labels, captions and the options of radio buttons; options of select boxes are no Markdown.
    """
    escaped = SPECIAL.sub(r"\\\1", printable(text, longest))
    return REPLACED.sub(lambda found: found.group() + UNSEEN, escaped)
