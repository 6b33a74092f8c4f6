"""Tables of a shop and its accounting, its switches and mappings; every function here is given its transaction.

Whoever changes the state of documents calls ``verdicts.rejudge`` with their ids in the same transaction, so what waits
for them never shows an outdated reason and is never sent too early.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Connection, Table, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from clientsync.commerce.documents import State
from clientsync.commerce.reasons import Reason
from clientsync.commerce.timing import SyncMode, hours_of
from clientsync.database import among
from clientsync.ledger import commerce_tables as t

Row = Any
"""A row of a table of the ledger, with its columns as attributes."""
DOCS: Table = t.CommerceDoc.__table__  # type: ignore[attr-defined]
NEEDS: Table = t.CommerceNeed.__table__  # type: ignore[attr-defined]
STOCK: Table = t.CommerceStockLine.__table__  # type: ignore[attr-defined]
ATTEMPTS: Table = t.CommerceAttempt.__table__  # type: ignore[attr-defined]
MAPS: Table = t.CommerceMap.__table__  # type: ignore[attr-defined]
CURSORS: Table = t.CommerceCursor.__table__  # type: ignore[attr-defined]
SHIFTS: Table = t.CommerceShift.__table__  # type: ignore[attr-defined]
CONNECTIONS: Table = t.CommerceConnection.__table__  # type: ignore[attr-defined]
CHOICES: Table = t.CommerceChoice.__table__  # type: ignore[attr-defined]
_BEGIN = "begin"


AGE = (DOCS.c.occurred_at, DOCS.c.type_rank, DOCS.c.source_id)
"""Documents are sent in this order: business moment, rank of the type, id in the source."""


def age_of(row: Row) -> tuple[Any, ...]:
    """Return the place of a document in the order of sending."""
    return row.occurred_at, row.type_rank, row.source_id


def length_of(column: Column[Any]) -> int:
    """Return how many characters a column of text holds."""
    found: int = column.type.length  # type: ignore[attr-defined]
    return found


def upserting(connection: Connection, table: Table) -> Any:
    """Return an insert that knows conflicts, of this database."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


@dataclass(frozen=True)
class Switches:
    """How a connection is set.

    Attributes:
        stopped: why nothing is sent, by direction; empty: it is.
        maps_version: rises with every change of a mapping.
    """

    mode: SyncMode
    uses_customer_ids: bool
    stopped: Mapping[str, str]
    maps_version: int


def switches(connection: Connection, name: str, zone: ZoneInfo, *, is_writing: bool = True) -> Switches:
    """Return the switches of a connection; they are made with their defaults on first use.

    Whoever writes asks for them first: the transaction then has the turn of the connection, so what it judges cannot be
    changed beside it, and two of them never wait for each other's documents.
    """
    statement = select(CONNECTIONS).where(CONNECTIONS.c.connection == name)
    statement = statement.with_for_update() if is_writing else statement
    row = connection.execute(statement).one_or_none()
    if row is None:
        connection.execute(
            upserting(connection, CONNECTIONS)
            .values(
                connection=name,
                sales="real_time",
                sales_at="",
                transfers_scheduled=False,
                transfers_at="",
                uses_customer_ids=False,
                stopped="",
                stopped_in="",
                maps_version=0,
                poll_error="",
            )
            .on_conflict_do_nothing()
        )
        row = connection.execute(statement).one()
    mode = SyncMode(
        sales=row.sales,
        sales_at=hours_of(filter(None, row.sales_at.split(","))),
        transfers_scheduled=row.transfers_scheduled,
        transfers_at=hours_of(filter(None, row.transfers_at.split(","))),
        zone=zone,
    )
    return Switches(mode, row.uses_customer_ids, {"out": row.stopped, "in": row.stopped_in}, row.maps_version)


def change_connection(connection: Connection, name: str, **values: Any) -> None:
    """Change columns of a connection."""
    connection.execute(update(CONNECTIONS).where(CONNECTIONS.c.connection == name).values(**values))


def begin_of(connection: Connection, name: str, zone: ZoneInfo, at: datetime) -> datetime:
    """Return the moment from which on sales are booked; whoever asks first settles it.

    It is the first moment of the day on which the first document came, be it by a reading or by a webhook.
    """
    found: datetime | None = connection.execute(
        select(CURSORS.c.position).where(
            CURSORS.c.connection == name, CURSORS.c.system == "", CURSORS.c.stream == _BEGIN
        )
    ).scalar_one_or_none()
    if found is None:
        first = (_first_arrival(connection, name) or at).astimezone(zone)
        found = first.replace(hour=0, minute=0, second=0, microsecond=0)
        begin_at(connection, name, found, at)
    return found


