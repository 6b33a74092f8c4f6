"""Both sides at different versions, clocks that differ, tables of an earlier version: told, and nothing lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from clientsync.exchange import tables as t
from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import HEAD_OFFICE, Catalogue
from clientsync.exchange.columns import add_missing_columns
from clientsync.exchange.loaded import loads_received
from clientsync.exchange.loading import start
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.syncing import ExchangeRefused
from connectors.retail import tables as retail
from connectors.retail.catalogue import TYPES
from connectors.retail.items import ITEM
from tests.support.exchange_world import World


class SecondAdapter(TableAdapter):
    """Stands for tables of the next version: what was ``hsn`` is called ``hsn_code`` in bodies."""

    def gather(self, connection: Connection, keys: Any) -> dict[str, dict[str, Any]]:
        return {key: raised(body) for key, body in super().gather(connection, keys).items()}

    def apply(self, connection: Connection, documents: Any) -> None:
        super().apply(connection, [(one, {**body, "hsn": body.get("hsn_code")}) for one, body in documents])


def raised(body: Mapping[str, Any]) -> dict[str, Any]:
    return {("hsn_code" if name == "hsn" else name): value for name, value in body.items()}


def second() -> Catalogue:
    item = dataclasses.replace(
        ITEM, schema_version=2, upcasters={1: raised}, adapter=SecondAdapter(retail.item, "item_code")
    )
    return Catalogue([item, *TYPES[1:]])


def upgrade(world: World, name: str) -> None:
    world.nodes[name] = dataclasses.replace(world.nodes[name], catalogue=second())


def put(world: World, code: str, hsn: str) -> None:
    body = {"item_code": code, "name": "Shirt", "tax_basis_points": 1200}
    is_second = world.nodes[HEAD_OFFICE].catalogue.known("item").schema_version == 2
    world.enter(HEAD_OFFICE, "item", {**body, ("hsn_code" if is_second else "hsn"): hsn})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.rounds(1)
    yield made
    made.close()


def hsn_at(world: World, name: str) -> dict[str, str]:
    return {row["item_code"]: row["hsn"] for row in world.rows(name, retail.item)}


def test_a_newer_store_reads_what_an_older_head_office_sends(world: World) -> None:
    upgrade(world, "S1")
    put(world, "I1", "6105")
    world.rounds(2)
    assert hsn_at(world, "S1") == hsn_at(world, "S2") == {"I1": "6105"}


def test_what_an_older_store_cannot_read_waits_for_its_upgrade_and_others_get_it_at_once(
    world: World,
) -> None:
    upgrade(world, HEAD_OFFICE)
    upgrade(world, "S2")
    world.rounds(1)
    put(world, "I1", "6105")
    put(world, "I2", "6109")
    world.rounds(2)
    assert hsn_at(world, "S1") == {}
    assert hsn_at(world, "S2") == {"I1": "6105", "I2": "6109"}
    told = [row for row in world.rows(HEAD_OFFICE, t.error) if row["code"] == "SCHEMA"]
    assert {row["what"] for row in told} == {"item I1", "item I2"}
    put(world, "I1", "6110")
    upgrade(world, "S1")
    world.rounds(3)
    assert hsn_at(world, "S1") == {"I1": "6110", "I2": "6109"}
    assert world.rows(HEAD_OFFICE, t.withheld) == []


def test_a_load_leaves_out_what_the_store_cannot_read_and_is_complete_without_it(world: World) -> None:
    put(world, "I1", "6105")
    world.rounds(2)
    upgrade(world, HEAD_OFFICE)
    put(world, "I2", "6109")
    start(world.nodes[HEAD_OFFICE], "S1", types=["item"], actor="asha")
    world.rounds(2)
    (load,) = loads_received(world.nodes["S1"])
    assert (load["state"], load["documents"]) == ("COMPLETE", 1)


class Clocked(Mailbox):
    """A mailbox on a machine whose clock differs."""

    ahead = 0.0

    def seconds_ahead(self) -> float:
        return self.ahead


@pytest.mark.parametrize(("ahead", "is_told"), [(-250.0, False), (900.0, True)])
def test_a_clock_that_differs_by_minutes_is_told_and_nothing_waits(
    world: World, ahead: float, is_told: bool
) -> None:
    world.mailbox = Clocked(world.mailbox.engine)
    world.mailbox.ahead = ahead
    put(world, "I1", "6105")
    world.rounds(2)
    assert hsn_at(world, "S1") == {"I1": "6105"}
    assert ("CLOCK" in {row["code"] for row in world.rows("S1", t.error)}) is is_told


def test_a_clock_that_differs_by_days_stops_the_sync_before_anything_is_sent(world: World) -> None:
    world.mailbox = Clocked(world.mailbox.engine)
    world.mailbox.ahead = -2 * 86_400.0
    world.bill("S1", "S1-1")
    with pytest.raises(ExchangeRefused, match="48 hours"):
        world.sync("S1")
    assert world.rows("S1", t.batch_out) == []


def test_columns_that_came_later_are_added_to_tables_of_an_earlier_version(world: World) -> None:
    engine = world.nodes["S1"].engine
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE sync_node DROP COLUMN purged_until"))
        connection.execute(text("ALTER TABLE sync_batch_in DROP COLUMN load_state"))
        connection.execute(text("ALTER TABLE sync_applied DROP COLUMN has_effect"))
    world.prepare("S1")
    with engine.begin() as connection:
        assert add_missing_columns(connection, t.NODE) == []
    world.bill("S1", "S1-1")
    put(world, "I1", "6105")
    world.rounds(3)
    assert {row["state"] for row in world.rows("S1", t.batch_out)} == {"PROCESSED"}
    assert {row["has_effect"] for row in world.rows("S1", t.applied)} == {1}
