"""Both sides at different versions, clocks that differ, tables of an earlier version: told, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from clientsync.database import open_engine
from clientsync.errors import ExchangeRefused, WarehouseError
from clientsync.exchange import receiving
from clientsync.exchange import tables as t
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.columns import add_missing_columns
from clientsync.exchange.lists import received_totals
from clientsync.exchange.loaded import loads_received
from clientsync.exchange.loading import start
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.nodes import bring_up_to_date
from clientsync.exchange.series import Gap, gaps_received
from connectors.retail import tables as retail
from tests.support.exchange_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.rounds(1)
    yield made
    made.close()


def hsn_at(world: World, name: str) -> dict[str, str]:
    return {row["item_code"]: row["hsn"] for row in world.rows(name, retail.item)}


def test_a_newer_store_reads_what_an_older_head_office_sends(world: World) -> None:
    world.upgrade("S1")
    world.item("I1", hsn="6105")
    world.rounds(2)
    assert hsn_at(world, "S1") == hsn_at(world, "S2") == {"I1": "6105"}


def test_what_an_older_store_cannot_read_waits_for_its_upgrade_and_others_get_it_at_once(
    world: World,
) -> None:
    world.upgrade(HEAD_OFFICE)
    world.upgrade("S2")
    world.rounds(1)
    world.item("I1", hsn="6105")
    world.item("I2", hsn="6109")
    world.rounds(2)
    assert hsn_at(world, "S1") == {}
    assert hsn_at(world, "S2") == {"I1": "6105", "I2": "6109"}
    told = [row for row in world.rows(HEAD_OFFICE, t.error) if row["code"] == "SCHEMA"]
    assert {row["what"] for row in told} == {"item I1", "item I2"}
    world.item("I1", hsn="6110")
    world.upgrade("S1")
    world.rounds(3)
    assert hsn_at(world, "S1") == {"I1": "6110", "I2": "6109"}
    assert world.rows(HEAD_OFFICE, t.withheld) == []


def test_a_load_leaves_out_what_the_store_cannot_read_and_is_complete_without_it(world: World) -> None:
    world.item("I1", hsn="6105")
    world.rounds(2)
    world.upgrade(HEAD_OFFICE)
    world.item("I2", hsn="6109")
    start(world.nodes[HEAD_OFFICE], "S1", types=["item"], actor="asha")
    world.rounds(2)
    (load,) = loads_received(world.nodes["S1"])
    assert (load["state"], load["documents"]) == ("COMPLETE", 1)


def test_what_came_before_its_reader_could_read_it_takes_effect_after_the_upgrade(world: World) -> None:
    world.lose_beats("S1")  # it has said nothing yet of what it reads
    world.upgrade(HEAD_OFFICE)
    world.item("I1", hsn="6105")
    world.sync(HEAD_OFFICE)
    world.sync("S1")
    assert world.inbox("S1") == {"I1": "QUARANTINED"}
    world.upgrade("S1")
    world.rounds(1)
    assert hsn_at(world, "S1") == {"I1": "6105"}


def test_what_a_store_asks_for_and_cannot_read_is_withheld_until_its_upgrade(world: World) -> None:
    world.upgrade(HEAD_OFFICE)
    world.rounds(1)
    world.item("I2", hsn="6109")
    price = {"price_id": "P1", "item_code": "I2", "rate": 5, "valid_from": "2026-01-01"}
    world.enter(HEAD_OFFICE, "price", price)
    world.rounds(3)
    assert world.inbox("S1") == {"P1": "BLOCKED"}
    assert [one.kind for _, one in world.mailbox.requests(HEAD_OFFICE, "")] == ["send", "send"]
    world.upgrade("S1")
    world.rounds(3)
    assert world.inbox("S1") == {"P1": "APPLIED", "I2": "APPLIED"}


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
    world.item("I1", hsn="6105")
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
    world.item("I1", hsn="6105")
    world.rounds(3)
    assert {row["state"] for row in world.rows("S1", t.batch_out)} == {"PROCESSED"}
    assert {row["has_effect"] for row in world.rows("S1", t.applied)} == {1}


def test_tables_of_an_earlier_version_are_brought_up_to_date_once_when_their_node_is_opened(
    world: World,
) -> None:
    engine = world.nodes["S1"].engine
    assert bring_up_to_date(engine) is False
    with engine.begin() as connection:
        for index in t.applied.indexes:
            index.drop(connection)
        for table, column in (("applied", "seq"), ("outbox", "document_id"), ("node", "tables")):
            connection.execute(text(f"ALTER TABLE sync_{table} DROP COLUMN {column}"))
    with pytest.raises(WarehouseError):
        world.bill("S1", "S1-0")
    assert bring_up_to_date(engine) is True
    assert bring_up_to_date(engine) is False
    world.item("I1")
    world.bill("S1", "S1-1")
    world.rounds(3)
    assert {row["state"] for row in world.rows("S1", t.batch_out)} == {"PROCESSED"}


def test_a_database_without_a_node_is_left_as_it_is(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    assert bring_up_to_date(engine) is False
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_totals_of_documents_that_came_before_the_tables_were_brought_up_to_date_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "_take_applied", lambda *_: False)  # then all lay in the inbox
    world.item("I1")
    world.rounds(2)
    for number in range(3):
        world.bill("S1", f"S1-{number}")
    world.rounds(2)
    office = world.nodes[HEAD_OFFICE]
    before = received_totals(office, "S1"), gaps(world)
    with office.engine.begin() as connection:
        for index in t.applied.indexes:
            index.drop(connection)
        for column in t.applied.columns:
            if column.name not in ("origin", "document_id", "sha256", "applied_at"):
                connection.execute(text(f"ALTER TABLE sync_applied DROP COLUMN {column.name}"))
    world.prepare(HEAD_OFFICE)
    assert (received_totals(office, "S1"), gaps(world)) == before
    indexes = {one["name"] for one in inspect(office.engine).get_indexes("sync_applied")}
    assert indexes == {one.name for one in t.applied.indexes}


def gaps(world: World) -> list[Gap]:
    with world.nodes[HEAD_OFFICE].engine.connect() as connection:
        return gaps_received(connection, "S1", "bill")
