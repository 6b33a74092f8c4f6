"""Defects that are planted, each of which a history finds that passes without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clientsync.database import reading
from clientsync.errors import InvalidInput
from clientsync.records import executing, planning, running, store, working
from clientsync.records.planning import Record
from tests.support.record_world import Crash, FakeSide, RecordWorld, capitals

Patch = pytest.MonkeyPatch


def one_base_for_both_sides(patch: Patch) -> None:
    original = store.settle

    def shared(connection: Any, link: Any, set_name: str, fields: Any) -> None:
        original(connection, link, set_name, fields)
        found = next(one for one in store.links_of(connection, set_name) if one.link_id == link.link_id)
        store.change_link(connection, found, base_b=dict(found.base_a or {}))

    patch.setattr(store, "settle", shared)


def a_conflict_is_won_in_silence(patch: Patch) -> None:
    patch.setattr(planning, "decided", lambda rule, found, policy: "a")


def no_look_before_the_write(patch: Patch) -> None:
    original = executing.read_record

    def blind(of: Any, side: str, ext_id: str) -> Any:
        found = original(of, side, ext_id)
        if found is None:
            return None
        with reading(of.engine) as connection:
            kept = store.record_of(connection, of.name, side, ext_id)
        return found if kept is None else Record(ext_id, found.values, kept.hash)

    patch.setattr(executing, "read_record", blind)


def no_search_before_a_record_is_made(patch: Patch) -> None:
    patch.setattr(FakeSide, "find", lambda self, reference, number: self.calls(self.name, "find", reference))


def missing_though_the_listing_is_not_whole(patch: Patch) -> None:
    patch.setattr(
        planning,
        "_missing",
        lambda link, a, b: tuple(
            side for side, listing, one in (("a", a, link.a), ("b", b, link.b)) if one not in listing.records
        ),
    )
    original = store.keep_listing

    def forgetful(*args: Any, is_complete: bool, **more: Any) -> None:
        original(*args, is_complete=True, **more)

    patch.setattr(store, "keep_listing", forgetful)


def brakes_that_do_not_hold(patch: Patch) -> None:
    patch.setattr(planning, "_brakes", lambda *args: [])


def a_value_that_was_not_taken_counts_as_written(patch: Patch) -> None:
    original = executing._end

    def good(connection: Any, of: Any, row: Any, state: str, reason: str = "") -> tuple[str, str]:
        return original(connection, of, row, "done" if "not taken" in reason else state, "")

    patch.setattr(executing, "_end", good)


def pair(world: RecordWorld, **values: str) -> int:
    a, b = world.a.put(**values), world.b.put(**values)
    running.preview(world.set, actor="t")
    made = working.link(world.set, a, b, actor="t")
    running.run(world.set, actor="t")
    return made


def own_way_of_writing(world: RecordWorld) -> None:
    made = pair(world, number="1", name="Asha")
    working.resolve(world.set, made, {"name": "keep"}, actor="t")
    world.a.edit("a1", name="Asha Kumari")
    running.run(world.set, actor="t")
    assert running.preview(world.set, actor="t").plan.counts["synchronized"] == 1


def both_edited(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    world.a.edit("a1", city="Pune")
    world.b.edit("b1", city="Surat")
    running.run(world.set, actor="t")
    assert world.b.records["b1"]["city"] == "Surat"


def edited_in_between(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    world.a.edit("a1", city="Pune")
    world.calls.left, world.calls.between = 2, lambda: world.b.edit("b1", city="Surat")
    running.run(world.set, actor="t")
    assert world.b.records["b1"]["city"] == "Surat"


def crash_after_a_record_was_made(world: RecordWorld) -> None:
    world.a.put(number="1", name="Asha")
    running.preview(world.set, actor="t")
    world.calls.left = 4
    with pytest.raises(Crash):
        working.create_partners(world.set, [("a", "a1")], actor="t")
    world.calls.left = -1
    world.free()
    running.run(world.set, actor="t")
    assert len(world.b.records) == 1


def a_page_is_missing(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    world.b.hidden = {"b1"}
    assert running.run(world.set, actor="t").plan.counts["deleted"] == 0


def a_side_is_empty(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    world.b.records.clear()
    assert running.run(world.set, actor="t").is_braked


def a_field_is_ignored(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    world.b.deaf = {"city"}
    world.a.edit("a1", city="Pune")
    running.run(world.set, actor="t")
    assert running.preview(world.set, actor="t").plan.counts["pending"] == 1


CASES: list[tuple[Callable[[Patch], None], Callable[[RecordWorld], None]]] = [
    (one_base_for_both_sides, own_way_of_writing),
    (a_conflict_is_won_in_silence, both_edited),
    (no_look_before_the_write, edited_in_between),
    (no_search_before_a_record_is_made, crash_after_a_record_was_made),
    (missing_though_the_listing_is_not_whole, a_page_is_missing),
    (brakes_that_do_not_hold, a_side_is_empty),
    (a_value_that_was_not_taken_counts_as_written, a_field_is_ignored),
]


@pytest.mark.parametrize(("plant", "history"), CASES, ids=[plant.__name__ for plant, _ in CASES])
def test_a_planted_defect_is_caught_by_a_history_that_passes_without_it(
    plant: Callable[[Patch], None], history: Callable[[RecordWorld], None], tmp_path: Path, monkeypatch: Patch
) -> None:
    keep = capitals if history is own_way_of_writing else dict
    for name in ("sound", "planted"):
        (tmp_path / name).mkdir()
    sound = RecordWorld(tmp_path / "sound", keep=keep)
    history(sound)
    sound.close()
    plant(monkeypatch)
    planted = RecordWorld(tmp_path / "planted", keep=keep)
    with pytest.raises((AssertionError, InvalidInput)):
        history(planted)
    planted.close()
