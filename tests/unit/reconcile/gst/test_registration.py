"""Reconciliations of a registration: what agrees, what does not, and the paisa between."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.errors import InvalidInput
from clientsync.reconcile.gst import rules
from clientsync.reconcile.gst.inputs import (
    Ledger,
    Payment,
    RegistrationInputs,
    ReturnDue,
    ReturnPeriod,
    Taxes,
)
from clientsync.reconcile.gst.run import NEEDED, TITLES, reconcile_registration
from clientsync.reconcile.result import Reconciliation, State

DAY = date(2026, 11, 27)
LAKH = 100_000_00
FILED = {
    "3.1(a)": Taxes(1_000_00, 180_00),
    "4(A)(5)": Taxes(0, 90_00),
    "4(B)(2)": Taxes(0, 10_00),
    "4(C)": Taxes(0, 80_00),
}
GOOD = ReturnPeriod(
    "102026",
    reported=Taxes(1_000_00, 180_00),
    filed=FILED,
    computed={name: taxes for name, taxes in FILED.items() if name != "4(C)"},
    statement=Taxes(0, 80_00),
    paid=Payment(Taxes(0, 180_00), Taxes(0, 100_00), Taxes(0, 80_00), from_igst=80_00),
    posted=Payment(Taxes(0, 180_00), Taxes(0, 100_00), Taxes(0, 80_00)),
)


def inputs(*periods: ReturnPeriod, **more: Any) -> RegistrationInputs:
    return RegistrationInputs("C1", DAY, periods or (GOOD,), **more)


def found(recon: str, *periods: ReturnPeriod, **more: Any) -> Reconciliation:
    result = reconcile_registration(inputs(*periods, **more))
    return next(one for one in result.reconciliations if one.recon == recon)


def status(recon: str, *periods: ReturnPeriod, **more: Any) -> str:
    (row,) = found(recon, *periods, **more).rows
    return row.status


def filed(**changes: Taxes) -> dict[str, Taxes]:
    names = {"outward": "3.1(a)", "credit": "4(A)(5)", "reversed": "4(B)(2)", "net": "4(C)"}
    return {**FILED, **{names[name]: taxes for name, taxes in changes.items()}}


def test_a_registration_whose_figures_agree_is_clean_everywhere() -> None:
    result = reconcile_registration(inputs())
    assert {one.recon for one in result.reconciliations} == set(TITLES)
    assert result.state is State.CLEAN


# --- G2 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("net", "expected"), [(81_00, "ITC_NET_RIGHT"), (81_01, "ITC_NET_WRONG")])
def test_net_credit_is_availed_less_reversed_within_a_rupee(net: int, expected: str) -> None:
    assert status("G2", replace(GOOD, filed=filed(net=Taxes(0, net)))) == expected


# --- G3 and G14 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cash", "expected"), [(99_00, "PAID"), (98_99, "NOT_PAID_IN_FULL")])
def test_cash_and_credit_pay_the_liability_within_a_rupee(cash: int, expected: str) -> None:
    paid = replace(GOOD.paid or Payment(), cash=Taxes(0, cash))
    assert status("G3", replace(GOOD, paid=paid)) == expected


@pytest.mark.parametrize(
    ("left", "expected"), [(0, "PAID"), (1_00, "PAID"), (1_01, "CREDIT_OUT_OF_ORDER"), (None, "PAID")]
)
def test_igst_credit_is_used_first(left: int | None, expected: str) -> None:
    paid = replace(GOOD.paid or Payment(), from_cgst=10, igst_left=left)
    assert status("G3", replace(GOOD, paid=paid)) == expected


@pytest.mark.parametrize(
    ("credit", "codes"), [(81_00, {"LEDGER_AGREES"}), (81_01, {"LEDGER_AGREES", "LEDGER_DIFFERS"})]
)
def test_the_liability_ledger_says_what_the_return_says_within_a_rupee(credit: int, codes: set[str]) -> None:
    posted = replace(GOOD.posted or Payment(), credit=Taxes(0, credit))
    assert {row.status for row in found("G14", replace(GOOD, posted=posted)).rows} == codes


# --- G4 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "severities"),
    [
        ({"outward": Taxes(1_000_00, 179_00)}, {"ok"}),
        ({"outward": Taxes(1_000_00, 178_99)}, {"ok", "warning"}),
        ({"outward": Taxes(1_000_00, 200_00)}, {"ok", "info"}),
        ({"credit": Taxes(0, 95_00), "net": Taxes(0, 85_00)}, {"ok", "warning"}),
        ({"reversed": Taxes(0, 0), "net": Taxes(0, 90_00)}, {"ok", "warning"}),
        ({"reversed": Taxes(0, 20_00), "net": Taxes(0, 70_00)}, {"ok", "info"}),
        # the same in all, under other heads
        ({"outward": Taxes(1_000_00, 0, 90_00, 90_00)}, {"ok", "warning"}),
        ({"credit": Taxes(0, 0, 45_00, 45_00)}, {"ok", "warning"}),
    ],
)
def test_a_table_that_differs_from_the_portals_own_is_graded_by_who_loses(
    changes: dict[str, Taxes], severities: set[str]
) -> None:
    rows = found("G4", replace(GOOD, filed=filed(**changes))).rows
    assert {str(row.severity) for row in rows} == severities


# --- G5 and G6 ------------------------------------------------------------------------------------------------------


def test_credit_that_is_reclaimed_is_named_beside_the_difference() -> None:
    reclaimed = {**filed(credit=Taxes(0, 95_00)), "4(D)(1)": Taxes(0, 5_00)}
    (row,) = found("G6", replace(GOOD, filed=reclaimed)).exceptions
    assert (row.code, row.difference_paise) == ("CREDIT_DIFFERS", 5_00)
    assert row.why.endswith("Rs 5.00 of the claim was reversed before and is reclaimed.")


def test_tax_under_the_wrong_head_pays_for_nothing() -> None:
    wrong = replace(GOOD, filed=filed(outward=Taxes(1_000_00, 0, 90_00, 90_00)))
    (row,) = found("G5", wrong).exceptions
    assert (row.code, row.difference_paise) == ("LIABILITY_DIFFERS", 0)
    wrong = replace(GOOD, filed=filed(credit=Taxes(0, 0, 45_00, 45_00)))
    (row,) = found("G6", wrong).exceptions
    assert (row.code, row.difference_paise) == ("CREDIT_DIFFERS", 0)


@pytest.mark.parametrize(
    ("reported", "declared", "expected"),
    [
        (125 * LAKH, 100 * LAKH, "LIABILITY_DIFFERS"),  # exactly Rs 25 lakh
        (125 * LAKH + 1, 100 * LAKH, "DRC_01B"),  # a paisa above
        (150 * LAKH, 125 * LAKH, "LIABILITY_DIFFERS"),  # exactly a fifth
        (156 * LAKH, 130 * LAKH, "LIABILITY_DIFFERS"),  # more than 25 lakh, exactly a fifth
        (156 * LAKH + 1, 130 * LAKH, "DRC_01B"),  # a paisa above a fifth
        (180_00, 179_00, "LIABILITY_AGREES"),
        (180_00, 178_99, "LIABILITY_DIFFERS"),
    ],
)
def test_drc_01b_needs_more_than_a_fifth_and_more_than_25_lakh(
    reported: int, declared: int, expected: str
) -> None:
    period = replace(GOOD, reported=Taxes(0, reported), filed=filed(outward=Taxes(0, declared)))
    assert status("G5", period) == expected


@pytest.mark.parametrize(
    ("claimed", "given_", "expected"),
    [
        (125 * LAKH, 100 * LAKH, "CREDIT_DIFFERS"),
        (125 * LAKH + 1, 100 * LAKH, "DRC_01C"),
        (81_00, 80_00, "CREDIT_AGREES"),
        (81_01, 80_00, "CREDIT_DIFFERS"),
        (70_00, 80_00, "CREDIT_DIFFERS"),
    ],
)
def test_drc_01c_needs_more_than_a_fifth_and_more_than_25_lakh(
    claimed: int, given_: int, expected: str
) -> None:
    lines = filed(credit=Taxes(0, claimed), reversed=Taxes(), net=Taxes(0, claimed))
    assert status("G6", replace(GOOD, filed=lines, statement=Taxes(0, given_))) == expected


def test_credit_that_is_not_claimed_in_full_is_told_and_is_no_exception() -> None:
    lines = filed(credit=Taxes(0, 50_00), reversed=Taxes(), net=Taxes(0, 50_00))
    recon = found("G6", replace(GOOD, filed=lines))
    assert (str(recon.rows[0].severity), recon.exceptions) == ("info", ())


# --- G7 -------------------------------------------------------------------------------------------------------------


def ledger(period: str = "102026", opening: int = 5_00, closing: int = 7_00) -> Ledger:
    return Ledger("CASH", period, Taxes(0, opening), Taxes(0, closing), Taxes(0, 10_00), Taxes(0, 8_00))


@pytest.mark.parametrize(("closing", "expected"), [(7_00, "BALANCE_RIGHT"), (7_01, "BALANCE_WRONG")])
def test_a_ledger_is_conserved_to_the_paisa(closing: int, expected: str) -> None:
    assert status("G7", ledgers=(ledger(closing=closing),)) == expected


@pytest.mark.parametrize(("opening", "expected"), [(7_00, "CARRIED_RIGHT"), (6_99, "CARRIED_WRONG")])
def test_a_month_begins_as_the_one_before_ended(opening: int, expected: str) -> None:
    later = ledger("112026", opening, opening + 2_00)
    assert expected in {row.status for row in found("G7", ledgers=(later, ledger())).rows}


def test_months_that_do_not_follow_each_other_are_not_compared() -> None:
    later = ledger("122026", 99_00, 101_00)
    assert {row.status for row in found("G7", ledgers=(ledger(), later)).rows} == {"BALANCE_RIGHT"}


# --- G8 -------------------------------------------------------------------------------------------------------------


def due(state: str, filed_on: date | None = None) -> ReturnDue:
    return ReturnDue("GSTR3B", "102026", date(2026, 11, 20), filed_on, 0, state, "why")


@pytest.mark.parametrize(
    ("one", "expected", "fee"),
    [
        (due("filed", date(2026, 11, 20)), "FILED", None),
        (due("filed late", date(2026, 11, 21)), "FILED_LATE", 50_00),
        (due("not filed"), "NOT_FILED", 350_00),
        (due("not yet due"), "NOT_YET_DUE", None),
    ],
)
def test_a_return_says_how_it_stands_and_the_most_that_it_costs(
    one: ReturnDue, expected: str, fee: int | None
) -> None:
    (row,) = found("G8", returns=(one,)).rows
    assert (row.status, row.difference_paise) == (expected, fee)


# --- coverage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["gstr1", "gstr1a", "gstr2b", "gstr3b", "ledgers"])
def test_what_rests_on_a_module_that_is_not_complete_is_incomplete_and_never_clean(module: str) -> None:
    result = reconcile_registration(inputs(replace(GOOD, lacking={module: "never asked"})))
    states = {one.recon: one.state for one in result.reconciliations}
    assert {recon for recon, state in states.items() if state is State.INCOMPLETE} == {
        recon for recon, needed in NEEDED.items() if module in needed
    }


@pytest.mark.parametrize("module", ["gstr1", "gstr1a", "gstr2b", "gstr3b", "ledgers"])
def test_coverage_tells_of_every_module_that_is_not_complete(module: str) -> None:
    recon = found("G13", replace(GOOD, lacking={module: "never asked"}))
    assert [row.key for row in recon.rows if row.status == "NOT_COMPLETE"] == [("102026", module)]


def test_a_registration_of_which_nothing_was_ever_read_is_nowhere_clean() -> None:
    nothing = RegistrationInputs("C1", DAY, lacking_ledgers={"return_register": "never asked"})
    result = reconcile_registration(nothing)
    assert {one.state for one in result.reconciliations if one.recon != "G13"} == {State.INCOMPLETE}
    assert {row.key[1] for row in result.reconciliations[0].rows} == {
        "gstr1", "gstr2b", "gstr3b", "ledgers", "return_register",
    }  # fmt: skip


def test_a_register_that_was_never_read_makes_no_return_missing() -> None:
    recon = found("G8", returns=(due("not filed"),), lacking_ledgers={"return_register": "never asked"})
    assert (recon.state, recon.exceptions) == (State.INCOMPLETE, ())


# --- rules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "has_40"), [(date(2025, 9, 21), False), (date(2025, 9, 22), True)])
def test_the_rates_changed_on_22_september_2025(day: date, has_40: bool) -> None:
    assert (4000 in rules.rates_on(day)) is has_40
    assert (1200 in rules.rates_on(day)) is not has_40


def test_a_day_before_gst_has_no_figure() -> None:
    with pytest.raises(InvalidInput, match="30-06-2017"):
        rules.rates_on(date(2017, 6, 30))
    with pytest.raises(InvalidInput, match="rate of interest"):
        rules.interest(1, date(2017, 6, 30), date(2018, 1, 1))


@pytest.mark.parametrize(("days", "paise"), [(0, 0), (1, 50_00), (200, 10_000_00), (201, 10_000_00)])
def test_the_late_fee_grows_by_the_day_up_to_its_cap(days: int, paise: int) -> None:
    assert rules.late_fee(date(2026, 1, 20), date.fromordinal(date(2026, 1, 20).toordinal() + days)) == paise


@pytest.mark.parametrize(("days", "paise"), [(0, 0), (1, 49), (365, 180_00)])
def test_interest_is_18_per_cent_a_year(days: int, paise: int) -> None:
    assert (
        rules.interest(1_000_00, date(2025, 1, 20), date.fromordinal(date(2025, 1, 20).toordinal() + days))
        == paise
    )


def test_time_bars_are_those_of_the_law() -> None:
    assert rules.time_bar_on(2025) == date(2026, 11, 30)
    assert rules.payment_due_on(date(2026, 1, 1)) == date(2026, 6, 30)


# --- properties -----------------------------------------------------------------------------------------------------

AMOUNT = st.integers(-1_000_00, 1_000_00)
TAXES = st.builds(Taxes, AMOUNT, AMOUNT, AMOUNT, AMOUNT, AMOUNT)
PERIODS = st.lists(
    st.builds(
        lambda month, reported, outward, statement: replace(
            GOOD,
            period=f"{month:02d}2026",
            reported=reported,
            filed=filed(outward=outward),
            statement=statement,
        ),
        st.integers(1, 9),
        TAXES,
        TAXES,
        TAXES,
    ),
    max_size=5,
    unique_by=lambda one: one.period,
)


@settings(max_examples=60, deadline=None)
@given(PERIODS, st.randoms(use_true_random=False))
def test_the_order_of_the_periods_changes_nothing_and_every_period_is_in_one_row(
    periods: list[Any], random: Any
) -> None:
    before = reconcile_registration(RegistrationInputs("C1", DAY, tuple(periods)))
    random.shuffle(periods)
    assert reconcile_registration(RegistrationInputs("C1", DAY, tuple(periods))) == before
    g5 = next(one for one in before.reconciliations if one.recon == "G5")
    assert sorted(row.key[0] for row in g5.rows) == sorted(one.period for one in periods)


@settings(max_examples=60, deadline=None)
@given(PERIODS, st.integers(0, 500_00), st.integers(0, 500_00))
def test_a_larger_tolerance_never_finds_more(periods: list[Any], tolerance: int, more: int) -> None:
    small, large = (
        reconcile_registration(RegistrationInputs("C1", DAY, tuple(periods), tolerance_paise=paise))
        for paise in (tolerance, tolerance + more)
    )
    assert len(large.exceptions) <= len(small.exceptions)
