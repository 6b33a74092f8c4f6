"""A server on a real socket that sends exactly the bytes a test wants, and a client that may call it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from clientsync.http.addresses import AllowList
from clientsync.http.bodies import Limits
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import HttpClient
from clientsync.http.retrying import RetryPolicy

Answerer = Callable[[socket.socket, bytes], None]


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return the bytes of a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Wire:
    """Answers every request by ``answer``; remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answer: Answerer = lambda connection, request: connection.sendall(whole(b"{}"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"
        threading.Thread(target=self._serve, daemon=True).start()

    def reply(self, *answers: bytes) -> None:
        """Send these answers in order; the last one again and again."""
        left = list(answers)

        def answer(connection: socket.socket, request: bytes) -> None:
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

        self.answer = answer

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(10)
            waiting = b""
            while True:
                while b"\r\n\r\n" not in waiting:
                    piece = connection.recv(65_536)
                    if not piece:
                        return
                    waiting += piece
                request, _, waiting = waiting.partition(b"\r\n\r\n")
                self.requests.append(request)
                self.answer(connection, request)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


ClientMaker = Callable[..., HttpClient]


@pytest.fixture
def make_client(wire: Wire) -> Iterator[ClientMaker]:
    made: list[HttpClient] = []

    def make(**changes: object) -> HttpClient:
        given: dict[str, object] = {
            "base_url": wire.base,
            "allowed": AllowList([wire.base], allow_loopback=True),
            "budget": LocalBudget(Pace(limit=100_000, burst=50_000)),
            "limits": Limits(deadline_seconds=5.0, connect_seconds=2.0),
            "policy": RetryPolicy(retries=3, base_seconds=0.01),
        }
        client = HttpClient(**{**given, **changes})  # type: ignore[arg-type]
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
