"""When what is not done is tried again: the outcome table of the design, turned into dates.

Only outcomes decide. Units that wait for a person, a release or a fix get no date: they start when the person
has acted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from clientsync.database import reading, writing
from clientsync.ledger import runs
from clientsync.ledger.tables import SyncRun, SyncUnit
from clientsync.outcomes import NEXT_TRY, NextTry, Outcome
from clientsync.sync.services import Services

_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_RUN = SyncRun.__table__  # type: ignore[attr-defined]

BACK_OFF = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4))
DEFAULT_WAIT = {
    Outcome.QUEUED: timedelta(minutes=30),
    Outcome.TOO_EARLY: timedelta(days=1),
    Outcome.NOT_GENERATED: timedelta(days=1),
    Outcome.CANCELLED: timedelta(minutes=15),
}
SLOT = timedelta(minutes=15)


@dataclass(frozen=True)
class RetryGroup:
    """Units that are tried again together.

    Attributes:
        outcome: why they are not done.
        at: when, aware.
        unit_ids: which.
        attempt: how many scheduled tries there were before, plus one.
    """

    outcome: Outcome
    at: datetime
    unit_ids: tuple[str, ...]
    attempt: int

    @property
    def name(self) -> str:
        """Readable name of the scheduled run."""
        return f"retry {self.attempt} · {self.outcome.replace('_', ' ')} · {len(self.unit_ids)} units"


def attempt_of(services: Services, run_id: str) -> int:
    """Return how many retries lie between a run and the one that began it, plus one."""
    attempt = 1
    current: str | None = run_id
    with reading(services.engine) as connection:
        while current is not None and attempt < 50:
            row = connection.execute(
                select(_RUN.c.parent_run_id, _RUN.c.kind).where(_RUN.c.run_id == current)
            ).one_or_none()
            if row is None or row.kind != "retry":
                break
            attempt += 1
            current = row.parent_run_id
    return attempt


def retry_schedule(services: Services, run_id: str) -> list[RetryGroup]:
    """Return the groups of a run's units that are tried again by themselves, and note the dates on the units.

    Times are rounded up to a quarter of an hour so that units share a run; after three back-offs a transient
    unit is left to the next schedule.
    """
    moment = services.now()
    attempt = attempt_of(services, run_id)
    groups: dict[tuple[Outcome, datetime], list[str]] = {}
    for row in runs.not_done(services.engine, run_id):
        if row["run_id"] != run_id or row["outcome"] is None:
            continue
        outcome = Outcome(row["outcome"])
        at = _when(outcome, row["next_try_at"], moment, attempt)
        if at is not None:
            groups.setdefault((outcome, _rounded(at)), []).append(row["unit_id"])
    result = [
        RetryGroup(outcome, at, tuple(unit_ids), attempt)
        for (outcome, at), unit_ids in sorted(groups.items())
    ]
    _note(services, result)
    return result


def _when(outcome: Outcome, said: datetime | None, moment: datetime, attempt: int) -> datetime | None:
    rule = NEXT_TRY[outcome]
    if rule is NextTry.BACK_OFF:
        if attempt > len(BACK_OFF):
            return None
        later = moment + BACK_OFF[attempt - 1]
        return max(later, said) if said is not None else later
    if rule in (NextTry.WHEN_SOURCE_SAID, NextTry.WHEN_POSSIBLE, NextTry.ON_RESUME):
        return max(said, moment) if said is not None else moment + DEFAULT_WAIT[outcome]
    return None


def _rounded(at: datetime) -> datetime:
    slot = SLOT.total_seconds()
    stamp = at.timestamp()
    return datetime.fromtimestamp(-(-stamp // slot) * slot, tz=at.tzinfo)


def _note(services: Services, groups: Sequence[RetryGroup]) -> None:
    with writing(services.engine) as connection:
        for group in groups:
            for start in range(0, len(group.unit_ids), 500):
                part = group.unit_ids[start : start + 500]
                connection.execute(
                    update(_UNIT).where(_UNIT.c.unit_id.in_(part)).values(next_try_at=group.at)
                )
