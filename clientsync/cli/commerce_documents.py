"""``clientsync commerce``, the two lists: Synchronization Status and Webhook Log, and what a person decides there."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.commerce import NOT_DONE, AsJson, Name, day_of, opened, person, work
from clientsync.cli.screen import EXIT_NOT_DONE, many, put, put_json, put_rows, put_table, say

if TYPE_CHECKING:
    from clientsync.commerce.connected import Commerce
    from clientsync.commerce.status import Filter

Document = Annotated[
    int, typer.Argument(metavar="ID", help="Number of the document in the ledger, from documents.")
]
Event = Annotated[int, typer.Argument(metavar="ID", help="Number of the event, from webhooks.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Rows at most.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Send nothing now; the service or the next sync does.")
]
Status = Annotated[
    list[str] | None,
    typer.Option(
        "--status",
        help="Success, Failed, Held, Waiting, Unknown, 'Success (waived)' or Superseded; repeatable.",
    ),
]
Types = Annotated[
    list[str] | None, typer.Option("--type", help="sale, payment, transfer_out, …; repeatable.")
]
Number = Annotated[str, typer.Option("--number", help="Part of the document's number.")]
Outlet = Annotated[str, typer.Option("--outlet", help="Code of the outlet or warehouse.")]
Since = Annotated[str, typer.Option("--since", help="First day of the documents, YYYY-MM-DD.")]
Until = Annotated[str, typer.Option("--until", help="Last day, YYYY-MM-DD.")]
Direction = Annotated[
    str, typer.Option("--direction", help="out: shop to accounting; in: accounting to shop.")
]
_UNDONE = (*NOT_DONE, "Waiting")
_SHOWN_TRIAL = 200
_LISTED = ("document", "what", "of", "status", "reason", "waits for", "root")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the subject."""
    for command in (documents, document, refresh, waive, take_back, webhooks, webhook, replay):
        app.command(name=command.__name__.replace("_", "-"))(command)


def _filter(
    status: Sequence[str] | None,
    types: Sequence[str] | None,
    number: str,
    outlet: str,
    since: str,
    until: str,
    direction: str,
) -> Filter:
    """Return what is meant; words of the list may be written in small letters.

    Raises:
        InvalidInput: a word, type or direction that does not exist, or a day that is none.
    """
    from clientsync.commerce.connected import DIRECTIONS
    from clientsync.commerce.status import WORDS, Filter

    words = {one.casefold(): one for one in WORDS}
    _one_of("direction", direction, DIRECTIONS)
    found = Filter(
        shown=[words.get(one.casefold(), one) for one in many(status)],
        types=many(types),
        number=number,
        since=day_of(since),
        until=day_of(until),
        outlet=outlet,
        direction=direction,
    )
    found.check()
    return found


def _one_of(what: str, given: str, valid: Sequence[str]) -> None:
    from clientsync.errors import UnknownName

    if given and given not in valid:
        raise UnknownName(what, given, valid)


def documents(
    name: Name,
    status: Status = None,
    types: Types = None,
    number: Number = "",
    outlet: Outlet = "",
    since: Since = "",
    until: Until = "",
    direction: Direction = "",
    limit: Limit = 200,
    as_json: AsJson = False,
) -> None:
    """Show the Synchronization Status: documents with their status and the reason, what is not booked first.

    Example: clientsync commerce documents toko --status Failed --type sale
    """
    from clientsync.commerce import status as shown

    wanted = _filter(status, types, number, outlet, since, until, direction)
    with opened(name) as (of, _):
        rows = shown.documents(of, wanted, limit=limit)
        count = len(shown.ids_of(of, wanted)) if len(rows) == limit else len(rows)
    put_rows(rows, as_json)
    if count > len(rows):
        say(f"{len(rows)} of {count} are shown; --limit shows more.")


def document(name: Name, doc_id: Document, as_json: AsJson = False) -> None:
    """Show a document in all its details: payload, what it needs, tries with what was said, decisions.

    Example: clientsync commerce document toko 120
    """
    from clientsync.commerce.status import details

    with opened(name) as (of, _):
        found = details(of, doc_id)
    if as_json:
        put_json(found)
        return
    _put_values(found)
    put("")
    put("Payload")
    _put_values(found["payload"])
    for title, rows in found["payload"].items():
        if isinstance(rows, list) and rows:
            _put_part(title, rows)
    _put_part("needs", [{key: one[key] for key in _LISTED} for one in found["needs"]])
    for one in found["attempts"]:
        put("")
        put(f"Try {one['try']} ({one['how']}), {one['began']} to {one['ended'] or 'now'}: {one['outcome']}")
        if one["reason"]:
            put(f"  {one['reason']}")
        for call in one["calls"]:
            put(f"  asked    {call['request']}")
            put(f"  answered {call['status']} {call['response']}")
    _put_part("decisions", found["decisions"])


def _put_values(found: Mapping[str, Any]) -> None:
    """Write what is one value, and has one, as a table of two columns."""
    rows = [
        (key, value) for key, value in found.items() if value != "" and not isinstance(value, list | dict)
    ]
    put_table(("name", "value"), rows)


