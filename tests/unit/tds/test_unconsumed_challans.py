"""TRACES challans: what is left is conserved to a rupee, and who consumed it is asked again only when it changed."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync import money
from connectors.tds.unconsumed_challans import BALANCES, CONSUMPTION, MODULE, STATUSES, TOTALS
from tests.support import module_contract as contract
from tests.support.tds_checks import asking, breaches, findings, read

ON = date(2025, 5, 7)
KEY = ("0001234", "00042", ON)
UNCONSUMED = {
    "chlnbsrcode": "0001234",
    "dateofdep": "07-May-2025",
    "chlnsrno": "42",
    "recptNo": "0000000001",
    "hidchlnamt": "1000.00",
    "hidunconschlnamt": "250.50",
}
STATUS = {
    "bankCode": "000",
    "branchCode": "1234",
    "dateOfDep": "07-May-2025",
    "chlnSNo": "00042",
    "chlnStatus": "Claimed",
    "recptNum": "0000000001",
    "chlnAmt": "",
}
CLAIM = {
    "tokenNum": "000000000000001",
    "finYr": "2025",
    "qtr": "3",
    "formType": "26Q",
    "claimAmt": "700.00",
    "claimIntAmt": "40.00",
    "claimOthAmt": "9.50",
    "chlnStatus": "Claimed",
    "excessAmt": "0.00",
    "availAmt": "250.50",
}
ASKED = {
    "recptNum": "0000000001",
    "chlnSNo": "00042",
    "chlnAmt": "1000.00",
    "dateOfDep": "07-May-2025",
    "bsrCode": "0001234",
}
NEW = {
    "bsrCode": "0001234",
    "challanSerialNo": "00042",
    "challanDate": "2026-05-07",
    "challanAmount": money.rupees(100000),
    "consumedAmount": money.rupees(74950),
    "availableAmount": money.rupees(25050),
    "matchStatus": "Matched",
    "consumptionStatus": "Partially Consumed",
    "cin": "26050700000001AAAA",
}


def grid(*rows: Any, total: int = 1, records: int | None = None) -> dict[str, Any]:
    """Return a page of the old portal."""
    count = len(rows) if records is None else records
    return {"page": 1, "total": total, "records": count, "rows": list(rows)}


def page(*rows: Any, pages: int = 1) -> dict[str, Any]:
    """Return a page of the new portal."""
    return {"content": list(rows), "totalElements": len(rows), "totalPages": pages, "number": 0}


def consumption(*rows: Any, **changes: Any) -> dict[str, Any]:
    """Return who consumed a challan, with the question."""
    return {"rows": list(rows), "asked": {**ASKED, **changes}}


def balance(**changes: Any) -> dict[str, Any]:
    """Return the good row of the grid of unconsumed challans."""
    [one] = read(MODULE, "unconsumed", grid({**UNCONSUMED, **changes}))
    assert one.problem is None
    return one.values


def new(**changes: Any) -> dict[str, Any]:
    """Return the good row of the new portal."""
    [one] = read(MODULE, "act_2025", page({**NEW, **changes}))
    assert one.problem is None
    return one.values


def claims_and_total(*rows: Any, **changes: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the claims of a challan and its own line."""
    found = read(MODULE, "consumption", consumption(*rows, **changes))
    assert [one.problem for one in found] == [None] * len(found)
    return [one.values for one in found if one.table == CONSUMPTION.name], found[-1].values


def test_the_module_keeps_the_contract() -> None:
    assert contract.structure(MODULE) == []
    assert contract.warehouse_fit(MODULE, "tds") == []
    assert contract.checks_fit(MODULE) == []
    assert contract.emptiness(MODULE) == []
    assert contract.code_faults({"unconsumed_challans": MODULE}) == []


def test_the_promised_shape_fits() -> None:
    golden = {
        "unconsumed": grid(UNCONSUMED),
        "status": grid(STATUS),
        "consumption": consumption(CLAIM),
        "act_2025": page(NEW),
    }
    assert contract.golden_faults(MODULE, golden) == []
    assert contract.damage_faults(MODULE, golden) == []
    assert contract.drift_faults(MODULE, golden, only=lambda _: True) == []


def test_what_is_left_is_read_to_the_paisa_and_numbers_keep_their_zeros() -> None:
    found = balance(chlnbsrcode="1234")
    assert (found["bsr"], found["serial"], found["deposited_on"]) == KEY
    assert (found["amount_paise"], found["consumed_paise"], found["available_paise"]) == (
        100000,
        74950,
        25050,
    )
    assert breaches(BALANCES, found) == []


