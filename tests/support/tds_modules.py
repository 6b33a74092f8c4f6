"""The state in which TDS modules are asked and read, and the rules of their tables run for real."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from clientsync.outcomes import Outcome
from clientsync.periods import Quarter
from clientsync.spec.module import (
    Asking,
    CellMemory,
    Context,
    Deductor,
    Finding,
    Module,
    Record,
    Section,
)
from clientsync.staged import StagedCell, StagedUnit
from validations import validate

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
ALL_FORMS = ("24Q", "26Q", "27Q", "27EQ")


@dataclass(frozen=True)
class Reading(Context):
    """A context that knows what other sections of the unit answered."""

    answers: Mapping[str, Any] = field(default_factory=dict)


def asking(
    quarter: str = "",
    *,
    forms: tuple[str, ...] = ALL_FORMS,
    known: Mapping[str, Any] | None = None,
    memory: Mapping[str, CellMemory] | None = None,
    today: date = TODAY,
) -> Asking:
    """Return the state of a unit: that of a quarter, or of a list without a period."""
    return Asking(
        gstin="",
        frequency="",
        unit_period=quarter or "current",
        period=None,
        today=today,
        now=NOW,
        known=known or {},
        memory=memory or {},
        quarter=Quarter.parse(quarter) if quarter else None,
        deductor=Deductor("TEST00000T", forms=forms),
    )


def context(section: str, quarter: str = "", **answers: Any) -> Reading:
    """Return what the parser of a section knows; ``answers`` are those of other sections."""
    return Reading(
        gstin="",
        period=None,
        unit_period=quarter or "current",
        section=section,
        asked_on=TODAY,
        tan="TEST00000T",
        quarter=Quarter.parse(quarter) if quarter else None,
        answers=answers,
    )


def memory(asked_at: datetime = NOW, checksum: str | None = None, *, was_loaded: bool = True) -> CellMemory:
    """Return what the ledger remembers of a section."""
    return CellMemory(asked_at, checksum, None, 1, was_loaded)


def parsed(module: Module, section: str, payload: Any, reading: Context) -> list[Record]:
    """Return the records of one answer."""
    return list(module.section(section).parse(payload, reading))


def findings(module: Module, section: str, payload: Any, reading: Context) -> list[Finding]:
    """Return what the integrity functions of a section see in one answer."""
    records = parsed(module, section, payload, reading)
    return [one for rule in module.section(section).integrity for one in rule(payload, records, reading)]


def codes(found: Iterable[Finding]) -> list[tuple[str, bool]]:
    """Return code and severity of findings."""
    return [(one.code, one.is_halting) for one in found]


def breaches(module: Module, table: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the codes of the checks that rows break, in the order of the codes."""
    records = [Record(table, dict(values)) for values in rows]
    unit = StagedUnit(
        unit_id="unit",
        run_id="run",
        client_id="C1",
        connector="tds",
        module=module.name,
        unit_period="current",
        gstin="",
        fence=1,
        cells=[StagedCell("section", Outcome.LOADED, records=records, row_count=len(records))],
    )
    return sorted(one.code for one in validate([unit], {one.name: one for one in module.tables}))


def all_pages(section: Section, pages: Mapping[str, Any], name: str = "page") -> tuple[list[str], Any]:
    """Ask page after page as the engine does; return the pages asked and the joined payload."""
    assert section.next_page is not None and section.merge is not None
    asked = [section.params(asking("2025-26-Q4"))[name]]
    payloads = [pages[asked[0]]]
    while (params := section.next_page(payloads[-1], len(payloads))) is not None:
        asked.append(params[name])
        payloads.append(pages[params[name]])
    return asked, section.merge(payloads) if len(payloads) > 1 else payloads[0]
