"""R5, R6 and R9: statements against challans, books and the register."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from clientsync.periods import Quarter
from clientsync.reconcile.tds.inputs import Declaration, FormProfile, StatementStatus
from clientsync.reconcile.tds.law import act_of, deposit_due, statement_due
from clientsync.reconcile.tds.returns import books_and_return, return_and_challans, return_register
from tests.unit.reconcile.tds_rows import (
    CLIENT,
    Q1,
    Q4,
    booked,
    claim,
    deductee,
    one,
    portal,
    record,
    statement,
    statuses,
)

PROFILE = [FormProfile(CLIENT, "26Q", Q4, Q4)]
DUE = date(2026, 5, 31)


def test_r5_is_content_when_the_challan_covers_everything() -> None:
    rows = return_and_challans([record()], [deductee()], [portal()], [claim()])
    assert statuses(rows) == ["CD_COVERED", "DEDUCTEES_COVERED", "PAYMENT_COVERED"]


def test_r5_sees_what_another_quarter_took_of_the_challan() -> None:
    other = claim(quarter=Q1, token="770000000000009", claimed_paise=1)
    rows = return_and_challans([record()], [deductee()], [portal()], [other])
    assert one(rows, "OVERBOOKED_RISK").left == 99_999
    assert one(rows, "SHORT_PAYMENT").difference_paise == -1


def test_r5_counts_a_challan_that_two_lists_show_once() -> None:
    twice = [portal(row_id="act_1961/1"), portal(row_id="act_2025/1")]
    rows = return_and_challans([record(total_paise=150_000)], [deductee()], twice, [])
    assert "OVERBOOKED_RISK" in statuses(rows)


def test_r5_counts_a_file_that_traces_has_not_counted_yet() -> None:
    pending = record(row_id="2", quarter=Q1, token="770000000000009", tax_paise=40_000, total_paise=40_000)
    rows = return_and_challans([record(), pending], [], [portal()], [])
    assert statuses(rows).count("OVERBOOKED_RISK") == 2


def test_r5_lets_a_correction_claim_what_its_regular_statement_claimed() -> None:
    correction = record(row_id="2", token="770000000000002")
    rows = return_and_challans([record(), correction], [], [portal()], [claim()])
    assert statuses(rows).count("CD_COVERED") == 2


def test_r5_serves_the_records_of_one_statement_in_turn() -> None:
    second = record(row_id="2", record=2)
    rows = return_and_challans([second, record()], [], [portal()], [])
    assert one(rows, "OVERBOOKED_RISK").key[3] == "2"
    assert one(rows, "CD_COVERED").key[3] == "1"


def test_r5_names_each_fault() -> None:
    deductees = [deductee(tax_paise=100_001), deductee(row_id="2", record=9)]
    rows = return_and_challans([record()], deductees, [], [])
    assert statuses(rows) == [
        "CD_NOT_AT_PORTAL",
        "DD_WITHOUT_CHALLAN",
        "DEDUCTEES_EXCEED_CHALLAN",
        "SHORT_PAYMENT",
    ]


def test_r5_expects_no_challan_of_nil_records_and_book_entries() -> None:
    nil = record(is_nil=True, tax_paise=0, total_paise=0)
    entry = record(row_id="2", record=2, is_book_entry=True)
    rows = return_and_challans([nil, entry], [], [], [])
    assert {"CD_NIL", "CD_BOOK_ENTRY", "PAYMENT_COVERED"} <= set(statuses(rows))


def test_r6_matches_by_facts_without_a_reference() -> None:
    assert statuses(books_and_return([booked()], [deductee()])) == ["MATCHED"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"pan": "BBBPB2222B"}, "PAN_DIFF"),
        ({"section": "194C"}, "SECTION_DIFF"),
        ({"amount_paise": 1_000_001}, "AMOUNT_DIFF"),
        ({"rate": Decimal(2)}, "RATE_DIFF"),
        ({"tax_paise": 99_999}, "AMOUNT_DIFF"),
    ],
)
def test_r6_says_what_differs_under_one_reference(changed: dict[str, object], status: str) -> None:
    rows = books_and_return([booked(reference="V1")], [deductee(reference="V1", **changed)])
    assert statuses(rows) == [status]


def test_r6_guesses_nothing() -> None:
    rows = books_and_return([booked()], [deductee(amount_paise=1_000_001)])
    assert statuses(rows) == ["MISSING_IN_BOOKS", "MISSING_IN_RETURN"]


def test_r6_never_joins_placeholders() -> None:
    rows = books_and_return([booked(pan="PANNOTAVBL")], [deductee(pan="PANNOTAVBL")])
    assert statuses(rows) == ["MISSING_IN_BOOKS", "MISSING_IN_RETURN"]


def test_r6_writes_no_pan_anywhere() -> None:
    rows = books_and_return([booked(reference="V1")], [deductee(reference="V1", pan="BBBPB2222B")])
    assert not any("AAAPA1111A" in repr(row) or "BBBPB2222B" in repr(row) for row in rows)


@pytest.mark.parametrize(("filed_on", "status"), [(DUE, "FILED_ON_TIME"), (date(2026, 6, 1), "FILED_LATE")])
def test_r9_counts_the_due_date_as_on_time(filed_on: date, status: str) -> None:
    rows = return_register(PROFILE, [statement(filed_on=filed_on)], [], date(2026, 11, 20))
    assert statuses(rows) == [status]


def test_r9_expects_a_return_from_its_due_date_on() -> None:
    assert return_register(PROFILE, [], [], date(2026, 5, 30)) == ()
    assert statuses(return_register(PROFILE, [], [], DUE)) == ["NOT_FILED"]


def test_r9_honours_an_extended_due_date() -> None:
    extended = {("2025-26-Q4", "26Q"): date(2026, 6, 30)}
    rows = return_register(PROFILE, [statement(filed_on=date(2026, 6, 30))], [], date(2026, 7, 1), extended)
    assert statuses(rows) == ["FILED_ON_TIME"]


def test_r9_honours_a_declaration_before_not_filed() -> None:
    declared = Declaration(CLIENT, "1", Q4, "26Q", "no payment")
    assert statuses(return_register(PROFILE, [], [declared], DUE)) == ["DECLARED_NON_FILING"]


@pytest.mark.parametrize(
    ("regular", "correction", "status"),
    [
        (StatementStatus.REJECTED, None, "REJECTED"),
        (StatementStatus.WITH_DEFAULTS, None, "DEFAULTS"),
        (StatementStatus.WITH_DEFAULTS, StatementStatus.WITHOUT_DEFAULTS, "CURED"),
        (StatementStatus.WITH_DEFAULTS, StatementStatus.REJECTED, "REJECTED"),
        (StatementStatus.WITHOUT_DEFAULTS, StatementStatus.WITH_DEFAULTS, "DEFAULTS"),
        (StatementStatus.WITH_DEFAULTS, StatementStatus.PENDING, "DEFAULTS"),
    ],
)
def test_r9_lets_the_latest_statement_decide(
    regular: StatementStatus, correction: StatementStatus | None, status: str
) -> None:
    filed = [statement(status=regular)]
    if correction is not None:
        filed.append(statement(row_id="2", status=correction, is_correction=True, filed_on=date(2026, 7, 1)))
    assert statuses(return_register(PROFILE, filed, [], date(2026, 7, 2))) == [status]


@pytest.mark.parametrize(
    ("filed_on", "status"), [(date(2026, 5, 31), "FILED_ON_TIME"), (date(2026, 6, 1), "FILED_LATE")]
)
def test_r9_takes_a_portal_that_says_filed_only_for_no_more_than_that(filed_on: date, status: str) -> None:
    """The e-filing portal never says that a statement was processed, so it is never called stuck."""
    filed = [statement(status=StatementStatus.FILED, filed_on=filed_on)]
    assert statuses(return_register(PROFILE, filed, [], date(2027, 3, 31)))[:1] == [status]


@pytest.mark.parametrize(
    ("as_of", "status"), [(date(2026, 6, 30), "FILED_ON_TIME"), (date(2026, 7, 1), "PROCESSING_STUCK")]
)
def test_r9_calls_a_statement_stuck_after_thirty_days(as_of: date, status: str) -> None:
    pending = statement(status=StatementStatus.PENDING)
    assert statuses(return_register(PROFILE, [pending], [], as_of)) == [status]


def test_r9_shows_returns_that_nobody_expected_and_corrections_without_their_regular() -> None:
    odd = statement(form="27Q")
    orphan = statement(row_id="2", is_correction=True)
    rows = return_register(PROFILE, [odd, orphan], [], date(2026, 11, 20))
    assert statuses(rows) == ["NOT_IN_PROFILE", "REGULAR_NOT_LISTED"]


@pytest.mark.parametrize(
    ("quarter", "form", "due"),
    [
        (Q4, "26Q", date(2026, 5, 31)),
        (Q1, "26Q", date(2026, 7, 31)),
        (Quarter(2026, 2), "24Q", date(2026, 10, 31)),
        (Quarter(2025, 3), "27Q", date(2026, 1, 31)),
        (Q4, "27EQ", date(2026, 5, 15)),
        (Q1, "27EQ", date(2026, 7, 15)),
    ],
)
def test_statements_are_due_on_the_days_of_the_law(quarter: Quarter, form: str, due: date) -> None:
    assert statement_due(quarter, form) == due


@pytest.mark.parametrize(
    ("deducted", "due"),
    [
        (date(2026, 2, 28), date(2026, 3, 7)),
        (date(2026, 3, 31), date(2026, 4, 30)),
        (date(2026, 4, 1), date(2026, 5, 7)),
        (date(2026, 12, 31), date(2027, 1, 7)),
    ],
)
def test_deposits_are_due_on_the_seventh_and_for_march_on_30_april(deducted: date, due: date) -> None:
    assert deposit_due(deducted, "26Q") == due
    assert deposit_due(deducted, "26Q", is_book_entry=True) == deducted


def test_the_new_act_rules_from_1_april_2026() -> None:
    assert (act_of(date(2026, 3, 31)), act_of(date(2026, 4, 1))) == ("1961", "2025")


def test_r9_calls_no_return_cured_whose_correction_is_only_processed_for_form_26as() -> None:
    group = [
        statement(row_id="1", status=StatementStatus.WITH_DEFAULTS, filed_on=DUE),
        statement(
            row_id="2",
            token="770000000000002",
            is_correction=True,
            status=StatementStatus.PROCESSED_26AS,
            filed_on=date(2026, 11, 1),
        ),
    ]
    assert statuses(return_register(PROFILE, group, [], date(2026, 11, 20))) == ["DEFAULTS"]
