"""``clientsync reconcile gst`` and what follows it: read back, see what changed, decide, take back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.reconcile import SHOWN_EXCEPTIONS, AsJson, day_of, put_lines, rupees_shown
from clientsync.cli.screen import EXIT_NOT_DONE, many, open_services, put, put_json, put_table, say

if TYPE_CHECKING:
    from clientsync.reports.matches import MatchLine
    from clientsync.sync.all_recons import AllRuns

SHOWN_DOCUMENTS = 30

Recon = Annotated[
    str, typer.Argument(metavar="RECONCILIATION", help="2B-BOOKS, 2A-BOOKS, IMS-BOOKS or R1-BOOKS.")
]
Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Id of a client.")]
Matches = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Ids of groups, or their beginnings, as `documents` shows them."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; others read it.")]
By = Annotated[str, typer.Option("--by", help="Who decides; the name of your system account when left out.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the subject."""
    for command in (gst, documents, changes, accept, ignore, link, unlink, revoke, decisions, matching):
        app.command()(command)


def gst(
    reconciliations: Annotated[
        list[str] | None,
        typer.Option(
            "--reconciliations",
            help="2B-BOOKS, 2A-BOOKS, IMS-BOOKS, R1-BOOKS, RETURNS; all when left out.",
        ),
    ] = None,
    clients: Annotated[
        list[str] | None,
        typer.Option("--clients", help="Client ids, groups or 'All clients'; all when left out."),
    ] = None,
    groups: Annotated[list[str] | None, typer.Option("--groups", help="Groups of clients.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Day whose data is compared, 2026-11-20; today when left out."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare documents and store nothing; RETURNS is left out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the books with the GST portal, and the portal's statements with each other; asks nothing of the portal.

    A reconciliation is clean only when all its data is complete. Exit code 3: something is not clean.

    Example: clientsync reconcile gst --reconciliations 2B-BOOKS --clients C0001
    """
    from clientsync.sync.all_recons import reconcile_all

    day = day_of(as_of)
    with open_services() as services:
        runs = reconcile_all(
            services.engine,
            "gst",
            day,
            many(reconciliations),
            many(clients),
            many(groups),
            is_trial=dry_run,
            on_progress=_tell,
        )
    if as_json:
        put_json(_as_json(runs))
    else:
        _put_runs(runs, is_trial=dry_run)
    for client, why in runs.failed:
        say(f"{client} could not be reconciled: {why}")
    if not runs.is_clean:
        raise typer.Exit(EXIT_NOT_DONE)


def _tell(name: str, done: int, of: int) -> None:
    if of > 1:
        say(f"{name}: {done} of {of} clients")


def _put_runs(runs: AllRuns, *, is_trial: bool) -> None:
    from clientsync.reports.reconciliations import counts, verdict

    stored = "A trial, nothing is stored" if is_trial else f"Run {runs.run_id}"
    put(f"As of {runs.as_of:%d-%m-%Y}. {stored}. {verdict(runs.states, len(runs.failed))}")
    rows = counts(runs.states)
    put_table(list(rows[0]) if rows else [], [tuple(row.values()) for row in rows], none="No results.")
    for run in runs.documents:
        found = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(run.counts.items()))
        changed = "" if is_trial else f"; {run.opened} came, {run.closed} went since the run before"
        put(f"{run.recon}: {found or 'no documents'}{changed}.")
        if not run.is_stored and not is_trial:
            say(f"{run.recon}: some clients have a run of a later day; for them nothing was stored.")
        _say_left_out(run.recon, run.left_out)
    if runs.lines:
        put("")
        put_lines(runs.lines[:SHOWN_EXCEPTIONS])
        if len(runs.lines) > SHOWN_EXCEPTIONS:
            put(
                f"… {len(runs.lines) - SHOWN_EXCEPTIONS} more: clientsync reconcile show CLIENT --connector gst"
            )
    put("")
    put("Documents one by one: clientsync reconcile documents CLIENT")


def _say_left_out(recon: str, left_out: list[tuple[str, str]]) -> None:
    reasons: dict[str, list[str]] = {}
    for client_id, why in left_out:
        reasons.setdefault(why, []).append(client_id)
    for why, clients in reasons.items():
        shown = ", ".join(clients[:5]) + (f" and {len(clients) - 5} more" if len(clients) > 5 else "")
        say(f"{recon}: not compared: {shown}: {why}.")


def _as_json(runs: AllRuns) -> dict[str, Any]:
    from clientsync.reports.reconciliations import counts, verdict

    return {
        "run_id": runs.run_id,
        "as_of": runs.as_of,
        "verdict": verdict(runs.states, len(runs.failed)),
        "is_clean": runs.is_clean,
        "reconciliations": counts(runs.states),
        "documents": {run.recon: dict(sorted(run.counts.items())) for run in runs.documents},
        "exceptions": [line.as_json() for line in runs.lines],
        "incomplete": [
            {"client": one.client_id, "reconciliation": one.recon, "missing": list(one.missing)}
            for one in runs.states
            if one.missing
        ],
        "left_out": {run.recon: dict(run.left_out) for run in runs.documents if run.left_out},
        "failed": [{"client": client, "why": why} for client, why in runs.failed],
    }


def documents(
    client: Client,
    reconciliations: Annotated[
        list[str] | None, typer.Option("--reconciliations", help="Names; all when left out.")
    ] = None,
    period: Annotated[str, typer.Option("--period", help="Month, MMYYYY; every month when left out.")] = "",
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="exact, suggested, mismatch, missing_here, missing_there and so on."),
    ] = None,
    run: Annotated[str, typer.Option("--run", help="A past run, read back exactly.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Also what waits for nobody.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the matched documents of a client: what waits for a person, or everything.

    Example: clientsync reconcile documents C0001 --reconciliations 2B-BOOKS --period 102026
    """
    from clientsync.periods import Period
    from clientsync.reports.matches import read_document_states, read_matches

    month = str(Period.parse(period)) if period else ""
    names = _names(many(reconciliations))
    with open_services() as services:
        client_id = _client(services.engine, client)
        states = read_document_states(services.engine, names, (client_id,))
        lines = list(
            read_matches(
                services.engine,
                names,
                (client_id,),
                run_id=run,
                period=month,
                statuses=many(status),
                only_open=not (every or status),
            )
        )
    if as_json:
        put_json([_line_json(line) for line in lines])
        return
    nothing = "No documents wait for a person; --all shows every document."
    if run or every or status:
        nothing = "There are no such documents."
    if not states:
        nothing = _never_compared(client_id)
    _put_documents(lines, nothing)
    for one in states:
        if one.missing and not run:
            say(f"{one.recon} is incomplete: {', '.join(one.missing)}")


def _never_compared(client_id: str) -> str:
    return f"Its documents were never compared: clientsync reconcile gst --clients {client_id}"


def _put_documents(lines: list[MatchLine], nothing: str) -> None:
    from clientsync.reports.matches import STATUS_WORDS

    put_table(
        [
            "id",
            "rec.",
            "month",
            "status",
            "score",
            "books",
            "portal",
            "taxable diff.",
            "tax diff.",
            "why",
            "what to do",
        ],
        [
            (
                line.match_id[:8],
                line.recon,
                line.period,
                STATUS_WORDS[line.status] + (f" ({line.decision})" if line.decision else ""),
                line.score,
                _document(line.left_number, line.left_taxable_paise, line.left_count),
                _document(line.right_number, line.right_taxable_paise, line.right_count),
                rupees_shown(line.taxable_difference_paise),
                rupees_shown(line.tax_difference_paise),
                line.decision_reason or line.reason,
                line.action,
            )
            for line in lines[:SHOWN_DOCUMENTS]
        ],
        none=nothing,
    )
    if len(lines) > SHOWN_DOCUMENTS:
        put(f"… {len(lines) - SHOWN_DOCUMENTS} more: narrow with --period and --status, or use --json.")


def _document(number: str, taxable_paise: int, count: int) -> str:
    if not count:
        return "–"
    return f"{number} ({rupees_shown(taxable_paise)})"


def _line_json(line: MatchLine) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(line)


def changes(
    client: Client,
    reconciliations: Annotated[
        list[str] | None, typer.Option("--reconciliations", help="Names; all when left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the newest run of a client added and what no longer stands since.

    Example: clientsync reconcile changes C0001
    """
    from sqlalchemy import column, select, table

    from clientsync.database import reading
    from clientsync.reports.matches import read_document_states

    names = (
        "change",
        "recon",
        "period",
        "status",
        "left_number",
        "right_number",
        "tax_difference_rupees",
        "reason",
    )
    view = table("v_recon_match_changes", column("client_id"), *(column(name) for name in names))
    with open_services() as services:
        client_id = _client(services.engine, client)
        statement = select(*(view.c[name] for name in names)).where(view.c.client_id == client_id)
        wanted = _names(many(reconciliations))
        if wanted:
            statement = statement.where(view.c.recon.in_(wanted))
        with reading(services.engine) as connection:
            rows = [dict(row) for row in connection.execute(statement).mappings()]
        states = read_document_states(services.engine, wanted, (client_id,))
    rows.sort(
        key=lambda row: (row["recon"], row["period"][2:], row["period"], row["change"], row["left_number"])
    )
    if as_json:
        put_json(rows)
        return
    head = ["change", "rec.", "month", "status", "books", "portal", "tax difference", "why"]
    nothing = "Nothing changed with the newest run." if states else _never_compared(client_id)
    put_table(head, [tuple(row.values()) for row in rows], none=nothing)


def accept(client: Client, recon: Recon, ids: Matches, reason: Reason = "", by: By = "") -> None:
    """Accept groups as they are: they no longer wait for a person until their values change.

    Example: clientsync reconcile accept C0001 2B-BOOKS 3f2a91c0 --reason "freight booked apart"
    """
    _decide("accept", client, recon, ids, reason, by)


def ignore(client: Client, recon: Recon, ids: Matches, reason: Reason, by: By = "") -> None:
    """Ignore groups, with a reason; they stay visible and no longer wait for a person.

    Example: clientsync reconcile ignore C0001 2B-BOOKS 3f2a91c0 --reason "personal purchase"
    """
    _decide("ignore", client, recon, ids, reason, by)


def link(client: Client, recon: Recon, ids: Matches, reason: Reason = "", by: By = "") -> None:
    """Link documents by hand: all documents of the named groups become one group.

    Example: clientsync reconcile link C0001 2B-BOOKS 3f2a91c0 9b1d0c44
    """
    _decide("link", client, recon, ids, reason, by)


def unlink(client: Client, recon: Recon, ids: Matches, reason: Reason = "", by: By = "") -> None:
    """Part documents that were put together; they are never matched with each other again.

    Example: clientsync reconcile unlink C0001 2B-BOOKS 3f2a91c0 --reason "another invoice"
    """
    _decide("unlink", client, recon, ids, reason, by)


def _decide(kind: str, client: str, recon: str, ids: list[str], reason: str, by: str) -> None:
    from clientsync.sync.match_decisions import decide

    with open_services() as services:
        client_id = _client(services.engine, client)
        (name,) = _names((recon,))
        made = decide(services.engine, client_id, name, kind, many(ids), reason=reason, by=by or _account())
        for one in made:
            put(f"Stored decision {one.decision_id}: {kind}.")
            put(f"Take it back with: clientsync reconcile revoke {one.decision_id}")
        _again(services.engine, name, client_id)


def revoke(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="Id of a decision.")],
    reason: Reason = "",
    by: By = "",
) -> None:
    """Take a decision back; it stays in the list of decisions with the moment and the reason.

    Example: clientsync reconcile revoke match-019a2b3c4d5e-0011223344 --reason "wrong invoice"
    """
    from clientsync.sync.match_decisions import revoke as take_back

    with open_services() as services:
        one = take_back(services.engine, decision, reason=reason, by=by or _account())
        put(f"Taken back: {one.kind} of {one.client_id} in {one.recon}.")
        _again(services.engine, one.recon, one.client_id)


def decisions(
    client: Client,
    revoked: Annotated[bool, typer.Option("--revoked", help="Also those that were taken back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what persons decided on the documents of a client, newest first.

    Example: clientsync reconcile decisions C0001 --revoked
    """
    from dataclasses import asdict

    from clientsync.sync.match_decisions import read_decisions

    with open_services() as services:
        found = read_decisions(services.engine, _client(services.engine, client), with_revoked=revoked)
    if as_json:
        put_json([asdict(one) for one in found])
        return
    put_table(
        ["decision", "rec.", "kind", "documents", "reason", "by", "decided", "taken back"],
        [
            (
                one.decision_id,
                one.recon,
                one.kind,
                len(one.left_ids) + len(one.right_ids),
                one.reason,
                one.decided_by,
                one.decided_at,
                one.revoked_at,
            )
            for one in found
        ],
        none="Nothing was decided.",
    )


def matching(
    client: Client,
    put_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="NAME=NUMBER, repeatable: paise, basis_points, near_days, fuzzy_score and so on."
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Back to the usual settings.")] = False,
) -> None:
    """Show or change how the documents of a client are matched: tolerances, near dates, size of groups.

    Example: clientsync reconcile matching C0001 --set paise=500 --set near_days=15
    """
    from clientsync.errors import InvalidInput
    from clientsync.sync.documents import read_matching, write_matching

    changed: dict[str, int] = {}
    for pair in put_ or []:
        name, _, number = pair.partition("=")
        if not number.strip().isdigit():
            raise InvalidInput(f"--set {pair!r} cannot be read. Valid: --set NAME=NUMBER.")
        changed[name.strip()] = int(number)
    with open_services() as services:
        client_id = _client(services.engine, client)
        if changed or clear:
            before = {} if clear else read_matching(services.engine, client_id)
            write_matching(services.engine, client_id, {**before, **changed})
        own = read_matching(services.engine, client_id)
    put_table(
        ["setting", "value"], sorted(own.items()), none="The usual settings: one rupee for each amount."
    )


def _again(engine: Any, recon: str, client_id: str) -> None:
    """Run the reconciliation of one client again, so that a decision shows at once."""
    from clientsync.clock import today
    from clientsync.sync.documents import recon_named, reconcile_documents

    run = reconcile_documents(engine, recon_named("gst", recon), today(), (client_id,))
    put(f"{recon} of {client_id} anew: {run.opened} groups came, {run.closed} went. Run {run.run_id}")


def _client(engine: Any, client: str) -> str:
    from clientsync.clients.selection import select_clients
    from clientsync.database import reading
    from clientsync.errors import InvalidInput

    with reading(engine) as connection:
        found = select_clients(connection, (client,), only_active=False)
    if len(found) != 1:
        raise InvalidInput(f"{client!r} names {len(found)} clients; name one.")
    return str(found[0].client_id)


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    from clientsync.sync.documents import recon_named

    return tuple(recon_named("gst", name).name for name in names)


def _account() -> str:
    import getpass

    return getpass.getuser()
