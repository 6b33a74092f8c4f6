"""Histories of an exchange: writes, crashes, two syncs at once, restores, loads, purges, upgrades, clocks that jump.

The oracle looks after every step. At the end of a history faults stop; then everything must have come or be held in
sight.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from clientsync.errors import AlreadyRunning, InvalidInput, LeaseLost
from clientsync.exchange import carrying, packing, receiving, syncing
from clientsync.exchange import tables as t
from clientsync.exchange.capturing import enter, record
from clientsync.exchange.carrying import read_file, write_file
from clientsync.exchange.catalogue import HEAD_OFFICE, STORE_TYPES
from clientsync.exchange.holding import skip
from clientsync.exchange.lists import control_totals, received_totals
from clientsync.exchange.loading import start
from clientsync.exchange.mailbox import mb_batch
from clientsync.exchange.nodes import Node
from clientsync.exchange.purging import purge
from clientsync.exchange.syncing import sign_of_life
from connectors.retail import tables as retail
from tests.support.exchange_world import Crash, Flaky, World, bill

NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)
BEFORE, CHANGE, AFTER = "2026-11-20", "2027-06-01", "2027-06-15"
STORES = st.sampled_from(["S1", "S2"])
NODES = st.sampled_from([HEAD_OFFICE, "S1", "S2"])
ITEMS = st.sampled_from(["I0", "I1", "I2"])
_FINAL = {"APPLIED", "SKIPPED", "SUPERSEDED"}


class Exchange(RuleBasedStateMachine):
    """Head office, two stores and a mailbox, each a file."""

    make_world: Callable[[Path], World] = World

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="exchange"))

    @initialize(part=st.sampled_from([1, 3, 500]), older=st.sets(NODES, max_size=2))
    def start(self, part: int, older: set[str]) -> None:
        self.patch = pytest.MonkeyPatch()
        self.pack_in_parts(part)
        self.say_older_protocol(older)
        self.moment = NOW
        self.set_clock()
        self.world = type(self).make_world(self.folder)
        self.use_flaky()
        self.later_types: dict[str, str] = {}
        self.number = 0
        self.backups: dict[str, Path] = {}
        self.was_restored: set[str] = set()
        self.unsure: set[str] = set()
        self.hashes: dict[tuple[Any, ...], str] = {}
        self.files: list[tuple[str, Path]] = []

    def pack_in_parts(self, size: int) -> None:
        """Let a sync bring what is written in parts, and wait for nobody who stops between two of them."""
        self.patch.setattr(syncing, "FIRST_EVENTS", size)
        self.patch.setattr(packing, "EVENTS_AT_ONCE", size)
        self.patch.setattr(receiving, "PATIENCE", 0.0)

    def say_older_protocol(self, older: set[str]) -> None:
        """Let some nodes tell the others that they read bodies in their former form only."""

        def said(node: Node) -> tuple[str, dict[str, Any]]:
            incarnation, beat = sign_of_life(node)
            return incarnation, {**beat, **({"protocol": [1, 0]} if node.node_id in older else {})}

        for module in (syncing, carrying):
            self.patch.setattr(module, "sign_of_life", said)

    def use_flaky(self) -> None:
        self.world.mailbox = Flaky(self.world.mailbox.engine)

    def set_clock(self) -> None:
        os.environ["CLIENTSYNC_NOW"] = self.moment.isoformat()

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.settle()
                self.world.close()
        finally:
            if hasattr(self, "patch"):
                self.patch.undo()
            os.environ.pop("CLIENTSYNC_NOW", None)
            shutil.rmtree(self.folder)

    @rule(code=ITEMS, name=st.sampled_from(["a", "b"]))
    def write_item(self, code: str, name: str) -> None:
        self.world.item(code, name)

    @rule(store=STORES, item=ITEMS, net=st.integers(1, 10_000))
    def write_bill(self, store: str, item: str, net: int) -> None:
        self.number += 1
        self.world.bill(store, f"{store}-{self.number}", item, net)

    @rule(store=STORES, key=st.sampled_from(["A", "B"]), name=st.sampled_from(["x", "y"]))
    def write_customer(self, store: str, key: str, name: str) -> None:
        self.number += 1
        body = {"customer_id": f"{store}{key}", "name": name, "phone": "1", "site": store}
        self.world.enter(store, "customer", body)
        sale = bill(store, f"{store}-{self.number}", "I0", customer_id=f"{store}{key}")
        self.world.enter(store, "bill", sale)

    @rule(store=STORES)
    def write_poison(self, store: str) -> None:
        self.number += 1
        node = self.world.nodes[store]
        wrong = bill(store, f"{store}-{self.number}", "I0", tender=1)
        with node.writing("request") as connection:
            record(node, connection, "bill", wrong["number"], wrong)

    @rule(store=STORES)
    def write_and_roll_back(self, store: str) -> None:
        node = self.world.nodes[store]
        before = len(self.world.rows(store, t.outbox))
        with node.engine.connect() as connection:
            enter(node, connection, "bill", bill(store, "never", "I0"))
            connection.rollback()
        assert len(self.world.rows(store, t.outbox)) == before

    @rule(store=STORES, is_transfer=st.booleans(), is_later=st.booleans())
    def write_order(self, store: str, is_transfer: bool, is_later: bool) -> None:
        self.number += 1
        body = {
            "number": f"O{self.number}",
            "site": store,
            "on_day": AFTER if is_later and store in self.later_types else BEFORE,
            "lines": [],
        }
        self.world.enter(HEAD_OFFICE, "transfer_order" if is_transfer else "sales_order", body)

    @rule(store=STORES, store_type=st.sampled_from(STORE_TYPES))
    def change_type(self, store: str, store_type: str) -> None:
        if store not in self.later_types:
            self.later_types[store] = store_type
            self.world.change_type(store, store_type, CHANGE)

    @rule(name=NODES)
    def upgrade(self, name: str) -> None:
        self.world.upgrade(name)

    @rule(days=st.sampled_from([-2, 1, 40]))
    def jump_clock(self, days: int) -> None:
        """All clocks jump together: a clock that differs from the others' is refused, not exchanged with."""
        self.moment += timedelta(days=days)
        self.set_clock()

    @rule(name=NODES)
    def purge(self, name: str) -> None:
        purge(self.world.nodes[name], self.world.mailbox, actor="test")

    @rule(name=NODES, to=STORES)
    def load(self, name: str, to: str) -> None:
        with suppress(InvalidInput):  # one is under way
            start(self.world.nodes[name], HEAD_OFFICE if name != HEAD_OFFICE else to, actor="test")

    @rule(name=NODES, at=st.integers(0, 20))
    def sync_while_another_one_takes_over(self, name: str, at: int) -> None:
        """A second process syncs the node in the middle of the first one, whose lease has run out."""

        def other() -> None:
            self.world.free(name)
            self.world.sync(name)

        self.world.fuse.inside, self.world.fuse.left = other, at
        with suppress(LeaseLost, AlreadyRunning):
            self.world.sync(name)
        self.world.fuse.inside, self.world.fuse.left = None, -1
        self.world.free(name)

    @rule(name=NODES)
    def sync(self, name: str) -> None:
        self.world.sync(name)
        self.nothing_grows_old_in_silence(name)
        self.unsure.discard(name)

    @rule(name=NODES, at=st.integers(0, 40))
    def sync_and_crash(self, name: str, at: int) -> None:
        self.world.fuse.left = at
        try:
            self.world.sync(name)
        except Crash:
            pass
        finally:
            self.world.fuse.left = -1
        self.world.free(name)

    @rule(name=NODES, store=STORES)
    def write_file(self, name: str, store: str) -> None:
        peer = store if name == HEAD_OFFICE else HEAD_OFFICE
        path = self.folder / f"{len(self.files)}.exchange"
        write_file(self.world.nodes[name], path, peer, actor="test")
        self.files.append((peer, path))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), at=st.integers(-1, 15))
    def bring_file(self, data: st.DataObject, at: int) -> None:
        """Take a file that was written at some time, perhaps again, perhaps with a crash in the middle."""
        name, path = data.draw(st.sampled_from(self.files))
        self.world.fuse.left = at
        try:
            read_file(self.world.nodes[name], path, actor="test")
        except Crash:
            pass
        finally:
            self.world.fuse.left = -1
        self.world.free(name)

    @rule(name=NODES, fault=st.sampled_from(["flip", "cut", "twice", "turned", "first lost"]))
    def sync_over_a_broken_download(self, name: str, fault: str) -> None:
        assert isinstance(self.world.mailbox, Flaky)
        self.world.mailbox.fault = fault
        self.world.sync(name)
        self.world.mailbox.fault = ""

    @rule(name=st.sampled_from([HEAD_OFFICE, "S1", "mailbox"]))
    def back_up(self, name: str) -> None:
        self.backups[name] = self.world.backup(name)

    @precondition(lambda self: self.backups)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.backups)))
        lives = set() if name == "mailbox" else {row["incarnation"] for row in self.world.rows(name, t.node)}
        self.world.restore(name, self.backups[name])
        if name == "mailbox":
            self.use_flaky()
        elif {row["incarnation"] for row in self.world.rows(name, t.node)} != lives:
            self.world.renew(name)  # restored twice: a person says that this is the right database
        self.was_restored.add(name)
        self.unsure = {HEAD_OFFICE, "S1", "S2"}

    @rule()
    def leave_out_what_is_poisoned(self) -> None:
        for row in self.world.rows(HEAD_OFFICE, t.inbox):
            if row["state"] == "QUARANTINED" and row["code"] == "TENDER":
                skip(self.world.nodes[HEAD_OFFICE], row["document_id"], actor="test", reason="poison")

    @invariant()
    def effects_are_those_of_marks(self) -> None:
        if not hasattr(self, "world"):
            return
        bills = {row["number"] for row in self.world.rows(HEAD_OFFICE, retail.bill)}
        marked = {
            row["key"]
            for row in self.world.rows(HEAD_OFFICE, t.applied)
            if row["doc_type"] == "bill" and row["has_effect"]
        }
        assert bills == marked
        assert marked >= {
            row["key"]
            for row in self.world.rows(HEAD_OFFICE, t.inbox)
            if row["doc_type"] == "bill" and row["state"] == "APPLIED"
        }

    @invariant()
    def a_batch_never_changes(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.world.mailbox.engine.connect() as connection:
            for row in connection.execute(mb_batch.select()).all():
                place = (row.sender, row.receiver, row.epoch, row.seq)
                if "mailbox" not in self.was_restored:
                    assert self.hashes.setdefault(place, row.hash) == row.hash

    @invariant()
    def stores_see_nothing_of_each_other(self) -> None:
        if not hasattr(self, "world"):
            return
        for store in self.world.stores:
            assert {row["peer"] for row in self.world.arrived(store)} <= {HEAD_OFFICE}
            first = STORE_TYPES[self.world.stores.index(store) % 2]
            for table, wanted in (
                (retail.transfer_order, STORE_TYPES[0]),
                (retail.sales_order, STORE_TYPES[1]),
            ):
                for row in self.world.rows(store, table):
                    assert row["site"] == store
                    assert wanted == (self.later_types[store] if row["on_day"] == AFTER else first)
            assert {row["site"] for row in self.world.rows(store, retail.bill)} <= {store}

    @invariant()
    def status_is_true(self) -> None:
        if not hasattr(self, "world") or self.was_restored:
            return
        with self.world.mailbox.engine.connect() as connection:
            there = {
                (row.sender, row.receiver, row.epoch, row.seq): row.hash
                for row in connection.execute(mb_batch.select())
            }
        arrived = {name: self.states_by_batch(name) for name in self.world.nodes}
        for name in self.world.nodes:
            for row in self.world.rows(name, t.batch_out):
                if row["state"] == "PACKED":
                    continue
                place = (name, row["peer"], row["epoch"], row["seq"])
                if row["state"] == "PROCESSED":
                    states = arrived[row["peer"]].get((name, row["epoch"], row["seq"]))
                    assert states is None or (len(states) == row["n"] and set(states) <= _FINAL)
                    assert there.get(place, row["hash"]) == row["hash"]
                    continue
                assert there.get(place, "" if row["uploaded_at"] else row["hash"]) == row["hash"]

    def states_by_batch(self, name: str) -> dict[tuple[str, int, int], list[str]]:
        """Return the states of what came by batch; those without documents and those that are purged are left out."""
        found: dict[tuple[str, int, int], list[str]] = {}
        for row in self.world.arrived(name):
            found.setdefault((row["peer"], row["epoch"], row["seq"]), []).append(row["state"])
        return found

    def nothing_grows_old_in_silence(self, name: str) -> None:
        """After a sync that came to its end, what is older than its deadline has an error."""
        told = {row["code"] for row in self.world.rows(name, t.error)}
        limit = (self.moment - timedelta(days=2)).isoformat(timespec="milliseconds")
        for row in self.world.rows(name, t.batch_out):
            if row["state"] == "UPLOADED" and row["uploaded_at"] < limit:
                assert "NOT_ANSWERED" in told
            assert row["state"] != "PACKED" or row["packed_at"] >= limit
        for row in self.world.rows(name, t.inbox):
            if row["state"] in ("BLOCKED", "QUARANTINED") and row["received_at"] < limit:
                assert "STILL_HELD" in told
            assert row["state"] != "RECEIVED" or row["received_at"] >= limit

    def settle(self) -> None:
        """Once faults stop, everything arrives or is held in sight, and a further round changes nothing."""
        for name in self.world.nodes:
            self.world.upgrade(name)
        self.world.rounds(4)
        at_head_office = {row["document_id"]: row for row in self.world.arrived(HEAD_OFFICE)}
        had = {row["document_id"] for row in self.world.rows(HEAD_OFFICE, t.applied)}
        versions = {
            (row["doc_type"], row["key"]): row["version"] for row in self.world.rows(HEAD_OFFICE, t.seen)
        }
        for store in self.world.stores:
            assert all(row["state"] == "PACKED" for row in self.world.rows(store, t.outbox))
            for row in self.world.rows(store, t.document):
                if row["document_id"] in had or row["version"] <= versions.get(
                    (row["doc_type"], row["key"]), 0
                ):
                    continue
                found = at_head_office[row["document_id"]]
                assert found["state"] in _FINAL or found["code"], found
            forks = sum(row["code"] == "FORK" for row in self.world.rows(store, t.inbox))
            for row in self.world.rows(store, t.batch_in):
                if (
                    row["manifest"] and row["load_state"] != "COMPLETE"
                ):  # a restored sender used a number twice
                    assert forks and HEAD_OFFICE in self.was_restored
                    assert row["load_state"].startswith("WAITS FOR")
        if not self.was_restored:
            self.check_convergence()
        self.check_quiet()

    def check_convergence(self) -> None:
        items = self.world.rows(HEAD_OFFICE, retail.item)
        known = {row["item_code"] for row in items}
        for store in self.world.stores:
            assert sorted(map(str, self.world.rows(store, retail.item))) == sorted(map(str, items))
            mine = [row for row in control_totals(self.world.nodes[store]) if row[0] == "bill"]
            theirs = [
                row for row in received_totals(self.world.nodes[HEAD_OFFICE], store) if row[0] == "bill"
            ]
            held = [
                row
                for row in self.world.rows(HEAD_OFFICE, t.inbox)
                if row["peer"] == store and row["state"] != "APPLIED" and row["doc_type"] == "bill"
            ]
            assert (mine == theirs) is not bool(held)
        inbox = self.world.rows(HEAD_OFFICE, t.inbox)
        waiting = {row["document_id"]: row for row in inbox if row["state"] in ("BLOCKED", "QUARANTINED")}
        for row in inbox:
            root = row
            while root["state"] == "BLOCKED" and root["code"] == "HELD":
                first = waiting[root["blocked_by"]]
                if first["document_id"] == root["document_id"]:
                    root = next(
                        one
                        for one in inbox
                        if one["document_id"] == root["document_id"] and one["code"] != "HELD"
                    )
                    break
                root = first
            if root["state"] == "QUARANTINED":
                assert root["code"] == "TENDER"
            if root["state"] == "BLOCKED":
                assert root["code"] == "MISSING"
                assert root["blocked_by"].removeprefix("item ") not in known

    def check_quiet(self) -> None:
        before = {
            name: (self.world.arrived(name), self.world.rows(name, t.batch_out)) for name in self.world.nodes
        }
        self.world.rounds(1)
        for name, rows in before.items():
            assert (self.world.arrived(name), self.world.rows(name, t.batch_out)) == rows
