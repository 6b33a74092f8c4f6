"""Promises of the rate budget: never more starts in any window than the limit, over all threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, update

from clientsync.database import open_engine, reading, writing
from clientsync.errors import StopRequested
from clientsync.http.budget import (
    SLOW_DOWN_CAP,
    ClientGate,
    LocalBudget,
    Pace,
    SharedBudget,
    budget_engine,
)
from clientsync.ledger.tables import SyncBudget

TABLE = SyncBudget.__table__  # type: ignore[attr-defined]
PROCESS = """
import sys, time
from clientsync.database import open_engine
from clientsync.http.budget import SharedBudget
url, count, limit, window = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
budget = SharedBudget(open_engine(url), "k", limit, burst=2, window=window)
for _ in range(count):
    budget.take()
    print(time.time(), flush=True)
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = open_engine(database_url)
    with writing(made) as connection:
        TABLE.create(connection, checkfirst=True)
    yield made
    made.dispose()


def most_in_a_window(starts: list[float], window: float) -> int:
    ordered = sorted(starts)
    return max(sum(1 for start in ordered if first <= start < first + window) for first in ordered)


@given(st.integers(1, 200), st.integers(1, 50), st.floats(0.5, 120), st.lists(st.floats(0, 30), max_size=60))
@settings(max_examples=200, deadline=None)
def test_slots_keep_the_limit_whenever_they_are_asked_for(
    limit: int, burst: int, window: float, pauses: list[float]
) -> None:
    pace = Pace(limit, window, burst)
    now, following, slots = 1000.0, 0.0, []
    for wait in [*pauses, *[0.0] * (limit + 5)]:
        now += wait
        slot = pace.first_slot(following, now)
        following = slot + pace.gap
        slots.append(max(slot, now))
    assert most_in_a_window(slots, window + pace.late) <= limit


def test_threads_share_a_budget_and_use_it_well() -> None:
    budget = LocalBudget(Pace(limit=40, window=1.0, burst=5))
    starts: list[float] = []

    def work() -> None:
        for _ in range(10):
            budget.take()
            starts.append(time.monotonic())

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most_in_a_window(starts, 1.0) <= 40
    assert time.monotonic() - began < 4.5  # 80 calls at 40 a second; the rest is room for a busy machine


def test_processes_share_a_budget(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    SharedBudget(engine, "k", 30, burst=2, window=1.0).take()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, url, "15", "30", "1.0"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    starts = [float(line) for worker in workers for line in worker.communicate(timeout=60)[0].split()]
    assert len(starts) == 45
    assert most_in_a_window(starts, 1.0) <= 30


def test_one_process_slows_all_down(engine: Engine) -> None:
    first = SharedBudget(engine, "k", 6000)
    second = SharedBudget(engine, "k", 6000)
    first.take()
    first.slow_down(0.5)
    began = time.monotonic()
    second.take()
    assert time.monotonic() - began >= 0.45
    began = time.monotonic()
    first.take()
    assert time.monotonic() - began < 0.4


def test_what_one_process_is_told_stops_the_calls_for_which_another_holds_slots(
    engine: Engine,
) -> None:
    stop = threading.Event()
    told, other = (
        SharedBudget(engine, "k", 60, window=12.0),
        SharedBudget(engine, "k", 60, window=12.0, stop=stop),
    )
    starts: list[float] = []

    def work() -> None:
        try:
            other.take()
        except StopRequested:
            return
        starts.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(12)]  # a slot every fifth of a second
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    told.slow_down(30.0)
    done = time.monotonic()
    time.sleep(2.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert starts
    assert [one for one in starts if one > done + 0.4] == []


def test_after_the_pause_the_slots_go_on_without_a_gap(engine: Engine) -> None:
    told, other = SharedBudget(engine, "k", 60, window=12.0), SharedBudget(engine, "k", 60, window=12.0)
    other.take()
    told.slow_down(1.0)
    begun = time.monotonic()
    for _ in range(4):
        other.take()
    assert 1.0 <= time.monotonic() - begun < 3.0


def test_keys_do_not_disturb_one_another(engine: Engine) -> None:
    SharedBudget(engine, "a", 60).slow_down(5)
    began = time.monotonic()
    SharedBudget(engine, "b", 60).take()
    assert time.monotonic() - began < 1


def test_nobody_is_stopped_for_longer_than_the_cap(engine: Engine) -> None:
    budget = SharedBudget(engine, "k", 60)
    budget.slow_down(31_536_000)
    with reading(budget_engine(engine)) as connection:
        until = connection.execute(select(TABLE.c.slow_down_until)).scalar_one()
    assert until <= time.time() + SLOW_DOWN_CAP + 5


def test_a_clock_that_was_set_back_does_not_stop_the_house(engine: Engine) -> None:
    budget = SharedBudget(engine, "k", 60, window=0.5)
    budget.take()
    with writing(budget_engine(engine)) as connection:
        connection.execute(update(TABLE).values(next_slot_at=time.time() + 86_400))
    began = time.monotonic()
    SharedBudget(engine, "k", 60, window=0.5).take()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("kind", ["local", "shared"])
def test_a_stop_ends_the_wait_for_a_slot(kind: str, sqlite_url: str) -> None:
    stop = threading.Event()
    engine = open_engine(sqlite_url)
    budget: LocalBudget | SharedBudget = (
        LocalBudget(Pace(1), stop) if kind == "local" else SharedBudget(engine, "k", 1, stop=stop)
    )
    budget.take()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(StopRequested):
        budget.take()
    with pytest.raises(StopRequested):
        budget.take()
    assert time.monotonic() - began < 2
    engine.dispose()


def test_reservations_never_wait_for_a_load_of_the_warehouse(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    budget = SharedBudget(engine, "k", 6000)
    with writing(engine):
        began = time.monotonic()
        budget.take()
        assert time.monotonic() - began < 1
    engine.dispose()


def test_a_gate_lets_a_few_calls_of_each_registration_through() -> None:
    stop = threading.Event()
    gate = ClientGate(width=2, stop=stop)
    with gate.enter("C1"), gate.enter("C1"), gate.enter("C2"):
        stop.set()
        with pytest.raises(StopRequested), gate.enter("C1"):
            pytest.fail("a third call went through")
    with gate.enter("C1"):
        pass
