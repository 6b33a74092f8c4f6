"""Tax periods (a month, written MMYYYY by the portal) and Indian financial years (April to March)."""

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
