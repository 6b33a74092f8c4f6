"""Every night, for each shop: a sweep, the renewal of the webhook, yesterday against the books, and a purge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from clientsync.commerce import alarms as watching
from clientsync.commerce import reconciling
from clientsync.commerce.collecting import Collected
from clientsync.commerce.collecting import sweep as read_back
from clientsync.commerce.connected import Commerce
from clientsync.commerce.purging import purge
from clientsync.commerce.reconciling import Outlet
from clientsync.config import settings
from clientsync.errors import SyncError, UnknownName
from clientsync.sync.commerce_connections import opened_commerce
from clientsync.sync.services import Services, services_from_settings
from flows.commerce_sync import actor, alarms_of, nameless, work
from tasks.tables import publish_tables


@dataclass
class Night:
    """What a night brought.

    Attributes:
        days: rows of outlets and of documents that differ.
        alarms: rows of what a person must see to.
        wrong: steps that could not be done, in words.
        differing: outlets that do not agree, in words.
    """

    days: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


@flow(name="commerce-nightly", flow_run_name="commerce, nightly", persist_result=False)
def commerce_nightly(
    connections: list[str] = [],  # noqa: B006 - Prefect reads the default into the form
    day: date | None = None,
) -> State[Any]:
    """Sweep, renew the webhook, reconcile a day and forget what is long done, one connection after another.

    One that fails keeps no other back.

    Args:
        connections: Names from the settings; empty means all of them.
        day: Day to reconcile; yesterday in the shop's zone when left out.
    """
    found = Night()
    services = services_from_settings()
    try:
        known = services.settings.commerce
        for name in connections:
            if name not in known:
                raise UnknownName("shop", name, sorted(known))
        for name in connections or sorted(known):
            _one_connection(services, name, day, found)
    except SyncError as error:
        return Failed(message=error.message, name=type(error).__name__)
    finally:
        services.close()
    publish_tables(
        {
            "commerce-reconciliation": (
                found.days,
                "Outlets, and below each the documents that differ.",
            ),
            "commerce-alarms": (found.alarms, "What a person must see to."),
        }
    )
    return _state(found)


def _state(found: Night) -> State[Any]:
    said = f"{len(found.differing)} outlets differ, {len(found.alarms)} alarms"
    message = "; ".join([said, *found.wrong, *found.differing])[:1000]
    if found.wrong:
        return Failed(message=message, name="Incomplete")
    return Completed(
        message=message, name="WaitsForPerson" if found.differing or found.alarms else "Completed"
    )


def _one_connection(services: Services, name: str, day: date | None, found: Night) -> None:
    try:
        with opened_commerce(services, name) as of:
            found.wrong += _tried(name, "sweep", lambda: _swept(of))
            found.wrong += _tried(name, "webhook", lambda: renew(of))
            found.wrong += _tried(name, "reconciliation", lambda: _compared(of, day, found))
            found.wrong += _tried(name, "purge", lambda: forget(of))
            found.alarms += [{"connection": name, **one} for one in alarms_of(of)]
    except SyncError as error:
        found.wrong.append(f"{name}: {error.message}")


def _tried(name: str, what: str, step: Callable[[], list[str]]) -> list[str]:
    """Do a step and return what went wrong in it; an error does not keep the next step back."""
    try:
        return [f"{name}, {what}: {one}" for one in step()]
    except SyncError as error:
        return [f"{name}, {what}: {error.message}"]


def _swept(of: Commerce) -> list[str]:
    read = sweep(of)
    report = work(of)
    return [
        *(f"{stream} was not read: {error}" for stream, error in read.errors.items()),
        *(f"nothing is sent: {reason}" for reason in report.stopped.values()),
    ]


def _compared(of: Commerce, day: date | None, found: Night) -> list[str]:
    wanted = day or of.now().astimezone(of.zone).date() - timedelta(days=1)
    outlets = reconcile(of, wanted)
    rows = reconciling.shown(wanted, outlets)
    ids = [doc for one in outlets for doc in (None, *(each.doc_id for each in one.differences))]
    named = [{**row, "doc": row["document"], "document": doc} for row, doc in zip(rows, ids, strict=True)]
    found.days += [
        {
            "connection": of.name,
            **{key: row[key] for key in rows[0] if key != "document"},
            "document": row["doc"],
        }
        for row in nameless(of, named, "what")
    ]
    found.differing += [
        f"{of.name} {one.name} on {wanted}: {_documents(one)}" for one in outlets if one.state != "agrees"
    ]
    return []


def _documents(one: Outlet) -> str:
    named = [each.number for each in one.differences]
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"{', '.join(named[:5])}{more}" if named else f"difference {one.difference}"


@task(name="sweep", task_run_name="sweep", cache_policy=NO_CACHE, persist_result=False)
def sweep(of: Commerce) -> Collected:
    """Read both systems some days back, and what the accounting says it sent."""
    return read_back(of, days=settings().commerce[of.name].sweep_days)


@task(name="renew webhook", task_run_name="renew webhook", cache_policy=NO_CACHE, persist_result=False)
def renew(of: Commerce) -> list[str]:
    """Renew the accounting's webhook."""
    watching.renew_webhook(of)
    return []


@task(name="reconcile", task_run_name="reconcile {day}", cache_policy=NO_CACHE, persist_result=False)
def reconcile(of: Commerce, day: date) -> list[Outlet]:
    """Compare the sales of a day with the books."""
    return reconciling.reconcile(of, day)


@task(name="purge", task_run_name="purge", cache_policy=NO_CACHE, persist_result=False)
def forget(of: Commerce) -> list[str]:
    """Forget webhooks and events that are long done, and what was said in tries of booked documents."""
    purge(of, of.now() - timedelta(days=settings().commerce[of.name].keep_days), actor=actor())
    return []
