"""The application: commands gathered from their modules, each about one subject."""

from __future__ import annotations

from typing import Annotated

import typer

from clientsync.cli import (
    answers,
    books,
    challenge,
    clients,
    commerce,
    commerce_documents,
    commerce_maps,
    commerce_service,
    database,
    exchange,
    exports,
    files,
    held,
    otp,
    reconcile,
    reconcile_gst,
    records,
    reports,
    runs,
    secrets,
    setup,
    sync,
)
from clientsync.cli.screen import GuardedGroup

app = typer.Typer(
    name="clientsync",
    cls=GuardedGroup,
    help="Synchronise the data of many clients from many portals, and see what happened.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"clientsync {version('clientsync')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """Synchronise the data of many clients from many portals, and see what happened."""


setup.add_to(app)
app.add_typer(clients.app, name="clients")
app.add_typer(books.app, name="books")
app.add_typer(exchange.app, name="exchange")
app.add_typer(records.app, name="records")
commerce_documents.add_to(commerce.app)
commerce_maps.add_to(commerce.app)
commerce_service.add_to(commerce.app)
app.add_typer(commerce.app, name="commerce")
sync.add_to(app)
app.add_typer(otp.app, name="otp")
app.add_typer(challenge.app, name="challenge")
files.add_to(app)
runs.add_to(app)
reconcile_gst.add_to(reconcile.app)
app.add_typer(reconcile.app, name="reconcile")
reports.add_to(app)
app.add_typer(held.app, name="quarantine")
app.add_typer(answers.app, name="answers")
exports.add_to(app)
app.add_typer(secrets.app, name="secrets")
app.add_typer(database.app, name="db")
