"""The bare script for TDS: the questions of the product's first night, parsing, and a bulk upsert.

asyncio and httpx, no orchestration, no validation, no ledger, no history, no checks; one plain table per target in a
SQLite file. It walks the modules as data, with the sessions that the product has opened and with as many calls in
flight at each portal. It changes the Act chosen at the e-filing portal, so no night may follow it. Prints seconds,
calls, rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import select

from benchmarks.bare import IN_FLIGHT, upsert
from benchmarks.practice import now
from clientsync.database import reading
from clientsync.errors import SourceError
from clientsync.http.client import Reply
from clientsync.ledger.tables import SyncSession
from clientsync.registry import modules
from clientsync.spec.module import Asking, Module, Section
from clientsync.sync.fetching import UnitInput, asking_of, context_of
from clientsync.sync.planning import ClientFacts, Selection, plan
from clientsync.sync.services import Services, services_from_settings
from connectors.income_tax import endpoints as efiling_endpoints
from connectors.income_tax import reading as efiling_reading
from connectors.income_tax.tokens import IncomeTaxTokens
from connectors.tds.session import REPEATED
from connectors.traces import endpoints as traces_endpoints
from connectors.traces import reading as traces_reading
from connectors.traces.tokens import TracesTokens

Rows = dict[str, list[dict[str, Any]]]


@dataclass
class Line:
    """What all walks share.

    Attributes:
        http: the client.
        urls: address of each portal.
        gates: hold the calls in flight at each portal.
        calls: how many were sent.
    """

    http: httpx.AsyncClient
    urls: Mapping[str, str]
    gates: Mapping[str, asyncio.Semaphore]
    calls: int = 0

    async def send(self, portal: str, method: str, path: str, **what: Any) -> Reply:
        """Send one call."""
        async with self.gates[portal]:
            self.calls += 1
            answer = await self.http.request(method, self.urls[portal] + path, **what)
        return Reply(answer.status_code, {}, answer.content)


@dataclass
class Walk:
    """The questions of one client, one after the other, because the chosen Act belongs to its session.

    Attributes:
        line: shared with the other clients.
        client: whose.
        efiling: its session with the e-filing portal.
        traces: its session with both portals of TRACES.
        rows: table to rows, filled here.
        act: chosen at the e-filing portal.
        lists: answers that several units read, each asked once, as the product does.
    """

    line: Line
    client: ClientFacts
    efiling: IncomeTaxTokens
    traces: TracesTokens
    rows: Rows
    act: str = ""
    lists: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def tan(self) -> str:
        """The deductor's number."""
        return self.client.deductor.tan if self.client.deductor else ""

    async def ask(self, name: str, params: Mapping[str, str]) -> Any:
        """Ask one question; return its payload.

        Raises:
            SourceError: the portal has nothing, or refuses.
        """
        if name not in REPEATED:
            return await self._ask(name, params)
        key = name, repr(sorted(params.items()))
        if key not in self.lists:
            self.lists[key] = await self._ask(name, params)
        return self.lists[key]

    async def _ask(self, name: str, params: Mapping[str, str]) -> Any:
        if name.startswith("income_tax."):
            return await self._ask_efiling(efiling_endpoints.endpoint_of(name), params)
        endpoint = traces_endpoints.endpoint_of(name)
        request = traces_endpoints.fill(endpoint, params, tan=self.tan, username=self.client.traces_username)
        headers = (
            {"cookie": self.traces.cookie}
            if endpoint.portal == "traces_old"
            else {"authorization": f"Bearer {self.traces.access}"}
        )
        reply = await self.line.send(
            endpoint.portal,
            endpoint.method,
            endpoint.path,
            params=request.query,
            headers=headers,
            json=request.json,
            data=request.form,
        )
        payload, raw = traces_reading.read_answer(endpoint, reply)
        if endpoint.shape is traces_endpoints.Shape.JSON:
            return payload
        return traces_reading.with_question(payload, raw, params)[0]

    async def _ask_efiling(self, endpoint: efiling_endpoints.Endpoint, params: Mapping[str, str]) -> Any:
        act = params["actType"] if endpoint.needs_act else ""
        if act and act != self.act:
            path = efiling_endpoints.SESSION_PATHS[efiling_endpoints.CHOOSE_ACT]
            headers = self._headers("chooseAct")
            await self.line.send("income_tax", "POST", path, headers=headers, json={"actType": act})
            self.act = act
        body, headers = endpoint.filled(params, self.tan), self._headers(endpoint.service)
        reply = await self.line.send("income_tax", "POST", endpoint.path, headers=headers, json=body)
        return efiling_reading.read_answer(endpoint, reply)[0]

    def _headers(self, service: str) -> dict[str, str]:
        tokens = self.efiling
        return {
            "x-xsrf-token": tokens.xsrf,
            "authtoken": tokens.access,
            "sn": service,
            "cookie": tokens.cookie,
        }

    async def module(self, module: Module, asking: Asking) -> None:
        """Ask every section of a unit and what follows from it."""
        if module.not_applicable is not None and module.not_applicable(asking):
            return
        for section in module.sections:
            if section.is_detail or any(rule(asking, section) for rule in section.skip):
                continue
            try:
                payload = await self._whole(section, section.params(asking))
            except SourceError:
                continue
            await self._read(module, section, payload, asking)

    async def _whole(self, section: Section, params: Mapping[str, str]) -> Any:
        pages = [await self.ask(section.endpoint, params)]
        while section.next_page is not None:
            further = section.next_page(pages[-1], len(pages))
            if further is None:
                break
            pages.append(await self.ask(section.endpoint, {**params, **further}))
        return section.merge(pages) if section.merge is not None and len(pages) > 1 else pages[0]

    async def _read(self, module: Module, section: Section, payload: Any, asking: Asking) -> None:
        """Keep the rows of an answer and ask its follow-up questions."""
        asking.answers[section.name] = payload
        for record in section.parse(payload, context_of(asking, section.name)):
            if record.problem is None:
                row = {"client_id": self.client.client_id, **record.values}
                self.rows.setdefault(record.table, []).append(row)
        for name, params in (section.follow(payload, asking) if section.follow is not None else None) or ():
            detail = module.section(name)
            try:
                answer = await self.ask(detail.endpoint, params)
            except SourceError:
                continue
            await self._read(module, detail, answer, asking)


