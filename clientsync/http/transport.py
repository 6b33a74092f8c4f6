"""The transport seam: sockets that know the deadline of the whole call and connect only where allowed.

The library's own time-outs count per chunk, so a server that drips one byte at a time never ends a call. Here
every read and write gets what is left of the call's total time, headers and handshakes included.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from clientsync.http.addresses import AllowList

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Deadline(threading.local):
    """The moment (``time.monotonic``) at which this thread's call must have ended."""

    ends_at: float = float("inf")

    def left(self) -> float:
        """Return the seconds that are left, at most a day.

        Raises:
            httpcore.ReadTimeout: none are left.
        """
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("total deadline")
        return min(left, 86_400.0)

    @contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        """Let the block's network operations end within ``seconds`` altogether."""
        self.ends_at = time.monotonic() + seconds
        try:
            yield
        finally:
            self.ends_at = float("inf")


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limit = min(timeout or 86_400.0, self._deadline.left())
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, limit), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _GuardedBackend(httpcore.NetworkBackend):
    def __init__(self, allowed: AllowList, deadline: Deadline) -> None:
        self._allowed = allowed
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        address = self._allowed.resolve(host, port)
        limit = min(timeout or 86_400.0, self._deadline.left())
        stream = self._inner.connect_tcp(address, port, limit, local_address, socket_options)
        return _DeadlineStream(stream, self._deadline)


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        self._stream.close()


class GuardedTransport(httpx.BaseTransport):
    """HTTP/1.1 over guarded sockets; no proxies, no retries, no environment."""

    def __init__(self, allowed: AllowList, deadline: Deadline, *, connections: int) -> None:
        """Make the pool; nothing is connected."""
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=15.0,
            http1=True,
            http2=False,
            retries=0,
            network_backend=_GuardedBackend(allowed, deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its response, the body unread."""
        if not isinstance(request.stream, httpx.SyncByteStream):
            raise TypeError("only synchronous requests")
        reply = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=reply.status,
            headers=reply.headers,
            stream=_Body(reply.stream),
            extensions=reply.extensions,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
