"""Staging: a fetched unit is written down (raw answers, state ``staged``) before anything is validated.

From what staging wrote, a unit can be staged again after a crash without asking the portal; files that a person
downloaded are staged by the same functions, so they take the same way through validation and loading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from clientsync import money
from clientsync.crash import crash_point
from clientsync.database import reading, writing
from clientsync.ledger.runs import Unit
from clientsync.ledger.tables import SyncCell, SyncUnit
from clientsync.outcomes import Outcome, UnitState
from clientsync.spec.connector import Answer
from clientsync.spec.module import Asking, CellMemory, Filing, Module, Section, Skip, SkipKind
from clientsync.staged import Problem, StagedCell, StagedUnit
from clientsync.sync.fetching import QueuedFile, UnitInput, asking_of, read_answer, read_detail
from clientsync.sync.planning import ClientFacts
from clientsync.sync.services import Services
from clientsync.warehouse.payloads import read_answers, store_answers

_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_CELL = SyncCell.__table__  # type: ignore[attr-defined]
_FROM_FILE = "file"  # in place of the contract version of an answer


def unit_input(
    services: Services,
    client: ClientFacts,
    unit: Unit,
    filings: Sequence[Filing],
    shared: Mapping[str, Any] | None = None,
    known: Mapping[str, Any] | None = None,
    *,
    is_full: bool = False,
) -> UnitInput:
    """Read what the ledger remembers of a unit's sections; when all is asked, ``is_full``, nothing rests."""
    with reading(services.engine) as connection:
        rows = connection.execute(
            select(_CELL).where(
                _CELL.c.client_id == unit.key.client_id,
                _CELL.c.connector == unit.key.connector,
                _CELL.c.module == unit.key.module,
                _CELL.c.unit_period == unit.key.unit_period,
            )
        ).mappings()
        memory: dict[str, CellMemory] = {}
        queued: dict[str, QueuedFile] = {}
        unanswered: set[str] = set()
        for row in rows:
            if not Outcome(row["outcome"]).is_done:
                unanswered.add(row["section"])
            if row["asked_at"] is not None:
                memory[row["section"]] = CellMemory(
                    asked_at=row["asked_at"],
                    checksum=row["checksum"],
                    summary_checksum=row["summary_checksum"],
                    rows=row["rows"],
                    was_loaded=row["was_loaded"],
                    uncertain_empty=row["uncertain_empty"],
                )
            if row["file_token"]:
                queued[row["section"]] = QueuedFile(row["file_token"], row["file_ready_at"])
    return UnitInput(
        gstin=client.gstin,
        frequency=client.filing_frequency,
        unit_period=unit.key.unit_period,
        memory=memory,
        queued=queued,
        filings=filings,
        settings=client.settings,
        shared=shared or {},
        known=known or {},
        deductor=client.deductor,
        rest_days=0 if is_full else services.settings.settled_rest_days,
        unanswered=frozenset(unanswered),
    )


def stage(services: Services, unit: Unit, gstin: str, fence: int, cells: Sequence[StagedCell]) -> StagedUnit:
    """Write the raw answers of a unit and mark it staged, in one transaction; return it ready to load."""
    staged = StagedUnit(
        unit_id=unit.unit_id,
        run_id=unit.run_id,
        client_id=unit.key.client_id,
        connector=unit.key.connector,
        module=unit.key.module,
        unit_period=unit.key.unit_period,
        gstin=gstin,
        fence=fence,
        cells=list(cells),
    )
    crash_point("before_stage_write")
    with writing(services.engine) as connection:
        store_answers(
            connection,
            unit.unit_id,
            unit.key.client_id,
            {cell.section: list(cell.payloads) for cell in cells if cell.payloads},
        )
        connection.execute(
            update(_UNIT)
            .where(_UNIT.c.unit_id == unit.unit_id)
            .values(
                state=UnitState.STAGED,
                calls=sum(cell.calls for cell in cells),
                staged={"cells": [_describe(cell) for cell in cells]},
            )
        )
    crash_point("after_stage_write")
    return staged


