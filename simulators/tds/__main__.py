"""Start the simulated tax portals: `python -m simulators.tds --port 0 --state-dir DIR ...`.

One JSON line with the address is printed when requests can be answered; the process ends on SIGTERM or when its
parent is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import date
from pathlib import Path

from simulators.http import listen, until_ended
from simulators.tds.app import Settings, Simulator


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m simulators.tds", description=__doc__)
    defaults = Settings()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--today", type=date.fromisoformat, default=defaults.today)
    parser.add_argument("--no-truth", dest="truth", action="store_false")
    parser.add_argument("--parent", type=int, default=0, help="end when this process is gone")
    for name in (
        "clients", "documents", "seed", "start_number", "latency_ms", "unsettled_calls", "efiling_seconds",
        "traces_seconds",
    ):  # fmt: skip
        value = getattr(defaults, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    fields = Settings.__dataclass_fields__
    settings = Settings(**{name: value for name, value in vars(options).items() if name in fields})
    simulator = Simulator(settings, options.state_dir)
    server, port = await listen(simulator.handle, options.port)
    url = f"http://127.0.0.1:{port}"
    simulator.write_files(url)
    started = {"url": url, "state_dir": str(options.state_dir)}
    await until_ended(server, parent=options.parent, started=started)


if __name__ == "__main__":
    asyncio.run(serve(parse(sys.argv[1:])))
