"""Rows and keys on their way to PostgreSQL: what arrives is what was sent, or it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Engine, Integer, MetaData, String, Table, Text, delete, select

from clientsync.database import among, binary_types, insert_rows, open_engine, writing
from clientsync.errors import WarehouseError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
PLACE = Table(
    "place", MetaData(), Column("name", String(40)), Column("words", Text), Column("small", Integer),
    Column("large", BigInteger),
)  # fmt: skip
NAMES = [column.name for column in PLACE.columns]
TEXTS = st.text(max_size=50)
NUMBERS = st.integers(-(2**70), 2**70) | st.sampled_from(
    [2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1]
)
ROWS = st.lists(
    st.tuples(TEXTS | st.none(), TEXTS, NUMBERS | st.booleans(), NUMBERS | st.none()), min_size=1, max_size=5
)
_SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def engine(postgres_server: Any) -> Iterator[Engine]:
    postgres_server.psql("CREATE DATABASE rows_on_postgres;")
    found = open_engine(str(postgres_server.get_uri(database="rows_on_postgres", driver="psycopg")))
    PLACE.create(found)
    yield found
    found.dispose()
    postgres_server.psql("DROP DATABASE rows_on_postgres;")


@_SETTINGS
@given(ROWS)
def test_rows_arrive_as_they_were_sent_or_are_refused(engine: Engine, rows: list[tuple[Any, ...]]) -> None:
    with writing(engine) as connection:
        connection.execute(delete(PLACE))
    try:
        with writing(engine) as connection:
            insert_rows(connection, PLACE, NAMES, rows)
    except (WarehouseError, ValueError):
        return
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(select(PLACE))] == rows


@pytest.mark.parametrize(
    ("row", "is_binary"),
    [
        (("a", "b", 1, 2), True),
        (("a", "b", 2**31 - 1, 2**63 - 1), True),
        (("a", "b", 2**31, 1), False),
        (("a", "b", 1, -(2**63) - 1), False),
        (("a", "b", True, 1), False),
        (("a", None, 1, 1), False),
        ((1, "b", 1, 1), False),
    ],
)
def test_only_values_of_their_type_and_within_its_bounds_travel_in_binary_form(
    row: tuple[Any, ...], is_binary: bool
) -> None:
    assert bool(binary_types(PLACE, NAMES, [[one] for one in row])) is is_binary


@_SETTINGS
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=10), max_size=8))
def test_keys_of_whatever_characters_are_found_and_no_other_ones(engine: Engine, keys: list[str]) -> None:
    with writing(engine) as connection:
        connection.execute(delete(PLACE))
        insert_rows(
            connection, PLACE, ["words", "large"], [(one, n) for n, one in enumerate([*keys, "€other"])]
        )
        found = connection.execute(select(PLACE.c.words).where(among(connection, PLACE.c.words, set(keys))))
        assert sorted(found.scalars()) == sorted(keys) + ["€other"] * ("€other" in keys)
        numbers = set(range(0, len(keys), 2))
        some = connection.execute(select(PLACE.c.large).where(among(connection, PLACE.c.large, numbers)))
        assert set(some.scalars()) == numbers
