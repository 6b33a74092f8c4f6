"""What may be loaded of a batch, and what must be held: pure decisions before any transaction begins.

Every record of a unit ends as exactly one of: a row to load, an identical repetition of such a row, or a held
record with its reasons. Records with one key and different contents are all held: the answer contradicts
itself, and no order of arrival says which of them is right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from clientsync.errors import InvalidSpec, RowInvalid, SuspectData, TooManyBadRows
from clientsync.outcomes import Outcome
from clientsync.spec.module import Record, TableSpec
from clientsync.staged import Breach, Problem, StagedCell, StagedUnit
from clientsync.warehouse.rows import read_rows
from clientsync.warehouse.schema import WarehouseTable, warehouse_table

KEY_CONFLICT = "KEY_CONFLICT"
_CONTRADICTION = "several rows of the answer have this key and different contents"
REPEATED_ROWS = "REPEATED_ROWS"
FEW_ROWS = 10  # below this a share says nothing; only a unit without any good row is suspect then

Released = Collection[tuple[str, str, str]]
"""(client id, module, unit period) that a person has released: suspicion no longer holds them back."""


@dataclass(frozen=True)
class Held:
    """A record that is not loaded: where it was, why, and its key if that can be read."""

    section: str
    record: Record
    codes: tuple[str, ...]
    reason: str
    key: tuple[Any, ...] | None


@dataclass
class UnitWork:
    """A unit on its way through loading.

    Attributes:
        number: position in the batch.
        after: earlier units of the batch that share a key or scope with it and must be written before it.
        rows_in: records that came.
        held: records that go to quarantine.
        repeated: records that repeat another one of the unit exactly.
        problems: lines for the exception report.
        stop: why nothing of the unit may be loaded, None when it may.
        outcome: of a stopped unit.
        keeps_held: whether the held records of a stopped unit are kept in quarantine as evidence.
        unreadable: tables for which a held record's key cannot be read, so absence proves nothing.
        unread: sections that the unit's file lacks and that are not read otherwise, each with what that means.
        inserted, updated, unchanged, removed: rows by what happened.
    """

    unit: StagedUnit
    number: int
    is_released: bool
    after: set[int] = field(default_factory=set)
    rows_in: int = 0
    held: list[Held] = field(default_factory=list)
    repeated: int = 0
    problems: list[Problem] = field(default_factory=list)
    stop: Problem | None = None
    outcome: Outcome = Outcome.SUSPECT
    keeps_held: bool = False
    unreadable: set[str] = field(default_factory=set)
    unread: list[StagedCell] = field(default_factory=list)
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0

    @property
    def all_cells(self) -> tuple[StagedCell, ...]:
        """The sections that were staged, and those that the unit's file lacks."""
        return (*self.unit.cells, *self.unread)

    def halt(self, error: type[SuspectData], message: str, *, rows: int = 0, section: str = "") -> None:
        """Stop the unit as suspect, unless it already stands still."""
        if self.stop is None:
            self.stop = Problem(error.code, message, error.next_step, section=section, rows=rows)

    def hold_all(self) -> None:
        """Keep every record of a suspect unit in quarantine, so that each is accounted for until it is released."""
        if self.stop is None or self.outcome is not Outcome.SUSPECT:
            return
        known = {id(one.record) for one in self.held}
        for cell in self.unit.cells:
            for record in cell.records:
                if id(record) not in known:
                    self.held.append(Held(cell.section, record, (self.stop.code,), self.stop.message, None))
        self.keeps_held = True


@dataclass
class Sheet:
    """The rows of one table in a batch; the lists run in parallel.

    Attributes:
        owners: number of the unit of each row.
        values, hashes, keys: see ``GoodRows``.
    """

    table: WarehouseTable
    owners: list[int] = field(default_factory=list)
    values: list[tuple[Any, ...]] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    keys: list[tuple[Any, ...]] = field(default_factory=list)


class _Place(NamedTuple):
    work: UnitWork
    section: str
    position: int
    record: Record


@dataclass
class _Places:
    """Where the records of one table stand in a batch, as parallel lists: a batch holds very many."""

    works: list[UnitWork] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def add(self, work: UnitWork, section: str, positions: Sequence[int], records: Sequence[Record]) -> None:
        self.works.extend([work] * len(records))
        self.sections.extend([section] * len(records))
        self.positions.extend(positions)
        self.records.extend(records)

    def at(self, number: int) -> _Place:
        return _Place(self.works[number], self.sections[number], self.positions[number], self.records[number])


