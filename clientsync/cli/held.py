"""``clientsync quarantine``: rows that were held back, and what a person does about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from clientsync.cli.screen import EXIT_NOT_DONE, open_services, put, put_json, put_table

if TYPE_CHECKING:
    from clientsync.sync.services import Services

app = typer.Typer(
    help="Rows that were held back: list, load again after a fix, dismiss.", no_args_is_help=True
)

Client = Annotated[str | None, typer.Option("--client", help="Only this client.")]
Module = Annotated[str | None, typer.Option("--module", help="Only this module, for example gstr2b.")]
Period = Annotated[str | None, typer.Option("--period", help="Only this period, as the unit has it.")]
Table = Annotated[str | None, typer.Option("--table", help="Only rows of this table.")]
Code = Annotated[str | None, typer.Option("--code", help="Only rows held for this check.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command(name="list")
def list_(
    client: Client = None,
    module: Module = None,
    period: Period = None,
    table: Table = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List rows in quarantine with the reason of each.

    Example: clientsync quarantine list --client C0001
    """
    from clientsync.reports.held import in_words
    from clientsync.warehouse.quarantine import open_rows

    with open_services() as services:
        _check_client(services, client)
        rows = open_rows(
            services.engine, client=client, module=module, unit_period=period, table=table, code=code
        )
    if as_json:
        put_json([asdict(row) for row in rows[:limit]])
        return
    put_table(
        ["id", "client", "module", "period", "section", "reason", "row"],
        [
            (
                row.quarantine_id,
                row.client_id,
                row.module,
                row.unit_period,
                row.section,
                f"{row.reason} ({', '.join(row.codes)})",
                in_words(row.values)[0],
            )
            for row in rows[:limit]
        ],
        none="No row in quarantine is like that; without options all are listed."
        if any((client, module, period, table, code))
        else "The quarantine is empty.",
    )
    if len(rows) > limit:
        put(f"{limit} of {len(rows)} rows are shown.")


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of rows.")] = None,
    client: Client = None,
    module: Module = None,
    period: Period = None,
    table: Table = None,
    code: Code = None,
    as_json: AsJson = False,
) -> None:
    """Load rows that pass the checks of today; the others stay with today's reasons.

    Without ids and options every row is tried. Exit code 3 when rows are still held.

    Example: clientsync quarantine replay --code GST-2B-D03
    """
    from clientsync.registry import all_tables, load_dotted
    from clientsync.warehouse.quarantine import HeldFilter, replay

    with open_services() as services:
        _check_client(services, client)
        known = all_tables()
        which = ids or HeldFilter(client, None, module, period, None, table, code)
        result = replay(services.engine, which, known, load_dotted(services.settings.validator))
    if as_json:
        put_json(asdict(result) | {"codes": dict(result.codes)})
    else:
        put(
            f"{result.asked} rows: {result.replayed} loaded, {result.superseded} out of date, "
            f"{result.still_held} still held, {result.busy} busy."
        )
        if result.codes:
            put(
                "Still held for: "
                + ", ".join(f"{name} ({count})" for name, count in result.codes.most_common())
            )
    if result.still_held or result.busy:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def dismiss(
    quarantine_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a row.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it need not be loaded; kept.")],
) -> None:
    """Take a row out of quarantine without loading it.

    Example: clientsync quarantine dismiss q-018f3a2b9c01-5f2a9c --reason "a test document of the supplier"
    """
    from clientsync.warehouse.quarantine import dismiss

    with open_services() as services:
        dismiss(services.engine, quarantine_id, reason)
    put("Dismissed.")


def _check_client(services: Services, client: str | None) -> None:
    from clientsync.clients.selection import list_clients
    from clientsync.database import reading
    from clientsync.errors import UnknownClient

    if client is None:
        return
    with reading(services.engine) as connection:
        known = [one.client_id for one in list_clients(connection, only_active=False)]
    if client not in known:
        raise UnknownClient("client", client, known)
