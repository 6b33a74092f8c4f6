"""For a document that stands alone: the nearest documents of the other side, and why each was not taken."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clientsync.reconcile.documents.frames import CANDIDATE_COLUMNS, MatchSettings, Side
from clientsync.reconcile.documents.pairs import Amounts, Dates, Number, Pairs, weighed
from clientsync.reconcile.documents.sides import Documents, Flags, Ints, joined
from clientsync.reconcile.result import inr

LARGEST = 2_000
"""Pairs of a document with a party's documents up to which all of them are weighed; beyond, the nearest in value."""
LEAST_SCORE = 11
"""A document that has less in common than this is no candidate."""


def nearest(
    left_alone: Ints, right_alone: Ints, left: Documents, right: Documents, settings: MatchSettings
) -> pd.DataFrame:
    """Return ``CANDIDATE_COLUMNS`` for every document that stands alone and has something near, nearest first."""
    parts = [
        _of_side(left_alone, left, right, right_alone, settings, is_left=True),
        _of_side(right_alone, right, left, left_alone, settings, is_left=False),
    ]
    found = [part for part in parts if len(part)]
    if not found or settings.candidates < 1:
        return pd.DataFrame(
            {
                name: pd.Series([], dtype="int64" if name in ("rank", "score") else "object")
                for name in CANDIDATE_COLUMNS
            }
        )
    return pd.concat(found, ignore_index=True)


def _of_side(
    alone: Ints,
    own: Documents,
    other: Documents,
    other_alone: Ints,
    settings: MatchSettings,
    *,
    is_left: bool,
) -> pd.DataFrame:
    if not len(alone) or not len(other):
        return pd.DataFrame()
    places, candidates = _possible(alone, own, other)
    nothing = (np.zeros(len(own), dtype=bool), np.zeros(len(other), dtype=bool))
    pairs = weighed(own, other, places, candidates, settings, nothing)
    pairs = pairs.only(pairs.score >= LEAST_SCORE)
    if not len(pairs):
        return pd.DataFrame()
    order = np.lexsort((other.spread[pairs.right], -pairs.score, pairs.left))
    pairs = pairs.only(order)
    starts = np.flatnonzero(np.r_[True, pairs.left[1:] != pairs.left[:-1]])
    rank = np.arange(len(pairs)) - np.repeat(starts, np.diff(np.r_[starts, len(pairs)])) + 1
    kept = rank <= settings.candidates
    pairs, rank = pairs.only(kept), rank[kept]
    is_free: Flags = np.zeros(len(other), dtype=bool)
    is_free[other_alone] = True
    return pd.DataFrame(
        {
            "side": str(Side.LEFT if is_left else Side.RIGHT),
            "id": own.ids[pairs.left],
            "candidate_id": other.ids[pairs.right],
            "rank": rank,
            "score": np.clip(pairs.score, 0, 99),
            "why_not": [
                _why_not(pairs, place, own, other, settings, is_free=bool(is_free[pairs.right[place]]))
                for place in range(len(pairs))
            ],
        }
    )[list(CANDIDATE_COLUMNS)]


def _possible(alone: Ints, own: Documents, other: Documents) -> tuple[Ints, Ints]:
    """Return the documents of the same owner and party; of a party with very many only the nearest in value."""
    keys = (own.owner[alone], own.party[alone])
    both = pd.DataFrame({"owner": other.owner, "party": other.party})
    size = both.groupby(["owner", "party"]).size()
    wanted = pd.MultiIndex.from_arrays(list(keys))
    many = size.reindex(wanted).fillna(0).to_numpy() > LARGEST
    few = np.flatnonzero(~many)
    left, right = joined((own.owner[alone[few]], own.party[alone[few]]), (other.owner, other.party))
    found = [(alone[few][left], right)]
    for place in alone[many].tolist():
        members = np.flatnonzero((other.owner == own.owner[place]) & (other.party == own.party[place]))
        apart = np.abs(other.amounts[members, 0] - own.amounts[place, 0])
        near = members[np.lexsort((other.spread[members], apart))[:50]]
        found.append((np.full(len(near), place, dtype=np.int64), near))
    return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])


def _why_not(
    pairs: Pairs, place: int, own: Documents, other: Documents, settings: MatchSettings, *, is_free: bool
) -> str:
    one, two = int(pairs.left[place]), int(pairs.right[place])
    number, amounts = int(pairs.number[place]), int(pairs.amounts[place])
    reasons = []
    if not is_free:
        reasons.append("another document is the better match for it")
    if number == Number.UNRELATED:
        shorter = min(len(own.clean[one]), len(other.clean[two]))
        is_short = shorter < settings.fuzzy_length
        reasons.append(
            "the number is too short to be compared loosely" if is_short else "the number is another one"
        )
    if amounts < Amounts.WITHIN:
        taxable = abs(int(other.amounts[two, 0] - own.amounts[one, 0]))
        tax = abs(int(other.taxes[two] - own.taxes[one])) if not taxable else 0
        if taxable:
            reasons.append(f"the taxable value differs by {inr(taxable)}")
        elif tax:
            reasons.append(f"the taxes differ by {inr(tax)}")
        else:
            reasons.append("the taxes stand under other heads")
    apart = abs(int(own.day[one]) - int(other.day[two]))
    if pairs.dates[place] <= Dates.YEAR and apart < 100_000:
        reasons.append(f"the dates lie {apart} days apart")
    if pairs.is_other_kind[place]:
        reasons.append("it is a document of another type")
    if not reasons:
        reasons.append("another document speaks for it as much, or a person parted them")
    return "; ".join(reasons)
