"""Giving documents their effect: effect, mark and state in one transaction.

A whole batch goes in one transaction; when the database or a type refuses something, that batch alone is tried again,
each document under a savepoint of its own. What cannot be is held, and with it everything that follows from it: later
versions of the same object, and documents that need it. All else is applied.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError

from clientsync.database import among, find_by_keys, insert_columns
from clientsync.errors import IntegrityBroken, InvalidInput, StatementRefused, WarehouseError
from clientsync.exchange import tables as t
from clientsync.exchange.catalogue import DocType, DocumentRefused, Key
from clientsync.exchange.documents import Document, in_columns
from clientsync.exchange.nodes import Lease, Node, moment, note_error, peers_of
from clientsync.exchange.stored import document_of

OPEN = ("RECEIVED", "BLOCKED", "QUARANTINED")
_SOFTWARE = ("SCHEMA", "UNKNOWN_TYPE")
"""What a later version of this software may read: documents that are held for it are tried at every sync."""
_CONSTRAINTS = (
    IntegrityError, DataError, ProgrammingError, InterfaceError, IntegrityBroken, StatementRefused, ArithmeticError,
)  # fmt: skip
Place = tuple[int, int, int]
"""Epoch, number of the batch, and place in it."""
_IN_INBOX: Place = (0, 0, 0)
"""The place of a mark whose document has a row of its own in the inbox."""
REFUSALS = (DocumentRefused, *_CONSTRAINTS, InvalidInput, ValueError, LookupError, TypeError, AttributeError)
"""What a document of odd values may raise on its way into the tables; drivers refuse some of them without a state.

A database that cannot be reached or is full is none of them: no document is to blame, and the next sync tries again.
"""


@dataclass
class Known:
    """What the receiver knows of the objects of one batch; it grows as documents are applied.

    ``marks`` holds by document its digest and whether it took effect, or was left out; ``removed`` the objects of this
    node that are gone: what was written while they were there does not wait for them.
    """

    marks: dict[str, tuple[str, bool]] = field(default_factory=dict)
    versions: dict[Key, int] = field(default_factory=dict)
    own: set[Key] = field(default_factory=set)
    removed: set[Key] = field(default_factory=set)
    before: dict[str, int] = field(default_factory=dict)
    others: dict[Key, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What becomes of one document."""

    row: Any
    document: Document
    state: str
    code: str = ""
    reason: str = ""
    blocked_by: str = ""
    has_effect: bool = False


_NOTHING_HELD: Mapping[Key, str] = {}


def applied_at_once(
    node: Node,
    connection: Connection,
    peer: str,
    documents: Sequence[Document],
    before: Sequence[int],
    places: Sequence[Place],
) -> bool:
    """Give all documents that arrive their effect, with their marks; False when one cannot have it now.

    Nothing of the peer may be open in the inbox. ``places`` says where each of them came. After False, or an error of
    ``REFUSALS``, the caller rolls back.
    """
    known = _known(node, connection, peer, documents, before, is_quick=True)
    seen = set(known.versions)
    if not _are_all_new(node, documents, known) and not _can_take_effect(node, documents, known):
        return False
    _give_effect(node, connection, documents)
    mark(connection, peer, documents, moment(), places=places)
    _note_versions(connection, peer, documents, seen)
    return True


def _are_all_new(node: Node, documents: Sequence[Document], known: Known) -> bool:
    """Whether no document can meet a rule: each is the first of an object of its own, and all that it needs is there.

    Most batches are like that, and it is told of all documents together; the rules say the same one by one.
    """
    if known.marks or _refused_types(node, documents):
        return False
    objects = [one.aggregate for one in documents]
    needed = set(chain.from_iterable(one.deps for one in documents))
    return (
        len(set(objects)) == len(objects)
        and known.versions.keys().isdisjoint(objects)
        and known.others.keys().isdisjoint(objects)
        and not any(known.before.values())
        and min((one.version for one in documents), default=1) > 0
        and needed <= known.versions.keys() | known.own | known.removed
    )


def _can_take_effect(node: Node, documents: Sequence[Document], known: Known) -> bool:
    """Whether no document meets a rule after those before it took effect, which is noted among what is known."""
    rules = _rules()
    for one in documents:
        for rule in rules:
            if rule(node, one, known, _NOTHING_HELD) is not None:
                return False
        _note_effect(known, one)
    return True


