"""What a run leaves in the dashboard: summary, exceptions, retry schedule; and the workbook on disk."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from clientsync.clock import INDIA
from clientsync.database import one_state
from clientsync.outcomes import WORDS
from clientsync.reports.exceptions import ExceptionLine, read_exceptions
from clientsync.reports.summary import RunSummary, read_summary, render_summary_markdown
from clientsync.reports.workbook import write_workbook
from clientsync.sync.retries import RetryGroup, retry_schedule
from clientsync.sync.services import Services
from tasks.active import active
from tasks.tables import SHOWN_ROWS, cut_words

RESYNC = "resync-failed/resync-failed"


@task(name="publish", task_run_name="publish · {run_id}", cache_policy=NO_CACHE, persist_result=False)
def publish(run_id: str) -> dict[str, Any]:
    """Publish a finished run; returns the workbook's path, and how many exceptions, retries and clients left out."""
    with active(run_id) as run:
        services = run.services
        scheduled = schedule_retries(services, run_id)
        path = services.settings.home / "reports" / f"{run_id}.xlsx"
        with one_state(services.engine):
            summary = read_summary(services.engine, run_id)
            lines = read_exceptions(services.engine, run_id)
            write_workbook(services.engine, run_id, path)
    publish_summary(summary, path)
    publish_exceptions(lines, path)
    publish_schedule(scheduled)
    return {
        "workbook": str(path),
        "exceptions": len(exception_rows(lines)),
        "scheduled": len(scheduled),
        "left_out": len(summary.left_out),
    }


def publish_summary(summary: RunSummary, workbook: Path) -> None:
    """Publish the summary: outcome, counts, and where the workbook is."""
    create_markdown_artifact(
        f"{render_summary_markdown(summary)}\n\nWorkbook: `{workbook.name}` in the reports folder.\n",
        key="run-summary",
        description=summary.verdict,
    )


def publish_exceptions(lines: list[ExceptionLine], workbook: Path) -> None:
    """Publish the exceptions as a table of at most ``SHOWN_ROWS`` rows, sections with one cause in one row."""
    rows = exception_rows(lines)
    cut = cut_words(len(rows))
    create_table_artifact(
        rows[:SHOWN_ROWS] or [{"client": "", "module": "", "what happened": "No exceptions."}],
        key="exceptions",
        description=f"{_counted(len(rows), 'exception')}.{cut} Every section is in the workbook `{workbook.name}`.",
    )


def exception_rows(lines: list[ExceptionLine]) -> list[dict[str, Any]]:
    """Return the columns an operator acts on, in the order of the report.

    The sections of a unit that share a cause share a row, which tells how many sections it held up.
    """
    causes: dict[tuple[Any, ...], list[ExceptionLine]] = {}
    for line in lines:
        key = (line.is_warning, line.client_id, line.unit_id, line.module, line.period, line.code, line.to_do)
        causes.setdefault((*key, line.source_code), []).append(line)
    return [_exception_row(found) for found in causes.values()]


def _exception_row(lines: list[ExceptionLine]) -> dict[str, Any]:
    told = min(
        lines, key=lambda line: len(line.what)
    ).as_row()  # a section held up by another repeats its words
    more = f" ({len(lines)} sections)" if len(lines) > 1 else ""
    return {
        "client": told["client"],
        "module": told["module"],
        "period": told["period"],
        "outcome": told["outcome"],
        "what to do": told["what to do"],
        "tried next": told["tried next"],
        "what happened": told["what happened"] + more,
        "code": told["code"],
    }


def schedule_retries(services: Services, run_id: str) -> list[tuple[RetryGroup, str]]:
    """Create a scheduled run for every group of units that is tried again by itself.

    The same group of the same run is scheduled once, however often this is called. Where the retry deployment
    does not exist (a flow started by hand from a shell) the dates stay in the ledger and are shown all the same.
    """
    result: list[tuple[RetryGroup, str]] = []
    for group in retry_schedule(services, run_id):
        try:
            created: Any = run_deployment(
                name=RESYNC,
                parameters={"run_id": run_id, "outcomes": [str(group.outcome)], "kind": "retry"},
                scheduled_time=group.at,
                flow_run_name=group.name,
                timeout=0,
                as_subflow=False,
                tags=["retry", f"attempt-{group.attempt}"],
                idempotency_key=f"retry-{run_id}-{group.outcome}-{group.at.isoformat()}",
            )
            result.append((group, created.name))
        except ObjectNotFound:
            result.append((group, "not deployed: start it with `clientsync resync-failed`"))
    return result


def publish_schedule(scheduled: list[tuple[RetryGroup, str]]) -> None:
    """Publish when what is tried again."""
    rows = [
        {
            "when (India)": _local(group.at),
            "why": WORDS[group.outcome],
            "units": len(group.unit_ids),
            "attempt": group.attempt,
            "run": name,
        }
        for group, name in scheduled
    ]
    create_table_artifact(
        rows or [{"when (India)": "", "why": "Nothing is tried again by itself."}],
        key="retry-schedule",
        description=f"{_counted(len(rows), 'scheduled run')}, also under Deployments, resync-failed, Upcoming. "
        "What waits for a person starts when the person has acted.",
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _local(moment: datetime) -> str:
    return moment.astimezone(INDIA).strftime("%d-%m-%Y %H:%M")
