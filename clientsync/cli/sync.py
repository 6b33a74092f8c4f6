"""``clientsync sync``, ``resync-failed`` and ``release``: runs from the command line, watched while they work."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.screen import (
    EXIT_ERROR,
    EXIT_NOT_DONE,
    console,
    many,
    open_services,
    put,
    put_json,
    put_table,
    say,
)

if TYPE_CHECKING:
    from clientsync.sync.planning import Plan
    from clientsync.sync.services import Services

SHOWN_EXCEPTIONS = 15

Workers = Annotated[int | None, typer.Option(min=1, max=256, help="Clients worked on at once.")]
NoLive = Annotated[bool, typer.Option("--no-live", help="No moving view.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which units and calls it would be.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(sync)
    app.command(name="resync-failed")(resync_failed)
    app.command()(release)


def sync(
    connector: Annotated[str, typer.Argument(metavar="PORTAL", help="Which portal, for example gst.")],
    clients: Annotated[
        list[str] | None,
        typer.Option("--clients", help="Client ids, groups or 'All clients'; all active ones when left out."),
    ] = None,
    groups: Annotated[list[str] | None, typer.Option("--groups", help="Groups of clients.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Clients or groups to leave out.")
    ] = None,
    modules: Annotated[
        list[str] | None,
        typer.Option("--modules", help="Module groups such as 'Only 2B', or ALL (the default)."),
    ] = None,
    period: Annotated[
        list[str] | None,
        typer.Option(
            "--period", help="MMYYYY, or a range MMYYYY:MMYYYY; the newest open month when left out."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read also what is settled and rests for some days.")
    ] = False,
    dry_run: DryRun = False,
    workers: Workers = None,
    no_live: NoLive = False,
    as_json: AsJson = False,
) -> None:
    """Synchronise modules of clients for months; what cannot be done is reported and tried again.

    Options that take several values may be repeated or separated by commas. Exit code 3: the run ended, and some
    units are not done.

    Example: clientsync sync gst --groups North --modules "Only 2B" --period 102026 --dry-run
    """
    from clientsync.sync.service import Selection, plan

    with open_services() as services:
        planned = plan(
            services,
            Selection(
                connector=connector,
                clients=many(clients),
                groups=many(groups),
                exclude=many(exclude),
                modules=many(modules) or ("ALL",),
                periods=many(period),
                full=full,
            ),
        )
        _go(services, planned, "manual", dry_run, workers, no_live, as_json)


def resync_failed(
    run: Annotated[str | None, typer.Option("--run", help="An earlier run; all runs when left out.")] = None,
    outcome: Annotated[
        list[str] | None, typer.Option("--outcome", help="Only units that ended so, for example transient.")
    ] = None,
    dry_run: DryRun = False,
    workers: Workers = None,
    no_live: NoLive = False,
    as_json: AsJson = False,
) -> None:
    """Run again only what is not done; what has been mended since is left alone.

    Example: clientsync resync-failed --outcome transient
    """
    from clientsync.sync.service import Plan, Selection, close_interrupted, resync_plans

    with open_services() as services:
        close_interrupted(services)
        plans = resync_plans(services, run, outcomes=many(outcome))
        if not plans and not as_json:
            put("Nothing is left to do that could succeed now.")
            return
        not_done = 0
        for planned in plans or [Plan(Selection())]:
            try:
                _go(services, planned, "resync", dry_run, workers, no_live, as_json)
            except typer.Exit as ended:
                not_done = max(not_done, ended.exit_code)
        if not_done:
            raise typer.Exit(not_done)


def release(
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="Id of a suspect unit, from the exceptions.")],
    reason: Annotated[str, typer.Option("--reason", help="What you compared; kept with the decision.")],
    as_json: AsJson = False,
) -> None:
    """Load a unit that was held as suspect, after you compared it with the portal.

    Example: clientsync release run-018f3a2b9c01-5f2a9c-00012 --reason "compared, the portal removed them"
    """
    from clientsync.errors import InvalidInput
    from clientsync.sync.service import release as release_unit

    if not reason.strip():
        raise InvalidInput("A release needs a reason.")
    with open_services() as services:
        finish(services, release_unit(services, unit, reason.strip()), as_json=as_json)


def _go(
    services: Services,
    planned: Plan,
    kind: str,
    dry_run: bool,
    workers: int | None,
    no_live: bool,
    as_json: bool,
) -> None:
    if dry_run or not planned.keys:
        _put_plan(planned, as_json=as_json)
        return
    if workers is not None:
        services.settings = services.settings.model_copy(update={"workers": workers})
    run_id = run_watched(services, planned, kind, is_live=not no_live and not as_json)
    finish(services, run_id, as_json=as_json)


def _put_plan(planned: Plan, *, as_json: bool) -> None:
    from clientsync.reports.summary import left_out_words

    reasons: dict[str, int] = {}
    for *_, reason in planned.skipped:
        reasons[reason] = reasons.get(reason, 0) + 1
    lines = planned.lines()
    if as_json:
        put_json(
            {
                "units": len(planned.keys),
                "clients": len(planned.clients),
                "expected_calls": planned.expected_calls,
                "naive_calls": planned.naive_calls,
                "modules": lines,
                "skipped": reasons,
                "left_out": planned.left_out,
            }
        )
        return
    put_table(
        ["module", "units", "calls if all were asked"],
        [(line["module"], line["units"], line["naive_calls"]) for line in lines],
        none="The selection holds no units.",
    )
    if lines:
        put(
            f"{len(planned.keys)} units of {len(planned.clients)} clients; about {planned.expected_calls} calls, "
            f"{planned.naive_calls} if everything were asked. Nothing was written."
        )
    for reason, count in sorted(reasons.items()):
        say(f"{count} units left out: {reason}.")
    for words in left_out_words(planned.left_out.items()):
        say(f"Nothing is asked about {words}.")


def run_watched(services: Services, planned: Plan, kind: str, *, is_live: bool) -> str:
    """Work on a plan with the live view where there is a terminal; ctrl-c stops it in good order."""
    from clientsync.reports.live import LiveView, read_progress
    from clientsync.sync.service import run

    screen = console()
    with ExitStack() as stack:

        def begun(run_id: str) -> None:
            say(f"Run {run_id}: {len(planned.keys)} units of {len(planned.clients)} clients.")
            if is_live and screen.is_terminal:
                view = LiveView(lambda: read_progress(services.engine, run_id), console=screen, title=run_id)
                stack.enter_context(view)

        return run(services, planned, kind=kind, on_start=begun)


def finish(services: Services, run_id: str, *, as_json: bool) -> None:
    """Show what a run came to, write its workbook, and exit with 3 when units are not done.

    A workbook that cannot be written hides nothing of the run; it is told last, with exit code 1 when all is done.
    """
    from clientsync.errors import InvalidInput, OutOfSpace
    from clientsync.reports.exceptions import read_exceptions
    from clientsync.reports.summary import read_summary, render_summary_terminal
    from clientsync.reports.workbook import write_workbook

    summary = read_summary(services.engine, run_id)
    lines = read_exceptions(services.engine, run_id)
    path = _report_path(services, run_id)
    trouble = ""
    try:
        write_workbook(services.engine, run_id, path)
    except (OutOfSpace, InvalidInput) as error:
        trouble = error.message
    if as_json:
        put_json(
            {
                "run_id": run_id,
                "verdict": summary.verdict,
                "is_complete": summary.is_complete,
                "units": summary.total.units,
                "not_done": summary.total.not_done,
                "exceptions": len(lines),
                "left_out": dict(summary.left_out),
                "workbook": "" if trouble else str(path),
            }
        )
    else:
        screen = console()
        screen.print(render_summary_terminal(summary))
        if lines:
            put("")
            put_exceptions(lines[:SHOWN_EXCEPTIONS])
            if len(lines) > SHOWN_EXCEPTIONS:
                put(f"… {len(lines) - SHOWN_EXCEPTIONS} more: clientsync exceptions {run_id}")
        if not trouble:
            put(f"Workbook: {path}")
    if trouble:
        say(f"There is no workbook: {trouble} Later: clientsync exceptions {run_id} --xlsx FILE")
    if not summary.is_complete:
        raise typer.Exit(EXIT_NOT_DONE)
    if trouble:
        raise typer.Exit(EXIT_ERROR)


def put_exceptions(lines: list[Any]) -> None:
    """Write exception lines as a table."""
    head = ["client", "module", "period", "what happened", "what to do", "tried next"]
    put_table(head, [[line.as_row()[name] for name in head] for line in lines], none="No exceptions.")


def _report_path(services: Services, run_id: str) -> Path:
    return services.settings.home / "reports" / f"{run_id}.xlsx"
