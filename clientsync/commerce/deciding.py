"""What a person decides about documents: send again, count as booked, take that back; modes and mappings.

Every decision is written down with who made it. None of them changes what is booked: a refresh looks a document up
before it is sent again, and one that is booked is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, or_, select

from clientsync.commerce import reasons, store
from clientsync.commerce.connected import Commerce
from clientsync.commerce.counting import waited_for
from clientsync.commerce.documents import DONE, State, title_of
from clientsync.commerce.judging import JUDGED
from clientsync.commerce.scheduling import time_anew
from clientsync.commerce.taking_in import BY_HAND, repaired
from clientsync.commerce.timing import SalesMode, SyncMode, hours_of
from clientsync.commerce.verdicts import PUT_OFF, rejudge
from clientsync.database import among, writing
from clientsync.errors import InvalidInput, UnknownName

KINDS = ("outlet", "payment", "item", "tax", "unit", "category", "charge", "customer", "warehouse")
"""Kinds of mappings that a person sets; ``warehouse`` leads back, from the accounting to an outlet of the shop."""
_AGAIN = frozenset({State.FAILED, State.UNKNOWN, State.EXPECTED, *JUDGED})


def refresh(of: Commerce, ids: Collection[int] | None, *, actor: str) -> int:
    """Let documents be tried again, with whatever they wait for; the earliest goes first, dependants by themselves.

    What was changed or deleted in its source after it was booked stays until it is waived.

    Args:
        of: the connection.
        ids: documents; None: all that are not done.
        actor: who wants it.

    Returns:
        How many documents that had failed, were unknown or had never come are tried or asked for again.

    Raises:
        InvalidInput: there is no such document.
    """
    at = of.now()
    with writing(of.engine) as connection:
        mode = of.switches(connection).mode
        wanted = _open_ids(connection, of.name) if ids is None else _with_ancestors(connection, of.name, ids)
        docs = store.DOCS
        _change(
            connection,
            _unreadable(connection, wanted),
            state=State.EXPECTED,
            payload_hash="",
            fetched_at=None,
            eligible_at=None,
        )
        rows = connection.execute(
            select(docs.c.doc_id, docs.c.state).where(
                among(connection, docs.c.doc_id, wanted),
                or_(docs.c.state != State.FAILED, docs.c.reason_code.not_in(BY_HAND)),
            )
        ).all()
        by_state = {state: [row.doc_id for row in rows if row.state == state] for state in _AGAIN}
        store.set_state(connection, by_state[State.FAILED], State.RECEIVED, reasons.NONE, at, eligible_at=at)
        _change(connection, by_state[State.UNKNOWN], eligible_at=at)
        _change(connection, by_state[State.READY], eligible_at=at, reason_code="", reason="")
        _change(
            connection,
            _put_off(connection, by_state[State.WAITING]),
            eligible_at=at,
            reason_code="",
            reason="",
        )
        _change(connection, by_state[State.EXPECTED], fetched_at=None, eligible_at=None, reason="")
        again = {one for state in (State.FAILED, State.UNKNOWN, State.EXPECTED) for one in by_state[state]}
        rejudge(connection, of.name, {row.doc_id for row in rows if row.state in _AGAIN}, mode, at)
        what = "all" if ids is None else f"{len(ids)} documents"
        store.note_choice(
            connection, of.name, at, actor, "refresh", f"{what}: {len(again)} tried again",
            next(iter(ids)) if ids is not None and len(ids) == 1 else None,
        )  # fmt: skip
        return len(again)


def _change(connection: Connection, ids: Collection[int], **values: object) -> None:
    if ids:
        docs = store.DOCS
        connection.execute(docs.update().where(among(connection, docs.c.doc_id, ids)).values(**values))


def _put_off(connection: Connection, ids: Collection[int]) -> list[int]:
    """Return documents that wait because the target asked for it or was not there, not for their hour."""
    docs = store.DOCS
    return list(
        connection.execute(
            select(docs.c.doc_id).where(
                among(connection, docs.c.doc_id, ids), docs.c.reason_code.in_(PUT_OFF)
            )
        ).scalars()
    )


def _unreadable(connection: Connection, ids: Collection[int]) -> list[int]:
    """Return documents that can only be tried again when their source gives them anew."""
    docs = store.DOCS
    return list(
        connection.execute(
            select(docs.c.doc_id).where(
                among(connection, docs.c.doc_id, ids),
                docs.c.state == State.FAILED,
                docs.c.reason_code == "unreadable",
            )
        ).scalars()
    )


def _open_ids(connection: Connection, name: str) -> set[int]:
    docs = store.DOCS
    return set(
        connection.execute(
            select(docs.c.doc_id).where(docs.c.connection == name, docs.c.state.in_(_AGAIN))
        ).scalars()
    )


def _with_ancestors(connection: Connection, name: str, ids: Collection[int]) -> set[int]:
    """Return documents and all that they need that is not done, however far away."""
    docs, needs = store.DOCS, store.NEEDS
    there = set(
        connection.execute(
            select(docs.c.doc_id).where(docs.c.connection == name, among(connection, docs.c.doc_id, ids))
        ).scalars()
    )
    if missing := sorted(set(ids) - there):
        raise InvalidInput(f"There is no document {missing[0]} in {name}.")
    found, new = set(there), there
    while new:
        above = connection.execute(
            select(needs.c.need_id)
            .join(docs, docs.c.doc_id == needs.c.need_id)
            .where(among(connection, needs.c.doc_id, new), docs.c.state.not_in(DONE))
        ).scalars()
        roots = connection.execute(
            select(docs.c.root_id).where(among(connection, docs.c.doc_id, new), docs.c.root_id.is_not(None))
        ).scalars()
        stock = {need for _, need in waited_for(connection, name, new)}
        new = (set(above) | set(roots) | stock) - found
        found |= new
    return found


def waive(of: Commerce, doc_id: int, *, actor: str, target_number: str = "") -> str:
    """Count a document as booked by hand, so what waits for it goes on; return its title.

    Args:
        of: the connection.
        doc_id: of the document.
        actor: who says so.
        target_number: under which it was booked; a transfer-in names it as its transfer-out.

    Raises:
        InvalidInput: there is none, it is booked, or it is being sent at this moment.
    """
    at = of.now()
    with writing(of.engine) as connection:
        mode = of.switches(connection).mode
        row = _row(connection, of.name, doc_id)
        title = title_of(row.type, row.number)
        if row.state in DONE:
            raise InvalidInput(f"{title} is done already.")
        if row.state == State.SENDING:
            raise InvalidInput(f"{title} is being sent; look again in a moment.")
        more = {"target_number": target_number} if target_number else {}
        store.set_state(connection, [doc_id], State.WAIVED, reasons.NONE, at, **more)
        store.note_choice(connection, of.name, at, actor, "waive", target_number, doc_id)
        rejudge(connection, of.name, {doc_id}, mode, at)
        return title


def take_back(of: Commerce, doc_id: int, *, actor: str) -> str:
    """Take a waiver back: the document is looked up and sent as any other; return its title.

    Raises:
        InvalidInput: there is no such document, or it was not waived.
    """
    at = of.now()
    with writing(of.engine) as connection:
        mode = of.switches(connection).mode
        row = _row(connection, of.name, doc_id)
        if row.state != State.WAIVED:
            raise InvalidInput(f"{title_of(row.type, row.number)} was not waived.")
        state = State.RECEIVED if row.payload_hash else State.EXPECTED
        # it may have been booked by hand, so it is looked up before it is sent
        store.set_state(
            connection, [doc_id], state, reasons.NONE, at, attempts=max(row.attempts, 1), target_number=""
        )
        store.note_choice(connection, of.name, at, actor, "take back", "", doc_id)
        rejudge(connection, of.name, {doc_id}, mode, at)
        return title_of(row.type, row.number)


def _row(connection: Connection, name: str, doc_id: int) -> store.Row:
    row = store.doc(connection, doc_id)
    if row is None or row.connection != name:
        raise InvalidInput(f"There is no document {doc_id} in {name}.")
    return row


@dataclass(frozen=True)
class ModeChange:
    """What is to be set; None leaves it as it is."""

    sales: str | None = None
    sales_at: Iterable[str] | None = None
    transfers_scheduled: bool | None = None
    transfers_at: Iterable[str] | None = None
    uses_customer_ids: bool | None = None


def change_mode(of: Commerce, change: ModeChange, *, actor: str) -> tuple[SyncMode, int]:
    """Change when what is sent; return the mode, and for how many waiting documents the moment changed.

    Raises:
        InvalidInput: no such mode, an hour that is none, or a schedule without hours.
    """
    at = of.now()
    with writing(of.engine) as connection:
        found = of.switches(connection)
        old = found.mode
        mode = SyncMode(
            sales=old.sales
            if change.sales is None
            else cast(SalesMode, change.sales),  # refused there when it is none
            sales_at=old.sales_at if change.sales_at is None else hours_of(change.sales_at),
            transfers_scheduled=(
                old.transfers_scheduled if change.transfers_scheduled is None else change.transfers_scheduled
            ),
            transfers_at=old.transfers_at if change.transfers_at is None else hours_of(change.transfers_at),
            zone=old.zone,
        )
        uses_ids = found.uses_customer_ids if change.uses_customer_ids is None else change.uses_customer_ids
        store.change_connection(
            connection,
            of.name,
            sales=mode.sales,
            sales_at=_hours(mode.sales_at),
            transfers_scheduled=mode.transfers_scheduled,
            transfers_at=_hours(mode.transfers_at),
            uses_customer_ids=uses_ids,
        )
        changed = time_anew(connection, of.name, mode, at)
        rejudge(connection, of.name, None, mode, at)
        store.note_choice(connection, of.name, at, actor, "mode", describe(mode, uses_ids))
        return mode, len(changed)


def _hours(hours: Iterable[object]) -> str:
    return ",".join(f"{one:%H:%M}" for one in hours)


def describe(mode: SyncMode, uses_customer_ids: bool) -> str:
    """Return the switches of a connection as one line for people."""
    sales = {"real_time": "in real time", "shift_close": "when the register shift is closed"}.get(
        mode.sales, f"at {_hours(mode.sales_at).replace(',', ', ')}"
    )
    transfers = (
        f"at {_hours(mode.transfers_at).replace(',', ', ')}" if mode.transfers_scheduled else "in real time"
    )
    ids = "ids of customers are used" if uses_customer_ids else "the accounting numbers customers"
    return f"sales {sales}; transfers and stock counts {transfers}; {ids}"


def set_mappings(of: Commerce, values: Mapping[tuple[str, str], str], *, actor: str) -> int:
    """Set mappings; documents that failed for want of one are tried again. Returns how many those are.

    Args:
        of: the connection.
        values: (kind, key of the shop) to key of the accounting; an empty one removes the mapping.
        actor: who sets them.

    Raises:
        UnknownName: a kind that does not exist.
    """
    for kind, _ in values:
        if kind not in KINDS:
            raise UnknownName("kind of mapping", kind, KINDS)
    at = of.now()
    with writing(of.engine) as connection:
        mode = of.switches(connection).mode
        store.put_maps(connection, of.name, values, at)
        for (kind, key), value in values.items():
            store.note_choice(connection, of.name, at, actor, "map", f"{kind} {key} = {value or 'none'}")
        tried = try_repaired(connection, of.name, mode, at)
        if any(
            kind == "outlet" for kind, _ in values
        ):  # other outlets are one warehouse now, so counts wait for others
            rejudge(connection, of.name, None, mode, at)
        return tried


def try_repaired(connection: Connection, name: str, mode: SyncMode, at: datetime) -> int:
    """Let documents be tried again whose cause was repaired; return how many had been waiting for that."""
    ids = repaired(connection, name, at)
    rejudge(connection, name, ids, mode, at)
    return len(ids)
