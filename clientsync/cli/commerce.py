"""``clientsync commerce``: a shop and its accounting, kept in step; lists and mappings are in modules beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.screen import (
    EXIT_NOT_DONE,
    many,
    open_services,
    put,
    put_json,
    put_rows,
    put_table,
    say,
)

if TYPE_CHECKING:
    from clientsync.commerce.collecting import Collected
    from clientsync.commerce.connected import Commerce
    from clientsync.commerce.working import Report

app = typer.Typer(
    help="Sales, transfers and stock counts of a shop in its accounting, and purchases back in the shop.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="Name of the connection, from the settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
NOT_DONE = ("Failed", "Held", "Unknown")
"""Words of the list that end a command with the exit code for what is not done."""
_SAID_EVERY = 1.0
"""Seconds between two lines of progress."""


@contextmanager
def opened(name: str) -> Iterator[tuple[Commerce, threading.Event]]:
    """Yield a connection, and the event that ctrl-c sets."""
    from clientsync.sync.commerce_connections import opened_commerce
    from clientsync.sync.signals import stopping_on_signals

    with (
        open_services() as services,
        opened_commerce(services, name) as of,
        stopping_on_signals(services.stop),
    ):
        yield of, services.stop


def person() -> str:
    """Return who decides."""
    from clientsync.logins import person as login

    return login()


def day_of(text: str) -> date | None:
    """Return a day, None for an empty text.

    Raises:
        InvalidInput: it is not YYYY-MM-DD.
    """
    from clientsync.errors import InvalidInput

    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no day. Write it as YYYY-MM-DD, for example 2026-11-28.") from None


def work(of: Commerce, stop: threading.Event) -> Report:
    """Send until nothing is left that can be sent soon, with a line of progress now and then."""
    from clientsync.commerce.working import work_until_idle

    said = 0.0

    def moved(tries: int, left: int) -> None:
        nonlocal said
        if not left or time.monotonic() - said >= _SAID_EVERY:
            said = time.monotonic()
            say(f"  {tries} tries, {left} left")

    report = work_until_idle(of, stop=stop, progress=moved)
    for reason in report.stopped.values():
        say(f"Nothing more is sent: {reason}")
    return report


def _alarms(of: Commerce) -> list[dict[str, str]]:
    from clientsync.commerce.alarms import alarms
    from clientsync.config import settings

    return alarms(of, silent=timedelta(hours=settings().commerce[of.name].silent_hours))


def _overview(of: Commerce) -> dict[str, Any]:
    from clientsync.commerce import status

    return {**status.overview(of), "alarms": _alarms(of)}


def _tell(found: Mapping[str, Any]) -> None:
    put(f"{found['connection']}: {found['mode']}")
    put_rows(found["counts"], as_json=False)
    for one in found["alarms"]:
        say(f"Alarm: {one['alarm']}. {one['what to do']}")


@app.command()
def shops(as_json: AsJson = False) -> None:
    """List the connections that the settings name: shops with their accounting.

    Example: clientsync commerce shops
    """
    from clientsync.config import settings

    rows = [
        {
            "connection": name,
            "shop": one.shop_provider,
            "accounting": one.accounting_provider,
            "zone": one.zone,
        }
        for name, one in sorted(settings().commerce.items())
    ]
    put_rows(rows, as_json)


@app.command()
def status(name: Name, as_json: AsJson = False) -> None:
    """Show how many documents are in each status, when what is sent, and what a person must see to.

    Example: clientsync commerce status toko
    """
    with opened(name) as (of, _):
        found = _overview(of)
    put_json(found) if as_json else _tell(found)


@app.command()
def sync(
    name: Name,
    since: Annotated[
        str, typer.Option("--since", help="Read from this day on, YYYY-MM-DD, not from the last reading.")
    ] = "",
    stream: Annotated[
        list[str] | None,
        typer.Option("--stream", help="Read only this, for example shop.orders; repeatable."),
    ] = None,
    is_trial: Annotated[
        bool, typer.Option("--dry-run", help="Read and send nothing; list what would be sent, in order.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read what changed in both systems and send what may be sent, the earliest first. Ctrl-c ends it in good order.

    Exit code 3: something failed, is unknown or held by what failed or never came, or a stream could not be read.

    Example: clientsync commerce sync toko --since 2026-11-01
    """
    from clientsync.commerce.collecting import collect

    first = day_of(since)
    with opened(name) as (of, stop):
        wanted = _streams(of, many(stream))
        if is_trial:
            _tell_waiting(of, as_json)
            return
        begin = None if first is None else datetime.combine(first, clock(), of.zone)
        found = collect(of, since=begin, streams=wanted, progress=_read_so_far)
        _work_and_tell(of, stop, found, as_json)


def _streams(of: Commerce, wanted: tuple[str, ...]) -> tuple[str, ...]:
    from clientsync.commerce.connected import SYSTEMS
    from clientsync.errors import UnknownName

    valid = [f"{system}.{stream}" for system in SYSTEMS for stream in of.system(system).streams]
    for one in wanted:
        if one not in valid:
            raise UnknownName("stream", one, valid)
    return wanted


def _read_so_far(stream: str, count: int) -> None:
    say(f"  {stream}: {count} new")


