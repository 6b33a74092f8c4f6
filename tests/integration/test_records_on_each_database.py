"""A set of records is kept the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from clientsync.records import running, working
from tests.support.record_world import RecordWorld

pytestmark = [pytest.mark.integration]


def test_a_set_is_listed_linked_changed_settled_and_taken_back_on_each_database(
    database_url: str, tmp_path: Path
) -> None:
    world = RecordWorld(tmp_path, url=database_url)
    for number in range(1, 9):
        world.a.put(number=str(number), name=f"Asha {number}")
    running.preview(world.set, actor="asha")
    done, undone = working.create_partners(
        world.set, [("a", f"a{number}") for number in range(1, 7)], actor="asha"
    )
    assert (done, undone) == (6, [])
    working.ignore(world.set, "a", "a7", actor="asha")
    world.a.edit("a1", city="Pune")
    world.a.edit("a2", city="Pune")
    world.b.edit("b2", city="Surat")
    del world.b.records["b3"]
    counts = running.run(world.set, actor="asha").plan.counts
    assert {name: count for name, count in counts.items() if count} == {
        "conflict": 1, "new": 1, "deleted": 1, "deactivated": 1, "synchronized": 3, "pending": 1,
    }  # fmt: skip
    working.resolve(world.set, 2, {"city": "b"}, actor="asha")
    assert world.a.records["a2"]["city"] == "Surat"
    working.undo(world.set, 2, actor="asha")
    assert world.a.records["a2"]["city"] == "Pune"
    working.recreate(world.set, 3, actor="asha")
    assert running.preview(world.set, actor="asha").plan.counts["synchronized"] == 5
    assert [one["mode"] for one in running.runs(world.set)] == ["preview", "apply", "preview"]
    world.close()
