"""Preview and run of a set: both sides are read, the plan is made, and what flows without a person is written.

Preview writes nothing outside. A run carries out the plan of what it just read; with a brake on it writes nothing
before that very plan is approved by its digest. Whoever writes to a set holds its turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select

from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.errors import AlreadyRunning, InvalidInput
from clientsync.ledger import leases
from clientsync.records import store
from clientsync.records.executing import (
    Progress,
    RecordSet,
    Undone,
    carry_out,
    changed_sides,
    intend_writes,
)
from clientsync.records.planning import SIDES, Plan, Record, hash_of, plan
from clientsync.records.sides import Listed

LEASE_SECONDS = 600.0


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        plan: that it carried out, or that it stopped at.
        is_braked: nothing was written, because of ``plan.brakes``.
        done: writes that were made; ``undone``: those that were not, with the reason.
        refused: rows of a side that are no record, as (side, place, reason).
    """

    plan: Plan
    is_braked: bool = False
    done: int = 0
    undone: Sequence[Undone] = ()
    refused: Sequence[tuple[str, str, str]] = field(default_factory=tuple)


@dataclass
class Turn:
    """The right to write to a set, held by one run or person.

    Attributes:
        done: writes of an earlier process that were brought to their end; ``undone``: those that were not.
    """

    of: RecordSet
    fences: dict[leases.Key, int]
    done: int = 0
    undone: list[Undone] = field(default_factory=list)

    def keep(self) -> None:
        """Prolong the right.

        Raises:
            AlreadyRunning: another run has taken over, because this one was away for too long.
        """
        if leases.renew(self.of.engine, self.fences, LEASE_SECONDS):
            raise AlreadyRunning(f"Another run of {self.of.name} has taken over. What was written stays.")

    def is_open(self) -> bool:
        """Whether an earlier process left something open."""
        with reading(self.of.engine) as connection:
            return bool(store.open_intents(connection, self.of.name))

    def go_on(self) -> None:
        """Bring what an earlier process left open to its end."""
        self.done, self.undone = self.carry_out()

    def carry_out(self, progress: Progress = lambda done, all_: None) -> tuple[int, list[Undone]]:
        """Bring every open intent to its end, and return how many were done and those that were not."""

        def moved(done: int, all_: int) -> None:
            self.keep()
            progress(done, all_)

        return carry_out(self.of, moved)


@contextmanager
def alone(of: RecordSet, *, is_waiting: bool = False) -> Iterator[Turn]:
    """Hold the right to write to a set, after what an earlier process left open was brought to its end.

    Args:
        of: the set.
        is_waiting: what was left open waits until it is asked for with ``go_on``.

    Raises:
        AlreadyRunning: another run or person writes to it.
        InvalidInput: something was left open, and a side is not the account that it was begun with.
    """
    key = (of.name, "records", of.entity.name)
    holder = str(uuid4())
    fences = leases.take(of.engine, [key], holder, LEASE_SECONDS)
    if key not in fences:
        raise AlreadyRunning(f"Another run writes to {of.name}. Try again when it has ended.")
    turn = Turn(of, fences)
    try:
        if not is_waiting and turn.is_open():
            _require_same_scope(of)
            turn.go_on()
        yield turn
    finally:
        leases.release(of.engine, fences)


def _require_same_scope(of: RecordSet) -> None:
    with reading(of.engine) as connection:
        changed = changed_sides(connection, of)
    if changed:
        raise InvalidInput(
            f"Account, filter or mapping of side {' and '.join(changed)} changed, and an earlier run left writes "
            f"open. Look at the plan and run it first: clientsync records apply {of.name}."
        )


_Refused = list[tuple[str, str, str]]
_Read = dict[str, dict[str, Record]]


def collect(of: RecordSet) -> tuple[_Read, _Refused]:
    """Read both sides whole and keep what they hold; return the records by side, and rows that are no record.

    A side with such rows was not listed whole, so nothing of it counts as deleted.

    Raises:
        SourceError: a side cannot be reached; what was kept of it before stays.
    """
    refused: _Refused = []
    read: _Read = {}
    for name in SIDES:
        side = of.side(name)
        listed = side.listed()
        records, wrong = _canonical(of, name, listed)
        refused += wrong
        read[name] = records
        with writing(of.engine) as connection:
            store.keep_listing(
                connection,
                of.name,
                name,
                records,
                is_complete=listed.is_complete and not wrong,
                scope=side.scope,
            )
    return read, refused