def judge(
    units: Sequence[StagedUnit],
    breaches: Sequence[Breach],
    tables: Mapping[str, TableSpec],
    *,
    dialect: str,
    max_bad_share: float,
    released: Released = (),
) -> tuple[list[UnitWork], dict[str, Sheet]]:
    """Return the work of each unit, in the order given, and the rows to load by table name."""
    works = [
        UnitWork(unit, number, (unit.client_id, unit.module, unit.unit_period) in released)
        for number, unit in enumerate(units)
    ]
    rejected = _apply_breaches(works, breaches)
    for work in works:
        _apply_findings(work)
    sheets = {
        name: _judge_table(works, warehouse_table(tables[name]), places, rejected, dialect)
        for name, places in _places(works, tables).items()
    }
    for work in works:
        _weigh(work, max_bad_share)
    return works, sheets


def _apply_breaches(
    works: Sequence[UnitWork], breaches: Sequence[Breach]
) -> dict[tuple[int, str, int], list[Breach]]:
    """Note warnings, stop units, and return the breaches that reject rows by unit number, section, record."""
    by_id = {work.unit.unit_id: work for work in works}
    rejected: dict[tuple[int, str, int], list[Breach]] = defaultdict(list)
    counted: Counter[tuple[int, str, str, str, str]] = Counter()
    for breach in breaches:
        work = by_id.get(breach.unit_id)
        if work is None:
            continue
        counted[work.number, breach.section, breach.code, breach.message, breach.action] += 1
        if breach.action == "reject_row":
            rejected[work.number, breach.section, breach.record].append(breach)
    for (number, section, code, message, action), rows in counted.items():
        if action == "halt_unit" and not works[number].is_released:
            works[number].stop = works[number].stop or Problem(
                code, message, SuspectData.next_step, section=section, rows=rows
            )
        elif action != "reject_row":
            works[number].problems.append(
                Problem(code, message, "None: the rows are loaded.", section, rows, is_warning=True)
            )
    return rejected


def _apply_findings(work: UnitWork) -> None:
    for cell in work.unit.cells:
        for finding in cell.findings:
            if finding.is_halting and not work.is_released:
                work.stop = work.stop or Problem(
                    finding.code, finding.message, SuspectData.next_step, section=cell.section
                )
            else:
                work.problems.append(
                    Problem(
                        finding.code,
                        finding.message,
                        "Compare with the portal.",
                        cell.section,
                        is_warning=True,
                    )
                )


def _places(works: Sequence[UnitWork], tables: Mapping[str, TableSpec]) -> dict[str, _Places]:
    places: dict[str, _Places] = {}
    for work in works:
        for cell in work.unit.cells:
            work.rows_in += len(cell.records)
            for name in dict.fromkeys(record.table for record in cell.records):
                if name not in tables:
                    _refuse_table(work, cell.section, name)
                    continue
                positions = [number for number, one in enumerate(cell.records) if one.table == name]
                records = [cell.records[number] for number in positions]
                places.setdefault(name, _Places()).add(work, cell.section, positions, records)
    return places


def _refuse_table(work: UnitWork, section: str, name: str) -> None:
    if work.stop is None:
        message = f"A parser names table {name!r}, which no module declares."
        work.outcome = Outcome.BROKEN
        work.stop = Problem(InvalidSpec.code, message, InvalidSpec.next_step, section)


def _judge_table(
    works: Sequence[UnitWork],
    table: WarehouseTable,
    places: _Places,
    rejected: Mapping[tuple[int, str, int], Sequence[Breach]],
    dialect: str,
) -> Sheet:
    readable = [number for number, record in enumerate(places.records) if record.problem is None]
    if len(readable) < len(places.records):
        for number, record in enumerate(places.records):
            if record.problem is not None:
                key = _key_of(table, record, dialect)
                _hold(places.at(number), (RowInvalid.code,), record.problem, key)
    good, bad = read_rows(table, [places.records[number].values for number in readable], dialect)
    for number, reason in bad.items():
        place = places.at(readable[number])
        _hold(place, (RowInvalid.code,), reason, _key_of(table, place.record, dialect))
    kept = [readable[origin] for origin in good.origins]
    sheet = Sheet(
        table, [places.works[number].number for number in kept], good.values, good.hashes, good.keys
    )
    if rejected:
        gone = _reject(sheet, places, kept, rejected)
        sheet, kept = _without(sheet, gone), [one for row, one in enumerate(kept) if row not in gone]
    return _without_repetitions(works, sheet, places, kept)


