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
    for latency_ms in (LATENCY_MS, 0.0):
        with Practice(
            f"end-to-end-{latency_ms:.0f}", clients=CLIENTS, documents=DOCUMENTS, latency_ms=latency_ms
        ) as practice:
            practice.night()  # warms the simulator, whose first answers are generated
            yield against_bare("flow wall time", practice, CLIENTS, latency_ms)


def against_bare(name: str, practice: Practice, clients: int, latency_ms: float, moment: str = "") -> Figure:
    """Measure a first night with open sessions, then the bare script with the same sessions.

    Without a portal's latency the flow is held against the bare script and as many task runs that do nothing. The note
    has the ratio to the script alone, which has no limit then: idle task runs and the import of Great Expectations
    beside them take longer than the script.

    Args:
        name: of what is measured.
        practice: has had its first night.
        clients: how many it has.
        latency_ms: of the portal's answers.
        moment: what the clocks show, as of ``Practice.night``.
    """
    practice.empty()
    ours = practice.night(moment)
    bare, calls, rows = practice.bare(moment)
    note = (
        f"{clients} clients: flow {ours.seconds:.1f} s, {ours.calls} calls, {ours.rows} rows; "
        f"bare {bare:.1f} s, {calls} calls, {rows} rows"
    )
    if latency_ms:
        over, beside = bare, f"bare script, portal latency {latency_ms:.0f} ms"
    else:
        idle = practice.idle(clients)
        over, beside = bare + idle, "bare script and idle task runs, no latency"
        note += (
            f"; task runs that do nothing {idle:.1f} s; over the bare script alone {ours.seconds / bare:.2f}"
        )
    return Figure(f"{name} / {beside}", ours.seconds / over, LIMIT, False, SEED, note)
