"""Nothing is lost, nothing doubled, order kept: any history of writes, crashes, restores and broken downloads."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clientsync.exchange import tables as t
from clientsync.exchange.capturing import enter, record
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.holding import skip
from clientsync.exchange.lists import control_totals, received_totals
from clientsync.exchange.mailbox import mb_batch
from connectors.retail import tables as retail
from tests.support.exchange_world import Crash, Flaky, World, bill

STORES = st.sampled_from(["S1", "S2"])
NODES = st.sampled_from([HEAD_OFFICE, "S1", "S2"])
ITEMS = st.sampled_from(["I0", "I1", "I2"])
_FINAL = {"APPLIED", "SKIPPED", "SUPERSEDED"}


class Exchange(RuleBasedStateMachine):
    """Writes, syncs, crashes, broken downloads, restores; the oracle looks after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="exchange"))

    @initialize()
    def start(self) -> None:
        self.world = World(self.folder)
        self.use_flaky()
        self.number = 0
        self.backups: dict[str, Path] = {}
        self.was_restored: set[str] = set()
        self.unsure: set[str] = set()
        self.hashes: dict[tuple[Any, ...], str] = {}

    def use_flaky(self) -> None:
        self.world.mailbox = Flaky(self.world.mailbox.engine)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.settle()
            self.world.close()
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

    @rule(name=NODES)
    def sync(self, name: str) -> None:
        self.world.sync(name)
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
        applied = {
            row["key"]
            for row in self.world.rows(HEAD_OFFICE, t.inbox)
            if row["doc_type"] == "bill" and row["state"] == "APPLIED"
        }
        assert bills == applied

    @invariant()
    def a_batch_never_changes(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.world.mailbox.engine.connect() as connection:
            for row in connection.execute(mb_batch.select()):
                place = (row.sender, row.receiver, row.epoch, row.seq)
                if "mailbox" not in self.was_restored:
                    assert self.hashes.setdefault(place, row.hash) == row.hash

    @invariant()
    def stores_see_nothing_of_each_other(self) -> None:
        if not hasattr(self, "world"):
            return
        for store in self.world.stores:
            assert {row["peer"] for row in self.world.rows(store, t.inbox)} <= {HEAD_OFFICE}
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
        for name, node in self.world.nodes.items():
            for row in self.world.rows(name, t.batch_out):
                if row["state"] == "PACKED":
                    continue
                assert there[name, row["peer"], row["epoch"], row["seq"]] == row["hash"]
                if row["state"] == "PROCESSED":
                    states = {
                        one["state"]
                        for one in self.world.rows(row["peer"], t.inbox)
                        if (one["peer"], one["epoch"], one["seq"]) == (node.node_id, row["epoch"], row["seq"])
                    }
                    assert states
                    assert states <= _FINAL

    def settle(self) -> None:
        """Once faults stop, everything arrives or is held in sight, and a further round changes nothing."""
        self.world.rounds(4)
        at_head_office = {row["document_id"]: row for row in self.world.rows(HEAD_OFFICE, t.inbox)}
        for store in self.world.stores:
            assert all(row["state"] == "PACKED" for row in self.world.rows(store, t.outbox))
            for row in self.world.rows(store, t.document):
                found = at_head_office[row["document_id"]]
                assert found["state"] in _FINAL or found["code"], found
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
        for row in self.world.rows(HEAD_OFFICE, t.inbox):
            if row["state"] == "QUARANTINED":
                assert row["code"] == "TENDER"
            if row["state"] == "BLOCKED":
                assert row["code"] == "MISSING"
                assert row["blocked_by"].removeprefix("item ") not in known

    def check_quiet(self) -> None:
        before = {
            name: (self.world.rows(name, t.inbox), self.world.rows(name, t.batch_out))
            for name in self.world.nodes
        }
        self.world.rounds(1)
        for name, rows in before.items():
            assert (self.world.rows(name, t.inbox), self.world.rows(name, t.batch_out)) == rows


def test_no_history_loses_doubles_or_reorders_a_document() -> None:
    run_state_machine_as_test(
        Exchange,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.bars
def test_many_histories_lose_double_and_reorder_nothing() -> None:
    run_state_machine_as_test(
        Exchange,
        settings=settings(
            max_examples=400, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
