"""The practice's account with one provider in this process: credentials, budget, and every call that is sent.

One account serves all clients of a provider and is safe to share between threads. Calls draw from the shared
rate budget before they are sent; passing failures are repeated within the run's limits; nothing that changes a
session or makes the portal work is ever sent twice.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from clientsync.config import ProviderSettings
from clientsync.errors import ProviderMisconfigured, SessionExpired, SourceError
from clientsync.http.client import CallMeter, HttpClient, Reply
from clientsync.periods import Period
from clientsync.secrets.references import resolve
from clientsync.sync.services import Services
from connectors.gst.provider import crypto
from connectors.gst.provider.adapter import Adapter, Call, Tokens
from connectors.gst.provider.errors import Refusal, error_for, refusal_of_status
from connectors.gst.provider.files import LinkEnded
from connectors.gst.provider.gsp import GspAdapter
from connectors.gst.provider.sandbox import SandboxAdapter

APP_TOKEN_SECONDS = 23 * 3600.0
"""Sandbox's application token lives about 24 hours."""
PUBLIC_TOKEN_SECONDS = 5 * 3600.0


@dataclass
class _Kept:
    """A token of the account with the monotonic moment at which it is asked for anew."""

    tokens: Tokens = field(default_factory=Tokens)
    until: float = 0.0


class ProviderAccount:
    """One provider, as this process uses it."""

    def __init__(self, name: str, settings: ProviderSettings, services: Services) -> None:
        """Resolve the credentials and open the way out; nothing is sent yet.

        Raises:
            MissingSecret: a credential is not stored where its reference says.
            ProviderMisconfigured: a raw GSTN provider without a readable certificate.
        """
        self.name = name
        self.settings = settings
        self._services = services
        self.adapter = _adapter(settings, services)
        self._http = HttpClient.for_provider(services.settings, name, services.engine, services.stop)
        self._lock = threading.Lock()
        self._app = _Kept()
        self._public = _Kept()

    def close(self) -> None:
        """End every socket."""
        self._http.close()

    def exchange(
        self,
        endpoint: str,
        call: Call,
        meter: CallMeter,
        *,
        client: str = "",
        period: Period | None = None,
        token: str | None = None,
        once: bool = False,
    ) -> Any:
        """Send a call and return its parsed answer, which is no refusal.

        Args:
            endpoint: name for error classes: ``gstr2b.get``, ``auth.otp``.
            call: what to send.
            meter: counts what is sent.
            client: GSTIN on whose behalf; calls of one registration are limited among themselves.
            period: month asked about.
            token: queued file asked about.
            once: never send it a second time, whatever befalls it.

        Raises:
            SourceError: what the answer or its absence stands for.
        """
        tries = itertools.count()

        def send() -> Any:
            unknown = next(tries)
            reply = self._http.send(
                call.method,
                call.path,
                client=client,
                params=call.query,
                headers=call.headers,
                json=call.body,
                meter=meter,
            )
            refusal, body = self._read(reply)
            if refusal is not None:
                error = error_for(
                    endpoint, refusal, self._services.now(), period=period, token=token, tries=unknown
                )
                if error is not None:
                    raise error
            return body

        return send() if once else self._http.run(send)

    def _read(self, reply: Reply) -> tuple[Refusal | None, Any]:
        """Return the refusal in an answer and its body; the portal's own code goes before the HTTP status."""
        by_status = refusal_of_status(reply.status)
        try:
            body = reply.json()
        except SourceError:
            if by_status is not None:
                return by_status, None
            raise
        found = self.adapter.refusal(body)
        if by_status is not None and (found is None or not found.code):
            return by_status, body
        return found, body

    def download(self, link: str, meter: CallMeter, *, client: str = "") -> bytes:
        """Return the bytes of a queued file; the caller compares its hash.

        Raises:
            LinkEnded: the link no longer works.
            ForbiddenHost: it leads outside the provider's addresses.
        """
        address = link
        if "://" not in link and self.settings.download_urls:
            address = f"{self.settings.download_urls[0].rstrip('/')}/{link.lstrip('/')}"

        def fetch() -> bytes:
            reply = self._http.send("GET", address, client=client, limits=self._http.file_limits, meter=meter)
            if reply.status in {401, 403, 404, 410}:
                raise LinkEnded("The link of a queued file no longer works.", source_code=str(reply.status))
            return reply.raise_for_status().body

        return self._http.run(fetch)

    # tokens of the account itself

    def app_token(self, meter: CallMeter) -> str:
        """Return the application's token, shared by all clients; empty where there is no such login."""
        with self._lock:
            if time.monotonic() >= self._app.until:
                call = self.adapter.app_login()
                if call is None:
                    return ""
                body = self._own_login("auth.app", call, meter)
                self._app = _Kept(
                    Tokens(access=self.adapter.app_token(body)), time.monotonic() + APP_TOKEN_SECONDS
                )
            return self._app.tokens.access

    def public_tokens(self, meter: CallMeter) -> Tokens:
        """Return the session for public questions, which need no client's consent."""
        with self._lock:
            if time.monotonic() >= self._public.until:
                app_key = crypto.new_app_key()
                call = self.adapter.public_login(app_key)
                if call is None:
                    return Tokens()
                body = self._own_login("auth.public", call, meter)
                tokens = self.adapter.tokens(body, app_key, datetime.now(UTC))
                self._public = _Kept(tokens, time.monotonic() + PUBLIC_TOKEN_SECONDS)
            return self._public.tokens

    def forget(self, *, app_token: str = "", public: str = "") -> None:
        """Drop a token of the account that was refused, unless another thread has replaced it already."""
        with self._lock:
            if app_token and self._app.tokens.access == app_token:
                self._app = _Kept()
            if public and self._public.tokens.access == public:
                self._public = _Kept()

    def _own_login(self, endpoint: str, call: Call, meter: CallMeter) -> Any:
        try:
            return self.exchange(endpoint, call, meter)
        except SessionExpired as error:
            raise ProviderMisconfigured(
                f"The provider {self.name} refused the practice's own login.", source_code=error.source_code
            ) from error


