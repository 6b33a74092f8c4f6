"""The histories of the exchange with PostgreSQL: the mailbox on it, and every database on it."""

from __future__ import annotations

from typing import Any

import pytest

from clientsync.exchange.catalogue import HEAD_OFFICE
from tests.support.exchange_machine import Exchange
from tests.support.exchange_postgres import PostgresWorld
from tests.support.histories import run_histories

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PAIRS = {"files and a mailbox": ("mailbox",), "everything": ("mailbox", HEAD_OFFICE, "S1", "S2")}


def machine_on(server: Any, databases: tuple[str, ...]) -> type[Exchange]:
    world = type("Placed", (PostgresWorld,), {"server": server, "on_server": databases})
    return type("Placed", (Exchange,), {"make_world": world})


@pytest.mark.parametrize("databases", PAIRS.values(), ids=list(PAIRS))
def test_no_history_over_postgresql_loses_doubles_or_reorders_a_document(
    postgres_server: Any, databases: tuple[str, ...]
) -> None:
    run_histories(machine_on(postgres_server, databases), 4, 20)


@pytest.mark.bars
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("databases", PAIRS.values(), ids=list(PAIRS))
def test_many_histories_over_postgresql_lose_double_and_reorder_nothing(
    postgres_server: Any, databases: tuple[str, ...]
) -> None:
    run_histories(machine_on(postgres_server, databases), 60, 40)
