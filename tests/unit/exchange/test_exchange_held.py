"""What a person does with what is held, and what is held no more when an object is removed or withdrawn."""

from __future__ import annotations

from typing import Any

import pytest

from clientsync.errors import InvalidInput
from clientsync.exchange import freezing
from clientsync.exchange import tables as t
from clientsync.exchange.capturing import record, remove
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.holding import correct, skip, try_again
from clientsync.exchange.lists import received, received_totals, sent
from clientsync.exchange.nodes import give_back, take_lease
from clientsync.exchange.resending import send_object
from clientsync.exchange.tracing import trace
from connectors.retail import tables as retail
from tests.support.exchange_world import DAY, World, bill

HELD = ("QUARANTINED", "BLOCKED")


def the_held(world: World) -> dict[str, Any]:
    (found,) = received(world.nodes[HEAD_OFFICE], states=HELD)
    return found


def corrected(world: World, **changes: Any) -> None:
    correct(
        world.nodes[HEAD_OFFICE], the_held(world)["document"], changes, actor="asha", reason="typing error"
    )
    world.rounds(2)


def again(world: World, key: str) -> None:
    """Let the store send a bill once more, as it wrote it."""
    node = world.nodes["S1"]
    lease = take_lease(node)
    assert send_object(node, lease, HEAD_OFFICE, "bill", key)
    give_back(node, lease)
    world.rounds(2)


CUSTOMER = {"customer_id": "C1", "name": "Asha", "phone": "1"}


@pytest.mark.parametrize("is_tried_first", [False, True])
def test_leaving_out_what_belongs_to_another_store_does_not_lock_its_owner_out(
    world: World, is_tried_first: bool
) -> None:
    world.enter("S1", "customer", {**CUSTOMER, "site": "S1"})
    world.rounds(2)
    world.enter("S2", "customer", {**CUSTOMER, "site": "S2"})
    world.rounds(2)
    held = the_held(world)
    assert (held["code"], held["from"]) == ("OTHER_OWNER", "S2")
    for act in (try_again, skip) if is_tried_first else (skip,):
        act(world.nodes[HEAD_OFFICE], held["document"], actor="asha", reason="it belongs to S1")
    world.enter("S1", "customer", {**CUSTOMER, "phone": "2", "site": "S1"})
    world.rounds(2)
    (row,) = world.rows(HEAD_OFFICE, retail.customer)
    assert (row["site"], row["phone"]) == ("S1", "2")
    assert {row["origin"] for row in world.rows(HEAD_OFFICE, t.seen) if row["key"] == "C1"} == {"S1"}


def test_a_bill_goes_on_when_the_item_that_it_named_wrongly_is_corrected(world: World) -> None:
    world.bill("S1", "S1-1", "I9")
    world.rounds(1)
    corrected(world, lines=[{"item_code": "I1", "quantity": 2000, "net": 1000}])
    assert world.inbox(HEAD_OFFICE) == {"S1-1": "APPLIED"}
    assert received_totals(world.nodes[HEAD_OFFICE], "S1") == [["bill", DAY, 1, 2000, 1000, 120, 1120]]


def test_a_bill_goes_on_when_the_customer_that_it_named_wrongly_is_taken_out(world: World) -> None:
    world.bill("S1", "S1-1", customer_id="C9")
    world.rounds(1)
    corrected(world, customer_id="")
    assert world.inbox(HEAD_OFFICE) == {"S1-1": "APPLIED"}


def test_a_corrected_day_and_payment_count_in_the_totals_of_that_day(world: World) -> None:
    node = world.nodes["S1"]
    with node.writing("request") as connection:
        record(node, connection, "bill", "S1-1", bill("S1", "S1-1", tender=1, on_day="2006-11-27"))
    world.rounds(1)
    corrected(world, tender=1120, on_day=DAY)
    assert received_totals(world.nodes[HEAD_OFFICE], "S1") == [["bill", DAY, 1, 1000, 1000, 120, 1120]]


def test_what_was_corrected_is_known_again_when_the_same_comes_once_more(world: World) -> None:
    node = world.nodes["S1"]
    with node.writing("request") as connection:
        record(node, connection, "bill", "S1-1", bill("S1", "S1-1", tender=1))
    world.rounds(1)
    corrected(world, tender=1120)
    again(world, "S1-1")
    assert received(world.nodes[HEAD_OFFICE], states=HELD) == []
    assert [row["tender"] for row in world.rows(HEAD_OFFICE, retail.bill)] == [1120]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"number": "S1-2"}, "number is what it is known by"),
        ({"lines": 5}, "cannot be read with these values"),
        ({"net": "much"}, "cannot be read with these values"),
        ({"customer_id": "C\x00"}, "NUL"),
    ],
)
def test_a_correction_that_cannot_be_is_refused_before_it_is_tried(
    world: World, changes: dict[str, Any], words: str
) -> None:
    world.bill("S1", "S1-1", "I9")
    world.rounds(1)
    with pytest.raises(InvalidInput, match=words):
        corrected(world, **changes)
    assert world.inbox(HEAD_OFFICE) == {"S1-1": "BLOCKED"}


