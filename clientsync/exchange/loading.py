"""Loads: every object that a peer should have, page by page in the ordinary stream, with a manifest at the end.

A load is resumed at its page, whatever ends the process. The live stream goes on between its pages: documents of a load
are ordinary ones, so a newer version that travels beside it wins. The last batch holds the manifest: how many
documents of each type were sent, and a digest over their ids in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, and_, insert, select, update

from clientsync.clock import today
from clientsync.database import among, reading
from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.capturing import record_existing
from clientsync.exchange.catalogue import HEAD_OFFICE, DocType
from clientsync.exchange.documents import Document, canonical_of_exact, digest, read_json
from clientsync.exchange.envelopes import chunks
from clientsync.exchange.nodes import Lease, Node, moment, peers_of
from clientsync.exchange.numbering import carry_nothing, number_batches
from clientsync.exchange.packing import documents_of, events_of, readable_by, sites_on, store
from clientsync.exchange.stored import document_of

PAGE = 500
"""Objects that are numbered in one transaction."""
Counts = dict[str, list[Any]]
"""Type to number of documents and the digest over their ids."""


def add_to(counts: Counts, doc_type: str, ids: Sequence[str]) -> None:
    """Add documents to what a manifest says of their type."""
    number, said = counts.get(doc_type, [0, ""])
    for one in ids:
        said = digest(said + one)
    counts[doc_type] = [number + len(ids), said]


def start(
    node: Node,
    peer: str,
    *,
    types: Sequence[str] = (),
    since: str = "",
    restarts: bool = False,
    actor: str,
) -> str:
    """Begin a load of a peer, and return its id; the next syncs carry it out.

    Args:
        node: the sender.
        peer: who is loaded.
        types: of documents; empty: all that this node writes.
        since: ISO day; documents that are never changed are left out when they are older.
        restarts: the stream begins anew with the load, for a peer that cannot read what was before: its database is new
            or was restored to a day whose batches are purged. Only a whole load can do that.
        actor: who asks for it.

    Raises:
        InvalidInput: an unknown peer or type, a restart of a part, a wrong day, or a load of the peer is under way.
    """
    mine = check_wish(node, node.kind, node.node_id, types, since, restarts=restarts)
    chosen = [one for one in mine if not types or one in types]
    load_id = str(uuid4())
    with node.writing("load_start") as connection:
        require_peer(connection, peer)
        running = connection.execute(
            select(t.load.c.load_id).where(t.load.c.peer == peer, t.load.c.state == "RUNNING")
        ).first()
        if running:
            raise InvalidInput(
                f"A load of {peer} is under way: {running.load_id}. "
                "Wait, or end it: clientsync exchange loads --cancel ID."
            )
        connection.execute(
            insert(t.load).values(
                load_id=load_id,
                peer=peer,
                types=canonical_of_exact(chosen),
                since=since,
                at_type=chosen[0],
                actor=actor,
                begun_at=moment(),
            )
        )
        if restarts:
            _begin_anew(connection, peer)
            number_batches(node, connection, peer, [[]], {"load_id": load_id, "restarts": True})
    return load_id


def check_wish(
    node: Node, owner: str, writer: str, types: Sequence[str], since: str, *, restarts: bool
) -> list[str]:
    """Return the types of documents that an owner writes, in the order of the catalogue, after a wish was checked.

    Args:
        node: with the catalogue.
        owner: ``HO`` or ``STORE``.
        writer: the node that is to send them, for the words.
        types: that are wished for; empty: all.
        since: ISO day, or empty.
        restarts: whether the stream is to begin anew.

    Raises:
        InvalidInput: a type that the owner does not write, or a restart of a part.
    """
    written = [one.name for one in node.catalogue if one.owner == owner]
    wrong = sorted(set(types) - set(written))
    if wrong:
        raise InvalidInput(f"{', '.join(wrong)} is not written by {writer}. Valid: {', '.join(written)}.")
    if restarts and (types or since):
        raise InvalidInput("A stream begins anew with a whole load only: leave out the types and the day.")
    return written


def require_peer(connection: Connection, peer: str) -> None:
    """Refuse a node that is not known.

    Raises:
        InvalidInput: lists those that are.
    """
    known = peers_of(connection)
    if peer not in known:
        raise InvalidInput(f"{peer} is not known here. Valid: {', '.join(known)}.")


def _begin_anew(connection: Connection, peer: str) -> None:
    """Begin a new epoch of a stream; what the peer never answered for is replaced by the load that follows."""
    connection.execute(
        update(t.batch_out)
        .where(t.batch_out.c.peer == peer, t.batch_out.c.state.notin_(("PROCESSED", "PACKED")))
        .values(state="REPLACED", answered_at=moment())
    )
    connection.execute(update(t.carried).where(t.carried.c.peer == peer).values(version=0))
    connection.execute(
        update(t.stream_out)
        .where(t.stream_out.c.peer == peer)
        .values(epoch=t.stream_out.c.epoch + 1, next_seq=1, last_hash="")
    )


def cancel(node: Node, load_id: str, *, actor: str) -> None:
    """End a load before its end; what was sent stays, and it never counts as complete.

    Raises:
        InvalidInput: no load with the id is under way.
    """
    with node.writing("load_cancel") as connection:
        done = connection.execute(
            update(t.load)
            .where(t.load.c.load_id == load_id, t.load.c.state == "RUNNING")
            .values(state="CANCELLED", ended_at=moment(), actor=actor)
        )
        if not done.rowcount:
            raise InvalidInput(
                f"No load {load_id} is under way here. `clientsync exchange loads` lists them."
            )


def advance(node: Node, lease: Lease, peers: Sequence[str]) -> int:
    """Number the pages that are left of the loads of some peers, and return how many documents they hold.

    Raises:
        LeaseLost: another sync of this node has taken over.
        WarehouseError: this database cannot be written; the page is numbered again at the next sync.
    """
    with reading(node.engine) as connection:
        running = connection.execute(
            select(t.load.c.load_id)
            .where(t.load.c.state == "RUNNING", t.load.c.peer.in_(peers))
            .order_by(t.load.c.begun_at)
        ).scalars()
        ids = list(running)
    sent = 0
    for load_id in ids:
        while (page := _page(node, lease, load_id)) is not None:
            sent += page
    return sent


def _page(node: Node, lease: Lease, load_id: str) -> int | None:
    """Number one page; return how many documents it holds, None when the load has ended."""
    with node.writing("load", lease) as connection:
        row = connection.execute(
            select(t.load).where(t.load.c.load_id == load_id, t.load.c.state == "RUNNING").with_for_update()
        ).one_or_none()
        if row is None:
            return None
        kind = node.catalogue.known(row.at_type)
        keys = kind.adapter.keys_after(connection, row.after_key, PAGE)
        if not keys:
            _turn(node, connection, row)
            return 0
        documents = _documents(node, connection, kind, keys, row)
        counts: Counts = read_json(row.counts)
        add_to(counts, kind.name, [one.document_id for one in documents])
        if documents:
            first = {one.key for one in documents if one.version == 1}
            carry_nothing(node, connection, row.peer, kind.name, keys, first)
            number_batches(node, connection, row.peer, list(chunks(documents)), {"load_id": load_id})
        connection.execute(
            update(t.load)
            .where(t.load.c.load_id == load_id)
            .values(after_key=keys[-1], counts=canonical_of_exact(counts))
        )
    return len(documents)


def _turn(node: Node, connection: Connection, row: Any) -> None:
    """Go on with the next type of a load; after the last one, number the batch with the manifest."""
    types = read_json(row.types)
    left = types[types.index(row.at_type) + 1 :]
    if left:
        values = {"at_type": left[0], "after_key": ""}
    else:
        manifest = {"types": types, "since": row.since, "counts": read_json(row.counts)}
        number_batches(node, connection, row.peer, [[]], {"load_id": row.load_id, "manifest": manifest})
        values = {"state": "SENT", "ended_at": moment()}
    connection.execute(update(t.load).where(t.load.c.load_id == row.load_id).values(**values))


def _documents(
    node: Node, connection: Connection, kind: DocType, keys: Sequence[str], load: Any
) -> list[Document]:
    """Return the documents of a page that the peer should have and can read, an object's versions in their order.

    An object that never had an event gets its first one, unless it is older than the load goes back. One whose newest
    event is not packed yet is left to the live stream, which packs it next.
    """
    object_of = and_(t.aggregate.c.doc_type == kind.name, among(connection, t.aggregate.c.key, keys))
    versions = dict(
        connection.execute(select(t.aggregate.c.key, t.aggregate.c.version).where(object_of)).all()
    )
    fresh = [key for key in keys if key not in versions]
    if fresh:
        bodies = kind.adapter.gather(connection, fresh)
        if load.since and kind.is_snapshot and kind.date_field:
            bodies = {
                key: body for key, body in bodies.items() if str(body.get(kind.date_field)) >= load.since
            }
        made = _first_documents(node, connection, kind, bodies, load.actor)
        versions.update(dict.fromkeys(made, 1))
    rows = connection.execute(
        select(t.document)
        .where(t.document.c.doc_type == kind.name, among(connection, t.document.c.key, keys), t.is_packed())
        .order_by(t.document.c.key, t.document.c.version)
    )
    found = [document_of(row) for row in rows]
    if not kind.is_snapshot:
        found = [one for one in found if one.version == versions[one.key]]
    elif load.since:
        found = [one for one in found if one.business_date >= load.since]
    return readable_by(connection, load.peer, _for_peer(node, connection, kind, found, load.peer))


def _first_documents(
    node: Node, connection: Connection, kind: DocType, bodies: Mapping[str, Mapping[str, Any]], actor: str
) -> list[str]:
    record_existing(node, connection, kind.name, bodies, actor)
    found = documents_of(node, connection, events_of(connection, kind.name, bodies))
    if found.aside:
        connection.execute(
            update(t.outbox).where(among(connection, t.outbox.c.number, found.aside)).values(state="ASIDE")
        )
    store(connection, found.documents, {one.document_id: ((), "by loads only") for one in found.documents})
    return [one.key for one in found.documents]


def _for_peer(
    node: Node, connection: Connection, kind: DocType, documents: Sequence[Document], peer: str
) -> list[Document]:
    """Return the documents that the routing gives a peer: by today's stores; by those of its day for what is frozen."""
    if node.node_id != HEAD_OFFICE:
        return list(documents)
    dated = connection.execute(select(t.site).order_by(t.site.c.valid_from)).all()
    now = today().isoformat()
    sites: dict[str, list[Any]] = {}
    chosen = []
    for one in documents:
        day = one.business_date if kind.is_snapshot else now
        if day not in sites:
            sites[day] = list(sites_on(dated, day))
        if one.op == "upsert" and peer in kind.route.receivers(one.body, sites[day])[0]:
            chosen.append(one)
    return chosen


