"""Pairs of documents that may be the same: what speaks for each, from which a score from 0 to 100 follows.

Three kinds of evidence are weighed: the number (equal, the same digits, one slip of the hand away, or unrelated), the
amounts (equal, within tolerance, taxes under other heads, taxable value or tax alone, near, or other) and the date
(equal, near, the same financial year, or far). Which combinations may be the same document at all is a table; what is
not in it is never matched, however lonely both documents are. Invariant: evidence is the same seen from either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process

from clientsync.reconcile.documents.frames import MatchSettings, Tolerance
from clientsync.reconcile.documents.numbers import is_one_slip
from clientsync.reconcile.documents.sides import NO_DAY, Documents, Flags, Ints, contradict

FAR_DAYS = 92
"""Dates further apart than this, in different financial years, never belong to one document."""
SHORT = 3
"""Numbers with fewer digits prove little when their letters differ."""
_FUZZY_CHUNK = 2_000_000


class Number(IntEnum):
    """How two numbers stand to each other; larger is stronger."""

    UNRELATED = 0
    SIMILAR = 1  # loosely alike: at least ``fuzzy_score``, digits one slip apart
    SLIP = 2  # one character more, less, other, or two swapped
    DIGITS = 3  # the same digits, other letters: a prefix more or less
    EQUAL = 4  # equal after cleaning
    WRITTEN = 5  # equal as written


class Amounts(IntEnum):
    """How the amounts of two documents stand to each other; larger is stronger."""

    OTHER = 0
    NEAR = 1  # taxable values within a tenth
    PART = 2  # either the taxable value or the sum of taxes within tolerance
    HEADS = 3  # taxable value and sum of taxes within tolerance, the taxes under other heads
    WITHIN = 4  # every amount within tolerance
    EQUAL = 5


class Dates(IntEnum):
    """How far two dates lie apart; larger is nearer."""

    FAR = 0
    YEAR = 1  # the same financial year, or not further than ``FAR_DAYS``, or one of them not known
    NEAR = 2
    EQUAL = 3


_NUMBER_POINTS = np.array([0, 30, 38, 44, 49, 50])
_AMOUNT_POINTS = np.array([0, 8, 16, 24, 33, 35])
_DATE_POINTS = np.array([0, 6, 11, 15])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs (left place, right place) with their evidence, sorted by left, then right."""

    left: Ints
    right: Ints
    number: Ints
    amounts: Ints
    dates: Ints
    is_other_kind: Flags
    is_short: Flags  # the digits of one of the numbers are fewer than three
    is_rare: Flags  # neither taxable value stands on another document of the parties
    score: Ints

    def __len__(self) -> int:
        return len(self.left)

    def only(self, chosen: npt.NDArray[np.bool_] | Ints) -> Pairs:
        """Return some of the pairs."""
        return Pairs(*(getattr(self, name)[chosen] for name in self.__slots__))


def weighed(
    left: Documents,
    right: Documents,
    left_places: Ints,
    right_places: Ints,
    settings: MatchSettings,
    rare: tuple[Flags, Flags],
) -> Pairs:
    """Return the evidence of pairs; ``rare`` says of every document of either side what ``Pairs.is_rare`` means."""
    number = _numbers(left, right, left_places, right_places, settings)
    amounts = _amounts(left.amounts[left_places], right.amounts[right_places], settings)
    dates = _dates(left, right, left_places, right_places, settings)
    score = _NUMBER_POINTS[number] + _AMOUNT_POINTS[amounts] + _DATE_POINTS[dates]
    is_other_kind = left.kind[left_places] != right.kind[right_places]
    return Pairs(
        left_places,
        right_places,
        number,
        amounts,
        dates,
        is_other_kind,
        np.minimum(left.length[left_places], right.length[right_places]) < SHORT,
        rare[0][left_places] & rare[1][right_places],
        np.where(is_other_kind, score - 10, score),
    )


