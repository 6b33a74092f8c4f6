"""Loads: a new store gets everything, an interrupted load goes on, a rebuilt head office is filled by its stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clientsync.errors import InvalidInput
from clientsync.exchange import loading
from clientsync.exchange import tables as t
from clientsync.exchange.board import compared
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.loaded import ask_for_load, left_over, loads_received, remove_left_over
from clientsync.exchange.loading import cancel, loads_of, start
from connectors.retail import tables as retail
from tests.support.exchange_world import DAY, Crash, World, bill


@pytest.fixture()
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def put_items(world: World, name: str, number: int, *, first: int = 0) -> None:
    """Put items into the business tables without any event, as they stand before there was an exchange."""
    with world.nodes[name].engine.begin() as connection:
        connection.execute(
            retail.item.insert(),
            [
                {"item_code": f"X{one:04d}", "name": "Shirt", "hsn": "6105", "tax_basis_points": 1200}
                for one in range(first, first + number)
            ],
        )


def codes(world: World, name: str) -> set[str]:
    return {row["item_code"] for row in world.rows(name, retail.item)}


def the_load(world: World, name: str) -> dict[str, Any]:
    (found,) = loads_received(world.nodes[name])
    return found


def test_a_store_is_loaded_with_items_that_never_had_an_event(world: World) -> None:
    put_items(world, HEAD_OFFICE, 7)
    world.rounds(2)
    assert codes(world, "S1") == set()
    start(world.nodes[HEAD_OFFICE], "S1", actor="asha")
    world.rounds(2)
    assert codes(world, "S1") == codes(world, HEAD_OFFICE)
    assert codes(world, "S2") == set()
    assert the_load(world, "S1")["state"] == "COMPLETE"
    assert the_load(world, "S1")["documents"] == 7
    (sent,) = loads_of(world.nodes[HEAD_OFFICE])
    assert sent["state"] == "PROCESSED"


@pytest.mark.parametrize("at", range(2, 12))
def test_a_load_that_is_interrupted_goes_on_at_its_page(
    world: World, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(loading, "PAGE", 3)
    put_items(world, HEAD_OFFICE, 10)
    start(world.nodes[HEAD_OFFICE], "S1", types=["item"], actor="asha")
    world.fuse.left = at
    with pytest.raises(Crash):
        world.sync(HEAD_OFFICE)
    world.fuse.left = -1
    world.free(HEAD_OFFICE)
    world.rounds(3)
    assert codes(world, "S1") == codes(world, HEAD_OFFICE)
    assert the_load(world, "S1")["state"] == "COMPLETE"
    came = [row["document_id"] for row in world.arrived("S1")]
    assert len(came) == len(set(came)) == 10


def test_what_changes_during_a_load_wins_over_what_the_load_brings(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PAGE", 2)
    for number in range(5):
        world.item(f"I{number}", "old")
    world.rounds(2)
    start(world.nodes[HEAD_OFFICE], "S1", types=["item"], actor="asha")
    world.fuse.left = 9
    with pytest.raises(Crash):
        world.sync(HEAD_OFFICE)
    world.fuse.left = -1
    world.free(HEAD_OFFICE)
    world.item("I0", "new")
    world.item("I4", "new")
    world.rounds(3)
    names = {row["item_code"]: row["name"] for row in world.rows("S1", retail.item)}
    assert names == {"I0": "new", "I1": "old", "I2": "old", "I3": "old", "I4": "new"}
    assert the_load(world, "S1")["state"] == "COMPLETE"


def test_a_part_is_loaded_from_a_day_on_and_to_the_store_it_belongs_to(world: World) -> None:
    for number, day in (("T1", "2026-01-05"), ("T2", "2026-02-05")):
        body = {"number": number, "site": "S1", "on_day": day, "lines": []}
        world.enter(HEAD_OFFICE, "transfer_order", body)
    world.rounds(2)
    start(world.nodes[HEAD_OFFICE], "S1", types=["transfer_order"], since="2026-02-01", actor="asha")
    start(world.nodes[HEAD_OFFICE], "S2", types=["transfer_order"], actor="asha")
    world.rounds(2)
    assert the_load(world, "S1")["documents"] == 1
    assert the_load(world, "S2")["documents"] == 0


def test_a_rebuilt_head_office_is_filled_by_its_stores_with_new_streams(world: World) -> None:
    world.item("I1")
    world.rounds(2)
    for number in range(4):
        world.bill("S1", f"S1-{number}")
    world.bill("S2", "S2-1")
    world.rounds(3)
    before = sorted(row["number"] for row in world.rows(HEAD_OFFICE, retail.bill))
    world.rebuild(HEAD_OFFICE)
    world.item("I1")
    world.lose_in_mailbox("S1", HEAD_OFFICE, until=1)
    for store in ("S1", "S2"):
        ask_for_load(world.nodes[HEAD_OFFICE], world.mailbox, store, restarts=True)
    world.bill("S1", "S1-new")
    world.rounds(4)
    assert sorted(row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)) == sorted(
        [*before, "S1-new"]
    )
    assert {one["state"] for one in loads_received(world.nodes[HEAD_OFFICE])} == {"COMPLETE"}
    assert all(row["state"] in ("PROCESSED", "REPLACED") for row in world.rows("S1", t.batch_out))


def test_a_gap_that_no_load_bridges_is_told_and_nothing_after_it_is_taken(world: World) -> None:
    world.item("I1")
    world.rounds(2)
    for number in range(3):
        world.bill("S1", f"S1-{number}")
        world.sync("S1")
    world.lose_in_mailbox("S1", HEAD_OFFICE, until=1)
    world.rebuild(HEAD_OFFICE)
    world.item("I1")
    world.rounds(2)
    assert world.rows(HEAD_OFFICE, retail.bill) == []
    told = [row for row in world.rows(HEAD_OFFICE, t.error) if row["code"] == "GAP"]
    assert "load --from S1 --restart" in told[0]["next_step"]


def test_what_a_complete_load_does_not_hold_is_shown_first_and_removed_on_demand(world: World) -> None:
    put_items(world, HEAD_OFFICE, 3)
    put_items(world, "S1", 2, first=900)
    load_id = start(world.nodes[HEAD_OFFICE], "S1", types=["item"], actor="asha")
    world.rounds(2)
    world.item("LATER")
    world.rounds(2)
    node = world.nodes["S1"]
    assert left_over(node, load_id) == [("item", "X0900"), ("item", "X0901")]
    assert "X0900" in codes(world, "S1")
    with pytest.raises(InvalidInput, match="who does it and why"):
        remove_left_over(node, load_id, actor="asha", reason=" ")
    assert remove_left_over(node, load_id, actor="asha", reason="closed items") == 2
    assert codes(world, "S1") == codes(world, HEAD_OFFICE)
    assert left_over(node, load_id) == []
    assert {row["what"] for row in world.rows("S1", t.audit)} == {"item X0900", "item X0901"}


def test_a_manifest_that_says_more_than_came_makes_the_load_wrong(world: World) -> None:
    put_items(world, HEAD_OFFICE, 3)
    start(world.nodes[HEAD_OFFICE], "S1", types=["item"], actor="asha")
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.execute(t.load.update().values(counts='{"item":[2,"ab"]}'))
    world.rounds(2)
    assert the_load(world, "S1")["state"] == "WRONG"
    (told,) = [row for row in world.rows("S1", t.error) if row["code"] == "LOAD"]
    assert told["reason"].startswith("the manifest says 5 documents of item, 3 came")


def test_a_second_load_of_a_store_waits_for_the_first_and_a_load_can_be_ended(world: World) -> None:
    node = world.nodes[HEAD_OFFICE]
    first = start(node, "S1", types=["item"], actor="asha")
    with pytest.raises(InvalidInput, match=first):
        start(node, "S1", actor="asha")
    cancel(node, first, actor="asha")
    start(node, "S1", actor="asha")
    with pytest.raises(InvalidInput, match="No load"):
        cancel(node, first, actor="asha")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"peer": "S9"}, "Valid: S1, S2"),
        ({"types": ["bill"]}, "Valid: item, price"),
        ({"types": ["item"], "restarts": True}, "whole load"),
    ],
)
def test_a_wrong_wish_for_a_load_is_refused_with_what_is_valid(
    world: World, wish: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        start(world.nodes[HEAD_OFFICE], **{"peer": "S1", "actor": "asha", **wish})


def test_an_object_that_was_removed_as_left_over_comes_back_with_its_next_version(world: World) -> None:
    world.item("I1", "old")
    world.item("I2", "old")
    world.rounds(2)
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.execute(retail.item.delete().where(retail.item.c.item_code == "I2"))  # past the exchange
    load_id = start(world.nodes[HEAD_OFFICE], "S1", types=["item"], actor="asha")
    world.rounds(2)
    assert remove_left_over(world.nodes["S1"], load_id, actor="asha", reason="gone") == 1
    world.item("I2", "new")
    world.rounds(2)
    assert {row["item_code"]: row["name"] for row in world.rows("S1", retail.item)} == {
        "I1": "old", "I2": "new",
    }  # fmt: skip


def test_what_a_load_leaves_out_as_too_old_makes_no_day_differ(world: World) -> None:
    world.item("I1")
    world.rounds(2)
    for number, day in (("S1-1", "2026-01-05"), ("S1-2", DAY)):
        found = bill("S1", number, net=0, on_day=day)
        del found["lines"]
        with world.nodes["S1"].engine.begin() as connection:
            connection.execute(retail.bill.insert(), found)
    start(world.nodes["S1"], HEAD_OFFICE, types=["bill"], since="2026-11-01", actor="asha")
    world.rounds(3)
    office = world.nodes[HEAD_OFFICE]
    rows = [row for row in compared(office, world.mailbox) if row["store"] == "S1"]
    assert [(row["day"], row["state"]) for row in rows] == [(DAY, "equal")]
    start(world.nodes["S1"], HEAD_OFFICE, types=["bill"], actor="asha")
    world.rounds(3)
    rows = [row for row in compared(office, world.mailbox) if row["store"] == "S1"]
    assert [(row["day"], row["state"]) for row in rows] == [("2026-01-05", "equal"), (DAY, "equal")]


def test_an_object_that_cannot_be_packed_is_put_aside_and_the_load_goes_on(world: World) -> None:
    put_items(world, HEAD_OFFICE, 3)
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.execute(
            retail.item.update().where(retail.item.c.item_code == "X0001").values(name="a\x00b")
        )
    start(world.nodes[HEAD_OFFICE], "S1", types=["item"], actor="asha")
    world.rounds(2)
    assert codes(world, "S1") == {"X0000", "X0002"}
    assert the_load(world, "S1")["state"] == "COMPLETE"
    assert "NOT_PACKED" in {row["code"] for row in world.rows(HEAD_OFFICE, t.error)}
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.execute(retail.item.update().values(name="Shirt"))
    world.rounds(2)
    assert codes(world, "S1") == {"X0000", "X0001", "X0002"}
