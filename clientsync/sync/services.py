"""What the engine works with, opened once per process and handed down; nothing here is global.

Opening services upgrades the warehouse and makes the vault; closing them ends every socket and thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine

from clientsync import clock
from clientsync.config import Settings, settings
from clientsync.database import open_engine, upgrade
from clientsync.redact import install
from clientsync.registry import load_dotted, release_connectors
from clientsync.secrets.vault import Vault
from clientsync.spec.module import TableSpec
from clientsync.staged import Breach, StagedUnit


class Validator(Protocol):
    """Checks a batch of staged units against the checks of their tables."""

    def __call__(self, units: Sequence[StagedUnit], tables: Mapping[str, TableSpec]) -> list[Breach]:
        """Return every breach found."""
        ...


@dataclass
class Services:
    """The engine's surroundings.

    Attributes:
        engine: the warehouse and ledger.
        settings: as configured.
        vault: seals session tokens and named secrets.
        stop: set when a person or a signal asked to stop; every wait ends then.
        now: the moment; one clock for the whole run.
        released: (client id, module, unit period) that a person released from suspicion.
    """

    engine: Engine
    settings: Settings
    vault: Vault
    stop: threading.Event = field(default_factory=threading.Event)
    now: Callable[[], datetime] = clock.now
    validator: Validator | None = None
    released: set[tuple[str, str, str]] = field(default_factory=set)

    def validate(self, units: Sequence[StagedUnit], tables: Mapping[str, TableSpec]) -> list[Breach]:
        """Validate a batch; the validator (and Great Expectations with it) is imported on first use."""
        if self.validator is None:
            self.validator = load_dotted(self.settings.validator)
        return self.validator(units, tables)

    def close(self) -> None:
        """End the providers' sockets and the database connections; a stored session stays."""
        release_connectors(self.engine)
        self.engine.dispose()


def services_from_settings() -> Services:
    """Open the services that the settings describe; the warehouse is made or upgraded on the way."""
    install()
    configured = settings()
    configured.home.mkdir(parents=True, exist_ok=True)
    engine = open_engine(configured.database_url)
    upgrade(engine)
    return Services(engine=engine, settings=configured, vault=Vault.from_settings(configured))
