"""Orders and transfers of iSeller as documents: totals, refunds, voids, zones, and what is missing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.commerce.documents import Key, Received
from clientsync.errors import ContractChanged, InvalidInput
from clientsync.http.client import Reply
from clientsync.http.strict_json import parse_json
from connectors.iseller.calling import Refusal, read_answer, rows_of, unwrapped
from connectors.iseller.fields import decimal_text, hours_of, zone_of
from connectors.iseller.options import MAX_PAGE_SIZE, Options
from connectors.iseller.orders import changed_at, documents_of
from connectors.iseller.transfers import transfer_of
from simulators.iseller.rendering import order_row, transfer_row
from simulators.iseller.shop import ANY, START, Shop

HOURS = 7


def row_of(shop: Shop, order_id: str, hours: int = HOURS) -> dict[str, Any]:
    found: dict[str, Any] = parse_json(json.dumps(order_row(shop.orders[order_id], hours)).encode())
    return found


def made(shop: Shop, order_id: str, hours: int = HOURS) -> dict[str, list[Received]]:
    found: dict[str, list[Received]] = {}
    for one in documents_of(row_of(shop, order_id, hours), Options(), hours):
        found.setdefault(one.type, []).append(one)
    return found


def summed(payload: Any) -> Decimal:
    """What a sale comes to by its lines, discounts, tax, charges and rounding."""
    lines = sum(
        Decimal(line["quantity"]) * Decimal(line["unit_price"]) - Decimal(line["discount"])
        for line in payload["lines"]
    )
    charges = sum(Decimal(one["amount"]) for one in payload["charges"])
    tax = Decimal(0) if payload["tax_inclusive"] else Decimal(payload["tax"])
    return lines - Decimal(payload["discount"]) + tax + charges + Decimal(payload["rounding"])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3))
def test_every_sale_adds_up_to_its_total_and_is_not_paid_more(seed: int, edits: int) -> None:
    shop = Shop(seed=seed)
    for number in range(4):
        order_id = shop.sell(channel=ANY, on_account=number == 3)
        for place in range(edits):
            shop.edit_order(order_id, quantity=place + 1)
        if edits == 3:
            shop.refund(order_id)
        documents = made(shop, order_id)
        sale = documents["sale"][0]
        assert summed(sale.payload) == Decimal(sale.payload["total"]) == shop.orders[order_id].total
        assert sum(Decimal(line["tax"]) for line in sale.payload["lines"]) == Decimal(sale.payload["tax"])
        paid = sum(Decimal(one.payload["amount"]) for one in documents.get("payment", []))
        assert paid == (0 if number == 3 else shop.orders[order_id].total)


def test_a_sale_holds_what_is_booked_and_needs_its_customer_and_each_item_once() -> None:
    shop = Shop()
    ids = list(shop.products)
    bare = shop.add_product()
    customer = next(one for one in shop.customers.values() if one.external_id)
    order_id = shop.sell(
        outlet="GI",
        customer=customer.customer_id,
        lines=[(ids[1], 2), (ids[0], 1), (ids[1], 1), (bare, 1)],
    )
    documents, order = made(shop, order_id), shop.orders[order_id]
    sale = documents["sale"][0]
    assert sale.key == Key("sale", order_id)
    assert (sale.number, sale.lane, sale.register) == (order.reference, "GI", order.outlet.register_id)
    assert sale.needs == (
        Key("customer", customer.customer_id),
        Key("item", "SKU-002"),
        Key("item", "SKU-001"),
    )
    assert set(sale.payload) == {
        "reference", "outlet", "register", "customer", "lines", "tax_inclusive", "discount", "charges", "rounding",
        "tax", "total", "paid", "on_account", "status",
    }  # fmt: skip
    assert set(sale.payload["lines"][0]) == {
        "sku", "product_id", "name", "quantity", "unit_price", "discount", "tax", "tax_code", "unit",
    }  # fmt: skip
    assert sale.payload["lines"][3]["sku"] == ""
    assert sale.payload["lines"][3]["name"].startswith("Titipan")
    who = documents["customer"][0]
    assert who.payload["external_id"] == customer.external_id
    assert who.number == who.payload["name"] == f"{customer.first_name} {customer.last_name}"
    assert [one.type for one in documents_of(row_of(shop, order_id), Options(), HOURS)][:2] == [
        "customer",
        "sale",
    ]
    payment = documents["payment"][0]
    assert payment.key == Key("payment", order.paid[0].transaction_id)
    assert payment.needs == (sale.key,)
    assert payment.payload["mdr"] == decimal_text(order.paid[0].fee)
    assert (payment.payload["method"], payment.payload["sale"]) == (order.paid[0].name, order_id)


def test_a_walk_in_needs_no_customer_and_a_channel_stands_for_a_missing_outlet() -> None:
    shop = Shop()
    order_id = shop.sell(customer=None)
    documents = made(shop, order_id)
    assert "customer" not in documents
    assert all(need.type == "item" for need in documents["sale"][0].needs)
    row = {
        **row_of(shop, order_id),
        "outlet_code": None,
        "channel": "marketplace",
        "channel_detail": "shopee",
    }
    sale = next(one for one in documents_of(row, Options(), HOURS) if one.type == "sale")
    assert sale.payload["outlet"] == sale.lane == "shopee"


def test_only_money_that_came_is_a_payment() -> None:
    shop = Shop()
    order_id = shop.sell()
    row = row_of(shop, order_id)
    first = row["transactions"][0]
    others = [
        {**first, "transaction_id": status, "status": status} for status in ("error", "pending", "failure")
    ]
    back = [{**first, "transaction_id": kind, "type": kind} for kind in ("refund", "void")]
    row["transactions"] = [first, *others, *back]
    found = [one for one in documents_of(row, Options(), HOURS) if one.type == "payment"]
    assert [one.source_id for one in found] == [first["transaction_id"]]
    row["transactions"] = [{**first, "type": "barter"}]
    with pytest.raises(ContractChanged, match="transaction of iSeller has a type"):
        documents_of(row, Options(), HOURS)
    row["transactions"] = [{**first, "status": "maybe"}]
    with pytest.raises(ContractChanged, match="transaction of iSeller has a status") as caught:
        documents_of(row, Options(), HOURS)
    assert "maybe" not in str(caught.value)
    settled = Options.of({"paid_statuses": ["maybe"]})
    assert [one.type for one in documents_of(row, settled, HOURS)].count("payment") == 1


def test_money_that_was_paid_back_is_a_document_with_goods_or_without() -> None:
    shop = Shop()
    order_id = shop.sell(on_account=False)
    row = row_of(shop, order_id)
    first = {**row["transactions"][0], "amount": 5000}
    row["transactions"] = [
        first,
        {**first, "transaction_id": "back-1", "type": "refund", "transaction_date": "2026-03-03 10:00:00"},
        {**first, "transaction_id": "back-2", "type": "Void", "amount": -700},
        {**first, "transaction_id": "back-3", "type": "refund", "status": "pending"},
        {**first, "transaction_id": "back-4", "type": "void", "amount": 0},
    ]
    found = [one for one in documents_of(row, Options(), HOURS) if one.type == "money_back"]
    assert [(one.source_id, one.payload["amount"], one.payload["is_void"]) for one in found] == [
        ("back-1", "5000", False),
        ("back-2", "700", True),
    ]
    assert found[0].needs == (Key("sale", order_id),)
    assert found[0].occurred_at == datetime(2026, 3, 3, 3, tzinfo=UTC)
    skipping = Options.of({"money_back": "skip"})
    assert "money_back" not in {one.type for one in documents_of(row, skipping, HOURS)}
    with pytest.raises(InvalidInput, match="tell or skip"):
        Options.of({"money_back": "book"})


@pytest.mark.parametrize("status", ["draft", "reserved"])
def test_what_is_not_yet_a_sale_is_no_document_and_becomes_one(status: str) -> None:
    shop = Shop()
    order_id = shop.sell(status=status)
    assert made(shop, order_id) == {}
    shop.complete(order_id)
    assert made(shop, order_id)["sale"][0].closed_at == shop.now


def test_a_void_order_is_both_a_withdrawn_sale_and_a_return_of_all_of_it() -> None:
    shop = Shop()
    order_id = shop.sell()
    before = made(shop, order_id)
    shop.void(order_id)
    documents, order = made(shop, order_id), shop.orders[order_id]
    sale, back = documents["sale"][0], documents["sale_return"][0]
    assert sale.is_withdrawn
    assert all(one.is_withdrawn for one in documents["payment"])
    assert [one.key for one in documents["payment"]] == [one.key for one in before["payment"]]
    assert sale.hash != before["sale"][0].hash
    assert (back.key, back.needs, back.is_withdrawn) == (
        Key("sale_return", f"{order_id}:void"),
        (sale.key,),
        False,
    )
    assert back.payload["is_void"] is True
    assert Decimal(back.payload["total"]) == order.total
    assert [line["quantity"] for line in back.payload["lines"]] == [
        line["quantity"] for line in sale.payload["lines"]
    ]
    assert back.occurred_at == order.cancelled_at


def test_an_order_that_was_cancelled_counts_as_void() -> None:
    shop = Shop()
    row = {**row_of(shop, shop.sell()), "cancel_date": "2026-03-02 10:00:00"}
    found = documents_of(row, Options(), HOURS)
    assert [one.source_id for one in found if one.type == "sale_return"] == [f"{row['order_id']}:void"]
    assert next(one for one in found if one.type == "sale").is_withdrawn


def test_a_void_order_whose_lines_are_gone_is_a_withdrawn_sale_and_nothing_to_return() -> None:
    shop = Shop()
    order_id = shop.sell()
    shop.void(order_id)
    row = {**row_of(shop, order_id), "order_details": None}
    assert {one.type for one in documents_of(row, Options(), HOURS)} & {"sale", "sale_return"} == {"sale"}


def test_each_refund_is_a_return_of_its_units_that_keeps_its_key() -> None:
    shop = Shop()
    first, second = list(shop.products)[:2]
    order_id = shop.sell(lines=[(first, 3), (second, 2)])
    sold = made(shop, order_id)["sale"][0]
    shop.refund(order_id, units={0: 1})
    one = made(shop, order_id)["sale_return"]
    assert made(shop, order_id)["sale"][0] == sold
    shop.refund(order_id, units={0: 1, 1: 2})
    row = row_of(shop, order_id)
    row["refunded_orders"].reverse()
    found = [each for each in documents_of(row, Options(), HOURS) if each.type == "sale_return"]
    assert [each.key.source_id for each in found] == [f"{order_id}:1", f"{order_id}:2"]
    assert found[0] == one[0]
    assert [line["quantity"] for line in found[1].payload["lines"]] == ["1", "2"]
    assert found[1].payload["lines"][0]["unit_price"] == decimal_text(shop.products[first].price)
    assert Decimal(found[1].payload["total"]) == shop.orders[order_id].refunds[1].amount
    assert not made(shop, order_id)["sale"][0].is_withdrawn
    assert len({each.number for each in found}) == 2


def test_a_void_after_a_refund_returns_only_the_rest() -> None:
    shop = Shop()
    first, second = list(shop.products)[:2]
    order_id = shop.sell(lines=[(first, 3), (second, 2)])
    shop.refund(order_id, units={0: 1, 1: 2})
    shop.void(order_id)
    void = made(shop, order_id)["sale_return"][-1]
    assert [(line["product_id"], line["quantity"]) for line in void.payload["lines"]] == [(first, "2")]
    order = shop.orders[order_id]
    assert Decimal(void.payload["total"]) == order.total - order.refunds[0].amount


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_what_comes_back_piece_by_piece_has_the_discounts_and_taxes_of_what_was_sold(
    seed: int, is_voided: bool
) -> None:
    shop = Shop(seed=seed)
    first, second = list(shop.products)[:2]
    order_id = shop.sell(lines=[(first, 3), (second, 2), (first, 4)])
    for units in ({0: 1}, {2: 2, 1: 1}, {0: 2}, *([] if is_voided else [{1: 1, 2: 2}])):
        shop.refund(order_id, units=units)
    if is_voided:
        shop.void(order_id)
    documents = made(shop, order_id)
    (sale,) = documents["sale"]
    for name in ("quantity", "discount", "tax"):
        assert sum(
            Decimal(line[name]) for one in documents["sale_return"] for line in one.payload["lines"]
        ) == sum(Decimal(line[name]) for line in sale.payload["lines"])
    for one in documents["sale_return"]:
        assert one.payload["tax_inclusive"] == sale.payload["tax_inclusive"]
        assert Decimal(one.payload["tax"]) == sum(Decimal(line["tax"]) for line in one.payload["lines"])
        codes = {line["tax_code"] for line in one.payload["lines"]}
        assert codes <= {line["tax_code"] for line in sale.payload["lines"]}


def test_units_that_come_back_are_those_of_the_line_of_which_just_so_many_are_left() -> None:
    shop = Shop()
    product = next(iter(shop.products))
    order_id = shop.sell(lines=[(product, 2), (product, 3)])
    shop.orders[order_id].lines[1].price = Decimal(50)
    shop.refund(order_id, units={1: 3})
    (back,) = made(shop, order_id)["sale_return"]
    assert [(line["quantity"], line["unit_price"]) for line in back.payload["lines"]] == [("3", "50")]
    row = row_of(shop, order_id)
    row["refunded_orders"][0]["units_returned"][0]["stock"] = 7
    (back,) = [one for one in documents_of(row, Options(), HOURS) if one.type == "sale_return"]
    assert [line["quantity"] for line in back.payload["lines"]] == ["2", "3", "2"]
    assert back.payload["lines"][2]["tax"] == back.payload["lines"][2]["discount"] == "0"


def test_parts_of_a_composite_come_back_as_what_was_sold() -> None:
    shop = Shop()
    order_id = shop.sell()
    shop.refund(order_id)
    row = row_of(shop, order_id)
    row["refunded_orders"][0]["units_returned"] = [{"product_id": "part", "sku": "PART", "stock": 9}]
    back = next(one for one in documents_of(row, Options(), HOURS) if one.type == "sale_return")
    assert back.payload["lines"][0]["product_id"] == row["order_details"][0]["product_id"]
    row["refunded_orders"][0]["refund_details"] = []
    back = next(one for one in documents_of(row, Options(), HOURS) if one.type == "sale_return")
    assert back.payload["lines"] == [
        {"sku": "PART", "product_id": "part", "name": "PART", "quantity": "9", "unit_price": "0"}
    ]


@pytest.mark.parametrize("hours", [-5, 0, 7, 9])
def test_moments_are_the_same_in_whatever_zone_they_were_asked(hours: int) -> None:
    shop = Shop()
    order_id = shop.sell()
    shop.refund(order_id)
    assert made(shop, order_id, hours) == made(shop, order_id, 0)
    sale = made(shop, order_id, hours)["sale"][0]
    assert sale.occurred_at == shop.orders[order_id].sold_at
    assert sale.occurred_at.utcoffset() == timedelta(0)


def test_a_zone_must_be_one_of_whole_hours() -> None:
    from zoneinfo import ZoneInfo

    assert hours_of(ZoneInfo("Asia/Jakarta"), START) == 7
    assert hours_of(ZoneInfo("America/New_York"), START) == -5
    assert zone_of(-5).utcoffset(None) == timedelta(hours=-5)
    with pytest.raises(InvalidInput, match="Asia/Kolkata"):
        hours_of(ZoneInfo("Asia/Kolkata"), START)


def test_a_missing_field_is_named_and_no_value_is_shown() -> None:
    shop = Shop()
    row = row_of(shop, shop.sell(customer=next(iter(shop.customers))))
    for name in ("order_id", "order_reference", "order_date", "status", "total_amount", "order_details"):
        for absent in ({key: value for key, value in row.items() if key != name}, {**row, name: None}):
            with pytest.raises(ContractChanged, match=f"lacks {name}"):
                documents_of(absent, Options(), HOURS)
    for name in ("quantity", "base_price"):
        lines = [{**row["order_details"][0], name: None}]
        with pytest.raises(ContractChanged, match=f"lacks {name}"):
            documents_of({**row, "order_details": lines}, Options(), HOURS)
    for name, value in (("order_date", "yesterday"), ("total_amount", "much"), ("transactions", "none")):
        with pytest.raises(ContractChanged, match=name) as caught:
            documents_of({**row, name: value}, Options(), HOURS)
        assert value not in str(caught.value)
    with pytest.raises(ContractChanged, match="status that is not known"):
        documents_of({**row, "status": "odd"}, Options(), HOURS)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_to_one_field_ends_in_anything_but_documents_or_a_named_refusal(
    data: st.DataObject,
) -> None:
    shop = Shop()
    order_id = shop.sell(customer=next(iter(shop.customers)))
    shop.refund(order_id)
    row = row_of(shop, order_id)
    refund = row["refunded_orders"][0]
    damaged = data.draw(
        st.sampled_from(
            [row, row["order_details"][0], row["transactions"][0], refund, refund["units_returned"][0]]
        )
    )
    damaged[data.draw(st.sampled_from(sorted(damaged)))] = data.draw(
        st.sampled_from(
            [
                None,
                "",
                0,
                True,
                "x",
                [],
                {},
                [1],
                [{}],
                Decimal("1.5"),
                {"a": 1},
                "1e999999",
                "NaN",
                "2026-03-02 10:00:00",
                "0001-01-01 00:00:00",
                "9999-12-31 23:59:59",
                "2026-02-30 10:00:00",
            ]
        )
    )
    row["a_new_field"] = {"of": ["no", "concern"]}
    try:
        documents_of(row, Options(), -5)
        changed_at(row, Options(), -5)
    except ContractChanged as error:
        assert "iSeller" in str(error)


def test_the_first_day_of_all_means_no_moment() -> None:
    shop = Shop()
    row = {
        **row_of(shop, shop.sell()),
        "closed_date": "0001-01-01 00:00:00",
        "cancel_date": "0001-01-01 00:00:00",
    }
    sale = next(one for one in documents_of(row, Options(), HOURS) if one.type == "sale")
    assert sale.closed_at is None


def test_the_same_amounts_written_otherwise_are_the_same_document() -> None:
    shop = Shop()
    row = row_of(shop, shop.sell())
    text = json.dumps(order_row(shop.orders[row["order_id"]], HOURS))
    other = parse_json(text.replace('"total_amount": ', '"total_amount": 0.0 , "x": ').encode())
    other["total_amount"] = Decimal(str(row["total_amount"])).quantize(Decimal("0.0001"))
    assert [one.hash for one in documents_of(other, Options(), HOURS)] == [
        one.hash for one in documents_of(row, Options(), HOURS)
    ]
    assert decimal_text(Decimal("1E+3")) == "1000"
    assert decimal_text(Decimal("-0.50")) == "-0.5"
    assert decimal_text(Decimal("0.00")) == "0"


def test_an_order_that_does_not_tell_its_change_was_not_changed_before_the_latest_moment_in_it() -> None:
    shop = Shop()
    order_id = shop.sell()
    assert changed_at(row_of(shop, order_id), Options(), HOURS) == shop.orders[order_id].sold_at
    shop.refund(order_id, at=START + timedelta(days=3))
    assert changed_at(row_of(shop, order_id), Options(), HOURS) == START + timedelta(days=3)
    told = {**row_of(shop, order_id), "modified_date": "2026-04-01 07:00:00"}
    assert changed_at(told, Options(), HOURS) == datetime(2026, 4, 1, tzinfo=UTC)


# --- transfers ---------------------------------------------------------------------------------------------


def moved(shop: Shop, transfer_id: str, **options: Any) -> Received | None:
    row = parse_json(json.dumps(transfer_row(shop.transfers[transfer_id], HOURS)).encode())
    return transfer_of(row, Options.of(options), HOURS)


def test_goods_that_leave_and_arrive_are_two_documents_and_the_second_needs_the_first() -> None:
    shop = Shop()
    first, bare = next(iter(shop.products)), shop.add_product()
    out_id = shop.transfer_out("KMG", "GI", [(first, 5), (bare, 1)])
    in_id = shop.transfer_in(out_id, quantities=[4, 1])
    out, into = moved(shop, out_id), moved(shop, in_id)
    assert out is not None
    assert into is not None
    assert (out.key, out.lane, out.needs) == (
        Key("transfer_out", out_id),
        "KMG",
        (Key("item", "SKU-001"),),
    )
    assert (into.key, into.lane) == (Key("transfer_in", in_id), "GI")
    assert into.needs == (Key("transfer_out", out_id), Key("item", "SKU-001"))
    assert (out.payload["outlet"], out.payload["other_outlet"]) == ("KMG", "GI")
    assert (into.payload["outlet"], into.payload["other_outlet"]) == ("GI", "KMG")
    assert into.payload["transfer_out"] == out_id
    assert [line["quantity"] for line in into.payload["lines"]] == ["4", "1"]
    assert out.number.startswith("TO-")


@pytest.mark.parametrize("action", ["Opname", "Adjustment"])
def test_what_was_counted_is_a_stock_count(action: str) -> None:
    shop = Shop()
    first = next(iter(shop.products))
    found = moved(shop, shop.opname("KMG", [(first, 990)], action=action))
    assert found is not None
    assert (found.type, found.lane) == ("stock_count", "KMG")
    line = found.payload["lines"][0]
    assert (line["counted"], line["quantity"]) == ("990", "-10")


def test_an_adjustment_that_does_not_say_what_was_counted_is_refused_or_booked_by_hand() -> None:
    shop = Shop()
    transfer_id = shop.opname("KMG", [(next(iter(shop.products)), 990)], action="Adjustment")
    shop.transfers[transfer_id].lines = [(*one[:3], None) for one in shop.transfers[transfer_id].lines]
    with pytest.raises(ContractChanged, match="lacks counted_quantity"):
        moved(shop, transfer_id)
    assert moved(shop, transfer_id, adjustments="skip") is None


def test_goods_that_came_from_the_accounting_or_from_a_supplier_are_not_sent_back() -> None:
    shop = Shop()
    line = [(next(iter(shop.products.values())), Decimal(1))]
    ours = moved(shop, shop.receive("KMG", "RI-1", line, tags=["clientsync"]))
    assert ours is not None
    assert ours.is_ours
    assert moved(shop, shop.receive("KMG", "by hand", line, supplier="CV Maju")) is None


def test_a_transfer_in_that_does_not_name_its_transfer_out_is_refused() -> None:
    shop = Shop()
    in_id = shop.transfer_in(shop.transfer_out("KMG", "GI"))
    shop.transfers[in_id].out_id = ""
    with pytest.raises(ContractChanged, match="lacks transfer_out_id"):
        moved(shop, in_id)


def test_names_of_fields_of_a_transfer_are_an_option() -> None:
    shop = Shop()
    row = transfer_row(shop.transfers[shop.transfer_out("KMG", "GI")], HOURS)
    row["Id"], row["Kind"] = row.pop("transfer_id"), row.pop("action")
    found = transfer_of(row, Options.of({"transfer_fields": {"transfer_id": "Id", "action": "Kind"}}), HOURS)
    assert found is not None
    assert found.source_id == row["Id"]
    with pytest.raises(ContractChanged, match="unknown action"):
        transfer_of(row, Options(), HOURS)


# --- options and wrappers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_options", "words"),
    [
        ({"pagesize": 1}, r"no option pagesize\. Valid: adjustments, .*page_size"),
        ({"page_size": 0}, "page_size must be between"),
        ({"page_size": MAX_PAGE_SIZE + 1}, "page_size must be between"),
        ({"page_size": "200"}, "of the kind int"),
        ({"sends_created_after": 1}, "of the kind bool"),
        ({"adjustments": "guess"}, "count or skip"),
        ({"created_after_floor": "2020"}, "must look like"),
        ({"paid_statuses": "success"}, "list of texts"),
        ({"transfer_fields": {"id": "x"}}, "unknown names id"),
        ({"transfer_fields": {"sku": ""}}, "must map"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_with_what_could_be(given_options: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Options.of(given_options)


@pytest.mark.parametrize("name", ["orders", "Orders", "ORDERS"])
@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: [body], lambda body: [[body]]])
def test_wrappers_are_read_whatever_their_case_and_however_often_they_are_wrapped(
    name: str, wrap: Any
) -> None:
    some: tuple[Any, ...] = ([{"a": 1}], [[{"a": 1}]], {"a": 1})
    for rows in some:
        assert rows_of(unwrapped(wrap({name: rows})), "GetOrders", ("orders",)) == [{"a": 1}]
    none: tuple[Any, ...] = ([], [[]], None)
    for rows in none:
        assert rows_of(unwrapped(wrap({name: rows})), "GetOrders", ("orders",)) == []
    assert rows_of({"RegisterShifts": []}, "GetRegisterShifts", ("register_shifts",)) == []


def test_a_list_that_is_not_there_is_no_empty_list_unless_the_shop_says_so() -> None:
    assert rows_of({"count": 0}, "GetOrders", ("orders",)) == []
    for answer in ({}, {"count": 3}, {"orders": "none"}, {"orders": [1]}):
        with pytest.raises(ContractChanged, match="GetOrders"):
            rows_of(answer, "GetOrders", ("orders",))
    others: tuple[Any, ...] = ([], [1], "x", None, [{}, {}])
    for body in others:
        with pytest.raises(ContractChanged, match="not an object"):
            unwrapped(body)


@pytest.mark.parametrize("name", ["error_message", "erroe_message"])
def test_no_is_an_error_with_the_words_of_the_shop_however_it_spells_them(name: str) -> None:
    for status in (False, "false"):
        with pytest.raises(Refusal, match="refused GetOrders: not today") as caught:
            read_answer(
                Reply(200, {}, json.dumps([{"status": status, name: "not today"}]).encode()), "GetOrders"
            )
        assert caught.value.text == "not today"
