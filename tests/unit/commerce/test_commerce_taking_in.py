"""What sources say, taken in: again, otherwise, withdrawn, unreadable, too late; in any order the ledger ends alike."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clientsync.commerce import deciding, taking_in
from clientsync.commerce.collecting import collect
from clientsync.commerce.documents import Fact, Key, Received, State
from clientsync.errors import SourceUnavailable
from tests.support.commerce_world import START, CommerceWorld, random_graph

SEEN = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


def arrive_all(world: CommerceWorld) -> None:
    world.arrive(*(one.received for one in world.shop.given.values() if not one.is_lost))


def booked(type_name: str, source_id: str = "d1", **more: Any) -> tuple[CommerceWorld, Received]:
    """Return a world in which one document is booked."""
    world = CommerceWorld()
    received = world.add(type_name, source_id, **more)
    arrive_all(world)
    world.work()
    assert world.row(type_name, source_id).state == State.SUCCESS
    return world, received


def state(world: CommerceWorld, received: Received) -> tuple[str, str]:
    row = world.row(received.type, received.source_id)
    return row.state, row.reason_code


# again, in any order


@settings(SEEN, max_examples=25)
@given(st.integers(0, 2**48))
@example(0)
def test_any_order_and_any_repetition_leave_the_ledger_as_one_pass_in_order_does(seed: int) -> None:
    dice = random.Random(seed)
    size = dice.randrange(2, 10)
    one, other = random_graph(random.Random(seed), size), random_graph(random.Random(seed), size)
    arrive_all(one)
    coming = [given_.received for given_ in other.shop.given.values() if not given_.is_lost]
    coming += dice.choices(coming, k=len(coming)) if coming else []
    dice.shuffle(coming)
    while coming:
        count = dice.randrange(1, 5)
        other.arrive(*coming[:count])
        coming = coming[count:]
    assert one.verdicts() == other.verdicts()
    one.work()
    other.work()
    assert one.verdicts() == other.verdicts()
    assert one.accounting.payloads == other.accounting.payloads
    assert one.accounting.complaints == other.accounting.complaints == []


def test_a_document_that_comes_again_unchanged_changes_nothing() -> None:
    world, received = booked("sale")
    before = world.row("sale", "d1")
    world.arrive(received, received)
    world.work()
    assert world.row("sale", "d1") == before
    assert world.accounting.sends == 1


def test_of_a_document_that_is_given_twice_at_once_the_later_counts() -> None:
    world = CommerceWorld()
    first = world.add("sale", "d1", payload={"total": "1"})
    world.arrive(first, world.change(first, payload={"total": "2"}))
    world.work()
    assert world.accounting.payloads[first.key]["total"] == "2"
    assert world.row("sale", "d1").revision == 1


def test_the_order_of_keys_in_a_payload_is_no_change() -> None:
    one = Received("sale", "1", "1", START, {"a": 1, "b": 2})
    assert one.hash == Received("sale", "1", "1", START, {"b": 2, "a": 1}).hash


def test_what_bears_our_own_mark_does_not_come_back() -> None:
    world = CommerceWorld()
    world.arrive(world.add("goods_moved_in", "m1", is_ours=True))
    assert world.rows() == []


# otherwise


def test_a_document_that_is_changed_before_it_is_sent_is_sent_as_it_is_now() -> None:
    world = CommerceWorld()
    received = world.add("payment", "d1", payload={"amount": "1"})
    world.arrive(received)
    world.arrive(world.change(received, payload={"amount": "2"}))
    world.work()
    assert world.accounting.payloads[received.key]["amount"] == "2"
    assert world.accounting.sends == 1
    assert world.row("payment", "d1").revision == 2


def test_a_change_of_needs_counts_from_then_on() -> None:
    world = CommerceWorld()
    broken, whole = world.add("item", "i1", is_broken=True), world.add("item", "i2")
    sale = world.add("sale", "d1", needs=[broken.key])
    arrive_all(world)
    world.work()
    assert state(world, sale) == (State.HELD, "needs_failed")
    world.arrive(world.change(sale, needs=(whole.key,), payload={"note": "other item"}))
    world.work()
    assert state(world, sale) == (State.SUCCESS, "")


def test_a_failed_document_that_the_shop_corrects_goes_by_itself() -> None:
    world = CommerceWorld()
    received = world.add("sale", "d1")
    world.accounting.refusals[received.key] = "the date is wrong"
    world.arrive(received)
    world.work()
    assert state(world, received) == (State.FAILED, "target_rejected")
    world.accounting.refusals.clear()
    world.arrive(world.change(received, payload={"date": "right"}))
    world.work()
    assert state(world, received) == (State.SUCCESS, "")


@pytest.mark.parametrize("type_name", ["sale", "payment"])
def test_a_sale_or_payment_that_is_changed_after_booking_is_booked_anew(type_name: str) -> None:
    world, received = booked(type_name, payload={"total": "1"})
    world.arrive(world.change(received, payload={"total": "2"}))
    world.work()
    assert state(world, received) == (State.SUCCESS, "")
    assert world.accounting.payloads[received.key]["total"] == "2"
    assert world.accounting.complaints == []


@pytest.mark.parametrize("type_name", ["sale_return", "transfer_out", "transfer_in", "stock_count"])
def test_what_cannot_be_replaced_waits_for_a_person_when_it_is_changed_after_booking(type_name: str) -> None:
    world, received = booked(type_name)
    world.arrive(world.change(received, payload={"note": "otherwise"}))
    world.work()
    assert state(world, received) == (State.FAILED, "changed_after_booking")
    assert world.accounting.sends == 1
    assert world.row(type_name, "d1").target_id == "T1"


@pytest.mark.parametrize("type_name", ["sale", "payment"])
def test_a_sale_that_the_shop_moves_to_another_day_is_looked_at_again(type_name: str) -> None:
    world, received = booked(type_name)
    looks = world.accounting.looks
    world.arrive(world.change(received, occurred_at=received.occurred_at + timedelta(hours=14)))
    assert world.row(type_name, "d1").revision == 1, "still the same day in Jakarta"
    world.arrive(world.change(received, occurred_at=received.occurred_at + timedelta(hours=15)))
    assert world.row(type_name, "d1").revision == 2
    world.work()
    assert state(world, received) == (State.SUCCESS, "")
    assert world.accounting.looks == looks + 1


def test_a_sale_of_which_only_more_is_paid_stays_booked_as_it_is() -> None:
    world, received = booked("sale", payload={"total": "9", "paid": "0", "status": "completed"})
    before = world.accounting.looks, world.accounting.sends
    world.arrive(world.change(received, payload={"paid": "9"}))
    assert state(world, received) == (State.SUCCESS, "")
    world.work()
    assert (world.accounting.looks, world.accounting.sends) == before
    assert world.row("sale", "d1").payload["paid"] == "9"
    world.arrive(world.change(received, payload={"paid": "9", "total": "8"}))
    world.work()
    assert world.accounting.payloads[received.key]["total"] == "8"


@pytest.mark.parametrize("type_name", ["sale_return", "transfer_out", "transfer_in", "stock_count"])
def test_what_cannot_be_replaced_waits_for_a_person_when_it_is_moved_to_another_day(type_name: str) -> None:
    world, received = booked(type_name)
    world.arrive(world.change(received, occurred_at=received.occurred_at + timedelta(days=1)))
    assert state(world, received) == (State.FAILED, "changed_after_booking")


@pytest.mark.parametrize("type_name", ["item", "customer"])
def test_what_is_booked_on_no_day_of_its_own_stays_booked_on_another_day(type_name: str) -> None:
    world, received = booked(type_name)
    world.arrive(world.change(received, occurred_at=received.occurred_at + timedelta(days=1)))
    assert state(world, received) == (State.SUCCESS, "")
    assert world.row(type_name, "d1").revision == 1


@pytest.mark.parametrize("type_name", ["item", "customer"])
def test_masters_stay_booked_when_they_are_changed(type_name: str) -> None:
    world, received = booked(type_name)
    world.arrive(world.change(received, payload={"name": "otherwise"}))
    world.work()
    assert state(world, received) == (State.SUCCESS, "")
    assert world.accounting.sends == 1


def while_it_is_sent(world: CommerceWorld, received: Received, change: Callable[[], Received]) -> None:
    """Let the source change a document between its claim and the answer."""
    told: list[Key] = []

    def tell(key: Key) -> None:
        if key == received.key and not told:
            told.append(key)
            world.arrive(change())

    world.accounting.on_send = tell
    arrive_all(world)
    world.work()
    assert told


@pytest.mark.parametrize(
    ("type_name", "expected"),
    [
        ("sale", (State.SUCCESS, "")),
        ("payment", (State.SUCCESS, "")),
        ("transfer_out", (State.FAILED, "changed_after_booking")),
        ("item", (State.SUCCESS, "")),
    ],
)
def test_a_document_that_is_changed_while_it_is_sent_is_treated_as_changed_after_booking(
    type_name: str, expected: tuple[State, str]
) -> None:
    world = CommerceWorld()
    received = world.add(type_name, "d1", payload={"total": "1"})
    while_it_is_sent(world, received, lambda: world.change(received, payload={"total": "2"}))
    assert state(world, received) == expected
    assert world.accounting.payloads[received.key]["total"] == (
        "2" if type_name in ("sale", "payment") else "1"
    )
    assert world.accounting.complaints == []


def test_a_document_that_was_refused_while_it_was_corrected_goes_once_more() -> None:
    world = CommerceWorld()
    received = world.add("payment", "d1", is_broken=True)
    while_it_is_sent(world, received, lambda: _mended(world, received))
    assert state(world, received) == (State.SUCCESS, "")


def _mended(world: CommerceWorld, received: Received) -> Received:
    changed = world.change(received, payload={"note": "mended"})
    world.learn(Fact("sku", received.source_id, "SKU-1"))
    return changed


def test_a_document_that_is_changed_while_nobody_knows_whether_it_is_booked_is_settled_first() -> None:
    world = CommerceWorld()
    received = world.add("sale", "d1", payload={"total": "1"})
    world.arrive(received)
    world.accounting.faults = ["lost"]
    world.turn()
    assert world.row("sale", "d1").state == State.UNKNOWN
    world.arrive(world.change(received, payload={"total": "2"}))
    assert world.row("sale", "d1").state == State.UNKNOWN
    world.work()
    assert state(world, received) == (State.SUCCESS, "")
    assert world.accounting.payloads[received.key]["total"] == "2"
    assert world.accounting.complaints == []


# withdrawn


def sale_with_payment(**more: Any) -> tuple[CommerceWorld, Received, Received, Received]:
    world = CommerceWorld()
    sale = world.add("sale", "s1", **more)
    payment = world.add("payment", "p1", needs=[sale.key], at=1)
    void = world.add("sale_return", "v1", needs=[sale.key], at=2)
    return world, sale, payment, void


def test_a_sale_that_is_withdrawn_before_it_is_booked_takes_its_payment_and_void_with_it() -> None:
    world, sale, payment, void = sale_with_payment(is_broken=True)
    other = world.add("payment", "p2", needs=[world.add("sale", "s2").key])
    arrive_all(world)
    world.turn()
    world.arrive(world.change(sale, is_withdrawn=True))
    world.work()
    assert {state(world, one) for one in (sale, payment, void)} == {(State.SUPERSEDED, "")}
    assert state(world, other) == (State.SUCCESS, "")
    assert world.accounting.booked.keys() == {Key("sale", "s2"), Key("payment", "p2")}


def test_a_payment_of_a_sale_that_was_withdrawn_before_is_not_sent_when_it_comes_later() -> None:
    world, sale, payment, _ = sale_with_payment()
    world.arrive(payment)
    world.arrive(world.change(sale, is_withdrawn=True))
    world.arrive(world.add("payment", "p2", needs=[sale.key]))
    world.work()
    assert set(world.states().values()) == {State.SUPERSEDED}
    assert world.accounting.sends == 0


def test_a_sale_that_is_withdrawn_after_it_was_booked_stays_and_its_return_takes_it_back() -> None:
    world, sale, payment, void = sale_with_payment()
    arrive_all(world)
    world.work()
    world.arrive(world.change(sale, is_withdrawn=True))
    world.work()
    assert {state(world, one) for one in (sale, payment, void)} == {(State.SUCCESS, "")}
    assert world.accounting.sends == 3


def test_a_sale_that_is_withdrawn_while_nobody_knows_is_looked_up_and_never_sent_again() -> None:
    for fault, expected in (("lost", State.SUCCESS), ("unsent", State.SUPERSEDED)):
        world, sale, payment, void = sale_with_payment()
        arrive_all(world)
        world.accounting.faults = [fault]
        world.turn()
        world.arrive(world.change(sale, is_withdrawn=True))
        world.work()
        assert {state(world, one)[0] for one in (sale, payment, void)} == {expected}
        assert world.accounting.complaints == []
        assert (sale.key in world.accounting.booked) == (expected is State.SUCCESS)


def test_a_sale_that_is_changed_and_withdrawn_while_nobody_knows_is_taken_back_as_changed() -> None:
    for fault, expected in (("lost", State.SUCCESS), ("unsent", State.SUPERSEDED)):
        world, sale, payment, void = sale_with_payment(payload={"total": "1"})
        arrive_all(world)
        world.accounting.faults = [fault]
        world.turn()
        world.arrive(world.change(sale, payload={"total": "2"}, is_withdrawn=True))
        world.work()
        assert {state(world, one)[0] for one in (sale, payment, void)} == {expected}
        assert world.accounting.complaints == []


@pytest.mark.parametrize("type_name", ["payment", "sale_return", "money_back"])
def test_what_a_whole_sale_no_longer_brings_is_let_go_and_comes_back_with_it(type_name: str) -> None:
    for is_booked in (True, False):
        world = CommerceWorld()
        sale = world.add("sale", "s1", is_whole=True, is_broken=not is_booked)
        part = world.add(type_name, "p1", needs=[sale.key], at=1)
        world.arrive(sale, part)
        world.work()
        world.arrive(sale)
        world.work()
        gone = (State.FAILED, "source_deleted") if is_booked else (State.SUPERSEDED, "")
        assert state(world, part) == gone
        world.arrive(sale)
        assert state(world, part) == gone
        world.arrive(sale, part)
        world.work()
        back = (State.SUCCESS, "") if is_booked else (State.HELD, "needs_failed")
        assert state(world, part) == back
        assert world.accounting.sends == (2 if is_booked else 1)


def test_what_comes_with_a_sale_that_is_not_whole_stays_when_the_sale_comes_alone() -> None:
    world, sale, payment, void = sale_with_payment()
    arrive_all(world)
    world.work()
    world.arrive(world.change(sale, payload={"total": "2"}))
    world.work()
    assert {state(world, one) for one in (sale, payment, void)} == {(State.SUCCESS, "")}


def test_a_sale_that_is_withdrawn_while_it_is_sent_is_settled_once() -> None:
    world, sale, payment, _ = sale_with_payment()
    while_it_is_sent(world, sale, lambda: world.change(sale, is_withdrawn=True))
    assert state(world, sale) == (State.SUCCESS, "")
    assert state(world, payment) == (State.SUCCESS, "")
    assert world.accounting.complaints == []


def test_a_sale_that_comes_back_is_booked_with_all_that_belongs_to_it() -> None:
    world, sale, payment, void = sale_with_payment()
    gone = world.change(sale, is_withdrawn=True)
    world.arrive(gone, payment, void)
    world.work()
    assert set(world.states().values()) == {State.SUPERSEDED}
    back = world.change(gone, is_withdrawn=False)
    world.arrive(back, payment, void)
    world.work()
    assert state(world, sale) == (State.SUCCESS, "")
    assert {state(world, one) for one in (payment, void)} == {(State.SUCCESS, "")}


# unreadable


def test_a_document_that_cannot_be_read_is_shown_and_does_not_stop_the_others() -> None:
    world = CommerceWorld()
    bad = world.add("sale", "bad", unreadable="there is no date")
    held = world.add("payment", "p1", needs=[bad.key], at=1)
    good = world.add("sale", "good")
    arrive_all(world)
    world.work()
    assert (
        world.row("sale", "bad").reason
        == "the source gives it in a form that cannot be read: there is no date"
    )
    assert state(world, bad) == (State.FAILED, "unreadable")
    assert state(world, good) == (State.SUCCESS, "")
    assert world.row("payment", "p1").root_id == world.row("sale", "bad").doc_id
    assert held.needs == (bad.key,)


def test_a_document_that_becomes_readable_goes_by_itself_with_what_waited_for_it() -> None:
    world = CommerceWorld()
    bad = world.add("sale", "bad", unreadable="there is no date")
    world.add("payment", "p1", needs=[bad.key], at=1)
    arrive_all(world)
    world.work()
    world.arrive(world.change(bad, unreadable="", payload={"total": "5"}))
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}
    assert world.accounting.payloads[bad.key]["total"] == "5"


def test_a_refresh_of_an_unreadable_document_asks_its_source_again() -> None:
    world = CommerceWorld()
    bad = world.add("sale", "bad", unreadable="there is no date")
    arrive_all(world)
    world.work()
    asked = len(world.shop.fetched)
    deciding.refresh(world.of, [world.row("sale", "bad").doc_id], actor="somebody")
    world.work()
    assert world.shop.fetched[asked:] == [bad.key]
    assert state(world, bad) == (State.FAILED, "unreadable")
    world.change(bad, unreadable="", payload={"total": "5"})
    deciding.refresh(world.of, None, actor="somebody")
    world.work()
    assert state(world, bad) == (State.SUCCESS, "")


def test_a_booked_document_that_became_unreadable_is_booked_again_when_it_is_readable_and_refreshed() -> None:
    world, sale = booked("sale", payload={"total": "1"})
    world.arrive(world.change(sale, unreadable="there is no date"))
    assert state(world, sale) == (State.FAILED, "unreadable")
    world.change(sale, unreadable="", payload={"total": "2"})
    deciding.refresh(world.of, None, actor="somebody")
    world.work()
    assert state(world, sale) == (State.SUCCESS, "")
    assert world.accounting.payloads[sale.key]["total"] == "2"


def test_a_document_under_way_that_becomes_unreadable_is_settled_first() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1")
    while_it_is_sent(world, sale, lambda: world.change(sale, unreadable="there is no date"))
    assert state(world, sale) == (State.SUCCESS, "")


# facts


def test_a_product_that_gets_its_sku_is_tried_again_by_itself_and_its_item_is_needed_from_then_on() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1", is_broken=True)
    arrive_all(world)
    world.work()
    assert state(world, sale) == (State.FAILED, "no_sku")
    world.add("item", "SKU-1")
    world.learn(Fact("sku", "s1", "SKU-1"))
    item = world.row("item", "SKU-1")
    assert item.state == State.EXPECTED
    assert state(world, sale) == (State.HELD, "needs_not_received")
    assert world.row("sale", "s1").blocker_id == item.doc_id
    world.work()
    assert state(world, sale) == (State.SUCCESS, "")
    assert list(world.accounting.booked) == [Key("item", "SKU-1"), Key("sale", "s1")]


def test_a_fact_that_is_known_and_a_fact_of_another_product_try_nothing_again() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1", is_broken=True)
    world.learn(Fact("sku", "other", "SKU-9"))
    arrive_all(world)
    world.work()
    sends = world.accounting.sends
    world.learn(Fact("sku", "other", "SKU-9"), Fact("sku", "another", "SKU-8"))
    world.work()
    assert world.accounting.sends == sends
    assert state(world, sale) == (State.FAILED, "no_sku")


def test_a_transfer_that_gets_its_sku_is_waited_for_by_a_later_count_of_those_goods() -> None:
    world = CommerceWorld()
    moved = world.add("transfer_out", "t1", lane="A", lines=[{"sku": "", "product_id": "t1"}], is_broken=True)
    count = world.add("stock_count", "c1", lane="A", lines=[{"sku": "SKU-1"}], at=5)
    world.arrive(moved)
    world.work()
    world.shop.is_away = True
    world.learn(Fact("sku", "t1", "SKU-1"))
    world.arrive(count)
    assert world.row("stock_count", "c1").blocker_id == world.row("transfer_out", "t1").doc_id
    world.shop.is_away = False
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}


def test_what_a_person_must_decide_is_not_tried_again_by_a_fact_that_was_missing_long_ago() -> None:
    world = CommerceWorld()
    back = world.add("sale_return", "r1", is_broken=True)
    arrive_all(world)
    world.work()
    world.learn(Fact("sku", "r1", "SKU-1"))
    world.work()
    assert state(world, back) == (State.SUCCESS, "")
    world.arrive(world.change(back, payload={"amount": "2"}))
    assert state(world, back) == (State.FAILED, "changed_after_booking")
    world.learn(Fact("sku", "anything", "SKU-2"))
    assert state(world, back) == (State.FAILED, "changed_after_booking")


def test_a_booking_that_was_deleted_is_not_sent_again_because_what_it_once_asked_for_is_otherwise_now() -> (
    None
):
    world = CommerceWorld()
    payment = world.add("payment", "p1", is_broken=True)
    sale = world.add("sale", "s1", is_broken=True)
    arrive_all(world)
    world.work()
    world.learn(Fact("sku", "p1", "SKU-1"), Fact("sku", "s1", "SKU-1"))
    world.work()
    assert {state(world, one) for one in (payment, sale)} == {(State.SUCCESS, "")}
    world.tell(f"DELETED|{world.row('sale', 's1').target_id}", system="accounting")
    world.work()
    assert state(world, sale) == (State.FAILED, "target_deleted")
    world.learn(Fact("sku", "s1", "SKU-2"))
    assert state(world, sale) == (State.FAILED, "target_deleted")


# expected


def test_a_document_that_is_needed_is_asked_for_once() -> None:
    world = CommerceWorld()
    lost = world.add("transfer_out", "TO-12", is_lost=True)
    received = [world.add("transfer_in", f"t{number}", needs=[lost.key], at=number) for number in range(5)]
    arrive_all(world)
    world.work()
    world.turn()
    assert world.shop.fetched == [lost.key]
    expected = world.row("transfer_out", "TO-12")
    assert (expected.state, expected.fetched_at is not None) == (State.EXPECTED, True)
    for one in received:
        row = world.row(one.type, one.source_id)
        assert row.reason == "waits for transfer-out TO-12, never received from the source"


def test_a_document_that_arrives_after_it_was_never_received_releases_what_waited() -> None:
    world = CommerceWorld()
    lost = world.add("transfer_out", "TO-12", is_lost=True, at=50)
    world.add("transfer_in", "t1", needs=[lost.key])
    arrive_all(world)
    world.work()
    world.arrive(lost)
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}
    assert world.row("transfer_out", "TO-12").revision == 1
    assert list(world.accounting.booked) == [lost.key, Key("transfer_in", "t1")]


def test_a_need_is_asked_for_again_while_the_source_is_away() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1")
    payment = world.add("payment", "p1", needs=[sale.key])
    world.shop.errors = [SourceUnavailable("away"), SourceUnavailable("away")]
    world.arrive(payment)
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}


# streams


def test_reading_a_stream_takes_documents_facts_and_shifts_in_and_reading_it_again_changes_nothing() -> None:
    world = random_graph(random.Random(5), 9)
    world.shop.facts = [Fact("sku", key.source_id, "SKU-1") for key in world.shop.given]
    found = collect(world.of)
    there = sum(not one.is_lost for one in world.shop.given.values())
    assert (found.counts, found.errors) == ({"shop.documents": there}, {})
    before = world.verdicts()
    assert collect(world.of).counts == {"shop.documents": 0}
    assert world.verdicts() == before


def test_that_test_finds_a_change_that_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_in, "state_after_change", lambda *_, **__: {})
    world, received = booked("sale", payload={"total": "1"})
    world.arrive(world.change(received, payload={"total": "2"}))
    world.work()
    assert world.accounting.payloads[received.key]["total"] == "1", (
        "the fault shows where the promise is tested"
    )


def test_a_booked_sale_that_is_edited_and_then_voided_is_taken_back_by_its_return() -> None:
    world, sale = booked("sale", "s1", payload={"total": "1"})
    world.set_mode(sales="scheduled", sales_at=["22:00"])
    edited = world.change(sale, payload={"total": "2"})
    world.arrive(edited)
    void = world.add("sale_return", "v1", needs=[sale.key], at=5)
    world.arrive(world.change(edited, is_withdrawn=True), void)
    world.work(minutes=1_500)
    assert sale.key in world.accounting.booked
    assert state(world, sale) == (State.SUCCESS, "")
    assert state(world, void) == (State.SUCCESS, "")


def test_a_booked_sale_whose_correction_was_refused_and_that_is_then_voided_is_taken_back_by_its_return() -> (
    None
):
    world, sale = booked("sale", "s1", payload={"total": "1"})
    edited = world.change(sale, payload={"total": "2"})
    world.accounting.refusals[sale.key] = "the period is closed"
    world.arrive(edited)
    world.work()
    assert state(world, sale) == (State.FAILED, "target_rejected")
    void = world.add("sale_return", "v1", needs=[sale.key], at=5)
    world.arrive(world.change(edited, is_withdrawn=True), void)
    world.work()
    assert sale.key in world.accounting.booked
    assert world.row("sale", "s1").state != State.SUPERSEDED, "it is in the books"
    assert state(world, void)[0] != State.SUPERSEDED


# another code of an outlet


def test_the_outlet_in_a_number_is_the_first_that_a_sale_had_and_is_no_change_of_it() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1", payload={"outlet": "KMG", "reference": "1"}, lane="KMG")
    world.arrive(sale)
    moved = world.change(sale, payload={"outlet": "KMG2"})
    payment = world.add(
        "payment", "p1", needs=[sale.key], payload={"sale": "s1", "outlet": "KMG2", "reference": "1"}
    )
    world.arrive(moved, payment)
    assert world.row("sale", "s1").payload["number_outlet"] == "KMG"
    assert world.row("payment", "p1").payload["number_outlet"] == "KMG"
    revision = world.row("sale", "s1").revision
    world.arrive(moved, payment)
    assert world.row("sale", "s1").revision == revision
    world.arrive(world.change(moved, payload={"outlet": "KMG3"}))
    assert world.row("sale", "s1").payload["number_outlet"] == "KMG"
    world.arrive(world.change(moved, payload={"outlet": "KMG"}))
    assert "number_outlet" not in world.row("sale", "s1").payload


# taken back after a failure


def test_a_sale_that_failed_and_is_withdrawn_is_looked_up_and_its_payment_goes_with_it() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1", is_broken=True)
    payment = world.add("payment", "p1", needs=[sale.key])
    world.arrive(sale, payment)
    world.work()
    assert state(world, sale) == (State.FAILED, "no_sku")
    looks = world.accounting.looks
    world.arrive(world.change(sale, is_withdrawn=True))
    world.work()
    assert world.accounting.looks == looks + 1
    assert {State(row.state) for row in world.rows()} == {State.SUPERSEDED}
    assert world.accounting.booked == {}


# a need that cannot be read for a while


def test_a_need_that_cannot_be_read_for_a_while_is_asked_for_ever_later_and_says_why() -> None:
    world = CommerceWorld()
    customer = world.add("customer", "c1")
    sale = world.add("sale", "s1", needs=[customer.key])
    world.arrive(sale)
    tries: list[Key] = []
    world.shop.on_fetch = tries.append
    waits = []
    for _ in range(4):
        world.shop.errors = [SourceUnavailable("The shop is closed.")]
        world.turn()
        assert world.shop.errors == []
        assert "closed" in world.row("sale", "s1").reason
        due = world.row("customer", "c1").eligible_at
        waits.append((due - world.at).total_seconds())
        world.turn()
        assert tries == []
        world.at = due
    assert waits == [2, 4, 8, 16]
    world.turn()
    assert tries == [customer.key]
    assert state(world, sale) == (State.SUCCESS, "")


def test_a_refresh_asks_at_once_for_a_need_that_could_not_be_read() -> None:
    world = CommerceWorld()
    customer = world.add("customer", "c1")
    sale = world.add("sale", "s1", needs=[customer.key])
    world.arrive(sale)
    world.shop.errors = [SourceUnavailable("The shop is closed.")]
    world.turn()
    deciding.refresh(world.of, None, actor="asha")
    world.turn()
    assert state(world, sale) == (State.SUCCESS, "")
