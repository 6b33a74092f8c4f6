"""The web server of the service: it stores webhooks before it answers, and does nothing else with them."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from clientsync.commerce.intake import LARGEST, receive
from clientsync.errors import SyncError, WarehouseError
from clientsync.service.running import Served

RETRY_AFTER_SECONDS = 5


def app_of(served: Mapping[str, Served]) -> FastAPI:
    """Return the application for some connections, by name; their workers run while it does.

    Answers: 200 stored; 401 stored as rejected; 404 no such address; 413 too large, unread; 503 not stored, send again.
    """

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        for one in served.values():
            one.start()
        yield
        for one in served.values():
            await run_in_threadpool(one.stop)

    app = FastAPI(title="clientsync", lifespan=running, docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/webhooks/{name}/shop")
    async def from_shop(name: str, request: Request) -> JSONResponse:
        return await _stored(served.get(name), "shop", request)

    @app.post("/webhooks/{name}/accounting/{token}")
    async def from_accounting(name: str, token: str, request: Request) -> JSONResponse:
        one = served.get(name)
        is_told = one is not None and hmac.compare_digest(one.token.encode(), token.encode())
        return await _stored(
            one, "accounting", request, "" if is_told else "the address is not the one that was told"
        )

    @app.get("/health")
    async def health() -> JSONResponse:
        failing = {name: dict(one.failing) for name, one in served.items() if one.failing}
        return JSONResponse({"status": "failing" if failing else "ok", "failing": failing})

    return app


async def _stored(one: Served | None, system: str, request: Request, reason: str = "") -> JSONResponse:
    if one is None:
        return JSONResponse({"error": "no such address"}, 404)
    body = await _body(request)
    if body is None:
        return JSONResponse({"error": f"more than {LARGEST} bytes"}, 413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers["x-client-address"] = request.client.host if request.client is not None else ""
    try:
        found = await run_in_threadpool(receive, one.of, system, headers, body, reason=reason)
    except WarehouseError:
        return JSONResponse(
            {"error": "not stored; send it again"}, 503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
        )
    except SyncError as error:
        return JSONResponse({"error": error.message}, 503)
    if found.reason:
        return JSONResponse({"error": "rejected"}, 401)
    one.wake()
    return JSONResponse({"stored": found.fresh})


async def _body(request: Request) -> bytes | None:
    """Return the body, None as soon as it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
    return b"".join(parts)
