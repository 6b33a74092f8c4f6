"""A simulated shop and a simulated accounting behind sockets, with a ledger between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from clientsync.clock import now
from clientsync.commerce import deciding, status
from clientsync.commerce.collecting import collect
from clientsync.commerce.connected import Commerce
from clientsync.commerce.systems import Opening
from clientsync.commerce.timing import JAKARTA
from clientsync.commerce.working import Report, work_until_idle
from clientsync.http.addresses import AllowList
from clientsync.http.bodies import Limits
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import HttpClient
from connectors.accurate import open_accounting
from connectors.iseller import open_shop
from simulators.accurate import Books
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN
from simulators.http import Served
from simulators.iseller.shop import Shop

WAREHOUSES = ("Gudang Utama", "Toko Malioboro", "Toko Kaliurang")


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


@dataclass
class RealCommerce:
    """Both simulators, and the connection between them."""

    of: Commerce
    shop: Shop
    books: Books

    def sync(self) -> Report:
        """Read both systems, then send what may be sent."""
        found = collect(self.of)
        assert found.errors == {}, found.errors
        return work_until_idle(self.of, patience=timedelta(seconds=5))

    def of_type(self, type_name: str, **more: Any) -> list[dict[str, Any]]:
        """Return documents of a type as people see them."""
        return status.documents(self.of, status.Filter(types=(type_name,), **more))


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
) -> Iterator[RealCommerce]:
    """Yield both simulators on loopback, and a connection that has its mappings."""
    shop = shop or Shop(seed=seed, now=clock(), clock=clock)
    books = books or Books()
    with ExitStack() as stack:
        urls = [stack.enter_context(Served(one)).url for one in (shop.answer, books.answer)]
        books.data_url = urls[1]
        clients = [
            stack.enter_context(
                HttpClient(
                    base_url=url,
                    allowed=AllowList((url,), allow_loopback=True),
                    budget=LocalBudget(Pace(1_000_000)),
                    limits=Limits(deadline_seconds=3.0),
                )
            )
            for url in urls
        ]
        own = {"client_id": shop.client_id, "client_secret": shop.client_secret, "webhook_key": shop.webhook_key}
        of = Commerce(
            "toko",
            engine,
            open_shop(Opening(clients[0], "iseller", own, {}, Memory(), JAKARTA, clock)),
            open_accounting(
                Opening(
                    clients[1], "accurate", {"token": TOKEN, "signature_secret": SIGNATURE_SECRET},
                    dict(options or {}), Memory(), JAKARTA, clock,
                )
            ),
            now=clock,
            first_look_up=timedelta(seconds=0.2),
        )  # fmt: skip
        of.prepare()
        if maps:
            deciding.set_mappings(of, mappings_of(shop, books), actor="test")
        yield RealCommerce(of, shop, books)
