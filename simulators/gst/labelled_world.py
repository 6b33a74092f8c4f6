"""Documents as they really are, before anybody reports or books them: suppliers, their series of numbers, their prices.

Everything follows from the dice that are handed in. Numbers are unique per registration, type and financial year, as
the rules want, but a supplier may have two series with the same digits, begin anew each April, or sell from two
registrations that count apart.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from simulators.gst import identifiers

FIRST_DAY = date(2025, 4, 1)
MONTHS = 18
STATES = ("27", "29", "24", "33")
STYLES = ("consecutive", "plain", "slashed", "yearly", "joined", "short", "branches", "market")
RESTARTING = ("yearly", "joined", "short")
"""Styles whose numbers begin at 1 each April; those of ``short`` are then equal to last year's."""
PRICINGS = (("free", 0.55), ("round", 0.15), ("list", 0.15), ("fixed", 0.15))
"""How a supplier prices: anything, multiples of Rs 500, a short price list, or the same every month (rent)."""
NOTE_SHARE = 0.06
REVERSE_SHARE = 0.01
TWO_REGISTRATIONS = 0.15
LONGEST_NUMBER = 16


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
    taxes: tuple[int, int, int, int]  # IGST, CGST, SGST, cess
    amends: str = ""
    amends_day: date | None = None
    reverse: str = "N"

    @property
    def amounts(self) -> tuple[int, int, int, int, int]:
        """Give the taxable value and the four taxes."""
        return (self.taxable, *self.taxes)


@dataclass(frozen=True, slots=True)
class Supplier:
    """Who sells, to whom, under which numbers and at which prices.

    Attributes:
        gstins: two registrations of one PAN; bills come from the first, or from either when ``is_twofold``.
        owners: its customers among the clients.
        is_local_count: numbers count per customer, so that several clients hold the same number.
    """

    gstins: tuple[str, str]
    owners: tuple[str, ...]
    style: str
    pricing: str
    stem: str
    prices: tuple[int, ...]
    rate: int
    weight: float
    is_twofold: bool
    is_local_count: bool
    is_note_in_series: bool


def year_of(day: date) -> int:
    """Give the calendar year in which the financial year of a day began."""
    return day.year if day.month >= 4 else day.year - 1


def period_of(day: date, months: int = 0) -> str:
    """Write the month of a day, or one some months later, as MMYYYY."""
    years, month = divmod(day.month - 1 + months, 12)
    return f"{month + 1:02d}{day.year + years}"


