"""What the sessions with the portals have in common: whose they are, how they are kept, and how they end.

A session that the portal refuses is forgotten only if nobody has replaced it meanwhile, and one question opens
at most one new session.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Generic, NoReturn, Protocol, TypeVar

from clientsync.errors import (
    DualLogin,
    NeedsPerson,
    NotApplicable,
    NotEntitled,
    PasswordExpired,
    PasswordRejected,
    SessionExpired,
    SourceUnavailable,
)
from clientsync.http.client import CallMeter
from clientsync.ledger import challenges
from clientsync.spec.connector import ClientIdentity
from clientsync.sync.services import Services
from connectors.portal_accounts import secret_of
from connectors.portal_sessions import (
    CONNECTOR,
    LoginBook,
    Sealable,
    Stored,
    StoredSessions,
    raise_for_person,
    wall_clock,
)

LOGIN_SECONDS = 300.0
"""Longest time for a log-in with all its calls, each within its own deadline."""


class PortalTokens(Sealable, Protocol):
    """What is kept of a session with a portal."""

    @property
    def access(self) -> str:
        """Token that tells two sessions apart; empty while there is none."""
        ...

    @property
    def not_before(self) -> datetime | None:
        """Nothing is sent before, because somebody else is logged in."""
        ...


T = TypeVar("T", bound=PortalTokens)
Result = TypeVar("Result")


class PortalClient(ABC, Generic[T]):
    """One client's session with one portal; used by one thread at a time."""

    portal: str

    def __init__(
        self,
        client: ClientIdentity,
        services: Services,
        *,
        username: str,
        opened: Callable[[bytes, datetime | None], T],
    ) -> None:
        """Remember whose session it is; nothing is read or sent yet.

        Args:
            client: whose session.
            services: where the ledger, the vault and the settings are.
            username: with which is logged in; a refused password is remembered together with it.
            opened: reads what the vault has sealed.

        Raises:
            NotApplicable: the client is no deductor.
        """
        if client.deductor is None:
            raise NotApplicable("The client is no deductor of tax.")
        self.client = client
        self._tan = client.deductor.tan
        self._services = services
        self._store: StoredSessions[T] = StoredSessions(
            services.engine,
            services.vault,
            client.client_id,
            self.portal,
            services.stop,
            opened=opened,
            connector=self.portal,
            lock_seconds=LOGIN_SECONDS,
        )
        self._book = LoginBook(services.engine, services.vault, client.client_id, self.portal, username)

    def close(self) -> None:
        """Nothing of this client's own is open; sockets belong to the process, the stored session stays."""

    @abstractmethod
    def _live(self, meter: CallMeter) -> Stored[T]:
        """Return an open session, or raise what stands in its way."""

    @abstractmethod
    def _ended(self, not_before: datetime | None) -> T:
        """Return what is kept when there is no session; nothing is sent before a moment."""

    def _in_session(self, asked: Callable[[Stored[T]], Result], meter: CallMeter) -> Result:
        """Ask in the session at hand, and once more in a new one if the portal refuses it.

        Raises:
            DualLogin: somebody else has logged in; their session is left alone.
            SourceUnavailable: the portal refuses the new session as well.
        """
        for _ in range(2):
            known = self._live(meter)
            try:
                return asked(known)
            except SessionExpired:
                self._end(known, None)
            except DualLogin as error:
                self._end(known, error.ready_at)
                raise
            except NotEntitled as error:
                self._needs_person(error, "registration")
        raise SourceUnavailable("The portal ends every session right after it was opened.")

    def _end(self, known: Stored[T], not_before: datetime | None) -> None:
        """Forget a session that the portal refuses, unless it has been replaced by a new one."""
        newest = self._store.load()
        while newest is not None and newest.tokens.access == known.tokens.access:
            now = wall_clock()
            if self._store.save(newest, self._ended(not_before), now, now):
                return
            newest = self._store.load()

    def _keep(self, known: Stored[T] | None, tokens: T, refresh_by: datetime | None = None) -> Stored[T]:
        """Store what is known now; the caller holds the lease, so only an end can have come between."""
        now = wall_clock()
        while not self._store.save(known, tokens, now, refresh_by or now):
            known = self._store.load()
        return self._store.load() or Stored(tokens, now, refresh_by or now, 0)

    def _password(self, known: Stored[T] | None) -> str:
        """Return the password with which a log-in may be sent.

        Raises:
            DualLogin: somebody else was logged in a moment ago.
            AccountLocked: the account is locked, or one more refusal comes too near to it.
            PasswordRejected: the portal is known to refuse the stored password.
            PasswordExpired: the portal is known to want a new one.
            MissingSecret: none is stored.
        """
        rests = known.tokens.not_before if known is not None else None
        if rests is not None and rests > wall_clock():
            raise DualLogin("Somebody else was logged in with this account a moment ago.", ready_at=rests)
        secret = secret_of(f"vault:tds/{self.client.client_id}/{self.portal}", self._services)
        password = secret.get_secret_value()
        try:
            self._book.check(password)
        except (PasswordRejected, PasswordExpired) as error:
            self._needs_person(error, "password")
        return password

    def _settle_challenges(self) -> None:
        """Close every challenge of this client at this portal: a person has done what was needed."""
        challenges.mark_answered(self._services.engine, self.client.client_id, CONNECTOR, self.portal)

    def _needs_person(self, error: NeedsPerson, kind: str) -> NoReturn:
        raise_for_person(self._services.engine, self.client.client_id, self.portal, kind, error)
