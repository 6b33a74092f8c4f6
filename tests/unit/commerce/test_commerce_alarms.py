"""Alarms: silence, an end that comes near, doors that are shut, answers that stay lost; each with its next step."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clientsync.commerce import alarms as room
from clientsync.commerce import store
from clientsync.commerce.alarms import alarms, renew_webhook
from clientsync.commerce.collecting import collect
from clientsync.database import writing
from clientsync.errors import ContractChanged, SourceUnavailable
from tests.support.commerce_world import START, CommerceWorld


def said(world: CommerceWorld) -> list[str]:
    found = alarms(world.of)
    assert all(one["what to do"] for one in found)
    return [one["alarm"] for one in found]


def quiet() -> CommerceWorld:
    """Return a world in which nothing is wrong."""
    world = CommerceWorld()
    world.tell("1|payout|x")
    world.tell("ITEM|G1", system="accounting")
    renew_webhook(world.of)
    return world


def set_(world: CommerceWorld, **values: object) -> None:
    with writing(world.engine) as connection:
        store.change_connection(connection, world.of.name, **values)


def test_a_connection_with_which_nothing_is_wrong_has_no_alarm() -> None:
    assert said(quiet()) == []


def test_a_new_connection_says_what_is_still_to_be_done() -> None:
    assert said(CommerceWorld()) == [
        "shop has never sent a webhook",
        "accounting has never sent a webhook",
        "nobody knows until when accounting sends webhooks",
    ]


@pytest.mark.parametrize("system", ["shop", "accounting"])
def test_a_system_that_is_silent_for_a_day_is_an_alarm_and_one_word_ends_it(system: str) -> None:
    world = quiet()
    world.at += timedelta(hours=24)
    assert said(world) == []
    world.at += timedelta(hours=2)
    other = "accounting" if system == "shop" else "shop"
    world.tell("2|payout|x" if other == "shop" else "ITEM|G2", system=other)
    assert said(world) == [f"{system} has sent no webhook for 26 hours"]
    world.tell("3|payout|x" if system == "shop" else "ITEM|G3", system=system)
    assert said(world) == []


def test_a_forged_webhook_does_not_end_the_silence() -> None:
    world = quiet()
    world.at += timedelta(hours=30)
    world.tell("ITEM|G2", system="accounting")
    room_before = said(world)
    world.tell("no event at all")
    assert said(world) == room_before == ["shop has sent no webhook for 30 hours"]


def test_a_renewal_keeps_the_day_on_which_it_ends_and_the_alarm_comes_two_days_before() -> None:
    world = quiet()
    assert renew_webhook(world.of) == START.date() + timedelta(days=7)
    for day, is_alarm in ((4, False), (5, True), (9, True)):
        world.at = START + timedelta(days=day)
        world.tell(f"{day}|payout|x")
        world.tell(f"ITEM|G{day}", system="accounting")
        expected = ["accounting stops sending webhooks on 2026-12-05"] if is_alarm else []
        assert said(world) == expected


def test_a_renewal_that_fails_keeps_the_day_that_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    world = quiet()

    def fails() -> object:
        raise ContractChanged("no day")

    monkeypatch.setattr(world.accounting, "renew_webhook", fails)
    with pytest.raises(ContractChanged):
        renew_webhook(world.of)
    assert said(world) == []


def test_a_door_that_is_shut_is_an_alarm_of_its_direction_until_it_opens() -> None:
    world = quiet()
    world.arrive(world.add("sale", "s1"))
    world.accounting.is_shut = True
    world.turn()
    assert said(world) == ["nothing is sent to accounting: the connection must be renewed: log in again"]
    world.accounting.is_shut = False
    world.turn()
    assert said(world) == []
    set_(world, stopped_in="the token ended")
    assert said(world) == ["nothing is sent to shop: the token ended"]


def test_what_could_not_be_read_is_an_alarm_until_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = quiet()

    def fails(*_: object) -> object:
        raise SourceUnavailable("The shop is away.")

    with monkeypatch.context() as patch:
        patch.setattr(world.shop, "changed", fails)
        assert collect(world.of).errors == {"shop.documents": "The shop is away."}
    assert said(world) == ["not everything could be read: shop.documents: The shop is away."]
    collect(world.of)
    assert said(world) == []


def lost(world: CommerceWorld) -> None:
    world.accounting.faults = ["lost", *["away"] * 40]
    world.turn()


def test_an_answer_that_is_lost_for_an_hour_is_an_alarm() -> None:
    world = quiet()
    world.arrive(world.add("sale", "s1"))
    lost(world)
    assert said(world) == []
    world.at += room.UNKNOWN_FOR + timedelta(minutes=1)
    assert said(world) == ["of 1 documents nobody has known for an hour whether they are booked"]
    world.accounting.faults = []
    world.work()
    assert said(world) == []


def test_an_answer_that_was_lost_a_minute_ago_is_no_alarm_however_old_the_document_is() -> None:
    world = quiet()
    world.set_mode(sales="scheduled", sales_at=["20:00"])
    world.arrive(world.add("sale", "s1"))
    world.at = START + timedelta(hours=11, minutes=1)
    lost(world)
    world.at += timedelta(minutes=1)
    assert world.row("sale", "s1").state == "unknown"
    assert said(world) == []
