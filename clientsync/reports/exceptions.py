"""The exception report: who, which statement, which month, what happened, what to do, when it is tried next.

Every unit of a run that is not done stands in it at least once, also one that was interrupted before it could
say why. Warnings stand last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, exists, select

from clientsync.database import reading
from clientsync.ledger.tables import SyncClient, SyncException, SyncUnit
from clientsync.outcomes import DONE, WORDS, Outcome
from clientsync.reports.words import Titles, local, state_words, tried_next

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_EXCEPTION = SyncException.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class ExceptionLine:
    """One line of the exception report.

    Attributes:
        outcome: how the unit ended; its state while it has not.
        what: what happened, in words.
        to_do: what a person should do, one sentence.
        tried_next: moment in Indian time, or what it waits for.
        rows: how many rows it concerns.
    """

    client_id: str
    client_name: str
    module: str
    title: str
    period: str
    section: str
    outcome: str
    code: str
    source_code: str
    what: str
    to_do: str
    tried_next: str
    rows: int
    is_warning: bool
    raised_at: datetime | None
    unit_id: str

    def as_row(self) -> dict[str, Any]:
        """Return the line as people read it, for tables."""
        return {
            "client": f"{self.client_id} {self.client_name}".strip(),
            "module": self.title,
            "period": self.period,
            "section": self.section,
            "outcome": "warning" if self.is_warning else self.outcome.replace("_", " "),
            "what happened": self.what,
            "what to do": self.to_do,
            "tried next": self.tried_next,
            "rows": self.rows,
            "code": self.code + (f" ({self.source_code})" if self.source_code else ""),
            "raised": local(self.raised_at),
            "unit": self.unit_id,
        }


def read_exceptions(engine: Engine, run_id: str) -> list[ExceptionLine]:
    """Return the exception report of a run: what is not done first, warnings last; empty for a clean run."""
    raised = (
        select(
            _EXCEPTION,
            _CLIENT.c.name.label("client_name"),
            _UNIT.c.outcome.label("unit_outcome"),
            _UNIT.c.next_try_at.label("unit_next_try_at"),
        )
        .join(_CLIENT, _CLIENT.c.client_id == _EXCEPTION.c.client_id, isouter=True)
        .join(_UNIT, _UNIT.c.unit_id == _EXCEPTION.c.unit_id, isouter=True)
        .where(_EXCEPTION.c.run_id == run_id)
    )
    said = exists().where(_EXCEPTION.c.unit_id == _UNIT.c.unit_id, _EXCEPTION.c.is_warning.is_(False))
    silent = (
        select(_UNIT, _CLIENT.c.name.label("client_name"))
        .join(_CLIENT, _CLIENT.c.client_id == _UNIT.c.client_id, isouter=True)
        .where(
            _UNIT.c.run_id == run_id,
            (_UNIT.c.outcome.is_(None)) | (_UNIT.c.outcome.not_in(DONE)),
            ~said,
        )
    )
    titles = Titles()
    with reading(engine) as connection:
        lines = [_raised(row, titles) for row in connection.execute(raised).mappings()]
        lines += [_silent(row, titles) for row in connection.execute(silent).mappings()]
    return sorted(
        lines,
        key=lambda line: (
            line.is_warning,
            line.client_id,
            line.module,
            line.period,
            line.section,
            line.code,
            line.what,
            line.unit_id,
        ),
    )


def _raised(row: Any, titles: Titles) -> ExceptionLine:
    outcome = str(row["unit_outcome"] or row["outcome"])
    at = row["unit_next_try_at"] or row["next_try_at"]
    return ExceptionLine(
        client_id=row["client_id"],
        client_name=row["client_name"] or "",
        module=row["module"],
        title=titles.of(row["connector"], row["module"]),
        period=row["unit_period"],
        section=row["section"],
        outcome=outcome,
        code=row["code"],
        source_code=row["source_code"] or "",
        what=row["message"],
        to_do=row["next_step"],
        tried_next=tried_next(outcome, at),
        rows=row["rows"],
        is_warning=bool(row["is_warning"]),
        raised_at=row["raised_at"],
        unit_id=row["unit_id"],
    )


def _silent(row: Any, titles: Titles) -> ExceptionLine:
    outcome = row["outcome"]
    words = WORDS[Outcome(outcome)] if outcome else f"the unit is {row['state']} and has not ended"
    return ExceptionLine(
        client_id=row["client_id"],
        client_name=row["client_name"] or "",
        module=row["module"],
        title=titles.of(row["connector"], row["module"]),
        period=row["unit_period"],
        section="",
        outcome=state_words(outcome, row["state"]),
        code=row["reason_code"] or "",
        source_code="",
        what=row["reason"] or words,
        to_do=row["next_step"] or ("" if outcome else "Wait for the run, or `clientsync resync-failed`."),
        tried_next=tried_next(outcome, row["next_try_at"]),
        rows=0,
        is_warning=False,
        raised_at=row["ended_at"],
        unit_id=row["unit_id"],
    )
