"""Reading the fields of TDS payloads: dates in three notations, exact amounts, years, identifiers, HTML pages.

A field that is missing where the contract promises it, or of another type, raises ``ValueError`` with the field's
name and never its value; ``row`` turns that into a record with a problem, so that no row of a payload is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

from clientsync import money
from clientsync.spec.module import Context, Finding, Integrity, Record
from connectors.gst.fields import Raw, items, number_occurrences, obj, row, text, unknown_fields, whole

__all__ = [
    "PARTIAL",
    "Cell",
    "NextPage",
    "Page",
    "Raw",
    "Table",
    "all_rows",
    "answered",
    "day",
    "items",
    "merge_rows",
    "next_grid_page",
    "next_listed_page",
    "number_occurrences",
    "obj",
    "page",
    "paise",
    "read_day",
    "round_to_ten_rupees",
    "row",
    "text",
    "unknown_fields",
    "whole",
    "year",
    "yes",
]

PARTIAL = "TDS-PARTIAL"
"""Code of the finding that an answer holds fewer or more rows than its source declares (R14)."""

NextPage = Callable[[Raw, int], dict[str, str] | None]

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_NAMED = re.compile(r"(\d{1,2})[- ]([A-Za-z]{3})[- ](\d{4})")
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}.*)?")
_SLASHED = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})")
_ABSENT = frozenset({"", "-", "--", "NA", "N/A", "NULL"})
"""What grids write into a date or amount that is not there (practice of server-rendered grids)."""
_GROUPED = re.compile(r"-?\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?")
"""An amount with Indian or western digit groups, for example ``12,34,567.00``."""
_WORD = re.compile(r"[a-z0-9]+")
_YEAR = re.compile(r"(?:[FT]Y)?\s*(\d{4})(?:-?(\d{4}|\d{2}))?", re.IGNORECASE)


def day(source: Raw, name: str, *, required: bool = False) -> date | None:
    """Return a date written dd-Mon-yyyy, yyyy-mm-dd (a time after it is dropped), dd/mm/yyyy or dd-mm-yyyy.

    An absent field, and the dashes and ``NA`` that grids write for it, are None.

    Raises:
        ValueError: required and absent, or none of the notations, or no day of the calendar.
    """
    value = source.get(name)
    if value is None or (isinstance(value, str) and value.strip().upper() in _ABSENT):
        if required:
            raise ValueError(f"{name} is missing")
        return None
    found = read_day(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{name} is not a date")
    return found


@lru_cache(maxsize=4096)
def read_day(value: str) -> date | None:
    """Return the date of a text in one of the notations of ``day``, None when it is none of them."""
    if match := _NAMED.fullmatch(value):
        parts = int(match[3]), _MONTHS.get(match[2].lower(), 0), int(match[1])
    elif match := _ISO.fullmatch(value):
        parts = int(match[1]), int(match[2]), int(match[3])
    elif match := _SLASHED.fullmatch(value):
        parts = int(match[3]), int(match[2]), int(match[1])
    else:
        return None
    try:
        return date(*parts)
    except ValueError:
        return None


def paise(source: Raw, name: str, *, required: bool = False) -> int:
    """Return an amount of rupees in paise, from decimal text (digit groups allowed) or an exact number.

    An absent field is zero unless it is required.

    Raises:
        ValueError: required and absent, or not an exact amount of at most two decimals.
    """
    value = source.get(name)
    if isinstance(value, str):
        value = value.strip()
        if _GROUPED.fullmatch(value):
            value = value.replace(",", "")
        elif value.upper() in _ABSENT:
            value = None
    if required and value is None:
        raise ValueError(f"{name} is missing")
    try:
        return money.paise(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def yes(source: Raw, name: str) -> bool | None:
    """Return Y or N (also Yes, No, Read, Unread, 1, 0, true, false) as a flag; absent is None.

    Raises:
        ValueError: something else stands there.
    """
    value = source.get(name)
    if value is None or value == "":
        return None
    known = {"Y": True, "YES": True, "READ": True, "TRUE": True, "1": True}
    known |= {"N": False, "NO": False, "UNREAD": False, "FALSE": False, "0": False}
    answer = known.get(str(value).strip().upper()) if isinstance(value, str | int) else None
    if answer is None:
        raise ValueError(f"{name} is neither Y nor N")
    return answer


def next_grid_page(payload: Raw, pages: int) -> dict[str, str] | None:
    """Return the parameters of the next page of a grid of old TRACES; see ``Section.next_page``.

    A grid says in ``total`` how many pages it has.
    """
    return {"page": str(pages + 1)} if pages < whole(payload, "total") else None


def next_listed_page(total: str, rows: str, page_rows: int, page: str) -> NextPage:
    """Return a ``Section.next_page`` for lists that count rows in ``total`` and number pages from zero.

    Args:
        total: field with the number of all rows.
        rows: field with the rows of the page.
        page_rows: rows that a full page holds.
        page: parameter with the number of a page.
    """

    def after(payload: Raw, pages: int) -> dict[str, str] | None:
        if not items(payload, rows) or pages * page_rows >= whole(payload, total):
            return None
        return {page: str(pages)}

    return after


def merge_rows(rows: str) -> Callable[[Sequence[Any]], Any]:
    """Return a ``Section.merge`` that joins the rows of all pages; all else is as the newest page says."""

    def merge(pages: Sequence[Any]) -> Any:
        return {**pages[-1], rows: [one for page_now in pages for one in items(page_now, rows)]}

    return merge


def answered(context: Context, section: str) -> Any | None:
    """Return what another section of this unit answered before this one, None when it has no answer."""
    return getattr(context, "answers", {}).get(section)


def all_rows(total: str, rows: str, what: str) -> Integrity:
    """Return an integrity function: rows that came must be as many as the source says that there are (R14)."""

    def check(payload: Any, _: Sequence[Record], __: Context) -> Iterable[Finding]:
        came, declared = len(items(payload, rows)), whole(payload, total)
        if came != declared:
            yield Finding(
                PARTIAL,
                f"{what}: {came} rows came, the portal says that there are {declared}; some are missing.",
            )

    return check


def round_to_ten_rupees(amount_paise: int) -> int:
    """Return an amount in paise rounded to the nearest ten rupees, five rupees up.

    Source: s.288B of the Act of 1961: paise are ignored first, then a last figure of five or more goes up.
    """
    rupees = amount_paise // 100
    return (rupees + 5) // 10 * 1000


def year(source: Raw, name: str, *, required: bool = False) -> str:
    """Return a financial or tax year as ``2025-26``; absent is empty text.

    Read are ``2025-26``, ``2025-2026``, ``FY 2025-26``, ``TY 2026-27``, ``202526`` and the start year ``2025``.

    Raises:
        ValueError: required and absent, or none of these, or two years that do not follow each other.
    """
    value = text(source, name, required=required)
    if not value or value.upper() in _ABSENT:
        if required:
            raise ValueError(f"{name} is missing")
        return ""
    match = _YEAR.fullmatch(value)
    if match is None:
        raise ValueError(f"{name} is not a year")
    start = int(match[1])
    label = f"{start}-{(start + 1) % 100:02d}"
    if match[2] and match[2] not in (label[-2:], str(start + 1)):
        raise ValueError(f"{name} is not a year")
    return label


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of an HTML table: its text with single blanks, and the targets of the links in it."""

    text: str
    links: tuple[str, ...] = ()
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One HTML table: its ``id`` (empty when it has none) and its rows, headings among them."""

    name: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What a person would read on an HTML page, in order: pieces of text (cells, labels, paragraphs) and tables."""

    pieces: tuple[str, ...]
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table | None:
        """Return the table whose id is, or ends in, ``name``; None when the page has none."""
        return next((one for one in self.tables if one.name == name or one.name.endswith(f":{name}")), None)

    def value_of(self, *words: str, pattern: str = r".+") -> str | None:
        """Return what stands behind the first label that holds all of ``words`` and has a fitting value.

        The value stands behind the label's colon or in the piece after it; ``pattern`` must fit it whole. None
        when there is no such label, so a heading of a table with the same words is passed over.
        """
        wanted = {word.lower() for word in words}
        for number, piece in enumerate(self.pieces):
            label, _, behind = piece.partition(":")
            if not wanted <= set(_WORD.findall(label.lower())):
                continue
            value = behind.strip() or "".join(self.pieces[number + 1 : number + 2])
            if re.fullmatch(pattern, value):
                return value
        return None


