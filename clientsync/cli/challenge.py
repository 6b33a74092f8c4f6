"""``clientsync challenge``: the queue of what only a person can do, for portals that ask for more than an OTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clientsync.cli.screen import open_services, put, put_json, put_table

app = typer.Typer(
    help="What only a person can do: pictures to read, passwords to renew, second factors.",
    no_args_is_help=True,
)

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Client id.")]
System = Annotated[str, typer.Option("--system", help="Which outside system, for example tds.")]
Portal = Annotated[
    str, typer.Option("--portal", help="Which of its portals, when several wait: income_tax or traces.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
HIDDEN = ("image",)


@app.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """List everything that waits for a person, oldest first.

    Example: clientsync challenge list
    """
    from clientsync.ledger.challenges import open_challenges

    with open_services() as services:
        waiting = open_challenges(services.engine)
    shown = [{name: value for name, value in row.items() if name not in HIDDEN} for row in waiting]
    if as_json:
        put_json(shown)
        return
    put_table(
        ["client", "system", "portal", "what", "state", "since", "good until", "what to do"],
        [
            tuple(
                row[name]
                for name in (
                    "client_id",
                    "connector",
                    "portal",
                    "kind",
                    "state",
                    "raised_at",
                    "expires_at",
                    "prompt",
                )
            )
            for row in shown
        ],
        none="Nobody waits.",
    )


@app.command()
def show(
    client: Client,
    out: Annotated[Path, typer.Option(help="Where to write the picture (PNG).")] = Path("captcha.png"),
    system: System = "tds",
    portal: Portal = "",
) -> None:
    """Write the picture of a client's challenge to a file; a fresh one is asked for when the last is too old.

    Example: clientsync challenge show C0001 --out captcha.png
    """
    from clientsync.sync.challenges import open_challenge, picture

    with open_services() as services:
        waiting = open_challenge(services, client, system, portal)
        image = picture(services, waiting)
    if image is None:
        put(f"There is no picture to read. {waiting['prompt']}")
        return
    out.write_bytes(image)
    put(f"Wrote {out}. Answer it soon: clientsync challenge answer {client}")


@app.command()
def answer(
    client: Client,
    text: Annotated[
        str | None, typer.Option("--text", help="What the picture shows; asked for when left out.")
    ] = None,
    system: System = "tds",
    portal: Portal = "",
    as_json: AsJson = False,
) -> None:
    """Answer a client's challenge; exactly the units that waited go on.

    A picture's characters are typed. For a password or a second factor, settle it first (`clientsync secrets set`, or
    on the portal), then answer: nothing is typed here.

    Example: clientsync challenge answer C0001
    """
    from clientsync.cli.sync import finish, run_watched
    from clientsync.sync.challenges import TYPED, accept_answer, open_challenge, waiting_plan

    with open_services() as services:
        waiting = open_challenge(services, client, system, portal)
        accept_answer(services, waiting, _typed(waiting, text) if waiting["kind"] in TYPED else "")
        planned = waiting_plan(services, client, system)
        if not planned.keys:
            put("Done; no unit waited for it.")
            return
        finish(services, run_watched(services, planned, "answer", is_live=not as_json), as_json=as_json)


def _typed(waiting: dict[str, Any], text: str | None) -> str:
    from clientsync.errors import InvalidInput

    given = (text if text is not None else str(typer.prompt(f"Picture of {waiting['client_id']}"))).strip()
    if not given:
        raise InvalidInput("Nothing was typed; the picture waits.")
    return given
