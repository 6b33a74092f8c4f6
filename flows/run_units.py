"""The shared body of every flow that works on units: a subflow per module group, a task per client, then publish."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from prefect import flow, runtime, unmapped
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from clientsync.ledger.runs import counts_of
from clientsync.outcomes import Outcome
from clientsync.sync.planning import Plan
from clientsync.sync.run import Run
from clientsync.sync.service import begin, work_items
from clientsync.sync.services import Services
from clientsync.sync.signals import stopping_on_signals
from flows.refresh_choices import write_choices
from tasks.active import active, enter, leave
from tasks.progress import RunProgress
from tasks.publish import publish
from tasks.units import sync_client_module


@flow(name="sync-module-group", flow_run_name="{module_group} · {run_id}", persist_result=False)
def sync_module_group(run_id: str, module_group: str) -> State[Any]:
    """Map one module group over its clients, at most two for each worker at once.

    That bounds memory and the queue of events to the server, and nobody waits for the slowest client of a part.
    """
    with active(run_id) as run:
        clients = [client for label, client, _ in work_items(run) if label == module_group]
        workers = run.services.settings.workers
    states: list[State[Any]] = []
    under_way: deque[PrefectFuture[Any]] = deque()
    for start in range(0, len(clients), workers):
        some = clients[start : start + workers]
        under_way.extend(sync_client_module.map(unmapped(run_id), some, unmapped(module_group)))
        while len(under_way) > workers:
            states.append(_ended(under_way.popleft()))
    states.extend(_ended(future) for future in under_way)
    failed = sum(state.is_failed() or state.is_crashed() for state in states)
    if failed:
        return Completed(
            name="CompletedWithExceptions",
            message=f"{failed} of {len(clients)} clients are not done; see exceptions",
        )
    return Completed(message=f"{len(clients)} clients done")


def _ended(future: PrefectFuture[Any]) -> State[Any]:
    """Wait for a task and return its final state."""
    future.wait()
    return future.state


def run_units(services: Services, planned: Plan, *, kind: str) -> State[Any]:
    """Work on a plan under Prefect and publish what came of it; returns the flow's final state."""
    current = begin(services, planned, kind=kind, flow_run_id=runtime.flow_run.get_id())
    enter(current)
    try:
        progress = RunProgress(current)
        try:
            with stopping_on_signals(services.stop):
                _run_groups(current)
        finally:
            progress.close()
            current.close()
        published = publish(current.run_id)
        write_choices(services)  # clients that wait for a person are in the form of answer-challenge at once
    finally:
        leave(current)
    return final_state(services, current.run_id, published)


def _run_groups(current: Run) -> None:
    """Run a subflow per module group; each begins once every client of the one before is being worked on."""
    runner: Any = ThreadPoolTaskRunner(max_workers=current.services.settings.workers)
    subflow = sync_module_group.with_options(task_runner=runner)

    def run_group(label: str) -> None:
        try:
            subflow(current.run_id, label, return_state=True)
        finally:
            current.all_begun(label).set()  # else a subflow that never began would hold the next one

    labels = list(dict.fromkeys(label for label, _, _ in work_items(current)))
    with ThreadPoolExecutor(max(len(labels), 1), thread_name_prefix="module-group") as threads:
        groups = []
        for label in labels:
            groups.append(threads.submit(copy_context().run, run_group, label))
            current.all_begun(label).wait()
        for group in groups:
            group.result()


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
