"""What comes after a document was booked, or from before the connection began: renamed, given back, taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from clientsync.commerce import deciding, events, status
from clientsync.commerce.collecting import collect, sweep
from clientsync.commerce.store import DOCS
from clientsync.database import writing
from simulators.accurate import Books
from simulators.accurate.settings import DATABASE_ID, Fault, Settings
from simulators.iseller.records import Order, Paid
from tests.support.commerce_real import (
    QUICK,
    Clock,
    RealCommerce,
    patient_breaker,
    real_commerce,
    small_shop,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
MAIN, MALIOBORO = "Gudang Utama", "Toko Malioboro"


@pytest.fixture
def world(engine: Engine, clock: Clock) -> Iterator[RealCommerce]:
    with real_commerce(
        engine, clock=clock, shop=small_shop(clock), policy=QUICK, breaker=patient_breaker
    ) as made:
        yield made


def recode(world: RealCommerce, old: str, new: str) -> None:
    """Give an outlet of the shop another code; the warehouse stays."""
    deciding.set_mappings(world.of, {("outlet", new): MAIN}, actor="test")
    world.shop.outlet(old).code = new
    for (outlet, product), held in list(world.shop.stock.items()):
        if outlet == old:
            world.shop.stock[(new, product)] = held


def numbers(world: RealCommerce, module: str) -> list[str]:
    return sorted(row["number"] for row in world.books.tables[module].rows.values())


def only(world: RealCommerce, module: str) -> dict[str, Any]:
    (row,) = world.books.tables[module].rows.values()
    return row


def plain(world: RealCommerce, order_id: str, *, tax_inclusive: bool = False) -> Order:
    """Let a sale have nothing but lines and their tax of 11 %, all of it paid."""
    order = world.shop.orders[order_id]
    order.tax_inclusive = tax_inclusive
    for line in order.lines:
        line.discount, line.tax_rate = Decimal(0), Decimal(11)
    order.order_discount = order.promotion = order.shipping = Decimal(0)
    order.charge_order = order.charge_subtotal = order.charge_final = Decimal(0)
    order.rounds_to = 0
    order.paid = order.paid[:1]
    order.paid[0].kind, order.paid[0].status, order.paid[0].amount = "sale", "success", order.total
    return order


# another code of an outlet


def test_a_sale_whose_outlet_gets_another_code_is_booked_once_under_its_first_number(
    world: RealCommerce,
) -> None:
    sold = world.shop.sell(outlet="KMG", customer=None)
    world.sync()
    before = [numbers(world, module) for module in ("sales-invoice", "sales-receipt")]
    recode(world, "KMG", "KMG2")
    assert sweep(world.of).errors == {}
    world.work()
    assert [numbers(world, module) for module in ("sales-invoice", "sales-receipt")] == before
    assert world.is_all_booked()
    assert world.books.truth.doubled() == []
    assert only(world, "sales-invoice")["charField2"] == "KMG2"
    assert world.sale_of(sold)["booked as"] == only(world, "sales-invoice")["number"]


def test_what_comes_of_a_sale_after_its_outlet_got_another_code_belongs_to_the_invoice_that_is_there(
    world: RealCommerce,
) -> None:
    sold = world.shop.sell(outlet="KMG", customer=None)
    world.sync()
    recode(world, "KMG", "KMG2")
    world.shop.refund(sold)
    world.sync()
    invoice = only(world, "sales-invoice")["number"]
    assert only(world, "sales-return")["invoice"]["number"] == invoice
    assert only(world, "sales-return")["number"].startswith(f"IRT-{invoice.removeprefix('IS-')}-")
    assert world.is_all_booked()


@pytest.mark.parametrize("module", ["sales-invoice", "sales-receipt"])
def test_a_first_answer_that_was_lost_is_found_although_the_outlet_has_another_code_since(
    world: RealCommerce, module: str
) -> None:
    world.shop.sell(outlet="KMG", customer=None)
    world.books.arm(Fault("lost", module, "save"))
    world.books.arm(Fault("fails_before", module, "list", times=200))
    collect(world.of)
    world.work(patience=0.1)
    assert world.states()["unknown"]
    world.books.faults.clear()
    recode(world, "KMG", "KMG2")
    assert sweep(world.of).errors == {}
    deciding.refresh(world.of, None, actor="test")
    world.work()
    assert world.books.count("sales-invoice") == world.books.count("sales-receipt") == 1
    assert world.is_all_booked()


# events of one database


@pytest.mark.parametrize("database", [DATABASE_ID, 1])
def test_with_a_database_set_only_its_own_webhooks_count_also_when_they_are_replayed(
    engine: Engine, clock: Clock, database: int
) -> None:
    options = {"database_id": str(DATABASE_ID)}
    with real_commerce(engine, clock=clock, shop=small_shop(clock), policy=QUICK, options=options) as world:
        world.sync()
        world.hear()
        world.work()
        sku = next(iter(world.shop.products.values())).sku
        body = {"number": "RI-1", "transDate": "02/03/2026", "vendorNo": "V.00001"}
        lines = [{"itemNo": sku, "quantity": 10, "warehouseName": MAIN}]
        world.books.save("receive-item", {**body, "detailItem": lines})
        world.books.webhooks.waiting[-1]["databaseId"] = database
        world.hear()
        world.work()
        arrived = len(world.of_type("goods_receipt"))
        assert arrived == (1 if database == DATABASE_ID else 0)
        newest = status.webhook_log(world.of, limit=1)[0]
        assert newest["status"] == ("Success" if arrived else "Ignored")
        with writing(engine) as connection:
            events.replay(connection, world.of.name, newest["event"], world.of.now(), "test")
        world.work()
        assert status.webhook_log(world.of, limit=1)[0]["status"] == newest["status"]
        assert len(world.of_type("goods_receipt")) == arrived


def test_with_a_database_set_an_invoice_deleted_in_it_is_noticed(engine: Engine, clock: Clock) -> None:
    options = {"database_id": str(DATABASE_ID)}
    with real_commerce(engine, clock=clock, shop=small_shop(clock), policy=QUICK, options=options) as world:
        sold = world.shop.sell(customer=None, on_account=False)
        world.sync()
        world.hear()
        world.work()
        for number in numbers(world, "sales-receipt"):
            world.books.delete("sales-receipt", number)
        world.books.delete("sales-invoice", numbers(world, "sales-invoice")[0])
        world.hear()
        world.work()
        assert world.sale_of(sold)["code"] == "target_deleted"


# taxes that go back


@pytest.mark.parametrize("tax_inclusive", [False, True])
@pytest.mark.parametrize("how", ["refund", "void", "parts"])
def test_what_is_given_back_takes_its_tax_out_of_the_books_to_the_unit(
    world: RealCommerce, how: str, tax_inclusive: bool
) -> None:
    product = world.shop.add_product("ODD", name="Odd", price=Decimal(1005))
    sold = world.shop.sell(outlet="KMG", customer=None, lines=[(product, 3)])
    plain(world, sold, tax_inclusive=tax_inclusive)
    world.sync()
    if how == "void":
        world.shop.void(sold)
    for units in {"refund": [3], "parts": [1, 1, 1]}.get(how, []):
        world.shop.refund(sold, units={0: units})
    world.sync()
    invoice = only(world, "sales-invoice")
    back = list(world.books.tables["sales-return"].rows.values())
    assert len(back) == (3 if how == "parts" else 1)
    taxes = [line["taxAmount"] for row in (invoice, *back) for line in row["detailItem"]]
    assert taxes[0] > 0
    assert sum(taxes[1:]) == taxes[0]
    assert sum(row["tax1Amount"] for row in back) == invoice["tax1Amount"]
    assert {row["inclusiveTax"] for row in (invoice, *back)} == {tax_inclusive}
    assert world.disagreements(paid=False) == []
    assert world.is_all_booked()


def test_a_return_that_was_booked_before_returns_told_their_taxes_is_left_as_it_is(
    engine: Engine, world: RealCommerce
) -> None:
    sold = world.shop.sell(outlet="KMG", customer=None)
    world.shop.refund(sold)
    world.sync()
    is_return = DOCS.c.type == "sale_return"
    with writing(engine) as connection:
        old = dict(connection.execute(DOCS.select().where(is_return)).one().payload)
        del old["tax"], old["tax_inclusive"]
        for line in old["lines"]:
            del line["tax"], line["discount"], line["tax_code"], line["unit"]
        connection.execute(DOCS.update().where(is_return).values(payload=old, payload_hash="of old"))
    sweep(world.of)
    assert world.one("sale_return")["status"] == "Success"


# before the begin of a connection


def test_a_sweep_books_no_sale_from_before_the_first_reading_unless_a_person_asks_for_it(
    engine: Engine, clock: Clock
) -> None:
    shop = small_shop(clock)
    older = shop.sell(customer=next(iter(shop.customers)), at=clock() - timedelta(days=2))
    with real_commerce(engine, clock=clock, shop=shop, policy=QUICK, breaker=patient_breaker) as world:
        world.sync()
        sweep(world.of, days=3)
        world.tell(older)
        world.work()
        assert world.books.count("sales-invoice") == 0
        assert status.documents(world.of, status.Filter(types=("sale", "payment", "customer"))) == []
        collect(world.of, since=clock() - timedelta(days=3))
        world.work()
        assert world.sale_of(older)["status"] == "Success"
        assert world.disagreements() == []


def test_a_webhook_before_the_first_reading_books_no_sale_from_before_that_day(
    engine: Engine, clock: Clock
) -> None:
    shop = small_shop(clock)
    older = shop.sell(customer=next(iter(shop.customers)), at=clock() - timedelta(days=2))
    fresh = shop.sell(customer=None)
    with real_commerce(engine, clock=clock, shop=shop, policy=QUICK, breaker=patient_breaker) as world:
        for one in (older, fresh):
            world.tell(one)
        world.work()
        assert world.sale_of(fresh)["status"] == "Success"
        assert world.books.count("sales-invoice") == 1
        assert [one.state for one in _events(world)] == ["success", "success"]
        clock.forward(days=1)
        world.sync()
        sweep(world.of, days=9)
        world.work()
        assert world.books.count("sales-invoice") == 1, "the day of the first webhook is the begin"
        collect(world.of, since=clock() - timedelta(days=5))
        world.work()
        assert world.sale_of(older)["status"] == "Success"


def _events(world: RealCommerce) -> list[Any]:
    with world.of.engine.connect() as connection:
        return list(connection.execute(events.EVENTS.select()))


def test_a_sale_from_before_the_first_reading_that_is_given_back_afterwards_is_left_out_with_all_of_it(
    engine: Engine, clock: Clock
) -> None:
    shop = small_shop(clock)
    older = shop.sell(customer=None, at=clock() - timedelta(days=2))
    with real_commerce(engine, clock=clock, shop=shop, policy=QUICK, breaker=patient_breaker) as world:
        world.sync()
        shop.refund(older)
        fresh = shop.sell(customer=None)
        world.sync()
        world.tell(older)
        world.work()
        assert world.sale_of(fresh)["status"] == "Success"
        assert world.books.count("sales-invoice") == 1
        assert world.of_type("sale_return") == []


def test_a_sale_placed_before_the_first_reading_and_closed_after_it_is_booked(
    engine: Engine, clock: Clock
) -> None:
    shop = small_shop(clock)
    ordered = shop.sell(customer=None, status="reserved", at=clock() - timedelta(days=2))
    with real_commerce(engine, clock=clock, shop=shop, policy=QUICK, breaker=patient_breaker) as world:
        world.sync()
        shop.complete(ordered)
        world.sync()
        assert world.sale_of(ordered)["status"] == "Success"


# a total that differs


@pytest.mark.parametrize("deletes", [False, True])
def test_a_sale_that_is_booked_with_another_total_is_taken_back_when_the_shop_voids_it(
    engine: Engine, clock: Clock, deletes: bool
) -> None:
    books = Books(settings=Settings(reads_tax_amount=False), now=clock)
    with real_commerce(
        engine, clock=clock, shop=small_shop(clock), books=books, policy=QUICK, breaker=patient_breaker
    ) as world:
        product = world.shop.add_product("ODD", name="Odd", price=Decimal(1005))
        sold = world.shop.sell(outlet="KMG", customer=None, lines=[(product, 1)])
        plain(world, sold)
        world.sync()
        told = world.sale_of(sold)
        assert (told["code"], told["booked as"]) == ("totals_differ", only(world, "sales-invoice")["number"])
        if deletes:
            books.delete("sales-invoice", told["booked as"])
        world.shop.void(sold)
        world.sync()
        assert world.disagreements(paid=False) == []
        assert world.states().get("held", 0) == 0


# what was changed after it was booked


def test_no_refresh_and_no_further_change_hide_a_transfer_that_was_changed_after_it_was_booked(
    world: RealCommerce,
) -> None:
    product = next(iter(world.shop.products))
    out = world.shop.transfers[world.shop.transfer_out("KMG", "GI", [(product, 4)])]
    world.sync()
    for quantity in (9, 10):
        out.lines = [(one, sku, Decimal(quantity), counted) for one, sku, _, counted in out.lines]
        out.modified = world.of.now()
        world.sync()
        assert deciding.refresh(world.of, None, actor="test") == 0
        world.work()
        assert world.one("transfer_out")["code"] == "changed_after_booking"
    deciding.waive(world.of, world.one("transfer_out")["document"], actor="test")
    assert world.one("transfer_out")["status"] == "Success (waived)"


# receipts into several warehouses


@pytest.fixture
def receiving(world: RealCommerce) -> RealCommerce:
    """A connection in which the items are known, and a receipt into two warehouses reached one outlet."""
    world.sync()
    world.hear()
    world.work()
    return world


def receive(world: RealCommerce, number: str) -> dict[str, Any]:
    """Enter a receipt of 10 of the first item into the main warehouse and 7 of the second one into Malioboro."""
    lines = [
        {"itemNo": "SKU-001", "quantity": 10, "warehouseName": MAIN},
        {"itemNo": "SKU-002", "quantity": 7, "warehouseName": MALIOBORO},
    ]
    body = {"number": number, "transDate": "02/03/2026", "vendorNo": "V.00001", "detailItem": lines}
    return world.books.save("receive-item", body)


def stock(world: RealCommerce, sku: str, outlet: str) -> Decimal:
    (product,) = (one for one in world.shop.products.values() if one.sku == sku)
    return world.shop.stock[(outlet, product.product_id)] - 1000


def unmap(world: RealCommerce, warehouse: str) -> None:
    deciding.set_mappings(world.of, {("warehouse", warehouse): ""}, actor="test")


def hear(world: RealCommerce) -> None:
    world.hear()
    world.work()


def test_a_receipt_that_loses_one_of_two_warehouses_reaches_the_shop_once(receiving: RealCommerce) -> None:
    world = receiving
    unmap(world, MAIN)
    row = receive(world, "RI-1")
    hear(world)
    assert stock(world, "SKU-002", "GI") == 7
    row["detailItem"].pop(0)
    world.books.save("receive-item", {"id": row["id"], "number": "RI-1"})
    hear(world)
    assert stock(world, "SKU-002", "GI") == 7
    deciding.set_mappings(world.of, {("warehouse", MAIN): "KMG"}, actor="test")
    world.work()
    assert stock(world, "SKU-001", "KMG") == 0
    assert [one["status"] for one in world.of_type("goods_receipt")] == ["Success"]


def test_no_part_of_a_receipt_that_was_deleted_reaches_the_shop(receiving: RealCommerce) -> None:
    world = receiving
    unmap(world, MALIOBORO)
    receive(world, "RI-1")
    hear(world)
    world.books.delete("receive-item", "RI-1")
    hear(world)
    deciding.set_mappings(world.of, {("warehouse", MALIOBORO): "GI"}, actor="test")
    world.work()
    assert stock(world, "SKU-002", "GI") == 0
    assert [one["code"] for one in world.of_type("goods_receipt")] == ["source_deleted"]


def test_a_receipt_that_is_kept_under_its_bare_id_is_not_taken_for_another_one(
    engine: Engine, receiving: RealCommerce
) -> None:
    world = receiving
    row = receive(world, "RI-1")
    hear(world)
    with writing(engine) as connection:
        first = (DOCS.c.type == "goods_receipt") & (DOCS.c.lane == MAIN)
        connection.execute(DOCS.update().where(first).values(source_id=str(row["id"])))
    world.books.save("receive-item", {"id": row["id"], "number": "RI-1"})
    hear(world)
    sweep(world.of)
    world.work()
    assert stock(world, "SKU-001", "KMG") == 10
    assert stock(world, "SKU-002", "GI") == 7
    assert [one["status"] for one in world.of_type("goods_receipt")] == ["Success"] * 2
    world.books.delete("receive-item", "RI-1")
    hear(world)
    assert [one["code"] for one in world.of_type("goods_receipt")] == ["source_deleted"] * 2


# what comes back, and what is deleted by hand


def test_a_booked_order_that_is_opened_and_closed_again_is_well_again_and_booked_once(
    world: RealCommerce,
) -> None:
    sold = world.shop.sell(outlet="KMG", customer=None)
    world.sync()
    order = world.shop.orders[sold]
    order.status = "reserved"
    world.shop.touch(sold)
    world.tell(sold)
    world.work()
    assert world.sale_of(sold)["code"] == "source_deleted"
    order.status = "completed"
    world.shop.touch(sold)
    world.tell(sold)
    world.sync()
    assert world.is_all_booked()
    assert world.books.truth.doubled() == []
    assert world.disagreements() == []


@pytest.mark.parametrize("is_arrived", [False, True])
def test_a_transfer_that_is_deleted_by_hand_is_noticed_and_booked_anew_by_a_refresh(
    world: RealCommerce, is_arrived: bool
) -> None:
    product = next(iter(world.shop.products))
    out = world.shop.transfer_out("KMG", "GI", [(product, 4)])
    if is_arrived:
        world.shop.transfer_in(out)
    world.sync()
    hear(world)
    kind, prefix = ("transfer_in", "TI-") if is_arrived else ("transfer_out", "TO-")
    (number,) = (one for one in numbers(world, "item-transfer") if one.startswith(prefix))
    world.books.delete("item-transfer", number)
    hear(world)
    assert world.one(kind)["code"] == "target_deleted"
    deciding.refresh(world.of, None, actor="test")
    world.work()
    assert world.is_all_booked()
    assert number in numbers(world, "item-transfer")


# money that was paid back


def test_money_that_was_paid_back_is_shown_until_a_person_has_booked_it(world: RealCommerce) -> None:
    shop = world.shop
    sold = shop.sell(outlet="KMG", customer=None)
    order = plain(world, sold)
    world.sync()
    order.paid.append(
        Paid(shop.guid(), "refund", "success", "Cash", "cash", Decimal(9000), Decimal(0), shop.moment())
    )
    shop.touch(sold)
    world.sync()
    told = world.one("money_back")
    assert (told["status"], told["code"]) == ("Failed", "money_back")
    assert told["reason"] == (
        "9000 was paid back by Cash; book it by hand where its payment is booked, then waive this one"
    )
    assert status.stuck_ids(world.of) == [told["document"]]
    assert deciding.refresh(world.of, None, actor="test") == 1
    world.work()
    assert world.one("money_back")["code"] == "money_back", "a refresh does not hide it"
    deciding.waive(world.of, told["document"], actor="test")
    world.sync()
    assert world.one("money_back")["status"] == "Success (waived)"


@pytest.mark.parametrize("is_booked", [True, False])
def test_the_money_of_a_void_is_told_only_where_the_sale_was_booked(
    world: RealCommerce, *, is_booked: bool
) -> None:
    sold = world.shop.sell(outlet="KMG", customer=None)
    if is_booked:
        world.sync()
    world.shop.void(sold)
    world.sync()
    found = [one["code"] for one in world.of_type("money_back", shown=("Failed",))]
    assert found == (["money_back"] if is_booked else [])
    assert world.is_all_booked()


# what an order no longer has


def test_a_payment_that_did_not_come_in_the_end_is_told_and_one_that_was_not_booked_is_dropped(
    world: RealCommerce,
) -> None:
    shop = world.shop
    booked, unbooked = (plain(world, shop.sell(outlet="KMG", customer=None)) for _ in range(2))
    world.books.arm(Fault("fails_before", "sales-receipt", "save"))
    collect(world.of)
    unbooked.paid[0].status = "failure"
    shop.touch(unbooked.order_id)
    world.sync()
    booked.paid[0].status = "failure"
    shop.touch(booked.order_id)
    world.sync()
    found = {one["document"]: one["code"] for one in world.of_type("payment", shown=("Failed",))}
    assert list(found.values()) == ["source_deleted"]
    assert world.one("payment", booked.reference)["document"] in found
    assert world.of_type("payment", number=unbooked.reference) == []
    booked.paid[0].status = "success"
    shop.touch(booked.order_id)
    world.sync()
    assert world.one("payment", booked.reference)["status"] == "Success"
    assert len(numbers(world, "sales-receipt")) == 1


def test_a_void_that_the_shop_takes_back_after_it_was_booked_is_told(world: RealCommerce) -> None:
    order = plain(world, world.shop.sell(outlet="KMG", customer=None))
    world.sync()
    world.shop.void(order.order_id)
    world.sync()
    order.status, order.cancelled_at = "completed", None
    del order.paid[1:]
    world.shop.touch(order.order_id)
    world.sync()
    assert world.one("sale_return")["code"] == "source_deleted"
    assert world.one("sale")["status"] == "Success"
