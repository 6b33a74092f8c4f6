"""Stored sessions: one row per client and provider, sealed by the vault, changed only by compare-and-swap.

Logging in and refreshing are done under a lease per portal user name, so two threads or processes never both
do it; whoever comes second finds the row changed and uses what the first one stored.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from clientsync.database import reading, writing
from clientsync.errors import IntegrityBroken, SourceTimeout, StopRequested
from clientsync.ledger import leases
from clientsync.ledger.tables import SyncSession
from clientsync.secrets.vault import Vault
from connectors.gst.provider.adapter import Tokens

_T = SyncSession.__table__  # type: ignore[attr-defined]
LOCK_SECONDS = 150.0
"""How long a login or refresh may take before another process may try; longer than one call's deadline."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Stored:
    """A session as it lies in the ledger.

    Attributes:
        tokens: opened by the vault.
        issued_at: when the portal gave them.
        refresh_by: when they should be refreshed by our own clock.
        fence: grows with every change.
    """

    tokens: Tokens
    issued_at: datetime
    refresh_by: datetime
    fence: int

    @property
    def is_open(self) -> bool:
        """Whether there is a session, and not only an OTP that is awaited."""
        return bool(self.tokens.access)


class SessionStore:
    """The stored session of one client with one provider."""

    def __init__(
        self, engine: Engine, vault: Vault, client_id: str, provider: str, stop: threading.Event
    ) -> None:
        """Remember whose session it is; nothing is read yet."""
        self._engine = engine
        self._vault = vault
        self._client_id = client_id
        self._provider = provider
        self._stop = stop
        self._cached: Stored | None = None

    def load(self) -> Stored | None:
        """Return the stored session, None when there was never one.

        Raises:
            MissingSecret: it does not open under any key of the vault.
        """
        mine = (_T.c.client_id == self._client_id) & (_T.c.provider == self._provider)
        with reading(self._engine) as connection:
            row = connection.execute(select(_T).where(mine)).mappings().one_or_none()
        if row is None:
            return None
        if self._cached is None or self._cached.fence != row["fence"]:
            tokens = Tokens.from_bytes(self._vault.open_sealed(row["sealed"]))
            self._cached = Stored(
                tokens=replace(tokens, consent_ends_at=row["consent_ends_at"]),
                issued_at=row["issued_at"],
                refresh_by=row["refresh_by"],
                fence=row["fence"],
            )
        return self._cached

    def save(self, known: Stored | None, tokens: Tokens, issued_at: datetime, refresh_by: datetime) -> bool:
        """Store a session in the place of the one that is known; return False when another came first."""
        values = {
            "sealed": self._vault.seal(tokens.to_bytes()),
            "issued_at": issued_at,
            "refresh_by": refresh_by,
            "consent_ends_at": tokens.consent_ends_at,
        }
        mine = (_T.c.client_id == self._client_id) & (_T.c.provider == self._provider)
        if known is not None:
            with writing(self._engine) as connection:
                changed = connection.execute(
                    update(_T).where(mine, _T.c.fence == known.fence).values(fence=known.fence + 1, **values)
                )
                return bool(changed.rowcount)
        try:
            with writing(self._engine) as connection:
                connection.execute(
                    insert(_T).values(client_id=self._client_id, provider=self._provider, fence=1, **values)
                )
        except (IntegrityBroken, IntegrityError):
            return False
        return True

    @contextmanager
    def alone(self, username: str) -> Iterator[None]:
        """Hold the right to log in or refresh for a portal user name, over all threads and processes.

        Raises:
            SourceTimeout: another process holds it for longer than a login can take.
            StopRequested: the run was asked to stop while waiting.
        """
        key = (hashlib.sha256(username.encode()).hexdigest()[:32], "gst", "session")
        holder = f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
        deadline = time.monotonic() + LOCK_SECONDS
        while not (fences := leases.take(self._engine, [key], holder, LOCK_SECONDS)):
            if time.monotonic() > deadline:
                raise SourceTimeout("Another process is logging this client in and does not end.")
            if self._stop.wait(_POLL_SECONDS):
                raise StopRequested("The run was asked to stop.")
        try:
            yield
        finally:
            leases.release(self._engine, fences)