def stage_payloads(
    services: Services,
    client: ClientFacts,
    module: Module,
    unit: Unit,
    payloads: Mapping[str, Sequence[Any]],
    raws: Mapping[str, Sequence[bytes]],
    fence: int,
) -> StagedUnit:
    """Stage a unit from payloads that are at hand: files downloaded from the portal.

    Sections without a payload get no cell: the file says nothing of them, and what the ledger remembers of them
    counts when the unit is loaded.

    Raises:
        ContractChanged: a payload does not have the promised shape.
    """
    asking = asking_of(unit_input(services, client, unit, ()), module, services)
    cells = []
    for section in module.sections:
        if section.name not in payloads or section.is_detail:
            continue
        pages = [
            Answer(payload=payload, raw=(raw,), calls=0, version=_FROM_FILE)
            for payload, raw in zip(payloads[section.name], raws[section.name], strict=True)
        ]
        cells.append(read_answer(section, asking, pages, None))
    staged = stage(services, unit, client.gstin, fence, cells)
    staged.source = "file"
    staged.open_sections = tuple(
        section.name
        for section in module.sections
        if section.tables and not section.is_detail and section.name not in payloads
    )
    staged.needs = frozenset(module.files.needs if module.files else ())
    return staged


def stage_again(
    services: Services, client: ClientFacts, module: Module, unit: Unit, fence: int
) -> StagedUnit | None:
    """Stage a unit from what staging wrote before the process was interrupted, without asking the portal.

    Returns None when the unit had not come so far: then it must be fetched.
    """
    with reading(services.engine) as connection:
        row = connection.execute(
            select(_UNIT.c.state, _UNIT.c.staged).where(_UNIT.c.unit_id == unit.unit_id)
        ).one()
        stored = read_answers(connection, unit.unit_id)
    if row.state != UnitState.STAGED or not row.staged:
        return None
    asking = asking_of(unit_input(services, client, unit, ()), module, services)
    cells = [
        _revive(module.section(entry["section"]), entry, stored.get(entry["section"], []), asking)
        for entry in row.staged["cells"]
    ]
    return StagedUnit(
        unit_id=unit.unit_id,
        run_id=unit.run_id,
        client_id=unit.key.client_id,
        connector=unit.key.connector,
        module=unit.key.module,
        unit_period=unit.key.unit_period,
        gstin=client.gstin,
        fence=fence,
        cells=cells,
        source="file" if any(cell.version == _FROM_FILE for cell in cells) else "portal",
    )


def _describe(cell: StagedCell) -> dict[str, Any]:
    """Return what must be remembered of a cell besides its raw answers, as JSON."""
    return {
        "section": cell.section,
        "outcome": cell.outcome,
        "skip": [cell.skip.kind, cell.skip.reason] if cell.skip else None,
        "row_count": cell.row_count,
        "is_whole": cell.is_whole,
        "checksum": cell.checksum,
        "summary_checksum": cell.summary_checksum,
        "problem": asdict(cell.problem) if cell.problem else None,
        "asked_at": cell.asked_at.isoformat() if cell.asked_at else None,
        "ready_at": cell.ready_at.isoformat() if cell.ready_at else None,
        "token": cell.token,
        "calls": cell.calls,
        "version": cell.version,
        "uncertain_empty": cell.uncertain_empty,
    }


def _revive(section: Section, entry: dict[str, Any], raws: Sequence[bytes], asking: Asking) -> StagedCell:
    pages = [Answer(money.loads(raw), (raw,), 0, entry["version"]) for raw in raws]
    if Outcome(entry["outcome"]) is Outcome.BROKEN:
        records, findings = [], []  # the answer is kept as evidence; it could not be read
    elif pages and not section.is_detail:
        read = read_answer(section, asking, pages, None)
        records, findings = read.records, read.findings
    else:
        records, findings = [record for page in pages for record in read_detail(section, asking, page)], []
    return StagedCell(
        section=section.name,
        outcome=Outcome(entry["outcome"]),
        skip=Skip(SkipKind(entry["skip"][0]), entry["skip"][1]) if entry["skip"] else None,
        records=records,
        row_count=entry["row_count"],
        is_whole=entry["is_whole"],
        checksum=entry["checksum"],
        summary_checksum=entry["summary_checksum"],
        problem=Problem(**entry["problem"]) if entry["problem"] else None,
        asked_at=datetime.fromisoformat(entry["asked_at"]) if entry["asked_at"] else None,
        ready_at=datetime.fromisoformat(entry["ready_at"]) if entry["ready_at"] else None,
        token=entry["token"],
        calls=entry["calls"],
        version=entry["version"],
        uncertain_empty=entry["uncertain_empty"],
        findings=findings,
    )
