"""What PostgreSQL cannot hold and another database can: it concerns the store that sent it, and no other one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clientsync.exchange import capturing, packing
from clientsync.exchange.capturing import record
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.lists import received
from clientsync.exchange.mailbox import mb_heartbeat
from clientsync.exchange.nodes import errors_of
from clientsync.exchange.purging import purge
from connectors.retail import tables as retail
from tests.support.exchange_postgres import PostgresWorld
from tests.support.exchange_world import Flaky, World, bill

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def made(server: Any, folder: Path, *databases: str) -> World:
    kind = type("Placed", (PostgresWorld,), {"server": server, "on_server": databases})
    world: World = kind(folder)
    world.mailbox = Flaky(world.mailbox.engine)  # the clocks of a test jump
    world.item("I1")
    world.rounds(2)
    return world


@pytest.fixture
def world(tmp_path: Path, postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Stores on files, whose software is older and lets NUL through."""
    monkeypatch.setattr(capturing, "refuse_nul", lambda *_: None)
    monkeypatch.setattr(packing, "refuse_nul", lambda *_: None)
    found = made(postgres_server, tmp_path, HEAD_OFFICE)
    yield found
    found.close()


def customer(world: World) -> None:
    body = {"customer_id": "C1", "name": "Asha\x00", "phone": "1", "site": "S1"}
    world.enter("S1", "customer", body)


def sale(**more: Any) -> Callable[[World], None]:
    def write(world: World) -> None:
        node = world.nodes["S1"]
        with node.writing("request") as connection:
            body = {**bill("S1", "S1-1"), **more}
            record(node, connection, "bill", body["number"], body)

    return write


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (customer, "CONSTRAINT"),
        (sale(site="S1\x00"), "CONSTRAINT"),
        (sale(site={"code": "S1"}), "CONSTRAINT"),
        (sale(number="S1-1\x00", tender=1), "REFUSED"),
        (sale(customer_id="C\x00"), "INVALID"),
    ],
    ids=["in a customer", "in a bill", "no text", "in a key", "in what it needs"],
)
def test_one_odd_text_of_one_store_holds_no_bill_of_another_one(
    world: World, write: Callable[[World], None], code: str
) -> None:
    write(world)
    world.sync("S1")
    world.bill("S1", "S1-2")
    world.bill("S2", "S2-1")
    for _ in range(2):
        world.rounds(1)
    there = {row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)}
    if code != "REFUSED":
        assert there == {"S1-2", "S2-1"}
        assert [row["code"] for row in received(world.nodes[HEAD_OFFICE], states=("QUARANTINED",))] == [code]
        return
    assert there == {"S2-1"}
    told = {(row["peer"], row["code"]) for row in errors_of(world.nodes[HEAD_OFFICE].engine)}
    assert ("S1", code) in told


def test_what_is_asked_of_a_store_stays_until_it_was_there(
    tmp_path: Path, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-27T10:00:00+05:30")
    world = made(postgres_server, tmp_path, "mailbox")
    world.mailbox.ask(HEAD_OFFICE, "S1", "send", {"doc_type": "bill", "key": "S1-0"})
    monkeypatch.setenv("CLIENTSYNC_NOW", "2027-03-01T10:00:00+05:30")
    purge(world.nodes[HEAD_OFFICE], world.mailbox, actor="asha")
    assert [one.kind for _, one in world.mailbox.requests("S1", "")] == ["send"]
    with world.mailbox.engine.begin() as connection:
        beat = {"node_id": "S1", "number": 99, "incarnation": "x", "body": "{}", "at": "2027-03-01T05:00"}
        connection.execute(mb_heartbeat.insert().values(**beat))
    purge(world.nodes[HEAD_OFFICE], world.mailbox, actor="asha")
    assert world.mailbox.requests("S1", "") == []
    world.close()
