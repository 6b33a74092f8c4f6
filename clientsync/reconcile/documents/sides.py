"""Both sides as arrays that can be compared: cleaned numbers, days, years and codes that mean the same on either side.

Documents are sorted by id first, so nothing that follows can depend on the order in which they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clientsync.errors import InvalidInput
from clientsync.reconcile.documents.frames import AMOUNTS, DOCUMENT_COLUMNS
from clientsync.reconcile.documents.numbers import Texts, cleaned

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
NO_DAY = np.int64(np.iinfo(np.int32).min)
"""Stands for a date that is not known."""
_DATES = ("document_on", "amends_on")


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one side, sorted by id; every array has one value a document.

    Attributes:
        ids: text.
        owner, party, pan: codes of registrations and of the PAN inside; pan is -1 without a party.
        kind: code of the document type.
        number, core, tail: codes of the cleaned number, of its digits and of the last group of them.
        length: characters of the digits.
        clean, digits, written: the texts behind them.
        has_year: whether a year token was left out of the number.
        token_year: which financial year that token names, -1 for none; two that differ are two numbers.
        day: days since 1970, ``NO_DAY`` when not known.
        year: first calendar year of the financial year of the date (of the period without one).
        month: period as YYYYMM.
        place, charge: codes; -1 when not known.
        amounts: paise, one column for each of ``AMOUNTS``.
        amends, amends_year: code of the cleaned number that is amended, -1 for none, and its financial year.
        spread: a number that depends on the id alone, to settle ties the same way from either side.
    """

    ids: Texts
    owner: Ints
    party: Ints
    pan: Ints
    kind: Ints
    number: Ints
    core: Ints
    tail: Ints
    length: Ints
    clean: Texts
    digits: Texts
    written: Texts
    has_year: Flags
    token_year: Ints
    day: Ints
    year: Ints
    month: Ints
    place: Ints
    charge: Ints
    amounts: Ints
    amends: Ints
    amends_year: Ints
    spread: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def taxes(self) -> Ints:
        """Sum of the taxes of each document."""
        total: Ints = self.amounts[:, 1:].sum(axis=1)
        return total


def contradict(first: Ints, second: Ints) -> Flags:
    """Say where two year tokens name different financial years: what is cleaned alike is then another number."""
    found: Flags = (first >= 0) & (second >= 0) & (first != second)
    return found


@dataclass(frozen=True, slots=True)
class Words:
    """The texts behind codes that both sides share."""

    owners: Texts
    parties: Texts
    kinds: Texts


def prepared(left: pd.DataFrame, right: pd.DataFrame) -> tuple[Documents, Documents, Words]:
    """Return both sides as arrays, sorted by id.

    Raises:
        InvalidInput: a column is missing, an id stands twice in a side, or an amount is no whole number.
    """
    sides = [_checked(frame, name) for frame, name in ((left, "books"), (right, "portal"))]
    both = pd.concat(sides, ignore_index=True)
    split = len(sides[0])
    owner, owners = _codes(both["owner_gstin"])
    party, parties = _codes(both["party_gstin"])
    pan, _ = _codes(both["party_gstin"].str.slice(2, 12))
    pan = np.where((both["party_gstin"] == "").to_numpy(), np.int64(-1), pan)
    kind, kinds = _codes(both["document_type"])
    numbers = cleaned(both["document_number"])
    names_none = (both["amends_number"] == "").to_numpy()
    amended = np.full(len(both), "", dtype=object)
    amended[~names_none] = cleaned(both.loc[~names_none, "amends_number"]).clean
    number, _ = _codes(pd.Series(np.concatenate([numbers.clean, amended])))
    core, _ = _codes(pd.Series(numbers.core))
    tail, _ = _codes(pd.Series(numbers.tail))
    day, amends_day = (_days(both[name]) for name in _DATES)
    month = (
        (both["period"].str.slice(2) + both["period"].str.slice(0, 2))
        .replace("", "0")
        .astype("int64")
        .to_numpy()
    )
    year = _years(both["document_on"], month)
    amends = np.where(names_none, np.int64(-1), number[len(both) :])
    amends_year = np.where(amends_day == NO_DAY, year, _years(both["amends_on"], month))
    arrays = {
        "ids": both["id"].to_numpy(dtype=object),
        "owner": owner,
        "party": party,
        "pan": pan,
        "kind": kind,
        "number": number[: len(both)],
        "core": core,
        "tail": tail,
        "length": numbers.length,
        "clean": numbers.clean,
        "digits": numbers.core,
        "written": numbers.written,
        "has_year": numbers.has_year,
        "token_year": numbers.token_year,
        "day": day,
        "year": year,
        "month": month,
        "place": _known(both["place_of_supply"]),
        "charge": _known(both["reverse_charge"]),
        "amounts": both[list(AMOUNTS)].to_numpy(dtype=np.int64),
        "amends": amends,
        "amends_year": amends_year,
        "spread": pd.util.hash_array(both["id"].to_numpy(dtype=object), categorize=False),
    }
    halves = [
        Documents(**{name: one[part] for name, one in arrays.items()})
        for part in (slice(None, split), slice(split, None))
    ]
    return halves[0], halves[1], Words(owners, parties, kinds)


