"""Documents that are sent many in one call: who claims them, how each ends, and what a lost answer leaves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clientsync.commerce import store
from clientsync.commerce.claims import Claim, Outcome, claim, claim_batch, end_leases, settle
from clientsync.commerce.documents import Booked, Key, State
from clientsync.commerce.systems import Job, Result
from clientsync.commerce.working import MIN_BATCH, Worker
from clientsync.database import writing
from clientsync.errors import NotConnected, RateLimited
from tests.support.commerce_world import (
    FAULTS,
    CommerceWorld,
    Inline,
    expected_states,
    random_graph,
)

LEASE = timedelta(minutes=5)
ITEMS = 40


def items(count: int, most: int = 25) -> CommerceWorld:
    """Return a world with items, the last one the earliest, of which the accounting takes some together."""
    world = CommerceWorld()
    world.accounting.batches = {"item": most}
    for number in range(count):
        world.add("item", f"i{number:03}", at=count - number)
    world.arrive(*(one.received for one in world.shop.given.values()))
    return world


def take(world: CommerceWorld, holder: str, limit: int = 25, least: int = 1) -> list[Claim]:
    with writing(world.engine) as connection:
        until = world.at + LEASE
        return claim_batch(
            connection, world.of.name, holder, "item", limit, world.at, until, ["out"], least=least
        )


def names(claims: Sequence[Claim]) -> list[str]:
    return [one.document.source_id for one in claims]


# claims


def test_a_batch_is_the_earliest_of_its_type_and_two_workers_never_share_one() -> None:
    world = items(5)
    world.arrive(world.add("customer", "c1"))
    first, second = take(world, "a", 3), take(world, "b", 3)
    assert names(first) == ["i004", "i003", "i002"]
    assert names(second) == ["i001", "i000"]
    assert take(world, "c") == []
    with world.engine.connect() as connection:
        tries = connection.execute(store.ATTEMPTS.select()).all()
    assert [(one.kind, one.number, one.outcome) for one in tries] == [("send", 1, "")] * 5
    assert {row.lease for row in world.rows(state="sending")} == {"a", "b"}


def test_what_was_tried_or_withdrawn_or_is_not_due_is_in_no_batch() -> None:
    world = items(6)
    docs = store.DOCS
    changes: dict[str, dict[str, Any]] = {
        "i000": {"attempts": 1},
        "i001": {"is_withdrawn": True},
        "i002": {"eligible_at": world.at + timedelta(minutes=1)},
        "i003": {"state": State.UNKNOWN},
    }
    for name, values in changes.items():
        with writing(world.engine) as connection:
            connection.execute(docs.update().where(docs.c.source_id == name).values(**values))
    assert names(take(world, "a")) == ["i005", "i004"]


def test_fewer_than_the_least_are_left_for_single_claims() -> None:
    world = items(4)
    assert take(world, "a", least=5) == []
    assert len(take(world, "a", least=4)) == 4


def test_a_single_claim_leaves_what_was_never_tried_for_the_batch_and_takes_all_else() -> None:
    world = items(3)
    world.arrive(world.add("customer", "c1", at=9))
    docs = store.DOCS
    with writing(world.engine) as connection:
        connection.execute(docs.update().where(docs.c.source_id == "i001").values(attempts=1))
        until = world.at + LEASE
        found = claim(connection, world.of.name, "a", 9, world.at, until, ["out"], {"item"})
    assert names(found) == ["i001", "c1"]


def test_the_lease_of_a_batch_ends_and_each_of_it_is_looked_up_first() -> None:
    world = items(3)
    first = take(world, "a")
    world.at += LEASE + timedelta(seconds=1)
    with writing(world.engine) as connection:
        mode = world.of.switches(connection).mode
        assert len(end_leases(connection, world.of.name, mode, world.at)) == 3
        outcome = Outcome("success", Booked("T", "N"))
        assert settle(connection, world.of.name, [(one, outcome) for one in first], "a", mode, world.at) == 0
        until = world.at + LEASE
        again = claim(connection, world.of.name, "b", 9, world.at, until, ["out"], {"item"})
    assert [one.must_look_up for one in again] == [True] * 3
    assert take(world, "c") == []


# the worker


def test_many_are_sent_together_and_each_ends_as_it_ends() -> None:
    world = items(ITEMS)
    world.accounting.refusals = {Key("item", "i005"): "the unit is wrong"}
    report = world.turn()
    assert [len(one) for one in world.accounting.parcels] == [25, ITEMS - 25]
    assert report.outcomes == {"success": ITEMS - 1, "failed": 1}
    assert world.accounting.looks == 0
    assert world.accounting.complaints == []
    row = world.row("item", "i005")
    assert (row.state, row.reason_code) == (State.FAILED, "target_rejected")
    assert "the unit is wrong" in row.reason
    with world.engine.connect() as connection:
        outcomes = [one.outcome for one in connection.execute(store.ATTEMPTS.select())]
    assert sorted(outcomes) == ["failed"] + ["success"] * (ITEMS - 1)


@pytest.mark.parametrize("count", [1, MIN_BATCH - 1])
def test_a_few_go_one_by_one(count: int) -> None:
    world = items(count)
    assert world.turn().outcomes == {"success": count}
    assert world.accounting.parcels == []


def test_as_many_as_are_worth_it_go_together() -> None:
    world = items(MIN_BATCH)
    assert world.turn().outcomes == {"success": MIN_BATCH}
    assert [len(one) for one in world.accounting.parcels] == [MIN_BATCH]


@pytest.mark.parametrize("booked", [0, 7, 25])
def test_a_lost_answer_leaves_all_unknown_and_each_is_looked_up_and_booked_once(booked: int) -> None:
    world = items(25)
    world.accounting.lost_parcels, world.accounting.lost_after = 1, booked
    assert world.turn().outcomes == {"unknown": 25}
    assert {row.reason_code for row in world.rows()} == {"outcome_unknown"}
    world.at += timedelta(minutes=6)
    assert world.turn().outcomes == {"success": 25}
    assert len(world.accounting.parcels) == 1, "what was tried is never in a batch again"
    assert (world.accounting.looks, world.accounting.sends) == (25, 25)
    assert world.accounting.complaints == []


def test_a_process_that_ends_amid_a_batch_books_nothing_twice() -> None:
    world = items(25)
    world.accounting.faults = ["", "", "killed"]
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}
    assert len(world.accounting.booked) == world.accounting.sends == 25
    assert world.accounting.complaints == []


@pytest.mark.parametrize(
    ("error", "code"),
    [(NotConnected("nobody there"), "not_reached"), (RateLimited("slow down", retry_after=9), "throttled")],
)
def test_while_the_target_is_away_one_batch_finds_it_out_and_the_others_keep_their_place(
    error: Exception, code: str
) -> None:
    world = items(100)
    whole = world.accounting.send_many
    tries: list[int] = []

    def send_many(jobs: Sequence[Job]) -> list[Result]:
        tries.append(len(jobs))
        raise error

    world.accounting.send_many = send_many  # type: ignore[method-assign]
    worker = Worker(world.of, pool=Inline, patience=timedelta(0))
    assert worker.until_idle().outcomes == {"retry": 25}
    assert tries == [25]
    assert sorted({(row.attempts, row.reason_code) for row in world.rows()}) == [(0, ""), (1, code)]
    world.accounting.send_many = whole  # type: ignore[method-assign]
    world.at += timedelta(minutes=1)
    worker.until_idle()
    assert set(world.states().values()) == {State.SUCCESS}
    assert [len(one) for one in world.accounting.parcels] == [25, 25, 25]
    assert world.accounting.complaints == []


def test_an_error_of_ours_fails_each_of_the_batch() -> None:
    world = items(MIN_BATCH)
    nothing: dict[Key, object] = {}
    world.accounting.on_send = nothing.__getitem__
    assert world.turn().outcomes == {"failed": MIN_BATCH}
    assert {row.reason_code for row in world.rows()} == {"internal_error"}


def test_a_system_that_lets_nobody_in_gets_one_batch_and_every_item_keeps_its_place() -> None:
    world = items(ITEMS)
    world.accounting.is_shut = True
    report = world.turn()
    assert len(world.accounting.parcels) == 1
    assert report.stopped == {"out": "the connection must be renewed: log in again"}
    assert {row.state for row in world.rows()} == {State.READY}
    world.accounting.is_shut = False
    world.turn()
    assert set(world.states().values()) == {State.SUCCESS}
    assert world.accounting.complaints == []


def test_a_batch_counts_as_one_of_those_that_are_sent_at_once() -> None:
    world = items(ITEMS)
    customers = [world.add("customer", f"c{number}") for number in range(9)]
    world.arrive(*customers)
    submitted: list[int] = []

    class Counting(Inline):
        def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            submitted.append(len(args[0]))
            return super().submit(call, *args, **kwargs)

    worker = Worker(world.of, pool=Counting, patience=timedelta(0))
    worker.until_idle()
    assert submitted[: world.of.at_once] == [25, 1, 1, 1]
    assert set(world.states().values()) == {State.SUCCESS}


# histories


def one_history(seed: int) -> int:
    """Play one history of many items and what needs them, with batches; return how many batches there were."""
    dice = random.Random(seed)
    world = CommerceWorld()
    world.accounting.batches = {"item": dice.randrange(MIN_BATCH, 30)}
    for number in range(dice.randrange(10, 45)):
        world.add("item", f"many{number}", at=dice.randrange(600), is_broken=dice.random() < 0.1)
    for key in list(world.shop.given):
        if dice.random() < 0.2:
            world.add("sale", f"of {key.source_id}", needs=[key], at=700)
    random_graph(dice, dice.randrange(2, 20), world)
    coming = [one.received for one in world.shop.given.values() if not one.is_lost]
    dice.shuffle(coming)
    while coming:
        count = dice.randrange(10, 50)
        some, coming = coming[:count], coming[count:]
        world.arrive(*some)
        world.accounting.faults = [dice.choice(("",) * 9 + FAULTS) for _ in range(dice.randrange(40))]
        world.accounting.lost_parcels = dice.choice((0, 0, 1))
        world.accounting.lost_after = dice.randrange(30)
        world.work(minutes=30)
    world.work(minutes=600)
    arrived = {key for key, one in world.shop.given.items() if not one.is_lost}
    assert world.accounting.complaints == []
    assert world.states() == expected_states(world, arrived)
    return len(world.accounting.parcels)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.integers(0, 2**48))
def test_histories_with_batches_end_as_those_without(seed: int) -> None:
    one_history(seed)


def test_the_histories_do_send_batches() -> None:
    assert sum(one_history(seed) for seed in range(6)) > 6
