"""Documents of the shop as bodies of Accurate: numbers, warehouses, totals, and everything that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.commerce.documents import Booked, Document, Key
from clientsync.commerce.systems import Job, Mappings
from clientsync.errors import BookingRefused, ContractChanged, InvalidInput
from connectors.accurate.mapping import Draft, compose, summed, warehouses_of
from connectors.accurate.masters import is_same_customer
from connectors.accurate.numbers import number_of, outlet_in
from connectors.accurate.options import Options
from connectors.accurate.replacing import is_same, upserting
from connectors.accurate.values import amount, plain, wire

ZONE = ZoneInfo("Asia/Jakarta")
AT = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)  # the 28th in Jakarta
MAPS = {
    ("outlet", "MLB"): "Toko Malioboro",
    ("outlet", "KLU"): "Toko Kaliurang|Cabang Kaliurang",
    ("payment", "Tunai"): "1101",
    ("tax", "11"): "PPN 11%",
    ("charge", "shipping"): "4202",
    ("charge", "rounding"): "6901",
}
LINE = {"sku": "KOPI-1", "product_id": "p1", "name": "Kopi Tubruk", "quantity": "2", "unit_price": "15000"}
SALE: Mapping[str, Any] = {
    "reference": "#3340-10001",
    "outlet": "MLB",
    "customer": "",
    "lines": [{**LINE, "discount": "1000", "tax": "0"}],
    "discount": "500",
    "charges": [{"name": "shipping", "amount": "9000"}],
    "rounding": "-0.5",
    "tax": "0",
    "tax_inclusive": False,
    "total": "37499.5",
}


def job(
    kind: str,
    payload: Mapping[str, Any],
    needs: Mapping[Key, Booked] | None = None,
    maps: Mapping[tuple[str, str], str] | None = None,
    source_id: str = "4f1c-9a8b7c6d",
    number: str = "12",
) -> Job:
    document = Document(1, kind, source_id, number, AT, payload, needs=needs or {})
    return Job(document, Mappings(MAPS if maps is None else maps))


def drafted(one: Job, options: Options | None = None) -> Draft:
    return compose(one, options or Options(), ZONE)


def test_a_sale_becomes_an_invoice_of_the_local_day_with_our_number_and_mark() -> None:
    draft = drafted(job("sale", SALE))
    assert draft.number == draft.body["number"] == "IS-MLB-3340-10001"
    assert draft.total == "37499.5"
    assert draft.body["transDate"] == "28/11/2026"
    assert draft.body["customerNo"] == "CASH"
    assert draft.body["charField1"] == "4f1c-9a8b7c6d"
    assert draft.body["cashDiscount"] == 500
    assert draft.body["detailItem"] == [
        {
            "itemNo": "KOPI-1",
            "detailName": "Kopi Tubruk",
            "quantity": 2,
            "unitPrice": 15000,
            "itemCashDiscount": 1000,
            "warehouseName": "Toko Malioboro",
            "useTax1": False,
        }
    ]
    assert [(one["accountNo"], one["expenseAmount"]) for one in draft.body["detailExpense"]] == [
        ("4202", 9000),
        ("6901", -0.5),
    ]


def test_the_branch_of_an_outlet_is_sent_when_one_is_mapped() -> None:
    body = drafted(job("sale", {**SALE, "outlet": "KLU"})).body
    assert body["branchName"] == "Cabang Kaliurang"
    assert body["detailItem"][0]["warehouseName"] == "Toko Kaliurang"
    assert "branchName" not in drafted(job("sale", SALE)).body


def test_a_taxed_line_names_the_mapped_tax_and_the_amount_that_the_shop_took() -> None:
    lines = [{**LINE, "tax": "3300", "tax_code": "11"}]
    body = drafted(
        job("sale", {**SALE, "lines": lines, "tax": "3300", "total": "41799.5"}),
    ).body
    assert body["taxable"] is True
    assert {name: body["detailItem"][0][name] for name in ("useTax1", "tax1Name", "taxAmount")} == {
        "useTax1": True,
        "tax1Name": "PPN 11%",
        "taxAmount": 3300,
    }


def test_everything_that_a_document_needs_is_asked_before_the_first_gap_refuses_it() -> None:
    lines = [{**LINE, "sku": "", "tax": "1", "tax_code": "11", "unit": "Dus"}]
    one = job("sale", {**SALE, "lines": lines}, maps={})
    with pytest.raises(BookingRefused) as refused:
        drafted(one)
    assert (refused.value.reason_code, refused.value.message) == ("no_mapping", "no outlet mapping for MLB")
    assert set(one.mappings.asked) == {
        ("outlet", "MLB"),
        ("sku", "p1"),
        ("unit", "Dus"),
        ("tax", "11"),
        ("charge", "shipping"),
        ("charge", "rounding"),
    }


def test_a_line_without_a_sku_takes_the_known_one_of_its_product_and_else_names_the_product() -> None:
    payload = {**SALE, "lines": [{**LINE, "sku": "", "discount": "1000"}]}
    with pytest.raises(BookingRefused, match="product 'Kopi Tubruk' has no SKU"):
        drafted(job("sale", payload))
    maps = {**MAPS, ("sku", "p1"): "KOPI-1", ("item", "KOPI-1"): "100200"}
    assert drafted(job("sale", payload, maps=maps)).body["detailItem"][0]["itemNo"] == "100200"


def test_a_sale_that_does_not_add_up_is_not_sent_and_both_figures_are_named() -> None:
    with pytest.raises(BookingRefused) as refused:
        drafted(job("sale", {**SALE, "total": "37500"}))
    assert refused.value.reason_code == "totals_do_not_add_up"
    assert "37499.5, the total is 37500" in refused.value.message


def test_an_amount_that_is_no_number_refuses_the_document_and_nothing_is_guessed() -> None:
    with pytest.raises(BookingRefused, match="not a number"):
        drafted(job("sale", {**SALE, "discount": "lots"}))


money = st.decimals(Decimal("0"), Decimal("99999999"), places=6)
lines_of = st.lists(
    st.fixed_dictionaries(
        {
            "quantity": st.decimals(Decimal("0.001"), 999, places=3).map(str),
            "unit_price": money.map(str),
            "discount": money.map(str),
        }
    ),
    max_size=6,
)


@given(lines_of, money, money, st.lists(money, max_size=3), st.decimals(-99, 99, places=2), st.booleans())
def test_totals_are_compared_to_the_last_digit_whatever_the_parts(
    lines: list[dict[str, str]],
    discount: Decimal,
    tax: Decimal,
    charges: list[Decimal],
    rounding: Decimal,
    is_inclusive: bool,
) -> None:
    payload = {
        "lines": lines,
        "discount": str(discount),
        "tax": str(tax),
        "tax_inclusive": is_inclusive,
        "charges": [{"name": "c", "amount": str(one)} for one in charges],
        "rounding": str(rounding),
    }
    expected = -discount + rounding + sum(charges, Decimal(0)) + (Decimal(0) if is_inclusive else tax)
    for line in lines:
        expected += Decimal(line["quantity"]) * Decimal(line["unit_price"]) - Decimal(line["discount"])
    assert summed(payload) == expected
    assert summed({**payload, "rounding": str(rounding + Decimal("0.000001"))}) != expected


@given(st.decimals(Decimal("-999000000000"), Decimal("999000000000"), places=6))
def test_a_number_goes_over_the_wire_without_losing_a_digit(value: Decimal) -> None:
    sent = wire(value)
    assert Decimal(sent if isinstance(sent, str) else repr(sent)) == value
    assert amount(plain(value)) == value
    assert "e" not in plain(value).lower()


def test_what_is_not_a_finite_number_is_no_amount() -> None:
    for bad in ("NaN", "Infinity", "1,5", True):
        with pytest.raises(ContractChanged):
            amount(bad)
    assert amount("") == amount(None) == 0


def test_goods_leave_the_warehouse_that_is_named_first_and_arrive_in_it() -> None:
    assert warehouses_of("TRANSFER_OUT", "source", "destination") == ("source", "destination")
    assert warehouses_of("TRANSFER_IN", "source", "destination") == ("destination", "source")


def test_the_two_halves_of_a_transfer_name_the_same_way_from_both_ends() -> None:
    out = drafted(job("transfer_out", {"outlet": "MLB", "other_outlet": "KLU", "lines": [LINE]})).body
    needs = {Key("transfer_out", "t1"): Booked("7", "TO-12-00000001")}
    arrived = {"outlet": "KLU", "other_outlet": "MLB", "lines": [LINE], "transfer_out": "t1"}
    back = drafted(job("transfer_in", arrived, needs)).body
    assert (out["warehouseName"], out["referenceWarehouseName"]) == ("Toko Malioboro", "Toko Kaliurang")
    assert (back["warehouseName"], back["referenceWarehouseName"]) == ("Toko Kaliurang", "Toko Malioboro")
    assert back["fromItemTransferNo"] == "TO-12-00000001"
    assert "fromItemTransferNo" not in out


def test_a_transfer_in_whose_transfer_out_was_waived_without_a_number_says_so() -> None:
    payload = {"outlet": "KLU", "other_outlet": "MLB", "lines": [LINE], "transfer_out": "t1"}
    with pytest.raises(BookingRefused, match="its transfer-out has no number in Accurate"):
        drafted(job("transfer_in", payload, {Key("transfer_out", "t1"): Booked("", "")}))


def test_a_payment_goes_to_the_bank_of_its_method_and_pays_the_booked_sale() -> None:
    payload = {
        "sale": "s1",
        "reference": "#3340-10001",
        "outlet": "MLB",
        "method": "Tunai",
        "amount": "37499.5",
        "customer": "",
    }
    draft = drafted(job("payment", payload, {Key("sale", "s1"): Booked("9", "IS-MLB-3340-10001")}))
    assert draft.number == "IR-MLB-3340-10001-9a8b7c6d"
    assert draft.body["bankNo"] == "1101"
    assert draft.body["detailInvoice"] == [{"invoiceNo": "IS-MLB-3340-10001", "paymentAmount": 37499.5}]
    waived = drafted(job("payment", payload))
    assert waived.body["detailInvoice"][0]["invoiceNo"] == "IS-MLB-3340-10001"
    assert drafted(job("payment", {**payload, "customer": "c1"})).body["customerNo"] is None


@pytest.mark.parametrize(
    ("total", "discount", "expense"), [("30000", 0, None), ("28000", 2000, None), ("33300", 0, 3300)]
)
def test_a_return_pays_back_what_the_shop_paid_back_whatever_its_lines_make(
    total: str, discount: int, expense: int | None
) -> None:
    payload = {
        "sale": "s1",
        "reference": "#7",
        "outlet": "MLB",
        "customer": "",
        "lines": [LINE],
        "total": total,
    }
    maps = {**MAPS, ("charge", "return"): "4201"}
    draft = drafted(job("sale_return", payload, {Key("sale", "s1"): Booked("9", "IS-MLB-7")}, maps))
    assert draft.number == "IRT-MLB-7-9a8b7c6d"
    assert draft.body["invoiceNumber"] == "IS-MLB-7"
    assert draft.body["cashDiscount"] == discount
    assert [one["expenseAmount"] for one in draft.body["detailExpense"]] == ([expense] if expense else [])


@pytest.mark.parametrize(
    ("total", "is_taken"), [("50000", True), ("50000.00", True), ("", True), ("49999.99", False)]
)
def test_a_payment_of_more_than_its_sale_is_refused(total: str, is_taken: bool) -> None:
    payload = {
        "sale": "s1",
        "reference": "#7",
        "outlet": "MLB",
        "customer": "",
        "method": "Tunai",
        "amount": "50000",
    }
    one = job("payment", payload, {Key("sale", "s1"): Booked("9", "IS-MLB-7", total)})
    if is_taken:
        assert drafted(one).body["chequeAmount"] == 50000
        return
    with pytest.raises(BookingRefused, match=r"payment of 50000 is more than its sale, 49999\.99"):
        drafted(one)


def test_a_count_sets_each_item_to_what_was_counted() -> None:
    payload = {"outlet": "MLB", "lines": [{**LINE, "counted": "8.5"}]}
    draft = drafted(job("stock_count", payload), Options(adjustment_account="6902"))
    assert (draft.module, draft.action) == ("item-adjustment", "save-target-quantity")
    assert draft.body["adjustmentAccountNo"] == "6902"
    assert draft.body["detail"] == [
        {"itemNo": "KOPI-1", "targetQuantity": 8.5, "warehouseName": "Toko Malioboro"}
    ]


def test_what_was_counted_of_one_item_on_several_lines_is_one_sum() -> None:
    twin = {**LINE, "sku": "KOPI-1-OLD", "counted": "2"}
    payload = {"outlet": "MLB", "lines": [{**LINE, "counted": "3"}, twin, {**LINE, "counted": "0.5"}]}
    draft = drafted(job("stock_count", payload, maps={**MAPS, ("item", "KOPI-1-OLD"): "KOPI-1"}))
    assert draft.body["detail"] == [
        {"itemNo": "KOPI-1", "targetQuantity": 5.5, "warehouseName": "Toko Malioboro"}
    ]


def test_a_document_that_accurate_does_not_book_is_refused_by_its_type() -> None:
    with pytest.raises(InvalidInput, match="goods_receipt"):
        drafted(job("goods_receipt", {}))


def test_numbers_of_different_documents_differ_and_depend_on_nothing_that_can_be_set() -> None:
    payload = {"reference": "#1", "outlet": "MLB"}
    pairs = [
        (kind, source)
        for kind in ("payment", "sale_return", "transfer_out", "transfer_in", "stock_count")
        for source in ("a-00000001", "a-00000002")
    ]
    numbers = {number_of(Document(1, kind, source, "5", AT, payload)) for kind, source in pairs}
    assert len(numbers) == len(pairs)
    assert number_of(Document(1, "transfer_out", "a-00000001", "TO-5", AT, {})) == "TO-5-00000001"
    assert [outlet_in(one) for one in ("IS-MLB-3-4", "IRT-KLU-3", "SI.2026")] == ["MLB", "KLU", ""]


def test_what_is_booked_keeps_its_number_and_what_is_not_has_that_of_its_first_outlet() -> None:
    moved = {"reference": "#1", "outlet": "MLB2", "number_outlet": "MLB"}
    booked = Booked("5", "IS-OLD-1")
    assert number_of(Document(1, "sale", "s", "#1", AT, moved)) == "IS-MLB-1"
    assert number_of(Document(1, "payment", "p", "#1", AT, moved)) == "IR-MLB-1-p"
    assert number_of(Document(1, "sale_return", "r", "#1", AT, moved)) == "IRT-MLB-1-r"
    assert number_of(Document(1, "sale", "s", "#1", AT, moved, booked=booked)) == "IS-OLD-1"
    assert number_of(Document(1, "sale", "s", "#1", AT, moved, booked=Booked("5", ""))) == "IS-MLB-1"
    assert number_of(Document(1, "customer", "c", "C", AT, {}, booked=Booked("5", "C.1"))) == ""


def test_a_customer_is_the_same_when_name_or_phone_is_and_else_somebody_else() -> None:
    there = {"name": "Siti  Rahma", "mobilePhone": "+62 812-3456"}
    assert is_same_customer({"name": "siti rahma", "phone": "0899"}, there)
    assert is_same_customer({"name": "S. Rahma", "phone": "08123456"}, there)
    assert not is_same_customer({"name": "Budi", "phone": "0899"}, there)
    assert not is_same_customer({"name": "", "phone": ""}, {"name": "", "mobilePhone": ""})


TAXED: Mapping[str, Any] = {
    **SALE,
    "outlet": "KLU",
    "lines": [{**LINE, "discount": "1000", "tax": "3300", "tax_code": "11", "unit": "Dus"}],
    "tax": "3300",
    "tax_inclusive": True,
}


def told(draft: Draft) -> dict[str, Any]:
    """What Accurate tells of an invoice that was saved with a draft."""
    body = draft.body
    lines = [
        {
            **{name: value for name, value in line.items() if not name.endswith(("Name", "No"))},
            "id": 51 + at,
            "item": {"no": line["itemNo"]},
            "warehouse": {"name": line["warehouseName"]},
            "itemUnit": {"name": line["itemUnitName"]},
            "tax1": {"name": line["tax1Name"]},
        }
        for at, line in enumerate(body["detailItem"])
    ]
    expenses = [
        {"id": 61 + at, "account": {"no": one["accountNo"]}, "expenseAmount": one["expenseAmount"]}
        for at, one in enumerate(body["detailExpense"])
    ]
    head = {name: body[name] for name in ("transDate", "taxable", "inclusiveTax", "cashDiscount")}
    return {
        **head,
        "id": 5,
        "totalAmount": Decimal(draft.total),
        "branch": {"name": body["branchName"]},
        "detailItem": lines,
        "detailExpense": expenses,
    }


def taxed() -> Draft:
    return drafted(job("sale", TAXED, maps={**MAPS, ("unit", "Dus"): "DUS"}))


def test_a_changed_sale_is_saved_over_unless_a_line_would_be_left_behind() -> None:
    draft = taxed()
    detail = told(draft)
    assert is_same(draft, detail)
    body = upserting(draft, detail)
    assert body is not None
    assert (body["id"], body["detailItem"][0]["id"]) == (5, 51)
    more = [*detail["detailItem"], {"id": 60, "item": {"no": "TEH-1"}, "quantity": 1}]
    assert upserting(draft, {**detail, "detailItem": more}) is None
    assert not is_same(draft, {**detail, "detailItem": more})


@pytest.mark.parametrize(
    "head",
    [
        {"totalAmount": 1},
        {"transDate": "27/11/2026"},
        {"transDate": None},
        {"taxable": False},
        {"inclusiveTax": False},
        {"cashDiscount": 501},
        {"branch": {"name": "Kantor Pusat"}},
    ],
)
def test_a_booked_sale_of_another_day_tax_or_discount_is_not_the_same(head: dict[str, Any]) -> None:
    assert not is_same(taxed(), {**told(taxed()), **head})


@pytest.mark.parametrize(
    "line",
    [
        {"quantity": 3},
        {"unitPrice": 1},
        {"itemCashDiscount": 0},
        {"warehouse": {"name": "Toko Malioboro"}},
        {"itemUnit": {"name": "PCS"}},
        {"useTax1": False},
        {"tax1": {"name": "PPN 12%"}},
        {"taxAmount": 3299},
    ],
)
def test_a_booked_line_of_another_warehouse_unit_or_tax_is_not_the_same(line: dict[str, Any]) -> None:
    detail = told(taxed())
    assert not is_same(taxed(), {**detail, "detailItem": [{**detail["detailItem"][0], **line}]})


@pytest.mark.parametrize("name", ["tax1", "taxAmount"])
def test_what_accurate_does_not_tell_of_a_tax_is_no_difference(name: str) -> None:
    detail = told(taxed())
    assert is_same(taxed(), {**detail, "detailItem": [{**detail["detailItem"][0], name: None}]})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pagesize": 5}, "Valid: walk_in_customer, item_category"),
        ({"page_size": 500}, "from 1 to 100"),
        ({"language": "FR"}, "ID, US"),
        ({"field_for_source": "number"}, "charField1"),
        ({"create_items": "yes"}, "true or false"),
        ({"allowed_ips": ["nowhere"]}, "no address"),
        ({"inbound": "both"}, "receive_item"),
    ],
)
def test_an_option_that_is_unknown_or_cannot_be_used_is_refused_with_what_can(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        Options.of(given)
