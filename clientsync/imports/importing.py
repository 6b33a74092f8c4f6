"""Files of a person through the engine: a run in the ledger, leases, staging, validation, loading.

Parts of one statement that come in several files are joined when the module can join them; a copy of a file is no
part, and of files that cannot be joined the one that was written last stands. A file that was imported before loads
nothing and is said to be unchanged.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from clientsync.clients.selection import list_clients
from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.errors import SyncError, UnknownClient
from clientsync.imports.reading import Document, expand_paths, read_documents
from clientsync.imports.recognising import NotRecognised, Recognised, Recogniser
from clientsync.ledger import leases, runs
from clientsync.ledger.ids import new_id
from clientsync.ledger.runs import Unit, UnitKey
from clientsync.ledger.tables import SyncClient, SyncDecision
from clientsync.outcomes import WORDS, Outcome
from clientsync.periods import Period, Quarter
from clientsync.redact import redact
from clientsync.staged import LoadResult, StagedUnit
from clientsync.sync.fetching import problem_of
from clientsync.sync.loading_line import load_units
from clientsync.sync.planning import facts_of
from clientsync.sync.run import LeaseKeeper
from clientsync.sync.services import Services
from clientsync.sync.staging import stage_payloads

REFUSED = "refused"
LATER = "later"


@dataclass(frozen=True)
class FileResult:
    """What became of one file, or of one document in an archive.

    Attributes:
        path, member: which.
        label: what it was recognised as.
        client_id, period: of its unit; empty when refused.
        outcome: of the unit, or ``refused``, or ``later`` when it should be tried again as it is.
        reason: why it was not loaded, or what is to be said of it.
        run_id: run in the ledger; empty when refused.
        unread: sections that the statement still lacks although all of the file went in; the outcome tells why.
    """

    path: Path
    member: str = ""
    label: str = ""
    client_id: str = ""
    period: str = ""
    outcome: str = REFUSED
    rows_loaded: int = 0
    rows_quarantined: int = 0
    reason: str = ""
    run_id: str = ""
    unread: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What the document is called: the name of its file, and its own in an archive."""
        return self.path.name + (f" / {self.member}" if self.member else "")

    @property
    def is_loaded(self) -> bool:
        """Whether what the file holds is in the warehouse or in quarantine."""
        return bool(self.unread) or (self.outcome not in (REFUSED, LATER) and Outcome(self.outcome).is_done)

    @property
    def is_done(self) -> bool:
        """Whether it is loaded and its statement lacks nothing."""
        return self.is_loaded and not self.unread

    def as_row(self) -> dict[str, Any]:
        """Return the result as people read it, without identities that a file name may carry."""
        return {
            "file": redact(self.title),
            "statement": self.label,
            "client": self.client_id,
            "period": self.period,
            "result": self.outcome.replace("_", " "),
            "rows loaded": self.rows_loaded,
            "in quarantine": self.rows_quarantined,
            "reason": redact(self.reason),
        }


@dataclass
class _Part:
    """A recognised document and where its result goes."""

    number: int
    found: Recognised


@dataclass
class _Group:
    """Documents that make up one unit.

    Attributes:
        parts: what is loaded together.
        copies: number of a document that repeats a part, to the number of that part.
        written_at: when the last of their files was written, in nanoseconds.
    """

    key: UnitKey
    parts: list[_Part] = field(default_factory=list)
    copies: dict[int, int] = field(default_factory=dict)
    written_at: int = 0


def import_paths(
    services: Services,
    paths: Sequence[Path],
    *,
    client: str | None = None,
    period: str | None = None,
    release_reason: str = "",
) -> list[FileResult]:
    """Load files and folders of files; return a result per document, in the order of the files.

    Args:
        services: surroundings.
        paths: files, or folders whose files are meant (not their subfolders).
        client: whom the files are about, for those that do not say it.
        period: month, MMYYYY, or quarter, 2025-26-Q4, for files that do not say it, or whose own cannot be used.
        release_reason: what a person compared, to load files that would be held as suspect; kept as a decision.

    Raises:
        InvalidInput: a path does not exist; nothing was written.
        UnknownClient, InvalidPeriod: the client or period named does not exist; nothing was written.
        WarehouseError: the warehouse cannot be reached; what was loaded before stays loaded.
    """
    files = expand_paths(list(paths))
    job = _job(services, client, period)
    job.read(files)
    return job.done(release_reason)


def import_documents(
    services: Services,
    documents: Sequence[tuple[Path, Document]],
    *,
    client: str,
    release_reason: str = "",
) -> list[FileResult]:
    """Load documents that were read from files elsewhere; as ``import_paths`` in everything else.

    Raises:
        UnknownClient: no such client; nothing was written.
        WarehouseError: the warehouse cannot be reached; what was loaded before stays loaded.
    """
    job = _job(services, client, None)
    for path, document in documents:
        job.take(path, document)
    return job.done(release_reason)


