"""Compares what is stored of TDS, client by client, and shows what needs a person; asks no portal."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from clientsync.clock import now, today
from clientsync.errors import InvalidInput
from clientsync.reports.reconciliations import counts, verdict, write_report
from clientsync.sync.reconciling import ReconRun, reconcile_clients
from clientsync.sync.services import Services, services_from_settings
from flows.choices import ALL_CLIENTS, Clients, Groups, ids
from tasks.tables import SHOWN_ROWS, cut_words

TABLE_KEY = "tds-reconciliation"
SUMMARY_KEY = "tds-reconciliation-summary"


@flow(name="reconcile-tds", flow_run_name="tds reconciliation", persist_result=False)
def reconcile_tds(
    clients: Clients = [ALL_CLIENTS],  # noqa: B006 - Prefect reads the default into the form
    groups: Groups = [],  # noqa: B006
    as_of: str = "",
) -> State[Any]:
    """Reconcile the TDS data of the chosen clients.

    Args:
        clients: Untick "All clients" to choose single ones. Empty, with no group ticked, means all active clients.
        groups: Groups of the client master, added to the clients.
        as_of: Day whose data is compared, 2026-11-20; empty means today.
    """
    services = services_from_settings()
    try:
        return reconcile_and_publish(services, ids(list(clients)), tuple(groups), day_of(as_of))
    finally:
        services.close()


def reconcile_and_publish(
    services: Services,
    clients: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    day: date | None = None,
) -> State[Any]:
    """Reconcile clients, publish the outcome, and return a state that never says clean when something is not.

    Also for use after a sync, within its flow run. ``day`` is today when left out.
    """
    run = reconcile_clients(services.engine, "tds", day or today(), clients, groups)
    path = services.settings.home / "reports" / f"{run.run_id}.xlsx"
    write_report(path, run.states, run.lines, now())
    publish_run(run, path.name)
    return final_state(run)


def publish_run(run: ReconRun, report: str) -> None:
    """Publish the exceptions as a table of at most ``SHOWN_ROWS`` rows, and the counts as a summary."""
    cut = cut_words(len(run.lines))
    words = verdict(run.states, len(run.failed))
    create_table_artifact(
        exception_rows(run)[:SHOWN_ROWS] or [{"client": "", "reconciliation": "", "why": "No exceptions."}],
        key=TABLE_KEY,
        description=f"{words} {len(run.lines)} exceptions.{cut} All of it is in the report `{report}`.",
    )
    create_markdown_artifact(summary_markdown(run, report), key=SUMMARY_KEY, description=words)


def exception_rows(run: ReconRun) -> list[dict[str, Any]]:
    """Return what an operator acts on: clients that failed first, then exceptions, the worst first."""
    failed = [
        {"client": client, "reconciliation": "", "severity": "error", "why": f"Not reconciled: {why}"}
        for client, why in run.failed
    ]
    return [
        *failed,
        *(
            {
                "client": line.client_id,
                "reconciliation": line.recon,
                "severity": line.severity,
                "code": line.code,
                "about": line.about,
                "expected": line.expected,
                "found": line.actual,
                "why": line.why,
                "what to do": line.action,
                "since": line.first_seen.strftime("%d-%m-%Y"),
                "status": line.status,
            }
            for line in run.lines
        ),
    ]


def summary_markdown(run: ReconRun, report: str) -> str:
    """Return the outcome, the counts per reconciliation, and what is missing where, as Markdown."""
    lines = [
        f"# TDS reconciliations as of {run.as_of:%d-%m-%Y}",
        "",
        verdict(run.states, len(run.failed)),
        "",
        "| reconciliation | clean | exceptions | incomplete | errors | warnings |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [f"| {' | '.join(str(value) for value in row.values())} |" for row in counts(run.states)]
    missing: dict[str, set[str]] = {}
    for one in run.states:
        for name in one.missing:
            missing.setdefault(name, set()).add(one.client_id)
    if missing:
        lines += ["", "Not complete, so nothing that needs it is called clean:", ""]
        lines += [f"- {name}: {len(clients)} clients" for name, clients in sorted(missing.items())]
    return "\n".join([*lines, "", f"Report: `{report}` in the reports folder.", ""])


def final_state(run: ReconRun) -> State[Any]:
    """Return the state of the flow run: completed only in name when something is not clean."""
    message = f"{verdict(run.states, len(run.failed))} Run {run.run_id}"
    if run.failed and not run.states:
        return Failed(message=message)
    if run.is_clean:
        return Completed(message=message)
    return Completed(name="CompletedWithExceptions", message=message)


def day_of(text: str) -> date | None:
    """Return the day that a form names, None for none.

    Raises:
        InvalidInput: no day, or one in the future.
    """
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no day. Valid: 2026-11-20.") from None
    if day > today():
        raise InvalidInput(f"{text} lies in the future: nothing is known of it.")
    return day