def open_tokens(services: Services) -> dict[str, dict[str, bytes]]:
    """Return the open sessions: client id to portal to what the vault had sealed."""
    session = SyncSession.__table__  # type: ignore[attr-defined]
    found: dict[str, dict[str, bytes]] = {}
    with reading(services.engine) as connection:
        for row in connection.execute(select(session.c.client_id, session.c.provider, session.c.sealed)):
            found.setdefault(row.client_id, {})[row.provider] = services.vault.open_sealed(row.sealed)
    return found


def units_by_client(services: Services) -> Iterator[tuple[ClientFacts, list[tuple[str, str]]]]:
    """Yield every client with its (module, unit period), in the order in which the product plans them."""
    planned = plan(services, Selection(connector="tds"))
    units: dict[str, list[tuple[str, str]]] = {}
    for key in planned.keys:
        units.setdefault(key.client_id, []).append((key.module, key.unit_period))
    for client_id, found in units.items():
        yield planned.clients[client_id], found


async def walk(walker: Walk, units: Sequence[tuple[str, str]], services: Services) -> None:
    """Ask everything of one client, with an empty warehouse behind it."""
    known, shared = modules("tds"), dict[str, Any]()
    client = walker.client
    for name, unit_period in units:
        unit = UnitInput(
            client.gstin,
            client.filing_frequency,
            unit_period,
            memory={},
            queued={},
            filings=(),
            settings=client.settings,
            shared=shared,
            deductor=client.deductor,
        )
        asking = asking_of(unit, known[name], services)
        await walker.module(known[name], asking)
        share = known[name].share
        if share is not None:
            shared[name] = share(asking)


async def fetch_all(services: Services, rows: Rows) -> int:
    """Ask and parse everything; return the number of calls."""
    names = ("income_tax", "traces_old", "traces_new")
    urls = {name: services.settings.provider(name).base_url for name in names}
    tokens = open_tokens(services)
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        line = Line(http, urls, {name: asyncio.Semaphore(IN_FLIGHT) for name in names})
        await asyncio.gather(
            *(
                walk(
                    Walk(
                        line,
                        client,
                        IncomeTaxTokens.from_bytes(tokens[client.client_id]["income_tax"]),
                        TracesTokens.from_bytes(tokens[client.client_id]["traces"]),
                        rows,
                    ),
                    units,
                    services,
                )
                for client, units in units_by_client(services)
            )
        )
    return line.calls


def main() -> None:
    """Run it once and print seconds, calls and rows."""
    services = services_from_settings()
    keys = {table.name: table.key for module in modules("tds").values() for table in module.tables}
    path = services.settings.home / "bare.db"
    for stale in path.parent.glob("bare.db*"):
        stale.unlink()
    began = now()
    rows: Rows = {}
    calls = asyncio.run(fetch_all(services, rows))
    total = upsert(path, rows, keys)
    print(f"{now() - began:.2f} {calls} {total}")
    services.close()


if __name__ == "__main__":
    main()
