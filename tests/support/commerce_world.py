"""A shop and its accounting as objects, with everything that can go wrong between them, on a real ledger.

The accounting keeps count of what it was given: it is the judge of whether something was sent twice, too early, or
without a look first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.pool import StaticPool

from clientsync.commerce import deciding, store
from clientsync.commerce.connected import Commerce
from clientsync.commerce.documents import TYPES, Booked, Fact, Key, Page, Received, Shift, State
from clientsync.commerce.events import EVENTS
from clientsync.commerce.intake import Received as Taken
from clientsync.commerce.intake import receive
from clientsync.commerce.reasons import no_sku, target_rejected
from clientsync.commerce.scheduling import take_in_shifts
from clientsync.commerce.systems import BookedTotal, DayTotal, EventSeen, Job, Result, refused
from clientsync.commerce.taking_in import take_in, take_in_facts
from clientsync.commerce.verdicts import rejudge
from clientsync.commerce.working import Report, Worker
from clientsync.database import open_engine, writing
from clientsync.errors import (
    BookingRefused,
    ContractChanged,
    NotConnected,
    RateLimited,
    SessionExpired,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
)
from clientsync.ledger import commerce_tables

START = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
OUT = [one.name for one in TYPES.values() if one.direction == "out" and not one.counts_stock]
FAULTS = ("lost", "unsent", "busy", "away", "broken", "killed")
"""lost: booked, no answer; unsent: neither; busy: asked to slow down; away: nobody there; broken: 5xx after booking."""


class Killed(BaseException):
    """The process ends here."""


class Inline(Executor):
    """Runs what it is given at once, in this thread."""

    def __init__(self, _: int) -> None:
        pass

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call and return its outcome; the end of the process is not an outcome."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as the threads of the real one do
            future.set_exception(error)
        return future


@dataclass
class Given:
    """A document of the shop, and what is wrong with it.

    Attributes:
        is_broken: it has a product without a SKU.
        is_lost: it never comes, not even when it is asked for.
    """

    received: Received
    is_broken: bool = False
    is_lost: bool = False


@dataclass
class FakeShop:
    """Gives documents, one by one or by their moment of change."""

    title: str = "shop"
    streams: tuple[str, ...] = ("documents",)
    batches: Mapping[str, int] = field(default_factory=dict)
    given: dict[Key, Given] = field(default_factory=dict)
    fetched: list[Key] = field(default_factory=list)
    is_away: bool = False
    facts: list[Fact] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)
    totals: list[DayTotal] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    on_fetch: Callable[[Key], object] | None = None

    def changed(self, stream: str, since: datetime) -> Iterator[Page]:
        """Yield everything that is there, two at a time."""
        there = [one.received for one in self.given.values() if not one.is_lost]
        for start in range(0, len(there), 2):
            yield Page(documents=tuple(there[start : start + 2]), position=since)
        if self.facts or self.shifts:
            yield Page(shifts=tuple(self.shifts), facts=tuple(self.facts), position=since)

    def fetch(self, key: Key) -> list[Received]:
        """Give one document; of an item that is named by a SKU there is always one."""
        if self.is_away:
            raise SourceUnavailable("The shop is away.")
        self.fetched.append(key)
        if self.errors:
            raise self.errors.pop(0)
        if key.type == "item" and key.source_id.startswith("SKU-"):
            self.given.setdefault(key, Given(Received(*key, key.source_id, START, {"lines": []})))
        found = self.given.get(key)
        if self.on_fetch is not None:
            self.on_fetch(key)
        return [found.received] if found is not None and not found.is_lost else []

    def find(self, job: Job) -> Booked | None:
        """Nothing is booked here."""
        return None

    def send(self, job: Job) -> Booked:
        """Nothing is booked here."""
        raise AssertionError("nothing is sent to the shop")

    def send_many(self, jobs: Sequence[Job]) -> list[Result]:
        """Nothing is booked here."""
        raise AssertionError("nothing is sent to the shop")

    def verify(self, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """A webhook is genuine when it says so."""
        return "" if headers.get("genuine") == "yes" else "it is forged"

    def events(self, body: bytes) -> list[EventSeen]:
        """One event a line: its id, type and source id."""
        found = []
        for line in body.decode().splitlines():
            parts = line.split("|")
            if len(parts) != 3:
                raise ContractChanged("That is no event.")
            found.append(EventSeen(line, parts[1], parts[2]))
        return found

    def keys_of(self, event: EventSeen) -> list[Key]:
        """The document that the event names."""
        return [Key(event.type, event.entity_id)] if event.type in TYPES else []

    def about_booked(self, event: EventSeen) -> list[Key]:
        """Nothing is booked here."""
        return []

    def masters_of(self, event: EventSeen) -> list[Key]:
        """Nothing is booked here."""
        return []

    def day_totals(self, day: date) -> list[DayTotal]:
        """What is set."""
        return self.totals


@dataclass
class FakeAccounting:
    """Books documents, and goes wrong as it is told.

    Attributes:
        booked: source key to how it is booked, in the order of booking.
        faults: what happens at the next tries.
        complaints: rules that were broken.
        payloads: what each document was booked with.
        times: when.
        refusals: what it says to documents that it does not take, by key.
        is_shut: it lets nobody in.
        batches: type to how many of it at most it takes together.
        parcels: the keys that came together, one list for each time.
        lost_parcels: how many of the next batches are booked as far as ``lost_after`` and not answered.
        lost_after: documents of a batch that are booked before its answer is lost.
    """

    shop: FakeShop
    title: str = "accounting"
    streams: tuple[str, ...] = ()
    batches: Mapping[str, int] = field(default_factory=dict)
    parcels: list[list[Key]] = field(default_factory=list)
    lost_parcels: int = 0
    lost_after: int = 0
    booked: dict[Key, Booked] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    unsure: set[Key] = field(default_factory=set)
    done_by_hand: set[Key] = field(default_factory=set)
    looks: int = 0
    sends: int = 0
    looks_first: bool = True
    deleted: dict[str, Key] = field(default_factory=dict)
    history: list[EventSeen] = field(default_factory=list)
    payloads: dict[Key, Mapping[str, Any]] = field(default_factory=dict)
    times: dict[Key, datetime] = field(default_factory=dict)
    refusals: dict[Key, str] = field(default_factory=dict)
    listed: list[BookedTotal] = field(default_factory=list)
    is_shut: bool = False
    clock: Callable[[], datetime] | None = None
    on_send: Callable[[Key], object] | None = None

    def changed(self, stream: str, since: datetime) -> Iterator[Page]:
        """Nothing comes from here."""
        return iter(())

    def fetch(self, key: Key) -> list[Received]:
        """Nothing comes from here."""
        return []

    def find(self, job: Job) -> Booked | None:
        """Look a document up."""
        self.looks += 1
        if self.is_shut:
            raise SessionExpired("log in again")
        if self._fault(("busy", "away", "unsent")) == "killed":
            raise Killed
        self.unsure.discard(job.document.key)
        return None if self._is_replaced(job) else self.booked.get(job.document.key)

    def _is_replaced(self, job: Job) -> bool:
        """Whether a sale is booked otherwise than its source gives it now."""
        key = job.document.key
        return (
            job.document.revision > 1
            and key.type in ("sale", "payment")
            and self.payloads.get(key) != job.document.payload
        )

    def send(self, job: Job) -> Booked:
        """Book a document, and complain when that is wrong."""
        key = job.document.key
        self.sends += 1
        if self.is_shut:
            raise SessionExpired("log in again")
        if self.on_send is not None:
            self.on_send(key)
        if key in self.unsure:
            self.complaints.append(f"{key} was sent again without a look")
        given = self.shop.given[key]
        for need in given.received.needs:
            if need not in self.booked and need not in self.done_by_hand:
                self.complaints.append(f"{key} was sent before {need}")
        if job.mappings.find("sku", key.source_id) == "" and given.is_broken:
            raise refused(no_sku(key.source_id))
        if key in self.refusals:
            raise refused(target_rejected(self.refusals[key]))
        fault = self._fault(("busy", "away"))
        if fault == "unsent":
            self.unsure.add(key)
            raise SourceTimeout("no answer")
        if key in self.booked and not self._is_replaced(job):
            self.complaints.append(f"{key} was booked twice")
        self.booked[key] = Booked(f"T{len(self.booked) + 1}", f"N-{key.source_id}", "1")
        self.payloads[key] = job.document.payload
        if self.clock is not None:
            self.times[key] = self.clock()
        if fault == "killed":
            raise Killed
        if fault in {"lost", "broken"}:
            self.unsure.add(key)
            raise SourceTimeout("no answer") if fault == "lost" else SourceUnavailable("502")
        return self.booked[key]

    def send_many(self, jobs: Sequence[Job]) -> list[Result]:
        """Book documents of one type; complain when they are not, are too many, or were sent before."""
        keys = [job.document.key for job in jobs]
        self.parcels.append(keys)
        (type_name,) = {key.type for key in keys}
        if not 1 < len(keys) <= self.batches[type_name]:
            self.complaints.append(f"{len(keys)} of {type_name} were sent together")
        if self.is_shut:
            raise SessionExpired("log in again")
        self.complaints += [f"{job.document.key} was tried before" for job in jobs if job.document.attempts]
        if self.lost_parcels:
            self.lost_parcels -= 1
            for job in jobs[: self.lost_after]:
                self._sent(job)
            self.unsure |= set(keys)
            raise SourceTimeout("no answer")
        return [self._sent(job) for job in jobs]

    def _sent(self, job: Job) -> Result:
        try:
            return self.send(job)
        except (BookingRefused, SourceError) as error:
            return error

    def _fault(self, passing: Sequence[str]) -> str:
        fault = self.faults.pop(0) if self.faults else ""
        if fault in passing:
            if fault == "busy":
                raise RateLimited("slow down", retry_after=0.5)
            raise NotConnected("nobody there") if fault == "away" else SourceTimeout("no answer")
        return fault

    def verify(self, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """Everything is genuine."""
        return ""

    def events(self, body: bytes) -> list[EventSeen]:
        """One event: type and id."""
        kind, _, entity = body.decode().partition("|")
        return [EventSeen(body.decode(), kind, entity)]

    def keys_of(self, event: EventSeen) -> list[Key]:
        """Nothing comes from here."""
        return []

    def about_booked(self, event: EventSeen) -> list[Key]:
        """The sale whose booking was deleted."""
        return [Key("sale", event.entity_id)] if event.type == "DELETED" else []

    def masters_of(self, event: EventSeen) -> list[Key]:
        """The item that was changed."""
        return [Key("item", event.entity_id)] if event.type == "ITEM" else []

    def booked_totals(self, day: date) -> list[BookedTotal]:
        """What is set."""
        return self.listed

    def renew_webhook(self) -> date:
        """For a week."""
        return START.date() + timedelta(days=7)

    def missed(self, since: datetime, until: datetime) -> list[EventSeen]:
        """What was told."""
        return self.history


def memory_engine() -> Engine:
    """Return a ledger in memory, with one connection."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _plain(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


