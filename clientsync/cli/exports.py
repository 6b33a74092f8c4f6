"""``clientsync export``: the warehouse as files for analysts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clientsync.cli.screen import many, open_services, put, put_json


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(export)


def export(
    out: Annotated[Path, typer.Option("--out", help="Folder; made when it is not there.")] = Path("export"),
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="parquet, csv or xlsx; parquet when left out.")
    ] = None,
    tables: Annotated[list[str] | None, typer.Option("--tables", help="Tables; all when left out.")] = None,
    clients: Annotated[list[str] | None, typer.Option("--clients", help="Client ids or groups.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="What stood at the end of that day, 2026-11-23, or at that moment, 2026-11-23T09:00; Indian time.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Write tables as Parquet, CSV or Excel, amounts in rupees.

    Example: clientsync export --out export --format xlsx --tables gst__gstr2b_document --clients C0001
    """
    from clientsync.clients.selection import select_clients
    from clientsync.database import reading
    from clientsync.warehouse.export import export as write_tables

    moment = _moment(as_of)
    with open_services() as services:
        chosen: list[str] | None = None
        if clients:
            with reading(services.engine) as connection:
                found = select_clients(connection, many(clients), only_active=False)
            chosen = [client.client_id for client in found]
        paths = write_tables(
            services.engine,
            out,
            formats=many(formats) or ("parquet",),
            tables=many(tables) or None,
            clients=chosen,
            moment=moment,
        )
    if as_json:
        put_json([str(path) for path in paths])
    else:
        put(f"Wrote {len(paths)} files into {out}.")


def _moment(text: str | None) -> Any:
    from datetime import date, datetime

    from clientsync.clock import INDIA
    from clientsync.errors import InvalidInput
    from clientsync.warehouse.standing import end_of

    if text is None:
        return None
    try:
        return end_of(date.fromisoformat(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no moment. Valid: 2026-11-23 or 2026-11-23T09:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=INDIA)
