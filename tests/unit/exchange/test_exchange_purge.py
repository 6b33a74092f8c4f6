"""What a purge takes out is finished everywhere; what it leaves still tells the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.board import compared
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.lists import sent
from clientsync.exchange.loaded import left_over
from clientsync.exchange.loading import start
from clientsync.exchange.mailbox import mb_ack, mb_batch, mb_body, mb_heartbeat
from clientsync.exchange.purging import purge
from clientsync.exchange.tracing import trace
from connectors.retail import tables as retail
from tests.support.exchange_world import World

LATER = "2027-03-01T10:00:00+05:30"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-27T10:00:00+05:30")
    made = World(tmp_path)
    made.item("I1")
    made.rounds(2)
    for number in range(4):
        made.bill("S1", f"S1-{number}")
        made.rounds(1)
    made.rounds(2)
    yield made
    made.close()


def purge_all(world: World, *, is_trial: bool = False) -> dict[str, dict[str, int]]:
    return {
        name: purge(node, world.mailbox, actor="asha", is_trial=is_trial)
        for name, node in world.nodes.items()
    }


def in_mailbox(world: World) -> dict[str, int]:
    with world.mailbox.engine.connect() as connection:
        return {
            table.name: len(connection.execute(table.select()).all())
            for table in (mb_batch, mb_body, mb_ack, mb_heartbeat)
        }


def test_what_is_finished_goes_and_totals_traces_and_streams_stay_as_they_were(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals = compared(world.nodes[HEAD_OFFICE], world.mailbox)
    before = in_mailbox(world)
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    done = purge_all(world)
    assert done["S1"]["sent batches"] == 3  # the last one of the epoch stays
    assert (done[HEAD_OFFICE]["received batches"], done[HEAD_OFFICE]["documents of the inbox"]) == (4, 0)
    assert done[HEAD_OFFICE]["batches in the mailbox"] == 3
    after = in_mailbox(world)
    assert all(after[name] < before[name] for name in before)
    assert compared(world.nodes[HEAD_OFFICE], world.mailbox) == totals
    assert "stands in the business tables" in trace(world.nodes[HEAD_OFFICE], world.mailbox, "S1-0")[-1].words
    assert "are purged" in trace(world.nodes["S1"], world.mailbox, "S1-0")[-1].words
    world.bill("S1", "S1-9")
    world.rounds(3)
    assert len(world.rows(HEAD_OFFICE, retail.bill)) == 5
    assert {row["state"] for row in world.rows("S1", t.batch_out)} == {"PROCESSED"}
    assert not [row for row in world.rows(HEAD_OFFICE, t.error) if row["error_class"] == "PROTOCOL"]


def test_how_a_document_came_that_had_to_wait_goes_with_its_batch_and_that_it_came_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bill("S1", "S1-7", "I7")
    world.rounds(1)
    world.item("I7")
    world.rounds(3)
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    assert purge_all(world)[HEAD_OFFICE]["documents of the inbox"] == 1
    assert trace(world.nodes[HEAD_OFFICE], world.mailbox, "S1-7")[-1].words.startswith("version 1 was had")


def test_a_trial_takes_nothing_out_and_says_what_would_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    before = {name: world.arrived(name) for name in world.nodes}, in_mailbox(world)
    said = purge_all(world, is_trial=True)
    assert ({name: world.arrived(name) for name in world.nodes}, in_mailbox(world)) == before
    assert said == purge_all(world)


def test_what_nobody_has_answered_for_stays_however_old_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bill("S2", "S2-1")
    world.sync("S2")
    world.bill("S2", "S2-2", "I9")
    world.sync("S2")
    world.bill("S2", "S2-3")
    world.sync("S2")
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    assert purge_all(world)["S2"]["sent batches"] == 0
    world.rounds(3)
    assert purge_all(world)["S2"]["sent batches"] == 0  # they were answered for today
    monkeypatch.setenv("CLIENTSYNC_NOW", "2027-06-01T10:00:00+05:30")
    purge_all(world)
    assert [(row["seq"], row["state"]) for row in world.rows("S2", t.batch_out)] == [
        (2, "PARTIAL"),
        (3, "PROCESSED"),
    ]
    assert [row["key"] for row in world.arrived(HEAD_OFFICE)] == ["S2-2"]


def test_an_answer_stays_until_its_sender_has_seen_it_however_long_it_was_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        world.bill("S2", f"S2-{number}")
        world.sync("S2")
    world.sync(HEAD_OFFICE)
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    purge_all(world)
    world.sync("S2")
    assert {row["state"] for row in world.rows("S2", t.batch_out)} == {"PROCESSED"}
    assert purge(world.nodes[HEAD_OFFICE], world.mailbox, actor="asha")["batches in the mailbox"] == 1


def test_a_restored_store_takes_over_what_it_had_seen_of_batches_that_are_purged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bill("S1", "S1-7")
    world.sync("S1")
    copy = world.backup("S1")
    world.rounds(2)
    world.bill("S1", "S1-8")
    world.rounds(3)
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    purge_all(world)
    world.restore("S1", copy)
    world.renew("S1")
    world.rounds(3)
    assert {row["state"] for row in world.rows("S1", t.batch_out)} == {"PROCESSED"}


def test_a_database_that_is_restored_to_before_the_purge_is_told_to_load(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = world.backup(HEAD_OFFICE)
    world.bill("S1", "S1-5")
    world.rounds(1)
    world.bill("S1", "S1-6")
    world.rounds(2)
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    world.bill("S1", "S1-7")
    world.rounds(2)
    purge_all(world)
    world.restore(HEAD_OFFICE, copy)
    world.renew(HEAD_OFFICE)
    world.rounds(2)
    assert "GAP" in {row["code"] for row in world.rows(HEAD_OFFICE, t.error)}
    start(world.nodes["S1"], HEAD_OFFICE, restarts=True, actor="asha")
    world.rounds(3)
    assert {row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)} >= {"S1-5", "S1-6", "S1-7"}


def test_what_a_load_held_is_not_called_left_over_once_it_is_purged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_id = start(world.nodes[HEAD_OFFICE], "S1", actor="asha")
    world.rounds(2)
    assert left_over(world.nodes["S1"], load_id) == []
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    purge_all(world)
    with pytest.raises(InvalidInput, match="Load again"):
        left_over(world.nodes["S1"], load_id)


@pytest.mark.parametrize(("days", "actor"), [(0, "asha"), (35, " ")])
def test_a_purge_without_a_name_or_of_everything_is_refused(world: World, days: int, actor: str) -> None:
    with pytest.raises(InvalidInput):
        purge(world.nodes["S1"], world.mailbox, keep_days=days, actor=actor)


def test_what_a_purged_store_uploaded_is_brought_again_when_the_mailbox_is_put_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = world.backup("mailbox")
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    world.bill("S1", "S1-8")
    world.sync("S1")
    purge(world.nodes["S1"], world.mailbox, actor="asha")
    world.restore("mailbox", mailbox)
    world.bill("S1", "S1-9")
    world.rounds(4)
    assert {row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)} >= {"S1-8", "S1-9"}
    assert "RESTORED" not in {row["code"] for row in world.rows("S1", t.error)}


def test_what_is_asked_of_a_store_stays_until_it_was_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.mailbox.ask(HEAD_OFFICE, "S1", "send", {"doc_type": "bill", "key": "S1-0"})
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    purge(world.nodes[HEAD_OFFICE], world.mailbox, actor="asha")
    assert [one.kind for _, one in world.mailbox.requests("S1", "")] == ["send"]
    world.sync("S1")
    purge(world.nodes[HEAD_OFFICE], world.mailbox, actor="asha")
    assert world.mailbox.requests("S1", "") == []


def test_a_store_that_was_away_takes_back_what_a_restored_head_office_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = world.backup(HEAD_OFFICE)
    world.bill("S1", "S1-8")
    world.rounds(2)
    world.restore(HEAD_OFFICE, copy)
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER poison BEFORE INSERT ON bill BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    world.sync(HEAD_OFFICE)
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    world.sync(HEAD_OFFICE)
    purge(world.nodes[HEAD_OFFICE], world.mailbox, actor="asha")
    for name in ("S1", HEAD_OFFICE, "S1"):
        world.sync(name)
    assert {one["status"] for one in sent(world.nodes["S1"]) if one["key"] == "S1-8"} == {"ERROR"}
