"""Nights with random faults, one after another in one process: ``python -m benchmarks.soak [nights] [seed]``.

Before each night the portal's day moves on and faults are armed by dice of the seed; after it the faults end, what
failed is synchronised again, and the independent checker compares the warehouse with what the portal served. A line
per night, then the slope of resident memory. It ends by itself: with 1 when a night was not clean or memory grew.
"""

from __future__ import annotations

import logging
import random
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.practice import HOME, SEED, now
from clientsync.ledger.runs import counts_of
from clientsync.sync import service
from tests.support.checker import check
from tests.support.real_portal import Installation, installed, start_portal

CLIENTS = 6
NIGHTS = 5
GROWTH_MB = 10.0  # a night, over nights that are all of the same size
FAULTS = (
    "http_500",
    "http_503",
    "reset_peer",
    "timeout",
    "slicer",
    "truncated_json",
    "empty_body",
    "html_page",
    "bad_hmac",
    "unknown_field",
    "duplicate_rows",
)


def resident_mb() -> float:
    """Return the memory of this process that is resident now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1_000_000


def night(place: Installation, number: int, dice: random.Random) -> bool:
    """Run one night and its repair, print its line, and say whether the checker found nothing."""
    if number:
        place.control("POST", "new-day")
    names = dice.sample(FAULTS, 3)
    for name in names:
        place.control("POST", "faults", name=name, probability=0.05, seed=dice.randrange(10**6))
    began = now()
    run_id = place.run()
    place.control("DELETE", "faults")
    counts = counts_of(place.live.engine, run_id)
    repair = service.resync_plan(place.live)
    if repair.keys:
        service.run(place.live, repair, kind="retry")
    report = check(place.live.settings.database_url, place.portal.state_dir / "truth.jsonl")
    shown = " ".join(f"{name}={count}" for name, count in sorted(counts.items()))
    verdict = "clean" if report.is_clean else f"NOT CLEAN {report.failures()} {report.notes[:3]}"
    print(
        f"night {number + 1}: {now() - began:.1f} s, faults {', '.join(names)}; {shown}; repaired {len(repair.keys)}; "
        f"compared {report.compared}, held {report.held}, waiting {report.waiting}: {verdict}; "
        f"RSS {resident_mb():.0f} MB",
        flush=True,
    )
    return report.is_clean


def main(nights: int, seed: int) -> int:
    """Run the nights; return 1 when one was not clean or memory grew."""
    logging.disable(logging.WARNING)
    folder = HOME / "soak"
    shutil.rmtree(folder, ignore_errors=True)
    dice = random.Random(seed)
    clean, memory = True, []
    with (
        start_portal(folder / "portal", clients=CLIENTS, sandbox_share=0.0, seed=seed) as portal,
        installed(folder / "home", portal, settings={"deadline_seconds": 5}) as place,
    ):
        for number in range(nights):
            clean = night(place, number, dice) and clean
            memory.append(resident_mb())
    settled = memory[1:]  # the first night imports what validation needs
    slope = median([later - earlier for earlier, later in pairwise(settled)]) if len(settled) > 1 else 0.0
    print(f"{nights} nights, seed {seed}: memory grows by {slope:+.1f} MB a night, limit {GROWTH_MB:.0f} MB")
    return 0 if clean and slope <= GROWTH_MB else 1


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(words + [NIGHTS, SEED][len(words) :])))