def apply(node: Node, lease: Lease) -> Counter[str]:
    """Apply what can be applied of the inbox, and return how many documents came to which state.

    What cannot even be decided concerns its sender only: it is told, and the others go on.

    Raises:
        LeaseLost: another sync of this node has taken over.
        WarehouseError: the database cannot be reached or is full; nothing of that batch remains.
    """
    counts: Counter[str] = Counter()
    with node.engine.connect() as connection:
        peers = peers_of(connection)
    for peer in peers:
        try:
            _apply_all(node, lease, peer, counts)
        except REFUSALS as error:
            _tell(node, lease, peer, error)
    return counts


def _apply_all(node: Node, lease: Lease, peer: str, counts: Counter[str]) -> None:
    while True:
        done = _apply_peer(node, lease, peer)
        counts.update(done)
        if not done["APPLIED"] or not _has_blocked(node, peer):
            return  # what is applied may free what stands before it


def _tell(node: Node, lease: Lease, peer: str, error: Exception) -> None:
    with node.writing("apply_failed", lease) as connection:
        note_error(
            connection,
            peer=peer,
            error_class="DOCUMENT",
            code="APPLY",
            what=f"documents of {peer}",
            reason=f"what becomes of them cannot be written down: {why(error)[1]}",
            next_step="Every sync tries it again. Correct or leave out what is odd: clientsync exchange received, then "
            "clientsync exchange release ID.",
        )


def _has_blocked(node: Node, peer: str) -> bool:
    with node.engine.connect() as connection:
        return (
            connection.execute(
                select(t.inbox.c.idx).where(t.inbox.c.peer == peer, t.inbox.c.state == "BLOCKED").limit(1)
            ).first()
            is not None
        )


