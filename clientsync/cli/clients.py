"""``clientsync clients``: the client master, from a list in Excel to the groups that operators select by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.screen import EXIT_NOT_DONE, many, open_services, put, put_json, put_table, say

if TYPE_CHECKING:
    from clientsync.clients.master import ClientImport
    from clientsync.ledger.tables import SyncClient

app = typer.Typer(help="The client master: import, list, edit, deactivate, groups.", no_args_is_help=True)
groups_app = typer.Typer(help="Groups that clients are selected by.", no_args_is_help=True)
app.add_typer(groups_app, name="groups")

ClientIds = Annotated[list[str], typer.Argument(metavar="CLIENT...", help="Client ids.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Name = Annotated[str | None, typer.Option(help="Name of the client.")]
Gstin = Annotated[str | None, typer.Option(help="GST registration.")]
Username = Annotated[str | None, typer.Option("--portal-username", help="User name on the portal.")]
Provider = Annotated[str | None, typer.Option(help="A provider of the settings, or file.")]
Frequency = Annotated[str | None, typer.Option("--frequency", help="M monthly, Q quarterly.")]
Consent = Annotated[str | None, typer.Option("--consent-ends-on", help="Last day of consent; - clears it.")]
Tan = Annotated[str | None, typer.Option(help="Tax deduction account number.")]
DeductorPan = Annotated[str | None, typer.Option("--deductor-pan", help="PAN of the deductor.")]
DeductorCategory = Annotated[
    str | None, typer.Option("--deductor-category", help="Category code of statement files, K for a company.")
]
TdsForms = Annotated[
    list[str] | None, typer.Option("--tds-forms", help="TDS statements it files: 24Q, 26Q, 27Q, 27EQ.")
]
TdsSource = Annotated[str | None, typer.Option("--tds-source", help="portal, or file.")]
TracesUsername = Annotated[str | None, typer.Option("--traces-username", help="User id on TRACES.")]
TdsConsentGiven = Annotated[
    str | None, typer.Option("--tds-consent-given-on", help="Day of the authority letter for the TAN.")
]
TdsConsentEnds = Annotated[
    str | None, typer.Option("--tds-consent-ends-on", help="Last day of that authority; - clears it.")
]
Groups = Annotated[
    list[str] | None, typer.Option("--groups", help="All groups of the client; - clears them.")
]


@app.command()
def template(
    out: Annotated[Path, typer.Option(help="Where to write it: .xlsx or .csv.")] = Path("clients.xlsx"),
) -> None:
    """Write an empty client list to fill in.

    Example: clientsync clients template --out clients.xlsx
    """
    from clientsync.clients.files import write_template

    write_template(out)
    put(f"Wrote {out}. Fill it in, then: clientsync clients import {out}")


@app.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A client list: .csv or .xlsx.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a client list into the master; good rows go in, wrong rows are named with row, column and reason.

    A client that is there is updated: an empty cell leaves what is stored, a single - clears it.

    Exit code 3 when rows were refused.

    Example: clientsync clients import clients.xlsx --dry-run
    """
    from clientsync.clients.files import read_table
    from clientsync.clients.master import merge_table

    table = read_table(path)
    with open_services() as services:
        result = merge_table(services.engine, table, providers=services.settings.providers, dry_run=dry_run)
    if as_json:
        put_json(_import_json(result))
    else:
        _put_import(result)
    if result.problems:
        raise typer.Exit(EXIT_NOT_DONE)


def _import_json(result: ClientImport) -> dict[str, Any]:
    problems = [{"row": one.row, "column": one.column, "reason": one.reason} for one in result.problems]
    return {
        "dry_run": result.is_dry_run,
        "added": result.added,
        "updated": result.updated,
        "unchanged": result.unchanged,
        "problems": problems,
        "ignored_columns": result.ignored,
    }


def _put_import(result: ClientImport) -> None:
    would = "would be " if result.is_dry_run else ""
    put(
        f"{len(result.added)} {would}added, {len(result.updated)} {would}updated, "
        f"{len(result.unchanged)} unchanged, {result.refused_rows} rows {would}refused."
    )
    if result.ignored:
        say(f"Columns that mean nothing here: {', '.join(result.ignored)}.")
    if result.problems:
        put_table(["row", "column", "reason"], [(one.row, one.column, one.reason) for one in result.problems])


