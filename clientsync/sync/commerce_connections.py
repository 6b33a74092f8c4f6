"""Shops and their accounting, opened as the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

from clientsync.commerce.connected import Commerce
from clientsync.errors import MissingSecret, UnknownName
from clientsync.registry import load_dotted
from clientsync.secrets.references import resolve
from clientsync.sync.openings import opening_of
from clientsync.sync.services import Services


@contextmanager
def opened_commerce(services: Services, name: str) -> Iterator[Commerce]:
    """Yield a connection with both of its systems.

    Raises:
        UnknownName: no such connection or provider; lists those that are.
        MissingSecret: a credential cannot be found where its reference says.
        InvalidInput: an option that a connector does not have.
    """
    configured = services.settings
    if name not in configured.commerce:
        raise UnknownName("shop", name, sorted(configured.commerce))
    found = configured.commerce[name]
    zone = ZoneInfo(found.zone)
    with ExitStack() as stack:
        shop, accounting = (
            load_dotted(opener)(
                opening_of(services, stack, provider, options=options, place=f"commerce:{name}", zone=zone)
            )
            for opener, provider, options in (
                (found.shop, found.shop_provider, found.shop_options),
                (found.accounting, found.accounting_provider, found.accounting_options),
            )
        )
        of = Commerce(
            name,
            services.engine,
            shop,
            accounting,
            zone=zone,
            now=services.now,
            at_once=found.at_once,
            lease=timedelta(seconds=found.lease_seconds),
            first_look_up=timedelta(seconds=found.look_up_seconds),
        )
        of.prepare()
        yield of


def webhook_path(services: Services, name: str) -> str:
    """Return the part of the accounting's address that nobody else is told.

    Raises:
        MissingSecret: the provider has no ``webhook_path``, or its reference leads nowhere.
    """
    provider = services.settings.provider(services.settings.commerce[name].accounting_provider)
    reference = provider.credentials.get("webhook_path")
    if reference is None:
        raise MissingSecret("The provider of the accounting has no webhook_path.")
    return resolve(reference).get_secret_value()