def _canonical(
    of: RecordSet, name: str, listed: Listed
) -> tuple[dict[str, Record], list[tuple[str, str, str]]]:
    records: dict[str, Record] = {}
    refused = [(name, place, reason) for place, reason in listed.refused]
    region = of.side(name).region
    for ext_id, raw in listed.records.items():
        try:
            values = of.entity.canonical(raw, region)
        except ValueError as error:
            refused.append((name, ext_id, str(error)))
            continue
        records[ext_id] = Record(ext_id, values, hash_of(values))
    return records, refused


def planned(of: RecordSet, read: _Read | None = None) -> Plan:
    """Return the plan of what was read last.

    Args:
        of: the set.
        read: what ``collect`` just returned; without it the ledger is read.

    Raises:
        InvalidInput: the set was never read.
    """
    with reading(of.engine) as connection:
        found = store.stored(connection, of.name, read)
    return plan(
        of.entity,
        found.a,
        found.b,
        found.links,
        policy=of.policy,
        ignored=found.ignored,
        updated=of.sides_that("update"),
    )


def preview(of: RecordSet, *, actor: str) -> Outcome:
    """Read both sides and return the plan; nothing is written to either of them."""
    read, refused = collect(of)
    made = planned(of, read)
    with writing(of.engine) as connection:
        _note(connection, of, "preview", made, actor, done=0, approved_by="")
    return Outcome(made, bool(made.brakes), refused=refused)


def run(
    of: RecordSet, *, actor: str, approve: str = "", progress: Progress = lambda done, all_: None
) -> Outcome:
    """Read both sides and carry out the plan.

    What an earlier process left open is brought to its end first, unless a brake holds; then both sides are read anew.

    Args:
        of: the set.
        actor: who runs it.
        approve: digest of a plan that may run in spite of its brakes; another plan never does.
        progress: called with writes that were tried, and all of them.

    Raises:
        AlreadyRunning: another run writes to the set.
        SourceError: a side cannot be reached; what was written stays, the rest is planned again.
    """
    with alone(of, is_waiting=True) as turn:
        read, refused = collect(of)
        made = planned(of, read)
        if _may_run(made, approve) and turn.is_open():
            turn.go_on()
            read, refused = collect(of)
            made = planned(of, read)
        if not _may_run(made, approve):
            with writing(of.engine) as connection:
                _note(connection, of, "apply", made, actor, done=0, approved_by="")
            return Outcome(made, True, turn.done, turn.undone, refused)
        turn.keep()
        with writing(of.engine) as connection:
            for name in SIDES:
                store.accept_listing(connection, of.name, name, of.side(name).scope)
            _settle_and_close(connection, of, made)
            intend_writes(connection, of, list(made.writes), actor)
        done, undone = turn.carry_out(progress)
        with writing(of.engine) as connection:
            _note(connection, of, "apply", made, actor, done=done, approved_by=actor if approve else "")
        return Outcome(made, False, turn.done + done, [*turn.undone, *undone], refused)


def _may_run(made: Plan, approve: str) -> bool:
    """Whether a plan may run: it is the one that was approved, or no brake holds and none was approved."""
    return approve == made.hash or not (approve or made.brakes)


def _settle_and_close(connection: Connection, of: RecordSet, made: Plan) -> None:
    links = {one.link_id: one for one in store.links_of(connection, of.name)}
    for link_id in made.settled:
        store.settle(connection, links[link_id], of.name, of.fields(), only_equal=True)
    for link_id in made.closed:
        store.change_link(connection, links[link_id], closed_at=now())


def _note(
    connection: Connection, of: RecordSet, mode: str, made: Plan, actor: str, *, done: int, approved_by: str
) -> None:
    connection.execute(
        insert(store.RUNS).values(
            set_name=of.name,
            mode=mode,
            plan_hash=made.hash,
            counts=made.counts,
            writes=len(made.writes),
            done=done,
            brakes=list(made.brakes),
            approved_by=approved_by,
            actor=actor,
            at=now(),
        )
    )


def runs(of: RecordSet, limit: int = 50) -> list[dict[str, Any]]:
    """Return the last previews and runs, the newest first."""
    with reading(of.engine) as connection:
        rows = connection.execute(
            select(store.RUNS)
            .where(store.RUNS.c.set_name == of.name)
            .order_by(store.RUNS.c.run_id.desc())
            .limit(limit)
        )
        return [dict(row._mapping) for row in rows]
