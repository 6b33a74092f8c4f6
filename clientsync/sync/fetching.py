"""Fetching one unit: ask what must be asked, skip what provably need not be, class what fails.

Fetching writes nothing to the warehouse's tables. Every section of the module ends as exactly one cell, asked
or not asked, so that a unit can never look complete when a part of it was not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from clientsync.clock import INDIA, today
from clientsync.crash import crash_point
from clientsync.errors import (
    ContractChanged,
    FileQueued,
    NoData,
    NotGenerated,
    Scope,
    StopRequested,
    SyncError,
    TruncatedResponse,
    WaitingSource,
)
from clientsync.outcomes import Outcome
from clientsync.periods import Period, Quarter
from clientsync.spec.connector import Answer, PortalSession, Question
from clientsync.spec.module import (
    Asking,
    Cadence,
    CellMemory,
    Context,
    Deductor,
    Filing,
    Module,
    Record,
    Section,
    Skip,
    SkipKind,
)
from clientsync.staged import Problem, StagedCell

PARSER_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError)
MAX_PAGES = 2000
"""More pages than any portal has for one question; a list that goes on is going round."""
SKIP_OUTCOME = {
    SkipKind.EMPTY_BY_COUNT: Outcome.EMPTY,
    SkipKind.UNCHANGED_BY_CHECKSUM: Outcome.UNCHANGED,
    SkipKind.FINAL: Outcome.NOT_ASKED,
    SkipKind.NOT_APPLICABLE: Outcome.NOT_APPLICABLE,
    SkipKind.SWITCHED_OFF: Outcome.NOT_ASKED,
    SkipKind.RESTING: Outcome.NOT_ASKED,
}


@dataclass(frozen=True)
class QueuedFile:
    """A file that the source was building when it was last asked."""

    token: str
    ready_at: Any


@dataclass(frozen=True)
class UnitInput:
    """Everything that fetching a unit needs to know, read beforehand in bulk."""

    gstin: str
    frequency: str
    unit_period: str
    memory: Mapping[str, CellMemory]
    queued: Mapping[str, QueuedFile]
    filings: Sequence[Filing]
    settings: Mapping[str, Any]
    shared: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)
    deductor: Deductor | None = None
    rest_days: int = 0
    unanswered: frozenset[str] = frozenset()


def problem_of(error: SyncError, section: str = "") -> Problem:
    """Return the exception-report line of an error."""
    return Problem(
        code=error.code,
        message=error.message,
        next_step=error.next_step,
        section=section,
        source_code=error.source_code,
    )


def asking_of(unit: UnitInput, module: Module, services: Any) -> Asking:
    """Return the state in which the module's rules decide."""
    return Asking(
        gstin=unit.gstin,
        frequency=unit.frequency,
        unit_period=unit.unit_period,
        period=Period.parse(unit.unit_period) if module.cadence is Cadence.PERIOD else None,
        quarter=Quarter.parse(unit.unit_period) if module.cadence is Cadence.QUARTER else None,
        deductor=unit.deductor,
        today=today(),
        now=services.now(),
        memory=unit.memory,
        filings=unit.filings,
        settings=unit.settings,
        shared=unit.shared,
        known=unit.known,
        rest_days=unit.rest_days,
        unanswered=unit.unanswered,
    )


def context_of(asking: Asking, section: str) -> Context:
    """Return what the parser of a section may know."""
    return Context(
        gstin=asking.gstin,
        period=asking.period,
        unit_period=asking.unit_period,
        section=section,
        asked_on=asking.today,
        tan=asking.deductor.tan if asking.deductor else "",
        quarter=asking.quarter,
        answers=asking.answers,
    )


@dataclass(frozen=True)
class Fetched:
    """What fetching a unit came to.

    Attributes:
        cells: one per section.
        shared: what the module shares with later units of the client, None: nothing.
    """

    cells: list[StagedCell]
    shared: Any = None


