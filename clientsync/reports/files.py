"""Files that appear whole or not at all, and cells that no spreadsheet program can mistake for a formula.

A file is written beside its place and renamed over it after its bytes are on the disk, so a reader sees the
old file or the new one. Text that begins like a formula gets an apostrophe in CSV; numbers stay numbers.
Source of the list of dangerous beginnings: OWASP ASVS 1.2.10 (CWE-1236).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from clientsync.clock import INDIA
from clientsync.drafts import whole_file
from clientsync.reports.words import Coloured
from clientsync.spreadsheets import guarded

MAX_CELL = 32_767  # characters in a cell of Excel

_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]|[\ud800-\udfff]")


def sheet_text(text: str) -> str:
    """Return text as a cell of a workbook can hold it: line ends as one, characters that XML forbids replaced."""
    whole = _UNFIT.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    return whole if len(whole) <= MAX_CELL else whole[: MAX_CELL - 1] + "…"


def csv_value(value: Any) -> str | int | Decimal:
    """Return a value as it stands in CSV: guarded text, plain numbers, ISO dates, moments in Indian time."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return value
    return _csv_text(value)


def _csv_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Coloured):
        return guarded(value.text)
    if isinstance(value, datetime):
        return value.astimezone(INDIA).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return guarded(str(value).encode("utf-8", "replace").decode())


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a CSV file for Excel (UTF-8 with BOM, RFC 4180), whole or not at all; return the number of rows.

    Raises:
        OutOfSpace, InvalidInput: it could not be written; what was there before still is.
    """
    count = 0
    with whole_file(path) as draft, draft.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([csv_value(name) for name in head])
        for row in rows:
            writer.writerow([csv_value(value) for value in row])
            count += 1
    return count
