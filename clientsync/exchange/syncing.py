"""One sync of a node: receive, apply and answer first, then pack and send.

What fails while receiving or applying does not keep documents from leaving: sales leave the store even when a promotion
cannot be applied. A peer of another major version, or a database whose place another one has taken, stops it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from socket import gethostname
from typing import Any
from uuid import uuid4

from sqlalchemy import func, insert, select, update

from clientsync.database import reading
from clientsync.errors import ExchangeRefused, InvalidInput, LeaseLost, SyncError
from clientsync.exchange import tables as t
from clientsync.exchange.answering import answer
from clientsync.exchange.applying import OPEN, REFUSALS, apply
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.documents import canonical
from clientsync.exchange.envelopes import PROTOCOL
from clientsync.exchange.handshakes import CLOCK_REFUSES, CLOCK_WARNS, minor_of, misfit, software_version
from clientsync.exchange.lists import control_totals, unanswered
from clientsync.exchange.loaded import check_loads
from clientsync.exchange.loading import advance, start
from clientsync.exchange.mailbox import ForkFound, Mailbox, Request
from clientsync.exchange.nodes import (
    Lease,
    Node,
    give_back,
    moment,
    note_audit,
    note_error,
    peers_of,
    take_lease,
)
from clientsync.exchange.packing import FIRST_EVENTS, pack
from clientsync.exchange.receiving import check_set_back, receive
from clientsync.exchange.resending import send_object
from clientsync.exchange.sending import check_restored, collect, rewind, settle, upload
from clientsync.exchange.series import own_gaps
from clientsync.exchange.watching import watch
from clientsync.garbage import collected_rarely

Progress = Callable[[str, int], None]
PHASES = ("receive", "apply", "answer", "collect", "pack", "load", "upload")
"""The phases of a sync in their order, as ``progress`` names them."""


@dataclass
class SyncResult:
    """What a sync did.

    Attributes:
        counts: phase to number of documents or answers.
        states: of documents that came to a new state while applying.
        held: documents of the inbox that wait, with what they wait for.
        refused: peers that could not take part, with the reason.
        failures: phases that failed, with the reason; the others went on.
    """

    node_id: str
    counts: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    held: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What it came to in one sentence."""
        said = (
            f"{self.node_id}: received {self.counts.get('receive', 0)}, sent {self.counts.get('upload', 0)}, "
            f"held {self.held}"
        )
        wrong = [*self.failures.items(), *self.refused.items()]
        return said + "".join(f"; {name}: {why}" for name, why in wrong) + "."


def sync(
    node: Node,
    mailbox: Mailbox,
    progress: Progress = lambda phase, number: None,
    only: Sequence[str] = (),
    actor: str = "",
) -> SyncResult:
    """Receive, apply, answer, collect, pack and send once.

    Args:
        node: whose sync it is.
        mailbox: opened with the login of the node.
        progress: called after every phase with its name and number.
        only: peers with whom documents are exchanged; empty: all. What is packed for the others waits for their turn.
        actor: who pressed the button, for the audit; empty: nobody is noted.

    Raises:
        InvalidInput: ``only`` names a node that is not known; lists those that are.
        AlreadyRunning: a sync of this node runs.
        ExchangeRefused: versions do not fit, or another database has taken the place of this one.
        WarehouseError: the mailbox or this database cannot be reached; nothing is lost.
    """
    lease = take_lease(node)
    result = SyncResult(node.node_id)
    try:
        with collected_rarely():
            _sync(node, mailbox, lease, result, progress, only)
    finally:
        give_back(node, lease)
        if actor:
            with node.writing("audit") as connection:
                note_audit(connection, actor, "sync", result.sentence, gethostname())
    return result


def _sync(
    node: Node, mailbox: Mailbox, lease: Lease, result: SyncResult, progress: Progress, only: Sequence[str]
) -> None:
    peers, beats = handshake(node, mailbox, lease, result)
    unknown = sorted(set(only) - set(peers))
    if unknown:
        raise InvalidInput(f"{', '.join(unknown)} is not known here. Valid: {', '.join(peers)}.")
    check_set_back(node, mailbox, lease)
    _handle_requests(node, mailbox, lease)
    fitting = [one for one in only or peers if one not in result.refused]

    def phase(name: str, work: Callable[[], int], *, may_fail: bool = False) -> None:
        try:
            result.counts[name] = work()
        except LeaseLost:
            raise
        except SyncError as error:
            if not may_fail:
                raise
            result.failures[name] = error.message
            _note_failure(node, lease, name, error.message)
        progress(name, result.counts.get(name, 0))

    states: Counter[str] = Counter()

    def receiving() -> int:
        took = receive(node, mailbox, lease, fitting)
        states["APPLIED"] += took.applied
        return took.documents

    def applying() -> int:
        states.update(apply(node, lease))
        result.states.update(+states)
        return states["APPLIED"]

    phase("receive", receiving, may_fail=True)
    phase("apply", applying, may_fail=True)
    check_loads(node, lease)
    phase("answer", lambda: answer(node, mailbox, lease), may_fail=True)
    phase("collect", lambda: collect(node, mailbox, lease), may_fail=True)
    check_restored(node, mailbox, lease)
    settle(node, mailbox, lease)
    phase("pack", lambda: pack(node, lease, retries=True, limit=FIRST_EVENTS))
    phase("load", lambda: advance(node, lease, fitting))
    phase("upload", lambda: _send(node, mailbox, lease, fitting, result))
    _ask_for_missing(node, mailbox, lease)
    watch(node, lease, beats)
    _beat(node, mailbox)
    result.held = count_held(node)