def _tell_waiting(of: Commerce, as_json: bool) -> None:
    from clientsync.commerce import status as shown

    at = f"{of.now().astimezone(of.zone):%Y-%m-%d %H:%M:%S}"
    rows = []
    for one in shown.documents(of, shown.Filter(shown=("Waiting",))):
        is_due = not one["reason"] or "" < one["not before"] <= at
        when = "now" if is_due else one["not before"] or "not yet"
        rows.append({"document": one["document"], "what": one["what"], "when": when, "reason": one["reason"]})
    put_rows(rows, as_json)
    say("Nothing was read or sent. Documents that are held follow what they wait for.")


def _work_and_tell(of: Commerce, stop: threading.Event, read: Collected, as_json: bool) -> None:
    """Send, tell how it stands, and end with the exit code for what a person must see to."""
    from clientsync.commerce.status import stuck_ids

    report = work(of, stop)
    found = _overview(of)
    if as_json:
        put_json(
            {
                "read": read.counts,
                "not_read": read.errors,
                "tries": report.outcomes,
                "stopped": report.stopped,
                **found,
            }
        )
    else:
        put_table(("stream", "new"), read.counts.items())
        _tell(found)
    for stream, error in read.errors.items():
        say(f"Not read: {stream}: {error}")
    if read.errors or report.stopped or stuck_ids(of):
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def sweep(
    name: Name,
    days: Annotated[
        int, typer.Option("--days", min=0, max=30, help="Days to read back; 0: as the settings say.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Find what no webhook told: read both systems some days back, and what the accounting says it sent; then send.

    Exit code 3 as with sync.

    Example: clientsync commerce sweep toko --days 7
    """
    from clientsync.commerce.collecting import sweep as read_back
    from clientsync.config import settings

    with opened(name) as (of, stop):
        back = days or settings().commerce[name].sweep_days
        _work_and_tell(of, stop, read_back(of, days=back, progress=_read_so_far), as_json)


@app.command(name="renew-webhook")
def renew_webhook(name: Name) -> None:
    """Renew the registration of the accounting's webhook, which ends by itself after some days.

    Example: clientsync commerce renew-webhook toko
    """
    from clientsync.commerce.alarms import renew_webhook as renew

    with opened(name) as (of, _):
        put(f"{of.accounting.title} sends webhooks until {renew(of)}.")


@app.command()
def purge(
    name: Name,
    days: Annotated[
        int, typer.Option("--days", min=7, help="What is older goes, in days; at least a week.")
    ] = 90,
    is_trial: Annotated[bool, typer.Option("--dry-run", help="Say how much would go; nothing does.")] = False,
) -> None:
    """Forget webhooks and events that are long done, and what was said in tries of booked documents.

    Documents, reasons and decisions stay, and whatever is not done keeps all that belongs to it.

    Example: clientsync commerce purge toko --days 180 --dry-run
    """
    from clientsync.commerce.purging import purge as forget

    with opened(name) as (of, _):
        found = forget(of, of.now() - timedelta(days=days), is_trial=is_trial, actor=person())
    words = ", ".join(f"{count} {what}" for what, count in found.items())
    put(f"{words} {'would go' if is_trial else 'went'}.")


@app.command()
def reconcile(
    name: Name,
    day: Annotated[
        list[str] | None,
        typer.Option("--day", help="YYYY-MM-DD, repeatable; yesterday in the shop's zone when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the sales of a day with the books, outlet by outlet, and name the documents that differ.

    Exit code 3: an outlet does not agree.

    Example: clientsync commerce reconcile toko --day 2026-11-28
    """
    from clientsync.commerce.reconciling import reconcile as compare
    from clientsync.commerce.reconciling import shown

    days = [found for one in many(day) if (found := day_of(one)) is not None]
    rows: list[dict[str, Any]] = []
    agrees = True
    with opened(name) as (of, _):
        yesterday = of.now().astimezone(of.zone).date() - timedelta(days=1)
        for one in days or [yesterday]:
            outlets = compare(of, one)
            rows += shown(one, outlets)
            agrees &= all(outlet.state == "agrees" for outlet in outlets)
    put_rows(rows, as_json)
    if not agrees:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def mode(
    name: Name,
    sales: Annotated[
        str | None, typer.Option("--sales", help="When sales are sent: real_time, shift_close or scheduled.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at", help="Hour HH:MM of the shop's zone for sales; repeatable, or with commas between."
        ),
    ] = None,
    is_scheduled: Annotated[
        bool | None,
        typer.Option(
            "--transfers-scheduled/--transfers-real-time",
            help="Whether transfers and stock counts wait for their hours.",
        ),
    ] = None,
    transfers_at: Annotated[
        list[str] | None, typer.Option("--transfers-at", help="Hour HH:MM for them; as --at.")
    ] = None,
    customer_ids: Annotated[
        bool | None,
        typer.Option(
            "--customer-ids/--no-customer-ids",
            help="Whether a customer's id in the shop is its number in the accounting.",
        ),
    ] = None,
) -> None:
    """Show when what is sent, or change it; documents that wait get another moment, and stay what they are.

    Example: clientsync commerce mode toko --sales scheduled --at 12:00 --at 21:30
    """
    from clientsync.commerce import status as shown
    from clientsync.commerce.deciding import ModeChange, change_mode

    wanted = ModeChange(
        sales=sales,
        sales_at=None if at is None else many(at, may_be_empty=True),
        transfers_scheduled=is_scheduled,
        transfers_at=None if transfers_at is None else many(transfers_at, may_be_empty=True),
        uses_customer_ids=customer_ids,
    )
    with opened(name) as (of, _):
        if wanted != ModeChange():
            _, changed = change_mode(of, wanted, actor=person())
            say(f"The moment changed for {changed} documents that wait.")
        put(f"{of.name}: {shown.overview(of)['mode']}")
