"""TRACES, old and new, behind one face: one log-in on the new portal, bridged into the old one.

A person reads the picture of the log-in; everything after that is done without one until the session ends.
"""

from __future__ import annotations

from sqlalchemy import Engine

from clientsync.spec.connector import ClientIdentity
from clientsync.sync.services import Services
from connectors.portal_accounts import close_accounts
from connectors.traces.session import TracesSession


def open_session(client: ClientIdentity, services: Services) -> TracesSession:
    """Return a session object of a client; nothing is sent before the first question.

    Raises:
        UnknownName: a portal of TRACES is not configured.
        NotApplicable: the client is no deductor.
    """
    return TracesSession(client, services)


def release(engine: Engine) -> None:
    """Close the sockets to both portals; stored sessions stay."""
    close_accounts(engine, ("traces_old", "traces_new"))
