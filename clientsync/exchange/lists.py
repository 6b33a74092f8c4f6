"""What a person sees of the exchange: what was sent, what came in, what waits, and the totals of the days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, tuple_

from clientsync.database import reading
from clientsync.exchange import tables as t
from clientsync.exchange.arrivals import arrivals, waited
from clientsync.exchange.documents import read_json
from clientsync.exchange.nodes import Node
from clientsync.exchange.sending import PARTIAL, UNANSWERED, is_processed, waits_for_answer

_IN_BATCHES = t.batch_out.join(t.batch_item, t.of_one_batch(t.batch_out, t.batch_item)).join(
    t.document, t.document.c.document_id == t.batch_item.c.document_id
)
"""Batches that were sent, with their documents."""
_SHOWN = {"PACKED": "WAITING", "RECEIVED": "UPLOADED", "PARTIAL": "ERROR", "REJECTED": "ERROR"}


def sent(node: Node, *, limit: int = 200) -> list[dict[str, Any]]:
    """Return documents that were sent, the newest first: object, receiver, batch, UPLOADED, PROCESSED or ERROR."""
    statement = (
        select(t.batch_out, t.batch_item.c.idx, t.batch_item.c.answer, t.batch_item.c.reason, t.document)
        .select_from(_IN_BATCHES)
        .order_by(t.batch_out.c.packed_at.desc(), t.batch_out.c.seq.desc(), t.batch_item.c.idx.desc())
        .limit(limit)
    )
    with reading(node.engine) as connection:
        return [
            {
                "type": row.doc_type,
                "key": row.key,
                "version": row.version,
                "day": row.business_date,
                "to": row.peer,
                "batch": f"{row.epoch}/{row.seq}/{row.idx}",
                "status": "PROCESSED"
                if is_processed(row.state, row.answer)
                else _SHOWN.get(row.state, row.state),
                "reason": row.reason,
                "at": row.answered_at or row.uploaded_at or row.packed_at,
            }
            for row in connection.execute(statement)
        ]


def received(node: Node, *, states: tuple[str, ...] = (), limit: int = 200) -> list[dict[str, Any]]:
    """Return documents that came in, the newest first, with their state and what holds them.

    With ``states`` only those in one of them; what is held lies in the inbox, and no mark is looked at for it.
    """
    if not states:
        place = tuple_(t.batch_in.c.peer, t.batch_in.c.epoch, t.batch_in.c.seq)
        came = arrivals(place.in_(_newest_batches(limit)))
    else:
        came = arrivals(t.batch_in.c.n > 0) if "APPLIED" in states else waited()
    column = came.selected_columns
    if states:
        came = came.where(column.state.in_(states))
    statement = came.order_by(
        column.received_at.desc(), column.epoch.desc(), column.seq.desc(), column.idx.desc()
    )
    with reading(node.engine) as connection:
        return [
            {
                "type": row.doc_type,
                "key": row.key,
                "version": row.version,
                "day": row.business_date,
                "from": row.peer,
                "batch": f"{row.epoch}/{row.seq}/{row.idx}",
                "state": row.state,
                "code": row.code,
                "reason": row.reason,
                "blocked by": row.blocked_by,
                "at": row.settled_at or row.received_at,
                "document": row.document_id,
            }
            for row in connection.execute(statement.limit(limit))
        ]


def _newest_batches(limit: int) -> Select[Any]:
    """Return the places of the newest batches: so many hold at least so many documents."""
    order = (t.batch_in.c.received_at.desc(), t.batch_in.c.epoch.desc(), t.batch_in.c.seq.desc())
    return (
        select(t.batch_in.c.peer, t.batch_in.c.epoch, t.batch_in.c.seq)
        .where(t.batch_in.c.n > 0)
        .order_by(*order)
        .limit(limit)
    )


@dataclass(frozen=True)
class Unanswered:
    """Documents that a node wrote and that no receiver has processed yet.

    Attributes:
        number: of documents; those that go to several receivers count once for each.
        since: when the oldest of them was written, ISO 8601; empty when there is none.
        value: paise with tax.
    """

    number: int
    since: str
    value: int


def unanswered(node: Node) -> Unanswered:
    """Return what of a node's documents waits for an answer."""
    with reading(node.engine) as connection:
        new = [
            connection.execute(
                select(func.count(), func.min(t.outbox.c.occurred_at)).where(t.outbox.c.state == state)
            ).one()
            for state in ("NEW", "ASIDE")
        ]
        waiting = connection.execute(
            select(func.sum(t.document.c.net + t.document.c.tax)).where(~t.is_packed())
        ).scalar_one()
        batches = connection.execute(
            select(t.batch_out.c.state, t.batch_out.c.n, t.batch_out.c.header, t.batch_out.c.packed_at).where(
                t.batch_out.c.state.in_(UNANSWERED)
            )
        ).all()
        held, held_value = _held(connection)
        moments = [one for _, one in new]
        if batches:
            moments.append(_written_first(connection, min(one.packed_at for one in batches)))
    whole = [one for one in batches if one.state != PARTIAL]
    number = sum(int(one[0]) for one in new) + held + sum(one.n for one in whole)
    value = int(waiting or 0) + held_value + sum(_value(one.header) for one in whole)
    return Unanswered(number, min((str(one) for one in moments if one), default=""), value)


