"""One Great Expectations validation per table over a whole batch of units; only failed rules are asked for their rows.

Invariant: an expectation that could not be evaluated raises; it is never taken for bad data, nor for good.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pandas as pd

from clientsync.errors import InvalidSpec
from clientsync.spec.checks import Check, OnBreach
from clientsync.spec.module import TableSpec
from clientsync.staged import Breach, StagedUnit
from clientsync.warehouse.schema import columns_of
from validations.compiler import (
    CLIENT,
    COMPUTED,
    UNIT,
    columns_read,
    compute,
    computed_column,
    expectation,
    require_sound,
)
from validations.report import ValidationReport
from validations.rows import RowTypes

_DTYPES: dict[type, str] = {str: "str", int: "Int64"}  # dates, moments and flags stay what they are
_COMPLETE = {
    "result_format": "COMPLETE",
    "include_unexpected_rows": False,
    "return_unexpected_index_query": False,
}
_lock = threading.Lock()
_data: tuple[Any, Any] | None = None
_types: dict[type, RowTypes] = {}


@dataclass
class TableBatch:
    """The rows of one table in a batch, and where each came from.

    Attributes:
        places: unit id, section and record index of each row.
        clients, units: client id, and the unit's position in the batch, of each row.
        rows: values, all of the right types.
        misfits: records that do not fit the typed row, by code.
    """

    places: list[tuple[str, str, int]] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    misfits: Counter[str] = field(default_factory=Counter)


def validate_batch(
    units: Sequence[StagedUnit],
    tables: Mapping[str, TableSpec],
    *,
    report: ValidationReport | None = None,
) -> list[Breach]:
    """Return every breach of the rows of these units; at most one per row and check.

    Records with a problem are left out, and so are those of a table that nobody declares: loading deals with both.
    Safe to call from several threads; the work itself is done one table at a time. A call without units imports
    what later ones need.

    Args:
        units: fetched units.
        tables: tables by ``TableSpec.name``.
        report: where rows and breaches are counted, if anywhere.

    Raises:
        InvalidSpec: a check that cannot be compiled or evaluated; never a row that breaks one.
    """
    breaches: list[Breach] = []
    if not units and any(table.checks for table in tables.values()):
        with _lock:
            _data_source()
    for name, batch in _gather(units, tables, breaches).items():
        table = tables[name]
        broken: Counter[str] = Counter()
        if batch.rows and table.checks:
            found = _check(table, batch)
            breaches.extend(found)
            broken.update(breach.code for breach in found)
        if report is not None:
            report.add_types(table, len(batch.rows) + batch.misfits.total(), batch.misfits)
            report.add_checks(table, len(batch.rows), broken)
    return breaches


def _gather(
    units: Sequence[StagedUnit], tables: Mapping[str, TableSpec], breaches: list[Breach]
) -> dict[str, TableBatch]:
    """Sort the records by table; those that do not fit their typed row become breaches here."""
    found: dict[str, TableBatch] = {}
    types: dict[str, RowTypes] = {}
    for position, unit in enumerate(units):
        for cell in unit.cells:
            for number, record in enumerate(cell.records):
                if record.problem is not None or record.table not in tables:
                    continue
                if record.table not in found:
                    found[record.table] = TableBatch()
                    types[record.table] = _types_of(tables[record.table])
                batch = found[record.table]
                misfit = types[record.table].problem(record)
                if misfit is not None:
                    code, reason = misfit
                    batch.misfits[code] += 1
                    breaches.append(
                        Breach(unit.unit_id, cell.section, number, code, reason, OnBreach.REJECT_ROW.value)
                    )
                    continue
                batch.places.append((unit.unit_id, cell.section, number))
                batch.clients.append(unit.client_id)
                batch.units.append(position)
                batch.rows.append(record.values)
    return found


def _types_of(table: TableSpec) -> RowTypes:
    """Return the checker of a table's typed row; building its schema once costs more than checking many rows."""
    found = _types.get(table.row)
    if found is None:
        found = _types[table.row] = RowTypes(table)
    return found


def _check(table: TableSpec, batch: TableBatch) -> list[Breach]:
    require_sound(table)
    frame = _frame(table, batch)
    with _lock:
        failures = _failures(table, frame)
    return [
        Breach(*batch.places[position], check.code, check.message, check.breach.value)
        for check, positions in failures
        for position in positions
    ]


