"""Forms, quarters, statuses and due dates of both Acts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.periods import Quarter
from connectors.tds import forms

QUARTERS = st.builds(Quarter, st.integers(2016, 2040), st.integers(1, 4))


def statement(status: str, filed: date | None = date(2025, 7, 31), token: str = "1" * 15) -> dict[str, Any]:
    return {"token": token, "status": status, "filed_on": filed}


@pytest.mark.parametrize(("old", "new"), [("24Q", "138"), ("26Q", "140"), ("27Q", "144"), ("27EQ", "143")])
def test_each_form_has_one_name_in_each_act(old: str, new: str) -> None:
    assert forms.form_in(old, "2025") == forms.form_in(new, "2025") == new
    assert forms.form_in(new, "1961") == forms.form_in(old, "1961") == old
    assert (forms.act_of_form(old), forms.act_of_form(new)) == ("1961", "2025")


def test_form_141_is_no_statement_of_a_deductor() -> None:
    with pytest.raises(KeyError):
        forms.form_in("141", "1961")
    with pytest.raises(KeyError):
        forms.act_of_form("141")


@pytest.mark.parametrize(
    ("day", "expected"),
    [(date(2026, 3, 31), ("24Q", "26Q")), (date(2026, 4, 1), ("138", "140"))],
)
def test_the_act_of_the_quarter_names_the_forms_of_a_profile(day: date, expected: tuple[str, ...]) -> None:
    assert forms.forms_of(("26Q", "24Q"), Quarter.of(day)) == expected


def test_an_unknown_profile_means_every_form() -> None:
    assert forms.forms_of((), Quarter(2025, 4)) == ("24Q", "26Q", "27Q", "27EQ")


@pytest.mark.parametrize(
    ("text", "name"), [("3", "Q1"), ("6", "Q4"), ("q2", "Q2"), ("Q3", "Q3"), ("", ""), ("Annual", "Annual")]
)
def test_quarters_are_known_by_name_and_code(text: str, name: str) -> None:
    assert forms.quarter_name(text) == name


@pytest.mark.parametrize(
    ("text", "name"), [("Form 26-Q", "26Q"), ("27eq", "27EQ"), ("FORM 140", "140"), ("26QB", "26QB")]
)
def test_forms_are_known_by_any_spelling(text: str, name: str) -> None:
    assert forms.form_name(text) == name


def test_statuses_are_brought_to_one_spelling_and_unknown_ones_stay() -> None:
    assert forms.status_name(" processed  without DEFAULTS ") == "Processed Without Defaults"
    assert forms.status_name("Under Review") == "Under Review"


@pytest.mark.parametrize(
    ("statements", "is_settled"),
    [
        ([], False),
        ([statement("Processed Without Defaults")], True),
        ([statement("Processed With Defaults")], False),
        ([statement("Processed for Form 26AS")], False),
        ([statement("Pending for Processing")], False),
        ([statement("Rejected")], False),
        ([statement("Under Review"), statement("Processed Without Defaults")], False),
        (
            [statement("Processed With Defaults"), statement("Processed Without Defaults", date(2025, 9, 1))],
            True,
        ),
        (
            [statement("Processed Without Defaults"), statement("Processed With Defaults", date(2025, 9, 1))],
            False,
        ),
        (
            [
                statement("Processed With Defaults"),
                statement("Processed Without Defaults", date(2025, 9, 1)),
                statement("Rejected", date(2025, 10, 1)),
            ],
            True,
        ),
        (
            [statement("Processed Without Defaults"), statement("Pending for Processing", date(2025, 9, 1))],
            False,
        ),
        ([statement("Processed With Defaults", None), statement("Processed Without Defaults")], True),
    ],
)
def test_a_quarter_is_settled_when_its_newest_accepted_statement_is_clean(
    statements: list[dict[str, Any]], is_settled: bool
) -> None:
    assert forms.is_settled(statements) is is_settled


@pytest.mark.parametrize(
    ("form", "quarter", "due"),
    [
        ("26Q", Quarter(2025, 1), date(2025, 7, 31)),
        ("26Q", Quarter(2025, 2), date(2025, 10, 31)),
        ("24Q", Quarter(2025, 3), date(2026, 1, 31)),
        ("27Q", Quarter(2025, 4), date(2026, 5, 31)),
        ("140", Quarter(2026, 1), date(2026, 7, 31)),
        ("27EQ", Quarter(2025, 3), date(2026, 1, 15)),
        ("27EQ", Quarter(2025, 4), date(2026, 5, 15)),
        ("143", Quarter(2026, 2), date(2026, 10, 15)),
    ],
)
def test_statements_are_due_as_the_rules_say(form: str, quarter: Quarter, due: date) -> None:
    found = forms.statement_due(form, quarter)
    assert found is not None
    assert (found.on, found.is_extended) == (due, False)
    assert found.source


def test_an_extension_wins_over_the_rule_for_its_forms_only() -> None:
    extended, plain = (
        forms.statement_due("26Q", Quarter(2022, 2)),
        forms.statement_due("24Q", Quarter(2022, 2)),
    )
    assert extended is not None and plain is not None
    assert (extended.on, extended.is_extended) == (date(2022, 11, 30), True)
    assert (plain.on, plain.is_extended) == (date(2022, 10, 31), False)


@pytest.mark.parametrize(
    ("quarter", "deducted", "salaries", "collected"),
    [
        (Quarter(2018, 4), date(2019, 5, 31), date(2019, 6, 30), date(2019, 5, 15)),
        (Quarter(2019, 3), date(2020, 1, 31), date(2020, 1, 31), date(2020, 1, 15)),
        (Quarter(2019, 4), date(2020, 7, 31), date(2020, 7, 31), date(2020, 7, 31)),
        (Quarter(2020, 1), date(2021, 3, 31), date(2021, 3, 31), date(2021, 3, 31)),
        (Quarter(2020, 2), date(2021, 3, 31), date(2021, 3, 31), date(2021, 3, 31)),
        (Quarter(2020, 3), date(2021, 1, 31), date(2021, 1, 31), date(2021, 1, 15)),
        (Quarter(2020, 4), date(2021, 7, 15), date(2021, 7, 15), date(2021, 5, 15)),
        (Quarter(2021, 1), date(2021, 7, 31), date(2021, 7, 31), date(2021, 7, 15)),
    ],
)
def test_what_the_board_extended_from_2019_to_2021_moves_those_forms_and_quarters_alone(
    quarter: Quarter, deducted: date, salaries: date, collected: date
) -> None:
    due = {form: forms.statement_due(form, quarter) for form in ("26Q", "27Q", "24Q", "27EQ")}
    found = [one.on for one in due.values() if one is not None]
    assert found == [deducted, deducted, salaries, collected]


def test_quarters_before_the_table_have_no_due_date() -> None:
    assert forms.statement_due("26Q", Quarter(2015, 4)) is None
    assert forms.statement_due("26Q", Quarter(2016, 1)) is not None


@given(st.sampled_from(sorted(forms.NEW_FORMS)), QUARTERS)
def test_every_statement_is_due_15_to_61_days_after_its_quarter_by_exactly_one_rule(
    form: str, quarter: Quarter
) -> None:
    due = forms.statement_due(form, quarter, extensions=())
    assert due is not None
    assert timedelta(15) <= due.on - quarter.last_day <= timedelta(61)
    fitting = [
        rule
        for rule in forms.RULES
        if rule.is_collection == (form == "27EQ")
        and rule.valid_from <= quarter
        and (rule.valid_to is None or quarter <= rule.valid_to)
    ]
    assert len(fitting) == 1


@pytest.mark.parametrize(
    ("deducted", "due"),
    [
        (date(2026, 2, 28), date(2026, 3, 7)),
        (date(2026, 3, 1), date(2026, 4, 30)),
        (date(2026, 3, 31), date(2026, 4, 30)),
        (date(2026, 4, 1), date(2026, 5, 7)),
        (date(2026, 12, 31), date(2027, 1, 7)),
    ],
)
def test_tax_is_deposited_by_the_7th_and_that_of_march_by_30_april(deducted: date, due: date) -> None:
    assert forms.deposit_due(deducted).on == due
    assert forms.deposit_due(deducted, without_challan=True).on == deducted
