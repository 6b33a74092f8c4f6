"""Replay: rows in quarantine that pass the checks of today go into the warehouse, the others stay held.

All of it is one transaction with the quarantine rows and the counts of the units that held them, so rows in stay
rows loaded plus rows held for every unit. A replay says nothing about the rest of a scope: no stored row vanishes by
it, and none that the source has told anew since is replaced. Replaying twice changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, func, select, tuple_, update

from clientsync import clock
from clientsync.crash import crash_point
from clientsync.database import writing
from clientsync.errors import SuspectData
from clientsync.ledger import leases
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncLease, SyncQuarantine, SyncUnit
from clientsync.outcomes import Outcome
from clientsync.spec.module import Record, TableSpec
from clientsync.staged import Breach, StagedCell, StagedUnit
from clientsync.warehouse.changing import apply
from clientsync.warehouse.comparing import compare
from clientsync.warehouse.held import SUPERSEDED
from clientsync.warehouse.judging import Sheet, UnitWork, judge
from clientsync.warehouse.rows import read_rows
from clientsync.warehouse.schema import WarehouseTable, warehouse_table
from clientsync.warehouse.waiting import HeldFilter, HeldRow, find_rows

REPLAYED = "replayed"
LEASE_SECONDS = 300
_PLAIN = "python"  # no dialect: keys as Python values
_CHUNK = 500
_JUDGED = (Outcome.LOADED, Outcome.UNCHANGED, Outcome.EMPTY, Outcome.SUSPECT)
"""Outcomes of units whose answer was read and judged."""
_Q: Any = SyncQuarantine.__table__  # type: ignore[attr-defined]
_UNIT: Any = SyncUnit.__table__  # type: ignore[attr-defined]
_LEASE: Any = SyncLease.__table__  # type: ignore[attr-defined]

Validator = Callable[[Sequence[StagedUnit], Mapping[str, TableSpec]], list[Breach]]
_Key = tuple[Any, ...]


@dataclass
class ReplayResult:
    """What a replay came to: ``asked == replayed + superseded + still_held + busy``.

    Attributes:
        asked: open rows that were meant.
        replayed: rows that are in the warehouse now; ``inserted + updated + unchanged``.
        superseded: rows that the source has told anew since, so that what was held is out of date.
        still_held: rows that break a rule of today, cannot be read without the source, or belong to a unit
            that is suspect.
        busy: rows on which another run works, or that it resolved meanwhile.
        codes: why rows are still held, and how many.
    """

    asked: int = 0
    replayed: int = 0
    superseded: int = 0
    still_held: int = 0
    busy: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    codes: Counter[str] = field(default_factory=Counter)


def replay(
    engine: Engine,
    which: HeldFilter | Collection[str],
    tables: Mapping[str, TableSpec],
    validator: Validator,
    *,
    now: datetime | None = None,
) -> ReplayResult:
    """Load the open rows that pass the checks of today; the others stay, with today's reasons.

    Two held rows with one key and different contents stay held, unless one alone is asked for by its id: then a
    person has decided which of them is right. A row that was held because it could not be read carries the
    source's own text instead of columns; only reading the source again mends it.

    Args:
        engine: the warehouse.
        which: ids of quarantine rows, or a filter; ids that are not open are passed over.
        tables: tables by ``TableSpec.name``.
        validator: as in the loading of a run, for example ``validations.validate``.
        now: the moment of the replay, aware.

    Raises:
        WarehouseError: the database cannot be written; nothing of the replay remains.
    """
    moment = now or clock.now()
    held = find_rows(engine, which)
    result = ReplayResult(asked=len(held))
    readable = []
    for row in held:
        if row.table_name in tables and _is_readable(tables[row.table_name], row.values):
            readable.append(row)
        else:
            result.still_held += 1
            result.codes.update(row.codes)
    keys = {(row.client_id, row.connector, row.module) for row in readable}
    fences = leases.take(engine, keys, new_id("replay"), LEASE_SECONDS) if keys else {}
    try:
        ours = [row for row in readable if (row.client_id, row.connector, row.module) in fences]
        if ours:
            _Replay(engine.dialect.name, ours, tables, fences).run(engine, validator, moment, result)
    finally:
        leases.release(engine, fences)
    result.busy = result.asked - result.replayed - result.superseded - result.still_held
    return result


def _is_readable(spec: TableSpec, values: Mapping[str, Any]) -> bool:
    return values.keys() <= spec.row.model_fields.keys() and all(name in values for name in spec.key)


def typed_values(table: WarehouseTable, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that were kept as JSON with dates and moments as such; what is none stays text."""
    typed = dict(values)
    for column in table.columns:
        text = typed.get(column.name)
        if column.python not in (date, datetime) or not isinstance(text, str):
            continue
        try:
            value: date = column.python.fromisoformat(text)
        except ValueError:
            continue
        if value.isoformat() == text:
            typed[column.name] = value
    return typed