def _apply_peer(node: Node, lease: Lease, peer: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    with node.engine.connect() as connection:
        batches = connection.execute(
            select(t.inbox.c.epoch, t.inbox.c.seq)
            .where(t.inbox.c.peer == peer, t.inbox.c.state.in_(OPEN))
            .distinct()
            .order_by(t.inbox.c.epoch, t.inbox.c.seq)
        ).all()
    held: dict[Key, str] = {}
    for epoch, seq in batches:
        before = dict(held)
        try:
            found = _whole(node, lease, peer, epoch, seq, held)
        except REFUSALS:
            held.clear()
            held.update(before)
            found = _one_by_one(node, lease, peer, epoch, seq, held)
        counts.update(one.state for one in found if one.state != one.row.state)
    return counts


def _whole(node: Node, lease: Lease, peer: str, epoch: int, seq: int, held: dict[Key, str]) -> list[Verdict]:
    with node.writing("apply", lease) as connection:
        find_by_keys(connection)
        read = _read(connection, peer, epoch, seq)
        known = _known_of(node, connection, peer, read)
        verdicts = [_judged(node, row, document, known, held) for row, document in read]
        _give_effect(node, connection, [one.document for one in verdicts if one.has_effect])
        _settle(connection, peer, verdicts)
    return verdicts


def _give_effect(node: Node, connection: Connection, documents: Sequence[Document]) -> None:
    for kind, run in _runs(node, documents):
        kind.adapter.apply(connection, [(one, kind.current(one)) for one in run])


def _one_by_one(
    node: Node, lease: Lease, peer: str, epoch: int, seq: int, held: dict[Key, str]
) -> list[Verdict]:
    verdicts = []
    with node.writing("apply", lease) as connection:
        find_by_keys(connection)
        read = _read(connection, peer, epoch, seq)
        known = _known_of(node, connection, peer, read)
        for row, document in read:
            marks, versions = dict(known.marks), dict(known.versions)
            one = _judged(node, row, document, known, held)
            if one.has_effect:
                kind = node.catalogue.known(one.document.doc_type)
                try:
                    with connection.begin_nested():
                        kind.adapter.apply(connection, [(one.document, kind.current(one.document))])
                except REFUSALS as error:
                    known.marks, known.versions = marks, versions
                    code, words = why(error)
                    gone = sorted(" ".join(key) for key in one.document.deps if key in known.removed)
                    if code == "CONSTRAINT" and gone:
                        words += f"; {', '.join(gone)} was removed here"
                    one = Verdict(row, one.document, "QUARANTINED", code, words)
                    held[one.document.aggregate] = one.document.document_id
            verdicts.append(one)
        _settle(connection, peer, verdicts)
    return verdicts


def why(error: Exception) -> tuple[str, str]:
    """Return code and words of a refusal; words of the database are left out, because they quote rows."""
    if isinstance(error, DocumentRefused):
        code, words = error.code, str(error)
    elif isinstance(error, WarehouseError):
        code, words = "CONSTRAINT", f"the business tables refuse it: {error.message}"
    elif isinstance(error, _CONSTRAINTS):
        original = getattr(error, "orig", None)
        state = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
        code, words = "CONSTRAINT", f"the business tables refuse it ({state or type(error).__name__})"
    else:
        said = f"{type(error).__name__}: {error}"
        code, words = "INVALID", f"its body does not have the form of its type ({said})"[:300]
    return code, words.replace("\0", "")


_Read = tuple[Any, Document]


def _read(connection: Connection, peer: str, epoch: int, seq: int) -> list[_Read]:
    rows = connection.execute(
        select(t.inbox)
        .where(t.at(t.inbox, peer, epoch, seq), t.inbox.c.state.in_(OPEN))
        .order_by(t.inbox.c.idx)
    )
    return [(row, document_of(row)) for row in rows]


def _known_of(node: Node, connection: Connection, peer: str, read: Sequence[_Read]) -> Known:
    return _known(node, connection, peer, [one for _, one in read], [row.before for row, _ in read])


def _known(
    node: Node,
    connection: Connection,
    peer: str,
    documents: Sequence[Document],
    before: Sequence[int],
    *,
    is_quick: bool = False,
) -> Known:
    """Return what is known of the objects of documents and of what they need.

    With ``is_quick`` no mark is looked for of an object that was never seen: it has none. Where a sender gave one id to
    two objects, the mark of the second is refused by the database.
    """
    known = Known(before={one.document_id: last for one, last in zip(documents, before, strict=True)})
    wanted: dict[str, set[str]] = defaultdict(set)
    for one in documents:
        wanted[one.doc_type].add(one.key)
        for doc_type, key in one.deps:
            if "\0" not in key:  # nothing can have it
                wanted[doc_type].add(key)
    for doc_type, keys in sorted(wanted.items()):
        for row in connection.execute(
            select(t.seen.c.origin, t.seen.c.key, t.seen.c.version).where(
                t.seen.c.doc_type == doc_type, among(connection, t.seen.c.key, keys)
            )
        ):
            if row.origin == peer:
                known.versions[doc_type, row.key] = row.version
            else:
                known.others[doc_type, row.key] = row.origin
        kind = node.catalogue.get(doc_type)
        if kind is not None and kind.owner == node.kind:
            there = kind.adapter.existing(connection, keys)
            known.own |= {(doc_type, key) for key in there}
            if gone := keys - there:
                written = select(t.aggregate.c.key).where(
                    t.aggregate.c.doc_type == doc_type, among(connection, t.aggregate.c.key, gone)
                )
                known.removed |= {(doc_type, key) for key in connection.execute(written).scalars()}
    looked_for = _perhaps_marked(node, documents, known) if is_quick else documents
    known.marks.update(_marks(connection, peer, looked_for))
    return known


def _perhaps_marked(node: Node, documents: Sequence[Document], known: Known) -> list[Document]:
    """Return the documents of objects that were seen, and of types whose documents are refused and may be left out."""
    refused = _refused_types(node, documents)
    if not (refused or known.versions or known.others):
        return []
    return [
        one
        for one in documents
        if one.doc_type in refused or one.aggregate in known.versions or one.aggregate in known.others
    ]


def _refused_types(node: Node, documents: Sequence[Document]) -> set[str]:
    """Return the types of documents that are not taken from a sender: unknown ones, and those that are written here."""
    kinds = {name: node.catalogue.get(name) for name in {one.doc_type for one in documents}}
    return {name for name, kind in kinds.items() if kind is None or kind.owner == node.kind}


def _marks(connection: Connection, peer: str, documents: Collection[Document]) -> dict[str, tuple[str, bool]]:
    if not documents:
        return {}
    rows = connection.execute(
        select(t.applied.c.document_id, t.applied.c.sha256, t.applied.c.has_effect).where(
            t.applied.c.origin == peer,
            among(connection, t.applied.c.document_id, {one.document_id for one in documents}),
        )
    )
    return {row.document_id: (row.sha256, bool(row.has_effect)) for row in rows}


def _judged(node: Node, row: Any, one: Document, known: Known, held: dict[Key, str]) -> Verdict:
    """Return what becomes of a document, and note it among what is known or held.

    The rules stand in the order in which they count: taken before, number used twice, an earlier one held, something
    missing, older than what is held, a version between missing; else it is applied.
    """
    found = _rule(node, row, one, known, held)
    if found.state in OPEN:
        held.setdefault(one.aggregate, one.document_id)
    elif found.has_effect:
        _note_effect(known, one)
    return found


def _note_effect(known: Known, one: Document) -> None:
    known.marks[one.document_id] = (one.sha256, True)
    known.versions[one.aggregate] = one.version


def _rules() -> tuple[_Rule, ...]:
    """Return the rules in the order in which they count."""
    return _is_unfit, _waits, _is_out_of_order


def _rule(node: Node, row: Any, one: Document, known: Known, held: Mapping[Key, str]) -> Verdict:
    """Return what becomes of a document by the first rule that it meets."""
    for rule in _rules():
        found = (
            rule(node, one, known, held)
            if row.state != "QUARANTINED" or row.code in _SOFTWARE
            else (row.state, row.code, row.reason, "")
        )
        if found is not None:
            state, code, reason, blocked_by = found
            return Verdict(row, one, state, code, reason, blocked_by)
    return Verdict(row, one, "APPLIED", has_effect=True)


_Found = tuple[str, str, str, str] | None
"""State, code, reason and blocker of a document that meets a rule; None when it does not."""
_Rule = Callable[[Node, Document, Known, Mapping[Key, str]], _Found]


def _is_unfit(node: Node, one: Document, known: Known, _: Mapping[Key, str]) -> _Found:
    mark = known.marks.get(one.document_id)
    kind = node.catalogue.get(one.doc_type)
    if mark is not None:
        return _again(one, *mark)
    if kind is None:
        return "QUARANTINED", "UNKNOWN_TYPE", f"{one.doc_type} is no type that is known here", ""
    if kind.owner == node.kind:
        return "QUARANTINED", "NOT_OWNER", f"{one.doc_type} is written here, not at the sender", ""
    if one.aggregate in known.others:
        return "QUARANTINED", "OTHER_OWNER", f"it belongs to {known.others[one.aggregate]}", ""
    odd = [doc_type for doc_type, key in one.deps if "\0" in key]
    if odd:
        return "QUARANTINED", "INVALID", f"the name of the {odd[0]} that it needs holds the character NUL", ""
    return None


def _again(one: Document, sha256: str, had_effect: bool) -> _Found:
    """Return what becomes of a document whose id came before."""
    if sha256 != one.sha256:
        return "QUARANTINED", "FORK", "its number was used for another document before", ""
    if had_effect:
        return "APPLIED", "", "", ""
    return "SKIPPED", "", "it was left out when it came before", ""


def _waits(_: Node, one: Document, known: Known, held: Mapping[Key, str]) -> _Found:
    for key in (one.aggregate, *one.deps):
        if key in held:
            return "BLOCKED", "HELD", f"{' '.join(key)} is held", held[key]
    for key in one.deps:
        if key not in known.versions and key not in known.own and key not in known.removed:
            return "BLOCKED", "MISSING", f"unknown {' '.join(key)}", " ".join(key)
    return None


def _is_out_of_order(node: Node, one: Document, known: Known, _: Mapping[Key, str]) -> _Found:
    have = known.versions.get(one.aggregate, 0)
    if one.version <= have and node.catalogue.known(one.doc_type).is_snapshot:
        return "QUARANTINED", "FORK", f"version {have} of it was applied before", ""
    if one.version <= have:
        return "SUPERSEDED", "", f"version {have} is newer", ""
    if known.before[one.document_id] > have:
        return "BLOCKED", "GAP", f"version {known.before[one.document_id]} of it was not received", ""
    return None


def _runs(node: Node, documents: Iterable[Document]) -> Iterable[tuple[DocType, list[Document]]]:
    """Yield documents in their order, those of one type that follow each other together."""
    for name, run in groupby(documents, key=attrgetter("doc_type")):
        yield node.catalogue.known(name), list(run)


def _settle(connection: Connection, peer: str, verdicts: Sequence[Verdict]) -> None:
    at = moment()
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for one in verdicts:
        if (one.state, one.code, one.blocked_by) != _before(one.row):
            said = (one.state, one.code, one.reason, one.blocked_by)
            alike[one.row.epoch, one.row.seq, said].append(one.row.idx)
    for (epoch, seq, (state, code, reason, blocked_by)), places in alike.items():
        connection.execute(
            update(t.inbox)
            .where(
                t.inbox.c.peer == peer,
                t.inbox.c.epoch == epoch,
                t.inbox.c.seq == seq,
                among(connection, t.inbox.c.idx, places),
            )
            .values(
                state=state,
                code=code,
                reason=reason,
                blocked_by=blocked_by,
                settled_at="" if state in OPEN else at,
            )
        )
    done = [one.document for one in verdicts if one.has_effect]
    if done:
        mark(connection, peer, done, at)
        see(connection, peer, done)


def mark(
    connection: Connection,
    peer: str,
    documents: Sequence[Document],
    at: str,
    *,
    places: Sequence[Place] | None = None,
    has_effect: bool = True,
) -> None:
    """Mark documents as had, for good; those that were left out add nothing to the totals of their day.

    ``places`` says where each came that never lay in the inbox; None for those that have a row there.
    """
    if not documents:
        return
    number = len(documents)
    (ids, _, kinds, _, ops, keys, versions, days, _, figures, shas), _ = in_columns(documents)
    quantity, net, tax, tender = zip(*figures, strict=True)
    epochs, seqs, places_in = zip(*(places or [_IN_INBOX] * number), strict=True)
    insert_columns(
        connection,
        t.applied,
        {
            "origin": [peer] * number,
            "document_id": ids,
            "sha256": shas,
            "applied_at": [at] * number,
            "doc_type": kinds,
            "key": keys,
            "business_date": days,
            "quantity": quantity,
            "net": net,
            "tax": tax,
            "tender": tender,
            "has_effect": [int(has_effect)] * number,
            "version": versions,
            "op": ops,
            "epoch": epochs,
            "seq": seqs,
            "idx": places_in,
        },
    )


def _before(row: Any) -> tuple[str, str, str]:
    return row.state, row.code, row.blocked_by


def see(connection: Connection, peer: str, documents: Sequence[Document]) -> None:
    """Note the newest versions of objects of a sender."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for one in documents:
        wanted[one.doc_type].add(one.key)
    there: set[Key] = set()
    for doc_type, keys in wanted.items():
        rows = connection.execute(
            select(t.seen.c.key).where(
                t.seen.c.doc_type == doc_type, among(connection, t.seen.c.key, keys), t.seen.c.origin == peer
            )
        )
        there |= {(doc_type, key) for key in rows.scalars()}
    _note_versions(connection, peer, documents, there)


def _note_versions(connection: Connection, peer: str, documents: Iterable[Document], there: Set[Key]) -> None:
    """Write the newest versions of objects of a sender; those in ``there`` have a row already."""
    newest = {one.aggregate: one for one in documents}
    new = [one for key, one in newest.items() if key not in there]
    insert_columns(
        connection,
        t.seen,
        {
            "origin": [peer] * len(new),
            "doc_type": [one.doc_type for one in new],
            "key": [one.key for one in new],
            "version": [one.version for one in new],
            "op": [one.op for one in new],
        },
    )
    for one in newest.values():
        if one.aggregate in there:
            connection.execute(
                update(t.seen)
                .where(t.seen.c.origin == peer, t.seen.c.doc_type == one.doc_type, t.seen.c.key == one.key)
                .values(version=one.version, op=one.op)
            )