def within(left: Ints, right: Ints, tolerance: Tolerance) -> Flags:
    """Say where two amounts differ by no more than the tolerance; a share is one of the larger amount."""
    share = np.maximum(np.abs(left), np.abs(right)) * tolerance.basis_points // 10_000
    limit = (
        np.maximum(np.int64(tolerance.paise), share) if tolerance.basis_points else np.int64(tolerance.paise)
    )
    is_within: Flags = np.abs(left - right) <= limit
    return is_within


def _amounts(left: Ints, right: Ints, settings: MatchSettings) -> Ints:
    equal = (left == right).all(axis=1)
    taxable = within(left[:, 0], right[:, 0], settings.taxable)
    heads = within(left[:, 1:], right[:, 1:], settings.tax).all(axis=1)
    sums_left, sums_right = left[:, 1:].sum(axis=1), right[:, 1:].sum(axis=1)
    total = within(sums_left, sums_right, settings.tax)
    has_tax = (sums_left != 0) & (sums_right != 0)
    larger = np.maximum(np.abs(left[:, 0]), np.abs(right[:, 0]))
    near = np.abs(left[:, 0] - right[:, 0]) * 10 <= larger
    found = np.full(len(left), Amounts.OTHER, dtype=np.int64)
    found[near] = Amounts.NEAR
    found[taxable | (total & has_tax)] = Amounts.PART
    found[taxable & total] = Amounts.HEADS
    found[taxable & heads] = Amounts.WITHIN
    found[equal] = Amounts.EQUAL
    return found


def _dates(
    left: Documents, right: Documents, left_places: Ints, right_places: Ints, settings: MatchSettings
) -> Ints:
    first, second = left.day[left_places], right.day[right_places]
    is_unknown = (first == NO_DAY) | (second == NO_DAY)
    apart = np.abs(first - second)
    found = np.full(len(first), Dates.FAR, dtype=np.int64)
    if not settings.is_date_compared:
        found[:] = Dates.NEAR
        return found
    same_year = left.year[left_places] == right.year[right_places]
    found[same_year | (apart <= FAR_DAYS) | is_unknown] = Dates.YEAR
    found[~is_unknown & (apart <= settings.near_days)] = Dates.NEAR
    found[~is_unknown & (apart == 0)] = Dates.EQUAL
    return found


def _numbers(
    left: Documents, right: Documents, left_places: Ints, right_places: Ints, settings: MatchSettings
) -> Ints:
    found = np.full(len(left_places), Number.UNRELATED, dtype=np.int64)
    same_digits = (left.core[left_places] == right.core[right_places]) & (left.digits[left_places] != "")
    same_tail = left.tail[left_places] == right.tail[right_places]
    is_long = np.minimum(left.length[left_places], right.length[right_places]) >= settings.fuzzy_length
    found[same_digits | (same_tail & is_long)] = Number.DIGITS
    equal = left.number[left_places] == right.number[right_places]
    amends = (left.number[left_places] == right.amends[right_places]) | (
        left.amends[left_places] == right.number[right_places]
    )
    found[equal | amends] = Number.EQUAL
    found[equal & (left.written[left_places] == right.written[right_places])] = Number.WRITTEN
    open_places = np.flatnonzero(found == Number.UNRELATED)
    for start in range(0, len(open_places), _FUZZY_CHUNK):
        part = open_places[start : start + _FUZZY_CHUNK]
        found[part] = _fuzzy(left.clean[left_places[part]], right.clean[right_places[part]], settings)
    is_other_year = contradict(left.token_year[left_places], right.token_year[right_places])
    found[is_other_year & ~amends] = Number.UNRELATED
    return found


def _fuzzy(left: npt.NDArray[np.object_], right: npt.NDArray[np.object_], settings: MatchSettings) -> Ints:
    """Return how numbers stand that are neither equal nor equal in their digits."""
    found = np.full(len(left), Number.UNRELATED, dtype=np.int64)
    if not len(left):
        return found
    likeness = process.cpdist(left, right, scorer=fuzz.ratio, score_cutoff=min(settings.fuzzy_score, 75))
    for place in np.flatnonzero(likeness):
        first, second = left[place], right[place]
        if min(len(first), len(second)) < settings.fuzzy_length:
            continue
        if is_one_slip(first, second):
            found[place] = Number.SLIP
        elif likeness[place] >= settings.fuzzy_score and _digits_fit(first, second):
            found[place] = Number.SIMILAR
    return found