def _job(services: Services, client: str | None, period: str | None) -> _Import:
    with reading(services.engine) as connection:
        clients = list_clients(connection, only_active=False)
    if client is not None and client not in {one.client_id for one in clients}:
        raise UnknownClient("client", client, [one.client_id for one in clients])
    if period is not None:
        _check_period(period)
    return _Import(services, clients, client, period)


def _check_period(text: str) -> None:
    """Accept a month or a quarter.

    Raises:
        InvalidPeriod: it is neither.
    """
    if "Q" in text.upper():
        Quarter.parse(text)
    else:
        Period.parse(text)


class _Import:
    """One import: results grow in the order of the documents and are filled in as units end."""

    def __init__(
        self, services: Services, clients: list[SyncClient], client: str | None, period: str | None
    ) -> None:
        self.services = services
        self.facts = {one.client_id: facts_of(one) for one in clients}
        self.recogniser = Recogniser(clients)
        self.client = client
        self.period = period
        self.results: list[FileResult] = []
        self.groups: list[_Group] = []

    def read(self, files: Sequence[Path]) -> None:
        """Recognise every document; what cannot be used is refused here."""
        for path in files:
            for document in read_documents(path, self.services.settings):
                self.take(path, document)

    def take(self, path: Path, document: Document) -> None:
        """Recognise one document, or refuse it."""
        result = FileResult(path, document.member, reason=document.refusal)
        if not document.refusal:
            try:
                found = self.recogniser.recognise(document, client_id=self.client, period=self.period)
            except NotRecognised as refusal:
                result = replace(result, reason=str(refusal))
            else:
                result = replace(
                    result, label=found.label, client_id=found.key.client_id, period=found.key.unit_period
                )
                self._group(_Part(len(self.results), found), _written_at(path))
        self.results.append(result)

    def done(self, release_reason: str) -> list[FileResult]:
        """Load what was recognised, released from suspicion when a person gave a reason, and return the results."""
        if release_reason.strip():
            with self.released(release_reason.strip()):
                self.load()
        else:
            self.load()
        return self.results

    def _group(self, part: _Part, written_at: int) -> None:
        key = part.found.key
        group = next((one for one in self.groups if one.key == key and _original(one, part)), None)
        if group is not None and (original := _original(group, part)):
            group.copies[part.number] = original.number
        else:
            group = next((one for one in self.groups if one.key == key and _fits(one, part)), None)
            if group is None:
                group = _Group(key)
                self.groups.append(group)
            group.parts.append(part)
        group.written_at = max(group.written_at, written_at)

    @contextmanager
    def released(self, reason: str) -> Iterator[None]:
        """Raise no suspicion against these files within the block; the decision is kept for every unit."""
        keys = {(one.key.client_id, one.key.module, one.key.unit_period) for one in self.groups}
        with writing(self.services.engine) as connection:
            for client_id, module, unit_period in sorted(keys):
                connection.execute(
                    insert(SyncDecision).values(
                        decision_id=new_id("dec"),
                        client_id=client_id,
                        kind="release",
                        subject=f"{module} {unit_period} from files"[:80],
                        reason=reason,
                        decided_at=now(),
                    )
                )
        new = keys - self.services.released
        self.services.released |= new
        try:
            yield
        finally:
            self.services.released -= new

    def load(self) -> None:
        """Load every group in a run of its own kind; nothing is written when every file was refused."""
        by_connector: dict[str, list[_Group]] = {}
        for group in sorted(self.groups, key=lambda one: one.written_at):
            by_connector.setdefault(group.key.connector, []).append(group)
        for connector, groups in by_connector.items():
            run_id, units = runs.start_run(
                self.services.engine,
                connector=connector,
                kind="import",
                selection={
                    "files": len({self.results[part.number].path for one in groups for part in one.parts})
                },
                keys=[group.key for group in groups],
                code_version=version("clientsync"),
            )
            state = "stopped"
            try:
                self._load_groups(run_id, list(zip(groups, units, strict=True)))
                state = "ended"
            finally:
                runs.end_run(self.services.engine, run_id, state=state)

    def _load_groups(self, run_id: str, work: list[tuple[_Group, Unit]]) -> None:
        holder = f"{run_id}@{socket.gethostname()}:{os.getpid()}"
        wanted = {(group.key.client_id, group.key.connector, group.key.module) for group, _ in work}
        keeper = LeaseKeeper(self.services, run_id, holder)
        try:
            fences = keeper.take(sorted(wanted))
            for batch in self._batches(work, fences):
                loaded = load_units(self.services, [staged for _, staged in batch])
                for (group, staged), result in zip(batch, loaded, strict=True):
                    self._note(group, staged.run_id, result)
        finally:
            keeper.close()

    def _batches(
        self, work: list[tuple[_Group, Unit]], fences: dict[leases.Key, int]
    ) -> Iterator[list[tuple[_Group, StagedUnit]]]:
        """Yield staged units in batches; two units about the same thing never share one, later ones win."""
        batch: list[tuple[_Group, StagedUnit]] = []
        rows = 0
        for group, unit in work:
            staged = self._staged(group, unit, fences)
            if staged is None:
                continue
            if batch and (
                rows >= self.services.settings.rows_per_batch or any(one.key == group.key for one, _ in batch)
            ):
                yield batch
                batch, rows = [], 0
            batch.append((group, staged))
            rows += sum(len(cell.records) for cell in staged.cells)
        if batch:
            yield batch

    def _staged(self, group: _Group, unit: Unit, fences: dict[leases.Key, int]) -> StagedUnit | None:
        key = group.key
        fence = fences.get((key.client_id, key.connector, key.module))
        if fence is None:
            self._end(
                group, unit, LATER, "another run works on this client and statement; import it again later."
            )
            return None
        payloads: dict[str, list[Any]] = {}
        raws: dict[str, list[bytes]] = {}
        for part in group.parts:
            for name, (payload, raw) in part.found.sections.items():
                payloads.setdefault(name, []).append(payload)
                raws.setdefault(name, []).append(raw)
        runs.mark_running(self.services.engine, [unit.unit_id])
        facts = self.facts[key.client_id]
        try:
            return stage_payloads(
                self.services, facts, group.parts[0].found.module, unit, payloads, raws, fence
            )
        except SyncError as error:
            runs.end_unit(self.services.engine, unit, error.outcome, problem_of(error))
            self._fill(group, unit.run_id, str(error.outcome), reason=error.message)
            return None

    def _end(self, group: _Group, unit: Unit, outcome: str, reason: str) -> None:
        from clientsync.staged import Problem

        problem = Problem(
            "ALREADY_RUNNING", "Another run worked on this client and module.", "Import the file again."
        )
        runs.end_unit(self.services.engine, unit, Outcome.CANCELLED, problem)
        self._fill(group, unit.run_id, outcome, reason=reason)

    def _note(self, group: _Group, run_id: str, result: LoadResult) -> None:
        reason = ""
        if result.unread:
            reason = (
                f"what the file holds is loaded, but not the whole statement: {', '.join(result.unread)} not read. "
                "Import the other files too, or read the module from the portal."
            )
        elif not result.outcome.is_done:
            problem = next((one for one in result.problems if not one.is_warning), None)
            reason = problem.message if problem else WORDS[result.outcome]
            if result.outcome is Outcome.SUSPECT:
                reason += ' If the file is right, import it again with `--release "what you compared"`.'
        elif result.rows_quarantined:
            reason = "see `clientsync quarantine list` for the rows that were held back"
        self._fill(
            group,
            run_id,
            str(result.outcome),
            unread=result.unread,
            rows_loaded=result.rows_loaded,
            rows_quarantined=result.rows_quarantined,
            reason=reason,
        )

    def _fill(
        self, group: _Group, run_id: str, outcome: str, *, unread: tuple[str, ...] = (), **values: Any
    ) -> None:
        """Write a unit's result to its first document; the others say that they are part of it, or a copy."""
        first = group.parts[0].number
        for part in group.parts:
            number = part.number
            mine = values if number == first else {"reason": f"part of {self.results[first].path.name}"}
            self.results[number] = replace(
                self.results[number], outcome=outcome, run_id=run_id, unread=unread, **mine
            )
        for number, original in group.copies.items():
            self.results[number] = replace(
                self.results[number],
                outcome=outcome,
                run_id=run_id,
                unread=unread,
                reason=f"the same as {self.results[original].title}",
            )


def _written_at(path: Path) -> int:
    """Return when a file was written, in nanoseconds; 0 when it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _original(group: _Group, part: _Part) -> _Part | None:
    """Return the part of a group that a document repeats in everything."""
    return next((one for one in group.parts if one.found.sections == part.found.sections), None)


def _fits(group: _Group, part: _Part) -> bool:
    """Whether a document adds sections to a group, or pages to sections whose pages can be joined."""
    taken = {name for one in group.parts for name in one.found.sections}
    module = part.found.module
    return all(name not in taken or module.section(name).merge is not None for name in part.found.sections)
