"""Loads at the receiver: whether all of a load came and took effect, and what stands here that it did not hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, select, update

from clientsync.database import among, reading
from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.applying import OPEN
from clientsync.exchange.arrivals import arrivals
from clientsync.exchange.catalogue import DocType
from clientsync.exchange.documents import Document, digest, read_json
from clientsync.exchange.loading import PAGE, Counts, add_to, check_wish, require_peer
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.nodes import Lease, Node, note_audit, note_error


def ask_for_load(
    node: Node,
    mailbox: Mailbox,
    sender: str,
    *,
    types: Sequence[str] = (),
    since: str = "",
    restarts: bool = False,
) -> None:
    """Ask a sender for a load of this node; it begins with the next sync there.

    Args:
        node: the receiver.
        mailbox: opened with its login.
        sender: who is asked.
        types: of documents; empty: all that the sender writes.
        since: ISO day from which frozen documents are wanted; empty: all.
        restarts: as of ``loading.start``.

    Raises:
        InvalidInput: an unknown sender, a type that it does not write, or a restart of a part.
    """
    with reading(node.engine) as connection:
        require_peer(connection, sender)
    check_wish(node, "HO" if node.kind == "STORE" else "STORE", sender, types, since, restarts=restarts)
    mailbox.ask(node.node_id, sender, "load", {"types": list(types), "since": since, "restarts": restarts})


def check_loads(node: Node, lease: Lease) -> int:
    """Compare every load that ended with its manifest, and return how many are complete now.

    A load is complete when every document that its manifest counts took effect, or was not needed; while some of them
    are held it waits.
    """
    with reading(node.engine) as connection:
        waiting = connection.execute(
            select(t.batch_in).where(t.batch_in.c.manifest != "", t.batch_in.c.load_state != "COMPLETE")
        ).all()
    complete = 0
    for row in waiting:
        with node.writing("load_check", lease) as connection:
            state, reason = _checked(connection, row)
            complete += state == "COMPLETE"
            connection.execute(
                update(t.batch_in)
                .where(t.at(t.batch_in, row.peer, row.epoch, row.seq))
                .values(load_state=state)
            )
            if state == "WRONG":
                note_error(
                    connection,
                    peer=row.peer,
                    error_class="PROTOCOL",
                    code="LOAD",
                    what=f"load {row.load_id}",
                    reason=reason,
                    next_step=f"Load again: clientsync exchange load --from {row.peer}.",
                )
    return complete


def _checked(connection: Connection, row: Any) -> tuple[str, str]:
    ours = and_(t.batch_in.c.load_id == row.load_id, t.batch_in.c.peer == row.peer)
    found: Counts = {}
    held = 0
    came = arrivals(ours)
    for one in connection.execute(
        came.order_by(*(came.selected_columns[name] for name in ("epoch", "seq", "idx")))
    ):
        held += one.state in OPEN
        add_to(found, one.doc_type, [one.document_id])
    said: Counts = {kind: one for kind, one in read_json(row.manifest)["counts"].items() if one[0]}
    for kind in sorted({*said, *found}):
        if said.get(kind) != found.get(kind):
            there, here = said.get(kind, [0])[0], found.get(kind, [0])[0]
            return (
                "WRONG",
                f"the manifest says {there} documents of {kind}, {here} came, or others than those",
            )
    return (f"WAITS FOR {held}", "") if held else ("COMPLETE", "")


def loads_received(node: Node) -> list[dict[str, Any]]:
    """Return the loads that came in whole, the newest first, and how many objects stand here that they did not hold."""
    with reading(node.engine) as connection:
        rows = connection.execute(
            select(t.batch_in).where(t.batch_in.c.manifest != "").order_by(t.batch_in.c.received_at.desc())
        ).all()
        return [
            {
                "load": row.load_id,
                "way": f"from {row.peer}",
                "state": row.load_state or "RECEIVED",
                "documents": sum(number for number, _ in read_json(row.manifest)["counts"].values()),
                "at": "",
                "left over": len(_left_over(node, connection, row))
                if row.load_state == "COMPLETE" and not _is_purged(connection, row)
                else "",
                "begun": "",
                "ended": row.received_at,
            }
            for row in rows
        ]


def left_over(node: Node, load_id: str) -> list[tuple[str, str]]:
    """Return the objects, as (type, key), that stand here and that a complete load did not hold, nor anything after it.

    Raises:
        InvalidInput: no such load is complete here.
    """
    with reading(node.engine) as connection:
        return _left_over(node, connection, _complete(connection, load_id))


def remove_left_over(node: Node, load_id: str, *, actor: str, reason: str) -> int:
    """Remove what ``left_over`` tells, each with a line in the audit; return how many objects were removed.

    Raises:
        InvalidInput: no such load is complete here, or it is not said who does it and why.
    """
    if not actor.strip() or not reason.strip():
        raise InvalidInput("Say who does it and why.")
    with node.writing("load_remove") as connection:
        row = _complete(connection, load_id)
        found = _left_over(node, connection, row)
        for doc_type, key in found:
            gone = Document("", "", doc_type, 1, "delete", key, 0, "", "{}", digest("{}"))
            node.catalogue.known(doc_type).adapter.apply(connection, [(gone, {})])
            connection.execute(
                update(t.seen)
                .where(t.seen.c.doc_type == doc_type, t.seen.c.key == key, t.seen.c.origin == row.peer)
                .values(op="delete")
            )
            note_audit(connection, actor, f"remove, not in load {load_id}", f"{doc_type} {key}", reason)
    return len(found)


def _complete(connection: Connection, load_id: str) -> Any:
    row = connection.execute(
        select(t.batch_in).where(
            t.batch_in.c.load_id == load_id,
            t.batch_in.c.manifest != "",
            t.batch_in.c.load_state == "COMPLETE",
        )
    ).one_or_none()
    if row is None:
        raise InvalidInput(f"No load {load_id} is complete here. `clientsync exchange loads` lists them.")
    if _is_purged(connection, row):
        raise InvalidInput(f"What load {load_id} held is purged by now. Load again, then compare.")
    return row


def _is_purged(connection: Connection, row: Any) -> bool:
    until: str = connection.execute(select(t.node.c.purged_until)).scalar_one()
    return until >= str(row.received_at)


def _left_over(node: Node, connection: Connection, row: Any) -> list[tuple[str, str]]:
    first = connection.execute(
        select(t.batch_in.c.epoch, t.batch_in.c.seq)
        .where(t.batch_in.c.load_id == row.load_id, t.batch_in.c.peer == row.peer)
        .order_by(t.batch_in.c.epoch, t.batch_in.c.seq)
        .limit(1)
    ).one()
    found = []
    for name in read_json(row.manifest)["types"]:
        kind = node.catalogue.get(name)
        if kind is not None and not kind.is_snapshot:
            found += [(name, key) for key in _unmentioned(node, connection, kind, row.peer, first)]
    return found


def _unmentioned(node: Node, connection: Connection, kind: DocType, peer: str, first: Any) -> list[str]:
    """Return the keys of a type that stand here and were in no batch since a place of the stream of their owner."""
    came = arrivals(and_(t.batch_in.c.peer == peer, t.after(t.batch_in, first.epoch, first.seq - 1)))
    of_kind = came.where(came.selected_columns.doc_type == kind.name)
    since = {row.key for row in connection.execute(of_kind)}
    own = peer if node.kind == "STORE" else ""  # a store has one sender only: what came from nobody is its
    found: list[str] = []
    last = ""
    while keys := kind.adapter.keys_after(connection, last, PAGE):
        owners = dict(
            connection.execute(
                select(t.seen.c.key, t.seen.c.origin).where(
                    t.seen.c.doc_type == kind.name, among(connection, t.seen.c.key, keys)
                )
            ).all()
        )
        found += [key for key in keys if key not in since and owners.get(key, own) == peer]
        last = keys[-1]
    return found
