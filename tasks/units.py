"""One task run per client and module group: fetch, validate, load, and end in the state that is true."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from clientsync.outcomes import SEVERITY, WORDS, Outcome, worst
from clientsync.sync.run import UnitResult
from tasks.active import active

STATE_NAMES = {outcome: "".join(part.title() for part in outcome.split("_")) for outcome in Outcome}
NOT_FAILED = frozenset(SEVERITY[: SEVERITY.index(Outcome.NOT_GENERATED)])


def state_of(results: list[UnitResult]) -> State[Any]:
    """Return the Prefect state that tells the truth about these units: the worst of them decides."""
    outcome = worst([result.outcome for result in results])
    loaded = sum(result.rows_loaded for result in results)
    held = sum(result.rows_quarantined for result in results)
    message = f"{WORDS[outcome]}; {loaded} rows loaded" + (f", {held} in quarantine" if held else "")
    reasons = [result.reason for result in results if result.outcome is outcome and result.reason]
    if reasons and outcome not in (Outcome.LOADED, Outcome.UNCHANGED, Outcome.EMPTY):
        message = f"{message}. {reasons[0]}"
    make = Completed if outcome in NOT_FAILED else Failed
    return make(name=STATE_NAMES[outcome], message=message)


@task(
    name="sync-client-module",
    task_run_name="{module_group} · {client_id}",
    cache_policy=NO_CACHE,
    persist_result=False,
    cache_result_in_memory=False,
)
def sync_client_module(run_id: str, client_id: str, module_group: str) -> State[Any]:
    """Work on the units of one client and module group of a run."""
    with active(run_id) as run:
        return state_of(run.process(run.units_of(module_group, client_id)))
