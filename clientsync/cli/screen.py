"""What commands share: the screen, tables, JSON, errors as one sentence, and services that are closed again.

Data are never read as markup. Results go to standard output, everything else to standard error, so that a
command with ``--json`` can be piped.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from clientsync.errors import ConfigError, SyncError

if TYPE_CHECKING:
    from rich.console import Console

    from clientsync.sync.services import Services

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_NOT_DONE = 3


def guarded(action: Callable[[], Any]) -> Any:
    """Run an action; an error of the product ends the command with one sentence and its exit code."""
    try:
        return action()
    except SyncError as error:
        say(f"Error: {shown(error.message)}")
        if isinstance(error, ConfigError):
            raise typer.Exit(EXIT_USAGE) from None
        say(f"What to do: {error.next_step}")
        raise typer.Exit(EXIT_ERROR) from None


class GuardedGroup(TyperGroup):
    """The root command: errors of the product leave it as one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        return guarded(lambda: super(GuardedGroup, self).invoke(ctx))


def shown(text: str) -> str:
    """Return text without characters that would steer a terminal."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)


def say(text: str) -> None:
    """Write a line to standard error: notes, warnings, errors."""
    typer.echo(shown(text), err=True)


def put(text: str) -> None:
    """Write a line of result to standard output."""
    typer.echo(shown(text))


def put_json(value: Any) -> None:
    """Write a result as JSON to standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def console() -> Console:
    """Return a console on standard output; piped output is wide enough for every column."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "200"))
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def put_table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, none: str = "None.") -> None:
    """Write a table; ``none`` when it has no rows."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False, header_style="bold", pad_edge=False)
    for name in head:
        table.add_column(Text(name), overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(Text(shown(_words(value))) for value in row))
        count += 1
    if count:
        console().print(table)
    else:
        put(none)


def put_rows(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Write rows as JSON, or as a table whose head is that of the first row."""
    if as_json:
        put_json(rows)
    else:
        put_table(list(rows[0]) if rows else ["nothing"], [tuple(row.values()) for row in rows])


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        from clientsync.reports.words import local

        return local(value)
    if isinstance(value, date):
        return f"{value:%d-%m-%Y}"
    return str(value)


def many(values: Sequence[str] | None, *, may_be_empty: bool = False) -> tuple[str, ...]:
    """Return the values of an option that may be repeated or hold several, separated by commas.

    Raises:
        InvalidInput: the option was given and names nothing, as by an empty variable of a script; left out, most
            options mean everything, so it must not count as left out. Not where it ``may_be_empty``.
    """
    from clientsync.errors import InvalidInput

    parts = (part.strip() for value in values or () for part in value.split(","))
    found = tuple(dict.fromkeys(part for part in parts if part))
    if values and not found and not may_be_empty:
        raise InvalidInput("An option was given without a name. Name something, or leave the option out.")
    return found


@contextmanager
def open_services() -> Iterator[Services]:
    """Yield the services that the settings describe, and close them."""
    from clientsync.redact import install
    from clientsync.sync.services import services_from_settings

    install()
    services = services_from_settings()
    try:
        yield services
    finally:
        services.close()


def read_secret(prompt: str, *, from_stdin: bool) -> str:
    """Return what a person types unseen, or the first line of standard input; it is never an argument.

    Raises:
        InvalidInput: nothing was given.
    """
    from clientsync.errors import InvalidInput

    text = (
        sys.stdin.readline()
        if from_stdin
        else typer.prompt(prompt, hide_input=True, default="", show_default=False)
    )
    if not text.strip():
        raise InvalidInput("Nothing was given.")
    return str(text).strip()
