"""Bringing batches to the mailbox, and finding out before that whether this database is the one that sent the last.

A batch is brought again until the mailbox is seen to hold the same bytes, so a lost answer costs nothing. A database
that was restored from a backup is behind the mailbox: it begins a new epoch and a new incarnation, and what it had
numbered but not brought is numbered anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from clientsync.database import among
from clientsync.exchange import tables as t
from clientsync.exchange.envelopes import batch_of, chunks
from clientsync.exchange.loading import begin_again
from clientsync.exchange.mailbox import AT_ONCE, Answer, Mailbox, Position
from clientsync.exchange.nodes import Lease, Node, moment, note_error, peers_of
from clientsync.exchange.numbering import number_batches
from clientsync.exchange.stored import documents_by_id

OPEN_STATES = ("UPLOADED", "RECEIVED", "PARTIAL", "REJECTED")
"""States of batches that lie in the mailbox and were not wholly processed."""
UNANSWERED = ("PACKED", *OPEN_STATES)
"""States of batches that no receiver has wholly processed."""
PARTIAL = "PARTIAL"
"""State of a batch some of whose documents are held: those of which the answer says so."""
_DOUBLED = (
    "the peer took other batches under the numbers of this database's: both it and the mailbox were restored"
)


def is_processed(state: str, answer: str) -> bool:
    """Whether a document was processed, by the state of its batch and what was answered of it alone.

    Older software noted ``PROCESSED`` with every document.
    """
    return answer == "PROCESSED" or (answer == "" and state in ("PROCESSED", PARTIAL))


def waits_for_answer() -> ColumnElement[bool]:
    """Return the condition that a place in a batch is one whose document no receiver has processed."""
    is_held = t.batch_item.c.answer.not_in(("", "PROCESSED"))
    return and_(t.batch_out.c.state.in_(UNANSWERED), or_(t.batch_out.c.state != PARTIAL, is_held))


def check_restored(node: Node, mailbox: Mailbox, lease: Lease) -> list[str]:
    """Compare every stream with the mailbox, and return the peers whose streams begin a new epoch.

    A mailbox that is behind was restored itself: what it lost is marked to be brought again.
    """
    with node.engine.connect() as connection:
        peers = peers_of(connection)
    newest = mailbox.newest(node.node_id, peers)
    settled = mailbox.settled(node.node_id, peers)
    restored = []
    with node.writing("restore", lease) as connection:
        streams = {row.peer: row for row in connection.execute(select(t.stream_out))}
        doubled = _doubled(connection)
        for peer in peers:
            there, own = newest.get(peer), streams.get(peer)
            if own is None:
                if there is not None:
                    restored.append(peer)
                    _begin_epoch(node, connection, peer, there.epoch + 1, _never_sent(there))
                continue
            if peer in doubled:
                restored.append(peer)
                _begin_doubled(node, connection, peer, max(own.epoch, there.epoch if there else 0) + 1)
            elif there is not None and _is_behind(connection, peer, own, there):
                restored.append(peer)
                lost = and_(_not_new(peer), t.after(t.batch_out, there.epoch, there.seq))
                _begin_epoch(node, connection, peer, there.epoch + 1, _never_sent(there), again=lost)
            else:
                _bring_again(connection, peer, own, there or Position())
        for peer in restored:
            _seen_before(connection, peer, settled.get(peer, (0, 0)))
        if restored:
            connection.execute(
                update(t.node).where(t.node.c.node_id == node.node_id).values(incarnation=str(uuid4()))
            )
    return restored


def _seen_before(connection: Connection, peer: str, place: tuple[int, int]) -> None:
    """Take over what an earlier life of this database saw: batches up to a place were processed, and may be purged."""
    connection.execute(
        update(t.batch_out)
        .where(
            t.batch_out.c.peer == peer,
            t.batch_out.c.state.in_(OPEN_STATES),
            ~t.after(t.batch_out, *place),
        )
        .values(state="PROCESSED", answered_at=moment())
    )


def _doubled(connection: Connection) -> set[str]:
    """Return the peers that took other batches under numbers of this database's own."""
    return set(
        connection.execute(select(t.batch_out.c.peer).where(t.batch_out.c.state == "DOUBLED")).scalars()
    )


def _never_sent(there: Position) -> str:
    return f"the mailbox holds {there.epoch}/{there.seq}, which this database never sent: it was restored"


