"""The histories notice what they are there for: each of these defects, planted, is caught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clientsync.errors import SyncError
from clientsync.exchange import answering, applying, receiving, sending, syncing
from clientsync.exchange import tables as t
from clientsync.exchange.catalogue import HEAD_OFFICE, Key
from clientsync.exchange.envelopes import EnvelopeBroken, Opened, opened
from clientsync.exchange.lists import sent
from clientsync.exchange.mailbox import ForkFound
from clientsync.exchange.nodes import give_back, take_lease
from clientsync.exchange.resending import send_object
from connectors.retail import tables as retail
from tests.support.exchange_world import Crash, Flaky, World

Patch = Callable[[pytest.MonkeyPatch], None]
Scenario = Callable[[World], None]


def no_epoch_after_a_restore(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sending, "_is_behind", lambda *_: False)


def no_look_at_digests(patch: pytest.MonkeyPatch) -> None:
    """Take what can be unpacked, and let the place move on."""

    def careless(batch: Any, body: bytes, prev_hash: str, public: str) -> Any:
        try:
            return opened(batch, body, prev_hash, public)
        except EnvelopeBroken:
            return Opened([], [], "", "", restarts=False, follows=False)

    def take_if_any(node: Any, lease: Any, stream: Any, one: Any) -> None:
        if one[1].documents:
            take(node, lease, stream, one)

    take = receiving._take
    patch.setattr(receiving, "opened", careless)
    patch.setattr(receiving, "_take", take_if_any)


def no_look_at_the_order_of_batches(patch: pytest.MonkeyPatch) -> None:
    def careless(batch: Any, body: bytes, place: Any, public: str) -> Any:
        return opened(batch, body, batch.prev_hash, public)

    patch.setattr(receiving, "_read", careless)


def answered_before_it_is_applied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answering, "OPEN", ())


def applied_past_a_held_document(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(applying, "_waits", lambda *_: None)


def stopped_at_a_poisoned_document(patch: pytest.MonkeyPatch) -> None:
    original = applying._one_by_one

    def stubborn(node: Any, lease: Any, peer: str, epoch: int, seq: int, held: dict[Key, str]) -> Any:
        return [] if held is not None else original(node, lease, peer, epoch, seq, held)

    patch.setattr(applying, "_one_by_one", stubborn)


def marked_without_the_effect(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(applying, "_runs", lambda *_: iter(()))


def an_answer_promotes_what_is_not_there(patch: pytest.MonkeyPatch) -> None:
    original = sending.upload

    def hasty(node: Any, mailbox: Any, lease: Any, peers: Any) -> int:
        with node.writing("uploaded", lease) as connection:
            connection.execute(t.batch_out.update().values(state="UPLOADED"))
        return original(node, mailbox, lease, peers)

    patch.setattr(syncing, "upload", hasty)


def no_memory_of_documents(patch: pytest.MonkeyPatch) -> None:
    original = applying._known

    def forgetful(*args: Any) -> Any:
        known = original(*args)
        known.marks.clear()
        known.versions.clear()
        return known

    patch.setattr(applying, "_known", forgetful)


def _bill_arrives(world: World) -> None:
    world.item("I1")
    world.bill("S1", "S1-1")
    world.rounds(2)
    assert [row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)] == ["S1-1"]


def _restored(world: World) -> None:
    _bill_arrives(world)
    copy = world.backup("S1")
    world.bill("S1", "S1-2")
    world.sync("S1")
    world.restore("S1", copy)
    world.bill("S1", "S1-3")
    world.rounds(2)
    assert {row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)} == {"S1-1", "S1-2", "S1-3"}


def _download_with(fault: str) -> Scenario:
    def broken(world: World) -> None:
        world.item("I1")
        for number in range(3):
            world.bill("S1", f"S1-{number}")
            world.sync("S1")
        flaky = Flaky(world.mailbox.engine)
        flaky.fault = fault
        world.mailbox = flaky
        world.rounds(3)
        assert len(world.rows(HEAD_OFFICE, retail.bill)) == 3

    return broken


def _held(world: World) -> None:
    """Put a customer that the head office refuses, and what follows, among other bills."""
    world.item("I1")
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER poison BEFORE INSERT ON customer BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    world.enter("S1", "customer", {"customer_id": "C1", "name": "A", "phone": "1", "site": "S1"})
    world.bill("S1", "S1-1", customer_id="C1")
    world.bill("S1", "S1-2")
    world.rounds(2)
    assert world.inbox(HEAD_OFFICE) == {"C1": "QUARANTINED", "S1-1": "BLOCKED", "S1-2": "APPLIED"}
    assert {one["key"]: one["status"] for one in sent(world.nodes["S1"])}["S1-1"] == "ERROR"


def _crash_before_upload(world: World) -> None:
    world.item("I1")
    world.bill("S1", "S1-1")
    world.fuse.stop_at = "exchange_upload_before"
    with pytest.raises(Crash):
        world.sync("S1")
    world.free("S1")
    assert [one["status"] for one in sent(world.nodes["S1"])] == ["WAITING"]
    assert not world.mailbox.newest("S1", [HEAD_OFFICE])


def _sent_again(world: World) -> None:
    _bill_arrives(world)
    node = world.nodes["S1"]
    lease = take_lease(node)
    assert send_object(node, lease, HEAD_OFFICE, "bill", "S1-1")
    give_back(node, lease)
    world.rounds(2)
    assert {row["state"] for row in world.arrived(HEAD_OFFICE)} == {"APPLIED"}
    assert len(world.rows(HEAD_OFFICE, retail.bill)) == 1


CASES: list[tuple[Patch, Scenario]] = [
    (no_epoch_after_a_restore, _restored),
    (no_look_at_digests, _download_with("flip")),
    (no_look_at_the_order_of_batches, _download_with("first lost")),
    (answered_before_it_is_applied, _held),
    (applied_past_a_held_document, _held),
    (stopped_at_a_poisoned_document, _held),
    (marked_without_the_effect, _bill_arrives),
    (an_answer_promotes_what_is_not_there, _crash_before_upload),
    (no_memory_of_documents, _sent_again),
]


@pytest.mark.parametrize(("plant", "scenario"), CASES, ids=[plant.__name__ for plant, _ in CASES])
def test_a_planted_defect_is_caught_by_a_history_that_passes_without_it(
    plant: Patch, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sound", "planted"):
        (tmp_path / name).mkdir()
    sound = World(tmp_path / "sound")
    scenario(sound)
    sound.close()
    plant(monkeypatch)
    planted = World(tmp_path / "planted")
    with pytest.raises((AssertionError, SyncError, ForkFound, pytest.fail.Exception)):
        scenario(planted)
    planted.close()
