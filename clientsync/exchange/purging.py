"""Taking out what every side has finished with: batches, their bodies, and the inbox; never what keeps the truth.

What was written, what took effect and which versions are held stay for good. A batch goes when its receiver has
processed it and the time to keep is over, which is to be longer than the oldest backup that may be restored. The
last batch of every epoch stays, so that a receiver that comes back late finds out that something is missing.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, or_, update

from clientsync.clock import now
from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.documents import canonical
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.nodes import Lease, Node, give_back, note_audit, take_lease

KEEP_DAYS = 35
"""Days for which finished batches are kept: as long as a backup may be old that is restored."""


def purge(
    node: Node, mailbox: Mailbox, *, keep_days: int = KEEP_DAYS, actor: str, is_trial: bool = False
) -> dict[str, int]:
    """Take out what is finished and older than some days, and return how many rows of each kind went, or would go.

    Args:
        node: whose database it is; at the head office the mailbox is purged too.
        mailbox: opened with the login of the node.
        keep_days: at least 1.
        actor: who does it.
        is_trial: nothing is taken out.

    Raises:
        InvalidInput: ``keep_days`` is below 1, or nobody is named who does it.
        AlreadyRunning: a sync of this node runs.
        WarehouseError: a database refused it.
    """
    if keep_days < 1 or not actor.strip():
        raise InvalidInput("Say who does it, and keep at least 1 day.")
    before = (now() - timedelta(days=keep_days)).isoformat(timespec="milliseconds")
    lease = take_lease(node)
    try:
        found = _purge_node(node, lease, before, actor, is_trial)
        if node.node_id == HEAD_OFFICE:
            found["batches in the mailbox"] = mailbox.purge(before, is_trial=is_trial)
    finally:
        give_back(node, lease)
    return found


class _Trial(Exception):
    """Takes a trial back."""


def _purge_node(node: Node, lease: Lease, before: str, actor: str, is_trial: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    try:
        with node.writing("purge", lease) as connection:
            found = _taken_out(connection, before)
            if is_trial:
                raise _Trial
            connection.execute(
                update(t.node).where(t.node.c.node_id == node.node_id).values(purged_until=before)
            )
            note_audit(connection, actor, "purge", canonical(found), f"before {before}")
    except _Trial:
        return found
    return found


def _taken_out(connection: Connection, before: str) -> dict[str, int]:
    sent, came = _finished_out(before), _finished_in(before)
    return {
        "documents in sent batches": _drop(
            connection, t.batch_item, t.in_batches(t.batch_item, t.batch_out, sent)
        ),
        "sent batches": _drop(connection, t.batch_out, sent),
        "bodies": _drop(
            connection, t.body, ~exists().where(t.batch_out.c.body_sha == t.body.c.sha).correlate(t.body)
        ),
        "events": _drop(connection, t.outbox, _finished_event(before)),
        "documents of the inbox": _drop(connection, t.inbox, t.in_batches(t.inbox, t.batch_in, came)),
        "received batches": _drop(connection, t.batch_in, and_(came, t.batch_in.c.manifest == "")),
        "errors": _drop(connection, t.error, t.error.c.at < before),
    }


def _drop(connection: Connection, table: Table, which: ColumnElement[bool]) -> int:
    return int(connection.execute(delete(table).where(which)).rowcount)


def _finished_out(before: str) -> ColumnElement[bool]:
    later = t.batch_out.alias()
    is_not_last = exists().where(
        later.c.peer == t.batch_out.c.peer,
        later.c.epoch == t.batch_out.c.epoch,
        later.c.seq > t.batch_out.c.seq,
    )
    return and_(
        t.batch_out.c.state.in_(("PROCESSED", "REPLACED")),
        t.batch_out.c.answered_at < before,
        is_not_last.correlate(t.batch_out),
    )


def _finished_in(before: str) -> ColumnElement[bool]:
    """Return the condition of batches that were answered for good; those of a load stay until the load is complete."""
    manifest = t.batch_in.alias()
    is_loaded = exists().where(
        manifest.c.load_id == t.batch_in.c.load_id, manifest.c.load_state == "COMPLETE"
    )
    return and_(
        t.batch_in.c.answer == canonical(["PROCESSED", []]),
        t.batch_in.c.is_posted == 1,
        t.batch_in.c.received_at < before,
        or_(t.batch_in.c.load_id == "", is_loaded.correlate(t.batch_in)),
    )


def _finished_event(before: str) -> ColumnElement[bool]:
    """Return the condition of events whose document lies in no batch any more, nor is withheld."""
    same = and_(
        t.document.c.doc_type == t.outbox.c.doc_type,
        t.document.c.key == t.outbox.c.key,
        t.document.c.version == t.outbox.c.version,
    )

    return and_(
        t.outbox.c.state.in_(("PACKED", "REPLACED")),
        t.outbox.c.occurred_at < before,
        ~_has_document_in(t.batch_item, same),
        ~_has_document_in(t.withheld, same),
    )


def _has_document_in(table: Table, same: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(table.c.document_id == t.document.c.document_id, same).correlate(t.outbox)
