"""Plays the people with phones of the simulated taxpayers: ``python -m deployments.phones CONTROL-URL [LEAVE ...]``.

For every active client without a session an OTP is asked for, read from the simulated phone, and answered.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import httpx

from clientsync.clients.selection import list_clients
from clientsync.database import reading
from clientsync.sync.challenges import accept_otp, request_otp
from clientsync.sync.services import services_from_settings


def main(control_url: str, leave: set[str]) -> None:
    """Answer an OTP for every active client but those in ``leave``."""
    services = services_from_settings()
    with reading(services.engine) as connection:
        clients = [(one.client_id, one.portal_username) for one in list_clients(connection, only_active=True)]

    def answer(client_id: str, username: str) -> None:
        request_otp(services, client_id)
        shown = httpx.get(f"{control_url}/otp", params={"username": username}, timeout=30, trust_env=False)
        shown.raise_for_status()
        accept_otp(services, client_id, str(shown.json()["otp"]))

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(answer, *client) for client in clients if client[0] not in leave]:
            future.result()
    services.close()


if __name__ == "__main__":
    main(sys.argv[1], set(sys.argv[2:]))
