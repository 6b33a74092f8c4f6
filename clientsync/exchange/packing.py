"""From events to numbered batches, in one transaction.

Events are claimed by their state, never by a cursor on a number: a transaction that commits late with a lower number is
packed with the next batch. The order within a run is that of the catalogue, then that of the events, so that what is
needed comes first and an object keeps its order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, select, update

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
    read_json,
    refuse_nul,
    withdrawal_id,
)
from clientsync.exchange.envelopes import chunks
from clientsync.exchange.freezing import NO_FORM, frozen
from clientsync.exchange.nodes import Lease, Node, moment, note_error
from clientsync.exchange.numbering import Bodies, number_batches
from clientsync.exchange.stored import DOCUMENT_FIELDS, document_in, document_of, values_of

EVENTS_AT_ONCE = 2_500
"""Events of one transaction; a sync packs and sends as many such parts as there are."""
FIRST_EVENTS = 500
"""Events of the first transaction of a sync; so the receiver begins early. Every further one takes twice as many."""
_ESCAPED_NUL = "\\u0000"


def pack(node: Node, lease: Lease, *, retries: bool = False, limit: int = 0) -> int:
    """Turn new events into documents and batches, and return how many documents were packed.

    What was withheld from a peer that could not read it is sent as soon as it says that it can. An event that cannot be
    packed is told and put aside, and all others go on; with ``retries`` what was put aside is tried again. At most
    ``limit`` events are taken, ``EVENTS_AT_ONCE`` when it is 0 or above that.
    """
    while True:
        made, number = _pack(node, lease, retries, min(limit or EVENTS_AT_ONCE, EVENTS_AT_ONCE))
        if made or not number:
            return made
        retries = False


def _pack(node: Node, lease: Lease, retries: bool, limit: int) -> tuple[int, int]:
    """Pack one part; return how many documents were packed, and out of how many events."""
    with node.writing("pack", lease) as connection:
        if retries:
            _take_back_aside(connection)
        streams: dict[str, list[Document]] = defaultdict(list)
        _take_withheld(node, connection, streams)
        waiting = connection.execute(
            _EVENTS.where(t.outbox.c.state == "NEW").order_by(t.outbox.c.number).limit(limit + 1)
        ).all()  # the row of the lease is locked: nobody else packs
        events = waiting[:limit]
        found = documents_of(node, connection, events)
        receivers = _route(node, connection, found)
        made = _with_withdrawals(node, connection, found.documents, receivers)
        store(connection, [one for one in made if one.document_id not in found.frozen], receivers)
        _note_receivers(connection, found, receivers)
        for one in made:
            for peer in receivers[one.document_id][0]:
                streams[peer].append(one)
        _number(node, connection, streams, follows=len(waiting) > limit)
        _settle(connection, events, found)
    return len(made), len(events)


def _settle(connection: Connection, events: Sequence[Any], gathered: Gathered) -> None:
    """Take events out whose frozen documents speak for them, and note of the others what became of them."""
    told = gathered.told
    if told:
        connection.execute(delete(t.outbox).where(among(connection, t.outbox.c.number, told)))
    for state, numbers in (
        ("PACKED", {event[_NUMBER] for event in events} - gathered.aside - told),
        ("ASIDE", gathered.aside),
    ):
        if numbers:
            connection.execute(
                update(t.outbox).where(among(connection, t.outbox.c.number, numbers)).values(state=state)
            )


def _take_back_aside(connection: Connection) -> None:
    """Try again what was put aside, except where the object was written anew and packed since."""
    is_replaced = exists().where(
        t.document.c.doc_type == t.outbox.c.doc_type,
        t.document.c.key == t.outbox.c.key,
        t.document.c.version > t.outbox.c.version,
        t.is_packed(),
    )
    aside = update(t.outbox).where(t.outbox.c.state == "ASIDE")
    connection.execute(aside.where(is_replaced.correlate(t.outbox)).values(state="REPLACED"))
    connection.execute(aside.values(state="NEW"))


@dataclass
class Gathered:
    """What events came to.

    Attributes:
        documents: in the order in which they travel.
        bodies: by id, of those that are routed by what they say.
        frozen: ids of those that were stored when they were written.
        told: numbers of their events.
        aside: numbers of the events that cannot be packed; each is told as an error.
    """

    documents: list[Document] = field(default_factory=list)
    bodies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    told: set[int] = field(default_factory=set)
    aside: set[int] = field(default_factory=set)


_OF_EVENT = (
    "number", "event_id", "doc_type", "op", "key", "version", "business_date", "payload", "document_id",
)  # fmt: skip
_NUMBER, _DOC_TYPE, _DOCUMENT_ID = (_OF_EVENT.index(name) for name in ("number", "doc_type", "document_id"))
_FROZEN_FROM = len(_OF_EVENT)
_SHA256 = _FROZEN_FROM + DOCUMENT_FIELDS.index("sha256")
_EVENTS = select(
    *(t.outbox.c[name] for name in _OF_EVENT), *(t.document.c[name] for name in DOCUMENT_FIELDS)
).outerjoin_from(t.outbox, t.document, t.document.c.document_id == t.outbox.c.document_id)
"""Events with the documents of those that are frozen."""


def events_of(connection: Connection, doc_type: str, keys: Collection[str]) -> Sequence[Any]:
    """Return the events of objects, as ``documents_of`` takes them."""
    mine = and_(t.outbox.c.doc_type == doc_type, among(connection, t.outbox.c.key, keys))
    return connection.execute(_EVENTS.where(mine)).all()


def documents_of(node: Node, connection: Connection, events: Sequence[Any]) -> Gathered:
    """Return the documents of events.

    Of types that send their newest state the last event of an object stands for all of them.
    """
    by_type: dict[str, list[Any]] = defaultdict(list)
    for event in events:
        by_type[event[_DOC_TYPE]].append(event)
    found = Gathered()
    for name in sorted(by_type, key=node.catalogue.rank):
        kind = node.catalogue.known(name)
        if kind.is_snapshot:
            _gather_written(node, connection, kind, by_type[name], found)
        else:
            _gather_newest(node, connection, kind, by_type[name], found)
    return found


def _gather_written(
    node: Node, connection: Connection, kind: DocType, events: Sequence[Any], found: Gathered
) -> None:
    """Gather documents as they were frozen; those of older software, or of an odd body, are frozen now."""
    is_fixed = kind.route.is_fixed
    for event in events:
        if event[_DOCUMENT_ID] and event[_SHA256] is not None:
            one = document_in(event[_FROZEN_FROM:])
            found.frozen.add(one.document_id)
            found.told.add(event[_NUMBER])
            if not is_fixed:
                found.bodies[one.document_id] = one.body
            found.documents.append(one)
            continue
        try:
            body: dict[str, Any] = read_json(event.payload)
            refuse_nul(event.key, kind.key_field)  # what older software recorded may hold one
            if _ESCAPED_NUL in event.payload:
                refuse_nul(body, kind.title)
            one = _frozen(node, kind, event, event.op, body, event.payload)
        except NO_FORM as error:
            _tell(connection, kind, event, error)
            found.aside.add(event.number)
            continue
        found.documents.append(one)
        found.bodies[one.document_id] = body


def _gather_newest(
    node: Node, connection: Connection, kind: DocType, events: Sequence[Any], found: Gathered
) -> None:
    """Gather the newest state of objects, a tombstone of those that are gone."""
    chosen = {event.key: event for event in events}
    newest = kind.adapter.gather(connection, list(chosen))
    for key, event in chosen.items():
        body = dict(newest.get(key) or {})
        try:
            refuse_nul(body, kind.title)
            one = _frozen(node, kind, event, event.op if body else "delete", body, canonical(body))
        except NO_FORM as error:
            _tell(connection, kind, event, error)
            found.aside |= {each.number for each in events if each.key == key}
            continue
        found.documents.append(one)
        found.bodies[one.document_id] = body


def _frozen(node: Node, kind: DocType, event: Any, op: str, body: Mapping[str, Any], text: str) -> Document:
    return frozen(
        node.node_id,
        kind,
        event_id=event.event_id,
        op=op,
        key=event.key,
        version=event.version,
        business_date=event.business_date,
        body=body,
        text=text,
    )


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


_Receivers = tuple[tuple[str, ...], str]
"""The receivers of a document, and the rule that chose them."""


def _route(node: Node, connection: Connection, gathered: Gathered) -> dict[str, _Receivers]:
    """Return the receivers of each document with the rule; a deletion goes to all who were sent the object."""
    dated = connection.execute(select(t.site).order_by(t.site.c.valid_from)).all()
    by_day: dict[str, list[Site]] = {}
    fixed = {kind.name: kind.route.receivers({}, ()) for kind in node.catalogue if kind.route.is_fixed}
    found = {}
    for one in gathered.documents:
        if one.doc_type in fixed:
            found[one.document_id] = fixed[one.doc_type]
            continue
        kind = node.catalogue.known(one.doc_type)
        if one.business_date not in by_day:
            by_day[one.business_date] = list(sites_on(dated, one.business_date))
        chosen, rule = kind.route.receivers(gathered.bodies[one.document_id], by_day[one.business_date])
        if one.op == "delete":
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
    receivers: dict[str, _Receivers],
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
    receivers: Mapping[str, _Receivers],
) -> None:
    """Keep documents with the receivers that were chosen and the rule that chose them; those that are kept stay."""
    if not made:
        return
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


def _note_receivers(connection: Connection, gathered: Gathered, receivers: Mapping[str, _Receivers]) -> None:
    """Write down the receivers of frozen documents that are routed by what they say."""
    alike: dict[_Receivers, list[str]] = defaultdict(list)
    for ident in gathered.frozen & gathered.bodies.keys():
        alike[receivers[ident]].append(ident)
    for (chosen, rule), ids in alike.items():
        connection.execute(
            update(t.document)
            .where(among(connection, t.document.c.document_id, ids))
            .values(receivers=canonical_of_exact(chosen), rule=rule)
        )


def _number(
    node: Node, connection: Connection, streams: Mapping[str, Sequence[Document]], *, follows: bool
) -> None:
    """Number the documents of every stream; streams with the same documents share their bodies."""
    more = {"follows": True} if follows else None
    made: Bodies = {}
    readable = _readable(connection)
    for peer in sorted(streams):
        documents = _fitting(connection, peer, readable[peer], streams[peer])
        number_batches(node, connection, peer, list(chunks(documents)), more, made)


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
