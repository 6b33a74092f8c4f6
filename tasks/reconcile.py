"""One task run per reconciliation and bundle of clients; works in any process, over the warehouse of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from prefect import task
from prefect.cache_policies import NO_CACHE

from clientsync.sync.all_recons import AllRuns, reconcile_all
from clientsync.sync.services import services_from_settings


@task(
    name="reconcile-clients",
    task_run_name="{name} · {label}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def reconcile_bundle(name: str, label: str, clients: Sequence[str], day: str, run_id: str) -> AllRuns:
    """Run one reconciliation over a bundle of clients.

    Args:
        name: of the reconciliation of the GST portal.
        label: of the bundle, as the dashboard shows it.
        clients: ids.
        day: ISO date whose data is compared.
        run_id: under which everything of the flow run is stored.
    """
    services = services_from_settings()
    try:
        return reconcile_all(
            services.engine, "gst", date.fromisoformat(day), (name,), tuple(clients), run_id=run_id
        )
    finally:
        services.close()
