"""Numbers of bills without gaps: what is missing in a series is found from the numbers, whatever the transport says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, and_, func, select

from clientsync.clock import today
from clientsync.exchange import tables as t
from clientsync.exchange.applying import OPEN

LOOK_BACK_DAYS = 40
"""Business days in which gaps are looked for."""
_DIGITS = "0123456789"


@dataclass(frozen=True, order=True)
class Gap:
    """Numbers that are missing between two that are there; ``first`` and ``last`` are the missing ones."""

    first: str
    last: str
    count: int


def gaps_in(numbers: Iterable[str]) -> list[Gap]:
    """Return what is missing between the lowest and the highest number of each series.

    A series is what stands before the digits at the end; numbers without such digits belong to none. Leading zeros are
    kept: ``A-008`` and ``A-010`` lack ``A-009``; of a number that is written in two widths the narrower counts.
    """
    series: dict[str, dict[int, int]] = defaultdict(dict)
    for one in numbers:
        prefix = one.rstrip(_DIGITS)
        digits = one[len(prefix) :]
        if digits:
            there, number = series[prefix], int(digits)
            there[number] = min(len(digits), there.get(number, len(digits)))
    gaps = []
    for prefix, there in sorted(series.items()):
        ordered = sorted(there)
        for low, high in pairwise(ordered):
            if high - low > 1:
                width = there[low]
                gaps.append(
                    Gap(f"{prefix}{low + 1:0{width}d}", f"{prefix}{high - 1:0{width}d}", high - low - 1)
                )
    return gaps


def _since() -> str:
    return (today() - timedelta(days=LOOK_BACK_DAYS)).isoformat()


def own_gaps(connection: Connection, doc_type: str) -> list[Gap]:
    """Return what is missing in the numbers that this node wrote: nobody ever wrote it."""
    mine = and_(t.document.c.doc_type == doc_type, t.document.c.business_date >= _since())
    key = t.document.c.key
    prefix, width = func.rtrim(key, _DIGITS), func.length(key)
    series = connection.execute(
        select(
            prefix.label("prefix"),
            func.count().label("count"),
            func.min(width).label("shortest"),
            func.max(width).label("longest"),
            func.min(key).label("first"),
            func.max(key).label("last"),
            func.max(t.document.c.version).label("version"),
        )
        .where(mine)
        .group_by(prefix)
    ).all()
    if all(_is_whole(one) for one in series):
        return []
    return gaps_in(connection.execute(select(key).where(mine)).scalars())


def _is_whole(series: Any) -> bool:
    """Whether all numbers from the first to the last are there; told of those of one width and one version only."""
    first, last = series.first.removeprefix(series.prefix), series.last.removeprefix(series.prefix)
    if not first and not last:
        return True  # it ends with no digit: not a number
    is_even = (
        series.version == 1 and series.shortest == series.longest and first.isdecimal() and last.isdecimal()
    )
    return bool(is_even and int(last) - int(first) + 1 == series.count)


def gaps_received(connection: Connection, peer: str, doc_type: str) -> list[Gap]:
    """Return what is missing in the numbers of a peer that came here, whether they took effect or are held."""
    had = select(t.applied.c.key).where(
        t.applied.c.origin == peer, t.applied.c.doc_type == doc_type, t.applied.c.business_date >= _since()
    )
    held = select(t.inbox.c.key).where(
        t.inbox.c.peer == peer,
        t.inbox.c.doc_type == doc_type,
        t.inbox.c.state.in_(OPEN),
        t.inbox.c.business_date >= _since(),
    )
    return gaps_in([*connection.execute(had).scalars(), *connection.execute(held).scalars()])
