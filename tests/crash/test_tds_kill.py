"""A TDS night whose process is killed: the next one loses nothing, doubles nothing and logs in nowhere again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.gst.process import ROOT, Running
from tests.support.tds_portal import start_tds_portals, tds_installed

pytestmark = [pytest.mark.crash, pytest.mark.integration]

MODULES = "Fetch Challans - IT Portal only,Outstanding Demand"
NIGHT = [
    sys.executable,
    "-m",
    "clientsync",
    "sync",
    "tds",
    "--no-live",
    "--workers",
    "1",
    "--modules",
    MODULES,
]
DONE = {"loaded", "unchanged", "empty", "not_asked", "not_applicable"}
POINTS = ("after_response:5", "after_stage_write:2", "before_commit:1")


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tds-kill") / "portal"
    with start_tds_portals(folder, clients=2, documents=6) as running:
        yield running


def night(crash_at: str = "") -> int:
    """Run a night as a process of its own; return its exit code, negative when a signal ended it."""
    done = subprocess.run(
        NIGHT, cwd=ROOT, env={**os.environ, "CLIENTSYNC_CRASH_AT": crash_at}, capture_output=True, check=False
    )
    return done.returncode


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_night_is_taken_up_by_the_next_one(portal: Running, tmp_path: Path, point: str) -> None:
    short = {"lease_seconds": 1}
    with tds_installed(tmp_path / "whole", portal, settings=short) as house:
        assert night() == 0
        whole = house.stored()
    house.control("POST", "expire-sessions")
    with tds_installed(tmp_path / "killed", portal, settings=short) as house:
        house.control("DELETE", "stats")
        assert night(point) == -signal.SIGKILL
        assert house.rows("SELECT * FROM sync_run WHERE state = 'running'")
        codes = [night()]
        while (
            codes[-1] == 3 and len(codes) < 5
        ):  # a lease of the dead process may still have a second to live
            codes.append(night())
        assert codes[-1] == 0
        newest = {
            (row["client_id"], row["module"], row["unit_period"]): row["outcome"]
            for row in house.rows("SELECT * FROM sync_unit ORDER BY unit_id")
        }
        assert set(newest.values()) <= DONE
        assert house.stored() == whole
        logins = house.control("GET", "stats")["by"]["endpoint"]["income_tax.login"]
        assert logins == 2 * len(house.clients()), "one log-in of two steps for each client"
    house.control("POST", "expire-sessions")
