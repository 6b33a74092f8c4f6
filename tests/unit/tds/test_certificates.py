"""Certificates for lower deduction: found, verified every day by Act, and left alone once nothing can change."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.tds.certificates import CERTIFICATES, MODULE, NOTICES, rate
from tests.support import module_contract as contract
from tests.support.tds_checks import TODAY, asking, breaches, findings, read

PAN = "AAAPA0000A"
OLD, NEW = "0000AA000A", "0AA0000TDP0A000"
VERIFIED = {
    "serialno": "1",
    "certino": OLD,
    "finyear": "2025-26",
    "deducteepan": PAN,
    "dedname": "Deductee One",
    "validfrm": "01-Apr-2025",
    "canceldt": "",
    "validto": "31-Mar-2026",
    "seccode": "94C",
    "natofpayment": "Payment to contractors",
    "rateoftds": "0.5000",
    "certilimit": "460800.00",
    "amtconsume": "460000.50",
    "issuedate": "15-Apr-2025",
}
DETAIL = {
    "parentCertNum": "0AA0000TDP0A00P",
    "childCertNum": NEW,
    "appPan": PAN,
    "tan": "AAAA00000A",
    "taxYear": "2026-27",
    "sectionCode": "1023",
    "issueDate": "2026-04-10",
    "certificateAmount": Decimal("460800.00"),
    "amountConsumed": Decimal("100.00"),
    "balanceAvailable": Decimal("460700.00"),
    "validityStartDate": "2026-04-10",
    "validityEndDate": "2027-03-31",
    "activeFlag": "Y",
    "natureOfPayment": "Contract",
    "certificateRate": Decimal("0.5000"),
    "insertTimestamp": "2026-04-10T10:00:00",
    "updateTimestamp": "2026-04-10T10:00:00",
}
LISTED = {
    "childCertNum": NEW,
    "taxYear": "2026-27",
    "sectionCode": "1023",
    "deducteePan": PAN,
    "childCertificateAmount": Decimal("460800.00"),
    "validFrom": "2026-04-10",
    "validTo": "2027-03-31",
    "remarks": None,
}
NOTICE = {
    "commRefNo": "CPC/1",
    "date": "16-Apr-2025",
    "commcat": "Certificate u/s 197 / 206C",
    "description": "Certificate issued",
    "finYear": "2025-26",
    "quarter": "",
    "formType": "",
    "hidFY": "2025",
    "hidQT": "",
    "commInbId": "1",
    "commMstrId": "1",
    "comcatid": "42",
    "certNum": OLD,
    "isRead": "N",
}


def grid(*rows: Any, total: int = 1, records: int | None = None) -> dict[str, Any]:
    """Return a page of the old portal."""
    count = len(rows) if records is None else records
    return {"page": 1, "total": total, "records": count, "rows": list(rows)}


def listing(*rows: Any, more: bool = False) -> dict[str, Any]:
    """Return a page of the new portal."""
    return {"certificates": list(rows), "hasNext": more}


def verified(today: date = TODAY, **changes: Any) -> dict[str, Any]:
    """Return the good row of a verification under the Act of 1961."""
    [one] = read(MODULE, "verify", {"rows": [{**VERIFIED, **changes}]}, today)
    assert one.problem is None
    return one.values


def detail(today: date = TODAY, **changes: Any) -> dict[str, Any]:
    """Return the good row of a detail under the Act of 2025."""
    [one] = read(MODULE, "detail_2025", {**DETAIL, **changes}, today)
    assert one.problem is None
    return one.values


def certificate(number: str = OLD, act: str = "1961", **changes: Any) -> dict[str, Any]:
    """Return a certificate that the warehouse knows."""
    year = "2025-26" if act == "1961" else "2026-27"
    return {"number": number, "act": act, "year": year, "pan": PAN, "source": "register", **changes}


def asked(section: str, payload: Any, **state: Any) -> Any:
    """Return the follow-up questions of a section."""
    follow = MODULE.section(section).follow
    assert follow is not None
    return follow(payload, asking(**state))


def test_the_module_keeps_the_contract() -> None:
    assert contract.structure(MODULE) == []
    assert contract.warehouse_fit(MODULE, "tds") == []
    assert contract.checks_fit(MODULE) == []
    assert contract.emptiness(MODULE) == []
    assert contract.code_faults({"certificates": MODULE}) == []


def test_the_promised_shape_fits() -> None:
    golden = {
        "inbox_action": grid(NOTICE),
        "inbox_general": grid(NOTICE),
        "verify": {"rows": [VERIFIED]},
        "list_2025": listing(LISTED),
        "detail_2025": DETAIL,
    }
    assert contract.golden_faults(MODULE, golden) == []
    assert contract.damage_faults(MODULE, {**golden, "detail_2025": {"rows": []}}) == []
    assert contract.drift_faults(MODULE, golden, only=lambda _: True) == []


def test_a_detail_of_other_types_is_kept_as_a_problem() -> None:
    [one] = read(MODULE, "detail_2025", {name: ["unexpected"] for name in DETAIL})
    assert one.problem is not None


def test_a_verified_certificate_is_read_by_act() -> None:
    old, new = verified(), detail()
    assert (old["act"], old["year"], old["rate_ten_thousandths"]) == ("1961", "2025-26", 5000)
    assert (old["limit_paise"], old["consumed_paise"], old["remaining_paise"]) == (46080000, 46000050, 79950)
    assert (new["act"], new["year"], new["portal"]) == ("2025", "2026-27", "TRACES25")
    assert new["verified_on"] == old["verified_on"] == TODAY
    assert breaches(CERTIFICATES, old, new) == []


@given(st.integers(0, 1_000_000))
def test_a_rate_survives_with_four_decimals(points: int) -> None:
    written = f"{Decimal(points) / 10_000:.4f}"
    assert rate({"r": written}, "r") == rate({"r": Decimal(written)}, "r") == points


@pytest.mark.parametrize("wrong", ["", "abc", "NaN", "0.50001", None])
def test_a_rate_that_is_none_or_too_fine_is_no_row(wrong: Any) -> None:
    [one] = read(MODULE, "verify", {"rows": [{**VERIFIED, "rateoftds": wrong}]})
    assert one.problem is not None


@pytest.mark.parametrize(
    ("percent", "codes"),
    [("0.0000", []), ("100.0000", []), ("100.0001", ["TDS-LDC-C26"]), ("-0.0001", ["TDS-LDC-C26"])],
)
def test_a_rate_lies_between_nothing_and_all(percent: str, codes: list[str]) -> None:
    assert breaches(CERTIFICATES, verified(rateoftds=percent)) == codes


@pytest.mark.parametrize("number", ["0000AA000A/94C", "0000AA000", NEW])
def test_a_number_of_the_old_act_has_ten_characters_without_a_suffix(number: str) -> None:
    assert breaches(CERTIFICATES, verified(certino=number)) == ["TDS-LDC-C07"]


@pytest.mark.parametrize("number", [OLD, f"{NEW}0", NEW[:14]])
def test_a_number_of_the_new_act_has_fifteen_characters(number: str) -> None:
    assert breaches(CERTIFICATES, detail(childCertNum=number)) == ["TDS-LDC-C07"]


@pytest.mark.parametrize(
    ("consumed", "codes"),
    [("460799.99", []), ("460800.00", []), ("460800.01", ["TDS-LDC-C10"])],
)
def test_more_than_the_limit_is_told(consumed: str, codes: list[str]) -> None:
    assert breaches(CERTIFICATES, verified(amtconsume=consumed)) == codes


@pytest.mark.parametrize(
    ("last", "codes"),
    [("02-Apr-2025", []), ("01-Apr-2025", []), ("31-Mar-2025", ["TDS-LDC-C11"])],
)
def test_a_certificate_does_not_end_before_it_begins(last: str, codes: list[str]) -> None:
    assert breaches(CERTIFICATES, verified(validto=last)) == codes


@pytest.mark.parametrize(
    ("limit", "codes"), [("0.00", ["TDS-LDC-C10"]), ("-0.01", ["TDS-LDC-C10", "TDS-LDC-C12"])]
)
def test_a_limit_is_not_below_nothing(limit: str, codes: list[str]) -> None:
    assert breaches(CERTIFICATES, verified(certilimit=limit)) == codes
    assert breaches(CERTIFICATES, verified(certilimit="0.00", amtconsume="0.00")) == []


def test_an_unknown_holder_in_a_pan_is_told_and_a_placeholder_is_no_row() -> None:
    assert breaches(CERTIFICATES, verified(deducteepan="AAAXA0000A")) == ["TDS-LDC-C02"]
    [one] = read(MODULE, "verify", {"rows": [{**VERIFIED, "deducteepan": "PANNOTAVBL"}]})
    assert one.problem is not None


def test_one_certificate_of_two_sections_is_two_rows_and_the_same_section_twice_is_refused() -> None:
    assert breaches(CERTIFICATES, verified(), verified(seccode="94J")) == []
    assert breaches(CERTIFICATES, verified(), verified()) == ["TDS-LDC-C09"] * 2


@pytest.mark.parametrize(
    ("cancelled", "today", "is_active"),
    [
        ("", date(2026, 3, 31), True),
        ("", date(2026, 4, 1), False),
        ("10-Jan-2026", date(2026, 1, 9), True),
        ("10-Jan-2026", date(2026, 1, 10), False),
    ],
)
def test_a_certificate_is_active_until_it_ends_or_is_cancelled(
    cancelled: str, today: date, is_active: bool
) -> None:
    assert verified(today, canceldt=cancelled)["is_active"] is is_active


def test_the_new_portal_says_itself_whether_a_certificate_is_active() -> None:
    assert detail()["is_active"]
    assert not detail(activeFlag="N")["is_active"]
    assert not detail(date(2027, 4, 1))["is_active"]
    [one] = read(MODULE, "detail_2025", {**DETAIL, "activeFlag": "perhaps"})
    assert one.problem == "activeFlag is neither yes nor no"


def test_only_communications_about_certificates_are_kept() -> None:
    rows = [NOTICE, {**NOTICE, "comcatid": 42, "commRefNo": "CPC/2"}, {**NOTICE, "comcatid": "7"}]
    found = read(MODULE, "inbox_general", grid(*rows))
    assert [one.values["reference"] for one in found] == ["CPC/1", "CPC/2"]
    assert found[0].values["year"] == "2025-26"
    assert breaches(NOTICES, *(one.values for one in found)) == []


def test_an_announced_number_of_another_form_is_loaded_with_a_warning() -> None:
    [one] = read(MODULE, "inbox_general", grid({**NOTICE, "certNum": "0000AA000A/94C"}))
    assert breaches(NOTICES, one.values) == ["TDS-LDC-N07"]
    [one] = read(MODULE, "list_2025", listing({**LISTED, "childCertNum": OLD}))
    assert breaches(NOTICES, one.values) == ["TDS-LDC-N07"]


def test_the_same_announcement_twice_is_refused() -> None:
    found = read(MODULE, "inbox_general", grid(NOTICE, NOTICE))
    assert breaches(NOTICES, *(one.values for one in found)) == ["TDS-LDC-N09"] * 2


def test_both_tabs_are_read_to_their_end() -> None:
    action, general = MODULE.section("inbox_action"), MODULE.section("inbox_general")
    assert action.params(asking()) == {"commClassify": "1", "page": "1"}
    assert general.params(asking()) == {"commClassify": "0", "page": "1"}
    assert action.next_page is not None
    assert action.merge is not None
    assert action.next_page(grid(NOTICE, total=2), 1) == {"page": "2"}
    assert action.next_page(grid(NOTICE, total=2), 2) is None
    joined = action.merge([grid(NOTICE, records=2), grid({**NOTICE, "comcatid": "7"}, records=2)])
    assert findings(action, joined, read(MODULE, "inbox_action", joined)) == []
    short = grid(NOTICE, records=2)
    found = findings(action, short, read(MODULE, "inbox_action", short))
    assert [(one.code, one.is_halting) for one in found] == [("TDS-LDC-TOTAL", True)]


def test_the_list_of_the_new_portal_is_read_to_its_end() -> None:
    section = MODULE.section("list_2025")
    assert section.next_page is not None
    assert section.merge is not None
    assert section.params(asking()) == {"pageNumber": "1"}
    assert section.next_page(listing(LISTED, more=True), 1) == {"pageNumber": "2"}
    assert section.next_page(listing(LISTED), 2) is None
    assert len(section.merge([listing(LISTED, more=True), listing(LISTED)])["certificates"]) == 2


def test_every_known_certificate_of_the_old_act_is_verified_once() -> None:
    known = {"certificates": [certificate(), certificate(source="statement"), certificate(NEW, "2025")]}
    assert asked("inbox_general", grid(), known=known) == [
        ("verify", {"deducteePan": PAN, "financialYear": "2025", "certiNo": OLD})
    ]
    assert asked("inbox_action", grid(), known=known) is None


@pytest.mark.parametrize("pan", ["", "PANNOTAVBL"])
def test_a_certificate_of_unknown_deductee_is_counted_and_not_asked(pan: str) -> None:
    state = asking(known={"certificates": [certificate(pan=pan)], "certificate_notices": {OLD}})
    reconcile = MODULE.section("inbox_general").reconcile
    assert reconcile is not None
    [told] = reconcile([], state)
    assert (told.code, told.is_halting) == ("TDS-LDC-NO-PAN", False)
    assert "mport the register" in told.message
    assert OLD not in told.message
    assert asked("inbox_general", grid(), known=state.known) is None


def test_a_certificate_seen_in_either_tab_of_this_run_counts_until_its_deductee_is_known() -> None:
    reconcile = MODULE.section("inbox_general").reconcile
    assert reconcile is not None
    for tab in ("inbox_action", "inbox_general"):
        state = asking()
        state.answers[tab] = grid(NOTICE, {**NOTICE, "comcatid": "7", "certNum": "1111AA111A"})
        assert [one.message[:2] for one in reconcile([], state)] == ["1 "]
        known = asking(known={"certificates": [certificate()]})
        known.answers[tab] = grid(NOTICE)
        assert list(reconcile([], known)) == []


def test_a_certificate_that_traces_does_not_know_is_told() -> None:
    section = MODULE.section("verify")
    assert [(one.code, one.is_halting) for one in findings(section, {"rows": []}, [])] == [
        ("TDS-LDC-UNKNOWN", False)
    ]
    assert findings(section, {"rows": [VERIFIED]}, []) == []


def test_every_listed_certificate_of_the_new_act_is_asked_in_full() -> None:
    assert asked("list_2025", listing(LISTED, {**LISTED, "deducteePan": "x"})) == [
        ("detail_2025", {"childCertNum": NEW, "pan": PAN})
    ]
    assert asked("list_2025", listing()) is None


def test_a_certificate_of_the_new_act_that_is_not_listed_is_told() -> None:
    reconcile = MODULE.section("list_2025").reconcile
    assert reconcile is not None
    state = asking(known={"certificates": [certificate(NEW, "2025"), certificate()]})
    [told] = reconcile([], state)
    assert (told.code, told.is_halting) == ("TDS-LDC-NOT-LISTED", False)
    assert list(reconcile(read(MODULE, "list_2025", listing(LISTED)), state)) == []


SETTLED_ON = date(2026, 8, 1)


def statements(status: str = "Processed Without Defaults") -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the statements of all quarters of 2025-26, the last one with this status."""
    found = {}
    for number in (1, 2, 3, 4):
        one = {
            "token": "000000000000001",
            "kind": "Regular",
            "status": status if number == 4 else "Processed Without Defaults",
            "filed_on": date(2026, 5, 20),
            "processed_on": SETTLED_ON,
        }
        found[f"2025-26-Q{number}", "26Q"] = [one]
    return found