class _Replay:
    """Held rows as units whose sections are not whole, so that they cover nothing."""

    def __init__(
        self,
        dialect: str,
        held: Sequence[HeldRow],
        tables: Mapping[str, TableSpec],
        fences: Mapping[leases.Key, int],
    ) -> None:
        self._dialect = dialect
        self._held = held
        self._tables = tables
        self._fences = fences
        self._row_of: dict[int, HeldRow] = {}  # by id() of the record, which its unit keeps alive
        self._units = self._as_units()

    def _as_units(self) -> list[StagedUnit]:
        """Return one unit per client, module and period, so that contradictions meet; the newest lends its id."""
        groups: dict[tuple[str, str, str, str], list[HeldRow]] = defaultdict(list)
        for row in self._held:
            groups[row.client_id, row.connector, row.module, row.unit_period].append(row)
        units = []
        for (client_id, connector, module, unit_period), rows in sorted(groups.items()):
            newest = max(rows, key=lambda row: row.unit_id)
            cells: dict[str, StagedCell] = {}
            for row in rows:
                table = warehouse_table(self._tables[row.table_name])
                record = Record(row.table_name, typed_values(table, row.values))
                self._row_of[id(record)] = row
                cell = cells.setdefault(row.section, StagedCell(row.section, Outcome.LOADED, is_whole=False))
                cell.records.append(record)
            units.append(
                StagedUnit(
                    newest.unit_id,
                    newest.run_id,
                    client_id,
                    connector,
                    module,
                    unit_period,
                    gstin="",
                    fence=self._fences[client_id, connector, module],
                    cells=list(cells.values()),
                    source="replay",
                )
            )
        return units

    def run(self, engine: Engine, validator: Validator, moment: datetime, result: ReplayResult) -> None:
        """Validate outside of the transaction, because that takes seconds; then load in one."""
        breaches = [
            Breach(one.unit_id, one.section, one.record, one.code, one.message, "reject_row")
            if one.action == "halt_unit"
            else one
            for one in validator(self._units, self._tables)
        ]
        with writing(engine) as connection:
            put_off = self._put_off(connection)
            outdated = self._outdated(connection) - put_off.keys()
            works, sheets = judge(
                self._units,
                [*breaches, *self._left_out(put_off.keys() | outdated)],
                self._tables,
                dialect=self._dialect,
                max_bad_share=1.0,
                released={(unit.client_id, unit.module, unit.unit_period) for unit in self._units},
            )
            kinds = self._write(connection, works, sheets, moment)
            self._settle(connection, works, kinds, put_off, outdated, moment, result)
            crash_point("before_commit")
        crash_point("after_commit")

    def _left_out(self, ids: Collection[str]) -> Iterable[Breach]:
        for unit in self._units:
            for cell in unit.cells:
                for number, record in enumerate(cell.records):
                    if self._row_of[id(record)].quarantine_id in ids:
                        yield Breach(unit.unit_id, cell.section, number, "LEFT_OUT", "", "reject_row")

    def _put_off(self, connection: Connection) -> dict[str, str]:
        """Lock the rows; return why some must not be touched: "" when another run has them, or ``SUSPECT``."""
        still_open = self._still_open(connection)
        lost = self._lost(connection)
        suspect = self._suspect(connection)
        why: dict[str, str] = {}
        for row in self._held:
            if row.quarantine_id not in still_open or (row.client_id, row.connector, row.module) in lost:
                why[row.quarantine_id] = ""
            elif (row.client_id, row.connector, row.module, row.unit_period) in suspect:
                why[row.quarantine_id] = SuspectData.code
        return why

    def _still_open(self, connection: Connection) -> set[str]:
        found: set[str] = set()
        for part in _parts(sorted(row.quarantine_id for row in self._held)):
            statement = select(_Q.c.quarantine_id).where(
                _Q.c.quarantine_id.in_(part), _Q.c.resolved_at.is_(None)
            )
            found.update(
                connection.execute(statement.order_by(_Q.c.quarantine_id).with_for_update()).scalars()
            )
        return found

    def _lost(self, connection: Connection) -> set[leases.Key]:
        """Lock the leases; return those that another holder has taken over."""
        lost: set[leases.Key] = set()
        columns = (_LEASE.c.client_id, _LEASE.c.connector, _LEASE.c.module)
        for part in _parts(sorted(self._fences)):
            statement = select(*columns, _LEASE.c.fence).where(tuple_(*columns).in_(part))
            for *key, fence in connection.execute(statement.order_by(*columns).with_for_update()):
                place = (key[0], key[1], key[2])
                if fence != self._fences[place]:
                    lost.add(place)
        return lost

    def _suspect(self, connection: Connection) -> set[tuple[str, ...]]:
        """Return the clients, modules and periods whose newest answer waits for a person's release.

        A unit without an answer, because the source failed or waits, releases nothing.
        """
        found: set[tuple[str, ...]] = set()
        columns = (_UNIT.c.client_id, _UNIT.c.connector, _UNIT.c.module, _UNIT.c.unit_period)
        places = [(one.client_id, one.connector, one.module, one.unit_period) for one in self._units]
        for part in _parts(places):
            newest = (
                select(func.max(_UNIT.c.unit_id))
                .where(tuple_(*columns).in_(part), _UNIT.c.outcome.in_(_JUDGED))
                .group_by(*columns)
            )
            statement = select(*columns).where(
                _UNIT.c.unit_id.in_(newest), _UNIT.c.outcome == Outcome.SUSPECT
            )
            found.update(tuple(row) for row in connection.execute(statement))
        return found

    def _outdated(self, connection: Connection) -> set[str]:
        """Return the ids of rows whose key the source has told, or dropped, after they were held."""
        found: set[str] = set()
        for name, rows in self._by_table().items():
            table = warehouse_table(self._tables[name])
            held: dict[_Key, list[HeldRow]] = defaultdict(list)
            for row, key in rows:
                held[row.client_id, *key].append(row)
            columns = [table.core.c[one] for one in table.key]
            for part in _parts(list(held)):
                statement = select(*columns, table.core.c.loaded_at, table.core.c.removed_at).where(
                    tuple_(*columns).in_(part)
                )
                for stored in connection.execute(statement):
                    newest = max(stored.loaded_at, stored.removed_at or stored.loaded_at)
                    waiting = held[tuple(stored[: len(columns)])]
                    found.update(row.quarantine_id for row in waiting if newest > row.held_at)
        return found

    def _by_table(self) -> dict[str, list[tuple[HeldRow, _Key]]]:
        """Return the rows whose key can be read, with it, by table."""
        records: dict[str, list[Record]] = defaultdict(list)
        for unit in self._units:
            for cell in unit.cells:
                for record in cell.records:
                    records[record.table].append(record)
        found = {}
        for name, some in records.items():
            good, _ = read_rows(warehouse_table(self._tables[name]), [one.values for one in some], _PLAIN)
            found[name] = [
                (self._row_of[id(some[origin])], key)
                for origin, key in zip(good.origins, good.keys, strict=True)
            ]
        return found

    def _write(
        self,
        connection: Connection,
        works: Sequence[UnitWork],
        sheets: Mapping[str, Sheet],
        moment: datetime,
    ) -> Counter[tuple[int, str]]:
        """Write the rows that passed; return how many were inserted and updated by unit number."""
        level: dict[int, int] = {}
        for work in works:
            level[work.number] = max((level[one] + 1 for one in work.after), default=0)
        for wave in sorted(set(level.values())):
            for sheet in sheets.values():
                rows = [
                    (row, (works[owner].unit.client_id, *sheet.keys[row]), sheet.hashes[row])
                    for row, owner in enumerate(sheet.owners)
                    if level[owner] == wave
                ]
                if rows:
                    apply(connection, sheet, works, compare(connection, sheet.table, rows, (), {}), moment)
        return Counter(
            {(work.number, kind): getattr(work, kind) for work in works for kind in ("inserted", "updated")}
        )

    def _settle(
        self,
        connection: Connection,
        works: Sequence[UnitWork],
        kinds: Counter[tuple[int, str]],
        put_off: Mapping[str, str],
        outdated: Collection[str],
        moment: datetime,
        result: ReplayResult,
    ) -> None:
        """Resolve what was loaded or is out of date, renew the reasons of the rest, and move the counts."""
        resolved: list[dict[str, Any]] = []
        renewed: list[dict[str, Any]] = []
        moved: dict[str, Counter[str]] = defaultdict(Counter)
        for work in works:
            why = {id(one.record): one for one in work.held}
            for record in (record for cell in work.unit.cells for record in cell.records):
                row = self._row_of[id(record)]
                held = why.get(id(record))
                if row.quarantine_id in put_off:
                    if put_off[row.quarantine_id]:
                        result.still_held += 1
                        result.codes[put_off[row.quarantine_id]] += 1
                elif row.quarantine_id in outdated:
                    resolved.append({"of_id": row.quarantine_id, "to": SUPERSEDED})
                    result.superseded += 1
                elif held is not None:
                    result.still_held += 1
                    result.codes.update(held.codes)
                    if (held.codes, held.reason) != (row.codes, row.reason):
                        codes = ",".join(held.codes)
                        renewed.append({"of_id": row.quarantine_id, "to_codes": codes, "to": held.reason})
                else:
                    resolved.append({"of_id": row.quarantine_id, "to": REPLAYED})
                    kind = next(
                        (one for one in ("inserted", "updated") if kinds[work.number, one]), "unchanged"
                    )
                    kinds[work.number, kind] -= 1
                    moved[row.unit_id][kind] += 1
                    result.replayed += 1
                    setattr(result, kind, getattr(result, kind) + 1)
        of_id = _Q.c.quarantine_id == bindparam("of_id")
        if resolved:
            connection.execute(
                update(_Q).where(of_id).values(resolved_at=moment, resolution=bindparam("to")), resolved
            )
        if renewed:
            connection.execute(
                update(_Q).where(of_id).values(codes=bindparam("to_codes"), reason=bindparam("to")), renewed
            )
        for unit_id, counts in sorted(moved.items()):
            total = counts.total()
            connection.execute(
                update(_UNIT)
                .where(_UNIT.c.unit_id == unit_id)
                .values(
                    rows_loaded=_UNIT.c.rows_loaded + total,
                    rows_quarantined=_UNIT.c.rows_quarantined - total,
                    **{kind: _UNIT.c[kind] + number for kind, number in counts.items()},
                )
            )


def _parts(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
