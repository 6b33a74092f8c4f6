"""Runs again only what is not done; also what the retry schedule starts."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from clientsync.sync.service import resync_plans
from clientsync.sync.services import services_from_settings
from flows.run_units import run_units, worst_state


@flow(name="resync-failed", flow_run_name="resync · {kind}", persist_result=False)
def resync_failed(
    run_id: str = "",
    outcomes: list[str] = [],  # noqa: B006 - Prefect reads the default into the form
    kind: Literal["resync", "retry"] = "resync",
) -> State[Any]:
    """Run again the units that are not done.

    Args:
        run_id: An earlier run; empty means all runs.
        outcomes: Only units with these outcomes, for example transient; empty means every one that may succeed.
        kind: resync by a person, retry by the schedule, which takes only what is due.
    """
    services = services_from_settings()
    plans = resync_plans(services, run_id or None, outcomes=tuple(outcomes), only_due=kind == "retry")
    if not plans:
        words = "Every unit is done, or tried again later." if kind == "retry" else "Every unit is done."
        return Completed(name="NothingToDo", message=words)
    return worst_state([run_units(services, planned, kind=kind) for planned in plans])
