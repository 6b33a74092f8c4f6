"""A small HTTP/1.1 server on loopback whose connections can misbehave on request.

It keeps connections open, answers requests in order, and hands the eight toxics to the socket itself, because a
framework would hide the socket. Only 127.0.0.1 is ever bound.
"""

import asyncio
import contextlib
import gc
import gzip
import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from simulators.faults import Fault

REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 409: "Conflict", 422: "Unprocessable Content",
           410: "Gone", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
           503: "Service Unavailable", 504: "Gateway Timeout"}  # fmt: skip


@dataclass(slots=True)
class Request:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    raw_query: str = ""

    def json(self) -> dict[str, Any]:
        """Read the body as a JSON object; anything else is empty."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class Response:
    """One answer, with the faults that shape its delivery."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    delay: float = 0.0

    @classmethod
    def of(cls, value: object, status: int = 200) -> "Response":
        """Answer with JSON."""
        return cls(json.dumps(value, separators=(",", ":")).encode(), status)


Handler = Callable[[Request], Response]


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._busy: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop a delivery that is under way."""
        if self._busy:
            self._busy.cancel()

    def data_received(self, data: bytes) -> None:
        """Collect bytes and answer complete requests."""
        self._buffer += data
        self._pump()

    def _pump(self) -> None:
        while self._busy is None and (request := self._take()) is not None:
            response = self._handler(request)
            if response.faults or response.delay:
                self._busy = asyncio.get_running_loop().create_task(self._deliver(response))
                self._busy.add_done_callback(self._resume)
            elif self._transport:
                self._transport.write(_head(response) + response.body)

    def _resume(self, _: asyncio.Task[None]) -> None:
        self._busy = None
        self._pump()

    def _take(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        if len(self._buffer) < end + 4 + length:
            return None
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        method, target = lines[0].split(" ")[:2]
        split = urlsplit(target)
        return Request(method, unquote(split.path), dict(parse_qsl(split.query)), headers, body, split.query)

    async def _deliver(self, response: Response) -> None:
        transport = self._transport
        if transport is None:
            return
        await asyncio.sleep(response.delay)
        names = {fault.name: fault.params for fault in response.faults}
        response = _damage(response, names)
        raw = _head(response) + response.body
        if "latency" in names:
            await asyncio.sleep(names["latency"].get("ms", 500) / 1000)
        if "down" in names:
            transport.close()
            return
        if "timeout" in names:
            await asyncio.sleep(names["timeout"].get("ms", 60_000) / 1000)
            transport.abort()
            return
        if "reset_peer" in names:
            await self._reset(raw[: names["reset_peer"].get("after", 0)])
            return
        if "limit_data" in names:
            transport.write(raw[: names["limit_data"].get("bytes", 100)])
            transport.close()
            return
        if "bandwidth" in names or "slicer" in names:
            rate = names.get("bandwidth", {}).get("bytes_per_second", 10_000)
            size = names["slicer"].get("size", 64) if "slicer" in names else max(1, rate // 20)
            pause = names["slicer"].get("pause_ms", 1) / 1000 if "slicer" in names else size / rate
            for start in range(0, len(raw), size):
                transport.write(raw[start : start + size])
                await asyncio.sleep(pause)
        else:
            transport.write(raw)
        if "slow_close" in names:
            await asyncio.sleep(names["slow_close"].get("ms", 1000) / 1000)
            transport.close()

    async def _reset(self, part: bytes) -> None:
        """Send a part and then a TCP reset instead of an orderly end."""
        transport = self._transport
        if transport is None:
            return
        if part:
            transport.write(part)
            await asyncio.sleep(0.05)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _damage(response: Response, names: dict[str, dict[str, Any]]) -> Response:
    """Apply the faults of the body."""
    body, kind, headers = response.body, response.kind, dict(response.headers)
    if "html_page" in names:
        body, kind = b"<!DOCTYPE html><html><body><h1>Scheduled downtime</h1></body></html>", "text/html"
    if "empty_body" in names:
        body = b""
    if "truncated_json" in names:
        body = body[: names["truncated_json"].get("at", len(body) // 2)]
    if "oversize" in names:
        body = b'{"status_cd":"1","filler":"' + b"x" * names["oversize"].get("bytes", 12_000_000) + b'"}'
    if "gzip_bomb" in names:
        body = gzip.compress(b"0" * names["gzip_bomb"].get("bytes", 300_000_000), 6)
        headers["Content-Encoding"] = "gzip"
    return Response(body, response.status, kind, headers)


def _head(response: Response) -> bytes:
    extra = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    return (
        f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Other')}\r\n"
        f"Content-Type: {response.kind}\r\nContent-Length: {len(response.body)}\r\n{extra}\r\n"
    ).encode("latin-1")


async def listen(handler: Handler, port: int) -> tuple[asyncio.Server, int]:
    """Bind a loopback port; 0 lets the system choose.

    Returns:
        The server and the port.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(handler), "127.0.0.1", port)
    return server, int(server.sockets[0].getsockname()[1])


async def until_ended(
    server: asyncio.Server,
    *,
    parent: int = 0,
    started: dict[str, Any],
    each: Callable[[], object] | None = None,
) -> None:
    """Tell what was started as one line of JSON, and serve until a signal comes or the parent process is gone.

    Args:
        server: that listens; it is closed in the end.
        parent: number of the process without which this one ends; 0: none.
        started: address and whatever a caller must know; the number of this process is added.
        each: is called several times a second.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    gc.freeze()
    sys.stdout.write(json.dumps({**started, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.3)
        if each is not None:
            each()
        if parent and os.getppid() != parent:
            break
    server.close()


class Served:
    """A handler on a loopback port, in a thread of this process, until it is closed."""

    def __init__(self, handler: Handler) -> None:
        self.url = ""
        self._handler = handler
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        server, port = self._loop.run_until_complete(listen(self._handler, 0))
        self.url = f"http://127.0.0.1:{port}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
