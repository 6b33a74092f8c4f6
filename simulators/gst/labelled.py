"""Books and portal with the true pairing: what a matching of documents is measured against.

Everything follows from a seed. A document exists once in the world; the portal shows it as the supplier reported it,
the books as somebody typed it. Each document meets at most one mishap:

| mishap      | share | what happens                                                                       |
|-------------|-------|------------------------------------------------------------------------------------|
| none        | 59.5 %| both sides show the same                                                           |
| spelling    | 5 %   | lower case, blanks, other separators, leading zeros                                |
| year_token  | 4 %   | the financial year is in the number on one side only, in several spellings         |
| prefix      | 3 %   | letters before the number on one side only                                         |
| typo        | 3 %   | one character more, less, other, or two swapped                                    |
| rounding    | 4 %   | amounts rounded to rupees in the books                                             |
| swapped     | 1.5 % | IGST booked as CGST and SGST, or the reverse                                       |
| wrong_amount| 1.5 % | another taxable value and tax for the same document                                |
| near_date   | 2.5 % | a date one to seven days off                                                       |
| far_date    | 0.5 % | day and month exchanged, or the date of the entry                                  |
| late        | 4 %   | the portal shows it one to three months later, perhaps in the next financial year  |
| amended     | 1.5 % | the portal shows the document and its amendment, the books hold either             |
| other_gstin | 1.5 % | another registration of the supplier's PAN in the books                            |
| split_there | 1.5 % | one entry in the books, two to four documents on the portal                        |
| split_here  | 1 %   | two to four entries in the books, one document on the portal                       |
| duplicate   | 1 %   | entered twice in the books; either entry may be the true partner                   |
| missing     | 5 %   | half of them not in the books, half not on the portal                              |

One document in twenty is a credit note. Hard for any method: suppliers with consecutive numbers, with equal amounts
every month (rent), with short numbers (1, 2, 12), whose numbers begin anew each April, and who serve several owners.
Where a mishap leaves no knowable truth (a rent whose number is mistyped into the next month's) it is made anew.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from simulators.gst import identifiers

MISHAPS = (
    ("spelling", 0.05), ("year_token", 0.04), ("prefix", 0.03), ("typo", 0.03), ("rounding", 0.04), ("swapped", 0.015),
    ("wrong_amount", 0.015), ("near_date", 0.025), ("far_date", 0.005), ("late", 0.04), ("amended", 0.015),
    ("other_gstin", 0.015), ("split_there", 0.015), ("split_here", 0.01), ("duplicate", 0.01), ("missing", 0.05),
)  # fmt: skip
STYLES = ("consecutive", "plain", "slashed", "yearly", "short", "rent")
STATES = ("27", "29", "24", "33")
FIRST_DAY = date(2025, 4, 1)
MONTHS = 18


@dataclass(frozen=True, slots=True)
class Paper:
    """One document as one side shows it; amounts in paise, credit notes negative."""

    name: str
    owner: str
    party: str
    kind: str
    number: str
    day: date
    period: str
    place: str
    taxable: int
    taxes: tuple[int, int, int, int]
    amends: str = ""
    amends_day: date | None = None


@dataclass
class Labelled:
    """Both sides and the truth.

    Attributes:
        books, portal: documents.
        pairs: (name in the books, name on the portal) to the mishap.
        either: names in the books of which one is the true partner, though either may be taken: duplicates.
    """

    books: list[Paper] = field(default_factory=list)
    portal: list[Paper] = field(default_factory=list)
    pairs: dict[tuple[str, str], str] = field(default_factory=dict)
    either: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Supplier:
    gstins: tuple[str, str]
    style: str
    stem: str
    rent: int


def labelled(seed: int, documents: int, owners: int = 12, suppliers: int = 240) -> Labelled:
    """Make about ``documents`` documents of the world and how both sides show them."""
    return _Maker(seed, owners, suppliers).make(documents)


class _Maker:
    def __init__(self, seed: int, owners: int, suppliers: int) -> None:
        self.dice = random.Random(seed)
        self.owners = [identifiers.gstin("client", one, seed, "27") for one in range(owners)]
        self.suppliers = [self._supplier(one, seed) for one in range(suppliers)]
        self.counters: dict[tuple[int, int], int] = {}
        self.out = Labelled()
        self.count = 0

    def _supplier(self, index: int, seed: int) -> _Supplier:
        state = self.dice.choice(STATES)
        first = identifiers.gstin("supplier", index, seed, state)
        other = identifiers.gstin("supplier", index, seed, STATES[(STATES.index(state) + 1) % len(STATES)])
        stem = "".join(self.dice.choice("ABCDEFGHKLMNPRSTUV") for _ in range(self.dice.randint(1, 3)))
        style = self.dice.choice(STYLES)
        return _Supplier((first, other), style, stem, self.dice.randrange(5_000, 90_000) * 100)

    def make(self, documents: int) -> Labelled:
        """Make the documents, oldest first, so that numbers grow with time."""
        days = sorted(FIRST_DAY + timedelta(days=self.dice.randrange(MONTHS * 30)) for _ in range(documents))
        for day in days:
            self._document(day)
        self.dice.shuffle(self.out.books)
        self.dice.shuffle(self.out.portal)
        return self.out

    def _document(self, day: date) -> None:
        index = int(self.dice.triangular(0, len(self.suppliers), 0))
        supplier = self.suppliers[index]
        owner = self.owners[(index * 7 + self.dice.randrange(3)) % len(self.owners)]
        paper = self._paper(index, supplier, owner, day)
        mishap = self._mishap(supplier)
        getattr(self, f"_{mishap}", self._plain)(paper, mishap, supplier)

    def _mishap(self, supplier: _Supplier) -> str:
        roll = self.dice.random()
        for name, share in MISHAPS:
            if roll < share:
                # the next month's rent is one slip away: nobody could know which month was meant
                return "none" if supplier.style in ("rent", "short") and name in ("typo", "prefix") else name
            roll -= share
        return "none"

    def _paper(self, index: int, supplier: _Supplier, owner: str, day: date) -> Paper:
        year = day.year if day.month >= 4 else day.year - 1
        key = (index, year if supplier.style in ("yearly", "short") else 0)
        self.counters[key] = serial = self.counters.get(key, 0) + (
            1 if supplier.style != "slashed" else self.dice.randint(1, 9)
        )
        number = {
            "consecutive": f"{supplier.stem}-{1000 + serial}",
            "plain": f"{40_000 + serial}",
            "slashed": f"{supplier.stem}/{serial:05d}",
            "yearly": f"{supplier.stem}/{year % 100}-{year % 100 + 1}/{serial:04d}",
            "short": f"{serial}",
            "rent": f"R{supplier.stem}{500 + serial}",
        }[supplier.style]
        taxable = supplier.rent if supplier.style == "rent" else int(10 ** self.dice.uniform(4.5, 7.5))
        is_note = supplier.style != "rent" and self.dice.random() < 0.05
        rate = self.dice.choice((5, 18, 18, 40))
        taxes = self._taxes(taxable, rate, is_local=supplier.gstins[0][:2] == owner[:2])
        sign = -1 if is_note else 1
        return Paper(
            "", owner, supplier.gstins[0], "CN" if is_note else "INV", f"CN{number}" if is_note else number, day,
            f"{day:%m%Y}", owner[:2], sign * taxable, (sign * taxes[0], sign * taxes[1], sign * taxes[2], 0),
        )  # fmt: skip

    @staticmethod
    def _taxes(taxable: int, rate: int, *, is_local: bool) -> tuple[int, int, int]:
        half = taxable * rate // 200
        return (0, half, half) if is_local else (2 * half, 0, 0)

    # --- what reaches the two sides ---

    def _put(self, paper: Paper, *, books: bool) -> str:
        self.count += 1
        name = f"{'b' if books else 'p'}{self.count:07d}"
        (self.out.books if books else self.out.portal).append(replace(paper, name=name))
        return name

    def _pair(self, books: Paper, portal: Paper, mishap: str) -> tuple[str, str]:
        pair = (self._put(books, books=True), self._put(portal, books=False))
        self.out.pairs[pair] = mishap
        return pair

    def _plain(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        self._pair(paper, paper, mishap)

    def _spelling(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        number = paper.number
        changed = self.dice.choice(
            (
                number.lower(),
                f" {number}",
                number.replace("/", "-"),
                number.replace("-", " "),
                number.replace("/", " / "),
            )
        )
        if changed == number:
            changed = f"{number} "
        self._pair(replace(paper, number=changed), paper, mishap)

    def _year_token(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        year = (paper.day.year if paper.day.month >= 4 else paper.day.year - 1) % 100
        token = f"{year}-{year + 1}"
        if token in paper.number:
            self._pair(replace(paper, number=paper.number.replace(f"{token}/", "")), paper, mishap)
            return
        spelled = self.dice.choice(
            (f"20{token}", token, f"20{year}/{year + 1}", f"FY{token}", f"{year}{year + 1}")
        )
        longer = replace(
            paper, number=self.dice.choice((f"{spelled}/{paper.number}", f"{paper.number}/{spelled}"))
        )
        sides = (longer, paper) if self.dice.random() < 0.5 else (paper, longer)
        self._pair(*sides, mishap)

    def _prefix(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        longer = replace(
            paper,
            number=f"{self.dice.choice(('INV', 'GST', 'TI', 'B'))}{self.dice.choice(('/', '-', ''))}{paper.number}",
        )
        sides = (longer, paper) if self.dice.random() < 0.5 else (paper, longer)
        self._pair(*sides, mishap)

    def _typo(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        number = paper.number
        digits = [place for place, one in enumerate(number) if one.isdigit()]
        place = self.dice.choice(digits)
        kind = self.dice.randrange(4)
        if kind == 0:
            typed = (
                number[:place]
                + str((int(number[place]) + self.dice.randint(1, 9)) % 10)
                + number[place + 1 :]
            )
        elif kind == 1:
            typed = number[:place] + number[place + 1 :]
        elif kind == 2:
            typed = number[:place] + number[place] + number[place:]
        else:
            other = digits[max(0, digits.index(place) - 1)]
            letters = list(number)
            letters[place], letters[other] = letters[other], letters[place]
            typed = "".join(letters)
        self._pair(replace(paper, number=typed), paper, mishap if typed != number else "none")

    def _rounding(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        amounts = [round(one / 100) * 100 for one in (paper.taxable, *paper.taxes)]
        taxes = (amounts[1], amounts[2], amounts[3], amounts[4])
        self._pair(replace(paper, taxable=amounts[0], taxes=taxes), paper, mishap)

    def _swapped(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        igst, cgst, sgst, cess = paper.taxes
        taxes = (0, igst // 2, igst - igst // 2, cess) if igst else (cgst + sgst, 0, 0, cess)
        self._pair(replace(paper, taxes=taxes), paper, mishap)

    def _wrong_amount(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        factor = self.dice.choice((90, 110, 50, 118, 1000))
        changed = [one * factor // 100 for one in (paper.taxable, *paper.taxes)]
        taxes = (changed[1], changed[2], changed[3], changed[4])
        self._pair(replace(paper, taxable=changed[0], taxes=taxes), paper, mishap)

    def _near_date(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        self._pair(
            replace(paper, day=paper.day + timedelta(days=self.dice.choice((-3, -1, 1, 2, 5, 7)))),
            paper,
            mishap,
        )

    def _far_date(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        day = paper.day
        exchanged = (
            date(day.year, day.day, day.month)
            if day.day <= 12
            else day + timedelta(days=self.dice.randint(15, 40))
        )
        self._pair(replace(paper, day=exchanged), paper, mishap)

    def _late(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        later = paper.day + timedelta(days=30 * self.dice.randint(1, 3))
        self._pair(paper, replace(paper, period=f"{later:%m%Y}"), mishap)

    def _amended(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        self._put(paper, books=False)
        later = paper.day + timedelta(days=30 * self.dice.randint(1, 2))
        number = paper.number if self.dice.random() < 0.6 else f"{paper.number}A"
        changed = [one * 105 // 100 for one in (paper.taxable, *paper.taxes)]
        taxes = (changed[1], changed[2], changed[3], changed[4])
        new = replace(
            paper, number=number, taxable=changed[0], taxes=taxes, period=f"{later:%m%Y}", amends=paper.number,
            amends_day=paper.day,
        )  # fmt: skip
        booked = replace(new, amends="", amends_day=None) if self.dice.random() < 0.7 else paper
        self._pair(booked, new, mishap)

    def _other_gstin(self, paper: Paper, mishap: str, supplier: _Supplier) -> None:
        self._pair(replace(paper, party=supplier.gstins[1]), paper, mishap)

    def _parts(self, paper: Paper) -> list[Paper]:
        count = self.dice.randint(2, 4)
        cuts = sorted(self.dice.uniform(0.1, 0.9) for _ in range(count - 1))
        shares = [b - a for a, b in zip((0.0, *cuts), (*cuts, 1.0), strict=True)]
        amounts = (paper.taxable, *paper.taxes)
        parts, rest = [], list(amounts)
        for share in shares[:-1]:
            own = [int(one * share) for one in amounts]
            rest = [a - b for a, b in zip(rest, own, strict=True)]
            parts.append(own)
        parts.append(rest)
        return [
            replace(
                paper, number=f"{paper.number}{chr(65 + place)}", taxable=own[0],
                taxes=(own[1], own[2], own[3], own[4]),
            )
            for place, own in enumerate(parts)
        ]  # fmt: skip

    def _split_there(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        name = self._put(paper, books=True)
        for part in self._parts(paper):
            self.out.pairs[name, self._put(part, books=False)] = mishap

    def _split_here(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        name = self._put(paper, books=False)
        for part in self._parts(paper):
            number = paper.number if self.dice.random() < 0.5 else part.number
            self.out.pairs[self._put(replace(part, number=number), books=True), name] = mishap

    def _duplicate(self, paper: Paper, mishap: str, _: _Supplier) -> None:
        pair = self._pair(paper, paper, mishap)
        again = self._put(paper, books=True)
        self.out.either[again, pair[1]] = pair

    def _missing(self, paper: Paper, _: str, __: _Supplier) -> None:
        self._put(paper, books=self.dice.random() < 0.5)