def count_held(node: Node) -> int:
    """Return how many documents of the inbox wait."""
    with reading(node.engine) as connection:
        statement = select(func.count()).select_from(t.inbox).where(t.inbox.c.state.in_(OPEN))
        return int(connection.execute(statement).scalar_one())


def _send(node: Node, mailbox: Mailbox, lease: Lease, peers: Sequence[str], result: SyncResult) -> int:
    """Bring what is packed, then pack and bring what is left, part by part; return how many documents were brought.

    So the first documents of a store that was offline for days arrive while the last ones are still being packed.
    """
    sent, packed, limit = 0, result.counts["pack"], FIRST_EVENTS
    while True:
        try:
            sent += upload(node, mailbox, lease, peers)
        except ForkFound:
            check_restored(node, mailbox, lease)
            sent += upload(node, mailbox, lease, peers)
        limit *= 2
        packed = pack(node, lease, limit=limit) if packed else 0
        if not packed:
            return sent
        result.counts["pack"] += packed


def _note_failure(node: Node, lease: Lease, name: str, reason: str) -> None:
    with node.writing("failure", lease) as connection:
        note_error(
            connection,
            peer="",
            error_class="TRANSIENT",
            code="PHASE",
            what=name,
            reason=reason,
            next_step="Nothing: the next sync goes on. When it stays: clientsync exchange test-connection.",
        )


