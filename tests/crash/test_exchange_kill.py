"""A sync killed at its commits, against a real PostgreSQL: nothing lost, nothing double, others never held."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from clientsync.database import open_engine
from clientsync.exchange.capturing import record
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.lists import sent
from clientsync.exchange.loaded import loads_received
from clientsync.exchange.loading import PAGE, start
from clientsync.exchange.mailbox import open_mailbox
from clientsync.exchange.rights import prepare_mailbox, register
from clientsync.exchange.syncing import sync
from connectors.retail import tables as retail
from tests.support.exchange_world import World, bill

STORE_POINTS = ("pack", "upload", "uploaded", "restore")
OFFICE_POINTS = ("take", "receive", "apply", "acks", "answered", "handshake")
CASES = [
    (name, f"exchange_{commit}_{side}")
    for name, commits in (("S1", STORE_POINTS), (HEAD_OFFICE, OFFICE_POINTS))
    for commit in commits
    for side in ("before", "after")
]


@pytest.fixture
def posted(tmp_path: Path, postgres_url: str) -> Iterator[tuple[World, dict[str, str]]]:
    owner = open_engine(postgres_url)
    prepare_mailbox(owner)
    urls = {}
    world = World(tmp_path)
    for name in world.nodes:
        role, password = register(owner, name)
        login = make_url(postgres_url).set(username=role, password=password)
        urls[name] = login.render_as_string(hide_password=False)
    yield world, urls
    world.close()
    owner.dispose()


def one_sync(world: World, urls: dict[str, str], name: str, point: str = "") -> int:
    world.free(name)
    arguments = [name, f"sqlite:///{world.path(name)}", urls[name], world.signers[name].private.hex()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.exchange_worker", *arguments],
        env={**os.environ, "CLIENTSYNC_CRASH_AT": point},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode


@pytest.mark.parametrize(("name", "point"), CASES, ids=[f"{name}-{point}" for name, point in CASES])
def test_a_sync_that_is_killed_goes_on_where_it_was(
    posted: tuple[World, dict[str, str]], name: str, point: str
) -> None:
    world, urls = posted
    world.item("I1")
    for number in range(3):
        world.bill("S1", f"S1-{number}")
    node = world.nodes["S1"]
    is_smooth = point.startswith("exchange_take_")
    if not is_smooth:
        with node.writing("request") as connection:  # a poisoned bill among them
            record(node, connection, "bill", "S1-9", bill("S1", "S1-9", tender=1))
    if name == HEAD_OFFICE:
        one_sync(world, urls, "S1")
    assert one_sync(world, urls, name, point) == -9
    boxes = {one: open_mailbox(urls[one]) for one in ("S1", HEAD_OFFICE)}
    for one in ("S1", HEAD_OFFICE, "S1", HEAD_OFFICE, "S1"):
        world.free(one)
        assert not sync(world.nodes[one], boxes[one]).failures
    assert sorted(row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)) == ["S1-0", "S1-1", "S1-2"]
    assert sorted((row["key"], row["state"]) for row in world.arrived(HEAD_OFFICE)) == [
        *((f"S1-{number}", "APPLIED") for number in range(3)),
        *([] if is_smooth else [("S1-9", "QUARANTINED")]),
    ]
    assert boxes["S1"].newest("S1", [HEAD_OFFICE])[HEAD_OFFICE].epoch == 1
    for box in boxes.values():
        box.close()
    assert {one["status"] for one in sent(node)} == {"PROCESSED"} | (set() if is_smooth else {"ERROR"})


@pytest.mark.parametrize(
    ("name", "point"),
    [
        (name, f"exchange_{commit}_{side}")
        for name, commit in ((HEAD_OFFICE, "load"), ("S1", "load_check"))
        for side in ("before", "after")
    ],
)
def test_a_load_that_is_killed_goes_on_and_is_complete(
    posted: tuple[World, dict[str, str]], name: str, point: str
) -> None:
    world, urls = posted
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:  # items that never had an event
        connection.execute(
            retail.item.insert(),
            [
                {"item_code": f"X{one:04d}", "name": "Shirt", "hsn": "6105", "tax_basis_points": 1200}
                for one in range(PAGE + 20)
            ],
        )
    start(world.nodes[HEAD_OFFICE], "S1", actor="asha")
    if name == "S1":
        one_sync(world, urls, HEAD_OFFICE)
    assert one_sync(world, urls, name, point) == -9
    boxes = {one: open_mailbox(urls[one]) for one in ("S1", HEAD_OFFICE)}
    for one in (HEAD_OFFICE, "S1", HEAD_OFFICE):
        world.free(one)
        assert not sync(world.nodes[one], boxes[one]).failures
    (load,) = loads_received(world.nodes["S1"])
    assert (load["state"], load["documents"], load["left over"]) == ("COMPLETE", PAGE + 20, 0)
    came = [row["document_id"] for row in world.arrived("S1")]
    assert len(came) == len(set(came)) == PAGE + 20
    assert len(world.rows("S1", retail.item)) == PAGE + 20
    for box in boxes.values():
        box.close()
