"""Compares the books with the GST portal and its statements with each other, and shows what needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.futures import as_completed
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from clientsync.clients.selection import select_clients
from clientsync.clock import today
from clientsync.database import one_state, reading
from clientsync.errors import InvalidInput
from clientsync.ledger.ids import new_id
from clientsync.reports.matches import STATUS_WORDS, MatchLine, read_matches
from clientsync.reports.reconciliations import counts, verdict
from clientsync.sync.all_recons import AllRuns, joined, wanted_names
from clientsync.sync.documents import CLIENTS_AT_ONCE
from clientsync.sync.firm_reports import firm_report, write_reports
from clientsync.sync.services import Services, services_from_settings
from flows.choices import ALL_CLIENTS, Clients, Groups, ids
from flows.reconcile_tds import day_of, exception_rows
from tasks.reconcile import reconcile_bundle
from tasks.tables import SHOWN_ROWS, cut_words

NAMES = ("2B-BOOKS", "2A-BOOKS", "IMS-BOOKS", "R1-BOOKS", "RETURNS")
DOCUMENTS_KEY = "gst-documents"
RETURNS_KEY = "gst-returns"
SUMMARY_KEY = "gst-reconciliation-summary"

RUNNER: Any = ThreadPoolTaskRunner(max_workers=4)
"""Two processors are kept busy; more bundles at once would only wait for each other."""

Reconciliations = list[Annotated[str, Field(json_schema_extra={"enum": list(NAMES)})]]


@flow(
    name="reconcile-gst",
    flow_run_name="gst reconciliation",
    task_runner=RUNNER,
    persist_result=False,
)
def reconcile_gst(
    reconciliations: Reconciliations = [],  # noqa: B006 - Prefect reads the default into the form
    clients: Clients = [ALL_CLIENTS],  # noqa: B006
    groups: Groups = [],  # noqa: B006
    as_of: str = "",
) -> State[Any]:
    """Reconcile the GST data of the chosen clients with their books.

    Args:
        reconciliations: Which ones; none ticked means all. RETURNS compares returns, ledgers and registers by period.
        clients: Untick "All clients" to choose single ones. Empty, with no group ticked, means all active clients.
        groups: Groups of the client master, added to the clients.
        as_of: Day whose data is compared, 2026-11-20; empty means today.
    """
    services = services_from_settings()
    try:
        names = wanted_names("gst", reconciliations)
        return reconcile_and_publish(services, names, ids(list(clients)), tuple(groups), day_of(as_of))
    finally:
        services.close()


def reconcile_and_publish(
    services: Services,
    names: tuple[str, ...],
    clients: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    day: date | None = None,
) -> State[Any]:
    """Reconcile clients, publish the outcome, and return a state that never says clean when something is not.

    Also for use after a sync, within its flow run. ``day`` is today when left out.
    """
    with reading(services.engine) as connection:
        chosen = [one.client_id for one in select_clients(connection, clients, groups=groups)]
    if not chosen:
        raise InvalidInput("No client is chosen.")
    on = day or today()
    run_id = new_id("recon")
    work = [(name, *bundle) for name in names for bundle in _bundles(chosen)]
    progress: Any = create_progress_artifact(0.0, key="gst-reconciliation", description="Bundles of clients")
    futures = [
        reconcile_bundle.submit(name, label, bundle, on.isoformat(), run_id) for name, label, bundle in work
    ]
    parts: list[AllRuns] = []
    for number, future in enumerate(as_completed(futures), start=1):
        parts.append(future.result())
        update_progress_artifact(
            progress, 100.0 * number / len(work), description=f"{number} of {len(work)} bundles of clients"
        )
    runs = joined(run_id, on, parts)
    stem = f"firm-{on:%Y-%m-%d}-{run_id[-10:]}"
    with one_state(services.engine):
        report = firm_report(services.engine, on, clients, groups, failed=runs.failed)
        paths = write_reports(report, services.settings.home / "reports", stem, ("xlsx", "html", "pdf"))
    publish_run(services, runs, paths)
    return final_state(runs)


def _bundles(clients: list[str]) -> list[tuple[str, list[str]]]:
    """Return the clients in bundles, each with how the dashboard names it."""
    return [
        (
            f"clients {start + 1} to {min(start + CLIENTS_AT_ONCE, len(clients))}",
            clients[start : start + CLIENTS_AT_ONCE],
        )
        for start in range(0, len(clients), CLIENTS_AT_ONCE)
    ]


def publish_run(services: Services, runs: AllRuns, paths: Sequence[Path]) -> None:
    """Publish documents that wait for a person, exceptions by period, the counts, and links to the reports."""
    words = verdict(runs.states, len(runs.failed))
    clients = tuple(dict.fromkeys(state.client_id for run in runs.documents for state in run.states))
    recons = tuple(run.recon for run in runs.documents)
    waiting: list[dict[str, Any]] = []
    total = 0
    if clients and recons:
        for line in read_matches(services.engine, recons, clients, only_open=True):
            total += 1
            if len(waiting) < SHOWN_ROWS:
                waiting.append(document_row(line))
    cut = cut_words(total)
    create_table_artifact(
        waiting or [{"client": "", "reconciliation": "", "why": "No document waits for a person."}],
        key=DOCUMENTS_KEY,
        description=f"{total} documents wait for a person.{cut} Each one: `clientsync reconcile documents CLIENT`.",
    )
    if runs.returns is not None:
        create_table_artifact(
            exception_rows(runs.returns)[:SHOWN_ROWS]
            or [{"client": "", "reconciliation": "", "why": "No exceptions."}],
            key=RETURNS_KEY,
            description=f"{len(runs.lines)} exceptions of returns, ledgers and registers.",
        )
    create_markdown_artifact(summary_markdown(runs, paths), key=SUMMARY_KEY, description=words)
    for path in paths:
        create_link_artifact(
            path.resolve().as_uri(),
            link_text=path.name,
            key=f"firm-report-{path.suffix.removeprefix('.')}",
            description=f"{words} The file lies on the machine of the worker.",
        )


def document_row(line: MatchLine) -> dict[str, Any]:
    """Return what an operator acts on, without a registration."""
    return {
        "client": line.client_id,
        "reconciliation": line.recon,
        "month": line.period,
        "severity": line.severity,
        "status": STATUS_WORDS[line.status],
        "books": line.left_number,
        "portal": line.right_number,
        "tax difference": f"{line.tax_difference_paise / 100:,.2f}",
        "why": line.decision_reason or line.reason,
        "what to do": line.action,
        "since": f"{line.since:%d-%m-%Y}",
        "id": line.match_id[:12],
    }


def summary_markdown(runs: AllRuns, paths: Sequence[Path] = ()) -> str:
    """Return the outcome, counts per reconciliation and status, what is missing, and the reports, as Markdown."""
    lines = [
        f"# GST reconciliations as of {runs.as_of:%d-%m-%Y}",
        "",
        verdict(runs.states, len(runs.failed)),
        "",
        "| reconciliation | clean | exceptions | incomplete | errors | warnings |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [f"| {' | '.join(str(value) for value in row.values())} |" for row in counts(runs.states)]
    shown = [run for run in runs.documents if run.counts]
    if shown:
        names = [name for name in STATUS_WORDS if any(run.counts[name] for run in shown)]
        lines += ["", "| documents | " + " | ".join(STATUS_WORDS[name] for name in names) + " |"]
        lines.append("|---|" + "---:|" * len(names))
        lines += [
            f"| {run.recon} | " + " | ".join(str(run.counts[name]) for name in names) + " |" for run in shown
        ]
    missing: dict[str, set[str]] = {}
    for one in runs.states:
        for name in one.missing:
            missing.setdefault(name, set()).add(one.client_id)
    if missing:
        lines += ["", "Not complete, so nothing that needs it is called clean:", ""]
        lines += [f"- {name}: {len(clients)} clients" for name, clients in sorted(missing.items())]
    left_out = {(run.recon, why) for run in runs.documents for _, why in run.left_out}
    if left_out:
        lines += ["", "Not compared:", ""]
        for recon, why in sorted(left_out):
            number = sum(
                reason == why for run in runs.documents if run.recon == recon for _, reason in run.left_out
            )
            lines.append(f"- {recon}: {number} clients, {why}")
    if paths:
        lines += ["", f"Reports: {', '.join(f'`{path.name}`' for path in paths)} in the reports folder."]
    return "\n".join([*lines, ""])


def final_state(runs: AllRuns) -> State[Any]:
    """Return the state of the flow run: completed only in name when something is not clean."""
    message = f"{verdict(runs.states, len(runs.failed))} Run {runs.run_id}"
    if runs.failed and not runs.states:
        return Failed(message=message)
    if runs.is_clean:
        return Completed(message=message)
    return Completed(name="CompletedWithExceptions", message=message)
