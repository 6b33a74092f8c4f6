"""The ways to the portals in this process: one HTTP client per portal and warehouse, shared by all sessions.

Answers are classed while the call is still open, so that an outage that hides behind HTTP 200 counts for the
breaker of the portal; a log-in is never sent twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from pydantic import SecretStr
from sqlalchemy import Engine

from clientsync.config import ProviderSettings
from clientsync.errors import ProviderMisconfigured
from clientsync.http.client import CallMeter, HttpClient, Reply
from clientsync.secrets.references import resolve
from clientsync.sync.services import Services

T = TypeVar("T")


class PortalAccount:
    """One portal, as this process uses it; safe to share between threads."""

    def __init__(self, name: str, settings: ProviderSettings, services: Services) -> None:
        """Prepare the way; nothing is sent yet."""
        self.name = name
        self.settings = settings
        self.http = HttpClient.for_provider(services.settings, name, services.engine, services.stop)

    def exchange(
        self,
        method: str,
        path: str,
        read: Callable[[Reply], T],
        meter: CallMeter,
        *,
        client: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        once: bool = False,
        expect_redirect: bool = False,
    ) -> T:
        """Send a call and return what ``read`` makes of its answer.

        Args:
            method: HTTP method.
            path: below the portal's base address.
            read: classes and parses the answer.
            meter: counts what is sent.
            client: on whose behalf; calls of one client are limited among themselves.
            query: of the address.
            headers: sent with this call only.
            json: body as JSON.
            form: body as a form.
            once: never send it a second time, whatever befalls it.
            expect_redirect: hand a 3xx to ``read``; it is not followed.

        Raises:
            SourceError: what the answer or its absence stands for.
        """

        def send() -> T:
            found: list[T] = []
            self.http.send(
                method,
                path,
                client=client,
                params=query,
                headers=headers,
                json=json,
                form=form,
                meter=meter,
                expect_redirect=expect_redirect,
                check=lambda reply: found.append(read(reply)),
            )
            return found[0]

        return send() if once else self.http.run(send)


_accounts: WeakKeyDictionary[Engine, dict[str, PortalAccount]] = WeakKeyDictionary()
_accounts_lock = threading.Lock()


def account_of(name: str, services: Services) -> PortalAccount:
    """Return this process's way to a portal, whose name is also its kind; made on first use, one per warehouse.

    Raises:
        UnknownName: no such portal in the settings; lists the providers that are.
        ProviderMisconfigured: the provider of that name is of another kind.
    """
    settings = services.settings.provider(name)
    if settings.kind != name:
        raise ProviderMisconfigured(f"The provider {name} must be of the kind {name}.")
    with _accounts_lock:
        known = _accounts.setdefault(services.engine, {})
        found = known.get(name)
        if found is None or found.settings != settings:
            found = known[name] = PortalAccount(name, settings, services)
        return found


def close_accounts(engine: Engine, names: Collection[str]) -> None:
    """End the sockets of these portals that were opened over a warehouse."""
    with _accounts_lock:
        known = _accounts.get(engine, {})
        for name in names:
            account = known.pop(name, None)
            if account is not None:
                account.http.close()


def secret_of(reference: str, services: Services) -> SecretStr:
    """Return a secret; ``vault:`` means the vault of these services.

    Raises:
        MissingSecret: nothing is stored under the reference.
    """
    if reference.startswith("vault:"):
        return services.vault.get(reference.removeprefix("vault:"))
    return resolve(reference)
