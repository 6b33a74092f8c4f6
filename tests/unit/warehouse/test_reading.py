"""What a reading transaction promises, on each database: one state from its first statement, and no writing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from clientsync.database import one_state, open_engine, reading, writing
from clientsync.errors import WarehouseError


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with one number in each of two tables."""
    made = open_engine(database_url)
    with writing(made) as connection:
        for table in ("first", "second"):
            connection.execute(text(f"CREATE TABLE {table}_of_two (number INTEGER)"))
            connection.execute(text(f"INSERT INTO {table}_of_two VALUES (1)"))
    yield made
    made.dispose()


def set_both(engine: Engine, number: int) -> None:
    """Write one number into both tables, in one transaction."""
    with writing(engine) as connection:
        for table in ("first", "second"):
            connection.execute(text(f"UPDATE {table}_of_two SET number = {number}"))


def test_tables_that_are_read_one_after_the_other_are_of_one_state_though_a_run_writes(
    engine: Engine,
) -> None:
    with reading(engine) as connection:
        first = connection.execute(text("SELECT number FROM first_of_two")).scalar_one()
        set_both(engine, 2)
        second = connection.execute(text("SELECT number FROM second_of_two")).scalar_one()
    assert (first, second) == (1, 1)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT number FROM second_of_two")).scalar_one() == 2


def number_in(engine: Engine, table: str) -> int:
    """Read a number in a reading of its own."""
    with reading(engine) as connection:
        return int(connection.execute(text(f"SELECT number FROM {table}_of_two")).scalar_one())


def test_readings_of_their_own_are_of_one_state_within_its_block_and_only_in_its_thread(
    engine: Engine,
) -> None:
    with one_state(engine):
        first = number_in(engine, "first")
        set_both(engine, 2)
        with one_state(engine):
            second = number_in(engine, "second")
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(number_in, engine, "second").result()
        third = number_in(engine, "second")
    assert (first, second, third, elsewhere) == (1, 1, 1, 2)
    assert number_in(engine, "second") == 2


def test_a_block_that_fails_leaves_later_readings_to_themselves(engine: Engine) -> None:
    with pytest.raises(WarehouseError), one_state(engine), reading(engine) as connection:
        connection.execute(text("SELECT number FROM none_of_two"))
    set_both(engine, 3)
    assert number_in(engine, "first") == 3


def test_nothing_that_is_written_in_a_reading_remains_and_the_connection_can_write_afterwards(
    engine: Engine,
) -> None:
    is_refused = False
    try:
        with reading(engine) as connection:
            connection.execute(text("UPDATE first_of_two SET number = 7"))
    except WarehouseError:
        is_refused = True
    assert is_refused == (engine.dialect.name == "postgresql")
    for number in range(3):  # as many as use the connection again
        set_both(engine, number)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT number FROM first_of_two")).scalar_one() == 2
