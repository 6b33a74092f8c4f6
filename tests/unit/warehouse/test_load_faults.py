"""Whatever fails at whichever statement: a batch is there whole or not at all, and the next try succeeds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from clientsync.database import CACHE_KILOBYTES, open_engine, reading, typed_error, upgrade, writing
from clientsync.errors import (
    InvalidInput,
    OutOfSpace,
    SyncError,
    WarehouseError,
    WarehouseUnavailable,
)
from clientsync.ledger.tables import SyncCell, SyncQuarantine, SyncUnit
from clientsync.outcomes import Outcome
from clientsync.staged import Breach, StagedUnit
from clientsync.warehouse import loading
from clientsync.warehouse.schema import warehouse_table
from tests.support.demo_warehouse import INVOICES, House, answer, invoice, make_house

EVERYTHING: tuple[Any, ...] = (
    warehouse_table(INVOICES).core,
    warehouse_table(INVOICES).history,
    SyncCell.__table__,  # type: ignore[attr-defined]
    SyncQuarantine.__table__,  # type: ignore[attr-defined]
    SyncUnit.__table__,  # type: ignore[attr-defined]
)


class Broken(Exception):
    """Stands for anything that can go wrong in a statement."""


@contextmanager
def failing_at(house: House, nth: int, error: BaseException) -> Iterator[list[int]]:
    """Raise ``error`` at the nth statement; yields the list whose length is the number of statements."""
    seen: list[int] = []

    def count(*_: Any) -> None:
        seen.append(1)
        if len(seen) == nth:
            raise error

    event.listen(house.engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(house.engine, "before_cursor_execute", count)


def state(house: House) -> list[Any]:
    return [house.rows(table) for table in EVERYTHING]


def second_night(house: House) -> tuple[list[StagedUnit], list[Breach]]:
    """A batch in which every kind of write happens."""
    unit = house.unit(
        answer(*(invoice(str(number), number) for number in range(3, 13)), invoice("2", 9)),
        answer(section="cdn"),
    )
    other = house.unit(answer(invoice("7")), client="C2")
    return [unit, other], [Breach(unit.unit_id, "b2b", 0, "DEMO-01", "wrong", "reject_row")]


def test_a_load_that_fails_at_any_statement_leaves_nothing_half_written(house: House) -> None:
    house.load(house.unit(answer(*(invoice(str(number), number) for number in range(12)))))
    units, breaches = second_night(house)
    before = state(house)
    for nth in range(1, 200):
        with failing_at(house, nth, Broken()) as seen:
            try:
                results = house.load(*units, breaches=breaches)
            except Broken:
                assert state_unseen(house) == before, f"statement {nth} left something behind"
                continue
        assert nth == len(seen) + 1
        assert [one.outcome for one in results] == [Outcome.LOADED, Outcome.LOADED]
        return
    pytest.fail("the load never succeeded")


def state_unseen(house: House) -> list[Any]:
    """Read the state through new connections, as another process would."""
    house.engine.dispose()
    return state(house)


def lost_connection() -> OperationalError:
    return OperationalError("", None, sqlite3.OperationalError("gone"))


def test_a_lost_connection_is_tried_again_and_loads_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PAUSE_SECONDS", 0)
    with failing_at(house, 6, lost_connection()):
        (result,) = house.load(house.unit(answer(invoice("1"))))
    assert (result.inserted, len(house.invoices())) == (1, 1)


def test_a_server_that_ends_our_connection_in_the_middle_is_asked_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PAUSE_SECONDS", 0)
    house = make_house(postgres_url)
    seen: list[int] = []

    def terminate(connection: Any, cursor: Any, *_: Any) -> None:
        seen.append(1)
        if len(seen) == 8:
            own = cursor.connection.info.backend_pid
            killer = open_engine(postgres_url)
            with killer.connect() as other:
                other.exec_driver_sql("SELECT pg_terminate_backend(%s)", (own,))
            killer.dispose()

    unit = house.unit(answer(invoice("1")))
    event.listen(house.engine, "before_cursor_execute", terminate)
    (result,) = house.load(unit)
    event.remove(house.engine, "before_cursor_execute", terminate)
    assert len(seen) > 8
    assert (result.inserted, len(house.invoices())) == (1, 1)
    house.engine.dispose()


def test_loads_of_many_threads_are_all_there(house: House) -> None:
    periods = [f"{month:02d}2026" for month in range(1, 9)]
    units = [house.unit(answer(invoice("1", period=period)), period=period) for period in periods]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda unit: house.load(unit)[0], units))
    assert [one.inserted for one in results] == [1] * 8
    assert len(house.invoices()) == 8


def test_a_commit_whose_answer_is_lost_is_found_and_not_repeated(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def losing(engine: Any) -> Iterator[Any]:
        with writing(engine) as connection:
            yield connection
        raise WarehouseUnavailable("the answer to COMMIT did not arrive")

    monkeypatch.setattr(loading, "writing", losing)
    (result,) = house.load(house.unit(answer(invoice("1"))))
    assert (result.outcome, result.inserted) == (Outcome.LOADED, 1)
    assert len(house.invoices()) == 1


def test_a_warehouse_that_stays_away_is_said_to_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PAUSE_SECONDS", 0)

    @contextmanager
    def away(_: Any) -> Iterator[Any]:
        raise WarehouseUnavailable("away")
        yield

    monkeypatch.setattr(loading, "writing", away)
    with pytest.raises(WarehouseUnavailable):
        house.load(house.unit(answer(invoice("1"))))


def test_a_full_disk_stops_the_load_whole_and_the_next_one_succeeds(sqlite_house: House) -> None:
    house = sqlite_house
    unit = house.unit(answer(*(invoice(str(number), remark="x" * 200) for number in range(5000))))
    before = state(house)

    def pages(connection: sqlite3.Connection, _record: Any = None, _proxy: Any = None) -> None:
        used = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={used + 20}")

    event.listen(house.engine, "checkout", pages)
    house.engine.dispose()
    with pytest.raises(OutOfSpace):
        house.load(unit)
    event.remove(house.engine, "checkout", pages)
    assert state_unseen(house) == before
    assert house.load(unit)[0].inserted == 5000


def test_no_error_of_the_database_shows_a_row(house: House) -> None:
    secret = "27AAPFU0939F1ZV"
    values = {"client_id": "C1", "period": "102026", "section": "b2b", "number": secret}
    statement = warehouse_table(INVOICES).core.insert().values(values)  # most columns are missing
    with pytest.raises(WarehouseError) as caught, writing(house.engine) as connection:
        connection.execute(statement)
    assert secret not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SQLITE_BUSY", WarehouseUnavailable),
        ("SQLITE_FULL", OutOfSpace),
        ("53100", OutOfSpace),
        ("40P01", WarehouseUnavailable),
        ("57P01", WarehouseUnavailable),
    ],
)
def test_driver_codes_become_our_errors(name: str, expected: type[SyncError]) -> None:
    original = sqlite3.OperationalError("something")
    original.sqlite_errorname = name
    assert type(typed_error(OperationalError("", None, original))) is expected


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/x", ""])
def test_a_url_of_no_database_of_ours_is_refused_in_words(url: str) -> None:
    with pytest.raises(InvalidInput, match="Valid: sqlite"):
        open_engine(url)


def test_writers_of_two_engines_on_one_file_wait_for_each_other(sqlite_url: str) -> None:
    upgrade(sqlite_url, [])
    first, second = open_engine(sqlite_url), open_engine(sqlite_url)
    for engine in (first, second):
        with writing(engine) as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    first.dispose()
    second.dispose()


def test_work_in_turn_keeps_one_small_page_cache_and_not_one_per_connection(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    crowd = [engine.connect() for _ in range(8)]
    for connection in crowd:
        connection.close()
    used = set()
    for _ in range(8):
        with reading(engine) as connection:
            used.add(id(connection.connection.driver_connection))
            assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == -CACHE_KILOBYTES
    assert len(used) == 1
    engine.dispose()
