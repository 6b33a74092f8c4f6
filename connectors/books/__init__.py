"""The books of the clients: purchase and sales registers, and day books of Tally, that a person exports.

Nothing is asked of anybody; files alone fill these tables. A month that is imported again replaces that month.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, cast

from clientsync.errors import UnknownModule
from clientsync.spec.connector import Calendar, ClientIdentity, ModuleGroup, PortalSession
from clientsync.spec.module import Module

MODULES = ("purchase_register", "sales_register")


@dataclass(frozen=True)
class BooksConnector:
    """Registers of the clients' own books."""

    name: str = "books"
    title: str = "Books"
    groups: tuple[ModuleGroup, ...] = ()
    calendar: Calendar = Calendar.MONTHS
    how_to_renew: str = "Books need no consent of a portal."

    def cannot_ask(self, client: ClientIdentity) -> str | None:
        """Return why nothing is asked about a client: books come as files only."""
        return "books are imported from files: clientsync books import"

    def consent_ends_on(self, client: ClientIdentity) -> date | None:
        """Return None: there is no consent that could end."""
        return None

    def module_names(self) -> tuple[str, ...]:
        """Return the names of all modules."""
        return MODULES

    def module(self, name: str) -> Module:
        """Import and return one module.

        Raises:
            UnknownModule: no such module.
        """
        if name not in MODULES:
            raise UnknownModule("module", name, MODULES)
        return cast(Module, import_module(f"connectors.books.{name}").MODULE)

    def open_session(self, client: ClientIdentity, services: Any) -> PortalSession:
        """Refuse: there is no portal behind the books.

        Raises:
            UnknownModule: always; no module of this connector is ever asked.
        """
        raise UnknownModule("module", "session", MODULES)


CONNECTOR = BooksConnector()
