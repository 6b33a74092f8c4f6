"""Carrying documents as a file where no line is: the same envelopes, and the answers to what came the other way.

A file is written by one node for one other. Its first line is a letter, signed as a batch is: from whom, for whom, a
sign of life, the answers, and which batches follow. Each further line is a batch with its body. So nothing of it can be
forged, left out, or taken by the wrong node; it is signed and not encrypted. What was carried is brought to the web
database as well, as soon as that can be reached, and taking it twice has no effect.
"""

from __future__ import annotations

import tempfile
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import Any

from sqlalchemy import select

from clientsync.database import reading
from clientsync.drafts import whole_file
from clientsync.errors import ExchangeRefused, InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.answering import numbered_answers
from clientsync.exchange.applying import apply
from clientsync.exchange.documents import canonical, canonical_of_exact, digest, read_json
from clientsync.exchange.envelopes import MAX_STORED, Batch, batch_of, is_signed
from clientsync.exchange.loaded import check_loads
from clientsync.exchange.loading import advance
from clientsync.exchange.mailbox import Answer, Mailbox, open_mailbox
from clientsync.exchange.nodes import Lease, Node, give_back, moment, note_audit, peers_of, take_lease
from clientsync.exchange.packing import pack
from clientsync.exchange.receiving import receive
from clientsync.exchange.rights import prepare_mailbox
from clientsync.exchange.sending import UNANSWERED, begin_doubled, bodies_of, collect
from clientsync.exchange.stored import parts_of
from clientsync.exchange.syncing import SyncResult, count_held, handshake, sign_of_life

FORMAT = 1
"""Of the file; another one is refused."""
MAX_LINE = MAX_STORED * 2
"""Bytes of a line that is read at all: the largest body in base64, and its header."""
_BATCH_FIELDS = ("epoch", "seq", "prev_hash", "hash", "header", "signature")


def write_file(node: Node, path: Path, peer: str = "", *, actor: str) -> int:
    """Write what a peer has not answered yet, and the answers to what it sent; return how many documents it holds.

    Nothing is marked as sent by it: it is in the next file and in the next sync as well, until the peer has answered.

    Args:
        node: that writes.
        path: of the new file.
        peer: for whom; may be empty where only one is known.
        actor: who carries it, for the audit.

    Raises:
        InvalidInput: no such peer, there is such a file, or the place cannot be written.
        OutOfSpace: the disk is full.
        AlreadyRunning: a sync of this node runs.
        WarehouseError: this database cannot be written.
    """
    with reading(node.engine) as connection:
        peers = peers_of(connection)
    chosen = peer or (peers[0] if len(peers) == 1 else "")
    if chosen not in peers:
        raise InvalidInput(f"A file is for one node, not for {chosen!r}. Valid: {', '.join(peers)}.")
    if path.exists() or not path.parent.is_dir():
        why = "there is such a file" if path.exists() else "there is no such folder"
        raise InvalidInput(f"{path} cannot be written: {why}.")
    lease = take_lease(node)
    try:
        while pack(node, lease):
            pass
        advance(node, lease, [chosen])
        answers = [one for one in numbered_answers(node, lease) if one.sender == chosen]
        batches, bodies, documents = _unanswered(node, chosen)
        letter = _letter(node, chosen, batches, answers)
    finally:
        give_back(node, lease)
    with whole_file(path) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(canonical_of_exact({"letter": letter, "signature": node.signer.sign(letter)}) + "\n")
        for one in batches:
            line = {name: getattr(one, name) for name in _BATCH_FIELDS}
            body = b64encode(bodies[one.body_sha]).decode()
            file.write(canonical_of_exact({**line, "body": body}) + "\n")
    with node.writing("audit") as connection:
        said = f"{documents} documents in {len(batches)} batches, {len(answers)} answers, for {chosen}"
        note_audit(connection, actor, "export", f"{path.name}: {said}", gethostname())
    return documents


def _unanswered(node: Node, peer: str) -> tuple[list[Batch], dict[str, bytes], int]:
    with reading(node.engine) as connection:
        rows = connection.execute(
            select(t.batch_out)
            .where(t.batch_out.c.peer == peer, t.batch_out.c.state.in_(UNANSWERED))
            .order_by(t.batch_out.c.epoch, t.batch_out.c.seq)
        ).all()
        bodies = bodies_of(connection, rows)
    return [batch_of(node.node_id, peer, row) for row in rows], bodies, sum(row.n for row in rows)


def _letter(node: Node, peer: str, batches: Sequence[Batch], answers: Sequence[Answer]) -> str:
    incarnation, body = sign_of_life(node)
    return canonical(
        {
            "format": FORMAT,
            "sender": node.node_id,
            "receiver": peer,
            "written_at": moment(),
            "incarnation": incarnation,
            "life": body,
            "batches": [one.hash for one in batches],
            "answers": [
                [one.epoch, one.seq, one.hash, one.rev, one.state, list(one.items), one.incarnation]
                for one in answers
            ],
        }
    )


