"""The Sync Bucket of TDS: clients, modules and quarters in, reconciled tables and an exception report out."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from clientsync.sync.planning import Selection, plan
from clientsync.sync.services import services_from_settings
from flows.choices import ALL_CLIENTS, Clients, ExcludedClients, Groups, TdsModules, ids
from flows.run_units import run_units


@flow(name="tds-multi-client-sync", flow_run_name="tds · {kind}", persist_result=False)
def tds_multi_client_sync(
    clients: Clients = [ALL_CLIENTS],  # noqa: B006 - Prefect reads the default into the form
    groups: Groups = [],  # noqa: B006
    exclude: ExcludedClients = [],  # noqa: B006
    modules: TdsModules = ["ALL"],  # noqa: B006
    periods: list[str] = [],  # noqa: B006
    full: bool = False,
    kind: Literal["manual", "nightly"] = "manual",
) -> State[Any]:
    """Synchronise the chosen TDS modules of the chosen clients.

    Args:
        clients: Untick "All clients" to choose single ones. Empty, with no group ticked, means all active clients.
        groups: Groups of the client master, added to the clients.
        exclude: Clients or groups to leave out.
        modules: Untick ALL, which is all of them together, to choose.
        periods: Quarters such as 2026-27-Q2, whole years such as 2025-26, or ranges A:B. Empty: the six newest
            quarters that have ended. Only Return Summary goes by quarters; the other modules hold what stands today.
        full: Read also what is settled and rests for some days (setting settled_rest_days).
        kind: manual, or nightly when the schedule starts it.
    """
    services = services_from_settings()
    selection = Selection(
        connector="tds",
        clients=ids(list(clients)),
        groups=tuple(groups),
        exclude=ids(list(exclude)),
        modules=tuple(modules),
        periods=tuple(periods),
        full=full,
    )
    return run_units(services, plan(services, selection), kind=kind)
