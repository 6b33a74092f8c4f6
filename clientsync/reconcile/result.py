"""What a reconciliation answers: rows that say why, exceptions for people, and the history of exceptions.

A row stands for every thing that was compared, also when nothing is wrong; an exception is a row that a person
must look at. Invariant: the same inputs give the same tuples in the same order, whatever order they came in.
Texts hold no TAN and no PAN. A value that is an ``int`` is an amount in paise, anything else is text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from clientsync.money import rupees

Value = int | str | None
"""An amount in paise, a text, or nothing on that side."""


class Severity(StrEnum):
    """How much a row asks of a person; only warnings and errors become exceptions."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def is_exception(self) -> bool:
        """Whether a row of this severity becomes an exception."""
        return self in (Severity.WARNING, Severity.ERROR)


class State(StrEnum):
    """What a whole reconciliation says for one client."""

    CLEAN = "clean"
    EXCEPTIONS = "exceptions"
    INCOMPLETE = "incomplete"


class Status(StrEnum):
    """Where an exception stands in its history."""

    OPEN = "open"
    CLOSED = "closed"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class ReconRow:
    """One comparison and its outcome.

    Attributes:
        recon: which reconciliation, ``R1`` to ``R14``.
        status: the bucket this thing fell into; also the code of its exception.
        severity: how much it asks of a person.
        client_id: whose row it is.
        key: what was compared, without TAN and PAN; stable from run to run.
        left: what was expected.
        right: what was found.
        difference_paise: found less expected, or the amount at stake; None when it is no matter of money.
        why: one sentence.
        action: the next step of a person; empty when there is none.
        evidence: the rows it rests on, as ``source:row id``.
        bucket: an age bucket, when the reconciliation has them.
        suggestions: rows that a person may consider, as ``source:row id``; nothing is ever done with them.
        is_absence: whether it concludes from something that was not there.
    """

    recon: str
    status: str
    severity: Severity
    client_id: str
    key: tuple[str, ...]
    left: Value
    right: Value
    difference_paise: int | None
    why: str
    action: str
    evidence: tuple[str, ...] = ()
    bucket: str = ""
    suggestions: tuple[str, ...] = ()
    is_absence: bool = False


@dataclass(frozen=True, slots=True)
class ReconException:
    """A finding that a person must look at; (client_id, recon, code, key) is its identity from run to run.

    Attributes:
        code: stable name, see ``docs/tds-reconciliations.md``.
        severity: warning or error.
        client_id: whose finding it is.
        key: what it is about, without TAN and PAN.
        expected: what should have been found.
        actual: what was found.
        difference_paise: found less expected, or the amount at stake; None when it is no matter of money.
        why: one sentence.
        action: the next step.
        evidence: the rows it rests on, as ``source:row id``.
        recon: which reconciliation found it.
    """

    code: str
    severity: Severity
    client_id: str
    key: tuple[str, ...]
    expected: Value
    actual: Value
    difference_paise: int | None
    why: str
    action: str
    evidence: tuple[str, ...]
    recon: str

    @property
    def identity(self) -> tuple[str, str, str, tuple[str, ...]]:
        """What makes it the same finding in the next run."""
        return (self.client_id, self.recon, self.code, self.key)


@dataclass(frozen=True, slots=True)
class Tracked:
    """An exception with its history.

    Attributes:
        exception: the finding as it was last seen.
        first_seen: the day it was first found.
        last_seen: the last day it was found.
        status: open, closed (no longer found) or reopened (found again after it was closed).
    """

    exception: ReconException
    first_seen: date
    last_seen: date
    status: Status


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One reconciliation of one client.

    Attributes:
        recon: ``R1`` to ``R14``.
        client_id: whose.
        state: clean, exceptions or incomplete.
        rows: everything that was compared, sorted.
        exceptions: what a person must look at, sorted. When the data is incomplete, findings that conclude from
            absence are withheld here (their rows stay), because what is absent may only not have been read.
        missing: the modules and inputs that are not complete; empty unless the state is incomplete.
    """

    recon: str
    client_id: str
    state: State
    rows: tuple[ReconRow, ...]
    exceptions: tuple[ReconException, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What all reconciliations say of one client on one day; ``reconciliations`` starts with the one on coverage."""

    client_id: str
    as_of: date
    reconciliations: tuple[Reconciliation, ...]

    @property
    def exceptions(self) -> tuple[ReconException, ...]:
        """Everything that a person must look at, by reconciliation."""
        return tuple(one for recon in self.reconciliations for one in recon.exceptions)

    @property
    def incomplete(self) -> frozenset[tuple[str, str]]:
        """The (client_id, recon) that are incomplete, as ``merge_history`` wants them."""
        return frozenset(
            (one.client_id, one.recon) for one in self.reconciliations if one.state is State.INCOMPLETE
        )

    @property
    def state(self) -> State:
        """The state of the whole: incomplete as soon as one reconciliation is."""
        states = {one.state for one in self.reconciliations}
        order = (State.INCOMPLETE, State.EXCEPTIONS)
        return next((state for state in order if state in states), State.CLEAN)


