"""A file as a side: CSV or Excel, one record a row. It is read; a CSV that may be written is rewritten whole."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clientsync.clients.tabular import lines_of
from clientsync.errors import InvalidInput, SideRefused
from clientsync.records.planning import hash_of
from clientsync.records.sides import ACTIONS, Listed

_FORMULA = re.compile(r"[=@]|[+-](?:(?![0-9 ()])|.*(?:[|!=]|[^\W\d]\w*\())", re.DOTALL)
"""A cell that a spreadsheet would calculate, or by which it would call a program; a telephone number is none."""
_ERRORS = {"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"}
"""What a spreadsheet shows in place of a value that it could not calculate."""
_REFERENCE = "clientsync_reference"
"""Column that is added to a written file, by which a record that was made is found again."""


_Rows = dict[str, dict[str, object]]


@dataclass
class FileSide:
    """A file of records.

    Attributes:
        path: CSV, or Excel (which is only read).
        columns: field of ours to the header of its column.
        id_column: header of the column that identifies a record.
        title: for people.
        region: of telephone numbers without a country code.
        is_delta: holds changed records only, so nothing that is missing counts as deleted.
        is_writable: the file may be rewritten, if it is no workbook.
    """

    path: Path
    columns: Mapping[str, str]
    id_column: str
    title: str
    region: str = "IN"
    is_delta: bool = False
    is_writable: bool = False
    _header: list[str] = field(default_factory=list)
    _kept: tuple[tuple[int, int, int], _Rows, list[tuple[str, str]]] | None = None

    @property
    def fields(self) -> Collection[str]:
        """Fields of ours that have a column."""
        return self.columns.keys()

    @property
    def actions(self) -> Sequence[str]:
        """What the file can take: nothing, unless it may be rewritten and is no workbook."""
        return ACTIONS if self.is_writable and not _is_workbook(self.path) else ()

    @property
    def scope(self) -> str:
        """Digest of the mapping; the name of the file may change from export to export."""
        return hash_of({**self.columns, "id": self.id_column, "delta": str(self.is_delta)})

    def listed(self) -> Listed:
        """Return the rows of the file; a row that cannot be trusted is refused with its reason.

        Raises:
            InvalidInput: no such file, it cannot be read, or its headers are not those of the mapping.
        """
        rows, refused = self._rows()
        return Listed({one: self._ours(row) for one, row in rows.items()}, not self.is_delta, refused)

    def _rows(self) -> tuple[_Rows, list[tuple[str, str]]]:
        """Return the rows of the file as it stands now; it is read again only when it was changed."""
        found = self.path.stat() if self.path.is_file() else None
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else (0, 0, 0)
        if self._kept is None or self._kept[0] != stamp or found is None:
            self._kept = (stamp, *self._parsed())
        return dict(self._kept[1]), self._kept[2]

    def _parsed(self) -> tuple[_Rows, list[tuple[str, str]]]:
        broken = _lines_of_another_encoding(self.path)
        lines = iter(lines_of(self.path, is_strict=True))
        self._header = self._checked_header(next(lines, (1, []))[1])
        rows: _Rows = {}
        refused: list[tuple[str, str]] = []
        first_at: dict[str, int] = {}
        for number, cells in lines:
            if not any(str(cell or "").strip() for cell in cells):
                continue
            row = dict(zip(self._header, [*cells, *[""] * len(self._header)], strict=False))
            ext_id = _cell(row.get(self.id_column))
            why = self._why_not(row, ext_id, number, broken, len(cells))
            if not why and ext_id in first_at:
                why = f"{self.id_column} {ext_id} stands in row {first_at[ext_id]} already"
            if why:
                refused.append((f"row {number}", why))
                continue
            first_at[ext_id] = number
            rows[ext_id] = row
        return rows, refused

    def _checked_header(self, cells: Sequence[object]) -> list[str]:
        header = [_cell(cell) for cell in cells]
        wanted = [self.id_column, *self.columns.values()]
        missing = sorted({one for one in wanted if one not in header})
        if missing:
            raise InvalidInput(
                f"{self.path.name} lacks the columns {', '.join(missing)}. It has: {', '.join(filter(None, header))}."
            )
        vague = sorted(
            {
                one or "(empty)"
                for one, count in Counter(header).items()
                if (count > 1 or not one) and (one in wanted or self.actions)
            }
        )
        if vague:
            raise InvalidInput(
                f"{self.path.name} has columns whose header is empty or stands twice: {', '.join(vague)}. "
                "Give each a header of its own."
            )
        return header

    def _why_not(
        self, row: Mapping[str, object], ext_id: str, number: int, broken: set[int], width: int
    ) -> str:
        if number in broken:
            return "it is written in another encoding than the rest of the file"
        if width > len(self._header):
            return f"it has {width} cells, the header {len(self._header)}"
        if not ext_id:
            return f"{self.id_column} is empty"
        for name in (self.id_column, *self.columns.values()):
            if why := _why_no_value(_cell(row.get(name))):
                return f"{name} {why}"
        return ""

    def _ours(self, row: Mapping[str, object]) -> dict[str, object]:
        return {ours: row.get(theirs) for ours, theirs in self.columns.items()}

    def read(self, ext_id: str) -> Mapping[str, object] | None:
        """Return a record of the file as it stands now."""
        row = self._rows()[0].get(ext_id)
        return None if row is None else self._ours(row)

    def find(self, reference: str, number: str) -> str | None:
        """Return the record that was made for a reference, or that has a number."""
        rows, _ = self._rows()
        if reference:
            return next((one for one, row in rows.items() if row.get(_REFERENCE) == reference), None)
        column = self.columns.get("number", self.id_column)
        return next((one for one, row in rows.items() if _cell(row.get(column)) == number), None)

    def create(self, values: Mapping[str, str], reference: str) -> str:
        """Add a row, whose id is the number of the record.

        Raises:
            SideRefused: the record has no number, a value would be a formula, or the file is only read.
        """
        ext_id = values.get("number", "")
        if not ext_id:
            raise SideRefused(f"{self.title} needs a number for a new record.")
        rows, _ = self._rows()
        if ext_id in rows:
            raise SideRefused(f"{self.title} has a record {ext_id} already.")
        rows[ext_id] = {self.id_column: ext_id, _REFERENCE: reference, **self._theirs(values)}
        self._write(rows)
        return ext_id

    def update(self, ext_id: str, values: Mapping[str, str]) -> None:
        """Change cells of a row.

        Raises:
            SideRefused: there is no such row, a value would be a formula, the file is only read, or the field is the
                one by which it knows its records.
        """
        rows, _ = self._rows()
        if ext_id not in rows:
            raise SideRefused(f"{self.title} has no record {ext_id}.")
        if any(self.columns.get(name) == self.id_column for name in values):
            raise SideRefused(
                f"{self.title} knows its records by {self.id_column}; change it in the file itself."
            )
        rows[ext_id] = {**rows[ext_id], **self._theirs(values)}
        self._write(rows)

    def delete(self, ext_id: str) -> None:
        """Take a row out."""
        rows, _ = self._rows()
        if rows.pop(ext_id, None) is not None:
            self._write(rows)

    def _theirs(self, values: Mapping[str, str]) -> dict[str, object]:
        for name, value in values.items():
            if _FORMULA.match(value):
                raise SideRefused(f"{name} begins like a formula; a file does not take it.")
        return {self.columns[name]: value for name, value in values.items() if name in self.columns}

    def _write(self, rows: Mapping[str, Mapping[str, object]]) -> None:
        """Write the file anew beside the old one, and put it in its place; columns that are not mapped stay.

        Raises:
            SideRefused: the file is only read, or rows were refused, which would be lost by it.
        """
        if not self.actions:
            raise SideRefused(f"{self.title} is only read.")
        if self._rows()[1]:
            raise SideRefused(f"{self.path.name} has rows that cannot be read; repair them first.")
        header = [*self._header, *([] if _REFERENCE in self._header else [_REFERENCE])]
        handle, name = tempfile.mkstemp(dir=self.path.parent, suffix=".csv")
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as target:
            writer = csv.writer(target)
            writer.writerow(header)
            writer.writerows([_cell(row.get(one)) for one in header] for row in rows.values())
        Path(name).replace(self.path)


def _cell(value: object) -> str:
    return "" if value is None else str(value).strip()


def _why_no_value(value: str) -> str:
    if _FORMULA.match(value):
        return "begins like a formula"
    if value.upper() in _ERRORS:
        return f"holds {value}, an error of the spreadsheet"
    return "holds a character that cannot be read" if "\ufffd" in value else ""


def _is_workbook(path: Path) -> bool:
    return path.suffix.casefold().startswith(".xls")


def _lines_of_another_encoding(path: Path) -> set[int]:
    """Return the lines of a CSV that are UTF-8 while others are not: they were put together from two programs."""
    if _is_workbook(path) or not path.is_file():
        return set()
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return set()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return {
            number
            for number, line in enumerate(raw.splitlines(), start=1)
            if not line.isascii() and _is_utf8(line)
        }
    return set()


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