class World:
    """The suppliers of a few clients and everything that they billed."""

    def __init__(self, dice: random.Random, seed: int, owners: int, suppliers: int) -> None:
        self._dice = dice
        self.owners = [identifiers.gstin("client", one, seed, "27") for one in range(owners)]
        self.suppliers = [self._supplier(index, seed) for index in range(suppliers)]
        self._serials: dict[tuple[str, ...], int] = {}

    def _supplier(self, index: int, seed: int) -> Supplier:
        dice = self._dice
        place = dice.randrange(len(STATES))
        gstins = tuple(
            identifiers.gstin("supplier", index, seed, STATES[(place + step) % len(STATES)])
            for step in (0, 1)
        )
        pricing = dice.choices([one for one, _ in PRICINGS], [share for _, share in PRICINGS])[0]
        fixed = dice.randrange(1_000, 90_000) * 100
        prices = (
            (fixed,) if pricing == "fixed" else tuple(dice.randrange(200, 40_000) * 100 for _ in range(4))
        )
        return Supplier(
            gstins=(gstins[0], gstins[1]),
            owners=tuple(dice.sample(self.owners, min(len(self.owners), dice.randint(1, 4)))),
            style=dice.choice(STYLES),
            pricing=pricing,
            stem="".join(dice.choice("ABCDEFGHKLMNPRSTUV") for _ in range(dice.randint(1, 3))),
            prices=prices,
            rate=dice.choice((5, 18, 18, 18, 40)),
            weight=1.0 if pricing == "fixed" else dice.paretovariate(1.1),
            is_twofold=dice.random() < TWO_REGISTRATIONS,
            is_local_count=pricing == "fixed" or dice.random() < 0.1,
            is_note_in_series=dice.random() < 0.3,
        )

    def papers(self, documents: int) -> Iterator[tuple[Paper, Supplier]]:
        """Yield about ``documents`` documents with who billed them, oldest first."""
        bills = [
            (FIRST_DAY + timedelta(days=30 * month + self._dice.randrange(5)), supplier, owner)
            for supplier in self.suppliers
            if supplier.pricing == "fixed"
            for owner in supplier.owners
            for month in range(MONTHS)
        ]
        others = [one for one in self.suppliers if one.pricing != "fixed"]
        wanted = max(0, documents - len(bills))
        for supplier in self._dice.choices(others, [min(one.weight, 20.0) for one in others], k=wanted):
            day = FIRST_DAY + timedelta(days=self._dice.randrange(30 * MONTHS))
            bills.append((day, supplier, self._dice.choice(supplier.owners)))
        bills.sort(key=lambda bill: bill[0])
        for day, supplier, owner in bills[:documents]:
            yield self._paper(day, supplier, owner), supplier

    def _paper(self, day: date, supplier: Supplier, owner: str) -> Paper:
        dice = self._dice
        party = supplier.gstins[1] if supplier.is_twofold and dice.random() < 0.4 else supplier.gstins[0]
        is_note = supplier.pricing != "fixed" and dice.random() < NOTE_SHARE
        taxable = self._taxable(supplier)
        tax = taxable * supplier.rate // 100
        half = taxable * supplier.rate // 200
        taxes = (0, half, half, 0) if party[:2] == owner[:2] else (tax, 0, 0, 0)
        sign = -1 if is_note else 1
        return Paper(
            name="",
            owner=owner,
            party=party,
            kind="CN" if is_note else "INV",
            number=self._number(supplier, party, owner, day, is_note=is_note),
            day=day,
            period=period_of(day),
            place=owner[:2],
            taxable=sign * taxable,
            taxes=(sign * taxes[0], sign * taxes[1], sign * taxes[2], 0),
            reverse="Y" if dice.random() < REVERSE_SHARE else "N",
        )

    def _taxable(self, supplier: Supplier) -> int:
        dice = self._dice
        if supplier.pricing == "fixed":
            return supplier.prices[0]
        if supplier.pricing == "list":
            return dice.choice(supplier.prices) * dice.randint(1, 5)
        if supplier.pricing == "round":
            return dice.randint(1, 400) * 500_00
        return int(10 ** dice.uniform(4.5, 7.5))

    def _number(self, supplier: Supplier, party: str, owner: str, day: date, *, is_note: bool) -> str:
        year = year_of(day)
        branch = self._dice.choice(("N", "S")) if supplier.style == "branches" else ""
        key = (
            party,
            owner if supplier.is_local_count else "",
            branch,
            str(year) if supplier.style in RESTARTING else "",
            "CN" if is_note and not supplier.is_note_in_series else "",
        )
        is_dense = supplier.style in ("consecutive", "short", "branches") or supplier.pricing == "fixed"
        self._serials[key] = serial = self._serials.get(key, 0) + (
            1 if is_dense else self._dice.randint(1, 9)
        )
        number = written(supplier.style, supplier.stem + branch, serial, year)
        return f"C{number}" if is_note and not supplier.is_note_in_series else number

    def next_numbers(self, paper: Paper, supplier: Supplier, count: int) -> list[str]:
        """Give numbers that follow in the series of a document, as further bills of the same day have."""
        return [
            self._number(supplier, paper.party, paper.owner, paper.day, is_note=paper.kind == "CN")
            for _ in range(count)
        ]


def written(style: str, stem: str, serial: int, year: int) -> str:
    """Write a number in a style; at most ``LONGEST_NUMBER`` characters."""
    first, second = year % 100, (year + 1) % 100
    return {
        "consecutive": f"{stem}-{100 + serial}",
        "plain": f"{40_000 + serial}",
        "slashed": f"{stem}/{serial:05d}",
        "yearly": f"{stem}/{first}-{second}/{serial:04d}",
        "joined": f"{stem}{first}{second}{serial:05d}",
        "short": f"{serial}",
        "branches": f"{stem}/{serial}",
        "market": f"{stem}7-{1_000_000 + 37 * serial}",
    }[style]