@app.command(name="list")
def list_(
    include_inactive: Annotated[bool, typer.Option("--all", help="Inactive clients, too.")] = False,
    groups: Annotated[list[str] | None, typer.Option("--groups", help="Only these groups.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the clients.

    Example: clientsync clients list --groups North --json
    """
    from clientsync.clients.selection import groups_of_clients, select_clients
    from clientsync.database import reading

    with open_services() as services, reading(services.engine) as connection:
        found = select_clients(connection, [], groups=many(groups), only_active=not include_inactive)
        groups_of = groups_of_clients(connection)
    rows = [_client_row(one, groups_of.get(one.client_id, ())) for one in found]
    if as_json:
        put_json(rows)
        return
    put_table(
        [
            "client",
            "name",
            "GSTIN",
            "user",
            "provider",
            "files",
            "consent ends",
            "TAN",
            "TDS forms",
            "TDS source",
            "authority ends",
            "groups",
            "active",
        ],
        [tuple(row.values()) for row in rows],
        none="There are no clients. Begin with: clientsync clients template",
    )
    _warn_of_consent(found)


def _client_row(client: SyncClient, groups: tuple[str, ...]) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "name": client.name,
        "gstin": client.gstin,
        "portal_username": client.portal_username,
        "provider": client.provider,
        "filing_frequency": client.filing_frequency,
        "consent_ends_on": client.consent_ends_on,
        "tan": client.tan,
        "tds_forms": client.tds_forms,
        "tds_source": client.tds_source if client.tan else "",
        "tds_consent_ends_on": client.tds_consent_ends_on,
        "groups": "; ".join(groups),
        "is_active": client.is_active,
    }


def _warn_of_consent(clients: list[SyncClient]) -> None:
    from clientsync.clients.consent import consent_warnings
    from clientsync.clock import today

    for warning in consent_warnings(clients, today()):
        say(f"Warning: {warning.words}")


@app.command()
def add(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="A short id of your own.")],
    name: Annotated[str, typer.Option(help="Name of the client.")],
    gstin: Gstin = None,
    portal_username: Username = None,
    provider: Provider = None,
    frequency: Frequency = None,
    consent_ends_on: Consent = None,
    tan: Tan = None,
    deductor_pan: DeductorPan = None,
    deductor_category: DeductorCategory = None,
    tds_forms: TdsForms = None,
    tds_source: TdsSource = None,
    traces_username: TracesUsername = None,
    tds_consent_given_on: TdsConsentGiven = None,
    tds_consent_ends_on: TdsConsentEnds = None,
    groups: Groups = None,
) -> None:
    """Add one client.

    Example: clientsync clients add C0001 --name "A Traders" --gstin GSTIN --provider gsp --groups North
    """
    _put_client(
        client,
        True,
        {
            "name": name,
            "gstin": gstin,
            "portal_username": portal_username,
            "provider": provider,
            "filing_frequency": frequency,
            "consent_ends_on": consent_ends_on,
            "tan": tan,
            "deductor_pan": deductor_pan,
            "deductor_category": deductor_category,
            "tds_forms": ";".join(tds_forms) if tds_forms else None,
            "tds_source": tds_source,
            "traces_username": traces_username,
            "tds_consent_given_on": tds_consent_given_on,
            "tds_consent_ends_on": tds_consent_ends_on,
            "groups": ";".join(groups) if groups else None,
        },
    )


@app.command()
def edit(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="Client id.")],
    name: Name = None,
    gstin: Gstin = None,
    portal_username: Username = None,
    provider: Provider = None,
    frequency: Frequency = None,
    consent_ends_on: Consent = None,
    tan: Tan = None,
    deductor_pan: DeductorPan = None,
    deductor_category: DeductorCategory = None,
    tds_forms: TdsForms = None,
    tds_source: TdsSource = None,
    traces_username: TracesUsername = None,
    tds_consent_given_on: TdsConsentGiven = None,
    tds_consent_ends_on: TdsConsentEnds = None,
    groups: Groups = None,
) -> None:
    """Change what is named of one client; everything else stays.

    Example: clientsync clients edit C0001 --consent-ends-on 31-12-2026
    """
    _put_client(
        client,
        False,
        {
            "name": name,
            "gstin": gstin,
            "portal_username": portal_username,
            "provider": provider,
            "filing_frequency": frequency,
            "consent_ends_on": consent_ends_on,
            "tan": tan,
            "deductor_pan": deductor_pan,
            "deductor_category": deductor_category,
            "tds_forms": ";".join(tds_forms) if tds_forms else None,
            "tds_source": tds_source,
            "traces_username": traces_username,
            "tds_consent_given_on": tds_consent_given_on,
            "tds_consent_ends_on": tds_consent_ends_on,
            "groups": ";".join(groups) if groups else None,
        },
    )


def _put_client(client: str, is_new: bool, given: dict[str, str | None]) -> None:
    from clientsync.clients.master import put_client

    cells = {"client_id": client, **given}
    with open_services() as services:
        changed = put_client(services.engine, cells, providers=services.settings.providers, is_new=is_new)
    word = "added" if is_new else "changed"
    put(f"Client {client} {word}." if changed else f"Client {client} is so already.")


@app.command()
def deactivate(
    clients: ClientIds,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
) -> None:
    """Never synchronise these clients from now on; their data stay.

    Example: clientsync clients deactivate C0007 --reason "left the practice"
    """
    _set_active(clients, reason, is_active=False)


@app.command()
def activate(
    clients: ClientIds,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
) -> None:
    """Synchronise these clients again.

    Example: clientsync clients activate C0007
    """
    _set_active(clients, reason, is_active=True)


@app.command()
def switch(
    clients: ClientIds,
    name: Annotated[str, typer.Option("--name", help="generate_2b or gstr3b_balances.")],
    is_on: Annotated[bool, typer.Option("--on/--off", help="Switch it on or off.")] = True,
) -> None:
    """Switch something on or off for these clients; both switches are off at first.

    generate_2b lets clientsync ask the portal to generate a 2B that is not there, the one call that makes the portal
    do something. gstr3b_balances reads interest and the reversal and reverse-charge balances with GSTR-3B, five calls.

    Example: clientsync clients switch C0001 C0002 --name generate_2b --on
    """
    from clientsync.clients.master import set_switch

    with open_services() as services:
        changed = set_switch(services.engine, clients, name, is_on=is_on)
    put(f"{name} is {'on' if is_on else 'off'}; changed: {changed} of {len(set(clients))}.")


def _set_active(clients: list[str], reason: str, *, is_active: bool) -> None:
    from clientsync.clients.master import set_active

    with open_services() as services:
        changed = set_active(services.engine, clients, is_active=is_active, reason=reason)
    put(f"{changed} clients {'activated' if is_active else 'deactivated'}.")


@groups_app.command(name="list")
def groups_list(as_json: AsJson = False) -> None:
    """List the groups with the number of their clients.

    Example: clientsync clients groups list
    """
    from clientsync.clients.master import count_groups
    from clientsync.database import reading

    with open_services() as services, reading(services.engine) as connection:
        found = count_groups(connection)
    if as_json:
        put_json(dict(found))
    else:
        put_table(["group", "clients"], found, none="There are no groups.")


@groups_app.command(name="add")
def groups_add(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="Name of the group.")], clients: ClientIds
) -> None:
    """Add clients to a group; the first one makes it.

    Example: clientsync clients groups add North C0001 C0002
    """
    from clientsync.clients.master import add_to_group

    with open_services() as services:
        put(f"{add_to_group(services.engine, group, clients)} clients added to {group}.")


@groups_app.command(name="remove")
def groups_remove(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="Name of the group.")], clients: ClientIds
) -> None:
    """Take clients out of a group; it ends with the last one.

    Example: clientsync clients groups remove North C0002
    """
    from clientsync.clients.master import remove_from_group

    with open_services() as services:
        put(f"{remove_from_group(services.engine, group, clients)} clients taken out of {group}.")