def _value(header: str) -> int:
    """Return the paise with tax of the documents of a batch, by its totals."""
    return sum(int(net) + int(tax) for _, _, net, tax, _ in read_json(header)["control"].values())


def _written_first(connection: Connection, packed_at: str) -> str | None:
    """Return when the oldest of the unanswered documents was written that were packed at a moment."""
    written = and_(
        t.outbox.c.doc_type == t.document.c.doc_type,
        t.outbox.c.key == t.document.c.key,
        t.outbox.c.version == t.document.c.version,
    )
    first: str | None = connection.execute(
        select(func.min(func.coalesce(t.outbox.c.occurred_at, t.document.c.created_at)))
        .select_from(_IN_BATCHES.outerjoin(t.outbox, written))
        .where(t.batch_out.c.packed_at == packed_at, waits_for_answer())
    ).scalar_one()
    return first


def _held(connection: Connection) -> tuple[int, int]:
    """Return how many documents of partly processed batches are held, and their paise with tax."""
    number, value = connection.execute(
        select(func.count(), func.sum(t.document.c.net + t.document.c.tax))
        .select_from(_IN_BATCHES)
        .where(t.batch_out.c.state == PARTIAL, waits_for_answer())
    ).one()
    return int(number), int(value or 0)


def audit(node: Node, *, limit: int = 200) -> list[dict[str, Any]]:
    """Return who did what, the newest first."""
    with reading(node.engine) as connection:
        rows = connection.execute(select(t.audit).order_by(t.audit.c.number.desc()).limit(limit))
        return [
            {"at": row.at, "who": row.actor, "what": row.action, "of": row.what, "why": row.reason}
            for row in rows
        ]


def control_totals(node: Node) -> list[list[Any]]:
    """Return type, day, count, quantity, net, tax and tender of the documents that a node packed, by type and day."""
    columns = (t.document.c.quantity, t.document.c.net, t.document.c.tax, t.document.c.tender)
    statement = (
        select(
            t.document.c.doc_type,
            t.document.c.business_date,
            func.count(),
            *(func.sum(one) for one in columns),
        )
        .where(t.is_packed())
        .group_by(t.document.c.doc_type, t.document.c.business_date)
        .order_by(t.document.c.doc_type, t.document.c.business_date)
    )
    with reading(node.engine) as connection:
        return [[row[0], row[1], *map(int, row[2:])] for row in connection.execute(statement)]


def received_totals(node: Node, peer: str) -> list[list[Any]]:
    """Return the same of the documents of a peer that took effect here; a document that came twice counts once."""
    columns = (t.applied.c.quantity, t.applied.c.net, t.applied.c.tax, t.applied.c.tender)
    statement = (
        select(
            t.applied.c.doc_type, t.applied.c.business_date, func.count(), *(func.sum(one) for one in columns)
        )
        .where(t.applied.c.origin == peer, t.applied.c.has_effect == 1)
        .group_by(t.applied.c.doc_type, t.applied.c.business_date)
        .order_by(t.applied.c.doc_type, t.applied.c.business_date)
    )
    with reading(node.engine) as connection:
        return [[row[0], row[1], *map(int, row[2:])] for row in connection.execute(statement)]
