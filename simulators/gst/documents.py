"""Documents between a supplier and a buyer in one tax period: the one source for both sides of every statement.

A document is made once per (supplier, buyer, period); the supplier's R1 and the buyer's 2A, 2B and IMS are views of
it. Amounts are whole paise, and a document's tax is the sum over its items.
"""

import hashlib
import random
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from simulators.gst import periods
from simulators.gst.parties import Client, Country, Overrides, Party


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a document: the rate in hundredths of a percent, the amounts in paise."""

    rate: int
    txval: int
    igst: int
    cgst: int
    sgst: int
    cess: int


@dataclass(frozen=True, slots=True)
class Document:
    """An invoice (`I`), credit note (`C`) or debit note (`D`), perhaps an amendment of an earlier one."""

    supplier: Party
    buyer: Party
    month: int
    kind: str
    number: str
    day: date
    pos: str
    reverse: bool
    supply: str
    through_operator: bool
    items: tuple[Item, ...]
    irn: str
    original: tuple[str, date] | None
    roll: float

    @property
    def txval(self) -> int:
        """Give the taxable value."""
        return sum(item.txval for item in self.items)

    @property
    def taxes(self) -> tuple[int, int, int, int]:
        """Give IGST, CGST, SGST and cess."""
        return (
            sum(item.igst for item in self.items),
            sum(item.cgst for item in self.items),
            sum(item.sgst for item in self.items),
            sum(item.cess for item in self.items),
        )

    @property
    def value(self) -> int:
        """Give the value of the document with its taxes."""
        return self.txval + (0 if self.reverse else sum(self.taxes))

    @property
    def eligible(self) -> bool:
        """Tell whether the buyer may take the credit: the place of supply must not be foreign to him."""
        return not (self.pos == self.supplier.state and self.buyer.state != self.pos)

    @property
    def section(self) -> str:
        """Give the family of the document: b2b, b2ba, cdn, cdna, ecom or ecoma."""
        stem = "cdn" if self.kind != "I" else "ecom" if self.through_operator else "b2b"
        return stem + ("a" if self.original else "")


def rates(day: date) -> tuple[int, ...]:
    """Give the usual rates on a day, in hundredths of a percent."""
    return (500, 1800, 1800, 4000) if day >= periods.NEW_RATES else (500, 1200, 1800, 1800, 2800)


def make_item(rng: random.Random, day: date, local: bool, scale: int = 1) -> Item:
    """Make one line with taxes that follow from the rate."""
    rate = rng.choice(rates(day))
    txval = int(10 ** (3.2 + 2.3 * rng.random())) * 100 * scale + rng.randrange(100)
    txval -= txval % 2
    cess = txval * 12 // 100 if rate >= 2800 and rng.random() < 0.4 else 0
    if local:
        half = (txval * rate + 10_000) // 20_000
        return Item(rate, txval, 0, half, half, cess)
    return Item(rate, txval, (txval * rate + 5_000) // 10_000, 0, 0, cess)


class Trade:
    """The documents of the whole country."""

    def __init__(self, country: Country, overrides: Overrides) -> None:
        self._country = country
        self._overrides = overrides
        self._base = lru_cache(maxsize=4_000)(self._make)

    def between(self, supplier: Party, buyer: Party, month: int) -> list[Document]:
        """List the documents of one supplier to one buyer, deleted ones excluded."""
        made = self._base(supplier, buyer, month)
        gone = self._overrides.removed.get(buyer.gstin)
        if gone:
            return [one for one in made if (supplier.gstin, one.number) not in gone]
        return made

    def inward(self, client: Client, month: int) -> list[Document]:
        """List all documents of a period addressed to a client."""
        out = [
            one
            for supplier in self._country.suppliers_of(client)
            for one in self.between(supplier, client.party, month)
        ]
        gone = self._overrides.removed.get(client.gstin, ())
        for day in self._overrides.added.get((client.gstin, month), ()):
            out.extend(
                one for one in self._extra(client, month, day) if (one.supplier.gstin, one.number) not in gone
            )
        if client.showcase:
            out.extend(self.showcase(client, month))
        return out

    def outward(self, client: Client, month: int) -> list[Document]:
        """List all documents of a period which a client issued to registered persons."""
        return [
            one
            for buyer in self._country.buyers_of(client)
            for one in self.between(client.party, buyer, month)
        ]

    def _extra(self, client: Client, month: int, day: int) -> list[Document]:
        rng = self._country.rng("extra", client.gstin, month, day)
        return [
            self._document(rng, self._country.late_supplier(client), client.party, month, "I", f"N{day}-{n}")
            for n in range(3)
        ]

    def _count(self, rng: random.Random) -> int:
        mean = self._country.documents / (self._country.spread() + 2)
        return max(1, round(mean * (0.6 + 0.8 * rng.random())))

    def _make(self, supplier: Party, buyer: Party, month: int) -> list[Document]:
        if not month >= periods.FIRST:
            return []
        rng = self._country.rng("docs", supplier.gstin, buyer.gstin, month)
        out = []
        tag = f"{month % 12 + 1:02d}{month // 12 % 100:02d}"
        stem = buyer.gstin[4:7] if buyer.client is None else f"K{buyer.client}"
        count = self._count(rng)
        noted = rng.random() < 0.3
        for place in range(count):
            draw = rng.random()
            kind = "I" if draw < 0.84 or (place == 0 and not noted) else "C" if draw < 0.99 else "D"
            kind = "C" if noted and place == count - 1 and count > 1 else kind
            prefix = {"I": "", "C": "CN", "D": "DN"}[kind]
            number = f"{prefix}{stem}/{tag}/{place + 1}"
            out.append(self._document(rng, supplier, buyer, month, kind, number))
        if rng.random() < 0.02:
            out.extend(self._amendments(rng, supplier, buyer, month))
        return out

    def _amendments(self, rng: random.Random, supplier: Party, buyer: Party, month: int) -> list[Document]:
        earlier = self._base(supplier, buyer, month - 1) if month > periods.FIRST else []
        plain = [one for one in earlier if one.original is None]
        if not plain:
            return []
        old = plain[0]
        number = f"{old.number[:14]}A"
        return [self._document(rng, supplier, buyer, month, old.kind, number, original=(old.number, old.day))]

    def _document(
        self,
        rng: random.Random,
        supplier: Party,
        buyer: Party,
        month: int,
        kind: str,
        number: str,
        *,
        original: tuple[str, date] | None = None,
        through_operator: bool = False,
    ) -> Document:
        day = periods.on(month, rng.randint(1, 28))
        pos = buyer.state
        if supplier.state != buyer.state and rng.random() < 0.03:
            pos = supplier.state
        supply = "R"
        if rng.random() < 0.02:
            supply = rng.choice(("SEWP", "DE"))
        local = pos == supplier.state and supply != "SEWP"
        lines = 2 if rng.random() < 0.25 else 1
        items = {one.rate: one for one in (make_item(rng, day, local) for _ in range(lines))}
        irn = ""
        if rng.random() < 0.5 and month >= 2020 * 12 + 9:
            irn = hashlib.sha256(f"{supplier.gstin}{number}{month}".encode()).hexdigest()
        return Document(
            supplier=supplier,
            buyer=buyer,
            month=month,
            kind=kind,
            number=number,
            day=day,
            pos=pos,
            reverse=rng.random() < 0.03 and supply == "R" and not through_operator,
            supply=supply,
            through_operator=through_operator,
            items=tuple(items.values()),
            irn=irn,
            original=original,
            roll=rng.random(),
        )

    def showcase(self, client: Client, month: int) -> list[Document]:
        """Make one document of every rare family, which only the first client is sure to receive."""
        if month <= periods.FIRST:
            return []
        wanted = ("b2ba", "cdna", "dna", "dn", "ecom", "ecoma", "cn", "rcm", "rcn", "local", "rejI", "rejC")
        supplier = self._country.supplier(110_000 + client.index)
        out = []
        for name in wanted:
            rng = self._country.rng("showcase", client.gstin, month, name)
            kind = "D" if name in {"dn", "dna"} else "C" if name in {"cn", "cdna", "rcn", "rejC"} else "I"
            old = (f"OLD-{name}", periods.on(month - 1, 9)) if name.endswith("a") else None
            made = self._document(
                rng,
                supplier,
                client.party,
                month,
                kind,
                f"S{month % 12 + 1}-{name}",
                original=old,
                through_operator=name.startswith("ecom"),
            )
            pos = client.party.state if name != "local" else supplier.state
            items = make_item(rng, made.day, pos == supplier.state)
            out.append(
                Document(
                    **{
                        **{key: getattr(made, key) for key in Document.__slots__},
                        "pos": pos,
                        "items": (items,),
                        "supply": "R",
                        "reverse": name in {"rcm", "rcn"},
                        "roll": 0.5 if not name.startswith("rej") else 0.99,
                    }
                )
            )
        return out
