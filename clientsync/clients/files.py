"""Client lists as files: CSV and Excel read with tolerant headers, and the template that is shipped.

Row numbers are those that the person's own program shows. A file is read whole or refused in one sentence;
nothing here knows what a right row is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clientsync.clients import tabular
from clientsync.clients.rows import COLUMNS, text_of
from clientsync.errors import InvalidInput

MAX_ROWS = 100_000
SHEET = "Clients"

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "client_id": ("client_id", "id", "client", "client code", "code", "short name", "file no", "client no"),
    "name": ("name", "client name", "legal name", "trade name", "company", "company name", "firm name"),
    "gstin": (
        "gstin",
        "gst no",
        "gst number",
        "gstin no",
        "gstin number",
        "gst",
        "gstin/uin",
        "gst registration",
    ),
    "portal_username": (
        "portal_username",
        "username",
        "user name",
        "user id",
        "login",
        "login id",
        "portal user",
        "gst username",
        "gst user id",
        "portal user name",
    ),
    "provider": ("provider", "gsp", "api provider", "source"),
    "state_code": ("state_code", "state", "state no"),
    "filing_frequency": ("filing_frequency", "frequency", "filing", "return frequency", "filing type", "m/q"),
    "consent_ends_on": (
        "consent_ends_on",
        "consent end date",
        "consent ends",
        "consent until",
        "consent till",
        "api access till",
        "api access until",
        "consent date",
        "consent expiry",
    ),
    "tan": ("tan", "tan no", "tan number", "tax deduction account number", "deductor tan"),
    "deductor_pan": ("deductor_pan", "pan", "pan no", "pan number", "deductor pan no", "company pan"),
    "deductor_category": ("deductor_category", "deductor type", "category", "type of deductor"),
    "tds_forms": ("tds_forms", "forms", "tds form", "statements", "return types", "forms filed"),
    "tds_source": ("tds_source", "tds provider", "tds by"),
    "traces_username": ("traces_username", "traces user id", "traces id", "traces user", "traces login"),
    "tds_consent_given_on": ("tds_consent_given_on", "authority date", "tds consent date", "letter date"),
    "tds_consent_ends_on": ("tds_consent_ends_on", "authority ends", "tds consent ends", "tds consent until"),
    "groups": ("groups", "group", "group name", "tags", "tag", "team"),
}


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", header.casefold())


_BY_HEADER = {_plain(one): column for column, names in _SYNONYMS.items() for one in names}


@dataclass(frozen=True)
class ClientTable:
    """A client list as read.

    Attributes:
        rows: (row number in the file, column of ours to cell) of every row that is not blank.
        ignored: headers that mean none of our columns.
    """

    rows: tuple[tuple[int, dict[str, Any]], ...]
    ignored: tuple[str, ...]


def read_table(path: Path) -> ClientTable:
    """Return the rows of a CSV or Excel file under our names of columns.

    Raises:
        InvalidInput: not there, no such file type, too large, no header with client_id and gstin or tan, or a
            column twice.
    """
    return _table(path, tabular.lines_of(path, preferred=SHEET, named=_named))


def _named(cells: Sequence[str]) -> int:
    return sum(_plain(cell) in _BY_HEADER for cell in cells)


def lines_of(path: Path) -> Iterable[tuple[int, Sequence[Any]]]:
    """Return (row number, cells) of a CSV or Excel list; of a workbook the sheet named Clients, else the first.

    Raises:
        InvalidInput: as ``tabular.lines_of``.
    """
    return tabular.lines_of(path, preferred=SHEET)


def _table(path: Path, lines: Iterable[tuple[int, Sequence[Any]]]) -> ClientTable:
    header: list[str | None] = []
    ignored: list[str] = []
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, cells in lines:
        if not any(text_of(cell) for cell in cells):
            continue
        if not header:
            header, ignored = _header(path, cells)
            continue
        if len(rows) >= MAX_ROWS:
            raise InvalidInput(f"{path.name} has more than {MAX_ROWS} rows, too many for a client list.")
        named = {name: cell for name, cell in zip(header, cells, strict=False) if name is not None}
        rows.append((number, named))
    if not header:
        raise InvalidInput(f"{path.name} is empty. Its first row must hold: {', '.join(COLUMNS)}.")
    return ClientTable(tuple(rows), tuple(ignored))


def _header(path: Path, cells: Sequence[Any]) -> tuple[list[str | None], list[str]]:
    header: list[str | None] = []
    ignored: list[str] = []
    for cell in cells:
        text = text_of(cell)
        column = _BY_HEADER.get(_plain(text))
        if column in header and column is not None:
            raise InvalidInput(f"{path.name} has two columns for {column}; {text!r} is the second.")
        header.append(column)
        if column is None and text:
            ignored.append(text[:60])
    missing = [] if "client_id" in header else ["client_id"]
    if "gstin" not in header and "tan" not in header:
        missing.append("gstin (or tan)")
    if missing:
        raise InvalidInput(
            f"{path.name} has no column {' and '.join(missing)} in its first row. Columns: {', '.join(COLUMNS)}."
        )
    return header, ignored


def write_template(path: Path) -> None:
    """Write an empty client list (``.xlsx`` or ``.csv``) with its columns explained.

    Raises:
        InvalidInput: another file type, or the file is there already.
    """
    suffix = path.suffix.casefold()
    if suffix not in (".csv", ".xlsx"):
        raise InvalidInput(f"{path.name} is no template file. Valid: .csv, .xlsx.")
    if path.exists():
        raise InvalidInput(f"{path.name} is there already and was not touched; choose another name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".csv":
        path.write_text(",".join(COLUMNS) + "\r\n", encoding="utf-8-sig", newline="")
        return
    import xlsxwriter

    with xlsxwriter.Workbook(path) as book:
        bold = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1})
        text = book.add_format({"num_format": "@"})
        sheet = book.add_worksheet(SHEET)
        sheet.freeze_panes(1, 0)
        for number, (column, meaning) in enumerate(COLUMNS.items()):
            sheet.set_column(number, number, 20, text)
            sheet.write_string(0, number, column, bold)
            sheet.write_comment(0, number, meaning)
        frequency = list(COLUMNS).index("filing_frequency")
        sheet.data_validation(1, frequency, 10_000, frequency, {"validate": "list", "source": ["M", "Q"]})
        help_sheet = book.add_worksheet("Columns")
        help_sheet.set_column(0, 0, 20)
        help_sheet.set_column(1, 1, 90)
        for number, (column, meaning) in enumerate(COLUMNS.items()):
            help_sheet.write_string(number, 0, column, bold)
            help_sheet.write_string(number, 1, meaning)
        help_sheet.write_string(
            len(COLUMNS) + 1, 1, "An empty cell leaves what is stored; a single - clears it."
        )
