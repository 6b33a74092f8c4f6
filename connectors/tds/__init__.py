"""TDS: the e-filing portal and both TRACES portals behind six module groups, and files that practices download.

A module is one file of data in this folder; it is imported when it is first used. The labels are the ones that
operators tick, word for word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, cast

from clientsync.errors import UnknownModule
from clientsync.spec.connector import Calendar, ClientIdentity, ModuleGroup, PortalSession
from clientsync.spec.module import Module

FILE_MODULES = ("statements", "challan_files")
"""Modules that only files fill; no operator ticks them."""


@dataclass(frozen=True)
class TdsConnector:
    """The income-tax portal and TRACES."""

    name: str = "tds"
    title: str = "TDS portals"
    groups: tuple[ModuleGroup, ...] = (
        ModuleGroup("Return Summary", ("return_summary",)),
        ModuleGroup("Fetch Challans - IT Portal only", ("challans",)),
        ModuleGroup("TRACES Unconsumed Challans", ("unconsumed_challans",)),
        ModuleGroup("Notices & Orders - Sync Already Raised", ("notices",)),
        ModuleGroup("Outstanding Demand", ("outstanding_demand",), goes_first=True),
        ModuleGroup("Verify LDC", ("certificates",)),
    )
    calendar: Calendar = Calendar.QUARTERS
    how_to_renew: str = (
        "Ask the client for a new authority letter and enter its last day in the client master."
    )

    @property
    def views(self) -> tuple[Any, ...]:
        """Views of the warehouse that are these portals' own."""
        return cast(tuple[Any, ...], import_module("connectors.tds.views").VIEWS)

    def cannot_ask(self, client: ClientIdentity) -> str | None:
        """Return why the portals are never asked about a client, None when they are."""
        if client.deductor is None:
            return "the client has no TAN"
        if client.tds_source == "file":
            return "the client's TDS source is file: import files by hand"
        return None

    def consent_ends_on(self, client: ClientIdentity) -> date | None:
        """Return the last day of the client's authority for its TAN."""
        return client.tds_consent_ends_on

    def worklists(self, engine: Any, client_ids: Sequence[str], day: date) -> tuple[Any, ...]:
        """Return what falls due for clients as of the end of a day; see ``reports.worklists.Worklist``."""
        found = import_module("connectors.tds.worklists").worklists(engine, client_ids, day)
        return cast(tuple[Any, ...], found)

    def module_names(self) -> tuple[str, ...]:
        """Return the names of all modules, those for files last."""
        return (*(name for group in self.groups for name in group.modules), *FILE_MODULES)

    def module(self, name: str) -> Module:
        """Import and return one module.

        Raises:
            UnknownModule: no such module.
        """
        if name not in self.module_names():
            raise UnknownModule("module", name, self.module_names())
        place = "receipts" if name == "challan_files" else name
        return cast(Module, import_module(f"connectors.tds.{place}").MODULE)

    def open_session(self, client: ClientIdentity, services: Any) -> PortalSession:
        """Return a session that leads each question to its portal; nothing is sent before the first one."""
        return cast(PortalSession, import_module("connectors.tds.session").open_session(client, services))

    def release(self, engine: Any) -> None:
        """Close the sockets of both portals; stored sessions stay."""
        import_module("connectors.tds.session").release(engine)

    def known(self, engine: Any, client_id: str) -> Mapping[str, Any]:
        """Return what the warehouse holds of a client, for rules that decide what need not be asked."""
        return cast(Mapping[str, Any], import_module("connectors.tds.knowledge").known(engine, client_id))

    def reconcile(self, engine: Any, client_id: str, as_of: date) -> Any:
        """Reconcile one client with what the warehouse held at the end of a day; see ``reconcile.tds.run.Result``."""
        return import_module("connectors.tds.reconciling").reconcile(engine, client_id, as_of)


CONNECTOR = TdsConnector()