def closing(verified_on: Any, today: date = TODAY, **changes: Any) -> Any:
    """Return whether a certificate of 2025-26 is asked again."""
    known = {
        "certificates": [certificate(source="verified", verified_on=verified_on)],
        "statements": statements(),
        **changes,
    }
    return asked("inbox_general", grid(), known=known, today=today)


def test_a_certificate_is_left_alone_once_its_year_is_over_and_settled_and_it_was_read_after_that() -> None:
    assert closing(date(2026, 8, 2)) is None


@pytest.mark.parametrize("verified_on", [SETTLED_ON, date(2026, 4, 1), None])
def test_a_certificate_read_before_its_year_was_settled_is_asked_again(verified_on: Any) -> None:
    assert closing(verified_on)


@pytest.mark.parametrize("status", ["Pending for Processing", "Processed With Defaults"])
def test_a_certificate_of_a_year_that_is_not_settled_is_asked_again(status: str) -> None:
    assert closing(date(2026, 8, 2), statements=statements(status))
    assert closing(date(2026, 8, 2), statements={})


def test_a_certificate_of_a_running_year_is_asked_every_day() -> None:
    assert closing(date(2026, 3, 31), date(2026, 3, 31))


def test_a_certificate_of_the_new_act_is_asked_again_while_its_year_runs() -> None:
    known = {"certificates": [certificate(NEW, "2025", verified_on=TODAY)]}
    assert asked("list_2025", listing(LISTED), known=known)
