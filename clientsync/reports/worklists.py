"""Lists of what falls due: typed rows that connectors read from the warehouse and reports print as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from heapq import merge
from typing import Any

from clientsync.reports.sheets import SheetColumn

_DAYS = ("deemed accepted on", "answer until", "due", "issued")
"""Columns whose day orders a list; the first one that a row has counts."""


@dataclass(frozen=True)
class Worklist:
    """One list.

    Attributes:
        name: of the sheet, at most 31 characters.
        what: what stands in it, one sentence.
        columns: of its rows.
        rows: most urgent first; values in the order of the columns.
        urgent: how many of them are overdue or due within a week.
    """

    name: str
    what: str
    columns: tuple[SheetColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    urgent: int = 0


def joined(lists: Iterable[Worklist], order: Sequence[str] = ()) -> tuple[Worklist, ...]:
    """Return the lists of one name as one, in the order of the names given, then as they came.

    What is most urgent in any of them is first in the joined one.
    """
    found: dict[str, Worklist] = {}
    for one in lists:
        known = found.get(one.name)
        found[one.name] = (
            one
            if known is None
            else replace(
                known,
                rows=tuple(merge(known.rows, one.rows, key=_day_of(one.columns))),
                urgent=known.urgent + one.urgent,
            )
        )
    names = [*(name for name in order if name in found), *(name for name in found if name not in order)]
    return tuple(found[name] for name in names)


def _day_of(columns: Sequence[SheetColumn]) -> Callable[[tuple[Any, ...]], date]:
    titles = [column.title for column in columns]
    places = [titles.index(name) for name in _DAYS if name in titles]
    return lambda row: next((row[place] for place in places if row[place] is not None), date.max)
