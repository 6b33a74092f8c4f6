"""The bare script that the product is measured against: the same questions, decryption, parsing, and a bulk upsert.

asyncio and httpx, no orchestration, no validation, no ledger, no history, no checks; one plain table per target in a
SQLite file. It asks exactly the questions that the product's last run asked, details of notices excepted, with the
sessions that are open already and with the same number of calls in flight. Prints seconds, calls, rows.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from benchmarks.practice import now
from clientsync import clock, money
from clientsync.database import reading
from clientsync.ledger.tables import SyncCell, SyncClient, SyncSession
from clientsync.periods import Period
from clientsync.registry import modules
from clientsync.secrets.references import resolve
from clientsync.spec.module import Asking, Cadence, Context, Module, Section
from clientsync.sync.services import Services, services_from_settings
from connectors.gst.provider import crypto
from connectors.gst.provider.adapter import Taxpayer, Tokens
from connectors.gst.provider.endpoints import endpoint_of
from connectors.gst.provider.gsp import GspAdapter
from connectors.gst.provider.requests import fill

IN_FLIGHT = 16


@dataclass(frozen=True)
class Item:
    """One question of the product's run."""

    client: Any
    module: Module
    section: Section
    unit_period: str


def questions(services: Services) -> list[Item]:
    """Return what the product's run asked."""
    known = modules("gst")
    cell = SyncCell.__table__  # type: ignore[attr-defined]
    client = SyncClient.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        clients = {row.client_id: row for row in connection.execute(select(client))}
        rows = connection.execute(
            select(cell.c.client_id, cell.c.module, cell.c.unit_period, cell.c.section).where(
                cell.c.skip_kind.is_(None), cell.c.asked_at.is_not(None)
            )
        ).all()
    found = []
    for row in rows:
        section = known[row.module].section(row.section)
        if not section.is_detail:
            found.append(Item(clients[row.client_id], known[row.module], section, row.unit_period))
    return found


def open_tokens(services: Services) -> dict[str, Tokens]:
    """Return the open sessions by client."""
    session = SyncSession.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        rows = connection.execute(select(session.c.client_id, session.c.sealed)).all()
    return {row.client_id: Tokens.from_bytes(services.vault.open_sealed(row.sealed)) for row in rows}


def asking(item: Item) -> Asking:
    """Return the state that parameter makers read."""
    period = Period.parse(item.unit_period) if item.module.cadence is Cadence.PERIOD else None
    return Asking(
        item.client.gstin,
        item.client.filing_frequency,
        item.unit_period,
        period,
        clock.today(),
        clock.now(),
        settings=item.client.settings or {},
    )


async def fetch_all(services: Services, items: Iterable[Item], rows: dict[str, list[dict[str, Any]]]) -> int:
    """Ask, decrypt and parse everything; return the number of calls."""
    configured = services.settings.provider("gsp")
    credentials = {
        name: resolve(reference).get_secret_value() for name, reference in configured.credentials.items()
    }
    if configured.certificate is None:
        raise RuntimeError("the provider has no certificate")
    adapter = GspAdapter(
        configured, credentials, crypto.load_public_key(Path(configured.certificate).read_bytes())
    )
    tokens = open_tokens(services)
    gate = asyncio.Semaphore(IN_FLIGHT)
    calls = 0

    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:

        async def send(call: Any) -> Any:
            nonlocal calls
            calls += 1
            answer = await http.request(
                call.method,
                configured.base_url + call.path,
                params=call.query,
                headers=call.headers,
                json=call.body,
            )
            return answer.json()

        app_key = crypto.new_app_key()
        login = adapter.public_login(app_key)
        public = adapter.tokens(await send(login), app_key, services.now()) if login else Tokens()

        async def one(item: Item) -> None:
            async with gate:
                state = asking(item)
                endpoint = endpoint_of(item.section.endpoint)
                request = fill(
                    endpoint,
                    "gsp",
                    gstin=state.gstin,
                    period=state.period,
                    params=item.section.params(state),
                    versions={},
                )
                if request is None:
                    return
                who = Taxpayer(item.client.gstin, item.client.portal_username)
                token = public if endpoint.public else tokens[item.client.client_id]
                body = await send(adapter.ask(request, who, token, ""))
                if adapter.refusal(body) is not None:
                    return
                content = adapter.content(body, token)
                payload = money.loads(content.opened) if content.opened is not None else content.parsed
                context = Context(state.gstin, state.period, item.unit_period, item.section.name, state.today)
                for record in item.section.parse(payload, context):
                    if record.problem is None:
                        rows.setdefault(record.table, []).append(
                            {"client_id": item.client.client_id, **record.values}
                        )

        await asyncio.gather(*(one(item) for item in items))
    return calls


def upsert(path: Path, rows: dict[str, list[dict[str, Any]]], keys: dict[str, tuple[str, ...]]) -> int:
    """Write everything into plain tables; return the number of rows."""
    total = 0
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        for table, found in rows.items():
            names = sorted({name for row in found for name in row})
            columns = ", ".join(f'"{name}"' for name in names)
            key = ", ".join(f'"{name}"' for name in ("client_id", *keys[table]))
            database.execute(f'CREATE TABLE "{table}" ({columns}, PRIMARY KEY ({key}))')
            marks = ", ".join("?" for _ in names)
            database.executemany(
                f'INSERT OR REPLACE INTO "{table}" ({columns}) VALUES ({marks})',
                [tuple(_plain(row.get(name)) for name in names) for row in found],
            )
            total += len(found)
    return total


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def main() -> None:
    """Run it once and print seconds, calls and rows."""
    services = services_from_settings()
    items = questions(services)
    keys = {table.name: table.key for module in modules("gst").values() for table in module.tables}
    path = services.settings.home / "bare.db"
    for stale in path.parent.glob("bare.db*"):
        stale.unlink()
    began = now()
    rows: dict[str, list[dict[str, Any]]] = {}
    calls = asyncio.run(fetch_all(services, items, rows))
    total = upsert(path, rows, keys)
    print(f"{now() - began:.2f} {calls} {total}")
    services.close()


if __name__ == "__main__":
    main()
