"""A simulated shop and a simulated accounting behind sockets, with a ledger between them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine

from clientsync.clock import now
from clientsync.commerce import deciding, intake, status
from clientsync.commerce.collecting import collect
from clientsync.commerce.connected import Commerce
from clientsync.commerce.systems import Opening
from clientsync.commerce.timing import JAKARTA
from clientsync.commerce.working import Report, left, work_until_idle
from clientsync.database import open_engine, upgrade
from clientsync.http.addresses import AllowList
from clientsync.http.bodies import Limits
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import HttpClient
from clientsync.http.retrying import CircuitBreaker, RetryPolicy
from connectors.accurate import open_accounting
from connectors.iseller import open_shop
from simulators.accurate import Books
from simulators.accurate.settings import CLIENT_ID, CLIENT_SECRET, SIGNATURE_SECRET, TOKEN
from simulators.http import Served
from simulators.iseller.shop import Shop

WAREHOUSES = ("Gudang Utama", "Toko Malioboro", "Toko Kaliurang")
OPENED = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
"""Nine in the morning in Jakarta."""
QUICK = RetryPolicy(retries=6, base_seconds=0.02)
"""For scenarios in which much goes wrong on purpose."""


class Clock:
    """A clock that goes as the real one does, from another moment, and can be set forward."""

    def __init__(self, start: datetime = OPENED) -> None:
        """Begin at a moment."""
        self._ahead = start - now()

    def __call__(self) -> datetime:
        """Return what it shows."""
        return now() + self._ahead

    def forward(self, **by: float) -> None:
        """Set it forward; arguments are those of ``timedelta``."""
        self._ahead += timedelta(**by)

    def to(self, hour: int, minute: int = 0) -> None:
        """Set it forward to the next time that it is so late in Jakarta."""
        local = self().astimezone(JAKARTA)
        then = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        self._ahead += (then if then > local else then + timedelta(days=1)) - local


@cache
def _empty_ledger() -> bytes:
    """Return the file of an empty ledger; making one costs more than most scenarios."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        engine = open_engine(f"sqlite:///{file}")
        upgrade(engine, ())
        engine.dispose()
        return file.read_bytes()


def open_ledger(folder: Path, name: str = "ledger") -> Engine:
    """Return an empty ledger in a SQLite file."""
    file = folder / f"{name}.db"
    file.write_bytes(_empty_ledger())
    return open_engine(f"sqlite:///{file}")


def patient_breaker() -> CircuitBreaker:
    """Return a breaker that many planned failures in a row do not open."""
    return CircuitBreaker(failures=10_000)


@dataclass
class Memory:
    """What a system remembers, in this process."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    def get(self, name: str) -> dict[str, Any]:
        """Return what is kept."""
        return dict(self.values.get(name, {}))

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Keep it."""
        self.values[name] = dict(value)


def small_shop(clock: Clock, seed: int = 1) -> Shop:
    """Return a shop with few goods and customers."""
    return Shop(seed=seed, now=clock(), clock=clock, product_count=5, customer_count=4)


