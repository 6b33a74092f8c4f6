"""From pairs of places to the frames of a result: status, score, what differs, tags, and the reason in words.

Reasons name what was compared and the figures that count, never a registration. Invariant: frames are sorted by owner,
party, status and ids, so equal inputs give equal frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from clientsync.reconcile.documents.frames import (
    AMOUNTS,
    GROUP_COLUMNS,
    MEMBER_COLUMNS,
    Matched,
    MatchSettings,
    MatchStatus,
    Side,
)
from clientsync.reconcile.documents.nearest import nearest
from clientsync.reconcile.documents.numbers import year_token
from clientsync.reconcile.documents.pairs import Amounts, Dates, Number, Pairs, weighed, within
from clientsync.reconcile.documents.sides import NO_DAY, Documents, Flags, Ints, Words
from clientsync.reconcile.result import inr

_NONE = np.empty(0, dtype=np.int64)
_HEADS = tuple(name.removesuffix("_paise") for name in AMOUNTS)
FIELDS = (
    "document_number",
    "document_on",
    "document_type",
    "place_of_supply",
    "reverse_charge",
    *_HEADS,
    "party_gstin",
)
"""Fields that may differ, in the order in which they are named."""
_WORDS = {
    "document_number": "number",
    "document_on": "date",
    "document_type": "type",
    "place_of_supply": "place of supply",
    "reverse_charge": "reverse charge",
    "taxable": "taxable value",
    "igst": "IGST",
    "cgst": "CGST",
    "sgst": "SGST",
    "cess": "cess",
    "party_gstin": "registration of the other party",
}
Objects = npt.NDArray[np.object_]


@dataclass
class Found:
    """What the stages found, as places in the two sides.

    Attributes:
        pairs: one document of either side each.
        several: status, places of the left, places of the right.
        amended: places of the right that are amended, and of the documents that amend them.
        duplicates: by whether it is the left: places that are held twice, and of the twins that count.
        left_alone, right_alone: places that nothing was found for.
    """

    pairs: list[tuple[Ints, Ints]] = field(default_factory=list)
    several: list[tuple[MatchStatus, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    amended: tuple[Ints, Ints] = (_NONE, _NONE)
    duplicates: dict[bool, tuple[Ints, Ints]] = field(default_factory=dict)
    left_alone: Ints = field(default_factory=lambda: _NONE)
    right_alone: Ints = field(default_factory=lambda: _NONE)


def result_of(
    found: Found, left: Documents, right: Documents, words: Words, settings: MatchSettings
) -> Matched:
    """Return the frames of a result."""
    parts = [
        _pairs(found, left, right, settings),
        *(_several(one, left, right) for one in found.several),
        _single(*found.amended, right, MatchStatus.AMENDED, is_left=False),
        *(
            _single(places, twins, left if is_left else right, MatchStatus.DUPLICATE, is_left=is_left)
            for is_left, (places, twins) in found.duplicates.items()
        ),
        *_alone(found, left, right),
    ]
    rows = pd.concat([part for part in parts if len(part)] or [parts[0]], ignore_index=True)
    return _framed(rows, found, left, right, words, settings)


_ROW = ("left", "right", "left_more", "right_more", "status", "score", "differs", "tags", "reason")


def _frame(size: int, **values: object) -> pd.DataFrame:
    """Return rows before they are framed: first place of each side (-1 for none), further places, and words."""
    usual: dict[str, object] = {
        "left": np.full(size, -1, dtype=np.int64),
        "right": np.full(size, -1, dtype=np.int64),
        "left_more": [()] * size,
        "right_more": [()] * size,
        "score": np.zeros(size, dtype=np.int64),
        "differs": "",
        "tags": "",
    }
    return pd.DataFrame({**usual, **values}, index=range(size))[list(_ROW)]


# --- pairs ------------------------------------------------------------------------------------------------------------


def _pairs(found: Found, left: Documents, right: Documents, settings: MatchSettings) -> pd.DataFrame:
    places = [np.concatenate([_NONE, *(one[side] for one in found.pairs)]) for side in (0, 1)]
    rare = (np.zeros(len(left), dtype=bool), np.zeros(len(right), dtype=bool))  # plays no part in words
    pairs = weighed(left, right, places[0], places[1], settings, rare)
    flags = _flags(pairs, left, right, settings)
    differs = _named(flags)
    status = _statuses(pairs, flags)
    score = np.where(status == MatchStatus.EXACT, 100, np.clip(pairs.score, 1, 99))
    other = flags[:, FIELDS.index("party_gstin")]
    score = np.where(other, np.maximum(1, score - 10), score)
    amending = right.amends[pairs.right] >= 0
    reason = _reasons(pairs, left, right, flags, status)
    tags = _joined_tags(_tags(pairs, left, right), other, amending)
    return _frame(
        len(pairs),
        left=pairs.left,
        right=pairs.right,
        status=status,
        score=score,
        differs=differs,
        tags=tags,
        reason=reason,
    )


def _flags(pairs: Pairs, left: Documents, right: Documents, settings: MatchSettings) -> Flags:
    """Return which of ``FIELDS`` differ, one column a field."""
    one, two = pairs.left, pairs.right

    def known(first: Ints, second: Ints, nothing: int) -> Flags:
        differs: Flags = (first != second) & (first != nothing) & (second != nothing)
        return differs

    heads = ~within(left.amounts[one][:, 1:], right.amounts[two][:, 1:], settings.tax)
    flags: Flags = np.column_stack(
        [
            pairs.number < Number.EQUAL,
            known(left.day[one], right.day[two], int(NO_DAY)) & settings.is_date_compared,
            pairs.is_other_kind,
            known(left.place[one], right.place[two], -1),
            known(left.charge[one], right.charge[two], -1),
            ~within(left.amounts[one][:, 0], right.amounts[two][:, 0], settings.taxable),
            heads,
            left.party[one] != right.party[two],
        ]
    )
    return flags


def _named(flags: Flags) -> Objects:
    """Return the names of the fields that differ, joined by commas."""
    bits = (flags.astype(np.int64) << np.arange(len(FIELDS))).sum(axis=1)
    codes, place = np.unique(bits, return_inverse=True)
    names = np.array(
        [",".join(name for number, name in enumerate(FIELDS) if code >> number & 1) for code in codes],
        dtype=object,
    )
    return names[place] if len(codes) else np.empty(0, dtype=object)


def _statuses(pairs: Pairs, flags: Flags) -> Objects:
    hard = flags.copy()
    hard[:, FIELDS.index("document_number")] = False
    date = FIELDS.index("document_on")
    hard[:, date] &= pairs.dates < Dates.NEAR
    is_mismatch = hard.any(axis=1) | (pairs.number < Number.SIMILAR)
    is_exact = ~flags.any(axis=1) & (pairs.amounts == Amounts.EQUAL) & (pairs.number == Number.WRITTEN)
    status = np.full(len(pairs), str(MatchStatus.SUGGESTED), dtype=object)
    status[is_mismatch] = str(MatchStatus.MISMATCH)
    status[is_exact] = str(MatchStatus.EXACT)
    return status


_TAG_NAMES = ("late", "other_registration", "rounding", "near_date", "year_token", "amends")


def _tags(pairs: Pairs, left: Documents, right: Documents) -> Flags:
    """Return late, rounding, near date and year token, one column each."""
    one, two = pairs.left, pairs.right
    is_late = (right.month[two] > left.month[one]) & (left.month[one] > 0)
    token = left.has_year[one] != right.has_year[two]
    return np.column_stack(
        [
            is_late,
            pairs.amounts == Amounts.WITHIN,
            pairs.dates == Dates.NEAR,
            token & (pairs.number == Number.EQUAL),
        ]
    )


def _joined_tags(tags: Flags, other: Flags, amending: Flags) -> Objects:
    flags = np.column_stack([tags[:, 0], other, tags[:, 1], tags[:, 2], tags[:, 3], amending])
    bits = (flags.astype(np.int64) << np.arange(len(_TAG_NAMES))).sum(axis=1)
    codes, place = np.unique(bits, return_inverse=True)
    names = np.array(
        [",".join(name for number, name in enumerate(_TAG_NAMES) if code >> number & 1) for code in codes],
        dtype=object,
    )
    return names[place] if len(codes) else np.empty(0, dtype=object)


_NUMBER_WORDS = {
    Number.WRITTEN: "Numbers are equal",
    Number.EQUAL: "Numbers are equal but for blanks, signs or leading zeros",
    Number.DIGITS: "Numbers have the same digits",
    Number.SLIP: "Numbers differ by one slip of the hand",
    Number.SIMILAR: "Numbers are alike",
    Number.UNRELATED: "Numbers differ",
}


def _reasons(pairs: Pairs, left: Documents, right: Documents, flags: Flags, status: Objects) -> Objects:
    reason = np.full(len(pairs), "Number, date and every amount are equal.", dtype=object)
    for place in np.flatnonzero(status != MatchStatus.EXACT):
        reason[place] = _reason(pairs, left, right, flags[place], int(place))
    return reason


def _reason(pairs: Pairs, left: Documents, right: Documents, flags: Flags, place: int) -> str:
    one, two = int(pairs.left[place]), int(pairs.right[place])
    number = Number(int(pairs.number[place]))
    head = _NUMBER_WORDS[number]
    if number is Number.EQUAL and left.has_year[one] != right.has_year[two]:
        token = year_token(left.written[one]) or year_token(right.written[two])
        head = f"Numbers are equal after leaving out the year {token}"
    elif number < Number.EQUAL:
        head = f"{head} ({left.written[one]} and {right.written[two]})"
    parts = [head]
    apart = abs(int(left.day[one]) - int(right.day[two]))
    if flags[FIELDS.index("document_on")]:
        parts.append(f"dates lie {apart} {'day' if apart == 1 else 'days'} apart")
    for head_number, name in enumerate(_HEADS):
        difference = int(right.amounts[two, head_number] - left.amounts[one, head_number])
        if difference:
            where = "more" if difference > 0 else "less"
            parts.append(f"{_WORDS[name]} is {inr(abs(difference))} {where} on the portal")
    if Amounts(int(pairs.amounts[place])) is Amounts.EQUAL:
        parts.append("every amount is equal")
    for name in ("document_type", "place_of_supply", "reverse_charge"):
        if flags[FIELDS.index(name)]:
            parts.append(f"{_WORDS[name]} differs")
    if flags[FIELDS.index("party_gstin")]:
        parts.append("the party stands under another registration of the same PAN")
    return "; ".join(parts) + "."


# --- what is no pair --------------------------------------------------------------------------------------------------


def _several(
    one: tuple[MatchStatus, tuple[int, ...], tuple[int, ...]], left: Documents, right: Documents
) -> pd.DataFrame:
    status, lefts, rights = one
    sums = [side.amounts[list(places)].sum(axis=0) for side, places in ((left, lefts), (right, rights))]
    differences = sums[1] - sums[0]
    differs = ",".join(
        name for name, difference in zip(_HEADS, differences, strict=True) if abs(difference) > 0
    )
    if status is MatchStatus.ONE_TO_MANY:
        side = "portal" if len(rights) > len(lefts) else "books"
        reason = f"One document is {max(len(lefts), len(rights))} on the side of the {side}; their amounts add up to it"
        score = 85
    else:
        reason, score = "A person linked these documents", 100
    if differs:
        taxable, taxes = abs(int(differences[0])), abs(int(differences[1:].sum()))
        reason += f"; taxable value differs by {inr(taxable)}, taxes by {inr(taxes)}"
    is_late = max(right.month[list(rights)]) > max(left.month[list(lefts)])
    return _frame(
        1,
        left=[lefts[0]],
        right=[rights[0]],
        left_more=[lefts[1:]],
        right_more=[rights[1:]],
        status=str(status),
        score=score,
        differs=differs if status is MatchStatus.LINKED else "",
        tags="late" if is_late else "",
        reason=reason + ".",
    )


def _single(
    places: Ints, others: Ints, side: Documents, status: MatchStatus, *, is_left: bool
) -> pd.DataFrame:
    numbers = side.written[others]
    if status is MatchStatus.AMENDED:
        reason = ["Document " + number + " of a later month amends it." for number in numbers]
    else:
        where = "books" if is_left else "portal"
        reason = [
            f"The {where} hold document {number} twice with the same amounts; the other one counts."
            for number in numbers
        ]
    return _frame(
        len(places),
        **{"left" if is_left else "right": places},
        status=str(status),
        reason=np.array(reason, dtype=object),
    )


def _alone(found: Found, left: Documents, right: Documents) -> list[pd.DataFrame]:
    """Return what stands alone; a document whose number is taken by another of its side with other amounts says so."""
    parts = []
    for side, places, status, words in (
        (
            left,
            found.left_alone,
            MatchStatus.MISSING_THERE,
            "The portal has no document that could be this one.",
        ),
        (
            right,
            found.right_alone,
            MatchStatus.MISSING_HERE,
            "The books have no document that could be this one.",
        ),
    ):
        again = _has_twin(side, places)
        reason = np.full(len(places), words, dtype=object)
        reason[again] = words[:-1] + "; its own side has another document with this number and other amounts."
        parts.append(
            _frame(
                len(places),
                **{"left" if side is left else "right": places},
                status=str(status),
                reason=reason,
            )
        )
    return parts


def _has_twin(side: Documents, places: Ints) -> Flags:
    keys = pd.MultiIndex.from_arrays([side.owner, side.party, side.kind, side.number, side.year])
    twice = keys.duplicated(keep=False)
    flags: Flags = np.asarray(twice, dtype=bool)[places]
    return flags


# --- the frames -------------------------------------------------------------------------------------------------------


def _framed(
    rows: pd.DataFrame, found: Found, left: Documents, right: Documents, words: Words, settings: MatchSettings
) -> Matched:
    first_left, first_right = rows["left"].to_numpy(np.int64), rows["right"].to_numpy(np.int64)
    has_left, has_right = first_left >= 0, first_right >= 0
    owner = np.where(has_right, _at(right.owner, first_right), _at(left.owner, first_left))
    party = np.where(has_right, _at(right.party, first_right), _at(left.party, first_left))
    left_id = np.where(has_left, _at(left.ids, first_left), "")
    right_id = np.where(has_right, _at(right.ids, first_right), "")
    order = pd.DataFrame(
        {"owner": owner, "party": party, "status": rows["status"], "left": left_id, "right": right_id}
    ).sort_values(["owner", "party", "status", "left", "right"], kind="stable")
    place = order.index.to_numpy()
    rows, owner, party = rows.loc[place].reset_index(drop=True), owner[place], party[place]
    members = _members(rows, left, right)
    groups = pd.DataFrame(
        {
            "group": np.arange(len(rows), dtype=np.int64),
            "owner_gstin": _at(words.owners, owner),
            "party_gstin": _at(words.parties, party),
            **{name: rows[name].to_numpy() for name in ("status", "score", "differs", "tags", "reason")},
            **_sums(members, left, right, len(rows)),
        }
    )[list(GROUP_COLUMNS)]
    shown = pd.DataFrame(
        {
            "side": np.where(members["is_left"], str(Side.LEFT), str(Side.RIGHT)),
            "id": np.where(
                members["is_left"],
                _at(left.ids, np.where(members["is_left"], members["place"], -1)),
                _at(right.ids, np.where(members["is_left"], -1, members["place"])),
            ),
            "group": members["group"],
        }
    )[list(MEMBER_COLUMNS)]
    near = nearest(found.left_alone, found.right_alone, left, right, settings)
    return Matched(groups, shown, near)


def _at(values: npt.NDArray[np.generic], places: Ints) -> npt.NDArray[np.generic]:
    """Return values at places; anything for a place of -1."""
    if not len(values):
        return np.full(len(places), "" if values.dtype == object else 0, dtype=values.dtype)
    return values[places]


def _members(rows: pd.DataFrame, left: Documents, right: Documents) -> pd.DataFrame:
    """Return side, place and group of every document, sorted by group, side and id."""
    parts = []
    for side, is_left in (("left", True), ("right", False)):
        first = rows[side].to_numpy(np.int64)
        has = np.flatnonzero(first >= 0)
        parts.append(pd.DataFrame({"is_left": is_left, "place": first[has], "group": has}))
        more = rows[f"{side}_more"]
        places = [(group, place) for group in np.flatnonzero(more.map(len)) for place in more.iloc[group]]
        if places:
            parts.append(
                pd.DataFrame(
                    {
                        "is_left": is_left,
                        "place": [place for _, place in places],
                        "group": [group for group, _ in places],
                    }
                )
            )
    members = pd.concat(parts, ignore_index=True)
    order = np.lexsort((members["place"], ~members["is_left"], members["group"]))
    return members.iloc[order].reset_index(drop=True)


def _sums(members: pd.DataFrame, left: Documents, right: Documents, groups: int) -> dict[str, Ints]:
    """Return counts and sums of amounts of each side by group; exact, as integers."""
    found: dict[str, Ints] = {}
    for side, documents, is_left in (("left", left, True), ("right", right, False)):
        own = members["is_left"].to_numpy(dtype=bool) == is_left
        group, place = members["group"].to_numpy(np.int64)[own], members["place"].to_numpy(np.int64)[own]
        found[f"{side}_count"] = np.bincount(group, minlength=groups).astype(np.int64)
        for number, name in enumerate(AMOUNTS):
            total = np.zeros(groups, dtype=np.int64)
            np.add.at(total, group, documents.amounts[place, number])
            found[f"{side}_{name}"] = total
    return found
