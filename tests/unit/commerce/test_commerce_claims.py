"""Claims: one worker for one document, the earliest first, and a look-up after every answer that was lost."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clientsync.commerce import reasons, store
from clientsync.commerce.claims import Claim, Outcome, claim, end_leases, settle
from clientsync.commerce.documents import Booked, Key, State
from clientsync.commerce.working import Worker
from clientsync.database import writing
from clientsync.errors import BadRequest
from tests.support.commerce_world import CommerceWorld, Inline, file_world

LEASE = timedelta(minutes=5)


def take(
    world: CommerceWorld, holder: str, limit: int = 50, directions: Sequence[str] = ("out",)
) -> list[Claim]:
    with writing(world.engine) as connection:
        return claim(connection, world.of.name, holder, limit, world.at, world.at + LEASE, list(directions))


def end(world: CommerceWorld, holder: str, one: Claim, outcome: Outcome) -> int:
    with writing(world.engine) as connection:
        mode = world.of.switches(connection).mode
        return settle(connection, world.of.name, [(one, outcome)], holder, mode, world.at)


def leases(world: CommerceWorld) -> set[int]:
    with writing(world.engine) as connection:
        return end_leases(connection, world.of.name, world.of.switches(connection).mode, world.at)


def sales(count: int) -> CommerceWorld:
    world = CommerceWorld()
    for number in range(count):
        world.add("sale", f"s{number:03}", at=count - number)
    world.arrive(*(one.received for one in world.shop.given.values()))
    return world


def names(claims: Sequence[Claim]) -> list[str]:
    return [one.document.source_id for one in claims]


def test_the_earliest_is_claimed_first_and_of_one_moment_the_lower_rank() -> None:
    world = CommerceWorld()
    for type_name, minute in (("payment", 1), ("sale", 1), ("item", 1), ("customer", 0), ("sale_return", 2)):
        world.add(type_name, type_name, at=minute)
    world.arrive(*(one.received for one in world.shop.given.values()))
    assert names(take(world, "a", 2)) == ["customer", "item"]
    assert names(take(world, "a")) == ["sale", "payment", "sale_return"]


def test_what_is_claimed_is_not_claimed_again() -> None:
    world = sales(5)
    first, second = take(world, "a", 3), take(world, "b")
    assert names(first) == ["s004", "s003", "s002"]
    assert names(second) == ["s001", "s000"]
    assert take(world, "c") == []


@pytest.mark.parametrize(("limit", "directions"), [(0, ("out",)), (5, ()), (5, ("in",))])
def test_nothing_is_claimed_without_room_or_in_a_direction_that_is_shut(
    limit: int, directions: tuple[str, ...]
) -> None:
    assert take(sales(2), "a", limit, directions) == []


def test_one_stock_document_of_a_lane_is_sent_at_a_time_and_other_lanes_go_on() -> None:
    world = CommerceWorld()
    for number in range(3):
        for lane in "AB":
            world.add("transfer_out", f"{lane}{number}", at=number, lane=lane)
        world.add("sale", f"s{number}", at=number, lane="A")
    world.arrive(*(one.received for one in world.shop.given.values()))
    first = take(world, "a")
    assert sorted(names(first)) == ["A0", "B0", "s0", "s1", "s2"]
    assert take(world, "b") == []
    a0 = next(one for one in first if one.document.source_id == "A0")
    assert end(world, "a", a0, Outcome("success", Booked("T1", "N1"))) == 1
    assert names(take(world, "b")) == ["A1"]


def test_a_long_queue_of_one_lane_does_not_keep_other_documents_from_being_sent() -> None:
    world = CommerceWorld()
    for number in range(40):
        world.add("transfer_out", f"t{number:02}", at=number, lane="A")
    world.add("sale", "s1", at=100)
    world.add("transfer_out", "other lane", at=101, lane="B")
    world.arrive(*(one.received for one in world.shop.given.values()))
    assert sorted(names(take(world, "a", 4))) == ["other lane", "s1", "t00"]


def test_a_claim_carries_its_needs_as_they_are_booked() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1")
    world.add("payment", "p1", needs=[sale.key], at=1)
    world.arrive(*(one.received for one in world.shop.given.values()))
    (first,) = take(world, "a")
    assert not first.must_look_up
    end(world, "a", first, Outcome("success", Booked("T9", "IS-9", "12")))
    (second,) = take(world, "a")
    assert second.document.needs == {Key("sale", "s1"): Booked("T9", "IS-9", "12")}


def test_a_lease_that_ran_out_makes_a_document_unknown_and_it_is_looked_up_first() -> None:
    world = sales(1)
    (first,) = take(world, "a")
    world.at += LEASE
    assert leases(world) == set(), "its last moment is still the worker's"
    world.at += timedelta(seconds=1)
    assert len(leases(world)) == 1
    row = world.row("sale", "s000")
    assert (row.state, row.reason_code, row.lease) == (State.UNKNOWN, "outcome_unknown", "")
    (second,) = take(world, "b")
    assert second.must_look_up
    assert end(world, "a", first, Outcome("failed", reason=reasons.PERIOD_CLOSED)) == 0
    assert world.row("sale", "s000").state == State.SENDING, (
        "the late answer of the first worker is left alone"
    )
    assert end(world, "b", second, Outcome("success", Booked("T1", "N1"))) == 1
    assert end(world, "a", first, Outcome("failed", reason=reasons.PERIOD_CLOSED)) == 0
    row = world.row("sale", "s000")
    assert (row.state, row.target_id, row.attempts) == (State.SUCCESS, "T1", 2)


def test_a_late_answer_is_ignored_also_when_the_same_worker_has_claimed_the_document_again() -> None:
    world = sales(1)
    (first,) = take(world, "a")
    world.at += LEASE + timedelta(seconds=1)
    leases(world)
    (second,) = take(world, "a")
    assert end(world, "a", first, Outcome("failed", reason=reasons.PERIOD_CLOSED)) == 0
    assert world.row("sale", "s000").state == State.SENDING
    assert end(world, "a", second, Outcome("success", Booked("T1", "N1"))) == 1


def test_every_try_is_kept_with_how_it_ended() -> None:
    world = sales(1)
    take(world, "a")
    world.at += LEASE + timedelta(seconds=1)
    leases(world)
    (second,) = take(world, "b")
    end(world, "b", second, Outcome("success", Booked("T1", "N1")))
    with world.engine.connect() as connection:
        tries = connection.execute(store.ATTEMPTS.select().order_by(store.ATTEMPTS.c.number)).all()
    assert [(one.kind, one.outcome) for one in tries] == [("send", "lost"), ("look_up", "success")]


def test_a_document_that_is_throttled_waits_and_says_until_when() -> None:
    world = sales(1)
    world.accounting.faults = ["busy"]
    world.turn()
    row = world.row("sale", "s000")
    assert (row.state, row.reason_code) == (State.WAITING, "throttled")
    assert row.eligible_at > world.at
    assert row.reason == f"rate limit; tried again at {row.eligible_at.astimezone(world.of.zone):%H:%M:%S}"
    world.turn()
    assert world.accounting.sends == 1, "not before its moment"
    world.at += timedelta(minutes=1)
    world.turn()
    assert world.row("sale", "s000").state == State.SUCCESS


def test_what_a_throttled_document_holds_tells_why_and_until_when() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1")
    world.add("payment", "p1", needs=[sale.key], at=1)
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.accounting.faults = ["busy"]
    world.turn()
    why = world.row("sale", "s1").reason
    assert world.row("payment", "p1").reason == f"waits for sale s1, not synchronised yet: {why}"


def test_a_system_that_lets_nobody_in_stops_its_direction_and_documents_keep_their_place() -> None:
    world = sales(30)
    world.accounting.is_shut = True
    report = world.turn()
    assert report.stopped == {"out": "the connection must be renewed: log in again"}
    assert report.outcomes == {"auth": world.of.at_once}, "nothing more is tried"
    assert {row.state for row in world.rows()} == {"ready"}
    with world.engine.connect() as connection:
        assert world.of.switches(connection).stopped["out"] == "the connection must be renewed: log in again"
    world.accounting.is_shut = False
    report = world.turn()
    assert report.stopped == {}
    assert report.outcomes == {"success": 30}
    with world.engine.connect() as connection:
        assert world.of.switches(connection).stopped == {"out": "", "in": ""}


def test_what_the_target_calls_wrong_fails_and_an_error_of_ours_ends_one_try_only() -> None:
    world = sales(3)

    def goes_wrong(key: Key) -> None:
        if key.source_id == "s001":
            raise BadRequest("the date is wrong")
        if key.source_id == "s002":
            raise KeyError("a defect")

    world.accounting.on_send = goes_wrong
    world.turn()
    found = {row.source_id: (row.state, row.reason_code) for row in world.rows()}
    assert found == {
        "s000": ("success", ""),
        "s001": ("failed", "target_rejected"),
        "s002": ("failed", "internal_error"),
    }


def test_a_stop_that_is_asked_for_settles_what_is_under_way_and_claims_nothing_more() -> None:
    world = sales(9)
    stop = threading.Event()
    world.accounting.on_send = lambda _: stop.set()
    world.turn(stop=stop)
    states = sorted(row.state for row in world.rows())
    assert states == ["ready"] * (9 - world.of.at_once) + ["success"] * world.of.at_once


def test_two_workers_in_threads_send_every_document_once(tmp_path: Path) -> None:
    world = file_world(tmp_path)
    for number in range(40):
        sale = world.add("sale", f"s{number}", at=number)
        world.add("payment", f"p{number}", at=number, needs=[sale.key])
        world.add("transfer_out", f"t{number}", at=number, lane=f"L{number % 3}")
    world.arrive(*(one.received for one in world.shop.given.values()))
    sent: list[Key] = []
    under_way: dict[str, int] = {}
    lock, clashes = threading.Lock(), []

    def on_send(key: Key) -> None:
        lane = world.shop.given[key].received.lane
        with lock:
            sent.append(key)
            if lane:
                under_way[lane] = under_way.get(lane, 0) + 1
                if under_way[lane] > 1:
                    clashes.append(key)

    whole = world.accounting.send

    def send(job: object) -> Booked:
        booked = whole(job)  # type: ignore[arg-type]
        lane = job.document.lane  # type: ignore[attr-defined]
        with lock:
            if lane:
                under_way[lane] -= 1
        return booked

    world.accounting.on_send = on_send
    world.accounting.send = send  # type: ignore[method-assign]
    barrier = threading.Barrier(2)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            barrier.wait()
            while any(row.state not in ("success",) for row in world.rows()):
                Worker(world.of, patience=timedelta(0)).until_idle()
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    world.engine.dispose()
    assert failures == []
    assert len(sent) == len(set(sent)) == 120
    assert clashes == []
    assert world.accounting.complaints == []


def test_a_worker_whose_pool_runs_inline_reports_what_it_did() -> None:
    world = sales(3)
    told: list[tuple[int, int]] = []
    worker = Worker(
        world.of, pool=Inline, patience=timedelta(0), progress=lambda done, left: told.append((done, left))
    )
    report = worker.until_idle()
    assert report.outcomes == {"success": 3}
    assert report.tries == 3
    assert told == [(3, 0)]


def test_a_worker_rests_while_a_movement_may_not_pass_one_that_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = CommerceWorld()
    first = world.add("transfer_out", "t1", lane="A", at=1)
    second = world.add("transfer_out", "t2", lane="A", at=2)
    world.accounting.faults = ["busy"]
    world.arrive(first, second)
    turns = [0]
    whole = Worker._turn

    def counted(worker: Worker, *more: Any, **named: Any) -> Any:
        turns[0] += 1
        assert turns[0] < 20, "it spins"
        return whole(worker, *more, **named)

    monkeypatch.setattr(Worker, "_turn", counted)
    Worker(world.of, pool=Inline, patience=timedelta(0)).until_idle()
    assert [world.row("transfer_out", one).state for one in ("t1", "t2")] == [State.WAITING, State.READY]
    monkeypatch.undo()
    world.work()
    assert list(world.accounting.booked) == [first.key, second.key]
