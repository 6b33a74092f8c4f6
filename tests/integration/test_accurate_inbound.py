"""What is done in the simulated Accurate reaches the shop: by webhook, by sweep, by its own history."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clientsync.commerce.documents import Booked, Document, Key, Received
from clientsync.commerce.systems import Job, Mappings, Opening
from clientsync.errors import ContractChanged, SourceUnavailable, UnknownName
from clientsync.http.addresses import AllowList
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import HttpClient
from clientsync.http.retrying import RetryPolicy
from connectors.accurate import Accurate, open_accounting
from simulators.accurate import Books
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN
from simulators.accurate.tables import fields_of
from simulators.http import Request, Response, Served
from tests.support.commerce_real import Memory

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
AT = datetime(2026, 11, 28, 2, tzinfo=UTC)
DAY = {"transDate": "28/11/2026"}


@dataclass
class World:
    """Books with a clock, and the accounting that speaks with them."""

    books: Books
    opening: Opening
    at: list[datetime]
    before_answers: list[Callable[[Request], None]]

    def open(self, **options: Any) -> Accurate:
        """Open the accounting with options."""
        given = self.opening
        return open_accounting(
            Opening(
                given.client, given.account, given.credentials, options, given.memory, given.zone, given.now
            )
        )

    def receive(self, quantity: int = 3, *warehouses: str, sku: str = "KOPI-1") -> str:
        """Receive goods as the shop's buyer does in Accurate; return the id."""
        places = warehouses or ("Gudang Utama",)
        lines = [{"itemNo": sku, "quantity": quantity, "warehouseName": one} for one in places]
        self.at[0] += timedelta(seconds=1)
        return str(self.books.save("receive-item", {"vendorNo": "V.00001", "detailItem": lines, **DAY})["id"])


@pytest.fixture
def world() -> Iterator[World]:
    at = [AT]
    answering: list[Callable[[Request], None]] = []
    books = Books(now=lambda: at[0])
    books.put_items("KOPI-1")

    def answer(request: Request) -> Response:
        for one in answering:
            one(request)
        return books.answer(request)

    with Served(answer) as served:
        client = HttpClient(
            base_url=served.url,
            allowed=AllowList((served.url,), allow_loopback=True),
            budget=LocalBudget(Pace(60_000)),
            policy=RetryPolicy(retries=1, base_seconds=0.01),
        )
        opening = Opening(
            client,
            "accurate",
            {"token": TOKEN, "signature_secret": SIGNATURE_SECRET},
            {},
            Memory(),
            ZoneInfo("Asia/Jakarta"),
            lambda: at[0],
        )
        with client:
            yield World(books, opening, at, answering)


def swept(accounting: Accurate, stream: str, since: datetime = AT) -> list[Received]:
    return [document for page in accounting.changed(stream, since) for document in page.documents]


def in_the_main_warehouse(target_id: str) -> str:
    """Return the id of the document of a receipt that went into the one warehouse."""
    return f"{target_id}|Gudang Utama"


def test_goods_that_came_in_are_told_with_supplier_warehouse_and_exact_quantities(world: World) -> None:
    target_id = world.receive(3)
    (found,) = world.open().fetch(Key("goods_receipt", target_id))
    assert found.key == Key("goods_receipt", in_the_main_warehouse(target_id))
    assert found.lane == "Gudang Utama"
    assert found.needs == ()
    assert found.occurred_at == datetime(2026, 11, 27, 17, tzinfo=UTC)
    row = world.books.tables["receive-item"].rows[int(target_id)]
    item = world.books.row("item", "KOPI-1")
    assert item is not None
    assert dict(found.payload) == {
        "number": row["number"],
        "supplier": "CV Sumber Rejeki",
        "warehouse": "Gudang Utama",
        "lines": [{"sku": "KOPI-1", "product_id": str(item["id"]), "name": "Barang KOPI-1", "quantity": "3"}],
    }


def test_goods_for_two_warehouses_are_two_documents_that_keep_their_ids(world: World) -> None:
    target_id = world.receive(3, "Gudang Utama", "Toko Malioboro")
    accounting = world.open()
    found = accounting.fetch(Key("goods_receipt", target_id))
    assert [(one.source_id, one.lane) for one in found] == [
        (f"{target_id}|Gudang Utama", "Gudang Utama"),
        (f"{target_id}|Toko Malioboro", "Toko Malioboro"),
    ]
    assert accounting.fetch(found[1].key) == found