def _put_part(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        put("")
        put(title.capitalize())
        head = list(dict.fromkeys(key for row in rows for key in row))
        put_table(head, [[row.get(key, "") for key in head] for row in rows])


def refresh(
    name: Name,
    ids: Annotated[
        list[int] | None,
        typer.Argument(metavar="ID...", help="Numbers of documents in the ledger, from documents."),
    ] = None,
    status: Status = None,
    types: Types = None,
    number: Number = "",
    outlet: Outlet = "",
    since: Since = "",
    until: Until = "",
    direction: Direction = "",
    is_all: Annotated[bool, typer.Option("--all", help="Everything that is not done.")] = False,
    is_trial: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be tried again; nothing is done.")
    ] = False,
    no_wait: NoWait = False,
) -> None:
    """Try documents again, with what they wait for, the earliest first; what waits for them follows by itself.

    What was repaired in the two systems is read before. A document that is booked is left alone. Exit code 3: one of
    them is not done after it.

    Example: clientsync commerce refresh toko --status Failed --since 2026-11-28
    """
    from dataclasses import replace

    from clientsync.commerce import status as shown
    from clientsync.commerce.collecting import read_and_refresh
    from clientsync.errors import InvalidInput

    wanted = _filter(status, types, number, outlet, since, until, direction)
    is_filtered = wanted != _filter(None, None, "", "", "", "", "")
    if sum((bool(ids), is_filtered, is_all)) != 1:
        raise InvalidInput(
            "Say one of them: ids of documents, filters (--status, --type, --number, --outlet, --since, --until, "
            "--direction), or --all."
        )
    if not wanted.shown:
        wanted = replace(wanted, shown=_UNDONE)
    with opened(name) as (of, stop):
        chosen = list(dict.fromkeys(ids)) if ids else shown.ids_of(of, wanted)
        if not chosen:
            put("No document is meant by that.")
        elif is_trial:
            _tell_trial(of, chosen)
        else:
            read, count = read_and_refresh(of, None if is_all else chosen, actor=person())
            for stream, error in read.errors.items():
                say(f"Not read: {stream}: {error}")
            put(f"{count} documents are tried again.")
            if not no_wait:
                _work_on(of, stop, chosen)


def _tell_trial(of: Commerce, chosen: Sequence[int]) -> None:
    from clientsync.commerce.status import Filter, details, ids_of

    found = [details(of, one) for one in chosen[:_SHOWN_TRIAL]]
    put_rows([{key: one[key] for key in _LISTED} for one in found], as_json=False)
    again = set(ids_of(of, Filter(shown=("Failed", "Unknown")))) & set(chosen)
    put(f"{len(again)} documents would be tried again, with what they wait for. Nothing is done.")


def _work_on(of: Commerce, stop: threading.Event, chosen: Sequence[int]) -> None:
    """Send, tell what became of some documents, and end with the exit code for what is not done."""
    from clientsync.commerce.status import stuck_ids

    report = work(of, stop)
    left = [one for one in stuck_ids(of) if one in set(chosen)]
    if left:
        say(f"{len(left)} of {len(chosen)} are not done, the earliest is {left[0]}: clientsync commerce "
            f"document {of.name} {left[0]}")  # fmt: skip
    if left or report.stopped:
        raise typer.Exit(EXIT_NOT_DONE)


def waive(
    name: Name,
    doc_id: Document,
    number: Annotated[
        str, typer.Option("--number", help="Under which it was booked by hand; a transfer-in names it.")
    ] = "",
) -> None:
    """Count a document as booked by hand; exactly what waits for it goes on.

    Example: clientsync commerce waive toko 120 --number SI.2026.11.00042
    """
    from clientsync.commerce import deciding

    with opened(name) as (of, _):
        title = deciding.waive(of, doc_id, actor=person(), target_number=number)
    put(f"{title} counts as booked. What waited for it goes with the service or the next sync.")


def take_back(name: Name, doc_id: Document) -> None:
    """Take a waiver back: the document is looked up in its target, and sent if it is not there.

    Example: clientsync commerce take-back toko 120
    """
    from clientsync.commerce import deciding

    with opened(name) as (of, _):
        title = deciding.take_back(of, doc_id, actor=person())
    put(f"{title} is no longer waived. It is looked up, then sent, by the service or the next sync.")


def webhooks(
    name: Name,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", help="new, success, failed, ignored or rejected; repeatable."),
    ] = None,
    system: Annotated[str, typer.Option("--system", help="Who sent it: shop or accounting.")] = "",
    limit: Limit = 200,
    as_json: AsJson = False,
) -> None:
    """Show the Webhook Log: what the two systems told, what became of it, and what was rejected, the newest first.

    Example: clientsync commerce webhooks toko --state failed
    """
    from clientsync.commerce.connected import SYSTEMS
    from clientsync.commerce.status import webhook_log

    _one_of("system", system, SYSTEMS)
    with opened(name) as (of, _):
        put_rows(webhook_log(of, states=many(state), system=system, limit=limit), as_json)


def webhook(name: Name, event_id: Event, as_json: AsJson = False) -> None:
    """Show an event, the webhook that it came with, and the documents that it is about.

    Example: clientsync commerce webhook toko 7
    """
    from clientsync.commerce.status import event_details

    with opened(name) as (of, _):
        found = event_details(of, event_id)
    if as_json:
        put_json(found)
        return
    _put_values(found)
    _put_part("documents", [{key: one[key] for key in _LISTED} for one in found["documents"]])


def replay(name: Name, event_id: Event, no_wait: NoWait = False) -> None:
    """Let an event be worked on again, as if it came anew; what is applied already changes nothing.

    Exit code 3: it failed again.

    Example: clientsync commerce replay toko 7
    """
    from clientsync.commerce import events
    from clientsync.commerce.status import event_details
    from clientsync.database import writing

    with opened(name) as (of, stop):
        with writing(of.engine) as connection:
            made = events.replay(connection, of.name, event_id, of.now(), person())
        put(f"Event {event_id} is worked on again as event {made}.")
        if no_wait:
            return
        report = work(of, stop)
        found = event_details(of, made)
    put(f"{found['status']}{': ' if found['reason'] else ''}{found['reason']}")
    if report.stopped or found["status"] not in ("Success", "Ignored"):
        raise typer.Exit(EXIT_NOT_DONE)
