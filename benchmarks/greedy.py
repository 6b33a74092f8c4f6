"""The baseline of matching: eleven rules in order, the first fit wins, each document used once.

This is the method that the field uses (GST reference 6.1), written anew for comparison; the product does not use it.
Rules 1 to 7 look at documents of one registration, 8 to 11 at those of one PAN; the financial year is a part of every
rule, a loose number needs dates of at most ten days apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable

from rapidfuzz import fuzz, process

from simulators.gst.labelled import Labelled, Paper

TOLERANCE = 100
NEAR_DAYS = 10
LEAST_SCORE = 90
_YEARS = re.compile(r"20\d\d[-/]\d\d|\b\d\d[-/]\d\d\b")
Rule = Callable[[Paper, Paper], bool]


def clean(number: str) -> str:
    """Return a number as the loose comparison sees it."""
    text = _YEARS.sub("", number).replace("/", " ").replace("-", " ")
    return " ".join(text.split()).lstrip("0")


def _year(paper: Paper) -> int:
    return paper.day.year if paper.day.month >= 4 else paper.day.year - 1


def _near(a: Paper, b: Paper) -> bool:
    return abs((a.day - b.day).days) <= NEAR_DAYS


def _equal(a: Paper, b: Paper) -> bool:
    return a.number == b.number


def _loose(a: Paper, b: Paper) -> bool:
    if not _near(a, b):
        return False
    first, second = clean(a.number), clean(b.number)
    if not first or not second:
        return False
    if fuzz.partial_ratio(first, second) == 100:
        return True
    best = process.extractOne(first, [second], scorer=fuzz.WRatio)
    return best is not None and best[1] >= LEAST_SCORE


def _same(a: Paper, b: Paper) -> bool:
    return a.place == b.place and (a.taxable, *a.taxes) == (b.taxable, *b.taxes)


def _within(a: Paper, b: Paper) -> bool:
    amounts = zip((a.taxable, *a.taxes), (b.taxable, *b.taxes), strict=True)
    return a.place == b.place and all(abs(one - two) <= TOLERANCE for one, two in amounts)


def _total_within(a: Paper, b: Paper) -> bool:
    taxes = abs(sum(a.taxes[:3]) - sum(b.taxes[:3])) <= TOLERANCE
    return taxes and abs(a.taxable - b.taxable) <= TOLERANCE and abs(a.taxes[3] - b.taxes[3]) <= TOLERANCE


RULES: tuple[tuple[str, Rule], ...] = (
    ("gstin", lambda a, b: _equal(a, b) and _same(a, b)),
    ("gstin", lambda a, b: _loose(a, b) and _same(a, b)),
    ("gstin", lambda a, b: _equal(a, b) and _within(a, b)),
    ("gstin", lambda a, b: _loose(a, b) and _within(a, b)),
    ("gstin", _equal),
    ("gstin", _loose),
    ("gstin", lambda a, b: _near(a, b) and _within(a, b)),
    ("pan", lambda a, b: _equal(a, b) and _total_within(a, b)),
    ("pan", lambda a, b: _loose(a, b) and _total_within(a, b)),
    ("pan", _loose),
    ("pan", lambda a, b: _near(a, b) and _total_within(a, b)),
)
"""Level and condition of every rule; owner, document type and financial year are equal in all of them."""


def greedy(data: Labelled) -> set[tuple[str, str]]:
    """Return the pairs (name in the books, name on the portal) that the eleven rules find."""
    found: set[tuple[str, str]] = set()
    books = {one.name: one for one in data.books}
    replaced = {(one.owner, one.party, one.amends) for one in data.portal if one.amends}
    portal = {
        one.name: one
        for one in data.portal
        if one.amends or (one.owner, one.party, one.number) not in replaced
    }
    for level, rule in RULES:
        by_key: dict[tuple[str, str, str, int], list[Paper]] = defaultdict(list)
        for two in portal.values():
            by_key[_key(two, level)].append(two)
        for one in list(books.values()):
            fit = next(
                (two for two in by_key[_key(one, level)] if two.name in portal and rule(one, two)), None
            )
            if fit is not None:
                found.add((one.name, fit.name))
                del books[one.name], portal[fit.name]
    return found


def _key(paper: Paper, level: str) -> tuple[str, str, str, int]:
    party = paper.party if level == "gstin" else paper.party[2:12]
    return (paper.owner, party, paper.kind, _year(paper))


def quality(
    pairs: Iterable[tuple[str, str]], data: Labelled
) -> tuple[float, float, dict[str, tuple[int, int]]]:
    """Return precision, recall, and by mishap how many true pairs were found of how many.

    The second entry of a duplicate may be taken in the place of the first.
    """
    found = {data.either.get(pair, pair) for pair in pairs}
    right = found & data.pairs.keys()
    by_kind: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for pair, mishap in data.pairs.items():
        by_kind[mishap][0] += pair in right
        by_kind[mishap][1] += 1
    precision = len(right) / len(found) if found else 1.0
    return precision, len(right) / len(data.pairs), {name: (a, b) for name, (a, b) in sorted(by_kind.items())}
