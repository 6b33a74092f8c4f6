"""The two failures of the vendor's article, repaired: ``python -m simulators.commerce.show --folder DIR``.

A shop and its books run on loopback ports; what an operator types is run as the commands of the product. A transfer-in
waits for its transfer-out, which has a product without a SKU; a sale has the same product. The SKU is set, one refresh,
and everything is booked. It ends by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from deployments.commerce import NAME, Pair, commerce_lines, credentials
from simulators.accurate import Books
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN
from simulators.commerce.maps import main as write_maps
from simulators.http import Served
from simulators.iseller.shop import Shop


def _now() -> datetime:
    return datetime.now(UTC)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Operator:
    """Types commands of the product."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment

    def types(self, *words: str, is_quiet: bool = False) -> str:
        """Run a command and show what it says; return its output."""
        if not is_quiet:
            _say(f"\n$ clientsync commerce {' '.join(words)}")
        done = subprocess.run(  # noqa: S603 - commands of our own
            [sys.executable, "-m", "clientsync", "commerce", *words],
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if not is_quiet:
            _say((done.stdout + done.stderr).rstrip())
        return done.stdout

    def documents(self, *words: str) -> list[dict[str, object]]:
        """Return documents of the Synchronization Status."""
        found: list[dict[str, object]] = json.loads(
            self.types("documents", NAME, *words, "--json", is_quiet=True)
        )
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Play it; 0 when both failures were shown with their reason and everything is booked in the end."""
    parser = argparse.ArgumentParser(
        description="A shop and its accounting: two failures, a repair, a refresh."
    )
    parser.add_argument("--folder", type=Path, required=True)
    folder: Path = parser.parse_args(arguments).folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shop, books = Shop(seed=7, now=_now(), clock=_now), Books()
    with ExitStack() as stack:
        shop_url, books_url = (stack.enter_context(Served(one)).url for one in (shop.answer, books.answer))
        books.data_url = books_url
        settings = folder / "clientsync.toml"
        home, key = json.dumps(str(folder / "data")), json.dumps(f"file:{folder / 'vault.key'}")
        lines = [
            f"home = {home}",
            f"vault_key_ref = {key}",
            *commerce_lines(Pair(shop_url, books_url), per_second=8),
        ]
        settings.write_text("\n".join(lines) + "\n")
        environment = {
            "CLIENTSYNC_CONFIG": str(settings),
            **credentials(shop.client_id, shop.client_secret, shop.webhook_key, TOKEN, SIGNATURE_SECRET),
        }
        return _play(shop, books, Operator(folder, environment), folder / "mappings.csv")


def _play(shop: Shop, books: Books, operator: Operator, maps: Path) -> int:
    write_maps(["--out", str(maps)])
    operator.types("maps-in", NAME, str(maps))
    _say(
        "   In the shop: six sales, a new product without a SKU, one sale of it, and a transfer of it between outlets."
    )
    for _ in range(6):
        shop.sell(channel="pos")
    product = shop.add_product("", name="Kopi Arabika Gayo")
    shop.sell(channel="pos", lines=[(product, 2)])
    here, there = (one.code for one in shop.outlets[:2])
    out = shop.transfer_out(here, there, [(product, 5)])
    shop.transfer_in(out)
    operator.types("sync", NAME)
    operator.types("documents", NAME, "--status", "Failed", "--status", "Held")
    broken = operator.documents("--status", "Failed", "--status", "Held")
    reasons = " ".join(str(one["reason"]) for one in broken)
    _say(
        "\n   Somebody gives the product its SKU in the shop; the operator refreshes the last document only."
    )
    shop.set_sku(product, "KOPI-GAYO")
    last = next(one for one in broken if str(one["what"]).startswith("transfer-in"))
    operator.types("refresh", NAME, str(last["document"]))
    operator.types("status", NAME)
    left = operator.documents(
        "--status", "Failed", "--status", "Held", "--status", "Waiting", "--status", "Unknown"
    )
    is_told = "which failed: product 'Kopi Arabika Gayo' has no SKU" in reasons
    if not is_told or left or books.truth.doubled():
        _say(f"   This is not how it should end: {json.dumps(left)}")
        return 1
    _say("\n   Everything is booked, each document once.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
