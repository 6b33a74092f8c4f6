"""Books and portal with the true pairing: what a matching of documents is measured against.

Everything follows from a seed. A document exists once in the world (`labelled_world`); the portal shows it as the
supplier reported it, the books as somebody typed it. At most one main mishap befalls a document:

| mishap       | share | what happens                                                                      |
|--------------|-------|-----------------------------------------------------------------------------------|
| none         | 53 %  | both sides show the same                                                          |
| spelling     | 5 %   | small letters, blanks, other separators, leading zeros                            |
| year_token   | 4 %   | the financial year is in the number on one side only, in eight spellings          |
| prefix       | 4 %   | letters before the number on one side only, or only its last digits were booked   |
| typo         | 3 %   | one character other, twice, left out, or two neighbours swapped                   |
| rounding     | 4 %   | amounts off by up to Rs 1 each                                                    |
| swapped      | 1.5 % | IGST booked as CGST and SGST, or the reverse                                      |
| wrong_amount | 1.5 % | another value or rate for the same document: really a mismatch                    |
| near_date    | 2.5 % | a date one to seven days off                                                      |
| far_date     | 0.5 % | day and month exchanged, the year before, or the day of the entry                 |
| late         | 4 %   | the portal shows it one to three months later, perhaps in the next financial year |
| amended      | 1.5 % | the portal shows the document and its amendment, the books hold either            |
| other_gstin  | 1.5 % | another registration of the supplier's PAN in the books                           |
| split_there  | 1.5 % | one entry in the books, two to four documents on the portal                       |
| split_here   | 1 %   | two to four entries in the books, one document on the portal                      |
| duplicate    | 1.5 % | entered twice in the books; either entry may be the true partner                  |
| missing      | 10 %  | half of them not in the books, half not on the portal                             |

One document in eight of those with a mishap in one of its fields has a second, milder one besides (`SECOND_SHARE`).
Besides the 10 % single documents, one supplier in fifty has not filed for a given client and month (`UNFILED_SHARE`):
the portal lacks every document of it. Hard for any method, without any mishap: consecutive numbers, rents and price
lists with equal amounts, short numbers that begin anew each April, two series with the same digits, two registrations
of one PAN with the same numbers, several clients with the same supplier and number, credit notes in the series of the
invoices.

What nobody could know is named, and counts neither for nor against a method (`Labelled.unknowable`): a pair one of
whose documents has an equally near or nearer double that really is missing on the other side, that double too, and two
documents missing on one side each that are equal but for one character of the number and ten days.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

from rapidfuzz.distance import OSA

from simulators.gst.labelled_mishaps import EITHER_SIDE, FIELD_MISHAPS, reportable
from simulators.gst.labelled_world import Paper, Supplier, World, period_of

MISHAPS = (
    ("spelling", 0.05), ("year_token", 0.04), ("prefix", 0.04), ("typo", 0.03), ("rounding", 0.04), ("swapped", 0.015),
    ("wrong_amount", 0.015), ("near_date", 0.025), ("far_date", 0.005), ("late", 0.04), ("amended", 0.015),
    ("other_gstin", 0.015), ("split_there", 0.015), ("split_here", 0.01), ("duplicate", 0.015), ("missing", 0.1),
)  # fmt: skip
SECOND_SHARE = 0.125
SECONDS = ("spelling", "rounding", "near_date", "late")
"""Milder mishaps that may come on top of another; never two about one field."""
UNFILED_SHARE = 0.02
_FIELDS = {
    "spelling": "number", "year_token": "number", "prefix": "number", "typo": "number", "rounding": "amounts",
    "swapped": "amounts", "wrong_amount": "amounts", "near_date": "day", "far_date": "day", "late": "period",
    "other_gstin": "party",
}  # fmt: skip
Pair = tuple[str, str]


@dataclass
class Labelled:
    """Both sides and the truth.

    Attributes:
        books, portal: documents.
        pairs: (name in the books, name on the portal) to the mishaps, ``("none",)`` for none.
        either: (name of a second entry, name on the portal) to the true pair that it may stand for.
        replaced: names on the portal of originals that an amendment replaces.
        unknowable: pairs that count neither as right nor as wrong.
    """

    books: list[Paper] = field(default_factory=list)
    portal: list[Paper] = field(default_factory=list)
    pairs: dict[Pair, tuple[str, ...]] = field(default_factory=dict)
    either: dict[Pair, Pair] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    unknowable: set[Pair] = field(default_factory=set)


def labelled(seed: int, documents: int, owners: int = 12, suppliers: int = 240) -> Labelled:
    """Make about ``documents`` documents of the world and how both sides show them."""
    return _Maker(seed, owners, suppliers).make(documents)


class _Maker:
    def __init__(self, seed: int, owners: int, suppliers: int) -> None:
        self.dice = random.Random(seed)
        self.world = World(self.dice, seed, owners, suppliers)
        self.out = Labelled()
        self.count = 0
        self.unfiled: dict[tuple[str, str, str], bool] = {}

    def make(self, documents: int) -> Labelled:
        """Make both sides in an order that says nothing."""
        for paper, supplier in self.world.papers(documents):
            if self._is_unfiled(paper):
                self._put(paper, is_books=True)
            else:
                self._show(paper, supplier)
        self.dice.shuffle(self.out.books)
        self.dice.shuffle(self.out.portal)
        self.out.unknowable = unknowable(self.out)
        return self.out

    def _is_unfiled(self, paper: Paper) -> bool:
        key = (paper.owner, paper.party, paper.period)
        if key not in self.unfiled:
            self.unfiled[key] = self.dice.random() < UNFILED_SHARE
        return self.unfiled[key]

    def _show(self, paper: Paper, supplier: Supplier) -> None:
        names = [name for name, _ in MISHAPS]
        shares = [share for _, share in MISHAPS]
        mishap = self.dice.choices([*names, "none"], [*shares, 1 - sum(shares)])[0]
        if mishap in ("none", "late") or mishap in FIELD_MISHAPS:
            self._pair_of_one(paper, supplier, mishap)
        elif mishap == "missing":
            self._put(paper, is_books=self.dice.random() < 0.5)
        elif mishap == "duplicate":
            self._duplicate(paper, supplier)
        elif mishap == "amended":
            self._amended(paper)
        elif mishap == "split_there":
            self._split_there(paper, supplier)
        else:
            self._split_here(paper)

    def _put(self, paper: Paper, *, is_books: bool) -> str:
        self.count += 1
        name = f"{'b' if is_books else 'p'}{self.count:07d}"
        (self.out.books if is_books else self.out.portal).append(replace(paper, name=name))
        return name

    def _pair(self, books: Paper, portal: Paper, *kinds: str) -> Pair:
        pair = (self._put(books, is_books=True), self._put(portal, is_books=False))
        self.out.pairs[pair] = kinds or ("none",)
        return pair

    def _pair_of_one(self, paper: Paper, supplier: Supplier, mishap: str) -> None:
        wanted = [] if mishap == "none" else [mishap]
        if wanted and self.dice.random() < SECOND_SHARE:
            free = [one for one in SECONDS if _FIELDS[one] != _FIELDS[mishap]]
            wanted.append(self.dice.choice(free))
        books, portal, kinds = paper, paper, []
        for name in wanted:
            if name == "late":
                portal = replace(portal, period=period_of(paper.day, self.dice.randint(1, 3)))
                kinds.append(name)
                continue
            changed = FIELD_MISHAPS[name](self.dice, books, supplier)
            if changed is None:
                continue
            kinds.append(name)
            if name in EITHER_SIDE and self.dice.random() < 0.5 and reportable(changed):
                portal = replace(portal, number=changed.number)
            else:
                books = changed
        self._pair(books, portal, *kinds)

    # --- more than one document on a side ---

    def _duplicate(self, paper: Paper, supplier: Supplier) -> None:
        pair = self._pair(paper, paper, "duplicate")
        again: Paper | None = paper
        if self.dice.random() < 0.4:
            name = self.dice.choice(("spelling", "near_date", "rounding"))
            again = FIELD_MISHAPS[name](self.dice, paper, supplier)
        self.out.either[self._put(again or paper, is_books=True), pair[1]] = pair

    def _amended(self, paper: Paper) -> None:
        """Show an original and its amendment, and book the one or the other; the amendment is what counts."""
        kind = self.dice.randrange(4)
        changed = paper
        if kind != 0:
            factor = self.dice.choice((90, 95, 105, 112))
            taxable, igst, cgst, sgst, cess = (one * factor // 100 for one in paper.amounts)
            changed = replace(changed, taxable=taxable, taxes=(igst, cgst, sgst, cess))
        if kind < 2:
            changed = replace(changed, number=f"{paper.number}A"[-16:])
        if kind == 2:
            changed = replace(changed, day=paper.day + timedelta(days=self.dice.choice((-2, 1, 3))))
        later = period_of(paper.day, self.dice.randint(1, 3))
        new = replace(changed, period=later, amends=paper.number, amends_day=paper.day)
        self.out.replaced.add(self._put(paper, is_books=False))
        self._pair(changed if self.dice.random() < 0.6 else paper, new, "amended")

    def _shares(self, paper: Paper, count: int) -> list[Paper]:
        """Cut the amounts of a document into parts that add up to the paisa."""
        cuts = [0.0, *sorted(self.dice.uniform(0.1, 0.9) for _ in range(count - 1)), 1.0]
        edges = [[int(one * cut) for one in paper.amounts] for cut in cuts]
        parts = []
        for low, high in pairwise(edges):
            taxable, igst, cgst, sgst, cess = (b - a for a, b in zip(low, high, strict=True))
            parts.append(replace(paper, taxable=taxable, taxes=(igst, cgst, sgst, cess)))
        return parts

    def _split_there(self, paper: Paper, supplier: Supplier) -> None:
        """One entry for several bills: numbers that follow each other, or one number with letters."""
        count = self.dice.randint(2, 4)
        numbers = [paper.number, *self.world.next_numbers(paper, supplier, count - 1)]
        booked = self.dice.choice((paper.number, f"{paper.number} to {numbers[-1]}", ", ".join(numbers)))
        if self.dice.random() < 0.4:
            numbers = [f"{paper.number}{chr(65 + place)}" for place in range(count)]
            booked = paper.number
        name = self._put(replace(paper, number=booked), is_books=True)
        for part, number in zip(self._shares(paper, count), numbers, strict=True):
            shown = self._put(replace(part, number=number), is_books=False)
            self.out.pairs[name, shown] = ("split_there",)

    def _split_here(self, paper: Paper) -> None:
        """Several entries for one bill: all under its number, or with letters behind it."""
        count = self.dice.randint(2, 4)
        is_lettered = self.dice.random() < 0.4
        shown = self._put(paper, is_books=False)
        for place, part in enumerate(self._shares(paper, count)):
            number = f"{paper.number}-{chr(65 + place)}" if is_lettered else paper.number
            name = self._put(replace(part, number=number), is_books=True)
            self.out.pairs[name, shown] = ("split_here",)


# --- what nobody could know ---


def unknowable(data: Labelled) -> set[Pair]:
    """Find the pairs that a perfect reader of both sides could not tell apart from others."""
    by_name = {one.name: one for one in (*data.books, *data.portal)}
    paired = {name for pair in (*data.pairs, *data.either) for name in pair} | data.replaced
    lonely: dict[tuple[str, str, str], list[Paper]] = defaultdict(list)
    for one in by_name.values():
        if one.name not in paired:
            lonely[_block(one)].append(one)
    found: set[Pair] = set()
    for (books, portal), kinds in data.pairs.items():
        if kinds == ("none",):
            continue
        here, there = by_name[books], by_name[portal]
        for double in lonely.get(_block(here), ()):
            is_books = double.name.startswith("b")
            seen, partner = (there, here) if is_books else (here, there)
            if _is_as_near(seen, double, partner):
                found.add((books, portal))
                found.add((double.name, portal) if is_books else (books, double.name))
    for alone in lonely.values():
        for one in alone:
            for two in alone:
                if one.name.startswith("b") and two.name.startswith("p") and _are_alike(one, two):
                    found.add((one.name, two.name))
    return found


def _block(paper: Paper) -> tuple[str, str, str]:
    return (paper.owner, paper.party[2:12], paper.kind)


def _is_as_near(seen: Paper, double: Paper, partner: Paper) -> bool:
    """Tell whether a document is in no field further from what is seen than the true partner."""
    return (
        abs((double.day - seen.day).days) <= abs((partner.day - seen.day).days)
        and _money(seen, double) <= _money(seen, partner)
        and (double.party != seen.party) <= (partner.party != seen.party)
        and _slips(seen, double) <= _slips(seen, partner)
    )


def _are_alike(one: Paper, two: Paper) -> bool:
    return _money(one, two) <= 100 and abs((one.day - two.day).days) <= 10 and _slips(one, two) <= 1


def _money(one: Paper, two: Paper) -> int:
    return max(abs(a - b) for a, b in zip(one.amounts, two.amounts, strict=True))


def _slips(one: Paper, two: Paper) -> int:
    first, second = ("".join(sign for sign in paper.number.upper() if sign.isalnum()) for paper in (one, two))
    return int(OSA.distance(first, second))
