"""Records, pairs and choices as the ledger keeps them; every function here is given its transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, func, insert, select, update

from clientsync.clock import now
from clientsync.database import execute_many, insert_rows
from clientsync.errors import InvalidInput, Outdated
from clientsync.ledger import record_tables as t
from clientsync.records.planning import SIDES, Link, Listing, Record
from clientsync.warehouse.rows import moment_text

SIDES_TABLE: Table = t.RecordSide.__table__  # type: ignore[attr-defined]
ROWS: Table = t.RecordRow.__table__  # type: ignore[attr-defined]
LINKS: Table = t.RecordLink.__table__  # type: ignore[attr-defined]
CHOICES: Table = t.RecordChoice.__table__  # type: ignore[attr-defined]
REFUSALS: Table = t.RecordRefusal.__table__  # type: ignore[attr-defined]
IGNORED: Table = t.RecordIgnored.__table__  # type: ignore[attr-defined]
RUNS: Table = t.RecordRun.__table__  # type: ignore[attr-defined]
INTENTS: Table = t.RecordIntent.__table__  # type: ignore[attr-defined]
_ONE_ROW = and_(
    ROWS.c.set_name == bindparam("of_set"),
    ROWS.c.side == bindparam("of_side"),
    ROWS.c.ext_id == bindparam("of_id"),
)


@dataclass(frozen=True)
class Stored:
    """A set as it was listed last."""

    a: Listing
    b: Listing
    links: list[Link]
    ignored: frozenset[tuple[str, str]]


def _side_is(set_name: str, side: str) -> Any:
    return and_(SIDES_TABLE.c.set_name == set_name, SIDES_TABLE.c.side == side)


def _rows_of(set_name: str, side: str) -> Any:
    return and_(ROWS.c.set_name == set_name, ROWS.c.side == side)


def keep_listing(
    connection: Connection,
    set_name: str,
    side: str,
    records: Mapping[str, Record],
    *,
    is_complete: bool,
    scope: str,
) -> None:
    """Bring the stored records of a side to a listing; what is missing goes only when the listing is whole."""
    there = dict(connection.execute(select(ROWS.c.ext_id, ROWS.c.hash).where(_rows_of(set_name, side))).all())
    fresh = [one for ext_id, one in records.items() if ext_id not in there]
    changed = [one for ext_id, one in records.items() if ext_id in there and there[ext_id] != one.hash]
    at = now()
    first_seen = moment_text(at) if connection.dialect.name == "sqlite" else at
    insert_rows(
        connection,
        ROWS,
        ("set_name", "side", "ext_id", "values", "hash", "first_seen"),
        [(set_name, side, one.ext_id, _text(one.values), one.hash, first_seen) for one in fresh],
    )
    execute_many(
        connection,
        update(ROWS).where(_ONE_ROW).values(values=bindparam("to_values"), hash=bindparam("to_hash")),
        ("to_values", "to_hash", "of_set", "of_side", "of_id"),
        [(_text(one.values), one.hash, set_name, side, one.ext_id) for one in changed],
    )
    if is_complete:
        execute_many(
            connection,
            delete(ROWS).where(_ONE_ROW),
            ("of_set", "of_side", "of_id"),
            [(set_name, side, ext_id) for ext_id in there if ext_id not in records],
        )
    row = connection.execute(select(SIDES_TABLE).where(_side_is(set_name, side))).one_or_none()
    values = {
        "is_complete": is_complete,
        "is_same_scope": row is None or row.scope == scope,
        "listed_at": at,
        "size": len(records) if is_complete else (row.size if row is not None else 0),
    }
    if row is None:
        connection.execute(insert(SIDES_TABLE).values(set_name=set_name, side=side, scope=scope, **values))
    else:
        connection.execute(update(SIDES_TABLE).where(_side_is(set_name, side)).values(**values))


def accept_listing(connection: Connection, set_name: str, side: str, scope: str) -> None:
    """Let the present scope and size of a side be those that later listings are compared with."""
    connection.execute(
        update(SIDES_TABLE)
        .where(_side_is(set_name, side))
        .values(scope=scope, is_same_scope=True, last_size=SIDES_TABLE.c.size)
    )


def _text(values: Mapping[str, str]) -> str:
    return json.dumps(dict(values), ensure_ascii=False)


def stored(
    connection: Connection, set_name: str, read: Mapping[str, Mapping[str, Record]] | None = None
) -> Stored:
    """Return a set as it was listed last.

    Args:
        connection: of a transaction.
        set_name: of the set.
        read: records by side that were just listed whole and kept; they are not read again.

    Raises:
        InvalidInput: it was never listed.
    """
    sides = {
        row.side: row
        for row in connection.execute(select(SIDES_TABLE).where(SIDES_TABLE.c.set_name == set_name))
    }
    if len(sides) < len(SIDES):
        raise InvalidInput(f"{set_name} was never read. Begin with: clientsync records preview {set_name}.")
    listings = {}
    for side, row in sides.items():
        records = (read or {}).get(side)
        if records is None or not row.is_complete:
            records = {
                one.ext_id: Record(one.ext_id, one[1], one.hash)
                for one in connection.execute(
                    select(ROWS.c.ext_id, ROWS.c["values"], ROWS.c.hash).where(_rows_of(set_name, side))
                )
            }
        listings[side] = Listing(records, row.is_complete, row.is_same_scope, row.last_size)
    ignored = frozenset(
        (row.side, row.ext_id)
        for row in connection.execute(select(IGNORED).where(IGNORED.c.set_name == set_name))
    )
    return Stored(listings["a"], listings["b"], links_of(connection, set_name), ignored)


def is_listed_whole(connection: Connection, set_name: str, side: str) -> bool:
    """Whether a side was listed whole when it was listed last."""
    statement = select(SIDES_TABLE.c.is_complete).where(_side_is(set_name, side))
    return bool(connection.execute(statement).scalar_one_or_none())


def is_scope(connection: Connection, set_name: str, side: str, scope: str) -> bool:
    """Whether a side was listed last, and is asked now, with the scope of the last run that no brake stopped."""
    row = connection.execute(select(SIDES_TABLE).where(_side_is(set_name, side))).one_or_none()
    return row is not None and row.is_same_scope and row.scope == scope


def links_of(connection: Connection, set_name: str) -> list[Link]:
    """Return the pairs of a set that are not closed."""
    rows = connection.execute(select(LINKS).where(LINKS.c.set_name == set_name, LINKS.c.closed_at.is_(None)))
    return [_link(row) for row in rows]


def find_link(connection: Connection, set_name: str, link_id: int) -> Link | None:
    """Return a pair, None when there is no such open one."""
    return _one_link(connection, set_name, LINKS.c.link_id == link_id)


def partner_link(connection: Connection, set_name: str, side: str, ext_id: str) -> Link | None:
    """Return the open pair that a record of a side stands in, None when it has no partner."""
    return _one_link(connection, set_name, (LINKS.c.a_ext if side == "a" else LINKS.c.b_ext) == ext_id)


def _one_link(connection: Connection, set_name: str, which: ColumnElement[bool]) -> Link | None:
    row = connection.execute(
        select(LINKS).where(LINKS.c.set_name == set_name, which, LINKS.c.closed_at.is_(None))
    ).one_or_none()
    return None if row is None else _link(row)


def _link(row: Any) -> Link:
    return Link(row.link_id, row.a_ext, row.b_ext, row.base_a, row.base_b, row.enabled, row.version)


def link_of(connection: Connection, set_name: str, link_id: int, *, version: int = 0) -> Link:
    """Return a pair; with ``version``, the one that a person looked at.

    Raises:
        InvalidInput: there is no such open pair.
        Outdated: it changed since that version.
    """
    row = connection.execute(
        select(LINKS)
        .where(LINKS.c.link_id == link_id, LINKS.c.set_name == set_name, LINKS.c.closed_at.is_(None))
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise InvalidInput(
            f"{set_name} has no pair {link_id}. `clientsync records window {set_name}` lists them."
        )
    if version and row.version != version:
        raise Outdated(f"Pair {link_id} was changed in the meantime. Look at it again.")
    return _link(row)


def record_of(connection: Connection, set_name: str, side: str, ext_id: str) -> Record | None:
    """Return a record as it was listed last."""
    row = connection.execute(
        select(ROWS.c["values"], ROWS.c.hash).where(_rows_of(set_name, side), ROWS.c.ext_id == ext_id)
    ).one_or_none()
    return None if row is None else Record(ext_id, row[0], row.hash)


def keep_record(connection: Connection, set_name: str, side: str, record: Record) -> None:
    """Keep a record as it was just read back."""
    here = and_(_rows_of(set_name, side), ROWS.c.ext_id == record.ext_id)
    values = {"values": dict(record.values), "hash": record.hash}
    if not connection.execute(update(ROWS).where(here).values(values)).rowcount:
        connection.execute(
            insert(ROWS).values(
                {**values, "set_name": set_name, "side": side, "ext_id": record.ext_id, "first_seen": now()}
            )
        )


def drop_record(connection: Connection, set_name: str, side: str, ext_id: str) -> None:
    """Forget a record that is gone."""
    connection.execute(delete(ROWS).where(_rows_of(set_name, side), ROWS.c.ext_id == ext_id))


def add_link(
    connection: Connection, set_name: str, a: Record, b: Record, fields: Sequence[str], origin: str
) -> int:
    """Link two records, and return the id of the pair; what is equal on both is what they agreed on.

    Raises:
        InvalidInput: one of them has a partner already.
    """
    for side, ext_id in (("a", a.ext_id), ("b", b.ext_id)):
        taken = partner_link(connection, set_name, side, ext_id)
        if taken is not None:
            raise InvalidInput(f"{ext_id} has a partner already: pair {taken.link_id}. Unlink it first.")
    equal = [one for one in fields if a.values.get(one, "") == b.values.get(one, "")]
    done = connection.execute(
        insert(LINKS)
        .values(
            set_name=set_name,
            a_ext=a.ext_id,
            b_ext=b.ext_id,
            base_a={one: a.values.get(one, "") for one in equal},
            base_b={one: b.values.get(one, "") for one in equal},
            enabled=True,
            origin=origin,
            version=1,
            created_at=now(),
        )
        .returning(LINKS.c.link_id)
    )
    return int(done.scalar_one())


def change_link(connection: Connection, link: Link, **values: Any) -> None:
    """Change a pair; its version rises."""
    connection.execute(
        update(LINKS).where(LINKS.c.link_id == link.link_id).values(version=LINKS.c.version + 1, **values)
    )


def settle(
    connection: Connection, link: Link, set_name: str, fields: Iterable[str], *, only_equal: bool = False
) -> None:
    """Let what both records hold now, in some fields or only where it is equal, be what both agreed on."""
    a, b = (record_of(connection, set_name, side, getattr(link, side)) for side in SIDES)
    if a is None or b is None:
        return
    base_a, base_b = dict(link.base_a or {}), dict(link.base_b or {})
    for one in fields:
        left, right = a.values.get(one, ""), b.values.get(one, "")
        if left == right or not only_equal:
            base_a[one], base_b[one] = left, right
    change_link(connection, link, base_a=base_a, base_b=base_b)


def note_settled(connection: Connection, link: Link, group: str, fields: Iterable[str]) -> None:
    """Keep with the choices of a group what each side held once they were carried out."""
    here = (CHOICES.c.group == group, CHOICES.c.field.in_(list(fields)))
    choices = connection.execute(select(CHOICES).where(*here)).all()
    if not choices:
        return
    a, b = (record_of(connection, choices[0].set_name, side, getattr(link, side)) for side in SIDES)
    if a is not None and b is not None:
        for choice in choices:
            held = {"settled_a": a.values.get(choice.field, ""), "settled_b": b.values.get(choice.field, "")}
            connection.execute(update(CHOICES).where(CHOICES.c.choice_id == choice.choice_id).values(held))


def settled_choices(connection: Connection, group: str) -> list[Any]:
    """Return the choices of a group that were carried out on both sides."""
    here = (CHOICES.c.group == group, CHOICES.c.settled_a.is_not(None))
    return list(connection.execute(select(CHOICES).where(*here)).all())


def set_base(connection: Connection, link: Link, bases: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Put back what both agreed on before, by field; None: nothing."""
    base_a, base_b = dict(link.base_a or {}), dict(link.base_b or {})
    for name, values in bases.items():
        for base, value in zip((base_a, base_b), values, strict=True):
            if value is None:
                base.pop(name, None)
            else:
                base[name] = value
    change_link(connection, link, base_a=base_a, base_b=base_b)


def refused_pairs(connection: Connection, set_name: str) -> set[tuple[str, str]]:
    """Return the pairs that a person said are not the same."""
    rows = connection.execute(
        select(REFUSALS.c.a_ext, REFUSALS.c.b_ext).where(REFUSALS.c.set_name == set_name)
    )
    return {(row.a_ext, row.b_ext) for row in rows}


def open_intents(connection: Connection, set_name: str) -> list[Any]:
    """Return what was begun and not brought to its end, in order."""
    return list(
        connection.execute(
            select(INTENTS)
            .where(INTENTS.c.set_name == set_name, INTENTS.c.state == "open")
            .order_by(INTENTS.c.intent_id)
        ).all()
    )


def count_open(connection: Connection, group: str) -> int:
    """Return how many intents of a group are open."""
    return int(
        connection.execute(
            select(func.count()).where(INTENTS.c.group == group, INTENTS.c.state == "open")
        ).scalar_one()
    )
