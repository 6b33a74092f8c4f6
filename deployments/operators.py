"""Plays the operators who read the simulated captchas: ``python -m deployments.operators PORTAL-URL [LEAVE ...]``.

For every active client with a TAN a picture is asked for, read with the simulator's help, and answered, one after the
other, as a person would.
"""

from __future__ import annotations

import sys

import httpx

from clientsync.clients.selection import list_clients
from clientsync.database import reading
from clientsync.sync.challenges import accept_answer, begin_challenge
from clientsync.sync.services import services_from_settings


def main(portal_url: str, leave: set[str]) -> None:
    """Answer a captcha for every active client with a TAN but those in ``leave``."""
    services = services_from_settings()
    with reading(services.engine) as connection:
        clients = [one.client_id for one in list_clients(connection, only_active=True) if one.tan]
    for client_id in clients:
        if client_id in leave:
            continue
        waiting = begin_challenge(services, client_id, "tds", "traces")
        if waiting is None:
            continue
        shown = httpx.get(f"{portal_url}/control/captcha", timeout=30, trust_env=False)
        shown.raise_for_status()
        accept_answer(services, waiting, str(shown.json()["text"]))
    services.close()


if __name__ == "__main__":
    main(sys.argv[1], set(sys.argv[2:]))
