"""The new portal: challans by day of payment, certificates page by page, requests; and faults on both portals."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from simulators.traces import show
from tests.unit.simulators.simulated_traces import DED, TODAY, Traces, population, traces

Json = dict[str, Any]
CHALLANS = "/oltaschallancorrection/deductor/bin/periodOfpayment"
CERTIFICATES = "/childcertgenservice/api/view/searchDeductor"
CERTIFICATE = "/certificateservice/api/child-certificate"
REQUESTS = "/tdscertificatesservice/api/new-requests"


def challans(
    one: Traces, since: str = "2026-04-01", page: int = 0, size: int = 50, **changes: Any
) -> httpx.Response:
    body = {
        "tan": one.one.tan, "fromDate": since, "toDate": TODAY.isoformat(), "matchStatus": "All",
        "consumptionStatus": [], **changes,
    }  # fmt: skip
    return one.post(CHALLANS, body, page=page, size=size)


def exact(answer: httpx.Response) -> Json:
    found: Json = json.loads(answer.text, parse_float=Decimal)
    return found


def test_the_pages_of_challans_are_the_whole_and_keep_every_paisa() -> None:
    with traces() as one:
        one.login()
        one.one.challans[-1].heads = (123_456, 7, 0, 0, 0, 0)
        rows: list[Json] = []
        page = pages = 0
        while page == 0 or page < pages:
            found = exact(challans(one, page=page, size=10))
            assert (found["number"], len(found["content"]) <= 10) == (page, True)
            rows, page, pages = rows + found["content"], page + 1, found["totalPages"]
        assert len(rows) == found["totalElements"] > 10
        expected = {
            each.cin: show.number(each.amount)
            for each in one.one.challans
            if each.act == "2025" and each.on_traces
        }
        assert {row["cin"]: row["challanAmount"] for row in rows} == expected
        assert all(row["challanAmount"].as_tuple().exponent == -2 for row in rows)


def test_consumed_and_available_make_the_amount_unless_overbooked() -> None:
    with traces() as one:
        one.login()
        one.one.challans[-1].claims.clear()
        for row in exact(challans(one))["content"]:
            made = row["consumedAmount"] + row["availableAmount"]
            assert (made > row["challanAmount"]) == (row["matchStatus"] == "Overbooked")
            assert made >= row["challanAmount"]
            assert (row["consumedAmount"] == 0) == (row["consumptionStatus"] == "Unconsumed")
            assert (row["availableAmount"] == 0) == (row["consumptionStatus"] == "Fully Consumed")


def test_no_challans_is_http_400_with_a_message() -> None:
    with traces() as one:
        one.login()
        found = challans(one, since="2026-11-20", toDate="2026-11-20", matchStatus="Unmatched")
        assert (found.status_code, found.json()) == (400, {"message": "No Challans Found"})


def test_challans_can_be_narrowed_by_status() -> None:
    with traces() as one:
        one.login()
        whole = exact(challans(one))["content"]
        for status in {row["consumptionStatus"] for row in whole}:
            found = exact(challans(one, consumptionStatus=[status], matchStatus=None))["content"]
            assert found == [row for row in whole if row["consumptionStatus"] == status]


def test_a_size_above_fifty_is_cut_to_fifty() -> None:
    deductors = population()
    first = next(each for each in deductors[0].challans if each.act == "2025")
    deductors[0].challans = [replace(first, serial=f"{at:05d}") for at in range(60)]
    with traces(deductors) as one:
        one.login()
        found = challans(one, size=500).json()
        assert (len(found["content"]), found["totalElements"], found["totalPages"]) == (50, 60, 2)


def test_certificates_page_by_ten_and_the_last_page_says_so() -> None:
    deductors = population()
    first = next(each for each in deductors[0].certificates if each.act == "2025")
    deductors[0].certificates = [replace(first, number=f"1AA{at:04d}TDP1A001") for at in range(25)]
    with traces(deductors) as one:
        one.login()
        pages = [
            one.post(CERTIFICATES, {"tan": one.one.tan, "pageNumber": at, "pageSize": 100}).json() for at in (1, 2, 3)
        ]  # fmt: skip
        assert [len(page["certificates"]) for page in pages] == [10, 10, 5]
        assert [page["hasNext"] for page in pages] == [True, True, False]
        numbers = [row["childCertNum"] for page in pages for row in page["certificates"]]
        assert numbers == sorted({each.number for each in deductors[0].certificates})


def test_every_certificate_in_the_list_has_a_detail() -> None:
    with traces() as one:
        one.login()
        rows = one.post(CERTIFICATES, {"tan": one.one.tan, "pageNumber": 1, "pageSize": 10}).json()[
            "certificates"
        ]
        assert rows
        for row in rows:
            asked = {"childCertNum": row["childCertNum"], "tan": one.one.tan, "pan": row["deducteePan"]}
            found = exact(one.get(CERTIFICATE, **asked))
            record = next(each for each in one.one.certificates if each.number == row["childCertNum"])
            assert found["balanceAvailable"] + found["amountConsumed"] == found["certificateAmount"]
            assert str(found["certificateRate"]) == record.rate
            assert (found["activeFlag"] == "N") == (record.cancelled_on is not None)
        missing = one.get(CERTIFICATE, childCertNum="X", tan=one.one.tan, pan=rows[0]["deducteePan"])
        assert (missing.status_code, missing.json()) == (400, {"message": "No Certificate Found"})


def test_the_list_of_requests_holds_those_of_the_new_act() -> None:
    with traces() as one:
        one.login()
        found = one.get(REQUESTS, userId=one.one.traces_user, page="0", size="50").json()
        expected = [each for each in one.one.requests if each.quarter.act == "2025"]
        assert found["totalElements"] == len(expected) > 0
        assert {row["requestId"] for row in found["content"]} == {each.number for each in expected}
        for row in found["content"]:
            assert (row["expiryDate"] is not None) == (row["status"] == "Available")
        one.one.requests.clear()
        assert one.get(REQUESTS).json() == {"content": [], "totalElements": 0, "totalPages": 0}


def test_a_question_that_cannot_be_read_is_refused() -> None:
    with traces() as one:
        one.login()
        assert challans(one, since="01-Apr-2026").json() == {"message": "Invalid request"}
        assert one.get(CERTIFICATE).status_code == 400


# --- faults and counting, on both portals


@pytest.mark.parametrize("status", [410, 429, 502, 503])
def test_a_status_can_be_armed_for_one_endpoint(status: int) -> None:
    with traces() as one:
        one.enter()
        one.arm("traces_old.demand", f"http_{status}", retry_after=3)
        found = one.servlet("TagChallanServlet", reqtype="0")
        assert (found.status_code, found.headers["retry-after"]) == (status, "3")
        assert one.servlet("TagChallanServlet", reqtype="1").status_code == 200


@pytest.mark.parametrize("name", ["html_page", "empty_body", "truncated_json"])
def test_a_body_can_be_damaged_on_either_portal(name: str) -> None:
    with traces() as one:
        one.enter()
        for endpoint in ("traces_old.unconsumed", "traces_new.challans"):
            one.arm(endpoint, name)
        for found in (one.servlet("GetUnconChlnDetailServlet", reqtype="0"), challans(one)):
            assert found.status_code == 200
            with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
                found.json()


def test_a_right_captcha_can_be_called_wrong() -> None:
    with traces() as one:
        one.arm("traces_new.login", "captcha_miss")
        assert one.login().json()["errorCode"] == "CPT400"
        one.board.armed.clear()
        assert one.login().status_code == 200


def test_a_deductor_can_be_suddenly_empty() -> None:
    with traces() as one:
        one.enter()
        names = (
            "traces_old.unconsumed",
            "traces_old.demand",
            "traces_old.demand_quarters",
            "traces_new.challans",
        )
        for endpoint in names:
            one.arm(endpoint, "suddenly_empty")
        assert one.servlet("GetUnconChlnDetailServlet", reqtype="0").json()["records"] == 0
        assert one.servlet("TagChallanServlet", reqtype="0").json() == {"rows": []}
        assert "<td>" not in one.web.get(f"{DED}viewdemandsum.xhtml?fy=2025").text
        assert challans(one).json() == {"message": "No Challans Found"}
        assert one.one.challans


def test_a_grid_can_promise_more_rows_than_it_gives() -> None:
    with traces() as one:
        one.enter()
        one.arm("traces_old.unconsumed", "wrong_count", more=3)
        one.arm("traces_new.challans", "wrong_count")
        old = one.servlet("GetUnconChlnDetailServlet", reqtype="0").json()
        assert old["records"] == len(old["rows"]) + 3
        new = challans(one).json()
        assert new["totalElements"] == len(new["content"]) + 1


@pytest.mark.parametrize("name", ["unknown_field", "missing_field", "type_change", "poison_row"])
def test_a_row_can_change_its_shape(name: str) -> None:
    with traces() as one:
        one.enter()
        clean = one.servlet("GetUnconChlnDetailServlet", reqtype="0").json()
        one.arm("traces_old.unconsumed", name, field="hidchlnamt" if name != "unknown_field" else "surprise")
        spoiled = one.servlet("GetUnconChlnDetailServlet", reqtype="0").json()
        assert spoiled["records"] == clean["records"]
        assert spoiled["rows"][0] != clean["rows"][0]


def test_a_gateway_can_fail_before_anybody_is_known() -> None:
    with traces() as one:
        one.arm("traces_new.captcha", "http_502")
        assert one.web.get("/traces-app/loginservice/api/auth/generateCaptcha").status_code == 502
        one.board.armed.clear()
        assert one.login().status_code == 200


def test_calls_are_counted_by_tan_and_endpoint() -> None:
    with traces() as one:
        one.enter()
        for _ in range(3):
            one.servlet("TagChallanServlet", reqtype="0")
        one.web.get(f"{DED}dashboard.xhtml")
        tan = one.one.tan
        assert one.portal.calls == {
            ("", "traces_new.captcha"): 1,
            (tan, "traces_new.login"): 1,
            (tan, "traces_old.bridge"): 1,
            (tan, "traces_old.demand"): 3,
            (tan, "traces_old.dashboard"): 1,
        }
        assert one.board.asked[0] == ("", "traces", "traces_new.captcha")
        assert one.board.asked[-1] == (one.one.client_id, "traces", "traces_old.dashboard")


@pytest.mark.parametrize("day", [date(2025, 1, 1), date(2026, 12, 31)])
def test_days_are_written_as_the_old_portal_does_and_read_back(day: date) -> None:
    assert show.read_dmy(show.dmy(day)) == day
