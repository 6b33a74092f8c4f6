"""The e-filing portal as one request handler under ``/eportal``.

Every answer is counted by TAN and endpoint and passes the armed faults. What tests and the demo may change beside the
wire stands in `sessions`; no answer of the portal depends on it being asked.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from http.cookies import SimpleCookie
from typing import Any, TypeVar

from simulators.faults import BODIES, PAYLOADS, TOXICS, Fault, mutate
from simulators.http import Request, Response
from simulators.income_tax import rows
from simulators.income_tax import sessions as codes
from simulators.income_tax.sessions import Session, Sessions
from simulators.tds.faults import FaultBoard
from simulators.tds.records import Deductor

Json = dict[str, Any]
Row = TypeVar("Row")
PREFIX = "/eportal"
IDLE_SECONDS = 900.0
COOKIE = "XSRF-TOKEN"
LOGIN = "/iec/loginapi/login"
PATHS = {
    "/iec/loginapi/auth/chooseAct": "choose_act",
    "/iec/loginapi/auth/extendSession": "extend",
    "/iec/loginapi/auth/logout": "logout",
    "/iec/paymentapi/auth/challan/paymenthistory": "payment_history",
    "/iec/paymentapi/auth/challan/paymentdetails": "payment_details",
    "/iec/paymentapi/auth/challan/downloadCSI": "csi",
    "/iec/servicesapi/auth/saveEntity": "filed_forms",
    "/iec/returnservicesapi/auth/getEntity": "proceedings",
}
MESSAGES = {
    codes.WRONG: "Invalid Password, Please retry.",
    codes.LOCKED: "Your account is locked due to 5 unsuccessful attempts. Retry after 30 minutes or unlock it.",
    codes.EXPIRED: "Your password has expired. Please reset it.",
    codes.SECOND_FACTOR: "e-Filing Vault Higher Security is enabled. Choose a second factor.",
    codes.DUAL: "Dual Login Detected. You are logged in elsewhere. Login Here",
    codes.NO_REQUEST: "Invalid request, please start again.",
    codes.UNREGISTERED: "The TAN is not registered with e-Filing.",
    codes.OVER: "Session expired",
    "EF00403": "Not allowed",
    "EF00400": "Invalid request",
    "EF30010": "No record found",
}


class IncomeTaxPortal:
    """The portal.

    Args:
        population: the deductors; they may be changed while the portal runs.
        today: gives the simulated day.
        faults: where faults are armed; asked once for each request.
        clock: seconds; lock-outs and sessions run on it.
        idle_seconds: how long a login lasts without a call.
    """

    def __init__(
        self,
        population: Sequence[Deductor],
        today: Callable[[], date],
        faults: FaultBoard,
        *,
        clock: Callable[[], float] = time.time,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.sessions = Sessions(clock, idle_seconds)
        self._population = population
        self._today = today
        self._faults = faults

    def handle(self, request: Request) -> Response:
        """Answer any request; the path still has its prefix."""
        path = request.path.removeprefix(PREFIX)
        body = request.json()
        if request.method != "POST" or (path != LOGIN and path not in PATHS):
            return _plain("Not Found", 404)
        if path == LOGIN:
            one = self._deductor(str(body.get("entity", "")))
            return self._served(one, "login", lambda: self._login(one, body))
        name = PATHS[path]
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        token, xsrf = request.headers.get("authtoken", ""), request.headers.get("x-xsrf-token", "")
        if not (token and xsrf and cookie and request.headers.get("sn")):
            return _plain("Internal Server Error", 500)
        session, refusal = self.sessions.find(token, xsrf)
        if session is None or cookie.value != xsrf:
            return self._served(None, name, lambda: _refused(refusal or codes.OVER, 401))
        one = self._deductor(session.tan)
        return self._served(one, name, lambda: self._answer(one, session, name, body))

    def _deductor(self, tan: str) -> Deductor | None:
        return next((one for one in self._population if one.tan == tan), None)

    def _served(self, one: Deductor | None, name: str, answer: Callable[[], Response]) -> Response:
        """Count a call and answer it with the faults armed for it."""
        self.calls[(one.tan if one else "", name)] += 1
        client = one.client_id if one else ""
        picked = self._faults.pick(client=client, portal="income_tax", endpoint=f"income_tax.{name}")
        response = _faulty(picked) or _spoiled(answer(), picked)
        response.faults = [fault for fault in picked if fault.name in (*TOXICS, *BODIES)]
        return response

    # --- login

    def _login(self, one: Deductor | None, body: Json) -> Response:
        if one is None:
            return _refused(codes.UNREGISTERED)
        account = self.sessions.account(one.tan)
        if "pass" not in body:
            return _ok(
                {
                    "reqId": self.sessions.ask(one.tan),
                    "entity": one.tan,
                    "role": "TAN",
                    "vault": account.has_vault,
                }
            )
        code = self.sessions.refuse(
            one.tan,
            str(body.get("reqId", "")),
            is_right=body["pass"] == one.efiling_password,
            force=body.get("dualLogin") == "Y",
        )
        if code != codes.OK:
            return _refused(code)
        session = self.sessions.open(one.tan)
        response = _ok({"authToken": session.token, "userId": one.tan, "role": "TAN"})
        response.headers["Set-Cookie"] = f"{COOKIE}={session.xsrf}; Path={PREFIX}; HttpOnly"
        return response

    # --- after login

    def _answer(self, one: Deductor | None, session: Session, name: str, body: Json) -> Response:
        if one is None:
            return _refused(codes.OVER, 401)
        asked: Json = {**body, **body.get("formData", {})}
        named = {asked.get(key, one.tan) for key in ("userId", "pan", "entityNum", "loggedInUserID")}
        if named != {one.tan}:
            return _refused("EF00403", 403)
        answers: dict[str, Callable[[Deductor, Session, Json], Response]] = {
            "choose_act": self._choose, "extend": self._extend, "logout": self._logout,
            "payment_history": self._history, "payment_details": self._details, "csi": self._csi,
            "filed_forms": self._forms, "proceedings": self._proceedings,
        }  # fmt: skip
        return answers[name](one, session, asked)

    def _choose(self, _: Deductor, session: Session, asked: Json) -> Response:
        if asked.get("actType") not in rows.ACTS:
            return _refused("EF00400")
        session.act = str(asked["actType"])
        return _ok({"actType": session.act})

    def _extend(self, _: Deductor, __: Session, ___: Json) -> Response:
        return _ok({})

    def _logout(self, one: Deductor, _: Session, __: Json) -> Response:
        self.sessions.close(one.tan)
        return _ok({})

    def _act(self, session: Session, asked: Json) -> str:
        """Give the Act of a question; nobody is asked before one was chosen, then it is the old one."""
        return rows.ACTS.get(str(asked.get("actType")) if session.act else "O", "1961")

    def _history(self, one: Deductor, session: Session, asked: Json) -> Response:
        found = rows.payments(one, self._act(session, asked), self._today())
        page = [rows.payment_row(each) for each in _page(found, asked, "pageNumber")]
        return _ok({"paymentList": {"content": page, "totalElements": len(found)}})

    def _details(self, one: Deductor, _: Session, asked: Json) -> Response:
        every = (each for act in rows.ACTS.values() for each in rows.payments(one, act, self._today()))
        found = next((each for each in every if each.cin == asked.get("cin")), None)
        return _ok({"paymentDetails": rows.payment_details(found)}) if found else _refused("EF30010")

    def _csi(self, one: Deductor, session: Session, asked: Json) -> Response:
        try:
            first, last = (date.fromisoformat(str(asked.get(name))) for name in ("fromDate", "toDate"))
        except ValueError:
            return _refused("EF00400")
        found = rows.payments(one, self._act(session, asked), self._today())
        return _ok({"csiResponse": rows.csi(one, [each for each in found if first <= each.paid_on <= last])})

    def _forms(self, one: Deductor, _: Session, asked: Json) -> Response:
        wanted, today = asked.get("formTypeCd") or "", self._today()
        found = [each for each in one.statements if wanted in {"", each.form} and each.filed_on <= today]
        found.sort(key=lambda each: (each.filed_on, each.token), reverse=True)
        page = [rows.form_row(each, today) for each in _page(found, asked, "currentPage")]
        return _ok({"totalElements": len(found), "forms": page})

    def _proceedings(self, one: Deductor, _: Session, asked: Json) -> Response:
        to_answer = asked.get("prcdngStatusFlag") == "FYA"
        found = [
            each
            for each in one.notices
            if each.portal == "income_tax"
            and each.needs_action == to_answer
            and each.issued_on <= self._today()
        ]
        return _ok({"eProceedings": [rows.proceeding_row(each) for each in reversed(found)]})


def _page(found: Sequence[Row], asked: Json, name: str) -> Sequence[Row]:
    """Cut out the page that was asked for; at most 10000 rows."""
    number, size = int(asked.get(name) or 0), min(int(asked.get("pageSize") or 10), 10_000)
    return found[number * size : (number + 1) * size]


def _ok(values: Json) -> Response:
    message = {"type": "INFO", "code": codes.OK, "desc": "OK"}
    return Response.of({"successFlag": True, "messages": [message], **values})


def _refused(code: str, status: int = 200) -> Response:
    message = {"type": "ERROR", "code": code, "desc": MESSAGES.get(code, "Request cannot be processed")}
    return Response.of({"successFlag": False, "messages": [message]}, status)


def _plain(text: str, status: int) -> Response:
    return Response.of({"message": text}, status)


def _faulty(picked: Sequence[Fault]) -> Response | None:
    """Answer the faults that replace the whole answer."""
    for fault in picked:
        if fault.status is not None:
            refused = _plain("simulated", fault.status)
            if "retry_after" in fault.params:
                refused.headers["Retry-After"] = str(fault.params["retry_after"])
            return refused
        if fault.code is not None:
            return _refused(fault.code)
    return None


def _spoiled(response: Response, picked: Sequence[Fault]) -> Response:
    """Put the faults of the payload into an answer."""
    spoiling = [one for one in picked if one.name in {*PAYLOADS, "wrong_count"}]
    if not spoiling or response.status != 200:
        return response
    payload: Json = mutate(json.loads(response.body), spoiling)
    for fault in spoiling:
        holder = payload.get("paymentList", payload)
        if "totalElements" in holder and fault.name == "suddenly_empty":
            holder["totalElements"] = 0
        if "totalElements" in holder and fault.name == "wrong_count":
            holder["totalElements"] += fault.params.get("more", 1)
    changed = Response.of(payload)
    changed.headers = response.headers
    return changed
