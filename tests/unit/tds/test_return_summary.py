"""Statements are asked where their Act has them, only while something can change, and never vanish."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from clientsync.spec.module import Deletes, Skip, SkipKind
from connectors.tds.return_summary import MODULE, reason_class
from tests.support import module_contract as contract
from tests.support.tds_modules import (
    all_pages,
    asking,
    breaches,
    codes,
    context,
    findings,
    memory,
    parsed,
)

Q4 = "2025-26-Q4"
Q1 = "2026-27-Q1"
TOKEN = "770000000017094"
ROW = {
    "tokenno": TOKEN,
    "finyear": "2025-26",
    "quarter": "Q4",
    "formtype": "26Q",
    "stmnttype": "Regular",
    "dtoffiling": "20-May-2026",
    "dtofprcng": "28-May-2026",
    "status": "Processed Without Defaults",
    "remarks": "",
    "reason": None,
}
FORM = {
    "formTypeCd": "140",
    "ackNum": TOKEN,
    "financialYr": "2026-27",
    "quarter": "Q1",
    "filingTypeCd": "Original",
    "ackDt": "30-Jul-2026",
    "statusDesc": "Processed With Defaults",
    "statusDt": "10-Aug-2026",
}


def grid(*rows: Any, records: int | None = None) -> dict[str, Any]:
    return {"page": 1, "total": 1, "records": len(rows) if records is None else records, "rows": list(rows)}


def filed(*rows: Any) -> dict[str, Any]:
    return {"successFlag": True, "totalElements": len(rows), "forms": list(rows)}


def skip_of(section: str, quarter: str, **state: Any) -> Skip | None:
    one = MODULE.section(section)
    state_now = asking(quarter, **state)
    return next((found for rule in one.skip if (found := rule(state_now, one)) is not None), None)


def stored(status: str, quarter: str = "2024-25-Q4", form: str = "26Q") -> dict[str, Any]:
    statement = {"token": TOKEN, "kind": "Regular", "status": status, "filed_on": date(2025, 5, 20)}
    return {"statements": {(quarter, form): [statement]}}


def test_it_keeps_the_promises_of_every_module() -> None:
    assert contract.structure(MODULE) == []
    assert contract.warehouse_fit(MODULE, "tds") == []
    assert contract.checks_fit(MODULE) == []


def test_a_statement_of_the_old_act_is_read_with_its_days_to_process() -> None:
    [one] = parsed(MODULE, "form_26q", grid(ROW), context("form_26q", Q4))
    assert one.problem is None
    values = one.values
    assert (values["year"], values["quarter"], values["form"], values["act"]) == (
        "2025-26",
        "Q4",
        "26Q",
        "1961",
    )
    assert (values["portal"], values["kind"], values["days_to_process"]) == ("TRACES61", "Regular", 8)


def test_a_statement_that_waits_has_no_day_of_processing() -> None:
    row = {**ROW, "dtofprcng": "", "status": "pending for processing"}
    [one] = parsed(MODULE, "form_26q", grid(row), context("form_26q", Q4))
    assert (one.values["processed_on"], one.values["days_to_process"]) == (None, None)
    assert one.values["status"] == "Pending for Processing"


def test_a_bad_row_is_kept_with_its_problem_and_the_others_are_read() -> None:
    found = parsed(MODULE, "form_26q", grid(ROW, {**ROW, "dtoffiling": "soon"}), context("form_26q", Q4))
    assert [one.problem for one in found] == [None, "dtoffiling is not a date"]


def test_a_filed_form_speaks_the_words_of_traces() -> None:
    [one] = parsed(MODULE, "form_140", filed(FORM), context("form_140", Q1))
    assert (one.values["kind"], one.values["act"], one.values["portal"]) == ("Regular", "2025", "IT")
    [two] = parsed(MODULE, "form_140", filed({**FORM, "filingTypeCd": "Revised"}), context("form_140", Q1))
    assert two.values["kind"] == "Correction"


def test_a_filed_form_that_waits_has_no_day_of_processing() -> None:
    rows = filed({**FORM, "statusDesc": "Filed", "statusDt": "30-Jul-2026"})
    [one] = parsed(MODULE, "form_140", rows, context("form_140", Q1))
    assert (one.values["status"], one.values["processed_on"], one.values["days_to_process"]) == (
        "Filed",
        None,
        None,
    )


def test_filed_forms_of_other_quarters_are_left_to_their_own_units() -> None:
    rows = filed(FORM, {**FORM, "quarter": "Q2", "ackNum": "770000000027094"}, {**FORM, "ackDt": None})
    found = parsed(MODULE, "form_140", rows, context("form_140", Q1))
    assert [one.problem for one in found] == [None, "ackDt is missing"]


def test_no_statement_is_an_empty_answer() -> None:
    assert parsed(MODULE, "form_26q", grid(), context("form_26q", Q4)) == []
    assert findings(MODULE, "form_26q", grid(), context("form_26q", Q4)) == []


@pytest.mark.parametrize(
    ("quarter", "asked"),
    [
        (Q4, ["form_24q", "form_26q", "form_27q", "form_27eq"]),
        (Q1, ["form_138", "form_140", "form_144", "form_143"]),
    ],
)
def test_31_march_and_1_april_2026_part_the_acts(quarter: str, asked: list[str]) -> None:
    tops = [one.name for one in MODULE.sections if not one.is_detail]
    assert [name for name in tops if skip_of(name, quarter) is None] == asked
    others = [skip_of(name, quarter) for name in tops if name not in asked]
    assert {one.kind for one in others if one} == {SkipKind.NOT_APPLICABLE}


def test_forms_outside_the_profile_are_not_applicable_under_either_name() -> None:
    assert skip_of("form_26q", Q4, forms=("26Q",)) is None
    assert skip_of("form_140", Q1, forms=("26Q",)) is None
    for name, quarter in (("form_27eq", Q4), ("form_143", Q1)):
        found = skip_of(name, quarter, forms=("26Q",))
        assert found is not None and found.kind is SkipKind.NOT_APPLICABLE


def test_without_a_profile_every_form_is_asked() -> None:
    assert skip_of("form_27eq", Q4, forms=()) is None


@pytest.mark.parametrize(("today", "is_asked"), [(date(2026, 6, 30), False), (date(2026, 7, 1), True)])
def test_a_quarter_is_asked_from_the_day_after_its_end(today: date, is_asked: bool) -> None:
    assert (skip_of("form_140", Q1, today=today) is None) is is_asked


@pytest.mark.parametrize(
    ("quarter", "kind"), [("2024-25-Q4", SkipKind.FINAL), ("2025-26-Q1", None), ("2025-26-Q4", None)]
)
def test_settled_quarters_are_final_once_they_are_older_than_six(quarter: str, kind: SkipKind | None) -> None:
    found = skip_of("form_26q", quarter, known=stored("Processed Without Defaults", quarter))
    assert (found.kind if found else None) == kind


@pytest.mark.parametrize("status", ["Processed With Defaults", "Pending for Processing", "Rejected"])
def test_old_quarters_with_something_open_are_asked_again(status: str) -> None:
    assert skip_of("form_26q", "2024-25-Q4", known=stored(status)) is None


def test_old_quarters_of_which_nothing_is_stored_are_asked() -> None:
    assert skip_of("form_26q", "2024-25-Q4") is None
    assert skip_of("form_24q", "2024-25-Q4", known=stored("Processed Without Defaults")) is None


def test_questions_carry_start_year_code_of_the_quarter_and_form() -> None:
    assert MODULE.section("form_26q").params(asking(Q4)) == {
        "financialYear": "2025",
        "quarter": "6",
        "formType": "26Q",
        "page": "1",
    }
    assert MODULE.section("form_140").params(asking(Q1)) == {"formTypeCd": "", "currentPage": "0"}


def test_all_pages_of_the_grid_are_joined() -> None:
    first = {"page": 1, "total": 2, "records": 2, "rows": [ROW]}
    second = {"page": 2, "total": 2, "records": 2, "rows": [{**ROW, "tokenno": "770000000027094"}]}
    asked, payload = all_pages(MODULE.section("form_26q"), {"1": first, "2": second})
    assert asked == ["1", "2"]
    assert len(parsed(MODULE, "form_26q", payload, context("form_26q", Q4))) == 2
    assert findings(MODULE, "form_26q", payload, context("form_26q", Q4)) == []


def test_all_pages_of_filed_forms_are_joined() -> None:
    rows = [{**FORM, "ackNum": f"{number:015d}"} for number in range(101)]
    pages = {
        "0": {"totalElements": 101, "forms": rows[:100]},
        "1": {"totalElements": 101, "forms": rows[100:]},
    }
    asked, payload = all_pages(MODULE.section("form_140"), pages, "currentPage")
    assert asked == ["0", "1"]
    assert findings(MODULE, "form_140", payload, context("form_140", Q1)) == []


def test_rows_that_are_missing_halt_the_unit() -> None:
    seen = findings(MODULE, "form_26q", grid(ROW, records=2), context("form_26q", Q4))
    assert codes(seen) == [("TDS-PARTIAL", True)]


@pytest.mark.parametrize("other", [{"quarter": "Q3"}, {"finyear": "2024-25"}, {"formtype": "24Q"}])
def test_an_answer_about_something_else_halts_the_unit(other: dict[str, str]) -> None:
    seen = findings(MODULE, "form_26q", grid({**ROW, **other}), context("form_26q", Q4))
    assert codes(seen) == [("IDENTITY_MISMATCH", True)]


@pytest.mark.parametrize(("day", "seen"), [("20-Nov-2026", []), ("21-Nov-2026", [("TDS-RS-FUTURE", False)])])
def test_a_filing_in_the_future_is_a_warning(day: str, seen: list[tuple[str, bool]]) -> None:
    row = {**ROW, "dtoffiling": day, "dtofprcng": ""}
    assert codes(findings(MODULE, "form_26q", grid(row), context("form_26q", Q4))) == seen


def test_a_new_field_is_noticed() -> None:
    seen = findings(MODULE, "form_26q", grid({**ROW, "brandNew": 1}), context("form_26q", Q4))
    assert codes(seen) == [("SCHEMA-NEW-FIELD", False)]


def test_the_reason_of_a_rejection_is_asked_once() -> None:
    follow = MODULE.section("form_26q").follow
    assert follow is not None
    payload = grid(ROW, {**ROW, "tokenno": "770000000027094", "status": "REJECTED"})
    params = {"financialYear": "2025", "quarter": "6", "formType": "26Q", "tokenno": "770000000027094"}
    assert follow(payload, asking(Q4)) == [("rejection_reason", params)]
    told = {"statements": {(Q4, "26Q"): [{"token": "770000000027094", "status": "Rejected"}]}}
    assert follow(payload, asking(Q4, known=told)) == [("rejection_reason", params)]
    assert follow(payload, asking(Q4, known=told, memory={"rejection_reason": memory()})) == []


def test_a_reason_is_stored_with_its_statement_and_class() -> None:
    asked = {"financialYear": "2025", "quarter": "6", "formType": "26Q", "tokenno": TOKEN}
    payload = {"asked": asked, "rows": [{"failMsg": "TAN is invalid"}, {"failMsg": "Something new"}]}
    found = parsed(MODULE, "rejection_reason", payload, context("rejection_reason", Q4))
    assert [(one.values["token"], one.values["line"], one.values["reason_class"]) for one in found] == [
        (TOKEN, 1, "TAN_INVALID"),
        (TOKEN, 2, "OTHER"),
    ]


def test_a_reason_that_does_not_say_of_which_statement_is_kept_with_its_problem() -> None:
    payload = {"rows": [{"failMsg": "TAN is invalid"}]}
    [one] = parsed(MODULE, "rejection_reason", payload, context("rejection_reason", Q4))
    assert one.problem == "formType is missing"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Previous token number is not the latest accepted one", "PREVIOUS_TOKEN_NOT_LATEST"),
        ("Token number does not exist", "TOKEN_UNKNOWN"),
        ("Regular return is cancelled", "REGULAR_CANCELLED"),
        ("Verification keys mismatch: last TAN", "KEYS_MISMATCH"),
        ("Invalid TAN", "TAN_INVALID"),
        ("", "OTHER"),
    ],
)
def test_rejections_are_classed(message: str, name: str) -> None:
    assert reason_class(message) == name


def test_a_statement_that_the_portal_no_longer_shows_is_kept() -> None:
    assert {table.deletes for table in MODULE.tables} == {Deletes.KEEP}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"tokenno": "77000000001709"}, ["TDS-RS-S01"]),
        ({"tokenno": "7700XXXXXXX7094"}, ["TDS-RS-S01"]),
        ({"status": "Under Review"}, ["TDS-RS-S03"]),
        ({"status": "Accepted"}, []),
        ({"dtofprcng": "20-May-2026"}, []),
        ({"dtofprcng": "19-May-2026"}, ["TDS-RS-S04"]),
        ({"dtofprcng": None}, []),
        ({"stmnttype": "Draft"}, ["TDS-RS-S05"]),
    ],
)
def test_the_rules_of_a_statement(change: dict[str, Any], broken: list[str]) -> None:
    [one] = parsed(MODULE, "form_26q", grid({**ROW, **change}), context("form_26q", Q4))
    assert breaches(MODULE, "tds__statement", [one.values]) == broken


def test_a_token_stands_for_one_statement() -> None:
    rows = [
        one.values
        for one in parsed(MODULE, "form_26q", grid(ROW, {**ROW, "remarks": "x"}), context("form_26q", Q4))
    ]
    assert breaches(MODULE, "tds__statement", rows) == ["TDS-RS-S02", "TDS-RS-S02"]


def test_the_rule_of_a_rejection() -> None:
    payload = {"asked": {"formType": "26Q", "tokenno": "1"}, "rows": [{"failMsg": "x"}]}
    [one] = parsed(MODULE, "rejection_reason", payload, context("rejection_reason", Q4))
    assert breaches(MODULE, "tds__statement_rejection", [one.values]) == ["TDS-RS-R01"]


def test_one_list_of_all_forms_is_read_by_each_form_for_itself() -> None:
    rows = filed(FORM, {**FORM, "formTypeCd": "Form 138", "ackNum": "770000000027094"})
    [one] = parsed(MODULE, "form_140", rows, context("form_140", Q1))
    [two] = parsed(MODULE, "form_138", rows, context("form_138", Q1))
    assert (one.values["form"], two.values["form"]) == ("140", "138")


def test_a_row_whose_form_cannot_be_read_is_a_problem_for_every_form() -> None:
    rows = filed({**FORM, "formTypeCd": None})
    for form in ("138", "140"):
        [one] = parsed(MODULE, f"form_{form}", rows, context(f"form_{form}", Q1))
        assert one.problem == "formTypeCd is missing"


def test_filed_forms_of_an_unknown_kind_are_told() -> None:
    seen = findings(MODULE, "form_140", filed(FORM, {**FORM, "formTypeCd": "24G"}), context("form_140", Q1))
    assert codes(seen) == [("TDS-RS-OTHER-FORM", False)]


def test_an_empty_list_of_all_forms_is_believed_only_after_asking_by_name() -> None:
    more = MODULE.section("form_140").more
    assert more is not None
    assert list(more(filed())) == [{"formTypeCd": "140"}]
    assert list(more(filed(FORM))) == []