def _reject(
    sheet: Sheet,
    places: _Places,
    kept: Sequence[int],
    rejected: Mapping[tuple[int, str, int], Sequence[Breach]],
) -> set[int]:
    """Hold the rows that validation rejects; return their positions in the sheet."""
    gone: set[int] = set()
    for row, number in enumerate(kept):
        why = rejected.get((sheet.owners[row], places.sections[number], places.positions[number]))
        if why:
            codes = tuple(dict.fromkeys(breach.code for breach in why))
            reason = "; ".join(dict.fromkeys(breach.message for breach in why))
            _hold(places.at(number), codes, reason, sheet.keys[row])
            gone.add(row)
    return gone


def _without(sheet: Sheet, gone: set[int]) -> Sheet:
    """Return the sheet without some of its rows."""
    if not gone:
        return sheet
    rows = [row for row in range(len(sheet.owners)) if row not in gone]
    return Sheet(
        sheet.table,
        [sheet.owners[row] for row in rows],
        [sheet.values[row] for row in rows],
        [sheet.hashes[row] for row in rows],
        [sheet.keys[row] for row in rows],
    )


def _without_repetitions(
    works: Sequence[UnitWork], sheet: Sheet, places: _Places, kept: Sequence[int]
) -> Sheet:
    """Drop exact repetitions within a unit, hold contradictions, and note units that share a key."""
    first: dict[tuple[Any, ...], int] = {}
    repeated: set[int] = set()
    conflicts: set[tuple[int, tuple[Any, ...]]] = set()
    for row, (owner, key) in enumerate(zip(sheet.owners, sheet.keys, strict=True)):
        whole = (works[owner].unit.client_id, *key)
        known = first.setdefault(whole, row)
        if known == row:
            continue
        if sheet.owners[known] != owner:
            works[owner].after.add(sheet.owners[known])
            first[whole] = row
        elif sheet.hashes[known] == sheet.hashes[row]:
            repeated.add(row)
        else:
            conflicts.add((owner, key))
    contradicting: set[int] = set()
    if conflicts:
        for row, (owner, key) in enumerate(zip(sheet.owners, sheet.keys, strict=True)):
            if (owner, key) in conflicts:
                contradicting.add(row)
                _hold(places.at(kept[row]), (KEY_CONFLICT,), _CONTRADICTION, key)
    for row in repeated - contradicting:
        works[sheet.owners[row]].repeated += 1
    return _without(sheet, repeated | contradicting)


def _hold(place: _Place, codes: tuple[str, ...], reason: str, key: tuple[Any, ...] | None) -> None:
    if key is None:
        place.work.unreadable.add(place.record.table)
    place.work.held.append(Held(place.section, place.record, codes, reason, key))


def _key_of(table: WarehouseTable, record: Record, dialect: str) -> tuple[Any, ...] | None:
    """Return the key of a record that is otherwise bad, None when a part of it cannot be read."""
    bare = [{name: record.values[name] for name in table.spec.key if name in record.values}]
    wanted = tuple(column for column in table.columns if column.name in table.spec.key)
    narrow = WarehouseTable(table.spec, wanted, table.core, table.history)
    good, _ = read_rows(narrow, bare, dialect)
    return good.keys[0] if good.keys else None


def _weigh(work: UnitWork, max_bad_share: float) -> None:
    """Note what was held and repeated; stop the unit when too much of it is bad."""
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for held in work.held:
        reasons[held.section, ",".join(held.codes)[:60]].append(held.reason)
    for (section, code), texts in reasons.items():
        work.problems.append(Problem(code, texts[0], RowInvalid.next_step, section, len(texts)))
    if work.repeated:
        work.problems.append(
            Problem(
                REPEATED_ROWS,
                "The answer repeats rows exactly; each is stored once.",
                "None.",
                rows=work.repeated,
                is_warning=True,
            )
        )
    bad = len(work.held)
    if work.stop is not None or work.is_released or not bad:
        return
    if bad == work.rows_in or (work.rows_in >= FEW_ROWS and bad > max_bad_share * work.rows_in):
        work.halt(TooManyBadRows, f"{bad} of {work.rows_in} rows are bad.", rows=bad)
        work.keeps_held = True
