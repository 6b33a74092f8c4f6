"""Documents of the ledger judged: which may be sent, and what each of the others waits for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from clientsync.commerce import reasons
from clientsync.commerce.counting import counts_after, open_counts, waited_for
from clientsync.commerce.documents import COUNTING_TYPES, DONE, SELLING_TYPES, STOCK_TYPES, State, title_of
from clientsync.commerce.judging import JUDGED, Standing, Verdict, judge
from clientsync.commerce.reasons import Reason
from clientsync.commerce.store import DOCS, NEEDS, age_of
from clientsync.commerce.timing import SyncMode
from clientsync.database import among

PUT_OFF = ("throttled", "not_reached")
"""Reasons of a document that may be sent and is tried again later."""
_STANDING = (
    DOCS.c.doc_id, DOCS.c.type, DOCS.c.type_rank, DOCS.c.source_id, DOCS.c.number, DOCS.c.occurred_at, DOCS.c.state,
    DOCS.c.reason_code, DOCS.c.reason, DOCS.c.blocker_id, DOCS.c.root_id, DOCS.c.eligible_at, DOCS.c.lane,
)  # fmt: skip


def rejudge(
    connection: Connection, name: str, ids: Collection[int] | None, mode: SyncMode, at: datetime
) -> int:
    """Judge documents and all that wait for them; return for how many something changed.

    Args:
        connection: of a transaction.
        name: of the connection.
        ids: those whose own state or needs changed; None: every document that is not done.
        mode: of the connection, for what is scheduled.
        at: the moment.
    """
    rows = _to_judge(connection, name, ids)
    if not rows:
        return 0
    edges = _edges(connection, name, rows)
    around = _undone(connection, {need for needs in edges.values() for need in needs} - rows.keys())
    roots = {row.root_id for row in around.values() if row.root_id is not None}
    around |= _undone(connection, roots - rows.keys() - around.keys())
    known = {doc_id: _standing(row, tuple(edges.get(doc_id, ())), mode) for doc_id, row in rows.items()}
    known |= {doc_id: _standing(row, (), mode) for doc_id, row in around.items()}
    return _write_verdicts(connection, judge(known, at, rows.keys()), rows, at)


def _undone(connection: Connection, ids: Collection[int]) -> dict[int, Any]:
    rows = connection.execute(select(*_STANDING).where(among(connection, DOCS.c.doc_id, ids)))
    return {row.doc_id: row for row in rows if row.state not in DONE}


def _to_judge(connection: Connection, name: str, ids: Collection[int] | None) -> dict[int, Any]:
    """Return the documents to judge, with all that wait for them, however far away."""
    if ids is None:
        statement = select(*_STANDING).where(DOCS.c.connection == name, DOCS.c.state.in_(JUDGED))
        return {row.doc_id: row for row in connection.execute(statement)}
    found: dict[int, Any] = {}
    new = set(ids)
    seen: set[int] = set()
    while new:
        seen |= new
        rows = connection.execute(select(*_STANDING).where(among(connection, DOCS.c.doc_id, new))).all()
        found.update((row.doc_id, row) for row in rows if row.state in JUDGED)
        moving = [row.doc_id for row in rows if row.type in STOCK_TYPES]
        waiting = set(
            connection.execute(
                select(NEEDS.c.doc_id)
                .join(DOCS, DOCS.c.doc_id == NEEDS.c.doc_id)
                .where(among(connection, NEEDS.c.need_id, new), DOCS.c.state.in_(JUDGED))
            ).scalars()
        )
        if moving:
            waiting |= counts_after(connection, name, moving)
        if lanes := {row.lane for row in rows if row.type in SELLING_TYPES}:
            waiting |= open_counts(connection, name, lanes)
        new = waiting - seen
    return found


def _edges(connection: Connection, name: str, rows: Mapping[int, Any]) -> dict[int, list[int]]:
    edges: dict[int, list[int]] = {}
    for row in connection.execute(select(NEEDS).where(among(connection, NEEDS.c.doc_id, rows.keys()))):
        edges.setdefault(row.doc_id, []).append(row.need_id)
    counts = [one for one, row in rows.items() if row.type in COUNTING_TYPES]
    if counts:
        for doc_id, need_id in waited_for(connection, name, counts, rows.keys()):
            edges.setdefault(doc_id, []).append(need_id)
    return edges


def _standing(row: Any, needs: tuple[int, ...], mode: SyncMode) -> Standing:
    state = State(row.state)
    own = Reason(row.reason_code, row.reason)
    if state in JUDGED and own.code not in PUT_OFF:
        own = _time_reason(row, mode)
    return Standing(
        row.doc_id,
        age_of(row),
        title_of(row.type, row.number),
        state,
        needs,
        own,
        row.eligible_at,
        row.root_id,
    )


def _time_reason(row: Any, mode: SyncMode) -> Reason:
    if row.eligible_at is None:
        return reasons.WAITING_SHIFT
    return reasons.waiting_time(f"{row.eligible_at.astimezone(mode.zone):%H:%M on %d %b}")


def _write_verdicts(
    connection: Connection, found: Mapping[int, Verdict], rows: Mapping[int, Any], at: datetime
) -> int:
    changed = []
    for doc_id, verdict in found.items():
        row = rows[doc_id]
        before = (row.state, row.reason_code, row.reason, row.blocker_id, row.root_id)
        after = (verdict.state.value, verdict.reason.code, verdict.reason.text, verdict.blocker, verdict.root)
        if before != after:
            names = ("to_state", "to_code", "to_reason", "to_blocker", "to_root")
            changed.append({"of": doc_id, "at": at, **dict(zip(names, after, strict=True))})
    if changed:
        connection.execute(
            update(DOCS)
            .where(DOCS.c.doc_id == bindparam("of"))
            .values(
                state=bindparam("to_state"),
                reason_code=bindparam("to_code"),
                reason=bindparam("to_reason"),
                blocker_id=bindparam("to_blocker"),
                root_id=bindparam("to_root"),
                changed_at=bindparam("at"),
            ),
            changed,
        )
    return len(changed)
