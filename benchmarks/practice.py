"""A practice with a simulated portal for the benchmarks: server, clients, open sessions, and a fresh warehouse.

The simulator writes no ground truth here and has no rate limit; its latency is the figure that is given.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from deployments.portal import answer_phones, import_clients, write_settings
from deployments.stack import ROOT, Stack

SEED = 7
HOME = ROOT / ".clientsync" / "bench"


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
    """A stack with clients whose sessions are open."""

    def __init__(self, name: str, *, clients: int, documents: int, latency_ms: float = 0.0) -> None:
        """Start the simulator and the server, import the clients, answer their OTPs."""
        home = HOME / name
        shutil.rmtree(home, ignore_errors=True)
        self.stack = Stack(home)
        try:
            options = {"clients": clients, "documents": documents, "seed": SEED, "latency-ms": latency_ms}
            arguments = [word for key, value in options.items() for word in (f"--{key}", str(value))]
            self.stack.start_simulator([*arguments, "--no-truth", "--sandbox-share", "0"])
            write_settings(self.stack)
            import_clients(self.stack)
            self.stack.start_server()
            answer_phones(self.stack)
        except BaseException:
            self.stack.close()
            raise

    def empty(self) -> None:
        """Empty the warehouse; clients and sessions stay."""
        self.stack.run(["-m", "benchmarks.empty"])

    def night(self) -> Measured:
        """Run the flow over all clients and modules in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.night"],
            cwd=ROOT,
            env=self.stack.env(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the night ended with {done.returncode}: {done.stderr[-2000:]}")
        words = done.stdout.split()[-5:]
        return Measured(float(words[0]), float(words[1]), int(words[2]), int(words[3]), int(words[4]))

    def bare(self) -> tuple[float, int, int]:
        """Run the bare script over the same questions; return seconds, calls and rows."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.bare"],
            cwd=ROOT,
            env=self.stack.env(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the bare script ended with {done.returncode}: {done.stderr[-2000:]}")
        words = done.stdout.split()[-3:]
        return float(words[0]), int(words[1]), int(words[2])

    def close(self) -> None:
        """End every process."""
        self.stack.close()

    def __enter__(self) -> Practice:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MB."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1_000_000 if sys.platform == "darwin" else used / 1000


def now() -> float:
    """Return the monotonic time in seconds."""
    return time.monotonic()


__all__ = ["SEED", "Measured", "Practice", "now", "os", "peak_mb"]
