"""What a registration is compared with: an empty side that was read is zero, one that was not read is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from clientsync.database import open_engine, upgrade, writing
from clientsync.ledger.tables import SyncCell, SyncClient, SyncQuarantine, SyncRun, SyncUnit
from clientsync.reconcile.result import Reconciliation, State
from clientsync.spec.module import TableSpec
from connectors.gst import gstr1, gstr1a, gstr2b, gstr3b, ledgers
from connectors.gst.reconciling import read_inputs, reconcile
from connectors.gst.return_register import FILINGS, PREFERENCES
from tests.support.gstins import gstin_of
from tests.support.stored_rows import put_row

MOMENT = datetime(2026, 11, 26, tzinfo=UTC)
DAY = date(2026, 11, 27)
TAX = 90_00
MODULES = ("gstr1", "gstr1a", "gstr2b", "gstr3b", "ledgers")


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    made = open_engine(sqlite_url)
    upgrade(made)
    with writing(made) as connection:
        connection.execute(
            insert(SyncClient).values(
                client_id="C1", name="C1", gstin=gstin_of(1), state_code="27", filing_frequency="M", is_active=True,
                settings={}, created_at=MOMENT, updated_at=MOMENT,
            )
        )  # fmt: skip
        connection.execute(
            insert(SyncRun).values(
                run_id="r", connector="gst", kind="manual", state="ended", started_at=MOMENT, selection={}, counts={}
            )
        )  # fmt: skip
    yield made
    made.dispose()


def put(engine: Engine, spec: TableSpec, **values: Any) -> None:
    put_row(engine, spec, MOMENT, **values)


def ended(engine: Engine, module: str, period: str, outcome: str = "loaded") -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(SyncUnit).values(
                unit_id=f"{module}{period}", run_id="r", client_id="C1", connector="gst", module=module,
                unit_period=period, state="ended", outcome=outcome, ended_at=MOMENT, staged={},
            )
        )  # fmt: skip


def read_all(engine: Engine, *periods: str, **outcomes: str) -> None:
    for period in periods or ("102026",):
        for module in MODULES:
            ended(engine, module, period, outcomes.get(module, "loaded"))
    ended(engine, "return_register", "2026-27")


def declared(engine: Engine, table: str, paise: int, period: str = "102026") -> None:
    put(
        engine, gstr3b.LINES, period=period, section="retsum", statement="RETSUM", table_no=table, line_code=table,
        occurrence=1, igst_paise=paise,
    )  # fmt: skip


def summary(engine: Engine, name: str, paise: int, period: str = "102026", level: str = "section") -> None:
    occurrence = 1 if level == "section" else 2
    put(
        engine, gstr1.TABLES.summary, period=period, section="retsum", name=name, level=level, occurrence=occurrence,
        igst_paise=paise,
    )  # fmt: skip


def filed(engine: Engine, return_type: str, period: str) -> None:
    put(
        engine, FILINGS, period="2026-27", section="rettrack", return_type=return_type, return_period=period,
        arn=f"{return_type}{period}", status="Filed", valid="Y",
    )  # fmt: skip


def found(engine: Engine, recon: str) -> Reconciliation:
    return next(one for one in reconcile(engine, "C1", DAY).reconciliations if one.recon == recon)


def test_a_statement_that_was_read_and_is_empty_gives_no_credit(engine: Engine) -> None:
    read_all(engine, gstr2b="empty")
    declared(engine, "4(A)(5)", TAX)
    (row,) = found(engine, "G6").exceptions
    assert (row.code, row.difference_paise) == ("CREDIT_DIFFERS", TAX)


def test_a_statement_with_nothing_but_unavailable_credit_gives_none(engine: Engine) -> None:
    read_all(engine)
    declared(engine, "4(A)(5)", TAX)
    usual = {"period": "102026", "group_name": "nonrevsup", "leaf": "total"}
    put(engine, gstr2b.SUMMARY, **usual, side="itcunavl", igst_paise=TAX)
    (row,) = found(engine, "G6").exceptions
    assert (row.code, row.difference_paise) == ("CREDIT_DIFFERS", TAX)


def test_a_statement_that_was_not_read_is_named_and_is_not_zero(engine: Engine) -> None:
    read_all(engine, gstr2b="transient")
    declared(engine, "4(A)(5)", TAX)
    one = found(engine, "G6")
    assert (one.state, one.rows) == (State.INCOMPLETE, ())
    assert one.missing == ("gstr2b 10/2026: the source failed for the moment",)


def test_a_return_without_sales_is_zero_against_what_was_declared(engine: Engine) -> None:
    read_all(engine, gstr1="empty")
    declared(engine, "3.1(a)", TAX)
    assert read_inputs(engine, "C1", DAY).periods[0].reported is not None
    assert [row.difference_paise for row in found(engine, "G5").rows] == [-TAX]


def test_a_filed_return_that_was_read_and_is_empty_declares_nothing(engine: Engine) -> None:
    read_all(engine, gstr3b="empty")
    summary(engine, "B2B", TAX)
    assert found(engine, "G5").rows == ()
    filed(engine, "GSTR3B", "102026")
    (row,) = found(engine, "G5").exceptions
    assert (row.code, row.difference_paise) == ("LIABILITY_DIFFERS", TAX)


def test_parts_of_a_section_count_and_a_whole_beside_its_parts_counts_once(engine: Engine) -> None:
    read_all(engine, "092026", "102026")
    summary(engine, "B2B_4A", TAX, "092026")
    summary(engine, "B2B_6B", 2 * TAX, "092026")
    summary(engine, "B2BA_4A", 7_00, "092026")
    summary(engine, "B2B", 3 * TAX)
    summary(engine, "B2B_4A", TAX)
    summary(engine, "B2B", TAX, level="part")
    periods = read_inputs(engine, "C1", DAY).periods
    assert [one.reported and one.reported.igst for one in periods] == [3 * TAX, 3 * TAX]
    assert [one.amended.igst for one in periods] == [7_00, 0]


@pytest.mark.parametrize(
    "told", ["as a part", "within the whole", "beside the whole", "by the documents alone"]
)
def test_supplies_under_reverse_charge_are_not_owed_by_the_seller(engine: Engine, told: str) -> None:
    read_all(engine)
    declared(engine, "3.1(a)", TAX)
    if told == "as a part":
        summary(engine, "B2B_4A", TAX)
    else:
        summary(engine, "B2B", 3 * TAX)
    if told in ("as a part", "beside the whole"):
        summary(engine, "B2B_4B", 2 * TAX)
    elif told == "within the whole":
        put(
            engine, gstr1.TABLES.summary, period="102026", section="retsum", name="B2B", part="B2B_4B", level="part",
            occurrence=1, igst_paise=2 * TAX,
        )  # fmt: skip
    put(
        engine, gstr1.TABLES.document, period="102026", section="b2b", document_number="1", is_reverse_charge=True,
        igst_paise=2 * TAX,
    )  # fmt: skip
    put(
        engine, gstr1.TABLES.document, period="102026", section="b2b", document_number="2", is_reverse_charge=False,
        igst_paise=TAX,
    )  # fmt: skip
    (row,) = found(engine, "G5").rows
    assert (row.status, row.left, row.right) == ("LIABILITY_AGREES", TAX, TAX)


@pytest.mark.parametrize("table", ["document", "b2cs"])
def test_documents_of_gstr1_without_its_summary_make_it_incomplete(engine: Engine, table: str) -> None:
    read_all(engine)
    declared(engine, "3.1(a)", 0)
    put(engine, getattr(gstr1.TABLES, table), period="102026", section="b2b", igst_paise=TAX)
    one = found(engine, "G5")
    assert (one.state, one.missing) == (
        State.INCOMPLETE,
        ("gstr1 10/2026: its summary was not read",),
    )


def test_documents_of_gstr2b_without_its_summary_make_it_incomplete(engine: Engine) -> None:
    read_all(engine)
    declared(engine, "4(A)(5)", TAX)
    put(engine, gstr2b.DOCUMENTS, period="102026", section="b2b", status="accepted", document_number="A")
    one = found(engine, "G6")
    assert (one.missing, one.rows) == (("gstr2b 10/2026: its summary was not read",), ())


def test_gstr1a_is_needed_only_where_it_failed_or_is_filed(engine: Engine) -> None:
    for module in set(MODULES) - {"gstr1a"}:
        ended(engine, module, "102026")
    declared(engine, "3.1(a)", TAX)
    summary(engine, "B2B", TAX)
    assert found(engine, "G5").state is State.CLEAN
    filed(engine, "GSTR1A", "102026")
    assert found(engine, "G5").missing == ("gstr1a 10/2026: never asked",)
    ended(engine, "gstr1a", "102026", "transient")
    assert found(engine, "G5").missing == ("gstr1a 10/2026: the source failed for the moment",)


def test_what_gstr1a_reports_is_owed_too(engine: Engine) -> None:
    read_all(engine)
    declared(engine, "3.1(a)", 0)
    usual = {"period": "102026", "section": "retsum", "name": "B2B", "level": "section", "occurrence": 1}
    put(engine, gstr1a.TABLES.summary, **usual, igst_paise=TAX)
    assert [row.difference_paise for row in found(engine, "G5").exceptions] == [TAX]


def paid(engine: Engine) -> None:
    for kind in ("tx_py", "pdcash"):
        put(
            engine, gstr3b.PAYMENTS, period="102026", section="retsum", kind=kind, occurrence=1, igst_tax_paise=TAX
        )  # fmt: skip


def test_a_return_without_the_portals_own_figures_is_not_compared_and_never_clean(engine: Engine) -> None:
    read_all(engine, "092026", "102026")
    for period in ("092026", "102026"):
        declared(engine, "3.1(a)", TAX, period)
        summary(engine, "B2B", TAX, period)
    put(
        engine, gstr3b.LINES, period="092026", section="autoliab", statement="AUTOLIAB", table_no="3.1(a)",
        line_code="osup_3_1a", occurrence=1, igst_paise=TAX,
    )  # fmt: skip
    one = found(engine, "G4")
    assert (one.state, one.missing) == (
        State.INCOMPLETE,
        ("gstr3b 10/2026: nothing that the portal computed was read",),
    )
    assert [row.key[0] for row in one.rows] == ["092026"]


def test_for_a_nil_return_the_portal_has_nothing_to_compute(engine: Engine) -> None:
    read_all(engine, gstr1="empty", gstr2b="empty")
    declared(engine, "3.1(a)", 0)
    (row,) = found(engine, "G4").rows
    assert (row.status, found(engine, "G4").state) == ("AS_COMPUTED", State.CLEAN)
    summary(engine, "B2B", TAX)
    assert found(engine, "G4").state is State.INCOMPLETE


def pay(engine: Engine, kind: str, number: int = 1, period: str = "102026", **paise: int) -> None:
    put(
        engine, gstr3b.PAYMENTS, period=period, section="retsum", kind=kind, occurrence=number,
        **{f"{name}_paise": amount for name, amount in paise.items()},
    )  # fmt: skip


def owed_in_ledger(engine: Engine, paise: int, kind: str = "", number: int = 1) -> None:
    put(
        engine, ledgers.ENTRIES, period="102026", section="tax", entry_type="Cr" if kind else "Dr", occurrence=number,
        discharge_type=kind, igst_tax_paise=paise,
    )  # fmt: skip


@pytest.mark.parametrize("posted", [TAX, TAX - 30_00])
def test_negative_liability_of_earlier_periods_pays_and_may_be_posted_gross_or_net(
    engine: Engine, posted: int
) -> None:
    read_all(engine)
    pay(engine, "tx_py", igst_tax=TAX)
    pay(engine, "adjnegliab", igst_tax=30_00)
    pay(engine, "pdcash", igst_tax=TAX - 30_00)
    owed_in_ledger(engine, posted)
    owed_in_ledger(engine, TAX - 30_00, "cash", 2)
    (row,) = found(engine, "G3").rows
    assert (row.status, row.left, row.right) == ("PAID", TAX, TAX)
    assert "30.00 of negative liability" in row.why
    assert found(engine, "G14").exceptions == ()


def test_negative_liability_that_is_not_enough_leaves_the_rest_unpaid(engine: Engine) -> None:
    read_all(engine)
    pay(engine, "tx_py", igst_tax=TAX)
    pay(engine, "adjnegliab", igst_tax=30_00)
    (row,) = found(engine, "G3").exceptions
    assert (row.code, row.difference_paise) == ("NOT_PAID_IN_FULL", 30_00 - TAX)


def test_a_liability_that_is_negative_is_carried_forward_and_nothing_is_owed(engine: Engine) -> None:
    read_all(engine)
    pay(engine, "tx_py", igst_tax=-30_00)
    pay(engine, "tx_py", 2, igst_tax=20_00)  # reverse charge is paid all the same
    pay(engine, "pdcash", igst_tax=20_00)
    (row,) = found(engine, "G3").rows
    assert (row.status, row.left, row.right) == ("PAID", 20_00, 20_00)


@pytest.mark.parametrize("kinds", [(), ("OPENING",), ("CLOSING",)])
def test_a_ledger_without_its_balances_is_not_added_up_and_never_clean(
    engine: Engine, kinds: tuple[str, ...]
) -> None:
    read_all(engine)
    for kind in kinds:
        put(
            engine, ledgers.BALANCES, period="102026", section="cash", ledger="CASH", kind=kind, head="IGST",
            total_paise=TAX,
        )  # fmt: skip
    put(
        engine, ledgers.ENTRIES, period="102026", section="cash", entry_type="Cr", occurrence=1, igst_tax_paise=TAX
    )  # fmt: skip
    one = found(engine, "G7")
    assert (one.state, one.missing) == (
        State.INCOMPLETE,
        ("ledgers 10/2026: the CASH ledger came without its balances",),
    )


def test_how_the_portal_writes_what_discharged_a_liability_does_not_matter(engine: Engine) -> None:
    read_all(engine)
    paid(engine)
    owed_in_ledger(engine, TAX)
    owed_in_ledger(engine, TAX, "Cash", 2)
    assert found(engine, "G14").exceptions == ()


@pytest.mark.parametrize(
    ("charges", "code"),
    [
        ({"cgst_interest": 5_00, "cgst_fee": 2_00}, "PAID"),
        ({"cgst_interest": 6_00}, "PAID"),  # a rupee is rounding
        ({"cgst_interest": 5_00}, "CHARGES_NOT_PAID"),
        ({"sgst_interest": 7_00}, "CHARGES_NOT_PAID"),
    ],
)
def test_interest_and_late_fee_are_paid_in_cash(engine: Engine, charges: dict[str, Any], code: str) -> None:
    read_all(engine)
    pay(engine, "tx_py", igst_tax=TAX, cgst_interest=5_00, cgst_fee=2_00)
    pay(engine, "pdcash", igst_tax=TAX, **charges)
    (row,) = found(engine, "G3").rows
    assert row.status == code


def credit_ledger(engine: Engine, opening: int, *entries: tuple[int, str, str, dict[str, int]]) -> None:
    """Put the credit ledger of November: opening IGST, and (day, Cr or Dr, return period, amounts by head) each."""
    put(
        engine, ledgers.BALANCES, period="112026", section="itc", ledger="ITC", kind="OPENING", head="IGST",
        total_paise=opening,
    )  # fmt: skip
    for number, (day, kind, period, taxes) in enumerate(entries, start=1):
        put(
            engine, ledgers.ENTRIES, period="112026", section="itc", entry_on=date(2026, 11, day), entry_type=kind,
            return_period=period, occurrence=number, **{f"{head}_tax_paise": paise for head, paise in taxes.items()},
        )  # fmt: skip


SET_OFF = (16, "Dr", "102026", {"igst": 60_00, "cgst": 40_00})


OWN = {"igst": 90_00}
"""Credit that the return itself avails."""
LATER = {"igst": 500_00}


@pytest.mark.parametrize(
    ("opening", "entries", "code"),
    [
        (60_00, [SET_OFF], "PAID"),
        (61_00, [SET_OFF], "PAID"),  # a rupee is rounding
        (61_01, [SET_OFF], "CREDIT_OUT_OF_ORDER"),
        (60_00, [(15, "Cr", "", LATER), SET_OFF], "CREDIT_OUT_OF_ORDER"),
        (0, [(16, "Cr", "102026", OWN), SET_OFF], "CREDIT_OUT_OF_ORDER"),
        (0, [(16, "Cr", "102026", OWN), (16, "Dr", "102026", {"igst": 30_00}), SET_OFF], "PAID"),
        # what came in later, or on the day and is not what the return avails, may have come after the set-off
        (60_00, [SET_OFF, (17, "Cr", "", LATER)], "PAID"),
        (60_00, [SET_OFF, (16, "Cr", "", LATER)], "PAID"),
        (60_00, [SET_OFF, (16, "Cr", "112026", LATER)], "PAID"),
        (-30_00, [(16, "Cr", "102026", OWN), SET_OFF, (16, "Cr", "102026", LATER)], "PAID"),
    ],
)
def test_the_credit_ledger_shows_whether_igst_credit_was_used_first(
    engine: Engine, opening: int, entries: list[Any], code: str
) -> None:
    read_all(engine, "102026", "112026")
    pay(engine, "tx_py", igst_tax=60_00, cgst_tax=40_00)
    pay(engine, "pditc", igst_by_igst=60_00, cgst_by_cgst=40_00)
    declared(engine, "4(A)(5)", OWN["igst"])
    credit_ledger(engine, opening, *entries)
    row = next(row for row in found(engine, "G3").rows if row.key == ("102026",))
    assert row.status == code


@pytest.mark.parametrize("unknown", ["month not read", "blocked", "no debit of these amounts"])
def test_the_order_of_credit_is_not_judged_where_the_ledger_does_not_show_it(
    engine: Engine, unknown: str
) -> None:
    read_all(engine, "102026", *(() if unknown == "month not read" else ("112026",)))
    pay(engine, "tx_py", igst_tax=60_00, cgst_tax=40_00)
    pay(engine, "pditc", igst_by_igst=60_00, cgst_by_cgst=40_00)
    debit = (*SET_OFF[:3], {"igst": 60_00, "cgst": 39_00})
    credit_ledger(engine, 500_00, debit if unknown.startswith("no debit") else SET_OFF)
    if unknown == "blocked":
        put(
            engine, ledgers.BALANCES, period="102026", section="bal", ledger="ITC", kind="BLOCKED", head="IGST",
            total_paise=1_00,
        )  # fmt: skip
    row = next(row for row in found(engine, "G3").rows if row.key == ("102026",))
    assert row.status == "PAID"
    assert "not judged" in row.why


def test_a_liability_ledger_without_postings_differs_from_a_return_that_says_paid(engine: Engine) -> None:
    read_all(engine)
    paid(engine)
    assert {row.key[1] for row in found(engine, "G14").exceptions} == {"owed", "cash"}


def test_postings_without_a_return_that_says_paid_differ_too(engine: Engine) -> None:
    read_all(engine, gstr3b="empty")
    put(
        engine, ledgers.ENTRIES, period="102026", section="tax", entry_type="Dr", occurrence=1, igst_tax_paise=TAX
    )  # fmt: skip
    assert {row.key[1] for row in found(engine, "G14").exceptions} == {"owed"}


def test_a_ledger_that_was_not_read_is_named_and_is_not_zero(engine: Engine) -> None:
    read_all(engine, ledgers="transient")
    paid(engine)
    one = found(engine, "G14")
    assert (one.state, one.rows) == (State.INCOMPLETE, ())


def test_a_registration_that_was_never_asked_is_incomplete(engine: Engine) -> None:
    result = reconcile(engine, "C1", DAY)
    assert [one.recon for one in result.reconciliations if one.state is State.CLEAN] == []


# --- monthly and quarterly ------------------------------------------------------------------------------------------

QUARTER = ("042026", "052026", "062026")


def compared(engine: Engine, usual: str) -> list[str]:
    with writing(engine) as connection:
        connection.execute(update(SyncClient).values(filing_frequency=usual))
    return [one.period for one in read_inputs(engine, "C1", DAY).periods]


def test_the_choice_of_the_quarter_counts_before_the_client_master(engine: Engine) -> None:
    read_all(engine, *QUARTER, "072026")
    put(engine, PREFERENCES, period="2026-27", section="getpref", quarter="Q1", preference="M")
    assert compared(engine, "Q") == [*QUARTER, "092026"]
    put(engine, PREFERENCES, period="2026-27", section="getpref", quarter="Q2", preference="Q")
    assert compared(engine, "M") == [*QUARTER, "092026"]


def test_a_return_filed_within_a_quarter_proves_a_monthly_filer(engine: Engine) -> None:
    read_all(engine, *QUARTER)
    assert compared(engine, "Q") == ["062026"]
    filed(engine, "GSTR3B", "062026")
    assert compared(engine, "Q") == ["062026"]
    filed(engine, "GSTR3B", "052026")
    assert compared(engine, "Q") == list(QUARTER)


def test_a_statement_said_not_to_apply_to_a_month_that_was_filed_is_not_read(engine: Engine) -> None:
    read_all(engine, "042026", gstr2b="not_applicable")
    filed(engine, "GSTR3B", "042026")
    declared(engine, "4(A)(5)", TAX, "042026")
    compared(engine, "Q")
    assert found(engine, "G6").missing == ("gstr2b 04/2026: does not apply to this client and period",)


# --- returns --------------------------------------------------------------------------------------------------------


def register_read(engine: Engine, asked_at: datetime = MOMENT) -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(SyncCell).values(
                client_id="C1", connector="gst", module="return_register", unit_period="2026-27", section="rettrack",
                unit_id="u", outcome="loaded", skip_reason="", asked_at=asked_at, rows=1, was_loaded=True,
                uncertain_empty=False, version="", fence=1,
            )
        )  # fmt: skip


def test_a_year_of_which_no_register_was_asked_makes_the_returns_incomplete(engine: Engine) -> None:
    read_all(engine, "032026", "102026")
    register_read(engine)
    one = found(engine, "G8")
    assert one.state is State.INCOMPLETE
    assert "return_register: the register of 2025-26 was never asked" in one.missing


@pytest.mark.parametrize(("period", "codes"), [("112026", []), ("102026", ["NOT_FILED"])])
def test_a_return_that_is_saved_and_not_filed_is_no_exception_of_its_payment(
    engine: Engine, period: str, codes: list[str]
) -> None:
    read_all(engine, period)
    register_read(engine)
    pay(engine, "tx_py", period=period, igst_tax=TAX)
    pay(engine, "pdcash", period=period, igst_tax=TAX)
    declared(engine, "3.1(a)", TAX, period)
    summary(engine, "B2B", 2 * TAX, period)
    for recon in ("G3", "G5", "G14"):
        assert [(row.status, str(row.severity)) for row in found(engine, recon).rows] == [
            ("NOT_FILED_YET", "info")
        ]
    owed = [row.code for row in found(engine, "G8").exceptions if row.key == ("GSTR3B", period)]
    assert owed == codes


def test_a_payment_that_the_ledger_has_is_compared_whatever_the_register_says_yet(engine: Engine) -> None:
    read_all(engine)
    register_read(engine)
    paid(engine)
    owed_in_ledger(engine, TAX)
    assert {row.key[1] for row in found(engine, "G14").exceptions} == {"cash"}


def returns(engine: Engine, day: date, return_type: str = "GSTR3B") -> str:
    found = next(one for one in reconcile(engine, "C1", day).reconciliations if one.recon == "G8")
    return next(row.status for row in found.rows if row.key == (return_type, "092026"))


def test_a_filing_in_quarantine_makes_the_returns_incomplete_and_none_missing(engine: Engine) -> None:
    read_all(engine)
    register_read(engine)
    with writing(engine) as connection:
        connection.execute(
            insert(SyncQuarantine).values(
                quarantine_id="q", client_id="C1", connector="gst", module="return_register", unit_period="2026-27",
                section="rettrack", table_name="gst__filing", run_id="r", unit_id="u", values={},
                content_hash="0" * 64, codes="X", reason="dof is not a date", held_at=MOMENT, resolution="",
            )
        )  # fmt: skip
    one = found(engine, "G8")
    assert (one.state, one.exceptions) == (State.INCOMPLETE, ())
    assert one.missing == ("return_register: 1 rows in quarantine",)


def test_a_return_stands_as_it_was_known_at_the_end_of_the_day(engine: Engine) -> None:
    read_all(engine)
    register_read(engine)
    put(
        engine, FILINGS, period="2026-27", section="rettrack", return_type="GSTR3B", return_period="092026", arn="A",
        filed_on=date(2026, 11, 24), status="Filed", valid="Y",
    )  # fmt: skip
    assert returns(engine, date(2026, 11, 10)) == "NOT_KNOWN"
    with writing(engine) as connection:
        values = {"module": "return_register", "unit_period": "2026-27", "state": "ended", "staged": {}}
        owner = {"run_id": "r", "client_id": "C1", "connector": "gst"}
        earlier = datetime(2026, 11, 9, tzinfo=UTC)
        connection.execute(
            insert(SyncUnit).values(**owner, **values, unit_id="0", outcome="loaded", ended_at=earlier)
        )
    assert returns(engine, date(2026, 11, 10)) == "NOT_FILED"
    assert returns(engine, DAY) == "FILED_LATE"


def test_a_register_that_was_not_read_since_a_return_was_due_is_incomplete(engine: Engine) -> None:
    read_all(engine)
    register_read(engine, datetime(2026, 11, 15, tzinfo=UTC))
    assert (
        "return_register GSTR3B 10/2026: the register was last read on 15-11-2026"
        in found(engine, "G8").missing[0]
    )
