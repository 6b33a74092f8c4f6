"""The two lists that people look at: Synchronization Status (what goes out) and Webhook Log (what was told).

Every document that is not booked has a reason in one sentence; a document that waits names the one it waits for and the
one at the end of the chain, with their numbers in the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from clientsync.commerce import store
from clientsync.commerce.connected import DIRECTIONS, SYSTEMS, Commerce
from clientsync.commerce.deciding import describe
from clientsync.commerce.documents import DONE, PART, SHOWN_AS, TYPES, State, title_of
from clientsync.commerce.events import EVENTS
from clientsync.commerce.intake import INBOUND
from clientsync.commerce.store import ATTEMPTS, CHOICES, CONNECTIONS, DOCS, NEEDS
from clientsync.database import among, reading
from clientsync.errors import InvalidInput, UnknownName

WORDS = tuple(dict.fromkeys(SHOWN_AS.values()))
"""Success, Failed, Held, Waiting, Unknown and the two that are hidden unless they are asked for."""
_HIDDEN = ("Superseded",)
_STUCK = ("needs_failed", "needs_not_received")


@dataclass(frozen=True)
class Filter:
    """Which documents are meant; everything that is given must hold.

    Attributes:
        shown: words of the list, see ``WORDS``; empty: all but superseded.
        types: names of types; empty: all.
        number: part of a number.
        since: first day, of the connection's zone.
        until: last day.
        outlet: outlet or warehouse.
        direction: out, in; empty: both.
    """

    shown: Sequence[str] = ()
    types: Sequence[str] = ()
    number: str = ""
    since: date | None = None
    until: date | None = None
    outlet: str = ""
    direction: str = ""

    def check(self) -> None:
        """Refuse words that do not exist.

        Raises:
            UnknownName: lists the valid ones.
        """
        for one in self.shown:
            if one not in WORDS:
                raise UnknownName("status", one, WORDS)
        for one in self.types:
            if one not in TYPES:
                raise UnknownName("type of document", one, TYPES)
        if self.direction not in ("", *DIRECTIONS):
            raise UnknownName("direction", self.direction, DIRECTIONS)


def _where(of: Commerce, wanted: Filter) -> list[ColumnElement[bool]]:
    wanted.check()
    states = [
        state
        for state, word in SHOWN_AS.items()
        if (word in wanted.shown if wanted.shown else word not in _HIDDEN) and state is not State.EXPECTED
    ]
    found = [DOCS.c.connection == of.name, DOCS.c.state.in_(states)]
    if wanted.types:
        found.append(DOCS.c.type.in_(wanted.types))
    if wanted.number:
        found.append(DOCS.c.number.contains(wanted.number, autoescape=True))
    if wanted.since is not None:
        found.append(DOCS.c.occurred_at >= _midnight(of, wanted.since))
    if wanted.until is not None:
        found.append(DOCS.c.occurred_at < _midnight(of, wanted.until + timedelta(days=1)))
    if wanted.outlet:
        found.append(DOCS.c.lane == wanted.outlet)
    if wanted.direction:
        found.append(DOCS.c.direction == wanted.direction)
    return found


def _midnight(of: Commerce, day: date) -> datetime:
    return datetime.combine(day, time(), of.zone)


def ids_of(of: Commerce, wanted: Filter) -> list[int]:
    """Return the numbers of documents, the earliest first."""
    statement = (
        select(DOCS.c.doc_id).where(*_where(of, wanted)).order_by(DOCS.c.occurred_at, DOCS.c.type_rank)
    )
    with reading(of.engine) as connection:
        return list(connection.execute(statement).scalars())


def documents(of: Commerce, wanted: Filter, *, limit: int = 200) -> list[dict[str, Any]]:
    """Return documents for people, what is not booked first, the earliest of it first, then the newest booked."""
    statement = (
        select(DOCS)
        .where(*_where(of, wanted))
        .order_by(
            DOCS.c.state.in_(DONE),
            case((DOCS.c.state.not_in(DONE), DOCS.c.occurred_at)),
            case((DOCS.c.state.in_(DONE), DOCS.c.occurred_at)).desc(),
            DOCS.c.type_rank,
        )
        .limit(limit)
    )
    with reading(of.engine) as connection:
        rows = connection.execute(statement).all()
        shut = of_connection(connection, of)
    return [_shown(of, row, shut) for row in rows]


def of_connection(connection: Connection, of: Commerce) -> Any:
    """Return the row of the connection."""
    return connection.execute(select(CONNECTIONS).where(CONNECTIONS.c.connection == of.name)).one()


def _shown(of: Commerce, row: Any, shut: Any) -> dict[str, Any]:
    stopped = shut.stopped if row.direction == "out" else shut.stopped_in
    reason = row.reason or (stopped if row.state == State.READY else "")
    return {
        "document": row.doc_id,
        "what": title_of(row.type, row.number),
        "of": _local(of, row.occurred_at),
        "status": SHOWN_AS[State(row.state)],
        "reason": reason,
        "code": row.reason_code or ("auth_expired" if reason else ""),
        "waits for": row.blocker_id or "",
        "root": row.root_id or "",
        "booked as": row.target_number,
        "tries": row.attempts,
        "not before": _local(of, row.eligible_at) if row.state in (State.WAITING, State.UNKNOWN) else "",
    }


def _local(of: Commerce, moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(of.zone):%Y-%m-%d %H:%M:%S}"


def details(of: Commerce, doc_id: int) -> dict[str, Any]:
    """Return all that is known of a document: payload, needs, tries with what was said, decisions.

    Raises:
        InvalidInput: there is none.
    """
    with reading(of.engine) as connection:
        row = store.doc(connection, doc_id)
        if row is None or row.connection != of.name:
            raise InvalidInput(f"There is no document {doc_id} in {of.name}.")
        needs = connection.execute(
            select(DOCS).join(NEEDS, NEEDS.c.need_id == DOCS.c.doc_id).where(NEEDS.c.doc_id == doc_id)
        ).all()
        waiting = connection.execute(
            select(func.count()).select_from(NEEDS).where(NEEDS.c.need_id == doc_id)
        ).scalar_one()
        tries = connection.execute(
            select(ATTEMPTS).where(ATTEMPTS.c.doc_id == doc_id).order_by(ATTEMPTS.c.number)
        ).all()
        choices = connection.execute(
            select(CHOICES).where(CHOICES.c.doc_id == doc_id).order_by(CHOICES.c.choice_id)
        ).all()
        shut = of_connection(connection, of)
    return {
        **_shown(of, row, shut),
        "source id": row.source_id,
        "revision": row.revision,
        "payload": row.payload,
        "needs": [_shown(of, one, shut) for one in needs],
        "needed by": waiting,
        "attempts": [
            {
                "try": one.number,
                "began": _local(of, one.started_at),
                "ended": _local(of, one.ended_at),
                "how": one.kind,
                "outcome": one.outcome or "under way",
                "reason": one.reason,
                "calls": one.calls,
            }
            for one in tries
        ],
        "decisions": [
            {"at": _local(of, one.at), "who": one.actor, "what": one.action, "detail": one.detail}
            for one in choices
        ],
    }


def webhook_log(
    of: Commerce, *, states: Collection[str] = (), system: str = "", limit: int = 200
) -> list[dict[str, Any]]:
    """Return events for people, the newest first, and with them webhooks that were rejected.

    Args:
        of: the connection.
        states: success, failed, ignored, new, rejected; empty: all.
        system: shop or accounting; empty: both.
        limit: rows at most.

    Raises:
        UnknownName: a state or a system that does not exist.
    """
    valid = ("new", "success", "failed", "ignored", "rejected")
    for one in states:
        if one not in valid:
            raise UnknownName("state of an event", one, valid)
    if system not in ("", *SYSTEMS):
        raise UnknownName("system", system, SYSTEMS)
    events = (
        select(EVENTS).where(EVENTS.c.connection == of.name).order_by(EVENTS.c.event_id.desc()).limit(limit)
    )
    rejected = (
        select(INBOUND.c.inbound_id, INBOUND.c.system, INBOUND.c.received_at, INBOUND.c.reason)
        .where(INBOUND.c.connection == of.name, ~INBOUND.c.is_verified)
        .order_by(INBOUND.c.inbound_id.desc())
        .limit(limit)
    )
    if system:
        events, rejected = events.where(EVENTS.c.system == system), rejected.where(INBOUND.c.system == system)
    if states:
        events = events.where(EVENTS.c.state.in_(states))
    with reading(of.engine) as connection:
        found = [(row.received_at, _event(of, row)) for row in connection.execute(events)]
        if not states or "rejected" in states:
            found += [
                (
                    row.received_at,
                    {
                        "event": "", "from": row.system, "what": f"webhook {row.inbound_id}",
                        "received": _local(of, row.received_at), "status": "Rejected", "reason": row.reason,
                        "deliveries": 1, "replay of": "",
                    },
                )
                for row in connection.execute(rejected)
            ]  # fmt: skip
    return [one for _, one in sorted(found, key=lambda one: one[0], reverse=True)[:limit]]


_EVENT_WORDS = {"new": "Waiting", "success": "Success", "failed": "Failed", "ignored": "Ignored"}


def _event(of: Commerce, row: Any) -> dict[str, Any]:
    return {
        "event": row.event_id,
        "from": row.system,
        "what": " ".join(filter(None, (row.type, row.action, row.entity_id))),
        "received": _local(of, row.received_at),
        "status": _EVENT_WORDS[row.state],
        "reason": row.reason,
        "deliveries": row.deliveries,
        "replay of": row.replay_of or "",
    }


def event_details(of: Commerce, event_id: int) -> dict[str, Any]:
    """Return an event with the webhook that it came with.

    Raises:
        InvalidInput: there is none.
    """
    with reading(of.engine) as connection:
        row = connection.execute(
            select(EVENTS).where(EVENTS.c.connection == of.name, EVENTS.c.event_id == event_id)
        ).one_or_none()
        if row is None:
            raise InvalidInput(f"There is no event {event_id} in {of.name}.")
        inbound = connection.execute(
            select(INBOUND).where(INBOUND.c.inbound_id == row.inbound_id)
        ).one_or_none()
        documents_ = connection.execute(
            select(DOCS)
            .where(
                DOCS.c.connection == of.name,
                or_(
                    DOCS.c.source_id == row.entity_id,
                    DOCS.c.source_id.startswith(f"{row.entity_id}{PART}", autoescape=True),
                ),
            )
            .order_by(DOCS.c.doc_id)
        ).all()
        shut = of_connection(connection, of)
    return {
        **_event(of, row),
        "happened": _local(of, row.happened_at),
        "processed": _local(of, row.processed_at),
        "body": inbound.body.decode(errors="replace") if inbound is not None else "",
        "documents": [_shown(of, one, shut) for one in documents_],
    }


def stuck_ids(of: Commerce) -> list[int]:
    """Return the documents that a person must see to, the earliest first.

    They failed, nobody knows whether they are booked, or they are held at the end of a chain by one that failed or
    never came. What only takes its turn, and what waits for its hour, is not among them.
    """
    held = and_(DOCS.c.state == State.HELD, DOCS.c.reason_code.in_(_STUCK))
    statement = (
        select(DOCS.c.doc_id)
        .where(DOCS.c.connection == of.name, or_(DOCS.c.state.in_([State.FAILED, State.UNKNOWN]), held))
        .order_by(DOCS.c.occurred_at, DOCS.c.type_rank)
    )
    with reading(of.engine) as connection:
        return list(connection.execute(statement).scalars())


def overview(of: Commerce) -> dict[str, Any]:
    """Return how many documents are in each status, by direction, with the switches of the connection."""
    with reading(of.engine) as connection:
        rows = connection.execute(
            select(DOCS.c.direction, DOCS.c.state, func.count())
            .where(DOCS.c.connection == of.name, DOCS.c.state != State.EXPECTED)
            .group_by(DOCS.c.direction, DOCS.c.state)
        ).all()
        found = of.switches(connection, is_writing=False)
    counts: dict[str, dict[str, int]] = {word: {"out": 0, "in": 0} for word in WORDS}
    for direction, state, count in rows:
        counts[SHOWN_AS[State(state)]][direction] += count
    return {
        "connection": of.name,
        "mode": describe(found.mode, found.uses_customer_ids),
        "counts": [
            {"status": word, f"to {of.accounting.title}": one["out"], f"to {of.shop.title}": one["in"]}
            for word, one in counts.items()
        ],
    }


def mappings(of: Commerce, kind: str = "") -> list[dict[str, str]]:
    """Return mappings for people; those that documents need and that are missing are among them, empty."""
    with reading(of.engine) as connection:
        known = store.maps_of(connection, of.name)
        failed = connection.execute(
            select(DOCS.c.inputs).where(DOCS.c.connection == of.name, DOCS.c.state == State.FAILED)
        ).scalars()
        wanted = {(one[0], one[1]): "" for inputs in failed for one in inputs if one[3]}
    return [
        {"kind": of_kind, "shop": key, "accounting": value}
        for (of_kind, key), value in sorted((wanted | known).items())
        if (of_kind == kind if kind else of_kind != "sku")
    ]


def numbers(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """Return titles of documents by their numbers in the ledger."""
    rows = connection.execute(
        select(DOCS.c.doc_id, DOCS.c.type, DOCS.c.number).where(among(connection, DOCS.c.doc_id, ids))
    )
    return {row.doc_id: title_of(row.type, row.number) for row in rows}