def test_what_is_not_there_or_not_approved_is_nothing_for_the_shop(world: World) -> None:
    accounting = world.open()
    assert accounting.fetch(Key("goods_receipt", "1")) == []
    target_id = world.receive()
    world.books.save("receive-item", {"id": int(target_id), "approvalStatus": "UNAPPROVED"})
    assert accounting.fetch(Key("goods_receipt", target_id)) == []
    with pytest.raises(UnknownName):
        accounting.fetch(Key("sale", "1"))


def test_a_purchase_order_reaches_the_shop_instead_when_that_is_set(world: World) -> None:
    lines = [{"itemNo": "KOPI-1", "quantity": 2, "warehouseName": "Gudang Utama"}]
    row = world.books.save("purchase-order", {"vendorNo": "V.00001", "detailItem": lines, **DAY})
    accounting = world.open(inbound="purchase_order")
    assert accounting.streams == ("purchase-order", "item-transfer")
    (found,) = accounting.fetch(Key("goods_receipt", str(row["id"])))
    assert found.number == row["number"]
    assert swept(accounting, "purchase-order") == [found]


def test_a_transfer_made_in_accurate_comes_back_and_one_of_ours_is_known_as_ours(world: World) -> None:
    lines = [{"itemNo": "KOPI-1", "quantity": 4}]
    way = {"warehouseName": "Gudang Utama", "referenceWarehouseName": "Toko Malioboro"}
    out = world.books.save(
        "item-transfer", {"itemTransferType": "TRANSFER_OUT", "detailItem": lines, **way, **DAY}
    )
    back = {"warehouseName": "Toko Malioboro", "referenceWarehouseName": "Gudang Utama"}
    arrived = world.books.save(
        "item-transfer",
        {
            "itemTransferType": "TRANSFER_IN",
            "fromItemTransferNo": out["number"],
            "detailItem": lines,
            **back,
            **DAY,
        },
    )
    accounting = world.open()
    assert accounting.fetch(Key("goods_moved_in", str(out["id"]))) == []
    (found,) = accounting.fetch(Key("goods_moved_in", str(arrived["id"])))
    assert (found.lane, found.payload["other_warehouse"]) == ("Toko Malioboro", "Gudang Utama")
    assert not found.is_ours
    maps = {("outlet", "A"): "Gudang Utama", ("outlet", "B"): "Toko Malioboro"}
    line = {"sku": "KOPI-1", "product_id": "", "name": "Kopi", "quantity": "1"}
    sent = accounting.send(
        Job(
            Document(
                1, "transfer_out", "t-1", "1", AT, {"outlet": "A", "other_outlet": "B", "lines": [line]}
            ),
            Mappings(maps),
        )
    )
    payload = {"outlet": "B", "other_outlet": "A", "lines": [line], "transfer_out": "t-1"}
    needs = {Key("transfer_out", "t-1"): Booked(sent.target_id, sent.number)}
    got = accounting.send(
        Job(Document(2, "transfer_in", "t-2", "2", AT, payload, needs=needs), Mappings(maps))
    )
    assert [one.is_ours for one in accounting.fetch(Key("goods_moved_in", got.target_id))] == [True]
    assert [one.is_ours for one in swept(accounting, "item-transfer")] == [False, True]


def test_a_sweep_tells_everything_since_a_moment_the_earliest_change_first(world: World) -> None:
    received = [world.receive(number) for number in range(1, 8)]
    ids = [in_the_main_warehouse(one) for one in received]
    world.at[0] += timedelta(seconds=1)
    world.books.save("receive-item", {"id": int(received[0])})
    accounting = world.open(page_size=3)
    pages = list(accounting.changed("receive-item", AT))
    assert [one.source_id for page in pages for one in page.documents] == [*ids[1:], ids[0]]
    assert [page.position for page in pages if page.position] == [
        AT + timedelta(seconds=4),
        AT + timedelta(seconds=7),
        AT + timedelta(seconds=8),
    ]
    later = [one.source_id for one in swept(accounting, "receive-item", AT + timedelta(seconds=6))]
    assert later == [ids[5], ids[6], ids[0]]
    with pytest.raises(UnknownName):
        list(accounting.changed("sales-invoice", AT))


