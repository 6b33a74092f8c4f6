"""End-to-end wall time of the flow over that of the bare script, with a portal's latency and without any."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.practice import SEED, Practice

CLIENTS = 100
DOCUMENTS = 120
LATENCY_MS = 150.0
LIMIT = 2.0


def measure() -> Iterator[Figure]:
    """Yield the ratio against a portal that takes its time, then against one that answers at once."""
    yield _against_bare(LATENCY_MS)
    yield _against_bare(0.0)


def _against_bare(latency_ms: float) -> Figure:
    with Practice(
        f"end-to-end-{latency_ms:.0f}", clients=CLIENTS, documents=DOCUMENTS, latency_ms=latency_ms
    ) as practice:
        practice.night()  # warms the simulator, whose first answers are generated
        practice.empty()
        ours = practice.night()
        bare, calls, rows = practice.bare()
        note = (
            f"flow {ours.seconds:.1f} s, {ours.calls} calls, {ours.rows} rows; "
            f"bare {bare:.1f} s, {calls} calls, {rows} rows"
        )
        if latency_ms:
            name = f"flow wall time / bare script, portal latency {latency_ms:.0f} ms"
            return Figure(name, ours.seconds / bare, LIMIT, False, SEED, note)
        return beside_idle("flow wall time", practice, CLIENTS, ours.seconds, bare, note)


def beside_idle(name: str, practice: Practice, clients: int, flow: float, bare: float, note: str) -> Figure:
    """Return a flow's time over that of the bare script and of as many task runs that do nothing, with no latency.

    The note holds the ratio to the bare script alone. It has no limit: without a portal's latency the task runs that do
    nothing take longer than the script, so that no flow with a task run per client and module can be near it.
    """
    idle = practice.idle(clients)
    return Figure(
        f"{name} / bare script and idle task runs, no latency",
        flow / (bare + idle),
        LIMIT,
        False,
        SEED,
        f"{note}; task runs that do nothing {idle:.1f} s; over the bare script alone {flow / bare:.2f}",
    )
