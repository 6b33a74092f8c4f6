"""A process that works with the product and is killed: ``python -m tests.crash.worker``.

It imports everything once, then forks a child for every command it reads (a JSON line on stdin), so that a killed
process costs no start. It answers two lines: ``pid N`` when the child runs, ``end N`` with its exit code (negative:
the signal that ended it). Invariant: the parent never opens a database or a socket, so every child starts fresh.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clientsync.config import reset_settings
from clientsync.registry import all_tables, load_dotted
from clientsync.reports.workbook import write_workbook
from clientsync.spec.module import TableSpec
from clientsync.staged import Breach, StagedUnit
from clientsync.sync import service
from clientsync.sync.run import Run
from clientsync.sync.services import Services, Validator, services_from_settings
from clientsync.sync.signals import stopping_on_signals

MODULES = ("return_register", "gstr2b", "ims", "notices")
ENDPOINTS = {
    "return_register": {"returns", "public"},
    "gstr2b": {"gstr2b"},
    "ims": {"ims"},
    "notices": {"notices"},
}
"""Module to the portal's endpoints that only it asks."""
PERIOD = "102026"
HELD_ONE_IN = 7


def hold_some(units: Sequence[StagedUnit], tables: Mapping[str, TableSpec]) -> list[Breach]:
    """Hold back one row in seven by its content, always the same ones, so that the quarantine is never idle."""
    found = []
    for unit in units:
        for cell in unit.cells:
            for number, record in enumerate(cell.records):
                key = json.dumps([str(record.values.get(name)) for name in tables[record.table].key])
                if hashlib.sha256(key.encode()).digest()[0] % HELD_ONE_IN == 0:
                    found.append(
                        Breach(unit.unit_id, cell.section, number, "CRASH-01", "held by lot", "reject_row")
                    )
    return found


def sync(services: Services, _: Mapping[str, Any]) -> None:
    """Synchronise all clients, as every night."""
    service.run(services, service.plan(services, _selection()))


def resync(services: Services, _: Mapping[str, Any]) -> None:
    """Take up what was interrupted, as the scheduled retry does."""
    service.run(services, service.resync_plan(services), kind="retry")


def stoppable(services: Services, _: Mapping[str, Any]) -> None:
    """Synchronise until a signal asks to stop."""
    with stopping_on_signals(services.stop):
        service.run(services, service.plan(services, _selection()))


def report(services: Services, command: Mapping[str, Any]) -> None:
    """Write the workbook of a run."""
    write_workbook(services.engine, command["run_id"], Path(command["path"]))


def oversleep(services: Services, command: Mapping[str, Any]) -> None:
    """Fetch and stage, then sleep beyond the lease without renewing it, then try to load."""
    kept: Validator = load_dotted(services.settings.validator)
    working: list[Run] = []

    def slow(units: Sequence[StagedUnit], tables: Mapping[str, TableSpec]) -> list[Breach]:
        if units:  # none are given when the line warms the validator up
            _without_renewal(working[0])
            Path(command["asleep"]).touch()
            while not Path(command["wake"]).exists():
                time.sleep(0.02)
        return kept(units, tables)

    services.validator = slow
    current = service.begin(services, service.plan(services, _selection()), kind="manual")
    working.append(current)
    try:
        for _, _, units in service.work_items(current)[:1]:
            current.process(units)
    finally:
        current.close()


def _without_renewal(current: Run) -> None:
    """Let a run's leases run out, as those of a process that the machine has suspended."""
    current.keeper._ended.set()
    current.keeper._thread.join()


def _selection() -> Any:
    return service.Selection(modules=MODULES, periods=(PERIOD,))


COMMANDS: dict[str, Callable[[Services, Mapping[str, Any]], None]] = {
    "sync": sync,
    "resync": resync,
    "stoppable": stoppable,
    "report": report,
    "oversleep": oversleep,
}


def _child(command: Mapping[str, Any]) -> int:
    os.environ.update(command["environment"])
    reset_settings()
    with Path(command["log"]).open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            services = services_from_settings()
            COMMANDS[command["do"]](services, command)
            services.close()
        except Exception:  # noqa: BLE001 - whatever it is, the test reads it in the log
            traceback.print_exc(file=log)
            return 1
    return 0


def main() -> None:
    """Work until stdin ends."""
    all_tables()
    for name in ("connectors.gst.provider", "alembic.command"):
        with contextlib.suppress(ImportError):
            __import__(name)
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(_child(command))
        sys.stdout.write(f"pid {pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"end {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
