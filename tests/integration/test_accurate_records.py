"""Customers of the simulated Accurate as a side of a set of records, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clientsync.clock import now
from clientsync.commerce.systems import Opening
from clientsync.commerce.timing import JAKARTA
from clientsync.config import ProviderSettings, RecordSetSettings, RecordSideSettings, Settings
from clientsync.database import open_engine, upgrade
from clientsync.errors import SideRefused
from clientsync.http.addresses import AllowList
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import HttpClient
from clientsync.records import running, working
from clientsync.secrets.vault import Vault
from clientsync.sync.record_sets import opened_set
from clientsync.sync.services import Services
from connectors.accurate.records import AccurateCustomers, open_customers
from simulators.accurate import Books
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN
from simulators.http import Served
from tests.support.commerce_real import Memory

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@dataclass
class Accounts:
    """Books behind a socket, and their customers as a side."""

    books: Books
    url: str
    side: AccurateCustomers


@pytest.fixture
def accounts() -> Iterator[Accounts]:
    books = Books()
    with Served(books.answer) as served:
        books.data_url = served.url
        with HttpClient(
            base_url=served.url,
            allowed=AllowList((served.url,), allow_loopback=True),
            budget=LocalBudget(Pace(1_000_000)),
        ) as client:
            own = {"token": TOKEN, "signature_secret": SIGNATURE_SECRET}
            opening = Opening(client, "accurate", own, {}, Memory(), JAKARTA, now)
            yield Accounts(books, served.url, open_customers(opening, title="Accurate", region="ID"))


def _only(accounts: Accounts, number: str) -> dict[str, object]:
    found = [one for one in accounts.side.listed().records.values() if one["number"] == number]
    assert len(found) == 1
    return dict(found[0])


def test_a_customer_is_made_changed_found_again_and_deleted(accounts: Accounts) -> None:
    side = accounts.side
    made = side.create(
        {"number": "P-1", "name": "Toko Melati", "email": "a@contoh.example", "active": "1"}, "ours:1"
    )
    assert side.find("ours:1", "") == side.find("", "P-1") == made
    assert side.find("ours:2", "") is side.find("", "P-2") is None
    side.update(made, {"city": "Bandung", "active": "0"})
    assert side.read(made) == {
        "number": "P-1", "name": "Toko Melati", "tax_id": None, "email": "a@contoh.example", "phone": None,
        "street": None, "postcode": None, "city": "Bandung", "active": False,
    }  # fmt: skip
    side.delete(made)
    side.delete(made)
    assert side.read(made) is None


def test_a_change_of_one_field_leaves_the_others(accounts: Accounts) -> None:
    made = accounts.side.create(
        {"number": "P-1", "name": "Toko Melati", "phone": "0812000", "active": "0"}, "r"
    )
    accounts.side.update(made, {"city": "Bogor"})
    found = _only(accounts, "P-1")
    assert (found["name"], found["phone"], found["city"], found["active"]) == (
        "Toko Melati",
        "0812000",
        "Bogor",
        False,
    )


def test_what_accurate_does_not_take_is_told_in_its_own_words(accounts: Accounts) -> None:
    accounts.side.create({"number": "P-1", "name": "Toko Melati"}, "r1")
    with pytest.raises(SideRefused, match="Accurate refuses it: "):
        accounts.side.create({"number": "P-1", "name": "Toko Mawar"}, "r2")


def test_a_list_is_kept_alike_with_the_customers_of_accurate(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIM_TOKEN", TOKEN)
    monkeypatch.setenv("SIM_SECRET", SIGNATURE_SECRET)
    path = tmp_path / "customers.csv"
    path.write_text("No,Name,Town\nP-1,Toko Melati,Bandung\nP-2,Toko Mawar,Bogor\n")
    configured = Settings(
        home=tmp_path / "data",
        vault_key_ref=f"file:{tmp_path / 'keys' / 'vault.key'}",
        providers={
            "accurate": ProviderSettings(
                kind="accurate", base_url=accounts.url, allow_loopback=True, calls_per_minute=60_000, burst=1_000,
                credentials={"token": "env:SIM_TOKEN", "signature_secret": "env:SIM_SECRET"},
            )
        },
        records={
            "customers": RecordSetSettings(
                entity="customers",
                policy="three_way",
                a=RecordSideSettings(
                    title="our list", path=path, columns={"number": "No", "name": "Name", "city": "Town"},
                    id_column="No", is_writable=True,
                ),
                b=RecordSideSettings(
                    title="Accurate", provider="accurate", description="connectors.accurate.records:open_customers"
                ),
            )
        },
    )  # fmt: skip
    engine = open_engine(configured.database_url)
    upgrade(engine, ())
    services = Services(engine=engine, settings=configured, vault=Vault.from_settings(configured))
    with opened_set(services, "customers") as of:
        plan = running.preview(of, actor="test").plan
        new = [("a", row.a) for row in plan.rows if row.category == "new" and row.a]
        assert working.create_partners(of, new, actor="test") == (2, [])
        path.write_text("No,Name,Town\nP-1,Toko Melati Indah,Bandung\nP-2,Toko Mawar,Bogor\n")
        assert running.run(of, actor="test").done == 1
        again = running.preview(of, actor="test").plan
    engine.dispose()
    assert _only(accounts, "P-1")["name"] == "Toko Melati Indah"
    assert {row.category for row in again.rows} == {"synchronized", "new"}  # CASH has no partner in the list
    assert accounts.books.truth.doubled() == []
