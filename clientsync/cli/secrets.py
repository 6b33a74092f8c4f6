"""``clientsync secrets``: named secrets in the vault. A value is typed unseen or piped, never an argument."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clientsync.cli.screen import EXIT_NOT_DONE, open_services, put, put_json, put_table, read_secret

app = typer.Typer(help="Secrets in the vault, which settings refer to as vault:NAME.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What follows vault: in a reference.")]


@app.command(name="set")
def set_(
    name: Name, stdin: Annotated[bool, typer.Option("--stdin", help="Read it from standard input.")] = False
) -> None:
    """Store a secret under a name, over the one before.

    Example: clientsync secrets set gsp_client_secret
    """
    from clientsync.errors import InvalidInput

    if not name.strip() or len(name) > 120:
        raise InvalidInput("The name of a secret has 1 to 120 characters.")
    value = read_secret(f"Secret {name}", from_stdin=stdin)
    with open_services() as services:
        services.vault.put(name, value)
    put(f"Stored. Refer to it as vault:{name}")


@app.command(name="import")
def import_(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or Excel with client_id, portal, password.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be stored.")] = False,
) -> None:
    """Store the portal passwords of many clients; good rows go in, wrong rows are named with row and reason.

    The portals are income_tax (user id is the TAN) and traces. Delete the file afterwards: it lies open.

    Exit code 3 when rows were refused.

    Example: clientsync secrets import passwords.xlsx
    """
    from clientsync.clients.passwords import read_passwords

    with open_services() as services:
        found = read_passwords(path, services.engine)
        if not dry_run:
            for one in found.passwords:
                services.vault.put(one.secret_name, one.password)
    put_table(
        ["row", "reason"],
        [(problem.row, problem.reason) for problem in found.problems],
        none="No row was refused.",
    )
    put(f"{len(found.passwords)} passwords {'would be stored' if dry_run else 'stored'}.")
    if found.problems:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command(name="list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False) -> None:
    """List the names of stored secrets, never their values.

    Example: clientsync secrets list
    """
    with open_services() as services:
        names = services.vault.names()
    if as_json:
        put_json(names)
    else:
        put_table(
            ["name", "reference"], [(name, f"vault:{name}") for name in names], none="No secrets are stored."
        )


@app.command()
def delete(name: Name) -> None:
    """Remove a secret.

    Example: clientsync secrets delete gsp_client_secret
    """
    from clientsync.errors import UnknownName

    with open_services() as services:
        if not services.vault.delete(name):
            raise UnknownName("secret", name, services.vault.names())
    put("Removed.")


@app.command()
def rotate() -> None:
    """Make a new key and seal every stored secret and session anew with it.

    Example: clientsync secrets rotate
    """
    with open_services() as services:
        put(f"{services.vault.rotate()} values were sealed anew.")
