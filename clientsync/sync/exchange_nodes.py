"""This machine's node of the exchange, opened as the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url

from clientsync.config import ExchangeSettings, settings
from clientsync.database import open_engine
from clientsync.errors import ConfigError
from clientsync.exchange.envelopes import Signer
from clientsync.exchange.mailbox import Mailbox, open_mailbox
from clientsync.exchange.nodes import Node, bring_up_to_date
from clientsync.exchange.operators import require
from clientsync.registry import load_dotted
from clientsync.secrets.references import resolve


def exchange_settings() -> ExchangeSettings:
    """Return the settings of the exchange.

    Raises:
        ConfigError: this machine is no node; says what to write.
    """
    found = settings().exchange
    if found is None:
        raise ConfigError(
            "This machine is no node yet. Add [exchange] with node_id, database_url and mailbox_url to "
            "clientsync.toml."
        )
    return found


def mailbox_url(configured: ExchangeSettings) -> str:
    """Return the URL of the mailbox with its password.

    Raises:
        MissingSecret: the password cannot be found where its reference says.
    """
    if not configured.mailbox_password:
        return configured.mailbox_url
    password = resolve(configured.mailbox_password).get_secret_value()
    return make_url(configured.mailbox_url).set(password=password).render_as_string(hide_password=False)


@contextmanager
def opened_node(right: str) -> Iterator[Node]:
    """Yield the node of this machine to a person who has a right; a vault that its key lies in must be open.

    Raises:
        ConfigError: this machine is no node.
        MissingSecret: its key cannot be found where its reference says.
        NotAllowed: who runs this process lacks the right.
        WarehouseError: its database cannot be reached, or its tables cannot be brought up to date.
    """
    configured = exchange_settings()
    signer = Signer(bytes.fromhex(resolve(configured.signing_key).get_secret_value()))
    engine = open_engine(configured.database_url)
    try:
        node = Node(engine, configured.node_id, load_dotted(configured.catalogue)(), signer)
        bring_up_to_date(engine)
        require(engine, right)
        yield node
    finally:
        engine.dispose()


@contextmanager
def opened_mailbox() -> Iterator[Mailbox]:
    """Yield the mailbox of this machine's node.

    Raises:
        ConfigError: this machine is no node.
    """
    mailbox = open_mailbox(mailbox_url(exchange_settings()))
    try:
        yield mailbox
    finally:
        mailbox.close()
