"""What a person sets once between shop and books, both simulated: ``python -m simulators.commerce.maps``."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from simulators.accurate.seed import MASTERS
from simulators.iseller.names import OUTLETS, PAYMENTS

ACCOUNTS = {"Cash": "1101", "QRIS": "1103"}
BANK = "1102"
CHARGES = {"shipping": "4202", "rounding": "6901", "return": "6902"}
OTHER_CHARGES = ("additional_order", "additional_subtotal", "additional_final")
SERVICES = "4201"
CHANNELS = ("tokopedia", "shopee", "gofood", "web")


def mappings_of(codes: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return (kind, key of the shop) to key of the accounting; outlets share the warehouses in turn."""
    warehouses = [str(one["name"]) for one in MASTERS["warehouse"]]
    found: dict[tuple[str, str], str] = {}
    for place, code in enumerate(codes):
        warehouse = warehouses[place % len(warehouses)]
        found[("outlet", code)] = warehouse
        found.setdefault(("warehouse", warehouse), code)
    for name, *_ in PAYMENTS:
        found[("payment", name)] = ACCOUNTS.get(name, BANK)
    for name in CHANNELS:
        found[("outlet", name)] = warehouses[0]
    for name in OTHER_CHARGES:
        found[("charge", name)] = SERVICES
    found |= {("charge", name): account for name, account in CHARGES.items()}
    found[("tax", "11")] = str(MASTERS["tax"][0]["name"])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the mappings as a file that ``clientsync commerce maps-in`` reads."""
    parser = argparse.ArgumentParser(prog="python -m simulators.commerce.maps", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--outlets", type=int, default=3, help="outlets of the shop")
    options = parser.parse_args(arguments)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("kind", "shop", "accounting"))
        for (kind, key), value in mappings_of(code for code, _ in OUTLETS[: options.outlets]).items():
            writer.writerow((kind, key, value))
    return 0


if __name__ == "__main__":
    sys.exit(main())