def _is_behind(connection: Connection, peer: str, own: Any, there: Position) -> bool:
    """Whether the mailbox holds what this database never sent; of what was purged here it is known no more."""
    if there.epoch != own.epoch:
        return bool(there.epoch > own.epoch)
    if there.seq >= own.next_seq:
        return True
    known = connection.execute(
        select(t.batch_out.c.hash).where(t.at(t.batch_out, peer, there.epoch, there.seq))
    ).scalar_one_or_none()
    return known is not None and bool(known != there.hash)


def _not_new(peer: str) -> ColumnElement[bool]:
    """Return the condition of batches of a stream that were brought, and whose documents no other one repeats."""
    return and_(t.batch_out.c.peer == peer, t.batch_out.c.state.notin_(("PACKED", "REPLACED")))


def set_back(connection: Connection, batches: ColumnElement[bool], state: str) -> int:
    """Set batches back to a state in which nothing is known of an answer to them; return how many they are."""
    if connection.execute(select(t.batch_out.c.seq).where(batches).limit(1)).first() is None:
        return 0
    connection.execute(
        update(t.batch_item)
        .where(t.batch_item.c.answer != "", t.in_batches(t.batch_item, t.batch_out, batches))
        .values(answer="", reason="")
    )
    values = {"state": state, "rev": 0, "answered_at": "", "answered_by": ""}
    return int(connection.execute(update(t.batch_out).where(batches).values(**values)).rowcount)


def _bring_again(connection: Connection, peer: str, own: Any, there: Position) -> None:
    after_it = and_(
        t.batch_out.c.peer == peer,
        t.batch_out.c.state != "PACKED",
        t.after(t.batch_out, there.epoch, there.seq),
    )
    is_carried = t.batch_out.c.uploaded_at == ""
    set_back(connection, and_(after_it, is_carried), "PACKED")
    lost = set_back(connection, after_it, "PACKED")
    if lost:
        note_error(
            connection,
            peer=peer,
            error_class="PROTOCOL",
            code="MAILBOX_RESTORED",
            what=f"stream to {peer}",
            reason=f"the mailbox lost {lost} batches after {there.epoch}/{there.seq}; own epoch is {own.epoch}",
            next_step="Nothing: they are brought again. Tell the administrator of the web database.",
        )


def _begin_epoch(
    node: Node,
    connection: Connection,
    peer: str,
    epoch: int,
    reason: str,
    *,
    again: ColumnElement[bool] | None = None,
    restarts: bool = False,
) -> None:
    """Begin a new epoch of a stream; what was numbered and never brought is numbered anew in it.

    The batches of ``again`` are numbered anew too: the mailbox lost them, or holds others under their numbers. With
    ``restarts`` the epoch begins with a batch that says so: the peer cannot read on in the old one, because it took
    other batches under the same numbers.
    """
    packed = and_(t.batch_out.c.peer == peer, t.batch_out.c.state == "PACKED")
    ids: list[str] = []
    if again is not None:
        ids += _documents_in(connection, peer, again)
        connection.execute(update(t.batch_out).where(again).values(state="REPLACED", answered_at=moment()))
    ids += _documents_in(connection, peer, packed)
    connection.execute(delete(t.batch_item).where(t.in_batches(t.batch_item, t.batch_out, packed)))
    connection.execute(delete(t.batch_out).where(packed))
    ids = list(dict.fromkeys(ids))
    _carry_back(connection, peer, ids)
    values = {"epoch": epoch, "next_seq": 1, "last_hash": ""}
    done = connection.execute(update(t.stream_out).where(t.stream_out.c.peer == peer).values(**values))
    if not done.rowcount:
        connection.execute(insert(t.stream_out).values(peer=peer, **values))
    if restarts:
        number_batches(node, connection, peer, [[]], {"restarts": True})
    _pack_again(node, connection, peer, ids)
    begin_again(connection, peer)
    note_error(
        connection,
        peer=peer,
        error_class="PROTOCOL",
        code="RESTORED",
        what=f"stream to {peer}",
        reason=reason,
        next_step="Documents of the lost time may be at the other side only: compare the control totals.",
    )


def _documents_in(connection: Connection, peer: str, batches: ColumnElement[bool]) -> list[str]:
    """Return the ids of the documents of some batches of a stream, in their order."""
    statement = (
        select(t.batch_item.c.document_id)
        .join(t.batch_out, t.of_one_batch(t.batch_out, t.batch_item))
        .where(batches)
        .order_by(t.batch_item.c.epoch, t.batch_item.c.seq, t.batch_item.c.idx)
    )
    return list(connection.execute(statement).scalars())


