"""The web database between head office and stores: batches, answers, requests and signs of life, written once.

Nothing in it is changed or deleted by a node. On PostgreSQL every store has a login role of its own and row-level
security decides what it reads and writes (``clientsync.exchange.rights``); on SQLite, for trials, nothing does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    func,
    select,
    text,
    tuple_,
    union_all,
)

from clientsync.clock import now
from clientsync.database import open_engine, reading, writing
from clientsync.exchange.capturing import upsert
from clientsync.exchange.documents import canonical
from clientsync.exchange.envelopes import Batch, batch_of
from clientsync.exchange.nodes import moment
from clientsync.exchange.stored import parts_of
from clientsync.exchange.tables import after

SCHEMA = "mailbox"
MAILBOX = MetaData()
AT_ONCE = 20
"""Batches of one stream that are read, or of all streams that are written, in one transaction."""
_STREAMS = 100
_LONG = BigInteger().with_variant(Integer, "sqlite")


def _id(name: str) -> Column[str]:
    return Column(name, String(200), primary_key=True)


def _place() -> list[Column[Any]]:
    return [
        _id("sender"),
        _id("receiver"),
        Column("epoch", _LONG, primary_key=True, autoincrement=False),
        Column("seq", _LONG, primary_key=True, autoincrement=False),
    ]


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


mb_node = Table(
    "mb_node", MAILBOX, _id("node_id"), Column("db_role", String(200), unique=True, nullable=False), _text("kind"),
    _text("status"),
)  # fmt: skip
mb_body = Table("mb_body", MAILBOX, _id("scope"), _id("sha"), Column("bytes", LargeBinary, nullable=False))
mb_batch = Table(
    "mb_batch", MAILBOX, *_place(), _text("prev_hash"), _text("hash"), _text("header"), _text("signature"),
    _text("body_scope"), _text("body_sha"), _text("created_at"),
)  # fmt: skip
_PLACE = (mb_batch.c.sender, mb_batch.c.receiver, mb_batch.c.epoch, mb_batch.c.seq)
mb_ack = Table(
    "mb_ack", MAILBOX, *_place(), Column("rev", _LONG, primary_key=True, autoincrement=False), _text("state"),
    _text("items"), _text("hash"), _text("incarnation"), _text("at"),
)  # fmt: skip
mb_settled = Table("mb_settled", MAILBOX, *_place(), _text("at"))
mb_request = Table(
    "mb_request", MAILBOX, _id("request_id"), _text("from_node"), _text("to_node"), _text("kind"), _text("args"),
    _text("at"),
)  # fmt: skip
mb_heartbeat = Table(
    "mb_heartbeat", MAILBOX, _id("node_id"), Column("number", _LONG, primary_key=True, autoincrement=False),
    _text("incarnation"), _text("body"), _text("at"),
)  # fmt: skip


PURGED = """
SELECT b.sender, b.receiver, b.epoch, b.seq FROM mb_batch b WHERE b.created_at < :before
AND EXISTS (SELECT 1 FROM mb_ack a WHERE a.sender = b.sender AND a.receiver = b.receiver AND a.epoch = b.epoch
  AND a.seq = b.seq AND a.state = 'PROCESSED' AND a.hash = b.hash AND a.at < :before
  AND a.rev = (SELECT max(n.rev) FROM mb_ack n WHERE n.sender = b.sender AND n.receiver = b.receiver
    AND n.epoch = b.epoch AND n.seq = b.seq)
  AND a.rev < (SELECT max(n.rev) FROM mb_ack n WHERE n.receiver = b.receiver))
AND EXISTS (SELECT 1 FROM mb_settled s WHERE s.sender = b.sender AND s.receiver = b.receiver
  AND (s.epoch > b.epoch OR s.epoch = b.epoch AND s.seq >= b.seq))
