"""Tables that a node keeps beside the business tables of its own database.

Moments are ISO 8601 in UTC as text, so that both databases order and compare them alike. ``sync_document``,
``sync_applied`` and ``sync_seen`` are never purged: they are what was written, what keeps a document from taking effect
twice, and what the totals of the days are made of. A document that took effect as it came lies in ``sync_applied``
only, with its place; ``sync_inbox`` holds those that could not. ``sync_outbox`` holds events that wait, and of what is
gathered when it is packed those that are done; a document that was frozen when it was written is the record of its own
event.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    exists,
    or_,
    select,
    text,
)

NODE = MetaData()
_LONG = BigInteger().with_variant(Integer, "sqlite")


def at(table: Table, peer: Any, epoch: Any, seq: Any) -> ColumnElement[bool]:
    """Return the condition that a row belongs to one batch of the stream with a peer; of values or bound parameters."""
    return and_(table.c.peer == peer, table.c.epoch == epoch, table.c.seq == seq)


def after(table: Table, epoch: int, seq: int) -> ColumnElement[bool]:
    """Return the condition that a row comes after a place of its stream: in a later epoch, or later in the same."""
    return or_(table.c.epoch > epoch, and_(table.c.epoch == epoch, table.c.seq > seq))


def of_one_batch(left: Table, right: Table) -> ColumnElement[bool]:
    """Return the condition that rows of two tables belong to the same batch."""
    return and_(left.c.peer == right.c.peer, left.c.epoch == right.c.epoch, left.c.seq == right.c.seq)


def in_batches(table: Table, batches: Table, which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a row of ``table`` belongs to one of some batches."""
    return exists().where(of_one_batch(batches, table), which).correlate(table)


def is_packed() -> ColumnElement[bool]:
    """Return the condition that a document does not wait to be packed: what is frozen lies there before."""
    waiting = outbox.alias()
    return document.c.document_id.not_in(select(waiting.c.document_id).where(waiting.c.state == "NEW"))


def _key(name: str) -> Column[str]:
    return Column(name, String(200), primary_key=True)


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _number(name: str, default: int = 0) -> Column[int]:
    return Column(name, _LONG, nullable=False, server_default=text(str(default)))


