"""``clientsync runs``, ``status`` and ``exceptions``: what happened, from the ledger."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.screen import console, open_services, put, put_json, put_table, say

if TYPE_CHECKING:
    from clientsync.sync.services import Services

RunId = Annotated[str | None, typer.Argument(metavar="RUN", help="Id of a run; the newest when left out.")]
MOST_OTHERS = 3

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(runs)
    app.command()(status)
    app.command()(exceptions)


def runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20, as_json: AsJson = False
) -> None:
    """List the newest runs with how many units of each are done.

    Example: clientsync runs --limit 5
    """
    from clientsync.reports.history import read_runs

    with open_services() as services:
        found = read_runs(services.engine, limit)
    if as_json:
        put_json([asdict(one) for one in found])
        return
    put_table(
        ["run", "portal", "kind", "started (India)", "state", "done", "of", "counts"],
        [
            (one.run_id, one.connector, one.kind, one.started_at, one.state, one.done, one.units, one.words)
            for one in found
        ],
        none="There are no runs.",
    )


def status(run: RunId = None, as_json: AsJson = False) -> None:
    """Show what a run came to, or how far it is.

    Example: clientsync status
    """
    from clientsync.reports.summary import read_summary, render_summary_terminal, summary_rows

    with open_services() as services:
        run_id = _chosen(services, run)
        if run_id is None:
            return
        summary = read_summary(services.engine, run_id)
        _remind(services)
        if run is None:
            _tell_of_others(services, run_id)
    if as_json:
        rows = summary_rows(summary)
        put_json(
            {
                "run_id": run_id,
                "verdict": summary.verdict,
                "is_complete": summary.is_complete,
                "modules": rows,
            }
        )
    else:
        console().print(render_summary_terminal(summary))


def exceptions(
    run: RunId = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write the run's workbook here.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write the run's tables as CSV files into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what is not done in a run: what happened, what to do, when it is tried next.

    Example: clientsync exceptions --xlsx exceptions.xlsx
    """
    from clientsync.cli.sync import put_exceptions
    from clientsync.reports.exceptions import read_exceptions
    from clientsync.reports.workbook import write_csv_files, write_workbook

    with open_services() as services:
        run_id = _chosen(services, run)
        if run_id is None:
            return
        lines = read_exceptions(services.engine, run_id)
        if run is None:
            _tell_of_others(services, run_id)
        written: list[Path] = []
        if xlsx is not None:
            written.append(write_workbook(services.engine, run_id, xlsx))
        if csv is not None:
            written.extend(write_csv_files(services.engine, run_id, csv))
    if as_json:
        put_json([line.as_row() for line in lines])
    elif not written:
        put_exceptions(lines)
    for path in written:
        say(f"Wrote {path}")


def _chosen(services: Services, run: str | None) -> str | None:
    """Return the run that is meant; none, with a line, when there is none yet."""
    if run is not None:
        from clientsync.reports.summary import read_summary

        return read_summary(services.engine, run).run_id
    from clientsync.ledger.runs import latest_run

    newest = latest_run(services.engine)
    if newest is None:
        put("There are no runs yet.")
    return newest


def _tell_of_others(services: Services, run_id: str) -> None:
    """Say what other runs left undone, so that the newest one is not taken for everything."""
    from clientsync.ledger.runs import not_done

    others = sorted({row["run_id"] for row in not_done(services.engine)} - {run_id}, reverse=True)
    for one in others[:MOST_OTHERS]:
        say(f"Run {one} left units that are still not done: clientsync exceptions {one}")
    if len(others) > MOST_OTHERS:
        say(f"… and {len(others) - MOST_OTHERS} more runs: clientsync runs; again: clientsync resync-failed")


def _remind(services: Services) -> None:
    from clientsync.clients.consent import consent_warnings
    from clientsync.clients.selection import list_clients
    from clientsync.clock import today
    from clientsync.database import reading
    from clientsync.ledger.challenges import open_challenges

    waiting: list[dict[str, Any]] = open_challenges(services.engine)
    if waiting:
        count = len({row["client_id"] for row in waiting})
        say(f"{count} client{'s wait' if count > 1 else ' waits'} for a person: clientsync otp")
    with reading(services.engine) as connection:
        clients = list_clients(connection, only_active=True)
    for warning in consent_warnings(clients, today()):
        say(f"Warning: {warning.words}")