def test_a_list_whose_pages_move_while_it_is_read_loses_nothing(world: World) -> None:
    ids = [world.receive(number) for number in range(1, 13)]
    pages: list[str] = []

    def disturb(request: Request) -> None:
        if request.path.endswith("receive-item/list.do"):
            pages.append(request.query["sp.page"])
            if len(pages) == 2:
                world.books.tables["receive-item"].remove(int(ids[0]))

    world.before_answers.append(disturb)
    found = [one.source_id for one in swept(world.open(page_size=4), "receive-item")]
    assert found == [in_the_main_warehouse(one) for one in ids[1:]]
    assert len(pages) > 3


def test_a_list_that_never_stands_still_is_given_up_and_not_taken_for_whole(world: World) -> None:
    ids = [world.receive() for _ in range(40)]

    def disturb(request: Request) -> None:
        if request.path.endswith("receive-item/list.do"):
            world.books.tables["receive-item"].remove(int(ids.pop(0)))

    world.before_answers.append(disturb)
    with pytest.raises(SourceUnavailable, match="faster than it can be read"):
        swept(world.open(page_size=4), "receive-item")


def test_a_list_that_grows_while_it_is_read_is_read_to_its_end(world: World) -> None:
    ids = [world.receive() for _ in range(9)]

    def disturb(request: Request) -> None:
        if request.path.endswith("receive-item/list.do"):
            ids.append(world.receive())

    world.before_answers.append(disturb)
    found = [one.source_id for one in swept(world.open(page_size=4), "receive-item")]
    assert found == [in_the_main_warehouse(one) for one in ids]


def test_webhooks_doubled_and_shuffled_lead_to_the_same_documents(world: World) -> None:
    ids = [world.receive(number) for number in (1, 2, 3)]
    accounting = world.open()
    taken = world.books.webhooks.take(times=3, shuffle=7)
    events = [event for one in taken for event in accounting.events(json.dumps([one]).encode())]
    assert len({event.dedupe_key for event in events}) == len(taken) // 3
    keys = {key for event in events for key in accounting.keys_of(event)}
    assert keys == {Key("goods_receipt", one) for one in ids}


def test_webhooks_are_delivered_to_an_address(world: World) -> None:
    world.books.webhooks.take()
    target_id = world.receive()
    bodies: list[bytes] = []

    def take(request: Request) -> Response:
        bodies.append(request.body)
        return Response(status=204)

    with Served(take) as receiver:
        assert world.books.webhooks.post(f"{receiver.url}/hook/secret", times=2) == [204, 204]
    (event,) = world.open().events(bodies[0])
    assert (event.type, event.entity_id, event.happened_at) == ("RECEIVE_ITEM", target_id, world.at[0])


def test_what_was_missed_in_two_days_is_told_by_accurates_own_history(world: World) -> None:
    accounting = world.open()
    world.receive()
    world.at[0] += timedelta(hours=40)
    world.receive()
    until = world.at[0] + timedelta(minutes=1)
    found = accounting.missed(until - timedelta(hours=48), until)
    assert [event.type for event in found].count("RECEIVE_ITEM") == 2
    assert accounting.missed(until - timedelta(minutes=5), until) == found[-1:]


def test_a_webhook_is_renewed_for_a_week_and_falls_silent_afterwards(world: World) -> None:
    accounting = world.open()
    assert accounting.renew_webhook() == date(2026, 12, 5)
    world.books.webhooks.take()
    world.at[0] += timedelta(days=8)
    world.receive()
    assert world.books.webhooks.take() == []
    world.books.webhooks.days = 0
    with pytest.raises(ContractChanged):
        accounting.renew_webhook()


def test_an_encoded_comma_is_not_understood_so_ours_are_literal(world: World) -> None:
    world.receive()
    seen: list[str] = []
    world.before_answers.append(lambda request: seen.append(request.raw_query))
    assert len(swept(world.open(), "receive-item")) == 1
    listed = next(one for one in seen if one.startswith("fields="))
    assert listed.startswith("fields=id,number,lastUpdate&")
    encoded = fields_of(listed.replace(",", "%2C"))
    table = world.books.tables["receive-item"]
    assert table.listed({}, encoded)["d"] == [{"id": next(iter(table.rows))}]
