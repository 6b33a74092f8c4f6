"""A sender that is in the middle of sending is waited for, so that one sync takes all of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from clientsync.exchange import packing, receiving, syncing
from clientsync.exchange import tables as t
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.nodes import take_lease
from clientsync.exchange.packing import pack
from clientsync.exchange.sending import check_restored, upload
from tests.support.exchange_world import World


def sell(world: World, bills: int) -> None:
    for number in range(bills):
        world.bill("S1", f"S1-{number}")


def follows(world: World, name: str) -> list[bool]:
    return [json.loads(row["header"]).get("follows", False) for row in world.rows(name, t.batch_out)]


@pytest.mark.parametrize(
    ("at_once", "bills", "said"),
    [(packing.EVENTS_AT_ONCE, 7, [True, True, False]), (2, 4, [True, False])],
    ids=["parts that grow", "a last part that is full"],
)
def test_a_batch_says_whether_more_follows_in_the_same_sync(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: int, bills: int, said: list[bool]
) -> None:
    monkeypatch.setattr(syncing, "FIRST_EVENTS", 2)
    monkeypatch.setattr(packing, "EVENTS_AT_ONCE", at_once)
    sell(world, bills)
    world.sync("S1")
    assert follows(world, "S1") == said


def sends_when_asked(world: World, store: str, parts: list[int]) -> Callable[[float], None]:
    """Return what a receiver does instead of sleeping: at every look, the store brings its next part."""
    node = world.nodes[store]
    lease = take_lease(node)
    check_restored(node, world.mailbox, lease)

    def send(_: float = 0) -> None:
        if parts:
            pack(node, lease, limit=parts.pop(0))
            upload(node, world.mailbox, lease, [HEAD_OFFICE])

    send()
    return send


def test_one_sync_takes_what_a_store_brings_while_it_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell(world, 9)
    monkeypatch.setattr(time, "sleep", sends_when_asked(world, "S1", [2, 3, 4]))
    assert world.sync(HEAD_OFFICE).counts["receive"] == 9


def test_a_sender_that_stops_in_the_middle_is_waited_for_a_moment_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "PATIENCE", 0.1)
    sell(world, 4)
    sends_when_asked(world, "S1", [2])
    began = time.monotonic()
    assert world.sync(HEAD_OFFICE).counts["receive"] == 2
    assert time.monotonic() - began > receiving.PATIENCE


def never(_: float) -> None:
    raise AssertionError("nobody is to be waited for")


def test_nobody_is_waited_for_when_all_was_brought(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sell(world, 4)
    world.sync("S1")
    monkeypatch.setattr(time, "sleep", never)
    assert world.sync(HEAD_OFFICE).counts["receive"] == 4
    assert world.sync(HEAD_OFFICE).counts["receive"] == 0


def test_a_sender_whose_batch_is_broken_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell(world, 6)
    sends_when_asked(world, "S1", [2])
    after = world.mailbox.after

    def flipped(receiver: str, cursors: Any) -> list[Any]:
        return [(batch, body[:-1] + bytes([body[-1] ^ 1])) for batch, body in after(receiver, cursors)]

    monkeypatch.setattr(world.mailbox, "after", flipped)
    monkeypatch.setattr(time, "sleep", never)
    assert world.sync(HEAD_OFFICE).counts["receive"] == 0
