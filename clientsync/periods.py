"""Tax periods: months (MMYYYY on the GST portal), and quarters of the Indian year from April to March (TDS)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from clientsync.errors import InvalidPeriod

_PORTAL = re.compile(r"^(0[1-9]|1[0-2])(20[0-9]{2})$")
_ISO = re.compile(r"^(20[0-9]{2})-(0[1-9]|1[0-2])$")


@dataclass(frozen=True, order=True)
class Period:
    """A calendar month; ordered by time."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read MMYYYY or YYYY-MM.

        Raises:
            InvalidPeriod: the text is neither, or lies before 072017 when GST began.
        """
        if match := _PORTAL.match(text.strip()):
            period = cls(int(match[2]), int(match[1]))
        elif match := _ISO.match(text.strip()):
            period = cls(int(match[1]), int(match[2]))
        else:
            raise InvalidPeriod(
                f"Invalid period {text!r}. Valid: MMYYYY such as 102026, YYYY-MM, or a range A:B."
            )
        if period < GST_BEGAN:
            raise InvalidPeriod(f"Period {period} lies before 072017, when GST began.")
        return period

    @classmethod
    def of(cls, day: date) -> Period:
        """Return the month of a day."""
        return cls(day.year, day.month)

    @property
    def first_day(self) -> date:
        """The first day of the month."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """The last day of the month."""
        return date.fromordinal(self.next().first_day.toordinal() - 1)

    @property
    def financial_year(self) -> str:
        """The financial year as the portal writes it, for example ``2026-27``."""
        start = self.year if self.month >= 4 else self.year - 1
        return f"{start}-{(start + 1) % 100:02d}"

    @property
    def is_quarter_end(self) -> bool:
        """Whether this is the last month of a quarter (June, September, December, March)."""
        return self.month % 3 == 0

    def next(self) -> Period:
        """Return the month after this one."""
        return Period(self.year + 1, 1) if self.month == 12 else Period(self.year, self.month + 1)

    def previous(self) -> Period:
        """Return the month before this one."""
        return Period(self.year - 1, 12) if self.month == 1 else Period(self.year, self.month - 1)

    def __str__(self) -> str:
        return f"{self.month:02d}{self.year}"


GST_BEGAN = Period(2017, 7)


def newest_open(day: date) -> Period:
    """Return the newest period whose statements can exist on ``day``: the month before it."""
    return Period.of(day).previous()


def span(first: Period, last: Period) -> Iterator[Period]:
    """Yield every month from ``first`` to ``last``, both included."""
    month = first
    while month <= last:
        yield month
        month = month.next()


def parse_many(texts: list[str], day: date) -> tuple[Period, ...]:
    """Read periods and ranges ``A:B`` (empty: the newest open one); sorted, without repeats.

    Raises:
        InvalidPeriod: a text cannot be read, a range runs backwards, or a period has not begun on ``day``.
    """
    found: set[Period] = set()
    for text in texts or [str(newest_open(day))]:
        first_text, _, last_text = text.partition(":")
        first = Period.parse(first_text)
        last = Period.parse(last_text) if last_text else first
        if last < first:
            raise InvalidPeriod(f"The range {text!r} runs backwards.")
        if last > Period.of(day):
            raise InvalidPeriod(
                f"Period {last} lies in the future. The newest that can be asked is {Period.of(day)}."
            )
        found.update(span(first, last))
    return tuple(sorted(found))


_QUARTER = re.compile(r"(?:FY|TY)?\s*(\d{4})(?:-?(\d{4}|\d{2}))?[-\s/]*Q([1-4])", re.IGNORECASE)
_YEAR = re.compile(r"(?:FY|TY)?\s*(\d{4})(?:-?(\d{4}|\d{2}))?", re.IGNORECASE)
FIRST_YEAR_OF_THE_NEW_ACT = 2026
"""The Income-tax Act, 2025 rules from 1 April 2026 (tax year 2026-27); the Act of 1961 until the day before."""
FIRST_YEAR_OF_TRACES = 2007
"""Statements before 2007-08 are not on TRACES."""


@dataclass(frozen=True, order=True)
class Quarter:
    """A quarter of a financial year or tax year, April to March: ``start`` 2025, ``number`` 4 is 2025-26-Q4."""

    start: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """Read ``2025-26-Q4``; ``FY`` or ``TY`` may stand before it.

        Raises:
            InvalidPeriod: not of that form, or the two years do not follow each other.
        """
        match = _QUARTER.fullmatch(text.strip())
        if match is None:
            raise InvalidPeriod(f"Invalid quarter {text!r}. Valid: {_QUARTER_FORMS}.")
        return cls(_start_of(match[1], match[2], text), int(match[3]))

    @classmethod
    def of(cls, day: date) -> Quarter:
        """Return the quarter of a day."""
        start = day.year if day.month >= 4 else day.year - 1
        return cls(start, (day.month - 4) % 12 // 3 + 1)

    @property
    def year(self) -> str:
        """The year as both Acts write it, for example ``2025-26``."""
        return f"{self.start}-{(self.start + 1) % 100:02d}"

    @property
    def label(self) -> str:
        """For example ``2025-26-Q4``."""
        return f"{self.year}-Q{self.number}"

    @property
    def act(self) -> str:
        """``1961`` for quarters that end by 31 March 2026, ``2025`` for later ones."""
        return "1961" if self.start < FIRST_YEAR_OF_THE_NEW_ACT else "2025"

    @property
    def first_day(self) -> date:
        """The first day of the quarter."""
        return date(self.start + (self.number == 4), (self.number * 3) % 12 + 1, 1)

    @property
    def last_day(self) -> date:
        """The last day of the quarter."""
        return date.fromordinal(self.next().first_day.toordinal() - 1)

    def next(self) -> Quarter:
        """Return the quarter after this one."""
        return Quarter(self.start + 1, 1) if self.number == 4 else Quarter(self.start, self.number + 1)

    def previous(self) -> Quarter:
        """Return the quarter before this one."""
        return Quarter(self.start - 1, 4) if self.number == 1 else Quarter(self.start, self.number - 1)

    def __str__(self) -> str:
        return self.label


_QUARTER_FORMS = "2025-26-Q4, a year such as 2025-26 (its four quarters), or a range A:B"


def _start_of(first: str, second: str | None, text: str) -> int:
    start = int(first)
    if second is not None and int(second) % 100 != (start + 1) % 100:
        raise InvalidPeriod(f"Invalid year in {text!r}: {first} is followed by {(start + 1) % 100:02d}.")
    if second is not None and len(second) == 4 and int(second) != start + 1:
        raise InvalidPeriod(f"Invalid year in {text!r}: {first} is followed by {start + 1}.")
    if start < FIRST_YEAR_OF_TRACES:
        raise InvalidPeriod(f"The year in {text!r} lies before 2007-08, when TRACES began.")
    return start


def _ends_of(text: str) -> tuple[Quarter, Quarter]:
    match = _YEAR.fullmatch(text.strip())
    if match is not None:
        start = _start_of(match[1], match[2], text)
        return Quarter(start, 1), Quarter(start, 4)
    quarter = Quarter.parse(text)
    return quarter, quarter


def newest_quarters(day: date, count: int = 6) -> tuple[Quarter, ...]:
    """Return the ``count`` newest quarters that have ended on ``day``, oldest first."""
    found = [Quarter.of(day).previous()]
    while len(found) < count:
        found.append(found[-1].previous())
    return tuple(reversed(found))


def parse_quarters(texts: list[str], day: date) -> tuple[Quarter, ...]:
    """Read quarters, years and ranges ``A:B`` (empty: the newest six that have ended); sorted, without repeats.

    Years that have not ended give the quarters that have begun on ``day``.

    Raises:
        InvalidPeriod: a text cannot be read, a range runs backwards, or nothing of it has begun on ``day``.
    """
    if not texts:
        return newest_quarters(day)
    newest = Quarter.of(day)
    found: set[Quarter] = set()
    for text in texts:
        first_text, _, last_text = text.partition(":")
        first, last = _ends_of(first_text)
        if last_text:
            last = _ends_of(last_text)[1]
        if last < first:
            raise InvalidPeriod(f"The range {text!r} runs backwards.")
        if first > newest:
            raise InvalidPeriod(f"{text!r} lies in the future. The newest that can be asked is {newest}.")
        quarter = first
        while quarter <= min(last, newest):
            found.add(quarter)
            quarter = quarter.next()
    return tuple(sorted(found))
