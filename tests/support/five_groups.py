"""A practice of many clients and five module groups on a scripted portal, run through the product's own flow body.

``python -m tests.support.five_groups FOLDER CLIENTS`` makes a warehouse in the folder and runs one flow against the
Prefect server of the environment. Which client meets which trouble follows from its number alone. With ``overlapping``
behind it nobody meets one, and the first client's first part is answered once a second part was asked for.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State

from clientsync.errors import (
    BadRequest,
    FileQueued,
    NotGenerated,
    OtpRequired,
    SourceUnavailable,
    UnknownModule,
)
from clientsync.spec.connector import ModuleGroup
from clientsync.spec.module import Module, Section
from clientsync.sync.planning import Selection, plan
from flows.run_units import run_units
from tests.support.engine import add_clients, fake_services
from tests.support.fake_connector import SCRIPT, THINGS, FakeConnector, parse_things, things

GROUPS = 5
INDEX = {"fake": "tests.support.five_groups:CONNECTOR"}
TROUBLES: tuple[Exception, ...] = (
    SourceUnavailable("The portal answered 503."),
    OtpRequired("The portal wants an OTP."),
    NotGenerated("The statement is not there yet."),
    BadRequest("The portal did not understand."),
    FileQueued("The portal builds a file."),
)

MODULES = {
    f"part{number}": Module(
        name=f"part{number}",
        title=f"Part {number}",
        sections=(Section(f"part{number}", f"part{number}.get", parse_things, ("fake__thing",)),),
        tables=(THINGS,),
        naive_calls=1,
    )
    for number in range(1, GROUPS + 1)
}


class FiveGroups(FakeConnector):
    """Five module groups of one module each."""

    groups = tuple(ModuleGroup(module.title, (module.name,)) for module in MODULES.values())

    def module(self, name: str) -> Module:
        """Return a module."""
        if name not in MODULES:
            raise UnknownModule("module", name, MODULES)
        return MODULES[name]

    def module_names(self) -> tuple[str, ...]:
        """Return the names."""
        return tuple(MODULES)


CONNECTOR = FiveGroups()


def script(clients: list[str]) -> None:
    """Every 7th client-and-module has nothing, every 11th meets a trouble; all others have two rows."""
    for number, client_id in enumerate(clients):
        answers: dict[str, Any] = {}
        for part, name in enumerate(MODULES):
            mark = number * GROUPS + part
            answers[f"{name}.get"] = things(f"{part}-1", f"{part}-2")
            if mark % 7 == 0:
                answers[f"{name}.get"] = things()
            if mark % 11 == 0:
                answers[f"{name}.get"] = TROUBLES[mark // 11 % len(TROUBLES)]
        SCRIPT[client_id] = answers


def script_overlap(clients: list[str]) -> None:
    """The first client's first part waits until somebody's second part is asked for, and fails when nobody's is."""
    asked = threading.Event()

    def second_part() -> Any:
        asked.set()
        return things("1-1")

    def first_part() -> Any:
        return things("0-1") if asked.wait(30) else SourceUnavailable("Nobody's second part was asked for.")

    for client_id in clients:
        SCRIPT[client_id] = {f"{name}.get": things(f"{part}-1") for part, name in enumerate(MODULES)}
        SCRIPT[client_id]["part2.get"] = second_part
    SCRIPT[clients[0]]["part1.get"] = first_part


def main(folder: Path, number: int, *, overlapping: bool = False) -> None:
    """Run the flow once."""
    with pytest.MonkeyPatch.context() as patch:
        overrides: dict[str, Any] = {"connector_index": "tests.support.five_groups:INDEX", "workers": 24}
        with fake_services(folder, patch, **overrides) as services:
            clients = [f"C{count:04}" for count in range(1, number + 1)]
            add_clients(services, clients)
            (script_overlap if overlapping else script)(clients)

            @flow(name="five-groups", persist_result=False)
            def five_groups() -> State[Any]:
                return run_units(
                    services, plan(services, Selection("fake", periods=("102026",))), kind="manual"
                )

            five_groups(return_state=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), overlapping=sys.argv[3:] == ["overlapping"])