def read_file(node: Node, path: Path, *, actor: str) -> SyncResult:
    """Take the batches and answers of a file, and give the documents their effect.

    Args:
        node: that reads.
        path: of the file.
        actor: who brought it, for the audit.

    Raises:
        InvalidInput: it is no such file, not whole, not signed by whom it names, or for another node.
        AlreadyRunning: a sync of this node runs.
        ExchangeRefused: the version of the peer does not fit.
        WarehouseError: this database cannot be written; the file can be taken again.
    """
    letter, batches = _read(node, path)
    sender = str(letter["sender"])
    result = SyncResult(node.node_id)
    lease = take_lease(node)
    try:
        with _as_mailbox(node, letter, batches) as mailbox:
            _take(node, mailbox, lease, sender, result)
        _check_taken(node, sender, [one for one, _ in batches], result)
        result.held = count_held(node)
    finally:
        give_back(node, lease)
    with node.writing("audit") as connection:
        note_audit(connection, actor, "import", f"{path.name}: {result.sentence}", gethostname())
    return result


def _take(node: Node, mailbox: Mailbox, lease: Lease, sender: str, result: SyncResult) -> None:
    handshake(node, mailbox, lease, result)
    if sender in result.refused:
        raise ExchangeRefused(f"{result.refused[sender]}; nothing of the file is taken.")
    took = receive(node, mailbox, lease, [sender])
    states: Counter[str] = Counter(APPLIED=took.applied)
    states.update(apply(node, lease))
    check_loads(node, lease)
    result.states.update(+states)
    result.counts.update(receive=took.documents, apply=states["APPLIED"])
    result.counts["collect"] = collect(node, mailbox, lease, is_carried=True)
    begin_doubled(node, lease)


def _check_taken(node: Node, sender: str, batches: Sequence[Batch], result: SyncResult) -> None:
    """Say it when batches of the file are not what was taken under their numbers, or could not be taken."""
    with reading(node.engine) as connection:
        stream = connection.execute(select(t.stream_in).where(t.stream_in.c.peer == sender)).one_or_none()
        taken = {
            (row.epoch, row.seq): row.hash
            for row in connection.execute(select(t.batch_in).where(t.batch_in.c.peer == sender))
        }
    place = (stream.epoch, stream.last_seq) if stream else (0, 0)
    left = [one for one in batches if (one.epoch, one.seq) > place]
    if left:
        result.failures["receive"] = (
            f"batch {left[0].epoch}/{left[0].seq} could not be taken: clientsync exchange errors"
        )
    if any(taken.get((one.epoch, one.seq), one.hash) != one.hash for one in batches):
        result.failures["fork"] = (
            f"{sender} used numbers again that it had used before; carry a file back to it, and it sends anew"
        )


def _read(node: Node, path: Path) -> tuple[dict[str, Any], list[tuple[Batch, bytes]]]:
    """Return the letter of a file and its batches, after it was verified."""
    no_file = InvalidInput(f"{path.name} is no file of an exchange, or it was cut.")
    try:
        with path.open("rb") as file:
            lines = list(_lines(file, no_file))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or type(error).__name__}.") from None
    try:
        first = read_json(lines[0])
        text, signature = str(first["letter"]), str(first["signature"])
        letter: dict[str, Any] = read_json(text)
        sender, receiver = str(letter["sender"]), str(letter["receiver"])
    except (ValueError, LookupError, TypeError):
        raise no_file from None
    if letter.get("format") != FORMAT:
        raise InvalidInput(f"{path.name} has the form {letter.get('format')}; this software reads {FORMAT}.")
    if receiver != node.node_id:
        raise InvalidInput(f"{path.name} is for {receiver}, not for {node.node_id}.")
    with reading(node.engine) as connection:
        keys = dict(connection.execute(select(t.peer.c.peer, t.peer.c.public_key)).all())
    if sender not in keys or not is_signed(text, signature, keys[sender]):
        raise InvalidInput(
            f"{path.name} is not signed by {sender} as it is known here; nothing of it is taken."
        )
    try:
        batches = [_batch(sender, receiver, read_json(line)) for line in lines[1:]]
    except (ValueError, LookupError, TypeError):
        raise no_file from None
    if [one.hash for one, _ in batches] != letter["batches"]:
        raise no_file
    return letter, batches


def _lines(file: Any, too_long: InvalidInput) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise too_long
        yield line


def _batch(sender: str, receiver: str, line: Mapping[str, Any]) -> tuple[Batch, bytes]:
    body = b64decode(line["body"], validate=True)
    place = int(line["epoch"]), int(line["seq"])
    prev_hash, own_hash, header, signature = (str(line[name]) for name in _BATCH_FIELDS[2:])
    return Batch(sender, receiver, *place, prev_hash, own_hash, header, signature, digest(body)), body


@contextmanager
def _as_mailbox(
    node: Node, letter: Mapping[str, Any], batches: Sequence[tuple[Batch, bytes]]
) -> Iterator[Mailbox]:
    """Yield a mailbox that holds what a file brought, and nothing else."""
    sender = str(letter["sender"])
    with tempfile.TemporaryDirectory(prefix="clientsync-carried-") as folder:
        mailbox = open_mailbox(f"sqlite:///{Path(folder) / 'mailbox.db'}")
        try:
            prepare_mailbox(mailbox.engine)
            mailbox.beat(sender, str(letter["incarnation"]), letter["life"])
            for part in parts_of(batches):
                mailbox.put([one for one, _ in part], {one.body_sha: body for one, body in part})
            mailbox.keep(
                [
                    Answer(node.node_id, sender, epoch, seq, sha, rev, state, tuple(items), incarnation)
                    for epoch, seq, sha, rev, state, items, incarnation in letter["answers"]
                ]
            )
            yield mailbox
        finally:
            mailbox.close()
