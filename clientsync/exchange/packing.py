"""From events to numbered batches, in one transaction.

Events are claimed by their state, never by a cursor on a number: a transaction that commits late with a lower number is
packed with the next batch. The order within a run is that of the catalogue, then that of the events, so that what is
needed comes first and an object keeps its order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from clientsync.database import among, insert_rows
from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.capturing import upsert
from clientsync.exchange.catalogue import DocType, Site
from clientsync.exchange.documents import (
    Control,
    Document,
    canonical,
    canonical_of_exact,
    digest,
    document_id,
    read_json,
    refuse_nul,
    withdrawal_id,
)
from clientsync.exchange.envelopes import Batch, Body, body_of, chunks, sealed
from clientsync.exchange.nodes import Lease, Node, moment, note_error
from clientsync.exchange.stored import DOCUMENT_FIELDS, document_of, values_of

EVENTS_AT_ONCE = 2_500
"""Events of one transaction; a sync packs and sends as many such parts as there are."""
_LARGEST = 2**63 - 1
_ESCAPED_NUL = "\\u0000"
_NO_FORM = (InvalidInput, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What a body that does not have the form of its type may raise while it is packed."""


def pack(node: Node, lease: Lease, *, retries: bool = False) -> int:
    """Turn new events into documents and batches, and return how many documents were packed.

    What was withheld from a peer that could not read it is sent as soon as it says that it can. An event that cannot be
    packed is told and put aside, and all others go on; with ``retries`` what was put aside is tried again.
    """
    while True:
        made, number = _pack(node, lease, retries=retries)
        if made or not number:
            return made
        retries = False


def _pack(node: Node, lease: Lease, *, retries: bool) -> tuple[int, int]:
    """Pack one part; return how many documents were packed, and out of how many events."""
    with node.writing("pack", lease) as connection:
        if retries:
            _take_back_aside(connection)
        streams: dict[str, list[Document]] = defaultdict(list)
        _take_withheld(node, connection, streams)
        events = connection.execute(
            select(t.outbox)
            .where(t.outbox.c.state == "NEW")
            .order_by(t.outbox.c.number)
            .limit(EVENTS_AT_ONCE)
            .with_for_update(skip_locked=True)
        ).all()
        made, bodies, aside = documents_of(node, connection, events)
        receivers = _route(node, connection, made, bodies)
        made = _with_withdrawals(node, connection, made, receivers)
        store(connection, made, receivers)
        for one in made:
            for peer in receivers[one.document_id][0]:
                streams[peer].append(one)
        _number(node, connection, streams)
        for state, numbers in (
            ("PACKED", {event.number for event in events} - aside),
            ("ASIDE", aside),
        ):
            if numbers:
                connection.execute(
                    update(t.outbox).where(among(connection, t.outbox.c.number, numbers)).values(state=state)
                )
    return len(made), len(events)


def _take_back_aside(connection: Connection) -> None:
    """Try again what was put aside, except where the object was written anew and packed since."""
    later = t.outbox.alias()
    is_replaced = exists().where(
        later.c.doc_type == t.outbox.c.doc_type,
        later.c.key == t.outbox.c.key,
        later.c.version > t.outbox.c.version,
        later.c.state == "PACKED",
    )
    aside = update(t.outbox).where(t.outbox.c.state == "ASIDE")
    connection.execute(aside.where(is_replaced.correlate(t.outbox)).values(state="REPLACED"))
    connection.execute(aside.values(state="NEW"))


def documents_of(
    node: Node, connection: Connection, events: Sequence[Any]
) -> tuple[list[Document], dict[str, dict[str, Any]], set[int]]:
    """Return documents in the order in which they travel, their bodies by id, and the events that cannot be packed.

    Of types that send their newest state the last event of an object stands for all of them. What cannot be packed is
    told as an error.
    """
    by_type: dict[str, list[Any]] = defaultdict(list)
    for event in events:
        by_type[event.doc_type].append(event)
    made: list[Document] = []
    bodies: dict[str, dict[str, Any]] = {}
    aside: set[int] = set()
    for name in sorted(by_type, key=node.catalogue.rank):
        kind = node.catalogue.known(name)
        chosen = by_type[name]
        if not kind.is_snapshot:
            chosen = list({event.key: event for event in chosen}.values())
        newest = {} if kind.is_snapshot else kind.adapter.gather(connection, [event.key for event in chosen])
        for event in chosen:
            try:
                document, body = _document(node, kind, event, newest)
                kind.route.receivers(body, ())
            except _NO_FORM as error:
                _tell(connection, kind, event, error)
                same = [event] if kind.is_snapshot else [one for one in by_type[name] if one.key == event.key]
                aside |= {one.number for one in same}
                continue
            made.append(document)
            bodies[document.document_id] = body
    return made, bodies, aside


