"""Matches the documents of the books with those of the portal: stage by stage, the surest first, each document once.

1. On the portal an amendment takes the place of the document that it amends, in what persons linked too.
2. What persons linked stays together, what they parted is never paired.
3. A document that its side holds twice counts once.
4. Documents that are equal in everything.
5. Pairs whose amounts agree, by the best assignment.
6. One document that is several on the other side.
7. Pairs whose amounts differ, by the best assignment.
8. Lonely pairs: unrelated numbers, amounts that stand nowhere else, near dates.
9. The same under another registration of the same PAN.

Whatever is left stands alone, with the nearest documents of the other side and why each was not taken. What is not
certain is left alone: a pair that another speaks for as loudly is not taken, unless the number is equal. The method
replaces the ordered, greedy rules of the field (GST reference 6.1) and answers their weak spots (6.2).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from clientsync.reconcile.documents.assigning import assigned, contested
from clientsync.reconcile.documents.blocks import block_pairs
from clientsync.reconcile.documents.explaining import Found, result_of
from clientsync.reconcile.documents.frames import Matched, MatchSettings, MatchStatus, Wishes
from clientsync.reconcile.documents.gathering import gathered
from clientsync.reconcile.documents.pairs import (
    Amounts,
    Dates,
    Number,
    Pairs,
    agreeing,
    differing,
    lonely,
    weighed,
)
from clientsync.reconcile.documents.sides import Documents, Flags, Ints, contradict, joined, prepared

_ALONE = np.empty(0, dtype=np.int64)


def match_documents(
    left: pd.DataFrame,
    right: pd.DataFrame,
    settings: MatchSettings = MatchSettings(),  # noqa: B008 - frozen
    wishes: Wishes = Wishes(),  # noqa: B008 - frozen
) -> Matched:
    """Match two frames of documents.

    Args:
        left: the books, with ``DOCUMENT_COLUMNS``.
        right: the portal, with ``DOCUMENT_COLUMNS``.
        settings: tolerances and bounds.
        wishes: what persons decided.

    Raises:
        InvalidInput: a column is missing, an id stands twice in a side, or an amount is no whole number.
    """
    books, portal, words = prepared(left, right)
    return result_of(_Matching(books, portal, settings, wishes).found(), books, portal, words, settings)


class _Matching:
    """The stages, and which documents they have used so far."""

    def __init__(self, left: Documents, right: Documents, settings: MatchSettings, wishes: Wishes) -> None:
        self.left = left
        self.right = right
        self.settings = settings
        self.wishes = wishes
        self.left_taken: Flags = np.zeros(len(left), dtype=bool)
        self.right_taken: Flags = np.zeros(len(right), dtype=bool)
        self.parted = self._parted_keys()
        self.rare = (_rare(left), _rare(right))
        self.amended_by: dict[int, int] = {}
        self.out = Found()

    def found(self) -> Found:
        """Run the stages in order and return what they found."""
        self._amend()
        self._link()
        self._duplicates(self.left, self.left_taken, is_left=True)
        self._duplicates(self.right, self.right_taken, is_left=False)
        self._equal()
        pairs = self._weighed(by_pan=False)
        self._assign(pairs, agreeing(pairs))
        self._gather()
        pairs = self._still_free(pairs)
        self._assign(pairs, differing(pairs, self._same_year(pairs)))
        pairs = self._still_free(pairs)
        self._lonely(pairs)
        pairs = self._weighed(by_pan=True)
        sure = (pairs.number >= Number.SLIP) & agreeing(pairs)
        near = (pairs.dates >= Dates.NEAR) | (self._same_year(pairs) & pairs.is_rare)
        part = (pairs.number >= Number.EQUAL) & (pairs.amounts >= Amounts.PART) & near
        self._assign(pairs, sure | part)
        self.out.left_alone = np.flatnonzero(~self.left_taken)
        self.out.right_alone = np.flatnonzero(~self.right_taken)
        return self.out

    # --- what persons decided -----------------------------------------------------------------------------------------

    def _parted_keys(self) -> set[tuple[int, int]]:
        left = {name: place for place, name in enumerate(self.left.ids)} if self.wishes.parted else {}
        right = {name: place for place, name in enumerate(self.right.ids)} if self.wishes.parted else {}
        return {(left[one], right[two]) for one, two in self.wishes.parted if one in left and two in right}

    def _allowed(self, left: Ints, right: Ints) -> Flags:
        if not self.parted:
            return np.ones(len(left), dtype=bool)
        pairs = zip(left.tolist(), right.tolist(), strict=True)
        return np.fromiter((pair not in self.parted for pair in pairs), dtype=bool, count=len(left))

    def _link(self) -> None:
        if not self.wishes.links:
            return
        places = [{name: place for place, name in enumerate(side.ids)} for side in (self.left, self.right)]
        places[1] = {name: self._newest(place) for name, place in places[1].items()}
        for ids in self.wishes.links:
            left, right = (
                [known[one] for one in dict.fromkeys(own) if one in known]
                for known, own in zip(places, ids, strict=True)
            )
            left = [place for place in left if not self.left_taken[place]]
            right = [place for place in right if not self.right_taken[place]]
            if left and right:
                self._take_group(MatchStatus.LINKED, left, right)

    def _newest(self, place: int) -> int:
        """Return the document of the portal that stands for one: the newest amendment of it, or itself."""
        seen = {place}
        while (later := self.amended_by.get(place, place)) not in seen:
            place = later
            seen.add(place)
        return place

    def _take_group(self, status: MatchStatus, left: list[int], right: list[int]) -> None:
        self.left_taken[left] = True
        self.right_taken[right] = True
        self.out.several.append((status, tuple(sorted(left)), tuple(sorted(right))))

    # --- one side -----------------------------------------------------------------------------------------------------

    def _amend(self) -> None:
        """Set aside the documents of the portal that a later document amends."""
        side = self.right
        amending = np.flatnonzero((side.amends >= 0) & ~self.right_taken)
        if not len(amending):
            return
        later = (side.owner[amending], side.party[amending], side.kind[amending], side.amends[amending])
        every = np.flatnonzero(~self.right_taken)
        own = (side.owner[every], side.party[every], side.kind[every], side.number[every])
        by_number = _places(joined(later, own), amending, every)
        same_year = side.amends_year[by_number[0]] == side.year[by_number[1]]
        by_original = _places(joined(later, later), amending, amending)
        same_original = side.amends_year[by_original[0]] == side.amends_year[by_original[1]]
        new = np.concatenate([by_number[0][same_year], by_original[0][same_original]])
        old = np.concatenate([by_number[1][same_year], by_original[1][same_original]])
        is_later = (side.month[new] > side.month[old]) | (
            (side.month[new] == side.month[old])
            & ((side.amends[old] < 0) | (side.spread[new] > side.spread[old]))
        )
        kept = is_later & (new != old)
        amended, first = np.unique(old[kept], return_index=True)
        self.right_taken[amended] = True
        self.out.amended = (amended, new[kept][first])
        self.amended_by = dict(zip(amended.tolist(), new[kept][first].tolist(), strict=True))

    def _duplicates(self, side: Documents, taken: Flags, *, is_left: bool) -> None:
        """Set aside documents whose side has an earlier one with the same number and the same amounts."""
        free = np.flatnonzero(~taken)
        if not len(free):
            return
        keys = np.column_stack(
            [
                side.owner[free],
                side.party[free],
                side.kind[free],
                side.number[free],
                side.year[free],
                side.amounts[free],
            ]
        )
        code = _hashed(keys)
        order = np.lexsort((free, side.month[free], code))
        is_again = np.r_[False, code[order][1:] == code[order][:-1]]
        again, before = order[is_again], order[np.flatnonzero(is_again) - 1]
        is_equal = (keys[again] == keys[before]).all(axis=1)
        is_equal &= ~contradict(side.token_year[free[again]], side.token_year[free[before]])
        twice = free[again[is_equal]]
        taken[twice] = True
        twins = free[before[is_equal]]
        self.out.duplicates[is_left] = (twice, twins)

    # --- pairs --------------------------------------------------------------------------------------------------------

    def _equal(self) -> None:
        """Pair documents that are equal in party, type, number, date, place, charge and every amount."""
        free = [np.flatnonzero(~taken) for taken in (self.left_taken, self.right_taken)]
        keys = [_everything(side, own) for side, own in zip((self.left, self.right), free, strict=True)]
        codes = [_hashed(one) for one in keys]
        _, first, second = np.intersect1d(codes[0], codes[1], return_indices=True)
        is_equal = (keys[0][first] == keys[1][second]).all(axis=1)
        left, right = free[0][first[is_equal]], free[1][second[is_equal]]
        same_year = ~contradict(self.left.token_year[left], self.right.token_year[right])
        left, right = left[same_year], right[same_year]
        allowed = self._allowed(left, right)
        self._take(left[allowed], right[allowed])

    def _take(self, left: Ints, right: Ints) -> None:
        self.left_taken[left] = True
        self.right_taken[right] = True
        self.out.pairs.append((left, right))

    def _weighed(self, *, by_pan: bool) -> Pairs:
        left, right = block_pairs(
            self.left,
            self.right,
            np.flatnonzero(~self.left_taken),
            np.flatnonzero(~self.right_taken),
            self.settings,
            by_pan=by_pan,
        )
        allowed = self._allowed(left, right)
        return weighed(self.left, self.right, left[allowed], right[allowed], self.settings, self.rare)

    def _still_free(self, pairs: Pairs) -> Pairs:
        return pairs.only(~self.left_taken[pairs.left] & ~self.right_taken[pairs.right])

    def _same_year(self, pairs: Pairs) -> Flags:
        same: Flags = self.left.year[pairs.left] == self.right.year[pairs.right]
        return same

    def _assign(self, pairs: Pairs, allowed: Flags) -> None:
        """Take the best assignment of the allowed pairs; of a loose number only what nothing else contests."""
        possible = pairs.only(allowed)
        chosen = assigned(possible, self.left, self.right)
        left_taken, right_taken = self.left_taken.copy(), self.right_taken.copy()
        left_taken[possible.left[chosen]] = True
        right_taken[possible.right[chosen]] = True
        is_loose = possible.number[chosen] < Number.DIGITS
        unsure = is_loose & contested(possible, chosen, left_taken, right_taken)
        kept = chosen[~unsure]
        self._take(possible.left[kept], possible.right[kept])

    def _lonely(self, pairs: Pairs) -> None:
        """Take pairs with unrelated numbers when either document has no other such pair."""
        possible = pairs.only(lonely(pairs))
        left = np.bincount(possible.left, minlength=len(self.left))
        right = np.bincount(possible.right, minlength=len(self.right))
        only = (left[possible.left] == 1) & (right[possible.right] == 1)
        self._take(possible.left[only], possible.right[only])

    def _gather(self) -> None:
        free = [np.flatnonzero(~taken) for taken in (self.left_taken, self.right_taken)]
        for one in gathered(self.left, self.right, free[0], free[1], self.settings):
            whole, parts = [one.whole], list(one.parts)
            left, right = (whole, parts) if one.is_whole_left else (parts, whole)
            if all(self._allowed(np.array([a]), np.array([b]))[0] for a in left for b in right):
                self._take_group(MatchStatus.ONE_TO_MANY, left, right)


def _places(pair: tuple[Ints, Ints], left: Ints, right: Ints) -> tuple[Ints, Ints]:
    return left[pair[0]], right[pair[1]]


def _everything(side: Documents, free: Ints) -> Ints:
    return np.column_stack(
        [
            side.owner[free],
            side.party[free],
            side.kind[free],
            side.number[free],
            side.day[free],
            side.place[free],
            side.charge[free],
            side.amounts[free],
        ]
    )


def _hashed(keys: Ints) -> Ints:
    """Return a code of each row: equal rows have equal codes, others nearly never, so rows are compared too."""
    code = np.zeros(len(keys), dtype=np.uint64)
    for column in range(keys.shape[1]):
        code = (code ^ (code >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        code += keys[:, column].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(column + 1)
    return code.view(np.int64)


def _rare(side: Documents) -> Flags:
    """Say of every document whether no other of its owner, party and type on its side has its taxable value."""
    if not len(side):
        return np.zeros(0, dtype=bool)
    code = _hashed(np.column_stack([side.owner, side.party, side.kind, side.amounts[:, 0]]))
    _, place, count = np.unique(code, return_inverse=True, return_counts=True)
    rare: Flags = count[place] == 1
    return rare
