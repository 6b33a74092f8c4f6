"""One run: its units are worked on by any number of threads, each unit by one.

The run holds leases, sessions and the loading line. A unit of work that ``process`` returns from has ended in
the ledger; whatever interrupts the process, the next run goes on from the ledger without a person.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, func, select, update

from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.errors import AlreadyRunning, LeaseLost, Scope, StopRequested, SyncError
from clientsync.ledger import challenges, leases, runs
from clientsync.ledger.runs import Unit
from clientsync.ledger.tables import SyncRun, SyncUnit
from clientsync.outcomes import Outcome, UnitState
from clientsync.registry import connector
from clientsync.spec.module import NO_PERIOD, Module
from clientsync.staged import LoadResult, Problem, StagedUnit
from clientsync.sync.fetching import fetch_unit, problem_of
from clientsync.sync.loading_line import LoadingLine
from clientsync.sync.planning import ClientFacts, Plan
from clientsync.sync.services import Services
from clientsync.sync.sessions import SessionPool
from clientsync.sync.staging import stage, stage_again, unit_input

logger = logging.getLogger("clientsync.run")

_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_RUN = SyncRun.__table__  # type: ignore[attr-defined]
ADOPTED_FOR = timedelta(hours=6)
"""How old the answers of an interrupted run may be to be loaded instead of being asked for again."""


@dataclass(frozen=True)
class UnitResult:
    """How a unit ended, small enough to pass between tasks."""

    unit_id: str
    client_id: str
    module: str
    unit_period: str
    outcome: Outcome
    rows_loaded: int = 0
    rows_quarantined: int = 0
    reason: str = ""


class LeaseKeeper:
    """Renews the leases that a run holds, and says that the run is alive."""

    def __init__(self, services: Services, run_id: str, holder: str) -> None:
        """Start the renewing thread."""
        self._services = services
        self._run_id = run_id
        self._holder = holder
        self._held: dict[leases.Key, int] = {}
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lease-keeper", daemon=True)
        self._thread.start()

    def take(self, keys: Sequence[leases.Key]) -> dict[leases.Key, int]:
        """Take leases; keys that another run holds are missing from the answer."""
        taken = leases.take(self._services.engine, keys, self._holder, self._services.settings.lease_seconds)
        with self._guard:
            self._held.update(taken)
        return taken

    def release(self, fences: dict[leases.Key, int]) -> None:
        """Free leases."""
        with self._guard:
            for key in fences:
                self._held.pop(key, None)
        leases.release(self._services.engine, fences)

    def close(self) -> None:
        """End the thread and free what is still held."""
        self._ended.set()
        self._thread.join()
        with self._guard:
            held, self._held = dict(self._held), {}
        leases.release(self._services.engine, held)

    def _work(self) -> None:
        seconds = self._services.settings.lease_seconds
        while not self._ended.wait(seconds / 3):
            with self._guard:
                held = dict(self._held)
            try:
                runs.beat(self._services.engine, self._run_id)
                lost = leases.renew(self._services.engine, held, seconds)
            except SyncError as error:
                logger.warning("leases could not be renewed now: %s", error.message)
                continue
            with self._guard:
                for key in lost:
                    if self._held.get(key) == held[key]:  # else it was taken anew meanwhile
                        del self._held[key]


@dataclass
class Run:
    """A run in progress.

    Attributes:
        services: surroundings.
        plan: what it works on.
        run_id: in the ledger.
        units: in the order planned.
        owns: whether closing ends the run in the ledger; a helper process does not own it.
        stopped_by: the error of scope RUN that stopped it.
        work: units by module-group label and client id, in the order to work on: group by group, client by client.
    """

    services: Services
    plan: Plan
    run_id: str
    units: list[Unit]
    owns: bool = True
    sessions: SessionPool = field(init=False)
    line: LoadingLine = field(init=False)
    keeper: LeaseKeeper = field(init=False)
    stopped_by: SyncError | None = None
    work: dict[tuple[str, str], list[Unit]] = field(init=False)

    def __post_init__(self) -> None:
        """Open what the units share."""
        name = self.plan.selection.connector
        self.holder = f"{self.run_id}@{socket.gethostname()}:{os.getpid()}"
        self.sessions = SessionPool(self.services, name)
        self.line = LoadingLine(self.services, name)
        self.keeper = LeaseKeeper(self.services, self.run_id, self.holder)
        self._shared: dict[str, dict[tuple[str, str], Any]] = {}
        groups = connector(name).groups
        order = {group.label: (not group.goes_first, number) for number, group in enumerate(groups)}
        self._label_of = {module: group.label for group in groups for module in group.modules}
        found: dict[tuple[str, str], list[Unit]] = {}
        for unit in self.units:
            found.setdefault((self._label_of[unit.key.module], unit.key.client_id), []).append(unit)
        self.work = dict(sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][1])))
        self._guard = threading.Lock()
        self._turns = {unit.key.client_id: threading.Lock() for unit in self.units}
        self._not_begun: dict[str, set[str]] = {}
        for label, client_id in self.work:
            self._not_begun.setdefault(label, set()).add(client_id)
        self._begun = {label: threading.Event() for label in self._not_begun}

    def units_of(self, module_group: str, client_id: str) -> list[Unit]:
        """Return the units of one client and module group, by the group's label, in the order planned."""
        return list(self.work.get((module_group, client_id), ()))

    def close(self) -> dict[str, int]:
        """End the run in the ledger; return its counts by outcome."""
        self.line.close()
        self.sessions.close()
        self.keeper.close()
        if not self.owns:
            return runs.counts_of(self.services.engine, self.run_id)
        state = "stopped" if self.services.stop.is_set() or self.stopped_by else "ended"
        return runs.end_run(self.services.engine, self.run_id, state=state)

    def all_begun(self, module_group: str) -> threading.Event:
        """Return what is set once the last client of a group is being worked on; whoever waits for it may set it too.

        The next group may begin then: its clients wait for their own turn, and the portal is asked while the last
        answers of the group before are checked and loaded.
        """
        return self._begun[module_group]

    def process(self, units: Sequence[Unit]) -> list[UnitResult]:
        """Work on units of one client and module group until each has ended; never raises for what befalls a unit.

        A client's groups take turns, because later ones rest on what earlier ones have read and loaded.
        """
        if not units:
            return []
        with self._turns[units[0].key.client_id]:
            self._say_begun(units[0])
            return self._process(units)

    def _say_begun(self, unit: Unit) -> None:
        label = self._label_of[unit.key.module]
        with self._guard:
            self._not_begun[label].discard(unit.key.client_id)
            if not self._not_begun[label]:
                self._begun[label].set()

    def _process(self, units: Sequence[Unit]) -> list[UnitResult]:
        results: list[UnitResult] = []
        keys = {unit: (unit.key.client_id, unit.key.connector, unit.key.module) for unit in units}
        fences = self.keeper.take(list(keys.values()))
        try:
            pending: list[tuple[Unit, Future[LoadResult]]] = []
            with self.line.fetching():
                for unit in units:
                    fence = fences.get(keys[unit])
                    if fence is None:
                        error = AlreadyRunning("Another run works on this client and module.")
                        results.append(self._ended(unit, error))
                        continue
                    outcome = self._fetch_and_stage(unit, fence)
                    if isinstance(outcome, StagedUnit):
                        pending.append((unit, self.line.submit(outcome)))
                    else:
                        results.append(outcome)
            results.extend(self._loaded(unit, future) for unit, future in pending)
        finally:
            self.keeper.release(fences)
        return results

    def _fetch_and_stage(self, unit: Unit, fence: int) -> StagedUnit | UnitResult:
        client = self.plan.clients[unit.key.client_id]
        module = connector(unit.key.connector).module(unit.key.module)
        try:
            self._check_stop()
            runs.mark_running(self.services.engine, [unit.unit_id])
            adopted = self._adopt(unit, client, fence)
            if adopted is not None:
                return adopted
            shared = self._shared_with(unit)
            known = unit_input(
                self.services,
                client,
                unit,
                self._filings(client),
                shared,
                self._known(client),
                is_full=self.plan.selection.full,
            )
            with self.sessions.of(client) as session:
                self._check_stop()
                fetched = fetch_unit(session, module, known, self.services)
            if fetched.shared is not None:
                left = self._shared.setdefault(unit.key.client_id, {})
                left[(unit.key.module, unit.key.unit_period)] = fetched.shared
            return stage(self.services, unit, client.gstin, fence, fetched.cells)
        except SyncError as error:
            if error.scope is Scope.RUN:
                self.stopped_by = self.stopped_by or error
            return self._ended(unit, error)
        except Exception as error:
            logger.exception("a defect ended unit %s", unit.unit_id)
            return self._defect(unit, error)

    def _check_stop(self) -> None:
        if self.services.stop.is_set():
            raise StopRequested("The run was asked to stop before this unit was done.")
        if self.stopped_by is not None:
            raise StopRequested(f"The run was stopped: {self.stopped_by.message}")

    def _shared_with(self, unit: Unit) -> dict[str, Any]:
        """Return what earlier units of this run left for this one; see ``Asking.shared``."""
        found: dict[str, Any] = {}
        for (name, period), value in list(self._shared.get(unit.key.client_id, {}).items()):
            if period in (unit.key.unit_period, NO_PERIOD):
                found[name] = value
            elif unit.key.unit_period == NO_PERIOD:
                found.setdefault(name, {})[period] = value
        return found

    def _filings(self, client: ClientFacts) -> Sequence[Any]:
        reader = getattr(connector(self.plan.selection.connector), "filings", None)
        return reader(self.services.engine, client.client_id) if reader else ()

    def _known(self, client: ClientFacts) -> Mapping[str, Any]:
        reader = getattr(connector(self.plan.selection.connector), "known", None)
        return reader(self.services.engine, client.client_id) if reader else {}

    def _adopt(self, unit: Unit, client: ClientFacts, fence: int) -> StagedUnit | None:
        """Take over what an interrupted run had fetched for the same unit key, if it is still fresh.

        The lease is ours, so nobody else can be working on it. Answers are never taken over when anything was
        loaded since they were asked for: they may be older than what is stored. A unit of which a section failed,
        waits or is missing, or that came from a file, is asked for again.
        """
        same_key = and_(
            _UNIT.c.client_id == unit.key.client_id,
            _UNIT.c.connector == unit.key.connector,
            _UNIT.c.module == unit.key.module,
            _UNIT.c.unit_period == unit.key.unit_period,
            _UNIT.c.unit_id != unit.unit_id,
        )
        with reading(self.services.engine) as connection:
            left = connection.execute(
                select(_UNIT.c.unit_id, _UNIT.c.run_id, _UNIT.c.started_at)
                .where(same_key, _UNIT.c.state == UnitState.STAGED)
                .order_by(_UNIT.c.unit_id.desc())
            ).all()
            if not left:
                return None
            loaded_at = connection.execute(
                select(func.max(_UNIT.c.ended_at)).where(same_key, _UNIT.c.load_id.is_not(None))
            ).scalar_one()
        row, adopted = left[0], None
        is_fresh = row.started_at is not None and now() - row.started_at <= ADOPTED_FOR
        if is_fresh and (loaded_at is None or loaded_at < row.started_at):
            old = Unit(row.unit_id, row.run_id, unit.key)
            module = connector(unit.key.connector).module(unit.key.module)
            staged = stage_again(self.services, client, module, old, fence)
            if staged is not None and _is_answered(module, staged):
                adopted = stage(self.services, unit, client.gstin, fence, staged.cells)
        with writing(self.services.engine) as connection:
            connection.execute(
                update(_UNIT)
                .where(_UNIT.c.unit_id.in_([one.unit_id for one in left]), _UNIT.c.state == UnitState.STAGED)
                .values(
                    state=UnitState.ENDED,
                    outcome=Outcome.CANCELLED,
                    reason_code="INTERRUPTED",
                    reason="The process ended after fetching; a later run took the unit over.",
                    ended_at=now(),
                )
            )
        return adopted

    def _loaded(self, unit: Unit, future: Future[LoadResult]) -> UnitResult:
        try:
            result = future.result()
        except SyncError as error:
            return self._ended(unit, error)
        except Exception as error:
            logger.exception("a defect ended the loading of unit %s", unit.unit_id)
            return self._defect(unit, error)
        if result.outcome is Outcome.CANCELLED:
            return self._ended(unit, LeaseLost("Another process took over this client and module."))
        if result.outcome is Outcome.NEEDS_PERSON:
            self._raise_challenge(unit, result.problems[0].code if result.problems else "OTP_REQUIRED")
        return UnitResult(
            unit_id=unit.unit_id,
            client_id=unit.key.client_id,
            module=unit.key.module,
            unit_period=unit.key.unit_period,
            outcome=result.outcome,
            rows_loaded=result.rows_loaded,
            rows_quarantined=result.rows_quarantined,
            reason=result.problems[0].message if result.problems else "",
        )

    def _ended(self, unit: Unit, error: SyncError) -> UnitResult:
        outcome = Outcome.CANCELLED if isinstance(error, LeaseLost) else error.outcome
        runs.end_unit(self.services.engine, unit, outcome, problem_of(error))
        if outcome is Outcome.NEEDS_PERSON:
            self._raise_challenge(unit, error.code)
        return UnitResult(
            unit.unit_id,
            unit.key.client_id,
            unit.key.module,
            unit.key.unit_period,
            outcome,
            reason=error.message,
        )

    def _raise_challenge(self, unit: Unit, code: str) -> None:
        """Put what a person must do into the operators' queue, unless the connector's session has done so.

        The unit has ended by then and says itself what it waits for, so a queue that cannot be written ends nothing.
        """
        kind = challenges.kind_of(code)
        if kind is None:
            return
        try:
            challenges.raise_challenge(self.services.engine, unit.key.client_id, unit.key.connector, kind)
        except SyncError as error:
            logger.warning("unit %s waits, but no challenge could be raised: %s", unit.unit_id, error.message)

    def _defect(self, unit: Unit, error: Exception) -> UnitResult:
        problem = Problem(
            code="DEFECT",
            message=f"A defect of clientsync ({type(error).__name__}) ended this unit; the others went on.",
            next_step="Report it with the unit id; the log holds the traceback.",
        )
        runs.end_unit(self.services.engine, unit, Outcome.BROKEN, problem)
        return UnitResult(
            unit.unit_id,
            unit.key.client_id,
            unit.key.module,
            unit.key.unit_period,
            Outcome.BROKEN,
            reason=problem.message,
        )


def _is_answered(module: Module, staged: StagedUnit) -> bool:
    """Whether every section of a staged unit has an answer of the portal, or a proof that none is needed."""
    done = {cell.section for cell in staged.cells if cell.outcome.is_done}
    every = {section.name for section in module.sections}
    return staged.source == "portal" and len(done) == len(staged.cells) and done >= every
