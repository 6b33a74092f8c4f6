"""Stored sessions with portals: one sealed row per client and portal, and what befell the log-ins there.

A row is changed only by compare-and-swap, and whoever logs in or refreshes holds a lease on the user name, so
two threads or processes never both do it. No password that a portal has refused is sent to it again before a log-in
has worked, however many others were tried in between.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from clientsync.database import reading, writing
from clientsync.errors import (
    AccountLocked,
    CaptchaRequired,
    ContractChanged,
    DualLogin,
    IntegrityBroken,
    MissingSecret,
    NeedsPerson,
    NotEntitled,
    PasswordExpired,
    PasswordRejected,
    RateLimited,
    Scope,
    SecondFactorRequired,
    SourceTimeout,
    SourceUnavailable,
    StopRequested,
    SyncError,
    UnknownName,
)
from clientsync.http.client import CallMeter
from clientsync.ledger import challenges, leases
from clientsync.ledger.tables import SyncLogin, SyncSession
from clientsync.secrets.vault import Vault

_SESSION = SyncSession.__table__  # type: ignore[attr-defined]
_LOGIN = SyncLogin.__table__  # type: ignore[attr-defined]
LOCK_SECONDS = 150.0
"""How long a login or refresh may take before another process may try; longer than one call's deadline."""
_POLL_SECONDS = 0.1
RECENT_SECONDS = 5.0
"""How long a session that was read is taken as it is; what another process changes meanwhile the portal tells."""

FAILURES_BEFORE_REST = 3
"""Refused log-ins after which nothing is sent for a while; both portals lock an account at five."""
REST = timedelta(hours=1)
DUAL_LOGIN_REST = timedelta(minutes=15)
"""How long somebody else who is logged in is left alone."""
_REJECTED, _EXPIRED, _UNCLEAR = "r:", "e:", "u:"
_WORDS_UNKNOWN = (
    "The portal answered the log-in in words that are not known; the password is not sent again until a person says "
    "that it is right."
)
_NOT_JUDGED = (
    CaptchaRequired,
    DualLogin,
    NotEntitled,
    RateLimited,
    SecondFactorRequired,
    SourceUnavailable,
    StopRequested,
)

CONNECTOR = "tds"
"""The connector to whose clients the challenges of both portals belong."""
CHALLENGE_KINDS = ("captcha", "second_factor", "password", "registration")


class Sealable(Protocol):
    """What is kept of a session, sealed by the vault."""

    @property
    def is_open(self) -> bool:
        """Whether there is a session, and not only a challenge that is awaited."""
        ...

    @property
    def consent_ends_at(self) -> datetime | None:
        """When the consent behind it ends; kept readable beside the sealed value."""
        ...

    def to_bytes(self) -> bytes:
        """Return what the vault seals."""
        ...


T = TypeVar("T", bound=Sealable)


@dataclass(frozen=True)
class Stored(Generic[T]):
    """A session as it lies in the ledger.

    Attributes:
        tokens: opened by the vault.
        issued_at: when the portal gave them.
        refresh_by: when they should be refreshed by our own clock.
        fence: grows with every change.
    """

    tokens: T
    issued_at: datetime
    refresh_by: datetime
    fence: int

    @property
    def is_open(self) -> bool:
        """Whether there is a session, and not only a challenge that is awaited."""
        return self.tokens.is_open


