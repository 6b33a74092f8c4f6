"""One document on one side that is several on the other: split invoices, and entries that were booked in parts.

The amounts of the parts must add up in every head, within tolerance. Of several sets of parts that fit equally well
none is taken. Invariant: the outcome is the same from either side and for any order of the documents.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from clientsync.reconcile.documents.frames import MatchSettings
from clientsync.reconcile.documents.pairs import within
from clientsync.reconcile.documents.sides import NO_DAY, Documents, Ints

MOST_PARTS = 14
"""Documents nearest to the whole that are tried as its parts."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """One whole and its parts.

    Attributes:
        is_whole_left: whether the one document is of the left.
        whole: its place.
        parts: places on the other side, ascending.
        has_number: whether all parts share the number of the whole.
    """

    is_whole_left: bool
    whole: int
    parts: tuple[int, ...]
    has_number: bool


def gathered(
    left: Documents, right: Documents, left_free: Ints, right_free: Ints, settings: MatchSettings
) -> list[Gathered]:
    """Return wholes with their parts among the free documents; no document stands in two of them."""
    if settings.group_size < 2:
        return []
    found = [
        *_found(left, right, left_free, right_free, settings, is_whole_left=True),
        *_found(right, left, right_free, left_free, settings, is_whole_left=False),
    ]
    return _without_overlap(found, left, right)


def _found(
    wholes: Documents,
    parts: Documents,
    whole_free: Ints,
    part_free: Ints,
    settings: MatchSettings,
    *,
    is_whole_left: bool,
) -> list[Gathered]:
    blocks: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for place in part_free.tolist():
        blocks[int(parts.owner[place]), int(parts.party[place]), int(parts.kind[place])].append(place)
    found = []
    for whole in whole_free.tolist():
        own = blocks.get((int(wholes.owner[whole]), int(wholes.party[whole]), int(wholes.kind[whole])), ())
        if len(own) < 2:
            continue
        places = _near_parts(wholes, parts, whole, np.asarray(own, dtype=np.int64), settings)
        fitting = _fitting(wholes, parts, whole, places, settings) if len(places) > 1 else []
        numbered = [one for one in fitting if _share_number(wholes, parts, whole, one)]
        only = numbered if len(numbered) == 1 else fitting
        if len(only) == 1:
            found.append(Gathered(is_whole_left, whole, only[0], has_number=bool(numbered)))
    return found


def _near_parts(
    wholes: Documents, parts: Documents, whole: int, places: Ints, settings: MatchSettings
) -> Ints:
    """Return the documents that may be parts, those nearest in time; ties by amount and id, ascending by place."""
    target = wholes.amounts[whole, 0]
    amount = parts.amounts[places, 0]
    fits = (np.sign(amount) == np.sign(target)) & (np.abs(amount) < abs(target) + settings.taxable.paise)
    apart = np.abs(parts.day[places] - wholes.day[whole])
    is_unknown = (parts.day[places] == NO_DAY) | (wholes.day[whole] == NO_DAY)
    shares = (parts.number[places] == wholes.number[whole]) & (parts.year[places] == wholes.year[whole])
    is_near = is_unknown | (apart <= settings.near_days) | shares | (not settings.is_date_compared)
    kept = fits & is_near
    order = np.lexsort((parts.spread[places[kept]], -np.abs(amount[kept]), apart[kept], ~shares[kept]))
    nearest: Ints = np.sort(places[kept][order][:MOST_PARTS])
    return nearest


def _fitting(
    wholes: Documents, parts: Documents, whole: int, places: Ints, settings: MatchSettings
) -> list[tuple[int, ...]]:
    """Return the smallest sets of parts that add up; sets of one size only."""
    target = wholes.amounts[whole]
    for size in range(2, min(settings.group_size, len(places)) + 1):
        chosen = np.array(list(combinations(range(len(places)), size)), dtype=np.int64)
        sums = parts.amounts[places][chosen].sum(axis=1)
        fits = within(sums[:, 0], np.broadcast_to(target[0], len(sums)), settings.taxable)
        fits &= within(sums[:, 1:], np.broadcast_to(target[1:], sums[:, 1:].shape), settings.tax).all(axis=1)
        if fits.any():
            return [tuple(int(place) for place in places[one]) for one in chosen[fits]]
    return []


def _share_number(wholes: Documents, parts: Documents, whole: int, places: tuple[int, ...]) -> bool:
    return all(
        parts.number[place] == wholes.number[whole]
        or (wholes.digits[whole] != "" and parts.digits[place].startswith(wholes.digits[whole]))
        for place in places
    )


def _without_overlap(found: list[Gathered], left: Documents, right: Documents) -> list[Gathered]:
    """Return the wholes in an order that both sides agree on, leaving out those whose documents are taken already."""

    def order(one: Gathered) -> tuple[bool, int, int]:
        wholes, parts = (left, right) if one.is_whole_left else (right, left)
        mixed = int(wholes.spread[one.whole])
        for place in one.parts:
            mixed ^= int(parts.spread[place])
        return (not one.has_number, len(one.parts), mixed)

    taken: set[tuple[bool, int]] = set()
    kept = []
    for one in sorted(found, key=order):
        own = {(one.is_whole_left, one.whole), *((not one.is_whole_left, place) for place in one.parts)}
        if not own & taken:
            taken |= own
            kept.append(one)
    return kept