def page(payload: Raw, name: str = "html") -> Page:
    """Return the page that an answer holds as HTML in one of its fields.

    Raises:
        ValueError: the field is missing or no text.
    """
    html = text(payload, name, required=True)
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return Page(tuple(reader.pieces), tuple(_built(reader.roots)))


def _clean(value: str) -> str:
    return " ".join(value.split())


@dataclass
class _OpenCell:
    is_heading: bool
    text: str = ""
    links: list[str] = field(default_factory=list)


@dataclass
class _OpenTable:
    name: str
    rows: list[list[_OpenCell]] = field(default_factory=list)


_INLINE = frozenset({"a", "b", "i", "u", "em", "strong", "font", "small", "br", "sup", "sub", "img"})
_SILENT = frozenset({"script", "style", "title", "noscript"})


class _Reader(HTMLParser):
    """Collects pieces of text and tables; a table inside a table stands on its own.

    Cells and rows that are not closed end where the next one begins, as browsers read them.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.roots: list[_OpenTable] = []
        self._open: list[_OpenTable] = []
        self._cells: list[_OpenCell | None] = []
        self._piece = ""
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a table, row, cell or link."""
        given = dict(attrs)
        if tag in _SILENT:
            self._silent += 1
        if tag not in _INLINE:
            self._flush()
        if tag not in _INLINE or tag == "br":
            self.handle_data(" ")
        if tag == "table":
            opened = _OpenTable(given.get("id") or "")
            self.roots.append(opened)
            self._open.append(opened)
            self._cells.append(None)
        elif not self._open:
            return
        elif tag == "tr":
            self._end_cell()
            self._open[-1].rows.append([])
        elif tag in ("td", "th"):
            self._end_cell()
            if not self._open[-1].rows:
                self._open[-1].rows.append([])
            cell = _OpenCell(tag == "th")
            self._open[-1].rows[-1].append(cell)
            self._cells[-1] = cell
        elif tag == "a" and (cell_now := self._cells[-1]) is not None and given.get("href"):
            cell_now.links.append(str(given["href"]))

    def handle_endtag(self, tag: str) -> None:
        """Close a table or cell; an empty cell is a piece of its own."""
        if tag in _SILENT and self._silent:
            self._silent -= 1
        if tag not in _INLINE:
            self._flush()
        if tag in ("td", "th") and self._open:
            self._end_cell()
        elif tag == "table" and self._open:
            self._end_cell()
            self._open.pop()
            self._cells.pop()

    def handle_data(self, data: str) -> None:
        """Add text to the open cell and piece."""
        if self._silent:
            return
        self._piece += data
        if self._cells and (cell := self._cells[-1]) is not None:
            cell.text += data

    def close(self) -> None:
        """End what is still open."""
        super().close()
        self._flush()

    def _flush(self) -> None:
        if piece := _clean(self._piece):
            self.pieces.append(piece)
        self._piece = ""

    def _end_cell(self) -> None:
        self._flush()
        cell = self._cells[-1]
        if cell is not None and not cell.text.strip():
            self.pieces.append("")
        self._cells[-1] = None


def _built(opened: list[_OpenTable]) -> Iterator[Table]:
    for one in opened:
        yield Table(
            one.name,
            tuple(
                tuple(Cell(_clean(cell.text), tuple(cell.links), cell.is_heading) for cell in cells)
                for cells in one.rows
                if cells
            ),
        )
