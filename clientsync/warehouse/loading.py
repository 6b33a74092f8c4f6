"""Loading: a batch of staged and validated units becomes rows, history, quarantine, memory and outcomes.

Everything of a batch is one transaction, fenced by the leases under which the units were fetched, so a run may
be killed at any instruction and the next one needs no person. Loading the same batch again writes no row.
``rows_in == rows_loaded + rows_quarantined`` is checked for every unit before the transaction commits.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, select, tuple_

from clientsync import clock
from clientsync.crash import crash_point
from clientsync.database import reading, writing
from clientsync.errors import IntegrityBroken, LeaseLost, SourceSuddenlyEmpty, WarehouseUnavailable
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncLease, SyncUnit
from clientsync.outcomes import Outcome
from clientsync.spec.module import TableSpec
from clientsync.staged import Breach, LoadResult, Problem, StagedUnit
from clientsync.warehouse.changing import apply
from clientsync.warehouse.comparing import compare
from clientsync.warehouse.covering import Cover, SectionTables, declared_sections, scopes_of
from clientsync.warehouse.held import hold
from clientsync.warehouse.judging import Released, Sheet, UnitWork, judge
from clientsync.warehouse.schema import warehouse_table
from clientsync.warehouse.settling import end_units, remember_cells
from clientsync.warehouse.unread import find_unread

TRIES = 3  # a dropped connection or a deadlock; the transaction is repeated whole
PAUSE_SECONDS = 0.2
REMOVAL_PUT_OFF = "REMOVAL_PUT_OFF"
_CHUNK = 1000
_LEASE = SyncLease.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]


def load_batch(
    engine: Engine,
    units: Sequence[StagedUnit],
    breaches: Sequence[Breach],
    tables: Mapping[str, TableSpec],
    *,
    now: datetime | None = None,
    max_bad_share: float = 0.2,
    released: Released = (),
    sections: SectionTables = declared_sections,
) -> list[LoadResult]:
    """Load a batch in one transaction; return what each unit came to, in the order given.

    A unit whose data the database refuses although every check passed ends as broken, alone; the others are
    loaded. A unit whose lease was lost gets ``cancelled`` and nothing of it is written.

    Args:
        engine: the warehouse, at the newest migration.
        units: fetched units; several may be about the same client, module and period, later ones win.
        breaches: what validation found.
        tables: tables by ``TableSpec.name``.
        now: the moment of the load, aware.
        max_bad_share: a unit of at least ten rows with a greater share of bad ones is suspect.
        released: units that a person released.
        sections: which tables each section of a module covers.

    Raises:
        WarehouseUnavailable: the database cannot be reached; nothing was written, or all of it was.
        OutOfSpace: nothing was written.
    """
    moment = now or clock.now()
    batch = _Batch(engine, breaches, tables, moment, max_bad_share, released, sections)
    if not units:
        return []
    try:
        return batch.load(units)
    except IntegrityBroken:
        results = []
        for unit in units:
            try:
                results.extend(batch.load([unit]))
            except IntegrityBroken as error:
                results.extend(batch.load([unit], refused=error))
        return results


class _Batch:
    """What all attempts at one batch have in common."""

    def __init__(
        self,
        engine: Engine,
        breaches: Sequence[Breach],
        tables: Mapping[str, TableSpec],
        moment: datetime,
        max_bad_share: float,
        released: Released,
        sections: SectionTables,
    ) -> None:
        self._engine = engine
        self._breaches = breaches
        self._tables = tables
        self._moment = moment
        self._max_bad_share = max_bad_share
        self._released = released
        self._sections = sections

    def load(self, units: Sequence[StagedUnit], refused: IntegrityBroken | None = None) -> list[LoadResult]:
        """Load units in one transaction, again when the connection was lost; see ``load_batch``."""
        for attempt in range(1, TRIES + 1):
            load_id = new_id("load")
            try:
                return self._once(units, load_id, refused)
            except WarehouseUnavailable:
                if attempt == TRIES:
                    raise
                time.sleep(PAUSE_SECONDS * attempt)
        raise AssertionError("unreachable")

    def _once(
        self, units: Sequence[StagedUnit], load_id: str, refused: IntegrityBroken | None
    ) -> list[LoadResult]:
        works, sheets = judge(
            units,
            self._breaches,
            self._tables,
            dialect=self._engine.dialect.name,
            max_bad_share=self._max_bad_share,
            released=self._released,
        )
        if refused is not None:
            for work in works:
                work.outcome = Outcome.BROKEN
                work.stop = Problem(refused.code, refused.message, refused.next_step, rows=work.rows_in)
        covers = scopes_of(works, sheets, self._tables, self._sections)
        results: list[LoadResult] | None = None
        try:
            with writing(self._engine) as connection:
                results = self._write(connection, works, sheets, covers, load_id)
                crash_point("before_commit")
        except WarehouseUnavailable:
            if results is None or not self._is_committed(load_id):
                raise
        crash_point("after_commit")
        return results

    def _is_committed(self, load_id: str) -> bool:
        """Ask the database whether a transaction, whose commit got no answer, is there."""
        with reading(self._engine) as connection:
            found = connection.execute(select(_UNIT.c.unit_id).where(_UNIT.c.load_id == load_id).limit(1))
            return found.first() is not None

    def _write(
        self,
        connection: Connection,
        works: Sequence[UnitWork],
        sheets: Mapping[str, Sheet],
        covers: Sequence[Cover],
        load_id: str,
    ) -> list[LoadResult]:
        lost = _lost(connection, [work.unit for work in works])
        crash_point("after_begin")
        for work in works:
            if work.number in lost:
                work.stop = Problem(
                    LeaseLost.code,
                    "Another process took over this client and module; nothing was written.",
                    LeaseLost.next_step,
                )
                work.outcome = Outcome.CANCELLED
        for wave in _waves(works):
            self._write_wave(connection, works, wave, sheets, covers)
        kept = Counter(owner for sheet in sheets.values() for owner in sheet.owners)
        for work in works:
            _check_conservation(work, kept[work.number])
        crash_point("after_rows")
        ours = [work for work in works if work.number not in lost]
        for work in ours:
            work.hold_all()
        hold(connection, ours, self._moment)
        crash_point("after_quarantine")
        remember_cells(connection, ours, self._moment)
        find_unread(connection, ours)
        crash_point("after_cursor")
        by_unit = {
            work.number: result
            for work, result in zip(ours, end_units(connection, ours, load_id, self._moment), strict=True)
        }
        return [by_unit[work.number] if work.number in by_unit else _cancelled(work) for work in works]

    def _write_wave(
        self,
        connection: Connection,
        works: Sequence[UnitWork],
        wave: set[int],
        sheets: Mapping[str, Sheet],
        covers: Sequence[Cover],
    ) -> None:
        live = {number for number in wave if works[number].stop is None}
        names = sorted({*sheets, *(name for number in live for name in covers[number])})
        compared = []
        for name in names:
            sheet = sheets.get(name) or Sheet(warehouse_table(self._tables[name]))
            rows = [
                (row, (works[owner].unit.client_id, *sheet.keys[row]), sheet.hashes[row])
                for row, owner in enumerate(sheet.owners)
                if owner in live
            ]
            held = [
                (works[number].unit.client_id, *one.key)
                for number in live
                for one in works[number].held
                if one.record.table == name and one.key is not None
            ]
            scopes = {
                scope: owner
                for number in live
                for scope, owner in covers[number].get(name, {}).items()
                if name not in works[number].unreadable
            }
            if rows or scopes:
                compared.append((sheet, compare(connection, sheet.table, rows, held, scopes)))
        for sheet, comparison in compared:
            for number, (gone, stored) in comparison.share.items():
                work = works[number]
                if gone > sheet.table.spec.max_delete_share * stored and not work.is_released:
                    work.halt(
                        SourceSuddenlyEmpty, f"{gone} of {stored} stored rows have vanished.", rows=gone
                    )
        for number in live:
            if works[number].unreadable and works[number].stop is None:
                works[number].problems.append(_put_off())
        for sheet, comparison in compared:
            apply(connection, sheet, works, comparison, self._moment)


def _put_off() -> Problem:
    return Problem(
        REMOVAL_PUT_OFF,
        "The key of a held row cannot be read, so no stored row of its table was taken for vanished.",
        "See the quarantine.",
        is_warning=True,
    )


def _lost(connection: Connection, units: Sequence[StagedUnit]) -> set[int]:
    """Lock the leases of these units and return the positions of units whose fence is no longer the newest."""
    keys = sorted({(unit.client_id, unit.connector, unit.module) for unit in units})
    fences: dict[tuple[str, str, str], int] = {}
    for start in range(0, len(keys), _CHUNK):
        statement = (
            select(_LEASE.c.client_id, _LEASE.c.connector, _LEASE.c.module, _LEASE.c.fence)
            .where(
                tuple_(_LEASE.c.client_id, _LEASE.c.connector, _LEASE.c.module).in_(
                    keys[start : start + _CHUNK]
                )
            )
            .order_by(_LEASE.c.client_id, _LEASE.c.connector, _LEASE.c.module)
            .with_for_update()
        )
        for row in connection.execute(statement):
            fences[row[0], row[1], row[2]] = row[3]
    return {
        number
        for number, unit in enumerate(units)
        if fences.get((unit.client_id, unit.connector, unit.module)) != unit.fence
    }


def _waves(works: Sequence[UnitWork]) -> list[set[int]]:
    """Return the units in groups that share no key and no scope, in the order in which they must be written."""
    wave_of: dict[int, int] = {}
    for work in works:
        wave_of[work.number] = max((wave_of[one] + 1 for one in work.after), default=0)
    waves: dict[int, set[int]] = defaultdict(set)
    for number, wave in wave_of.items():
        waves[wave].add(number)
    return [waves[wave] for wave in sorted(waves)]


def _check_conservation(work: UnitWork, kept: int) -> None:
    """Count the unchanged rows of a unit and make sure that every row that came in is accounted for.

    Raises:
        IntegrityBroken: a row is neither loaded nor held.
    """
    if work.stop is not None:
        return
    work.unchanged = kept + work.repeated - work.inserted - work.updated
    loaded = work.inserted + work.updated + work.unchanged
    if work.unchanged < 0 or work.rows_in != loaded + len(work.held):
        raise IntegrityBroken(
            f"{work.rows_in} rows came in, {loaded} were loaded and {len(work.held)} held; nothing was written."
        )


def _cancelled(work: UnitWork) -> LoadResult:
    return LoadResult(
        unit_id=work.unit.unit_id,
        outcome=Outcome.CANCELLED,
        rows_in=work.rows_in,
        problems=[work.stop] if work.stop else [],
    )
