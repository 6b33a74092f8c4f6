"""Which checks a row of a TDS table breaks, by the real validator, and states in which modules decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from clientsync.outcomes import Outcome
from clientsync.spec.module import Asking, Context, Deductor, Finding, Module, Record, Section, TableSpec
from clientsync.staged import StagedCell, StagedUnit
from validations.batch import validate_batch

TODAY = date(2026, 11, 20)
DEDUCTOR = Deductor("AAAA00000A", "AAACA0000A", "K", ("26Q",))


def asking(today: date = TODAY, **state: Any) -> Asking:
    """Return the state of a run of one deductor."""
    now = datetime(today.year, today.month, today.day, 6, tzinfo=UTC)
    return Asking("", "M", "current", None, today, now, deductor=DEDUCTOR, **state)


def context(section: str, today: date = TODAY) -> Context:
    """Return what the engine tells a parser."""
    return Context("", None, "current", section, today, tan=DEDUCTOR.tan)


def read(module: Module, section: str, payload: Any, today: date = TODAY) -> list[Record]:
    """Return the records of one answer."""
    return list(module.section(section).parse(payload, context(section, today)))


def findings(section: Section, payload: Any, records: Sequence[Record]) -> list[Finding]:
    """Return what the integrity functions of a section see."""
    return [one for rule in section.integrity for one in rule(payload, records, context(section.name))]


def breaches(table: TableSpec, *rows: Mapping[str, Any]) -> list[str]:
    """Return the codes of all breaches of these rows."""
    return [code for code, _ in breaches_by_row(table, rows)]


def breaches_by_row(table: TableSpec, rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return (code, row) of all breaches of these rows, read as one answer."""
    records = [Record(table.name, dict(values)) for values in rows]
    unit = StagedUnit(
        "unit", "run", "C1", "tds", "any", "current", gstin="", fence=1,
        cells=[StagedCell("any", Outcome.LOADED, records=records, row_count=len(records))],
    )  # fmt: skip
    return sorted((one.code, one.record) for one in validate_batch([unit], {table.name: table}))
