"""``clientsync init`` and ``doctor``: make what is needed to begin, and say what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clientsync.cli.screen import EXIT_ERROR, open_services, put, put_json, put_table

SETTINGS = """\
# Settings of clientsync; the environment (CLIENTSYNC_...) goes before this file. Secrets are references, never values.

# Folder of everything the program keeps on this machine.
# home = ".clientsync"

# PostgreSQL instead of a file in home:
# database_url = "postgresql://user@host/clientsync"

# Files from the portal that are laid here are loaded by `clientsync watch`:
# watch_folder = "portal-files"

# A provider (GSP); without one, files are imported by hand.
# [providers.gsp]
# kind = "gsp"
# base_url = "https://..."
# certificate = "gstn_public.pem"
# calls_per_minute = 90
# [providers.gsp.credentials]
# client_id = "vault:gsp_client_id"
# client_secret = "vault:gsp_client_secret"

# The TDS portals; passwords of clients go into the vault with `clientsync secrets import`.
# [providers.income_tax]
# kind = "income_tax"
# base_url = "https://eportal.incometax.gov.in"
# concurrency = 5
# [providers.traces_old]
# kind = "traces_old"
# base_url = "https://traces61.tdscpc.gov.in"
# concurrency = 5
# [providers.traces_new]
# kind = "traces_new"
# base_url = "https://traces-app.tdscpc.gov.in"
# concurrency = 5
"""


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(init)
    app.command()(doctor)


def init() -> None:
    """Make the settings file, the warehouse and the vault's key where they are missing; nothing is overwritten.

    Example: clientsync init
    """
    from clientsync.config import CONFIG_FILE, config_file, settings
    from clientsync.secrets.keys import KeyPlace

    path = config_file()
    if path.exists():
        put(f"{path} is there already.")
    else:
        Path(CONFIG_FILE).write_text(SETTINGS, encoding="utf-8")
        put(f"Wrote {path}: every setting is explained in it.")
    configured = settings()
    KeyPlace(configured.vault_key_ref, forbidden=(configured.home,)).load()
    put(f"The vault's key is at {configured.vault_key_ref}; keep a copy of it apart from the data.")
    with open_services() as services:
        put(f"The warehouse is ready: {services.engine.url.render_as_string(hide_password=True)}")
    put("Next: clientsync clients template --out clients.xlsx")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False) -> None:
    """Check settings, folders, warehouse, vault, portals, providers and clients; says what to do about each fault.

    Exit code 1 when something is wrong; warnings alone end with 0.

    Example: clientsync doctor
    """
    from clientsync.cli.checkup import check_up

    found = check_up()
    if as_json:
        put_json([{"what": one.what, "state": one.state, "words": one.words} for one in found])
    else:
        put_table(["", "what", "found"], [(one.state, one.what, one.words) for one in found])
    if any(one.state == "wrong" for one in found):
        raise typer.Exit(EXIT_ERROR)