def begin_at(connection: Connection, name: str, begin: datetime, at: datetime) -> None:
    """Keep from when on sales are booked; a later moment than the one that is kept changes nothing."""
    statement = upserting(connection, CURSORS).values(
        connection=name, system="", stream=_BEGIN, position=begin, read_at=at
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["connection", "system", "stream"],
            set_={"position": statement.excluded.position, "read_at": at},
            where=CURSORS.c.position > statement.excluded.position,
        )
    )


def _first_arrival(connection: Connection, name: str) -> datetime | None:
    found: datetime | None = connection.execute(
        select(func.min(DOCS.c.arrived_at)).where(DOCS.c.connection == name)
    ).scalar_one()
    return found


def note_event(connection: Connection, name: str, system: str, at: datetime) -> None:
    """Note that a system has told something, for the alarm of its silence; once a minute is often enough."""
    column = CONNECTIONS.c.shop_heard_at if system == "shop" else CONNECTIONS.c.accounting_heard_at
    is_old = or_(column.is_(None), column < at - timedelta(minutes=1))
    heard = connection.execute(select(is_old).where(CONNECTIONS.c.connection == name)).scalar_one()
    if heard:
        change_connection(connection, name, **{column.name: at})


def note_choice(
    connection: Connection,
    name: str,
    at: datetime,
    actor: str,
    action: str,
    detail: str = "",
    doc_id: int | None = None,
) -> None:
    """Write down what a person decided."""
    connection.execute(
        insert(CHOICES).values(
            connection=name, at=at, actor=actor, action=action, detail=detail, doc_id=doc_id
        )
    )


def maps_of(
    connection: Connection, name: str, keys: Collection[tuple[str, str]] | None = None
) -> dict[tuple[str, str], str]:
    """Return mappings by kind and key, all of them or those of some keys."""
    statement = select(MAPS.c.kind, MAPS.c.source_key, MAPS.c.target_key).where(MAPS.c.connection == name)
    if keys is not None:
        statement = statement.where(among(connection, MAPS.c.source_key, {key for _, key in keys}))
    return {(row.kind, row.source_key): row.target_key for row in connection.execute(statement)}


def put_maps(connection: Connection, name: str, values: Mapping[tuple[str, str], str], at: datetime) -> None:
    """Keep mappings, over those before; one without a value goes, unless it is the shop's word of a product."""
    gone = {pair for pair, value in values.items() if not value and pair[0] != "sku"}
    for kind in {kind for kind, _ in gone}:
        keys = [key for one, key in gone if one == kind]
        connection.execute(
            delete(MAPS).where(
                MAPS.c.connection == name, MAPS.c.kind == kind, among(connection, MAPS.c.source_key, keys)
            )
        )
    rows = [
        {"connection": name, "kind": pair[0], "source_key": pair[1], "target_key": value, "changed_at": at}
        for pair, value in values.items()
        if pair not in gone
    ]
    if rows:
        statement = upserting(connection, MAPS)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["connection", "kind", "source_key"],
                set_={
                    "target_key": statement.excluded.target_key,
                    "changed_at": statement.excluded.changed_at,
                },
            ),
            rows,
        )
    change_connection(connection, name, maps_version=CONNECTIONS.c.maps_version + 1)


def set_state(
    connection: Connection, ids: Collection[int], state: State, reason: Reason, at: datetime, **more: Any
) -> None:
    """Set the state of documents, with its reason; they wait for nothing."""
    if not ids:
        return
    connection.execute(
        update(DOCS)
        .where(among(connection, DOCS.c.doc_id, ids))
        .values(
            state=state, reason_code=reason.code, reason=reason.text, blocker_id=None, root_id=None,
            changed_at=at, **more,
        )
    )  # fmt: skip


def expected(
    connection: Connection, name: str, limit: int, directions: Sequence[str], at: datetime
) -> list[Any]:
    """Return documents that others need, that never came, and that the source is to be asked for now."""
    return list(
        connection.execute(
            select(DOCS.c.doc_id, DOCS.c.type, DOCS.c.source_id, DOCS.c.direction)
            .where(
                DOCS.c.connection == name,
                DOCS.c.state == State.EXPECTED,
                DOCS.c.fetched_at.is_(None),
                or_(DOCS.c.eligible_at.is_(None), DOCS.c.eligible_at <= at),
                DOCS.c.direction.in_(directions),
            )
            .order_by(DOCS.c.doc_id)
            .limit(limit)
        )
    )


def doc(connection: Connection, doc_id: int) -> Row:
    """Return a document's row; None when there is none."""
    return connection.execute(select(DOCS).where(DOCS.c.doc_id == doc_id)).one_or_none()


def counts(connection: Connection, name: str) -> dict[str, int]:
    """Return how many documents are in each state; those that are only expected are left out."""
    rows = connection.execute(
        select(DOCS.c.state, func.count())
        .where(DOCS.c.connection == name, DOCS.c.state != State.EXPECTED)
        .group_by(DOCS.c.state)
    )
    return {str(state): count for state, count in rows}
