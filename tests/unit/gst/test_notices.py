"""Every notice is listed, its detail is asked once, and codes stay as the portal writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from clientsync.spec.module import Asking, CellMemory, Context, Deletes
from connectors.gst.notices import DETAILED, LISTED, MODULE
from tests.support.gstins import gstin_of

TODAY = date(2026, 11, 23)
NOTICE = {
    "refId": "ZD2904260000001",
    "arn": "AD2904260000001",
    "moduleCd": "RE",
    "alertCd": "ASMT-10",
    "dateOfIssue": "20/11/2026",
    "dateOfRespond": "20/12/2026",
}


def asking(
    listed: datetime | None = None, *, has_details: bool = True, known: dict[str, Any] | None = None
) -> Asking:
    memory = {}
    if listed is not None:
        memory["list"] = CellMemory(listed, "x", None, 1, was_loaded=True)
        if has_details:
            memory["detail"] = CellMemory(listed, None, None, 1, was_loaded=True)
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    return Asking(gstin_of(1), "M", "current", None, TODAY, now, memory=memory, known=known or {})


def stored(*rows: dict[str, str], details: bool = True, repeats: bool = True) -> dict[str, Any]:
    """Return what the warehouse knows when these notices are stored; ``repeats``: the details repeat the reference."""
    listed = {
        (one["refId"], one["arn"], date.fromisoformat("-".join(reversed(one["dateOfIssue"].split("/")))))
        for one in rows
    }
    full = {(reference if repeats else "", case, on) for reference, case, on in listed}
    return {LISTED: frozenset(listed), DETAILED: frozenset(full if details else ())}


def context(section: str) -> Context:
    return Context(gstin_of(1), None, "current", section, TODAY)


def asked(payload: Any, state: Asking) -> list[str]:
    follow = MODULE.section("list").follow
    assert follow is not None
    return [params["refId"] for _, params in follow(payload, state) or ()]


def test_codes_stay_raw_and_dates_are_read() -> None:
    [one] = MODULE.section("list").parse({"notices": [NOTICE]}, context("list"))
    assert (one.values["module_code"], one.values["alert_code"]) == ("RE", "ASMT-10")
    assert (one.values["issued_on"], one.values["respond_by_on"]) == (date(2026, 11, 20), date(2026, 12, 20))


def test_a_bad_notice_is_kept_with_its_problem_and_the_others_are_read() -> None:
    rows = [NOTICE, {**NOTICE, "refId": ""}, {**NOTICE, "dateOfIssue": "soon"}]
    found = list(MODULE.section("list").parse({"notices": rows}, context("list")))
    assert [one.problem for one in found] == [None, "refId is missing", "dateOfIssue is not a date"]


def test_the_first_run_asks_every_detail() -> None:
    rows = [NOTICE, {**NOTICE, "refId": "B", "dateOfIssue": "01/01/2020"}]
    assert asked({"notices": rows}, asking()) == ["ZD2904260000001", "B"]


def test_later_runs_ask_what_was_issued_on_or_after_the_day_of_the_last_list() -> None:
    rows = [{**NOTICE, "refId": name, "dateOfIssue": f"{name}/11/2026"} for name in ("19", "20", "21")]
    last = datetime(2026, 11, 20, 6, tzinfo=UTC)
    assert asked({"notices": rows}, asking(last, known=stored(*rows))) == ["20", "21"]


@pytest.mark.parametrize("repeats", [True, False])
def test_a_notice_that_shows_up_after_its_date_is_asked_and_a_stored_one_is_not(repeats: bool) -> None:
    old = {**NOTICE, "refId": "OLD", "arn": "A1", "dateOfIssue": "01/11/2026"}
    late = {**NOTICE, "refId": "LATE", "arn": "A2", "dateOfIssue": "19/11/2026"}
    last = datetime(2026, 11, 20, 6, tzinfo=UTC)
    known = stored(old, repeats=repeats)
    assert asked({"notices": [old, late]}, asking(last, known=known)) == ["LATE"]
    assert asked({"notices": [old, late]}, asking(last, known=stored(old, late, repeats=repeats))) == []


def test_a_second_notice_of_a_case_and_day_is_asked_though_the_case_has_a_detail() -> None:
    first = {**NOTICE, "dateOfIssue": "19/11/2026"}
    second = {**first, "refId": "SECOND"}
    state = asking(datetime(2026, 11, 20, 6, tzinfo=UTC), known=stored(first, repeats=False))
    assert asked({"notices": [first, second]}, state) == ["SECOND"]


def test_a_listed_notice_whose_detail_never_came_is_asked_again() -> None:
    row = {**NOTICE, "dateOfIssue": "19/11/2026"}
    state = asking(datetime(2026, 11, 22, 6, tzinfo=UTC), known=stored(row, details=False))
    assert asked({"notices": [row]}, state) == [NOTICE["refId"]]


def test_the_day_of_the_last_list_is_the_indian_one() -> None:
    rows = [{**NOTICE, "refId": name, "dateOfIssue": f"{name}/11/2026"} for name in ("20", "21")]
    last = datetime(2026, 11, 20, 20, tzinfo=UTC)
    assert asked({"notices": rows}, asking(last, known=stored(*rows))) == ["21"]


def test_without_stored_details_all_are_asked() -> None:
    last = datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert asked({"notices": [NOTICE]}, asking(last, has_details=False)) == ["ZD2904260000001"]


def test_a_notice_whose_date_cannot_be_read_is_always_asked() -> None:
    rows = [{**NOTICE, "dateOfIssue": "soon"}]
    assert asked({"notices": rows}, asking(datetime(2026, 11, 22, 6, tzinfo=UTC))) == ["ZD2904260000001"]


def test_a_detail_keeps_its_documents_by_name() -> None:
    payload = {
        "arn": "AD1",
        "dateOfIssue": "20-11-2026",
        "noticeType": "ASMT-10",
        "dueDateOfReply": "20/12/2026",
        "taxPeriod": {"from": "042026", "to": "062026"},
        "maindocs": [{"docId": "M1", "docName": "ASMT-10.pdf"}],
        "suppdocs": [],
    }
    [one] = MODULE.section("detail").parse(payload, context("detail"))
    assert one.problem is None
    assert (one.values["tax_period_from"], one.values["main_documents"]) == ("042026", 1)
    assert "ASMT-10.pdf" in one.values["document_list"]


def test_notices_that_the_list_no_longer_shows_are_kept() -> None:
    assert {table.deletes for table in MODULE.tables} == {Deletes.KEEP}


def test_a_list_downloaded_by_hand_is_recognised() -> None:
    assert MODULE.files is not None
    assert MODULE.files.recognise({"notices": [NOTICE]}) == "notices"
    assert MODULE.files.recognise({"tr": []}) is None
    assert list(MODULE.files.split({"notices": []})) == [("list", {"notices": []})]
