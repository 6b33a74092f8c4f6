"""What no portal or file has told is never called clean, and no client is told to pay more than the law asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from clientsync.outcomes import Outcome
from clientsync.periods import Quarter
from clientsync.reconcile.result import Reconciliation, State
from clientsync.spec.module import Context, Record
from connectors.tds import certificates, challans, return_summary
from connectors.tds import unconsumed_challans as traces
from connectors.tds.reconciling import reconcile
from connectors.tds.statement_rows import FILE_CHALLAN, FILE_DEDUCTEE, STATEMENT_FILE
from tests.support.tds_warehouse import DEDUCTEE, QUARTERS, Practice, make_practice, whole_row

Q4, Q4_DUE = "2025-26-Q4", date(2026, 5, 31)
PAID = {"bsr": "0510002", "serial": "00042", "deposited_on": date(2026, 4, 30)}
CERTIFICATE = "9AA9999TDP9A999"
WITHOUT_DEFAULTS = "Processed Without Defaults"


@pytest.fixture
def practice(sqlite_url: str) -> Iterator[Practice]:
    made = make_practice(sqlite_url)
    yield made
    made.engine.dispose()


def listed(
    period: str, form: str, token: str, status: str, filed_on: date, kind: str = "Regular"
) -> tuple[str, Record]:
    """Return the section and the row of one statement as the portal lists it."""
    section = return_summary.section_name(form)
    return section, whole_row(
        return_summary.STATEMENTS,
        period=period,
        section=section,
        act=Quarter.parse(period).act,
        portal="TRACES61",
        year=period[:7],
        quarter=period[8:],
        form=form,
        token=token,
        kind=kind,
        filed_on=filed_on,
        processed_on=filed_on,
        status=status,
    )


def one_statement(practice: Practice, tax: int, fee: int, filed_on: date, *more: Record) -> None:
    """Load one 26Q of the last quarter under the old Act: list, challan, consumption and file agree."""
    practice.load_nothing("return_summary", "challans", "unconsumed_challans")
    _, row = listed(Q4, "26Q", "770000000000001", WITHOUT_DEFAULTS, filed_on)
    for period in QUARTERS:
        rows = [row, *more] if period == Q4 else []
        form = "26Q" if Quarter.parse(period).act == "1961" else "140"
        practice.load("return_summary", (return_summary.section_name(form), rows), period=period)
    whole = {**PAID, "act": "1961"}
    money = {"amount_paise": tax + fee, "consumed_paise": tax + fee, "available_paise": 0}
    practice.load(
        "challans",
        (
            "act_1961",
            [
                whole_row(
                    challans.CHALLANS,
                    **whole,
                    section="act_1961",
                    cin="C1",
                    amount_paise=tax + fee,
                    minor_head="200",
                )
            ],
        ),
        ("act_2025", []),
    )
    claimed = {**whole, "portal": "TRACES61", "status": "Claimed"}
    practice.load(
        "unconsumed_challans",
        ("unconsumed", []),
        ("status", [whole_row(traces.STATUSES, **claimed, year="2026-27", is_claimed=True)]),
        (
            "consumption",
            [
                whole_row(traces.TOTALS, **claimed, **money, claims=1),
                whole_row(
                    traces.CONSUMPTION,
                    **whole,
                    portal="TRACES61",
                    token="770000000000001",
                    occurrence=1,
                    year="2025-26",
                    quarter=Q4,
                    form="26Q",
                    claimed_paise=tax,
                    claimed_others_paise=fee,
                    total_paise=tax + fee,
                ),
            ],
        ),
        ("act_2025", []),
    )
    place = {"period": Q4, "section": "26Q", "act": "1961", "portal": "FILE", "form": "26Q"}
    practice.load(
        "statements",
        (
            "26Q",
            [
                whole_row(STATEMENT_FILE, **place),
                whole_row(
                    FILE_CHALLAN,
                    **place,
                    **PAID,
                    challan_record=1,
                    tax_paise=tax,
                    fee_paise=fee,
                    total_paise=tax + fee,
                ),
                whole_row(
                    FILE_DEDUCTEE,
                    **place,
                    challan_record=1,
                    deductee_record=1,
                    pan=DEDUCTEE,
                    code="94J",
                    paid_on=date(2026, 3, 31),
                    deducted_on=date(2026, 3, 31),
                    amount_paise=tax * 10,
                    tax_paise=tax,
                    deposited_paise=tax,
                    rate_ppm=100_000,
                ),
            ],
        ),
        period=Q4,
    )


def recon(practice: Practice, name: str) -> Reconciliation:
    found = reconcile(practice.engine, "C1", practice.day).reconciliations
    return next(one for one in found if one.recon == name)


def test_the_late_fee_is_never_more_than_the_tax_of_the_statement(practice: Practice) -> None:
    """Section 234E: Rs 200 a day for 40 days are Rs 8,000, the tax is Rs 1,000, and Rs 1,000 were paid."""
    one_statement(practice, 100_000, 100_000, Q4_DUE + timedelta(days=40))
    assert [row.status for row in recon(practice, "R8").rows if row.key[0] == Q4] == ["FEE_PAID"]


def test_a_correction_that_no_file_holds_makes_what_rests_on_files_incomplete(practice: Practice) -> None:
    one_statement(practice, 100_000, 0, Q4_DUE)
    assert recon(practice, "R5").state is State.CLEAN
    _, correction = listed(Q4, "26Q", "770000000000002", WITHOUT_DEFAULTS, date(2026, 8, 1), "Correction")
    one_statement(practice, 100_000, 0, Q4_DUE, correction)
    for name in ("R5", "R7", "R13"):
        assert recon(practice, name).state is State.INCOMPLETE
    [files] = [row for row in recon(practice, "R14").rows if row.key == ("statements",)]
    assert (files.status, files.why) == (
        "MODULE_PARTIAL",
        "1 corrections were filed, and only regular statements are read.",
    )


@pytest.mark.parametrize("asked", ["never", "in vain"])
def test_what_rests_on_files_is_incomplete_while_it_is_not_known_what_was_filed(
    practice: Practice, asked: str
) -> None:
    """Without the list nobody knows of a correction, nor of a statement whose file is missing."""
    one_statement(practice, 100_000, 0, Q4_DUE)
    practice.sleep()
    if asked == "in vain":
        practice.load("return_summary", ("26Q", []), period=Q4, outcome=Outcome.TRANSIENT)
    else:
        older = {"section": "26Q", "act": "1961", "portal": "FILE", "form": "26Q", "period": "2024-25-Q4"}
        practice.load("statements", ("26Q", [whole_row(STATEMENT_FILE, **older)]), period="2024-25-Q4")
    assert {recon(practice, name).state for name in ("R5", "R7", "R13")} == {State.INCOMPLETE}


def test_a_return_is_not_called_missing_on_a_reading_from_before_it_was_due(practice: Practice) -> None:
    practice.night = datetime(2027, 1, 31, 10, 0, tzinfo=UTC)  # the last day for the third quarter
    third = "2026-27-Q3"
    for period in (*QUARTERS, third):
        practice.load("return_summary", (return_summary.section_name("140"), []), period=period)
    [row] = [row for row in recon(practice, "R9").rows if row.key[0] == third]
    assert row.status == "NOT_FILED"
    read, practice.night = practice.day, practice.night + timedelta(days=3)
    assert recon(practice, "R9").state is State.INCOMPLETE
    [module] = [row for row in recon(practice, "R14").rows if row.key == ("return_summary",)]
    assert module.why == f"Last read before its statements were due: {third} on {read:%d-%m-%Y}."
    practice.load("return_summary", (return_summary.section_name("140"), []), period=third)
    assert recon(practice, "R9").state is State.EXCEPTIONS


def test_a_challan_is_not_called_unpaid_on_payments_that_were_read_before_it(practice: Practice) -> None:
    one_statement(practice, 100_000, 0, Q4_DUE)
    practice.sleep()
    paid = {**PAID, "serial": "00077", "deposited_on": practice.day}
    place = {"period": Q4, "section": "26Q", "act": "1961", "portal": "FILE", "form": "26Q"}
    row = whole_row(FILE_CHALLAN, **place, **paid, challan_record=2, tax_paise=500, total_paise=500)
    practice.load("statements", ("26Q", [whole_row(STATEMENT_FILE, **place), row]), period=Q4)
    practice.sleep()
    assert recon(practice, "R5").state is State.INCOMPLETE
    listed_now = {**paid, "act": "1961", "section": "act_1961", "cin": "C2", "amount_paise": 500}
    practice.load("challans", ("act_1961", [whole_row(challans.CHALLANS, **listed_now)]), ("act_2025", []))
    assert recon(practice, "R5").state is not State.INCOMPLETE


def test_a_book_entry_is_expected_under_its_receipt_and_not_as_a_challan(practice: Practice) -> None:
    entry = {**PAID, "act": "1961", "amount_paise": 100_000}
    practice.load_nothing("challans", "unconsumed_challans")
    paid = whole_row(challans.CHALLANS, **entry, section="act_1961", cin="C1", is_book_entry=True)
    practice.load("challans", ("act_1961", [paid]), ("act_2025", []))
    left = whole_row(traces.BALANCES, **entry, section="unconsumed", portal="TRACES61")
    practice.load("unconsumed_challans", ("unconsumed", [left]), ("status", []), ("act_2025", []))
    assert [row.status for row in recon(practice, "R2").rows] == ["TRACES_BOOK_ENTRY"]


def test_demand_and_notices_of_the_new_act_are_not_clean_while_no_portal_tells_them(
    practice: Practice,
) -> None:
    new_form, row = listed("2026-27-Q1", "140", "880000000000001", "Accepted", date(2026, 7, 20))
    for rows, state in (([], State.CLEAN), ([row], State.INCOMPLETE)):
        practice.load_nothing("return_summary")
        for period in QUARTERS:
            practice.load("return_summary", (new_form, rows if period == "2026-27-Q1" else []), period=period)
        practice.sleep()
        practice.load_nothing("return_summary")
        assert {recon(practice, name).state for name in ("R10", "R11")} == {state}


def test_a_certificate_that_the_portal_calls_inactive_is_not_in_force(practice: Practice) -> None:
    raw = {
        "parentCertNum": "",
        "childCertNum": CERTIFICATE,
        "appPan": DEDUCTEE,
        "tan": "MUMT00000A",
        "taxYear": "2026-27",
        "sectionCode": "1027",
        "issueDate": "2026-04-10",
        "certificateAmount": "1000000.00",
        "amountConsumed": "0.00",
        "balanceAvailable": "1000000.00",
        "validityStartDate": "2026-04-10",
        "validityEndDate": "2027-03-31",
        "activeFlag": "N",
        "natureOfPayment": "x",
        "certificateRate": "1.0000",
    }
    context = Context("", None, "current", "detail_2025", practice.day, tan="MUMT00000A")
    [record] = certificates.MODULE.section("detail_2025").parse(raw, context)
    assert record.problem is None
    practice.load_nothing("certificates")
    practice.load("certificates", ("detail_2025", [record]))
    found = {row.status for row in recon(practice, "R12").rows}
    assert found
    assert "LDC_IN_FORCE" not in found
