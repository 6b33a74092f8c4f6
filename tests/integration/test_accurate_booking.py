"""Documents booked in the simulated Accurate over real sockets: each once, found again, replaced, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clientsync.commerce.documents import Booked, Document, Key
from clientsync.commerce.systems import Accounting, BookedTotal, Job, Mappings, Opening
from clientsync.errors import (
    BookingRefused,
    NotConnected,
    RateLimited,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    TruncatedResponse,
)
from clientsync.http.addresses import AllowList
from clientsync.http.bodies import Limits
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import HttpClient
from clientsync.http.retrying import RetryPolicy
from connectors.accurate import Accurate, open_accounting
from simulators.accurate import Books, Fault
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN
from simulators.http import Served
from tests.support.commerce_real import Memory

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
AT = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
MAPS = {
    ("outlet", "MLB"): "Toko Malioboro|Kantor Pusat",
    ("outlet", "KLU"): "Toko Kaliurang",
    ("payment", "Tunai"): "1101",
    ("tax", "11"): "PPN 11%",
    ("charge", "shipping"): "4202",
}
KOPI = {"sku": "KOPI-1", "product_id": "p1", "name": "Kopi Tubruk", "quantity": "2", "unit_price": "15000.25"}
TEH = {"sku": "TEH-1", "product_id": "p2", "name": "Teh Poci", "quantity": "1", "unit_price": "8000"}


@dataclass
class World:
    """Books behind a socket, and the accounting that speaks with them."""

    books: Books
    accounting: Accounting
    opening: Opening

    def again(self, **options: Any) -> Accurate:
        """Return the accounting as another process opens it, with other options."""
        return open_accounting(replace(self.opening, options=options))


@pytest.fixture
def world() -> Iterator[World]:
    books = Books()
    books.put_items("KOPI-1", "TEH-1")
    with Served(books.answer) as served:
        client = HttpClient(
            base_url=served.url,
            allowed=AllowList((served.url,), allow_loopback=True),
            budget=LocalBudget(Pace(60_000)),
            limits=Limits(deadline_seconds=0.6),
            policy=RetryPolicy(retries=2, base_seconds=0.01),
        )
        opening = Opening(
            client,
            "accurate",
            {"token": TOKEN, "signature_secret": SIGNATURE_SECRET},
            {},
            Memory(),
            ZoneInfo("Asia/Jakarta"),
        )
        with client:
            yield World(books, open_accounting(opening), opening)


def job(
    kind: str,
    source_id: str,
    payload: Mapping[str, Any],
    needs: Mapping[Key, Booked] | None = None,
    *,
    by_id: bool = False,
    number: str = "12",
    **more: Any,
) -> Job:
    document = Document(1, kind, source_id, number, AT, payload, needs=needs or {}, **more)
    return Job(document, Mappings(MAPS), by_id)


def sale(*lines: Mapping[str, Any], reference: str = "#3340-1", total: str, **more: Any) -> dict[str, Any]:
    return {
        "reference": reference,
        "outlet": "MLB",
        "customer": "",
        "lines": list(lines),
        "discount": "0",
        "charges": [],
        "rounding": "0",
        "tax": "0",
        "tax_inclusive": False,
        "total": total,
        **more,
    }


def payment(amount: str, reference: str = "#3340-1", **more: Any) -> dict[str, Any]:
    return {
        "sale": "s1",
        "reference": reference,
        "outlet": "MLB",
        "method": "Tunai",
        "amount": amount,
        "customer": "",
        **more,
    }


ONE = sale(KOPI, total="30000.5")


def test_a_sale_is_booked_once_with_its_exact_total_and_found_again(world: World) -> None:
    first = job("sale", "s1", ONE)
    assert world.accounting.find(first) is None
    booked = world.accounting.send(first)
    assert (booked.number, booked.total) == ("IS-MLB-3340-1", "30000.5")
    assert world.accounting.find(job("sale", "s1", ONE)) == booked
    row = world.books.row("sales-invoice", booked.number)
    assert row is not None
    assert (row["totalAmount"], row["charField1"], row["transDate"]) == (30000.5, "s1", "28/11/2026")
    assert world.books.stock.on_hand("Toko Malioboro", "KOPI-1") == -2
    assert len(world.books.truth.live("sales-invoice")) == 1


def test_every_call_is_noted_with_its_answer_and_without_a_secret(world: World) -> None:
    one = job("sale", "s1", ONE)
    world.accounting.find(one)
    world.accounting.send(one)
    assert [call.status for call in one.calls] == [200, 200]
    assert one.calls[0].request.startswith("GET /accurate/api/sales-invoice/list.do?fields=id,number,")
    assert one.calls[1].request.startswith(
        'POST /accurate/api/sales-invoice/save.do {"number":"IS-MLB-3340-1"'
    )
    assert '"totalAmount":30000.5' in one.calls[1].response
    shown = repr(one.calls) + repr(world.opening)
    assert TOKEN not in shown and SIGNATURE_SECRET not in shown


def test_a_sale_with_taxes_discounts_and_charges_is_booked_with_the_total_of_the_shop(world: World) -> None:
    line = {**KOPI, "discount": "0.5", "tax": "3300.01", "tax_code": "11"}
    payload = sale(
        line,
        TEH,
        tax="3300.01",
        discount="1000",
        charges=[{"name": "shipping", "amount": "9000"}],
        total="49300.01",
    )
    assert world.accounting.send(job("sale", "s2", payload)).total == "49300.01"


def test_a_sale_that_accurate_totals_otherwise_is_shown_with_both_totals_and_never_booked_twice(
    world: World,
) -> None:
    world.books.settings.reads_tax_amount = False
    payload = sale({**TEH, "tax": "900", "tax_code": "11"}, tax="900", total="8900")
    for _ in range(2):
        with pytest.raises(BookingRefused, match=r"8900 in the shop and 8880 in the accounting") as refused:
            world.accounting.send(job("sale", "s3", payload))
        assert refused.value.reason_code == "totals_differ"
    assert len(world.books.truth.live("sales-invoice")) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("late", "sales-invoice", "save", seconds=2.0), SourceTimeout),
        (Fault("lost", "sales-invoice", "save"), TruncatedResponse),
        (Fault("fails_after", "sales-invoice", "save"), SourceUnavailable),
    ],
)
def test_a_sale_whose_answer_was_lost_is_found_and_not_booked_again(
    world: World, fault: Fault, error: type[SourceError]
) -> None:
    world.books.arm(fault)
    with pytest.raises(error) as raised:
        world.accounting.send(job("sale", "s1", ONE))
    assert not isinstance(raised.value, NotConnected | RateLimited)
    found = world.accounting.find(job("sale", "s1", ONE))
    assert found is not None and found.total == "30000.5"
    assert world.accounting.send(job("sale", "s1", ONE)) == found
    assert world.books.truth.doubled() == []


def test_a_failure_before_booking_leaves_nothing_behind(world: World) -> None:
    world.books.arm(Fault("fails_before", "sales-invoice", "save", status=502))
    one = job("sale", "s1", ONE)
    with pytest.raises(SourceUnavailable):
        world.accounting.send(one)
    assert one.calls[-1].status == 502
    assert world.accounting.find(one) is None
    assert world.books.truth.booked == []


def test_questions_are_asked_again_and_changes_are_not(world: World) -> None:
    world.books.arm(Fault("fails_before", "sales-invoice", "list", times=2))
    one = job("sale", "s1", ONE)
    assert world.accounting.find(one) is None
    assert len(one.calls) == 3
    world.books.arm(Fault("fails_before", "sales-invoice", "save", times=5))
    with pytest.raises(SourceUnavailable):
        world.accounting.send(one)
    assert len(one.calls) == 4


def test_a_refusal_with_status_200_fails_the_document_in_accurates_own_words(world: World) -> None:
    payload = sale({**KOPI, "sku": "NONE"}, total="30000.5")
    with pytest.raises(BookingRefused, match='Barang & Jasa "NONE" tidak tepat') as refused:
        world.accounting.send(job("sale", "s1", payload))
    assert refused.value.reason_code == "target_rejected"
    assert world.books.count("sales-invoice") == 0


@pytest.mark.parametrize("language", ["ID", "US"])
def test_a_closed_period_is_named_in_either_language(world: World, language: str) -> None:
    world.books.settings.closed_until = date(2026, 11, 30)
    with pytest.raises(BookingRefused) as refused:
        world.again(language=language).send(job("sale", "s1", ONE))
    assert refused.value.reason_code == "period_closed"


def test_a_number_that_belongs_to_another_document_is_never_taken_for_ours(world: World) -> None:
    world.accounting.send(job("sale", "s1", ONE))
    with pytest.raises(BookingRefused, match="belongs to another document"):
        world.accounting.find(job("sale", "s2", ONE))
    with pytest.raises(BookingRefused):
        world.accounting.send(job("sale", "s2", ONE))


def test_a_found_sale_with_another_total_is_not_taken_for_ours(world: World) -> None:
    world.accounting.send(job("sale", "s1", ONE))
    with pytest.raises(BookingRefused, match=r"8000 in the shop and 30000\.5 in the accounting"):
        world.accounting.find(job("sale", "s1", sale(TEH, total="8000")))


def test_a_payment_and_a_return_follow_their_sale_with_its_customer(world: World) -> None:
    customer = world.accounting.send(job("customer", "c1", {"name": "Siti Rahma", "phone": "0812-1"}))
    booked = world.accounting.send(
        job("sale", "s1", {**ONE, "customer": "c1"}, {Key("customer", "c1"): customer})
    )
    needs = {Key("sale", "s1"): booked}
    paid = job("payment", "pay-00000001", payment("30000.5", customer="c1"), needs)
    receipt = world.accounting.send(paid)
    assert world.accounting.find(paid) == receipt
    assert (receipt.number, receipt.total) == ("IR-MLB-3340-1-00000001", "30000.5")
    row = world.books.row("sales-receipt", receipt.number)
    assert row is not None and row["customer"]["customerNo"] == customer.number
    back = {
        "sale": "s1",
        "reference": "#3340-1",
        "outlet": "MLB",
        "customer": "c1",
        "lines": [{**KOPI, "quantity": "1"}],
        "total": "15000.25",
    }
    returned = job("sale_return", "ret-00000001", back, needs)
    made = world.accounting.send(returned)
    assert world.accounting.find(returned) == made
    assert made.number == "IRT-MLB-3340-1-00000001"
    assert world.books.stock.on_hand("Toko Malioboro", "KOPI-1") == -1
    totals = world.accounting.booked_totals(date(2026, 11, 28))
    assert totals == [
        BookedTotal("IS-MLB-3340-1", "MLB", "30000.5"),
        BookedTotal("IRT-MLB-3340-1-00000001", "MLB", "-15000.25"),
    ]


def test_goods_are_on_the_way_between_the_two_halves_of_a_transfer(world: World) -> None:
    lines = [{**KOPI, "quantity": "5"}]
    out = job("transfer_out", "t-00000001", {"outlet": "MLB", "other_outlet": "KLU", "lines": lines})
    sent = world.accounting.send(out)
    stock = world.books.stock
    assert [stock.on_hand("Toko Malioboro", "KOPI-1"), stock.on_the_way()] == [Decimal(-5), Decimal(5)]
    payload = {"outlet": "KLU", "other_outlet": "MLB", "lines": lines, "transfer_out": "t-00000001"}
    arrived = job("transfer_in", "t-00000002", payload, {out.document.key: sent})
    got = world.accounting.send(arrived)
    assert [stock.on_hand("Toko Kaliurang", "KOPI-1"), stock.on_the_way()] == [Decimal(5), Decimal(0)]
    assert [world.accounting.find(one) for one in (out, arrived)] == [sent, got]
    more = {**payload, "lines": [{**KOPI, "quantity": "1"}]}
    with pytest.raises(BookingRefused, match="melebihi"):
        world.accounting.send(job("transfer_in", "t-00000003", more, {out.document.key: sent}))


def test_a_count_sets_the_stock_and_is_found_by_its_number(world: World) -> None:
    one = job("stock_count", "n-00000001", {"outlet": "MLB", "lines": [{**KOPI, "counted": "7.5"}]})
    booked = world.accounting.send(one)
    assert str(world.books.stock.on_hand("Toko Malioboro", "KOPI-1")) == "7.5"
    assert world.accounting.find(one) == booked
    assert booked.number == "SC-12-00000001"


def test_an_item_is_adopted_when_it_is_there_and_made_only_when_that_is_allowed(world: World) -> None:
    there = world.accounting.send(job("item", "KOPI-1", {"sku": "KOPI-1", "name": "Kopi"}))
    assert there.number == "KOPI-1" and world.books.truth.booked == []
    new = job("item", "SUSU-1", {"sku": "SUSU-1", "name": "Susu", "unit": "PCS", "category": ""})
    with pytest.raises(BookingRefused, match="items are not created"):
        world.again(create_items=False).send(new)
    made = world.accounting.send(new)
    assert world.accounting.find(new) == made == world.accounting.send(new)
    assert world.books.truth.doubled() == []
    with pytest.raises(BookingRefused, match="product 'Gula' has no SKU"):
        world.accounting.find(job("item", "p9", {"sku": "", "name": "Gula"}))


SITI = {"external_id": "001", "name": "Siti Rahma", "phone": "0812-3456"}


def test_with_the_switch_a_customer_keeps_the_id_of_the_shop(world: World) -> None:
    booked = world.accounting.send(job("customer", "c1", SITI, by_id=True))
    assert booked.number == "001"
    assert world.accounting.find(job("customer", "c1", SITI, by_id=True)) == booked


@pytest.mark.parametrize(("by_id", "external_id"), [(False, "001"), (True, "")])
def test_without_the_switch_or_without_an_id_accurate_makes_the_number(
    world: World, by_id: bool, external_id: str
) -> None:
    one = job("customer", "c1", {**SITI, "external_id": external_id}, by_id=by_id)
    booked = world.accounting.send(one)
    assert booked.number.startswith("C.")
    assert world.accounting.find(one) == booked == world.accounting.send(one)


def test_a_number_of_somebody_else_is_refused_and_one_of_the_same_person_adopted(world: World) -> None:
    day = {"transDate": "01/11/2026"}
    world.books.save("customer", {"customerNo": "001", "name": "Budi", "mobilePhone": "0899", **day})
    with pytest.raises(BookingRefused, match="customer number 001 already belongs to Budi") as refused:
        world.accounting.send(job("customer", "c1", SITI, by_id=True))
    assert refused.value.reason_code == "customer_number_taken"
    same = {"external_id": "001", "name": "Budi S.", "phone": "+62899"}
    assert world.accounting.send(job("customer", "c2", same, by_id=True)).number == "001"
    assert world.books.truth.booked == []


def test_a_link_that_exists_is_kept_when_the_switch_flips(world: World) -> None:
    made = world.accounting.send(job("customer", "c1", SITI))
    flipped = job("customer", "c1", SITI, by_id=True, booked=made)
    assert world.accounting.find(flipped) == world.accounting.send(flipped) == made
    assert world.books.count("customer") == 2


def test_customers_are_not_made_when_that_is_not_allowed(world: World) -> None:
    with pytest.raises(BookingRefused, match="customers are not created"):
        world.again(create_customers=False).send(job("customer", "c1", SITI))


def test_a_customer_that_a_person_mapped_is_taken_and_a_wrong_mapping_is_named(world: World) -> None:
    world.books.save("customer", {"customerNo": "K-9", "name": "Siti", "transDate": "01/11/2026"})
    one = job("customer", "c1", SITI)
    one.mappings.values = {**MAPS, ("customer", "c1"): "K-9"}
    assert world.accounting.send(one).number == "K-9"
    one.mappings.values = {**MAPS, ("customer", "c1"): "K-8"}
    with pytest.raises(BookingRefused, match="customer K-8 is not in Accurate"):
        world.accounting.send(one)


def replaced(payload: Mapping[str, Any], booked: Booked) -> Job:
    return job("sale", "s1", payload, revision=2, booked=booked)


def lines_of(world: World) -> list[tuple[str, float]]:
    row = world.books.row("sales-invoice", "IS-MLB-3340-1")
    assert row is not None
    return [(line["item"]["no"], line["quantity"]) for line in row["detailItem"]]


def test_a_sale_that_changed_and_lost_no_line_is_saved_over(world: World) -> None:
    booked = world.accounting.send(job("sale", "s1", ONE))
    wanted = sale({**KOPI, "quantity": "1"}, TEH, total="23000.25")
    again = replaced(wanted, booked)
    assert world.accounting.find(again) is None
    assert world.accounting.send(again) == replace(booked, total="23000.25")
    assert lines_of(world) == [("KOPI-1", 1), ("TEH-1", 1)]
    assert world.accounting.find(replaced(wanted, booked)) == replace(booked, total="23000.25")
    calls = len(world.books.truth.calls)
    world.accounting.send(replaced(wanted, booked))
    assert {method for method, _, _ in world.books.truth.calls[calls:]} == {"GET"}


def booked_and_paid(world: World) -> Booked:
    both = sale(KOPI, TEH, total="38000.5")
    booked = world.accounting.send(job("sale", "s1", both))
    needs = {Key("sale", "s1"): booked}
    for number, amount in ((1, "5000"), (2, "2000.25")):
        world.accounting.send(job("payment", f"pay-0000000{number}", payment(amount), needs))
    other = world.accounting.send(job("sale", "s9", sale(TEH, reference="#3340-1-2", total="8000")))
    paid = payment("8000", reference="#3340-1-2", sale="s9")
    world.accounting.send(job("payment", "x", paid, {Key("sale", "s9"): other}))
    return booked


LESS = sale(TEH, total="8000")


def receipts(world: World) -> list[tuple[str, float, str]]:
    return sorted(
        (row["number"], row["chequeAmount"], row.get("charField1", ""))
        for row in world.books.tables["sales-receipt"].rows.values()
    )


def test_a_sale_that_lost_a_line_is_made_anew_and_keeps_its_payments(world: World) -> None:
    booked = booked_and_paid(world)
    before = receipts(world)
    again = replaced(LESS, booked)
    assert world.accounting.find(again) is None
    made = world.accounting.send(again)
    assert made.target_id != booked.target_id and made.total == "8000"
    assert lines_of(world) == [("TEH-1", 1)]
    assert receipts(world) == before
    assert world.accounting.find(replaced(LESS, booked)) == made
    deleted = [
        event
        for _, envelope in world.books.webhooks.envelopes
        for event in world.accounting.events(json.dumps([envelope]).encode())
        if event.type == "SALES_RECEIPT" and event.action == "DELETE"
    ]
    assert len(deleted) == 2
    assert [world.accounting.about_booked(event) for event in deleted] == [[], []]


@pytest.mark.parametrize(
    ("module", "action", "after"),
    [
        ("sales-receipt", "delete", 0),
        ("sales-receipt", "delete", 1),
        ("sales-invoice", "delete", 0),
        ("sales-invoice", "save", 0),
        ("sales-receipt", "save", 0),
        ("sales-receipt", "save", 1),
    ],
)
@pytest.mark.parametrize("name", ["lost", "fails_before"])
def test_a_replacement_that_breaks_off_anywhere_is_finished_by_the_next_try(
    world: World, module: str, action: str, after: int, name: Any
) -> None:
    booked = booked_and_paid(world)
    before = receipts(world)
    world.books.arm(Fault(name, module, action, after=after))
    with pytest.raises(SourceError):
        world.accounting.send(replaced(LESS, booked))
    again = world.again()
    if again.find(replaced(LESS, booked)) is None:
        again.send(replaced(LESS, booked))
    assert lines_of(world) == [("TEH-1", 1)]
    assert receipts(world) == before
    assert world.books.truth.doubled() == []


def test_a_host_that_is_gone_in_the_middle_of_a_replacement_does_not_look_as_if_nothing_was_sent(
    world: World,
) -> None:
    booked = booked_and_paid(world)
    world.books.arm(Fault("throttled", "sales-invoice", "save"))
    with pytest.raises(SourceUnavailable) as raised:
        world.accounting.send(replaced(LESS, booked))
    assert not isinstance(raised.value, NotConnected | RateLimited)


def test_a_rate_limit_before_anything_was_sent_is_told_as_one(world: World) -> None:
    world.books.settings.retry_after = "1"
    world.books.arm(Fault("throttled", "sales-invoice", "save"))
    with pytest.raises(RateLimited) as raised:
        world.accounting.send(job("sale", "s1", ONE))
    assert raised.value.retry_after == 1.0
    assert world.books.truth.booked == []


@pytest.mark.parametrize(
    ("change", "when", "field", "value"),
    [
        ({}, AT + timedelta(days=1), "transDate", "29/11/2026"),
        ({"tax_inclusive": False, "total": "33300.5"}, AT, "inclusiveTax", False),
        ({"discount": "30.5", "total": "29970"}, AT, "cashDiscount", 30.5),
    ],
)
def test_a_day_a_tax_or_a_discount_that_the_shop_corrects_is_corrected_in_the_invoice(
    world: World, change: dict[str, Any], when: datetime, field: str, value: object
) -> None:
    line = {**KOPI, "tax": "3300", "tax_code": "11"}
    first = sale(line, tax="3300", tax_inclusive=True, total="30000.5")
    booked = world.accounting.send(job("sale", "s1", first))
    again = replaced({**first, **change}, booked)
    again.document = replace(again.document, occurred_at=when)
    assert world.accounting.find(again) is None
    made = world.accounting.send(again)
    row = world.books.row("sales-invoice", booked.number)
    assert row is not None and row[field] == value
    assert made.target_id == booked.target_id and world.accounting.find(again) == made


@pytest.mark.parametrize(
    ("change", "when", "expected"),
    [
        ({"method": "QRIS"}, AT, ("1103", "28/11/2026")),
        ({}, AT + timedelta(days=1), ("1101", "29/11/2026")),
        ({"note": "nothing that is booked"}, AT, ("1101", "28/11/2026")),
    ],
)
def test_a_way_or_a_day_of_payment_that_the_shop_corrects_is_corrected_in_the_receipt(
    world: World, change: dict[str, Any], when: datetime, expected: tuple[str, str]
) -> None:
    needs = {Key("sale", "s1"): world.accounting.send(job("sale", "s1", ONE))}
    booked = world.accounting.send(job("payment", "pay-00000001", payment("30000.5"), needs))
    again = job("payment", "pay-00000001", payment("30000.5", **change), needs, revision=2, booked=booked)
    again.document = replace(again.document, occurred_at=when)
    again.mappings.values = {**MAPS, ("payment", "QRIS"): "1103"}
    is_changed = expected != ("1101", "28/11/2026")
    assert world.accounting.find(again) == (None if is_changed else booked)
    world.accounting.send(again)
    (row,) = world.books.tables["sales-receipt"].rows.values()
    assert (row["bank"]["no"], row["transDate"], row["chequeAmount"]) == (*expected, 30000.5)
    assert world.accounting.find(again) is not None
    assert world.books.truth.doubled() == []


@pytest.mark.parametrize("kind", ["transfer_out", "stock_count"])
def test_what_was_changed_while_its_answer_was_lost_is_told_and_not_taken_for_what_was_booked(
    world: World, kind: str
) -> None:
    payload = {"outlet": "MLB", "other_outlet": "KLU", "lines": [{**KOPI, "counted": "7", "quantity": "5"}]}
    booked = world.accounting.send(job(kind, "t-00000001", payload))
    assert world.accounting.find(job(kind, "t-00000001", payload, revision=2)) == booked
    for change in ({"quantity": "6", "counted": "6"}, {"sku": "TEH-1"}):
        line = {**KOPI, "counted": "7", "quantity": "5", **change}
        changed = job(kind, "t-00000001", {**payload, "lines": [line]}, revision=2)
        with pytest.raises(BookingRefused) as refused:
            world.accounting.find(changed)
        assert refused.value.reason_code == "changed_after_booking"