def fetch_unit(session: PortalSession, module: Module, unit: UnitInput, services: Any) -> Fetched:
    """Ask the portal for the sections of a unit; return one cell per section and what the module shares.

    Raises:
        StopRequested: a person or a signal asked to stop.
        SyncError: of scope RUN, which stops the whole run.
    """
    asking = asking_of(unit, module, services)
    closed = _closed_by_calendar(module, asking)
    if closed is not None:
        return Fetched([replace(closed, section=section.name) for section in module.sections])
    details = {section.name: _detail_cell(section) for section in module.sections if section.is_detail}
    cells: list[StagedCell] = []
    barriers: dict[str, SyncError] = {}
    for section in module.sections:
        if section.is_detail:
            continue
        if services.stop.is_set():
            raise StopRequested("The run was asked to stop.")
        barrier = barriers.get("") or barriers.get(portal_of(section.endpoint))
        if barrier is not None:
            cells.append(_not_reached(section, barrier))
            continue
        if section.after and section.after not in asking.answers:
            cells.append(_follows(section, next(cell for cell in cells if cell.section == section.after)))
            continue
        try:
            cell = _fetch_section(session, section, asking, unit)
            _follow(session, module, section, asking, details)
        except SyncError as error:
            if error.scope is Scope.RUN:
                raise
            cell = _failed(section, error, services, asking.now)
            if error.scope is Scope.CLIENT or isinstance(error, NotGenerated):
                barriers[error.portal] = error
        cells.append(cell)
    shared = module.share(asking) if module.share is not None and not barriers else None
    return Fetched([*cells, *details.values()], shared)


def portal_of(endpoint: str) -> str:
    """Return the portal of an endpoint: ``traces`` for ``traces_old.inbox``, ``income_tax`` for ``income_tax.csi``."""
    return endpoint.partition(".")[0].removesuffix("_old").removesuffix("_new")


def _detail_cell(section: Section) -> StagedCell:
    reason = Skip(SkipKind.EMPTY_BY_COUNT, "the list has no entry whose detail is not stored yet")
    return StagedCell(section=section.name, outcome=Outcome.NOT_ASKED, skip=reason, is_whole=False)


def _closed_by_calendar(module: Module, asking: Asking) -> StagedCell | None:
    reason = module.not_applicable(asking) if module.not_applicable else None
    if reason:
        return StagedCell(
            section="",
            outcome=Outcome.NOT_APPLICABLE,
            skip=Skip(SkipKind.NOT_APPLICABLE, reason),
            is_whole=False,
        )
    if module.not_before is not None and asking.period is not None:
        first = module.not_before(asking.period)
        if asking.today < first:
            ready = datetime.combine(first, time(15, 0), INDIA).astimezone(UTC)
            return StagedCell(
                section="",
                outcome=Outcome.TOO_EARLY,
                is_whole=False,
                ready_at=ready,
                problem=Problem(
                    code="TOO_EARLY",
                    message=f"{module.title} of {asking.period} is made on {first:%d-%m-%Y}; it was not asked before.",
                    next_step="None: it is asked again on that day.",
                ),
            )
    return None


def _not_reached(section: Section, barrier: SyncError) -> StagedCell:
    """Return the cell of a section that was not asked after an earlier one met the barrier, which is reported once."""
    return StagedCell(section=section.name, outcome=barrier.outcome, is_whole=False)


def _follows(section: Section, summary: StagedCell) -> StagedCell:
    """Return the cell of a section whose summary has no answer in this unit."""
    if summary.outcome is Outcome.EMPTY and not summary.uncertain_empty:
        reason = f"the portal says that there is nothing to summarise ({summary.section})"
        return StagedCell(section.name, Outcome.EMPTY, skip=Skip(SkipKind.EMPTY_BY_COUNT, reason))
    if summary.skip is not None:
        return StagedCell(section.name, summary.outcome, skip=summary.skip, is_whole=False)
    problem = summary.problem or Problem(
        "UNCERTAIN_EMPTY", "The summary is empty by an uncertain code.", "None."
    )
    return StagedCell(
        section.name,
        Outcome.TRANSIENT if summary.outcome is Outcome.EMPTY else summary.outcome,
        is_whole=False,
        problem=replace(problem, section=section.name, message=f"Not asked, because: {problem.message}"),
        ready_at=summary.ready_at,
    )


