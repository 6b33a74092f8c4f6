"""The income-tax e-filing portal: the payments, forms and proceedings of a deductor.

No picture is read here, so a session is opened without a person as long as password and account allow it.
"""

from __future__ import annotations

from sqlalchemy import Engine

from clientsync.spec.connector import ClientIdentity
from clientsync.sync.services import Services
from connectors.income_tax.session import IncomeTaxSession
from connectors.portal_accounts import close_accounts


def open_session(client: ClientIdentity, services: Services) -> IncomeTaxSession:
    """Return a session object of a client; nothing is sent before the first question.

    Raises:
        UnknownName: the portal is not configured.
        NotApplicable: the client is no deductor.
    """
    return IncomeTaxSession(client, services)


def release(engine: Engine) -> None:
    """Close the sockets to the portal; stored sessions stay."""
    close_accounts(engine, ("income_tax",))