def _digits_fit(first: str, second: str) -> bool:
    left, right = ("".join(one for one in text if one.isdigit()) for text in (first, second))
    return left == right or is_one_slip(left, right)


def agreeing(pairs: Pairs) -> Flags:
    """Say which pairs may be one document whose amounts agree within tolerance, or stand under other heads of tax.

    | number         | amounts       | dates                 |
    |----------------|---------------|-----------------------|
    | equal          | heads or more | near; not far if rare |
    | digits, long   | heads or more | near; not far if rare |
    | digits, short  | within        | near                  |
    | slip           | within        | equal                 |
    | similar        | within, rare  | equal                 |
    """
    number, amounts, dates = pairs.number, pairs.amounts, pairs.dates
    is_sure = (dates >= Dates.NEAR) | ((dates >= Dates.YEAR) & pairs.is_rare)
    equal = (number >= Number.EQUAL) & (amounts >= Amounts.HEADS) & is_sure
    digits = (number >= Number.DIGITS) & (amounts >= Amounts.HEADS) & is_sure & ~pairs.is_short
    short = (number >= Number.DIGITS) & (amounts >= Amounts.WITHIN) & (dates >= Dates.NEAR)
    same_day = (amounts >= Amounts.WITHIN) & (dates == Dates.EQUAL)
    loose = same_day & ((number >= Number.SLIP) | ((number >= Number.SIMILAR) & pairs.is_rare))
    found: Flags = (equal | digits | short | loose) & ~_wrong_kind(pairs)
    return found


def differing(pairs: Pairs, is_same_year: Flags) -> Flags:
    """Say which pairs may be one document although amounts differ, or dates.

    | number         | amounts             | dates                            |
    |----------------|---------------------|----------------------------------|
    | equal          | any                 | near                             |
    | equal, long    | any                 | the same financial year          |
    | equal, short   | part or more        | the same financial year          |
    | digits, long   | part or more        | near                             |
    | digits, long   | near                | equal                            |
    | slip           | heads or more, rare | near                             |
    | slip           | part, rare          | equal                            |
    | similar        | heads, rare         | equal                            |

    Rare: no other document of the party has the taxable value. The next number with the same amount is a rent or a
    subscription, not a slip.
    """
    number, amounts, dates = pairs.number, pairs.amounts, pairs.dates
    telling = ~pairs.is_short | (amounts >= Amounts.PART)
    equal = (number >= Number.EQUAL) & ((is_same_year & telling) | (dates >= Dates.NEAR))
    part = (amounts >= Amounts.PART) & (dates >= Dates.NEAR)
    digits = (
        (number >= Number.DIGITS)
        & ~pairs.is_short
        & (part | ((amounts >= Amounts.NEAR) & (dates == Dates.EQUAL)))
    )
    near = (amounts >= Amounts.HEADS) & (dates >= Dates.NEAR)
    slip = (number >= Number.SLIP) & (near | ((amounts >= Amounts.PART) & (dates == Dates.EQUAL)))
    similar = (number >= Number.SIMILAR) & (amounts >= Amounts.HEADS) & (dates == Dates.EQUAL)
    loose = (slip | similar) & pairs.is_rare
    found: Flags = (equal | digits | loose) & ~_wrong_kind(pairs)
    return found


def lonely(pairs: Pairs) -> Flags:
    """Say which pairs have unrelated numbers, but amounts that agree, on one day or near it and nowhere else."""
    is_telling = (pairs.dates == Dates.EQUAL) | ((pairs.dates >= Dates.NEAR) & pairs.is_rare)
    found: Flags = (pairs.amounts >= Amounts.WITHIN) & is_telling & ~pairs.is_other_kind
    return found


def _wrong_kind(pairs: Pairs) -> Flags:
    """A document of another type is the same one only when its number and its amounts are equal."""
    proven = (pairs.number >= Number.EQUAL) & (pairs.amounts >= Amounts.WITHIN)
    wrong: Flags = pairs.is_other_kind & ~proven
    return wrong
