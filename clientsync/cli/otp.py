"""``clientsync otp``: what waits for a person, and answering it. An OTP is never an argument of a command."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from clientsync.cli.screen import open_services, put, put_json, put_table, read_secret

app = typer.Typer(
    help="Challenges that only a person can answer, such as a portal's OTP.", invoke_without_command=True
)

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Client id.")]
Portal = Annotated[str, typer.Option("--portal", help="Which portal.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.callback()
def default(ctx: typer.Context) -> None:
    """Challenges that only a person can answer, such as a portal's OTP; lists them when nothing else is said."""
    if ctx.invoked_subcommand is None:
        list_(as_json=False)


@app.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """List the clients that wait for a person.

    Example: clientsync otp list
    """
    from clientsync.clients.selection import list_clients
    from clientsync.database import reading
    from clientsync.ledger.challenges import open_challenges

    with open_services() as services:
        waiting = open_challenges(services.engine)
        with reading(services.engine) as connection:
            names = {one.client_id: one.name for one in list_clients(connection, only_active=False)}
    if as_json:
        put_json(waiting)
        return
    put_table(
        ["client", "name", "what", "state", "since", "OTP asked for", "what to do"],
        [
            (
                row["client_id"],
                names.get(row["client_id"], ""),
                row["kind"],
                row["state"],
                row["raised_at"],
                row["requested_at"],
                row["prompt"],
            )
            for row in waiting
        ],
        none="Nobody waits.",
    )


@app.command()
def request(client: Client, portal: Portal = "gst") -> None:
    """Make the portal send an OTP to the client's registered mobile and e-mail.

    Example: clientsync otp request C0001
    """
    from clientsync.sync.challenges import request_otp

    with open_services() as services:
        request_otp(services, client, portal)
    put(f"The portal sends an OTP to {client}. Answer it with: clientsync otp answer {client}")


@app.command()
def answer(
    client: Client,
    otp_stdin: Annotated[bool, typer.Option("--otp-stdin", help="Read the OTP from standard input.")] = False,
    portal: Portal = "gst",
    as_json: AsJson = False,
) -> None:
    """Open the client's session with the OTP, which is asked for unseen; exactly the units that waited go on.

    Example: clientsync otp answer C0001
    """
    from clientsync.cli.sync import finish, run_watched
    from clientsync.clients.selection import select_clients
    from clientsync.database import reading
    from clientsync.errors import InvalidInput
    from clientsync.sync.challenges import accept_otp, waiting_plan

    with open_services() as services:
        with reading(services.engine) as connection:
            select_clients(connection, [client])
        given = read_secret(f"OTP of {client}", from_stdin=otp_stdin)
        if not re.fullmatch(r"\d{4,8}", given):
            raise InvalidInput("An OTP is 4 to 8 digits; it was not sent, ask for it again.")
        accept_otp(services, client, given, portal)
        planned = waiting_plan(services, client, portal)
        if not planned.keys:
            put("The session is open; no unit waited for it.")
            return
        finish(services, run_watched(services, planned, "answer", is_live=not as_json), as_json=as_json)