class StoredSessions(Generic[T]):
    """The stored session of one client with one portal or provider."""

    def __init__(
        self,
        engine: Engine,
        vault: Vault,
        client_id: str,
        provider: str,
        stop: threading.Event,
        *,
        opened: Callable[[bytes, datetime | None], T],
        connector: str,
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        """Remember whose session it is; nothing is read yet.

        Args:
            engine: where the ledger is.
            vault: seals the row.
            client_id: whose session.
            provider: with whom: name of the provider account or portal.
            stop: ends waiting for another process.
            opened: makes the value from unsealed bytes and the end of the consent.
            connector: names the lease under which is logged in.
            lock_seconds: longest time that one log-in may take.
        """
        self._engine = engine
        self._vault = vault
        self._client_id = client_id
        self._provider = provider
        self._stop = stop
        self._opened = opened
        self._connector = connector
        self._lock_seconds = lock_seconds
        self._cached: Stored[T] | None = None
        self._read_at = float("-inf")

    def recent(self) -> Stored[T] | None:
        """Return the open session that was read within the last seconds, else read what is stored.

        Only for a session whose use another process cannot change but by ending or replacing it.

        Raises:
            MissingSecret: it does not open under any key of the vault.
        """
        known = self._cached
        if known is not None and known.is_open and time.monotonic() - self._read_at < RECENT_SECONDS:
            return known
        return self.load()

    def load(self) -> Stored[T] | None:
        """Return the stored session, None when there was never one.

        Raises:
            MissingSecret: it does not open under any key of the vault.
        """
        with reading(self._engine) as connection:
            row = connection.execute(select(_SESSION).where(self._mine())).mappings().one_or_none()
        if row is None:
            self._cached = None
        elif self._cached is None or self._cached.fence != row["fence"]:
            self._cached = Stored(
                tokens=self._opened(self._vault.open_sealed(row["sealed"]), row["consent_ends_at"]),
                issued_at=row["issued_at"],
                refresh_by=row["refresh_by"],
                fence=row["fence"],
            )
        self._read_at = time.monotonic()
        return self._cached

    def save(self, known: Stored[T] | None, tokens: T, issued_at: datetime, refresh_by: datetime) -> bool:
        """Store a session in the place of the one that is known; return False when another came first."""
        self._read_at = float("-inf")
        values = {
            "sealed": self._vault.seal(tokens.to_bytes()),
            "issued_at": issued_at,
            "refresh_by": refresh_by,
            "consent_ends_at": tokens.consent_ends_at,
        }
        if known is not None:
            with writing(self._engine) as connection:
                changed = connection.execute(
                    update(_SESSION)
                    .where(self._mine(), _SESSION.c.fence == known.fence)
                    .values(fence=known.fence + 1, **values)
                )
                return bool(changed.rowcount)
        try:
            with writing(self._engine) as connection:
                connection.execute(
                    insert(_SESSION).values(
                        client_id=self._client_id, provider=self._provider, fence=1, **values
                    )
                )
        except (IntegrityBroken, IntegrityError):
            return False
        return True

    @contextmanager
    def alone(self, username: str) -> Iterator[None]:
        """Hold the right to log in or refresh for a user name, over all threads and processes.

        Raises:
            SourceTimeout: another process holds it for longer than a login can take.
            StopRequested: the run was asked to stop while waiting.
        """
        key = (hashlib.sha256(username.encode()).hexdigest()[:32], self._connector, "session")
        holder = f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
        deadline = time.monotonic() + self._lock_seconds
        while not (fences := leases.take(self._engine, [key], holder, self._lock_seconds)):
            if time.monotonic() > deadline:
                raise SourceTimeout("Another process is logging this client in and does not end.")
            if self._stop.wait(_POLL_SECONDS):
                raise StopRequested("The run was asked to stop.")
        try:
            yield
        finally:
            leases.release(self._engine, fences)

    def _mine(self) -> Any:
        return (_SESSION.c.client_id == self._client_id) & (_SESSION.c.provider == self._provider)


class LoginBook:
    """What befell the log-ins of one client at one portal; written only by who holds the log-in's lease.

    A log-in is counted as refused before it is sent and the count is taken back when it was not, so a crash or a
    lost answer errs on the side of the account.
    """

    def __init__(self, engine: Engine, vault: Vault, client_id: str, portal: str, username: str) -> None:
        """Remember whose log-ins they are; nothing is read yet."""
        self._engine = engine
        self._vault = vault
        self._client_id = client_id
        self._portal = portal
        self._username = username

    def check(self, password: str) -> None:
        """Return if a log-in with a password may be sent.

        Raises:
            AccountLocked: the portal has locked the account, or one more refusal comes too near to it.
            PasswordRejected: the portal has refused this very password for this user since the last log-in that
                worked, or answered it in words that nobody knows.
            PasswordExpired: the portal has called this very password expired before.
        """
        row = self._row()
        until = row.get("locked_until")
        if until is not None and until > wall_clock():
            raise AccountLocked(
                "No log-in is sent while the account is locked or rests after refused log-ins.",
                ready_at=until,
            )
        marks = self._marks(row)
        if not marks:
            return
        if self._mark(_REJECTED, password) in marks:
            raise PasswordRejected("The portal has refused the stored password; it is not sent again.")
        if self._mark(_EXPIRED, password) in marks:
            raise PasswordExpired("The portal wants a new password; the old one is not sent again.")
        if self._mark(_UNCLEAR, password) in marks:
            raise PasswordRejected(_WORDS_UNKNOWN)

    def trust(self) -> None:
        """Let a password that was answered in unknown words be sent once more: a person says that it is right."""
        marks = self._marks(self._row())
        kept = [mark for mark in marks if not mark.startswith(_UNCLEAR)]
        if kept != marks:
            self._keep_marks(kept)
            self._write(rejected_mark=kept[-1] if kept else "")

    @contextmanager
    def attempt(self, password: str) -> Iterator[None]:
        """Send one log-in inside the block and remember what befell it.

        It counts as refused from the start, and the third in a row begins a rest of an hour. The count is taken
        back when the portal did not get as far as judging the password, and kept when nobody knows.
        """
        before = self._row()
        failures = int(before.get("failures") or 0)
        kept = {name: before.get(name) for name in ("failed_at", "locked_until")} | {"failures": failures}
        now = wall_clock()
        rests = failures + 1 >= FAILURES_BEFORE_REST
        self._write(failures=failures + 1, failed_at=now, locked_until=now + REST if rests else None)
        try:
            yield
        except PasswordRejected:
            self._write(rejected_mark=self._remember(before, _REJECTED, password))
            raise
        except ContractChanged as error:
            self._write(rejected_mark=self._remember(before, _UNCLEAR, password))
            raise PasswordRejected(_WORDS_UNKNOWN, source_code=error.source_code) from error
        except PasswordExpired:
            self._write(**kept, rejected_mark=self._remember(before, _EXPIRED, password))
            raise
        except AccountLocked as error:
            self._write(**{**kept, "locked_until": error.ready_at})
            raise
        except _NOT_JUDGED:
            self._write(**kept)
            raise
        self._write(failures=0, failed_at=None, rejected_mark="", locked_until=None)
        self._vault.delete(self._marks_name)

    def locked(self, until: datetime | None) -> None:
        """Remember until when the portal says that the account is locked."""
        self._write(locked_until=until)

    @property
    def _marks_name(self) -> str:
        return f"tds/{self._client_id}/{self._portal}/refused"

    def _marks(self, row: Mapping[str, Any]) -> list[str]:
        """Return the marks of all passwords that were refused since the last log-in that worked, the newest last.

        The row has the newest, the vault all of them; what the vault has counts only while the row has one, because
        a log-in that worked empties the row first.
        """
        newest = str(row.get("rejected_mark") or "")
        if not newest:
            return []
        try:
            kept = json.loads(self._vault.get(self._marks_name).get_secret_value())
        except MissingSecret:
            kept = []
        return [*(mark for mark in kept if mark != newest), newest]

    def _remember(self, before: Mapping[str, Any], why: str, password: str) -> str:
        """Keep the mark of a refused password beside those of the others; return it."""
        mark = self._mark(why, password)
        self._keep_marks([*self._marks(before), mark])
        return mark

    def _keep_marks(self, marks: list[str]) -> None:
        self._vault.put(self._marks_name, json.dumps(marks))

    def _mark(self, why: str, password: str) -> str:
        """Return a keyed hash of user and password; its key lies in the vault and is made on first use."""
        said = f"{self._username}\0{password}"
        name = f"tds/{self._client_id}/{self._portal}/mark"
        try:
            key = self._vault.get(name).get_secret_value()
        except MissingSecret:
            key = secrets.token_hex(32)
            self._vault.put(name, key)
        return why + hmac.new(bytes.fromhex(key), said.encode(), hashlib.sha256).hexdigest()[:60]

    def _row(self) -> Mapping[str, Any]:
        mine = (_LOGIN.c.client_id == self._client_id) & (_LOGIN.c.portal == self._portal)
        with reading(self._engine) as connection:
            row = connection.execute(select(_LOGIN).where(mine)).mappings().one_or_none()
        return {} if row is None else dict(row)

    def _write(self, **values: Any) -> None:
        upsert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        defaults = {"failures": 0, "rejected_mark": "", "failed_at": None, "locked_until": None}
        with writing(self._engine) as connection:
            connection.execute(
                upsert(_LOGIN)
                .values(client_id=self._client_id, portal=self._portal, **{**defaults, **values})
                .on_conflict_do_update(index_elements=["client_id", "portal"], set_=values)
            )


@contextmanager
def counted(portal: str, meter: CallMeter) -> Iterator[None]:
    """Let errors out of the block with the calls they cost, and with the portal they close to the client."""
    try:
        yield
    except SyncError as error:
        error.calls = meter.calls
        if error.scope is Scope.CLIENT:
            error.portal = portal
        raise


def raise_for_person(engine: Engine, client_id: str, portal: str, kind: str, error: NeedsPerson) -> NoReturn:
    """Write the challenge that tells a person what to do, then raise the error."""
    challenges.raise_challenge(engine, client_id, CONNECTOR, kind, portal=portal)
    raise error


def check_kind(kind: str) -> None:
    """Return if a kind of challenge exists.

    Raises:
        UnknownName: it does not; lists those that do.
    """
    if kind not in CHALLENGE_KINDS:
        raise UnknownName("kind of challenge", kind, CHALLENGE_KINDS)


def wall_clock() -> datetime:
    """Return the real time: sessions and locks end by it, whatever business date a run is made for."""
    return datetime.now(UTC)
