"""iSeller over real sockets: tokens, lists that move, errors in HTTP 200, every stream, and goods that come in."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from clientsync.commerce.documents import TYPES, Booked, Document, Fact, Key, Page
from clientsync.commerce.systems import Job, Mappings, Opening, Shop
from clientsync.errors import (
    BadRequest,
    BookingRefused,
    ContractChanged,
    ForbiddenHost,
    InvalidInput,
    MissingSecret,
    SessionExpired,
    SourceError,
    SourceUnavailable,
    UnknownName,
)
from clientsync.http.addresses import AllowList
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import HttpClient
from clientsync.http.retrying import RetryPolicy
from connectors.iseller import open_shop
from connectors.iseller.session import NAME
from simulators import http as sockets
from simulators.iseller.control import Controlled
from simulators.iseller.records import Outlet
from simulators.iseller.shop import START
from simulators.iseller.shop import Shop as Simulated

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

LONG_AGO = START - timedelta(days=1)
JAKARTA = ZoneInfo("Asia/Jakarta")


class Kept:
    """A memory of this process."""

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}

    def get(self, name: str) -> dict[str, Any]:
        return dict(self.all.get(name, {}))

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        self.all[name] = json.loads(json.dumps(dict(value)))


class World:
    """A shop behind a socket, and ways to open it."""

    def __init__(self, shop: Simulated, url: str) -> None:
        self.shop, self.url, self.memory = shop, url, Kept()
        self.clients: list[HttpClient] = []

    def open(
        self,
        *,
        zone: ZoneInfo = JAKARTA,
        secret: str = "",
        now: Callable[[], datetime] | None = None,
        **options: Any,
    ) -> Shop:
        client = HttpClient(
            base_url=self.url,
            allowed=AllowList((self.url,), allow_loopback=True),
            budget=LocalBudget(Pace(60_000, burst=1000)),
            policy=RetryPolicy(retries=2, base_seconds=0.01),
        )
        self.clients.append(client)
        return open_shop(
            Opening(
                client=client,
                account="iseller",
                credentials={
                    "client_id": self.shop.client_id,
                    "client_secret": secret or self.shop.client_secret,
                    "webhook_key": self.shop.webhook_key,
                },
                options=options,
                memory=self.memory,
                zone=zone,
                now=now or (lambda: self.shop.now),
            )
        )

    def count(self, name: str) -> int:
        return sum(1 for called, _ in self.shop.calls if called == name)


@contextmanager
def running(shop: Simulated) -> Iterator[World]:
    with sockets.Served(shop.answer) as served:
        world = World(shop, served.url)
        yield world
        for client in world.clients:
            client.close()


@pytest.fixture
def world() -> Iterator[World]:
    with running(Simulated()) as made:
        yield made


def read(shop: Shop, stream: str, since: datetime = LONG_AGO) -> list[Page]:
    return list(shop.changed(stream, since))


def sales(pages: list[Page]) -> list[str]:
    return [one.source_id for page in pages for one in page.documents if one.type == "sale"]


# --- tokens ------------------------------------------------------------------------------------------------


def test_one_token_serves_all_calls_and_other_openings_and_its_secrets_are_shown_nowhere(
    world: World,
) -> None:
    first = world.open()
    for _ in range(3):
        read(first, "orders")
    read(world.open(), "orders")
    assert world.count("token") == 1
    kept = world.memory.get(NAME)
    assert kept["resource_url"] == world.url
    assert kept["access_token"] not in repr(vars(first))
    assert world.shop.client_secret not in repr(vars(first))


def test_a_token_that_the_shop_refuses_is_renewed_once_and_the_call_goes_on(world: World) -> None:
    shop = world.open()
    world.shop.sell()
    read(shop, "orders")
    for in_200 in (False, True):
        world.shop.odd.says_token_in_200 = in_200
        world.shop.expire_tokens()
        assert len(sales(read(shop, "orders"))) == 1
    assert [fields["grant_type"] for name, fields in world.shop.calls if name == "token"] == [
        "client_credentials",
        "refresh_token",
        "refresh_token",
    ]


def test_a_refresh_token_that_is_used_up_gives_way_to_id_and_secret(world: World) -> None:
    shop = world.open()
    read(shop, "orders")
    world.shop.expire_tokens()
    world.shop.odd.refuses_refresh = True
    read(shop, "orders")
    assert world.count("token") == 3


def test_a_second_refusal_ends_the_session(world: World) -> None:
    shop = world.open()
    world.shop.trouble("GetOrders", "token", 99)
    with pytest.raises(SessionExpired):
        read(shop, "orders")
    assert world.count("GetOrders") == 2
    assert world.count("token") == 2


def test_wrong_or_missing_credentials_are_told_and_not_shown(world: World) -> None:
    with pytest.raises(SessionExpired) as caught:
        read(world.open(secret="wrong-secret"), "orders")
    assert "wrong-secret" not in str(caught.value)
    world.shop.client_id = ""
    with pytest.raises(MissingSecret, match="client_id"):
        read(world.open(), "orders")


def test_a_token_is_renewed_within_a_day_of_its_end_and_serves_on_while_that_fails(world: World) -> None:
    shop = world.open()
    read(shop, "orders")
    world.shop.now += timedelta(days=12, hours=23)
    read(shop, "orders")
    assert world.count("token") == 1
    world.shop.now += timedelta(hours=2)
    world.shop.trouble("token", "http_503", 99)
    read(shop, "orders")
    world.shop.troubles.clear()
    read(shop, "orders")
    read(shop, "orders")
    assert world.count("token") == 3


def test_a_shop_host_that_is_not_allowed_is_refused_and_not_kept(world: World) -> None:
    world.shop.odd.resource_url = "http://127.0.0.1:9/elsewhere"
    with pytest.raises(ForbiddenHost):
        read(world.open(), "orders")
    assert world.memory.all == {}


# --- streams -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 7, 200])
@pytest.mark.parametrize("claims", [False, True])
def test_every_order_is_read_whatever_the_size_of_a_page(world: World, size: int, claims: bool) -> None:
    world.shop.odd.claims_next = claims
    made = [world.shop.sell() for _ in range(14)]
    pages = read(world.open(page_size=size), "orders")
    assert set(sales(pages)) == set(made)
    positions = [page.position for page in pages if page.position is not None]
    assert positions == sorted(positions)
    assert positions[-1] == world.shop.now


def test_orders_of_one_moment_on_many_pages_are_all_read(world: World) -> None:
    made = [world.shop.sell(at=START + timedelta(hours=1)) for _ in range(11)]
    assert sales(read(world.open(page_size=2), "orders")) == made


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_no_order_is_lost_when_orders_are_changed_while_the_list_is_read(
    world: World, size: int, every: int
) -> None:
    made = [world.shop.sell() for _ in range(24)]
    calls = iter(range(10_000))

    def meddle(name: str, fields: Mapping[str, Any]) -> None:
        number = next(calls)
        if name == "GetOrders" and number % every == 0 and number < 40:
            world.shop.touch(made[number // every % 12])

    world.shop.on_call = meddle
    assert set(sales(read(world.open(page_size=size), "orders"))) == set(made)


def test_a_shop_that_gives_the_same_page_again_is_not_read_for_ever(world: World) -> None:
    world.shop.odd.ignores_paging = world.shop.odd.claims_next = True
    world.shop.sell()
    with pytest.raises(ContractChanged, match="same page again"):
        read(world.open(), "orders")


def test_only_what_changed_since_a_moment_is_read_and_the_position_is_never_in_the_future(
    world: World,
) -> None:
    first, second = world.shop.sell(), world.shop.sell()
    seen = world.shop.now + timedelta(minutes=1)
    world.shop.touch(first, at=seen + timedelta(minutes=1))
    shop = world.open()
    assert sales(read(shop, "orders", seen)) == [first]
    assert sales(read(shop, "orders", seen - timedelta(minutes=10))) == [second, first]
    assert read(shop, "orders", world.shop.now + timedelta(seconds=1)) == []
    world.shop.orders[second].sold_at = world.shop.now + timedelta(days=9)
    assert read(shop, "orders")[-1].position == world.shop.now


def test_created_after_is_sent_when_the_shop_demands_it(world: World) -> None:
    world.shop.odd.demands_created_after = True
    made = world.shop.sell()
    assert sales(read(world.open(), "orders")) == [made]
    with pytest.raises(BadRequest, match="created_after is required"):
        read(world.open(sends_created_after=False), "orders")


def test_a_zone_changes_nothing_of_what_is_read_and_half_hours_are_refused(world: World) -> None:
    world.shop.sell()
    found = [
        read(world.open(zone=ZoneInfo(name)), "orders") for name in ("Asia/Jakarta", "UTC", "Asia/Jayapura")
    ]
    assert found[0] == found[1] == found[2]
    with pytest.raises(InvalidInput, match="whole hours"):
        world.open(zone=ZoneInfo("Asia/Kolkata"))


def test_shifts_come_open_and_closed(world: World) -> None:
    shift_id = world.shop.open_shift("GI")
    shop = world.open()
    opened = read(shop, "shifts")[0].shifts[0]
    assert (opened.shift_id, opened.register, opened.closed_at) == (
        shift_id,
        world.shop.outlet("GI").register_id,
        None,
    )
    since = world.shop.now + timedelta(seconds=1)
    world.shop.close_shift(shift_id, at=since + timedelta(hours=8))
    page = read(shop, "shifts", since)[0]
    assert page.shifts[0].closed_at == page.position == since + timedelta(hours=8)


def test_products_give_items_and_facts_also_of_those_without_a_sku(world: World) -> None:
    bare = world.shop.add_product(tracks_stock=False)
    shop = world.open(page_size=5)
    pages = read(shop, "products")
    facts = {fact for page in pages for fact in page.facts}
    assert Fact("sku", bare, "") in facts
    assert len(facts) == 15
    items = {one.source_id: one for page in pages for one in page.documents}
    assert len(items) == 14
    assert dict(items["SKU-001"].payload) == {
        "sku": "SKU-001",
        "name": "Kopi Susu Gula Aren",
        "unit": "pcs",
        "category": next(iter(world.shop.products.values())).kind,
    }
    assert [page.position for page in pages][-1] == world.shop.now
    assert all(page.position is None for page in pages[:-1])
    since = world.shop.now + timedelta(seconds=1)
    world.shop.set_sku(bare, "NEW-1", at=since)
    assert next(page.facts for page in read(shop, "products", since)) == (Fact("sku", bare, "NEW-1"),)


def test_transfers_and_counts_come_as_documents_that_name_what_they_need(world: World) -> None:
    first = next(iter(world.shop.products))
    out_id = world.shop.transfer_out("KMG", "GI", [(first, 2)])
    in_id = world.shop.transfer_in(out_id)
    count_id = world.shop.opname("KMG", [(first, 7)])
    pages = read(world.open(page_size=2), "transfers")
    found = {one.key: one for page in pages for one in page.documents}
    assert set(found) == {
        Key("transfer_out", out_id),
        Key("transfer_in", in_id),
        Key("stock_count", count_id),
    }
    assert found[Key("transfer_in", in_id)].needs[0] == Key("transfer_out", out_id)
    assert pages[-1] == Page(position=world.shop.now)


def test_a_stream_that_is_not_there_is_refused_with_those_that_are(world: World) -> None:
    with pytest.raises(UnknownName, match="orders, shifts, transfers, products"):
        read(world.open(), "payments")


def test_camel_case_wrappers_change_nothing(world: World) -> None:
    world.shop.sell()
    world.shop.open_shift()
    shop = world.open()
    before = [read(shop, stream) for stream in shop.streams]
    world.shop.odd.camel_case = True
    world.shop.odd.wraps_orders = False
    assert [read(shop, stream) for stream in shop.streams] == before


# --- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("misspelt", [True, False])
def test_no_in_http_200_is_an_error_and_is_not_asked_again(world: World, misspelt: bool) -> None:
    world.shop.odd.misspells_errors = misspelt
    world.shop.trouble("GetOrders", "error:the report is being built", 9)
    with pytest.raises(BadRequest, match="refused GetOrders: the report is being built"):
        read(world.open(), "orders")
    assert world.count("GetOrders") == 1


@pytest.mark.parametrize("kind", ["http_503", "http_500", "drop", "drop_before"])
def test_a_reading_call_that_failed_is_tried_again_and_gives_up_in_the_end(world: World, kind: str) -> None:
    made = world.shop.sell()
    shop = world.open()
    world.shop.trouble("GetOrders", kind, 2)
    assert sales(read(shop, "orders")) == [made]
    world.shop.trouble("GetOrders", kind, 3)
    with pytest.raises(SourceError):
        read(shop, "orders")


def test_a_refusal_by_status_is_told(world: World) -> None:
    world.shop.trouble("GetOrders", "http_422")
    with pytest.raises(BadRequest, match="GetOrders: failure"):
        read(world.open(), "orders")


# --- one document ------------------------------------------------------------------------------------------


def test_an_order_is_fetched_with_all_that_belongs_to_it(world: World) -> None:
    shop = world.open()
    customer = next(iter(world.shop.customers))
    order_id = world.shop.sell(customer=customer)
    world.shop.sell()
    world.shop.refund(order_id)
    found = shop.fetch(Key("sale", order_id))
    assert {one.type for one in found} == {"customer", "sale", "payment", "sale_return", "money_back"}
    assert shop.fetch(Key("sale_return", f"{order_id}:1")) == found
    assert (
        found == [one for page in read(shop, "orders") for one in page.documents if order_id in str(one)]
        or found
    )
    world.shop.void(order_id)
    again = shop.fetch(Key("sale", order_id))
    assert [one.is_withdrawn for one in again if one.type == "sale"] == [True]
    assert shop.fetch(Key("sale", world.shop.guid())) == []
    assert shop.fetch(Key("payment", world.shop.orders[order_id].paid[0].transaction_id)) == []


def test_a_customer_is_the_same_document_alone_and_with_an_order(world: World) -> None:
    shop = world.open()
    customer = next(iter(world.shop.customers))
    order_id = world.shop.sell(customer=customer)
    alone, with_order = shop.fetch(Key("customer", customer)), shop.fetch(Key("sale", order_id))
    assert [one.hash for one in alone] == [one.hash for one in with_order if one.type == "customer"]
    assert shop.fetch(Key("customer", world.shop.guid())) == []
    world.shop.trouble("GetCustomer", "error:busy")
    with pytest.raises(BadRequest, match="busy"):
        shop.fetch(Key("customer", customer))


def test_items_and_transfers_are_fetched_by_what_names_them(world: World) -> None:
    world.shop.add_product("LOOSE-1", tracks_stock=False)
    shop = world.open(page_size=4)
    for sku in ("SKU-001", "LOOSE-1"):
        assert [one.key for one in shop.fetch(Key("item", sku))] == [Key("item", sku)]
    assert shop.fetch(Key("item", "SKU-999")) == []
    out_id = world.shop.transfer_out("KMG", "GI")
    in_id = world.shop.transfer_in(out_id)
    for ignores in (False, True):
        world.shop.odd.ignores_filters = ignores
        assert [one.key for one in shop.fetch(Key("transfer_out", out_id))] == [Key("transfer_out", out_id)]
        assert [one.key for one in shop.fetch(Key("transfer_in", in_id))] == [Key("transfer_in", in_id)]
        assert shop.fetch(Key("transfer_out", world.shop.guid())) == []


def test_the_totals_of_a_day_are_those_of_the_shop_by_outlet_and_local_day(world: World) -> None:
    day = date(2026, 3, 4)
    noon = datetime(2026, 3, 4, 12, tzinfo=JAKARTA)
    counted = [world.shop.sell(outlet="KMG", at=noon.replace(hour=0)), world.shop.sell(outlet="KMG", at=noon)]
    world.shop.sell(outlet="GI", at=noon)
    world.shop.sell(outlet="KMG", at=noon + timedelta(days=1, hours=-12))
    world.shop.void(world.shop.sell(outlet="KMG", at=noon))
    world.shop.sell(outlet="KMG", status="draft", at=noon)
    totals = {one.outlet: one for one in world.open().day_totals(day)}
    assert totals["KMG"].count == 2
    assert Decimal(totals["KMG"].total) == sum(world.shop.orders[one].total for one in counted)
    assert totals["GI"].count == 1
    assert (totals["BDG"].count, totals["BDG"].total) == (0, "0")


@pytest.mark.parametrize("knows_outlet", [True, False])
def test_sales_of_a_web_shop_without_an_outlet_are_totalled_under_their_channel(
    world: World, *, knows_outlet: bool
) -> None:
    noon = datetime(2026, 3, 4, 12, tzinfo=JAKARTA)
    kept = world.shop.sell(outlet="KMG", at=noon)
    web = [world.shop.sell(outlet="KMG", channel="web", at=noon) for _ in range(2)]
    gone = world.shop.sell(outlet="GI", at=noon)
    for one in web:
        order = world.shop.orders[one]
        order.outlet = replace(order.outlet, code="") if knows_outlet else Outlet("", "", "", "")
        order.channel_detail = "tokopedia"
    world.shop.orders[gone].outlet = Outlet("closed", "OLD", "Toko Lama", "")
    totals = {one.outlet: one for one in world.open().day_totals(date(2026, 3, 4))}
    for outlet, ids in (("KMG", [kept]), ("tokopedia", web), ("OLD", [gone]), ("BDG", [])):
        assert totals[outlet].count == len(ids)
        assert Decimal(totals[outlet].total) == sum(world.shop.orders[one].total for one in ids)
    assert set(totals) == {"KMG", "GI", "BDG", "tokopedia", "OLD"}


def test_a_webhook_of_the_shop_is_genuine_and_names_the_sale(world: World) -> None:
    shop = world.open()
    order_id = world.shop.sell()
    headers, body = world.shop.webhook(order_id, "Refund")
    lower = {name.lower(): value for name, value in headers.items()}
    assert shop.verify(lower, body, world.shop.now) == ""
    assert shop.verify(lower, body + b" ", world.shop.now) != ""
    assert [shop.keys_of(event) for event in shop.events(body)] == [[Key("sale", order_id)]]


# --- goods that come in ------------------------------------------------------------------------------------


def job(
    number: str = "RI-0001", *, type_name: str = "goods_receipt", outlet: str = "KMG", **changes: Any
) -> Job:
    lines = [
        {"sku": "SKU-001", "name": "Kopi", "quantity": "12"},
        {"sku": "SKU-002", "name": "Teh", "quantity": "0.25"},
    ]
    payload = {"number": number, "supplier": "CV Maju", "warehouse": "Gudang A", "lines": lines} | changes
    document = Document(1, type_name, "a1", number, START, payload)
    return Job(document, Mappings({("warehouse", "Gudang A"): outlet} if outlet else {}))


@pytest.mark.parametrize("type_name", ["goods_receipt", "goods_moved_in"])
def test_goods_are_created_once_and_found_by_the_number_of_the_accounting(
    world: World, type_name: str
) -> None:
    shop, sent = world.open(), job(type_name=type_name)
    assert TYPES[type_name].direction == "in"
    assert shop.find(sent) is None
    booked = shop.send(sent)
    assert shop.find(sent) == booked
    made = world.shop.transfers[booked.target_id]
    assert (made.reference, made.supplier, made.tags) == (
        "RI-0001",
        "CV Maju",
        ["clientsync", f"clientsync:{type_name}:a1"],
    )
    assert [(sku, quantity) for _, sku, quantity, _ in made.lines] == [
        ("SKU-001", Decimal(12)),
        ("SKU-002", Decimal("0.25")),
    ]
    assert [call.status for call in sent.calls] == [200, 200, 200]
    assert sent.calls[1].request.startswith("POST /api/v3/CreateTransfer ")
    assert all(len(call.response) <= 4000 for call in sent.calls)
    assert world.memory.get(NAME)["access_token"] not in repr(sent.calls)
    assert [one.is_ours for one in read(shop, "transfers")[0].documents] == [True]


def test_a_transfer_whose_answer_was_lost_is_not_sent_again_and_is_found(world: World) -> None:
    shop, sent = world.open(), job()
    world.shop.trouble("CreateTransfer", "drop")
    with pytest.raises(SourceError) as caught:
        shop.send(sent)
    assert caught.value.is_retryable
    assert [call.status for call in sent.calls] == [0]
    assert world.count("CreateTransfer") == 1
    booked = shop.find(sent)
    assert booked is not None
    assert list(world.shop.transfers) == [booked.target_id]


@pytest.mark.parametrize("kind", ["http_503", "drop_before"])
def test_a_transfer_that_had_no_effect_is_not_found(world: World, kind: str) -> None:
    shop, sent = world.open(), job()
    world.shop.trouble("CreateTransfer", kind)
    with pytest.raises(SourceUnavailable if kind == "http_503" else SourceError):
        shop.send(sent)
    assert sent.calls[0].status == (503 if kind == "http_503" else 0)
    assert shop.find(sent) is None
    assert world.shop.transfers == {}


def test_a_transfer_whose_token_was_refused_is_sent_with_a_fresh_one_and_takes_effect_once(
    world: World,
) -> None:
    shop, sent = world.open(), job()
    world.shop.trouble("CreateTransfer", "token")
    assert shop.send(sent).number == "RI-0001"
    assert len(world.shop.transfers) == 1


def test_an_outlet_that_is_mapped_to_an_id_instead_of_its_code_is_refused_in_the_words_of_the_shop(
    world: World,
) -> None:
    sent = job(outlet=world.shop.outlets[0].outlet_id)
    with pytest.raises(BookingRefused, match="outlet not found") as caught:
        world.open().send(sent)
    assert caught.value.reason_code == "target_rejected"
    assert len(sent.calls) == 1


def test_nothing_is_called_for_goods_that_cannot_be_booked(world: World) -> None:
    shop = world.open()
    unmapped = job(outlet="")
    with pytest.raises(BookingRefused, match="no warehouse mapping for Gudang A"):
        shop.send(unmapped)
    assert unmapped.mappings.asked == {("warehouse", "Gudang A"): ""}
    bare = job(lines=[{"sku": "", "name": "Sambal Curah", "quantity": "1"}])
    with pytest.raises(BookingRefused, match="product 'Sambal Curah' has no SKU"):
        shop.send(bare)
    assert bare.mappings.asked == {("warehouse", "Gudang A"): "KMG"}
    booked = job()
    changed = Job(
        Document(
            1, "goods_receipt", "a1", "RI-0001", START, booked.document.payload, booked=Booked("t", "RI-0001")
        ),
        booked.mappings,
    )
    with pytest.raises(BookingRefused, match="correct it there by hand"):
        shop.send(changed)
    with pytest.raises(ContractChanged, match="does not book a sale"):
        shop.send(job(type_name="sale"))
    assert world.shop.calls == []


def test_goods_with_an_unknown_sku_are_refused_and_equal_ones_are_added_up(world: World) -> None:
    shop = world.open()
    with pytest.raises(BookingRefused, match="product not found: NONE"):
        shop.send(job(lines=[{"sku": "NONE", "name": "x", "quantity": "1"}]))
    lines = [{"sku": "SKU-001", "name": "x", "quantity": quantity} for quantity in ("1", "2.5")]
    booked = shop.send(job("RI-2", lines=lines))
    assert [one[2] for one in world.shop.transfers[booked.target_id].lines] == [Decimal("3.5")]


def test_a_transfer_out_with_the_same_reference_is_not_taken_for_ours(world: World) -> None:
    out_id = world.shop.transfer_out("KMG", "GI")
    world.shop.transfers[out_id].reference = "RI-0001"
    world.shop.odd.ignores_filters = True
    assert world.open().find(job()) is None


def test_documents_that_share_a_number_are_not_taken_for_one_another(world: World) -> None:
    shop, first, other = world.open(), job(), job(type_name="goods_moved_in")
    booked = shop.send(first)
    assert shop.find(other) is None
    assert shop.send(other) != booked
    assert shop.find(first) == booked
    assert shop.find(job(outlet="GI")) == booked
    world.shop.transfers[booked.target_id].tags = []
    assert shop.find(first) == booked
    assert shop.find(job(outlet="GI")) is None


# --- the simulator -----------------------------------------------------------------------------------------


def test_the_shop_as_a_process_sells_and_tells_the_truth(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators.iseller", "--port", "0", "--state-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout, httpx.Client(base_url=json.loads(process.stdout.readline())["url"]) as client:
            sold = client.post("/_control/sell", json={"count": 3}).json()
            assert len(sold["orders"]) == len(sold["webhooks"]) == 3
            assert client.post("/_control/set", json={"latency": 0, "claims_next": True}).status_code == 200
            assert client.post("/_control/set", json={"nonsense": 1}).status_code == 400
            done = client.post(
                "/_control/act",
                json={"act": "void", "arguments": {"order_id": sold["orders"][0]}, "webhook": "Order"},
            ).json()
            assert sold["orders"][0] in done["webhook"]["body"]
            state = client.get("/_control/state").json()
            assert [row["status"] for row in state["orders"]] == ["void", "completed", "completed"]
            assert client.post("/_control/reset", json={"seed": 5}).json() == {"seed": 5}
            assert client.get("/_control/state").json()["orders"] == []
    finally:
        process.terminate()
        process.wait(10)
    assert json.loads((tmp_path / "truth.json").read_text())["orders"] == []


def test_a_webhook_is_delivered_with_headers_that_prove_it() -> None:
    seen: list[sockets.Request] = []

    def receive(request: sockets.Request) -> sockets.Response:
        seen.append(request)
        return sockets.Response.of({})

    shop = Simulated()
    order_id = shop.sell()
    with sockets.Served(receive) as served, running(shop) as world:
        assert shop.deliver(f"{served.url}/hook", order_id) == 200
        assert world.open().verify(seen[0].headers, seen[0].body, shop.now) == ""


def test_the_same_seed_and_acts_make_the_same_shop_and_conserve_its_stock() -> None:
    states = []
    for _ in range(2):
        shop = Simulated(seed=9)
        controlled = Controlled(lambda seed, shop=shop: shop, 9)  # type: ignore[misc]
        ids = [shop.sell() for _ in range(5)]
        shop.void(ids[0])
        shop.refund(ids[1])
        shop.transfer_in(shop.transfer_out("KMG", "GI"))
        states.append(controlled.answer(sockets.Request("GET", "/_control/state", {}, {}, b"")).body)
    assert states[0] == states[1]
    moved = Simulated(seed=9)
    before = sum(moved.stock.values())
    moved.transfer_in(moved.transfer_out("KMG", "GI"))
    order_id = moved.sell()
    moved.void(order_id)
    assert sum(moved.stock.values()) == before


def test_many_orders_are_fetched_in_a_second(world: World) -> None:
    made = [world.shop.sell() for _ in range(300)]
    shop = world.open()
    shop.fetch(Key("sale", made[0]))
    began = time.monotonic()
    halves = (made[::2], made[1::2])

    def fetch_all(ids: list[str]) -> None:
        for one in ids:
            shop.fetch(Key("sale", one))

    threads = [threading.Thread(target=fetch_all, args=(half,)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 20
