"""The rows of a wave compared with the warehouse: a fixed number of statements per table, whatever the rows.

Keys and hashes go into a temporary table that is joined with the current rows, so a row that did not change
costs one insert into memory and no write, and rows that vanished are found by the same join the other way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    DDL,
    Column,
    Connection,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.schema import CreateTable

from clientsync.database import insert_rows
from clientsync.warehouse.covering import Scope
from clientsync.warehouse.rows import to_driver
from clientsync.warehouse.schema import WarehouseTable

_ANALYZE: Any = DDL("ANALYZE %(table)s")  # type: ignore[no-untyped-call]
SUSPICIOUS_FROM = 10  # a scope of fewer rows may vanish whole without a person's release


@dataclass
class Comparison:
    """How the rows of a table in a wave stand to the warehouse.

    Attributes:
        new, changed, returned: positions of rows in the sheet; returned ones had been removed.
        vanished: unit number to the keys (``client_id`` first, in the driver's form) that its answers no
            longer hold.
        share: unit number to (vanished, stored) of the scope that lost the greatest share.
    """

    new: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    vanished: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    share: dict[int, tuple[int, int]] = field(default_factory=dict)


@lru_cache(maxsize=1024)
def _temporary(core: Table, key: tuple[str, ...], scope: tuple[str, ...]) -> tuple[Table, Table]:
    metadata = MetaData()
    seen = Table(
        f"seen_{core.name.removeprefix('core_')}",
        metadata,
        Column("load_pos", Integer, nullable=False),
        *(Column(name, core.c[name].type, nullable=False) for name in key),
        Column("row_hash", String(32)),
        PrimaryKeyConstraint(*key),
        prefixes=["TEMPORARY"],
        sqlite_with_rowid=False,
        postgresql_on_commit="DROP",
    )
    covered = Table(
        f"covered_{core.name.removeprefix('core_')}",
        metadata,
        Column("load_owner", Integer, nullable=False),
        Column("client_id", String(40), nullable=False),
        *(Column(name, core.c[name].type) for name in scope),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    return seen, covered


def _fresh(connection: Connection, table: Table) -> None:
    connection.execute(CreateTable(table, if_not_exists=True))
    connection.execute(delete(table))


def _tell_planner(connection: Connection, table: Table) -> None:
    """Let PostgreSQL know how few rows a temporary table has, so that it never scans the whole core table."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ANALYZE.against(table))


def compare(
    connection: Connection,
    table: WarehouseTable,
    rows: Sequence[tuple[int, tuple[Any, ...], str]],
    held_keys: Sequence[tuple[Any, ...]],
    scopes: Mapping[Scope, int],
) -> Comparison:
    """Compare the rows of one wave with the stored ones.

    Args:
        connection: in a write transaction.
        table: which table.
        rows: position in the sheet, whole key (``client_id`` first) and hash of each row.
        held_keys: whole keys of records that are held: the source still has them.
        scopes: covered scopes (``client_id`` first) with the number of the unit that covers them.
    """
    seen, covered = _temporary(table.core, table.key, tuple(table.spec.scope))
    _fresh(connection, seen)
    present = {key for _, key, _ in rows}
    staged: list[tuple[Any, ...]] = [(position, *key, digest) for position, key, digest in rows]
    staged.extend((-1, *key, None) for key in dict.fromkeys(held_keys) if key not in present)
    names = ("load_pos", *table.key, "row_hash")
    insert_rows(connection, seen, names, staged)
    _tell_planner(connection, seen)
    result = Comparison()
    if rows:
        _sort_out(connection, table, seen, result)
    if scopes:
        _fresh(connection, covered)
        names = ("load_owner", "client_id", *table.spec.scope)
        listed = [(owner, *scope) for scope, owner in scopes.items()]
        insert_rows(connection, covered, names, listed)
        _tell_planner(connection, covered)
        _find_vanished(connection, table, seen, covered, result)
    return result


def _sort_out(connection: Connection, table: WarehouseTable, seen: Table, result: Comparison) -> None:
    core = table.core
    found = connection.execute(
        select(seen.c.load_pos, core.c.client_id.is_(None), core.c.removed_at.is_not(None))
        .select_from(seen.outerjoin(core, and_(*(seen.c[name] == core.c[name] for name in table.key))))
        .where(
            seen.c.row_hash.is_not(None),
            or_(
                core.c.client_id.is_(None),
                core.c.row_hash != seen.c.row_hash,
                core.c.removed_at.is_not(None),
            ),
        )
        .order_by(seen.c.load_pos)
    )
    for position, is_new, was_removed in found.all():
        (result.new if is_new else result.returned if was_removed else result.changed).append(position)


def _find_vanished(
    connection: Connection, table: WarehouseTable, seen: Table, covered: Table, result: Comparison
) -> None:
    core = table.core
    in_scope = and_(
        core.c.client_id == covered.c.client_id,
        *(
            core.c[name].is_not_distinct_from(covered.c[name])
            if core.c[name].nullable
            else core.c[name] == covered.c[name]
            for name in table.spec.scope
        ),
    )
    is_seen = exists().where(*(seen.c[name] == core.c[name] for name in table.key))
    where = covered.join(core, and_(in_scope, core.c.removed_at.is_(None)))
    scope = [covered.c[name] for name in ("client_id", *table.spec.scope)]
    gone = connection.execute(
        select(covered.c.load_owner, *scope, *(core.c[name] for name in table.key))
        .select_from(where)
        .where(~is_seen)
    )
    by_scope: Counter[tuple[Any, ...]] = Counter()
    width = 1 + len(scope)
    for row in gone:
        result.vanished.setdefault(row[0], []).append(tuple(row[width:]))
        by_scope[tuple(row[:width])] += 1
    if not by_scope:
        return
    kinds = table.kinds(table.key)
    for owner, keys in result.vanished.items():
        result.vanished[owner] = list(to_driver(kinds, keys, connection.dialect.name))
    stored = connection.execute(
        select(covered.c.load_owner, *scope, func.count())
        .select_from(where)
        .group_by(covered.c.load_owner, *scope)
    )
    for row in stored:
        lost, total = by_scope[tuple(row[:width])], row[width]
        if total < SUSPICIOUS_FROM or not lost:
            continue
        known = result.share.get(row[0])
        if known is None or lost * known[1] > known[0] * total:
            result.share[row[0]] = (lost, total)
