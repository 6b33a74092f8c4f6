"""What came in, wherever it is kept: in the inbox, or with its mark when it took effect as it came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, literal, select, union_all

from clientsync.database import among
from clientsync.exchange import tables as t
from clientsync.exchange.documents import document_id, withdrawal_id

_FIELDS = ("epoch", "seq", "idx", "document_id", "doc_type", "key", "version", "op", "business_date")
_VERSIONS_SHOWN = 200
"""Newest versions of an object whose arrival is looked for."""


def arrivals(batches: ColumnElement[bool]) -> Select[Any]:
    """Return the select of the documents that came in some batches: peer, place, object, state, moments.

    ``batches`` is a condition on ``sync_batch_in``; what is purged has no row there.
    """
    marked = and_(
        t.batch_in.c.peer == t.applied.c.origin,
        t.batch_in.c.epoch == t.applied.c.epoch,
        t.batch_in.c.seq == t.applied.c.seq,
    )
    both = union_all(
        waited().join(t.batch_in, t.of_one_batch(t.batch_in, t.inbox)).where(batches),
        _at_once().join(t.batch_in, marked).where(batches),
    )
    return select(both.subquery("arrivals"))


def arrivals_of(connection: Connection, key: str, known: Iterable[Any]) -> list[Any]:
    """Return the rows of ``arrivals`` of the objects with a key, in the order in which they came.

    Marks are found by the ids of the versions in ``known``, what ``known_of`` returns, so that no index over their keys
    is needed.
    """
    rows = list(connection.execute(waited().where(t.inbox.c.key == key)))
    for seen in known:
        versions = range(max(seen.version - _VERSIONS_SHOWN, 0) + 1, seen.version + 1)
        ids = [
            ident_of(seen.origin, seen.doc_type, key, version)
            for version in versions
            for ident_of in (document_id, withdrawal_id)
        ]
        rows += connection.execute(
            _at_once().where(
                t.applied.c.origin == seen.origin, among(connection, t.applied.c.document_id, ids)
            )
        )
    return sorted(rows, key=lambda row: (row.peer, row.epoch, row.seq, row.idx))


def known_of(connection: Connection, key: str) -> Sequence[Any]:
    """Return origin, type and newest version of the objects with a key that this node had from others."""
    return connection.execute(
        select(t.seen).where(t.seen.c.key == key).order_by(t.seen.c.doc_type, t.seen.c.origin)
    ).all()


def waited() -> Select[Any]:
    """Return the select of the documents of the inbox, with the columns of ``arrivals``."""
    said = ("state", "code", "reason", "blocked_by", "received_at", "settled_at")
    return select(t.inbox.c.peer, *(t.inbox.c[name] for name in (*_FIELDS, *said)))


def _at_once() -> Select[Any]:
    at = t.applied.c.applied_at
    nothing = [literal("").label(name) for name in ("code", "reason", "blocked_by")]
    return select(
        t.applied.c.origin.label("peer"),
        *(t.applied.c[name] for name in _FIELDS),
        literal("APPLIED").label("state"),
        *nothing,
        at.label("received_at"),
        at.label("settled_at"),
    ).where(t.applied.c.seq > 0)
