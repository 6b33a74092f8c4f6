"""Who exists in the simulated country, who trades with whom, and who files when.

Everything is a pure function of the seed and an index. A late or missing filing is a property of the taxpayer and the
period; only the operator's actions on later days (`Overrides`) change it.
"""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

from simulators.gst import identifiers, periods

GROUPS = ("Retail", "Trading", "Services", "Manufacturing", "Exports")
REGIONS = ("North", "South", "East", "West")
WORDS = ("Amber", "Banyan", "Cedar", "Delta", "Everest", "Falcon", "Ganga", "Harbour", "Indus", "Jasmine")
TRADES = ("Traders", "Textiles", "Foods", "Engineering", "Pharma", "Steel", "Electronics", "Logistics")
NEVER = date(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Party:
    """A registered person: a client of the practice, a supplier or a customer."""

    gstin: str
    name: str
    client: int | None = None

    @property
    def state(self) -> str:
        """Give the state code."""
        return self.gstin[:2]


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the practice as the portal knows it."""

    index: int
    party: Party
    username: str
    frequency: str
    provider: str
    stopped_from: int
    showcase: bool
    has_r1a: bool
    rare: bool

    @property
    def gstin(self) -> str:
        """Give the GSTIN."""
        return self.party.gstin

    @property
    def quarterly(self) -> bool:
        """Tell whether the client files quarterly (QRMP)."""
        return self.frequency == "Q"


@dataclass(slots=True)
class Overrides:
    """What happened since the first day, per kind: the only mutable part of the world."""

    filings: dict[tuple[str, str, int], date] = field(default_factory=dict)
    added: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    removed: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    actions: dict[tuple[str, str, str], list[tuple[int, str]]] = field(default_factory=dict)
    deposits: dict[str, list[tuple[date, int]]] = field(default_factory=dict)
    notices: dict[str, list[tuple[date, int]]] = field(default_factory=dict)
    generated: dict[tuple[str, int], tuple[int, date]] = field(default_factory=dict)


class Country:
    """All parties of one seed."""

    def __init__(self, seed: int, clients: int, documents: int, sandbox_share: float, start: date) -> None:
        self.seed = seed
        self.count = clients
        self.documents = documents
        self.start = start
        self._sandbox_share = sandbox_share
        self.clients = [self._client(index) for index in range(clients)]
        self.by_gstin = {client.gstin: client for client in self.clients}
        self.by_username = {client.username: client for client in self.clients}
        self.supplier = lru_cache(maxsize=50_000)(self._supplier)
        self.customer = lru_cache(maxsize=50_000)(self._customer)

    def rng(self, *parts: object) -> random.Random:
        """Give a generator that depends on the seed and the parts only."""
        return random.Random(f"{self.seed}|{'|'.join(map(str, parts))}")

    def _name(self, kind: str, index: int) -> str:
        rng = self.rng("name", kind, index)
        return f"{rng.choice(WORDS)} {rng.choice(TRADES)} {kind[0].upper()}{index}"

    def _client(self, index: int) -> Client:
        rng = self.rng("client", index)
        gstin = identifiers.gstin("client", index, self.seed)
        newest = periods.of(self.start) - 1
        stopped = newest - rng.randrange(2) if index and rng.random() < 0.06 else 10**6
        sandbox = int((index + 1) * self._sandbox_share) > int(index * self._sandbox_share)
        return Client(
            index=index,
            party=Party(gstin, self._name("client", index), index),
            username=f"user.{index:04d}.{rng.randrange(1000):03d}",
            frequency="Q" if index and rng.random() < 0.2 else "M",
            provider="sandbox" if sandbox else "gsp",
            stopped_from=stopped,
            showcase=index == 0,
            has_r1a=index == 0 or rng.random() < 0.25,
            rare=index == 0 or rng.random() < 0.12,
        )

    def _supplier(self, index: int) -> Party:
        return Party(identifiers.gstin("supplier", index, self.seed), self._name("supplier", index))

    def _customer(self, index: int) -> Party:
        return Party(identifiers.gstin("customer", index, self.seed), self._name("customer", index))

    def late_supplier(self, client: Client) -> Party:
        """Give the supplier who uploads during the month and never files: the author of later additions."""
        return self.supplier(100_000 + client.index)

    def spread(self) -> int:
        """Give the number of outside partners of a client on each side."""
        return max(4, min(60, self.documents // 5))

    def suppliers_of(self, client: Client) -> list[Party]:
        """List those who sell to a client; two of them are clients themselves, when there are so many."""
        inner = {(client.index + step) % self.count for step in (1, 3)} - {client.index}
        rng = self.rng("suppliers", client.index)
        pool = 40 + 6 * self.count + self.spread() * 2
        outer = rng.sample(range(pool), self.spread())
        return [self.clients[i].party for i in sorted(inner)] + [self.supplier(i) for i in outer]

    def buyers_of(self, client: Client) -> list[Party]:
        """List those who buy from a client: the clients it supplies, and outside customers."""
        inner = {(client.index - step) % self.count for step in (1, 3)} - {client.index}
        rng = self.rng("customers", client.index)
        outer = rng.sample(range(40 + 6 * self.count + self.spread() * 2), self.spread())
        return [self.clients[i].party for i in sorted(inner)] + [self.customer(i) for i in outer]


class Filings:
    """When each return was filed; a date after the simulated day means that it is not filed yet."""

    def __init__(self, country: Country, overrides: Overrides) -> None:
        self._country = country
        self._overrides = overrides
        self._plan = lru_cache(maxsize=200_000)(self._planned)
        self.punctual = {country.supplier(110_000).gstin}
        self.never = {country.late_supplier(client).gstin for client in country.clients}

    def planned_or_done(self, party: Party, form: str, month: int) -> date:
        """Give the date of filing of `R1`, `R3B` or `R1A`, or `NEVER`."""
        done = self._overrides.filings.get((party.gstin, form, month))
        return done if done is not None else self._plan(party, form, month)

    def filed(self, party: Party, form: str, month: int, today: date) -> bool:
        """Tell whether the return is filed on the given day."""
        return self.planned_or_done(party, form, month) <= today

    def _planned(self, party: Party, form: str, month: int) -> date:  # noqa: PLR0911 - one return per case
        rng = self._country.rng("filing", party.gstin, form, month)
        after = month + 1
        chance = rng.random()
        client = None if party.client is None else self._country.clients[party.client]
        if client is None:
            return self._outside(rng, party, form, month, chance)
        if month >= client.stopped_from and form != "R1":
            return NEVER
        if form == "R1A":
            return periods.on(after, 15) if client.has_r1a and month >= periods.R1A_FROM else NEVER
        quarterly_form = client.quarterly and form == "R3B"
        if quarterly_form and not periods.is_quarter_end(month):
            return NEVER
        punctual = client.showcase or chance < 0.86
        if form == "R1":
            if month >= client.stopped_from and chance > 0.4:
                return NEVER
            return periods.on(after, rng.randint(5, 11) if punctual else rng.randint(14, 28))
        if client.showcase:
            return periods.on(after, 16)
        if punctual:
            return periods.on(after, rng.randint(16, 20))
        return periods.on(after, 20) + timedelta(days=rng.randint(2, 20))

    def _outside(self, rng: random.Random, party: Party, form: str, month: int, chance: float) -> date:
        after = month + 1
        if party.gstin in self.never:
            return NEVER
        if form == "R1" and party.gstin in self.punctual:
            return periods.on(after, 9)
        bad = self._country.rng("bad", party.gstin).random() < 0.08
        if bad and month >= periods.of(self._country.start) - 3:
            return NEVER
        if form == "R1":
            if chance < 0.88:
                return periods.on(after, rng.randint(4, 11))
            return periods.on(after, rng.randint(14, 28))
        return periods.on(after, rng.randint(14, 20))
