"""Numbering the batches of a stream: each follows the one before it, and says of each object what was carried last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from clientsync.database import among, insert_columns, insert_rows
from clientsync.exchange import tables as t
from clientsync.exchange.capturing import upsert
from clientsync.exchange.catalogue import DocType, Key
from clientsync.exchange.documents import Document
from clientsync.exchange.envelopes import Batch, Body, body_of, sealed
from clientsync.exchange.nodes import Node, moment

Bodies = dict[tuple[int, tuple[str, ...]], Body]
"""Bodies by the minor version of the protocol that they were made for, and the ids of their documents."""


def number_batches(
    node: Node,
    connection: Connection,
    peer: str,
    parts: Sequence[Sequence[Document]],
    more: Mapping[str, Any] | None = None,
    made: Bodies | None = None,
) -> None:
    """Number and seal parts of a stream; they follow what was numbered before.

    Args:
        node: the sender.
        connection: of the transaction in which they are numbered.
        peer: the receiver.
        parts: documents of each batch.
        more: further fields of the headers: the load that the batches belong to, and its manifest.
        made: bodies that other receivers of the same documents share; what is made here is added.
    """
    if not parts:
        return
    stream = _stream(connection, peer)
    epoch, seq, last = stream.epoch, stream.next_seq, stream.last_hash
    bodies = _bodies(parts, stream.protocol_minor or 0, {} if made is None else made)
    at = moment()
    about = {"incarnation": node.incarnation(connection), "created_at": at, **(more or {})}
    carried = [one for documents in parts for one in documents]
    before = iter(_carry(node, connection, peer, epoch, carried))
    batches: list[Batch] = []
    for documents, body in zip(parts, bodies, strict=True):
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
    _keep(connection, batches, parts, bodies, at)
    connection.execute(
        update(t.stream_out).where(t.stream_out.c.peer == peer).values(next_seq=seq, last_hash=last)
    )


def _stream(connection: Connection, peer: str) -> Any:
    """Return the stream to a peer with what the peer reads, locked; it begins here when there is none."""
    wanted = (
        select(t.stream_out, t.peer.c.protocol_minor)
        .outerjoin(t.peer, t.peer.c.peer == t.stream_out.c.peer)
        .where(t.stream_out.c.peer == peer)
        .with_for_update(of=t.stream_out)
    )
    found = connection.execute(wanted).one_or_none()
    if found is None:
        connection.execute(insert(t.stream_out).values(peer=peer))
        found = connection.execute(wanted).one()
    return found


def _bodies(parts: Sequence[Sequence[Document]], minor: int, made: Bodies) -> list[Body]:
    """Return the bodies of batches in the form that a receiver reads; one that was never heard of reads the oldest."""
    found = []
    for part in parts:
        which = minor, tuple(one.document_id for one in part)
        if which not in made:
            made[which] = body_of(part, minor)
        found.append(made[which])
    return found


def _keep(
    connection: Connection,
    batches: Sequence[Batch],
    parts: Sequence[Sequence[Document]],
    bodies: Sequence[Body],
    at: str,
) -> None:
    """Write down sealed batches, their bodies, and the place of each document in them."""
    connection.execute(
        upsert(connection)(t.body).on_conflict_do_nothing(),
        [{"sha": one.body_sha, "bytes": body.stored} for one, body in zip(batches, bodies, strict=True)],
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
            for one, documents in zip(batches, parts, strict=True)
        ],
    )
    sealed_in = [one for one, documents in zip(batches, parts, strict=True) for _ in documents]
    insert_columns(
        connection,
        t.batch_item,
        {
            "peer": [one.receiver for one in sealed_in],
            "epoch": [one.epoch for one in sealed_in],
            "seq": [one.seq for one in sealed_in],
            "idx": [idx for documents in parts for idx in range(len(documents))],
            "document_id": [one.document_id for documents in parts for one in documents],
        },
    )


def _carry(
    node: Node, connection: Connection, peer: str, epoch: int, documents: Sequence[Document]
) -> list[int]:
    """Return the versions that the stream carried last of the objects, and note those that it carries now.

    Most objects that are never changed have one version only: its place in a batch says that it was carried.
    """
    written_once = {kind.name for kind in node.catalogue if _is_written_once(kind)}
    keys_by_type: dict[str, set[str]] = defaultdict(set)
    for one in documents:
        if not _is_first(one, written_once):
            keys_by_type[one.doc_type].add(one.key)
    if not keys_by_type:
        return [0] * len(documents)
    last: dict[Key, int] = {}
    noted: set[Key] = set()
    for doc_type, keys in keys_by_type.items():
        rows = connection.execute(
            select(t.carried.c.key, t.carried.c.version).where(
                t.carried.c.peer == peer,
                t.carried.c.doc_type == doc_type,
                among(connection, t.carried.c.key, keys),
            )
        )
        versions = {row.key: row.version for row in rows}
        noted |= {(doc_type, key) for key in versions}
        if (unnoted := keys - versions.keys()) and node.catalogue.known(doc_type).is_snapshot:
            versions.update(_batched(connection, peer, epoch, doc_type, unnoted))
        last.update({(doc_type, key): version for key, version in versions.items()})
    before = []
    for one in documents:
        before.append(0 if _is_first(one, written_once) else last.get(one.aggregate, 0))
        last[one.aggregate] = one.version
    insert_rows(
        connection,
        t.carried,
        ("peer", "doc_type", "key", "version"),
        [
            (peer, doc_type, key, last[doc_type, key])
            for doc_type, keys in sorted(keys_by_type.items())
            for key in sorted(keys)
            if (doc_type, key) not in noted
        ],
    )
    for doc_type, key in sorted(noted):
        connection.execute(
            update(t.carried)
            .where(t.carried.c.peer == peer, t.carried.c.doc_type == doc_type, t.carried.c.key == key)
            .values(version=last[doc_type, key])
        )
    return before


def _is_written_once(kind: DocType) -> bool:
    """Whether objects of a type are never changed and always go the same way: before the first version came nothing."""
    return kind.is_snapshot and kind.route.is_fixed


def _is_first(one: Document, written_once: Set[str]) -> bool:
    return one.version == 1 and one.doc_type in written_once


def _batched(connection: Connection, peer: str, epoch: int, doc_type: str, keys: Set[str]) -> dict[str, int]:
    """Return the newest versions, by key, of objects that lie in batches of the present epoch of a stream."""
    rows = connection.execute(
        select(t.document.c.key, func.max(t.document.c.version).label("version"))
        .join(t.batch_item, t.batch_item.c.document_id == t.document.c.document_id)
        .join(t.batch_out, t.of_one_batch(t.batch_out, t.batch_item))
        .where(
            t.document.c.doc_type == doc_type,
            among(connection, t.document.c.key, keys),
            t.batch_out.c.peer == peer,
            t.batch_out.c.epoch == epoch,
            t.batch_out.c.state != "REPLACED",
        )
        .group_by(t.document.c.key)
    )
    return {row.key: row.version for row in rows}


def carry_nothing(
    node: Node, connection: Connection, peer: str, doc_type: str, keys: Iterable[str], sent: Set[str]
) -> None:
    """Forget which versions of objects a stream carried: a peer whose database is new has none of them.

    Args:
        node: the sender.
        connection: of the transaction that sends them again.
        peer: the receiver.
        doc_type: of the objects.
        keys: of the objects.
        sent: those of the keys that are sent again from their first version on.
    """
    wanted = set(keys)
    connection.execute(
        update(t.carried)
        .where(
            t.carried.c.peer == peer,
            t.carried.c.doc_type == doc_type,
            among(connection, t.carried.c.key, wanted),
        )
        .values(version=0)
    )
    if _is_written_once(node.catalogue.known(doc_type)) and wanted - sent:
        connection.execute(
            upsert(connection)(t.carried).on_conflict_do_nothing(),
            [{"peer": peer, "doc_type": doc_type, "key": key, "version": 0} for key in sorted(wanted - sent)],
        )
