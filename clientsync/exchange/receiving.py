"""Taking batches from the mailbox into the inbox: all of one batch with the place of its stream, in one transaction.

Where nothing of the sender waits, the documents have their effect in that same transaction, those of several batches at
once; when one of them cannot, its batch is taken without, and what becomes of each is decided afterwards. A batch that
is not what its sender signed is not taken and not answered, nor is one that this database refuses; it is read again at
the next sync, and at the second time the sender is asked to look. The other senders go on.
Whatever becomes of the documents, the place moves on: the inbox is durable.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import uuid4

from sqlalchemy import Connection, insert, select, update

from clientsync.database import find_by_keys, insert_rows
from clientsync.exchange import tables as t
from clientsync.exchange.applying import OPEN, REFUSALS, applied_at_once, why
from clientsync.exchange.envelopes import Batch, EnvelopeBroken, Opened, opened
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.nodes import Lease, Node, moment, note_error, peers_of
from clientsync.exchange.stored import DOCUMENT_FIELDS, parts_of, values_of

PATIENCE = 1.0
"""Seconds for which a sender is waited for that was seen to be in the middle of sending."""
_GLANCE = 0.02
TOGETHER = 5
"""Batches that are taken in one transaction when nothing of them has to wait."""
_Place = tuple[int, int, str]
_NEXT_STEP = "It is read again. When it stays: clientsync exchange resend at {}."
_NEXT_STEPS = {
    "GAP": "It is read again. If it is purged: clientsync exchange load --from {} --restart.",
    "REFUSED": "Correct its documents at {0}, then: clientsync exchange load --from {0} --restart.",
}


def check_set_back(node: Node, mailbox: Mailbox, lease: Lease) -> bool:
    """Find out whether this database was restored, by answers that it never gave; return whether it was.

    Then it begins a new life, and its senders are asked to take back what the lost one said. Answers that the mailbox
    lost are marked to be given again.
    """
    newest = mailbox.newest_rev(node.node_id)
    with node.engine.connect() as connection:
        next_ack = connection.execute(
            select(t.node.c.next_ack).where(t.node.c.node_id == node.node_id)
        ).scalar_one()
    if newest < next_ack:
        with node.writing("answers_lost", lease) as connection:
            connection.execute(update(t.batch_in).where(t.batch_in.c.rev > newest).values(is_posted=0))
        return False
    incarnation = str(uuid4())
    with node.engine.connect() as connection:
        peers = peers_of(connection)
        places = {peer: _settled_until(connection, peer) for peer in peers}
    for peer, (epoch, seq) in places.items():
        place = {"epoch": epoch, "seq": seq, "incarnation": incarnation, "rev": newest}
        mailbox.ask(node.node_id, peer, "rewind", place)
    with node.writing("set_back", lease) as connection:
        connection.execute(
            update(t.node)
            .where(t.node.c.node_id == node.node_id)
            .values(incarnation=incarnation, next_ack=newest + 1)
        )
        connection.execute(update(t.batch_in).values(answer="", is_posted=0))
        note_error(
            connection,
            peer="",
            error_class="PROTOCOL",
            code="RESTORED",
            what=f"database of {node.node_id}",
            reason=f"the mailbox holds answer {newest}, which this database never gave: it was restored",
            next_step="Nothing: what was received since is taken again.",
        )
    return True


def _settled_until(connection: Connection, peer: str) -> tuple[int, int]:
    """Return the place before the first batch that is not wholly settled."""
    first = connection.execute(
        select(t.inbox.c.epoch, t.inbox.c.seq)
        .where(t.inbox.c.peer == peer, t.inbox.c.state.in_(OPEN))
        .order_by(t.inbox.c.epoch, t.inbox.c.seq)
        .limit(1)
    ).one_or_none()
    if first is not None:
        return first.epoch, first.seq - 1
    row = connection.execute(select(t.stream_in).where(t.stream_in.c.peer == peer)).one_or_none()
    return (row.epoch, row.last_seq) if row else (0, 0)


@dataclass(frozen=True)
class Received:
    """What was taken: documents in all, and those of them that had their effect at once."""

    documents: int
    applied: int


class _NotAtOnce(Exception):
    """Something of a batch cannot have its effect now."""


def receive(node: Node, mailbox: Mailbox, lease: Lease, peers: Sequence[str]) -> Received:
    """Take every batch that waits, and return how many documents they held.

    A sender that says that more follows is waited for, as long as it keeps bringing: what a store that was offline for
    days sends while this node syncs is taken in one sync.

    Raises:
        LeaseLost: another sync of this node has taken over.
        WarehouseError: the mailbox cannot be read, or this database cannot be reached or is full.
    """
    with node.engine.connect() as connection:
        keys = dict(connection.execute(select(t.peer.c.peer, t.peer.c.public_key)).all())
        rows = connection.execute(select(t.stream_in)).all()
        stuck = set(
            connection.execute(select(t.inbox.c.peer).where(t.inbox.c.state.in_(OPEN)).distinct()).scalars()
        )
    places: dict[str, _Place] = {row.peer: (row.epoch, row.last_seq, row.last_hash) for row in rows}
    streams = {
        peer: _Stream(peer, keys[peer], places.get(peer, (0, 0, "")), is_stuck=peer in stuck)
        for peer in peers
    }
    waiting = dict(streams)
    until = time.monotonic() + PATIENCE
    while waiting:
        news = mailbox.after(node.node_id, {peer: one.place[:2] for peer, one in waiting.items()})
        read_on = {
            sender: _take_all(node, mailbox, lease, streams[sender], batches)
            for sender, batches in groupby(news, key=lambda one: one[0].sender)
        }
        waiting = {peer: one for peer, one in waiting.items() if read_on.get(peer, one.follows)}
        if read_on:
            until = time.monotonic() + PATIENCE
        elif time.monotonic() > until:
            break
        elif waiting:
            time.sleep(_GLANCE)
    return Received(
        sum(one.received for one in streams.values()), sum(one.applied for one in streams.values())
    )


@dataclass
class _Stream:
    """A stream while it is read.

    Attributes:
        place: of the batch that was taken last.
        is_stuck: something of the sender waits in the inbox, so that nothing later takes effect as it comes.
        received: documents that were taken.
        applied: those of them that had their effect at once.
        follows: the sender was seen to be in the middle of sending.
    """

    sender: str
    public: str
    place: _Place
    is_stuck: bool
    received: int = 0
    applied: int = 0
    follows: bool = False


_Read = tuple[Batch, Opened]


def _take_all(
    node: Node, mailbox: Mailbox, lease: Lease, stream: _Stream, batches: Iterable[tuple[Batch, bytes]]
) -> bool:
    """Take the batches of a stream that came, and return whether it is to be read on."""
    for part in parts_of(batches, TOGETHER):
        ready, broken = _verified(stream, part)
        refused = _take_part(node, lease, stream, ready) or broken
        if refused is None:
            continue
        batch, error = refused
        restart = None
        if error.code in ("GAP", "CHAIN"):
            restart = _restart(node, mailbox, stream.sender, stream.place, stream.public)
        if restart is not None:
            stream.place = (restart, 0, "")
            return True
        _tell(node, mailbox, lease, batch, error)
        return False
    return True


_Refused = tuple[Batch, EnvelopeBroken]


def _verified(stream: _Stream, part: Iterable[tuple[Batch, bytes]]) -> tuple[list[_Read], _Refused | None]:
    """Return the batches up to the first that is not what its sender signed, and that one with the reason."""
    ready: list[_Read] = []
    place = stream.place
    for batch, body in part:
        try:
            ready.append((batch, _read(batch, body, place, stream.public)))
        except EnvelopeBroken as error:
            return ready, (batch, error)
        place = _place_of(batch)
    return ready, None


def _place_of(batch: Batch) -> _Place:
    return batch.epoch, batch.seq, batch.hash


def _take_part(node: Node, lease: Lease, stream: _Stream, ready: Sequence[_Read]) -> _Refused | None:
    """Take batches, in one transaction if all of them can have their effect; return the first that is refused."""
    if len(ready) > 1 and not stream.is_stuck and _take_applied(node, lease, stream, ready):
        return None
    for one in ready:
        try:
            if stream.is_stuck or not _take_applied(node, lease, stream, [one]):
                _take(node, lease, stream, one)
        except REFUSALS as error:
            batch, _ = one
            words = f"this database does not take batch {batch.seq}: {why(error)[1]}"
            return batch, EnvelopeBroken("REFUSED", words)
    return None


def _read(batch: Batch, body: bytes, place: _Place, public: str) -> Opened:
    epoch, seq, last = place
    is_next = batch.epoch == epoch and batch.seq == seq + 1
    is_new_epoch = batch.epoch > epoch and batch.seq == 1
    if not is_next and not is_new_epoch:
        raise EnvelopeBroken("GAP", f"after {epoch}/{seq} comes {batch.epoch}/{batch.seq}: one is missing")
    return opened(batch, body, last if is_next else "", public)


def _restart(node: Node, mailbox: Mailbox, sender: str, place: _Place, public: str) -> int | None:
    """Return the newest epoch that begins with a whole load, which makes what was before it needless; else None."""
    for batch, body in mailbox.first_of_epochs(sender, node.node_id, place[0]):
        try:
            if opened(batch, body, "", public).restarts:
                return batch.epoch
        except EnvelopeBroken:
            return None  # read again in its place, where it is told
    return None


def _tell(node: Node, mailbox: Mailbox, lease: Lease, batch: Batch, error: EnvelopeBroken) -> None:
    what = f"batch {batch.epoch}/{batch.seq} from {batch.sender}"
    with node.writing("broken", lease) as connection:
        is_first = note_error(
            connection,
            peer=batch.sender,
            error_class="PROTOCOL",
            code=error.code,
            what=what,
            reason=str(error),
            next_step=_NEXT_STEPS.get(error.code, _NEXT_STEP).format(batch.sender),
        )
    if not is_first:
        mailbox.ask(node.node_id, batch.sender, "look", {"epoch": batch.epoch, "seq": batch.seq})


def _take(node: Node, lease: Lease, stream: _Stream, one: _Read) -> None:
    """Take a batch into the inbox, where what becomes of its documents is decided afterwards."""
    batch, found = one
    at = moment()
    with node.writing("receive", lease) as connection:
        insert_rows(
            connection,
            t.inbox,
            ("peer", "epoch", "seq", "idx", "before", "received_at", *DOCUMENT_FIELDS),
            [
                (batch.sender, batch.epoch, batch.seq, idx, previous, at, *values_of(document))
                for idx, (document, previous) in enumerate(zip(found.documents, found.before, strict=True))
            ],
        )
        _keep(connection, [one], at)
    _move_on(stream, [one])
    stream.is_stuck = True


def _take_applied(node: Node, lease: Lease, stream: _Stream, ready: Sequence[_Read]) -> bool:
    """Take batches and give all of them their effect in one transaction; False, and nothing written, if one cannot."""
    at = moment()
    documents = [one for _, found in ready for one in found.documents]
    before = [one for _, found in ready for one in found.before]
    places = [(batch.epoch, batch.seq, idx) for batch, found in ready for idx in range(len(found.documents))]
    try:
        with node.writing("take", lease) as connection:
            find_by_keys(connection)
            if not applied_at_once(node, connection, stream.sender, documents, before, places):
                raise _NotAtOnce
            _keep(connection, ready, at)
    except (_NotAtOnce, *REFUSALS):
        return False
    _move_on(stream, ready)
    stream.applied += len(documents)
    return True


def _move_on(stream: _Stream, ready: Sequence[_Read]) -> None:
    stream.place = _place_of(ready[-1][0])
    stream.follows = ready[-1][1].follows
    stream.received += sum(len(found.documents) for _, found in ready)


def _keep(connection: Connection, ready: Sequence[_Read], at: str) -> None:
    """Write batches down, and let the place of their stream move on."""
    connection.execute(
        insert(t.batch_in),
        [
            {
                "peer": batch.sender,
                "epoch": batch.epoch,
                "seq": batch.seq,
                "hash": batch.hash,
                "n": len(found.documents),
                "received_at": at,
                "load_id": found.load_id,
                "manifest": found.manifest,
            }
            for batch, found in ready
        ],
    )
    last = ready[-1][0]
    values = {"epoch": last.epoch, "last_seq": last.seq, "last_hash": last.hash}
    done = connection.execute(update(t.stream_in).where(t.stream_in.c.peer == last.sender).values(**values))
    if not done.rowcount:
        connection.execute(insert(t.stream_in).values(peer=last.sender, **values))