def _failed(section: Section, error: SyncError, services: Any, asked_at: datetime) -> StagedCell:
    ready_at = error.ready_at if isinstance(error, WaitingSource) else None
    token = error.token if isinstance(error, FileQueued) else None
    if isinstance(error, FileQueued) and ready_at is None:
        ready_at = services.now() + timedelta(minutes=30)
    if isinstance(error, NoData):
        return StagedCell(
            section=section.name,
            outcome=Outcome.EMPTY,
            uncertain_empty=not error.is_certain,
            calls=_calls(error),
        )
    return StagedCell(
        section=section.name,
        outcome=error.outcome,
        is_whole=False,
        problem=problem_of(error, section.name),
        ready_at=ready_at,
        token=token,
        calls=_calls(error),
    )


def _calls(error: SyncError) -> int:
    """Return the calls that a failed question cost; transports note them on the error."""
    return int(getattr(error, "calls", 1))


def _fetch_section(session: PortalSession, section: Section, asking: Asking, unit: UnitInput) -> StagedCell:
    for rule in section.skip:
        skip = rule(asking, section)
        if skip is not None:
            return StagedCell(
                section=section.name,
                outcome=SKIP_OUTCOME[skip.kind],
                skip=skip,
                is_whole=skip.kind is SkipKind.EMPTY_BY_COUNT,
                summary_checksum=section.summary_checksum(asking) if section.summary_checksum else None,
            )
    queued = unit.queued.get(section.name)
    if queued is not None and queued.ready_at is not None and queued.ready_at > asking.now:
        raise FileQueued(
            "The portal is still building the file.", token=queued.token, ready_at=queued.ready_at
        )
    question = Question(
        endpoint=section.endpoint,
        period=asking.period,
        params=section.params(asking),
        token=queued.token if queued else None,
    )
    crash_point("before_request")
    answer = _ask(session, question, asking)
    crash_point("after_response")
    pages: list[Answer] = [answer]
    if section.more is not None:
        for params in section.more(answer.payload):
            pages.append(session.ask(replace(question, params={**question.params, **params}, token=None)))
    pages.extend(_further_pages(session, section, question, answer))
    try:
        return read_answer(section, asking, pages, unit.memory.get(section.name))
    except ContractChanged as error:
        return StagedCell(
            section=section.name,
            outcome=error.outcome,
            is_whole=False,
            payloads=tuple(raw for page in pages for raw in page.raw),
            problem=problem_of(error, section.name),
            calls=sum(page.calls for page in pages),
            version=pages[0].version,
        )


def _ask(session: PortalSession, question: Question, asking: Asking) -> Answer:
    """Ask; where the client has opted in, a statement that is not there is generated and asked for once more."""
    try:
        return session.ask(question)
    except NotGenerated:
        generate = getattr(session, "generate", None)
        if generate is None or asking.period is None or not asking.settings.get("generate_2b"):
            raise
        if not generate(asking.period):
            raise
        return session.ask(question)


def read_answer(
    section: Section, asking: Asking, pages: Sequence[Answer], memory: CellMemory | None
) -> StagedCell:
    """Turn the answers of one section (its pages, in order) into a cell.

    Raises:
        ContractChanged: the payload does not have the promised shape.
    """
    payload = _whole(section, pages)
    asking.answers[section.name] = payload
    raws = tuple(raw for page in pages for raw in page.raw)
    calls = sum(page.calls for page in pages)
    try:
        checksum = section.checksum(payload) if section.checksum else None
        checksum = checksum or hashlib.sha256(b"\n".join(raws)).hexdigest()
        summary = section.summary_checksum(asking) if section.summary_checksum else None
        same = memory is not None and memory.was_loaded and memory.checksum == checksum
        cell = StagedCell(
            section=section.name,
            outcome=Outcome.UNCHANGED if same else Outcome.LOADED,
            checksum=checksum,
            summary_checksum=summary,
            payloads=() if same else raws,
            calls=calls,
            version=pages[0].version,
            asked_at=min((page.asked_at for page in pages if page.asked_at), default=asking.now),
        )
        if same and memory is not None:
            cell.row_count = memory.rows
            cell.is_whole = False
            return cell
        context = context_of(asking, section.name)
        cell.records = list(section.parse(payload, context))
        for check in section.integrity:
            cell.findings.extend(check(payload, cell.records, context))
        if section.reconcile is not None:
            cell.findings.extend(section.reconcile(cell.records, asking))
    except PARSER_ERRORS as error:
        raise ContractChanged(
            f"The answer of {section.endpoint} does not have the promised shape ({type(error).__name__})."
        ) from error
    cell.row_count = len(cell.records)
    if not cell.records:
        cell.outcome = Outcome.EMPTY
    return cell


