"""``clientsync answers``: what the portals answered, byte for byte: save it to look at, forget what is old."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from clientsync.cli.screen import open_services, put

app = typer.Typer(
    help="What the portals answered, byte for byte: save it to look at, forget what is old.",
    no_args_is_help=True,
)


@app.command()
def save(
    unit: Annotated[
        str, typer.Argument(metavar="UNIT", help="Id of a unit, as `clientsync exceptions` names it.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder; made when it is not there.")],
) -> None:
    """Write what a unit received into a folder, a file for each section and page, to compare or to show.

    The files hold the client's data in clear.

    Example: clientsync answers save 01JD8XK3Q7 --out evidence
    """
    from clientsync.database import reading
    from clientsync.drafts import whole_file
    from clientsync.errors import InvalidInput
    from clientsync.ledger.runs import has_unit
    from clientsync.warehouse.payloads import read_answers

    with open_services() as services, reading(services.engine) as connection:
        if not has_unit(connection, unit):
            raise InvalidInput(
                f"There is no unit {unit!r}. `clientsync exceptions --json` lists ids of units."
            )
        found = read_answers(connection, unit)
    if not found:
        put("Nothing is kept of this unit: it was not asked for, nothing came, or it was purged.")
        return
    for section, pages in found.items():
        for number, page in enumerate(pages, 1):
            ending = "json" if page.lstrip()[:1] in (b"{", b"[") else "txt"
            path = out / f"{section}-{number}.{ending}"
            with whole_file(path) as draft:
                draft.write_bytes(page)
            put(f"Wrote {path}")


@app.command()
def purge(
    days: Annotated[
        int, typer.Option("--days", min=30, help="What is older goes, in days; at least a month.")
    ] = 400,
    is_trial: Annotated[bool, typer.Option("--dry-run", help="Say how much would go; nothing does.")] = False,
) -> None:
    """Forget answers of long ago; rows, history and reports stay, and so does what suspect and broken units received.

    The database file does not get smaller; the space is used again.

    Example: clientsync answers purge --days 800 --dry-run
    """
    from clientsync.database import writing
    from clientsync.warehouse.payloads import purge as forget

    with open_services() as services:
        before = services.now() - timedelta(days=days)
        with writing(services.engine) as connection:
            gone = forget(connection, before, is_trial=is_trial)
    count = f"{gone.payloads} {'answer' if gone.payloads == 1 else 'answers'}"
    words = f"{count}, {gone.size / 1_000_000:.1f} MB as received,"
    put(f"{words} {'would go' if is_trial else 'went'}; they came before {before:%d %B %Y}.")