def _frame(table: TableSpec, batch: TableBatch) -> pd.DataFrame:
    """Return the columns that checks read, with exact dtypes, and one boolean column per computed check.

    Whole numbers never pass through floating point: a column with nulls is a nullable one.
    """
    needed = {name for check in table.checks for name in columns_read(check)}
    columns: dict[str, Any] = {CLIENT: pd.Series(batch.clients, dtype="str"), UNIT: batch.units}
    for column in columns_of(table):
        if column.name in needed:
            values = [row.get(column.name, column.default) for row in batch.rows]
            columns[column.name] = pd.Series(values, dtype=_DTYPES.get(column.python, "object"))
    frame = pd.DataFrame(columns)
    for check in table.checks:
        if check.kind in COMPUTED:
            frame[computed_column(check)] = compute(check, frame)
    return frame


def _failures(table: TableSpec, frame: pd.DataFrame) -> list[tuple[Check, list[int]]]:
    """Return the failed checks with the positions of their rows: verdicts first, COMPLETE only for what failed."""
    batch = _batch(frame)
    failed = [
        check
        for check, result in _results(batch, table.name, table.checks, "BOOLEAN_ONLY")
        if not _holds(result)
    ]
    if not failed:
        return []
    return [
        (check, _positions(result))
        for check, result in _results(batch, table.name, failed, _COMPLETE)
        if not _holds(result)
    ]


def _results(batch: Any, name: str, checks: Sequence[Check], form: Any) -> list[tuple[Check, Any]]:
    """Run these checks over the batch and return each with its result.

    Raises:
        InvalidSpec: the suite could not be run, or did not answer for every check.
    """
    import great_expectations as gx

    failures: Any = import_module("great_expectations.exceptions")
    suite = gx.ExpectationSuite(name=name, expectations=[expectation(check) for check in checks])
    try:
        validated = batch.validate(suite, result_format=form)
    except failures.GreatExpectationsError as error:
        # Its text may quote rows.
        raise InvalidSpec(f"The checks of {name} could not be run: {type(error).__name__}.") from None
    by_code = {_code(result): result for result in validated.results}
    silent = [check.code for check in checks if check.code not in by_code]
    if silent:
        raise InvalidSpec(f"The checks {', '.join(silent)} of {name} gave no result.")
    return [(check, by_code[check.code]) for check in checks]


def _positions(result: Any) -> list[int]:
    found = sorted({int(one) for one in result.result.get("unexpected_index_list") or ()})
    if not found:
        raise InvalidSpec(f"The check {_code(result)} failed and names no row.")
    return found


def _code(result: Any) -> str:
    return str(result.expectation_config.meta["code"])


def _holds(result: Any) -> bool:
    """Return whether an expectation holds.

    Raises:
        InvalidSpec: it could not be evaluated. The message has its code only: what GX says may quote rows.
    """
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    if any(entry.get("raised_exception") for entry in entries if isinstance(entry, dict)):
        raise InvalidSpec(f"The check {_code(result)} could not be evaluated.")
    return bool(result.success)


def _batch(frame: pd.DataFrame) -> Any:
    """Return the frame as a batch of this process's one data source; frames of earlier batches are forgotten."""
    source, definition = _data_source()
    source.get_execution_engine().batch_manager.reset_batch_cache()
    return definition.get_batch(batch_parameters={"dataframe": frame})


def _data_source() -> tuple[Any, Any]:
    """Return the data source of this process's one context, and the definition that every batch is got from.

    Every data source, asset and definition that is added writes the whole configuration, so each is added once; the
    suite has the name of the table.
    """
    global _data  # noqa: PLW0603 - one context per process: a new one each time leaks
    if _data is None:
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        logging.getLogger(ProgressBarsConfig.__module__).setLevel(
            logging.WARNING
        )  # it sets a level of its own
        context = gx.get_context(mode="ephemeral")
        context.enable_analytics(False)
        context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        source: Any = context.data_sources.add_pandas("clientsync")
        asset = source.add_dataframe_asset("rows of one table")
        _data = (source, asset.add_batch_definition_whole_dataframe("batch"))
    return _data
