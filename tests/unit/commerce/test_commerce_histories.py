"""Random histories of documents between a shop and its accounting: what holds, whatever goes wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from clientsync.commerce import claims, deciding, store, taking_in, working
from clientsync.commerce.documents import DONE, Fact, Key, Received, State
from clientsync.commerce.taking_in import take_in_facts
from clientsync.database import writing
from tests.support.commerce_world import FAULTS, CommerceWorld, expected_states, random_graph

HISTORIES = 120


def arrivals(world: CommerceWorld, dice: random.Random) -> Iterator[set[Key]]:
    """Let documents come in any order, some twice, some only because others need them; work in between at times."""
    coming = [key for key, one in world.shop.given.items() if not one.is_lost and dice.random() < 0.9]
    coming += dice.sample(coming, len(coming) // 4)
    dice.shuffle(coming)
    arrived: set[Key] = set()
    while coming:
        count = dice.randrange(1, 6)
        some, coming = coming[:count], coming[count:]
        world.arrive(*(world.shop.given[key].received for key in some))
        arrived |= set(some)
        if dice.random() < 0.4:
            world.accounting.faults = [dice.choice(("", "", *FAULTS)) for _ in range(dice.randrange(6))]
            world.work(minutes=30)
    yield arrived


def check_reasons(world: CommerceWorld, expected: dict[Key, State]) -> None:
    """B1: what is held names a document that it waits for, and one at the end of the chain that is broken."""
    rows = {row.doc_id: row for row in world.rows()}
    for row in rows.values():
        if row.state != State.HELD:
            assert row.blocker_id is None, "only what is held waits for something"
            continue
        blocker, root = rows[row.blocker_id], rows[row.root_id]
        assert (
            Key(blocker.type, blocker.source_id)
            in world.shop.given[Key(row.type, row.source_id)].received.needs
        )
        assert expected[Key(root.type, root.source_id)] in (State.FAILED, State.EXPECTED)
        assert root.number in row.reason
        assert blocker.number in row.reason
        if root.state == State.FAILED:
            assert root.reason in row.reason
            assert row.reason_code == "needs_failed"
        else:
            assert row.reason_code == "needs_not_received"


def repair(world: CommerceWorld) -> None:
    """Give every product its SKU, and let what was lost be found."""
    facts = []
    for key, one in world.shop.given.items():
        one.is_lost = False
        if one.is_broken:
            facts.append(Fact("sku", key.source_id, f"SKU-{key.source_id}"))
    with writing(world.engine) as connection:
        take_in_facts(connection, world.of.name, facts, world.at)
        deciding.try_repaired(connection, world.of.name, world.of.switches(connection).mode, world.at)


def one_history(seed: int) -> None:
    """Play one history and check B1 to B7 and B11."""
    dice = random.Random(seed)
    world = random_graph(dice, dice.randrange(2, 16))
    (arrived,) = arrivals(world, dice)
    world.accounting.faults = [dice.choice(("", *FAULTS)) for _ in range(dice.randrange(5))]
    world.work(minutes=600)
    expected = expected_states(world, arrived)
    assert world.accounting.complaints == []
    assert world.states() == expected
    check_reasons(world, expected)
    broken = world.rows(state=("failed", "expected"))
    if broken and dice.random() < 0.5:
        chosen = dice.choice(broken)
        key = Key(chosen.type, chosen.source_id)
        deciding.waive(world.of, chosen.doc_id, actor="somebody")
        world.accounting.done_by_hand.add(key)
        world.work(minutes=600)
        expected = expected_states(world, arrived, {key})
        assert world.states() == expected, "a waiver releases its descendants, and nothing else"
        check_reasons(world, expected)
    repair(world)
    deciding.refresh(world.of, None, actor="somebody")
    world.work(minutes=600)
    assert world.accounting.complaints == []
    assert set(world.states().values()) <= {State.SUCCESS, State.WAIVED}
    sends = world.accounting.sends
    assert deciding.refresh(world.of, None, actor="somebody") == 0
    world.work()
    assert world.accounting.sends == sends, "a refresh of what is booked does nothing"


def _plant(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "sent again without a look":
        monkeypatch.setattr(claims, "_must_look_up", lambda _: False)
    elif fault == "a failed predecessor does not hold":
        for module in ("judging", "verdicts"):
            monkeypatch.setattr(f"clientsync.commerce.{module}.DONE", DONE | {State.FAILED})
    elif fault == "success wakes nobody":
        monkeypatch.setattr(claims, "rejudge", lambda *_: 0)
    elif fault == "a lost lease is ready":
        monkeypatch.setattr(working, "end_leases", _ready_again)
        monkeypatch.setattr(claims, "_must_look_up", lambda row: row.state == State.UNKNOWN)
    elif fault == "a document that comes twice is sent twice":
        monkeypatch.setattr(Received, "hash", property(lambda one: str(random.random())))
        monkeypatch.setattr(taking_in, "_is_worth_same", lambda *_: False)
    elif fault == "a refresh forgets what it waits for":
        monkeypatch.setattr(deciding, "_open_ids", lambda *_: set())
    else:
        monkeypatch.setattr(deciding, "rejudge", lambda *_: 0)


def _ready_again(connection: Any, name: str, mode: Any, at: Any) -> set[int]:
    docs = store.DOCS
    connection.execute(
        docs.update().where(docs.c.state == State.SENDING, docs.c.lease_until < at).values(state=State.READY)
    )
    return set()


@pytest.mark.parametrize(
    "fault",
    [
        "sent again without a look",
        "a failed predecessor does not hold",
        "success wakes nobody",
        "a lost lease is ready",
        "a document that comes twice is sent twice",
        "a refresh forgets what it waits for",
        "a waiver wakes nobody",
    ],
)
def test_the_histories_find_a_fault_that_is_planted(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, fault)
    with pytest.raises((AssertionError, KeyError, IntegrityError)):
        for seed in range(60):
            one_history(seed)


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.integers(0, 2**48))
def test_documents_are_booked_once_in_order_and_each_that_waits_names_what_is_broken(seed: int) -> None:
    one_history(seed)


@pytest.mark.bars
@pytest.mark.timeout(3_600)
@settings(max_examples=3_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.integers(0, 2**48))
def test_three_thousand_histories_hold(seed: int) -> None:
    one_history(seed)
