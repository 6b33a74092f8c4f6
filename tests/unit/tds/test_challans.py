"""Challans of the e-filing portal: read whole, to the paisa, under both Acts, completed by details asked once."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from clientsync import money
from clientsync.spec.module import Deletes
from clientsync.warehouse.schema import warehouse_table
from connectors.tds import challans
from connectors.tds.challans import CHALLANS, DETAILS, MODULE, VIEWS, heads_of
from tests.support import module_contract as contract
from tests.support.tds_checks import asking, breaches, findings, read

ROW: dict[str, Any] = {
    "crn": "26040700000001",
    "cin": "26040700000001AAAA",
    "alternateCin": "00012340704202600042",
    "bsrCode": "0001234",
    "challanNum": "00042",
    "tenderDt": "2026-04-07",
    "totalAmt": "1180.50",
    "basicTax": "1000.00",
    "surCharge": "50.00",
    "eduCess": "40.00",
    "interest": "30.50",
    "penalty": "20.00",
    "others": "40.00",
    "minorHead": "200",
    "majorHead": "0021",
    "secCd": "94C",
    "natureOfPayment": "Payment to contractors",
    "assmentYear": "2026-27",
    "bankCode": "AAAA",
}
WITHOUT_HEADS = {
    name: value
    for name, value in ROW.items()
    if name not in ("basicTax", "surCharge", "eduCess", "interest", "penalty", "others")
}


def answer(*rows: Any, total: int | None = None) -> dict[str, Any]:
    """Return one page of the payment history."""
    content = {"content": list(rows), "totalElements": len(rows) if total is None else total}
    return {"successFlag": True, "messages": [], "paymentList": content}


def detail(**changes: Any) -> dict[str, Any]:
    """Return the detail of one payment."""
    return {"successFlag": True, "messages": [], "paymentDetails": {**ROW, **changes}}


def values(section: str = "act_1961", **changes: Any) -> dict[str, Any]:
    """Return the one good row of a list."""
    [one] = read(MODULE, section, answer({**ROW, **changes}))
    assert one.problem is None
    return one.values


def problem(**changes: Any) -> str | None:
    """Return why one row cannot be read."""
    [one] = read(MODULE, "act_1961", answer({**ROW, **changes}))
    return one.problem


def new_act(**changes: Any) -> dict[str, Any]:
    """Return a good row of the Act of 2025."""
    whole = {
        "totalAmt": "1100.00",
        "surCharge": "0",
        "eduCess": "0",
        "interest": "60.00",
        "assmentYear": "2026-27",
    }
    return values("act_2025", **{**whole, "penalty": "0", "others": "40", **changes})


def test_the_module_keeps_the_contract() -> None:
    assert contract.structure(MODULE) == []
    assert contract.warehouse_fit(MODULE, "tds") == []
    assert contract.checks_fit(MODULE) == []
    assert contract.emptiness(MODULE) == []
    assert contract.code_faults({"challans": MODULE}) == []


def test_the_promised_shape_fits_and_damage_costs_one_row() -> None:
    golden = {
        "act_1961": answer(ROW),
        "act_2025": answer(ROW),
        "detail_1961": detail(),
        "detail_2025": detail(),
    }
    assert contract.golden_faults(MODULE, golden) == []
    assert contract.damage_faults(MODULE, golden) == []
    assert contract.drift_faults(MODULE, golden, only=lambda _: True) == []


def test_heads_are_read_to_the_paisa() -> None:
    found = values()
    assert [found[f"{head}_paise"] for head in challans.HEADS] == [100000, 5000, 4000, 3050, 2000, 4000]
    assert (found["amount_paise"], found["unsplit_paise"], found["has_heads"]) == (118050, 0, True)
    assert breaches(CHALLANS, found) == []


def test_a_fee_of_its_own_leaves_others_with_the_penalty() -> None:
    found = values(fee="10.00", others="30.00")
    assert (found["penalty_or_others_paise"], found["fee_paise"]) == (5000, 1000)


@given(st.lists(st.integers(0, 10**11), min_size=6, max_size=6), st.integers(1, 10**6))
def test_heads_and_what_is_not_split_always_make_up_the_amount(heads: list[int], off: int) -> None:
    names = ("basicTax", "surCharge", "eduCess", "interest", "penalty", "others")
    parts = {name: str(money.rupees(part)) for name, part in zip(names, heads, strict=True)}
    found = values(**parts, totalAmt=str(money.rupees(sum(heads))))
    total = sum(found[f"{head}_paise"] for head in challans.HEADS) + found["unsplit_paise"]
    assert total == found["amount_paise"] == sum(heads)
    wrong = values(**parts, totalAmt=str(money.rupees(sum(heads) + off)))
    known = sum(wrong[f"{head}_paise"] for head in challans.HEADS) + wrong["unsplit_paise"]
    assert (known == wrong["amount_paise"]) is not any(heads)


def test_a_total_that_is_one_paisa_off_its_heads_is_told() -> None:
    assert breaches(CHALLANS, values(totalAmt="1180.51")) == ["TDS-CH-P20"]


@pytest.mark.parametrize("amount", ["1180.505", "NaN", "abc", 1180.5, None])
def test_an_amount_that_is_not_exact_is_no_row(amount: Any) -> None:
    assert problem(totalAmt=amount)


def test_a_negative_challan_is_refused_and_a_nil_one_is_not() -> None:
    nil = values(
        totalAmt="0", basicTax="0", surCharge="0", eduCess="0", interest="0", penalty="0", others="0"
    )
    assert (nil["is_nil"], nil["has_heads"]) == (True, True)
    assert breaches(CHALLANS, nil) == []
    assert breaches(CHALLANS, {**nil, "amount_paise": -1, "tax_paise": -1}) == ["TDS-CH-P26"]


def test_a_number_of_the_branch_gets_its_zeros_back() -> None:
    assert values(bsrCode=1234)["bsr"] == "0001234"
    assert values(bsrCode=None, bsrCd="1234")["bsr"] == "0001234"
    assert values(bsrCode=None)["bsr"] == "0001234"


@pytest.mark.parametrize("bad", ["12345678", "ABC", "0000000"])
def test_a_branch_that_cannot_exist_is_no_row(bad: str) -> None:
    assert problem(bsrCode=bad)


def test_checks_of_stored_numbers_hold_at_their_width() -> None:
    assert breaches(CHALLANS, {**values(), "bsr": "001234"}) == ["TDS-CH-P04"]
    assert breaches(CHALLANS, {**values(), "serial": "0042"}) == ["TDS-CH-P05"]


def test_a_serial_that_is_the_reference_number_comes_from_the_classic_cin() -> None:
    found = values(challanNum="26040700000001", crn="")
    assert (found["serial"], found["crn"]) == ("00042", "26040700000001")


def test_a_serial_that_is_the_reference_number_comes_from_the_fuller_record_first() -> None:
    found = values(challanNum="26040700000001", alternateCin="", jsonData=json.dumps({"challanNum": "7"}))
    assert found["serial"] == "00007"


def test_a_row_without_any_serial_is_kept_as_a_problem() -> None:
    assert problem(challanNum="26040700000001", alternateCin="") is not None


def test_the_fuller_record_wins_and_keeps_its_paise() -> None:
    fuller = json.dumps({"totalAmt": "1180.50", "bsrCode": "0001234", "tenderDt": "2026-04-07", "secCd": ""})
    found = values(totalAmt="1180", bsrCode=99, tenderDt="2026-04-08", jsonData=fuller)
    assert (found["amount_paise"], found["bsr"], found["deposited_on"].day) == (118050, "0001234", 7)
    assert found["section_code"] == "94C"


def test_an_exact_number_in_the_fuller_record_loses_no_paisa() -> None:
    found = values(
        totalAmt=None, jsonData='{"totalAmt": 90071992547.93, "basicTax": 90071992547.93}', others=0
    )
    assert found["amount_paise"] == 9007199254793


@pytest.mark.parametrize("broken", ["{", "[]", "7", '{"totalAmt": NaN}', 7])
def test_a_fuller_record_that_cannot_be_read_is_a_problem(broken: Any) -> None:
    assert problem(jsonData=broken)


def test_a_classic_cin_that_contradicts_its_row_is_told() -> None:
    assert breaches(CHALLANS, values(alternateCin="00012340704202600043")) == ["TDS-CH-P09"]
    assert breaches(CHALLANS, values(alternateCin="")) == []


@pytest.mark.parametrize(
    ("cin", "codes"),
    [
        ("26040700000001AAAA", []),
        ("00012340704202600042", []),
        ("26040700000001AAA", ["TDS-CH-P08"]),
        ("00012343204202600042", ["TDS-CH-P08"]),
    ],
)
def test_a_cin_has_one_of_two_forms(cin: str, codes: list[str]) -> None:
    assert breaches(CHALLANS, values(cin=cin)) == codes


def test_a_row_without_a_cin_is_known_by_its_classic_one() -> None:
    assert values(cin=None)["cin"] == "00012340704202600042"
    assert values(cin=None, alternateCin=None)["cin"] == "00012340704202600042"


def test_the_assessment_year_is_read_in_both_spellings_and_only_under_the_old_act() -> None:
    old, new = values(), new_act()
    assert (old["assessment_year"], old["year"]) == ("2026-27", "2025-26")
    assert (new["assessment_year"], new["year"]) == ("", "2026-27")
    assert values(assmentYear=None, assessmentYear="AY 2025-26")["year"] == "2024-25"
    assert values(assmentYear=None)["year"] == ""


def test_the_new_act_knows_no_surcharge_and_no_cess() -> None:
    assert breaches(CHALLANS, new_act()) == []
    assert breaches(CHALLANS, new_act(surCharge="1", totalAmt="1101.00")) == ["TDS-CH-P21"]
    assert breaches(CHALLANS, new_act(eduCess="1", totalAmt="1101.00")) == ["TDS-CH-P21"]


def test_the_new_act_is_in_whole_rupees() -> None:
    assert breaches(CHALLANS, new_act(interest="59.99", totalAmt="1099.99")) == ["TDS-CH-P22"]


def test_a_challan_of_the_new_act_is_not_older_than_the_act() -> None:
    before = new_act(tenderDt="2026-03-31", alternateCin="")
    assert breaches(CHALLANS, before) == ["TDS-CH-P23"]
    assert breaches(CHALLANS, new_act(tenderDt="2026-04-01", alternateCin="")) == []
    assert breaches(CHALLANS, values(tenderDt="2026-03-31", alternateCin="")) == []
    assert breaches(CHALLANS, values(tenderDt="2026-04-30", alternateCin="")) == []


@pytest.mark.parametrize(
    ("stated", "read_as", "codes"),
    [
        ({"minorHead": "400"}, "400", []),
        ({"minorHead": None, "paymentType": "TDS/TCS Payable by Taxpayer(200)"}, "200", []),
        ({"minorHead": None}, "", []),
        ({"minorHead": "300"}, "300", ["TDS-CH-P10"]),
    ],
)
def test_a_minor_head_is_read_from_either_field(
    stated: dict[str, Any], read_as: str, codes: list[str]
) -> None:
    found = values(**stated)
    assert found["minor_head"] == read_as
    assert breaches(CHALLANS, found) == codes


def test_a_challan_that_stands_twice_is_refused() -> None:
    assert breaches(CHALLANS, values(), values()) == ["TDS-CH-P01"] * 2


def test_a_bad_row_is_kept_and_the_others_are_read() -> None:
    found = read(MODULE, "act_1961", answer(ROW, {**ROW, "tenderDt": "soon"}, "text"))
    assert [one.problem for one in found] == [None, "tenderDt is not a date", found[2].problem]
    assert found[2].problem is not None


def test_an_answer_that_failed_is_refused() -> None:
    with pytest.raises(ValueError, match="successFlag"):
        read(MODULE, "act_1961", {**answer(ROW), "successFlag": False})


def test_every_page_is_asked_and_no_more() -> None:
    section = MODULE.section("act_2025")
    assert section.params(asking()) == {"actType": "N", "pageNumber": "0"}
    assert MODULE.section("act_1961").params(asking())["actType"] == "O"
    assert section.next_page is not None
    assert section.next_page(answer(ROW, total=201), 1) == {"pageNumber": "1"}
    assert section.next_page(answer(ROW, total=201), 2) == {"pageNumber": "2"}
    assert section.next_page(answer(ROW, total=201), 3) is None
    assert section.next_page(answer(ROW, total=100), 1) is None
    assert section.next_page(answer(total=201), 1) is None


def test_rows_fewer_or_more_than_the_portal_says_halt_the_unit() -> None:
    section = MODULE.section("act_1961")
    for total in (0, 2):
        payload = answer(ROW, total=total)
        found = findings(section, payload, read(MODULE, "act_1961", payload))
        assert [(one.code, one.is_halting) for one in found] == [("TDS-CH-TOTAL", True)]
    payload = answer(ROW, total=1)
    assert findings(section, payload, read(MODULE, "act_1961", payload)) == []


def test_pages_that_overlap_halt_the_unit() -> None:
    section = MODULE.section("act_1961")
    rows = [{**ROW, "cin": f"2604070000{number:04d}AAAA"} for number in range(101)]
    assert section.merge is not None
    whole = section.merge([answer(*rows[:100], total=101), answer(*rows[100:], total=101)])
    assert findings(section, whole, read(MODULE, "act_1961", whole)) == []
    shifted = section.merge([answer(*rows[:100], total=101), answer(rows[99], total=101)])
    found = findings(section, shifted, read(MODULE, "act_1961", shifted))
    assert [one.code for one in found] == ["TDS-CH-PAGES"]


def followed(payload: Any, **known: Any) -> Any:
    follow = MODULE.section("act_1961").follow
    assert follow is not None
    return follow(payload, asking(known=known))


def test_only_rows_without_heads_whose_detail_is_not_stored_are_followed_up() -> None:
    payload = answer(WITHOUT_HEADS, {**ROW, "cin": "26040700000002AAAA"})
    assert followed(payload) == [("detail_1961", {"cin": ROW["cin"]})]
    assert followed(payload, details={ROW["cin"]}) is None
    assert followed(answer({**WITHOUT_HEADS, "totalAmt": "0"})) is None


def test_heads_that_are_all_zero_are_no_heads() -> None:
    found = values(basicTax="0", surCharge="0", eduCess="0", interest="0", penalty="0", others="0")
    assert (found["has_heads"], found["unsplit_paise"]) == (False, 118050)


def test_a_detail_completes_its_challan_and_is_never_deleted() -> None:
    [listed] = read(MODULE, "act_1961", answer(WITHOUT_HEADS))
    [stored] = read(MODULE, "detail_1961", detail())
    assert heads_of(listed.values, None) is None
    heads = heads_of(listed.values, stored.values)
    assert heads is not None
    assert sum(heads.values()) == listed.values["amount_paise"]
    assert heads_of(values(), None) == heads
    assert DETAILS.deletes is Deletes.KEEP
    assert breaches(DETAILS, stored.values) == []


def test_a_detail_without_heads_completes_nothing() -> None:
    without = {"successFlag": True, "paymentDetails": WITHOUT_HEADS}
    [listed] = read(MODULE, "act_1961", answer(WITHOUT_HEADS))
    [stored] = read(MODULE, "detail_1961", without)
    assert heads_of(listed.values, stored.values) is None


def test_later_units_learn_the_amounts_of_good_rows_only() -> None:
    state = asking()
    state.answers["act_1961"] = answer(ROW, {**ROW, "totalAmt": "x"})
    assert MODULE.share is not None
    assert MODULE.share(state) == [
        {
            "bsr": "0001234",
            "serial": "00042",
            "deposited_on": date(2026, 4, 7),
            "amount_paise": 118050,
            "act": "1961",
        }
    ]


def test_the_view_shows_the_heads_of_the_detail_where_the_list_has_none() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    [listed] = read(MODULE, "act_1961", answer(WITHOUT_HEADS))
    [stored] = read(MODULE, "detail_1961", detail())
    with engine.begin() as connection:
        for spec, row in ((CHALLANS, listed), (DETAILS, stored)):
            table = warehouse_table(spec).core
            table.create(connection)
            ours = dict.fromkeys(("row_hash", "run_id", "unit_id", "source"), "x")
            moments = dict.fromkeys(("first_loaded_at", "loaded_at"), datetime(2026, 11, 20, tzinfo=UTC))
            connection.execute(table.insert(), {"client_id": "C1", **ours, **moments, **row.values})
        [view] = VIEWS
        [shown] = connection.execute(sqlalchemy.text(view.select("sqlite"))).mappings()
    engine.dispose()
    assert (shown["tax_rupees"], shown["interest_rupees"], shown["amount_rupees"]) == (1000.0, 30.5, 1180.5)
