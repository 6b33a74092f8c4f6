"""A shop and its accounting, opened: what every part of this room is handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from clientsync.clock import now
from clientsync.commerce import store
from clientsync.commerce.store import Switches
from clientsync.commerce.systems import Accounting, Shop, System
from clientsync.commerce.timing import JAKARTA
from clientsync.database import writing
from clientsync.errors import UnknownName

DIRECTIONS = ("out", "in")
SYSTEMS = ("shop", "accounting")


@dataclass(frozen=True)
class Commerce:
    """One shop and its accounting.

    Attributes:
        name: of the connection, from the settings.
        engine: the ledger.
        shop: where sales are made.
        accounting: where they are booked.
        zone: of both.
        now: the clock.
        at_once: calls under way at once.
        lease: for how long a document that is being sent belongs to one worker.
        first_look_up: how long after a lost answer the target is asked what it has.
    """

    name: str
    engine: Engine
    shop: Shop
    accounting: Accounting
    zone: ZoneInfo = JAKARTA
    now: Callable[[], datetime] = now
    at_once: int = 8
    lease: timedelta = timedelta(minutes=5)
    first_look_up: timedelta = timedelta(seconds=2)

    def system(self, name: str) -> System:
        """Return the shop or the accounting by that word.

        Raises:
            UnknownName: another word.
        """
        if name not in SYSTEMS:
            raise UnknownName("system", name, SYSTEMS)
        return self.shop if name == "shop" else self.accounting

    def source(self, direction: str) -> System:
        """Return where documents of a direction come from."""
        return self.shop if direction == "out" else self.accounting

    def target(self, direction: str) -> System:
        """Return where documents of a direction are booked."""
        return self.accounting if direction == "out" else self.shop

    def switches(self, connection: Connection, *, is_writing: bool = True) -> Switches:
        """Return how the connection is set; a transaction that writes asks for it first, see ``store.switches``."""
        return store.switches(connection, self.name, self.zone, is_writing=is_writing)

    def prepare(self) -> None:
        """Make the row of the connection, with its defaults, if there is none."""
        with writing(self.engine) as connection:
            self.switches(connection)
