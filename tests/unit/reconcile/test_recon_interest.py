"""R7 and R8: interest and the late fee."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from clientsync.periods import Quarter
from clientsync.reconcile.tds.inputs import Declaration, DefaultType, FormProfile, StatementStatus
from clientsync.reconcile.tds.interest import (
    late_deduction_interest,
    late_deposit_interest,
    late_fee,
    late_filing_fee,
    late_interest,
)
from clientsync.reconcile.tds.law import months_or_part, months_touched, share
from tests.unit.reconcile.tds_rows import (
    CLIENT,
    Q1,
    Q4,
    booked,
    deductee,
    line,
    one,
    record,
    statement,
    statuses,
)

PROFILE = [FormProfile(CLIENT, "26Q", Q4, Q4)]
AS_OF = date(2026, 11, 20)


def test_one_day_late_over_a_month_end_costs_two_months() -> None:
    assert months_touched(date(2025, 9, 30), date(2025, 10, 8)) == 2
    assert late_deposit_interest(100_000, date(2025, 9, 30), date(2025, 10, 8), "26Q") == 3_000


@pytest.mark.parametrize(
    ("deducted", "deposited", "interest"),
    [
        (date(2026, 3, 31), date(2026, 4, 30), 0),  # 1961 Act, the due date itself
        (date(2026, 3, 31), date(2026, 5, 1), 4_500),  # three months touched
        (date(2026, 4, 1), date(2026, 5, 7), 0),  # 2025 Act
        (date(2026, 4, 1), date(2026, 5, 8), 3_000),
        (date(2025, 12, 31), date(2026, 1, 8), 3_000),  # over a year's end
    ],
)
def test_late_deposit_costs_one_and_a_half_percent_a_month(
    deducted: date, deposited: date, interest: int
) -> None:
    assert late_deposit_interest(100_000, deducted, deposited, "26Q") == interest


def test_late_deduction_costs_one_percent_a_month() -> None:
    assert late_deduction_interest(100_000, date(2026, 3, 31), date(2026, 4, 1), "26Q") == 2_000
    assert late_deduction_interest(100_000, date(2026, 4, 1), date(2026, 4, 1), "26Q") == 0


def test_interest_is_rounded_half_up_to_the_paisa_and_to_nothing_coarser() -> None:
    assert share(33, Decimal("1.5")) == 0  # 0.495
    assert share(100, Decimal("0.5")) == 1  # 0.5
    assert late_deposit_interest(3_333_33, date(2025, 9, 30), date(2025, 10, 8), "26Q") == 10_000


@pytest.mark.parametrize(
    ("last", "months"),
    [(date(2026, 1, 30), 0), (date(2026, 1, 31), 1), (date(2026, 2, 28), 1), (date(2026, 3, 31), 3)],
)
def test_months_or_part_count_from_the_day(last: date, months: int) -> None:
    assert months_or_part(date(2026, 1, 31), last) == months


@pytest.mark.parametrize(
    ("paid", "status"), [(4_500, "INTEREST_COVERED"), (4_499, "INTEREST_SHORT"), (4_501, "INTEREST_EXCESS")]
)
def test_r7_compares_with_the_interest_in_the_challan(paid: int, status: str) -> None:
    rows = late_interest([record(deposited_on=date(2026, 5, 1), interest_paise=paid)], [deductee()], [])
    row = one(rows, status)
    assert row.left == 4_500
    assert "201(1A)" in row.why


def test_r7_names_the_section_of_the_new_act() -> None:
    late = deductee(quarter=Q1, paid_on=date(2026, 4, 1), deducted_on=date(2026, 4, 1))
    rows = late_interest([record(quarter=Q1, deposited_on=date(2026, 5, 8))], [late], [])
    assert "398(3)(a)" in one(rows, "INTEREST_SHORT").why


def test_r7_names_the_act_of_the_credit_though_the_tax_was_deducted_under_the_next() -> None:
    late = deductee(paid_on=date(2026, 3, 31), deducted_on=date(2026, 4, 20))
    why = one(late_interest([record(deposited_on=date(2026, 5, 8))], [late], []), "INTEREST_SHORT").why
    assert "201(1A)" in why
    assert "398" not in why


def test_r7_finds_nothing_when_all_was_in_time() -> None:
    assert statuses(late_interest([record()], [deductee()], [])) == ["INTEREST_NONE_DUE"]


@pytest.mark.parametrize(
    ("raised", "status"), [(4_600, "INTEREST_DEFAULT_AGREES"), (4_601, "INTEREST_DEFAULT_DIFF")]
)
def test_r7_compares_with_the_default_of_traces_to_the_rupee(raised: int, status: str) -> None:
    default = line(default_type=DefaultType.LATE_PAYMENT, default_paise=raised)
    rows = late_interest([record(deposited_on=date(2026, 5, 1))], [deductee()], [default])
    assert status in statuses(rows)


def test_r7_sets_rows_without_their_challan_apart() -> None:
    assert statuses(late_interest([], [deductee()], [])) == ["INTEREST_UNPLACED"]


def test_the_fee_is_two_hundred_a_day_and_never_more_than_the_tax() -> None:
    due = date(2026, 5, 31)
    assert late_fee(due, due, 10**9, 20_000) == 0
    assert late_fee(due, date(2026, 6, 10), 10**9, 20_000) == 200_000
    assert late_fee(due, date(2026, 6, 10), 150_000, 20_000) == 150_000


@pytest.mark.parametrize(
    ("paid", "status"), [(200_000, "FEE_PAID"), (199_999, "LATE_FEE_UNPAID"), (200_001, "FEE_EXCESS")]
)
def test_r8_compares_with_the_fee_head(paid: int, status: str) -> None:
    late = statement(filed_on=date(2026, 6, 10), tax_paise=10**9)
    rows = late_filing_fee(PROFILE, [late], [], [record(fee_paise=paid)], [], [], AS_OF)
    assert "234E" in one(rows, status).why


def test_r8_asks_nothing_on_the_due_date_and_names_the_new_section_later() -> None:
    profile = [FormProfile(CLIENT, "26Q", Q1, Q1)]
    in_time = statement(quarter=Q1, filed_on=date(2026, 7, 31))
    late = statement(quarter=Q1, filed_on=date(2026, 8, 1), tax_paise=10**9)
    assert statuses(late_filing_fee(profile, [in_time], [], [], [], [], AS_OF)) == ["FEE_NONE_DUE"]
    rows = late_filing_fee(profile, [late], [], [], [], [], AS_OF)
    assert "section 427 of the 2025 Act" in one(rows, "FEE_UNKNOWN_PAYMENT").why


def test_r8_accrues_until_a_statement_is_accepted_and_caps_by_the_books() -> None:
    rejected = statement(status=StatementStatus.REJECTED)
    rows = late_filing_fee(PROFILE, [rejected], [], [], [], [], date(2026, 6, 10))
    assert one(rows, "LATE_FEE_ACCRUING").left == 200_000
    rows = late_filing_fee(PROFILE, [], [], [], [booked()], [], date(2026, 6, 10))
    assert one(rows, "LATE_FEE_ACCRUING").left == 100_000


def test_r8_asks_no_fee_after_a_declaration() -> None:
    declared = Declaration(CLIENT, "1", Q4, "26Q", "no payment")
    assert late_filing_fee(PROFILE, [], [declared], [], [], [], AS_OF) == ()


@pytest.mark.parametrize(
    ("raised", "status"), [(200_100, "FEE_DEFAULT_AGREES"), (200_101, "FEE_DEFAULT_DIFF")]
)
def test_r8_compares_with_the_default_of_traces(raised: int, status: str) -> None:
    late = statement(filed_on=date(2026, 6, 10))
    default = line(default_type=DefaultType.LATE_FEE, default_paise=raised)
    rows = late_filing_fee(PROFILE, [late], [], [], [], [default], AS_OF)
    assert status in statuses(rows)


def test_there_was_no_fee_before_july_2012() -> None:
    old = Quarter(2010, 1)
    profile = [FormProfile(CLIENT, "26Q", old, old)]
    assert statuses(late_filing_fee(profile, [], [], [], [], [], AS_OF)) == ["FEE_NONE_DUE"]