def _tell(connection: Connection, kind: DocType, event: Any, error: Exception) -> None:
    said = error.message if isinstance(error, InvalidInput) else f"{type(error).__name__}: {error}"
    note_error(
        connection,
        peer="",
        error_class="DOCUMENT",
        code="NOT_PACKED",
        what=f"{event.doc_type} {event.key}".replace("\0", ""),
        reason=f"its body does not have the form of {kind.title}: {said}"[:300],
        next_step="Every sync tries it again. Correct what writes it, and write the object anew: that replaces it.",
    )


def _document(
    node: Node, kind: DocType, event: Any, newest: Mapping[str, Mapping[str, Any]]
) -> tuple[Document, dict[str, Any]]:
    op = event.op
    if kind.is_snapshot:
        text = event.payload
        body: dict[str, Any] = read_json(text)
        refuse_nul(event.key, kind.key_field)  # what older software recorded may hold one
        if _ESCAPED_NUL in text:
            refuse_nul(body, kind.title)
    else:
        body = dict(newest.get(event.key) or {})
        op = op if body else "delete"
        refuse_nul(body, kind.title)
        text = canonical(body)
    one = Document(
        document_id=document_id(node.node_id, kind.name, event.key, event.version),
        event_id=event.event_id,
        doc_type=kind.name,
        schema_version=kind.schema_version,
        op=op,
        key=event.key,
        version=event.version,
        business_date=event.business_date,
        text=text,
        sha256=digest(text),
        deps=tuple(kind.deps(body)) if op == "upsert" else (),
        control=kind.control(body),
    )
    if any(abs(figure) > _LARGEST for figure in one.control):
        raise ValueError("a control figure is out of bounds")
    return one, body


