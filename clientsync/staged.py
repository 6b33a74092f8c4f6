"""What passes between the stages of the walk: a fetched unit, its cells, and what loading it came to.

These are plain values. Rows travel in memory inside one process only; between processes and in Prefect pass
unit ids and counts. A unit can be staged again from its stored payloads without asking the portal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clientsync.outcomes import Outcome
from clientsync.spec.module import Finding, Record, Skip


@dataclass(frozen=True)
class Problem:
    """One thing that went wrong or is worth saying, for the exception report.

    Attributes:
        code: stable code of the error, finding or check.
        message: in words, without identities or payload.
        next_step: what to do.
        section: where, empty for the whole unit.
        rows: how many rows it concerns.
        is_warning: True when nothing was held back for it.
        source_code: the portal's own code, if any.
    """

    code: str
    message: str
    next_step: str
    section: str = ""
    rows: int = 0
    is_warning: bool = False
    source_code: str | None = None


@dataclass
class StagedCell:
    """One section of a unit as it was fetched, skipped or failed.

    Attributes:
        section: name.
        outcome: LOADED is only decided by loading; here LOADED means "has an answer", the others are final.
        skip: the proof on which it was not asked.
        records: parsed rows.
        row_count: rows in the answer.
        is_whole: the answer covers its scope whole, so missing rows have vanished.
        checksum, summary_checksum: see ``Section``.
        payloads: raw answers in order of pages.
        problem: why it failed.
        ready_at: when the source should be asked again.
        token: handle of a queued file.
        calls: HTTP calls it cost.
        version: contract version of the endpoint.
        uncertain_empty: its emptiness rests on a code that one source alone uses so.
        asked_at: when the source was asked; None: when it is loaded.
        findings: what integrity functions saw.
    """

    section: str
    outcome: Outcome
    skip: Skip | None = None
    records: list[Record] = field(default_factory=list)
    row_count: int = 0
    is_whole: bool = True
    checksum: str | None = None
    summary_checksum: str | None = None
    payloads: tuple[bytes, ...] = ()
    problem: Problem | None = None
    ready_at: datetime | None = None
    token: str | None = None
    calls: int = 0
    version: str = ""
    uncertain_empty: bool = False
    asked_at: datetime | None = None
    findings: list[Finding] = field(default_factory=list)


@dataclass
class StagedUnit:
    """A unit whose fetching has ended, ready to be validated and loaded.

    Attributes:
        unit_id, run_id: of the ledger.
        client_id, connector, module, unit_period: what it is about.
        gstin: identity, for findings; never logged.
        fence: fencing number of the lease under which it was fetched.
        cells: by section name, in the order asked.
        source: ``portal`` or ``file``.
        open_sections: sections with rows of their own of which a file says nothing; what the ledger remembers of
            them counts for the outcome.
        needs: those of them that must have been read once; see ``HandFile.needs``.
    """

    unit_id: str
    run_id: str
    client_id: str
    connector: str
    module: str
    unit_period: str
    gstin: str
    fence: int
    cells: list[StagedCell] = field(default_factory=list)
    source: str = "portal"
    open_sections: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Breach:
    """One row (or unit) that breaks a check.

    Attributes:
        unit_id: whose row.
        section: where.
        record: index into the cell's ``records``.
        code, message: of the check.
        action: ``reject_row``, ``warn`` or ``halt_unit``.
    """

    unit_id: str
    section: str
    record: int
    code: str
    message: str
    action: str


@dataclass
class LoadResult:
    """What loading a unit came to; rows_in == rows_loaded + rows_quarantined for every loaded unit.

    Attributes:
        inserted, updated, unchanged, removed: rows by what happened in the warehouse;
            rows_loaded == inserted + updated + unchanged, ``removed`` are tombstones.
        unread: sections that the loaded file lacks and that are not read otherwise; they alone keep the unit from
            being done.
    """

    unit_id: str
    outcome: Outcome
    rows_in: int = 0
    rows_loaded: int = 0
    rows_quarantined: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    problems: list[Problem] = field(default_factory=list)
    next_try_at: datetime | None = None
    unread: tuple[str, ...] = ()


Rows = list[dict[str, Any]]
