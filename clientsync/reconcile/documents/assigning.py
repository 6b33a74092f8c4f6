"""The best assignment of pairs: every document at most once, the sum of scores as large as can be.

Documents that no chain of pairs connects are assigned apart from each other. Ties are settled by nearness in time and
then by a number that depends on the two ids alone, so the outcome depends neither on the order of the documents nor
on which side is called left. Method: linear sum assignment (Kuhn 1955, Munkres 1957) as in SciPy.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from clientsync.reconcile.documents.pairs import Pairs
from clientsync.reconcile.documents.sides import NO_DAY, Documents, Flags, Ints

_NEAREST = 1023


def assigned(pairs: Pairs, left: Documents, right: Documents) -> Ints:
    """Return the places of the chosen pairs, ascending; ``pairs`` holds only pairs that may be chosen."""
    if not len(pairs):
        return np.empty(0, dtype=np.int64)
    weight = _weights(pairs, left, right)
    left_codes, left_of = np.unique(pairs.left, return_inverse=True)
    right_codes, right_of = np.unique(pairs.right, return_inverse=True)
    size = len(left_codes) + len(right_codes)
    graph = coo_matrix(
        (np.ones(len(pairs), dtype=np.int8), (left_of, right_of + len(left_codes))), shape=(size, size)
    )
    _, component = connected_components(graph, directed=False)
    owner = component[left_of]
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.r_[True, owner[order][1:] != owner[order][:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    chosen = [order[starts[sizes == 1]]]
    chosen += [
        _best(order[start : start + size], pairs, weight)
        for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _best(own: Ints, pairs: Pairs, weight: Ints) -> Ints:
    """Return the chosen pairs of one component."""
    left, left_of = np.unique(pairs.left[own], return_inverse=True)
    right, right_of = np.unique(pairs.right[own], return_inverse=True)
    if len(left) == 1 or len(right) == 1:
        return own[[int(np.argmax(weight[own]))]]
    worth = np.zeros((len(left), len(right)))
    place = np.full((len(left), len(right)), -1, dtype=np.int64)
    worth[left_of, right_of] = weight[own]
    place[left_of, right_of] = own
    rows, columns = linear_sum_assignment(worth, maximize=True)
    found = place[rows, columns]
    chosen: Ints = found[found >= 0]
    return chosen


def _weights(pairs: Pairs, left: Documents, right: Documents) -> Ints:
    """Return weights of at most 53 bits, so that sums of them stay exact: score, nearness in time, the two ids."""
    first, second = left.day[pairs.left], right.day[pairs.right]
    apart = np.where((first == NO_DAY) | (second == NO_DAY), _NEAREST, np.abs(first - second))
    near = _NEAREST - np.minimum(apart, _NEAREST)
    mixed = (left.spread[pairs.left] ^ right.spread[pairs.right]).astype(np.uint64)
    settled = (mixed % np.uint64(1 << 14)).astype(np.int64)
    return (pairs.score + 100) << 24 | near << 14 | settled


def contested(pairs: Pairs, chosen: Ints, left_taken: Flags, right_taken: Flags) -> Flags:
    """Say of each chosen pair whether another pair speaks as loudly for one of its documents.

    A rival counts when its score is at least as high and its other document is free after the assignment.

    Args:
        pairs: all pairs that could be chosen.
        chosen: places of those that were.
        left_taken: of every document of the left, whether it is matched after this assignment.
        right_taken: the same of the right.
    """
    is_chosen = np.zeros(len(pairs), dtype=bool)
    is_chosen[chosen] = True
    rivals = np.flatnonzero(~is_chosen)
    by_left = _loudest(
        pairs.left[rivals],
        np.where(right_taken[pairs.right[rivals]], -1, pairs.score[rivals]),
        len(left_taken),
    )
    by_right = _loudest(
        pairs.right[rivals],
        np.where(left_taken[pairs.left[rivals]], -1, pairs.score[rivals]),
        len(right_taken),
    )
    rival = np.maximum(by_left[pairs.left[chosen]], by_right[pairs.right[chosen]])
    is_contested: Flags = rival >= pairs.score[chosen]
    return is_contested


def _loudest(places: Ints, scores: Ints, size: int) -> Ints:
    found = np.full(size, -1, dtype=np.int64)
    np.maximum.at(found, places, scores)
    return found
