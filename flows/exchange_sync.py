"""One sync of this machine's node with its stores, or with the head office, shown in the dashboard."""

from __future__ import annotations

from typing import Any

from prefect import flow, task
from prefect.artifacts import (
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from clientsync.errors import SyncError
from clientsync.exchange.board import compared, freshness, missing_numbers
from clientsync.exchange.lists import received, sent
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.nodes import Node, errors_of
from clientsync.exchange.operators import DATA_EXCHANGE
from clientsync.exchange.syncing import PHASES, SyncResult, sync
from clientsync.logins import person
from clientsync.sync.exchange_nodes import opened_mailbox, opened_node
from clientsync.sync.services import services_from_settings
from tasks.tables import SHOWN_ROWS, publish_tables


@flow(name="exchange-sync", flow_run_name="exchange", persist_result=False)
def exchange_sync(
    stores: list[str] = [],  # noqa: B006 - Prefect reads the default into the form
) -> State[Any]:
    """Receive, apply and answer, then pack and send.

    Args:
        stores: At the head office: codes of the stores; empty means all of them.
    """
    services = services_from_settings()
    try:
        with opened_node(DATA_EXCHANGE) as node, opened_mailbox() as mailbox:
            try:
                result = one_sync(node, mailbox, stores)
            finally:
                publish(node, mailbox)
    except SyncError as error:
        return Failed(message=error.message, name=type(error).__name__)
    finally:
        services.close()
    if result.failures or result.refused:
        return Failed(message=result.sentence, name="Incomplete")
    return Completed(message=result.sentence, name="WithHolds" if result.held else "Completed")


@task(name="exchange", task_run_name="receive, then send", cache_policy=NO_CACHE, persist_result=False)
def one_sync(node: Node, mailbox: Mailbox, stores: list[str]) -> SyncResult:
    """Run one sync with a progress artifact that moves with its phases."""
    progress: Any = create_progress_artifact(0.0, key="exchange-progress", description="waits")

    def moved(phase: str, number: int) -> None:
        share = 100.0 * (PHASES.index(phase) + 1) / len(PHASES)
        update_progress_artifact(progress, share, description=f"{phase}: {number}")

    return sync(node, mailbox, moved, only=stores, actor=f"{person()}, by schedule or dashboard")


def publish(node: Node, mailbox: Mailbox) -> None:
    """Leave the lists of the node as tables: sent, received, held, errors; at the head office its stores and days."""
    held = received(node, states=("BLOCKED", "QUARANTINED"), limit=SHOWN_ROWS)
    tables = {
        "exchange-sent": (sent(node, limit=SHOWN_ROWS), "Sent: WAITING, UPLOADED, PROCESSED, ERROR."),
        "exchange-received": (received(node, limit=SHOWN_ROWS), "Received, with state."),
        "exchange-held": (
            held,
            "Held: what waits, and for what. `clientsync exchange release` goes on with it.",
        ),
        "exchange-errors": (errors_of(node.engine), "What went wrong, with the next step."),
    }
    if node.kind == "HO":
        tables["exchange-stores"] = (freshness(node, mailbox), "Stores: last seen, and what waits there.")
        tables["exchange-totals"] = (
            compared(node, mailbox),
            "Totals by store, day and type, there and here.",
        )
        tables["exchange-missing-numbers"] = (
            missing_numbers(node, mailbox),
            "Numbers of bills that are missing here, and whether the store ever wrote them.",
        )
    publish_tables(tables)
