"""The wire of a pass-through provider: raw GSTN paths, headers and encryption under `/gsp`.

A data answer is always sealed for the session that asked; business errors travel with HTTP 200.
"""

import base64
import json
from typing import Any

from simulators.faults import Fault
from simulators.gst import service as accounts
from simulators.gst.crypto import b64, decrypt, encrypt, fresh_key, open_request
from simulators.gst.parties import Client
from simulators.gst.portal import Answer, PortalError
from simulators.gst.service import Service
from simulators.gst.sessions import TOLD_MINUTES, Session
from simulators.http import Request, Response

Json = dict[str, Any]
NEEDED = ("clientid", "client-secret", "username", "auth-token", "state-cd", "gstin", "txn", "ip-usr")
STATEMENTS = {
    "gstr1": "GSTR1", "gstr1a": "GSTR1A", "gstr2a": "GSTR2A", "gstr2b": "GSTR2B", "gstr3b": "GSTR3B", "ims": "IMS",
    "ledgers": "LEDGER", "notices": "NOTICES", "returns": "RETURNS",
}  # fmt: skip
VERSIONS = {
    "gstr1": ("v4.0", "v4.1"), "gstr1a": ("v1.0",), "gstr2a": ("v2.1", "v2.2"), "gstr2b": ("v2.0", "v4.0"),
    "gstr3b": ("v6.0",), "ims": ("v1.0",), "ledgers": ("v0.3",), "notices": ("v1.0",), "returns": ("v1.1",),
}  # fmt: skip


