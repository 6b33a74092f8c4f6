"""A practice with simulated portals for the benchmarks: server, clients, open sessions, and a fresh warehouse.

The simulator writes no ground truth here and has no rate limit; its latency is the figure that is given.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from deployments.portal import (
    answer_captchas,
    answer_phones,
    import_clients,
    import_deductors,
    start_tds_portals,
    tds_control,
    write_settings,
    write_tds_settings,
)
from deployments.stack import ROOT, Stack

SEED = 7
HOME = ROOT / ".clientsync" / "bench"
SESSIONS_LAST = 86_400
"""Seconds that a session with the simulated TDS portals lasts, so that none ends within a figure."""


@dataclass(frozen=True)
class Measured:
    """One run of the product as a process of its own.

    Attributes:
        seconds: wall time of the flow, from its call to its end.
        peak_mb: largest resident memory of the process.
        units: units that ended.
        calls: calls that they cost.
        rows: rows loaded.
    """

    seconds: float
    peak_mb: float
    units: int
    calls: int
    rows: int


class Practice:
    """A stack with clients of one system, ``gst`` or ``tds``, whose sessions are open."""

    def __init__(
        self, name: str, *, clients: int, documents: int, latency_ms: float = 0.0, system: str = "gst"
    ) -> None:
        """Start the simulator and the server, import the clients, answer what only people can.

        Args:
            name: of the folder.
            clients: how many.
            documents: of each client and month (GST), or challans and the like of each (TDS).
            latency_ms: of every answer of the GST portal; see ``slow_down`` for the others.
            system: whose portals are simulated and whose flow a night is.

        Raises:
            ValueError: no such system.
        """
        if system not in {"gst", "tds"}:
            raise ValueError(f"there is no system {system}; valid: gst, tds")
        home = HOME / name
        shutil.rmtree(home, ignore_errors=True)
        self.system = system
        self.stack = Stack(home)
        options = {"clients": clients, "documents": documents, "seed": SEED}
        try:
            if system == "tds":
                self._open_tds(options)
            else:
                self._open_gst({**options, "latency-ms": latency_ms})
        except BaseException:
            self.stack.close()
            raise

    def _open_gst(self, options: Mapping[str, float]) -> None:
        self.stack.start_simulator([*_arguments(options), "--no-truth", "--sandbox-share", "0"])
        write_settings(self.stack)
        import_clients(self.stack)
        self.stack.start_server()
        answer_phones(self.stack)

    def _open_tds(self, options: Mapping[str, float]) -> None:
        lasting = {"efiling-seconds": SESSIONS_LAST, "traces-seconds": SESSIONS_LAST}
        self.tds_url = start_tds_portals(self.stack, [*_arguments({**options, **lasting}), "--no-truth"])
        write_tds_settings(self.stack, self.tds_url)
        import_deductors(self.stack)
        self.stack.start_server()
        answer_captchas(self.stack, self.tds_url)

    def empty(self) -> None:
        """Empty the warehouse; clients and sessions stay."""
        self.stack.run(["-m", "benchmarks.empty"])

    def next_day(self) -> None:
        """Move the TDS portals to the next day: every session has ended there and here, captchas are read anew."""
        tds_control(self.tds_url, "POST", "new-day")
        tds_control(self.tds_url, "POST", "expire-sessions")
        with closing(sqlite3.connect(self.stack.home / "data" / "clientsync.db")) as database, database:
            database.execute("DELETE FROM sync_session")
        answer_captchas(self.stack, self.tds_url)

    def slow_down(self, latency_ms: float) -> None:
        """Let the TDS portals take their time for every answer but those that keep a session alive."""
        tds_control(self.tds_url, "POST", "faults", name="latency", params={"ms": latency_ms})

    def night(self, moment: str = "") -> Measured:
        """Run the flow over all clients and modules in a process of its own.

        Args:
            moment: what the clock of the night shows, ISO 8601 with a zone; empty for the real time.
        """
        words = self._printed(["benchmarks.night", self.system], moment)[-5:]
        return Measured(float(words[0]), float(words[1]), int(words[2]), int(words[3]), int(words[4]))

    def bare(self, moment: str = "") -> tuple[float, int, int]:
        """Run the bare script over the same questions; return seconds, calls and rows.

        Args:
            moment: what its clock shows, as of ``night``.
        """
        module = "benchmarks.tds_bare" if self.system == "tds" else "benchmarks.bare"
        words = self._printed([module], moment)[-3:]
        return float(words[0]), int(words[1]), int(words[2])

    def idle(self, clients: int) -> float:
        """Run a flow of as many task runs as a night of so many clients, which do nothing; return seconds."""
        return float(self._printed(["benchmarks.idle_flow", self.system, str(clients)], "")[-1])

    def _printed(self, module: Sequence[str], moment: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=self.stack.env({"CLIENTSYNC_NOW": moment} if moment else None),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{module[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout.split()

    def close(self) -> None:
        """End every process."""
        self.stack.close()

    def __enter__(self) -> Practice:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _arguments(options: Mapping[str, float]) -> list[str]:
    return [word for key, value in options.items() for word in (f"--{key}", str(value))]


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MB."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1_000_000 if sys.platform == "darwin" else used / 1000


def now() -> float:
    """Return the monotonic time in seconds."""
    return time.monotonic()


__all__ = ["SEED", "Measured", "Practice", "now", "os", "peak_mb"]
