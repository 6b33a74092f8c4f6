"""What is wrong with a connection although no document says so: silence, an end that comes near, shut doors."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import func, select

from clientsync.commerce import store
from clientsync.commerce.connected import Commerce
from clientsync.commerce.documents import State
from clientsync.commerce.status import of_connection
from clientsync.database import reading, writing

WARN_BEFORE = timedelta(days=2)
UNKNOWN_FOR = timedelta(hours=1)
"""An answer that is lost for so long is an alarm."""


def renew_webhook(of: Commerce) -> date:
    """Renew the registration of the accounting's webhook, and keep on which day it ends.

    Raises:
        SourceError: it was not renewed, or the accounting does not say until when.
    """
    ends_on = of.accounting.renew_webhook()
    with writing(of.engine) as connection:
        of.switches(connection)
        store.change_connection(connection, of.name, webhook_ends_on=ends_on, webhook_renewed_at=of.now())
    return ends_on


def alarms(of: Commerce, *, silent: timedelta = timedelta(hours=24)) -> list[dict[str, str]]:
    """Return what a person must see to, each with its next step.

    Args:
        of: the connection.
        silent: a system that tells nothing for so long is suspected.
    """
    at = of.now()
    found: list[tuple[str, str]] = []
    with reading(of.engine) as connection:
        row = of_connection(connection, of)
        docs = store.DOCS
        lost = connection.execute(
            select(func.count()).where(
                docs.c.connection == of.name,
                docs.c.state == State.UNKNOWN,
                docs.c.doc_id.in_(
                    select(store.ATTEMPTS.c.doc_id).where(
                        store.ATTEMPTS.c.outcome.in_(("unknown", "lost")),
                        store.ATTEMPTS.c.ended_at < at - UNKNOWN_FOR,
                    )
                ),
            )
        ).scalar_one()
    for title, why in ((of.accounting.title, row.stopped), (of.shop.title, row.stopped_in)):
        if why:
            found.append((f"nothing is sent to {title}: {why}", "Renew the credentials, then start a sync."))
    for title, heard in ((of.shop.title, row.shop_heard_at), (of.accounting.title, row.accounting_heard_at)):
        if heard is None:
            found.append(
                (f"{title} has never sent a webhook", "Register the address that the service shows.")
            )
        elif at - heard > silent:
            hours = int((at - heard).total_seconds() // 3600)
            found.append(
                (
                    f"{title} has sent no webhook for {hours} hours",
                    "Check its registration; a sweep finds what is lost.",
                )
            )
    if row.poll_error:
        found.append(
            (
                f"not everything could be read: {row.poll_error}",
                "It is tried again by itself; see the systems.",
            )
        )
    today = at.astimezone(of.zone).date()
    if row.webhook_ends_on is None:
        found.append(
            (f"nobody knows until when {of.accounting.title} sends webhooks", "Run commerce renew-webhook.")
        )
    elif row.webhook_ends_on - today <= WARN_BEFORE:
        found.append(
            (
                f"{of.accounting.title} stops sending webhooks on {row.webhook_ends_on}",
                "Run commerce renew-webhook, and see that the daily one runs.",
            )
        )
    if lost:
        found.append(
            (
                f"of {lost} documents nobody has known for an hour whether they are booked",
                "See the list: Unknown.",
            )
        )
    return [{"alarm": alarm, "what to do": step} for alarm, step in found]
