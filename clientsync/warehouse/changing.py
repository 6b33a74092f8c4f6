"""The writes of a wave: new rows, changed rows, rows that returned and rows that vanished, with their history.

Only rows that differ from the stored ones are written. Invariant: the version that a write replaces is in the
history before the write, with the time in which it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    and_,
    bindparam,
    case,
    delete,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.schema import CreateTable

from clientsync.database import execute_many, insert_rows
from clientsync.moments import UtcDateTime
from clientsync.warehouse.comparing import Comparison
from clientsync.warehouse.judging import Sheet, UnitWork
from clientsync.warehouse.rows import moment_text
from clientsync.warehouse.schema import REMOVED, RESTORED, UPDATED, WarehouseTable


@lru_cache(maxsize=1024)
def _ending(core: Table, key: tuple[str, ...]) -> Table:
    return Table(
        f"ending_{core.name.removeprefix('core_')}",
        MetaData(),
        *(Column(name, core.c[name].type, nullable=False) for name in key),
        Column("change", String(10), nullable=False),
        Column("by_run_id", String(40), nullable=False),
        Column("by_unit_id", String(40), nullable=False),
        PrimaryKeyConstraint(*key),
        prefixes=["TEMPORARY"],
        sqlite_with_rowid=False,
        postgresql_on_commit="DROP",
    )


def apply(
    connection: Connection,
    sheet: Sheet,
    works: Sequence[UnitWork],
    comparison: Comparison,
    moment: datetime,
) -> None:
    """Write what the comparison found, for the units that are not stopped, and count it in their works."""
    live = {work.number for work in works if work.stop is None}
    owners = sheet.owners
    new = [row for row in comparison.new if owners[row] in live]
    changed = [row for row in comparison.changed if owners[row] in live]
    returned = [row for row in comparison.returned if owners[row] in live]
    vanished = {owner: keys for owner, keys in comparison.vanished.items() if owner in live}
    _keep_history(connection, sheet, works, changed, returned, vanished, moment)
    _insert(connection, sheet, works, new, moment)
    _update(connection, sheet, works, [*changed, *returned], moment)
    _remove(connection, sheet.table, [key for keys in vanished.values() for key in keys], moment)
    for row in [*new, *returned]:
        works[owners[row]].inserted += 1
    for row in changed:
        works[owners[row]].updated += 1
    for owner, keys in vanished.items():
        works[owner].removed += len(keys)


def _whole_key(sheet: Sheet, works: Sequence[UnitWork], row: int) -> tuple[Any, ...]:
    return (works[sheet.owners[row]].unit.client_id, *sheet.keys[row])


def _keep_history(
    connection: Connection,
    sheet: Sheet,
    works: Sequence[UnitWork],
    changed: Sequence[int],
    returned: Sequence[int],
    vanished: dict[int, list[tuple[Any, ...]]],
    moment: datetime,
) -> None:
    ended = [
        (*_whole_key(sheet, works, row), change, unit.run_id, unit.unit_id)
        for change, rows in ((UPDATED, changed), (RESTORED, returned))
        for row in rows
        for unit in (works[sheet.owners[row]].unit,)
    ]
    ended.extend(
        (*key, REMOVED, works[owner].unit.run_id, works[owner].unit.unit_id)
        for owner, keys in vanished.items()
        for key in keys
    )
    if not ended:
        return
    table = sheet.table
    ending = _ending(table.core, table.key)
    names = (*table.key, "change", "by_run_id", "by_unit_id")
    connection.execute(CreateTable(ending, if_not_exists=True))
    connection.execute(delete(ending))
    insert_rows(connection, ending, names, ended)
    core, history = table.core, table.history
    kept = ("client_id", *(one.name for one in table.columns), "row_hash", "run_id", "unit_id", "source")
    began = case((ending.c.change == RESTORED, core.c.removed_at), else_=core.c.loaded_at)
    versions = select(
        *(core.c[name] for name in kept),
        core.c.first_loaded_at,
        began,
        literal(moment, UtcDateTime()),
        ending.c.change,
        ending.c.by_run_id,
        ending.c.by_unit_id,
    ).select_from(ending.join(core, and_(*(ending.c[name] == core.c[name] for name in table.key))))
    into = (
        *kept,
        "first_loaded_at",
        "valid_from",
        "valid_to",
        "change",
        "ended_by_run_id",
        "ended_by_unit_id",
    )
    connection.execute(insert(history).from_select(into, versions))


def _insert(
    connection: Connection, sheet: Sheet, works: Sequence[UnitWork], rows: Sequence[int], moment: datetime
) -> None:
    if not rows:
        return
    table = sheet.table
    dialect = connection.dialect.name
    columns = [one.name for one in table.columns]
    stamp: Any = moment_text(moment) if dialect == "sqlite" else moment
    stored = []
    for row in rows:
        unit = works[sheet.owners[row]].unit
        stored.append(
            (
                unit.client_id,
                *sheet.values[row],
                sheet.hashes[row],
                unit.run_id,
                unit.unit_id,
                unit.source,
                stamp,
                stamp,
            )
        )
    engine_columns = ("row_hash", "run_id", "unit_id", "source", "first_loaded_at", "loaded_at")
    insert_rows(connection, table.core, ("client_id", *columns, *engine_columns), stored)


def _update(
    connection: Connection, sheet: Sheet, works: Sequence[UnitWork], rows: Sequence[int], moment: datetime
) -> None:
    if not rows:
        return
    table, core = sheet.table, sheet.table.core
    dialect = connection.dialect.name
    columns = [one.name for one in table.columns]
    stamp: Any = moment_text(moment) if dialect == "sqlite" else moment
    stored = []
    for row in rows:
        unit = works[sheet.owners[row]].unit
        stored.append(
            (
                unit.client_id,
                *sheet.values[row],
                sheet.hashes[row],
                unit.run_id,
                unit.unit_id,
                unit.source,
                stamp,
            )
        )
    written = ("row_hash", "run_id", "unit_id", "source", "loaded_at")
    names = ("of_client_id", *(f"to_{name}" for name in (*columns, *written)))
    plain = [name for name in columns if name not in table.spec.key]
    statement = (
        update(core)
        .where(
            core.c.client_id == bindparam("of_client_id"),
            *(core.c[name] == bindparam(f"to_{name}") for name in table.spec.key),
        )
        .values({name: bindparam(f"to_{name}") for name in (*plain, *written)} | {"removed_at": null()})
    )
    execute_many(connection, statement, names, stored)


def _remove(
    connection: Connection, table: WarehouseTable, keys: Sequence[tuple[Any, ...]], moment: datetime
) -> None:
    if not keys:
        return
    core = table.core
    dialect = connection.dialect.name
    stamp: Any = moment_text(moment) if dialect == "sqlite" else moment
    statement = (
        update(core)
        .where(*(core.c[name] == bindparam(f"of_{name}") for name in table.key))
        .values(removed_at=bindparam("to_removed_at"))
    )
    names = ("to_removed_at", *(f"of_{name}" for name in table.key))
    execute_many(connection, statement, names, [(stamp, *key) for key in keys])
