"""The wire of a wrapper provider: plain JSON under `/sandbox`, with tokens without "Bearer" and months as MM.

Payloads are the same as on the other wire; only the envelope, the paths and the sessions differ.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from simulators.gst import service as accounts
from simulators.gst.errors import message
from simulators.gst.parties import Client
from simulators.gst.portal import Answer, PortalError
from simulators.gst.service import Service
from simulators.gst.sessions import Session
from simulators.http import Request, Response

Json = dict[str, Any]
BASE = "/gst/compliance"
STATEMENTS = {
    "gstr-1": "GSTR1",
    "gstr-1a": "GSTR1A",
    "gstr-2a": "GSTR2A",
    "gstr-2b": "GSTR2B",
    "gstr-3b": "GSTR3B",
}
SECTION_ACTIONS = {"hsn": "HSNSUM", "doc-issue": "DOCISS"}
THREE_B = {
    "": "RETSUM",
    "auto-liability": "AUTOLIAB",
    "auto-liability-calc": "AUTOLIAB",
    "interest": "RETINT",
}


class SandboxWire:
    """Answers requests under `/sandbox`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._apps: set[str] = set()

    def handle(self, request: Request) -> Response:  # noqa: PLR0911 - one return per case
        """Answer a request; the path has lost its `/sandbox`."""
        if (limited := self._service.limited("sandbox")) is not None:
            return limited
        headers = request.headers
        if headers.get("x-api-key") != accounts.SANDBOX_KEY:
            return self._unauthorised("Invalid API key")
        if request.path == "/authenticate":
            return self._login(request)
        path = request.path.removeprefix(BASE)
        if path.startswith("/public/"):
            return self._public(request, path)
        if path in {"/tax-payer/otp", "/tax-payer/otp/verify"}:
            return self._otp(request, path)
        if path.startswith("/tax-payer/"):
            return self._data(request, path.removeprefix("/tax-payer/").split("/"))
        return Response.of({"code": 404, "message": "Not found"}, 404)

    @staticmethod
    def _unauthorised(text: str) -> Response:
        return Response.of({"code": 401, "message": text, "transaction_id": str(uuid.uuid4())}, 401)

    @staticmethod
    def _ok(data: Json) -> Response:
        return Response.of({"code": 200, "transaction_id": str(uuid.uuid4()), "data": data})

    def _refuse(self, code: str) -> Response:
        return self._ok({"status_cd": "0", "error": {"error_cd": code, "message": message(code)}})

    def _login(self, request: Request) -> Response:
        self._service.count("auth", "", "authenticate", "APP", "")
        if request.headers.get("x-api-secret") != accounts.SANDBOX_SECRET:
            return self._unauthorised("Invalid API secret")
        token = uuid.uuid4().hex
        self._apps.add(token)
        return Response.of(
            {
                "code": 200,
                "access_token": token,
                "transaction_id": str(uuid.uuid4()),
                "data": {"access_token": token},
            }
        )

    def _public(self, request: Request, path: str) -> Response:
        if request.headers.get("authorization") not in self._apps:
            return self._unauthorised("Invalid access token")
        portal, query, body = self._service.portal, request.query, request.json()
        gstin = str(body.get("gstin") or query.get("gstin", ""))
        year = query.get("financial_year") or str(body.get("financial_year", ""))
        client = portal.country.by_gstin.get(gstin)
        action = "RETTRACK" if path.endswith("/track") else "TP"
        self._service.count("public", gstin, "public", action, year)

        def ask() -> Answer:
            if client is None:
                raise PortalError("FO8000")
            if action == "RETTRACK":
                return portal.track(gstin, year, query.get("gstr", ""))
            return Answer.of("SEARCH", "", portal.register.search(client.party))

        return self._service.serve(
            client, "public", action, "", ask, lambda answer, _: self._wrap(answer), self._refuse
        )

    def _otp(self, request: Request, path: str) -> Response:
        if request.headers.get("authorization") not in self._apps:
            return self._unauthorised("Invalid access token")
        body = request.json()
        client = self._service.portal.country.by_username.get(str(body.get("username", "")))
        action = "AUTHTOKEN" if path.endswith("verify") else "OTPREQUEST"
        self._service.count("auth", str(body.get("gstin", "")), "authenticate", action, "")
        if client is None or client.gstin != body.get("gstin"):
            return self._refuse("AUTH158")
        for fault in self._service.faults.pick(
            gstin=client.gstin, endpoint="authenticate", action=action, section=""
        ):
            if fault.code:
                return self._refuse(fault.code)
        try:
            if action == "OTPREQUEST":
                self._service.sessions.request_otp(client)
                return self._ok({"status_cd": "1", "message": "OTP sent"})
            return self._tokens(self._service.sessions.login(client, request.query.get("otp", "")))
        except PortalError as error:
            return self._refuse(error.code)

    def _tokens(self, session: Session) -> Response:
        ends = self._service.sessions.consent_ends(session.client)
        return self._ok(
            {"status_cd": "1", "access_token": session.token, "refresh_token": session.refresh,
             "token_expiry": int(session.dies * 1000), "session_expiry": int(ends * 1000),
             "username": session.client.username, "issued": datetime.now(UTC).isoformat()}
        )  # fmt: skip

    def _wrap(self, answer: Answer) -> Response:
        status = b"3" if b'"fc":' in answer.text and b'"docdata"' not in answer.text else b"1"
        head = f'{{"code":200,"transaction_id":"{uuid.uuid4()}","data":{{"status_cd":"'.encode()
        return Response(head + status + b'","data":' + answer.text + b"}}")

    def _data(self, request: Request, parts: list[str]) -> Response:
        token = request.headers.get("authorization", "")
        try:
            if parts[0] == "session":
                self._service.count("auth", "", "authenticate", "REFRESHTOKEN", "")
                return self._tokens(self._service.sessions.refresh(token))
            session = self._service.sessions.check(token)
        except PortalError as error:
            return self._unauthorised(message(error.code))
        if parts[0] == "logout":
            self._service.sessions.logout(token)
            return self._ok({"status_cd": "1"})
        client = session.client
        try:
            statement, action, params = self._route(request, parts)
        except (ValueError, IndexError):
            return Response.of({"code": 404, "message": "Not found"}, 404)
        endpoint = {"LEDGER": "ledgers", "IMS": "ims", "NOTICES": "notices"}.get(statement, statement.lower())
        period = params.get("ret_period", params.get("rtnprd", ""))
        self._service.count("data", client.gstin, endpoint, action, period)
        return self._service.serve(
            client, endpoint, action, params.get("section", ""), lambda: self._ask(client, statement, action, params),
            lambda answer, _: self._wrap(answer), self._refuse,
        )  # fmt: skip

    def _ask(self, client: Client, statement: str, action: str, params: dict[str, str]) -> Answer:
        portal = self._service.portal
        if action == "GEN2B":
            return Answer.of("QUEUED", "", {"reference_id": portal.generate(client, params["ret_period"])})
        if action in {"GENSTS2B", "STATUS"}:
            reference = params.get("reference_id", "")
            job = portal.files.job(reference)
            if job is None or job.gstin != client.gstin:
                return Answer.of("QUEUED", "", portal.job(client, reference))
            found = portal.files.ready(reference)
            if found is None:
                raise PortalError("RTN_24")
            self._service.truth.served(
                gstin=client.gstin, period=job.period, statement=job.statement, payload=job.payload,
                mark=reference, day=portal.today,
            )  # fmt: skip
            return Answer.of("QUEUED", "", found)
        return portal.ask(client, statement, action, params)

    @staticmethod
    def _route(request: Request, parts: list[str]) -> tuple[str, str, dict[str, str]]:  # noqa: PLR0911 - one return per case
        """Turn a path into a statement, an action and parameters.

        Raises:
            ValueError: there is no such path.
        """
        query = request.query
        area = parts[0]
        if area == "ledgers":
            if parts[1] in {"cash", "itc"}:
                window = {"fr_dt": query.get("from", ""), "to_dt": query.get("to", "")}
                return "LEDGER", parts[1].upper(), window
            return "LEDGER", parts[1].upper(), {"ret_period": parts[3].zfill(2) + parts[2]}
        if area == "invoices":
            if parts[1:] == ["count"]:
                return "IMS", "GETCNT", {}
            chosen = {name: value for name, value in query.items() if name in {"section", "status"}}
            return "IMS", "GETINV", chosen
        if area == "notices":
            return (
                ("NOTICES", "DETAIL", {"refId": parts[1]})
                if len(parts) > 1
                else ("NOTICES", "LIST", dict(query))
            )
        if area != "gstrs":
            raise ValueError(area)
        if parts[1] == "preference":
            return "RETURNS", "GETPREF", {}
        if parts[1] not in STATEMENTS:
            return "RETURNS", "STATUS", {"reference_id": query.get("reference_id", "")}
        return SandboxWire._return(request, STATEMENTS[parts[1]], parts[2:])

    @staticmethod
    def _return(request: Request, statement: str, tail: list[str]) -> tuple[str, str, dict[str, str]]:
        query = request.query
        if statement == "GSTR2B" and tail[0] == "regenerate":
            body = request.json()
            period = str(body.get("month", "")).zfill(2) + str(body.get("year", ""))
            return statement, "GEN2B", {"ret_period": str(body.get("itcprd") or period)}
        section = "" if tail[0].isdigit() else tail.pop(0)
        params = {"ret_period": tail[1].zfill(2) + tail[0]}
        rest = tail[2] if len(tail) > 2 else ""
        if statement == "GSTR2B":
            if rest in {"regenerate", "regeneration-status"}:
                return statement, "GENSTS2B", {**params, "reference_id": query.get("reference_id", "")}
            if "file_number" in query:
                params["file_num"] = query["file_number"]
            return statement, "GET2B", params
        if statement == "GSTR3B":
            return statement, THREE_B[rest or section], params
        if not section:
            return statement, "RETSUM", params
        return statement, SECTION_ACTIONS.get(section, section.replace("-", "").upper()), params