def _carry_back(connection: Connection, peer: str, ids: Iterable[str]) -> None:
    """Note for the objects of dropped documents what the stream carried before them."""
    objects = set()
    for one in ids:
        row = connection.execute(
            select(t.document.c.doc_type, t.document.c.key).where(t.document.c.document_id == one)
        ).one()
        objects.add((row.doc_type, row.key))
    for doc_type, key in sorted(objects):
        left = connection.execute(
            select(t.document.c.version)
            .join(t.batch_item, t.batch_item.c.document_id == t.document.c.document_id)
            .join(t.batch_out, t.of_one_batch(t.batch_out, t.batch_item))
            .where(
                t.batch_out.c.state != "REPLACED",
                t.batch_item.c.peer == peer,
                t.document.c.doc_type == doc_type,
                t.document.c.key == key,
            )
            .order_by(t.document.c.version.desc())
            .limit(1)
        ).scalar_one_or_none()
        connection.execute(
            update(t.carried)
            .where(t.carried.c.peer == peer, t.carried.c.doc_type == doc_type, t.carried.c.key == key)
            .values(version=left or 0)
        )


def _pack_again(node: Node, connection: Connection, peer: str, ids: list[str]) -> None:
    """Number dropped documents anew, in their order, as they were: their ids and bodies stay."""
    found = documents_by_id(connection, ids)
    documents = [found[one] for one in ids]
    number_batches(node, connection, peer, list(chunks(documents)))


def upload(node: Node, mailbox: Mailbox, lease: Lease, peers: Sequence[str]) -> int:
    """Bring every packed batch for some peers to the mailbox, in order; return how many documents they hold.

    Raises:
        ForkFound: the mailbox holds another batch under one of the numbers; the next sync begins a new epoch.
        WarehouseError: the mailbox or this database cannot be written.
    """
    sent = 0
    while True:
        with node.engine.connect() as connection:
            rows = connection.execute(
                select(t.batch_out)
                .where(t.batch_out.c.state == "PACKED", t.batch_out.c.peer.in_(peers))
                .order_by(t.batch_out.c.peer, t.batch_out.c.epoch, t.batch_out.c.seq)
                .limit(AT_ONCE * 5)
            ).all()
            bodies = bodies_of(connection, rows)
        if not rows:
            return sent
        node.boundary("exchange_upload_before")
        mailbox.put([batch_of(node.node_id, row.peer, row) for row in rows], bodies)
        node.boundary("exchange_upload_after")
        with node.writing("uploaded", lease) as connection:
            there = among(connection, t.batch_out.c.hash, {row.hash for row in rows})
            connection.execute(
                update(t.batch_out)
                .where(t.batch_out.c.state == "PACKED", there)
                .values(state="UPLOADED", uploaded_at=moment())
            )
        sent += sum(row.n for row in rows)


def bodies_of(connection: Connection, rows: Iterable[Any]) -> dict[str, bytes]:
    """Return the bodies of numbered batches by their digest."""
    found = select(t.body).where(among(connection, t.body.c.sha, {row.body_sha for row in rows}))
    return {row.sha: bytes(row.bytes) for row in connection.execute(found)}


def begin_doubled(node: Node, lease: Lease) -> None:
    """Begin a new epoch of every stream whose peer took other batches under the same numbers, without a mailbox."""
    with node.writing("restore", lease) as connection:
        streams = {row.peer: row for row in connection.execute(select(t.stream_out))}
        for peer in sorted(_doubled(connection)):
            _begin_doubled(node, connection, peer, streams[peer].epoch + 1)


def _begin_doubled(node: Node, connection: Connection, peer: str, epoch: int) -> None:
    open_ = and_(t.batch_out.c.peer == peer, t.batch_out.c.state.in_((*OPEN_STATES, "DOUBLED")))
    _begin_epoch(node, connection, peer, epoch, _DOUBLED, again=open_, restarts=True)


