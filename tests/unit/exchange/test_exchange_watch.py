"""What does not move on by its deadline becomes an error with a next step; what moves is not told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clientsync.exchange import tables as t
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.syncing import sync
from tests.support.exchange_world import World

START = datetime(2026, 11, 27, 10, tzinfo=UTC)


class Clock:
    """Moves the time of a test."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.move()

    def move(self, **passed: float) -> None:
        self.patch.setenv("CLIENTSYNC_NOW", (START + timedelta(**passed)).isoformat())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[World]:
    made = World(tmp_path)
    made.item("I1")
    made.rounds(2)
    yield made
    made.close()


def told(world: World, name: str) -> list[tuple[str, str]]:
    return [(row["code"], row["reason"]) for row in world.rows(name, t.error)]


def test_a_store_that_is_away_is_told_since_when_and_one_that_is_slow_is_told_apart(
    world: World, clock: Clock
) -> None:
    world.item("I2")
    world.sync(HEAD_OFFICE)
    clock.move(minutes=40)
    world.sync(HEAD_OFFICE)
    assert told(world, HEAD_OFFICE) == []
    clock.move(minutes=50)
    world.sync("S2")
    world.sync(HEAD_OFFICE)
    (only,) = told(world, HEAD_OFFICE)
    assert only[0] == "NOT_ANSWERED"
    assert only[1].startswith("S1 is away; it was there last: 2026-11-27T10:00")


def test_what_a_sync_leaves_behind_is_told_after_two_intervals(world: World, clock: Clock) -> None:
    world.item("I2")
    for minutes in (0, 20):
        clock.move(minutes=minutes)
        sync(world.nodes[HEAD_OFFICE], world.mailbox, only=["S1"])
    assert told(world, HEAD_OFFICE) == []
    clock.move(minutes=40)
    world.sync("S1")
    sync(world.nodes[HEAD_OFFICE], world.mailbox, only=["S1"])
    assert told(world, HEAD_OFFICE) == [
        ("NOT_SENT_YET", "1 are older than 30 minutes and not in the web database")
    ]


def test_what_is_held_is_told_again_every_day(world: World, clock: Clock) -> None:
    world.bill("S1", "S1-1", "I9")
    world.rounds(1)
    for days in (0.5, 1.5, 1.7, 2.5):
        clock.move(days=days)
        world.sync(HEAD_OFFICE)
    held = [reason for code, reason in told(world, HEAD_OFFICE) if code == "STILL_HELD"]
    assert held == ["1 are held, the oldest for 1 days", "1 are held, the oldest for 2 days"]