def _adapter(settings: ProviderSettings, services: Services) -> Adapter:
    credentials = _Credentials(settings.credentials, services)
    if settings.kind == "sandbox":
        return SandboxAdapter(settings, credentials.resolved())
    if settings.certificate is None:
        raise ProviderMisconfigured("A gsp provider needs `certificate`: GSTN's public certificate.")
    try:
        text = settings.certificate.expanduser().read_bytes()
    except OSError as error:
        raise ProviderMisconfigured(f"GSTN's public certificate cannot be read ({error.strerror}).") from None
    return GspAdapter(settings, credentials.resolved(), crypto.load_public_key(text))


@dataclass(frozen=True)
class _Credentials:
    references: Mapping[str, str]
    services: Services

    def resolved(self) -> dict[str, str]:
        return {name: self._one(reference) for name, reference in self.references.items()}

    def _one(self, reference: str) -> str:
        if reference.startswith("vault:"):
            return self.services.vault.get(reference.removeprefix("vault:")).get_secret_value()
        return resolve(reference).get_secret_value()


_accounts: WeakKeyDictionary[Engine, dict[str, ProviderAccount]] = WeakKeyDictionary()
_accounts_lock = threading.Lock()


def account_of(name: str, services: Services) -> ProviderAccount:
    """Return this process's account with a provider; made on first use, one per warehouse.

    Raises:
        UnknownName: no such provider in the settings; lists those that are.
        MissingSecret: a credential cannot be had.
        ProviderMisconfigured: the provider's settings cannot be used.
    """
    settings = services.settings.provider(name)
    with _accounts_lock:
        known = _accounts.setdefault(services.engine, {})
        found = known.get(name)
        if found is None or found.settings != settings:
            found = known[name] = ProviderAccount(name, settings, services)
        return found


def close_accounts(engine: Engine) -> None:
    """End the sockets of every account that was opened over a warehouse."""
    with _accounts_lock:
        for account in _accounts.pop(engine, {}).values():
            account.close()