node = Table(
    "sync_node", NODE, _key("node_id"), _text("incarnation"), _number("next_ack", 1),
    _text("lease_holder"), _number("fencing"), _text("lease_until"), _text("purged_until"), _text("tables"),
)  # fmt: skip
peer = Table(
    "sync_peer", NODE, _key("peer"), _text("public_key"), _text("readable", "{}"), _number("protocol_minor"),
)  # fmt: skip
site = Table("sync_site", NODE, _key("peer"), _key("valid_from"), _text("store_type"), _text("groups", "[]"))
aggregate = Table("sync_aggregate", NODE, _key("doc_type"), _key("key"), _number("version"))
outbox = Table(
    "sync_outbox", NODE, Column("number", _LONG, primary_key=True, autoincrement=True), _text("event_id"),
    _text("occurred_at"), _text("doc_type"), _text("key"), _number("version"), _text("op"), _text("business_date"),
    Column("payload", Text), _text("state", "NEW"), _text("actor"), _text("document_id"),
)  # fmt: skip
Index(
    "sync_outbox_new",
    outbox.c.number,
    sqlite_where=text("state = 'NEW'"),
    postgresql_where=text("state = 'NEW'"),
)
Index(
    "sync_outbox_aside",
    outbox.c.number,
    sqlite_where=text("state = 'ASIDE'"),
    postgresql_where=text("state = 'ASIDE'"),
)
Index("sync_outbox_object", outbox.c.doc_type, outbox.c.key, outbox.c.version, unique=True)
document = Table(
    "sync_document", NODE, _key("document_id"), _text("event_id"), _text("doc_type"), _number("schema_version"),
    _text("op"), _text("key"), _number("version"), _text("business_date"), _text("deps", "[]"), _number("quantity"),
    _number("net"), _number("tax"), _number("tender"), _text("sha256"), _text("body"), _text("receivers", "[]"),
    _text("rule"), _text("created_at"), _text("actor"),
)  # fmt: skip
Index("sync_document_object", document.c.doc_type, document.c.key)
withheld = Table("sync_withheld", NODE, _key("peer"), _key("document_id"))
load = Table(
    "sync_load", NODE, _key("load_id"), _text("peer"), _text("types"), _text("since"), _text("at_type"),
    _text("after_key"), _text("counts", "{}"), _text("state", "RUNNING"), _text("actor"), _text("begun_at"),
    _text("ended_at"),
)  # fmt: skip
Index("sync_document_day", document.c.business_date)
body = Table("sync_body", NODE, _key("sha"), Column("bytes", LargeBinary, nullable=False))
stream_out = Table(
    "sync_stream_out", NODE, _key("peer"), _number("epoch", 1), _number("next_seq", 1), _text("last_hash"),
    _text("peer_incarnation"), _number("peer_rev"), _number("settled_epoch"), _number("settled_seq"),
)  # fmt: skip
carried = Table("sync_carried", NODE, _key("peer"), _key("doc_type"), _key("key"), _number("version"))
batch_out = Table(
    "sync_batch_out", NODE, _key("peer"), Column("epoch", _LONG, primary_key=True),
    Column("seq", _LONG, primary_key=True), _text("prev_hash"), _text("hash"), _text("header"), _text("signature"),
    _text("body_sha"), _number("n"), _text("state", "PACKED"), _text("packed_at"), _text("uploaded_at"),
    _text("answered_at"), _text("answered_by"), _number("rev"),
)  # fmt: skip
Index("sync_batch_out_open", batch_out.c.state)
batch_item = Table(
    "sync_batch_item", NODE, _key("peer"), Column("epoch", _LONG, primary_key=True),
    Column("seq", _LONG, primary_key=True), Column("idx", _LONG, primary_key=True), _text("document_id"),
    _text("answer"), _text("reason"),
)  # fmt: skip
Index("sync_batch_item_document", batch_item.c.document_id)
stream_in = Table(
    "sync_stream_in", NODE, _key("peer"), _number("epoch"), _number("last_seq"), _text("last_hash")
)
batch_in = Table(
    "sync_batch_in", NODE, _key("peer"), Column("epoch", _LONG, primary_key=True),
    Column("seq", _LONG, primary_key=True), _text("hash"), _number("n"), _text("received_at"), _text("answer"),
    _number("rev"), _number("is_posted"), _text("load_id"), _text("manifest"), _text("load_state"),
)  # fmt: skip
inbox = Table(
    "sync_inbox", NODE, _key("peer"), Column("epoch", _LONG, primary_key=True), Column("seq", _LONG, primary_key=True),
    Column("idx", _LONG, primary_key=True), _text("document_id"), _text("event_id"), _text("doc_type"),
    _number("schema_version"), _text("op"), _text("key"), _number("version"), _number("before"),
    _text("business_date"), _text("deps", "[]"), _number("quantity"), _number("net"), _number("tax"),
    _number("tender"), _text("sha256"), _text("body"), _text("state", "RECEIVED"), _text("code"), _text("reason"),
    _text("blocked_by"), _text("received_at"), _text("settled_at"),
)  # fmt: skip
_OPEN = text("state IN ('RECEIVED', 'BLOCKED', 'QUARANTINED')")
Index(
    "sync_inbox_open", inbox.c.peer, inbox.c.epoch, inbox.c.seq, inbox.c.idx, sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)  # fmt: skip
Index("sync_inbox_document", inbox.c.document_id)
applied = Table(
    "sync_applied", NODE, _key("origin"), _key("document_id"), _text("sha256"), _text("applied_at"),
    _text("doc_type"), _text("key"), _text("business_date"), _number("quantity"), _number("net"), _number("tax"),
    _number("tender"), _number("has_effect", 1), _number("version"), _text("op"), _number("epoch"), _number("seq"),
    _number("idx"),
)  # fmt: skip
Index("sync_applied_day", applied.c.doc_type, applied.c.business_date)
Index("sync_applied_batch", applied.c.epoch, applied.c.seq, applied.c.origin)
seen = Table(
    "sync_seen", NODE, _key("doc_type"), _key("key"), _key("origin"), _number("version"), _text("op")
)
handled = Table("sync_handled", NODE, _key("request_id"), _text("at"))
error = Table(
    "sync_error", NODE, Column("number", _LONG, primary_key=True, autoincrement=True), _text("at"), _text("peer"),
    _text("error_class"), _text("code"), _text("what"), _text("reason"), _text("next_step"),
)  # fmt: skip
right = Table("sync_right", NODE, _key("person"), _key("name"))
audit = Table(
    "sync_audit", NODE, Column("number", _LONG, primary_key=True, autoincrement=True), _text("at"), _text("actor"),
    _text("action"), _text("what"), _text("reason"),
)  # fmt: skip