TABLES: list[Any] = [
    one.__table__
    for one in vars(commerce_tables).values()
    if hasattr(one, "__table__") and one.__module__ == commerce_tables.__name__
]


class CommerceWorld:
    """A ledger between a shop and its accounting, with a clock that moves when nobody works."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = memory_engine() if engine is None else engine
        if engine is None:
            store.DOCS.metadata.create_all(self.engine, tables=TABLES)
        self.at = START
        self.shop = FakeShop()
        self.accounting = FakeAccounting(self.shop, clock=lambda: self.at)
        self.of = Commerce("shop", self.engine, self.shop, self.accounting, now=lambda: self.at, at_once=4)
        self.of.prepare()

    def add(
        self,
        type_name: str,
        source_id: str,
        *,
        needs: Sequence[Key] = (),
        at: int = 0,
        lane: str = "",
        is_broken: bool = False,
        is_lost: bool = False,
        **more: Any,
    ) -> Received:
        """Let the shop have a document, ``at`` minutes after the start."""
        payload = {"lines": more.pop("lines", []), **more.pop("payload", {})}
        received = Received(
            type_name,
            source_id,
            more.pop("number", source_id),
            START + timedelta(minutes=at),
            payload,
            tuple(needs),
            lane,
            **more,
        )
        self.shop.given[received.key] = Given(received, is_broken, is_lost)
        return received

    def arrive(self, *received: Received) -> None:
        """Let the ledger take documents in."""
        with writing(self.engine) as connection:
            mode = self.of.switches(connection).mode
            changed = take_in(connection, self.of.name, received, mode, self.at)
            rejudge(connection, self.of.name, changed, mode, self.at)

    def change(self, received: Received, **more: Any) -> Received:
        """Let the shop have a document otherwise; ``payload`` is laid over the one before."""
        payload = {**received.payload, **more.pop("payload", {})}
        changed = replace(received, payload=payload, **more)
        self.shop.given[received.key].received = changed
        return changed

    def tell(self, *lines: str, system: str = "shop") -> Taken:
        """Deliver a webhook with one event a line."""
        return receive(self.of, system, {"genuine": "yes"}, "\n".join(lines).encode())

    def turn(self, **more: Any) -> Report:
        """Let one worker work at this moment; time does not pass."""
        return Worker(self.of, pool=Inline, patience=timedelta(0), **more).until_idle()

    def set_mode(self, **values: Any) -> int:
        """Change the mode; return for how many documents the moment changed."""
        return deciding.change_mode(self.of, deciding.ModeChange(**values), actor="somebody")[1]

    def learn(self, *facts: Fact) -> None:
        """Let the ledger hear facts, and try again what they repair."""
        with writing(self.engine) as connection:
            mode = self.of.switches(connection).mode
            if take_in_facts(connection, self.of.name, facts, self.at):
                deciding.try_repaired(connection, self.of.name, mode, self.at)

    def hear_shifts(self, *shifts: Shift) -> None:
        """Let the ledger hear of shifts."""
        with writing(self.engine) as connection:
            mode = self.of.switches(connection).mode
            changed = take_in_shifts(connection, self.of.name, shifts, mode, self.at)
            rejudge(connection, self.of.name, changed, mode, self.at)

    def judge_all(self) -> int:
        """Judge every document anew; return how many verdicts that changed."""
        with writing(self.engine) as connection:
            return rejudge(connection, self.of.name, None, self.of.switches(connection).mode, self.at)

    def verdicts(self) -> dict[Key, tuple[Any, ...]]:
        """Return what people see of every document, by what it is and not by its number in the ledger."""
        rows = self.rows()
        names = {row.doc_id: Key(row.type, row.source_id) for row in rows}
        return {
            names[row.doc_id]: (
                row.state, row.reason_code, row.reason, names.get(row.blocker_id), names.get(row.root_id),
            )
            for row in rows
        }  # fmt: skip

    def events(self) -> list[Any]:
        """Return the events of webhooks, in their order."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(EVENTS).order_by(EVENTS.c.event_id)))

    def work(self, *, minutes: int = 120) -> Report:
        """Let workers work until nothing is left to do, through every end of a process; time passes in between."""
        report = Report()
        until = self.at + timedelta(minutes=minutes)
        while self.at < until:
            with self._surviving():
                worker = Worker(self.of, pool=Inline, patience=timedelta(0))
                done = worker.until_idle()
                for kind, count in done.outcomes.items():
                    report.outcomes[kind] = report.outcomes.get(kind, 0) + count
            self.at += timedelta(minutes=6)
            if not self._is_open():
                break
        return report

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Killed:
            return

    def _is_open(self) -> bool:
        awaited = [row for row in self.rows(state="expected") if row.fetched_at is None]
        sent = self.rows(state=("sending", "unknown", "ready", "received", "waiting"))
        return bool(sent or awaited or self._new_events())

    def _new_events(self) -> int:
        from clientsync.commerce.events import next_due

        with self.engine.connect() as connection:
            return next_due(connection, self.of.name, START - timedelta(days=1)) is not None

    def rows(self, **where: Any) -> list[Any]:
        """Return documents of the ledger, by the values of columns."""
        statement = select(store.DOCS).order_by(store.DOCS.c.doc_id)
        for name, value in where.items():
            column = store.DOCS.c[name]
            statement = statement.where(column.in_(value) if isinstance(value, tuple) else column == value)
        with self.engine.connect() as connection:
            return list(connection.execute(statement))

    def states(self) -> dict[Key, State]:
        """Return where every document stands."""
        return {Key(row.type, row.source_id): State(row.state) for row in self.rows()}

    def row(self, type_name: str, source_id: str) -> Any:
        """Return one document."""
        (found,) = self.rows(type=type_name, source_id=source_id)
        return found


