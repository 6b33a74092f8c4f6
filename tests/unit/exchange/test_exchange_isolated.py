"""What is odd at one node concerns that node only: a text, a sign of life, a request, an event. The others go on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from clientsync.errors import InvalidInput, LeaseLost, OutOfSpace, StatementRefused, WarehouseUnavailable
from clientsync.exchange import applying, capturing, packing, receiving
from clientsync.exchange import tables as t
from clientsync.exchange.board import compared, freshness, missing_numbers
from clientsync.exchange.capturing import record
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.documents import digest
from clientsync.exchange.envelopes import EnvelopeBroken, Signer, body_of, opened, sealed
from clientsync.exchange.lists import received, unanswered
from clientsync.exchange.mailbox import Mailbox, mb_ack, mb_heartbeat
from clientsync.exchange.nodes import errors_of
from clientsync.exchange.tracing import trace
from connectors.retail import tables as retail
from tests.support.exchange_world import DAY, World, bill


def write(world: World, name: str, body: dict[str, Any]) -> None:
    """Write a bill that the business tables of its store never saw."""
    node = world.nodes[name]
    with node.writing("request") as connection:
        record(node, connection, "bill", body["number"], body)


def bills(world: World) -> set[str]:
    return {row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)}


def codes(world: World, name: str) -> set[tuple[str, str]]:
    return {(row["peer"], row["code"]) for row in errors_of(world.nodes[name].engine)}


@pytest.mark.parametrize(
    ("site", "words"),
    [({"code": "S1"}, "ProgrammingError"), (2**63, "OverflowError")],
    ids=["no text", "a number beyond 64 bits"],
)
def test_a_document_that_the_driver_refuses_is_held_and_every_other_bill_comes(
    world: World, site: Any, words: str
) -> None:
    write(world, "S1", bill("S1", "S1-1", site=site))
    world.bill("S1", "S1-2")
    world.bill("S2", "S2-1")
    world.rounds(1)
    assert bills(world) == {"S1-2", "S2-1"}
    (held,) = received(world.nodes[HEAD_OFFICE], states=("QUARANTINED",))
    assert (held["key"], held["code"]) == ("S1-1", "CONSTRAINT")
    assert held["reason"] == f"the business tables refuse it ({words})"


@pytest.mark.parametrize("error", [WarehouseUnavailable("away"), OutOfSpace("full"), LeaseLost("lost")])
def test_what_no_document_is_to_blame_for_holds_none(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world.bill("S1", "S1-1")
    world.sync("S1")

    def refuse(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(applying, "_give_effect", refuse)
        if isinstance(error, LeaseLost):
            with pytest.raises(LeaseLost):
                world.sync(HEAD_OFFICE)
        else:
            assert "receive" in world.sync(HEAD_OFFICE).failures
    assert world.inbox(HEAD_OFFICE) == {}
    world.rounds(1)
    assert bills(world) == {"S1-1"}


def test_a_batch_that_the_head_office_cannot_write_down_stops_its_sender_only_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = receiving._keep

    def choosy(connection: Any, ready: Any, at: str) -> None:
        if ready[0][0].sender == "S1":
            raise StatementRefused("The database refused a statement (DataError).")
        keep(connection, ready, at)

    world.bill("S1", "S1-1")
    world.bill("S2", "S2-1")
    with monkeypatch.context() as patch:
        patch.setattr(receiving, "_keep", choosy)
        world.rounds(1)
        assert bills(world) == {"S2-1"}
        (told,) = [row for row in errors_of(world.nodes[HEAD_OFFICE].engine) if row["code"] == "REFUSED"]
        assert told["peer"] == "S1"
        assert "load --from S1 --restart" in told["next_step"]
    world.rounds(1)
    assert bills(world) == {"S1-1", "S2-1"}


def test_what_cannot_be_decided_of_one_sender_is_told_and_the_others_are_applied(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store in world.stores:
        write(world, store, bill(store, f"{store}-1", tender=1))
        world.sync(store)
    world.sync(HEAD_OFFICE)
    for store in world.stores:
        world.bill(store, f"{store}-2")
        world.sync(store)

    def odd(connection: Any, peer: str, verdicts: Any) -> None:
        if peer == "S1":
            raise StatementRefused("The database refused a statement (DataError).")
        settle(connection, peer, verdicts)

    settle = applying._settle
    with monkeypatch.context() as patch:
        patch.setattr(applying, "_settle", odd)
        world.sync(HEAD_OFFICE)
    assert bills(world) == {"S2-2"}
    assert ("S1", "APPLY") in codes(world, HEAD_OFFICE)
    world.sync(HEAD_OFFICE)
    assert bills(world) == {"S1-2", "S2-2"}


@pytest.mark.parametrize("field", ["customer_id", "site"])
def test_the_character_nul_is_refused_where_it_is_written_with_the_name_of_its_field(
    world: World, field: str
) -> None:
    with pytest.raises(InvalidInput, match=f"{field} holds the character NUL"):
        write(world, "S1", {**bill("S1", "S1-1"), field: "S\x001"})
    with pytest.raises(InvalidInput, match="item_code holds the character NUL"):
        world.bill("S1", "S1-1", "I\x00")
    with pytest.raises(InvalidInput, match="number holds the character NUL"):
        write(world, "S1", bill("S1", "S1\x00"))
    assert not world.rows("S1", t.outbox)
    assert not world.rows("S1", retail.bill)


@pytest.mark.parametrize("lacking", ["body_sha256", "raw_bytes", "before", "n"])
def test_a_signed_header_that_lacks_a_field_is_a_broken_batch(lacking: str) -> None:
    signer, body = Signer.new(), body_of([])
    whole = sealed(
        signer, sender="S1", receiver=HEAD_OFFICE, epoch=1, seq=1, prev_hash="", documents=[], before=[],
        body=body, about={},
    )  # fmt: skip
    fields = json.loads(whole.header)
    del fields[lacking]
    header = json.dumps(fields)
    own = digest(header)
    batch = type(whole)("S1", HEAD_OFFICE, 1, 1, "", own, header, signer.sign(own), whole.body_sha)
    with pytest.raises(EnvelopeBroken) as found:
        opened(batch, body.stored, "", signer.public)
    assert found.value.code == "FORM"


BEATS: dict[str, dict[str, Any]] = {
    "another version": {"protocol": [2, 0], "software": "9.0"},
    "nothing": {},
    "no list": {"protocol": 1, "software": "1.0"},
}
BROKEN = {
    "readable": 1,
    "waiting": "x",
    "oldest_unsent": "soon",
    "value": None,
    "control": [[1]],
    "gaps": [1],
}


@pytest.mark.parametrize("beat", BEATS.values(), ids=list(BEATS))
def test_a_sign_of_life_that_cannot_be_read_keeps_its_store_out_and_no_other_one(
    world: World, beat: dict[str, Any]
) -> None:
    world.bill("S1", "S1-1")
    world.sync("S1")
    world.mailbox.beat("S2", "x", beat)
    result = world.sync(HEAD_OFFICE)
    assert set(result.refused) == {"S2"}
    assert bills(world) == {"S1-1"}
    (told,) = [row for row in errors_of(world.nodes[HEAD_OFFICE].engine) if row["code"] == "VERSION"]
    assert told["peer"] == "S2"
    assert "S2 takes part again after its next sync" in told["next_step"]


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_sign_of_life_with_a_field_of_another_form_is_told_and_the_lists_can_be_read(
    world: World, name: str
) -> None:
    whole = world.mailbox.beats(["S2"])["S2"]
    world.mailbox.beat("S2", whole["incarnation"], {**whole, name: BROKEN[name]})
    assert world.sync(HEAD_OFFICE).refused == {"S2": f"its sign of life cannot be read: {name}"}
    office = world.nodes[HEAD_OFFICE]
    assert [row["waiting"] for row in freshness(office, world.mailbox)] == [0, ""]
    assert f"not compared: its sign of life cannot be read: {name}" in {
        row["state"] for row in compared(office, world.mailbox)
    }
    assert missing_numbers(office, world.mailbox) == []
    world.mailbox.beat("S2", whole["incarnation"], whole)
    assert world.sync(HEAD_OFFICE).refused == {}


def test_a_store_of_older_software_whose_sign_of_life_lacks_what_came_later_takes_part(world: World) -> None:
    whole = world.mailbox.beats(["S2"])["S2"]
    older = {name: whole[name] for name in ("protocol", "software", "readable")}
    world.mailbox.beat("S2", whole["incarnation"], older)
    assert world.sync(HEAD_OFFICE).refused == {}
    rows = freshness(world.nodes[HEAD_OFFICE], world.mailbox)
    assert [(row["waiting"], row["value, rupees"]) for row in rows] == [(0, "0.00"), ("", "")]
    assert compared(world.nodes[HEAD_OFFICE], world.mailbox) == []


def test_a_sign_of_life_that_is_no_json_is_as_one_without_fields(world: World) -> None:
    with world.mailbox.engine.begin() as connection:
        connection.execute(update(mb_heartbeat).where(mb_heartbeat.c.node_id == "S2").values(body="[1"))
    assert set(world.sync(HEAD_OFFICE).refused) == {"S2"}


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("rewind", {}),
        ("rewind", {"epoch": "x", "seq": 1, "incarnation": "y"}),
        ("send", {"doc_type": "item"}),
        ("load", {"types": 5, "since": "", "restarts": False}),
    ],
)
def test_a_request_that_cannot_be_read_is_told_once_and_the_sync_goes_on(
    world: World, kind: str, args: dict[str, Any]
) -> None:
    world.mailbox.ask("S2", HEAD_OFFICE, kind, args)
    world.bill("S1", "S1-1")
    world.rounds(2)
    assert bills(world) == {"S1-1"}
    (told,) = [row for row in errors_of(world.nodes[HEAD_OFFICE].engine) if row["code"] == "REQUEST"]
    assert (told["peer"], told["what"]) == ("S2", f"{kind} asked by S2")


@pytest.mark.parametrize(("state", "items"), [("PARTIAL", "[1]"), ("PARTIAL", "{"), ("DONE", "[]")])
def test_an_answer_that_cannot_be_read_is_as_none_and_other_answers_count(
    world: World, state: str, items: str
) -> None:
    world.item("I2")
    world.sync(HEAD_OFFICE)
    world.sync("S1")
    world.sync("S2")
    with world.mailbox.engine.begin() as connection:
        place = (mb_ack.c.sender == HEAD_OFFICE, mb_ack.c.receiver == "S2", mb_ack.c.seq == 2)
        connection.execute(update(mb_ack).where(*place).values(state=state, items=items))
    world.sync(HEAD_OFFICE)
    states = {row["peer"]: row["state"] for row in world.rows(HEAD_OFFICE, t.batch_out) if row["seq"] == 2}
    assert states == {"S1": "PROCESSED", "S2": "UPLOADED"}


def test_several_batches_are_one_commit_and_one_that_has_to_wait_keeps_only_what_follows_it_in_the_inbox(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "EVENTS_AT_ONCE", 1)
    for number in range(1, 4):
        world.bill("S1", f"S1-{number}")
    world.bill("S1", "S1-4", "I9")
    world.bill("S1", "S1-5")
    world.sync("S1")
    monkeypatch.setattr(receiving, "TOGETHER", 3)
    world.fuse.passed.clear()
    world.sync(HEAD_OFFICE)
    commits = [one for one in world.fuse.passed if one in ("exchange_take_after", "exchange_receive_after")]
    assert commits == ["exchange_take_after", "exchange_receive_after", "exchange_receive_after"]
    assert [row["key"] for row in world.rows(HEAD_OFFICE, t.inbox)] == ["S1-4", "S1-5"]
    assert world.inbox(HEAD_OFFICE) == {
        "S1-1": "APPLIED", "S1-2": "APPLIED", "S1-3": "APPLIED", "S1-4": "BLOCKED", "S1-5": "APPLIED"
    }  # fmt: skip


@pytest.mark.parametrize("broken", [0, 2, 4])
def test_batches_before_a_broken_one_are_taken_and_those_after_it_wait(
    world: World, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    monkeypatch.setattr(packing, "EVENTS_AT_ONCE", 1)
    for number in range(6):
        world.bill("S1", f"S1-{number}")
    world.sync("S1")
    after = Mailbox.after

    def flipped(self: Mailbox, receiver: str, cursors: Any) -> list[tuple[Any, bytes]]:
        found = after(self, receiver, cursors)
        return [
            (batch, body if batch.seq != broken + 1 else body[:-1] + bytes([body[-1] ^ 1]))
            for batch, body in found
        ]

    with monkeypatch.context() as patch:
        patch.setattr(Mailbox, "after", flipped)
        world.sync(HEAD_OFFICE)
    assert bills(world) == {f"S1-{number}" for number in range(broken)}
    world.sync(HEAD_OFFICE)
    assert bills(world) == {f"S1-{number}" for number in range(6)}


def test_an_event_that_cannot_be_packed_is_put_aside_in_sight_and_all_others_leave(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "EVENTS_AT_ONCE", 2)
    wrong = bill("S1", "S1-1")
    del wrong["lines"]
    for number in (1, 2, 3):
        write(world, "S1", {**wrong, "number": f"S1-{number}"})
    write(world, "S1", {**bill("S1", "S1-4"), "net": 2**63})
    world.bill("S1", "S1-5")
    world.rounds(1)
    assert bills(world) == {"S1-5"}
    assert {row["what"] for row in errors_of(world.nodes["S1"].engine) if row["code"] == "NOT_PACKED"} == {
        f"bill S1-{number}" for number in (1, 2, 3, 4)
    }
    world.rounds(1)
    assert unanswered(world.nodes["S1"]).number == 4
    assert "cannot be packed" in trace(world.nodes["S1"], world.mailbox, "S1-1")[-1].words


@pytest.mark.parametrize("odd", [{"number": "S1-1\x00"}, {"customer_id": "C\x00"}])
def test_a_bill_with_the_character_nul_that_older_software_recorded_is_put_aside_and_all_others_leave(
    world: World, monkeypatch: pytest.MonkeyPatch, odd: dict[str, str]
) -> None:
    with monkeypatch.context() as older:
        older.setattr(capturing, "refuse_nul", lambda *_: None)
        older.setattr(capturing, "_frozen", lambda *_, **__: None)
        write(world, "S1", {**bill("S1", "S1-1"), **odd})
    world.bill("S1", "S1-2")
    world.rounds(2)
    assert bills(world) == {"S1-2"}
    (told,) = [row for row in errors_of(world.nodes["S1"].engine) if row["code"] == "NOT_PACKED"]
    assert told["what"] == "bill S1-1" and "holds the character NUL" in told["reason"]
    write(world, "S1", {**bill("S1", "S1-3"), "customer_id": r"a text that says \u0000 and holds none"})
    world.rounds(1)
    assert world.inbox(HEAD_OFFICE) == {
        "S1-2": "APPLIED",
        "S1-3": "BLOCKED",
    }  # it names no customer that is known


def test_an_object_that_is_written_anew_replaces_what_was_put_aside(world: World) -> None:
    wrong = bill("S1", "S1-1")
    del wrong["lines"]
    write(world, "S1", wrong)
    world.rounds(1)
    write(world, "S1", bill("S1", "S1-1"))
    world.rounds(3)
    assert bills(world) == {"S1-1"}
    assert unanswered(world.nodes["S1"]).number == 0
    assert {row["state"] for row in world.rows("S1", t.outbox)} == {"REPLACED"}
    assert world.rows("S1", t.document)[0]["business_date"] == DAY
