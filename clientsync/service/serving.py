"""Starting and ending the service."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import ExitStack

import uvicorn

from clientsync.errors import InvalidInput, MissingSecret
from clientsync.service.app import app_of
from clientsync.service.running import Served
from clientsync.sync.commerce_connections import opened_commerce, webhook_path
from clientsync.sync.services import Services

NO_TOKEN_BYTES = 24


def serve(
    services: Services, names: tuple[str, ...], told: Callable[[str, dict[str, list[str]]], None]
) -> None:
    """Serve connections until a signal ends it; what is under way is finished.

    Args:
        services: of this process.
        names: of the connections; empty: all of the settings.
        told: is given the address of the service, and by connection the paths for webhooks, once it listens.

    Raises:
        UnknownName: a connection that the settings do not have.
        InvalidInput: there is none at all, or the port is taken.
    """
    configured = services.settings
    chosen = names or tuple(sorted(configured.commerce))
    if not chosen:
        raise InvalidInput("No shop is in the settings. Add a section [commerce.NAME] to clientsync.toml.")
    with ExitStack() as stack:
        served: dict[str, Served] = {}
        for name in chosen:
            of = stack.enter_context(opened_commerce(services, name))
            served[name] = Served(of, configured.commerce[name], _token(services, name))
        try:
            listening = socket.create_server((configured.service_host, configured.service_port))
        except OSError as error:
            raise InvalidInput(
                f"Port {configured.service_port} on {configured.service_host} cannot be used ({error.strerror}). "
                "Set service_port to one that is free, or to 0."
            ) from None
        stack.callback(listening.close)
        host, port = listening.getsockname()[:2]
        told(f"http://{host}:{port}", {name: _paths(services, name) for name in served})
        server = uvicorn.Server(
            uvicorn.Config(
                app_of(served), log_level="warning", access_log=False, timeout_graceful_shutdown=10
            )
        )
        server.run(sockets=[listening])


def _token(services: Services, name: str) -> str:
    """Return the secret part of the accounting's address; without one nothing from there is taken."""
    try:
        return webhook_path(services, name)
    except MissingSecret:
        return secrets.token_urlsafe(NO_TOKEN_BYTES)


def _paths(services: Services, name: str) -> list[str]:
    reference = services.settings.provider(services.settings.commerce[name].accounting_provider).credentials
    told = reference.get("webhook_path", "")
    secret = f"the secret of {told}" if told else "set webhook_path of the accounting's provider first"
    return [f"/webhooks/{name}/shop", f"/webhooks/{name}/accounting/<{secret}>"]
