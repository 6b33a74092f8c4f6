"""One live portal session per client, shared by the units of a run and used by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from clientsync.registry import connector
from clientsync.spec.connector import PortalSession
from clientsync.sync.planning import ClientFacts
from clientsync.sync.services import Services


class SessionPool:
    """Opens sessions on first use and closes all of them at the end."""

    def __init__(self, services: Services, connector_name: str) -> None:
        """Remember where sessions come from; nothing is opened yet."""
        self._services = services
        self._connector = connector(connector_name)
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._sessions: dict[str, PortalSession] = {}

    @contextmanager
    def of(self, client: ClientFacts) -> Iterator[PortalSession]:
        """Hold the session of a client; other threads that want the same client wait."""
        with self._guard:
            lock = self._locks.setdefault(client.client_id, threading.Lock())
        with lock:
            session = self._sessions.get(client.client_id)
            if session is None:
                session = self._connector.open_session(client.identity(), self._services)
                self._sessions[client.client_id] = session
            yield session

    def close(self) -> None:
        """Close every session that was opened; stored tokens stay."""
        with self._guard:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
        release = getattr(self._connector, "release", None)
        if release is not None:
            release(self._services.engine)
