"""The newest runs in one line each: what was asked, how it ended, how much of it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from clientsync.database import reading
from clientsync.ledger.tables import SyncRun, SyncUnit
from clientsync.outcomes import DONE, SEVERITY

_RUN = SyncRun.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class RunLine:
    """One run.

    Attributes:
        counts: units by outcome, or by state while they have none.
    """

    run_id: str
    connector: str
    kind: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    counts: dict[str, int]

    @property
    def units(self) -> int:
        """How many units the run has."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """How many of them are done."""
        return sum(self.counts.get(outcome, 0) for outcome in DONE)

    @property
    def words(self) -> str:
        """The counts in words, the mildest first."""
        order = [str(outcome) for outcome in SEVERITY]
        names = sorted(self.counts, key=lambda name: order.index(name) if name in order else len(order))
        return ", ".join(f"{self.counts[name]} {name.replace('_', ' ')}" for name in names)


def read_runs(engine: Engine, limit: int) -> list[RunLine]:
    """Return the newest runs, newest first."""
    newest = select(_RUN).order_by(_RUN.c.started_at.desc(), _RUN.c.run_id.desc()).limit(limit)
    standing = func.coalesce(_UNIT.c.outcome, _UNIT.c.state)
    with reading(engine) as connection:
        runs = connection.execute(newest).mappings().all()
        counts: dict[str, dict[str, int]] = {row["run_id"]: {} for row in runs}
        statement = (
            select(_UNIT.c.run_id, standing, func.count())
            .where(_UNIT.c.run_id.in_(list(counts)))
            .group_by(_UNIT.c.run_id, standing)
        )
        for run_id, name, count in connection.execute(statement):
            counts[run_id][str(name)] = int(count)
    return [
        RunLine(
            row["run_id"],
            row["connector"],
            row["kind"],
            row["state"],
            row["started_at"],
            row["ended_at"],
            counts[row["run_id"]],
        )
        for row in runs
    ]