@pytest.mark.parametrize("bad", ["", "1000.005", "x"])
def test_an_amount_that_is_missing_or_not_exact_is_no_row(bad: str) -> None:
    [one] = read(MODULE, "unconsumed", grid({**UNCONSUMED, "hidunconschlnamt": bad}))
    assert one.problem is not None


@pytest.mark.parametrize(
    ("left", "codes"),
    [
        ("0.00", []),
        ("1000.00", []),
        ("1001.00", []),
        ("1001.01", ["TDS-UC-B29"]),
        ("-0.01", ["TDS-UC-B28"]),
    ],
)
def test_what_is_left_lies_between_nothing_and_the_amount(left: str, codes: list[str]) -> None:
    assert breaches(BALANCES, balance(hidunconschlnamt=left)) == codes


@pytest.mark.parametrize(("consumed", "codes"), [("748.50", []), ("750.50", []), ("750.51", ["TDS-UC-B27"])])
def test_consumed_and_left_make_up_the_amount_to_one_rupee(consumed: str, codes: list[str]) -> None:
    assert breaches(BALANCES, new(consumedAmount=consumed)) == codes


@pytest.mark.parametrize(
    ("consumed", "status", "codes"),
    [
        ("1000.00", "Matched", []),
        ("1000.01", "Overbooked", []),
        ("1000.01", "Over Booked", []),
        ("1000.01", "Matched", ["TDS-UC-B30"]),
        ("1000.00", "Overbooked", ["TDS-UC-B30"]),
    ],
)
def test_a_challan_is_overbooked_exactly_when_more_is_claimed(
    consumed: str, status: str, codes: list[str]
) -> None:
    found = new(consumedAmount=consumed, availableAmount="0.00", matchStatus=status)
    assert breaches(BALANCES, found) == codes


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**12), max_size=5))
def test_what_statements_claim_and_what_is_left_are_conserved(amount: int, parts: list[int]) -> None:
    left, excess = max(0, amount - sum(parts)), max(0, sum(parts) - amount)
    repeated = {
        "availAmt": str(money.rupees(left)),
        "excessAmt": str(money.rupees(excess)),
        "chlnStatus": "Overbooked" if excess else "Claimed",
    }
    rows = [
        {**CLAIM, **repeated, "claimAmt": str(money.rupees(part)), "claimIntAmt": "", "claimOthAmt": "0.00"}
        for part in parts
    ]
    claims, total = claims_and_total(*rows, chlnAmt=str(money.rupees(amount)))
    assert total["consumed_paise"] == sum(one.get("total_paise", 0) for one in claims) == sum(parts)
    conserved = total["amount_paise"] + total["excess_paise"]
    assert conserved == total["consumed_paise"] + total["available_paise"]
    assert total["is_overbooked"] == total["has_excess"] == (excess > 0)


def test_claims_name_their_statement_and_act() -> None:
    [old, fresh], total = claims_and_total(CLAIM, {**CLAIM, "finYr": "2026", "qtr": "4", "formType": "140"})
    assert (old["act"], old["quarter"], old["total_paise"]) == ("1961", "2025-26-Q1", 74950)
    assert (fresh["act"], fresh["quarter"], fresh["form"]) == ("2025", "2026-27-Q2", "140")
    assert (total["bsr"], total["serial"], total["deposited_on"], total["claims"]) == (*KEY, 2)
    assert breaches(CONSUMPTION, old) == []


def test_two_claims_of_one_statement_are_two_rows() -> None:
    claims, _ = claims_and_total(CLAIM, CLAIM)
    assert [one["occurrence"] for one in claims] == [1, 2]


def test_claims_that_do_not_make_up_the_challan_are_told() -> None:
    _, total = claims_and_total({**CLAIM, "availAmt": "251.50"})
    assert breaches(TOTALS, total) == []
    _, total = claims_and_total({**CLAIM, "availAmt": "251.51"})
    assert breaches(TOTALS, total) == ["TDS-UC-T27"]


def test_a_challan_that_nobody_claims_any_more_has_a_row_that_says_so() -> None:
    [nobody], total = claims_and_total()
    assert (nobody["token"], nobody.get("total_paise", 0)) == ("", 0)
    assert (total["available_paise"], total["consumed_paise"], total["status"]) == (100000, 0, "Unclaimed")
    assert breaches(CONSUMPTION, nobody) == breaches(TOTALS, total) == []


