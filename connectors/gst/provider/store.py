"""Stored sessions of GST clients: the shared store, for the tokens of a provider.

The end of the consent stands readable in the row, so it is put back into the tokens when they are opened.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Engine

from clientsync.secrets.vault import Vault
from connectors import portal_sessions
from connectors.gst.provider.adapter import Tokens

Stored = portal_sessions.Stored[Tokens]
"""A session as it lies in the ledger."""


class SessionStore(portal_sessions.StoredSessions[Tokens]):
    """The stored session of one client with one provider."""

    def __init__(
        self, engine: Engine, vault: Vault, client_id: str, provider: str, stop: threading.Event
    ) -> None:
        """Remember whose session it is; nothing is read yet."""
        super().__init__(engine, vault, client_id, provider, stop, opened=_opened, connector="gst")


def _opened(plain: bytes, consent_ends_at: datetime | None) -> Tokens:
    return replace(Tokens.from_bytes(plain), consent_ends_at=consent_ends_at)
