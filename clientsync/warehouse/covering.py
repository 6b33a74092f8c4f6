"""Which scopes the answers of a unit cover whole, so that a stored row they no longer hold has vanished.

By convention the scope columns ``period``, ``unit_period`` and ``financial_year`` carry the unit period and
``section`` the name of the section; so the scope of an empty answer is known too. The values of other scope
columns are taken from the records. Invariant: a section that failed, was skipped as unchanged or was answered
in part never makes a row vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from clientsync.outcomes import Outcome
from clientsync.spec.module import Deletes, TableSpec
from clientsync.staged import StagedCell, StagedUnit
from clientsync.warehouse.judging import Sheet, UnitWork

SectionTables = Callable[[str, str], Mapping[str, Sequence[str]]]
"""Connector and module name to: section name to the names of the tables that its answer covers whole."""

Scope = tuple[Any, ...]
Cover = dict[str, dict[Scope, int]]
"""Table name to the covered scopes (client id first) to the number of the unit that covers them."""

UNIT_PERIOD_COLUMNS = frozenset({"period", "unit_period", "financial_year"})
_ANSWERED = (Outcome.LOADED, Outcome.EMPTY)


def declared_sections(connector: str, module: str) -> Mapping[str, Sequence[str]]:
    """Return what the module's own declaration says: section name to table names."""
    found = import_module("clientsync.registry").connector(connector).module(module)
    return {section.name: section.tables for section in found.sections}


def scopes_of(
    works: Sequence[UnitWork],
    sheets: Mapping[str, Sheet],
    tables: Mapping[str, TableSpec],
    sections: SectionTables,
) -> list[Cover]:
    """Return the scopes that each unit covers, and note units that cover a scope after an earlier one."""
    covers: list[Cover] = [{} for _ in works]
    for work, cover in zip(works, covers, strict=True):
        if work.stop is None:
            _add_declared(work, cover, tables, sections(work.unit.connector, work.unit.module))
    for name, sheet in sheets.items():
        _add_recorded(works, covers, name, sheet)
    last: dict[tuple[str, Scope], int] = {}
    for work, cover in zip(works, covers, strict=True):
        for name, scopes in cover.items():
            for scope in scopes:
                earlier = last.get((name, scope))
                if earlier is not None:
                    work.after.add(earlier)
                last[name, scope] = work.number
    return covers


def _is_whole(cell: StagedCell) -> bool:
    return cell.outcome in _ANSWERED and cell.is_whole


def _add_declared(
    work: UnitWork, cover: Cover, tables: Mapping[str, TableSpec], sections: Mapping[str, Sequence[str]]
) -> None:
    """Add the scopes that convention gives; a table whose values are unknown gets an empty set of them."""
    cells = {cell.section: cell for cell in work.unit.cells}
    for cell in work.unit.cells:
        if not _is_whole(cell):
            continue
        for name in sections.get(cell.section, ()):
            spec = tables[name]
            if spec.deletes is Deletes.KEEP or name in work.unreadable:
                continue
            if "section" not in spec.scope and not _all_feeders_whole(name, cells, sections):
                continue
            scopes = cover.setdefault(name, {})
            values = _by_convention(spec, work.unit, cell)
            if values is not None:
                scopes[work.unit.client_id, *values] = work.number


def _all_feeders_whole(
    table: str, cells: Mapping[str, StagedCell], sections: Mapping[str, Sequence[str]]
) -> bool:
    """Say whether every section that fills the table was answered whole in this unit."""
    feeders = [name for name, filled in sections.items() if table in filled]
    return all(name in cells and _is_whole(cells[name]) for name in feeders)


def _by_convention(spec: TableSpec, unit: StagedUnit, cell: StagedCell) -> Scope | None:
    values: list[Any] = []
    for name in spec.scope:
        if name in UNIT_PERIOD_COLUMNS:
            values.append(unit.unit_period)
        elif name == "section":
            values.append(cell.section)
        else:
            return None
    return tuple(values)


def _add_recorded(works: Sequence[UnitWork], covers: Sequence[Cover], name: str, sheet: Sheet) -> None:
    spec = sheet.table.spec
    names = [column.name for column in sheet.table.columns]
    positions = [names.index(column) for column in spec.scope]
    if not positions:
        return
    columns = [[values[position] for values in sheet.values] for position in positions]
    for owner, *scope_values in set(zip(sheet.owners, *columns, strict=True)):
        scope = tuple(scope_values)
        if name not in covers[owner]:
            continue
        if "section" in spec.scope and not _section_is_whole(works[owner].unit, spec, scope):
            continue
        covers[owner][name][works[owner].unit.client_id, *scope] = owner


def _section_is_whole(unit: StagedUnit, spec: TableSpec, scope: Scope) -> bool:
    """Say whether the section that a record names was answered whole; a name that is no section counts."""
    named = scope[spec.scope.index("section")]
    cell = next((one for one in unit.cells if one.section == named), None)
    return cell is None or _is_whole(cell)
