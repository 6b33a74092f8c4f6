"""``clientsync import`` and ``watch``: files that a person downloaded from the portal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clientsync.cli.screen import EXIT_NOT_DONE, open_services, put, put_json, put_table, say

if TYPE_CHECKING:
    from clientsync.imports import FileResult

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(name="import")(import_)
    app.command()(watch)


def import_(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or folders of files.")],
    client: Annotated[
        str | None, typer.Option("--client", help="Whose they are, for files that do not say it (IMS).")
    ] = None,
    period: Annotated[
        str | None, typer.Option("--period", help="MMYYYY, for files that do not say it (balances).")
    ] = None,
    release: Annotated[
        str,
        typer.Option(
            "--release", help="Load what would be held as suspect; say what you compared, it is kept."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Load files from the portal (.json, .zip, .gz): recognised by content, checked and loaded like its answers.

    A file that was imported before changes nothing. Exit code 3 when a file was refused, or holds only
    a part of its statement and the rest was not read.

    Example: clientsync import downloads/ --client C0001
    """
    from clientsync.imports import import_paths

    with open_services() as services:
        results = import_paths(services, paths, client=client, period=period, release_reason=release)
    _put_results(results, as_json=as_json)
    if any(not result.is_done for result in results):
        raise typer.Exit(EXIT_NOT_DONE)


def watch(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="The folder; watch_folder of the settings when left out."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Import what lies there and end.")] = False,
) -> None:
    """Load every file that is laid into a folder; then it moves to done/, or to refused/ beside its reason.

    Example: clientsync watch ~/portal-downloads
    """
    from clientsync.imports import checked_folder, import_folder, watch_folder
    from clientsync.sync.signals import stopping_on_signals

    with open_services() as services:
        place = checked_folder(folder or services.settings.watch_folder)
        if once:
            results = import_folder(services, place)
            _put_results(results, as_json=False)
            if any(not result.is_done for result in results):
                raise typer.Exit(EXIT_NOT_DONE)
            return
        with stopping_on_signals(services.stop):
            say(f"Watching {place}; ctrl-c ends it.")
            for results in watch_folder(services, place):
                _put_results(results, as_json=False)


def _put_results(results: list[FileResult], *, as_json: bool) -> None:
    if as_json:
        put_json([result.as_row() | {"run": result.run_id, "path": str(result.path)} for result in results])
        return
    put_table(
        ["file", "statement", "client", "period", "result", "rows", "held", "reason"],
        [
            (
                result.path.name + (f" / {result.member}" if result.member else ""),
                result.label,
                result.client_id,
                result.period,
                result.outcome.replace("_", " "),
                result.rows_loaded,
                result.rows_quarantined,
                result.reason,
            )
            for result in results
        ],
        none="There are no files.",
    )
    loaded = sum(result.is_loaded for result in results)
    partial = sum(bool(result.unread) for result in results)
    put(
        f"{loaded} of {len(results)} loaded"
        + (f", {partial} of them a part of a statement." if partial else ".")
    )
