"""TRACES as one request handler: the new portal under ``/traces-app``, the old one under ``/traces61``.

Every answer is counted by TAN and endpoint and passes the armed faults. What is below ``Control`` is for tests and the
demo only; no answer of the portals depends on it being asked.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Protocol
from urllib.parse import parse_qsl

from simulators.faults import BODIES, PAYLOADS, TOXICS, Fault, mutate
from simulators.http import Request, Response
from simulators.tds.population import PRIOR_BEFORE
from simulators.tds.records import Deductor
from simulators.traces import new, old, show
from simulators.traces.captcha import STALE, WRONG, Captchas
from simulators.traces.sessions import ELSEWHERE, LOCK_SECONDS, LOCKED, REFUSED, TOO_OLD, Session, Sessions
from simulators.traces.view import View

Json = dict[str, Any]
NEW, OLD = "/traces-app", "/traces61"
CAPTCHA = ("GET", "/loginservice/api/auth/generateCaptcha")
LOGIN = ("POST", "/loginservice/api/auth/login")
BRIDGE = "/app/preauthV2.xhtml"
ORIGIN = "https://traces.tdscpc.gov.in"
SESSION_SECONDS = 3600.0
UNKNOWN_TAN = ""
HTML = "text/html; charset=utf-8"
MESSAGES = {
    WRONG: "Please enter the correct captcha.",
    STALE: "Captcha has expired. Please refresh it.",
    REFUSED: "Invalid user id or password.",
    LOCKED: "Your account is locked after 5 unsuccessful attempts. It unlocks by itself after 1 hour.",
    TOO_OLD: "Your password has expired. Please change it.",
}
DUAL = "Dual Login Detected. Your session was ended because the same user logged in elsewhere."


class Armed(Protocol):
    """A fault that was chosen for a request."""

    @property
    def name(self) -> str:
        """What goes wrong."""

    @property
    def params(self) -> Json:
        """How it goes wrong."""


class Board(Protocol):
    """Where faults are armed."""

    def pick(self, *, client: str, portal: str, endpoint: str) -> Sequence[Armed]:
        """Choose the faults of one request and count them."""


class TracesPortal:
    """Both portals.

    Args:
        population: the deductors; they may be changed while the portal runs.
        today: gives the simulated day.
        faults: where faults are armed; asked once for each request.
        clock: seconds; captchas, lock-outs and sessions run on it.
        unsettled_calls: how many grid calls of a fresh session find nothing.
        session_seconds: how long a login lasts.
        prior_before: demand of years that start before it is shown as "Prior Years".
    """

    def __init__(
        self,
        population: Sequence[Deductor],
        today: Callable[[], date],
        faults: Board,
        *,
        clock: Callable[[], float] = time.time,
        unsettled_calls: int = 0,
        session_seconds: float = SESSION_SECONDS,
        prior_before: int = PRIOR_BEFORE,
    ) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.unsettled_calls = unsettled_calls
        self._population = population
        self._today = today
        self._faults = faults
        self._prior_before = prior_before
        self._captchas = Captchas(clock)
        self._sessions = Sessions(clock, session_seconds)

    def handle(self, request: Request) -> Response:
        """Answer any request of either portal; the path still has its prefix."""
        if request.path.startswith(f"{NEW}/"):
            return self._new(request, request.path.removeprefix(NEW))
        if request.path.startswith(f"{OLD}/"):
            return self._old(request, request.path.removeprefix(OLD))
        return _message("Not Found", 404)

    # --- the new portal

    def _new(self, request: Request, path: str) -> Response:
        if (request.method, path) == CAPTCHA:
            return self._served(None, "traces_new.captcha", lambda _: self._captcha())
        if (request.method, path) == LOGIN:
            return self._login(request.json())
        name = new.PATHS.get((request.method, path))
        if name is None:
            return _message("Not Found", 404)
        session = self._sessions.by_bearer(request.headers.get("authorization", ""))
        deductor = self._deductor(session)
        params = {**request.query, **request.json()}

        def answer(faults: Sequence[Armed]) -> Response:
            if session is None or deductor is None or session.ended:
                return _no_session(session)
            if {params.get("tan", deductor.tan), params.get("userId", deductor.tan)} - {
                deductor.tan,
                deductor.traces_user,
            }:
                return _refusal("AUTH403", "You are not authorised for this TAN.", 403)
            return self._new_answer(name, self._view(deductor, faults), params, faults)

        return self._served(deductor, f"traces_new.{name}", answer)

    def _captcha(self) -> Response:
        captcha_id, image = self._captchas.draw()
        return Response.of({"id": captcha_id, "image": image})

    def _login(self, body: Json) -> Response:
        deductor = self._user(str(body.get("userId", "")), str(body.get("subUserPanId", "")))

        def answer(faults: Sequence[Armed]) -> Response:
            refused = self._captchas.refuse(str(body.get("captchaId") or ""), str(body.get("captcha") or ""))
            if not refused and any(one.name == "captcha_miss" for one in faults):
                refused = WRONG
            if refused:
                return _refusal(refused, MESSAGES.get(refused, "Please enter the captcha."), 400)
            if deductor is None:
                return _refusal(REFUSED, MESSAGES[REFUSED], 401)
            right = body.get("password") == deductor.traces_password
            refused = self._sessions.attempt(deductor.tan, right=right)
            if refused:
                return _refusal(refused, MESSAGES[refused], 401)
            session = self._sessions.open(deductor.tan, unsettled=self.unsettled_calls)
            tokens = {"accessToken": session.access, "refreshToken": session.refresh}
            names = {"userId": deductor.traces_user, "tan": deductor.tan, "name": deductor.name}
            return Response.of({**names, "authTokenDto": tokens})

        return self._served(deductor, "traces_new.login", answer)

    @staticmethod
    def _new_answer(name: str, view: View, params: Json, faults: Sequence[Armed]) -> Response:
        try:
            payload = new.answer(name, view, params)
        except new.NothingFoundError as nothing:
            return _message(str(nothing), 400)
        except (KeyError, ValueError, TypeError):
            return _message("Invalid request", 400)
        return _json(_spoiled(payload, faults))

    # --- the old portal

    def _old(self, request: Request, path: str) -> Response:
        if path == BRIDGE:
            return self._bridge(request)
        params = {**request.query, **dict(parse_qsl(request.body.decode("latin-1")))}
        name = old.endpoint_of(path, params)
        if name is None or (request.method == "POST") == old.is_page(name):
            return _page("Not Found", "The page does not exist.", 404)
        session = self._sessions.by_cookie(request.headers.get("cookie", ""))
        deductor = self._deductor(session)

        def answer(faults: Sequence[Armed]) -> Response:
            if session is None or deductor is None or session.ended:
                text = (
                    DUAL
                    if session and session.ended == ELSEWHERE
                    else "Session expired. Please log in again."
                )
                return _page("TRACES", text, 410)
            if session.unsettled and not old.is_page(name):
                session.unsettled -= 1
                return _page("TRACES", "Requested resource could not be found", 200)
            return self._old_answer(name, self._view(deductor, faults), params, faults)

        return self._served(deductor, f"traces_old.{name}", answer)

    def _bridge(self, request: Request) -> Response:
        session = self._sessions.by_bearer(request.headers.get("authorization", ""))

        def answer(_: Sequence[Armed]) -> Response:
            if session is None or session.ended or request.headers.get("refreshtoken") != session.refresh:
                return _no_session(session)
            if request.headers.get("origin") != ORIGIN:
                return _page("Forbidden", "Access denied.", 403)
            cookie = f"JSESSIONID={self._sessions.cookie(session)}; Path={OLD}; HttpOnly"
            target = f"{OLD}{old.FOLDER}dashboard.xhtml"
            return Response(b"", 302, HTML, {"Location": target, "Set-Cookie": cookie})

        return self._served(self._deductor(session), "traces_old.bridge", answer)

    @staticmethod
    def _old_answer(name: str, view: View, params: dict[str, str], faults: Sequence[Armed]) -> Response:
        try:
            found = old.answer(name, view, params)
        except (KeyError, ValueError):
            return _page("TRACES", "Invalid request.", 400)
        if isinstance(found, str):
            return Response(found.encode(), 200, HTML)
        return _json(_spoiled(found, faults) if isinstance(found, dict) else found)

    # --- both

    def _served(
        self, deductor: Deductor | None, endpoint: str, answer: Callable[[Sequence[Armed]], Response]
    ) -> Response:
        """Count a call, let the armed faults act on its answer."""
        self.calls[deductor.tan if deductor else UNKNOWN_TAN, endpoint] += 1
        client = deductor.client_id if deductor else ""
        faults = self._faults.pick(client=client, portal="traces", endpoint=endpoint)
        for one in faults:
            status = one.name.removeprefix("http_")
            if status.isdigit():
                refused = _page(f"Error {status}", "The request could not be served.", int(status))
                if "retry_after" in one.params:
                    refused.headers["Retry-After"] = str(one.params["retry_after"])
                return refused
        response = answer(faults)
        response.faults = _among(faults, (*TOXICS, *BODIES))
        return response

    def _view(self, deductor: Deductor, faults: Sequence[Armed]) -> View:
        if any(one.name == "suddenly_empty" for one in faults):
            deductor = replace(
                deductor, challans=[], statements=[], notices=[], requests=[], certificates=[], demands=[]
            )
        return View(deductor, self._today(), self._prior_before)

    def _deductor(self, session: Session | None) -> Deductor | None:
        return self._find(session.tan) if session else None

    def _find(self, tan: str) -> Deductor | None:
        return next((one for one in self._population if one.tan == tan), None)

    def _user(self, user: str, tan: str) -> Deductor | None:
        """Find an account; the TAN decides where one user id has several."""
        found = [one for one in self._population if one.traces_user == user]
        return found[0] if len(found) == 1 else next((one for one in found if one.tan == tan), None)

    # --- control

    def captcha_text(self, captcha_id: str) -> str:
        """Give what a person would read.

        Raises:
            KeyError: no such captcha is open.
        """
        return self._captchas.text(captcha_id)

    def newest_captcha(self) -> str:
        """Give the id of the captcha which was drawn last; empty before the first."""
        return self._captchas.newest

    def open_foreign_session(self, tan: str) -> None:
        """Let somebody else log in with this TAN; it ends the session before."""
        self._sessions.open(tan, is_foreign=True)

    def has_foreign_session(self, tan: str) -> bool:
        """Tell whether somebody else's session is still alive."""
        return self._sessions.has_foreign(tan)

    def expire_sessions(self, tan: str = "") -> int:
        """End the session of one TAN, or all, as if its time were over; gives how many."""
        return self._sessions.expire(tan)

    def lock(self, tan: str, seconds: float = LOCK_SECONDS) -> None:
        """Lock an account."""
        self._sessions.lock(tan, seconds)

    def unlock(self, tan: str) -> None:
        """End a lock at once."""
        self._sessions.lock(tan, 0.0)

    def expire_password(self, tan: str, *, expired: bool = True) -> None:
        """Let the portal want a new password, or no longer."""
        (self._sessions.too_old.add if expired else self._sessions.too_old.discard)(tan)

    def failures(self, tan: str) -> int:
        """Count the refused passwords since the last right one."""
        return self._sessions.failures[tan]


def _spoiled(payload: Json, faults: Sequence[Armed]) -> Json:
    """Let the portal promise more rows than it gives, or change the payload, where a fault says so."""
    more = sum(int(one.params.get("more", 1)) for one in faults if one.name == "wrong_count")
    changed = mutate(payload, _among(faults, PAYLOADS))
    return {
        key: value + more if key in {"records", "totalElements"} else value for key, value in changed.items()
    }


def _among(faults: Sequence[Armed], names: Sequence[str]) -> list[Fault]:
    return [Fault(one.name, params=one.params) for one in faults if one.name in names]


def _json(payload: object) -> Response:
    return Response(show.dump(payload).encode())


def _message(text: str, status: int) -> Response:
    return Response.of({"message": text}, status)


def _refusal(code: str, text: str, status: int) -> Response:
    return Response.of({"errorCode": code, "message": text}, status)


def _no_session(session: Session | None) -> Response:
    if session and session.ended == ELSEWHERE:
        return _refusal("SES409", DUAL, 401)
    return _refusal("SES401", "Session expired. Please log in again.", 401)


def _page(title: str, text: str, status: int) -> Response:
    return Response(show.page(title, f"<p>{text}</p>").encode(), status, HTML)
