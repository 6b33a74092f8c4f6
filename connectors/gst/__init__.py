"""The GST portal through a GSP: five module groups, their modules by name, and sessions.

A module is one file of data in this folder; it is imported when it is first used. The labels are the ones that
operators tick, word for word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, cast

from clientsync.clock import INDIA
from clientsync.errors import UnknownModule
from clientsync.spec.connector import Calendar, ClientIdentity, ModuleGroup, PortalSession
from clientsync.spec.module import Filing, Module


@dataclass(frozen=True)
class GstConnector:
    """The GST portal."""

    name: str = "gst"
    title: str = "GST portal"
    groups: tuple[ModuleGroup, ...] = (
        ModuleGroup("Notice + Return Register", ("return_register", "notices")),
        ModuleGroup("Only 2B", ("gstr2b",)),
        ModuleGroup("3B + ledgers", ("gstr3b", "ledgers")),
        ModuleGroup("R1 + R1A", ("gstr1", "gstr1a")),
        ModuleGroup("IMS + 2A", ("ims", "gstr2a")),
    )
    calendar: Calendar = Calendar.MONTHS
    how_to_renew: str = (
        "Ask the client to renew API access on the portal: My Profile, Manage API Access, 30 days."
    )

    def cannot_ask(self, client: ClientIdentity) -> str | None:
        """Return why the portal is never asked about a client, None when it is."""
        if not client.gstin:
            return "the client has no GST registration"
        if client.provider == "file":
            return "the client has no provider: import files by hand"
        return None

    def consent_ends_on(self, client: ClientIdentity) -> date | None:
        """Return the last day of API access that the client granted on the portal."""
        ends = client.consent_ends_at
        return ends.astimezone(INDIA).date() if ends else None

    @property
    def views(self) -> tuple[Any, ...]:
        """Views of the warehouse that are this portal's own: the return register."""
        return cast(tuple[Any, ...], import_module("connectors.gst.register_view").VIEWS)

    def document_recons(self) -> tuple[Any, ...]:
        """Return the reconciliations of documents; see ``sync.documents.DocumentRecon``."""
        return cast(tuple[Any, ...], import_module("connectors.gst.compared").document_recons())

    def reconcile(self, engine: Any, client_id: str, as_of: date) -> Any:
        """Reconcile one registration with what was held at the end of a day; see ``reconcile.result.Result``."""
        return import_module("connectors.gst.reconciling").reconcile(engine, client_id, as_of)

    def worklists(self, engine: Any, client_ids: Sequence[str], day: date) -> tuple[Any, ...]:
        """Return what falls due for clients as of the end of a day; see ``reports.worklists.Worklist``."""
        found = import_module("connectors.gst.worklists").worklists(engine, client_ids, day)
        return cast(tuple[Any, ...], found)

    def module_names(self) -> tuple[str, ...]:
        """Return the names of all modules."""
        return tuple(name for group in self.groups for name in group.modules)

    def module(self, name: str) -> Module:
        """Import and return one module.

        Raises:
            UnknownModule: no such module.
        """
        if name not in self.module_names():
            raise UnknownModule("module", name, self.module_names())
        return cast(Module, import_module(f"connectors.gst.{name}").MODULE)

    def open_session(self, client: ClientIdentity, services: Any) -> PortalSession:
        """Return a session of a client with its provider; nothing is sent before the first question."""
        return cast(PortalSession, import_module("connectors.gst.provider").open_session(client, services))

    def release(self, engine: Any) -> None:
        """Close the sockets of the providers' accounts; stored sessions stay."""
        import_module("connectors.gst.provider.account").close_accounts(engine)

    def known(self, engine: Any, client_id: str) -> Mapping[str, Any]:
        """Return what the warehouse holds of a client, for rules that decide what need not be asked."""
        return cast(Mapping[str, Any], import_module("connectors.gst.knowledge").known(engine, client_id))

    def filings(self, engine: Any, client_id: str) -> Sequence[Filing]:
        """Return the filed returns of a client that the register has."""
        return cast(
            Sequence[Filing], import_module("connectors.gst.return_register").read_filings(engine, client_id)
        )


CONNECTOR = GstConnector()