def _whole(section: Section, pages: Sequence[Answer]) -> Any:
    if len(pages) == 1 or section.merge is None:
        return pages[0].payload
    try:
        return section.merge([page.payload for page in pages])
    except PARSER_ERRORS as error:
        raise ContractChanged(f"The pages of {section.endpoint} do not fit together.") from error


def _further_pages(
    session: PortalSession, section: Section, question: Question, first: Answer
) -> list[Answer]:
    """Ask page after page until the section says that it is whole.

    Raises:
        ContractChanged: a page does not say what comes after it, or the pages never end.
    """
    pages: list[Answer] = []
    newest = first
    while section.next_page is not None:
        try:
            params = section.next_page(newest.payload, len(pages) + 1)
        except PARSER_ERRORS as error:
            raise ContractChanged(
                f"A page of {section.endpoint} does not have the promised shape ({type(error).__name__})."
            ) from error
        if params is None:
            break
        if len(pages) >= MAX_PAGES:
            raise ContractChanged(f"The pages of {section.endpoint} do not end.")
        try:
            newest = session.ask(replace(question, params={**question.params, **params}, token=None))
        except NoData as error:
            raise TruncatedResponse("A later page of the list says that there is nothing.") from error
        pages.append(newest)
    return pages


def _follow(
    session: PortalSession, module: Module, section: Section, asking: Asking, details: dict[str, StagedCell]
) -> None:
    """Ask the follow-up questions of a section; their answers are read by its detail sections."""
    if section.follow is None or section.name not in asking.answers:
        return
    questions = section.follow(asking.answers[section.name], asking)
    if questions is None:
        return
    for name, params in questions:
        _ask_detail(session, module, module.section(name), params, asking, details)
    for detail in module.sections:
        if detail.whole_with == section.name:
            cell = details[detail.name]
            cell.skip = None
            cell.is_whole = True
            cell.asked_at = asking.now
            cell.outcome = Outcome.LOADED if cell.records else Outcome.EMPTY


def _ask_detail(
    session: PortalSession,
    module: Module,
    detail: Section,
    params: Mapping[str, str],
    asking: Asking,
    details: dict[str, StagedCell],
) -> None:
    try:
        answer = session.ask(Question(endpoint=detail.endpoint, period=asking.period, params=params))
    except NoData as error:  # nothing behind this one entry says nothing of the list it stands in
        if not error.is_certain:
            raise
        cell = details[detail.name]
        cell.skip = None
        cell.outcome = Outcome.LOADED if cell.records else Outcome.EMPTY
        cell.calls += _calls(error)
        return
    asking.answers[detail.name] = answer.payload
    read = read_detail(detail, asking, answer)
    cell = details[detail.name]
    cell.skip = None
    cell.outcome = Outcome.LOADED
    cell.calls += answer.calls
    cell.payloads = (*cell.payloads, *answer.raw)
    cell.records.extend(read)
    cell.row_count = len(cell.records)
    cell.version = answer.version
    if detail.integrity:
        context = context_of(asking, detail.name)
        for check in detail.integrity:
            cell.findings.extend(check(answer.payload, read, context))
    if detail.follow is not None:
        for name, further in detail.follow(answer.payload, asking) or ():
            _ask_detail(session, module, module.section(name), further, asking, details)


def read_detail(detail: Section, asking: Asking, answer: Answer) -> list[Record]:
    """Return the records of one detail answer.

    Raises:
        ContractChanged: the payload does not have the promised shape.
    """
    context = context_of(asking, detail.name)
    try:
        return list(detail.parse(answer.payload, context))
    except PARSER_ERRORS as error:
        raise ContractChanged(
            f"The answer of {detail.endpoint} does not have the promised shape ({type(error).__name__})."
        ) from error
