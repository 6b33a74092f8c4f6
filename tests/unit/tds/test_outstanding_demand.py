"""Demand is counted once, drilled down when its list changes, and adds up at every step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.spec.module import CellMemory, Deletes
from connectors.tds import fields
from connectors.tds.outstanding_demand import DEFAULT_CODES, MODULE, default_code
from tests.support import module_contract as contract
from tests.support.tds_modules import NOW, asking, breaches, codes, context, findings, memory, parsed

LINK = "demsummary.xhtml?fy=2025&amp;quarterdesc=Q4&amp;qr=6&amp;ft=26Q&amp;finyrdesc=2025-26"
ASKED = {"fy": "2025", "quarterdesc": "Q4", "qr": "6", "ft": "26Q", "finyrdesc": "2025-26"}
LATE_FEE = "Late filing fee u/s 234E"


def year(name: str, processed: str = "0.00", manual: str = "0.00", fin: str = "") -> dict[str, str]:
    return {"finYr": name, "fin": fin or name[:4], "aodmnd": manual, "cpcdmd": processed}


AGGREGATE = year("Prior Years", "1500.00", "200.00", fin="1")
LIST = {"rows": [AGGREGATE, year("2025-26", "2210.00"), year("2024-25", "0.00", "50.00")]}
PRIOR = {"rows": [year("2019-20", "1000.00", "200.00"), year("2020-21", "500.00")]}


def quarters(*nets: str, link: str = LINK) -> dict[str, Any]:
    rows = "".join(f"<tr><td>Q4</td><td>26Q</td><td><a href='{link}'>{net}</a></td></tr>" for net in nets)
    head = "<tr><th>Quarter</th><th>Form Type</th><th>Net Payable (Rounded off) (Rs.)</th></tr>"
    return {"asked": {"fy": "2025"}, "html": f"<table id='demandsumFY1'>{head}{rows}</table>"}


def summary(
    *lines: tuple[str, str, str, str], net: str = "2,210.00", token: str = "7700XXXXXXX7094"
) -> dict[str, Any]:
    facts = (
        ("Statement Type", "Correction"),
        ("Token Number", token),
        ("Order Passed Date", "12-May-2026"),
        ("Number of Correction Statements", "2"),
        ("Net Payable (Rounded off)", net),
    )
    counts = (("Deductees without PAN", "3"), ("Deductees with invalid PAN", "1"))
    heads = (
        "Sr. No.",
        "Type of Default",
        "Default Amount (Rs.)",
        "Amount reported as 'Interest/Others'",
        "Payable",
    )
    rows = "".join(
        f"<tr><td>{number}</td>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>"
        for number, line in enumerate(lines, start=1)
    )

    def table(pairs: Any) -> str:
        return "<table>" + "".join(f"<tr><th>{a}</th><td>{b}</td></tr>" for a, b in pairs) + "</table>"

    head = "".join(f"<th>{one}</th>" for one in heads)
    return {
        "asked": ASKED,
        "html": f"{table(facts)}<table id='defaults'><tr>{head}</tr>{rows}</table>{table(counts)}",
    }


GOOD = summary(
    (LATE_FEE, "2,000.00", "0.00", "2,000.00"), ("Interest on late payment", "310.00", "100.00", "210.00")
)


def asked_details(payload: Any, remembered: Mapping[str, CellMemory] | None = None) -> Any:
    follow = MODULE.section("demand").follow
    assert follow is not None
    return follow(payload, asking(memory=remembered))


def checksum(payload: Any) -> str:
    make = MODULE.section("demand").checksum
    assert make is not None
    return str(make(payload))


def remembered(
    listed_days_ago: int = 1, details_days_ago: int = 1, payload: Any = LIST, without: str = ""
) -> dict[str, CellMemory]:
    detail = memory(NOW - timedelta(days=details_days_ago))
    found = {
        name: detail for name in ("demand_prior", "demand_quarters", "demand_summary") if name != without
    }
    return {**found, "demand": memory(NOW - timedelta(days=listed_days_ago), checksum(payload))}


def test_it_keeps_the_promises_of_every_module() -> None:
    faults = [one for one in contract.structure(MODULE) if "is a detail" not in one]
    assert faults == []
    assert contract.warehouse_fit(MODULE, "tds") == []
    assert contract.checks_fit(MODULE) == []
    assert {table.deletes for table in MODULE.tables} == {Deletes.TOMBSTONE}


def test_the_aggregate_of_prior_years_is_expanded_and_never_stored() -> None:
    listed = parsed(MODULE, "demand", LIST, context("demand"))
    prior = parsed(MODULE, "demand_prior", PRIOR, context("demand_prior"))
    stored = [one.values for one in (*listed, *prior)]
    assert [values["year"] for values in stored] == ["2025-26", "2024-25", "2019-20", "2020-21"]
    assert sum(values["processed_paise"] for values in stored) == 221000 + 150000
    assert sum(values["manual_paise"] for values in stored) == 5000 + 20000
    assert [values["is_prior"] for values in stored] == [False, False, True, True]


def test_the_number_one_marks_the_aggregate_whatever_its_type() -> None:
    assert parsed(MODULE, "demand", {"rows": [{**AGGREGATE, "fin": 1}]}, context("demand")) == []


def test_the_acts_part_between_2025_26_and_2026_27() -> None:
    rows = [year("2025-26"), year("2026-27")]
    assert [one.values["act"] for one in parsed(MODULE, "demand", {"rows": rows}, context("demand"))] == [
        "1961",
        "2025",
    ]


def test_a_year_that_contradicts_itself_is_kept_with_its_problem() -> None:
    rows = [year("2025-26", fin="2024"), year("2024-25", processed="")]
    found = parsed(MODULE, "demand", {"rows": rows}, context("demand"))
    assert [one.problem for one in found] == ["fin is not the start of finYr", "cpcdmd is missing"]


def test_the_first_night_asks_prior_years_and_years_with_processed_demand() -> None:
    assert asked_details(LIST) == [("demand_prior", {}), ("demand_quarters", {"fy": "2025"})]
    assert asked_details({"rows": [year("2025-26", "0.00", "10.00")]}) == []


def test_prior_years_and_quarters_lead_on() -> None:
    prior, listed = MODULE.section("demand_prior").follow, MODULE.section("demand_quarters").follow
    assert prior is not None and listed is not None
    assert prior(PRIOR, asking()) == [
        ("demand_quarters", {"fy": "2019"}),
        ("demand_quarters", {"fy": "2020"}),
    ]
    assert listed(quarters("2,210.00"), asking()) == [("demand_summary", ASKED)]


def test_an_unchanged_list_is_not_drilled_down_again() -> None:
    assert asked_details(LIST, remembered()) is None
    shuffled = {"rows": list(reversed(LIST["rows"]))}
    assert asked_details(shuffled, remembered()) is None
    assert asked_details(LIST, remembered(listed_days_ago=1, details_days_ago=20)) is None


def test_a_changed_list_is_drilled_down_whole() -> None:
    changed = {"rows": [AGGREGATE, year("2025-26", "2220.00")]}
    assert asked_details(changed, remembered()) == [("demand_prior", {}), ("demand_quarters", {"fy": "2025"})]


@pytest.mark.parametrize("missing", ["demand", "demand_prior", "demand_quarters", "demand_summary"])
def test_without_a_stored_part_all_is_asked(missing: str) -> None:
    known = remembered()
    del known[missing]
    assert asked_details(LIST, known)


def test_a_list_without_prior_years_needs_no_memory_of_them() -> None:
    payload = {"rows": [year("2025-26", "2210.00")]}
    assert asked_details(payload, remembered(payload=payload, without="demand_prior")) is None


def test_after_a_drill_down_that_failed_half_way_all_is_asked() -> None:
    assert asked_details(LIST, remembered(listed_days_ago=2, details_days_ago=1))


@pytest.mark.parametrize(("days", "is_asked"), [(30, False), (31, True)])
def test_the_drill_down_is_asked_anew_after_a_month(days: int, is_asked: bool) -> None:
    assert (asked_details(LIST, remembered(details_days_ago=days)) is not None) is is_asked


def test_details_are_whole_with_the_list_so_that_closed_demand_goes() -> None:
    assert {one.whole_with for one in MODULE.sections if one.is_detail} == {"demand"}


@pytest.mark.parametrize(
    ("aggregate", "seen"),
    [
        (AGGREGATE, []),
        ({**AGGREGATE, "cpcdmd": "1500.01"}, [("TDS-OD-PRIOR", True)]),
        ({**AGGREGATE, "aodmnd": "199.99"}, [("TDS-OD-PRIOR", True)]),
    ],
)
def test_prior_years_add_up_to_their_aggregate_or_the_fetch_failed(
    aggregate: dict[str, str], seen: list[tuple[str, bool]]
) -> None:
    reading = context("demand_prior", demand={"rows": [aggregate, year("2025-26", "2210.00")]})
    assert codes(findings(MODULE, "demand_prior", PRIOR, reading)) == seen


def test_a_year_in_both_lists_halts_the_unit() -> None:
    reading = context("demand_prior", demand={"rows": [AGGREGATE, year("2020-21", "5.00")]})
    assert codes(findings(MODULE, "demand_prior", PRIOR, reading)) == [("TDS-OD-TWICE", True)]


@pytest.mark.parametrize(
    ("nets", "seen"),
    [
        (("2,210.00",), []),
        (("1,000.00", "1,220.00"), []),
        (("2,220.01",), [("TDS-OD-YEAR", False)]),
        (("2,200.00",), []),
        (("2,199.99",), [("TDS-OD-YEAR", False)]),
        ((), [("TDS-PARTIAL", True)]),
    ],
)
def test_quarters_add_up_to_their_year_within_ten_rupees(
    nets: tuple[str, ...], seen: list[tuple[str, bool]]
) -> None:
    reading = context("demand_quarters", demand=LIST)
    assert codes(findings(MODULE, "demand_quarters", quarters(*nets), reading)) == seen


def test_quarters_of_prior_years_add_up_too() -> None:
    prior = {"rows": [year("2025-26", "3000.00")]}
    reading = context("demand_quarters", demand={"rows": [AGGREGATE]}, demand_prior=prior)
    seen = findings(MODULE, "demand_quarters", quarters("2,210.00"), reading)
    assert codes(seen) == [("TDS-OD-YEAR", False)]


def test_a_quarter_that_cannot_be_followed_halts_the_unit() -> None:
    reading = context("demand_quarters", demand=LIST)
    payload = quarters("2,210.00", link="elsewhere.xhtml")
    assert ("TDS-PARTIAL", True) in codes(findings(MODULE, "demand_quarters", payload, reading))
    short = quarters("2,210.00", link="demsummary.xhtml?fy=2025")
    assert ("TDS-PARTIAL", True) in codes(findings(MODULE, "demand_quarters", short, reading))


def test_a_page_without_the_list_of_quarters_is_refused() -> None:
    with pytest.raises(ValueError, match="demandsumFY1"):
        parsed(MODULE, "demand_quarters", {"html": "<table id='x'></table>"}, context("demand_quarters"))


def test_a_default_summary_is_read_whole() -> None:
    head, *lines = parsed(MODULE, "demand_summary", GOOD, context("demand_summary"))
    assert head.problem is None
    values = head.values
    assert (values["year"], values["quarter"], values["form"], values["act"]) == (
        "2025-26",
        "Q4",
        "26Q",
        "1961",
    )
    assert (values["masked_token"], values["statement_kind"]) == ("7700XXXXXXX7094", "Correction")
    assert (values["order_passed_on"], values["corrections"]) == (date(2026, 5, 12), 2)
    assert (values["net_payable_paise"], values["payable_paise"]) == (221000, 221000)
    assert (values["without_pan"], values["invalid_pan"]) == (3, 1)
    assert [one.values["default_code"] for one in lines] == ["LATE_FEE", "INTEREST_LATE_PAYMENT"]
    assert [one.values["expected_payable_paise"] for one in lines] == [200000, 21000]


def test_two_lines_of_one_type_are_both_kept_and_totals_are_none() -> None:
    line = (LATE_FEE, "100.00", "0.00", "100.00")
    payload = summary(line, line, ("Total", "200.00", "0.00", "200.00"), net="200.00")
    _, *lines = parsed(MODULE, "demand_summary", payload, context("demand_summary"))
    assert [one.values["occurrence"] for one in lines] == [1, 2]


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (summary((LATE_FEE, "1.00", "0.00", "1.00"), token="none"), "the token number is missing"),
        ({**GOOD, "html": "<p>No records found</p>"}, "the token number is missing"),
        ({"html": GOOD["html"]}, "fy is missing"),
        (summary((LATE_FEE, "1.00", "0.00", "1.00"), net="nil"), "net is missing"),
    ],
)
def test_a_summary_that_cannot_be_read_is_kept_with_its_problem(payload: Any, problem: str) -> None:
    head = parsed(MODULE, "demand_summary", payload, context("demand_summary"))[0]
    assert head.problem == problem


def test_a_line_that_cannot_be_read_is_kept_with_its_problem() -> None:
    payload = summary((LATE_FEE, "much", "0.00", "1.00"))
    _, line = parsed(MODULE, "demand_summary", payload, context("demand_summary"))
    assert line.problem == "amount: not a number"


@pytest.mark.parametrize(("net", "seen"), [("2,210.00", []), ("2,220.00", [("TDS-OD-NET", False)])])
def test_a_summary_repeats_the_net_of_the_list_that_led_to_it(net: str, seen: list[tuple[str, bool]]) -> None:
    reading = context("demand_summary", demand_quarters=quarters(net))
    assert codes(findings(MODULE, "demand_summary", GOOD, reading)) == seen


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Short Payment", "SHORT_PAYMENT"),
        ("Interest on Short Payment", "INTEREST_SHORT_PAYMENT"),
        ("Short Deduction/Collection", "SHORT_DEDUCTION"),
        ("Interest on Short Deduction", "INTEREST_SHORT_DEDUCTION"),
        ("Interest on Late Payment", "INTEREST_LATE_PAYMENT"),
        (
            "Additional Late Payment Interest against the latest correction",
            "ADDITIONAL_INTEREST_LATE_PAYMENT",
        ),
        ("Interest on Late Deduction", "INTEREST_LATE_DEDUCTION"),
        ("Additional Late Deduction Interest", "ADDITIONAL_INTEREST_LATE_DEDUCTION"),
        ("Late Filing Fee u/s 234E", "LATE_FEE"),
        ("Additional Late Filing", "ADDITIONAL_LATE_FEE"),
        ("Interest u/s 220(2)", "INTEREST_220_2"),
        ("A new default", "OTHER"),
    ],
)
def test_types_of_default_have_codes(words: str, code: str) -> None:
    assert default_code(words) == code
    assert code in DEFAULT_CODES


AMOUNTS = st.integers(min_value=0, max_value=10**9)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6))
def test_what_the_portal_adds_up_right_breaks_no_rule(pairs: list[tuple[int, int]]) -> None:
    def rupees(paise: int) -> str:
        return f"{paise // 100:,}.{paise % 100:02d}"

    lines = [(LATE_FEE, rupees(a), rupees(c), rupees(max(0, a - c))) for a, c in pairs]
    total = sum(max(0, a - c) for a, c in pairs)
    payload = summary(*lines, net=rupees(fields.round_to_ten_rupees(total)))
    head, *found = parsed(MODULE, "demand_summary", payload, context("demand_summary"))
    assert head.values["net_payable_paise"] == head.values["rounded_payable_paise"]
    assert all(one.values["payable_paise"] == one.values["expected_payable_paise"] for one in found)


@pytest.mark.parametrize(
    ("payload", "table", "broken"),
    [
        (GOOD, "tds__demand_quarter", []),
        (summary((LATE_FEE, "4.99", "0.00", "4.99"), net="0.00"), "tds__demand_quarter", []),
        (summary((LATE_FEE, "5.00", "0.00", "5.00"), net="10.00"), "tds__demand_quarter", []),
        (summary((LATE_FEE, "5.00", "0.00", "5.00"), net="0.00"), "tds__demand_quarter", ["TDS-OD-Q01"]),
        (GOOD, "tds__default", []),
        (summary((LATE_FEE, "5.00", "7.00", "0.00"), net="0.00"), "tds__default", []),
        (summary((LATE_FEE, "5.00", "2.00", "3.01"), net="0.00"), "tds__default", ["TDS-OD-T01"]),
        (summary(("New", "5.00", "0.00", "5.00"), net="0.00"), "tds__default", ["TDS-OD-T02"]),
        (summary((LATE_FEE, "-5.00", "0.00", "0.00"), net="0.00"), "tds__default", ["TDS-OD-T03"]),
        ({**GOOD, "asked": {**ASKED, "ft": "26QB"}}, "tds__demand_quarter", ["TDS-OD-Q03"]),
    ],
)
def test_the_rules_of_statements_and_defaults(payload: Any, table: str, broken: list[str]) -> None:
    found = parsed(MODULE, "demand_summary", payload, context("demand_summary"))
    assert breaches(MODULE, table, [one.values for one in found if one.table == table]) == broken


def test_a_token_must_have_its_shape() -> None:
    [head, *_] = parsed(MODULE, "demand_summary", GOOD, context("demand_summary"))
    assert breaches(MODULE, "tds__demand_quarter", [{**head.values, "masked_token": "77"}]) == ["TDS-OD-Q02"]
    assert breaches(MODULE, "tds__demand_quarter", [{**head.values, "masked_token": "7" * 15}]) == []


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ([year("2025-26", "0.00")], []),
        ([year("2025-26", "-0.01")], ["TDS-OD-D03"]),
        ([year("2025-26", manual="-1.00")], ["TDS-OD-D02"]),
        ([year("2025-26"), year("2025-26", "5.00")], ["TDS-OD-D01", "TDS-OD-D01"]),
    ],
)
def test_the_rules_of_a_year(rows: list[dict[str, str]], broken: list[str]) -> None:
    found = parsed(MODULE, "demand", {"rows": rows}, context("demand"))
    assert breaches(MODULE, "tds__demand", [one.values for one in found]) == broken


def test_a_new_field_is_noticed() -> None:
    seen = findings(MODULE, "demand", {"rows": [{**AGGREGATE, "brandNew": 1}]}, context("demand"))
    assert codes(seen) == [("SCHEMA-NEW-FIELD", False)]
