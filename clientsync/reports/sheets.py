"""Sheets of a workbook: typed columns, frozen header, filters, widths; written row by row in little memory.

Text is always written as text (never as formula, number or link); amounts are numbers in rupees. The same rows
make the same bytes: the workbook carries the moment it is given, not the time of writing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from clientsync.clock import INDIA
from clientsync.drafts import whole_file
from clientsync.reports.files import sheet_text
from clientsync.reports.words import Coloured
from clientsync.spreadsheets import FIRST_DAY, MAX_ROWS

COLOURS = {
    "good": ("#C6EFCE", "#006100"),
    "plain": ("#EDEDED", "#404040"),
    "wait": ("#FFEB9C", "#7F6000"),
    "bad": ("#FFC7CE", "#9C0006"),
}
"""Fill and letter of a state."""


@dataclass(frozen=True)
class SheetColumn:
    """One column: header, width in characters, and whether integers in it are money.

    Attributes:
        is_money: integers are paise and are shown as rupees.
    """

    title: str
    width: int = 14
    is_money: bool = False


class Book:
    """A workbook that is being written; rows of a sheet must come in order."""

    def __init__(self, path: Path, created: datetime) -> None:
        """Begin the workbook at ``path``; ``created`` is what it says of its making, aware."""
        import xlsxwriter

        self._book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
                "tmpdir": str(path.parent),
            },
        )
        self._pages: dict[str, tuple[Any, int, int]] = {}
        self._book.set_properties({"created": created.astimezone(UTC).replace(tzinfo=None)})
        make = self._book.add_format
        self._head = make(
            {"bold": True, "bg_color": "#DDEBF7", "bottom": 1, "text_wrap": True, "valign": "top"}
        )
        self._text = make({"num_format": "@", "valign": "top"})
        self._number = make({"num_format": "#,##0", "valign": "top"})
        self._money = make(
            {
                "num_format": "[>=10000000]##\\,##\\,##\\,##0.00;[>=100000]##\\,##\\,##0.00;##,##0.00",
                "valign": "top",
            }
        )
        self._day = make({"num_format": "dd-mm-yyyy", "valign": "top"})
        self._moment = make({"num_format": "dd-mm-yyyy hh:mm", "valign": "top"})
        self._bold = make({"bold": True, "num_format": "@"})
        self._banners = {
            name: make({"bg_color": fill, "font_color": letter, "num_format": "@", "bold": True})
            for name, (fill, letter) in COLOURS.items()
        }
        self._colours = {
            name: make({"bg_color": fill, "font_color": letter, "num_format": "@", "align": "center"})
            for name, (fill, letter) in COLOURS.items()
        }

    def close(self) -> None:
        """Write the file.

        Raises:
            OSError: it could not be written.
        """
        from xlsxwriter.exceptions import FileCreateError

        try:
            self._book.close()
        except FileCreateError as error:
            raise error.args[0] if isinstance(error.args[0], OSError) else OSError(str(error)) from None

    def abandon(self) -> None:
        """Give the workbook up and close its files; what was written of it goes away with its draft folder."""
        with suppress(OSError):
            self.close()

    def sheet(
        self,
        name: str,
        columns: Sequence[SheetColumn],
        rows: Iterable[Sequence[Any]],
        *,
        above: Sequence[tuple[str, Any]] = (),
        frozen_columns: int = 0,
    ) -> int:
        """Add a sheet; return how many rows there are. Rows beyond what Excel can hold go on on a further sheet."""
        left = iter(rows)
        count = self._page(name, columns, islice(left, MAX_ROWS - len(above) - 1), above, frozen_columns)
        number = 1
        while (first := next(left, None)) is not None:
            number += 1
            more = chain([first], islice(left, MAX_ROWS - 1))
            count += self._page(f"{name[:24]} ({number})", columns, more, (), frozen_columns)
        return count

    def _page(
        self,
        name: str,
        columns: Sequence[SheetColumn],
        rows: Iterable[Sequence[Any]],
        above: Sequence[tuple[str, Any]],
        frozen_columns: int,
    ) -> int:
        page = self._book.add_worksheet(name)
        top = len(above) + 1 if above else 0
        for number, column in enumerate(columns):
            page.set_column(number, number, column.width)
        page.freeze_panes(top + 1, frozen_columns)
        for line, (label, value) in enumerate(above):
            page.write_string(line, 0, sheet_text(label), self._bold)
            if isinstance(value, Coloured):
                page.write_string(line, 1, sheet_text(value.text), self._banners[value.colour])
            else:
                self._write(page, line, 1, value, is_money=False)
        for number, column in enumerate(columns):
            page.write_string(top, number, sheet_text(column.title), self._head)
        count = 0
        for row in rows:
            count += 1
            for number, value in enumerate(row):
                self._write(page, top + count, number, value, is_money=columns[number].is_money)
        if columns:
            page.autofilter(top, 0, top + max(count, 1), len(columns) - 1)
        self._pages[name] = (page, top, count)
        return count

    def chart(
        self,
        on: str,
        place: str,
        title: str,
        kind: str,
        of: str,
        series: Sequence[int],
        *,
        stacked: bool = False,
    ) -> None:
        """Draw a chart over the rows of a sheet that was written before.

        Args:
            on: sheet that the chart lies on.
            place: cell of its upper left corner, for example ``I2``.
            title: above it.
            kind: ``bar`` or ``column``.
            of: sheet whose rows are drawn; its first column names them.
            series: numbers of the columns that are drawn, from 0.
            stacked: whether the series of one row are put on each other.
        """
        page, top, count = self._pages[of]
        if not count:
            return
        chart = self._book.add_chart({"type": kind, **({"subtype": "stacked"} if stacked else {})})
        for number in series:
            chart.add_series(
                {
                    "name": [page.get_name(), top, number],
                    "categories": [page.get_name(), top + 1, 0, top + count, 0],
                    "values": [page.get_name(), top + 1, number, top + count, number],
                }
            )
        chart.set_title({"name": title, "name_font": {"size": 11}})
        chart.set_legend({"position": "bottom"} if len(series) > 1 else {"none": True})
        chart.set_size({"width": 560, "height": 300})
        if kind == "bar":
            chart.set_y_axis({"reverse": True})
        self._pages[on][0].insert_chart(place, chart)

    def _write(self, page: Any, row: int, column: int, value: Any, *, is_money: bool) -> None:
        if value is None or value == "":
            return
        if isinstance(value, Coloured):
            page.write_string(row, column, sheet_text(value.text), self._colours[value.colour])
        elif isinstance(value, bool):
            page.write_string(row, column, "yes" if value else "no", self._text)
        elif isinstance(value, int | Decimal):
            self._write_number(page, row, column, value, is_money=is_money)
        elif isinstance(value, datetime):
            page.write_datetime(row, column, value.astimezone(INDIA).replace(tzinfo=None), self._moment)
        elif isinstance(value, date) and value >= FIRST_DAY:
            page.write_datetime(row, column, value, self._day)
        else:
            page.write_string(row, column, sheet_text(str(value)), self._text)

    def _write_number(
        self, page: Any, row: int, column: int, value: int | Decimal, *, is_money: bool
    ) -> None:
        shown = Decimal(value) / 100 if is_money else Decimal(value)
        if len(shown.as_tuple().digits) > 15:  # Excel keeps 15 digits: more would be changed silently
            page.write_string(row, column, f"{shown:f}", self._text)
        elif is_money or isinstance(value, Decimal):
            page.write_number(row, column, float(shown), self._money)
        else:
            page.write_number(row, column, value, self._number)


@contextmanager
def new_book(path: Path, created: datetime) -> Iterator[Book]:
    """Yield a workbook that takes the place of ``path`` when the block ends without an error.

    Raises:
        OutOfSpace, InvalidInput: it could not be written; what was there before still is.
    """
    with whole_file(path) as draft:
        book = Book(draft, created)
        try:
            yield book
        except BaseException:
            book.abandon()
            raise
        book.close()
