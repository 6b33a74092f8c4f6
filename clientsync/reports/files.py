"""Files that appear whole or not at all, and cells that no spreadsheet program can mistake for a formula.

A file is written beside its place and renamed over it after its bytes are on the disk, so a reader sees the
old file or the new one. Text that begins like a formula gets an apostrophe in CSV; numbers stay numbers.
Source of the list of dangerous beginnings: OWASP ASVS 1.2.10 (CWE-1236).
"""

from __future__ import annotations

import csv
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from clientsync.clock import INDIA
from clientsync.crash import crash_point
from clientsync.errors import InvalidInput, OutOfSpace
from clientsync.reports.words import Coloured

MAX_CELL = 32_767  # characters in a cell of Excel
STALE_SECONDS = 3600.0

_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]|[\ud800-\udfff]")
_INVISIBLE = "\u00a0\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u2060\ufeff"
_SKIPPED = " \t\r\n\x00\x0b\x0c'\"" + _INVISIBLE
_STARTS = "=+-@|%＝＋－＠−"
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,10})?")


def is_dangerous(text: str) -> bool:
    """Whether a spreadsheet program may take this text for a formula or a command."""
    if not text or _NUMBER.fullmatch(text):
        return False
    if text[0] in "\t\r\n\x00":
        return True
    body = text.lstrip(_SKIPPED)
    return bool(body) and body[0] in _STARTS


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


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a draft beside ``path``; it takes the place of ``path`` when the block ends without an error.

    Raises:
        OutOfSpace: the disk is full.
        InvalidInput: the place cannot be written; says which.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder, path.name)
        room = Path(tempfile.mkdtemp(prefix=f".{path.name}.draft-", dir=folder))
    except OSError as error:
        raise _typed(error, path) from None
    try:
        draft = room / path.name
        yield draft
        _on_disk(draft)
        crash_point("before_report_rename")
        draft.replace(path)
        _on_disk(folder)
        crash_point("after_report_rename")
    except OSError as error:
        raise _typed(error, path) from None
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _sweep(folder: Path, name: str) -> None:
    """Remove drafts that a killed process left."""
    for left in folder.glob(f".{name}.draft-*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _on_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _typed(error: OSError, path: Path) -> OutOfSpace | InvalidInput:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"The disk is full: {path.name} was not written.")
    return InvalidInput(
        f"{path} cannot be written ({error.strerror or type(error).__name__}); is it open elsewhere?"
    )
