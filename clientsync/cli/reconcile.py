"""``clientsync reconcile``: compare what the portals, statements and demands say, client by client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.screen import EXIT_NOT_DONE, many, open_services, put, put_json, put_table, say

if TYPE_CHECKING:
    from datetime import date

    from clientsync.reports.reconciliations import ReconLine, ReconState

SHOWN_EXCEPTIONS = 15

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]

app = typer.Typer(
    help="Compare what the portals, statements and demands of a client say.", no_args_is_help=True
)


@app.command()
def tds(
    clients: Annotated[
        list[str] | None,
        typer.Option("--clients", help="Client ids, groups or 'All clients'; all with a TAN when left out."),
    ] = None,
    groups: Annotated[list[str] | None, typer.Option("--groups", help="Groups of clients.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Day whose data is compared, 2026-11-20; today when left out."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the report here: a .xlsx or .csv file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the TDS reconciliations on what is stored; nothing is asked of a portal.

    A reconciliation is clean only when all its data is complete. Exit code 3: something is not clean.

    Example: clientsync reconcile tds --groups North --as-of 2026-11-20 --out tds.xlsx
    """
    from clientsync.clock import now
    from clientsync.reports.reconciliations import counts, verdict, write_report
    from clientsync.sync.reconciling import reconcile_clients

    day = day_of(as_of)
    with open_services() as services:
        run = reconcile_clients(services.engine, "tds", day, many(clients), many(groups))
    if out is not None:
        write_report(out, run.states, run.lines, now())
    words = verdict(run.states, len(run.failed))
    if as_json:
        put_json(
            {
                "run_id": run.run_id,
                "as_of": day,
                "verdict": words,
                "is_clean": run.is_clean,
                "reconciliations": counts(run.states),
                "exceptions": [line.as_json() for line in run.lines],
                "incomplete": [_missing(one) for one in run.states if one.missing],
                "failed": [{"client": client, "why": why} for client, why in run.failed],
            }
        )
    else:
        put(f"As of {day:%d-%m-%Y}, run {run.run_id}. {words}")
        rows = counts(run.states)
        put_table(list(rows[0]) if rows else [], [tuple(row.values()) for row in rows], none="No results.")
        put("")
        put_lines(run.lines[:SHOWN_EXCEPTIONS])
        if len(run.lines) > SHOWN_EXCEPTIONS:
            put(f"… {len(run.lines) - SHOWN_EXCEPTIONS} more: clientsync reconcile show CLIENT, or --out.")
    for client, why in run.failed:
        say(f"{client} could not be reconciled: {why}")
    if out is not None:
        say(f"Wrote {out}")
    if not run.is_clean:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def show(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="Id of a client.")],
    connector: Annotated[str, typer.Option("--connector", help="tds or gst.")] = "tds",
    closed: Annotated[bool, typer.Option("--closed", help="Also what is closed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the newest reconciliations of a client came to, and its exceptions with their history.

    Example: clientsync reconcile show C0001 --connector gst --closed
    """
    from clientsync.clients.selection import select_clients
    from clientsync.database import reading
    from clientsync.reports.reconciliations import read_lines, read_states
    from clientsync.sync.reconciling import reconciler_of

    reconciler_of(connector)
    with open_services() as services:
        with reading(services.engine) as connection:
            found = select_clients(connection, (client,), only_active=False)
        states = [state for one in found for state in read_states(services.engine, connector, one.client_id)]
        lines = [
            line
            for one in found
            for line in read_lines(services.engine, connector, one.client_id, with_closed=closed)
        ]
    if as_json:
        put_json(
            {"states": [_state(one) for one in states], "exceptions": [line.as_json() for line in lines]}
        )
        return
    put_table(
        ["reconciliation", "state", "compared", "errors", "warnings", "missing", "as of"],
        [
            (one.recon, one.state, one.compared, one.errors, one.warnings, ", ".join(one.missing), one.as_of)
            for one in states
        ],
        none=f"This client has not been reconciled: clientsync reconcile {connector}",
    )
    put("")
    put_lines(lines)


def put_lines(lines: list[ReconLine]) -> None:
    """Write exceptions as a table."""
    put_table(
        [
            "client",
            "rec.",
            "severity",
            "code",
            "about",
            "difference (Rs)",
            "why",
            "what to do",
            "since",
            "status",
        ],
        [
            (
                line.client_id,
                line.recon,
                line.severity,
                line.code,
                line.about,
                rupees_shown(line.difference_paise),
                line.why,
                line.action,
                line.first_seen,
                line.status,
            )
            for line in lines
        ],
        none="No exceptions.",
    )


def rupees_shown(amount_paise: int | None) -> str:
    """Return an amount as people read it, nothing for none."""
    from clientsync.money import rupees

    return "" if amount_paise is None else f"{rupees(amount_paise):,}"


def _missing(one: ReconState) -> dict[str, Any]:
    return {"client": one.client_id, "reconciliation": one.recon, "missing": list(one.missing)}


def _state(one: ReconState) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one)


def day_of(text: str | None) -> date:
    """Return the day that a person named, today for none.

    Raises:
        InvalidInput: no day, or one in the future.
    """
    from datetime import date

    from clientsync.clock import today
    from clientsync.errors import InvalidInput

    if text is None:
        return today()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no day. Valid: 2026-11-20.") from None
    if day > today():
        raise InvalidInput(f"{text} lies in the future: nothing is known of it.")
    return day