def test_a_refused_question_says_nothing_of_the_challan() -> None:
    payload = {"rows": [], "errorMsg": "No challan with these details.", "asked": ASKED}
    assert read(MODULE, "consumption", payload) == []
    found = findings(MODULE.section("consumption"), payload, [])
    assert [(one.code, one.is_halting) for one in found] == [("TDS-UC-REFUSED", False)]
    answered = consumption(CLAIM)
    assert findings(MODULE.section("consumption"), answered, read(MODULE, "consumption", answered)) == []


@pytest.mark.parametrize("quarter", ["2", "7", "Q5", ""])
def test_a_quarter_that_does_not_exist_is_a_problem(quarter: str) -> None:
    found = read(MODULE, "consumption", consumption({**CLAIM, "qtr": quarter}))
    assert found[0].problem is not None


def test_a_bank_and_a_branch_make_a_code_of_seven_digits() -> None:
    [one] = read(MODULE, "status", grid({**STATUS, "bankCode": "12", "branchCode": 7}))
    assert one.values["bsr"] == "0120007"
    assert breaches(STATUSES, one.values) == []
    assert breaches(STATUSES, {**one.values, "bsr": "120007"}) == ["TDS-UC-S04"]
    assert breaches(STATUSES, {**one.values, "serial": "042"}) == ["TDS-UC-S05"]


@pytest.mark.parametrize(("day", "year"), [("31-Mar-2026", "2025-26"), ("01-Apr-2026", "2026-27")])
def test_a_year_of_deposit_ends_on_the_last_of_march(day: str, year: str) -> None:
    [one] = read(MODULE, "status", grid({**STATUS, "dateOfDep": day}))
    assert one.values["year"] == year


def test_the_status_list_is_asked_in_whole_years() -> None:
    params = MODULE.section("status").params
    assert params(asking(date(2026, 3, 31)))["sdate"] == "01-Apr-2023"
    assert params(asking(date(2026, 4, 1)))["sdate"] == "01-Apr-2024"
    assert params(asking())["edate"] == "20-Nov-2026"
    assert params(asking())["cstatus"] == "A"


def test_the_new_portal_is_asked_from_the_first_day_of_its_act() -> None:
    params = MODULE.section("act_2025").params
    assert params(asking())["fromDate"] == "2026-04-01"
    assert params(asking())["toDate"] == "2026-11-20"
    assert params(asking(date(2026, 3, 31)))["toDate"] == "2026-04-01"


def test_every_page_is_asked_and_joined() -> None:
    old, fresh = MODULE.section("unconsumed"), MODULE.section("act_2025")
    assert old.next_page is not None
    assert fresh.next_page is not None
    assert old.merge is not None
    assert old.next_page(grid(UNCONSUMED, total=2), 1) == {"page": "2"}
    assert old.next_page(grid(UNCONSUMED, total=2), 2) is None
    assert old.next_page(grid(total=2), 1) is None
    assert fresh.next_page(page(NEW, pages=2), 1) == {"page": "1"}
    assert fresh.next_page(page(NEW, pages=2), 2) is None
    joined = old.merge([grid(UNCONSUMED, records=2), grid({**UNCONSUMED, "chlnsrno": "43"}, records=2)])
    assert findings(old, joined, read(MODULE, "unconsumed", joined)) == []


def test_rows_that_are_not_all_of_them_halt_the_unit() -> None:
    short = grid(UNCONSUMED, records=2)
    found = findings(MODULE.section("unconsumed"), short, read(MODULE, "unconsumed", short))
    assert [(one.code, one.is_halting) for one in found] == [("TDS-UC-TOTAL", True)]


def test_pages_that_overlap_halt_the_unit_though_the_count_agrees() -> None:
    other = {**UNCONSUMED, "chlnsrno": "43"}
    twice = grid(UNCONSUMED, other, UNCONSUMED, records=3)
    found = findings(MODULE.section("unconsumed"), twice, read(MODULE, "unconsumed", twice))
    assert [(one.code, one.is_halting) for one in found] == [("TDS-UC-PAGES", True)]


def test_a_challan_that_stands_twice_is_refused() -> None:
    assert breaches(BALANCES, balance(), balance()) == ["TDS-UC-B01"] * 2


