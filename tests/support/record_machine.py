"""Histories of two systems whose records are kept alike; the oracle knows what each of them held, and when."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import select

from clientsync.database import reading
from clientsync.errors import InvalidInput
from clientsync.records import running, store, working
from clientsync.records.planning import CATEGORIES, Link, Plan, plan
from tests.support.record_world import Crash, FakeSide, RecordWorld, capitals, exact

SIDES = st.sampled_from(["a", "b"])
NAMES = st.sampled_from(["Asha", "Bela", "Chitra Devi", ""])
FIELD = st.sampled_from(["name", "city"])
PICK = st.integers(0, 50)


class Records(RuleBasedStateMachine):
    """Creates, edits and deletes on both sides, links, choices, runs, crashes, listings that are not whole."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="records"))

    @initialize(keep=st.sampled_from([exact, capitals]), policy=st.sampled_from(["ask", "three_way"]))
    def start(self, keep: Callable[[Mapping[str, str]], dict[str, str]], policy: str) -> None:
        self.world = RecordWorld(self.folder, policy, keep)
        self.number = 0
        self.forbidden: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.settle()
                self.world.close()
        finally:
            shutil.rmtree(self.folder)

    def side(self, name: str) -> FakeSide:
        return self.world.a if name == "a" else self.world.b

    def pick(self, name: str, pick: int) -> str:
        there = sorted(self.side(name).records)
        return there[pick % len(there)] if there else ""

    @rule(side=SIDES, name=NAMES)
    def create(self, side: str, name: str) -> None:
        self.number += 1
        self.side(side).put(number=f"{self.number}", name=name)

    @rule(side=SIDES, pick=PICK, field=FIELD, value=NAMES)
    def edit(self, side: str, pick: int, field: str, value: str) -> None:
        if ext_id := self.pick(side, pick):
            self.side(side).edit(ext_id, **{field: value})

    @rule(side=SIDES, pick=PICK)
    def delete(self, side: str, pick: int) -> None:
        self.side(side).records.pop(self.pick(side, pick), None)

    @rule(side=SIDES, pick=PICK)
    def hide_or_show(self, side: str, pick: int) -> None:
        """A page of the listing does not come, or comes again."""
        hidden = self.side(side).hidden
        if hidden:
            hidden.clear()
        elif ext_id := self.pick(side, pick):
            hidden.add(ext_id)

    @rule()
    def preview(self) -> None:
        before = self.held()
        running.preview(self.world.set, actor="test")
        assert self.held() == before

    @rule()
    def run(self) -> None:
        self.whole(lambda: running.run(self.world.set, actor="test"))

    @rule(at=st.integers(0, 14))
    def run_and_crash(self, at: int) -> None:
        self.crash(at, lambda: running.run(self.world.set, actor="test"))

    @rule(at=st.integers(0, 14), side=SIDES, pick=PICK, field=FIELD, value=NAMES)
    def run_while_somebody_edits(self, at: int, side: str, pick: int, field: str, value: str) -> None:
        self.world.calls.between = lambda: self.edit(side, pick, field, value)
        self.world.calls.left = at
        try:
            self.whole(lambda: running.run(self.world.set, actor="test"))
        finally:
            self.world.calls.left, self.world.calls.between = -1, None

    @rule(pick=PICK, other=PICK)
    def link(self, pick: int, other: int) -> None:
        with suppress(InvalidInput):
            working.link(self.world.set, self.pick("a", pick), self.pick("b", other), actor="test")

    @precondition(lambda self: hasattr(self, "world") and self.links())
    @rule(pick=PICK, enabled=st.booleans())
    def switch(self, pick: int, enabled: bool) -> None:
        working.switch(self.world.set, self.link_id(pick), enabled=enabled, actor="test")

    @precondition(lambda self: hasattr(self, "world") and self.links())
    @rule(pick=PICK)
    def unlink_and_link_again(self, pick: int) -> None:
        """Nothing is written by it: no field of a record changes."""
        with running.alone(self.world.set):
            before = self.held()  # after what was left open has come to its end
        pair = self.links()[pick % len(self.links())]
        working.unlink(self.world.set, pair.link_id, actor="test")
        with suppress(InvalidInput):
            working.link(self.world.set, pair.a, pair.b, actor="test")
        assert self.held() == before

    @rule(side=SIDES, pick=PICK, at=st.integers(-1, 8))
    def create_partner(self, side: str, pick: int, at: int) -> None:
        def work() -> None:
            with suppress(InvalidInput):
                working.create_partners(self.world.set, [(side, self.pick(side, pick))], actor="test")

        self.crash(at, work)

    @precondition(lambda self: hasattr(self, "world") and self.links())
    @rule(pick=PICK, field=FIELD, said=st.sampled_from(["a", "b", ":Devi", "keep"]), at=st.integers(-1, 8))
    def resolve(self, pick: int, field: str, said: str, at: int) -> None:
        link_id = self.link_id(pick)

        def work() -> None:
            with suppress(InvalidInput):
                working.resolve(self.world.set, link_id, {field: said}, actor="test")

        self.crash(at, work)

    @precondition(lambda self: hasattr(self, "world") and self.links())
    @rule(pick=PICK)
    def undo(self, pick: int) -> None:
        """What it takes back is what each side held before the last choice that was carried out, unless one changed."""
        link_id = self.link_id(pick)
        with reading(self.world.engine) as connection:
            rows = connection.execute(
                select(store.CHOICES).where(
                    store.CHOICES.c.link_id == link_id,
                    store.CHOICES.c.undone_at.is_(None),
                    store.CHOICES.c.settled_a.is_not(None),
                )
            ).all()
        with suppress(InvalidInput):
            _, undone = working.undo(self.world.set, link_id, actor="test")
            pair = next(one for one in self.links() if one.link_id == link_id)
            last = [one for one in rows if one.group == rows[-1].group]
            for one in last:
                if not undone:
                    assert self.world.a.records[pair.a][one.field] == one.was_a
                    assert (
                        self.world.b.records[pair.b][one.field]
                        == self.world.b.keep({one.field: one.was_b})[one.field]
                    )

    @precondition(lambda self: hasattr(self, "world") and self.links())
    @rule(pick=PICK, is_recreated=st.booleans(), at=st.integers(-1, 6))
    def settle_a_deleted_one(self, pick: int, is_recreated: bool, at: int) -> None:
        link_id = self.link_id(pick)
        work = working.recreate if is_recreated else working.delete_other

        def settle() -> None:
            with suppress(InvalidInput):
                work(self.world.set, link_id, actor="test")

        self.crash(at, settle)

    def crash(self, at: int, work: Callable[[], object]) -> None:
        self.world.calls.left = at
        try:
            self.whole(work)
        except Crash:
            self.world.free()
        finally:
            self.world.calls.left = -1

    def whole(self, work: Callable[[], object]) -> None:
        """Do something, and see that only what may be written was written."""
        off = {(side, getattr(one, side)) for one in self.links() if not one.enabled for side in ("a", "b")}
        start = len(self.world.calls.log)
        held = {name: len(self.side(name).overwritten) for name in ("a", "b")}
        bases = self.links()
        try:
            work()
        finally:
            for side, name, ext_id in self.world.calls.log[start:]:
                assert name != "update" or (side, ext_id) not in off
            for name, count in held.items():
                self.nothing_was_lost_in_silence(name, self.side(name).overwritten[count:], bases)

    def nothing_was_lost_in_silence(
        self, side: str, overwritten: list[tuple[str, str, str, str]], links: list[Link]
    ) -> None:
        """What was overwritten is what both had agreed on, or stands in a choice of a person."""
        with reading(self.world.engine) as connection:
            choices = connection.execute(select(store.CHOICES)).all()
            made = connection.execute(select(store.INTENTS).where(store.INTENTS.c.op == "create")).all()
        known = {one.link_id for one in links}
        for ext_id, field, was, value in overwritten:
            link = next(one for one in [*links, *self.links()] if getattr(one, side) == ext_id)
            source, other = (link.b, "b") if side == "a" else (link.a, "a")
            # a pair that this very run made: both agreed on what the partner was made with
            agreed = {
                one.values.get(field, "")
                for one in made
                if link.link_id not in known and (one.side, one.ext_id) in ((side, source), (other, ext_id))
            }
            base = (link.base_a if side == "a" else link.base_b) or {}
            lost = {
                getattr(one, f"was_{side}")
                for one in choices
                if (one.link_id, one.field) == (link.link_id, field)
            }
            given = {one.value for one in choices if (one.link_id, one.field) == (link.link_id, field)}
            is_taken_back = value in lost and was in {
                self.side(side).keep({field: one})[field] for one in given
            }
            as_made = {self.side(side).keep({field: one})[field] for one in agreed}
            assert was == base.get(field) or was in lost or was in as_made or is_taken_back

    def links(self) -> list[Link]:
        with reading(self.world.engine) as connection:
            return store.links_of(connection, "customers")

    def link_id(self, pick: int) -> int:
        links = self.links()
        return links[pick % len(links)].link_id

    def held(self) -> dict[str, dict[str, dict[str, str]]]:
        return {name: {one: dict(row) for one, row in self.side(name).records.items()} for name in ("a", "b")}

    @invariant()
    def every_record_stands_in_one_row_and_in_one_pair(self) -> None:
        if not hasattr(self, "world"):
            return
        with reading(self.world.engine) as connection:
            try:
                found = store.stored(connection, "customers")
            except InvalidInput:
                return  # never read
        made = plan(
            self.world.set.entity,
            found.a,
            found.b,
            found.links,
            policy=self.world.set.policy,
            ignored=found.ignored,
        )
        for side, listing in (("a", found.a), ("b", found.b)):
            rows = [getattr(row, side) for row in made.rows if getattr(row, side) in listing.records]
            assert sorted(rows) == sorted(listing.records)
            linked = [getattr(one, side) for one in found.links]
            assert len(linked) == len(set(linked))
        assert {row.category for row in made.rows} <= set(CATEGORIES)
        mirrored = plan(
            self.world.set.entity,
            found.b,
            found.a,
            [
                Link(one.link_id, one.b, one.a, one.base_b, one.base_a, one.enabled, one.version)
                for one in found.links
            ],
            policy=self.world.set.policy,
            ignored={("b" if side == "a" else "a", one) for side, one in found.ignored},
        )
        assert mirrored.counts == made.counts
        assert {(one.link_id, one.side, one.values) for one in mirrored.writes} == {
            (one.link_id, "b" if one.side == "a" else "a", one.values) for one in made.writes
        }

    @invariant()
    def nothing_was_made_twice(self) -> None:
        if not hasattr(self, "world"):
            return
        for side in (self.world.a, self.world.b):
            numbers = [row["number"] for row in side.records.values()]
            assert len(numbers) == len(set(numbers))

    def settle(self) -> None:
        """Once nothing fails, choices bring every pair to agreement, and a further run writes nothing."""
        for side in (self.world.a, self.world.b):
            side.hidden.clear()
        done = self.approved()
        for _ in range(3):
            for row in done.rows:
                if row.category == "conflict":
                    working.resolve(
                        self.world.set, row.link_id, {one.name: "a" for one in row.fields}, actor="test"
                    )
            done = self.approved()
            for row in done.rows:  # what a system writes in its own way a person accepts
                if row.category in ("conflict", "pending"):
                    working.resolve(
                        self.world.set, row.link_id, {one.name: "keep" for one in row.fields}, actor="test"
                    )
            done = self.approved()
        assert done.counts["conflict"] == done.counts["pending"] == done.counts["blocked"] == 0
        before, calls = self.held(), len(self.world.calls.log)
        again = running.run(self.world.set, actor="test")
        assert again.plan.writes == ()
        assert self.held() == before
        assert not [one for one in self.world.calls.log[calls:] if one[1] in ("create", "update", "delete")]
        with reading(self.world.engine) as connection:
            assert store.open_intents(connection, "customers") == []

    def approved(self) -> Plan:
        done = running.run(self.world.set, actor="test")
        if done.is_braked:
            before = self.held()
            assert running.run(self.world.set, actor="test", approve="f" * 64).is_braked
            assert self.held() == before
            done = running.run(
                self.world.set, actor="test", approve=running.preview(self.world.set, actor="test").plan.hash
            )
        return done.plan
