"""Where a document is, step by step, in words: event, batch, mailbox, inbox, effect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from clientsync.database import reading
from clientsync.exchange import tables as t
from clientsync.exchange.arrivals import arrivals_of, known_of
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.nodes import Node
from clientsync.exchange.sending import is_processed


@dataclass(frozen=True)
class Step:
    """One step of the way of a document; ``is_done`` is False for the one that is missing."""

    name: str
    is_done: bool
    words: str
    at: str = ""


def trace(node: Node, mailbox: Mailbox | None, key: str) -> list[Step]:
    """Return the steps of every version of the objects with a key, the first one that is missing in words.

    Args:
        node: from whose side it is looked at.
        mailbox: None when it cannot be reached; then what lies there is not told.
        key: number of the bill, or the key of another object.
    """
    with reading(node.engine) as connection:
        events = connection.execute(
            select(t.outbox).where(t.outbox.c.key == key).order_by(t.outbox.c.number)
        ).all()
        documents = connection.execute(
            select(t.document).where(t.document.c.key == key).order_by(t.document.c.version)
        ).all()
        items = {
            one.document_id: connection.execute(
                select(
                    t.batch_item, t.batch_out.c.state, t.batch_out.c.uploaded_at, t.batch_out.c.answered_at
                )
                .join(t.batch_out, t.of_one_batch(t.batch_out, t.batch_item))
                .where(t.batch_item.c.document_id == one.document_id)
                .order_by(t.batch_item.c.peer, t.batch_item.c.epoch, t.batch_item.c.seq)
            ).all()
            for one in documents
        }
        purged_until = str(connection.execute(select(t.node.c.purged_until)).scalar_one())
        had = known_of(connection, key)
        arrived = arrivals_of(connection, key, had)
    told = {(one.doc_type, one.version) for one in events}
    written = [(one.doc_type, one.version, one.occurred_at) for one in events]
    written += [
        (one.doc_type, one.version, one.created_at)
        for one in documents
        if (one.doc_type, one.version) not in told
    ]
    steps = [
        Step("event", True, f"{doc_type} version {version} was written", at)
        for doc_type, version, at in sorted(written, key=lambda one: (one[2], one[1]))
    ]
    if any(one.state == "NEW" for one in events):
        steps.append(Step("batch", False, "it waits for the next sync of this node"))
    if any(one.state == "ASIDE" for one in events):
        steps.append(Step("batch", False, "it cannot be packed: clientsync exchange errors"))
    waiting = {one.document_id for one in events if one.state == "NEW"}
    for one in documents:
        if one.document_id not in waiting:
            steps += _sent(node, mailbox, one, items[one.document_id], purged_until)
    steps += [_arrived(one) for one in arrived] or [_had(one) for one in had]
    if not steps:
        steps.append(
            Step(
                "event",
                False,
                f"this node neither wrote nor received {key}; ask at the node that should have written it",
            )
        )
    return steps


def _sent(node: Node, mailbox: Mailbox | None, document: Any, items: Any, purged_until: str) -> list[Step]:
    if not json.loads(document.receivers):
        return [Step("route", False, f"version {document.version} goes to nobody: {document.rule}")]
    steps = [Step("route", True, f"version {document.version} goes {document.rule}", document.created_at)]
    if not items:
        words = "its batches were processed and are purged"
        if document.created_at > purged_until:
            words = "it was not put into a batch: clientsync exchange errors"
        steps.append(Step("batch", document.created_at <= purged_until, words))
    for one in items:
        place = f"{one.peer} {one.epoch}/{one.seq}/{one.idx}"
        if one.state == "PACKED":
            steps.append(Step("mailbox", False, f"{place}: packed, waits to be brought to the web database"))
            continue
        steps.append(Step("mailbox", True, f"{place}: lies in the web database", one.uploaded_at))
        if is_processed(one.state, one.answer):
            steps.append(Step("answer", True, f"{one.peer} has processed it", one.answered_at))
        elif one.answer:
            steps.append(
                Step("answer", False, f"{one.peer} holds it ({one.answer}): {one.reason}", one.answered_at)
            )
        else:
            steps.append(Step("answer", False, _silence(mailbox, node, one.peer)))
    return steps


def _silence(mailbox: Mailbox | None, node: Node, peer: str) -> str:
    beat = mailbox.beats([peer]).get(peer) if mailbox else None
    if beat is None:
        return f"{peer} has not answered" + ("; it never synchronised" if mailbox else "")
    return f"{peer} has not answered, or this node has not looked since; {peer} synchronised last at {beat['at']}"


def _had(row: Any) -> Step:
    return Step("effect", True, f"version {row.version} was had from {row.origin}; how it came is purged", "")


def _arrived(row: Any) -> Step:
    place = f"from {row.peer} {row.epoch}/{row.seq}/{row.idx}, version {row.version}"
    words = {
        "APPLIED": "stands in the business tables",
        "SUPERSEDED": "was not needed: a newer version came first",
        "SKIPPED": f"was left out: {row.reason}",
        "RECEIVED": "lies in the inbox and waits for the next sync",
    }
    said = words.get(row.state, f"is held ({row.code}): {row.reason}")
    is_done = row.state in ("APPLIED", "SUPERSEDED", "SKIPPED")
    return Step("effect", is_done, f"{place} {said}", row.settled_at or row.received_at)
