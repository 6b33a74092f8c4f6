"""``clientsync db``: the warehouse's tables: upgrade, new revision, data dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clientsync.cli.screen import open_services, put

app = typer.Typer(
    help="The warehouse's tables: upgrade, new revision, data dictionary.", no_args_is_help=True
)


@app.command()
def upgrade() -> None:
    """Bring the warehouse to the newest migration; does nothing when it is there.

    Example: clientsync db upgrade
    """
    with open_services():
        put("The warehouse is at the newest migration.")


@app.command()
def revise(message: Annotated[str, typer.Argument(metavar="TEXT", help="What changes, in words.")]) -> None:
    """Write a migration for what modules declare and the migrations do not have yet; for developers.

    Example: clientsync db revise "add the place of supply to 2B"
    """
    from clientsync.errors import InvalidInput
    from clientsync.registry import all_tables
    from clientsync.warehouse.revise import revise

    if not message.strip():
        raise InvalidInput("A revision needs a sentence that says what changes.")
    path = revise(message.strip().rstrip("."), list(all_tables().values()))
    put(f"Wrote {path}" if path else "Migrations and modules agree: nothing to write.")


@app.command()
def dictionary(
    out: Annotated[Path | None, typer.Option("--out", help="File; standard output when left out.")] = None,
) -> None:
    """Write the data dictionary: every table and column in words.

    Example: clientsync db dictionary --out data-dictionary.md
    """
    from clientsync.drafts import whole_file
    from clientsync.registry import all_tables
    from clientsync.warehouse.dictionary import data_dictionary

    text = data_dictionary(all_tables().values())
    if out is None:
        typer.echo(text)
        return
    with whole_file(out) as draft:
        draft.write_text(text, encoding="utf-8")
    put(f"Wrote {out}")
