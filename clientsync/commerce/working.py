"""The worker: reads what was announced or is needed, sends what may be sent, and settles what came of it.

One thread decides and owns the database; a few others speak with the two systems. What they bring is settled, taken
in, judged and claimed anew in one transaction, so a document is never seen between two states. Anything may end this
process at any moment: a claim that ran out is looked up before it is sent again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, select

from clientsync.commerce import events, reasons, store
from clientsync.commerce.claims import Claim, Kind, Outcome, claim, claim_batch, end_leases, settle, wake_due
from clientsync.commerce.connected import DIRECTIONS, Commerce
from clientsync.commerce.documents import Booked, Key, State
from clientsync.commerce.reading import Read, keep, read
from clientsync.commerce.reasons import Reason
from clientsync.commerce.store import Switches
from clientsync.commerce.systems import BookedOtherwise, Job, Mappings, System
from clientsync.crash import crash_point
from clientsync.database import reading, writing
from clientsync.errors import (
    BadRequest,
    BookingRefused,
    MissingSecret,
    NeedsPerson,
    NotConnected,
    ProviderMisconfigured,
    RateLimited,
    SourceError,
    StopRequested,
    SyncError,
)

IDLE_SECONDS = 0.5
"""How long a worker that goes on and on sleeps when nothing is announced."""
LONGEST_WAIT = timedelta(minutes=5)
MIN_BATCH = 10
"""Fewer documents than that are sent one by one."""
SHUT_SECONDS = 300.0
"""After which a system that did not let us in is tried again by a worker that goes on and on."""
_STOPPED = {"out": "stopped", "in": "stopped_in"}
_TOLD = (SourceError, BookingRefused, MissingSecret, StopRequested)
"""Errors that say something of a document; any other is a defect of ours."""
_jitter = random.SystemRandom()


@dataclass
class Report:
    """What a worker did.

    Attributes:
        outcomes: kind of outcome to how many tries ended so.
        taken_in: documents that were new or changed.
        stopped: reasons by direction for which nothing is sent.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    taken_in: int = 0
    stopped: dict[str, str] = field(default_factory=dict)

    @property
    def tries(self) -> int:
        """How many tries ended."""
        return sum(self.outcomes.values())


