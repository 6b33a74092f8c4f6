"""``clientsync report``: the firm's workbook and page, and those of single clients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clientsync.cli.reconcile import day_of
from clientsync.cli.screen import many, open_services, put


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(report)


def report(
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; the reports folder of the settings when left out.")
    ] = None,
    clients: Annotated[
        list[str] | None,
        typer.Option("--clients", help="Client ids, groups or 'All clients'; all when left out."),
    ] = None,
    groups: Annotated[list[str] | None, typer.Option("--groups", help="Groups of clients.")] = None,
    each: Annotated[bool, typer.Option("--each", help="A report per client instead of one of all.")] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="xlsx, html, pdf, csv; xlsx, html and pdf when left out."),
    ] = None,
    run: Annotated[str, typer.Option("--run", help="Documents of a past run, read back exactly.")] = "",
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Day of the lists of what falls due; today when left out.")
    ] = None,
) -> None:
    """Write what does not agree and what falls due: workbook with charts, a page as HTML and PDF, CSV files.

    Example: clientsync report --groups North --out reports --format xlsx --format pdf
    """
    from clientsync.clients.selection import select_clients
    from clientsync.database import one_state, reading
    from clientsync.sync.firm_reports import firm_report, write_reports

    day = day_of(as_of)
    wanted = many(formats) or ("xlsx", "html", "pdf")
    with open_services() as services:
        folder = out or services.settings.home / "reports"
        chosen: list[tuple[str, ...]] = [many(clients)]
        if each:
            with reading(services.engine) as connection:
                found = select_clients(connection, many(clients), groups=many(groups))
            chosen = [(one.client_id,) for one in found]
        for names in chosen:
            stem = f"{names[0]}-{day:%Y-%m-%d}" if each else f"firm-{day:%Y-%m-%d}"
            with one_state(services.engine):
                made = firm_report(services.engine, day, names, () if each else many(groups), run_id=run)
                paths = write_reports(made, folder, stem, wanted)
            for path in paths:
                put(f"Wrote {path}")
