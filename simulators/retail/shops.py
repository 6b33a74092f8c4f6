"""Databases of a retailer and its days: items and prices, promotions, transfer orders, bills, receipts of goods.

``python -m simulators.retail.shops --folder DIR --stores 3 --bills 40 --seed 7`` plays three rounds of the exchange
over real databases in a folder, the last store without a network in the first two, and prints what the head office
sees.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from clientsync.clock import today
from clientsync.database import open_engine
from clientsync.exchange.board import compared, freshness
from clientsync.exchange.capturing import enter
from clientsync.exchange.catalogue import HEAD_OFFICE, STORE_TYPES
from clientsync.exchange.envelopes import Signer
from clientsync.exchange.lists import received
from clientsync.exchange.mailbox import Mailbox, open_mailbox
from clientsync.exchange.nodes import Node, prepare
from clientsync.exchange.rights import prepare_mailbox
from clientsync.exchange.syncing import sync
from connectors.retail.catalogue import catalogue, create_tables

TAX_PERCENT = 12


class Retailer:
    """A head office and stores on SQLite below a folder, with a mailbox beside them; every second store is outright."""

    def __init__(self, folder: Path, stores: int, seed: int, mailbox_url: str = "") -> None:
        self.dice = random.Random(seed)
        self.stores = [f"S{number:03d}" for number in range(1, stores + 1)]
        names = [HEAD_OFFICE, *self.stores]
        signers = {name: Signer.new() for name in names}
        self.nodes = {
            name: Node(open_engine(f"sqlite:///{folder / name}.db"), name, catalogue(), signers[name])
            for name in names
        }
        sites = {name: (STORE_TYPES[place % 2], "2020-01-01", ()) for place, name in enumerate(self.stores)}
        for name, node in self.nodes.items():
            others = self.stores if name == HEAD_OFFICE else [HEAD_OFFICE]
            prepare(
                node.engine,
                name,
                peers={one: signers[one].public for one in others},
                sites=sites if name == HEAD_OFFICE else None,
            )
            create_tables(node.engine, node.kind)
        self.mailbox: Mailbox = open_mailbox(mailbox_url or f"sqlite:///{folder / 'web'}.db")
        prepare_mailbox(self.mailbox.engine)
        self.bills = 0

    def write(self, name: str, documents: Iterator[tuple[str, dict[str, Any]]]) -> int:
        """Write documents at a node, all in one transaction; return how many."""
        number = 0
        node = self.nodes[name]
        with node.writing("request") as connection:
            for doc_type, body in documents:
                enter(node, connection, doc_type, body, actor="day")
                number += 1
        return number

    def masters(self, items: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield items, their prices, and a promotion."""
        for number in range(items):
            code = f"I{number:04d}"
            yield (
                "item",
                {"item_code": code, "name": f"Shirt {number}", "hsn": "6105", "tax_basis_points": 1200},
            )
            rate = self.dice.randrange(100_00, 2_000_00)
            price = {"price_id": f"P{number:04d}", "item_code": code, "rate": rate}
            yield "price", {**price, "valid_from": today().isoformat()}
        promotion = {"promotion_id": "PR1", "name": "Winter", "basis_points": 1000, "sites": self.stores}
        day = today().isoformat()
        yield "promotion", {**promotion, "valid_from": day, "valid_until": day}

    def orders(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield a transfer order for every consignment store, an order and an invoice for the others."""
        for place, site in enumerate(self.stores):
            lines = [{"item_code": "I0000", "quantity": 10_000, "rate": 500_00}]
            usual = {"site": site, "on_day": today().isoformat(), "lines": lines}
            if STORE_TYPES[place % 2] == "consignment":
                yield "transfer_order", {"number": f"T{place:04d}", **usual}
            else:
                yield "sales_order", {"number": f"O{place:04d}", **usual}
                yield "invoice", {"number": f"V{place:04d}", "net": 5_000_00, "tax": 600_00, **usual}

    def sales(self, store: str, bills: int, items: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield bills of up to five lines, some with a new customer."""
        for _ in range(bills):
            self.bills += 1
            customer = ""
            if self.dice.random() < 0.2:
                customer = f"{store}-C{self.bills:07d}"
                body = {"customer_id": customer, "name": f"Customer {self.bills}", "phone": str(self.bills)}
                yield "customer", {**body, "site": store}
            lines = [
                {
                    "item_code": f"I{self.dice.randrange(items):04d}",
                    "quantity": 1000 * self.dice.randrange(1, 4),
                    "net": self.dice.randrange(100_00, 3_000_00),
                }
                for _ in range(self.dice.randrange(1, 6))
            ]
            net = sum(int(str(line["net"])) for line in lines)
            tax = net * TAX_PERCENT // 100
            yield (
                "bill",
                {
                    "number": f"{store}-{self.bills:07d}",
                    "site": store,
                    "on_day": today().isoformat(),
                    "customer_id": customer,
                    "net": net,
                    "tax": tax,
                    "tender": net + tax,
                    "lines": lines,
                },
            )

    def sync(self, name: str) -> str:
        """Sync a node once and return the sentence."""
        return sync(self.nodes[name], self.mailbox).sentence

    def __enter__(self) -> Self:
        """Return itself; its databases are closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every database."""
        self.close()

    def close(self) -> None:
        """Close every database."""
        self.mailbox.close()
        for node in self.nodes.values():
            node.engine.dispose()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main(arguments: list[str] | None = None) -> int:
    """Play the rounds; 0 when at the end the totals of every store agree and nothing is held, else 1."""
    parser = argparse.ArgumentParser(
        description="A head office and stores exchange documents for some rounds."
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--stores", type=int, default=3)
    parser.add_argument("--bills", type=int, default=40, help="per store and round")
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    with Retailer(options.folder, options.stores, options.seed) as retailer:
        return _play(retailer, options.bills, options.items)


def _play(retailer: Retailer, bills: int, items: int) -> int:
    away = retailer.stores[-1]
    retailer.write(HEAD_OFFICE, retailer.masters(items))
    retailer.write(HEAD_OFFICE, retailer.orders())
    for number in range(1, 4):
        is_away = number < 3
        _say(f"round {number}: {away} " + ("has no network and sells on" if is_away else "is back"))
        _say("  " + retailer.sync(HEAD_OFFICE))
        for store in retailer.stores:
            retailer.write(store, retailer.sales(store, bills, items))
            if store != away or not is_away:
                _say("  " + retailer.sync(store))
        _say("  " + retailer.sync(HEAD_OFFICE))
        for row in freshness(retailer.nodes[HEAD_OFFICE], retailer.mailbox):
            _say(f"    {row['store']}: last seen {row['last seen']}, waiting {_known(row['waiting'])}")
    for store in retailer.stores:
        retailer.sync(store)
    return _judge(retailer)


def _known(waiting: Any) -> str:
    return "unknown" if waiting == "" else str(waiting)


def _judge(retailer: Retailer) -> int:
    office = retailer.nodes[HEAD_OFFICE]
    differing = 0
    for row in compared(office, retailer.mailbox):
        differing += row["state"] != "equal"
        if row["type"] == "bill":
            _say(
                f"  {row['store']} {row['day']}: {row['count there']} bills, net Rs {row['net there'] / 100:,.2f}; "
                f"here {row['count here']}, Rs {row['net here'] / 100:,.2f}: {row['state']}"
            )
    held = [
        row
        for node in retailer.nodes.values()
        for row in received(node)
        if row["state"] in ("BLOCKED", "QUARANTINED")
    ]
    _say(f"  {differing} totals differ, {len(held)} documents are held")
    return 1 if differing or held else 0


if __name__ == "__main__":
    sys.exit(main())
