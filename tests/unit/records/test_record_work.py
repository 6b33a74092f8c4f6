"""What an operator does with a set of records, and what is written to the two systems by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clientsync.errors import AlreadyRunning, InvalidInput, Outdated
from clientsync.records import running, window, working
from clientsync.records.planning import CATEGORIES
from tests.support.record_world import Crash, RecordWorld, capitals


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RecordWorld]:
    made = RecordWorld(tmp_path)
    yield made
    made.close()


def pair(world: RecordWorld, **values: str) -> int:
    """Make a record on both sides with the same values, and link them."""
    a, b = world.a.put(**values), world.b.put(**values)
    running.preview(world.set, actor="asha")
    return working.link(world.set, a, b, actor="asha")


def writes(world: RecordWorld) -> list[tuple[str, str, str]]:
    return [one for one in world.calls.log if one[1] in ("create", "update", "delete")]


def test_every_category_of_the_window_is_shown_with_the_record_that_belongs_to_it(world: RecordWorld) -> None:
    conflict = pair(world, number="1", name="Asha")
    world.a.edit("a1", name="Asha K")
    world.b.edit("b1", name="Asha L")
    deleted = pair(world, number="2", name="Bela")
    del world.b.records["b2"]
    off = pair(world, number="3", name="Chitra")
    working.switch(world.set, off, enabled=False, actor="asha")
    pair(world, number="4", name="Devi")
    world.a.put(number="5", name="Esha")
    world.b.put(number="6", name="Farida", active="0")
    world.b.put(number="7", name="Gita")
    world.b.put(number="7", name="Gita S")
    moved = pair(world, number="8", name="Hema")
    world.a.edit("a6", city="Pune")
    found = running.preview(world.set, actor="asha").plan
    by_category = {row.category: row for row in found.rows}
    assert set(by_category) == set(CATEGORIES)
    assert by_category["conflict"].link_id == conflict
    assert by_category["deleted"].link_id == deleted
    assert by_category["deleted"].missing == ("b",)
    assert by_category["pending"].link_id == moved
    assert by_category["blocked"].reason == "number 7 stands for 2 records: Gita, Gita S"
    assert writes(world) == []


def test_what_changed_on_one_side_flows_and_a_second_run_writes_nothing(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    running.run(world.set, actor="asha")
    world.a.edit("a1", city="Pune", phone="98200 12345")
    done = running.run(world.set, actor="asha")
    assert done.done == 1
    assert world.b.records["b1"]["city"] == "Pune"
    assert world.b.records["b1"]["phone"] == "+919820012345"
    world.calls.log.clear()
    again = running.run(world.set, actor="asha")
    assert (again.done, again.plan.writes, writes(world)) == (0, (), [])
    assert again.plan.counts["synchronized"] == 1


def test_a_system_that_writes_in_its_own_way_makes_no_endless_difference(tmp_path: Path) -> None:
    world = RecordWorld(tmp_path, keep=capitals)
    pair(world, number="1", name="Asha")
    _, (undone,) = working.resolve(world.set, 1, {"name": "a"}, actor="asha")
    assert undone.reason == "not taken by System b: name"
    working.resolve(world.set, 1, {"name": "keep"}, actor="asha")
    assert running.preview(world.set, actor="asha").plan.counts["synchronized"] == 1
    world.a.edit("a1", name="Asha Kumari")
    assert running.run(world.set, actor="asha").done == 1
    assert world.b.records["b1"]["name"] == "ASHA KUM"
    world.calls.log.clear()
    assert running.run(world.set, actor="asha").plan.counts["synchronized"] == 1
    assert writes(world) == []
    world.close()


def test_a_choice_is_written_to_both_sides_and_taken_back_with_what_was_lost(world: RecordWorld) -> None:
    link_id = pair(world, number="1", name="Asha", city="Pune")
    running.run(world.set, actor="asha")
    world.a.edit("a1", name="Asha K", city="Nagpur")
    world.b.edit("b1", name="Asha L", city="Surat")
    running.preview(world.set, actor="asha")
    working.resolve(world.set, link_id, {"name": "a", "city": ":Thane"}, actor="asha")
    assert world.a.records["a1"]["city"] == world.b.records["b1"]["city"] == "Thane"
    assert world.b.records["b1"]["name"] == "Asha K"
    assert running.preview(world.set, actor="asha").plan.counts["synchronized"] == 1
    working.undo(world.set, link_id, actor="asha")
    assert (world.a.records["a1"]["name"], world.a.records["a1"]["city"]) == ("Asha K", "Nagpur")
    assert (world.b.records["b1"]["name"], world.b.records["b1"]["city"]) == ("Asha L", "Surat")
    assert running.preview(world.set, actor="asha").plan.counts["conflict"] == 1
    with pytest.raises(InvalidInput, match="no choice"):
        working.undo(world.set, link_id, actor="asha")


def test_a_choice_is_not_taken_back_over_somebodys_edit(world: RecordWorld) -> None:
    link_id = pair(world, number="1", name="Asha")
    world.b.edit("b1", name="Asha L")
    running.preview(world.set, actor="asha")
    working.resolve(world.set, link_id, {"name": "a"}, actor="asha")
    world.b.edit("b1", name="Asha M")
    with pytest.raises(InvalidInput, match="changed on side b"):
        working.undo(world.set, link_id, actor="asha")
    assert world.b.records["b1"]["name"] == "Asha M"


def test_a_field_that_the_target_ignores_is_told_and_stays_open(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    running.run(world.set, actor="asha")
    world.a.edit("a1", city="Pune", street="MG Road")
    world.b.deaf = {"street"}
    done = running.run(world.set, actor="asha")
    (undone,) = done.undone
    assert (undone.state, undone.reason) == ("failed", "not taken by System b: street")
    (row,) = [one for one in running.preview(world.set, actor="asha").plan.rows if one.category == "pending"]
    assert [one.name for one in row.fields] == ["street"]


def test_an_edit_between_listing_and_writing_is_never_overwritten(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    running.run(world.set, actor="asha")
    world.a.edit("a1", city="Pune")
    world.calls.left, world.calls.between = 2, lambda: world.b.edit("b1", city="Surat")
    done = running.run(world.set, actor="asha")
    assert [(one.state, one.reason) for one in done.undone] == [
        ("stale", "the record was changed in the meantime")
    ]
    assert world.b.records["b1"]["city"] == "Surat"
    assert running.preview(world.set, actor="asha").plan.counts["conflict"] == 1


@pytest.mark.parametrize("at", range(12))
def test_a_partner_is_made_once_wherever_the_process_ends(world: RecordWorld, at: int) -> None:
    world.a.put(number="1", name="Asha")
    world.a.put(number="2", name="Bela")
    running.preview(world.set, actor="asha")
    world.calls.left = at
    try:
        working.create_partners(world.set, [("a", "a1"), ("a", "a2")], actor="asha")
    except Crash:
        world.free()
    world.calls.left = -1
    done = running.run(world.set, actor="asha")
    left = [row for row in done.plan.rows if row.category == "new"]
    if left:
        working.create_partners(world.set, [("a", row.a) for row in left], actor="asha")
    assert sorted(row["number"] for row in world.b.records.values()) == ["1", "2"]
    assert running.preview(world.set, actor="asha").plan.counts["synchronized"] == 2


def test_a_partner_is_not_made_under_a_number_that_is_taken(world: RecordWorld) -> None:
    world.a.put(number="1", name="Asha")
    world.b.put(number="1", name="Somebody")
    running.preview(world.set, actor="asha")
    done, undone = working.create_partners(world.set, [("a", "a1")], actor="asha")
    assert (done, undone[0].reason) == (0, "number 1 is taken on side b: link it")
    assert len(world.b.records) == 1


def test_a_deleted_record_stays_listed_until_it_is_gone_on_both_sides_or_made_anew(
    world: RecordWorld,
) -> None:
    first, second = pair(world, number="1", name="Asha"), pair(world, number="2", name="Bela")
    running.run(world.set, actor="asha")
    del world.b.records["b1"]
    del world.a.records["a2"]
    for _ in range(2):
        assert running.run(world.set, actor="asha").plan.counts["deleted"] == 2
    working.delete_other(world.set, first, actor="asha")
    assert "a1" not in world.a.records
    working.recreate(world.set, second, actor="asha")
    assert [row["name"] for row in world.a.records.values()] == ["Bela"]
    counts = running.preview(world.set, actor="asha").plan.counts
    assert (counts["synchronized"], counts["deleted"], counts["new"]) == (1, 0, 0)


def test_a_survivor_that_changed_is_told_and_not_deleted_when_it_changes_again(world: RecordWorld) -> None:
    link_id = pair(world, number="1", name="Asha")
    running.run(world.set, actor="asha")
    del world.b.records["b1"]
    world.a.edit("a1", city="Pune")
    (row,) = running.preview(world.set, actor="asha").plan.rows
    assert (row.category, row.survivor_changed) == ("deleted", True)
    world.a.edit("a1", city="Surat")
    done, undone = working.delete_other(world.set, link_id, actor="asha")
    assert (done, undone[0].state) == (0, "stale")
    assert "a1" in world.a.records


def test_a_brake_writes_nothing_until_that_very_plan_is_approved(world: RecordWorld) -> None:
    for number in range(8):
        pair(world, number=str(number + 1), name=f"Asha {number}")
    running.run(world.set, actor="asha")
    world.a.edit("a8", city="Pune")
    for number in range(1, 8):
        del world.b.records[f"b{number}"]
    stopped = running.run(world.set, actor="asha")
    assert stopped.is_braked
    assert stopped.plan.brakes == ("7 of 8 linked records are missing on side b",)
    world.b.edit("b8", street="MG Road")
    assert running.run(world.set, actor="asha", approve=stopped.plan.hash).is_braked
    assert world.b.records["b8"]["city"] == ""
    now = running.preview(world.set, actor="asha").plan
    let = running.run(world.set, actor="asha", approve=now.hash)
    assert not let.is_braked
    assert world.b.records["b8"]["city"] == "Pune"
    assert running.runs(world.set)[0]["approved_by"] == "asha"


@pytest.mark.parametrize("how", ["empty", "scope", "incomplete"])
def test_a_side_that_was_not_listed_as_before_never_makes_records_deleted(
    world: RecordWorld, how: str
) -> None:
    pair(world, number="1", name="Asha")
    pair(world, number="2", name="Bela")
    running.run(world.set, actor="asha")
    if how == "empty":
        world.b.records.clear()
    elif how == "scope":
        world.b.scope = "two"
        del world.b.records["b1"]
    else:
        world.b.hidden = {"b1"}
    done = running.run(world.set, actor="asha")
    assert writes(world) == []
    assert done.is_braked is (how != "incomplete")
    assert (done.plan.counts["deleted"] > 0) is (how == "empty")


def test_a_pair_is_unlinked_and_linked_again_without_a_write(world: RecordWorld) -> None:
    link_id = pair(world, number="1", name="Asha")
    running.run(world.set, actor="asha")
    working.unlink(world.set, link_id, actor="asha")
    assert running.run(world.set, actor="asha").plan.counts["new"] == 2
    working.link(world.set, "a1", "b1", actor="asha")
    assert running.run(world.set, actor="asha").plan.counts["synchronized"] == 1
    assert writes(world) == []


def test_a_person_who_looked_at_an_older_state_of_a_pair_is_told(world: RecordWorld) -> None:
    link_id = pair(world, number="1", name="Asha")
    world.b.edit("b1", name="Asha L")
    running.preview(world.set, actor="asha")
    working.resolve(world.set, link_id, {"name": "b"}, actor="asha", version=1)
    with pytest.raises(Outdated):
        working.resolve(world.set, link_id, {"name": "a"}, actor="bela", version=1)


def test_a_record_that_is_left_alone_is_never_written_and_can_be_taken_up_again(world: RecordWorld) -> None:
    world.a.put(number="1", name="Asha")
    running.preview(world.set, actor="asha")
    working.ignore(world.set, "a", "a1", actor="asha")
    assert running.run(world.set, actor="asha").plan.counts["deactivated"] == 1
    working.ignore(world.set, "a", "a1", actor="asha", is_ignored=False)
    assert running.run(world.set, actor="asha").plan.counts["new"] == 1


def test_what_is_asked_wrongly_is_refused_with_what_is_valid(world: RecordWorld) -> None:
    link_id = pair(world, number="1", name="Asha")
    for work, words in (
        (lambda: working.resolve(world.set, link_id, {"mail": "a"}, actor="x"), "Valid: number, name"),
        (
            lambda: working.resolve(world.set, link_id, {"name": "left"}, actor="x"),
            "Valid: a, b, keep, or :VALUE",
        ),
        (lambda: working.resolve(world.set, 99, {"name": "a"}, actor="x"), "no pair 99"),
        (lambda: working.link(world.set, "a1", "b1", actor="x"), "has a partner already"),
        (lambda: working.ignore(world.set, "c", "a1", actor="x"), "Valid: a, b"),
        (lambda: working.delete_other(world.set, link_id, actor="x"), "known to be gone"),
    ):
        with pytest.raises(InvalidInput, match=words):
            work()
    world.b.actions = ()
    world.a.put(number="2", name="Bela")
    running.preview(world.set, actor="asha")
    with pytest.raises(InvalidInput, match="cannot create records"):
        working.create_partners(world.set, [("a", "a2")], actor="x")


def test_a_long_run_keeps_its_turn_and_a_second_one_is_refused_all_the_while(
    world: RecordWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LEASE_SECONDS", 1.5)  # five steps are longer, one is far shorter
    for number in range(1, 6):
        world.a.put(number=str(number), name=f"Asha {number}")
    running.preview(world.set, actor="asha")
    refused = []

    def slowly(done: int, all_: int) -> None:
        time.sleep(0.4)
        with pytest.raises(AlreadyRunning):
            running.run(world.set, actor="bela")
        refused.append(done)

    records = [("a", f"a{number}") for number in range(1, 6)]
    done, _ = working.create_partners(world.set, records, actor="asha", progress=slowly)
    assert (done, refused) == (5, [1, 2, 3, 4, 5])


def test_a_run_that_was_away_for_too_long_stops_when_another_one_has_taken_over(
    world: RecordWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LEASE_SECONDS", 0.1)
    for number in range(1, 4):
        world.a.put(number=str(number), name=f"Asha {number}")
    running.preview(world.set, actor="asha")

    def away(done: int, all_: int) -> None:
        time.sleep(0.2)
        running.run(world.set, actor="bela")  # finds the open intents, and finishes them

    records = [("a", f"a{number}") for number in range(1, 4)]
    with pytest.raises(AlreadyRunning, match="taken over"):
        working.create_partners(world.set, records, actor="asha", progress=away)
    assert sorted(row["number"] for row in world.b.records.values()) == ["1", "2", "3"]
    assert running.preview(world.set, actor="asha").plan.counts["synchronized"] == 3


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("scope now", "account, filter or mapping of side b changed"),
        ("scope then", "account, filter or mapping of side b changed"),
        ("off", "is switched off"),
        ("back", "b1 of side b is there again"),
    ],
)
def test_the_partner_of_a_record_that_may_live_is_not_deleted(
    world: RecordWorld, how: str, words: str
) -> None:
    link_id = pair(world, number="1", name="Asha")
    pair(world, number="2", name="Bela")
    running.run(world.set, actor="asha")
    gone = world.b.records.pop("b1")
    if how == "scope then":
        world.b.scope = "another account"
    running.preview(world.set, actor="asha")
    if how == "scope now":
        world.b.scope = "another account"
    elif how == "off":
        working.switch(world.set, link_id, enabled=False, actor="asha")
    elif how == "back":
        world.b.records["b1"] = gone
    for work in (working.delete_other, working.recreate):
        with pytest.raises(InvalidInput, match=words):
            work(world.set, link_id, actor="asha")
    assert writes(world) == []


@pytest.mark.parametrize("how", ["back", "scope", "unable"])
def test_a_delete_that_was_left_open_is_not_done_when_the_other_record_may_live(
    world: RecordWorld, how: str
) -> None:
    link_id = pair(world, number="1", name="Asha")
    pair(world, number="2", name="Bela")
    running.run(world.set, actor="asha")
    gone = world.b.records.pop("b1")
    running.preview(world.set, actor="asha")
    world.calls.left = 2  # the look at both records, and then the process ends
    with pytest.raises(Crash):
        working.delete_other(world.set, link_id, actor="asha")
    world.free()
    world.calls.left = -1
    if how == "back":
        world.b.records["b1"] = gone
    elif how == "scope":
        world.b.scope = "another account"
        running.run(world.set, actor="asha", approve=running.preview(world.set, actor="asha").plan.hash)
    else:
        world.a.actions = ("create", "update")
    running.run(world.set, actor="asha")
    assert "a1" in world.a.records
    assert [one for one in writes(world) if one[1] == "delete"] == []


def test_a_choice_is_not_taken_back_over_an_edit_that_has_flowed_since(world: RecordWorld) -> None:
    link_id = pair(world, number="1", name="Asha")
    running.run(world.set, actor="asha")
    world.a.edit("a1", name="Asha K")
    world.b.edit("b1", name="Asha L")
    running.preview(world.set, actor="asha")
    working.resolve(world.set, link_id, {"name": "a"}, actor="asha")
    world.b.edit("b1", name="Asha M")
    running.run(world.set, actor="asha")
    assert world.a.records["a1"]["name"] == "Asha M"
    with pytest.raises(InvalidInput, match="changed on side a since the choice"):
        working.undo(world.set, link_id, actor="asha")
    assert world.a.records["a1"]["name"] == world.b.records["b1"]["name"] == "Asha M"


def test_a_choice_that_was_never_carried_out_is_not_taken_back_but_the_one_before_it_is(
    world: RecordWorld,
) -> None:
    link_id = pair(world, number="1", name="Asha")
    running.run(world.set, actor="asha")
    world.b.edit("b1", name="Asha L")
    running.preview(world.set, actor="asha")
    working.resolve(world.set, link_id, {"name": "a"}, actor="asha")
    world.a.edit("a1", city="Pune")
    world.b.edit("b1", city="Surat")
    running.preview(world.set, actor="asha")
    world.b.edit("b1", phone="98200 12345")
    _, (undone,) = working.resolve(world.set, link_id, {"city": "a"}, actor="asha")
    assert undone.state == "stale"
    working.undo(world.set, link_id, actor="asha")
    assert (world.b.records["b1"]["name"], world.b.records["b1"]["city"]) == ("Asha L", "Surat")
    with pytest.raises(InvalidInput, match="no choice"):
        working.undo(world.set, link_id, actor="asha")


def test_values_that_each_side_keeps_are_a_choice_that_can_be_taken_back(world: RecordWorld) -> None:
    link_id = pair(world, number="1", name="Asha")
    world.b.edit("b1", name="Asha L")
    running.preview(world.set, actor="asha")
    working.resolve(world.set, link_id, {"name": "keep"}, actor="asha")
    assert running.preview(world.set, actor="asha").plan.counts["synchronized"] == 1
    working.undo(world.set, link_id, actor="asha")
    assert running.preview(world.set, actor="asha").plan.counts["synchronized"] == 0
    assert writes(world) == []


def test_a_record_that_was_made_before_and_differs_by_now_is_not_taken_for_the_partner(
    world: RecordWorld,
) -> None:
    world.a.put(number="1", name="Asha")
    running.preview(world.set, actor="asha")
    working.create_partners(world.set, [("a", "a1")], actor="asha")
    working.unlink(world.set, 1, actor="asha")
    world.b.edit("b1", number="55", name="Quite another")
    running.preview(world.set, actor="asha")
    done, (undone,) = working.create_partners(world.set, [("a", "a1")], actor="asha")
    assert (done, undone.state) == (0, "failed")
    assert "differs: link it" in undone.reason
    world.b.edit("b1", number="1", name="Asha")
    assert working.create_partners(world.set, [("a", "a1")], actor="asha") == (1, [])
    assert len(world.b.records) == 1


def test_a_flag_that_a_new_record_did_not_take_is_shown(tmp_path: Path) -> None:
    world = RecordWorld(tmp_path, keep=lambda values: {**values, "active": "1"})
    world.a.put(number="1", name="Asha", active="0")
    running.preview(world.set, actor="asha")
    working.create_partners(world.set, [("a", "a1")], actor="asha")
    (row,) = running.preview(world.set, actor="asha").plan.rows
    assert (row.category, [one.name for one in row.fields]) == ("conflict", ["active"])
    world.close()


def test_a_write_that_was_left_open_for_a_side_that_is_only_read_by_now_is_told(world: RecordWorld) -> None:
    pair(world, number="1", name="Asha")
    running.run(world.set, actor="asha")
    world.a.edit("a1", city="Pune")
    world.calls.left = 2
    with pytest.raises(Crash):
        running.run(world.set, actor="asha")
    world.free()
    world.calls.left = -1
    world.b.actions = ()
    (undone,) = running.run(world.set, actor="asha").undone
    assert undone.reason == "city: System b cannot update records."
    assert world.b.records["b1"]["city"] == ""


@pytest.mark.parametrize("is_another", [True, False])
def test_what_was_left_open_waits_while_a_brake_holds_and_is_not_done_in_another_account(
    world: RecordWorld, is_another: bool
) -> None:
    for number in range(1, 4):
        world.a.put(number=str(number), name=f"Asha {number}")
    running.run(world.set, actor="asha")
    world.calls.left = 3
    with pytest.raises(Crash):
        working.create_partners(world.set, [("a", f"a{number}") for number in range(1, 4)], actor="asha")
    world.free()
    world.calls.left = -1
    world.b.scope = "another account"
    world.b.records.clear()
    world.b.references.clear()
    world.calls.log.clear()
    assert running.run(world.set, actor="asha").is_braked
    with pytest.raises(InvalidInput, match="side b changed, and an earlier run left writes open"):
        working.create_partners(world.set, [("a", "a1")], actor="asha")
    assert writes(world) == []
    if is_another:
        found = running.preview(world.set, actor="asha").plan
        done = running.run(world.set, actor="asha", approve=found.hash)
        assert [one.state for one in done.undone] == ["stale"] * 3
        assert writes(world) == []
    else:
        world.b.scope = "one"
        assert running.run(world.set, actor="asha").done == 3


def test_a_sheet_that_nobody_touched_empties_nothing(world: RecordWorld, tmp_path: Path) -> None:
    pair(world, number="1", name="Asha", email="a@x.in", city="Pune")
    running.run(world.set, actor="asha")
    world.a.edit("a1", email="", city="Surat")
    found = running.preview(world.set, actor="asha").plan
    rows = window.sheet_rows(world.set, found)
    assert {row[3]: row[-1] for row in rows} == {"email": "", "city": "a"}
    path = tmp_path / "sheet.xlsx"
    window.write_sheet(path, rows)
    assert window.read_sheet(world.set, path, found) == ({1: (1, {"city": "a"})}, [])
    world.b.actions = ()
    assert [row[-1] for row in window.sheet_rows(world.set, found)] == ["", ""]
    assert window.read_sheet(world.set, path, found) == ({}, ["row 3: side b takes no changes"])


def test_a_value_of_a_sheet_that_has_no_form_is_told_and_the_other_rows_count(
    world: RecordWorld, tmp_path: Path
) -> None:
    pair(world, number="1", name="Asha", email="a@x.in", active="1")
    running.run(world.set, actor="asha")
    world.a.edit("a1", email="", active="0")
    found = running.preview(world.set, actor="asha").plan
    rows = {row[3]: row for row in window.sheet_rows(world.set, found)}
    path = tmp_path / "sheet.xlsx"
    window.write_sheet(path, [(*rows["active"][:-1], ":perhaps"), (*rows["email"][:-1], ":b@x.in")])
    chosen, wrong = window.read_sheet(world.set, path, found)
    assert [choices for _, choices in chosen.values()] == [{"email": ":b@x.in"}]
    assert wrong == ["row 2: Active: 'perhaps' is neither yes nor no."]


def test_rows_of_a_sheet_that_contradict_each_other_are_told_and_none_of_them_counts(
    world: RecordWorld, tmp_path: Path
) -> None:
    pair(world, number="1", name="Asha")
    world.a.edit("a1", name="Asha K", city="Surat")
    world.b.edit("b1", name="Asha L", city="Pune")
    found = running.preview(world.set, actor="asha").plan
    name, city = sorted(window.sheet_rows(world.set, found), key=lambda row: row[3], reverse=True)
    path = tmp_path / "sheet.xlsx"
    window.write_sheet(path, [(*name[:-1], "a"), (*city[:-1], "b"), (*name[:-1], "b"), (*city[:-1], "b")])
    chosen, wrong = window.read_sheet(world.set, path, found)
    assert [choices for _, choices in chosen.values()] == [{"city": "b"}]
    assert wrong == ["rows 2, 4: they choose different values for name of pair 1"]
