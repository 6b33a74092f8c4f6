"""A flow of as many task runs as a night has, none of which does anything.

``python -m benchmarks.idle_flow gst|tds CLIENTS`` prints seconds. It is what orchestration alone costs: whatever maps a
flow over clients and modules as tasks pays it before it asks a portal. Great Expectations is imported beside it, as a
night does.
"""

from __future__ import annotations

import logging
import sys
import threading
from importlib import import_module
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from benchmarks.practice import now
from clientsync.config import settings
from clientsync.registry import connector


@task(cache_policy=NO_CACHE, persist_result=False, cache_result_in_memory=False)
def idle(client: int) -> int:
    """Do nothing for one client and module group."""
    return client


@flow(persist_result=False)
def idle_group(clients: int) -> None:
    """Map one module group over the clients."""
    wait(list(idle.map(range(clients))))


@flow(persist_result=False)
def idle_night(system: str, clients: int) -> None:
    """Run every module group of a night."""
    warming = threading.Thread(target=import_module, args=("great_expectations",))
    warming.start()
    runner: Any = ThreadPoolTaskRunner(max_workers=settings().workers)
    for _ in connector(system).groups:
        idle_group.with_options(task_runner=runner)(clients)
    warming.join()


if __name__ == "__main__":
    logging.getLogger("prefect").setLevel(logging.CRITICAL)
    began = now()
    idle_night(sys.argv[1], int(sys.argv[2]))
    print(f"{now() - began:.2f}")
