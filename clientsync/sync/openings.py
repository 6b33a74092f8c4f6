"""With what the systems of two-sided jobs are opened: client, credentials, memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from clientsync.commerce.systems import Opening
from clientsync.errors import MissingSecret
from clientsync.http.client import HttpClient
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


def opening_of(
    services: Services,
    stack: ExitStack,
    provider: str,
    *,
    options: Mapping[str, Any],
    place: str,
    zone: ZoneInfo,
) -> Opening:
    """Return with what a system is opened; its client is closed with the stack.

    Args:
        services: of this process.
        stack: closes the client.
        provider: name in the settings.
        options: for the connector.
        place: under which its memory is kept, for example ``commerce:toko``.
        zone: of the system.

    Raises:
        UnknownName: no such provider.
        MissingSecret: a credential cannot be found where its reference says.
    """
    configured = services.settings
    references = configured.provider(provider).credentials
    return Opening(
        client=stack.enter_context(
            HttpClient.for_provider(configured, provider, services.engine, services.stop)
        ),
        account=provider,
        credentials={key: resolve(one).get_secret_value() for key, one in references.items()},
        options=options,
        memory=_VaultMemory(services.vault, f"{place}:{provider}"),
        zone=zone,
        now=services.now,
    )
