"""Webhooks: stored before they are answered, each event once, in any order, and what is lost is found (W1 to W6)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clientsync.commerce import deciding, events, intake, store
from clientsync.commerce.collecting import sweep
from clientsync.commerce.documents import Key, State
from clientsync.commerce.events import TRIES, replay
from clientsync.commerce.intake import INBOUND, KEPT_OF_REJECTED, receive
from clientsync.commerce.status import of_connection
from clientsync.commerce.systems import EventSeen
from clientsync.database import open_engine, writing
from clientsync.errors import ContractChanged, InvalidInput, SourceUnavailable, WarehouseError
from tests.support.commerce_world import CommerceWorld, expected_states, random_graph

SEEN = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


def inbound(world: CommerceWorld) -> list[Any]:
    with world.engine.connect() as connection:
        return list(connection.execute(INBOUND.select().order_by(INBOUND.c.inbound_id)))


def line(key: Key, number: int = 1) -> str:
    return f"{number}|{key.type}|{key.source_id}"


def one_sale(**more: Any) -> tuple[CommerceWorld, str]:
    world = CommerceWorld()
    return world, line(world.add("sale", "s1", **more).key)


def states(world: CommerceWorld) -> list[str]:
    return [row.state for row in world.events()]


def again(world: CommerceWorld, event_id: int) -> int:
    with writing(world.engine) as connection:
        return replay(connection, world.of.name, event_id, world.at, "asha")


# W1, W2, W5


@pytest.mark.parametrize("count", [1, 2, 25])
def test_many_deliveries_of_one_event_have_one_effect(count: int) -> None:
    world, told = one_sale()
    fresh = [world.tell(told).fresh for _ in range(count)]
    assert fresh == [1] + [0] * (count - 1)
    world.work()
    assert world.tell(told).fresh == 0
    world.work()
    (event,) = world.events()
    assert (event.state, event.deliveries) == ("success", count + 1)
    assert len(inbound(world)) == count + 1
    assert world.accounting.sends == 1


def test_an_event_without_a_moment_that_comes_again_may_be_another_one_and_is_read_again() -> None:
    world, told = one_sale()
    world.tell(told)
    world.work()
    before = len(world.shop.fetched)
    world.arrive(world.change(world.shop.given[Key("sale", "s1")].received, payload={"total": "2"}))
    world.tell(told)
    world.work()
    assert len(world.shop.fetched) == before + 1
    assert world.row("sale", "s1").state == State.SUCCESS


def test_an_event_that_comes_twice_in_one_webhook_is_one() -> None:
    world, told = one_sale()
    assert world.tell(told, told).fresh == 1
    assert [event.deliveries for event in world.events()] == [2]


def test_several_events_of_one_document_read_it_once() -> None:
    world, _ = one_sale()
    world.tell(*(f"{number}|sale|s1" for number in range(6)))
    world.work()
    assert states(world) == ["success"] * 6
    assert len(world.shop.fetched) == 1


def told_world(seed: int) -> tuple[CommerceWorld, list[str]]:
    dice = random.Random(seed)
    world = random_graph(dice, dice.randrange(2, 9))
    return world, [line(key, number) for number in range(2) for key in world.shop.given]


@settings(SEEN, max_examples=12)
@given(st.integers(0, 2**48))
def test_any_order_of_events_leads_to_the_same_state(seed: int) -> None:
    dice = random.Random(seed)
    ends: list[Any] = []
    for is_shuffled in (False, True):
        world, told = told_world(seed)
        if is_shuffled:
            dice.shuffle(told)
        while told:
            count = dice.randrange(1, 5) if is_shuffled else len(told)
            world.tell(*told[:count])
            told = told[count:]
            if dice.random() < 0.4:
                world.turn()
        world.work()
        there = {key for key, one in world.shop.given.items() if not one.is_lost}
        assert {key: one for key, one in world.states().items() if one != State.EXPECTED} == {
            key: one for key, one in expected_states(world, there).items() if one != State.EXPECTED
        }
        ends.append((world.verdicts(), world.accounting.payloads, world.accounting.complaints))
    assert ends[0] == ends[1]


@settings(SEEN, max_examples=12)
@given(st.integers(0, 2**48))
def test_a_sweep_finds_whatever_no_webhook_told(seed: int) -> None:
    dice = random.Random(seed)
    whole, told = told_world(seed)
    whole.tell(*told)
    whole.work()
    sweep(whole.of)
    whole.work()
    lossy, told = told_world(seed)
    kept = [one for one in told if dice.random() < 0.4]
    if kept:
        lossy.tell(*kept)
        lossy.work()
    found = sweep(lossy.of)
    lossy.work()
    assert found.errors == {}
    assert lossy.verdicts() == whole.verdicts()
    assert lossy.accounting.payloads == whole.accounting.payloads
    assert lossy.accounting.complaints == []


def test_a_sweep_keeps_events_of_the_accounting_that_were_lost_and_none_twice() -> None:
    world, told = one_sale()
    world.tell(told)
    world.work()
    lost = EventSeen("DELETED|T1", "DELETED", "T1")
    world.accounting.history = [lost, EventSeen("ITEM|G1", "ITEM", "G1")]
    world.tell("ITEM|G1", system="accounting")
    assert sweep(world.of).counts["events"] == 1
    assert sweep(world.of).counts["events"] == 0
    world.work()
    assert world.row("sale", "s1").reason_code == "target_deleted"


# W3, W4


def test_a_forged_webhook_is_stored_as_rejected_cut_and_never_worked_on() -> None:
    world, told = one_sale()
    body = (told + "\n" + "x" * 5_000).encode()
    found = receive(world.of, "shop", {"genuine": "no", "user-agent": "u" * 900, "cookie": "c"}, body)
    assert (found.reason, found.fresh) == ("it is forged", 0)
    (row,) = inbound(world)
    assert (row.is_verified, row.reason, row.body) == (False, "it is forged", body[:KEPT_OF_REJECTED])
    assert KEPT_OF_REJECTED == 2_000
    assert row.body_sha == hashlib.sha256(body).hexdigest()
    assert row.headers == {"user-agent": "u" * 200}
    world.work()
    assert world.events() == []
    assert world.shop.fetched == []
    with world.engine.connect() as connection:
        assert of_connection(connection, world.of).shop_heard_at is None


def test_a_webhook_that_is_no_event_or_came_by_a_path_nobody_was_told_is_rejected() -> None:
    world, told = one_sale()
    assert world.tell("nonsense").reason == "That is no event."
    assert (
        receive(world.of, "shop", {"genuine": "yes"}, told.encode(), reason="unknown path").reason
        == "unknown path"
    )
    assert [row.reason for row in inbound(world)] == ["That is no event.", "unknown path"]
    assert world.events() == []


def test_forgeries_do_not_fill_the_disk_and_push_no_genuine_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_REJECTED", 3)
    world, told = one_sale()
    world.tell(told)
    for number in range(8):
        receive(world.of, "shop", {}, f"forged {number}".encode())
    assert [row.body for row in inbound(world)] == [told.encode(), b"forged 5", b"forged 6", b"forged 7"]


def test_a_webhook_is_on_disk_with_its_events_when_receive_returns() -> None:
    world, told = one_sale()
    world.tell(told, "2|sale|s2")
    (row,) = inbound(world)
    assert (row.is_verified, row.system, row.body) == (True, "shop", f"{told}\n2|sale|s2".encode())
    assert {event.inbound_id for event in world.events()} == {row.inbound_id}
    assert states(world) == ["new", "new"]


def test_a_webhook_that_cannot_be_stored_raises_so_its_sender_tries_again() -> None:
    world, told = one_sale()
    away = open_engine("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(WarehouseError):
        receive(
            type(world.of)("shop", away, world.shop, world.accounting, now=lambda: world.at),
            "shop", {"genuine": "yes"}, told.encode(),
        )  # fmt: skip
    away.dispose()


def test_a_webhook_of_which_an_event_cannot_be_stored_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world, told = one_sale()

    def breaks(*_: object, **__: object) -> None:
        raise WarehouseError("full")

    monkeypatch.setattr(store, "note_event", breaks)
    with pytest.raises(WarehouseError):
        world.tell(told)
    assert (inbound(world), world.events()) == ([], [])


# W6


def test_replay_of_an_event_that_was_applied_changes_nothing() -> None:
    world, told = one_sale()
    world.tell(told)
    world.work()
    before = world.row("sale", "s1")
    number = again(world, 1)
    world.work()
    assert world.row("sale", "s1") == before
    assert world.accounting.sends == 1
    first, second = world.events()
    assert (second.event_id, second.replay_of, second.state) == (number, first.event_id, "success")
    with world.engine.connect() as connection:
        (choice,) = connection.execute(store.CHOICES.select()).all()
    assert (choice.actor, choice.action, choice.detail) == ("asha", "replay", f"event 1 as {number}")


def test_replay_of_an_event_that_failed_tries_it_again() -> None:
    world, told = one_sale()
    world.shop.errors = [ContractChanged("The answer cannot be read.")]
    world.tell(told)
    world.work()
    (event,) = world.events()
    assert (event.state, event.reason) == ("failed", "The answer cannot be read.")
    again(world, event.event_id)
    world.work()
    assert states(world) == ["failed", "success"]
    assert world.row("sale", "s1").state == State.SUCCESS


def test_replay_of_an_event_that_does_not_exist_is_refused() -> None:
    world, _ = one_sale()
    with pytest.raises(InvalidInput, match="There is no event 7"):
        again(world, 7)


def test_an_event_with_a_long_key_can_be_replayed() -> None:
    world, _ = one_sale()
    world.tell("x" * 400 + "|sale|s1")
    world.work()
    again(world, 1)
    world.work()
    assert states(world) == ["success", "success"]


def test_an_event_can_be_replayed_twice_at_one_moment() -> None:
    world, told = one_sale()
    world.tell(told)
    world.work()
    assert [again(world, 1), again(world, 1)] == [2, 3]
    world.work()
    assert states(world) == ["success"] * 3
    assert world.accounting.sends == 1


def test_two_events_whose_long_keys_differ_at_the_end_are_two() -> None:
    world, _ = one_sale()
    world.add("sale", "s2")
    long_ago = "x" * 400
    assert world.tell(f"{long_ago}|sale|s1", f"{long_ago}|sale|s2").fresh == 2


# while it is read, and failures


def test_an_event_that_comes_while_its_document_is_read_is_read_again() -> None:
    world, told = one_sale(payload={"total": "1"})
    received = world.shop.given[Key("sale", "s1")].received

    def change_now(_: Key) -> None:
        world.shop.on_fetch = None
        world.change(received, payload={"total": "2"})
        world.tell("2|sale|s1")

    world.shop.on_fetch = change_now
    world.tell(told)
    world.work()
    assert states(world) == ["success", "success"]
    assert len(world.shop.fetched) == 2
    assert world.accounting.payloads[received.key]["total"] == "2"


def test_a_passing_failure_is_tried_later_and_later_and_ends_as_failed() -> None:
    world, told = one_sale()
    world.shop.is_away = True
    world.tell(told)
    waits = []
    for _ in range(TRIES - 1):
        world.turn()
        (event,) = world.events()
        assert (event.state, event.reason) == ("new", "The shop is away.")
        waits.append((event.due_at - world.at).total_seconds())
        world.turn()
        assert world.events()[0].tries == len(waits), "not before it is due"
        world.at = event.due_at
    assert waits == [2, 4, 8, 16, 32, 64, 128]
    world.turn()
    (event,) = world.events()
    assert (event.state, event.due_at) == ("failed", None)
    world.shop.is_away = False
    again(world, event.event_id)
    world.work()
    assert world.row("sale", "s1").state == State.SUCCESS


def test_a_passing_failure_that_passes_leaves_no_reason_behind() -> None:
    world, told = one_sale()
    world.shop.errors = [SourceUnavailable("away")]
    world.tell(told)
    world.work()
    assert [(event.state, event.reason) for event in world.events()] == [("success", "")]


def test_one_document_that_cannot_be_read_does_not_keep_the_others_from_being_read() -> None:
    world, told = one_sale()
    world.shop.errors = [KeyError("a defect")]
    world.tell(told, line(world.add("sale", "s2").key))
    world.work()
    assert states(world) == ["failed", "success"]
    assert world.row("sale", "s2").state == State.SUCCESS


def test_an_event_of_no_concern_is_ignored_with_a_reason() -> None:
    world, _ = one_sale()
    world.tell("1|payout|x")
    world.work()
    (event,) = world.events()
    assert (event.state, event.reason) == ("ignored", "No document of this connection is concerned.")
    assert world.shop.fetched == []


# gone, deleted, repaired


def test_a_document_that_its_source_no_longer_has_is_not_sent() -> None:
    world, told = one_sale(is_broken=False)
    sale = world.shop.given[Key("sale", "s1")]
    world.set_mode(sales="scheduled", sales_at=["22:00"])
    world.arrive(sale.received)
    sale.is_lost = True
    world.tell(told)
    world.turn()
    assert world.row("sale", "s1").state == State.SUPERSEDED
    assert states(world) == ["success"]


def test_a_payment_goes_with_its_sale_that_the_source_no_longer_has() -> None:
    world, told = one_sale()
    sale = world.shop.given[Key("sale", "s1")]
    payment = world.add("payment", "p1", needs=[sale.received.key], at=1)
    world.set_mode(sales="scheduled", sales_at=["22:00"])
    world.arrive(sale.received, payment)
    sale.is_lost = True
    world.tell(told)
    world.work(minutes=1_500)
    assert {row.state for row in world.rows()} == {"superseded"}
    assert world.accounting.sends == 0, "there is nothing to pay"


def test_a_booked_document_that_its_source_no_longer_has_waits_for_a_person() -> None:
    world, told = one_sale()
    world.arrive(world.shop.given[Key("sale", "s1")].received)
    world.work()
    world.shop.given[Key("sale", "s1")].is_lost = True
    world.tell(told)
    world.work()
    row = world.row("sale", "s1")
    assert (row.state, row.reason_code, row.target_id) == (State.FAILED, "source_deleted", "T1")
    assert world.accounting.sends == 1


def test_a_refused_document_that_its_source_no_longer_has_is_not_sent_by_a_refresh() -> None:
    world, told = one_sale()
    sale = world.shop.given[Key("sale", "s1")]
    world.accounting.refusals[sale.received.key] = "no"
    world.arrive(sale.received)
    world.work()
    sale.is_lost = True
    world.tell(told)
    world.work()
    world.accounting.refusals.clear()
    deciding.refresh(world.of, None, actor="somebody")
    world.work()
    assert world.row("sale", "s1").state == State.SUPERSEDED
    assert world.accounting.booked == {}


def test_a_document_that_was_gone_and_is_there_again_is_booked() -> None:
    world, told = one_sale()
    sale = world.shop.given[Key("sale", "s1")]
    world.set_mode(sales="scheduled", sales_at=["22:00"])
    world.arrive(sale.received)
    sale.is_lost = True
    world.tell(told)
    world.turn()
    assert world.row("sale", "s1").state == State.SUPERSEDED
    sale.is_lost = False
    world.tell("2|sale|s1")
    world.work(minutes=1_500)
    assert world.row("sale", "s1").state == State.SUCCESS


def booked_sale() -> CommerceWorld:
    world, _ = one_sale()
    world.arrive(world.shop.given[Key("sale", "s1")].received)
    world.work()
    return world


def test_a_booking_that_is_deleted_is_shown_not_sent_again_and_a_refresh_books_it_anew() -> None:
    world = booked_sale()
    world.accounting.booked.clear()
    world.tell("DELETED|T1", system="accounting")
    world.work()
    row = world.row("sale", "s1")
    assert (row.state, row.reason_code) == (State.FAILED, "target_deleted")
    assert states(world) == ["success"]
    for _ in range(3):
        world.at += timedelta(hours=2)
        world.arrive(world.shop.given[Key("sale", "s1")].received)
        world.work()
    assert world.accounting.sends == 1, "no endless retry"
    assert deciding.refresh(world.of, [row.doc_id], actor="somebody") == 1
    world.work()
    assert world.row("sale", "s1").state == State.SUCCESS
    assert world.accounting.sends == 2
    assert world.accounting.complaints == []


def test_what_needs_a_deleted_booking_is_held_until_it_is_booked_anew() -> None:
    world = booked_sale()
    world.accounting.booked.clear()
    world.tell("DELETED|T1", system="accounting")
    world.turn()
    world.arrive(world.add("payment", "p1", needs=[Key("sale", "s1")], at=5))
    held = world.row("payment", "p1")
    assert held.reason == "waits for sale s1, which failed: the booked document was deleted in the accounting"


def test_a_deleted_event_of_something_that_is_not_ours_is_ignored() -> None:
    world = booked_sale()
    world.tell("DELETED|T99", system="accounting")
    world.work()
    assert states(world) == ["ignored"]
    assert world.row("sale", "s1").state == State.SUCCESS


def rejected_sale() -> CommerceWorld:
    world = CommerceWorld()
    item = world.add("item", "G1")
    sale = world.add("sale", "s1", needs=[item.key], at=1)
    world.accounting.refusals[sale.key] = "the item is not active"
    world.arrive(item, sale)
    world.work()
    assert world.row("sale", "s1").reason == "the item is not active"
    return world


def test_an_event_of_an_item_in_the_accounting_tries_again_what_was_rejected_with_it() -> None:
    world = rejected_sale()
    world.accounting.refusals.clear()
    world.tell("ITEM|G2", system="accounting")
    world.work()
    assert (states(world), world.row("sale", "s1").state) == (["ignored"], State.FAILED)
    world.tell("ITEM|G1", system="accounting")
    world.work()
    assert states(world) == ["ignored", "success"]
    assert world.row("sale", "s1").state == State.SUCCESS


def test_those_tests_find_deliveries_that_are_each_taken_as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(10**6))
    whole = events.store_events

    def always_new(connection: Any, name: str, system: str, seen: Sequence[EventSeen], *more: Any) -> int:
        fresh = [EventSeen(f"{next(numbers)}", one.type, one.entity_id) for one in seen]
        return whole(connection, name, system, fresh, *more)

    monkeypatch.setattr(intake, "store_events", always_new)
    with pytest.raises(AssertionError):
        test_many_deliveries_of_one_event_have_one_effect(2)


def test_those_tests_find_a_read_that_settles_events_which_came_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = events.settle

    def settle_all(connection: Any, told: Sequence[tuple[int, int]], *more: Any, **named: Any) -> None:
        whole(connection, [*told, *((one + 1, times) for one, times in told)], *more, **named)

    monkeypatch.setattr(events, "settle", settle_all)
    with pytest.raises(AssertionError):
        test_an_event_that_comes_while_its_document_is_read_is_read_again()
