"""``clientsync commerce serve``: the long-lived service for webhooks and sales in real time."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from clientsync.cli.screen import open_services, put, say


def add_to(app: typer.Typer) -> None:
    """Add the command to the group of its subject."""
    app.command()(serve)


def serve(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of shops from the settings; none means all of them.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell the address as one line of JSON once it listens.")
    ] = False,
) -> None:
    """Take webhooks and send in real time until ctrl-c; what is under way is finished.

    It listens on service_host and service_port of the settings, loopback by default: let your own TLS proxy lead the
    addresses for webhooks to it. It also reads what no webhook tells, sweeps and renews the webhook once a day.

    Example: clientsync commerce serve toko
    """
    from clientsync.service.serving import serve as run

    def told(address: str, paths: dict[str, list[str]]) -> None:
        if as_json:
            put(json.dumps({"url": address, "webhooks": paths}))
            return
        say(f"Listens on {address}")
        for name, addresses in paths.items():
            for path in addresses:
                say(f"  webhooks of {name}: {address}{path}")

    with open_services() as services:
        run(services, tuple(names or ()), told)
