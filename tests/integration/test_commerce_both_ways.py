"""What each system tells the other: goods that Accurate received reach the shop once, and webhooks change only when."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from clientsync.commerce import deciding, intake, status
from clientsync.commerce.collecting import sweep
from simulators.accurate import Books
from tests.support.commerce_real import (
    QUICK,
    Clock,
    RealCommerce,
    open_ledger,
    patient_breaker,
    real_commerce,
    small_shop,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
MAIN, MALIOBORO = "Gudang Utama", "Toko Malioboro"
"""Warehouses that are mapped to the outlets KMG and GI."""


@pytest.fixture
def world(engine: Engine, clock: Clock) -> Iterator[RealCommerce]:
    with real_commerce(
        engine, clock=clock, shop=small_shop(clock), policy=QUICK, breaker=patient_breaker
    ) as made:
        made.sync()
        made.hear()
        made.work()
        yield made


def receive(
    world: RealCommerce, number: str, *lines: tuple[str, int], warehouse: str = MAIN, **more: Any
) -> dict[str, Any]:
    """Enter a goods receipt in Accurate."""
    body = {
        "number": number,
        "transDate": "02/03/2026",
        "vendorNo": "V.00001",
        "detailItem": [
            {"itemNo": sku, "quantity": quantity, "warehouseName": warehouse} for sku, quantity in lines
        ],
        **more,
    }
    return world.books.save("receive-item", body)


def stock(world: RealCommerce, sku: str, outlet: str = "KMG") -> Decimal:
    """What the shop has beyond what it began with."""
    (product,) = (one for one in world.shop.products.values() if one.sku == sku)
    return world.shop.stock[(outlet, product.product_id)] - 1000


def created(world: RealCommerce) -> int:
    return sum(name == "CreateTransfer" for name, _ in world.shop.calls)


# --- from the accounting to the shop ----------------------------------------------------------------------------


def test_goods_that_accurate_received_are_in_the_shop_at_once(world: RealCommerce) -> None:
    receive(world, "RI-1", ("SKU-001", 10), ("SKU-002", 5), ("SKU-001", 2))
    world.hear()
    world.work()
    row = world.one("goods_receipt", "RI-1")
    assert (row["status"], row["booked as"]) == ("Success", "RI-1")
    assert stock(world, "SKU-001") == 12
    assert stock(world, "SKU-002") == 5
    (made,) = world.shop.transfers.values()
    assert made.supplier == "CV Sumber Rejeki"
    (logged,) = status.webhook_log(world.of, states=("success",))
    assert logged["what"].startswith("RECEIVE_ITEM WRITE ")
    assert status.event_details(world.of, logged["event"])["body"].startswith("[{")


@pytest.mark.parametrize("seed", range(3))
def test_goods_are_counted_once_however_often_and_in_whatever_order_accurate_tells_of_them(
    world: RealCommerce, seed: int
) -> None:
    numbers = [f"RI-{number}" for number in range(1, 9)]
    for number in numbers:
        receive(world, number, ("SKU-001", 10), warehouse=MALIOBORO)
    found = world.hear(times=5, shuffle=seed)
    assert sum(one.fresh for one in found) == len(numbers)
    world.work()
    world.sync()
    assert stock(world, "SKU-001", "GI") == 80
    assert created(world) == len(numbers)
    assert {one["booked as"] for one in world.of_type("goods_receipt")} == set(numbers)
    assert {one["deliveries"] for one in status.webhook_log(world.of, states=("success",))} == {5}


def test_a_receipt_into_two_warehouses_reaches_both_outlets(world: RealCommerce) -> None:
    lines = [
        {"itemNo": "SKU-001", "quantity": quantity, "warehouseName": name}
        for name, quantity in ((MAIN, 3), (MALIOBORO, 4))
    ]
    receive(world, "RI-1", detailItem=lines)
    world.hear(times=2)
    world.work()
    assert stock(world, "SKU-001", "KMG") == 3
    assert stock(world, "SKU-001", "GI") == 4
    assert world.is_all_booked()


def test_a_receipt_line_without_sku_is_named_and_nothing_of_the_receipt_is_guessed(
    world: RealCommerce,
) -> None:
    row = receive(world, "RI-1", ("SKU-001", 10), ("SKU-002", 1))
    row["detailItem"][1] |= {"item": {"id": 1, "no": "", "name": ""}, "detailName": "Beras Karungan"}
    world.hear()
    world.work()
    found = world.one("goods_receipt")
    assert (found["status"], found["code"]) == ("Failed", "no_sku")
    assert found["reason"] == "product 'Beras Karungan' has no SKU"
    assert created(world) == 0


def test_a_receipt_of_goods_that_the_shop_does_not_know_says_so_and_goes_after_a_refresh(
    world: RealCommerce,
) -> None:
    world.books.put_items("BARU-1")
    receive(world, "RI-1", ("BARU-1", 10))
    world.hear()
    world.work()
    row = world.one("goods_receipt")
    assert (row["code"], row["reason"]) == ("target_rejected", "product not found: BARU-1")
    world.shop.add_product("BARU-1")
    deciding.refresh(world.of, [row["document"]], actor="sari")
    world.work()
    assert stock(world, "BARU-1") == 10


def test_a_receipt_into_a_warehouse_that_is_not_mapped_waits_for_the_mapping(
    engine: Engine, clock: Clock
) -> None:
    with real_commerce(engine, clock=clock, shop=small_shop(clock), maps=False) as world:
        world.books.put_items("SKU-001")
        receive(world, "RI-1", ("SKU-001", 10))
        world.hear()
        world.work()
        assert world.one("goods_receipt")["reason"] == f"no warehouse mapping for {MAIN}"
        assert {"kind": "warehouse", "shop": MAIN, "accounting": ""} in status.mappings(world.of)
        deciding.set_mappings(world.of, {("warehouse", MAIN): "KMG"}, actor="sari")
        world.work()
        assert stock(world, "SKU-001") == 10


@pytest.mark.parametrize("trouble", ["drop", "drop_before", "http_503", "token"])
def test_an_answer_of_the_shop_that_is_lost_is_found_again_and_the_goods_are_there_once(
    world: RealCommerce, trouble: str
) -> None:
    world.shop.trouble("CreateTransfer", trouble)
    for number in range(1, 4):
        receive(world, f"RI-{number}", ("SKU-001", 10))
    world.hear()
    world.work()
    assert world.is_all_booked()
    assert stock(world, "SKU-001") == 30
    assert len(world.shop.transfers) == 3


def test_an_answer_that_is_lost_again_when_the_transfer_is_looked_up_leaves_one_transfer(
    world: RealCommerce,
) -> None:
    world.shop.trouble("CreateTransfer", "drop")
    world.shop.trouble("GetTransfer", "drop", times=9)
    receive(world, "RI-1", ("SKU-001", 10))
    world.hear()
    world.work()
    assert world.is_all_booked()
    assert stock(world, "SKU-001") == 10
    assert len(world.shop.transfers) == 1


def test_what_we_created_in_the_shop_does_not_come_back_to_accurate(world: RealCommerce) -> None:
    receive(world, "RI-1", ("SKU-001", 10))
    world.hear()
    world.sync()
    world.sync()
    assert len(world.shop.transfers) == 1
    assert world.of_type("transfer_in") == []
    assert world.books.count("item-transfer") == 0
    assert world.books.stock.on_hand(MAIN, "SKU-001") == 10


def test_a_transfer_that_we_booked_in_accurate_does_not_come_back_to_the_shop(world: RealCommerce) -> None:
    shop = world.shop
    shop.transfer_in(shop.transfer_out("KMG", "GI", [(next(iter(shop.products)), 4)]))
    world.sync()
    world.hear(times=2)
    world.sync()
    sweep(world.of)
    world.work()
    assert world.is_all_booked()
    assert world.of_type("goods_moved_in") == []
    assert created(world) == 0


def move(world: RealCommerce, number: str, quantity: int) -> None:
    """Move goods in Accurate by hand, from the main warehouse to the shop in Malioboro."""
    sent = {
        "number": f"{number}-OUT", "itemTransferType": "TRANSFER_OUT", "transDate": "02/03/2026",
        "warehouseName": MAIN, "referenceWarehouseName": MALIOBORO,
        "detailItem": [{"itemNo": "SKU-001", "quantity": quantity}],
    }  # fmt: skip
    world.books.save("item-transfer", sent)
    world.books.save(
        "item-transfer",
        sent | {
            "number": number, "itemTransferType": "TRANSFER_IN", "warehouseName": MALIOBORO,
            "referenceWarehouseName": MAIN, "fromItemTransferNo": f"{number}-OUT",
        },
    )  # fmt: skip


def test_a_transfer_made_by_hand_in_accurate_arrives_in_the_shop_once(world: RealCommerce) -> None:
    move(world, "HAND-1", 6)
    world.hear(times=5, shuffle=1)
    world.sync()
    assert stock(world, "SKU-001", "GI") == 6
    assert world.one("goods_moved_in", "HAND-1")["status"] == "Success"


def test_a_receipt_and_a_transfer_of_the_same_number_are_two_documents(world: RealCommerce) -> None:
    receive(world, "SAME-1", ("SKU-001", 10), warehouse=MALIOBORO)
    move(world, "SAME-1", 6)
    world.shop.trouble("CreateTransfer", "drop", times=2)
    world.hear(times=2, shuffle=3)
    world.work()
    assert world.is_all_booked()
    assert stock(world, "SKU-001", "GI") == 16


def test_a_receipt_that_is_changed_after_it_reached_the_shop_waits_for_a_person(world: RealCommerce) -> None:
    row = receive(world, "RI-1", ("SKU-001", 10))
    world.hear()
    world.work()
    receive(world, "RI-1", id=row["id"], detailItem=[{"id": row["detailItem"][0]["id"], "quantity": 12}])
    world.hear()
    world.work()
    found = world.one("goods_receipt")
    assert (found["status"], found["code"]) == ("Failed", "changed_after_booking")
    assert stock(world, "SKU-001") == 10


@pytest.mark.parametrize("is_booked", [True, False])
def test_a_receipt_that_is_deleted_in_accurate_is_not_sent_or_is_named(
    world: RealCommerce, *, is_booked: bool
) -> None:
    receive(world, "RI-1", ("SKU-001", 10))
    if is_booked:
        world.hear()
        world.work()
    world.books.delete("receive-item", "RI-1")
    world.hear(shuffle=2)
    world.work()
    if is_booked:
        assert world.one("goods_receipt")["code"] == "source_deleted"
    else:
        assert world.of_type("goods_receipt") == []
        assert created(world) == 0


# --- webhooks that never came -----------------------------------------------------------------------------------


@pytest.mark.parametrize("registration", ["ended", "lost on the way"])
def test_goods_whose_webhook_never_came_are_found_by_a_sweep(
    world: RealCommerce, clock: Clock, registration: str
) -> None:
    if registration == "ended":
        world.books.webhooks.ends_on = clock().date() - timedelta(days=1)
    receive(world, "RI-1", ("SKU-001", 10))
    world.books.webhooks.take()
    clock.forward(hours=20)
    world.work()
    assert stock(world, "SKU-001") == 0
    found = sweep(world.of)
    assert found.errors == {}
    assert found.counts["accounting.receive-item"] == 1
    assert (found.counts["events"] > 0) == (registration != "ended")
    world.work()
    sweep(world.of)
    world.work()
    assert stock(world, "SKU-001") == 10
    assert created(world) == 1


def test_an_invoice_that_was_deleted_without_a_webhook_is_found_in_what_accurate_remembers(
    world: RealCommerce, clock: Clock
) -> None:
    sold = world.shop.sell(on_account=True)
    world.sync()
    invoice = world.invoice(sold)
    assert invoice is not None
    world.books.delete("sales-invoice", invoice["number"])
    world.books.webhooks.take()
    clock.forward(hours=30)
    sweep(world.of)
    world.work()
    assert world.sale_of(sold)["code"] == "target_deleted"


@pytest.mark.parametrize("seed", range(2))
def test_whatever_webhooks_are_lost_a_sweep_leaves_what_all_of_them_would_have(
    world: RealCommerce, seed: int
) -> None:
    dice = random.Random(seed)
    for number in range(12):
        receive(world, f"RI-{number}", ("SKU-001", 10))
    sold = [world.shop.sell() for _ in range(12)]
    heard = [one for one in world.books.webhooks.take() if dice.random() < 0.5]
    for envelope in heard:
        intake.receive(world.of, "accounting", {}, json.dumps([envelope]).encode())
    for one in sold:
        if dice.random() < 0.5:
            world.tell(one)
    world.work()
    sweep(world.of)
    world.work()
    assert stock(world, "SKU-001") == 120 - sum(
        line.quantity
        for one in sold
        for line in world.shop.orders[one].lines
        if line.sku == "SKU-001" and world.shop.orders[one].outlet.code == "KMG"
    )
    assert world.is_all_booked()
    assert world.disagreements() == []
    assert created(world) == 12


# --- webhooks of the shop -------------------------------------------------------------------------------------


def booked_state(world: RealCommerce) -> set[tuple[str, str, str]]:
    """Title, status and number in the books of every document of the shop; items come without being announced."""
    wanted = status.Filter(
        direction="out", shown=status.WORDS, types=("customer", "sale", "payment", "sale_return")
    )
    rows = status.documents(world.of, wanted, limit=10_000)
    return {(one["what"], one["status"], one["booked as"] if "#" in one["what"] else "") for one in rows}


def test_two_hundred_orders_told_five_times_in_any_order_are_what_one_ordered_pass_makes_of_them(
    tmp_path: Path, clock: Clock
) -> None:
    shop = small_shop(clock)
    goods = list(shop.products)
    sold = [
        shop.sell(channel="any", lines=[(goods[place % 5], 2)], on_account=place % 3 > 0)
        for place in range(200)
    ]
    for one in sold[::9]:
        shop.refund(one)
    for one in sold[::14]:
        shop.void(one)
    deliveries = sold * 5
    random.Random(7).shuffle(deliveries)
    states = []
    for name, order in (("once", sold), ("often", deliveries)):
        engine = open_ledger(tmp_path, name)
        with real_commerce(engine, clock=clock, shop=shop, books=Books(now=clock)) as world:
            found = [world.tell(one) for one in order]
            assert {one.reason for one in found} == {""}
            assert sum(one.fresh for one in found) == 200
            world.work()
            assert world.is_all_booked()
            assert world.disagreements() == []
            assert world.books.truth.doubled() == []
            states.append(booked_state(world))
        engine.dispose()
    assert states[0] == states[1]


def test_a_webhook_with_one_byte_flipped_is_refused_kept_and_not_worked_on(world: RealCommerce) -> None:
    sold = world.shop.sell()
    headers, body = world.shop.webhook(sold, at=world.of.now())
    lower = {name.lower(): value for name, value in headers.items()}
    for place in range(0, len(body), 7):
        forged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert intake.receive(world.of, "shop", lower, forged).reason == "the signature is wrong"
    world.work()
    assert world.of_type("sale") == []
    assert {one["status"] for one in status.webhook_log(world.of, system="shop")} == {"Rejected"}
    assert intake.receive(world.of, "shop", lower, body).fresh == 1
    world.work()
    assert world.invoice(sold) is not None


def test_a_webhook_that_was_kept_back_for_too_long_is_refused(world: RealCommerce, clock: Clock) -> None:
    sold = world.shop.sell()
    headers, body = world.shop.webhook(sold, at=clock())
    clock.forward(minutes=6)
    found = intake.receive(world.of, "shop", {name.lower(): value for name, value in headers.items()}, body)
    assert found.reason == "the timestamp is too far from now"


def test_an_order_of_which_paid_is_told_before_created_is_booked_with_its_payments(
    world: RealCommerce,
) -> None:
    draft = world.shop.sell(status="reserved")
    world.tell(draft, "Fulfillment")
    world.work()
    assert world.of_type("sale") == []
    world.shop.complete(draft)
    world.tell(draft, "Refund")
    world.tell(draft, "Order")
    world.work()
    assert world.is_all_booked()
    assert world.disagreements() == []


def test_a_second_change_of_an_order_that_is_told_in_the_same_words_is_read_as_well(
    world: RealCommerce,
) -> None:
    sold = world.shop.sell()
    world.tell(sold)
    world.work()
    world.shop.void(sold)
    world.tell(sold)
    world.work()
    assert world.disagreements() == []
