"""A store's login reads and writes its own rows in the mailbox, and nothing else; PostgreSQL itself refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from clientsync.database import open_engine
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.lists import sent
from clientsync.exchange.mailbox import Mailbox, open_mailbox
from clientsync.exchange.purging import purge
from clientsync.exchange.rights import prepare_mailbox, register, revoke
from clientsync.exchange.syncing import sync
from connectors.retail import tables as retail
from tests.support.exchange_world import World

ZERO = "0" * 64
REFUSED = ("42501", "23514")
"""Lacking a right or row, and a digest that is not that of the bytes: the codes of PostgreSQL for them."""
LATER = "2027-03-01T10:00:00+05:30"


@pytest.fixture
def owner(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url)
    assert prepare_mailbox(engine)
    assert not prepare_mailbox(engine)
    yield engine
    engine.dispose()


class Posted:
    """A world whose nodes reach one PostgreSQL mailbox, each with its own login."""

    def __init__(self, world: World, owner: Engine, url: str) -> None:
        self.world = world
        self.boxes: dict[str, Mailbox] = {}
        for name in (HEAD_OFFICE, *world.stores):
            role, password = register(owner, name)
            login = make_url(url).set(username=role, password=password)
            self.boxes[name] = open_mailbox(login.render_as_string(hide_password=False))

    def sync(self, name: str) -> Any:
        return sync(self.world.nodes[name], self.boxes[name])

    def run(self, name: str, statement: str, **values: Any) -> Any:
        with self.boxes[name].engine.connect() as connection, connection.begin():
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else result.rowcount


@pytest.fixture
def posted(tmp_path: Path, owner: Engine, postgres_url: str) -> Iterator[Posted]:
    world = World(tmp_path)
    made = Posted(world, owner, postgres_url)
    world.item("I1")
    for store in world.stores:
        world.bill(store, f"{store}-1")
    for _ in range(2):
        for name in (*world.stores, HEAD_OFFICE):
            made.sync(name)
    for name in world.stores:
        made.sync(name)
    yield made
    for one in made.boxes.values():
        one.close()
    world.close()


def test_documents_go_both_ways_through_logins_of_their_own(posted: Posted) -> None:
    assert {row["number"] for row in posted.world.rows(HEAD_OFFICE, retail.bill)} == {"S1-1", "S2-1"}
    assert all(posted.world.rows(store, retail.item) for store in posted.world.stores)
    assert {one["status"] for one in sent(posted.world.nodes["S1"])} == {"PROCESSED"}


@pytest.mark.parametrize(
    ("table", "column"), [("mb_batch", "sender"), ("mb_ack", "sender"), ("mb_body", "scope")]
)
def test_a_store_sees_no_row_of_another(posted: Posted, table: str, column: str) -> None:
    rows = {row[0] for row in posted.run("S1", f"SELECT DISTINCT {column} FROM mailbox.{table}")}
    assert rows <= {"S1", HEAD_OFFICE}
    receivers = posted.run("S1", "SELECT DISTINCT sender, receiver FROM mailbox.mb_batch")
    assert all("S1" in tuple(row) for row in receivers)


BATCH = (
    "INSERT INTO mailbox.mb_batch (sender, receiver, epoch, seq, prev_hash, hash, header, signature, body_scope,"
    " body_sha, created_at) SELECT :sender, :receiver, 9, 1, '', 'x', '{}', '', :scope, sha, '' FROM mailbox.mb_body"
    " WHERE scope = :own LIMIT 1"
)
ACK = (
    "INSERT INTO mailbox.mb_ack (sender, receiver, epoch, seq, rev, state, items, hash, incarnation, at)"
    " VALUES (:sender, :receiver, 1, 1, 99, 'PROCESSED', '[]', '', '', '')"
)


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (BATCH, {"sender": "S2", "receiver": "HO", "scope": "S2", "own": "S1"}),
        (BATCH, {"sender": "HO", "receiver": "S2", "scope": "HO", "own": "S1"}),
        (BATCH, {"sender": "S1", "receiver": "S2", "scope": "S1", "own": "S1"}),
        (BATCH, {"sender": "S1", "receiver": "HO", "scope": "HO", "own": "S1"}),
        (ACK, {"sender": "HO", "receiver": "S2"}),
        (ACK, {"sender": "S1", "receiver": "HO"}),
        ("INSERT INTO mailbox.mb_body VALUES ('S2', :sha, 'x')", {"sha": ZERO}),
        ("INSERT INTO mailbox.mb_body VALUES ('S1', :sha, 'x')", {"sha": ZERO}),
        ("INSERT INTO mailbox.mb_heartbeat VALUES ('S2', 99, '', '{}', '')", {}),
        ("INSERT INTO mailbox.mb_request VALUES ('r', 'S2', 'HO', 'rewind', '{}', '')", {}),
        ("INSERT INTO mailbox.mb_request VALUES ('r', 'S1', 'S2', 'rewind', '{}', '')", {}),
        ("INSERT INTO mailbox.mb_settled VALUES ('S2', 'HO', 9, 9, '')", {}),
        ("INSERT INTO mailbox.mb_settled VALUES ('HO', 'S1', 9, 9, '')", {}),
        ("UPDATE mailbox.mb_batch SET hash = 'x'", {}),
        ("DELETE FROM mailbox.mb_batch", {}),
        ("DELETE FROM mailbox.mb_ack", {}),
        ("TRUNCATE mailbox.mb_ack", {}),
        ("SELECT * FROM mailbox.mb_node", {}),
        ("SET ROLE exchange_s2", {}),
        ("SET SESSION AUTHORIZATION exchange_s2", {}),
        ("COPY mailbox.mb_batch TO '/tmp/stolen'", {}),
        ("ALTER TABLE mailbox.mb_batch DISABLE ROW LEVEL SECURITY", {}),
        ("DROP TABLE mailbox.mb_ack", {}),
        ("SELECT mailbox.mb_purge('9', false)", {}),
    ],
)
def test_the_database_refuses_what_is_not_the_stores(
    posted: Posted, statement: str, values: dict[str, Any]
) -> None:
    with pytest.raises(DBAPIError) as refused:
        posted.run("S1", statement, **values)
    assert refused.value.orig is not None
    assert getattr(refused.value.orig, "sqlstate", "") in REFUSED


def test_a_number_of_another_store_cannot_be_probed_by_a_conflict(posted: Posted) -> None:
    statement = BATCH + " ON CONFLICT DO NOTHING"
    with pytest.raises(DBAPIError, match="row-level security"):
        posted.run("S1", statement, sender="S2", receiver="HO", scope="S2", own="S1")


def test_a_store_that_is_revoked_reads_and_writes_nothing_in_a_session_that_is_open(
    posted: Posted, owner: Engine
) -> None:
    with posted.boxes["S1"].engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM mailbox.mb_batch")).scalar_one() > 0
        connection.commit()
        revoke(owner, "S1")
        assert connection.execute(text("SELECT count(*) FROM mailbox.mb_batch")).scalar_one() == 0
        with pytest.raises(DBAPIError):
            connection.execute(text("INSERT INTO mailbox.mb_heartbeat VALUES ('S1', 99, '', '{}', '')"))


def test_a_new_password_keeps_the_stream(posted: Posted, owner: Engine, postgres_url: str) -> None:
    role, password = register(owner, "S1")
    posted.boxes["S1"].close()
    login = make_url(postgres_url).set(username=role, password=password)
    posted.boxes["S1"] = open_mailbox(login.render_as_string(hide_password=False))
    posted.world.bill("S1", "S1-2")
    posted.sync("S1")
    posted.sync(HEAD_OFFICE)
    assert len(posted.world.rows(HEAD_OFFICE, retail.bill)) == 3


def test_only_the_head_office_purges_and_what_nobody_answered_for_stays(
    posted: Posted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (2, 3):
        posted.world.bill("S1", f"S1-{number}")
        posted.sync("S1")
        posted.sync(HEAD_OFFICE)
    posted.sync("S1")
    posted.world.bill("S2", "S2-2")
    posted.sync("S2")
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    batches = "SELECT sender, seq FROM mailbox.mb_batch WHERE receiver = 'HO' ORDER BY 1, 2"
    before = posted.run(HEAD_OFFICE, batches)
    box = posted.boxes[HEAD_OFFICE]
    said = purge(posted.world.nodes[HEAD_OFFICE], box, actor="asha", is_trial=True)
    assert posted.run(HEAD_OFFICE, batches) == before
    assert purge(posted.world.nodes[HEAD_OFFICE], box, actor="asha") == said
    assert posted.run(HEAD_OFFICE, batches) == [("S1", 3), ("S2", 2)]
    monkeypatch.delenv("CLIENTSYNC_NOW")
    for name in (HEAD_OFFICE, "S1", "S2"):
        posted.sync(name)
    assert len(posted.world.rows(HEAD_OFFICE, retail.bill)) == 5


def test_a_mailbox_whose_owner_is_no_superuser_works_and_is_purged(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = open_engine(postgres_url)
    with top.begin() as connection:
        connection.execute(text("CREATE ROLE web_owner LOGIN CREATEROLE PASSWORD 'x'"))
        connection.execute(text(f"ALTER DATABASE {make_url(postgres_url).database} OWNER TO web_owner"))
        if connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = 'clientsync_exchange'")).first():
            connection.execute(text("GRANT clientsync_exchange TO web_owner WITH ADMIN OPTION"))
        for role in ("exchange_ho", "exchange_s1", "exchange_s2"):
            if connection.execute(text(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'")).first():
                connection.execute(text(f"DROP OWNED BY {role}"))
                connection.execute(text(f"DROP ROLE {role}"))
    login = make_url(postgres_url).set(username="web_owner", password="x")
    owner = open_engine(login.render_as_string(hide_password=False))
    assert prepare_mailbox(owner)
    world = World(tmp_path)
    made = Posted(world, owner, postgres_url)
    world.item("I1")
    for number in range(3):
        world.bill("S1", f"S1-{number}")
        for name in ("S1", HEAD_OFFICE, "S1"):
            made.sync(name)
    monkeypatch.setenv("CLIENTSYNC_NOW", LATER)
    done = purge(world.nodes[HEAD_OFFICE], made.boxes[HEAD_OFFICE], actor="asha")
    assert done["batches in the mailbox"] >= 1
    assert len(world.rows(HEAD_OFFICE, retail.bill)) == 3
    for box in made.boxes.values():
        box.close()
    world.close()
    owner.dispose()
    with top.begin() as connection:
        for role in ("exchange_ho", "exchange_s1", "exchange_s2"):
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
    top.dispose()


def test_a_mailbox_of_an_earlier_version_is_brought_up_to_date_with_its_rights(
    posted: Posted, owner: Engine
) -> None:
    with owner.begin() as connection:
        connection.execute(text("DROP FUNCTION mailbox.mb_purge"))
        connection.execute(text("DROP TABLE mailbox.mb_settled"))
        connection.execute(text("ALTER TABLE mailbox.mb_ack DROP COLUMN hash"))
    assert not prepare_mailbox(owner)
    posted.world.bill("S1", "S1-2")
    for name in ("S1", HEAD_OFFICE, "S1"):
        assert not posted.sync(name).failures
    assert {one["status"] for one in sent(posted.world.nodes["S1"])} == {"PROCESSED"}
    with pytest.raises(DBAPIError, match="row-level security"):
        posted.run("S1", "INSERT INTO mailbox.mb_settled VALUES ('S2', 'HO', 9, 9, '')")
    with pytest.raises(DBAPIError, match="permission denied"):
        posted.run("S1", "DELETE FROM mailbox.mb_settled")