class GspWire:
    """Answers requests under `/gsp`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._public: dict[str, bytes] = {}

    def handle(self, request: Request) -> Response:  # noqa: PLR0911 - one return per case
        """Answer a request; the path has lost its `/gsp`."""
        parts = request.path.strip("/").split("/")
        if parts[0] == "returns":
            raw = self._service.portal.files.fetch(request.path, request.query)
            return Response(b"", 403) if raw is None else Response(raw, kind="application/gzip")
        if (limited := self._service.limited("gsp")) is not None:
            return limited
        headers = request.headers
        if (headers.get("clientid"), headers.get("client-secret")) != (accounts.GSP_ID, accounts.GSP_SECRET):
            return self._refuse("AUT4033")
        if parts[0] == "commonapi" and len(parts) == 3:
            return self._common(request, parts[1], parts[2])
        if parts[0] != "taxpayerapi" or len(parts) < 3:
            return Response.of({"message": "no such path"}, 404)
        if parts[2] == "authenticate":
            return self._authenticate(request)
        endpoint = parts[-1]
        if parts[1] not in VERSIONS.get(endpoint, ()):
            return Response.of({"message": "no such path"}, 404)
        return self._data(request, endpoint)

    def _refuse(self, code: str) -> Response:
        return Response.of(self._service.error(code))

    # Sessions

    def _authenticate(self, request: Request) -> Response:
        body = request.json()
        action, username = str(body.get("action", "")), str(body.get("username", ""))
        client = self._service.portal.country.by_username.get(username)
        self._service.count("auth", client.gstin if client else "", "authenticate", action, "")
        picked = self._service.faults.pick(
            gstin=client.gstin if client else "", endpoint="authenticate", action=action, section=""
        )
        for fault in picked:
            if fault.code:
                return self._refuse(fault.code)
            if fault.status:
                return Response.of({"message": "simulated"}, fault.status)
        try:
            if client is None:
                raise PortalError("AUTH158")
            return self._service.delayed(Response.of(self._session_step(client, action, body)), picked)
        except PortalError as error:
            return self._refuse(error.code)

    def _session_step(self, client: Client, action: str, body: Json) -> Json:
        sessions = self._service.sessions
        if action == "REFRESHTOKEN":
            return self._renew(client, body)
        if action == "LOGOUT":
            sessions.logout(str(body.get("auth_token", "")))
            return {"status_cd": 1}
        try:
            app_key = self._service.keys.unwrap(str(body.get("app_key", "")))
        except ValueError as error:
            raise PortalError("TEC4002") from error
        if action == "OTPREQUEST":
            sessions.request_otp(client)
            return {"status_cd": 1}
        if action != "AUTHTOKEN":
            raise PortalError("RET191166")
        try:
            otp = decrypt(app_key, base64.b64decode(str(body.get("otp", "")))).decode()
        except ValueError as error:
            raise PortalError("AUTH4034") from error
        return _token(sessions.login(client, otp), app_key)

    def _renew(self, client: Client, body: Json) -> Json:
        sessions = self._service.sessions
        token = str(body.get("auth_token", ""))
        old = sessions.find(token)
        if old is None or old.client is not client:
            raise PortalError("AUTH158")
        try:
            app_key = decrypt(old.key, base64.b64decode(str(body.get("app_key", ""))))
        except ValueError as error:
            raise PortalError("AUTH158") from error
        if len(app_key) != 32:
            raise PortalError("AUTH158")
        return _token(sessions.refresh(token), app_key)

    # Public calls

    def _common(self, request: Request, version: str, name: str) -> Response:
        if (version, name) == ("v0.2", "authenticate"):
            return self._public_login(request.json())
        key = self._public.get(request.headers.get("auth-token", ""))
        if key is None:
            return self._refuse("AUTH158")
        query = request.query
        gstin, action = query.get("gstin", ""), query.get("action", "")
        self._service.count("public", gstin, name, action, query.get("fy", ""))
        portal = self._service.portal
        client = portal.country.by_gstin.get(gstin)

        def ask() -> Answer:
            if client is None:
                raise PortalError("FO8000")
            if (version, name, action) == ("v1.0", "returns", "RETTRACK"):
                return portal.track(gstin, query.get("fy", ""), query.get("type", ""))
            if (version, name, action) == ("v1.1", "search", "TP"):
                return Answer.of("SEARCH", "", portal.register.search(client.party))
            if action == "GETPREF":
                return portal.ask(client, "RETURNS", action, {})
            raise PortalError("RET191166")

        return self._service.serve(
            client, name, action, "", ask, lambda answer, faults: _sealed(answer, key, faults), self._refuse
        )

    def _public_login(self, body: Json) -> Response:
        self._service.count("auth", "", "authenticate", "ACCESSTOKEN", "")
        try:
            app_key = self._service.keys.unwrap(str(body.get("app_key", "")))
            password = decrypt(app_key, base64.b64decode(str(body.get("password", "")))).decode()
        except ValueError:
            return self._refuse("TEC4002")
        wanted = (accounts.PUBLIC_USER, accounts.PUBLIC_PASSWORD)
        if body.get("action") != "ACCESSTOKEN" or (body.get("username"), password) != wanted:
            return self._refuse("AUTH158")
        key = fresh_key()
        token = key.hex()[:32]
        self._public[token] = key
        return Response.of(
            {"status_cd": 1, "auth_token": token, "sek": b64(encrypt(app_key, key)), "expiry": 360}
        )

    # Data

    def _session(self, request: Request, endpoint: str) -> Session:
        headers = request.headers
        if any(not headers.get(name) for name in NEEDED):
            raise PortalError("RET191166")
        found = self._service.sessions.check(headers["auth-token"])
        client = found.client
        asked = request.query.get("gstin", headers["gstin"])
        mine = (client.username, client.gstin, client.party.state, client.gstin)
        if (headers["username"], headers["gstin"], headers["state-cd"], asked) != mine:
            raise PortalError("RET2B1010" if endpoint == "gstr2b" else "RET11402")
        return found

    def _data(self, request: Request, endpoint: str) -> Response:
        query = request.query
        body = request.json() if request.method == "PUT" else {}
        action = query.get("action", "") or str(body.get("action", ""))
        period = self._service.period(request)
        self._service.count("data", request.headers.get("gstin", ""), endpoint, action, period)
        try:
            session = self._session(request, endpoint)
        except PortalError as error:
            return self._refuse(error.code)
        client = session.client

        def ask() -> Answer:
            return self._ask(request, endpoint, action, session, body)

        return self._service.serve(
            client, endpoint, action, query.get("section", ""), ask,
            lambda answer, faults: _sealed(answer, session.key, faults), self._refuse,
        )  # fmt: skip

    def _ask(self, request: Request, endpoint: str, action: str, session: Session, body: Json) -> Answer:
        portal, client, query = self._service.portal, session.client, request.query
        if action == "FILEDET":
            token = query.get("token", "")
            job = portal.files.job(token)
            if job is None or job.gstin != client.gstin:
                raise PortalError("RET13510")
            found = portal.files.ready(token)
            if found is None:
                raise PortalError("RTN_24")
            self._service.truth.served(
                gstin=client.gstin, period=job.period, statement=job.statement, payload=job.payload,
                mark=token, day=portal.today,
            )  # fmt: skip
            return Answer.of("QUEUED", "", found)
        if endpoint == "gstr2b" and action == "GEN2B":
            try:
                wanted = json.loads(
                    open_request(session.key, str(body.get("data", "")), str(body.get("hmac", "")))
                )
            except ValueError as error:
                raise PortalError("RET191166") from error
            return Answer.of(
                "QUEUED", "", {"reference_id": portal.generate(client, str(wanted.get("itcprd", "")))}
            )
        if action in {"GENSTS2B", "RETSTATUS"}:
            reference = query.get("int_tran_id") or query.get("ref_id", "")
            return Answer.of("QUEUED", "", portal.job(client, reference))
        if endpoint == "gstr2b" and action != "GET2B":
            raise PortalError("RET191166")
        params = {k: v for k, v in query.items() if k not in {"action", "gstin"}}
        if endpoint != "ims" and "ret_period" in request.headers:
            params.setdefault("ret_period", request.headers["ret_period"])
        return portal.ask(client, STATEMENTS[endpoint], action, params)


def _token(session: Session, app_key: bytes) -> Json:
    return {
        "status_cd": 1, "auth_token": session.token, "sek": b64(encrypt(app_key, session.key)), "expiry": TOLD_MINUTES,
    }  # fmt: skip


def _sealed(answer: Answer, key: bytes, faults: list[Fault]) -> Response:
    bad = any(one.name == "bad_hmac" for one in faults)
    return Response(answer.sealed.envelope(key, mac=b64(b"0" * 32) if bad else None))