def _checked(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    lacking = [column for column in DOCUMENT_COLUMNS if column not in frame.columns]
    if lacking:
        raise InvalidInput(f"The documents of the {name} have no column {', '.join(lacking)}.")
    if frame["id"].duplicated().any():
        twice = frame.loc[frame["id"].duplicated(), "id"].iloc[0]
        raise InvalidInput(f"The documents of the {name} have the id {twice!r} more than once.")
    for column in AMOUNTS:
        if len(frame) and not pd.api.types.is_integer_dtype(frame[column]):
            raise InvalidInput(f"The amounts {column} of the {name} are no whole numbers of paise.")
    texts = [one for one in DOCUMENT_COLUMNS if one not in AMOUNTS and one not in _DATES]
    ordered = frame[list(DOCUMENT_COLUMNS)].sort_values("id", kind="stable", ignore_index=True)
    ordered[texts] = ordered[texts].fillna("").astype("str")
    return ordered


def _codes(values: pd.Series[str]) -> tuple[Ints, Texts]:
    codes, words = pd.factorize(values, sort=True)
    return codes.astype(np.int64), np.asarray(words, dtype=object)


def _known(values: pd.Series[str]) -> Ints:
    codes, _ = _codes(values)
    return np.where((values == "").to_numpy(), np.int64(-1), codes)


def _days(values: pd.Series[pd.Timestamp]) -> Ints:
    days = pd.to_datetime(values)
    numbers = days.to_numpy().astype("datetime64[D]").astype(np.int64)
    return np.where(days.isna().to_numpy(), NO_DAY, numbers)


def _years(values: pd.Series[pd.Timestamp], month: npt.NDArray[Any]) -> Ints:
    """Return in which calendar year the financial year of a date began; of the period where there is no date."""
    days = pd.to_datetime(values)
    known = days.notna().to_numpy()
    by_date = (days.dt.year - (days.dt.month < 4)).fillna(0).to_numpy().astype(np.int64)
    by_period = month // 100 - ((month % 100) < 4)
    return np.where(known, by_date, by_period)


def joined(left: tuple[np.ndarray, ...], right: tuple[np.ndarray, ...]) -> tuple[Ints, Ints]:
    """Return places (left, right) of every pair that is equal in all keys, sorted by left, then right.

    Args:
        left: one array per key, all of one length.
        right: the same keys of the other side.
    """
    names = [f"k{number}" for number in range(len(left))]
    first = pd.DataFrame(dict(zip(names, left, strict=True)))
    second = pd.DataFrame(dict(zip(names, right, strict=True)))
    first["left"] = np.arange(len(first))
    second["right"] = np.arange(len(second))
    pairs = first.merge(second, on=names, how="inner")
    left_places, right_places = pairs["left"].to_numpy(np.int64), pairs["right"].to_numpy(np.int64)
    order = np.lexsort((right_places, left_places))
    return left_places[order], right_places[order]
