"""What a stock count waits for: earlier documents of the same goods in the same warehouse, and which counts wait.

A count sets the stock to what was counted, so whatever moved the goods before it must be booked before it: transfers
and counts of its outlet, which stand in a table by goods, and sales and returns, of which only those that are not done
are looked at. Outlets that are mapped to one warehouse are one place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import count as count_from
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select, tuple_

from clientsync.commerce.documents import COUNTING_TYPES, DONE, SELLING_TYPES, State
from clientsync.commerce.judging import JUDGED
from clientsync.commerce.store import AGE, DOCS, MAPS, STOCK, age_of
from clientsync.database import among

_MOVED, _COUNTED = STOCK.alias("moved"), STOCK.alias("counted")
_SAME_GOODS = and_(
    _MOVED.c.connection == _COUNTED.c.connection,
    _MOVED.c.lane == _COUNTED.c.lane,
    _MOVED.c.sku == _COUNTED.c.sku,
    _MOVED.c.doc_id != _COUNTED.c.doc_id,
)
"""Condition that two documents move and count the same goods of an outlet."""
_COUNT, _DOC = DOCS.alias("count"), DOCS.alias("doc")
_WITH_GOODS = (DOCS.c.doc_id, DOCS.c.lane, *AGE, DOCS.c.payload, DOCS.c.inputs)
_GOES = (State.READY, State.WAITING, State.SENDING)
"""States of what goes by itself when it has its turn."""
_AT_ONCE = 100
"""Sales of which the goods are looked at together."""


def waited_for(
    connection: Connection, name: str, ids: Collection[int], judged: Collection[int] = ()
) -> set[tuple[int, int]]:
    """Return (count, document) for documents that are not done and that a count among some documents waits for.

    Of sales that only take their turn there may be thousands, so of those the first ones do for all.

    Args:
        connection: of a transaction.
        name: of the connection.
        ids: documents; those that are no counts wait for nothing here.
        judged: documents whose state is decided now, so the one that is stored says nothing.
    """
    moved = connection.execute(_earlier_stock(connection, name, ids)).all()
    return {(row[0], row[1]) for row in moved} | _earlier_sales(connection, name, ids, judged)


def counts_after(connection: Connection, name: str, ids: Collection[int]) -> set[int]:
    """Return stock counts that are not done, of goods that some documents of stock move before them."""
    return set(
        connection.execute(
            select(_COUNTED.c.doc_id)
            .distinct()
            .select_from(_MOVED)
            .join(
                _COUNTED,
                _SAME_GOODS,
            )
            .join(_DOC, _DOC.c.doc_id == _COUNTED.c.doc_id)
            .where(
                _MOVED.c.connection == name,
                among(connection, _MOVED.c.doc_id, ids),
                _DOC.c.type.in_(COUNTING_TYPES),
                _DOC.c.state.in_(JUDGED),
            )
        ).scalars()
    )


def open_counts(connection: Connection, name: str, lanes: Collection[str]) -> set[int]:
    """Return stock counts that are not done, of the warehouses of some outlets."""
    rows = connection.execute(
        select(DOCS.c.doc_id, DOCS.c.lane).where(
            DOCS.c.connection == name, DOCS.c.type.in_(COUNTING_TYPES), DOCS.c.state.in_(JUDGED)
        )
    ).all()
    if not rows:
        return set()
    places = _warehouses(connection, name)
    wanted = {places.get(lane, lane) for lane in lanes}
    return {row.doc_id for row in rows if places.get(row.lane, row.lane) in wanted}


def _warehouses(connection: Connection, name: str) -> dict[str, str]:
    """Return the warehouse of every outlet that is mapped, told apart from the code of an outlet."""
    rows = connection.execute(
        select(MAPS.c.source_key, MAPS.c.target_key).where(MAPS.c.connection == name, MAPS.c.kind == "outlet")
    )
    return {row.source_key: f"|{row.target_key.partition('|')[0].strip()}" for row in rows}


def _earlier_stock(connection: Connection, name: str, counts: Collection[int]) -> Select[Any]:
    return (
        select(_COUNTED.c.doc_id, _MOVED.c.doc_id)
        .distinct()
        .select_from(_COUNTED)
        .join(
            _MOVED,
            _SAME_GOODS,
        )
        .join(_COUNT, _COUNT.c.doc_id == _COUNTED.c.doc_id)
        .join(_DOC, _DOC.c.doc_id == _MOVED.c.doc_id)
        .where(
            _COUNTED.c.connection == name,
            _COUNT.c.type.in_(COUNTING_TYPES),
            among(connection, _COUNTED.c.doc_id, counts),
            _DOC.c.state.not_in(DONE),
            tuple_(_DOC.c.occurred_at, _DOC.c.type_rank, _DOC.c.source_id)
            < tuple_(_COUNT.c.occurred_at, _COUNT.c.type_rank, _COUNT.c.source_id),
        )
    )


def _earlier_sales(
    connection: Connection, name: str, ids: Collection[int], judged: Collection[int]
) -> set[tuple[int, int]]:
    """Return those of the earlier sales that may be named: all that may be broken, and of the others the first."""
    counts = connection.execute(
        select(*_WITH_GOODS).where(
            DOCS.c.connection == name, among(connection, DOCS.c.doc_id, ids), DOCS.c.type.in_(COUNTING_TYPES)
        )
    ).all()
    if not counts:
        return set()
    places = _warehouses(connection, name)
    by_place: dict[str, list[tuple[Any, set[str]]]] = {}
    for row in counts:
        by_place.setdefault(places.get(row.lane, row.lane), []).append((row, _goods_of(row)))
    lanes = {row.lane for row in counts} | {lane for lane, place in places.items() if place in by_place}
    sold = and_(
        DOCS.c.connection == name,
        among(connection, DOCS.c.lane, lanes),
        DOCS.c.state.not_in(DONE),
        DOCS.c.type.in_(SELLING_TYPES),
        DOCS.c.occurred_at <= max(row.occurred_at for row in counts),
    )

    def pairs(rows: Iterable[Any]) -> set[tuple[int, int]]:
        return {
            (count.doc_id, row.doc_id)
            for row in rows
            for count, goods in by_place[places.get(row.lane, row.lane)]
            if age_of(row) < age_of(count) and not goods.isdisjoint(_goods_of(row))
        }

    may_be_broken = or_(DOCS.c.state.not_in(_GOES), among(connection, DOCS.c.doc_id, judged))
    found = pairs(connection.execute(select(*_WITH_GOODS).where(sold, may_be_broken)))
    waiting = {row.doc_id for row in counts}
    for begin in count_from(0, _AT_ONCE):
        page = select(DOCS.c.doc_id).where(sold, ~may_be_broken).order_by(*AGE).limit(_AT_ONCE).offset(begin)
        first = connection.execute(page).scalars().all()
        rows = connection.execute(select(*_WITH_GOODS).where(among(connection, DOCS.c.doc_id, first))).all()
        more = {pair for pair in pairs(sorted(rows, key=age_of)) if pair[0] in waiting}
        found |= more
        waiting -= {pair[0] for pair in more}
        if len(first) < _AT_ONCE or not waiting:
            return found
    raise AssertionError("unreachable: the sales come to an end")


def _goods_of(row: Any) -> set[str]:
    """Return the SKUs of a document, also those that the shop told of its products later."""
    told = {value for kind, _, value, *_ in row.inputs if kind == "sku"}
    return ({str(line.get("sku") or "") for line in row.payload.get("lines", ())} | told) - {""}
