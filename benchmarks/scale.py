"""100 against 400 clients: time per unit and peak memory of the flow's process."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.practice import SEED, Measured, Practice

DOCUMENTS = 40


def measure() -> Iterator[Figure]:
    """Yield the two ratios."""
    found: dict[int, Measured] = {}
    for clients in (100, 400):
        with Practice(f"scale-{clients}", clients=clients, documents=DOCUMENTS) as practice:
            practice.night()
            practice.empty()
            found[clients] = practice.night()
    few, many = found[100], found[400]
    note = f"{1000 * few.seconds / few.units:.1f} ms and {1000 * many.seconds / many.units:.1f} ms a unit"
    ratio = (many.seconds / many.units) / (few.seconds / few.units)
    yield Figure("time per unit, 400 clients / 100 clients", ratio, 1.1, False, SEED, note)
    memory = f"{few.peak_mb:.0f} MB and {many.peak_mb:.0f} MB"
    yield Figure(
        "peak memory, 400 clients / 100 clients", many.peak_mb / few.peak_mb, 1.2, False, SEED, memory
    )
