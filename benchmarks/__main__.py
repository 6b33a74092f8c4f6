"""Runs every benchmark, or the named ones: ``python -m benchmarks [name ...]``."""

from __future__ import annotations

import sys
import time
from importlib import import_module

BENCHMARKS = {
    "end-to-end": "benchmarks.end_to_end",
    "dlt": "benchmarks.dlt_merge",
    "scale": "benchmarks.scale",
    "tds": "benchmarks.tds",
    "matching": "benchmarks.matching",
    "workbook": "benchmarks.workbook",
    "exchange": "benchmarks.exchange",
    "records": "benchmarks.records",
    "commerce": "benchmarks.commerce",
}


def main(names: list[str]) -> int:
    """Print a line per figure; return 1 when one does not hold its limit, 2 for an unknown name."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"Unknown benchmark {unknown[0]!r}. Valid: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    failed = False
    for name in names or BENCHMARKS:
        began = time.monotonic()
        print(f"# {name} …", file=sys.stderr, flush=True)
        for figure in import_module(BENCHMARKS[name]).measure():
            print(figure.line(), flush=True)
            failed = failed or not figure.passes
        print(f"# {name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