def file_world(folder: Path) -> CommerceWorld:
    """Return a world whose ledger is a file, so several threads may work on it; the caller closes its engine."""
    engine = open_engine(f"sqlite:///{folder / 'ledger.db'}")
    store.DOCS.metadata.create_all(engine, tables=TABLES)
    return CommerceWorld(engine)


def random_graph(dice: random.Random, size: int, world: CommerceWorld | None = None) -> CommerceWorld:
    """Return a world with documents that need each other at random; some are broken, some never come."""
    world = world or CommerceWorld()
    keys: list[Key] = []
    for number in range(size):
        type_name = dice.choice(OUT)
        needs = dice.sample(keys, min(len(keys), dice.choice((0, 1, 1, 2, 3))))
        received = world.add(
            type_name, f"{type_name[:2]}{number}", needs=needs, at=dice.randrange(600),
            lane=dice.choice(("A", "B")), is_broken=dice.random() < 0.12, is_lost=dice.random() < 0.08,
        )  # fmt: skip
        keys.append(received.key)
    return world


def expected_states(
    world: CommerceWorld, arrived: set[Key], by_hand: set[Key] | frozenset[Key] = frozenset()
) -> dict[Key, State]:
    """Return where every document must stand in the end, read off the graph alone."""
    found: dict[Key, State] = {}
    known = set(arrived)
    new = list(arrived)
    while new:
        for need in world.shop.given[new.pop()].received.needs:
            if need not in known:
                known.add(need)
                if not world.shop.given[need].is_lost:
                    new.append(need)
    for key in [key for key in world.shop.given if key in known]:  # needs come before their dependants
        given = world.shop.given[key]
        if key in by_hand:
            found[key] = State.WAIVED
        elif given.is_lost:
            found[key] = State.EXPECTED
        elif any(found[need] not in (State.SUCCESS, State.WAIVED) for need in given.received.needs):
            found[key] = State.HELD
        else:
            found[key] = State.FAILED if given.is_broken else State.SUCCESS
    return found