@dataclass
class RealCommerce:
    """Both simulators, and the connection between them."""

    of: Commerce
    shop: Shop
    books: Books
    urls: tuple[str, ...] = ()

    def work(self, patience: float = 5.0) -> Report:
        """Send what may be sent; nothing is read that nobody announced."""
        return work_until_idle(self.of, patience=timedelta(seconds=patience))

    def sync(self) -> Report:
        """Read both systems, then send what may be sent."""
        found = collect(self.of)
        assert found.errors == {}, found.errors
        return work_until_idle(self.of, patience=timedelta(seconds=5))

    def of_type(self, type_name: str, **more: Any) -> list[dict[str, Any]]:
        """Return documents of a type as people see them."""
        return status.documents(self.of, status.Filter(types=(type_name,), **more))

    def one(self, type_name: str, number: str = "", **more: Any) -> dict[str, Any]:
        """Return the only document of a type whose number has a part, as people see it."""
        (found,) = self.of_type(type_name, number=number, **more)
        return found

    def sale_of(self, order_id: str, **more: Any) -> dict[str, Any]:
        """Return the sale of an order as people see it."""
        return self.one("sale", self.shop.orders[order_id].reference, **more)

    def states(self) -> dict[str, int]:
        """Return how many documents are in each state, but for money back, which a person books."""
        found = Counter(left(self.of))
        told = [one for one in self.of_type("money_back", shown=("Failed",)) if one["code"] == "money_back"]
        found.subtract({"failed": len(told)})
        return dict(+found)

    def is_all_booked(self) -> bool:
        """Whether nothing is left that is neither booked nor withdrawn."""
        return set(self.states()) <= {"success", "superseded"}

    def tell(self, order_id: str, type_name: str = "Order") -> intake.Received:
        """Let the shop send a webhook about an order, or about a customer for the type Member."""
        headers, body = self.shop.webhook(order_id, type_name, at=self.of.now())
        return intake.receive(self.of, "shop", {name.lower(): value for name, value in headers.items()}, body)

    def hear(self, *, times: int = 1, shuffle: int | None = None) -> list[intake.Received]:
        """Deliver every webhook of the accounting that waits, each some times, in a shuffled order by a seed."""
        return [
            intake.receive(self.of, "accounting", {}, json.dumps([envelope]).encode())
            for envelope in self.books.webhooks.take(times=times, shuffle=shuffle)
        ]

    def invoice(self, order_id: str) -> dict[str, Any] | None:
        """Return the invoice of an order, None when there is none."""
        order = self.shop.orders[order_id]
        return self.books.row("sales-invoice", f"IS-{order.outlet.code}-{order.reference.lstrip('#')}")

    def disagreements(self, *, paid: bool = True) -> list[str]:
        """Return where the books are not what the shop is: per order its total less returns, and what was paid.

        An order that was taken back must leave nothing; one that is no sale must not be booked.
        """
        returned, received, invoices = _booked_sums(self.books)
        found = []
        for one in self.shop.orders.values():
            number = f"IS-{one.outlet.code}-{one.reference.lstrip('#')}"
            booked = invoices.pop(number, Decimal(0)) - returned.pop(number, Decimal(0))
            is_sold = one.status == "completed"
            due = (
                one.total - sum((back.amount for back in one.refunds), Decimal(0)) if is_sold else Decimal(0)
            )
            if booked != due:
                found.append(f"{number}: {booked} instead of {due}")
            money = received.pop(number, Decimal(0))
            if paid and is_sold and money != one.received:
                found.append(f"{number}: paid {money} instead of {one.received}")
        return [*found, *(f"{number}: not of the shop" for number in {**invoices, **returned})]


def _booked_sums(books: Books) -> tuple[dict[str, Decimal], dict[str, Decimal], dict[str, Decimal]]:
    """Return what was returned and paid by number of the invoice, and the totals of the invoices."""
    returned: dict[str, Decimal] = defaultdict(Decimal)
    received: dict[str, Decimal] = defaultdict(Decimal)
    for row in books.tables["sales-return"].rows.values():
        returned[row["invoice"]["number"]] += Decimal(str(row["totalAmount"]))
    for row in books.tables["sales-receipt"].rows.values():
        for line in row["detailInvoice"]:
            received[line["invoice"]["number"]] += Decimal(str(line["paymentAmount"]))
    invoices = {
        row["number"]: Decimal(str(row["totalAmount"])) for row in books.tables["sales-invoice"].rows.values()
    }
    return returned, received, invoices


def booked_of(books: Books) -> Counter[str]:
    """Return how many records a call made and left there, by module."""
    return Counter(one.module for one in books.truth.live())


def by_oauth(books: Books) -> dict[str, str]:
    """Return the credentials of an authorisation that a person gave just now."""
    return {
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": books.access.authorise(),
    }  # fmt: skip


