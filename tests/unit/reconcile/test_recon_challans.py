"""R1 to R4: challans at the portal, in the books and on TRACES."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from clientsync.reconcile.tds.challans import (
    age_bucket,
    conservation,
    portal_and_books,
    portal_and_traces,
    unconsumed_ageing,
)
from clientsync.reconcile.tds.inputs import DemandYear
from clientsync.reconcile.tds.law import working_days_after
from tests.unit.reconcile.tds_rows import PAID, balance, book, claim, one, portal, statuses

FRIDAY = date(2026, 11, 13)


def test_r1_verifies_the_same_challan_whatever_its_leading_zeros() -> None:
    rows = portal_and_books([portal(bsr="0004329", serial="00012")], [book(bsr="4329", serial="12")])
    assert statuses(rows) == ["VERIFIED"]


def test_r1_tells_another_amount_by_one_paisa() -> None:
    row = one(portal_and_books([portal()], [book(amount_paise=100_001)]), "AMOUNT_MISMATCH")
    assert (row.left, row.right, row.difference_paise) == (100_001, 100_000, -1)


def test_r1_says_what_is_on_one_side_only() -> None:
    rows = portal_and_books([portal(serial="2")], [book(serial="3")])
    assert statuses(rows) == ["NOT_FOUND", "NOT_IN_BOOKS"]


def test_r1_keeps_a_serial_of_two_branches_apart() -> None:
    portals = [portal(row_id="1", bsr="0000001"), portal(row_id="2", bsr="0000002", amount_paise=7)]
    books = [book(row_id="1", bsr="0000002", amount_paise=7), book(row_id="2", bsr="0000001")]
    assert statuses(portal_and_books(portals, books)) == ["VERIFIED", "VERIFIED"]


def test_r1_leaves_book_entries_out_and_finds_a_second_entry() -> None:
    books = [book(row_id="1"), book(row_id="2"), book(row_id="3", is_book_entry=True)]
    rows = portal_and_books([portal()], books)
    assert statuses(rows) == ["BOOK_ENTRY_EXCLUDED", "DUPLICATE_IN_BOOKS", "VERIFIED"]


@pytest.mark.parametrize(
    ("as_of", "status"),
    [
        (date(2026, 11, 18), "CHL_TOO_RECENT"),  # Friday to Wednesday: three working days
        (date(2026, 11, 19), "CHL_NOT_AT_TRACES"),  # four
    ],
)
def test_r2_waits_three_working_days_over_a_weekend(as_of: date, status: str) -> None:
    assert statuses(portal_and_traces([portal(deposited_on=FRIDAY)], [], as_of)) == [status]


def test_r2_counts_a_bank_holiday_as_no_working_day() -> None:
    rows = portal_and_traces(
        [portal(deposited_on=FRIDAY)], [], date(2026, 11, 19), frozenset({date(2026, 11, 16)})
    )
    assert statuses(rows) == ["CHL_TOO_RECENT"]


@pytest.mark.parametrize(
    ("read_on", "status"),
    [
        (date(2026, 11, 19), "CHL_NOT_AT_TRACES"),
        (date(2026, 11, 18), "CHL_TRACES_READ_BEFORE"),
        (date(2026, 11, 1), "CHL_TRACES_READ_BEFORE"),
        (None, "CHL_NOT_AT_TRACES"),
    ],
)
def test_r2_says_nothing_of_absence_that_traces_was_read_too_early_to_show(
    read_on: date | None, status: str
) -> None:
    paid = [portal(deposited_on=FRIDAY)]
    rows = portal_and_traces(paid, [], date(2026, 11, 30), traces_read_on=read_on)
    assert statuses(rows) == [status]
    soon = portal_and_traces(paid, [], date(2026, 11, 18), traces_read_on=read_on)
    assert statuses(soon) == ["CHL_TOO_RECENT"]


@pytest.mark.parametrize(
    ("deposited_on", "status"),
    [(date(2024, 3, 31), "CHL_BEFORE_TRACES_SPAN"), (date(2024, 4, 1), "CHL_NOT_AT_TRACES")],
)
def test_r2_says_nothing_of_absence_where_the_lists_of_traces_do_not_reach(
    deposited_on: date, status: str
) -> None:
    paid = [portal(deposited_on=deposited_on)]
    rows = portal_and_traces(paid, [], date(2026, 11, 20), traces_from=date(2024, 4, 1))
    assert statuses(rows) == [status]


def test_r2_matches_compares_amounts_and_shows_what_only_traces_has() -> None:
    rows = portal_and_traces(
        [portal(row_id="1"), portal(row_id="2", serial="2"), portal(row_id="3", serial="3")],
        [
            balance(row_id="1"),
            balance(row_id="2", serial="2", amount_paise=5),
            balance(row_id="3", serial="3", amount_paise=None),
            balance(row_id="4", serial="4"),
            balance(row_id="5", serial="5", is_book_entry=True),
        ],
        FRIDAY,
    )
    assert statuses(rows) == [
        "CHL_NOT_AT_PORTAL",
        "TRACES_AMOUNT_DIFF",
        "TRACES_BOOK_ENTRY",
        "TRACES_MATCHED",
        "TRACES_MATCHED",
    ]


def test_working_days_agree_with_counting_each_day() -> None:
    for start in range(7):
        for length in range(30):
            first = date(2026, 3, 25) + timedelta(days=start)
            last = first + timedelta(days=length)
            days = [first + timedelta(days=step) for step in range(1, length + 1)]
            assert working_days_after(first, last) == sum(day.weekday() < 5 for day in days)


@pytest.mark.parametrize(
    ("claimed", "available", "excess", "status"),
    [
        (60_000, 40_000, 0, "CONSERVED"),
        (60_000, 39_900, 0, "CONSERVED_WITHIN_RUPEE"),
        (60_000, 39_899, 0, "CHL_CONSERVATION"),
        (110_000, 0, 10_000, "CHL_OVERBOOKED"),
        (110_000, 0, 0, "CHL_CONSERVATION"),
    ],
)
def test_r3_conserves_to_the_paisa(claimed: int, available: int, excess: int, status: str) -> None:
    rows = conservation(
        [balance(available_paise=available, excess_paise=excess)], [claim(claimed_paise=claimed)]
    )
    assert statuses(rows) == [status]


def test_r3_takes_the_portals_amount_where_traces_shows_none() -> None:
    hidden = balance(amount_paise=None)
    assert statuses(conservation([hidden], [claim()], [portal()])) == ["CONSERVED"]
    assert statuses(conservation([hidden], [claim()])) == ["CHL_BALANCE_UNKNOWN"]


def test_r3_shows_a_claim_of_a_challan_that_is_not_listed() -> None:
    row = one(conservation([], [claim()]), "CLAIM_WITHOUT_CHALLAN")
    assert row.right == 100_000


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (0, "0-90"),
        (90, "0-90"),
        (91, "91-180"),
        (180, "91-180"),
        (181, "181-365"),
        (365, "181-365"),
        (366, ">365"),
    ],
)
def test_r4_buckets_end_on_their_last_day(days: int, bucket: str) -> None:
    assert age_bucket(days) == bucket


@pytest.mark.parametrize(
    ("deposited", "act", "last_day"),
    [
        (date(2026, 3, 31), "", date(2026, 5, 31)),
        (date(2026, 4, 7), "", date(2026, 5, 31)),  # tax of March, in time
        (date(2026, 4, 30), "1961", date(2026, 5, 31)),
        (date(2026, 9, 15), "1961", date(2026, 5, 31)),  # late, but under an Act that has no later quarter
        (date(2026, 4, 1), "2025", date(2026, 7, 31)),  # first quarter of the new Act
        (date(2026, 5, 1), "", date(2026, 7, 31)),
        (date(2026, 7, 7), "2025", date(2026, 7, 31)),  # tax of June, in time
        (date(2026, 7, 8), "2025", date(2026, 10, 31)),
        (date(2027, 1, 7), "2025", date(2027, 1, 31)),
    ],
)
def test_r4_calls_a_challan_idle_when_the_statement_it_was_deposited_for_is_past_due(
    deposited: date, act: str, last_day: date
) -> None:
    left = balance(deposited_on=deposited, available_paise=101, act=act)
    assert statuses(unconsumed_ageing([left], [], [], last_day)) == ["CHL_WAITING"]
    assert statuses(unconsumed_ageing([left], [], [], last_day + timedelta(days=1))) == ["CHL_IDLE"]


def test_r4_never_dates_a_challan_after_the_year_that_it_names() -> None:
    late = {"deposited_on": date(2025, 9, 15)}
    rows = unconsumed_ageing(
        [balance(**late, available_paise=101)],
        [portal(**late, year="2024-25")],
        [DemandYear("C1", "of-the-year", "2024-25", 0, 5)],
        date(2025, 9, 20),
    )
    assert one(rows, "CHL_IDLE").suggestions == ("demand:of-the-year",)


def test_r4_does_not_call_a_challan_consumed_that_nobody_claims_and_nobody_shows() -> None:
    unknown = {"amount_paise": None, "available_paise": None}
    free = balance(**unknown, is_claimed=False)
    assert statuses(unconsumed_ageing([free], [], [], PAID)) == ["CHL_LEFT_UNKNOWN"]
    assert statuses(unconsumed_ageing([balance(**unknown)], [], [], PAID)) == ["CHL_CONSUMED"]


def test_r4_lets_one_rupee_go() -> None:
    rows = unconsumed_ageing([balance(available_paise=100)], [], [], date(2027, 11, 1))
    assert statuses(rows) == ["CHL_CONSUMED"]


def test_r4_suggests_open_demand_of_the_same_or_a_later_year() -> None:
    demand = [
        DemandYear("C1", "old", "2024-25", 0, 5),
        DemandYear("C1", "same", "2026-27", 0, 5),
        DemandYear("C1", "paid", "2026-27", 0, 0),
        DemandYear("C2", "other", "2026-27", 0, 5),
        DemandYear("C1", "all", "", 0, 5),
    ]
    rows = unconsumed_ageing([balance(available_paise=500)], [], demand, date(2026, 11, 20))
    assert one(rows, "CHL_IDLE").suggestions == ("demand:same",)


def test_r4_finds_a_demand_payment_that_is_not_tagged() -> None:
    rows = unconsumed_ageing([balance(available_paise=500)], [portal(minor_head="400")], [], date(2026, 4, 8))
    assert statuses(rows) == ["DEMAND_NOT_TAGGED"]
