"""The simulated e-filing portal behaves as the reference tells: logins, headers, Acts, oddities of its rows, faults."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.faults import TOXICS
from simulators.http import Request, Response
from simulators.income_tax.portal import IncomeTaxPortal
from simulators.tds.faults import FaultBoard
from simulators.tds.population import build
from simulators.tds.process import start
from simulators.tds.records import Deductor

Json = dict[str, Any]
TODAY = date(2026, 11, 20)
LOGIN = "/iec/loginapi/login"
ACT = "/iec/loginapi/auth/chooseAct"
EXTEND = "/iec/loginapi/auth/extendSession"
LOGOUT = "/iec/loginapi/auth/logout"
HISTORY = "/iec/paymentapi/auth/challan/paymenthistory"
DETAILS = "/iec/paymentapi/auth/challan/paymentdetails"
CSI = "/iec/paymentapi/auth/challan/downloadCSI"
FORMS = "/iec/servicesapi/auth/saveEntity"
PROCEEDINGS = "/iec/returnservicesapi/auth/getEntity"


class Caller:
    """Calls the portal in process, with a clock that a test turns."""

    def __init__(self) -> None:
        self.deductors = build(7, 3)
        self.now = 1_000_000.0
        self.faults = FaultBoard()
        self.portal = IncomeTaxPortal(self.deductors, lambda: TODAY, self.faults, clock=lambda: self.now)
        self.headers: dict[str, str] = {}

    @property
    def one(self) -> Deductor:
        return self.deductors[0]

    def raw(self, path: str, body: Json, headers: dict[str, str] | None = None) -> Response:
        sent = self.headers if headers is None else headers
        return self.portal.handle(Request("POST", f"/eportal{path}", {}, sent, json.dumps(body).encode()))

    def ask(self, path: str, body: Json) -> Json:
        found: Json = json.loads(self.raw(path, body).body)
        return found

    def login(self, password: str = "", one: Deductor | None = None, dual: str = "N") -> str:
        """Log in with two steps; gives the code of the answer."""
        who = one or self.one
        first = self.ask(LOGIN, {"serviceName": "loginService", "entity": who.tan})
        body = {
            "serviceName": "loginService", "reqId": first.get("reqId", ""), "entity": who.tan,
            "pass": password or who.efiling_password, "dualLogin": dual,
        }  # fmt: skip
        response = self.raw(LOGIN, body)
        found = json.loads(response.body)
        if found["successFlag"]:
            xsrf = response.headers["Set-Cookie"].split(";")[0].removeprefix("XSRF-TOKEN=")
            self.headers = {
                "x-xsrf-token": xsrf, "authtoken": found["authToken"], "sn": "loginService",
                "cookie": f"XSRF-TOKEN={xsrf}",
            }  # fmt: skip
        return str(found["messages"][0]["code"])

    def history(self, act: str, page: int = 0, size: int = 100) -> Json:
        form = {"pan": self.one.tan, "actType": act, "pageNumber": page, "pageSize": size}
        found: Json = self.ask(HISTORY, {"formData": form})["paymentList"]
        return found


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def inside(caller: Caller) -> Caller:
    assert caller.login() == "EF00000"
    assert caller.ask(ACT, {"actType": "O"})["actType"] == "O"
    return caller


def test_the_fifth_wrong_password_in_a_row_locks_for_thirty_minutes(caller: Caller) -> None:
    assert [caller.login("wrong") for _ in range(5)] == ["EF00054"] * 4 + ["EF00027"]
    assert caller.login() == "EF00027"
    caller.now += 1799
    assert caller.login() == "EF00027"
    caller.now += 2
    assert caller.login() == "EF00000"


def test_a_right_password_forgets_the_wrong_ones_before_it(caller: Caller) -> None:
    assert [caller.login("wrong") for _ in range(4)] == ["EF00054"] * 4
    assert caller.login() == "EF00000"
    assert caller.login("wrong") == "EF00054"


def test_unregistered_expired_second_factor_and_stale_request_are_told_apart(caller: Caller) -> None:
    found = caller.ask(LOGIN, {"entity": "AAAA00000A"})
    assert found["messages"][0]["code"] == "EF00022"
    account = caller.portal.sessions.account(caller.one.tan)
    account.is_expired = True
    assert caller.login() == "EF00177"
    account.is_expired, account.has_vault = False, True
    assert caller.ask(LOGIN, {"entity": caller.one.tan})["vault"] is True
    assert caller.login() == "EF00136"
    account.has_vault = False
    body = {"entity": caller.one.tan, "reqId": "x", "pass": caller.one.efiling_password}
    assert caller.ask(LOGIN, body)["messages"][0]["code"] == "EF00055"


def test_a_second_login_is_a_dual_login_until_the_first_is_over(inside: Caller) -> None:
    assert inside.login() == "EF00177D"
    inside.now += 901
    assert inside.login() == "EF00000"
    assert inside.ask(LOGOUT, {"userId": inside.one.tan})["successFlag"]
    assert inside.login() == "EF00000"
    old = dict(inside.headers)
    assert inside.login(dual="Y") == "EF00000"
    assert inside.raw(EXTEND, {"userId": inside.one.tan}, old).status == 401


def test_somebody_elses_login_ends_ours(inside: Caller) -> None:
    inside.portal.sessions.account(inside.one.tan).is_elsewhere = True
    answer = inside.raw(EXTEND, {"userId": inside.one.tan})
    assert answer.status == 401
    assert json.loads(answer.body)["messages"][0]["code"] == "EF00177D"
    assert inside.login() == "EF00177D"


@pytest.mark.parametrize("missing", ["x-xsrf-token", "authtoken", "sn", "cookie"])
def test_a_missing_header_is_an_internal_error_and_a_wrong_one_ends_the_session(
    inside: Caller, missing: str
) -> None:
    body = {"userId": inside.one.tan}
    without = {name: value for name, value in inside.headers.items() if name != missing}
    assert inside.raw(EXTEND, body, without).status == 500
    if missing != "sn":
        wrong = {**inside.headers, missing: "XSRF-TOKEN=wrong"}
        assert inside.raw(EXTEND, body, wrong).status == 401
    assert inside.raw(EXTEND, body).status == 200


def test_keep_alive_keeps_a_session_and_silence_ends_it(inside: Caller) -> None:
    for _ in range(5):
        inside.now += 600
        assert inside.ask(EXTEND, {"userId": inside.one.tan})["successFlag"]
    inside.now += 901
    assert inside.raw(EXTEND, {"userId": inside.one.tan}).status == 401


def test_a_session_never_opens_another_tans_data(inside: Caller) -> None:
    other = inside.deductors[1].tan
    for path, body in (
        (HISTORY, {"formData": {"pan": other, "actType": "O"}}),
        (DETAILS, {"formData": {"cin": "x", "entityNum": other}}),
        (FORMS, {"entityNum": other}),
        (PROCEEDINGS, {"pan": other, "prcdngStatusFlag": "FYA"}),
        (EXTEND, {"userId": other}),
    ):
        assert inside.raw(path, body).status == 403


def test_before_the_act_is_chosen_every_answer_is_for_the_old_act(caller: Caller) -> None:
    caller.login()
    before = caller.history("N")
    caller.ask(ACT, {"actType": "N"})
    after = caller.history("N")
    assert before == caller.history("O")
    assert {row["secCd"] for row in before["content"]}.isdisjoint({row["secCd"] for row in after["content"]})
    assert caller.ask(ACT, {"actType": "X"})["successFlag"] is False


@pytest.mark.parametrize(("act", "law"), [("O", "1961"), ("N", "2025")])
def test_pages_of_the_payment_history_hold_every_challan_once(inside: Caller, act: str, law: str) -> None:
    expected = {each.cin for each in inside.one.challans if each.act == law and each.mode == "C"}
    first = inside.history(act, 0, 7)
    pages = [inside.history(act, page, 7)["content"] for page in range(first["totalElements"] // 7 + 2)]
    found = [row["cin"] for page in pages for row in page]
    assert len(found) == first["totalElements"]
    assert set(found) == expected


def test_rows_have_the_oddities_of_the_portal_and_details_have_none(inside: Caller) -> None:
    by_cin = {each.cin: each for each in inside.one.challans}
    rows = [*inside.history("O")["content"], *inside.history("N")["content"]]
    assert any(isinstance(row["bsrCode"], int) and len(str(row["bsrCode"])) < 7 for row in rows)
    assert any(row["challanNum"] == row["crn"] for row in rows)
    assert any(row["challanNum"] != row["crn"] for row in rows)
    assert any("assmentYear" in row for row in rows)
    assert any(row["basicTax"] is None and row["jsonData"] is None for row in rows)
    for row in rows:
        challan = by_cin[row["cin"]]
        assert int(row["bsrCode"]) == int(challan.bsr)
        assert row["alternateCin"] == f"{challan.bsr}{challan.paid_on:%d%m%Y}{challan.serial}"
        body = {"formData": {"cin": row["cin"], "entityNum": inside.one.tan}}
        details = inside.ask(DETAILS, body)["paymentDetails"]
        inner = json.loads(row["jsonData"] or details["jsonData"])
        names = ("basicTax", "surCharge", "eduCess", "interest", "penalty", "others")
        for source in (details, inner):
            assert tuple(round(source[name] * 100) for name in names) == (
                *challan.heads[:5],
                challan.heads[5],
            )
            assert source["challanNum"] == challan.serial
        assert (details["bsrCd"], inner["bsrCode"]) == (challan.bsr, challan.bsr)
        assert round(details["totalAmount"] * 100) == challan.amount
    unknown = inside.ask(DETAILS, {"formData": {"cin": "x", "entityNum": inside.one.tan}})
    assert unknown["messages"][0]["code"] == "EF30010"


def test_filed_forms_carry_the_tokens_of_traces(inside: Caller) -> None:
    def forms(kind: str, page: int = 0) -> Json:
        body = {"entityNum": inside.one.tan, "formTypeCd": kind, "currentPage": str(page), "pageSize": "4"}
        return inside.ask(FORMS, body)

    found = forms("26Q")
    rows = [row for page in range(3) for row in forms("26Q", page)["forms"]]
    expected = {each.token: each for each in inside.one.statements if each.form == "26Q"}
    assert {row["ackNum"] for row in rows} == set(expected)
    assert len(rows) == found["totalElements"]
    assert {row["filingTypeCd"] for row in rows} == {"Original", "Revised"}
    assert forms("")["totalElements"] == len(inside.one.statements)
    assert {row["financialYr"] for row in forms("140")["forms"]} == {"2026-27"}


def test_proceedings_to_answer_and_to_read_are_separate(inside: Caller) -> None:
    def proceedings(flag: str) -> list[Json]:
        body = {"pan": inside.one.tan, "prcdngStatusFlag": flag}
        found: list[Json] = inside.ask(PROCEEDINGS, body)["eProceedings"]
        return found

    to_answer, to_read = proceedings("FYA"), proceedings("FYI")
    assert all(row["responseDueDate"] for row in to_answer)
    assert [row["responseDueDate"] for row in to_read] == [None]
    numbers = {row["documentIdNo"] for row in (*to_answer, *to_read)}
    assert numbers == {each.reference for each in inside.one.notices if each.portal == "income_tax"}


def test_a_challan_status_file_without_challans_says_so(inside: Caller) -> None:
    def csi(first: str, last: str) -> Json:
        form = {"pan": inside.one.tan, "fromDate": first, "toDate": last, "actType": "O"}
        return inside.ask(CSI, {"formData": form})

    assert csi("2020-01-01", "2020-12-31")["csiResponse"] == "No Data found"
    assert inside.one.tan in csi("2025-04-01", "2026-03-31")["csiResponse"]
    assert csi("yesterday", "2026-03-31")["successFlag"] is False


def test_faults_hit_the_client_portal_and_endpoint_they_were_armed_for(inside: Caller) -> None:
    inside.faults.arm({"name": "http_503", "client": "C0002"})
    inside.faults.arm({"name": "http_502", "portal": "traces"})
    inside.faults.arm(
        {"name": "http_429", "endpoint": "income_tax.csi", "times": 1, "params": {"retry_after": 3}}
    )
    form = {"formData": {"pan": inside.one.tan, "fromDate": "2025-04-01", "toDate": "2025-06-01"}}
    assert inside.raw(HISTORY, form).status == 200
    refused = inside.raw(CSI, form)
    assert (refused.status, refused.headers) == (429, {"Retry-After": "3"})
    assert inside.raw(CSI, form).status == 200
    inside.faults.arm({"name": "error_code:EF99999", "times": 1})
    assert inside.ask(EXTEND, {})["successFlag"] is True
    assert inside.ask(HISTORY, form)["messages"][0]["code"] == "EF99999"
    inside.faults.arm({"name": "suddenly_empty", "times": 1})
    assert inside.history("O") == {"content": [], "totalElements": 0}
    inside.faults.arm({"name": "wrong_count", "times": 1, "params": {"more": 5}})
    wrong = inside.history("O")
    assert wrong["totalElements"] == len(wrong["content"]) + 5
    inside.faults.arm({"name": "html_page", "times": 1})
    assert [one.name for one in inside.raw(HISTORY, form).faults] == ["html_page"]
    for wanted in ({"name": "nonsense"}, {"name": TOXICS[0], "colour": "red"}):
        with pytest.raises(ValueError, match=r"nonsense|colour"):
            inside.faults.arm(wanted)


def test_calls_are_counted_by_tan_and_endpoint(inside: Caller) -> None:
    inside.history("O")
    inside.history("N")
    counted = {name: count for (tan, name), count in inside.portal.calls.items() if tan == inside.one.tan}
    assert counted == {"login": 2, "choose_act": 1, "payment_history": 2}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    state: Path = tmp_path_factory.mktemp("portals")
    with start(state, clients=2) as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        client.headers["x-state"] = str(state)
        yield client


def enter(web: httpx.Client, one: Deductor) -> dict[str, str]:
    web.cookies.clear()
    web.post("/control/expire-sessions", json={"tan": one.tan})
    first = web.post(f"/eportal{LOGIN}", json={"serviceName": "loginService", "entity": one.tan}).json()
    body = {"entity": one.tan, "reqId": first["reqId"], "pass": one.efiling_password, "dualLogin": "N"}
    second = web.post(f"/eportal{LOGIN}", json=body).json()
    return {"AuthToken": second["authToken"], "X-XSRF-TOKEN": web.cookies["XSRF-TOKEN"], "sn": "loginService"}


@pytest.mark.integration
def test_one_process_serves_both_portals_and_the_control(web: httpx.Client) -> None:
    one = build(7, 2)[0]
    web.delete("/control/stats")
    headers = enter(web, one)
    assert web.post(f"/eportal{ACT}", json={"actType": "N"}, headers=headers).json()["successFlag"]
    form = {"formData": {"pan": one.tan, "actType": "N", "pageNumber": 0, "pageSize": 100}}
    rows = web.post(f"/eportal{HISTORY}", json=form, headers=headers).json()["paymentList"]
    assert rows["totalElements"] == sum(each.act == "2025" for each in one.challans)
    captcha = web.get("/traces-app/loginservice/api/auth/generateCaptcha").json()["id"]
    assert len(web.get("/control/captcha", params={"id": captcha}).json()["text"]) == 6
    assert web.get("/control/health").json() == {"status": "ok", "today": "2026-11-20", "clients": 2}
    calls = web.get("/control/stats").json()["by"]["endpoint"]
    assert calls["income_tax.login"] == 2
    assert calls["traces_new.captcha"] == 1
    assert web.get("/elsewhere").status_code == 404
    assert web.get("/control/elsewhere").status_code == 404
    state = Path(web.headers["x-state"])
    assert {each.name for each in state.iterdir()} >= {"clients.csv", "passwords.csv", "portals.json"}
    assert json.loads((state / "counts.json").read_text())["C0001"]["challans"] == len(one.challans)


@pytest.mark.integration
def test_the_control_changes_accounts_sessions_and_the_world(web: httpx.Client) -> None:
    one = build(7, 2)[1]
    who = {"client_id": one.client_id, "portal": "income_tax"}

    def control(name: str, **values: object) -> Json:
        found: Json = web.post(f"/control/{name}", json={**who, **values}).json()
        return found

    headers = enter(web, one)
    body = {"userId": one.tan}
    assert web.post(f"/eportal{EXTEND}", json=body, headers=headers).status_code == 200
    assert control("expire-sessions") == {"expired": 1}
    assert web.post(f"/eportal{EXTEND}", json=body, headers=headers).status_code == 401

    def login(password: str) -> str:
        first = web.post(f"/eportal{LOGIN}", json={"entity": one.tan}).json()
        body = {"entity": one.tan, "reqId": first["reqId"], "pass": password}
        return str(web.post(f"/eportal{LOGIN}", json=body).json()["messages"][0]["code"])

    control("foreign-session", open=True)
    assert login(one.efiling_password) == "EF00177D"
    control("foreign-session", open=False)
    control("lock", seconds=600)
    assert login(one.efiling_password) == "EF00027"
    control("lock", seconds=0)
    control("second-factor", on=True)
    assert login(one.efiling_password) == "EF00136"
    control("second-factor", on=False)
    control("password", password="new", expired=True)
    assert login(one.efiling_password) == "EF00054"
    assert login("new") == "EF00177"
    control("password", expired=False)
    assert login("new") == "EF00000"
    for name in ("foreign-session", "lock", "password", "expire-sessions"):
        assert "error" not in control(name, portal="traces", seconds=0, open=False)
    assert control("challan")["amount"] > 0
    assert control("today", today="2026-11-25") == {"today": "2026-11-25"}
    assert control("new-day") == {"today": "2026-11-26"}
    assert web.post("/control/correction", json={"client_id": "C0001"}).json()["form"] == "24Q"
    assert web.post("/control/correction", json={"client_id": "C9999"}).status_code == 400
    control("today", today="2026-11-20")


@pytest.mark.integration
def test_the_control_arms_faults_and_forgets_them(web: httpx.Client) -> None:
    one = build(7, 2)[0]
    headers = enter(web, one)
    armed = {"name": "reset_peer", "client_id": "C0001", "endpoint": "income_tax.proceedings"}
    assert web.post("/control/faults", json=armed).json() == {"armed": "reset_peer", "count": 1}
    body = {"pan": one.tan, "prcdngStatusFlag": "FYA"}
    with pytest.raises(httpx.TransportError):
        web.post(f"/eportal{PROCEEDINGS}", json=body, headers=headers)
    assert web.get("/control/faults").json() == {"armed": ["reset_peer"]}
    assert web.delete("/control/faults").json() == {"count": 0}
    assert web.post(f"/eportal{PROCEEDINGS}", json=body, headers=headers).status_code == 200
    assert web.post("/control/faults", json={"name": "nonsense"}).status_code == 400
    assert web.delete("/control/stats").json() == {"reset": True}
    assert web.get("/control/stats").json()["total"] == 0
