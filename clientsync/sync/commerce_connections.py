"""Shops and their accounting, opened as the settings say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from clientsync.commerce.connected import Commerce
from clientsync.commerce.systems import Opening
from clientsync.errors import MissingSecret, UnknownName
from clientsync.http.client import HttpClient
from clientsync.registry import load_dotted
from clientsync.secrets.references import resolve
from clientsync.secrets.vault import Vault
from clientsync.sync.services import Services


@dataclass(frozen=True)
class _VaultMemory:
    """Tokens and hosts of one system, sealed in the vault."""

    vault: Vault
    prefix: str

    def get(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self.vault.get(f"{self.prefix}:{name}").get_secret_value())
        except MissingSecret:
            return {}
        return dict(found)

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        self.vault.put(f"{self.prefix}:{name}", json.dumps(dict(value)))


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

        def opening(provider: str, options: Mapping[str, Any]) -> Opening:
            references = configured.provider(provider).credentials
            return Opening(
                client=stack.enter_context(
                    HttpClient.for_provider(configured, provider, services.engine, services.stop)
                ),
                account=provider,
                credentials={key: resolve(one).get_secret_value() for key, one in references.items()},
                options=options,
                memory=_VaultMemory(services.vault, f"commerce:{name}:{provider}"),
                zone=zone,
                now=services.now,
            )

        of = Commerce(
            name,
            services.engine,
            load_dotted(found.shop)(opening(found.shop_provider, found.shop_options)),
            load_dotted(found.accounting)(opening(found.accounting_provider, found.accounting_options)),
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
