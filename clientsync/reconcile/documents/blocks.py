"""Which documents are compared with each other at all: those of one owner and one party, or of one PAN.

In a block where both sides have many documents left, only those are compared that share their number, its digits, or
the taxable value within tolerance; so the work grows with the documents, not with their square.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clientsync.reconcile.documents.frames import MatchSettings
from clientsync.reconcile.documents.sides import Documents, Flags, Ints, joined

LARGEST_BLOCK = 40_000
"""Pairs of a block up to which everything is compared with everything."""
Key = tuple[npt.NDArray[np.int64], ...]


def block_pairs(
    left: Documents,
    right: Documents,
    left_free: Ints,
    right_free: Ints,
    settings: MatchSettings,
    *,
    by_pan: bool = False,
) -> tuple[Ints, Ints]:
    """Return the places of pairs to be weighed, sorted by left, then right, each once.

    Args:
        left: one side.
        right: the other.
        left_free: places that are still free, ascending.
        right_free: the same of the right.
        settings: how amounts are compared.
        by_pan: pair documents of one PAN under different registrations, instead of one registration.
    """
    sides = [_keys(left, left_free, by_pan=by_pan), _keys(right, right_free, by_pan=by_pan)]
    if by_pan:
        kept = [left.pan[left_free] >= 0, right.pan[right_free] >= 0]
        left_free, right_free = left_free[kept[0]], right_free[kept[1]]
        sides = [tuple(key[keep] for key in side) for side, keep in zip(sides, kept, strict=True)]
    small_left, small_right = _small(sides[0], sides[1])
    found = [
        _pairs(
            left_free[small_left],
            right_free[small_right],
            _only(sides[0], small_left),
            _only(sides[1], small_right),
        )
    ]
    if not small_left.all() and not small_right.all():
        large_left, large_right = left_free[~small_left], right_free[~small_right]
        keys = (_only(sides[0], ~small_left), _only(sides[1], ~small_right))
        for more in _narrower(left, right, large_left, large_right, settings):
            found.append(_pairs(large_left, large_right, (*keys[0], more[0]), (*keys[1], more[1])))
    left_places = np.concatenate([one[0] for one in found])
    right_places = np.concatenate([one[1] for one in found])
    if by_pan:
        is_other = left.party[left_places] != right.party[right_places]
        left_places, right_places = left_places[is_other], right_places[is_other]
    whole = np.unique(np.stack([left_places, right_places], axis=1), axis=0)
    return whole[:, 0], whole[:, 1]


def _keys(side: Documents, free: Ints, *, by_pan: bool) -> Key:
    return (side.owner[free], side.pan[free] if by_pan else side.party[free])


def _only(keys: Key, chosen: Flags) -> Key:
    return tuple(key[chosen] for key in keys)


def _pairs(left_free: Ints, right_free: Ints, left: Key, right: Key) -> tuple[Ints, Ints]:
    left_places, right_places = joined(left, right)
    return left_free[left_places], right_free[right_places]


def _small(left: Key, right: Key) -> tuple[Flags, Flags]:
    """Say of every document whether its block is small enough to compare everything with everything."""
    both = np.concatenate([np.stack(left, axis=1), np.stack(right, axis=1)])
    _, block = np.unique(both, axis=0, return_inverse=True)
    block = block.ravel()
    split = len(left[0])
    blocks = int(block.max()) + 1 if len(block) else 0
    size = np.bincount(block[:split], minlength=blocks) * np.bincount(block[split:], minlength=blocks)
    is_small = size[block] <= LARGEST_BLOCK
    return is_small[:split], is_small[split:]


def _narrower(
    left: Documents, right: Documents, left_free: Ints, right_free: Ints, settings: MatchSettings
) -> list[tuple[Ints, Ints]]:
    """Return further keys of which one must be equal in a large block."""
    width = max(1, 2 * settings.taxable.paise + 1)
    bucket = left.amounts[left_free, 0] // width
    other = right.amounts[right_free, 0] // width
    return [
        (left.core[left_free], right.core[right_free]),
        (left.number[left_free], right.number[right_free]),
        (left.number[left_free], right.amends[right_free]),
        *((bucket, other + step) for step in (-1, 0, 1)),
    ]
