"""Documents handed to one worker each, and what became of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from clientsync.commerce import reasons
from clientsync.commerce.documents import STOCK_TYPES, Booked, Document, Key, State
from clientsync.commerce.reasons import NONE, Reason
from clientsync.commerce.store import AGE, ATTEMPTS, DOCS, NEEDS, age_of, set_state
from clientsync.commerce.systems import Call
from clientsync.commerce.taking_in import follow_withdrawn, state_after_change, try_belonging_again
from clientsync.commerce.timing import SyncMode
from clientsync.commerce.verdicts import PUT_OFF, rejudge
from clientsync.database import among

_NEVER_TRIED = and_(DOCS.c.state == State.READY, DOCS.c.attempts == 0, ~DOCS.c.is_withdrawn)


def wake_due(connection: Connection, name: str, mode: SyncMode, at: datetime) -> None:
    """Judge anew what was scheduled for a moment that has come."""
    due = connection.execute(
        select(DOCS.c.doc_id).where(
            DOCS.c.connection == name, DOCS.c.state == State.WAITING, DOCS.c.eligible_at <= at
        )
    ).scalars()
    rejudge(connection, name, set(due), mode, at)


def end_leases(connection: Connection, name: str, mode: SyncMode, at: datetime) -> set[int]:
    """Let documents whose sender has gone silent be unknown: they are looked up before anything is sent again."""
    lost = connection.execute(
        select(DOCS.c.doc_id, DOCS.c.attempts).where(
            DOCS.c.connection == name, DOCS.c.state == State.SENDING, DOCS.c.lease_until < at
        )
    ).all()
    ids = {row.doc_id for row in lost}
    set_state(
        connection,
        ids,
        State.UNKNOWN,
        reasons.outcome_unknown("The program ended before the answer was kept."),
        at,
        lease="",
        lease_until=None,
    )
    for row in lost:
        connection.execute(
            update(ATTEMPTS)
            .where(ATTEMPTS.c.doc_id == row.doc_id, ATTEMPTS.c.number == row.attempts)
            .values(outcome="lost", ended_at=at, reason="The program ended before the answer was kept.")
        )
    if ids:
        rejudge(connection, name, ids, mode, at)
    return ids


@dataclass(frozen=True)
class Claim:
    """A document that this worker may send now.

    Attributes:
        must_look_up: something may have been sent before; the target is asked first.
        is_withdrawn: the source took it back: when nothing is found, nothing is sent.
    """

    document: Document
    must_look_up: bool
    direction: str
    is_withdrawn: bool


def claim(
    connection: Connection,
    name: str,
    holder: str,
    limit: int,
    at: datetime,
    until: datetime,
    directions: Sequence[str],
    batched: Collection[str] = (),
) -> list[Claim]:
    """Claim documents, the earliest first, for a time; another worker does not get them.

    Of the stock documents of one lane only one is sent at a time, so they arrive in their order. Of the types in
    ``batched`` those that were never tried are left for the next batch.
    """
    if limit < 1 or not directions:
        return []
    busy = set(
        connection.execute(
            select(DOCS.c.lane).where(
                DOCS.c.connection == name, DOCS.c.state == State.SENDING, DOCS.c.type.in_(STOCK_TYPES)
            )
        ).scalars()
    )
    put_off = _put_off(connection, name, at)
    chosen: list[Any] = []
    while len(chosen) < limit:
        rows = connection.execute(
            select(DOCS)
            .where(
                _is_due(name, at, directions),
                DOCS.c.state.in_([State.READY, State.UNKNOWN]),
                or_(DOCS.c.type.not_in(batched), ~_NEVER_TRIED),
                or_(DOCS.c.type.not_in(STOCK_TYPES), ~among(connection, DOCS.c.lane, busy)),
                ~among(connection, DOCS.c.doc_id, [row.doc_id for row in chosen]),
            )
            .order_by(*AGE)
            .limit(4 * limit)
            .with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            if row.type in STOCK_TYPES:
                if row.lane in busy:
                    continue
                busy.add(row.lane)
                if row.lane in put_off and age_of(row) > put_off[row.lane]:
                    continue
            chosen.append(row)
            if len(chosen) == limit:
                break
        if len(rows) < 4 * limit:
            break
    return _taken(connection, chosen, holder, at, until)


def claim_batch(
    connection: Connection,
    name: str,
    holder: str,
    type_name: str,
    limit: int,
    at: datetime,
    until: datetime,
    directions: Sequence[str],
    least: int = 1,
) -> list[Claim]:
    """Claim documents of a type that were never tried, the earliest first; none when there are fewer than ``least``.

    The type must not be one that moves stock: its documents would not be sent one after another.
    """
    rows = connection.execute(
        select(DOCS)
        .where(_is_due(name, at, directions), DOCS.c.type == type_name, _NEVER_TRIED)
        .order_by(*AGE)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    return _taken(connection, rows, holder, at, until) if len(rows) >= least else []


def _is_due(name: str, at: datetime, directions: Sequence[str]) -> ColumnElement[bool]:
    return and_(
        DOCS.c.connection == name,
        DOCS.c.direction.in_(directions),
        or_(DOCS.c.eligible_at.is_(None), DOCS.c.eligible_at <= at),
    )


def _taken(
    connection: Connection, chosen: Sequence[Any], holder: str, at: datetime, until: datetime
) -> list[Claim]:
    """Let rows belong to a worker, and begin a try of each."""
    if not chosen:
        return []
    ids = [row.doc_id for row in chosen]
    connection.execute(
        update(DOCS)
        .where(among(connection, DOCS.c.doc_id, ids))
        .values(
            state=State.SENDING, attempts=DOCS.c.attempts + 1, lease=holder, lease_until=until, changed_at=at
        )
    )
    connection.execute(
        insert(ATTEMPTS),
        [
            {
                "doc_id": row.doc_id,
                "number": row.attempts + 1,
                "kind": "look_up" if _must_look_up(row) else "send",
                "started_at": at,
                "outcome": "",
                "reason": "",
                "calls": [],
            }
            for row in chosen
        ],
    )
    needs = _booked_needs(connection, ids)
    return [
        Claim(_document(row, needs.get(row.doc_id, {})), _must_look_up(row), row.direction, row.is_withdrawn)
        for row in chosen
    ]


def _put_off(connection: Connection, name: str, at: datetime) -> dict[str, tuple[Any, ...]]:
    """Return by lane the earliest stock document that is tried again later; none passes it."""
    found: dict[str, tuple[Any, ...]] = {}
    for row in connection.execute(
        select(DOCS.c.lane, *AGE).where(
            DOCS.c.connection == name,
            or_(
                DOCS.c.state == State.UNKNOWN,
                and_(DOCS.c.state == State.WAITING, DOCS.c.reason_code.in_(PUT_OFF)),
            ),
            DOCS.c.type.in_(STOCK_TYPES),
            DOCS.c.eligible_at > at,
        )
    ):
        found[row.lane] = min(found.get(row.lane, age_of(row)), age_of(row))
    return found


def _must_look_up(row: Any) -> bool:
    return bool(row.attempts > 0 or row.state == State.UNKNOWN)


def _document(row: Any, needs: Mapping[Key, Booked]) -> Document:
    booked = Booked(row.target_id, row.target_number, row.target_total) if row.target_id else None
    return Document(
        row.doc_id, row.type, row.source_id, row.number, row.occurred_at, row.payload, row.lane, row.revision,
        row.attempts, booked, needs,
    )  # fmt: skip


def _booked_needs(connection: Connection, ids: Collection[int]) -> dict[int, dict[Key, Booked]]:
    found: dict[int, dict[Key, Booked]] = {}
    for row in connection.execute(
        select(
            NEEDS.c.doc_id, DOCS.c.type, DOCS.c.source_id, DOCS.c.target_id, DOCS.c.target_number,
            DOCS.c.target_total,
        )
        .join(DOCS, DOCS.c.doc_id == NEEDS.c.need_id)
        .where(among(connection, NEEDS.c.doc_id, ids))
    ):  # fmt: skip
        found.setdefault(row.doc_id, {})[Key(row.type, row.source_id)] = Booked(
            row.target_id, row.target_number, row.target_total
        )
    return found


Kind = Literal["success", "failed", "unknown", "retry", "auth", "gone"]


@dataclass(frozen=True)
class Outcome:
    """What became of a claim.

    Attributes:
        kind: success, failed, unknown (it may be booked), retry (nothing was sent), auth, gone (the source withdrew it
            and the target has nothing).
        booked: of a success; of a failure what is booked with another total.
        reason: of anything else.
        again_at: of unknown and retry.
        inputs: mappings that were asked for: kind, key, what was found, and "needed" when it is missed.
        calls: what was said.
    """

    kind: Kind
    booked: Booked | None = None
    reason: Reason = NONE
    again_at: datetime | None = None
    inputs: Sequence[tuple[str, str, str, str]] = ()
    calls: Sequence[Call] = field(default=(), repr=False)


_STATES = {
    "success": State.SUCCESS,
    "failed": State.FAILED,
    "unknown": State.UNKNOWN,
    "retry": State.READY,
    "auth": State.READY,
    "gone": State.SUPERSEDED,
}


def settle(
    connection: Connection,
    name: str,
    done: Sequence[tuple[Claim, Outcome]],
    holder: str,
    mode: SyncMode,
    at: datetime,
) -> int:
    """Keep what became of claims, and judge what waited for them; return how many were still this worker's.

    A claim whose lease ended meanwhile is left alone: it is being looked up by whoever has it now.
    """
    ids = [claim.document.doc_id for claim, _ in done]
    rows = {
        row.doc_id: row
        for row in connection.execute(
            select(DOCS.c.doc_id, DOCS.c.revision, DOCS.c.attempts).where(
                among(connection, DOCS.c.doc_id, ids), DOCS.c.lease == holder, DOCS.c.state == State.SENDING
            )
        )
    }
    ours = [
        (claim, outcome)
        for claim, outcome in done
        if claim.document.doc_id in rows
        and rows[claim.document.doc_id].attempts == claim.document.attempts + 1
    ]
    for claim, outcome in ours:
        document = claim.document
        is_changed = rows[document.doc_id].revision != document.revision
        connection.execute(
            update(DOCS)
            .where(DOCS.c.doc_id == document.doc_id)
            .values(lease="", lease_until=None, changed_at=at, **_after(claim, outcome, is_changed, at))
        )
        connection.execute(
            update(ATTEMPTS)
            .where(ATTEMPTS.c.doc_id == document.doc_id, ATTEMPTS.c.number == document.attempts + 1)
            .values(
                ended_at=at,
                outcome=outcome.kind,
                reason=outcome.reason.text,
                calls=[vars(one) for one in outcome.calls],
            )
        )
    settled = {claim.document.doc_id for claim, _ in ours}
    settled |= _look_up_payments(connection, ours, at)
    gone = {claim.document.doc_id for claim, outcome in ours if outcome.kind == "gone"}
    rejudge(connection, name, settled | (follow_withdrawn(connection, gone, at) if gone else set()), mode, at)
    return len(ours)


def _look_up_payments(
    connection: Connection, ours: Sequence[tuple[Claim, Outcome]], at: datetime
) -> set[int]:
    """Let payments be looked up whose sale was booked anew, because then they were, too; return them."""
    anew = {
        claim.document.doc_id
        for claim, outcome in ours
        if outcome.kind == "success"
        and outcome.booked is not None
        and claim.document.booked is not None
        and outcome.booked.target_id != claim.document.booked.target_id
    }
    return try_belonging_again(connection, anew, State.SUCCESS, at, types=("payment",))


def _after(claim: Claim, outcome: Outcome, is_changed: bool, at: datetime) -> dict[str, Any]:
    """Return the columns of a document after a claim; one that the source changed meanwhile goes once more."""
    values: dict[str, Any] = {
        "state": _STATES[outcome.kind],
        "reason_code": outcome.reason.code,
        "reason": outcome.reason.text,
        "blocker_id": None,
        "root_id": None,
    }
    if outcome.again_at is not None:
        values["eligible_at"] = outcome.again_at
    if outcome.kind == "failed":
        values["inputs"] = [list(one) for one in outcome.inputs]
        if is_changed:
            values |= state_after_change(claim.document.type, State.FAILED, 1)
    if outcome.booked is not None:
        values |= {
            "target_id": outcome.booked.target_id,
            "target_number": outcome.booked.number,
            "target_total": outcome.booked.total,
            "booked_at": at,
        }
    if outcome.kind == "success":
        values["inputs"] = []
        if is_changed:
            values |= state_after_change(claim.document.type, State.SUCCESS, 1)
    return values