def handshake(
    node: Node, mailbox: Mailbox, lease: Lease, result: SyncResult
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return the peers and their signs of life, after versions were compared and what they read was noted."""
    with reading(node.engine) as connection:
        peers = peers_of(connection)
        incarnation = node.incarnation(connection)
    lives = mailbox.lives(node.node_id)
    if incarnation in lives[:-1]:
        with node.writing("handshake", lease) as connection:
            note_error(
                connection,
                peer="",
                error_class="PROTOCOL",
                code="CLONE",
                what=f"database of {node.node_id}",
                reason="another database has taken the place of this one",
                next_step="End the other one; if this is the right one: clientsync exchange take-over.",
            )
        raise ExchangeRefused(
            f"Another database has taken the place of this one as {node.node_id}. If this is the right one: "
            "clientsync exchange take-over."
        )
    ahead = round(mailbox.seconds_ahead())
    if abs(ahead) > CLOCK_REFUSES:
        raise ExchangeRefused(
            f"The clock of {node.node_id} differs from the web database's by {abs(ahead) // 3600:,} hours; nothing is "
            "exchanged, because business days would be wrong. Set it."
        )
    beats = mailbox.beats(peers)
    with node.writing("handshake", lease) as connection:
        if abs(ahead) > CLOCK_WARNS:
            note_error(
                connection,
                peer="",
                error_class="TRANSIENT",
                code="CLOCK",
                what=f"clock of {node.node_id}",
                reason=f"it differs from the web database's by more than {CLOCK_WARNS // 60} minutes",
                next_step="Set it: business days depend on it. The order of documents does not.",
            )
        for peer in peers:
            beat = beats.get(peer)
            if beat is None:
                continue
            why = misfit(beat)
            if not why:
                connection.execute(
                    update(t.peer)
                    .where(t.peer.c.peer == peer)
                    .values(readable=canonical(beat["readable"]), protocol_minor=minor_of(beat))
                )
            else:
                result.refused[peer] = why
                note_error(
                    connection,
                    peer=peer,
                    error_class="PROTOCOL",
                    code="VERSION",
                    what=f"version of {peer}",
                    reason=why,
                    next_step=f"Bring both sides to the same version; {peer} takes part again after its next sync.",
                )
    if node.kind == "STORE" and HEAD_OFFICE in result.refused:
        _beat(node, mailbox)
        raise ExchangeRefused(f"{result.refused[HEAD_OFFICE]}; {unanswered(node).number} documents wait.")
    return peers, beats


def _handle_requests(node: Node, mailbox: Mailbox, lease: Lease) -> None:
    with reading(node.engine) as connection:
        done = set(connection.execute(select(t.handled.c.request_id)).scalars())
    for _, one in mailbox.requests(node.node_id, ""):
        if one.request_id in done:
            continue
        try:
            _handle(node, lease, one)
        except REFUSALS as error:
            with node.writing("request", lease) as connection:
                note_error(
                    connection,
                    peer=one.from_node,
                    error_class="PROTOCOL",
                    code="REQUEST",
                    what=f"{one.kind} asked by {one.from_node}",
                    reason=f"what is asked cannot be done: {type(error).__name__}",
                    next_step=f"Bring {one.from_node} to the version of this node, and ask again there.",
                )
        with node.writing("request", lease) as connection:
            connection.execute(insert(t.handled).values(request_id=one.request_id, at=moment()))


def _handle(node: Node, lease: Lease, asked: Request) -> None:
    """Do what a peer asks for; doing it twice does no harm."""
    args, peer = asked.args, asked.from_node
    if asked.kind == "rewind":
        place = int(args["epoch"]), int(args["seq"])
        rewind(node, lease, peer, *place, str(args["incarnation"]), int(args.get("rev", 0)))
    elif asked.kind == "send":
        send_object(node, lease, peer, str(args["doc_type"]), str(args["key"]))
    elif asked.kind == "load":
        _begin_asked_load(node, lease, asked)
    else:
        with node.writing("request", lease) as connection:
            note_error(
                connection,
                peer=peer,
                error_class="PROTOCOL",
                code="ASKED",
                what=f"{asked.kind} {canonical(dict(args))}",
                reason=f"{peer} cannot take what this node sent",
                next_step=f"Send the batch again: clientsync exchange resend --to {peer} --batch NUMBER.",
            )


def _begin_asked_load(node: Node, lease: Lease, asked: Request) -> None:
    """Begin a load that a peer asks for; what is wrong with the wish is told here, and the sync goes on."""
    try:
        start(
            node,
            asked.from_node,
            types=[str(one) for one in asked.args["types"]],
            since=str(asked.args["since"]),
            restarts=bool(asked.args["restarts"]),
            actor=f"asked by {asked.from_node}",
        )
    except InvalidInput as error:
        with node.writing("request", lease) as connection:
            note_error(
                connection,
                peer=asked.from_node,
                error_class="PROTOCOL",
                code="LOAD",
                what=f"load for {asked.from_node}",
                reason=error.message,
                next_step="Ask again with other words: clientsync exchange load.",
            )


def _ask_for_missing(node: Node, mailbox: Mailbox, lease: Lease) -> None:
    """Ask senders for objects of theirs that documents need, once for each; that it was asked stands in the errors."""
    with reading(node.engine) as connection:
        rows = connection.execute(
            select(t.inbox.c.peer, t.inbox.c.blocked_by)
            .where(t.inbox.c.state == "BLOCKED", t.inbox.c.code == "MISSING")
            .distinct()
        ).all()
    for peer, missing in rows:
        doc_type, _, key = missing.partition(" ")
        kind = node.catalogue.get(doc_type)
        if kind is None or kind.owner == node.kind:
            continue
        with node.writing("request", lease) as connection:
            is_new = note_error(
                connection,
                peer=peer,
                error_class="DOCUMENT",
                code="MISSING",
                what=missing,
                reason=f"documents of {peer} need it and it was never received; {peer} was asked for it",
                next_step=f"Look at {peer}: clientsync exchange trace {key}.",
            )
            if is_new:
                mailbox.ask(node.node_id, peer, "send", {"doc_type": doc_type, "key": key})


def _beat(node: Node, mailbox: Mailbox) -> None:
    mailbox.beat(node.node_id, *sign_of_life(node))


def sign_of_life(node: Node) -> tuple[str, dict[str, Any]]:
    """Return the incarnation of a node, and what it tells the others about itself."""
    with reading(node.engine) as connection:
        incarnation = node.incarnation(connection)
    waiting = unanswered(node)
    return incarnation, {
        "protocol": list(PROTOCOL),
        "software": software_version(),
        "readable": node.catalogue.readable,
        "waiting": waiting.number,
        "oldest_unsent": waiting.since,
        "value": waiting.value,
        "control": control_totals(node) if node.kind == "STORE" else [],
        "gaps": _gaps(node),
    }


def _gaps(node: Node) -> list[list[str]]:
    """Return what is missing in the numbers that this node wrote, as [type, first, last]."""
    with reading(node.engine) as connection:
        return [
            [kind.name, one.first, one.last]
            for kind in node.catalogue
            if kind.is_series and kind.owner == node.kind
            for one in own_gaps(connection, kind.name)
        ]


def take_over(node: Node, actor: str) -> None:
    """Make this database the one of its node, after a person has ended every other.

    Raises:
        InvalidInput: nobody is named who does it.
    """
    if not actor:
        raise InvalidInput("Say who does it.")
    with node.writing("take_over") as connection:
        connection.execute(
            update(t.node).where(t.node.c.node_id == node.node_id).values(incarnation=str(uuid4()))
        )
        note_audit(connection, actor, "take-over", node.node_id)
