"""Sync modes: the same documents are booked with the same contents under each, only at another moment (B8)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clientsync.commerce import deciding, scheduling
from clientsync.commerce.documents import Key, Shift, State
from clientsync.commerce.timing import (
    DEFAULT_HOUR,
    JAKARTA,
    Eligible,
    SyncMode,
    eligible,
    hours_of,
    next_hour,
    shift_of,
)
from clientsync.errors import InvalidInput
from tests.support.commerce_world import START, CommerceWorld

SEEN = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)
MODES: tuple[dict[str, Any], ...] = (
    {"sales": "real_time", "transfers_scheduled": False},
    {"sales": "shift_close", "sales_at": ("20:00",), "transfers_scheduled": False},
    {"sales": "scheduled", "sales_at": ("10:00", "21:30"), "transfers_scheduled": True, "transfers_at": ("21:00",)},
)  # fmt: skip
NOON = datetime(2026, 11, 28, 5, 0, tzinfo=UTC)
"""Noon in Jakarta."""


def hour(text: str, day: int = 28) -> datetime:
    return datetime.combine(datetime(2026, 11, day), time.fromisoformat(text), JAKARTA).astimezone(UTC)  # noqa: DTZ001


def shift(opened: str, closed: str | None, number: int = 1, register: str = "R1") -> Shift:
    return Shift(f"shift {number}", register, hour(opened), None if closed is None else hour(closed))


# when


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.lists(st.times(), min_size=1, max_size=4),
    st.sampled_from(["Asia/Jakarta", "Asia/Kolkata", "Asia/Jayapura", "UTC"]),
)
def test_the_next_hour_is_the_first_that_is_not_over(after: datetime, hours: list[time], zone: str) -> None:
    shop = ZoneInfo(zone)
    hours = [one.replace(second=0, microsecond=0) for one in hours]
    found = next_hour(after, hours, shop)
    assert after <= found <= after + timedelta(days=1)
    assert found.astimezone(shop).time() in hours
    assert not [
        one
        for one in hours
        for day in (0, 1)
        if after <= datetime.combine(after.astimezone(shop).date() + timedelta(days=day), one, shop) < found
    ]


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        (hour("09:59"), hour("10:00")),
        (hour("10:00"), hour("10:00")),
        (hour("10:01"), hour("21:30")),
        (hour("21:31"), hour("10:00", 29)),
    ],
)
def test_scheduled_sales_go_at_the_next_of_several_hours(arrived: datetime, expected: datetime) -> None:
    mode = SyncMode("scheduled", hours_of(["21:30", "10:00"]))
    found = eligible(mode, "sale", arrived_at=arrived, sold_at=arrived)
    assert found.at == expected
    assert found.reason.code == "waiting_time"
    assert found.reason.text == f"scheduled for {expected.astimezone(JAKARTA):%H:%M on %d %b}"


def test_hours_are_those_of_the_zone_of_the_shop() -> None:
    for zone in ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "Asia/Kolkata"):
        mode = SyncMode("scheduled", hours_of(["23:30"]), zone=ZoneInfo(zone))
        found = eligible(mode, "payment", arrived_at=NOON, sold_at=NOON).at
        assert found is not None
        assert f"{found.astimezone(mode.zone):%H:%M}" == "23:30"


def test_an_hour_that_the_clock_leaves_out_does_not_hold_documents_for_ever() -> None:
    zone = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    found = next_hour(before, [time(2, 30)], zone)
    assert before <= found <= before + timedelta(days=1)


@pytest.mark.parametrize("type_name", ["transfer_out", "transfer_in", "stock_count"])
def test_transfers_and_counts_have_a_switch_and_hours_of_their_own(type_name: str) -> None:
    mode = SyncMode("scheduled", hours_of(["20:00"]), True, hours_of(["15:00"]))
    assert eligible(mode, type_name, arrived_at=NOON, sold_at=NOON).at == hour("15:00")
    assert eligible(
        SyncMode("scheduled", hours_of(["20:00"])), type_name, arrived_at=NOON, sold_at=NOON
    ) == Eligible(NOON)


@pytest.mark.parametrize("type_name", ["item", "customer", "goods_receipt", "goods_moved_in"])
def test_masters_and_what_comes_from_the_accounting_always_go_at_once(type_name: str) -> None:
    mode = SyncMode("scheduled", hours_of(["20:00"]), True, hours_of(["15:00"]))
    assert eligible(mode, type_name, arrived_at=NOON, sold_at=NOON) == Eligible(NOON)


@pytest.mark.parametrize("type_name", ["sale", "payment", "sale_return"])
def test_sales_payments_and_returns_wait_for_their_shift(type_name: str) -> None:
    mode = SyncMode("shift_close")
    asked = {"arrived_at": NOON, "sold_at": NOON, "register": "R1"}
    found = eligible(mode, type_name, **asked, shifts=[shift("08:00", None)])  # type: ignore[arg-type]
    assert (found.at, found.reason.code) == (None, "waiting_shift")
    found = eligible(mode, type_name, **asked, shifts=[shift("08:00", "15:00")])  # type: ignore[arg-type]
    assert found == Eligible(hour("15:00"))


def test_an_order_that_arrives_after_its_shift_closed_goes_at_once() -> None:
    found = eligible(
        SyncMode("shift_close"), "sale", arrived_at=hour("18:00"), sold_at=NOON, register="R1",
        shifts=[shift("08:00", "15:00")],
    )  # fmt: skip
    assert found == Eligible(hour("18:00"))


@pytest.mark.parametrize(("hours", "expected"), [((), DEFAULT_HOUR), ((time(14, 0),), time(14, 0))])
def test_a_web_order_without_a_register_goes_at_the_next_hour(
    hours: tuple[time, ...], expected: time
) -> None:
    found = eligible(SyncMode("shift_close", hours), "sale", arrived_at=NOON, sold_at=NOON)
    assert found.at == hour(f"{expected:%H:%M}")
    assert found.reason.code == "waiting_time"


def test_the_shift_is_the_newest_that_covers_the_moment_both_ends_included() -> None:
    first, second, later = shift("08:00", "12:00", 1), shift("12:00", "16:00", 2), shift("17:00", None, 3)
    shifts = [later, first, second]
    assert shift_of(hour("08:00"), shifts) == first
    assert shift_of(hour("12:00"), shifts) == second
    assert shift_of(hour("16:30"), shifts) is None
    assert shift_of(hour("23:00"), shifts) == later


# how it is set


@pytest.mark.parametrize("text", ["25:00", "9", "noon", "", "21.30", "21:60"])
def test_an_hour_that_is_none_is_refused_with_the_form_it_must_have(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is not an hour\. Valid: HH:MM, for example 21:30\."):
        hours_of([text])


@given(st.lists(st.times()))
def test_hours_come_sorted_and_each_once(hours: list[time]) -> None:
    found = hours_of(f" {one:%H:%M} " for one in hours)
    assert list(found) == sorted({one.replace(second=0, microsecond=0) for one in hours})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sales": "weekly"}, "Valid: real_time, shift_close, scheduled"),
        ({"sales": "scheduled"}, "Sales that are scheduled need hours"),
        ({"transfers_scheduled": True}, "Transfers that are scheduled need hours"),
    ],
)
def test_a_mode_that_can_never_send_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        SyncMode(**values)


# on the ledger


def shop_day(dice: random.Random) -> CommerceWorld:
    """Return a world with a day of one shop: sales with payments, returns, transfers, counts."""
    world = CommerceWorld()
    for number in range(dice.randrange(2, 6)):
        minute = dice.randrange(600)
        register = dice.choice(("R1", "R2", ""))
        sale = world.add("sale", f"s{number}", at=minute, register=register, lane="A", payload={"total": f"{number}"},
                         closed_at=START + timedelta(minutes=minute + 5))  # fmt: skip
        world.add("payment", f"p{number}", at=minute + 1, needs=[sale.key], register=register)
        if dice.random() < 0.3:
            world.add("sale_return", f"r{number}", at=minute + 2, needs=[sale.key], register=register)
    out = world.add("transfer_out", "to", at=dice.randrange(600), lane="A", lines=[{"sku": "G"}])
    world.add("transfer_in", "ti", at=dice.randrange(600), needs=[out.key], lane="B", lines=[{"sku": "G"}])
    world.add("stock_count", "sc", at=dice.randrange(600), lane=dice.choice("AB"), lines=[{"sku": "G"}])
    return world


def _as_of(one: Shift, at: datetime) -> Shift:
    is_closed = one.closed_at is not None and one.closed_at <= at
    return one if is_closed else replace(one, closed_at=None)


def play(
    world: CommerceWorld, dice: random.Random, modes: Mapping[int, Mapping[str, Any]]
) -> Mapping[Key, Mapping[str, Any]]:
    """Let a day and a night pass by the half hour, with shifts and mode changes; return what is booked."""
    coming = sorted(world.shop.given.values(), key=lambda one: one.received.occurred_at)
    shifts = [
        Shift(f"{register}{number}", register, START + timedelta(hours=5 * number - 1),
              START + timedelta(hours=5 * number + 4 - dice.random() / 100))
        for register in ("R1", "R2") for number in range(3)
    ]  # fmt: skip
    for step in range(60):
        if step in modes:
            world.set_mode(**modes[step])
        there = [one.received for one in coming if one.received.occurred_at <= world.at]
        coming = coming[len(there) :]
        world.arrive(*there)
        world.hear_shifts(*(_as_of(one, world.at) for one in shifts if one.opened_at <= world.at))
        if step % 4 == 0:
            world.turn()
        world.at += timedelta(minutes=30)
    world.turn()
    assert set(world.states().values()) == {State.SUCCESS}
    assert world.accounting.complaints == []
    return world.accounting.payloads


@settings(SEEN, max_examples=6)
@given(st.integers(0, 2**48))
def test_a_mode_changes_when_and_never_what_is_booked(seed: int) -> None:
    told: list[tuple[Mapping[Key, Any], Mapping[Key, datetime]]] = []
    changes = random.Random(seed)
    plans: list[dict[int, Mapping[str, Any]]] = [{0: mode} for mode in MODES]
    plans.append({0: changes.choice(MODES), changes.randrange(1, 30): changes.choice(MODES), 31: MODES[0]})
    for plan in plans:
        world = shop_day(random.Random(seed))
        booked = play(world, random.Random(seed), plan)
        told.append((booked, world.accounting.times))
    assert [one for one, _ in told] == [told[0][0]] * len(plans)
    assert told[0][1] != told[2][1], "the modes differ in when"


def test_that_test_finds_a_mode_that_leaves_something_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "time_anew", lambda *_, **__: set())
    with pytest.raises(AssertionError):
        play(shop_day(random.Random(1)), random.Random(1), {0: MODES[1]})


def test_a_time_that_was_missed_runs_once_at_the_next_start() -> None:
    world = CommerceWorld()
    world.set_mode(sales="scheduled", sales_at=["10:00", "12:00"])
    world.add("sale", "s1")
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.turn()
    assert world.row("sale", "s1").reason == "scheduled for 10:00 on 28 Nov"
    assert world.accounting.sends == 0
    world.at = hour("17:00", 30)
    world.turn()
    world.turn()
    assert world.row("sale", "s1").state == State.SUCCESS
    assert world.accounting.sends == 1


def test_closing_the_shift_releases_its_sales_and_no_others() -> None:
    world = CommerceWorld()
    world.set_mode(sales="shift_close")
    for name, register in (("s1", "R1"), ("s2", "R2"), ("s3", "")):
        world.add("sale", name, register=register)
    world.hear_shifts(*(Shift(one, one, START - timedelta(hours=1), None) for one in ("R1", "R2")))
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.turn()
    waiting = world.row("sale", "s1")
    assert (waiting.state, waiting.reason_code, waiting.eligible_at) == (State.WAITING, "waiting_shift", None)
    assert world.row("sale", "s3").reason == "scheduled for 23:00 on 28 Nov"
    world.at += timedelta(hours=2)
    world.hear_shifts(Shift("R1", "R1", START - timedelta(hours=1), world.at))
    world.turn()
    states = {key.source_id: state for key, state in world.states().items()}
    assert states == {"s1": State.SUCCESS, "s2": State.WAITING, "s3": State.WAITING}


def test_a_sale_whose_shift_becomes_known_later_waits_for_it() -> None:
    world = CommerceWorld()
    world.set_mode(sales="shift_close")
    world.add("sale", "s1", register="R1")
    world.arrive(*(one.received for one in world.shop.given.values()))
    assert world.row("sale", "s1").reason_code == "waiting_time"
    world.hear_shifts(Shift("R1", "R1", START - timedelta(hours=1), None))
    assert world.row("sale", "s1").reason_code == "waiting_shift"


def test_a_dependant_tells_the_hour_for_which_its_need_waits() -> None:
    world = CommerceWorld()
    world.set_mode(transfers_scheduled=True, transfers_at=["21:00"])
    out = world.add("transfer_out", "TO-12")
    world.add("transfer_in", "TI-1", needs=[out.key], at=5)
    world.arrive(*(one.received for one in world.shop.given.values()))
    held = world.row("transfer_in", "TI-1")
    assert held.reason == "waits for transfer-out TO-12, not synchronised yet: scheduled for 21:00 on 28 Nov"


def test_a_changed_mode_gives_waiting_documents_a_new_moment() -> None:
    world = CommerceWorld()
    world.set_mode(sales="scheduled", sales_at=["22:00"])
    for number in range(3):
        world.add("sale", f"s{number}")
    world.add("transfer_out", "to")
    world.arrive(*(one.received for one in world.shop.given.values()))
    before = {row.source_id: row.payload_hash for row in world.rows()}
    assert world.set_mode(sales_at=["20:00", "21:00"]) == 3
    assert {row.eligible_at for row in world.rows(type="sale")} == {hour("20:00")}
    assert {row.reason for row in world.rows(type="sale")} == {"scheduled for 20:00 on 28 Nov"}
    assert world.set_mode(sales="real_time") == 3
    assert {row.state for row in world.rows()} == {"ready"}
    assert before == {row.source_id: row.payload_hash for row in world.rows()}
    assert world.set_mode(sales="real_time") == 0


def test_a_mode_that_is_refused_changes_nothing() -> None:
    world = CommerceWorld()
    with pytest.raises(InvalidInput, match="need hours"):
        deciding.change_mode(world.of, deciding.ModeChange(sales="scheduled"), actor="somebody")
    with pytest.raises(InvalidInput, match="HH:MM"):
        world.set_mode(sales="scheduled", sales_at=["9pm"])
    with world.engine.connect() as connection:
        assert world.of.switches(connection).mode == SyncMode()


def test_a_document_that_waits_for_its_hour_by_a_new_mode_says_so_and_not_that_it_was_throttled() -> None:
    world = CommerceWorld()
    world.add("sale", "s1")
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.accounting.faults = ["busy"]
    world.turn()
    assert world.row("sale", "s1").reason_code == "throttled"
    world.set_mode(sales="scheduled", sales_at=["22:00"])
    assert world.row("sale", "s1").eligible_at == hour("22:00")
    assert world.row("sale", "s1").reason == "scheduled for 22:00 on 28 Nov"
