"""Head office and stores: receive first, then send; what is held, and why; what a person sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clientsync.errors import AlreadyRunning, ExchangeRefused, InvalidInput
from clientsync.exchange import capturing, packing
from clientsync.exchange import tables as t
from clientsync.exchange.capturing import record, remove
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.lists import control_totals, received, received_totals, sent, unanswered
from clientsync.exchange.loading import start
from clientsync.exchange.nodes import errors_of, take_lease
from clientsync.exchange.syncing import sync
from clientsync.exchange.tracing import trace
from connectors.retail import tables as retail
from tests.support.exchange_world import DAY, World, bill


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_a_document_is_uploaded_then_processed_after_the_next_sync_of_its_sender(world: World) -> None:
    world.item("I1")
    world.rounds(1)
    world.bill("S1", "S1-1")
    assert world.sync("S1").counts["upload"] == 1
    assert sent(world.nodes["S1"])[0]["status"] == "UPLOADED"
    world.sync(HEAD_OFFICE)
    assert [row["net"] for row in world.rows(HEAD_OFFICE, retail.bill)] == [1000]
    assert sent(world.nodes["S1"])[0]["status"] == "UPLOADED"
    world.sync("S1")
    assert sent(world.nodes["S1"])[0]["status"] == "PROCESSED"


def test_masters_go_to_every_store_and_a_deletion_follows_them(world: World) -> None:
    world.item("I1")
    world.rounds(2)
    assert all(world.rows(one, retail.item) for one in world.stores)
    node = world.nodes[HEAD_OFFICE]
    with node.writing("request") as connection:
        remove(node, connection, "item", "I1")
    world.rounds(2)
    assert not any(world.rows(one, retail.item) for one in world.stores)


def test_consignment_stores_get_transfer_orders_and_outright_stores_orders_and_invoices(world: World) -> None:
    world.item("I1")
    line = {"item_code": "I1", "quantity": 5000, "rate": 700}
    for place, site in enumerate(world.stores):
        usual = {"site": site, "on_day": DAY, "lines": [line]}
        world.enter(HEAD_OFFICE, "transfer_order", {"number": f"T{place}", **usual})
        world.enter(HEAD_OFFICE, "sales_order", {"number": f"O{place}", **usual})
        world.enter(HEAD_OFFICE, "invoice", {"number": f"V{place}", "net": 3500, "tax": 420, **usual})
    world.rounds(2)
    assert set(world.inbox("S1")) == {"I1", "T0"}
    assert set(world.inbox("S2")) == {"I1", "O1", "V1"}


def test_a_bill_of_an_unknown_item_waits_and_the_others_flow_and_it_goes_on_when_the_item_comes(
    world: World,
) -> None:
    world.item("I1")
    world.bill("S1", "S1-1", "I9")
    world.bill("S1", "S1-2", "I1")
    world.rounds(2)
    assert world.inbox(HEAD_OFFICE) == {"S1-1": "BLOCKED", "S1-2": "APPLIED"}
    (row,) = [one for one in received(world.nodes[HEAD_OFFICE]) if one["state"] == "BLOCKED"]
    assert row["reason"] == "unknown item I9"
    assert {one["key"]: one["status"] for one in sent(world.nodes["S1"])} == {
        "S1-1": "ERROR",
        "S1-2": "PROCESSED",
    }
    world.item("I9")
    world.rounds(2)
    assert set(world.inbox(HEAD_OFFICE).values()) == {"APPLIED"}
    assert {one["status"] for one in sent(world.nodes["S1"])} == {"PROCESSED"}


def test_what_follows_from_a_held_document_is_held_and_all_else_is_applied(world: World) -> None:
    world.item("I1")
    customer = {"customer_id": "C1", "name": "A", "phone": "1", "site": "S1"}
    world.enter("S1", "customer", customer)
    world.bill("S1", "S1-1", customer_id="C1")
    world.bill("S1", "S1-2")
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER poison BEFORE INSERT ON customer BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    world.rounds(2)
    assert world.inbox(HEAD_OFFICE) == {"C1": "QUARANTINED", "S1-1": "BLOCKED", "S1-2": "APPLIED"}


def test_a_number_that_two_stores_use_is_held_for_the_second_and_overwrites_nothing(world: World) -> None:
    world.item("I1")
    world.bill("S1", "N1", net=1000)
    world.bill("S2", "N1", net=9900)
    world.rounds(2)
    assert [row["net"] for row in world.rows(HEAD_OFFICE, retail.bill)] == [1000]
    assert [one["code"] for one in received(world.nodes[HEAD_OFFICE], states=("QUARANTINED",))] == [
        "OTHER_OWNER"
    ]


def test_a_node_writes_only_what_it_owns(world: World) -> None:
    with pytest.raises(InvalidInput, match="written by HO only"):
        world.enter("S1", "item", {"item_code": "I1", "name": "x", "hsn": "1", "tax_basis_points": 0})
    assert not world.rows("S1", t.outbox)
    assert not world.rows("S1", retail.item)


def test_the_totals_of_a_day_are_equal_at_both_sides_when_nothing_is_held(world: World) -> None:
    world.item("I1")
    for number in range(3):
        world.bill("S1", f"S1-{number}", net=1000 + number * 100)
    world.rounds(2)
    bills = [row for row in control_totals(world.nodes["S1"]) if row[0] == "bill"]
    assert bills == [["bill", DAY, 3, 3000, 3300, 396, 3696]]
    assert received_totals(world.nodes[HEAD_OFFICE], "S1") == bills


def test_a_second_sync_without_change_writes_no_batch_and_no_answer(world: World) -> None:
    world.item("I1")
    world.bill("S1", "S1-1")
    world.rounds(3)
    world.fuse.passed.clear()
    world.rounds(1)
    done = {name.removeprefix("exchange_").rsplit("_", 1)[0] for name in world.fuse.passed}
    assert not done & {"take", "receive", "apply", "answered", "collect", "uploaded"}


def test_two_syncs_of_one_node_at_once_are_one_and_a_clear_refusal(world: World) -> None:
    take_lease(world.nodes["S1"])
    with pytest.raises(AlreadyRunning, match="S1"):
        world.sync("S1")


def test_a_store_of_another_major_version_neither_applies_nor_sends_and_says_what_waits(world: World) -> None:
    world.rounds(1)
    world.bill("S1", "S1-1")
    beat = world.mailbox.beats([HEAD_OFFICE])[HEAD_OFFICE]
    world.mailbox.beat(HEAD_OFFICE, beat["incarnation"], {**beat, "software": "99.0.0"})
    with pytest.raises(ExchangeRefused, match="1 documents wait"):
        world.sync("S1")
    assert not sent(world.nodes["S1"])
    assert errors_of(world.nodes["S1"].engine)[0]["code"] == "VERSION"


def test_bodies_are_shared_between_stores_that_get_the_same_documents(world: World) -> None:
    for number in range(20):
        world.item(f"I{number}")
    world.sync(HEAD_OFFICE)
    assert len(world.rows(HEAD_OFFICE, t.batch_out)) == 2
    assert len(world.rows(HEAD_OFFICE, t.body)) == 1


def test_what_is_never_changed_is_frozen_when_it_is_written_and_routed_when_it_is_packed(
    world: World,
) -> None:
    world.bill("S1", "S1-1")
    order = {"number": "O1", "site": "S1", "on_day": DAY, "lines": []}
    world.enter(HEAD_OFFICE, "transfer_order", order)
    (sale,) = world.rows("S1", t.document)
    (moved,) = world.rows(HEAD_OFFICE, t.document)
    assert (sale["receivers"], sale["rule"]) == ('["HO"]', "to the head office")
    assert (moved["receivers"], moved["rule"]) == ("[]", "")
    assert control_totals(world.nodes["S1"]) == []
    assert unanswered(world.nodes["S1"]).value == sale["net"] + sale["tax"]
    assert [step.words for step in trace(world.nodes["S1"], world.mailbox, "S1-1")] == [
        "bill version 1 was written",
        "it waits for the next sync of this node",
    ]
    world.rounds(2)
    assert not world.rows("S1", t.outbox) and not world.rows(HEAD_OFFICE, t.outbox)
    (after,) = world.rows(HEAD_OFFICE, t.document)
    assert after == {**moved, "receivers": '["S1"]', "rule": after["rule"]} and "site" in after["rule"]
    assert world.rows("S1", t.document) == [sale]
    assert [row["number"] for row in world.rows("S1", retail.transfer_order)] == ["O1"]


def test_what_older_software_recorded_and_did_not_freeze_is_packed_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.item("I1")
    with monkeypatch.context() as older:
        older.setattr(capturing, "_frozen", lambda *_, **__: None)
        world.bill("S1", "S1-1")
    assert not world.rows("S1", t.document)
    world.rounds(2)
    assert [row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)] == ["S1-1"]
    assert [row["state"] for row in world.rows("S1", t.outbox)] == ["PACKED"]


def test_the_rule_that_chose_the_receivers_is_kept_with_the_document(world: World) -> None:
    world.item("I1")
    world.sync(HEAD_OFFICE)
    (row,) = world.rows(HEAD_OFFICE, t.document)
    assert (json.loads(row["receivers"]), row["rule"]) == (["S1", "S2"], "to every store")


def test_a_head_office_sends_to_chosen_stores_only_and_the_others_get_theirs_later(world: World) -> None:
    world.item("I1")
    node = world.nodes[HEAD_OFFICE]
    assert sync(node, world.mailbox, only=["S2"]).counts["upload"] == 1
    assert {one["to"]: one["status"] for one in sent(node)} == {"S1": "WAITING", "S2": "UPLOADED"}
    world.rounds(1)
    assert {one["to"]: one["status"] for one in sent(node)} == {"S1": "UPLOADED", "S2": "PROCESSED"}


def test_a_store_that_is_not_known_is_refused_with_those_that_are(world: World) -> None:
    with pytest.raises(InvalidInput, match=r"S9 is not known here\. Valid: S1, S2"):
        sync(world.nodes[HEAD_OFFICE], world.mailbox, only=["S9"])


def test_nothing_is_brought_to_a_store_of_another_major_version(world: World) -> None:
    world.rounds(1)
    beat = world.mailbox.beats(["S1"])["S1"]
    world.mailbox.beat("S1", beat["incarnation"], {**beat, "software": "99.0.0"})
    world.item("I1")
    result = world.sync(HEAD_OFFICE)
    assert "major version differs" in result.refused["S1"]
    assert {one["to"]: one["status"] for one in sent(world.nodes[HEAD_OFFICE])} == {
        "S1": "WAITING",
        "S2": "UPLOADED",
    }


def test_what_the_sender_owns_and_a_document_needs_is_asked_for_once(world: World) -> None:
    """A customer that never left the store is missing at the head office for good; its silence is asked about once."""
    node = world.nodes["S1"]
    world.item("I1")
    sale = bill("S1", "S1-1", customer_id="S1-C404")
    with node.writing("request") as connection:
        record(node, connection, "bill", "S1-1", sale)
    world.rounds(4)
    asked = [one.kind for _, one in world.mailbox.requests("S1", "")]
    assert asked == ["send"]
    assert world.inbox(HEAD_OFFICE) == {"S1-1": "BLOCKED"}
    assert "NOT_SENT" in {one["code"] for one in errors_of(node.engine)}


def poison(world: World, number: str) -> None:
    """Let the store send a bill that the head office refuses: paid and owed differ."""
    node = world.nodes["S1"]
    with node.writing("request") as connection:
        record(node, connection, "bill", number, bill("S1", number, tender=1))


def commits(world: World) -> list[str]:
    """Return what the head office committed since the last look, of taking and applying."""
    names = [name.removeprefix("exchange_") for name in world.fuse.passed]
    world.fuse.passed.clear()
    found = [name.removesuffix("_after") for name in names if name.endswith("_after")]
    return [name for name in found if name in ("take", "receive", "apply")]


def test_a_batch_without_trouble_is_taken_and_applied_in_one_commit(world: World) -> None:
    world.item("I1")
    world.bill("S1", "S1-1")
    world.sync("S1")
    commits(world)
    result = world.sync(HEAD_OFFICE)
    assert commits(world) == ["take"]
    assert (result.counts["receive"], result.counts["apply"], result.states) == (1, 1, {"APPLIED": 1})
    (row,) = world.arrived(HEAD_OFFICE)
    assert row["state"] == "APPLIED"
    assert row["settled_at"] == row["received_at"] != ""


def test_a_batch_with_one_poisoned_document_is_taken_first_and_decided_one_by_one(world: World) -> None:
    world.item("I1")
    world.bill("S1", "S1-1")
    poison(world, "S1-2")
    world.sync("S1")
    commits(world)
    result = world.sync(HEAD_OFFICE)
    assert commits(world) == ["receive", "apply"]
    assert result.states == {"APPLIED": 1, "QUARANTINED": 1}
    assert world.inbox(HEAD_OFFICE) == {"S1-1": "APPLIED", "S1-2": "QUARANTINED"}


def test_while_something_of_a_sender_is_open_its_batches_are_taken_before_they_are_applied(
    world: World,
) -> None:
    world.item("I1")
    poison(world, "S1-1")
    world.rounds(1)
    world.bill("S1", "S1-2")
    world.sync("S1")
    commits(world)
    world.sync(HEAD_OFFICE)
    assert commits(world)[:1] == ["receive"]
    assert world.inbox(HEAD_OFFICE) == {"S1-1": "QUARANTINED", "S1-2": "APPLIED"}


def test_one_sync_sends_everything_however_long_the_store_was_offline(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "EVENTS_AT_ONCE", 2)
    world.item("I1")
    for number in range(5):
        world.bill("S1", f"S1-{number}")
    result = world.sync("S1")
    assert (result.counts["pack"], result.counts["upload"]) == (5, 5)
    assert {one["status"] for one in sent(world.nodes["S1"])} == {"UPLOADED"}
    assert world.sync(HEAD_OFFICE).counts["apply"] == 5


def carried(world: World) -> list[int]:
    """Return what the batches of S1 say, document by document, of the version that was carried before."""
    rows = sorted(world.rows("S1", t.batch_out), key=lambda row: (row["epoch"], row["seq"]))
    return [before for row in rows for before in json.loads(row["header"])["before"]]


def void(world: World, number: str) -> None:
    node = world.nodes["S1"]
    with node.writing("request") as connection:
        record(node, connection, "bill", number, bill("S1", number), op="void")


@pytest.mark.parametrize("syncs_between", [0, 1])
def test_the_second_version_of_what_is_never_changed_follows_the_first_that_no_note_tells_of(
    world: World, syncs_between: int
) -> None:
    world.bill("S1", "S1-1")
    world.bill("S1", "S1-2")
    for _ in range(syncs_between):
        world.sync("S1")
    assert world.rows("S1", t.carried) == []
    void(world, "S1-1")
    world.sync("S1")
    void(world, "S1-1")
    world.sync("S1")
    assert carried(world) == [0, 0, 1, 2]
    assert [(row["key"], row["version"]) for row in world.rows("S1", t.carried)] == [("S1-1", 3)]


def test_a_load_forgets_what_it_leaves_out_as_too_old(world: World) -> None:
    world.item("I1")
    world.bill("S1", "S1-1", on_day="2026-01-01")
    world.bill("S1", "S1-2")
    world.rounds(2)
    start(world.nodes["S1"], HEAD_OFFICE, types=["bill"], since=DAY, actor="test")
    world.sync("S1")
    void(world, "S1-1")
    void(world, "S1-2")
    world.sync("S1")
    assert carried(world)[-2:] == [0, 1]
