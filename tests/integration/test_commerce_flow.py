"""A shop and its accounting under a real Prefect server: lists as artifacts, decisions from the form, true states."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import Engine, select

from clientsync.commerce.deciding import KINDS
from clientsync.commerce.intake import INBOUND
from clientsync.database import open_engine, writing
from deployments.stack import Stack
from simulators.accurate import Books
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN
from simulators.http import Served
from simulators.iseller.shop import Shop

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
YESTERDAY = datetime.now(ZoneInfo("Asia/Jakarta")) - timedelta(days=1)
NOON = YESTERDAY.replace(hour=12, minute=0, second=0, microsecond=0).astimezone(UTC)
IMPORTS = (
    "from flows.commerce_sync import commerce_decide, commerce_sync; "
    "from flows.commerce_nightly import commerce_nightly; "
)
MAPS = """kind,shop,accounting
outlet,KMG,Gudang Utama
outlet,GI,Toko Malioboro
tax,11,PPN 11%
payment,Cash,1101
payment,QRIS,1103
payment,Debit BCA,1102
payment,Kartu Kredit,1102
charge,additional_order,4201
charge,additional_subtotal,4201
charge,additional_final,4201
charge,shipping,4202
charge,rounding,6901
"""
TAKEN = "C-0002"


@dataclass
class World:
    """Both systems, and a Prefect server with the settings for them."""

    shop: Shop
    books: Books
    stack: Stack

    def sell(
        self, product_id: str, customer: str | None = None, outlet: str = "KMG", minutes: int = 0
    ) -> str:
        """Sell one of a product yesterday; return the number of the sale."""
        made = self.shop.sell(
            outlet=outlet,
            customer=customer,
            lines=[(product_id, 1)],
            at=NOON + timedelta(minutes=minutes),
        )
        return self.shop.orders[made].reference

    def flow(self, *calls: str) -> list[tuple[str, str]]:
        """Run flows in a process of their own; return name and message of the states they ended in."""
        before = len(self._all("flow_runs"))
        self.stack.run(["-c", IMPORTS + "; ".join(f"{call[:-1]}, return_state=True)" for call in calls)])
        return [(one["state_name"], one["state"]["message"]) for one in self._all("flow_runs")[before:]]

    def table(self, key: str) -> list[dict[str, Any]]:
        """Return the rows of the newest table with a key."""
        found = [one for one in self._all("artifacts") if one["key"] == key]
        return list(json.loads(max(found, key=lambda one: str(one["created"]))["data"]))

    def everything_shown(self) -> str:
        """Return all artifacts, states and parameters as one text."""
        return json.dumps([self._all("artifacts"), self._all("flow_runs")])

    def _all(self, what: str) -> list[dict[str, Any]]:
        asked = {"sort": "START_TIME_ASC"} if what == "flow_runs" else {}
        with httpx.Client(base_url=self.stack.api_url, timeout=30, trust_env=False) as client:
            return list(client.post(f"/{what}/filter", json=asked).raise_for_status().json())


@contextmanager
def world(tmp_path: Path) -> Iterator[World]:
    """Yield both systems with their mappings set."""
    shop, books = Shop(now=NOON - timedelta(days=2)), Books()
    books.put_items(*(one.sku for one in shop.products.values()))
    config = tmp_path / "clientsync.toml"
    (tmp_path / "maps.csv").write_text(MAPS)
    with Served(shop.answer) as a, Served(books.answer) as b, Stack(tmp_path / "stack") as stack:
        config.write_text(
            f'[providers.iseller]\nkind = "iseller"\nbase_url = "{a.url}"\nallow_loopback = true\nburst = 1000\n'
            "calls_per_minute = 60000\n"
            'credentials = { client_id = "env:SHOP_ID", client_secret = "env:SHOP_SECRET", '
            'webhook_key = "env:SHOP_KEY" }\n'
            f'[providers.accurate]\nkind = "accurate"\nbase_url = "{b.url}"\nallow_loopback = true\nburst = 1000\n'
            "calls_per_minute = 60000\n"
            'credentials = { token = "env:BOOKS_TOKEN", signature_secret = "env:BOOKS_SECRET" }\n'
            '[commerce.toko]\nshop_provider = "iseller"\naccounting_provider = "accurate"\nlook_up_seconds = 0.1\n'
        )
        stack.environment |= {
            "CLIENTSYNC_CONFIG": str(config),
            "CLIENTSYNC_HOME": str(tmp_path / "home"),
            "CLIENTSYNC_VAULT_KEY_REF": f"file:{tmp_path / 'vault.key'}",
            "SHOP_ID": shop.client_id,
            "SHOP_SECRET": shop.client_secret,
            "SHOP_KEY": shop.webhook_key,
            "BOOKS_TOKEN": TOKEN,
            "BOOKS_SECRET": SIGNATURE_SECRET,
        }
        stack.start_server()
        stack.run(["-m", "clientsync", "commerce", "maps-in", "toko", str(tmp_path / "maps.csv")])
        stack.run(["-m", "clientsync", "commerce", "mode", "toko", "--customer-ids"])
        yield World(shop, books, stack)


def _webhook(ledger: Engine, body: str, at: datetime) -> None:
    """Put a webhook without events into the ledger."""
    with writing(ledger) as connection:
        connection.execute(
            INBOUND.insert().values(
                connection="toko", system="shop", received_at=at, headers={}, body=body.encode(), body_sha="",
                is_verified=True, reason="",
            )
        )  # fmt: skip


def test_the_form_offers_every_kind_of_mapping() -> None:
    from flows.commerce_sync import Kind

    assert set(get_args(Kind)) == {"", *KINDS}


def test_what_fails_is_in_the_table_with_its_reason_goes_once_it_is_repaired_and_the_night_names_what_differs(
    tmp_path: Path,
) -> None:
    with world(tmp_path) as at:
        good = next(one.product_id for one in at.shop.products.values() if one.sku)
        bare = at.shop.add_product(name="Titipan Ibu", at=NOON - timedelta(hours=1))
        buyer = next(one for one in at.shop.customers.values() if one.external_id == "C-0002")
        name = f"{buyer.first_name} {buyer.last_name}"
        at.books.save("customer", {"customerNo": TAKEN, "name": "Orang Lain", "transDate": "01/01/2026"})
        sold = [
            at.sell(good),
            at.sell(bare, minutes=5),
            at.sell(good, buyer.customer_id, "GI", minutes=9),
        ]

        # a sale without a SKU, and one whose customer's number belongs to somebody else
        ((state, said),) = at.flow(f"commerce_sync('toko', since='{NOON:%Y-%m-%d}')")
        assert state == "WaitsForPerson"
        assert "2 failed" in said
        rows = {row["what"]: row for row in at.table("commerce-status")}
        assert rows[f"sale {sold[1]}"]["reason"] == "product 'Titipan Ibu' has no SKU"
        assert f"sale {sold[0]}" not in rows
        (customer,) = [row for row in rows.values() if row["code"] == "customer_number_taken"]
        number = customer["document"]
        assert customer["what"] == f"customer of document {number}"
        assert customer["reason"] == f"customer number {TAKEN} already belongs to somebody else"
        assert f"waits for customer of document {number}, which failed" in rows[f"sale {sold[2]}"]["reason"]
        assert at.table("commerce-missing-mappings") == [{"": "Nothing."}]
        assert {row["status"]: row["to Accurate"] for row in at.table("commerce-counts")}["Failed"] == 2

        # the SKU is set, the customer is waived under the number that is right
        at.shop.set_sku(bare, "TTP-1")
        ((state, said),) = at.flow("commerce_sync('toko')")
        assert f"sale {sold[1]}" not in {row["what"] for row in at.table("commerce-status")}
        assert at.books.row("sales-invoice", f"IS-KMG-{sold[1].removeprefix('#')}") is not None
        decided = at.flow(
            "commerce_decide('toko', 'waive')",
            f"commerce_decide('toko', 'waive', documents=[{number}], number='{TAKEN}')",
            f"commerce_decide('toko', 'waive', documents=[{number}])",
            "commerce_decide('toko', 'map', kind='unit', key='pcs', value='PCS')",
            "commerce_decide('toko', 'mode', transfers='scheduled', transfers_at=['21:00'])",
            "commerce_decide('toko', 'refresh all')",
            "commerce_decide('toko', 'replay', event=99)",
            "commerce_sync('toko', days_back=2)",
        )
        assert [one for one, _ in decided] == [
            "InvalidInput", "Completed", "InvalidInput", "Completed", "Completed", "Completed", "InvalidInput",
            "Completed",
        ]  # fmt: skip
        assert "needs numbers of documents" in decided[0][1]
        assert decided[1][1].startswith("1 documents count as booked.")
        assert decided[2][1] == f"customer of document {number} is done already."
        assert "There is no event 99" in decided[6][1]
        assert at.table("commerce-status") == [{"": "Nothing."}]
        assert at.books.count("sales-invoice") == 3

        # a webhook that is long done, and one that is not
        ledger = open_engine(f"sqlite:///{tmp_path / 'home' / 'clientsync.db'}")
        for name, age in (("long ago", 181), ("not long ago", 179)):
            _webhook(ledger, name, datetime.now(UTC) - timedelta(days=age))

        # a sale that no webhook told of, and that the books do not take
        lost = at.sell(at.shop.add_product(name="Titipan Bude", at=NOON), minutes=20)
        ((state, said),) = at.flow("commerce_nightly(connections=[])")
        assert state == "WaitsForPerson"
        assert said.startswith("1 outlets differ")
        assert f"toko KMG on {NOON:%Y-%m-%d}: {lost}" in said
        days = at.table("commerce-reconciliation")
        assert [row["document"] for row in days if row["document"]] == [lost]
        assert {row["outlet"]: row["what"].partition(":")[0] for row in days if not row["document"]} == {
            "BDG": "agrees",
            "GI": "agrees",
            "KMG": "explained",
        }
        assert at.books.webhooks.ends_on.year < 9999
        with ledger.connect() as connection:
            assert connection.execute(select(INBOUND.c.body)).scalars().all() == [b"not long ago"]
        ledger.dispose()
        assert any("has never sent a webhook" in row["alarm"] for row in at.table("commerce-alarms"))

        # a system that is away is told, and keeps no other step back
        at.shop.trouble("GetOrders", "error:maintenance", times=99)
        ((state, said),) = at.flow("commerce_nightly(connections=['toko'])")
        assert (state, "toko, sweep: shop.orders was not read" in said) == ("Incomplete", True)
        ((state, said),) = at.flow("commerce_sync('warung')")
        assert (state, "Valid: toko." in said) == ("UnknownName", True)

        shown = at.everything_shown()
        for secret in (
            name,
            buyer.phone,
            TOKEN,
            SIGNATURE_SECRET,
            at.shop.client_secret,
            at.shop.webhook_key,
        ):
            assert secret not in shown
