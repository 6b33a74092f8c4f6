"""One client's session with TRACES: a person reads one picture, and both portals answer until it ends.

At most one log-in per user is under way over all processes, a picture is answered once, and a log-in that the
portal may hold against the account is counted before it is sent.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn, TypeVar

from clientsync.errors import (
    CaptchaRequired,
    DualLogin,
    MissingSecret,
    NotEntitled,
    PasswordExpired,
    PasswordRejected,
    SessionExpired,
    SourceUnavailable,
)
from clientsync.http.client import CallMeter, Reply
from clientsync.http.retrying import pause
from clientsync.ledger import challenges
from clientsync.spec.connector import Answer, ClientIdentity, Question
from clientsync.sync.services import Services
from connectors.portal_accounts import account_of
from connectors.portal_clients import PortalClient
from connectors.portal_sessions import (
    CONNECTOR,
    Stored,
    check_kind,
    counted,
    wall_clock,
)
from connectors.traces.endpoints import (
    BRIDGE,
    BRIDGE_ORIGIN,
    CAPTCHA,
    DASHBOARD,
    LOGIN,
    SESSION_PATHS,
    VERSION,
    Request,
    Shape,
    endpoint_of,
    fill,
)
from connectors.traces.reading import (
    LoggedIn,
    NotSettled,
    Opened,
    read_answer,
    read_bridge,
    read_captcha,
    read_dashboard,
    read_login,
    with_question,
)
from connectors.traces.tokens import TracesTokens

PORTAL = "traces"
PICTURE_IS_FRESH = timedelta(minutes=4)
"""A picture that waits is not fetched anew before."""
PICTURE_LIVES = timedelta(minutes=5)
"""How long an answer to a picture is sent; the portal does not publish the limit."""
MISSES_PER_ROUND = 3
SETTLE_RETRIES = 4
SETTLE_GROWTH = 1.3
"""Four waits of 5 to 11 seconds, as seen in use."""

Known = Stored[TracesTokens]
Result = TypeVar("Result")


class TracesSession(PortalClient[TracesTokens]):
    """A ``PortalSession`` of one client with both portals of TRACES; used by one thread at a time."""

    portal = PORTAL

    def __init__(self, client: ClientIdentity, services: Services) -> None:
        """Remember whose session it is; nothing is read or sent yet.

        Raises:
            UnknownName: a portal is not configured.
            NotApplicable: the client is no deductor.
        """
        super().__init__(client, services, username=client.traces_username, opened=TracesTokens.from_bytes)
        self._accounts = {name: account_of(name, services) for name in ("traces_old", "traces_new")}

    # questions

    def ask(self, question: Question) -> Answer:
        """Ask and return the answer; a refusal carries the calls it cost and the portal it closes.

        Raises:
            CaptchaRequired: a person must read the picture of the challenge that was raised.
            SourceError: as its class says.
        """
        meter = CallMeter()
        with counted(PORTAL, meter):
            endpoint = endpoint_of(question.endpoint)
            request = fill(endpoint, question.params, tan=self._tan, username=self._username())
            asked = self._asked_old if endpoint.portal == "traces_old" else self._asked_new
            payload, raw = self._in_session(lambda known: asked(request, known, meter), meter)
            if endpoint.shape in (Shape.ROWS, Shape.PAGE):
                payload, raw = with_question(payload, raw, question.params)
            return Answer(payload, (raw,), meter.calls, VERSION)

    def _asked_new(self, request: Request, known: Known, meter: CallMeter) -> Opened:
        return self._send(request, {"authorization": f"Bearer {known.tokens.access}"}, meter)

    def _asked_old(self, request: Request, known: Known, meter: CallMeter) -> Opened:
        bridged = known if known.tokens.cookie else self._bridged(known, meter)
        for is_last in (False, True):
            ask = partial(self._send, request, {"cookie": bridged.tokens.cookie}, meter)
            try:
                return self._settled(ask)
            except SessionExpired:
                if not is_last:
                    bridged = self._bridged(bridged, meter)
        raise SourceUnavailable("The old portal ends every session right after the bridge.")

    def _send(self, request: Request, headers: dict[str, str], meter: CallMeter) -> Opened:
        endpoint = request.endpoint
        account = self._accounts[endpoint.portal]
        return account.exchange(
            endpoint.method,
            account.settings.endpoint_versions.get(endpoint.name, endpoint.path),
            lambda reply: read_answer(endpoint, reply),
            meter,
            client=self._tan,
            query=request.query,
            headers=headers,
            json=request.json,
            form=request.form,
        )

    def _settled(self, ask: Callable[[], Result]) -> Result:
        """Ask, and again with growing waits while the old portal does not know its pages yet."""
        for tried in itertools.count():
            try:
                return ask()
            except NotSettled:
                if tried == SETTLE_RETRIES:
                    raise SourceUnavailable("The old portal of TRACES does not settle.") from None
            first = self._accounts["traces_old"].settings.settle_seconds
            pause(first * SETTLE_GROWTH**tried, self._services.stop)
        raise AssertionError("unreachable: the last try returns or raises")

    # the session itself

    def _live(self, meter: CallMeter) -> Known:
        """Return an open session.

        Raises:
            CaptchaRequired: there is none; a picture waits for a person.
            DualLogin: somebody else was logged in a moment ago.
            AccountLocked: no log-in may be sent now.
            PasswordRejected: the stored password is known to be wrong.
        """
        known = self._store.load()
        if known is not None and known.is_open:
            return known
        with self._store.alone(self._tan):
            known = self._store.load()
            if known is not None and known.is_open:
                return known
            self._password(known)  # no picture is shown to anybody when no log-in may follow
            self._picture(known, meter)
        raise CaptchaRequired("A person must read the picture of TRACES.")

    def _username(self) -> str:
        """Return the user id on TRACES.

        Raises:
            MissingSecret: the client master has none.
        """
        if not self.client.traces_username:
            raise MissingSecret("The client master has no user id on TRACES for this client.")
        return self.client.traces_username

    def _ended(self, not_before: datetime | None) -> TracesTokens:
        return TracesTokens(not_before=not_before)

    def _bridged(self, known: Known, meter: CallMeter) -> Known:
        """Cross the bridge into the old portal, or take the session of who has crossed it meanwhile.

        Raises:
            SessionExpired: the new portal's session is gone.
        """
        with self._store.alone(self._tan):
            newest = self._store.load()
            if newest is None or not newest.is_open:
                raise SessionExpired("The session with TRACES was ended meanwhile.")
            if newest.tokens.cookie not in {"", known.tokens.cookie}:
                return newest
            headers = {
                "authorization": f"Bearer {newest.tokens.access}",
                "refreshtoken": newest.tokens.refresh,
                "origin": BRIDGE_ORIGIN,
                "referer": f"{BRIDGE_ORIGIN}/",
            }
            cookie = self._session_call("GET", BRIDGE, read_bridge, meter, headers=headers, redirects=True)
            self._settled(
                lambda: self._session_call(
                    "GET", DASHBOARD, read_dashboard, meter, headers={"cookie": cookie}
                )
            )
            return self._keep(newest, replace(newest.tokens, cookie=cookie))

    # what a person does

    def request_challenge(self, kind: str) -> bytes | None:
        """Fetch a new picture for a person; None when nothing of that kind is waited for.

        Raises:
            UnknownName: no such kind of challenge.
            AccountLocked: no log-in may be sent now.
            PasswordRejected: the stored password is known to be wrong.
        """
        check_kind(kind)
        if kind != "captcha":
            return None
        meter = CallMeter()
        with counted(PORTAL, meter), self._store.alone(self._tan):
            known = self._store.load()
            if known is not None and known.is_open:
                return None
            self._password(known)
            return self._picture(known, meter, misses=0, is_fresh=True)

    def answer_challenge(self, kind: str, text: str) -> None:
        """Log in with what a person has read; other kinds need no answer here and are tried at the next question.

        Raises:
            CaptchaRequired: it was misread or came too late; a new picture waits, up to three in a round.
            PasswordRejected: the portal refused the stored password; it is not sent again.
            UnknownName: no such kind of challenge.
        """
        check_kind(kind)
        if kind == "password":
            self._book.trust()
        if kind != "captcha":
            return
        meter = CallMeter()
        with counted(PORTAL, meter), self._store.alone(self._tan):
            known = self._store.load()
            if known is None or not known.is_open:
                self._answer(known, text.strip(), meter)

    def _answer(self, known: Known | None, text: str, meter: CallMeter) -> None:
        password = self._password(known)
        asked_at = known.tokens.captcha_at if known is not None and known.tokens.captcha_id else None
        if known is None or asked_at is None or wall_clock() - asked_at >= PICTURE_LIVES:
            self._picture(known, meter, misses=0, is_fresh=True)
            raise CaptchaRequired("The picture is no longer good; nothing was sent, and a new one waits.")
        if not (text.isascii() and text.isalnum() and len(text) == 6):
            raise CaptchaRequired(
                "A picture has six letters and digits; nothing was sent, and it waits still."
            )
        answered = known.tokens
        # A picture is good for one answer, whatever becomes of it.
        known = self._keep(known, replace(answered, captcha_id="", image=b"", captcha_at=None))
        self._show(b"", wall_clock())
        try:
            with self._book.attempt(password):
                found = self._login(password, text, answered.captcha_id, meter)
        except CaptchaRequired as error:
            self._missed(known, answered.misses + 1, meter, error)
        except (PasswordRejected, PasswordExpired) as error:
            self._settle_challenges()  # the picture was read well
            self._needs_person(error, "password")
        except NotEntitled as error:
            self._needs_person(error, "registration")
        except DualLogin as error:
            self._keep(known, TracesTokens(not_before=error.ready_at))
            raise
        if found.tan and found.tan != self._tan:
            self._needs_person(
                NotEntitled("The user on TRACES belongs to another deductor than this client."),
                "registration",
            )
        self._keep(known, TracesTokens(access=found.access, refresh=found.refresh))
        self._settle_challenges()

    def _login(self, password: str, text: str, captcha_id: str, meter: CallMeter) -> LoggedIn:
        body = {
            "userId": self._username(),
            "userType": "Deductor",
            "subUserPanId": self._tan,
            "password": password,
            "captcha": text,
            "captchaId": captcha_id,
        }
        return self._session_call("POST", LOGIN, read_login, meter, json=body, once=True)

    def _missed(self, known: Known, misses: int, meter: CallMeter, error: CaptchaRequired) -> NoReturn:
        """Show a new picture after a misread one, until the round is over."""
        if misses >= MISSES_PER_ROUND:
            self._keep(known, replace(known.tokens, misses=0))
            challenges.mark_rejected(self._services.engine, self.client.client_id, CONNECTOR, PORTAL)
            raise CaptchaRequired(
                f"{MISSES_PER_ROUND} pictures in a row were misread; ask for a new one to go on.",
                source_code=error.source_code,
            ) from error
        self._picture(known, meter, misses=misses, is_fresh=True)
        raise CaptchaRequired(
            f"The picture was misread or came too late; a new one waits, number {misses + 1} of "
            f"{MISSES_PER_ROUND}.",
            source_code=error.source_code,
        ) from error

    def _picture(
        self, known: Known | None, meter: CallMeter, *, misses: int | None = None, is_fresh: bool = False
    ) -> bytes:
        """Show a person a picture and return it; one that waits is fetched anew only when told to.

        Args:
            known: what is stored.
            meter: counts the call.
            misses: how many were misread in this round, None to leave the count.
            is_fresh: fetch a new one even if one waits.
        """
        tokens = known.tokens if known is not None else TracesTokens()
        now = wall_clock()
        asked_at = tokens.captcha_at
        if is_fresh or not tokens.captcha_id or asked_at is None or now - asked_at >= PICTURE_IS_FRESH:
            handle, image = self._session_call("GET", CAPTCHA, read_captcha, meter)
            tokens = TracesTokens(
                captcha_id=handle,
                image=image,
                captcha_at=now,
                misses=tokens.misses if misses is None else misses,
            )
            asked_at = now
            self._keep(known, tokens)
        self._show(tokens.image, asked_at + PICTURE_LIVES)
        return tokens.image

    def _show(self, image: bytes, expires_at: datetime) -> None:
        """Put a picture into the challenge of this client; an empty one takes a used picture away."""
        challenges.raise_challenge(
            self._services.engine,
            self.client.client_id,
            CONNECTOR,
            "captcha",
            portal=PORTAL,
            image=image,
            expires_at=expires_at,
        )

    def _session_call(
        self,
        method: str,
        name: str,
        read: Callable[[Reply], Result],
        meter: CallMeter,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        once: bool = False,
        redirects: bool = False,
    ) -> Result:
        """Send a call of the session itself: picture, log-in, bridge, dashboard."""
        account = self._accounts[name.partition(".")[0]]
        return account.exchange(
            method,
            account.settings.endpoint_versions.get(name, SESSION_PATHS[name]),
            read,
            meter,
            client=self._tan,
            headers=headers,
            json=json,
            once=once,
            expect_redirect=redirects,
        )
