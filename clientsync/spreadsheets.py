"""What a spreadsheet program takes for something else: texts for formulas or commands, early days, rows beyond its end.

Source: OWASP ASVS 1.2.10, CWE-1236. In CSV such a text gets an apostrophe in front, which ``unguarded`` takes off.
"""

from __future__ import annotations

import re
from datetime import date

MAX_ROWS = 1_048_575
"""Rows of a sheet of Excel, less the header."""
FIRST_DAY = date(1900, 3, 1)
"""The first day that Excel counts rightly; what lies before it is written as text."""
_INVISIBLE = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_SKIPPED = frozenset(f"'\"\x00{_INVISIBLE}")
_STARTS = "=+-@|%＝＋－＠−"
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,10})?", re.ASCII)


def is_dangerous(text: str) -> bool:
    """Whether a spreadsheet program may take this text for a formula or a command; plain numbers are none."""
    if not text or _NUMBER.fullmatch(text):
        return False
    if text[0] in "\t\r\n\x00":
        return True
    first = next((one for one in text if one not in _SKIPPED and not one.isspace()), "")
    return bool(first) and first in _STARTS


def guarded(text: str) -> str:
    """Return text as it may stand in a CSV file; ``unguarded`` gives back what it was."""
    return f"'{text}" if _is_marked(text) else text


def unguarded(text: str) -> str:
    """Return the text that ``guarded`` was given."""
    return text[1:] if text.startswith("'") and _is_marked(text[1:]) else text


def _is_marked(text: str) -> bool:
    """Whether text is dangerous, or would be behind apostrophes of its own, which would else be taken for the guard."""
    apostrophes = len(text) - len(text.lstrip("'"))
    return any(is_dangerous(text[start:]) for start in range(apostrophes + 1))
