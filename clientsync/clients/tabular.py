"""Tables that people keep in CSV and Excel files, as rows of cells with the numbers that their own program shows.

Shared by client lists and registers; nothing here knows what a column means. A file is read or refused in a sentence.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from clientsync.errors import InvalidInput

MAX_BYTES = 50_000_000
PLAIN_SUFFIXES = (".csv", ".txt", ".tsv")
SUFFIXES = (*PLAIN_SUFFIXES, ".xlsx", ".xlsm")
_DELIMITERS = ",;\t|"
_SEEN_FOR_DELIMITER = 40  # lines: titles above the header hold none of the right one
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"


def lines_of(
    path: Path,
    sheet: str = "",
    *,
    preferred: str = "",
    is_strict: bool = False,
    named: Callable[[Sequence[str]], int] | None = None,
) -> Iterable[tuple[int, Sequence[Any]]]:
    """Return (row number, cells) of a CSV or Excel file; of formulas the values that were saved with them.

    Args:
        path: the file.
        sheet: of a workbook; empty: the preferred one when it is there, else the first.
        preferred: see ``sheet``.
        is_strict: of a CSV: a quote that is not closed, or is followed by more, is an error and not text.
        named: of a CSV whose first row is its header: how many cells of a row name a column, to tell by it which sign
            parts the cells; where none does, and without it, the signs of the first lines are counted.

    Raises:
        InvalidInput: not there, no such file type, no such sheet, or too large; while reading, a line that is no CSV
            or a damaged sheet.
    """
    _require(path)
    if _is_workbook(path):
        return _excel_lines(path, sheet, preferred)
    return _csv_lines(path, is_strict, named)


def sheets_of(path: Path) -> tuple[str, ...]:
    """Return the names of the sheets of a workbook, none for another file.

    Raises:
        InvalidInput: not there, no such file type, too large, or no workbook.
    """
    _require(path)
    if not _is_workbook(path):
        return ()
    book = _opened(path)
    try:
        return tuple(book.sheetnames)
    finally:
        book.close()


def _is_workbook(path: Path) -> bool:
    return path.suffix.casefold().startswith(".xls")


def _require(path: Path) -> None:
    if path.suffix.casefold() == ".xls":
        raise InvalidInput(f"{path.name} is an old Excel file (.xls). Open it in Excel and save it as .xlsx.")
    if path.suffix.casefold() not in SUFFIXES:
        raise InvalidInput(f"{path.name} is no list. Valid: {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.")
    if path.stat().st_size > MAX_BYTES:
        raise InvalidInput(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB, too large for a list.")


def _csv_lines(
    path: Path, is_strict: bool, named: Callable[[Sequence[str]], int] | None
) -> Iterator[tuple[int, Sequence[Any]]]:
    text = _decoded(path.read_bytes())
    delimiter = (_delimiter_of_header(text, named) if named else "") or _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=is_strict)
    started = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidInput(
                f"{path.name} cannot be read as CSV in the row that begins at line {started}: {error}."
            ) from None
        yield started, cells
        started = reader.line_num + 1


def _delimiter_of_header(text: str, named: Callable[[Sequence[str]], int]) -> str:
    """Return the sign that parts the first line into most names of columns; empty when it names none."""
    first = next((line for line in text[:100_000].splitlines() if line.strip()), "")
    names = {sign: named(first.replace('"', "").split(sign)) for sign in _DELIMITERS}
    best = max(_DELIMITERS, key=names.__getitem__)
    return best if names[best] else ""


def _delimiter(text: str) -> str:
    """Return the sign that most often parts one of the first lines; commas inside numbers and quotes do not count."""
    lines = re.sub(r'"[^"\n]*"', "", text[:100_000]).splitlines()[:_SEEN_FOR_DELIMITER]
    bare = [re.sub(r"(?<=\d),(?=\d)", "", line) for line in lines]
    return max(_DELIMITERS, key=lambda sign: max((line.count(sign) for line in bare), default=0))


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")  # what Excel writes where UTF-8 was not chosen


def _opened(path: Path) -> Any:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    with path.open("rb") as source:
        if source.read(4) == _OLD_OFFICE:
            raise InvalidInput(
                f"{path.name} is an old Excel file or has a password. Save it as .xlsx without a password."
            )
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES * 4:
                raise InvalidInput(f"{path.name} unpacks to more than a list can hold.")
        return load_workbook(path, read_only=True, data_only=True)
    except (
        zipfile.BadZipFile,
        zlib.error,
        InvalidFileException,
        SyntaxError,
        KeyError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise InvalidInput(f"{path.name} is not an Excel workbook ({type(error).__name__}).") from None


def _excel_lines(path: Path, wanted: str, preferred: str) -> Iterator[tuple[int, Sequence[Any]]]:
    book = _opened(path)
    try:
        if wanted and wanted not in book.sheetnames:
            raise InvalidInput(f"{path.name} has no sheet {wanted!r}. Sheets: {', '.join(book.sheetnames)}.")
        sheet = book[wanted or (preferred if preferred in book.sheetnames else book.sheetnames[0])]
        if not hasattr(sheet, "iter_rows"):  # a chart sheet has no rows
            return
        sheet.reset_dimensions()  # what a sheet says of its size is often less than what it holds
        width = 0
        for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            cells = list(row)
            while len(cells) > width and cells[-1] is None:
                cells.pop()
            width = max(width, len(cells))
            yield number, (*cells, *(None for _ in range(width - len(cells))))
    except (SyntaxError, zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"{path.name} is damaged ({type(error).__name__}). Save it again in Excel."
        ) from None
    finally:
        book.close()
