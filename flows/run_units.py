"""The shared body of every flow that works on units: a subflow per module group, a task per client, then publish."""

from __future__ import annotations

from typing import Any

from prefect import flow, runtime, unmapped
from prefect.client.schemas.objects import State
from prefect.futures import wait
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from clientsync.ledger.runs import counts_of
from clientsync.outcomes import Outcome
from clientsync.sync.planning import Plan
from clientsync.sync.service import begin, work_items
from clientsync.sync.services import Services
from clientsync.sync.signals import stopping_on_signals
from flows.refresh_choices import write_choices
from tasks.active import active, enter, leave
from tasks.progress import RunProgress
from tasks.publish import publish
from tasks.units import sync_client_module

WINDOW = 100
"""Clients mapped at once: bounds memory and the queue of events to the server."""


@flow(name="sync-module-group", flow_run_name="{module_group} · {run_id}", persist_result=False)
def sync_module_group(run_id: str, module_group: str) -> State[Any]:
    """Map one module group over its clients, a window at a time."""
    with active(run_id) as run:
        clients = [client for label, client, _ in work_items(run) if label == module_group]
    failed = 0
    for start in range(0, len(clients), WINDOW):
        window = clients[start : start + WINDOW]
        futures = sync_client_module.map(unmapped(run_id), window, unmapped(module_group))
        wait(list(futures))
        failed += sum(future.state.is_failed() or future.state.is_crashed() for future in futures)
    if failed:
        return Completed(
            name="CompletedWithExceptions",
            message=f"{failed} of {len(clients)} clients are not done; see exceptions",
        )
    return Completed(message=f"{len(clients)} clients done")


def run_units(services: Services, planned: Plan, *, kind: str) -> State[Any]:
    """Work on a plan under Prefect and publish what came of it; returns the flow's final state."""
    current = begin(services, planned, kind=kind, flow_run_id=runtime.flow_run.get_id())
    enter(current)
    try:
        progress = RunProgress(current)
        runner: Any = ThreadPoolTaskRunner(max_workers=services.settings.workers)
        try:
            with stopping_on_signals(services.stop):
                for label in dict.fromkeys(label for label, _, _ in work_items(current)):
                    sync_module_group.with_options(task_runner=runner)(
                        current.run_id, label, return_state=True
                    )
        finally:
            progress.close()
            current.close()
        published = publish(current.run_id)
        write_choices(services)  # clients that wait for a person are in the form of answer-challenge at once
    finally:
        leave(current)
    return final_state(services, current.run_id, published)


def final_state(services: Services, run_id: str, published: dict[str, Any]) -> State[Any]:
    """Return a state that never says clean when a unit is not done."""
    counts = counts_of(services.engine, run_id)
    total = sum(counts.values())
    done = sum(count for name, count in counts.items() if name in set(Outcome) and Outcome(name).is_done)
    left_out = f"; {published['left_out']} clients left out, see the summary" if published["left_out"] else ""
    message = f"{done} of {total} units done; {published['exceptions']} exceptions{left_out}; run {run_id}"
    if done == total:
        return Completed(message=message)
    if total and done == 0:
        return Failed(message=message)
    return Completed(name="CompletedWithExceptions", message=message)


def worst_state(states: list[State[Any]]) -> State[Any]:
    """Return the state that stands for several runs: a failed one before one with exceptions before a clean one."""
    return max(states, key=lambda state: (state.is_failed(), state.name == "CompletedWithExceptions"))
