"""The summary of a run: a row per module, and a verdict that never says complete when a unit is not done.

Figures come from the ledger alone. Rows in are rows loaded plus rows in quarantine, for every unit that is
done; a unit for which that does not hold is counted and named in the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from sqlalchemy import Connection, Engine, exists, func, select

from clientsync.clock import now
from clientsync.database import reading
from clientsync.errors import UnknownName
from clientsync.ledger.runs import LEFT_OUT
from clientsync.ledger.tables import SyncException, SyncRun, SyncUnit
from clientsync.outcomes import DONE, Outcome
from clientsync.reports.words import Titles, lasting, local

_RUN = SyncRun.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_EXCEPTION = SyncException.__table__  # type: ignore[attr-defined]

STANDING: dict[Outcome, str] = {
    Outcome.LOADED: "loaded",
    Outcome.UNCHANGED: "unchanged",
    Outcome.EMPTY: "empty",
    Outcome.NOT_ASKED: "not_asked",
    Outcome.NOT_APPLICABLE: "not_applicable",
    Outcome.NEEDS_PERSON: "waiting_for_person",
    Outcome.SUSPECT: "waiting_for_person",
    Outcome.QUEUED: "waiting_for_source",
    Outcome.TOO_EARLY: "waiting_for_source",
    Outcome.NOT_GENERATED: "waiting_for_source",
    Outcome.TRANSIENT: "failed",
    Outcome.BROKEN: "failed",
    Outcome.CANCELLED: "failed",
}
"""The column of the summary in which a unit of that outcome is counted."""

NAMED = 10
"""Clients that are left out for one reason and stand in the summary by name; the workbook has all of them."""
_SUMS = ("rows_in", "rows_loaded", "rows_quarantined", "calls", "cells_asked", "cells_not_asked")


@dataclass(frozen=True)
class ModuleSummary:
    """One module of a run, or all of them together; units first, then rows and calls.

    Attributes:
        units: asked units; the following eight add up to it, with ``unfinished``.
        rows_in: rows that came.
        cells_not_asked: sections that were not asked, each with a proof.
        seconds: from the first start to the last end.
        unbalanced: done units whose rows in are not rows loaded plus quarantined; must be 0.
    """

    module: str
    title: str
    units: int = 0
    loaded: int = 0
    unchanged: int = 0
    empty: int = 0
    not_asked: int = 0
    not_applicable: int = 0
    waiting_for_person: int = 0
    waiting_for_source: int = 0
    failed: int = 0
    unfinished: int = 0
    rows_in: int = 0
    rows_loaded: int = 0
    rows_quarantined: int = 0
    calls: int = 0
    cells_asked: int = 0
    cells_not_asked: int = 0
    seconds: float = 0.0
    unbalanced: int = 0

    @property
    def done(self) -> int:
        """Units with nothing left to do."""
        return self.loaded + self.unchanged + self.empty + self.not_asked + self.not_applicable

    @property
    def not_done(self) -> int:
        """Units with something left to do."""
        return self.units - self.done


@dataclass(frozen=True)
class RunSummary:
    """What a run came to.

    Attributes:
        modules: a row per module, in the order planned.
        exceptions, warnings: lines of the exception report, but for those about units that have not ended.
        clients: clients in the run.
        next_try_at: the earliest moment at which something is tried again.
        left_out: clients that were chosen and about whom nothing was asked, each with the reason.
    """

    run_id: str
    connector: str
    kind: str
    state: str
    parent_run_id: str | None
    started_at: datetime
    ended_at: datetime | None
    seconds: float
    clients: int
    modules: tuple[ModuleSummary, ...]
    exceptions: int
    warnings: int
    next_try_at: datetime | None
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def total(self) -> ModuleSummary:
        """All modules together."""
        names = [one.name for one in fields(ModuleSummary) if one.name not in ("module", "title", "seconds")]
        sums = {name: sum(getattr(row, name) for row in self.modules) for name in names}
        return ModuleSummary(module="", title="All modules", seconds=self.seconds, **sums)

    @property
    def is_complete(self) -> bool:
        """Whether the run has ended, every unit is done and every row is accounted for."""
        total = self.total
        return self.state == "ended" and total.not_done == 0 and total.unbalanced == 0

    @property
    def verdict(self) -> str:
        """One sentence: complete, incomplete, running or stopped, with how many units are not done.

        Clients about whom nothing was asked are counted in it, so that nobody takes them for done.
        """
        count = len(self.left_out)
        return f"{self._of_units}; {_clients(count)} left out" if count else self._of_units

    @property
    def _of_units(self) -> str:
        total = self.total
        if total.unbalanced:
            return f"wrong: rows of {total.unbalanced} of {total.units} units do not add up; report this run"
        if total.units == 0 and self.state == "ended":
            return "complete: the selection holds no units"
        if self.is_complete:
            held = f"; {total.rows_quarantined} rows are in quarantine" if total.rows_quarantined else ""
            return f"complete: {total.units} of {total.units} units are done{held}"
        word = {"running": "running", "stopped": "stopped"}.get(self.state, "incomplete")
        return f"{word}: {total.not_done} of {total.units} units are not done"


def read_summary(engine: Engine, run_id: str) -> RunSummary:
    """Return the summary of a run, ended or not.

    Raises:
        UnknownName: no such run; lists the newest.
    """
    with reading(engine) as connection:
        run = connection.execute(select(_RUN).where(_RUN.c.run_id == run_id)).mappings().one_or_none()
        if run is None:
            newest = select(_RUN.c.run_id).order_by(_RUN.c.started_at.desc(), _RUN.c.run_id.desc()).limit(20)
            raise UnknownName("run", run_id, connection.execute(newest).scalars())
        clients, next_try_at = connection.execute(
            select(func.count(_UNIT.c.client_id.distinct()), func.min(_UNIT.c.next_try_at)).where(
                _UNIT.c.run_id == run_id
            )
        ).one()
        raised = {
            bool(is_warning): int(count)
            for is_warning, count in connection.execute(
                select(_EXCEPTION.c.is_warning, func.count())
                .where(_EXCEPTION.c.run_id == run_id)
                .group_by(_EXCEPTION.c.is_warning)
            )
        }
        said = exists().where(_EXCEPTION.c.unit_id == _UNIT.c.unit_id, _EXCEPTION.c.is_warning.is_(False))
        silent = connection.execute(
            select(func.count()).where(_UNIT.c.run_id == run_id, _UNIT.c.outcome.not_in(DONE), ~said)
        ).scalar_one()
        modules = _modules(connection, run_id)
    ended = run["ended_at"] or (now() if run["state"] == "running" else run["started_at"])
    return RunSummary(
        run_id=run_id,
        connector=run["connector"],
        kind=run["kind"],
        state=run["state"],
        parent_run_id=run["parent_run_id"],
        started_at=run["started_at"],
        ended_at=run["ended_at"],
        seconds=max(0.0, (ended - run["started_at"]).total_seconds()),
        clients=int(clients),
        modules=modules,
        exceptions=raised.get(False, 0) + int(silent),
        warnings=raised.get(True, 0),
        next_try_at=next_try_at,
        left_out=tuple(sorted((run["selection"] or {}).get(LEFT_OUT, {}).items())),
    )


def joined(summaries: Sequence[RunSummary], clients: int) -> RunSummary:
    """Return one summary of several runs, for a night that synchronises several outside systems.

    Args:
        summaries: at least one, in the order of the night.
        clients: different clients in all of them.
    """
    first = summaries[0]
    if len(summaries) == 1:
        return first
    ends = [one.ended_at for one in summaries]
    tries = [one.next_try_at for one in summaries if one.next_try_at is not None]
    states = [one.state for one in summaries]
    return RunSummary(
        run_id=", ".join(one.run_id for one in summaries),
        connector=", ".join(one.connector for one in summaries),
        kind=first.kind,
        state=next((state for state in ("running", "stopped") if state in states), first.state),
        parent_run_id=None,
        started_at=min(one.started_at for one in summaries),
        ended_at=None if None in ends else max(end for end in ends if end is not None),
        seconds=sum(one.seconds for one in summaries),
        clients=clients,
        modules=tuple(
            replace(module, title=f"{one.connector.upper()}: {module.title}")
            for one in summaries
            for module in one.modules
        ),
        exceptions=sum(one.exceptions for one in summaries),
        warnings=sum(one.warnings for one in summaries),
        next_try_at=min(tries) if tries else None,
        left_out=tuple(one for summary in summaries for one in summary.left_out),
    )


def read_joined(engine: Engine, run_ids: Sequence[str]) -> RunSummary:
    """Return one summary of several runs.

    Raises:
        UnknownName: no such run; lists the newest.
    """
    found = [read_summary(engine, run_id) for run_id in run_ids]
    with reading(engine) as connection:
        clients = connection.execute(
            select(func.count(_UNIT.c.client_id.distinct())).where(_UNIT.c.run_id.in_(run_ids))
        ).scalar_one()
    return joined(found, int(clients))


def _modules(connection: Connection, run_id: str) -> tuple[ModuleSummary, ...]:
    unbalanced = (_UNIT.c.outcome.in_(DONE)) & (
        _UNIT.c.rows_in != _UNIT.c.rows_loaded + _UNIT.c.rows_quarantined
    )
    statement = (
        select(
            _UNIT.c.connector,
            _UNIT.c.module,
            _UNIT.c.outcome,
            func.count().label("units"),
            func.min(_UNIT.c.unit_id).label("first"),
            func.min(_UNIT.c.started_at).label("started_at"),
            func.max(_UNIT.c.ended_at).label("ended_at"),
            func.count().filter(unbalanced).label("unbalanced"),
            *(func.sum(_UNIT.c[name]).label(name) for name in _SUMS),
        )
        .where(_UNIT.c.run_id == run_id)
        .group_by(_UNIT.c.connector, _UNIT.c.module, _UNIT.c.outcome)
    )
    found: dict[tuple[str, str], list[Any]] = {}
    for row in connection.execute(statement).mappings():
        found.setdefault((row["connector"], row["module"]), []).append(row)
    titles = Titles()
    in_order = sorted(found.items(), key=lambda item: min(row["first"] for row in item[1]))
    return tuple(_module(key[1], titles.of(*key), rows) for key, rows in in_order)


def _module(name: str, title: str, rows: Iterable[Any]) -> ModuleSummary:
    counts: dict[str, int] = {}
    starts: list[datetime] = []
    ends: list[datetime] = []
    for row in rows:
        standing = STANDING[Outcome(row["outcome"])] if row["outcome"] else "unfinished"
        counts[standing] = counts.get(standing, 0) + int(row["units"])
        for column in ("units", "unbalanced", *_SUMS):
            counts[column] = counts.get(column, 0) + int(row[column] or 0)
        starts.extend([row["started_at"]] if row["started_at"] else [])
        ends.extend([row["ended_at"]] if row["ended_at"] else [])
    seconds = max(0.0, (max(ends) - min(starts)).total_seconds()) if starts and ends else 0.0
    return ModuleSummary(module=name, title=title, seconds=seconds, **counts)


HEAD: dict[str, str] = {
    "title": "module",
    "units": "asked units",
    "loaded": "loaded",
    "unchanged": "unchanged",
    "empty": "empty",
    "not_asked": "not asked",
    "not_applicable": "not applicable",
    "waiting_for_person": "waiting for a person",
    "waiting_for_source": "waiting for the source",
    "failed": "failed",
    "unfinished": "unfinished",
    "rows_in": "rows in",
    "rows_loaded": "rows loaded",
    "rows_quarantined": "in quarantine",
    "calls": "calls",
    "cells_not_asked": "sections not asked",
}
"""Columns of the summary, in order, with what people read."""


def summary_rows(summary: RunSummary) -> list[dict[str, Any]]:
    """Return a plain row per module and one for all, under the words that people read."""
    return [
        {words: getattr(row, name) for name, words in HEAD.items()} | {"duration": lasting(row.seconds)}
        for row in (*summary.modules, summary.total)
    ]


def facts(summary: RunSummary) -> list[tuple[str, str]]:
    """Return what stands above the table: run, kind, when, how long."""
    lines = [
        ("run", summary.run_id),
        ("kind", summary.kind + (f" of {summary.parent_run_id}" if summary.parent_run_id else "")),
        ("clients", str(summary.clients)),
        ("started", f"{local(summary.started_at)} (India)"),
        ("lasted", lasting(summary.seconds)),
        ("exceptions", f"{summary.exceptions}, and {summary.warnings} warnings"),
    ]
    if summary.next_try_at is not None:
        lines.append(("next try", f"{local(summary.next_try_at)} (India)"))
    lines.extend(("left out", words) for words in left_out_words(summary.left_out))
    return lines


def left_out_words(left_out: Iterable[tuple[str, str]], most: int = NAMED) -> list[str]:
    """Return a sentence per reason for which clients are left out, with the first of their names."""
    found: dict[str, list[str]] = {}
    for client_id, reason in left_out:
        found.setdefault(reason, []).append(client_id)
    return [
        f"{_clients(len(names))} ({', '.join(names[:most])}"
        + (f" and {len(names) - most} more" if len(names) > most else "")
        + f"), because {reason}"
        for reason, names in sorted(found.items())
    ]


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def render_summary_markdown(summary: RunSummary) -> str:
    """Return the summary as Markdown, for an artifact: units, then rows and calls, without columns of zeros."""
    rows = summary_rows(summary)
    lines = [f"**{_cell(summary.verdict)}**", ""]
    lines += [f"- {name}: {_cell(text)}" for name, text in facts(summary)]
    for names in (_unit_columns(rows), ["module", *ROWS]):
        lines += ["", "| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
        lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _unit_columns(rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns about units that hold a count, in order."""
    return [
        name
        for name in rows[-1]
        if name not in ROWS and (name in {"module", "asked units"} or rows[-1][name])
    ]


