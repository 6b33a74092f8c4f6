"""The baseline of matching: eleven rules in order, the first fit wins, each document used once.

This is the method that the field uses (GST reference 6.1), written anew for comparison; the product does not use it.
Rules 1 to 7 look at documents of one registration, 8 to 11 at those of one PAN; the financial year of the date is a
part of every rule, a loose number needs dates of at most ten days apart. Two things are kinder than the field's own:
the owner of the books is a part of every rule, and an original is set aside as soon as its amendment is there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

from rapidfuzz import fuzz, process

from simulators.gst.labelled import Labelled, Pair
from simulators.gst.labelled_world import Paper, year_of

TOLERANCE = 100
NEAR_DAYS = 10
LEAST_SCORE = 90
_YEARS = re.compile(r"20\d\d[-/]\d\d(?!\d)|(?<!\d)\d\d[-/]\d\d(?!\d)")
Rule = Callable[[Paper, Paper], bool]


def clean(number: str) -> str:
    """Return a number as the loose comparison sees it."""
    text = _YEARS.sub("", number).replace("/", " ").replace("-", " ")
    return " ".join(text.split()).lstrip("0")


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
    return process.extractOne(first, [second], score_cutoff=LEAST_SCORE) is not None


def _same_rest(a: Paper, b: Paper) -> bool:
    return (a.place, a.reverse) == (b.place, b.reverse)


def _same(a: Paper, b: Paper) -> bool:
    return a.amounts == b.amounts and _same_rest(a, b)


def _within(a: Paper, b: Paper) -> bool:
    return all(abs(one - two) <= TOLERANCE for one, two in zip(a.amounts, b.amounts, strict=True))


def _total_within(a: Paper, b: Paper) -> bool:
    taxes = abs(sum(a.taxes[:3]) - sum(b.taxes[:3])) <= TOLERANCE
    return taxes and abs(a.taxable - b.taxable) <= TOLERANCE and abs(a.taxes[3] - b.taxes[3]) <= TOLERANCE


RULES: tuple[tuple[str, Rule], ...] = (
    ("gstin", lambda a, b: _equal(a, b) and _same(a, b)),
    ("gstin", lambda a, b: _same(a, b) and _loose(a, b)),
    ("gstin", lambda a, b: _equal(a, b) and _within(a, b)),
    ("gstin", lambda a, b: _within(a, b) and _loose(a, b)),
    ("gstin", _equal),
    ("gstin", _loose),
    ("gstin", lambda a, b: _within(a, b) and _same_rest(a, b) and _near(a, b)),
    ("pan", lambda a, b: _equal(a, b) and _total_within(a, b)),
    ("pan", lambda a, b: _total_within(a, b) and _loose(a, b)),
    ("pan", _loose),
    ("pan", lambda a, b: _total_within(a, b) and _same_rest(a, b) and _near(a, b)),
)
"""Level and condition of every rule; owner, document type and financial year are equal in all of them."""


def greedy(data: Labelled) -> dict[Pair, int]:
    """Return the pairs (name in the books, name on the portal) that the rules find, with the number of the rule."""
    found: dict[Pair, int] = {}
    books = {one.name: one for one in data.books}
    originals = {
        (one.owner, one.party, one.kind, one.amends, year_of(one.amends_day))
        for one in data.portal
        if one.amends_day is not None
    }
    portal = {
        one.name: one
        for one in data.portal
        if one.amends or (one.owner, one.party, one.kind, one.number, year_of(one.day)) not in originals
    }
    for number, (level, rule) in enumerate(RULES, start=1):
        by_key: dict[tuple[str, str, str, int], dict[str, Paper]] = defaultdict(dict)
        for two in portal.values():
            by_key[_key(two, level)][two.name] = two
        for one in list(books.values()):
            block = by_key[_key(one, level)]
            fit = next((two for two in block.values() if rule(one, two)), None)
            if fit is not None:
                found[one.name, fit.name] = number
                del books[one.name], portal[fit.name], block[fit.name]
    return found


def _key(paper: Paper, level: str) -> tuple[str, str, str, int]:
    party = paper.party if level == "gstin" else paper.party[2:12]
    return (paper.owner, party, paper.kind, year_of(paper.day))
