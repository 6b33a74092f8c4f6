"""One client's session with the e-filing portal, opened with TAN and password as long as no person is needed.

The password is sent only when the portal has not asked for a second factor, somebody else's session is never
ended, and a question that depends on the Act is asked only after that Act was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from clientsync.errors import (
    AccountLocked,
    ContractChanged,
    DualLogin,
    NotEntitled,
    PasswordExpired,
    PasswordRejected,
    SecondFactorRequired,
)
from clientsync.http.client import CallMeter, Reply
from clientsync.spec.connector import Answer, ClientIdentity, Question
from clientsync.sync.services import Services
from connectors.income_tax.endpoints import (
    CHOOSE_ACT,
    EXTEND,
    LOGIN,
    SESSION_PATHS,
    VERSION,
    Endpoint,
    endpoint_of,
)
from connectors.income_tax.reading import read_answer, read_greeting, read_login, read_success
from connectors.income_tax.tokens import IncomeTaxTokens
from connectors.portal_accounts import account_of
from connectors.portal_clients import PortalClient
from connectors.portal_sessions import Stored, check_kind, counted, wall_clock

PORTAL = "income_tax"
KEEP_ALIVE = timedelta(minutes=4)
"""A session that is used again after this time is prolonged first."""

Known = Stored[IncomeTaxTokens]
Result = TypeVar("Result")


class IncomeTaxSession(PortalClient[IncomeTaxTokens]):
    """A ``PortalSession`` of one client with the e-filing portal; used by one thread at a time."""

    portal = PORTAL

    def __init__(self, client: ClientIdentity, services: Services) -> None:
        """Remember whose session it is; nothing is read or sent yet.

        Raises:
            UnknownName: the portal is not configured.
            NotApplicable: the client is no deductor.
        """
        tan = client.deductor.tan if client.deductor is not None else ""
        super().__init__(client, services, username=tan, opened=IncomeTaxTokens.from_bytes)
        self._account = account_of(PORTAL, services)

    def ask(self, question: Question) -> Answer:
        """Ask and return the answer; a refusal carries the calls it cost and the portal it closes.

        Raises:
            SourceError: as its class says.
        """
        meter = CallMeter()
        with counted(PORTAL, meter):
            endpoint = endpoint_of(question.endpoint)
            body = endpoint.filled(question.params, self._tan)
            act = question.params["actType"] if endpoint.needs_act else ""
            payload, raw = self._in_session(
                lambda known: self._asked(endpoint, body, act, known, meter), meter
            )
            return Answer(payload, (raw,), meter.calls, VERSION)

    def request_challenge(self, kind: str) -> bytes | None:
        """Return None: the portal shows no pictures and sends nothing by itself.

        Raises:
            UnknownName: no such kind of challenge.
        """
        check_kind(kind)
        return None

    def answer_challenge(self, kind: str, text: str) -> None:
        """Log in again, because a person says that password, second factor or registration are in order now.

        Args:
            kind: of the challenge.
            text: not used; a password is stored in the vault, never handed over here.

        Raises:
            PasswordRejected: the stored password is the one that was refused, or is wrong as well.
            SourceError: as its class says.
        """
        check_kind(kind)
        if kind == "password":
            self._book.trust()
        meter = CallMeter()
        with counted(PORTAL, meter):
            self._live(meter)

    def _asked(
        self, endpoint: Endpoint, body: Any, act: str, known: Known, meter: CallMeter
    ) -> tuple[Any, bytes]:
        known = self._kept_alive(known, meter)
        if act and known.tokens.act != act:
            known = self._chosen(known, act, meter)
        path = self._account.settings.endpoint_versions.get(endpoint.name, endpoint.path)
        return self._account.exchange(
            "POST",
            path,
            lambda reply: read_answer(endpoint, reply),
            meter,
            client=self._tan,
            headers=_headers(known.tokens, endpoint.service),
            json=body,
        )

    def _chosen(self, known: Known, act: str, meter: CallMeter) -> Known:
        """Choose an Act and check that it is the chosen one: before a choice the portal answers for any."""
        body = self._session_call(
            CHOOSE_ACT, read_success, meter, {"actType": act}, _headers(known.tokens, "chooseAct")
        )
        if body.get("actType") != act:
            raise ContractChanged("The e-filing portal did not choose the Act that was asked for.")
        return self._changed(known, replace(known.tokens, act=act), known.refresh_by)

    def _live(self, meter: CallMeter) -> Known:
        """Return an open session.

        Raises:
            NeedsPerson: a person must do something about the account first.
            WaitingSource: the account is locked, or somebody else is logged in.
        """
        known = self._store.load()
        if known is None or not known.is_open:
            with self._store.alone(self._tan):
                known = self._store.load()
                if known is None or not known.is_open:
                    return self._logged_in(known, meter)
        return known

    def _kept_alive(self, known: Known, meter: CallMeter) -> Known:
        """Prolong a session that is used again after a while.

        Raises:
            SessionExpired: it ended before.
        """
        if wall_clock() < known.refresh_by:
            return known
        headers = _headers(known.tokens, "extendSession")
        self._session_call(EXTEND, read_success, meter, {"userId": self._tan}, headers)
        return self._changed(known, known.tokens, wall_clock() + KEEP_ALIVE)

    def _changed(self, known: Known, tokens: IncomeTaxTokens, refresh_by: datetime) -> Known:
        """Store what has become of a session; if another process was first, its word about it is as good."""
        if self._store.save(known, tokens, known.issued_at, refresh_by):
            return self._store.load() or known
        return replace(known, tokens=tokens, refresh_by=refresh_by)

    def _logged_in(self, known: Known | None, meter: CallMeter) -> Known:
        """Log in; the caller holds the lease."""
        password = self._password(known)
        try:
            tokens = self._login(password, meter)
        except (PasswordRejected, PasswordExpired) as error:
            self._needs_person(error, "password")
        except SecondFactorRequired as error:
            self._needs_person(error, "second_factor")
        except NotEntitled as error:
            self._needs_person(error, "registration")
        except DualLogin as error:
            self._keep(known, self._ended(error.ready_at))
            raise
        except AccountLocked as error:
            self._book.locked(error.ready_at)
            raise
        self._settle_challenges()
        return self._keep(known, tokens, wall_clock() + KEEP_ALIVE)

    def _login(self, password: str, meter: CallMeter) -> IncomeTaxTokens:
        first = {"serviceName": "loginService", "entity": self._tan}
        greeting = self._session_call(LOGIN, read_greeting, meter, first, _JSON)
        if greeting.has_vault:
            raise SecondFactorRequired("The account on the e-filing portal is protected by a second factor.")
        second = {**first, "reqId": greeting.request_id, "pass": password, "dualLogin": "N"}
        with self._book.attempt(password):
            return self._session_call(LOGIN, read_login, meter, second, _JSON, once=True)

    def _ended(self, not_before: datetime | None) -> IncomeTaxTokens:
        return IncomeTaxTokens(not_before=not_before)

    def _session_call(
        self,
        name: str,
        read: Callable[[Reply], Result],
        meter: CallMeter,
        body: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        once: bool = False,
    ) -> Result:
        """Send a call of the session itself: log-in, choice of the Act, keeping alive."""
        path = self._account.settings.endpoint_versions.get(name, SESSION_PATHS[name])
        return self._account.exchange(
            "POST", path, read, meter, client=self._tan, headers=headers, json=dict(body), once=once
        )


_JSON = {"accept": "application/json"}


def _headers(tokens: IncomeTaxTokens, service: str) -> dict[str, str]:
    """Return the headers without which the portal answers HTTP 500."""
    return {
        **_JSON,
        "x-xsrf-token": tokens.xsrf,
        "authtoken": tokens.access,
        "sn": service,
        "cookie": tokens.cookie,
    }
