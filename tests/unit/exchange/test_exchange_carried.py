"""Documents that are carried as a file arrive as those that travel, once, and nobody can forge or turn them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clientsync.errors import AlreadyRunning, ExchangeRefused, InvalidInput
from clientsync.exchange import carrying, syncing
from clientsync.exchange import tables as t
from clientsync.exchange.carrying import read_file, write_file
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.envelopes import Signer
from clientsync.exchange.nodes import errors_of, take_lease
from clientsync.exchange.resending import bring_again
from connectors.retail import tables as retail
from tests.support.exchange_world import World


def carry(world: World, name: str, to: str, *, as_name: str = "") -> Path:
    """Write a file of one node for another one, and return where it lies."""
    path = world.folder / f"{as_name or f'{name}-{to}-{len(list(world.folder.iterdir()))}'}.exchange"
    write_file(world.nodes[name], path, to, actor="asha")
    return path


def bring(world: World, path: Path, to: str) -> Any:
    return read_file(world.nodes[to], path, actor="binu")


def bills(world: World) -> set[str]:
    return {row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)}


def states(world: World, name: str) -> set[str]:
    return {row["state"] for row in world.rows(name, t.batch_out)}


def codes(world: World, name: str) -> set[str]:
    return {row["code"] for row in errors_of(world.nodes[name].engine)}


def test_a_bill_arrives_by_file_and_the_answer_by_the_file_that_goes_back(world: World) -> None:
    world.bill("S1", "S1-1")
    there = carry(world, "S1", "")
    result = bring(world, there, HEAD_OFFICE)
    assert (result.counts["receive"], result.states, result.failures) == (1, {"APPLIED": 1}, {})
    assert bills(world) == {"S1-1"} and "PACKED" in states(world, "S1")
    back = bring(world, carry(world, HEAD_OFFICE, "S1"), "S1")
    assert back.counts["collect"] == 1
    assert states(world, "S1") == {"PROCESSED"}
    assert write_file(world.nodes["S1"], world.folder / "next", actor="asha") == 0


def test_a_file_that_is_taken_twice_has_its_effect_once(world: World) -> None:
    world.bill("S1", "S1-1")
    path = carry(world, "S1", HEAD_OFFICE)
    assert [bring(world, path, HEAD_OFFICE).counts["receive"] for _ in range(2)] == [1, 0]
    assert len(world.rows(HEAD_OFFICE, retail.bill)) == 1


def test_what_was_carried_and_what_travels_go_on_from_each_other_and_no_loss_is_told(world: World) -> None:
    world.bill("S1", "S1-1")
    bring(world, carry(world, "S1", HEAD_OFFICE), HEAD_OFFICE)
    bring(world, carry(world, HEAD_OFFICE, "S1"), "S1")
    world.bill("S1", "S1-2")
    world.rounds(3)
    world.bill("S1", "S1-3")
    bring(world, carry(world, "S1", HEAD_OFFICE), HEAD_OFFICE)
    world.rounds(3)
    assert bills(world) == {"S1-1", "S1-2", "S1-3"}
    assert len(world.rows(HEAD_OFFICE, retail.bill)) == 3
    assert states(world, "S1") == {"PROCESSED"} and states(world, HEAD_OFFICE) == {"PROCESSED"}
    assert codes(world, "S1") == codes(world, HEAD_OFFICE) == set()


def test_a_file_with_a_gap_before_it_is_told_and_taken_after_the_one_that_is_missing(world: World) -> None:
    world.bill("S1", "S1-1")
    first = carry(world, "S1", HEAD_OFFICE)
    with world.nodes["S1"].engine.begin() as connection:
        connection.execute(t.batch_out.update().values(state="PROCESSED"))
    world.bill("S1", "S1-2")
    second = carry(world, "S1", HEAD_OFFICE)
    result = bring(world, second, HEAD_OFFICE)
    assert "could not be taken" in result.failures["receive"] and "GAP" in codes(world, HEAD_OFFICE)
    for path in (first, second):
        assert bring(world, path, HEAD_OFFICE).failures == {}
    assert bills(world) == {"S1-1", "S1-2"}


def test_a_bill_that_needs_what_is_missing_is_held_in_sight(world: World) -> None:
    world.bill("S1", "S1-1", "I9")
    result = bring(world, carry(world, "S1", HEAD_OFFICE), HEAD_OFFICE)
    assert result.held == 1 and bills(world) == set()
    assert bring(world, carry(world, HEAD_OFFICE, "S1"), "S1").counts["collect"] == 0
    assert "PARTIAL" in states(world, "S1")


def test_a_store_that_was_set_back_and_uses_its_numbers_again_loses_nothing(world: World) -> None:
    copy = world.backup("S1")
    world.bill("S1", "S1-1")
    bring(world, carry(world, "S1", HEAD_OFFICE), HEAD_OFFICE)
    world.restore("S1", copy)
    world.bill("S1", "S1-2")
    told = bring(world, carry(world, "S1", HEAD_OFFICE), HEAD_OFFICE)
    assert "used numbers again" in told.failures["fork"]
    bring(world, carry(world, HEAD_OFFICE, "S1"), "S1")
    bring(world, carry(world, "S1", HEAD_OFFICE), HEAD_OFFICE)
    assert bills(world) == {"S1-1", "S1-2"}


def test_batches_that_are_sent_again_go_into_the_next_file(world: World) -> None:
    world.bill("S1", "S1-1")
    bring(world, carry(world, "S1", HEAD_OFFICE), HEAD_OFFICE)
    bring(world, carry(world, HEAD_OFFICE, "S1"), "S1")
    (last,) = [row for row in world.rows("S1", t.batch_out) if not row["uploaded_at"]]
    bring_again(world.nodes["S1"], HEAD_OFFICE, last["seq"], last["seq"])
    assert write_file(world.nodes["S1"], world.folder / "again", actor="asha") == 1


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rewritten(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def test_answers_that_somebody_wrote_into_a_file_are_refused(world: World) -> None:
    world.bill("S1", "S1-1")
    carry(world, "S1", HEAD_OFFICE)
    (batch,) = [row for row in world.rows("S1", t.batch_out) if row["state"] == "PACKED"]
    path = carry(world, HEAD_OFFICE, "S1")
    first, *others = lines_of(path)
    letter = json.loads(first["letter"])
    letter["answers"] = [
        [batch["epoch"], batch["seq"], batch["hash"], 99, "PROCESSED", [], letter["incarnation"]]
    ]
    forged = json.dumps(letter)
    for signature in (first["signature"], Signer.new().sign(forged), "00", "no number"):
        rewritten(path, [{"letter": forged, "signature": signature}, *others])
        with pytest.raises(InvalidInput, match="not signed by HO"):
            bring(world, path, "S1")
    assert "PACKED" in states(world, "S1")


def test_a_file_that_is_cut_turned_or_changed_is_refused_and_nothing_of_it_is_taken(world: World) -> None:
    world.bill("S1", "S1-1")
    carry(world, "S1", HEAD_OFFICE)
    world.bill("S1", "S1-2")
    path = carry(world, "S1", HEAD_OFFICE)
    letter, one, two = lines_of(path)
    wrong = [
        [letter, one],
        [letter, two, one],
        [letter, {**one, "hash": two["hash"]}, two],
        [letter, {**one, "body": "%"}, two],
        [letter, {"epoch": 1}, two],
        [one, two],
        [],
    ]
    for lines in wrong:
        with pytest.raises(InvalidInput, match="no file of an exchange, or it was cut"):
            bring(world, rewritten(path, lines), HEAD_OFFICE)
    for text in (b"", b"\xff\xfe", b"[]\n", b"\0" * 100):
        path.write_bytes(text)
        with pytest.raises(InvalidInput, match="no file of an exchange, or it was cut"):
            bring(world, path, HEAD_OFFICE)
    assert bills(world) == set()


def test_a_body_that_was_changed_is_not_taken_and_told(world: World) -> None:
    world.bill("S1", "S1-1")
    path = carry(world, "S1", HEAD_OFFICE)
    letter, one = lines_of(path)
    result = bring(world, rewritten(path, [letter, {**one, "body": "AAAA"}]), HEAD_OFFICE)
    assert "could not be taken" in result.failures["receive"]
    assert bills(world) == set() and codes(world, HEAD_OFFICE) == {"FORM"}


def test_a_file_for_another_node_is_refused_by_name(world: World) -> None:
    path = carry(world, HEAD_OFFICE, "S2")
    with pytest.raises(InvalidInput, match="is for S2, not for S1"):
        bring(world, path, "S1")


def test_a_file_of_an_unknown_form_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(carrying, "FORMAT", 2)
        path = carry(world, "S1", HEAD_OFFICE)
    with pytest.raises(InvalidInput, match="has the form 2; this software reads 1"):
        bring(world, path, HEAD_OFFICE)


def test_a_line_that_is_too_long_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = carry(world, "S1", HEAD_OFFICE)
    monkeypatch.setattr(carrying, "MAX_LINE", 100)
    with pytest.raises(InvalidInput, match="or it was cut"):
        bring(world, path, HEAD_OFFICE)


def test_a_file_of_another_major_version_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bill("S1", "S1-1")
    with monkeypatch.context() as later:
        later.setattr(syncing, "PROTOCOL", (2, 0))
        path = carry(world, "S1", HEAD_OFFICE)
    with pytest.raises(ExchangeRefused, match="nothing of the file is taken"):
        bring(world, path, HEAD_OFFICE)
    assert bills(world) == set()


def test_a_wrong_place_or_node_for_a_file_is_told_with_what_is_valid(world: World) -> None:
    with pytest.raises(InvalidInput, match=r"not for ''\. Valid: S1, S2"):
        write_file(world.nodes[HEAD_OFFICE], world.folder / "x", actor="asha")
    with pytest.raises(InvalidInput, match="not for 'S3'"):
        write_file(world.nodes[HEAD_OFFICE], world.folder / "x", "S3", actor="asha")
    path = carry(world, "S1", HEAD_OFFICE)
    with pytest.raises(InvalidInput, match="there is such a file"):
        write_file(world.nodes["S1"], path, actor="asha")
    with pytest.raises(InvalidInput, match="there is no such folder"):
        write_file(world.nodes["S1"], world.folder / "no" / "x", actor="asha")
    with pytest.raises(InvalidInput, match="cannot be read"):
        bring(world, world.folder / "none", "S1")


def test_nothing_is_carried_while_a_sync_runs_and_who_carried_is_noted(world: World) -> None:
    path = carry(world, "S1", HEAD_OFFICE)
    bring(world, path, HEAD_OFFICE)
    noted = [
        (row["actor"], row["action"]) for name in ("S1", HEAD_OFFICE) for row in world.rows(name, t.audit)
    ]
    assert noted == [("asha", "export"), ("binu", "import")]
    take_lease(world.nodes[HEAD_OFFICE])
    with pytest.raises(AlreadyRunning):
        carry(world, HEAD_OFFICE, "S1")
    with pytest.raises(AlreadyRunning):
        bring(world, path, HEAD_OFFICE)
