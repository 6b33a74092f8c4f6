"""Start the simulated Accurate: ``python -m simulators.accurate --port 0 --state-dir DIR``.

One JSON line with the address is printed when requests can be answered. The process ends on SIGTERM or when its
parent is gone, and leaves what it knows in ``state.json`` of the state directory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from simulators.accurate.books import Books
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN, Settings
from simulators.http import listen, until_ended


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m simulators.accurate", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--per-second", type=int, default=None, help="limit of calls a second")
    parser.add_argument("--in-flight", type=int, default=None, help="limit of calls under way")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--parent", type=int, default=0, help="end when this process is gone")
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    books = Books(
        Settings(per_second=options.per_second, in_flight=options.in_flight, latency=options.latency)
    )
    server, port = await listen(books.answer, options.port)
    started = {"url": f"http://127.0.0.1:{port}", "token": TOKEN, "signature_secret": SIGNATURE_SECRET}
    await until_ended(server, parent=options.parent, started=started)
    options.state_dir.mkdir(parents=True, exist_ok=True)
    (options.state_dir / "state.json").write_text(json.dumps(books.state()), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(serve(parse(sys.argv[1:])))
