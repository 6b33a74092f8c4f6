"""The two lists: every document that is not booked has a reason, and names what it waits for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from clientsync.commerce import deciding, status
from clientsync.commerce.documents import SHOWN_AS, Booked, Key, State
from clientsync.commerce.intake import receive
from clientsync.commerce.status import Filter
from clientsync.commerce.systems import Job
from clientsync.commerce.working import left
from clientsync.errors import InvalidInput, UnknownName
from tests.support.commerce_world import CommerceWorld


def shop() -> CommerceWorld:
    """Return a world with a document in each status that people see."""
    world = CommerceWorld()
    out = world.add("transfer_out", "TO-12", is_broken=True, lane="A")
    inwards = world.add("transfer_in", "TI-1", needs=[out.key], at=1, lane="B")
    world.add("transfer_in", "TI-2", needs=[inwards.key], at=2, lane="B")
    world.add("sale", "s1", at=3, lane="A")
    gone = world.add("sale", "s2", at=4)
    waived = world.add("customer", "c1", at=5, is_broken=True)
    lost = world.add("sale", "s9", is_lost=True, at=6)
    world.add("payment", "p9", needs=[lost.key], at=6)
    world.arrive(
        *(one.received for one in world.shop.given.values() if not one.is_lost and one.received != gone)
    )
    world.arrive(world.change(gone, is_withdrawn=True))
    world.work()
    deciding.waive(world.of, world.row("customer", waived.source_id).doc_id, actor="asha")
    world.arrive(world.add("payment", "p1", at=7))
    world.accounting.faults = ["lost"]
    world.turn()
    return world


def found(world: CommerceWorld, **wanted: Any) -> list[str]:
    return [one["what"] for one in status.documents(world.of, Filter(**wanted))]


def test_what_is_not_booked_says_why_and_comes_first_the_earliest_of_it_before_the_newest_booked() -> None:
    world = shop()
    rows = status.documents(world.of, Filter())
    assert [(one["what"], one["status"], one["reason"]) for one in rows] == [
        ("transfer-out TO-12", "Failed", "product 'TO-12' has no SKU"),
        (
            "transfer-in TI-1",
            "Held",
            "waits for transfer-out TO-12, which failed: product 'TO-12' has no SKU",
        ),
        (
            "transfer-in TI-2",
            "Held",
            "waits for transfer-in TI-1, which waits for transfer-out TO-12, which failed: product 'TO-12' has no SKU",
        ),
        ("payment p9", "Held", "waits for sale s9, never received from the source"),
        ("payment p1", "Unknown", "sent; the answer was lost; checking. no answer"),
        ("customer c1", "Success (waived)", ""),
        ("sale s1", "Success", ""),
    ]


def test_a_document_that_is_held_leads_to_what_it_waits_for_and_to_the_root() -> None:
    world = shop()
    numbers = {row.source_id: row.doc_id for row in world.rows()}
    rows = {one["document"]: one for one in status.documents(world.of, Filter())}
    held = rows[numbers["TI-2"]]
    assert (held["waits for"], held["root"], held["code"]) == (
        numbers["TI-1"],
        numbers["TO-12"],
        "needs_failed",
    )
    booked = rows[numbers["s1"]]
    assert (booked["waits for"], booked["root"], booked["booked as"], booked["tries"]) == ("", "", "N-s1", 1)
    assert booked["of"] == "2026-11-28 09:03:00", "moments are those of the shop's zone"
    assert rows[numbers["p1"]]["not before"] != ""


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"shown": ["Failed"]}, ["transfer-out TO-12"]),
        ({"shown": ["Superseded"]}, ["sale s2"]),
        ({"shown": ["Success", "Success (waived)"]}, ["customer c1", "sale s1"]),
        ({"types": ["transfer_in"]}, ["transfer-in TI-1", "transfer-in TI-2"]),
        ({"types": ["sale"], "shown": status.WORDS}, ["sale s2", "sale s1"]),
        ({"number": "TI"}, ["transfer-in TI-1", "transfer-in TI-2"]),
        ({"number": "%"}, []),
        ({"outlet": "A"}, ["transfer-out TO-12", "sale s1"]),
        ({"direction": "in"}, []),
        ({"since": date(2026, 11, 29)}, []),
        ({"until": date(2026, 11, 27)}, []),
        (
            {"since": date(2026, 11, 28), "until": date(2026, 11, 28), "shown": ["Failed"]},
            ["transfer-out TO-12"],
        ),
    ],
)
def test_a_filter_shows_what_it_says(wanted: dict[str, Any], expected: list[str]) -> None:
    assert found(shop(), **wanted) == expected


def test_days_are_those_of_the_shop() -> None:
    world = CommerceWorld()
    world.arrive(
        world.add("sale", "late", at=15 * 60 - 1 - 60), world.add("sale", "next day", at=15 * 60 + 1)
    )
    assert found(world, until=date(2026, 11, 28)) == ["sale late"]
    assert found(world, since=date(2026, 11, 29)) == ["sale next day"]


def test_words_that_do_not_exist_are_refused_with_those_that_do() -> None:
    world = CommerceWorld()
    for call in (status.documents, status.ids_of):
        with pytest.raises(UnknownName, match="Success, Failed, Success"):
            call(world.of, Filter(shown=["Lost"]))
        with pytest.raises(UnknownName, match="goods_receipt"):
            call(world.of, Filter(types=["invoice"]))


def test_the_ids_of_a_filter_come_earliest_first_and_can_be_refreshed() -> None:
    world = shop()
    ids = status.ids_of(world.of, Filter(shown=["Failed", "Held"]))
    assert ids == [world.row(*key).doc_id for key in (
        ("transfer_out", "TO-12"), ("transfer_in", "TI-1"), ("transfer_in", "TI-2"), ("payment", "p9"))]  # fmt: skip
    world.shop.given[Key("transfer_out", "TO-12")].is_broken = False
    deciding.refresh(world.of, ids, actor="asha")
    world.work()
    assert found(world, shown=["Failed", "Held"]) == ["payment p9"]


def test_a_person_must_see_to_what_is_broken_and_not_to_what_takes_its_turn() -> None:
    world = shop()
    world.set_mode(sales="scheduled", sales_at=["20:00"])
    later = world.add("sale", "later", at=50)
    world.arrive(later, world.add("payment", "of later", needs=[later.key], at=51))
    stuck = {row.doc_id: row.source_id for row in world.rows()}
    assert [stuck[one] for one in status.stuck_ids(world.of)] == ["TO-12", "TI-1", "TI-2", "p9", "p1"]


def test_a_direction_or_a_system_that_does_not_exist_is_refused() -> None:
    world = CommerceWorld()
    with pytest.raises(UnknownName, match="out, in"):
        status.documents(world.of, Filter(direction="back"))
    with pytest.raises(UnknownName, match="shop, accounting"):
        status.webhook_log(world.of, system="bank")


def test_a_limit_cuts_the_list() -> None:
    assert len(status.documents(shop().of, Filter(), limit=2)) == 2


def test_what_is_ready_says_why_nothing_is_sent_when_the_door_is_shut() -> None:
    world = CommerceWorld()
    world.arrive(world.add("sale", "s1"))
    world.accounting.is_shut = True
    world.turn()
    (row,) = status.documents(world.of, Filter())
    assert (row["status"], row["code"]) == ("Waiting", "auth_expired")
    assert row["reason"] == "the connection must be renewed: log in again"


def test_details_show_payload_needs_tries_and_decisions() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1", payload={"total": "5"})
    world.arrive(world.add("payment", "p1", needs=[sale.key], at=1), sale)
    world.accounting.faults = ["lost"]
    world.turn()
    doc_id = world.row("sale", "s1").doc_id
    deciding.refresh(world.of, [doc_id], actor="asha")
    world.turn()
    one = status.details(world.of, doc_id)
    assert (one["payload"], one["revision"], one["source id"]) == ({"lines": [], "total": "5"}, 1, "s1")
    assert [(each["try"], each["how"], each["outcome"]) for each in one["attempts"]] == [
        (1, "send", "unknown"),
        (2, "look_up", "success"),
    ]
    assert one["attempts"][0]["reason"] == "sent; the answer was lost; checking. no answer"
    assert [(each["who"], each["what"]) for each in one["decisions"]] == [("asha", "refresh")]
    assert (one["needs"], one["needed by"]) == ([], 1)
    payment = status.details(world.of, world.row("payment", "p1").doc_id)
    assert [each["what"] for each in payment["needs"]] == ["sale s1"]
    with pytest.raises(InvalidInput, match="There is no document 77 in shop"):
        status.details(world.of, 77)


# webhook log


def told() -> CommerceWorld:
    world = CommerceWorld()
    world.add("sale", "s1")
    for body in ("1|sale|s1", "1|sale|s1", "2|payout|x"):
        world.tell(body)
        world.at += timedelta(seconds=1)
    receive(world.of, "shop", {}, b"forged")
    world.at += timedelta(seconds=1)
    world.work()
    world.tell("ITEM|G9", system="accounting")
    return world


def test_the_webhook_log_shows_what_became_of_each_event_and_what_was_rejected_the_newest_first() -> None:
    rows = status.webhook_log(told().of)
    assert [(one["from"], one["what"], one["status"], one["reason"], one["deliveries"]) for one in rows] == [
        ("accounting", "ITEM G9", "Waiting", "", 1),
        ("shop", "webhook 4", "Rejected", "it is forged", 1),
        ("shop", "payout x", "Ignored", "No document of this connection is concerned.", 1),
        ("shop", "sale s1", "Success", "", 2),
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"states": ["rejected"]}, ["webhook 4"]),
        ({"states": ["success", "ignored"]}, ["payout x", "sale s1"]),
        ({"system": "accounting"}, ["ITEM G9"]),
        ({"states": ["new"], "system": "shop"}, []),
        ({"limit": 1}, ["ITEM G9"]),
    ],
)
def test_the_webhook_log_can_be_narrowed(wanted: dict[str, Any], expected: list[str]) -> None:
    assert [one["what"] for one in status.webhook_log(told().of, **wanted)] == expected


def test_a_state_of_events_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="new, success, failed, ignored, rejected"):
        status.webhook_log(told().of, states=["lost"])


def test_an_event_is_shown_with_its_webhook_and_its_documents() -> None:
    world = told()
    one = status.event_details(world.of, 1)
    assert one["body"] == "1|sale|s1"
    assert [each["what"] for each in one["documents"]] == ["sale s1"]
    with pytest.raises(InvalidInput, match="There is no event 77 in shop"):
        status.event_details(world.of, 77)


# overview and mappings


def test_the_overview_counts_every_document_once_and_tells_the_mode() -> None:
    world = shop()
    seen = status.overview(world.of)
    counts = {one["status"]: one["to accounting"] for one in seen["counts"]}
    assert counts == {
        "Waiting": 0, "Held": 3, "Unknown": 1, "Success": 1, "Failed": 1, "Success (waived)": 1, "Superseded": 1,
    }  # fmt: skip
    assert sum(counts.values()) == sum(left(world.of).values())
    assert seen["connection"] == "shop"
    assert seen["mode"].startswith("sales in real time; ")


def test_every_state_has_a_word() -> None:
    assert SHOWN_AS.keys() == set(State)


def test_mappings_show_those_that_are_missing_and_hide_what_the_shop_itself_says() -> None:
    world = CommerceWorld()
    world.add("sale", "s1", is_broken=True)
    whole = world.accounting.send

    def send(job: Job) -> Booked:
        job.mappings.find("category", "drinks")
        job.mappings.need("payment", "QRIS")
        return whole(job)

    world.accounting.send = send  # type: ignore[method-assign]
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.work()
    deciding.set_mappings(world.of, {("outlet", "A"): "Gudang"}, actor="asha")
    assert status.mappings(world.of) == [
        {"kind": "outlet", "shop": "A", "accounting": "Gudang"},
        {"kind": "payment", "shop": "QRIS", "accounting": ""},
    ]
    assert status.mappings(world.of, "payment") == [{"kind": "payment", "shop": "QRIS", "accounting": ""}]
