"""What is forgotten: only what is old and done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from clientsync.commerce import deciding, store
from clientsync.commerce.events import EVENTS
from clientsync.commerce.intake import INBOUND
from clientsync.commerce.purging import purge
from tests.support.commerce_world import CommerceWorld


def _played() -> CommerceWorld:
    """Return a world with a sale that is booked, one that failed, and an event that failed."""
    world = CommerceWorld()
    world.add("sale", "s1")
    world.add("sale", "s2", is_broken=True)
    world.tell("1|sale|s1", "2|sale|s2", "3|something else|x")
    world.work()
    world.at += timedelta(days=100)
    return world


def _count(world: CommerceWorld, table: Any) -> int:
    with world.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_what_is_old_and_done_goes_and_documents_stay() -> None:
    world = _played()
    documents = world.rows()
    found = purge(world.of, world.at - timedelta(days=90), actor="sari")
    assert (found["webhooks"], found["events"]) == (1, 3)
    assert (_count(world, INBOUND), _count(world, EVENTS)) == (0, 0)
    assert world.rows() == documents
    assert _count(world, store.ATTEMPTS) == 2, "that a try was made is not forgotten"


def test_a_dry_run_says_how_much_would_go_and_lets_it_stay() -> None:
    world = _played()
    told = purge(world.of, world.at - timedelta(days=90), is_trial=True, actor="sari")
    assert (_count(world, INBOUND), _count(world, EVENTS)) == (1, 3)
    assert told == purge(world.of, world.at - timedelta(days=90), actor="sari")


def test_what_is_young_or_not_done_stays_with_all_that_belongs_to_it() -> None:
    world = _played()
    world.shop.is_away = True
    world.tell("4|sale|s1")
    for _ in range(12):
        world.work()
    assert [row.state for row in world.events()][-1] == "failed"
    world.tell("5|sale|s1")
    world.at += timedelta(days=100)
    purge(world.of, world.at - timedelta(days=90), actor="sari")
    assert [row.state for row in world.events()] == ["failed", "new"]
    assert _count(world, INBOUND) == 2


def test_a_webhook_that_comes_again_after_it_was_forgotten_changes_nothing() -> None:
    world = _played()
    purge(world.of, world.at - timedelta(days=90), actor="sari")
    world.tell("1|sale|s1")
    world.work()
    assert world.accounting.complaints == []
    assert deciding.refresh(world.of, [world.row("sale", "s1").doc_id], actor="sari") == 0


def test_a_purge_that_finds_nothing_leaves_no_note() -> None:
    world = _played()
    assert set(purge(world.of, world.at - timedelta(days=365), actor="sari").values()) == {0}
    with world.engine.connect() as connection:
        assert connection.execute(select(store.CHOICES)).all() == []


def test_who_let_it_be_forgotten_is_kept() -> None:
    world = _played()
    purge(world.of, world.at - timedelta(days=90), actor="sari")
    with world.engine.connect() as connection:
        (choice,) = connection.execute(select(store.CHOICES).where(store.CHOICES.c.action == "purge")).all()
    assert (choice.actor, choice.detail.split(":")[0]) == (
        "sari",
        f"before {world.at - timedelta(days=90):%Y-%m-%d}",
    )
