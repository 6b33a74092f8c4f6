"""End-to-end wall time of the flow over that of the bare script, with a portal's latency and without any."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.practice import SEED, Practice

CLIENTS = 100
DOCUMENTS = 120
LATENCY_MS = 150.0


def measure() -> Iterator[Figure]:
    """Yield the ratio against a portal that takes its time, then against one that answers at once."""
    for name, latency, limit in (("portal latency 150 ms", LATENCY_MS, 2.0), ("no latency", 0.0, 2.0)):
        with Practice(
            f"end-to-end-{latency:.0f}", clients=CLIENTS, documents=DOCUMENTS, latency_ms=latency
        ) as practice:
            practice.night()  # warms the simulator, whose first answers are generated
            practice.empty()
            ours = practice.night()
            bare, calls, rows = practice.bare()
            idle = practice.idle(CLIENTS)
        note = (
            f"flow {ours.seconds:.1f} s, {ours.calls} calls, {ours.rows} rows; "
            f"bare {bare:.1f} s, {calls} calls, {rows} rows; task runs that do nothing {idle:.1f} s"
        )
        yield Figure(f"flow wall time / bare script, {name}", ours.seconds / bare, limit, False, SEED, note)
