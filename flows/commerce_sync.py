"""A shop and its accounting, from the dashboard: collect, send, publish the lists, and carry out what a person decided.

The tables name documents by their numbers. Names of customers stay in the ledger: where a reason holds one, the
artifact says the number of its document instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from prefect import flow, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from sqlalchemy import select

from clientsync.commerce import deciding, events, status, store
from clientsync.commerce.alarms import alarms
from clientsync.commerce.collecting import Collected, collect, read_and_refresh
from clientsync.commerce.connected import Commerce
from clientsync.commerce.working import Report, Worker
from clientsync.config import settings
from clientsync.database import among, reading, writing
from clientsync.errors import InvalidInput, SyncError
from clientsync.logins import person
from clientsync.sync.commerce_connections import opened_commerce
from clientsync.sync.services import services_from_settings
from tasks.tables import SHOWN_ROWS, publish_tables

Action = Literal["refresh", "refresh all", "waive", "take back", "replay", "map", "mode"]
Kind = Literal[
    "", "outlet", "payment", "item", "tax", "unit", "category", "charge", "customer", "warehouse"
]  # fmt: skip
NOT_DONE = ("Failed", "Held", "Waiting", "Unknown")
_NAMED = "customer "
"""How the title of a customer begins; what follows is a name."""
_OWNER = re.compile(r"(already belongs to ).*")
_SHORTEST = 3
"""Characters of a name that is looked for without its title; a shorter one may be part of any word."""


@flow(name="commerce-sync", flow_run_name="{connection}", persist_result=False)
def commerce_sync(connection: str, since: date | None = None, days_back: int = 0) -> State[Any]:
    """Read what changed in the shop and in the accounting, send what may be sent, and publish the lists.

    Args:
        connection: Name of the shop with its accounting, from the settings.
        since: Read from this day on, not from where the last reading ended.
        days_back: The same, in days before today; 0 means neither.
    """
    services = services_from_settings()
    try:
        with opened_commerce(services, connection) as of:
            try:
                read = collect_both(of, _begin(of, since, days_back))
                report = work(of)
            finally:
                publish(of)
            return _state(of, read, report)
    except SyncError as error:
        return Failed(message=error.message, name=type(error).__name__)
    finally:
        services.close()


def _begin(of: Commerce, since: date | None, days_back: int) -> datetime | None:
    if since is None and days_back > 0:
        since = of.now().astimezone(of.zone).date() - timedelta(days=days_back)
    return None if since is None else datetime.combine(since, time(), of.zone)


def _state(of: Commerce, read: Collected, report: Report) -> State[Any]:
    """Return what is true of a run: not done by itself, waits for a person, or done."""
    counts = _counts(of)
    said = f"{sum(read.counts.values())} new, {report.tries} tries; {_in_words(counts)}"
    wrong = [f"{stream} was not read: {error}" for stream, error in read.errors.items()]
    wrong += [f"nothing is sent: {reason}" for reason in report.stopped.values()]
    if wrong or counts["Unknown"]:
        return Failed(message="; ".join([said, *wrong])[:1000], name="Incomplete")
    return Completed(message=said, name="WaitsForPerson" if status.stuck_ids(of) else "Completed")


def _counts(of: Commerce) -> dict[str, int]:
    return {
        row["status"]: sum(value for value in row.values() if isinstance(value, int))
        for row in status.overview(of)["counts"]
    }


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[one]} {one.lower()}" for one in ("Success", *NOT_DONE))


@task(name="collect", task_run_name="collect", cache_policy=NO_CACHE, persist_result=False)
def collect_both(of: Commerce, since: datetime | None) -> Collected:
    """Read both systems by their moments of change."""
    return collect(of, since=since)


@task(name="work", task_run_name="work", cache_policy=NO_CACHE, persist_result=False)
def work(of: Commerce) -> Report:
    """Send until nothing is left that can be sent soon, with a progress artifact that moves."""
    progress: Any = create_progress_artifact(
        0.0, key="commerce-progress", description=f"{of.name}: looks for work"
    )
    shown = -1

    def moved(tries: int, left: int) -> None:
        nonlocal shown
        share = int(100.0 * tries / (tries + left)) if tries + left else 100
        if share != shown:  # a write of the server for each percent, not for each document
            shown = share
            update_progress_artifact(
                progress, float(share), description=f"{of.name}: {tries} tries, {left} left"
            )

    report = Worker(of, progress=moved).until_idle()
    update_progress_artifact(progress, 100.0, description=f"{of.name}: {report.tries} tries, at its end")
    return report


def actor() -> str:
    """Return who decides, as far as this process knows."""
    return f"{person()}, by schedule or dashboard"


def publish(of: Commerce) -> None:
    """Leave the lists as tables: what is not done, webhooks, counts, alarms, mappings that are missing."""
    found = status.overview(of)
    rows = status.documents(of, status.Filter(shown=NOT_DONE), limit=SHOWN_ROWS + 1)
    tables = {
        "commerce-status": (nameless(of, rows), "documents that are not done, the earliest first."),
        "commerce-webhooks": (status.webhook_log(of, limit=SHOWN_ROWS), "what the two systems told."),
        "commerce-counts": (found["counts"], f"documents; {found['mode']}."),
        "commerce-alarms": (alarms_of(of), "what a person must see to."),
        "commerce-missing-mappings": (
            [one for one in status.mappings(of) if not one["accounting"]],
            "what failed documents asked for and did not find.",
        ),
    }
    publish_tables({key: (rows, f"{of.name}: {words}") for key, (rows, words) in tables.items()})


def alarms_of(of: Commerce) -> list[dict[str, str]]:
    """Return the alarms of a connection, by its own setting of silence."""
    return alarms(of, silent=timedelta(hours=settings().commerce[of.name].silent_hours))


def nameless(of: Commerce, rows: Sequence[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    """Return rows about documents without names of customers; the numbers of their documents stand there.

    Args:
        of: the connection.
        rows: each with the number of its document under "document".
        columns: where a name may stand; "what" and "reason" when left out.
    """
    named = _customers_of(of, {row["document"] for row in rows if row["document"]})
    return [
        {
            **row,
            **{
                one: without_names(row[one], named.get(row["document"], {}))
                for one in columns or ("what", "reason")
            },
        }
        for row in rows
    ]


def _customers_of(of: Commerce, ids: set[int]) -> dict[int, dict[int, str]]:
    """Return for documents the customers that their reason may name: themselves, and what they wait for."""
    docs = store.DOCS
    with reading(of.engine) as connection:
        around = {
            row.doc_id: {one for one in row if one is not None}
            for row in connection.execute(
                select(docs.c.doc_id, docs.c.blocker_id, docs.c.root_id).where(
                    among(connection, docs.c.doc_id, ids)
                )
            )
        }
        titles = status.numbers(connection, {one for some in around.values() for one in some})
    return {
        doc_id: {one: titles[one] for one in some if titles.get(one, "").startswith(_NAMED)}
        for doc_id, some in around.items()
    }


def without_names(text: str, titles: Mapping[int, str]) -> str:
    """Return a text in which titles and names of customers are replaced by the numbers of their documents."""
    for doc_id, title in titles.items():
        shown = f"{_NAMED}of document {doc_id}"
        text = text.replace(title, shown)
        name = title.removeprefix(_NAMED)
        if len(name) >= _SHORTEST:
            text = text.replace(name, shown)
    return _OWNER.sub(r"\1somebody else", text)


@flow(name="commerce-decide", flow_run_name="{connection} {action}", persist_result=False)
def commerce_decide(
    connection: str,
    action: Action,
    documents: list[int] = [],  # noqa: B006 - Prefect reads the default into the form
    number: str = "",
    event: int = 0,
    kind: Kind = "",
    key: str = "",
    value: str = "",
    sales: Literal["", "real_time", "shift_close", "scheduled"] = "",
    sales_at: list[str] = [],  # noqa: B006
    transfers: Literal["", "real_time", "scheduled"] = "",
    transfers_at: list[str] = [],  # noqa: B006
    customer_ids: Literal["", "yes", "no"] = "",
) -> State[Any]:
    """Carry out what an operator decided, send what goes on by it, and publish the lists.

    Args:
        connection: Name of the shop with its accounting.
        action: What to do.
        documents: Numbers of documents in the ledger, for refresh, waive and take back.
        number: For waive: under which the document was booked by hand.
        event: For replay: number of the event, from commerce-webhooks.
        kind: For map.
        key: For map: the shop's word; of a warehouse the accounting's.
        value: For map: what stands for it; empty removes the mapping.
        sales: For mode: when sales are sent; empty leaves it.
        sales_at: For mode: hours HH:MM of the shop's zone; empty leaves them.
        transfers: For mode: when transfers and stock counts are sent; empty leaves it.
        transfers_at: For mode: hours for them; empty leaves them.
        customer_ids: For mode: whether a customer's id in the shop is its number in the accounting.
    """
    change = deciding.ModeChange(
        sales=sales or None,
        sales_at=sales_at or None,
        transfers_scheduled=None if not transfers else transfers == "scheduled",
        transfers_at=transfers_at or None,
        uses_customer_ids=None if not customer_ids else customer_ids == "yes",
    )
    services = services_from_settings()
    try:
        with opened_commerce(services, connection) as of:
            try:
                said = decide(of, action, documents, number, event, (kind, key, value), change)
                report = work(of)
            finally:
                publish(of)
            if report.stopped:
                return Failed(message=f"{said} {'; '.join(report.stopped.values())}", name="Incomplete")
            return Completed(message=f"{said} {_in_words(_counts(of))}.")
    except SyncError as error:
        return Failed(message=error.message, name=type(error).__name__)
    finally:
        services.close()


@task(name="decide", task_run_name="{action}", cache_policy=NO_CACHE, persist_result=False)
def decide(
    of: Commerce,
    action: str,
    ids: Sequence[int],
    number: str,
    event: int,
    mapping: tuple[str, str, str],
    change: deciding.ModeChange,
) -> str:
    """Do one thing, and return what was done as a sentence.

    Raises:
        InvalidInput: what the action needs was not said, or it cannot be done.
    """
    if action in ("refresh", "waive", "take back") and not ids:
        raise InvalidInput(f"{action} needs numbers of documents; commerce-status shows them.")
    if number and len(ids) != 1:
        raise InvalidInput("A number under which a document was booked goes with one document.")
    if action in ("refresh", "refresh all"):
        wanted = ids if action == "refresh" else None
        read, count = read_and_refresh(of, wanted, actor=actor())
        unread = "".join(f" Not read: {stream}: {error}." for stream, error in read.errors.items())
        return f"{count} documents are tried again.{unread}"
    if action in ("waive", "take back"):
        for one in ids:
            _count_as_booked(of, one, number, is_so=action == "waive")
        return f"{len(ids)} documents {'count as booked' if action == 'waive' else 'are no longer waived'}."
    if action == "replay":
        with writing(of.engine) as connection:
            made = events.replay(connection, of.name, event, of.now(), actor())
        return f"Event {event} is worked on again as event {made}."
    if action == "map":
        kind, key, value = mapping
        if not key:
            raise InvalidInput("map needs kind and key; commerce-missing-mappings shows what is missing.")
        again = deciding.set_mappings(of, {(kind, key): value}, actor=actor())
        return f"The mapping is {'set' if value else 'removed'}; {again} documents are tried again."
    if change == deciding.ModeChange():
        raise InvalidInput("mode needs sales, sales_at, transfers, transfers_at or customer_ids.")
    _, changed = deciding.change_mode(of, change, actor=actor())
    return f"The moment changed for {changed} documents that wait."


def _count_as_booked(of: Commerce, doc_id: int, number: str, *, is_so: bool) -> None:
    """Waive a document, or take that back; what speaks against it names no customer."""
    try:
        if is_so:
            deciding.waive(of, doc_id, actor=actor(), target_number=number)
        else:
            deciding.take_back(of, doc_id, actor=actor())
    except InvalidInput as error:
        named = _customers_of(of, {doc_id}).get(doc_id, {})
        raise InvalidInput(without_names(error.message, named)) from None
