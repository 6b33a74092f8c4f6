"""Starts the simulated shop and its simulated books, points an installation at them, and starts the service.

Only ``make up``, the demo, benchmarks and tests use it. Credentials of the simulators are handed over in the
environment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from deployments.portal import provider_lines
from deployments.stack import Stack, StackError

NAME = "toko"
WEBHOOK_PATH = "only-the-accounting-knows-this-part"


@dataclass(frozen=True)
class Pair:
    """Addresses of both simulators."""

    shop: str
    books: str


def start_pair(stack: Stack, shop: Sequence[str] = (), books: Sequence[str] = ()) -> Pair:
    """Start both simulators with arguments of their own; their credentials stand in the stack's environment."""
    started = [
        _started(stack, "simulators.iseller", "shop", shop),
        _started(stack, "simulators.accurate", "books", books),
    ]
    shop_told, books_told = started
    stack.environment |= credentials(
        shop_told["client_id"],
        shop_told["client_secret"],
        shop_told["webhook_key"],
        books_told["token"],
        books_told["signature_secret"],
    )
    return Pair(started[0]["url"], started[1]["url"])


def credentials(
    client_id: str, client_secret: str, webhook_key: str, token: str, signature_secret: str
) -> dict[str, str]:
    """Return the environment that the references of ``commerce_lines`` lead to."""
    return {
        "SIM_SHOP_ID": client_id,
        "SIM_SHOP_SECRET": client_secret,
        "SIM_SHOP_KEY": webhook_key,
        "SIM_BOOKS_TOKEN": token,
        "SIM_BOOKS_SECRET": signature_secret,
        "SIM_BOOKS_PATH": WEBHOOK_PATH,
    }


def _started(stack: Stack, module: str, folder: str, arguments: Sequence[str]) -> dict[str, Any]:
    return json.loads(stack.start_simulator_line(arguments, module=module, folder=folder))  # type: ignore[no-any-return]


def commerce_lines(pair: Pair, *, per_second: int | None = None, **more: Any) -> list[str]:
    """Return the lines of a settings file about the shop and its books.

    Args:
        pair: their addresses.
        per_second: calls to the books in any second; None: as many as may be.
        more: further settings of the connection.
    """
    return [
        *provider_lines(
            "iseller",
            pair.shop,
            {
                "client_id": "env:SIM_SHOP_ID",
                "client_secret": "env:SIM_SHOP_SECRET",
                "webhook_key": "env:SIM_SHOP_KEY",
            },
            at_once=16,
        ),
        *provider_lines(
            "accurate",
            pair.books,
            {
                "token": "env:SIM_BOOKS_TOKEN",
                "signature_secret": "env:SIM_BOOKS_SECRET",
                "webhook_path": "env:SIM_BOOKS_PATH",
            },
            per_second=per_second,
            at_once=8,
        ),
        "",
        f"[commerce.{NAME}]",
        'shop_provider = "iseller"',
        'accounting_provider = "accurate"',
        *(f"{name} = {json.dumps(value)}" for name, value in more.items()),
    ]


def set_up(stack: Stack) -> None:
    """Set the mappings between both, by the command that operators use."""
    path = stack.home / "mappings.csv"
    stack.run(["-m", "simulators.commerce.maps", "--out", str(path)])
    stack.run(["-m", "clientsync", "commerce", "maps-in", NAME, str(path)])


def start_service(stack: Stack) -> str:
    """Start the service; return its address.

    Raises:
        StackError: it ended before it listened.
    """
    command = ["-m", "clientsync", "commerce", "serve", NAME, "--json"]
    line = stack.spawn_and_read("service", command)
    if not line:
        raise StackError(f"The service did not start; see {stack.home / 'logs' / 'service.log'}.")
    return str(json.loads(line)["url"])


def sell(pair: Pair, count: int, **more: Any) -> dict[str, Any]:
    """Let the simulated shop sell; return its orders with their signed webhooks."""
    answer = httpx.post(
        f"{pair.shop}/_control/sell", json={"count": count, **more}, timeout=60, trust_env=False
    )
    found: dict[str, Any] = answer.raise_for_status().json()
    return found