AND b.seq < (SELECT max(n.seq) FROM mb_batch n WHERE n.sender = b.sender AND n.receiver = b.receiver
  AND n.epoch = b.epoch)"""
"""Places of the batches that a purge takes out."""
PURGES = (
    """DELETE FROM mb_body WHERE NOT EXISTS (SELECT 1 FROM mb_batch b WHERE b.body_scope = mb_body.scope
AND b.body_sha = mb_body.sha)""",
    """DELETE FROM mb_settled WHERE at < :before AND EXISTS (SELECT 1 FROM mb_settled n
WHERE n.sender = mb_settled.sender AND n.receiver = mb_settled.receiver
AND (n.epoch > mb_settled.epoch OR n.epoch = mb_settled.epoch AND n.seq > mb_settled.seq))""",
    """DELETE FROM mb_request WHERE at < :before
AND at < (SELECT max(n.at) FROM mb_heartbeat n WHERE n.node_id = mb_request.to_node)""",
    """DELETE FROM mb_heartbeat WHERE at < :before
AND number > (SELECT min(n.number) FROM mb_heartbeat n WHERE n.node_id = mb_heartbeat.node_id
  AND n.incarnation = mb_heartbeat.incarnation)
AND number < (SELECT max(n.number) FROM mb_heartbeat n WHERE n.node_id = mb_heartbeat.node_id
  AND n.incarnation = mb_heartbeat.incarnation)""",
)
"""What a purge takes out beside the batches and their answers."""


_ANSWERS = ("RECEIVED", "PROCESSED", "PARTIAL", "REJECTED")
_SAID = ("document_id", "state", "reason")
"""What an answer says of a document that is held."""
_Key = TypeVar("_Key")


def _each(
    connection: Connection, keys: Iterable[_Key], statement_of: Callable[[_Key], Select[Any]]
) -> Iterator[Any]:
    """Yield the rows of one statement per key, many of them asked at once; each is answered by an index."""
    for part in parts_of(keys, _STREAMS):
        yield from connection.execute(union_all(*(select(statement_of(one).subquery()) for one in part)))


def _fields(text: str) -> dict[str, Any]:
    """Return the fields that a node wrote; none when they cannot be read, so that only that node is concerned."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _items(text: str) -> tuple[Mapping[str, Any], ...] | None:
    """Return what an answer says of documents, None when it cannot be read."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    has_form = isinstance(found, list) and all(
        isinstance(one, dict) and all(isinstance(one.get(name), str) for name in _SAID) for one in found
    )
    return tuple(found) if has_form else None


class ForkFound(Exception):
    """The mailbox holds another batch under the same number: this database is not the one that sent it."""


@dataclass(frozen=True)
class Position:
    """The newest batch of a stream."""

    epoch: int = 0
    seq: int = 0
    hash: str = ""


@dataclass(frozen=True)
class Answer:
    """What the receiver of a batch says of it; of several revisions the newest counts.

    Attributes:
        hash: of the batch that was taken: another batch may have its number after both sides of it were restored.
    """

    sender: str
    receiver: str
    epoch: int
    seq: int
    hash: str
    rev: int
    state: str
    items: tuple[Mapping[str, Any], ...]
    incarnation: str


def _keep(connection: Connection, answers: Sequence[Answer]) -> None:
    stored = [
        {
            "sender": one.sender,
            "receiver": one.receiver,
            "epoch": one.epoch,
            "seq": one.seq,
            "rev": one.rev,
            "state": one.state,
            "items": canonical(list(one.items)),
            "hash": one.hash,
            "incarnation": one.incarnation,
            "at": moment(),
        }
        for one in answers
    ]
    if stored:
        connection.execute(upsert(connection)(mb_ack).on_conflict_do_nothing(), stored)


@dataclass(frozen=True)
class Request:
    """Something that one node asks of another."""

    request_id: str
    from_node: str
    to_node: str
    kind: str
    args: Mapping[str, Any]


def open_mailbox(url: str) -> Mailbox:
    """Return the mailbox at a URL; nothing is connected yet.

    Raises:
        InvalidInput: not a URL of SQLite or PostgreSQL.
    """
    engine = open_engine(url)
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(schema_translate_map={None: SCHEMA})
    return Mailbox(engine)


class Mailbox:
    """What a node does at the mailbox; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine, whose login is that of the node."""
        self.engine = engine

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    def newest(self, sender: str, receivers: Iterable[str]) -> dict[str, Position]:
        """Return the newest batch of each stream of a sender; streams without one are left out."""
        with reading(self.engine) as connection:
            rows = self._last_of_each(connection, mb_batch, sender, receivers, mb_batch.c.hash)
            return {row.receiver: Position(row.epoch, row.seq, row.hash) for row in rows}

    @staticmethod
    def _last_of_each(
        connection: Connection, table: Table, sender: str, receivers: Iterable[str], *more: Column[str]
    ) -> Iterator[Any]:
        """Yield receiver, epoch, seq and further columns of the highest place of each stream of a sender."""
        return _each(
            connection,
            receivers,
            lambda one: (
                select(table.c.receiver, table.c.epoch, table.c.seq, *more)
                .where(table.c.sender == sender, table.c.receiver == one)
                .order_by(table.c.epoch.desc(), table.c.seq.desc())
                .limit(1)
            ),
        )

    def put(self, batches: Sequence[Batch], bodies: Mapping[str, bytes]) -> None:
        """Store batches with their bodies; those that are there already, with the same digest, are as good.

        Raises:
            ForkFound: another batch has one of the numbers; nothing of the call remains.
            WarehouseError: the mailbox refused it.
        """
        with writing(self.engine) as connection:
            put = upsert(connection)
            scopes = {(one.sender, one.body_sha) for one in batches}
            connection.execute(
                put(mb_body).on_conflict_do_nothing(),
                [{"scope": scope, "sha": sha, "bytes": bodies[sha]} for scope, sha in sorted(scopes)],
            )
            connection.execute(
                put(mb_batch).on_conflict_do_nothing(),
                [
                    {
                        "sender": one.sender,
                        "receiver": one.receiver,
                        "epoch": one.epoch,
                        "seq": one.seq,
                        "prev_hash": one.prev_hash,
                        "hash": one.hash,
                        "header": one.header,
                        "signature": one.signature,
                        "body_scope": one.sender,
                        "body_sha": one.body_sha,
                        "created_at": moment(),
                    }
                    for one in batches
                ],
            )
            places = [(one.sender, one.receiver, one.epoch, one.seq) for one in batches]
            rows = connection.execute(select(*_PLACE, mb_batch.c.hash).where(tuple_(*_PLACE).in_(places)))
            there = {tuple(row[:4]): row.hash for row in rows}
            for one, key in zip(batches, places, strict=True):
                if there.get(key) != one.hash:
                    raise ForkFound(f"batch {one.epoch}/{one.seq} to {one.receiver} lies there already")

    def after(self, receiver: str, cursors: Mapping[str, tuple[int, int]]) -> list[tuple[Batch, bytes]]:
        """Return the next batches of every stream to a receiver, in order, with their bodies.

        Args:
            receiver: whose mailbox it is.
            cursors: sender to (epoch, seq) of the batch that was taken last; (0, 0) when none was.
        """
        with reading(self.engine) as connection:
            rows = _each(
                connection,
                cursors.items(),
                lambda one: (
                    select(mb_batch)
                    .where(
                        mb_batch.c.sender == one[0],
                        mb_batch.c.receiver == receiver,
                        after(mb_batch, *one[1]),
                    )
                    .order_by(mb_batch.c.epoch, mb_batch.c.seq)
                    .limit(AT_ONCE)
                ),
            )
            found = self._with_bodies(connection, list(rows))
        return sorted(found, key=lambda one: (one[0].sender, one[0].epoch, one[0].seq))

    def first_of_epochs(self, sender: str, receiver: str, after_epoch: int) -> list[tuple[Batch, bytes]]:
        """Return the first batch of every epoch of a stream after one, the newest first, with their bodies."""
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(mb_batch)
                .where(
                    mb_batch.c.sender == sender,
                    mb_batch.c.receiver == receiver,
                    mb_batch.c.seq == 1,
                    mb_batch.c.epoch > after_epoch,
                )
                .order_by(mb_batch.c.epoch.desc())
            ).all()
            return self._with_bodies(connection, rows)

    def seconds_ahead(self) -> float:
        """Return by how many seconds this machine's clock is ahead of the mailbox's; 0 for a file."""
        if self.engine.dialect.name != "postgresql":
            return 0.0
        with reading(self.engine) as connection:
            there = connection.execute(select(func.now())).scalar_one()
        return float((now() - there).total_seconds())

    @staticmethod
    def _with_bodies(connection: Connection, rows: Sequence[Any]) -> list[tuple[Batch, bytes]]:
        """Return batches with their bodies; one that is not there is empty, and found out when it is opened."""
        bodies: dict[tuple[str, str], bytes] = {}
        place = tuple_(mb_body.c.scope, mb_body.c.sha)
        for part in parts_of(sorted({(row.body_scope, row.body_sha) for row in rows}), _STREAMS):
            for row in connection.execute(select(mb_body).where(place.in_(part))):
                bodies[row.scope, row.sha] = bytes(row.bytes)
        return [
            (batch_of(row.sender, row.receiver, row), bodies.get((row.body_scope, row.body_sha), b""))
            for row in rows
        ]

    def newest_rev(self, receiver: str) -> int:
        """Return the highest revision of an answer that a receiver has written, 0 when there is none."""
        with reading(self.engine) as connection:
            statement = select(func.max(mb_ack.c.rev)).where(mb_ack.c.receiver == receiver)
            return int(connection.execute(statement).scalar_one() or 0)

    def answer(self, answers: Sequence[Answer]) -> set[tuple[str, int, int]]:
        """Store answers, and return the batches that the mailbox does not hold, which cannot be answered.

        Returns:
            (sender, epoch, seq) of batches that must be sent again first.
        """
        with writing(self.engine) as connection:
            places = [(one.sender, one.receiver, one.epoch, one.seq) for one in answers]
            there: set[tuple[Any, ...]] = set()
            for part in parts_of(places, _STREAMS):
                rows = connection.execute(select(*_PLACE).where(tuple_(*_PLACE).in_(part)))
                there.update(tuple(row) for row in rows)
            _keep(connection, [one for one, key in zip(answers, places, strict=True) if key in there])
        return {(one[0], one[2], one[3]) for one in places if one not in there}

    def keep(self, answers: Sequence[Answer]) -> None:
        """Store answers whose batches went another way."""
        with writing(self.engine) as connection:
            _keep(connection, answers)

    def answers(self, sender: str, batches: Iterable[tuple[str, int, int]]) -> list[Answer]:
        """Return the newest answer to each batch of a sender that has one; what cannot be read is as no answer.

        Args:
            sender: who sent them.
            batches: (receiver, epoch, seq).
        """
        found: dict[tuple[str, int, int], Answer] = {}
        place = tuple_(mb_ack.c.receiver, mb_ack.c.epoch, mb_ack.c.seq)
        with reading(self.engine) as connection:
            for part in parts_of(batches, _STREAMS):
                statement = select(mb_ack).where(mb_ack.c.sender == sender, place.in_(part))
                for row in connection.execute(statement.order_by(mb_ack.c.rev)):
                    items = _items(row.items)
                    if items is None or row.state not in _ANSWERS:
                        continue
                    found[row.receiver, row.epoch, row.seq] = Answer(
                        row.sender,
                        row.receiver,
                        row.epoch,
                        row.seq,
                        row.hash,
                        row.rev,
                        row.state,
                        items,
                        row.incarnation,
                    )
        return list(found.values())

    def settle(self, sender: str, places: Mapping[str, tuple[int, int]]) -> None:
        """Write down up to which batch a sender has seen the answers of its receivers; until then they may be purged.

        Args:
            sender: whose batches they are.
            places: receiver to (epoch, seq).
        """
        with writing(self.engine) as connection:
            connection.execute(
                upsert(connection)(mb_settled).on_conflict_do_nothing(),
                [
                    {"sender": sender, "receiver": receiver, "epoch": epoch, "seq": seq, "at": moment()}
                    for receiver, (epoch, seq) in places.items()
                ],
            )

    def settled(self, sender: str, receivers: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return by receiver the newest place that ``settle`` wrote down, also in an earlier life of the sender."""
        with reading(self.engine) as connection:
            rows = self._last_of_each(connection, mb_settled, sender, receivers)
            return {row.receiver: (row.epoch, row.seq) for row in rows}

    def purge(self, before: str, *, is_trial: bool = False) -> int:
        """Take out batches that were processed before a moment, and return how many went, or would go.

        A batch stays until its sender has seen that it was processed. The last batch of every epoch stays, and the one
        with the newest answer of a receiver: both are what a database that was restored is found out by. What is asked
        of a node stays until it was there. On PostgreSQL only the head office's login may do it.
        """
        if self.engine.dialect.name == "postgresql":
            with writing(self.engine) as connection:
                called = func.mailbox.mb_purge(before, is_trial)
                return int(connection.execute(select(called)).scalar_one())
        with writing(self.engine) as connection:
            places = [tuple(row) for row in connection.execute(text(PURGED), {"before": before})]
            if is_trial:
                return len(places)
            for table in (mb_ack, mb_batch):
                for part in parts_of(places, _STREAMS):
                    place = tuple_(table.c.sender, table.c.receiver, table.c.epoch, table.c.seq)
                    connection.execute(table.delete().where(place.in_(part)))
            for statement in PURGES:
                connection.execute(text(statement), {"before": before})
        return len(places)

    def ask(self, from_node: str, to_node: str, kind: str, args: Mapping[str, Any]) -> None:
        """Ask something of a node."""
        with writing(self.engine) as connection:
            connection.execute(
                mb_request.insert().values(
                    request_id=str(uuid4()),
                    from_node=from_node,
                    to_node=to_node,
                    kind=kind,
                    args=canonical(dict(args)),
                    at=moment(),
                )
            )

    def requests(self, to_node: str, since: str) -> list[tuple[str, Request]]:
        """Return what is asked of a node since a moment, that moment included, with the moments, in order."""
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(mb_request)
                .where(mb_request.c.to_node == to_node, mb_request.c.at >= since)
                .order_by(mb_request.c.at, mb_request.c.request_id)
            )
            return [
                (
                    row.at,
                    Request(row.request_id, row.from_node, row.to_node, row.kind, _fields(row.args)),
                )
                for row in rows
            ]

    def beat(self, node_id: str, incarnation: str, body: Mapping[str, Any]) -> None:
        """Leave a sign of life."""
        with writing(self.engine) as connection:
            newest = connection.execute(
                select(func.max(mb_heartbeat.c.number)).where(mb_heartbeat.c.node_id == node_id)
            ).scalar_one()
            connection.execute(
                upsert(connection)(mb_heartbeat)
                .values(
                    node_id=node_id,
                    number=int(newest or 0) + 1,
                    incarnation=incarnation,
                    body=canonical(dict(body)),
                    at=moment(),
                )
                .on_conflict_do_nothing()
            )

    def beats(self, node_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the newest sign of life of each node, with ``incarnation`` and ``at``; others are left out."""
        with reading(self.engine) as connection:
            rows = _each(
                connection,
                node_ids,
                lambda one: (
                    select(mb_heartbeat)
                    .where(mb_heartbeat.c.node_id == one)
                    .order_by(mb_heartbeat.c.number.desc())
                    .limit(1)
                ),
            )
            return {
                row.node_id: {**_fields(row.body), "incarnation": row.incarnation, "at": row.at}
                for row in rows
            }

    def lives(self, node_id: str) -> list[str]:
        """Return the incarnations of a node in the order in which they were first seen."""
        with reading(self.engine) as connection:
            first = func.min(mb_heartbeat.c.number)
            statement = (
                select(mb_heartbeat.c.incarnation)
                .where(mb_heartbeat.c.node_id == node_id)
                .group_by(mb_heartbeat.c.incarnation)
                .order_by(first)
            )
            return list(connection.execute(statement).scalars())
