"""One client's session with the portal, whichever provider it has.

Tokens are refreshed by our own clock before the portal drops them, once more when it refuses one, and then a
person is asked; the consent's end is a clock of its own. Nothing is sent before the first question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from clientsync.clock import INDIA
from clientsync.errors import (
    BadRequest,
    ConsentLapsed,
    FileQueued,
    GenerationFailed,
    NotApplicable,
    NotGenerated,
    OtpRejected,
    OtpRequired,
    ProviderMisconfigured,
    RetryableSourceError,
    SessionExpired,
    SyncError,
    TruncatedResponse,
)
from clientsync.http.client import CallMeter
from clientsync.http.strict_json import parse_json
from clientsync.periods import Period
from clientsync.spec.connector import Answer, ClientIdentity, Question
from clientsync.sync.services import Services
from connectors.gst.provider import crypto
from connectors.gst.provider.account import ProviderAccount, account_of
from connectors.gst.provider.adapter import Taxpayer, Tokens
from connectors.gst.provider.endpoints import Endpoint, endpoint_of
from connectors.gst.provider.errors import ready_after, status_text
from connectors.gst.provider.files import FileList, LinkEnded, check_hash, file_list, members, merge
from connectors.gst.provider.payloads import to_bytes
from connectors.gst.provider.requests import Request, fill
from connectors.gst.provider.store import SessionStore, Stored

REFRESH_AFTER_HOURS = 5.0
"""Sessions die after six hours whatever the portal says; ``session_refresh_hours`` of a client overrides."""
REFRESH_REST = timedelta(minutes=15)
"""A session that was refreshed this recently is not refreshed again because one question is forbidden."""

Result = TypeVar("Result")
Opened = tuple[Any, bytes]
"""What GSTN means, and its JSON bytes."""


def open_session(client: ClientIdentity, services: Services) -> GstSession:
    """Return a session object of a client; nothing is sent before the first question.

    Raises:
        UnknownName: the client's provider is not configured.
        MissingSecret: a credential of the provider cannot be had.
    """
    return GstSession(client, account_of(client.provider, services), services)


class GstSession:
    """A ``PortalSession`` of one client; used by one thread at a time."""

    def __init__(self, client: ClientIdentity, account: ProviderAccount, services: Services) -> None:
        """Remember whose session it is; nothing is read or sent yet."""
        self.client = client
        self._account = account
        self._adapter = account.adapter
        self._services = services
        self._who = Taxpayer(client.gstin, client.portal_username)
        self._store = SessionStore(
            services.engine, services.vault, client.client_id, client.provider, services.stop
        )

    # questions

    def ask(self, question: Question) -> Answer:
        """Ask and return the answer; a refusal carries the calls it cost."""
        meter = CallMeter()
        return self._counted(meter, lambda: self._answer(question, meter))

    def _answer(self, question: Question, meter: CallMeter) -> Answer:
        endpoint = endpoint_of(question.endpoint)
        if question.token is not None:
            payload, raw = self._file(endpoint, question, question.token, meter)
            version = self._account.settings.endpoint_versions.get(endpoint.name, endpoint.version)
            return Answer(payload, (raw,), meter.calls, version)
        request = self._request(endpoint, question, question.params)
        payload, raw = self._opened(endpoint, request, question.period, meter)
        listed = file_list(payload)
        if listed is not None:
            payload, raw = self._downloaded(listed, meter)
        elif isinstance(payload, dict) and payload.get("token") and "est" in payload:
            raise FileQueued(
                "The answer is large; the portal builds a file of it.",
                token=str(payload["token"]),
                ready_at=ready_after(payload["est"], self._services.now()),
            )
        return Answer(payload, (raw,), meter.calls, request.version)

    def _request(self, endpoint: Endpoint, question: Question, params: Mapping[str, str]) -> Request:
        request = fill(
            endpoint,
            self._adapter.kind,
            gstin=self.client.gstin,
            period=question.period,
            params=params,
            versions=self._account.settings.endpoint_versions,
        )
        if request is None:
            raise NotApplicable(f"The provider {self.client.provider} does not offer {endpoint.name}.")
        return request

    def _opened(
        self,
        endpoint: Endpoint,
        request: Request,
        period: Period | None,
        meter: CallMeter,
        token: str | None = None,
    ) -> Opened:
        """Ask once with the session at hand, and once more after a refresh or a broken seal."""

        def asked(tokens: Tokens) -> Opened:
            call = self._adapter.ask(request, self._who, tokens, self._account.app_token(meter))
            body = self._account.exchange(
                endpoint.name,
                call,
                meter,
                client=self.client.gstin,
                period=period,
                token=token,
                once=endpoint.acts,
            )
            return self._open(body, tokens)

        if self._adapter.kind in endpoint.public:
            return self._asked_publicly(asked, meter)
        return self._asked_in_session(asked, meter)

    def _open(self, body: Any, tokens: Tokens) -> Opened:
        content = self._adapter.content(body, tokens)
        if content.opened is None:
            return content.parsed, to_bytes(content.parsed)
        return parse_json(content.opened, depth=self._services.settings.json_depth), content.opened

    def _asked_publicly(self, asked: Callable[[Tokens], Opened], meter: CallMeter) -> Opened:
        tokens = self._account.public_tokens(meter)
        try:
            return asked(tokens)
        except crypto.SealBroken:
            return asked(tokens)
        except SessionExpired:
            self._account.forget(app_token=self._account.app_token(meter), public=tokens.access)
        try:
            return asked(self._account.public_tokens(meter))
        except SessionExpired as error:
            raise ProviderMisconfigured(
                "The provider refuses public questions right after a fresh login.",
                source_code=error.source_code,
            ) from error

    def _asked_in_session(self, asked: Callable[[Tokens], Opened], meter: CallMeter) -> Opened:
        stored = self._live(self._store.recent(), meter)
        try:
            return asked(stored.tokens)
        except crypto.SealBroken:
            return asked(
                self._live(self._store.load(), meter).tokens
            )  # damaged on the way, or another process refreshed
        except OtpRequired:
            self._end(stored)
            raise
        except SessionExpired as error:
            forbidden = error.source_code == "HTTP 403"
            fresh = stored
            if not (forbidden and _wall_clock() - stored.issued_at < REFRESH_REST):
                fresh = self._refreshed(stored, meter)
        try:
            return asked(fresh.tokens)
        except SessionExpired as error:
            if forbidden:
                raise BadRequest(
                    "The provider forbids this question to this client.", source_code=error.source_code
                ) from error
            self._end(fresh)
            raise OtpRequired(
                "The portal refuses the session right after it was refreshed.", source_code=error.source_code
            ) from error

    # queued files

    def _file(self, endpoint: Endpoint, question: Question, token: str, meter: CallMeter) -> Opened:
        """Ask for a queued file; when a link has ended meanwhile the list is asked for once more."""
        asking = endpoint_of(endpoint.files)
        month = question.period or Period.of(self._services.now().astimezone(INDIA).date())
        request = self._request(asking, replace(question, period=month), {"token": token})
        listed = self._file_list(asking, request, question.period, token, meter)
        try:
            return self._downloaded(listed, meter)
        except (LinkEnded, TruncatedResponse):
            listed = self._file_list(asking, request, question.period, token, meter)
        try:
            return self._downloaded(listed, meter)
        except LinkEnded as error:
            raise GenerationFailed(
                "The links of a queued file end before they can be used.", source_code=error.source_code
            ) from error

    def _file_list(
        self, asking: Endpoint, request: Request, period: Period | None, token: str, meter: CallMeter
    ) -> FileList:
        payload, _ = self._opened(asking, request, period, meter, token)
        listed = file_list(payload)
        if listed is None:
            raise FileQueued(
                "The portal is still building the file.",
                token=token,
                ready_at=ready_after(
                    payload.get("est") if isinstance(payload, dict) else None, self._services.now()
                ),
            )
        return listed

    def _downloaded(self, listed: FileList, meter: CallMeter) -> Opened:
        settings = self._services.settings
        parts: list[Any] = []
        raws: list[bytes] = []
        left = settings.file_limit_bytes
        for one in listed.files:
            raw = self._account.download(one.link, meter, client=self.client.gstin)
            check_hash(raw, one.sha256)
            for text in members(raw, listed.key, left):
                left -= len(text)
                raws.append(text)
                parts.append(parse_json(text, depth=settings.json_depth))
        whole = merge(parts)
        return whole, raws[0] if len(raws) == 1 else to_bytes(whole)

    # the session itself

    def request_otp(self) -> None:
        """Make the portal send an OTP to the person; costs one auth call.

        Raises:
            PortalSettingRequired: API access is off.
        """
        meter = CallMeter()
        self._counted(meter, lambda: self._request_otp(meter))

    def _request_otp(self, meter: CallMeter) -> None:
        with self._store.alone(self._who.username):
            app_key = crypto.new_app_key()
            call = self._adapter.request_otp(self._who, app_key, self._account.app_token(meter))
            self._account.exchange("auth.otp", call, meter, once=True)
            while not self._await_otp(app_key):
                pass  # somebody ended the session meanwhile; without its key the OTP that was sent is worth nothing

    def _await_otp(self, app_key: bytes) -> bool:
        """Store the key that the OTP will be answered with beside the session; False when another came first."""
        known, now = self._store.load(), _wall_clock()
        if known is None:
            return self._store.save(None, Tokens(pending_key=app_key), now, now)
        kept = known.tokens
        tokens = Tokens(
            kept.access, kept.session_key, kept.refresh, app_key, consent_ends_at=kept.consent_ends_at
        )
        return self._store.save(known, tokens, known.issued_at, known.refresh_by)

    def answer_otp(self, otp: str) -> None:
        """Open the session with the person's OTP, which is tried once.

        Raises:
            OtpRejected: the portal refused it, or it has not the form of one.
        """
        meter = CallMeter()
        self._counted(meter, lambda: self._answer_otp(otp.strip(), meter))

    def _answer_otp(self, otp: str, meter: CallMeter) -> None:
        if not (otp.isascii() and otp.isalnum() and 4 <= len(otp) <= 10):
            raise OtpRejected("What was entered has not the form of a one-time password; it was not sent.")
        with self._store.alone(self._who.username):
            known = self._store.load()
            pending = known.tokens.pending_key if known is not None else b""
            app_key = pending or crypto.new_app_key()
            call = self._adapter.answer_otp(self._who, otp, app_key, self._account.app_token(meter))
            try:
                body = self._account.exchange("auth.otp", call, meter, once=True)
            except SessionExpired as error:
                raise OtpRejected(
                    "The portal refused the login of this client.", source_code=error.source_code
                ) from error
            self._keep(known, self._adapter.tokens(body, app_key, _wall_clock()))

    def generate(self, period: Period) -> bool:
        """Ask the portal to generate the statement of a period; True when it is there now. Opt-in per client.

        Raises:
            NotGenerated: the client has not opted in, or the portal still has none.
        """
        return generate_2b(self, period)

    def close(self) -> None:
        """Nothing of this client's own is open; sockets belong to the account, the stored token stays."""

    def _live(self, stored: Stored | None, meter: CallMeter) -> Stored:
        """Return a stored session if it may be used, refreshed when our clock says so.

        Raises:
            ConsentLapsed: the consent's own clock has run out.
            OtpRequired: there is no session.
        """
        now = _wall_clock()
        self._check_consent(stored)
        if stored is None or not stored.is_open:
            raise OtpRequired("There is no open session of this client with the portal.")
        if now < stored.refresh_by:
            return stored
        try:
            return self._refreshed(stored, meter)
        except RetryableSourceError:
            if now < stored.issued_at + timedelta(hours=6):
                return stored  # still alive by the portal's shortest clock; the next question tries again
            raise

    def _check_consent(self, stored: Stored | None) -> None:
        """Compare the consent's end, as the provider told it or else as the client master has it, with now.

        Raises:
            ConsentLapsed: it has passed, and no login has succeeded since.
        """
        told = stored.tokens.consent_ends_at if stored is not None and stored.is_open else None
        noted = self.client.consent_ends_at
        if told is not None:
            has_lapsed = told <= _wall_clock()
        elif noted is not None:
            renewed = stored is not None and stored.is_open and stored.issued_at > noted
            has_lapsed = noted <= self._services.now() and not renewed
        else:
            has_lapsed = False
        if has_lapsed:
            raise ConsentLapsed("The client's API consent has ended.")

    def _refreshed(self, stored: Stored, meter: CallMeter) -> Stored:
        """Prolong a session, or take what another thread or process has made of it meanwhile.

        Raises:
            OtpRequired: the portal does not prolong it.
        """
        with self._store.alone(self._who.username):
            newest = self._store.load()
            if newest is not None and newest.fence != stored.fence and newest.is_open:
                return newest
            app_key = crypto.new_app_key()
            call = self._adapter.refresh(self._who, stored.tokens, app_key, self._account.app_token(meter))
            try:
                body = self._account.exchange("auth.refresh", call, meter, once=True)
            except (SessionExpired, OtpRequired) as error:
                self._end(stored)
                raise OtpRequired(
                    "The portal no longer prolongs the session of this client.", source_code=error.source_code
                ) from error
            return self._keep(stored, self._adapter.tokens(body, app_key, _wall_clock()))

    def _keep(self, known: Stored | None, tokens: Tokens) -> Stored:
        """Store a new session; what else was written meanwhile is about an older one and gives way."""
        now = _wall_clock()
        hours = float(self.client.settings.get("session_refresh_hours", REFRESH_AFTER_HOURS))
        refresh_by = now + timedelta(hours=hours)
        if tokens.expires_at is not None:
            refresh_by = min(refresh_by, tokens.expires_at - timedelta(minutes=10))
        while not self._store.save(known, tokens, now, refresh_by):
            known = self._store.load()
        return self._store.load() or Stored(tokens, now, refresh_by, 0)

    def _end(self, stored: Stored) -> None:
        """Forget a session that the portal refuses, so that no other unit spends a call on it."""
        now = _wall_clock()
        self._store.save(stored, Tokens(pending_key=stored.tokens.pending_key), now, now)

    def _counted(self, meter: CallMeter, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except SyncError as error:
            error.calls = meter.calls
            raise


def _wall_clock() -> datetime:
    """Return the real time: tokens die by it, whatever business date a run is made for."""
    return datetime.now(UTC)


def generate_2b(session: GstSession, period: Period) -> bool:
    """Ask the portal to generate a client's GSTR-2B; return whether it says that the statement is there now.

    It is the one question that makes the portal do something, so it needs the client's setting ``generate_2b``.

    Raises:
        NotGenerated: the client has not opted in, or the portal cannot generate it yet.
        BadRequest: it can no longer be generated (GSTR-3B is filed).
    """
    if session.client.settings.get("generate_2b") is not True:
        raise NotGenerated("GSTR-2B is not generated, and this client has not opted in to asking for it.")
    answer = session.ask(Question("gstr2b.generate", period))
    reference = answer.payload.get("reference_id") if isinstance(answer.payload, dict) else None
    if not reference:
        return True  # nothing has changed since it was made
    status = session.ask(Question("gstr2b.status", period, {"int_tran_id": str(reference)}))
    state = status_text(status.payload.get("status_cd")) if isinstance(status.payload, dict) else ""
    return state in {"P", "1", "REC"}