def _cell(value: Any) -> str:
    text = " ".join(str(value).split())
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}" if character not in "<>" else f"&#{ord(character)};")
    return text


SHORT = {
    "asked units": "asked",
    "not asked": "unasked",
    "not applicable": "n/a",
    "waiting for a person": "person",
    "waiting for the source": "source",
    "in quarantine": "quarantined",
    "sections not asked": "sections unasked",
}
"""Shorter words for a terminal of 80 columns; the last line of the summary explains them."""
ROWS = ("rows in", "rows loaded", "in quarantine", "calls", "sections not asked")


def render_summary_terminal(summary: RunSummary) -> RenderableType:
    """Return the summary for a rich console, for 80 columns and more: units, then rows and calls.

    Columns without any count are left out, but for those of the promise: rows in, loaded and in quarantine.
    """
    from rich.console import Group
    from rich.text import Text

    rows = summary_rows(summary)
    units = [
        name
        for name in rows[-1]
        if name not in ROWS and (name in {"module", "asked units"} or rows[-1][name])
    ]
    head = [Text(f"{name:<11} {text}") for name, text in facts(summary)]
    colour = "green" if summary.is_complete else "yellow"
    return Group(
        *head,
        Text(""),
        _table(rows, units),
        Text(""),
        _table(rows, ["module", *ROWS]),
        Text(""),
        Text(summary.verdict, style=f"bold {colour}"),
        Text(
            "person, source: units that wait for a person or for the portal; unasked: proven or known to be final."
        ),
    )


def _table(rows: list[dict[str, Any]], names: list[str]) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        head = SHORT.get(name, name)
        if name == "module":  # the titles give way to the figures on a narrow terminal
            table.add_column(Text(head), justify="left", min_width=16)
        else:
            width = max(len(head), *(len(str(row[name])) for row in rows))
            table.add_column(Text(head), justify="right", no_wrap=True, min_width=width)
    for number, row in enumerate(rows):
        table.add_row(
            *(Text(str(row[name])) for name in names),
            end_section=number == len(rows) - 2,
            style="bold" if number == len(rows) - 1 else None,
        )
    return table
