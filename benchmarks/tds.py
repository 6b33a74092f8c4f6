"""TDS: calls of a quiet night, the flow against the bare script, and many deductors against few."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.end_to_end import LATENCY_MS, against_bare
from benchmarks.figures import Figure
from benchmarks.practice import SEED, Measured, Practice

FEW, MANY = 100, 500
DOCUMENTS = 12
FIRST, SECOND = "2026-11-20T21:00:00+05:30", "2026-11-21T21:00:00+05:30"
"""Two nights of the simulated portals, one after the other."""


def measure(few: int = FEW, many: int = MANY) -> Iterator[Figure]:
    """Yield the ratios; ``few`` and ``many`` are numbers of deductors."""
    with Practice(f"tds-{few}", clients=few, documents=DOCUMENTS, system="tds") as practice:
        small = practice.night(FIRST)
        yield against_bare("TDS, flow wall time", practice, few, 0.0, FIRST)
    with Practice(f"tds-{many}", clients=many, documents=DOCUMENTS, system="tds") as practice:
        large = practice.night(FIRST)
        practice.next_day()
        quiet = practice.night(SECOND)
        note = f"{many} TANs: {large.calls} calls, next night {quiet.calls}, log-ins among both"
        yield Figure(
            "TDS, calls of a quiet night / first night", quiet.calls / large.calls, 0.25, False, SEED, note
        )
        yield from _scale(few, small, many, large)
        practice.slow_down(LATENCY_MS)
        yield against_bare("TDS, flow wall time", practice, many, LATENCY_MS, SECOND)


def _scale(few: int, small: Measured, many: int, large: Measured) -> Iterator[Figure]:
    each = [1000 * one.seconds / one.units for one in (small, large)]
    note = f"{each[0]:.1f} ms and {each[1]:.1f} ms a unit"
    yield Figure(f"TDS, time per unit, {many} TANs / {few} TANs", each[1] / each[0], 1.1, False, SEED, note)
    memory = f"{small.peak_mb:.0f} MB and {large.peak_mb:.0f} MB"
    ratio = large.peak_mb / small.peak_mb
    yield Figure(f"TDS, peak memory, {many} TANs / {few} TANs", ratio, 1.2, False, SEED, memory)