def ordered(rows: Iterable[ReconRow]) -> tuple[ReconRow, ...]:
    """Return the rows in the one order that does not depend on the order of the inputs."""
    return tuple(sorted(rows, key=lambda row: (row.client_id, row.recon, row.key, row.status, row.evidence)))


def exceptions_of(rows: Iterable[ReconRow], *, is_incomplete: bool = False) -> tuple[ReconException, ...]:
    """Return the rows that a person must look at, sorted, each with an identity of its own.

    Two findings that would carry the same identity are told apart by ``#2``, ``#3`` at the end of the key.
    With ``is_incomplete`` findings that conclude from absence are withheld.
    """
    found: list[ReconException] = []
    seen: dict[tuple[str, str, str, tuple[str, ...]], int] = {}
    for row in ordered(rows):
        if not row.severity.is_exception or (is_incomplete and row.is_absence):
            continue
        one = ReconException(
            row.status,
            row.severity,
            row.client_id,
            row.key,
            row.left,
            row.right,
            row.difference_paise,
            row.why,
            row.action,
            row.evidence,
            row.recon,
        )
        seen[one.identity] = count = seen.get(one.identity, 0) + 1
        found.append(one if count == 1 else replace(one, key=(*one.key, f"#{count}")))
    return tuple(found)


def conclude(
    recon: str, client_id: str, rows: Iterable[ReconRow], missing: Collection[str]
) -> Reconciliation:
    """Close one reconciliation of one client: never clean while ``missing`` names anything."""
    own = ordered(rows)
    exceptions = exceptions_of(own, is_incomplete=bool(missing))
    found = State.EXCEPTIONS if exceptions else State.CLEAN
    state = State.INCOMPLETE if missing else found
    return Reconciliation(recon, client_id, state, own, exceptions, tuple(sorted(missing)))


def merge_history(
    previous: Iterable[Tracked],
    current: Iterable[ReconException],
    as_of: date,
    incomplete: Collection[tuple[str, str]] = (),
) -> tuple[Tracked, ...]:
    """Carry the history of exceptions over one run; running it again with the same arguments changes nothing.

    Args:
        previous: the history so far, of the clients that were reconciled in this run only.
        current: what this run found.
        as_of: the day of this run.
        incomplete: (client_id, recon) that were incomplete in this run: what they no longer show stays as it was,
            because nothing can be concluded from its absence.

    Returns:
        Everything that was ever found, sorted. What is no longer found is closed, never deleted; what is found
        again after it was closed is reopened and keeps the day it was first seen.
    """
    known = {one.exception.identity: one for one in previous}
    found = {one.identity: one for one in current}
    unsure = frozenset(incomplete)
    history: dict[tuple[str, str, str, tuple[str, ...]], Tracked] = {}
    for identity, exception in found.items():
        before = known.get(identity)
        if before is None:
            history[identity] = Tracked(exception, as_of, as_of, Status.OPEN)
            continue
        status = Status.REOPENED if before.status is Status.CLOSED else before.status
        history[identity] = Tracked(exception, before.first_seen, max(as_of, before.last_seen), status)
    for identity, before in known.items():
        if identity in found:
            continue
        is_unsure = (before.exception.client_id, before.exception.recon) in unsure
        history[identity] = before if is_unsure else replace(before, status=Status.CLOSED)
    return tuple(history[identity] for identity in sorted(history))


def inr(amount_paise: int) -> str:
    """Return an amount as people read it, for example ``Rs 1,234.50``."""
    return f"Rs {rupees(amount_paise):,}"