def remove_item(world: World) -> None:
    node = world.nodes[HEAD_OFFICE]
    with node.writing("request") as connection:
        remove(node, connection, "item", "I1")


def test_a_bill_that_sold_an_item_before_it_was_removed_is_applied(world: World) -> None:
    world.bill("S1", "S1-1")
    remove_item(world)
    world.rounds(3)
    assert world.inbox(HEAD_OFFICE) == {"S1-1": "APPLIED"}
    assert [row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)] == ["S1-1"]


def test_a_bill_of_a_removed_item_that_the_tables_refuse_is_held_with_that_reason(world: World) -> None:
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE bill_line")
        connection.exec_driver_sql(
            "CREATE TABLE bill_line (number TEXT REFERENCES bill, line INTEGER, item_code TEXT REFERENCES item,"
            " quantity INTEGER, net INTEGER, PRIMARY KEY (number, line))"
        )
    world.bill("S1", "S1-1")
    remove_item(world)
    world.bill("S2", "S2-1", "I2")
    world.item("I2")
    world.rounds(2)
    held = the_held(world)
    assert (held["key"], held["code"]) == ("S1-1", "CONSTRAINT")
    assert held["reason"] == (
        "the business tables refuse it (SQLITE_CONSTRAINT_FOREIGNKEY); item I1 was removed here"
    )
    assert [row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)] == ["S2-1"]
    world.item("I1")
    try_again(world.nodes[HEAD_OFFICE], held["document"], actor="asha", reason="the item is back")
    world.rounds(1)
    assert {row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)} == {"S1-1", "S2-1"}


PROMOTION = {
    "promotion_id": "P1", "name": "Half price", "basis_points": 5000, "valid_from": "2026-11-01",
    "valid_until": "2027-12-31",
}  # fmt: skip


def promote(world: World, *sites: str) -> None:
    world.enter(HEAD_OFFICE, "promotion", {**PROMOTION, "sites": list(sites)})
    world.rounds(2)


def where(world: World) -> list[str]:
    return [store for store in world.stores if world.rows(store, retail.promotion)]


def test_a_promotion_that_is_withdrawn_from_a_store_is_taken_away_there_and_may_come_back(
    world: World,
) -> None:
    promote(world, "S1", "S2")
    assert where(world) == ["S1", "S2"]
    promote(world, "S2")
    assert where(world) == ["S2"]
    assert {one["status"] for one in sent(world.nodes[HEAD_OFFICE])} == {"PROCESSED"}
    said = [step.words for step in trace(world.nodes[HEAD_OFFICE], world.mailbox, "P1")]
    assert "version 2 goes withdrawn: to the stores that were sent it before" in said
    promote(world, "S1")
    assert where(world) == ["S1"]


def test_the_trace_of_a_store_tells_of_what_was_withdrawn_there(world: World) -> None:
    promote(world, "S1", "S2")
    promote(world, "S2")
    said = [step.words for step in trace(world.nodes["S1"], world.mailbox, "P1")]
    assert [words.split(", ")[1].split()[:2] for words in said] == [["version", "1"], ["version", "2"]]


def test_a_store_without_a_promotion_is_told_so_once_only(world: World) -> None:
    for sites in (("S1", "S2"), ("S2",), ("S2",), ("S2",)):
        promote(world, *sites)
    assert [row["op"] for row in world.arrived("S1") if row["key"] == "P1"] == ["upsert", "delete"]
    node = world.nodes[HEAD_OFFICE]
    with node.writing("request") as connection:
        remove(node, connection, "promotion", "P1")
    world.rounds(2)
    assert where(world) == []


@pytest.mark.parametrize(("store", "op"), [("S1", "delete"), ("S2", "upsert")])
def test_a_withdrawn_object_is_sent_again_to_each_store_as_it_went_there(
    world: World, store: str, op: str
) -> None:
    promote(world, "S1", "S2")
    promote(world, "S2")
    node = world.nodes[HEAD_OFFICE]
    lease = take_lease(node)
    assert send_object(node, lease, store, "promotion", "P1")
    give_back(node, lease)
    world.rounds(2)
    assert where(world) == ["S2"]
    last = [row for row in world.arrived(store) if row["key"] == "P1"][-1]
    assert (last["op"], last["state"]) == (op, "APPLIED")


def test_one_id_for_two_objects_is_told_as_a_number_that_was_used_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "document_id", lambda *_: "the same")
    world.bill("S1", "S1-1")
    world.sync("S1")
    world.rounds(1)
    with world.nodes["S1"].engine.begin() as connection:
        connection.execute(t.document.delete())
    world.bill("S1", "S1-2")
    world.rounds(2)
    assert [row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)] == ["S1-1"]
    held = the_held(world)
    assert (held["key"], held["code"]) == ("S1-2", "FORK")