def _route(
    node: Node, connection: Connection, made: Sequence[Document], bodies: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return the receivers of each document with the rule; a deletion goes to all who were sent the object."""
    dated = connection.execute(select(t.site).order_by(t.site.c.valid_from)).all()
    by_day: dict[str, list[Site]] = {}
    found = {}
    for one in made:
        kind = node.catalogue.known(one.doc_type)
        if one.business_date not in by_day:
            by_day[one.business_date] = list(sites_on(dated, one.business_date))
        chosen, rule = kind.route.receivers(bodies[one.document_id], by_day[one.business_date])
        if one.op == "delete" and kind.route.to == "STORE":
            chosen = tuple(
                connection.execute(
                    select(t.carried.c.peer)
                    .where(t.carried.c.doc_type == one.doc_type, t.carried.c.key == one.key)
                    .order_by(t.carried.c.peer)
                ).scalars()
            )
            rule = "deleted: to every store that was sent it"
        found[one.document_id] = (chosen, rule)
    return found


def _with_withdrawals(
    node: Node,
    connection: Connection,
    made: Sequence[Document],
    receivers: dict[str, tuple[tuple[str, ...], str]],
) -> list[Document]:
    """Return documents with a tombstone after each whose object some stores were sent and no longer receive.

    The receivers of the tombstones are put among the others. Types that are never changed are not withdrawn.
    """
    chosen: dict[str, list[Document]] = defaultdict(list)
    for one in made:
        kind = node.catalogue.known(one.doc_type)
        if one.op == "upsert" and not kind.is_snapshot and kind.route.is_narrow:
            chosen[one.doc_type].append(one)
    sent: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for doc_type, documents in chosen.items():
        keys = {one.key for one in documents}
        for row in connection.execute(
            select(t.carried.c.peer, t.carried.c.key, t.carried.c.version)
            .where(t.carried.c.doc_type == doc_type, among(connection, t.carried.c.key, keys))
            .order_by(t.carried.c.peer)
        ):
            sent[doc_type, row.key].append(row)
    if not sent:
        return list(made)
    found = []
    for one in made:
        found.append(one)
        stays = receivers[one.document_id][0]
        away = [row for row in sent.get(one.aggregate, ()) if row.peer not in stays]
        peers = tuple(row.peer for row in away if not _is_withdrawn(connection, node, one, row))
        if peers:
            gone = _tombstone(node, one)
            receivers[gone.document_id] = (peers, "withdrawn: to the stores that were sent it before")
            found.append(gone)
    return found


def _tombstone(node: Node, one: Document) -> Document:
    """Return the document that takes an object away where the version of another one does not go."""
    text = canonical({})
    return one._replace(
        document_id=withdrawal_id(node.node_id, *one.aggregate, one.version),
        op="delete",
        text=text,
        sha256=digest(text),
        deps=(),
        control=Control(),
    )


def _is_withdrawn(connection: Connection, node: Node, one: Document, carried: Any) -> bool:
    """Whether the last that a store was sent of an object took it away there."""
    ident = withdrawal_id(node.node_id, *one.aggregate, carried.version)
    there = connection.execute(
        select(t.document.c.receivers).where(t.document.c.document_id == ident)
    ).scalar_one_or_none()
    return there is not None and carried.peer in read_json(there)


def sites_on(dated: Iterable[Any], day: str) -> Iterable[Site]:
    """Return the stores as they were on a day; rows in the order of the days from which they hold."""
    found = {row.peer: row for row in dated if row.valid_from <= day}
    return (Site(row.peer, row.store_type, tuple(read_json(row.groups))) for row in found.values())


def store(
    connection: Connection,
    made: Sequence[Document],
    receivers: Mapping[str, tuple[tuple[str, ...], str]],
) -> None:
    """Keep documents with the receivers that were chosen and the rule that chose them; those that are kept stay."""
    ids = [one.document_id for one in made]
    there = set(
        connection.execute(
            select(t.document.c.document_id).where(among(connection, t.document.c.document_id, ids))
        ).scalars()
    )
    at = moment()
    insert_rows(
        connection,
        t.document,
        (*DOCUMENT_FIELDS, "receivers", "rule", "created_at"),
        [
            (
                *values_of(one),
                canonical_of_exact(receivers[one.document_id][0]),
                receivers[one.document_id][1],
                at,
            )
            for one in made
            if one.document_id not in there
        ],
    )


def _number(node: Node, connection: Connection, streams: Mapping[str, Sequence[Document]]) -> None:
    """Number the documents of every stream; streams with the same documents share their bodies."""
    shared: dict[tuple[str, ...], list[tuple[Sequence[Document], Body]]] = {}
    readable = _readable(connection)
    for peer in sorted(streams):
        documents = _fitting(connection, peer, readable[peer], streams[peer])
        ids = tuple(one.document_id for one in documents)
        if ids not in shared:
            shared[ids] = [(part, body_of(part)) for part in chunks(documents)]
        number_batches(node, connection, peer, shared[ids])


_Versions = Mapping[str, Sequence[int]]


def _readable(connection: Connection) -> dict[str, _Versions]:
    """Return by peer the oldest and newest schema version of each type that it said it reads; empty before it did."""
    return {row.peer: read_json(row.readable) for row in connection.execute(select(t.peer))}


def _can_read(readable: _Versions, one: Document) -> bool:
    return one.doc_type not in readable or one.schema_version <= readable[one.doc_type][1]


def readable_by(connection: Connection, peer: str, documents: Sequence[Document]) -> list[Document]:
    """Return the documents that a peer can read; what it cannot read is told, and withheld until it can."""
    return _fitting(connection, peer, _readable(connection)[peer], documents)


def _fitting(
    connection: Connection, peer: str, readable: _Versions, documents: Sequence[Document]
) -> list[Document]:
    fitting = []
    for one in documents:
        if _can_read(readable, one):
            fitting.append(one)
            continue
        connection.execute(
            upsert(connection)(t.withheld)
            .values(peer=peer, document_id=one.document_id)
            .on_conflict_do_nothing()
        )
        note_error(
            connection,
            peer=peer,
            error_class="PROTOCOL",
            code="SCHEMA",
            what=f"{one.doc_type} {one.key}",
            reason=f"{peer} reads {one.doc_type} up to version {readable[one.doc_type][1]}; "
            f"this is version {one.schema_version}",
            next_step=f"Upgrade {peer}; what is withheld is sent after its next sync.",
        )
    return fitting


def _take_withheld(node: Node, connection: Connection, streams: dict[str, list[Document]]) -> None:
    """Put what is withheld from a peer in front of its stream, when the peer says by now that it reads all of it."""
    rows = connection.execute(
        select(t.withheld.c.peer, t.document).join(
            t.document, t.document.c.document_id == t.withheld.c.document_id
        )
    ).all()
    if not rows:
        return
    readable = _readable(connection)
    for peer in sorted({row.peer for row in rows}):
        documents = sorted(
            (document_of(row) for row in rows if row.peer == peer),
            key=lambda one: (node.catalogue.rank(one.doc_type), one.key, one.version),
        )
        if all(_can_read(readable[peer], one) for one in documents):
            streams[peer] += documents
            connection.execute(delete(t.withheld).where(t.withheld.c.peer == peer))


def number_batches(
    node: Node,
    connection: Connection,
    peer: str,
    parts: Sequence[tuple[Sequence[Document], Body]],
    more: Mapping[str, Any] | None = None,
) -> None:
    """Number and seal parts of a stream; they follow what was numbered before.

    ``more`` holds further fields of the headers: the load that the batches belong to, and its manifest.
    """
    if not parts:
        return
    stream = connection.execute(
        select(t.stream_out).where(t.stream_out.c.peer == peer).with_for_update()
    ).one_or_none()
    if stream is None:
        connection.execute(insert(t.stream_out).values(peer=peer, epoch=1, next_seq=1, last_hash=""))
    epoch, seq, last = (stream.epoch, stream.next_seq, stream.last_hash) if stream else (1, 1, "")
    at = moment()
    about = {"incarnation": node.incarnation(connection), "created_at": at, **(more or {})}
    before = iter(_carry(connection, peer, [one for documents, _ in parts for one in documents]))
    batches: list[Batch] = []
    for documents, body in parts:
        batch = sealed(
            node.signer,
            sender=node.node_id,
            receiver=peer,
            epoch=epoch,
            seq=seq,
            prev_hash=last,
            documents=documents,
            before=list(islice(before, len(documents))),
            body=body,
            about=about,
        )
        batches.append(batch)
        seq, last = seq + 1, batch.hash
    _keep(connection, batches, parts, at)
    connection.execute(
        update(t.stream_out).where(t.stream_out.c.peer == peer).values(next_seq=seq, last_hash=last)
    )


def _keep(
    connection: Connection,
    batches: Sequence[Batch],
    parts: Sequence[tuple[Sequence[Document], Body]],
    at: str,
) -> None:
    """Write down sealed batches, their bodies, and the place of each document in them."""
    connection.execute(
        upsert(connection)(t.body).on_conflict_do_nothing(),
        [{"sha": one.body_sha, "bytes": body.stored} for one, (_, body) in zip(batches, parts, strict=True)],
    )
    connection.execute(
        insert(t.batch_out),
        [
            {
                "peer": one.receiver,
                "epoch": one.epoch,
                "seq": one.seq,
                "prev_hash": one.prev_hash,
                "hash": one.hash,
                "header": one.header,
                "signature": one.signature,
                "body_sha": one.body_sha,
                "n": len(documents),
                "packed_at": at,
            }
            for one, (documents, _) in zip(batches, parts, strict=True)
        ],
    )
    insert_rows(
        connection,
        t.batch_item,
        ("peer", "epoch", "seq", "idx", "document_id"),
        [
            (batch.receiver, batch.epoch, batch.seq, idx, one.document_id)
            for batch, (documents, _) in zip(batches, parts, strict=True)
            for idx, one in enumerate(documents)
        ],
    )


def _carry(connection: Connection, peer: str, documents: Sequence[Document]) -> list[int]:
    """Return the versions that the stream carried last of the objects, and note those that it carries now."""
    keys_by_type: dict[str, set[str]] = defaultdict(set)
    for one in documents:
        keys_by_type[one.doc_type].add(one.key)
    last: dict[tuple[str, str], int] = {}
    for doc_type, keys in keys_by_type.items():
        rows = connection.execute(
            select(t.carried.c.key, t.carried.c.version).where(
                t.carried.c.peer == peer,
                t.carried.c.doc_type == doc_type,
                among(connection, t.carried.c.key, keys),
            )
        )
        last.update({(doc_type, row.key): row.version for row in rows})
    there = set(last)
    before = []
    for one in documents:
        before.append(last.get(one.aggregate, 0))
        last[one.aggregate] = one.version
    fresh = {key for key in last if key not in there}
    insert_rows(
        connection,
        t.carried,
        ("peer", "doc_type", "key", "version"),
        [(peer, doc_type, key, last[doc_type, key]) for doc_type, key in sorted(fresh)],
    )
    for doc_type, key in sorted(there):
        connection.execute(
            update(t.carried)
            .where(t.carried.c.peer == peer, t.carried.c.doc_type == doc_type, t.carried.c.key == key)
            .values(version=last[doc_type, key])
        )
    return before
