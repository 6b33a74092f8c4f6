"""Sandbox's documented API for TDS: the challan status file by one-time password, and jobs that build files.

It needs no session with a portal; what it cannot give (statement status, demand, inbox) the portals give.
"""

from __future__ import annotations

from sqlalchemy import Engine

from clientsync.sync.services import Services
from connectors.portal_accounts import close_accounts
from connectors.sandbox_tds.service import SandboxTds


def open_service(services: Services) -> SandboxTds:
    """Return the service of the configured account; nothing is sent before the first question.

    Raises:
        UnknownName: the provider ``sandbox_tds`` is not configured.
        MissingSecret: a credential cannot be had.
    """
    return SandboxTds(services)


def release(engine: Engine) -> None:
    """Close the sockets to the provider."""
    close_accounts(engine, ("sandbox_tds",))