AMOUNTS = [
    {"bsr": "0001234", "serial": "42", "deposited_on": ON, "amount_paise": 100000, "act": "1961"},
]


def followed(status: str = "Claimed", *, left: str | None = "250.50", **state: Any) -> Any:
    """Return the questions that follow a status list of one challan."""
    now = asking(**state)
    rows = [] if left is None else [{**UNCONSUMED, "hidunconschlnamt": left}]
    now.answers["unconsumed"] = grid(*rows)
    follow = MODULE.section("status").follow
    assert follow is not None
    return follow(grid({**STATUS, "chlnStatus": status}), now)


def consumed(left: int = 25050, status: str = "Claimed") -> dict[str, Any]:
    """Return what is known of the challan's consumption."""
    return {"consumption": {KEY: {"available_paise": left, "status": status}}}


def test_a_new_claimed_challan_is_asked_with_its_amount() -> None:
    assert followed() == [("consumption", ASKED)]


def test_a_quiet_night_asks_for_no_consumption() -> None:
    assert followed(known=consumed()) is None
    assert followed(left=None, known={**consumed(0), "challans": AMOUNTS}) is None
    assert followed("Unclaimed") is None


@pytest.mark.parametrize("before", [consumed(25051), consumed(status="Overbooked")])
def test_a_challan_whose_rest_or_status_changed_is_asked_again(before: dict[str, Any]) -> None:
    assert followed(known=before) == [("consumption", ASKED)]


def test_a_challan_that_was_unclaimed_in_between_is_asked_again_though_its_figures_are_the_same() -> None:
    place = dict(zip(("bsr", "serial", "deposited_on"), KEY, strict=True))
    stored = {**place, "status": "Unclaimed", "is_claimed": False}
    assert followed(known={**consumed(), "statuses": [stored]}) == [("consumption", ASKED)]
    stored = {**place, "status": "Claimed", "is_claimed": True}
    assert followed(known={**consumed(), "statuses": [stored]}) is None


def test_a_challan_that_left_the_grid_has_nothing_left_and_is_asked_again() -> None:
    assert followed(left=None, known={**consumed(), "challans": AMOUNTS}) == [("consumption", ASKED)]


def test_without_the_grid_only_the_status_decides() -> None:
    now = asking(known={**consumed(1), "challans": AMOUNTS})
    follow = MODULE.section("status").follow
    assert follow is not None
    assert follow(grid(STATUS), now) is None
    assert follow(grid({**STATUS, "chlnStatus": "Overbooked"}), now) == [("consumption", ASKED)]


@pytest.mark.parametrize("state", [{"known": {"challans": AMOUNTS}}, {"shared": {"challans": AMOUNTS}}])
def test_the_amount_comes_from_the_e_filing_portal_where_the_grid_has_none(state: dict[str, Any]) -> None:
    assert followed(left=None, **state) == [("consumption", ASKED)]


def test_a_claimed_challan_of_unknown_amount_is_counted_and_not_asked() -> None:
    reconcile = MODULE.section("status").reconcile
    assert reconcile is not None
    records = read(MODULE, "status", grid(STATUS))
    assert followed(left=None) is None
    [told] = reconcile(records, asking())
    assert (told.code, told.is_halting) == ("TDS-UC-AMOUNT", False)
    assert "0001234" not in told.message
    assert list(reconcile(records, asking(shared={"challans": AMOUNTS}))) == []
    assert list(reconcile(records, asking(known=consumed()))) == []


def test_an_unchanged_list_is_known_by_its_rows_whatever_day_it_is_asked() -> None:
    checksum = MODULE.section("status").checksum
    assert checksum is not None
    today = {**grid(STATUS), "asked": {"edate": "20-Nov-2026"}}
    tomorrow = {**grid(STATUS), "asked": {"edate": "21-Nov-2026"}}
    assert checksum(today) == checksum(tomorrow)
    assert checksum(today) != checksum(grid({**STATUS, "chlnStatus": "Unclaimed"}))
    assert findings(MODULE.section("status"), today, read(MODULE, "status", today)) == []


def test_a_list_that_declares_more_than_before_is_not_unchanged() -> None:
    checksum = MODULE.section("unconsumed").checksum
    assert checksum is not None
    assert checksum(grid(UNCONSUMED)) != checksum(grid(UNCONSUMED, records=2))
    assert checksum(grid(UNCONSUMED)) == checksum(grid(UNCONSUMED, total=7))
