"""Telling senders what became of their batches.

An answer is numbered and written down here before it is given, so that a database that was restored finds answers in
the mailbox that it never numbered. The numbers rise over all answers of a node; of several to one batch the
highest counts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, bindparam, select, tuple_, update

from clientsync.exchange import tables as t
from clientsync.exchange.applying import OPEN
from clientsync.exchange.documents import canonical
from clientsync.exchange.mailbox import Answer, Mailbox
from clientsync.exchange.nodes import Lease, Node
from clientsync.exchange.stored import parts_of


def answer(node: Node, mailbox: Mailbox, lease: Lease) -> int:
    """Give the answers that changed, or that the mailbox does not hold, and return how many it took."""
    answers = numbered_answers(node, lease)
    if not answers:
        return 0
    missing = mailbox.answer(answers)
    given = [one for one in answers if (one.sender, one.epoch, one.seq) not in missing]
    with node.writing("answered", lease) as connection:
        if given:
            connection.execute(
                update(t.batch_in)
                .where(_THIS_BATCH, t.batch_in.c.rev == bindparam("this_rev"))
                .values(is_posted=1),
                [{**_this(one.sender, one.epoch, one.seq), "this_rev": one.rev} for one in given],
            )
    return len(given)


_THIS_BATCH = t.at(t.batch_in, *map(bindparam, ("this_peer", "this_epoch", "this_seq")))
"""The place of a batch, for a statement that is executed for many of them."""


def _this(peer: str, epoch: int, seq: int) -> dict[str, Any]:
    return {"this_peer": peer, "this_epoch": epoch, "this_seq": seq}


def numbered_answers(node: Node, lease: Lease) -> list[Answer]:
    """Number the answers that changed, and return all that the mailbox does not hold as far as is known here."""
    with node.writing("acks", lease) as connection:
        _number_changed(node, connection)
        incarnation = node.incarnation(connection)
        waiting = connection.execute(
            select(t.batch_in).where(t.batch_in.c.is_posted == 0, t.batch_in.c.answer != "")
        ).all()
    found = []
    for row in waiting:
        state, items = json.loads(row.answer)
        found.append(
            Answer(
                row.peer,
                node.node_id,
                row.epoch,
                row.seq,
                row.hash,
                row.rev,
                state,
                tuple(items),
                incarnation,
            )
        )
    return found


def _number_changed(node: Node, connection: Connection) -> None:
    finished = canonical(["PROCESSED", []])
    rows = connection.execute(select(t.batch_in).where(t.batch_in.c.answer != finished)).all()
    held: dict[tuple[str, int, int], list[Any]] = defaultdict(list)
    for part in parts_of([(row.peer, row.epoch, row.seq) for row in rows]):
        place = tuple_(t.inbox.c.peer, t.inbox.c.epoch, t.inbox.c.seq)
        for one in connection.execute(
            select(t.inbox).where(place.in_(part), t.inbox.c.state.in_(OPEN)).order_by(t.inbox.c.idx)
        ):
            held[one.peer, one.epoch, one.seq].append(one)
    number = connection.execute(
        select(t.node.c.next_ack).where(t.node.c.node_id == node.node_id)
    ).scalar_one()
    changed: list[dict[str, Any]] = []
    for row in rows:
        items = held[row.peer, row.epoch, row.seq]
        if any(one.state == "RECEIVED" for one in items):
            continue
        said = canonical(
            [
                "PARTIAL" if items else "PROCESSED",
                [
                    {
                        "document_id": one.document_id,
                        "key": f"{one.doc_type} {one.key}",
                        "state": one.state,
                        "code": one.code,
                        "reason": one.reason,
                    }
                    for one in items
                ],
            ]
        )
        if said == row.answer:
            continue
        changed.append(
            {
                **_this(row.peer, row.epoch, row.seq),
                "answer": said,
                "rev": number + len(changed),
                "is_posted": 0,
            }
        )
    if not changed:
        return
    connection.execute(
        update(t.batch_in)
        .where(_THIS_BATCH)
        .values({name: bindparam(name) for name in ("answer", "rev", "is_posted")}),
        changed,
    )
    number += len(changed)
    connection.execute(update(t.node).where(t.node.c.node_id == node.node_id).values(next_ack=number))
