"""Suggestions of partners, each with its reasons. Nothing is linked by a name alone, and a differing digit vetoes.

Levels: ``sure`` has a key that stands for one record on each side and a like name; ``likely`` a very like name that is
well ahead of the next one; ``possible`` is worth a look. Only sure ones may be accepted in bulk. The limits are from
trials with labelled pairs: two branches of one shop score 92, as high as true variants of a name do.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rapidfuzz import fuzz, process

from clientsync.records.entities import Entity
from clientsync.records.planning import Record

LEVELS = ("sure", "likely", "possible")
SURE_NAME, LIKELY_NAME, LIKELY_AHEAD, POSSIBLE_NAME, NEAR_BONUS = 70.0, 90.0, 8.0, 80.0, 5.0
SHARED_BY = 3
"""A value that as many records of one side hold identifies none of them: a mailbox or telephone of an office."""
_ROWS_AT_ONCE = 1_000
_LEGAL = {
    "pt", "cv", "ud", "tbk", "persero", "aps", "as", "is", "ivs", "gmbh", "ag", "kg", "ltd", "limited", "pvt",
    "private", "llp", "llc", "inc", "co", "company", "and", "the", "ms", "messrs",
}  # fmt: skip
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[./'’⁄-]+(?=\d)")
"""House number 1/2 is not 12."""
_FOLDED = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa", "ß": "ss", "đ": "d", "ł": "l"})


@dataclass(frozen=True)
class Suggestion:
    """Two records that may be one.

    Attributes:
        level: one of ``LEVELS``.
        score: likeness of the names with what is near, 0 to 100 and a little more.
        reasons: in words, what speaks for it and against it.
    """

    a: str
    b: str
    level: str
    score: float
    reasons: tuple[str, ...]


@dataclass
class _Pair:
    keys: list[str] = field(default_factory=list)
    score: float = 0.0


def name_form(text: str) -> str:
    """Return a name for comparison: folded, without legal forms, its words sorted; what parts two digits stays."""
    # letters of mathematics and full width are capitals only once they are plain ones
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_FOLDED)
    plain = unicodedata.normalize("NFKD", plain)
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    plain = _BETWEEN_DIGITS.sub("_", plain)
    plain = re.sub(r"[./&'’-]", lambda found: "" if found[0] in "./'’" else " ", plain)
    words = [word for word in re.findall(r"\w+", plain) if word not in _LEGAL]
    return " ".join(sorted(words))


def digits_in(form: str) -> tuple[str, ...]:
    """Return the words of a name that hold digits: branches and house numbers, which tell records apart."""
    return tuple(word for word in form.split() if any(sign.isdigit() for sign in word))


def suggest(
    entity: Entity,
    a: Mapping[str, Record],
    b: Mapping[str, Record],
    refused: Collection[tuple[str, str]] = (),
    *,
    all_a: Mapping[str, Record] | None = None,
    all_b: Mapping[str, Record] | None = None,
) -> list[Suggestion]:
    """Return suggestions for records without a partner, the surest first; a record stands in one of them at most.

    Args:
        entity: the kind of record.
        a: records of side a that have no partner, by id.
        b: records of side b that have none.
        refused: (a, b) that a person said are not the same.
        all_a: every record of side a, among which a key has to stand for one only; without it, ``a``.
        all_b: the same of side b.
    """
    if not a or not b:
        return []
    pairs: dict[tuple[str, str], _Pair] = defaultdict(_Pair)
    titles = {one.name: one.title for one in entity.fields}
    _by_keys(entity, titles, (a, all_a or a), (b, all_b or b), pairs)
    names_a = {one: name_form(record.values.get(entity.name_field, "")) for one, record in a.items()}
    names_b = {one: name_form(record.values.get(entity.name_field, "")) for one, record in b.items()}
    _by_names(names_a, names_b, pairs)
    banned = set(refused)
    judged = [
        found
        for (left, right), pair in pairs.items()
        if (left, right) not in banned
        and (found := _judged(entity, titles, a[left], b[right], (names_a[left], names_b[right]), pair))
        is not None
    ]
    return _one_to_one(judged)


def _by_keys(
    entity: Entity,
    titles: Mapping[str, str],
    a: tuple[Mapping[str, Record], Mapping[str, Record]],
    b: tuple[Mapping[str, Record], Mapping[str, Record]],
    pairs: dict[tuple[str, str], _Pair],
) -> None:
    """Note pairs that hold the same value of a key that stands for one record on each side.

    Args:
        entity: the kind of record.
        titles: of its fields.
        a: records of side a without a partner, and all of them.
        b: the same of side b.
        pairs: is added to.
    """
    for name in entity.exact_keys:
        forms: list[tuple[str, Callable[[str], str]]] = [("", str)]
        if name == entity.number_field:
            forms.append((" without leading zeros", lambda value: value.lstrip("0")))
        met: set[tuple[str, str]] = set()
        for words, form in forms:
            left, right = _holders(a[1], name, form), _holders(b[1], name, form)
            for value in left.keys() & right.keys():
                pair = left[value][0], right[value][0]
                is_single = len(left[value]) == len(right[value]) == 1
                if is_single and pair[0] in a[0] and pair[1] in b[0] and pair not in met:
                    met.add(pair)
                    pairs[pair].keys.append(f"{titles[name]} is equal{words}")


def _holders(records: Mapping[str, Record], name: str, form: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for ext_id, record in records.items():
        value = form(record.values.get(name, ""))
        if value:
            found[value].append(ext_id)
    return {value: ids for value, ids in found.items() if len(ids) < SHARED_BY}


def _by_names(
    names_a: Mapping[str, str], names_b: Mapping[str, str], pairs: dict[tuple[str, str], _Pair]
) -> None:
    """Note the likeness of names: of all that are like enough, and of those that a key has brought together."""
    ids_a, ids_b = [one for one in names_a if names_a[one]], [one for one in names_b if names_b[one]]
    texts_b = [names_b[one] for one in ids_b]
    for start in range(0, len(ids_a), _ROWS_AT_ONCE):
        part = ids_a[start : start + _ROWS_AT_ONCE]
        scores = process.cdist(
            [names_a[one] for one in part],
            texts_b,
            scorer=fuzz.ratio,  # the words are sorted already
            score_cutoff=POSSIBLE_NAME - 2 * NEAR_BONUS,
            dtype=np.float32,
            workers=-1,
        )
        for row, column in zip(*np.nonzero(scores), strict=True):
            pairs[part[row], ids_b[column]].score = float(scores[row, column])
    for (left, right), pair in pairs.items():
        if not pair.score:
            pair.score = fuzz.ratio(names_a[left], names_b[right])


def _judged(
    entity: Entity, titles: Mapping[str, str], a: Record, b: Record, names: tuple[str, str], pair: _Pair
) -> Suggestion | None:
    near = [name for name in entity.near_fields if _is_near(name, a, b)]
    against = [
        f"{titles[name]} differs"
        for name in entity.contradictions
        if a.values.get(name) and b.values.get(name) and a.values[name] != b.values[name]
    ]
    if digits_in(names[0]) != digits_in(names[1]):
        against.append("the digits in the names differ")
    score = pair.score + NEAR_BONUS * len(near)
    if against and not pair.keys:
        return None
    if pair.keys and pair.score >= SURE_NAME and not against:
        level = "sure"
    elif pair.score >= LIKELY_NAME and not against:
        level = "likely"
    elif score >= POSSIBLE_NAME or pair.keys:
        level = "possible"
    else:
        return None
    reasons = [
        *pair.keys,
        f"names are {pair.score:.0f} % alike",
        *(f"{titles[name]} is near" for name in near),
    ]
    return Suggestion(a.ext_id, b.ext_id, level, score, (*reasons, *against))


def _is_near(name: str, a: Record, b: Record) -> bool:
    left, right = a.values.get(name, ""), b.values.get(name, "")
    if name == "phone":
        left, right = (re.sub(r"\D", "", one.partition(" ext")[0])[-6:] for one in (left, right))
    return bool(left) and left.casefold() == right.casefold()


def _one_to_one(judged: Sequence[Suggestion]) -> list[Suggestion]:
    """Return the best suggestion of each record.

    A likely one that is not well ahead of the next, and a sure one beside another that is as sure, are only possible.
    """
    best = _next_best(judged)
    sure = Counter(key for one in judged if one.level == "sure" for key in (("a", one.a), ("b", one.b)))
    ordered = sorted(
        (_with_margin(one, best, sure) for one in judged),
        key=lambda one: (LEVELS.index(one.level), -one.score, one.a, one.b),
    )
    taken_a: set[str] = set()
    taken_b: set[str] = set()
    found = []
    for one in ordered:
        if one.a not in taken_a and one.b not in taken_b:
            taken_a.add(one.a)
            taken_b.add(one.b)
            found.append(one)
    return found


def _next_best(judged: Iterable[Suggestion]) -> dict[tuple[str, str], list[float]]:
    """Return by record, as (side, id), its two best scores."""
    best: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in judged:
        for key in (("a", one.a), ("b", one.b)):
            best[key] = sorted([*best[key], one.score], reverse=True)[:2]
    return best


def _with_margin(
    one: Suggestion,
    best: Mapping[tuple[str, str], Sequence[float]],
    sure: Mapping[tuple[str, str], int],
) -> Suggestion:
    if one.level == "sure" and max(sure["a", one.a], sure["b", one.b]) > 1:
        return replace(one, level="possible", reasons=(*one.reasons, "another one is as sure"))
    if one.level != "likely":
        return one
    for key in (("a", one.a), ("b", one.b)):
        first, *second = best[key]
        rivals = second if one.score == first else [first]
        if rivals and one.score - rivals[0] < LIKELY_AHEAD:
            return replace(one, level="possible", reasons=(*one.reasons, "another one is almost as like"))
    return one