OTHER_MAPPINGS: dict[tuple[str, str], str] = {
    ("payment", "Cash"): "1101",
    ("payment", "QRIS"): "1103",
    ("payment", "Debit BCA"): "1102",
    ("payment", "Kartu Kredit"): "1102",
    ("tax", "11"): "PPN 11%",
    ("charge", "shipping"): "4202",
    ("charge", "additional_order"): "4201",
    ("charge", "additional_subtotal"): "4201",
    ("charge", "additional_final"): "4201",
    ("charge", "rounding"): "6901",
    ("charge", "return"): "6902",
    **{("outlet", name): "Gudang Utama" for name in ("tokopedia", "shopee", "gofood", "web")},
}
"""What has nothing to do with the outlets of one shop."""


def mappings_of(shop: Shop, books: Books) -> dict[tuple[str, str], str]:
    """Return what a person sets once: outlets, ways of payment, taxes, charges."""
    codes = [one.code for one in shop.outlets]
    found = {("outlet", code): WAREHOUSES[place % len(WAREHOUSES)] for place, code in enumerate(codes)}
    found |= {("warehouse", WAREHOUSES[place % len(WAREHOUSES)]): code for place, code in enumerate(codes)}
    return found | OTHER_MAPPINGS


@contextmanager
def real_commerce(
    engine: Engine,
    *,
    clock: Callable[[], datetime] = now,
    seed: int = 1,
    maps: bool = True,
    shop: Shop | None = None,
    books: Books | None = None,
    options: Mapping[str, Any] | None = None,
    credentials: Mapping[str, str] | None = None,
    shop_credentials: Mapping[str, str] | None = None,
    deadline: float = 3.0,
    policy: RetryPolicy | None = None,
    breaker: Callable[[], CircuitBreaker] = CircuitBreaker,
    also_allowed: tuple[str, ...] = (),
) -> Iterator[RealCommerce]:
    """Yield both simulators on loopback, and a connection that has its mappings.

    Args:
        engine: the ledger.
        clock: of the connection, and of simulators that are made here.
        seed: of a shop that is made here.
        maps: set the mappings that a person sets once.
        shop: instead of a new one.
        books: instead of new ones.
        options: of the accounting.
        credentials: of the accounting, instead of its API token.
        shop_credentials: over those of the shop.
        deadline: seconds after which an answer counts as lost.
        policy: of questions that are asked again.
        breaker: leaves a failing system alone.
        also_allowed: addresses that may be called besides those of the simulators.
    """
    shop = shop or Shop(seed=seed, now=clock(), clock=clock)
    books = books or Books(now=clock)
    with ExitStack() as stack:
        urls = [stack.enter_context(Served(one)).url for one in (shop.answer, books.answer)]
        books.data_url = urls[1]
        clients = [
            stack.enter_context(
                HttpClient(
                    base_url=url,
                    allowed=AllowList((url, *also_allowed), allow_loopback=True),
                    budget=LocalBudget(Pace(1_000_000)),
                    limits=Limits(deadline_seconds=deadline),
                    policy=policy,
                    breaker=breaker,
                )
            )
            for url in urls
        ]
        own = {
            "client_id": shop.client_id, "client_secret": shop.client_secret, "webhook_key": shop.webhook_key,
            **(shop_credentials or {}),
        }  # fmt: skip
        given = credentials or {"token": TOKEN, "signature_secret": SIGNATURE_SECRET}
        of = Commerce(
            "toko",
            engine,
            open_shop(Opening(clients[0], "iseller", own, {}, Memory(), JAKARTA, clock)),
            open_accounting(
                Opening(
                    clients[1], "accurate", dict(given), dict(options or {}), Memory(), JAKARTA, clock,
                )
            ),
            now=clock,
            first_look_up=timedelta(seconds=0.2),
        )  # fmt: skip
        of.prepare()
        if maps:
            deciding.set_mappings(of, mappings_of(shop, books), actor="test")
        yield RealCommerce(of, shop, books, tuple(urls))
