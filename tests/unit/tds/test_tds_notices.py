"""Every notice and request of both portals is stored once, as the portal writes it, and kept."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from clientsync.spec.module import Deletes
from connectors.tds.notices import MODULE, law_section, request_status
from tests.support import module_contract as contract
from tests.support.tds_modules import all_pages, asking, breaches, codes, context, findings, parsed

PROCEEDING = {
    "proceedingReqId": "100000001",
    "proceedingName": "Penalty u/s 271H",
    "noticeSection": "271H",
    "documentIdNo": "ITBA/TDS/S/133/2025-26/1000000001(1)",
    "noticeDate": "26-Oct-2026",
    "responseDueDate": "20-Nov-2026",
    "financialYr": "2025-26",
    "description": "Penalty for 2025-26",
    "status": "Open",
    "viewed": "N",
    "attachments": [{"docId": "D1", "docName": "notice.pdf"}],
}
MESSAGE = {
    "commRefNo": "26050000100040",
    "date": "29-May-2026",
    "commcat": "Intimation with Demand",
    "description": "Intimation u/s 200A with demand for 26Q",
    "finYear": "2025-26",
    "quarter": "Q4",
    "formType": "26Q",
    "hidFY": "2025",
    "hidQT": "6",
    "commInbId": "11",
    "commMstrId": "12",
    "comcatid": "7",
    "certNum": "",
    "isRead": "N",
}
CERTIFICATE = {**MESSAGE, "commRefNo": "C1", "comcatid": "42", "certNum": "2511aa123b"}
REQUEST = {
    "reqNo": "900000001",
    "reqDate": "10-Jun-2026",
    "finYr": "2025-26",
    "qrtr": "Q4",
    "frmType": "26Q",
    "dntype": "conso",
    "status": "Available",
    "remarks": "",
}
NEW_REQUEST = {
    "requestId": "R1",
    "financialYear": "2026-27",
    "formType": "140",
    "quarter": "Q1",
    "requestDate": "2026-08-20",
    "status": "Generated",
    "expiryDate": "2026-09-20",
    "remarks": "131",
}


def proceedings(*rows: Any) -> dict[str, Any]:
    return {"successFlag": True, "eProceedings": list(rows)}


def grid(*rows: Any) -> dict[str, Any]:
    return {"page": 1, "total": 1, "records": len(rows), "rows": list(rows)}


def new_requests(*rows: Any) -> dict[str, Any]:
    return {"content": list(rows), "totalElements": len(rows), "totalPages": 1}


def test_it_keeps_the_promises_of_every_module() -> None:
    assert contract.structure(MODULE) == []
    assert contract.warehouse_fit(MODULE, "tds") == []
    assert contract.checks_fit(MODULE) == []


def test_sections_are_asked_in_their_order_with_the_tab_they_mean() -> None:
    asked = [(one.name, one.params(asking())) for one in MODULE.sections]
    assert asked == [
        ("proceedings_fya", {"flag": "FYA"}),
        ("proceedings_fyi", {"flag": "FYI"}),
        ("inbox_action", {"commClassify": "1", "page": "1"}),
        ("inbox_general", {"commClassify": "0", "page": "1"}),
        ("requests", {"page": "1"}),
        ("new_requests", {"page": "0"}),
    ]


def test_a_proceeding_is_read_and_its_number_stays_as_it_is() -> None:
    [one] = parsed(MODULE, "proceedings_fya", proceedings(PROCEEDING), context("proceedings_fya"))
    assert one.problem is None
    values = one.values
    assert (values["din"], values["law_section"]) == ("ITBA/TDS/S/133/2025-26/1000000001(1)", "271H")
    assert (values["issued_on"], values["due_on"]) == (date(2026, 10, 26), date(2026, 11, 20))
    assert (values["is_read"], values["is_action_required"], values["act"]) == (False, True, "1961")
    assert json.loads(values["attachments"]) == [{"docId": "D1", "docName": "notice.pdf"}]


def test_a_proceeding_without_a_last_day_has_none() -> None:
    row = {**PROCEEDING, "responseDueDate": None}
    [one] = parsed(MODULE, "proceedings_fyi", proceedings(row), context("proceedings_fyi"))
    assert (one.values["due_on"], one.values["is_action_required"]) == (None, False)


def test_a_communication_of_the_inbox_is_read() -> None:
    [one] = parsed(MODULE, "inbox_action", grid(MESSAGE), context("inbox_action"))
    values = one.values
    assert (values["year"], values["quarter"], values["form"]) == ("2025-26", "Q4", "26Q")
    assert (values["category"], values["category_code"]) == ("Intimation with Demand", "7")
    assert (values["law_section"], values["portal"], values["channel"]) == ("200A", "TRACES61", "Inbox")
    assert json.loads(values["attachments"]) == [{"commInbId": "11", "commMstrId": "12"}]


def test_a_communication_about_no_quarter_or_an_odd_one_is_kept() -> None:
    none = {**MESSAGE, "finYear": "", "quarter": "", "formType": "", "hidFY": "", "hidQT": ""}
    odd = {**MESSAGE, "finYear": "All", "quarter": "Annual", "formType": "26QB", "hidFY": "", "hidQT": ""}
    found = parsed(MODULE, "inbox_general", grid(none, odd), context("inbox_general"))
    assert [one.problem for one in found] == [None, None]
    assert [(one.values["year"], one.values["quarter"], one.values["act"]) for one in found] == [
        ("", "", ""),
        ("All", "Annual", ""),
    ]


@pytest.mark.parametrize(("start", "act"), [("2025", "1961"), ("2026", "2025")])
def test_the_acts_part_between_2025_26_and_2026_27(start: str, act: str) -> None:
    [one] = parsed(MODULE, "inbox_action", grid({**MESSAGE, "hidFY": start}), context("inbox_action"))
    assert one.values["act"] == act


def test_certificates_of_category_42_keep_their_number() -> None:
    [one] = parsed(MODULE, "inbox_general", grid(CERTIFICATE), context("inbox_general"))
    assert (one.values["certificate"], one.values["category_code"]) == ("2511AA123B", "42")


def test_bad_rows_are_kept_with_their_problem_and_the_others_are_read() -> None:
    rows = [MESSAGE, {**MESSAGE, "commRefNo": ""}, {**MESSAGE, "date": "soon"}, {**MESSAGE, "isRead": "?"}]
    found = parsed(MODULE, "inbox_action", grid(*rows), context("inbox_action"))
    assert [one.problem for one in found] == [
        None,
        "commRefNo is missing",
        "date is not a date",
        "isRead is neither Y nor N",
    ]


def test_what_stands_in_both_tabs_of_the_inbox_is_stored_once_as_action() -> None:
    other = {**MESSAGE, "commRefNo": "X"}
    action = grid(MESSAGE)
    general = parsed(
        MODULE,
        "inbox_general",
        grid({**MESSAGE, "isRead": "Y"}, other),
        context("inbox_general", inbox_action=action),
    )
    assert [one.values["reference"] for one in general] == ["X"]
    [kept] = parsed(MODULE, "inbox_action", action, context("inbox_action", inbox_action=action))
    assert kept.values["is_action_required"] is True


def test_what_stands_in_both_lists_of_proceedings_is_stored_once_as_action() -> None:
    other = {**PROCEEDING, "documentIdNo": "ITBA/2"}
    found = parsed(
        MODULE,
        "proceedings_fyi",
        proceedings(PROCEEDING, other),
        context("proceedings_fyi", proceedings_fya=proceedings(PROCEEDING)),
    )
    assert [one.values["din"] for one in found] == ["ITBA/2"]


def test_rows_that_cannot_be_told_apart_are_never_taken_for_repetitions() -> None:
    nameless = {**MESSAGE, "commRefNo": None}
    reading = context("inbox_general", inbox_action=grid(nameless))
    [one] = parsed(MODULE, "inbox_general", grid(nameless), reading)
    assert one.problem == "commRefNo is missing"
    bare = {**PROCEEDING, "proceedingReqId": None}
    second = context("proceedings_fyi", proceedings_fya=proceedings(bare))
    [two] = parsed(MODULE, "proceedings_fyi", proceedings(bare), second)
    assert two.problem == "proceedingReqId is missing"


def test_all_pages_of_the_inbox_are_joined() -> None:
    first = {"page": 1, "total": 2, "records": 2, "rows": [MESSAGE]}
    second = {"page": 2, "total": 2, "records": 2, "rows": [{**MESSAGE, "commRefNo": "X"}]}
    asked, payload = all_pages(MODULE.section("inbox_action"), {"1": first, "2": second})
    assert asked == ["1", "2"]
    assert findings(MODULE, "inbox_action", payload, context("inbox_action")) == []
    short = {**payload, "records": 3}
    assert codes(findings(MODULE, "inbox_action", short, context("inbox_action"))) == [("TDS-PARTIAL", True)]


def test_all_pages_of_new_requests_are_joined() -> None:
    first = {"content": [NEW_REQUEST], "totalElements": 2, "totalPages": 2}
    second = {"content": [{**NEW_REQUEST, "requestId": "R2"}], "totalElements": 2, "totalPages": 2}
    asked, payload = all_pages(MODULE.section("new_requests"), {"0": first, "1": second})
    assert asked == ["0", "1"]
    found = parsed(MODULE, "new_requests", payload, context("new_requests"))
    assert [one.values["number"] for one in found] == ["R1", "R2"]
    assert findings(MODULE, "new_requests", payload, context("new_requests")) == []


def test_requests_of_both_portals_speak_the_same_words() -> None:
    [old] = parsed(MODULE, "requests", grid(REQUEST), context("requests"))
    [new] = parsed(MODULE, "new_requests", new_requests(NEW_REQUEST), context("new_requests"))
    assert (old.values["status"], old.values["act"], old.values["kind"]) == ("Available", "1961", "conso")
    assert (new.values["status"], new.values["act"], new.values["portal"]) == (
        "Available",
        "2025",
        "TRACES25",
    )
    assert (old.values["expires_on"], new.values["expires_on"]) == (None, date(2026, 9, 20))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("SUBMITTED", "Submitted"),
        ("In Progress", "Submitted"),
        ("Initiated", "Submitted"),
        ("Generated", "Available"),
        ("not  available", "Not Available"),
        ("Disabled", "Disabled"),
        ("Failed", "Failed"),
        ("On hold", "On hold"),
    ],
)
def test_statuses_of_requests_are_brought_to_one_list(text: str, status: str) -> None:
    assert request_status(text) == status


@pytest.mark.parametrize(
    ("texts", "section"),
    [
        (("Order u/s 201(1)/201(1A)",), "201"),
        (("201(1)/(1A)", "Order"), "201"),
        (("Rectification under section 154",), "154"),
        (("Late fee u/s 234E",), "234E"),
        (("Fee u/s 427",), "427"),
        (("Penalty u/s. 271H",), "271H"),
        (("Penalty 271H",), "271H"),
        (("Interest u/s 220(2)",), "220(2)"),
        (("", "Certificate u/s 197 / 206C"), "197"),
        (("154",), "154"),
        (("154 deductees without PAN",), ""),
        (("Demand of Rs 427 is open",), ""),
        (("Reference 1200A5",), ""),
        ((), ""),
    ],
)
def test_the_section_of_law_is_classed_where_the_text_says_so(texts: tuple[str, ...], section: str) -> None:
    assert law_section(*texts) == section


@pytest.mark.parametrize(
    ("day", "din", "seen"),
    [
        ("30-Sep-2019", "", []),
        ("01-Oct-2019", "", [("TDS-NO-DIN", False)]),
        ("01-Oct-2019", "ITBA/1", []),
    ],
)
def test_a_din_is_expected_from_october_2019(day: str, din: str, seen: list[tuple[str, bool]]) -> None:
    payload = proceedings({**PROCEEDING, "noticeDate": day, "documentIdNo": din})
    assert codes(findings(MODULE, "proceedings_fya", payload, context("proceedings_fya"))) == seen


@pytest.mark.parametrize(("number", "seen"), [("2511AA123B", []), ("", [("TDS-NO-CERTIFICATE", False)])])
def test_a_certificate_is_announced_with_its_number(number: str, seen: list[tuple[str, bool]]) -> None:
    payload = grid({**CERTIFICATE, "certNum": number})
    assert codes(findings(MODULE, "inbox_general", payload, context("inbox_general"))) == seen


@pytest.mark.parametrize(
    ("day", "seen"), [("2026-08-20", []), ("2026-08-19", [("TDS-NO-EXPIRY", False)]), (None, [])]
)
def test_a_file_expires_after_its_request(day: str | None, seen: list[tuple[str, bool]]) -> None:
    payload = new_requests({**NEW_REQUEST, "expiryDate": day})
    assert codes(findings(MODULE, "new_requests", payload, context("new_requests"))) == seen


def test_a_new_field_is_noticed_at_every_depth() -> None:
    row = {**PROCEEDING, "attachments": [{"docId": "D", "docName": "n", "brandNew": 1}]}
    seen = findings(MODULE, "proceedings_fya", proceedings(row), context("proceedings_fya"))
    assert codes(seen) == [("SCHEMA-NEW-FIELD", False)]


def test_what_the_portals_no_longer_list_is_kept() -> None:
    assert {table.deletes for table in MODULE.tables} == {Deletes.KEEP}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"certNum": "2511AA123B"}, []),
        ({"certNum": "9AA9999TDP9A999"}, []),
        ({"certNum": "2511AA123B/94C"}, ["TDS-NO-N02"]),
        ({"certNum": "2511AA123"}, ["TDS-NO-N02"]),
        ({"hidFY": "", "finYear": "All"}, ["TDS-NO-N03"]),
        ({"hidFY": "", "finYear": ""}, []),
        ({"hidQT": "", "quarter": "Annual"}, ["TDS-NO-N04"]),
        ({"hidQT": "3"}, []),
        ({"formType": "26QB"}, ["TDS-NO-N05"]),
        ({"formType": "140"}, []),
    ],
)
def test_the_rules_of_a_notice(change: dict[str, str], broken: list[str]) -> None:
    [one] = parsed(MODULE, "inbox_action", grid({**MESSAGE, **change}), context("inbox_action"))
    assert breaches(MODULE, "tds__notice", [one.values]) == broken


def test_a_reference_stands_for_one_communication() -> None:
    found = parsed(MODULE, "inbox_action", grid(MESSAGE, {**MESSAGE, "isRead": "Y"}), context("inbox_action"))
    assert breaches(MODULE, "tds__notice", [one.values for one in found]) == ["TDS-NO-N01", "TDS-NO-N01"]


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ([REQUEST], []),
        ([{**REQUEST, "status": "On hold"}], ["TDS-NO-R02"]),
        ([REQUEST, {**REQUEST, "remarks": "x"}], ["TDS-NO-R01", "TDS-NO-R01"]),
    ],
)
def test_the_rules_of_a_request(rows: list[dict[str, str]], broken: list[str]) -> None:
    found = parsed(MODULE, "requests", grid(*rows), context("requests"))
    assert breaches(MODULE, "tds__download_request", [one.values for one in found]) == broken