class Worker:
    """Works on one connection; several may, in several processes."""

    def __init__(
        self,
        of: Commerce,
        *,
        stop: threading.Event | None = None,
        progress: Callable[[int, int], None] | None = None,
        patience: timedelta = timedelta(seconds=30),
        pool: Callable[[int], Executor] = ThreadPoolExecutor,
        on_turn: Callable[[], object] | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            of: the connection.
            stop: ends the worker after what is under way.
            progress: is told how many tries ended and how many documents may still be sent.
            patience: for how long ``until_idle`` waits for something that is due later.
            pool: makes the threads that speak with the systems.
            on_turn: is called after each turn of a worker that goes on and on.
        """
        self._of, self._stop, self._progress = of, stop or threading.Event(), progress
        self._patience, self._pool, self._on_turn = patience, pool, on_turn
        self._holder = str(uuid4())
        self._wake = threading.Event()
        self._sends: dict[Future[list[Outcome]], list[Claim]] = {}
        self._rests: dict[str, datetime] = {}
        self._reads: dict[Future[Read], tuple[str, Key]] = {}
        self._maps: tuple[int, dict[tuple[str, str], str]] = (-1, {})
        self._shut: dict[str, float] = {}
        self.report = Report()

    def wake(self) -> None:
        """Say that something was announced."""
        self._wake.set()

    def until_idle(self) -> Report:
        """Work until nothing is left that can be done soon; return what was done."""
        self._open_again()
        with self._pool(3 * self._of.at_once) as pool:
            while not self._stop.is_set():
                next_at = self._turn(pool)
                if self._under_way:
                    wait(self._under_way, timeout=1.0, return_when=FIRST_COMPLETED)
                elif next_at is None or next_at - self._of.now() > self._patience:
                    break
                else:
                    self._stop.wait(max((next_at - self._of.now()).total_seconds(), 0.0))
            self._finish(pool)
        return self.report

    def go_on(self) -> None:
        """Work until the stop is asked for."""
        self._open_again()
        with self._pool(3 * self._of.at_once) as pool:
            while not self._stop.is_set():
                self._wake.clear()
                self._turn(pool)
                if self._on_turn is not None:
                    self._on_turn()
                self._wake.wait(IDLE_SECONDS)
            self._finish(pool)

    def _finish(self, pool: Executor) -> None:
        """Settle what is under way; claim nothing more."""
        while self._under_way:
            wait(self._under_way, return_when=FIRST_COMPLETED)
            self._turn(pool, is_last=True)

    @property
    def _under_way(self) -> list[Future[Any]]:
        return [*self._sends, *self._reads]

    def _open_again(self) -> None:
        """Forget that a system did not let us in; a new worker tries it."""
        with writing(self._of.engine) as connection:
            if any(self._of.switches(connection).stopped.values()):
                store.change_connection(connection, self._of.name, **dict.fromkeys(_STOPPED.values(), ""))

    def _turn(self, pool: Executor, *, is_last: bool = False) -> datetime | None:
        """Settle, take in, judge and claim in one transaction; return when something is due next."""
        of, at = self._of, self._of.now()
        sent = [pair for one in list(self._sends) if one.done() for pair in self._ended(one)]
        brought = [(self._reads.pop(one), one.result()) for one in list(self._reads) if one.done()]
        with writing(of.engine) as connection:
            found = of.switches(connection)
            self._settle(connection, sent, found, at)
            self.report.taken_in += keep(connection, of, [one for _, one in brought], found.mode, at)
            crash_point("commerce_taken_in")
            claims: list[list[Claim]] = []
            wanted: dict[tuple[str, Key], list[events.Announced]] = {}
            next_at = None
            if not is_last:
                end_leases(connection, of.name, found.mode, at)
                wake_due(connection, of.name, found.mode, at)
                wanted = self._wanted(connection, at)  # what events say at once may free documents
                directions = [one for one in DIRECTIONS if not self._is_shut(one)]
                claims = self._claim(connection, directions, at)
                next_at = self._next_at(connection, directions, at)
            maps = self._current_maps(connection, found) if claims else {}
        crash_point("commerce_claimed")
        for one in claims:
            send = self._send_many if len(one) > 1 else self._send
            self._begun(self._sends, pool.submit(send, one, maps, found.uses_customer_ids), one)
        for (system, key), announced in wanted.items():
            self._begun(self._reads, pool.submit(read, of, system, key, announced), (system, key))
        return at if claims or wanted else next_at

    def _begun(self, under_way: dict[Future[Any], Any], future: Future[Any], what: object) -> None:
        under_way[future] = what
        future.add_done_callback(lambda _: self._wake.set())

    def _claim(self, connection: Connection, directions: Sequence[str], at: datetime) -> list[list[Claim]]:
        """Claim what is sent next: batches first, each by itself, then single documents.

        Of a type that is under way in a batch, or rests after one, what was never tried is left for the next batch.
        """
        of, until = self._of, at + self._of.lease
        room = of.at_once - len(self._sends)
        batched = {one[0].document.type for one in self._sends.values() if len(one) > 1}
        batched |= {name for name, rests_until in self._rests.items() if rests_until > at}
        found: list[list[Claim]] = []
        for direction in directions:
            for name, most in of.target(direction).batches.items():
                if name in batched or room <= len(found):
                    continue
                batch = claim_batch(
                    connection, of.name, self._holder, name, most, at, until, [direction], MIN_BATCH
                )
                if batch:
                    found.append(batch)
                    batched.add(name)
        single = claim(connection, of.name, self._holder, room - len(found), at, until, directions, batched)
        return [*found, *([one] for one in single)]

    def _settle(
        self, connection: Connection, sent: Sequence[tuple[Claim, Outcome]], found: Switches, at: datetime
    ) -> None:
        if not sent:
            return
        of = self._of
        settle(connection, of.name, sent, self._holder, found.mode, at)
        crash_point("commerce_settled")
        for done, outcome in sent:
            self.report.outcomes[outcome.kind] = self.report.outcomes.get(outcome.kind, 0) + 1
            self._note_door(connection, done.direction, outcome)
        if self._progress is not None:
            self._progress(self.report.tries, _to_send(connection, of.name))

    def _note_door(self, connection: Connection, direction: str, outcome: Outcome) -> None:
        """Keep whether the target of a direction lets us in."""
        if outcome.kind == "auth":
            self._shut[direction] = time.monotonic()
            self.report.stopped[direction] = outcome.reason.text
        elif outcome.kind == "success" and self._shut.pop(direction, None) is not None:
            del self.report.stopped[direction]
        else:
            return
        said = self.report.stopped.get(direction, "")
        column = store.CONNECTIONS.c[_STOPPED[direction]]
        store.change_connection(connection, self._of.name, **{column.name: said[: store.length_of(column)]})

    def _is_shut(self, direction: str) -> bool:
        """Whether nothing is sent in a direction; after a while one try finds out whether that is still so."""
        since = self._shut.get(direction)
        return since is not None and time.monotonic() - since < SHUT_SECONDS

    def _wanted(self, connection: Connection, at: datetime) -> dict[tuple[str, Key], list[events.Announced]]:
        """Return what is to be read of the two systems: what events announce and what others need."""
        room = 2 * self._of.at_once - len(self._reads)
        if room < 1:
            return {}
        busy = set(self._reads.values())
        found = {
            one: announced
            for one, announced in events.due(connection, self._of, at, 4 * room).items()
            if one not in busy
        }
        for row in store.expected(connection, self._of.name, room + len(busy), DIRECTIONS, at):
            one = ("shop" if row.direction == "out" else "accounting", Key(row.type, row.source_id))
            if one not in busy:
                found.setdefault(one, [])
        return dict(list(found.items())[:room])

    def _next_at(self, connection: Connection, directions: Sequence[str], at: datetime) -> datetime | None:
        """Return when something becomes due that cannot be done now: tried again, looked up, or its lease ends."""
        docs = store.DOCS
        of_ours = (docs.c.connection == self._of.name, docs.c.direction.in_(directions))
        later = select(func.min(docs.c.eligible_at)).where(
            *of_ours, docs.c.state.in_([State.READY, State.UNKNOWN, State.WAITING]), docs.c.eligible_at > at
        )
        awaited = select(func.min(docs.c.eligible_at)).where(
            docs.c.connection == self._of.name,
            docs.c.state == State.EXPECTED,
            docs.c.fetched_at.is_(None),
            docs.c.eligible_at > at,
        )
        leased = select(func.min(docs.c.lease_until)).where(*of_ours, docs.c.state == State.SENDING)
        moments = [
            connection.execute(later).scalar_one(),
            connection.execute(leased).scalar_one(),
            connection.execute(awaited).scalar_one(),
            events.next_due(connection, self._of.name, at),
            *(one for one in self._rests.values() if one > at),
        ]
        return min((one for one in moments if one is not None), default=None)

    def _current_maps(self, connection: Connection, found: Switches) -> dict[tuple[str, str], str]:
        if self._maps[0] != found.maps_version:
            self._maps = (found.maps_version, store.maps_of(connection, self._of.name))
        return self._maps[1]

    # in the threads that speak with the systems

    def _send(
        self, claims: Sequence[Claim], maps: dict[tuple[str, str], str], uses_customer_ids: bool
    ) -> list[Outcome]:
        """Look a document up if it may have been sent, send it if it was not; never raises a ``SourceError``."""
        (one,) = claims
        target = self._of.target(one.direction)
        job = Job(one.document, Mappings(maps), uses_customer_ids)
        is_looking = one.must_look_up
        try:
            if one.is_withdrawn and one.document.booked is None and not _is_there(target, job):
                return [Outcome("gone", calls=job.calls)]
            booked = target.find(job) if is_looking else None
            if booked is None:
                is_looking = False
                booked = target.send(job)
                crash_point("commerce_sent")
        except BookedOtherwise as error:
            # of what was taken back only its return matters, and that needs what is booked
            return [self._outcome_of(job, error.booked if one.is_withdrawn else error)]
        except _TOLD as error:
            return [self._outcome_of(job, error, is_looking=is_looking)]
        return [self._outcome_of(job, booked)]

    def _send_many(
        self, claims: Sequence[Claim], maps: dict[tuple[str, str], str], uses_customer_ids: bool
    ) -> list[Outcome]:
        """Send documents together that were never sent; an error that is raised counts for each of them."""
        jobs = [Job(one.document, Mappings(maps), uses_customer_ids) for one in claims]
        results: Sequence[Booked | SyncError]
        try:
            results = self._of.target(claims[0].direction).send_many(jobs)
            crash_point("commerce_sent")
        except _TOLD as error:
            results = [error] * len(jobs)
        return [self._outcome_of(job, result) for job, result in zip(jobs, results, strict=True)]

    def _outcome_of(self, job: Job, result: Booked | SyncError, *, is_looking: bool = False) -> Outcome:
        if isinstance(result, Booked):
            return Outcome("success", result, inputs=_inputs(job), calls=job.calls)
        kind, reason, again_at = self._meaning(result, job.document.attempts, is_looking=is_looking)
        booked = result.booked if isinstance(result, BookedOtherwise) else None
        return Outcome(kind, booked, reason, again_at, _inputs(job), job.calls)

    def _meaning(
        self, error: SyncError, attempts: int, *, is_looking: bool
    ) -> tuple[Kind, Reason, datetime | None]:
        """Return what an error says of a document; while it is looked up, nobody knows whether it is booked."""
        if isinstance(error, BookingRefused):
            return "failed", Reason(error.reason_code, error.message), None
        if isinstance(error, NeedsPerson | ProviderMisconfigured | MissingSecret):
            return "auth", reasons.auth_expired(error.message), None
        again_at = self._again_at(attempts, error)
        shown = f"{again_at.astimezone(self._of.zone):%H:%M:%S}"
        if is_looking:
            return "unknown", reasons.outcome_unknown(error.message), again_at
        if isinstance(error, RateLimited | NotConnected | StopRequested):
            why = reasons.throttled if isinstance(error, RateLimited) else reasons.not_reached
            return "retry", why(shown), again_at
        if isinstance(error, BadRequest):
            return "failed", reasons.target_rejected(error.message), None
        return "unknown", reasons.outcome_unknown(error.message), again_at

    def _again_at(self, attempts: int, error: SyncError) -> datetime:
        """Return when to try again: as told, or ever later, with jitter, at most five minutes."""
        told = error.retry_after if isinstance(error, RateLimited) else None
        first = self._of.first_look_up
        wait_for = (
            timedelta(seconds=told) if told is not None else min(first * 2 ** min(attempts, 10), LONGEST_WAIT)
        )
        return self._of.now() + wait_for * _jitter.uniform(1.0, 1.3)

    def _ended(self, future: Future[list[Outcome]]) -> list[tuple[Claim, Outcome]]:
        """Return what became of claims; after a batch of which nothing came, the next one waits as its documents do."""
        claims = self._sends.pop(future)
        outcomes = _outcomes(future, len(claims))
        later = [one.again_at for one in outcomes if one.again_at is not None]
        if 1 < len(claims) == len(later):
            self._rests[claims[0].document.type] = min(later)
        return list(zip(claims, outcomes, strict=True))


def _outcomes(future: Future[list[Outcome]], count: int) -> list[Outcome]:
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, Exception):
        raise error
    return [Outcome("failed", reason=reasons.internal_error(type(error).__name__))] * count


def _is_there(target: System, job: Job) -> bool:
    """Whether a document that its source took back is booked, be it in a form from before a change."""
    earlier = Job(replace(job.document, revision=1), job.mappings, job.uses_customer_ids, job.calls)
    try:
        return target.find(earlier) is not None
    except BookedOtherwise:
        return True


def _inputs(job: Job) -> tuple[tuple[str, str, str, str], ...]:
    missing = job.mappings.missing
    return tuple(
        (kind, key, value, "needed" if (kind, key) in missing else "")
        for (kind, key), value in job.mappings.asked.items()
    )


def _to_send(connection: Connection, name: str) -> int:
    docs = store.DOCS
    return int(
        connection.execute(
            select(func.count()).where(
                docs.c.connection == name, docs.c.state.in_([State.READY, State.UNKNOWN, State.SENDING])
            )
        ).scalar_one()
    )


def work_until_idle(of: Commerce, **options: Any) -> Report:
    """Work on a connection until nothing is left that can be done soon; options are those of ``Worker``."""
    return Worker(of, **options).until_idle()


def left(of: Commerce) -> dict[str, int]:
    """Return how many documents are in each state."""
    with reading(of.engine) as connection:
        return store.counts(connection, of.name)