def begin_again(connection: Connection, peer: str) -> None:
    """Begin the loads of a peer again from their first page: the database that sent part of them was restored."""
    for row in connection.execute(
        select(t.load).where(t.load.c.peer == peer, t.load.c.state == "RUNNING")
    ).all():
        connection.execute(
            update(t.load)
            .where(t.load.c.load_id == row.load_id)
            .values(load_id=str(uuid4()), at_type=read_json(row.types)[0], after_key="", counts="{}")
        )


def loads_of(node: Node) -> list[dict[str, Any]]:
    """Return the loads that a node sent or sends, the newest first, with how far they are."""
    with reading(node.engine) as connection:
        rows = connection.execute(select(t.load).order_by(t.load.c.begun_at.desc())).all()
        return [
            {
                "load": row.load_id,
                "way": f"to {row.peer}",
                "state": _state(connection, row),
                "documents": sum(number for number, _ in read_json(row.counts).values()),
                "at": f"{row.at_type} after {row.after_key or 'none'}" if row.state == "RUNNING" else "",
                "left over": "",
                "begun": row.begun_at,
                "ended": row.ended_at,
            }
            for row in rows
        ]


def _state(connection: Connection, row: Any) -> str:
    if row.state != "SENT":
        return str(row.state)
    waiting = connection.execute(
        select(t.batch_out.c.seq)
        .where(
            t.batch_out.c.peer == row.peer,
            t.batch_out.c.state.notin_(("PROCESSED", "REPLACED")),
            t.batch_out.c.header.contains(f'"load_id":"{row.load_id}"'),
        )
        .limit(1)
    ).first()
    return "SENT, waits for the answer" if waiting else "PROCESSED"
