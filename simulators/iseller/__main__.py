"""Start the simulated shop: `python -m simulators.iseller --port 0 --state-dir DIR`.

One JSON line with the address is printed when requests can be answered; the process ends on SIGTERM or when its
parent is gone, and leaves the truth in ``DIR/truth.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from simulators.http import listen, until_ended
from simulators.iseller.control import Controlled, truth
from simulators.iseller.shop import START, Shop


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m simulators.iseller", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=datetime.fromisoformat, default=START, help="its clock, aware")
    parser.add_argument("--real-clock", action="store_true", help="its clock is ours")
    parser.add_argument("--outlets", type=int, default=3)
    parser.add_argument("--products", type=int, default=14)
    parser.add_argument("--customers", type=int, default=10)
    parser.add_argument("--parent", type=int, default=0, help="end when this process is gone")
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    clock = (lambda: datetime.now(UTC)) if options.real_clock else None

    def make(seed: int) -> Shop:
        return Shop(
            seed=seed,
            now=clock() if clock else options.start.astimezone(UTC),
            clock=clock,
            outlet_count=options.outlets,
            product_count=options.products,
            customer_count=options.customers,
        )

    controlled = Controlled(make, options.seed)
    server, port = await listen(controlled.answer, options.port)
    options.state_dir.mkdir(parents=True, exist_ok=True)
    started = {
        "url": f"http://127.0.0.1:{port}",
        "client_id": controlled.shop.client_id,
        "client_secret": controlled.shop.client_secret,
        "webhook_key": controlled.shop.webhook_key,
        "state_dir": str(options.state_dir),
    }
    await until_ended(server, parent=options.parent, started=started)
    (options.state_dir / "truth.json").write_text(json.dumps(truth(controlled.shop)))


if __name__ == "__main__":
    asyncio.run(serve(parse(sys.argv[1:])))