def collect(node: Node, mailbox: Mailbox, lease: Lease, *, is_carried: bool = False) -> int:
    """Take the answers to own batches, and return how many batches were found to be processed.

    An answer never promotes a batch that is still to be brought, except where it was carried as a file, ``is_carried``:
    then the mailbox is not what its receiver took it from. One that a receiver gave before it was restored
    counts only until the receiver says so. An answer to another batch under the same number marks the own one
    as ``DOUBLED``: ``check_restored`` then begins a new epoch. Answers of older software name no digest.
    """
    states = UNANSWERED if is_carried else OPEN_STATES
    with node.engine.connect() as connection:
        rows = connection.execute(select(t.batch_out).where(t.batch_out.c.state.in_(states))).all()
        streams = {row.peer: row for row in connection.execute(select(t.stream_out))}
    known = {(row.peer, row.epoch, row.seq): row for row in rows}
    if not known:
        return 0
    answers = mailbox.answers(node.node_id, known)
    doubled = [
        one for one in answers if one.hash and one.hash != known[one.receiver, one.epoch, one.seq].hash
    ]
    if doubled:
        with node.writing("doubled", lease) as connection:
            for one in doubled:
                connection.execute(
                    update(t.batch_out)
                    .where(t.at(t.batch_out, one.receiver, one.epoch, one.seq))
                    .values(state="DOUBLED")
                )
    news = [
        one
        for one in answers
        if one not in doubled
        and one.rev > known[one.receiver, one.epoch, one.seq].rev
        and _is_of_now(streams[one.receiver], one)
    ]
    if not news:
        return 0
    with node.writing("collect", lease) as connection:
        for one in news:
            here = t.at(t.batch_out, one.receiver, one.epoch, one.seq)
            done = connection.execute(
                update(t.batch_out)
                .where(here, t.batch_out.c.state.in_(states))
                .values(state=one.state, answered_at=moment(), answered_by=one.incarnation, rev=one.rev)
            )
            if done.rowcount:
                _mirror(connection, one.receiver, one.epoch, one.seq, one.items)
    return sum(one.state == "PROCESSED" for one in news)


def _is_of_now(stream: Any, answer: Answer) -> bool:
    """Whether an answer was given after its receiver was restored last; older software says only which life it is."""
    if stream.peer_rev:
        return bool(answer.rev > stream.peer_rev)
    return stream.peer_incarnation in ("", answer.incarnation)


def _mirror(
    connection: Connection, peer: str, epoch: int, seq: int, items: Iterable[Mapping[str, Any]]
) -> None:
    """Note what a receiver says of the documents that it holds; of the others the state of their batch tells."""
    here = t.at(t.batch_item, peer, epoch, seq)
    connection.execute(
        update(t.batch_item).where(here, t.batch_item.c.answer != "").values(answer="", reason="")
    )
    for item in items:
        connection.execute(
            update(t.batch_item)
            .where(here, t.batch_item.c.document_id == item["document_id"])
            .values(answer=item["state"], reason=item["reason"])
        )


def settle(node: Node, mailbox: Mailbox, lease: Lease) -> int:
    """Tell the mailbox up to which batch every receiver's answer was seen, where that changed; return how many did."""
    with node.engine.connect() as connection:
        streams = connection.execute(select(t.stream_out)).all()
        first: dict[str, tuple[int, int]] = {}
        for row in connection.execute(
            select(t.batch_out.c.peer, t.batch_out.c.epoch, t.batch_out.c.seq)
            .where(t.batch_out.c.state.in_((*UNANSWERED, "DOUBLED")))
            .order_by(t.batch_out.c.epoch, t.batch_out.c.seq)
        ):
            first.setdefault(row.peer, (row.epoch, row.seq - 1))
    places = {}
    for row in streams:
        place = first.get(row.peer, (row.epoch, row.next_seq - 1))
        if place > (row.settled_epoch, row.settled_seq):
            places[row.peer] = place
    if not places:
        return 0
    mailbox.settle(node.node_id, places)
    with node.writing("settled", lease) as connection:
        for peer, (epoch, seq) in places.items():
            connection.execute(
                update(t.stream_out)
                .where(t.stream_out.c.peer == peer)
                .values(settled_epoch=epoch, settled_seq=seq)
            )
    return len(places)


def rewind(node: Node, lease: Lease, peer: str, epoch: int, seq: int, incarnation: str, rev: int = 0) -> int:
    """Take back what an earlier life of a receiver said of the batches after a place; return how many.

    The receiver was restored: its present life has not processed them, whatever it said before. Answers up to ``rev``
    are those of before; 0 when older software asks, which tells its new life only.
    """
    is_of_before = t.batch_out.c.rev <= rev if rev else t.batch_out.c.answered_by != incarnation
    with node.writing("rewind", lease) as connection:
        connection.execute(
            update(t.stream_out)
            .where(t.stream_out.c.peer == peer)
            .values(peer_incarnation=incarnation, peer_rev=rev)
        )
        answered = and_(
            t.batch_out.c.peer == peer,
            t.batch_out.c.state.in_(("PROCESSED", "PARTIAL", "RECEIVED", "REJECTED")),
            is_of_before,
            t.after(t.batch_out, epoch, seq),
        )
        return set_back(connection, answered, "UPLOADED")
