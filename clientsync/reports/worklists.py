"""Lists of what falls due: typed rows that connectors read from the warehouse and reports print as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clientsync.reports.sheets import SheetColumn


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
    """Return the lists of one name as one, in the order of the names given, then as they came."""
    found: dict[str, Worklist] = {}
    for one in lists:
        known = found.get(one.name)
        found[one.name] = (
            one
            if known is None
            else replace(known, rows=(*known.rows, *one.rows), urgent=known.urgent + one.urgent)
        )
    names = [*(name for name in order if name in found), *(name for name in found if name not in order)]
    return tuple(found[name] for name in names)
