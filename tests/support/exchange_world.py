"""A head office, stores and a mailbox between them, each a real database, with clocks that tests move by themselves."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from clientsync.database import open_engine
from clientsync.exchange import tables as t
from clientsync.exchange.arrivals import arrivals
from clientsync.exchange.capturing import enter
from clientsync.exchange.catalogue import HEAD_OFFICE, Catalogue
from clientsync.exchange.envelopes import Batch, Signer
from clientsync.exchange.mailbox import Mailbox, mb_ack, mb_batch, mb_heartbeat, open_mailbox
from clientsync.exchange.nodes import Node, prepare
from clientsync.exchange.rights import prepare_mailbox
from clientsync.exchange.syncing import SyncResult, sync, take_over
from connectors.retail.catalogue import catalogue, create_tables
from tests.support.retail_second import second

DAY = "2026-11-27"


class Crash(BaseException):
    """Stands for the end of the process."""


@dataclass
class Fuse:
    """Ends the process at a boundary of a commit, counted from now; it burns once.

    With ``inside`` it does that work after the commit instead, as another process would.
    """

    left: int = -1
    stop_at: str = ""
    inside: Callable[[], None] | None = None
    passed: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> None:
        self.passed.append(name)
        if self.inside is not None:
            if self.left == 0 and name.endswith("_after"):
                work, self.inside, self.left = self.inside, None, -1
                work()
            elif name.endswith("_after"):
                self.left -= 1
            return
        if name == self.stop_at:
            self.stop_at = ""
            raise Crash(name)
        if self.left == 0:
            self.left = -1
            raise Crash(name)
        if self.left > 0:
            self.left -= 1


class Flaky(Mailbox):
    """A mailbox whose downloads are broken once, in a way that a test chooses."""

    fault = ""

    def seconds_ahead(self) -> float:
        """Tell no difference: where the clock of a test jumps, it jumps for everyone."""
        return 0.0

    def after(self, receiver: str, cursors: Any) -> list[tuple[Batch, bytes]]:
        found = super().after(receiver, cursors)
        if not found or not self.fault:
            return found
        fault, self.fault = self.fault, ""
        batch, body = found[0]
        changed = {
            "flip": [(batch, body[:-1] + bytes([body[-1] ^ 1])), *found[1:]],
            "cut": [(batch, body[: len(body) // 2]), *found[1:]],
            "twice": [found[0], *found],
            "turned": found[::-1],
            "first lost": found[1:],
        }
        return changed[fault]


class World:
    """The databases of a test below one folder.

    Stores alternate between consignment and outright: S1, S3, … are consignment stores.
    """

    def __init__(self, folder: Path, stores: int = 2, make: Callable[[], Catalogue] = catalogue) -> None:
        self.folder = folder
        self.stores = [f"S{number}" for number in range(1, stores + 1)]
        self.fuse = Fuse()
        self.copies = 0
        self.signers = {one: Signer.new() for one in (HEAD_OFFICE, *self.stores)}
        self.makers = dict.fromkeys((HEAD_OFFICE, *self.stores), make)
        self.nodes: dict[str, Node] = {}
        for one in (HEAD_OFFICE, *self.stores):
            self.open(one)
            self.prepare(one)
        self.mailbox = self.open_mailbox()
        prepare_mailbox(self.mailbox.engine)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def url(self, name: str) -> str:
        return f"sqlite:///{self.path(name)}"

    def open(self, name: str) -> Node:
        engine = open_engine(self.url(name))
        self.nodes[name] = Node(engine, name, self.makers[name](), self.signers[name], self.fuse)
        return self.nodes[name]

    def prepare(self, name: str) -> None:
        peers = self.stores if name == HEAD_OFFICE else [HEAD_OFFICE]
        sites = {
            store: ("consignment" if place % 2 == 0 else "outright", "2020-01-01", ())
            for place, store in enumerate(self.stores)
        }
        prepare(
            self.nodes[name].engine,
            name,
            peers={peer: self.signers[peer].public for peer in peers},
            sites=sites if name == HEAD_OFFICE else None,
        )
        create_tables(self.nodes[name].engine, self.nodes[name].kind)

    def rebuild(self, name: str) -> None:
        """Put a new, empty database in the place of one that was lost without a backup."""
        self.nodes[name].engine.dispose()
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path(name)}{end}").unlink(missing_ok=True)
        self.open(name)
        self.prepare(name)

    def lose_in_mailbox(self, sender: str, receiver: str, *, until: int) -> None:
        """Take the first batches of a stream out of the mailbox, as a purge does."""
        with self.mailbox.engine.begin() as connection:
            for table in (mb_ack, mb_batch):
                connection.execute(
                    table.delete().where(
                        table.c.sender == sender, table.c.receiver == receiver, table.c.seq <= until
                    )
                )

    def lose_beats(self, name: str) -> None:
        """Let a node be as one that never synchronised, for the others."""
        with self.mailbox.engine.begin() as connection:
            connection.execute(mb_heartbeat.delete().where(mb_heartbeat.c.node_id == name))
        with self.nodes[HEAD_OFFICE].engine.begin() as connection:
            connection.execute(
                t.peer.update().where(t.peer.c.peer == name).values(readable="{}", protocol_minor=0)
            )

    def open_mailbox(self) -> Mailbox:
        return open_mailbox(self.url("mailbox"))

    def sync(self, name: str) -> SyncResult:
        return sync(self.nodes[name], self.mailbox)

    def rounds(self, number: int = 3) -> None:
        for _ in range(number):
            for name in (*self.stores, HEAD_OFFICE):
                self.sync(name)

    def enter(self, name: str, doc_type: str, body: dict[str, Any]) -> int:
        node = self.nodes[name]
        with node.writing("request") as connection:
            return enter(node, connection, doc_type, body)

    def item(self, code: str, name: str = "Shirt", hsn: str = "6105") -> int:
        is_second = self.nodes[HEAD_OFFICE].catalogue.known("item").schema_version == 2
        body = {"item_code": code, "name": name, "tax_basis_points": 1200}
        return self.enter(HEAD_OFFICE, "item", {**body, "hsn_code" if is_second else "hsn": hsn})

    def upgrade(self, name: str) -> None:
        """Go on with software that knows the second version of items."""
        self.makers[name] = second
        self.nodes[name] = dataclasses.replace(self.nodes[name], catalogue=second())

    def change_type(self, store: str, store_type: str, valid_from: str) -> None:
        prepare(
            self.nodes[HEAD_OFFICE].engine, HEAD_OFFICE, peers={}, sites={store: (store_type, valid_from, ())}
        )

    def bill(self, store: str, number: str, item: str = "I1", net: int = 1000, **more: Any) -> int:
        return self.enter(store, "bill", bill(store, number, item, net, **more))

    def backup(self, name: str) -> Path:
        """Copy a database as a backup does: whole, with what its log holds."""
        self.copies += 1
        copy = self.folder / f"{name}.backup{self.copies}.db"
        engine = self.mailbox.engine if name == "mailbox" else self.nodes[name].engine
        with engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql(f"VACUUM INTO '{copy}'")
            connection.exec_driver_sql("BEGIN")
        return copy

    def restore(self, name: str, copy: Path) -> None:
        """Put a copy in the place of a database."""
        engine = self.mailbox.engine if name == "mailbox" else self.nodes[name].engine
        engine.dispose()
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path(name)}{end}").unlink(missing_ok=True)
        shutil.copy(copy, self.path(name))
        if name == "mailbox":
            self.mailbox = self.open_mailbox()
        else:
            self.open(name)
            self.free(name)

    def renew(self, name: str) -> None:
        """Do what a person does who knows that this database is the right one."""
        take_over(self.nodes[name], "test")

    def free(self, name: str) -> None:
        """Let the lease of a sync that ended in a crash run out."""
        with self.nodes[name].engine.begin() as connection:
            connection.execute(t.node.update().values(lease_until=""))

    def rows(self, name: str, table: Any) -> list[dict[str, Any]]:
        with self.nodes[name].engine.connect() as connection:
            return [dict(row) for row in connection.execute(select(table)).mappings()]

    def inbox(self, name: str) -> dict[str, str]:
        """Return key to state of what came in, the last one for each key."""
        return {row["key"]: row["state"] for row in self.arrived(name)}

    def arrived(self, name: str) -> list[dict[str, Any]]:
        """Return what came in and is not purged, in its order, wherever it is kept."""
        with self.nodes[name].engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(arrivals(t.batch_in.c.n > 0)).mappings()]
        return sorted(rows, key=lambda row: (row["peer"], row["epoch"], row["seq"], row["idx"]))

    def close(self) -> None:
        self.mailbox.close()
        for node in self.nodes.values():
            node.engine.dispose()


def bill(store: str, number: str, item: str = "I1", net: int = 1000, **more: Any) -> dict[str, Any]:
    """Return a bill of one line; 12 % tax."""
    tax = net * 12 // 100
    return {
        "number": number,
        "site": store,
        "on_day": DAY,
        "customer_id": "",
        "net": net,
        "tax": tax,
        "tender": net + tax,
        "lines": [{"item_code": item, "quantity": 1000, "net": net}],
        **more,
    }
