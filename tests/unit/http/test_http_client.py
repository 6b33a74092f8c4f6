"""Promises of one call: whole, within its deadline and its limits, only where allowed, or a typed error."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from clientsync.config import ProviderSettings, Settings
from clientsync.database import open_engine
from clientsync.errors import (
    BadRequest,
    ContractChanged,
    ForbiddenHost,
    NotConnected,
    RateLimited,
    ResponseTooLarge,
    SessionExpired,
    SourceTimeout,
    SourceUnavailable,
    StopRequested,
    SyncError,
    TruncatedResponse,
    UnknownName,
)
from clientsync.http.addresses import AllowList
from clientsync.http.bodies import Limits
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import CallMeter, HttpClient, error_of_status
from clientsync.http.retrying import CircuitBreaker

PAGE = b'{"data": [%s], "total": 1}' % b", ".join(
    b'{"val": %d.50, "inum": "A-%d"}' % (n, n) for n in range(60)
)


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*pieces: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def test_an_answer_comes_back_whole_with_exact_numbers(wire: Any, make_client: Any) -> None:
    wire.reply(whole(b'{"val": 0.10}', "200 OK", "X-Seen: 1"))
    meter = CallMeter()
    reply = make_client().send(
        "GET", "/returns", client="C1", params={"action": "B2B"}, headers={"auth-token": "t"}, meter=meter
    )
    assert reply.json() == {"val": Decimal("0.10")}
    assert reply.headers["x-seen"] == "1"
    assert reply.raise_for_status() is reply
    assert meter.calls == 1
    request = wire.requests[0]
    assert request.startswith(b"GET /api/returns?action=B2B HTTP/1.1")
    assert b"auth-token: t" in request.lower()


def test_an_answer_shows_neither_body_nor_headers_as_text(wire: Any, make_client: Any) -> None:
    wire.reply(whole(b'{"canary": 1}', "200 OK", "X-Canary: 1"))
    assert "canary" not in repr(make_client().send("POST", "/x", json={"a": 1})).lower()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_and_chunked_answers_are_read(wire: Any, make_client: Any, encoding: str) -> None:
    packed = gzip.compress(PAGE, mtime=0) if encoding == "gzip" else zlib.compress(PAGE)
    wire.reply(whole(packed, "200 OK", f"Content-Encoding: {encoding}"), chunked(PAGE[:100], PAGE[100:]))
    client = make_client()
    assert client.send("GET", "/x").body == PAGE
    assert client.send("GET", "/x").body == PAGE


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("400 Bad", BadRequest),
        ("401 No", SessionExpired),
        ("403 No", SessionExpired),
        ("404 No", BadRequest),
        ("408 Slow", SourceTimeout),
        ("413 Big", ResponseTooLarge),
        ("429 Slow", RateLimited),
        ("500 Oh", SourceUnavailable),
        ("503 Oh", SourceUnavailable),
        ("302 There", ForbiddenHost),
    ],
)
def test_statuses_become_typed_errors_without_the_body(
    wire: Any, make_client: Any, status: str, error: type[SyncError]
) -> None:
    wire.reply(whole(b"canary", status, "Location: http://169.254.169.254/"))
    with pytest.raises(error) as caught:
        make_client().send("GET", "/x?y=canary").raise_for_status()
    assert "canary" not in str(caught.value)
    assert caught.value.source_code == status[:3]
    assert len(wire.requests) == 1


def test_an_unheard_of_status_is_a_changed_contract() -> None:
    assert isinstance(error_of_status(199), ContractChanged)


def test_a_refusal_with_a_body_can_be_read_by_the_provider(wire: Any, make_client: Any) -> None:
    wire.reply(whole(b'{"errorCode": "AUTH4033"}', "400 Bad"))
    assert make_client().send("GET", "/x").json() == {"errorCode": "AUTH4033"}


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("Retry-After: 7", 7.0),
        ("X: y", None),
        ("Retry-After: soon", None),
        ("Retry-After: -5", None),
        ("Retry-After: 31536000", 300.0),
    ],
)
def test_what_the_source_asks_for_is_kept_and_capped(
    wire: Any, make_client: Any, header: str, wait: float | None
) -> None:
    wire.reply(whole(b"", "429 Slow", header))
    with pytest.raises(RateLimited) as caught:
        make_client().send("GET", "/x")
    assert caught.value.retry_after == wait


def test_one_429_slows_everybody_down(wire: Any, make_client: Any) -> None:
    wire.reply(whole(b"", "429 Slow", "Retry-After: 1"), whole(b"{}"))
    client = make_client()
    with pytest.raises(RateLimited):
        client.send("GET", "/x", client="C1")
    began = time.monotonic()
    client.send("GET", "/x", client="C2")
    assert 0.9 <= time.monotonic() - began < 3


def test_an_unavailable_source_that_says_when_is_asked_then(wire: Any, make_client: Any) -> None:
    wire.reply(whole(b"", "503 Busy", "Retry-After: 1"), whole(b'{"a": 1}'))
    client = make_client()
    began = time.monotonic()
    assert client.run(lambda: client.send("GET", "/x")).json() == {"a": 1}
    assert time.monotonic() - began >= 1.0


# --- deadlines -------------------------------------------------------------------------------------


def drip(prefix: bytes) -> Callable[[socket.socket, bytes], None]:
    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(prefix)
        for _ in range(100):
            time.sleep(0.1)
            connection.sendall(b"a")

    return answer


@pytest.mark.parametrize(
    "prefix",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"",
    ],
    ids=["body", "headers", "status line"],
)
def test_a_drip_ends_at_the_total_deadline(wire: Any, make_client: Any, prefix: bytes) -> None:
    wire.answer = drip(prefix)
    client = make_client(limits=Limits(deadline_seconds=0.6))
    began = time.monotonic()
    with pytest.raises((SourceTimeout, TruncatedResponse)):
        client.send("GET", "/x")
    assert time.monotonic() - began < 2.0


def test_a_stall_after_the_headers_ends_at_the_deadline(wire: Any, make_client: Any) -> None:
    def stall(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        time.sleep(3)

    wire.answer = stall
    began = time.monotonic()
    with pytest.raises(SourceTimeout):
        make_client(limits=Limits(deadline_seconds=0.5)).send("GET", "/x")
    assert time.monotonic() - began < 1.5


# --- connections -----------------------------------------------------------------------------------


def test_a_refused_connection_says_that_nothing_was_sent(make_client: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = make_client(base_url=base, allowed=AllowList([base], allow_loopback=True))
    with pytest.raises(NotConnected):
        client.send("GET", "/x")


def test_a_name_without_an_address_says_that_nothing_was_sent(make_client: Any) -> None:
    base = "https://nowhere.invalid"
    with pytest.raises(NotConnected, match="resolved"):
        make_client(base_url=base, allowed=AllowList([base])).send("GET", "/x")


def test_a_server_without_tls_is_unavailable(wire: Any, make_client: Any) -> None:
    base = wire.base.replace("http:", "https:")
    client = make_client(base_url=base, allowed=AllowList([base], allow_loopback=True))
    with pytest.raises((SourceUnavailable, SourceTimeout)):
        client.send("GET", "/x")


def test_a_reset_at_any_byte_is_a_typed_error_that_may_be_retried(wire: Any, make_client: Any) -> None:
    answer = whole(PAGE)
    client = make_client(breaker=lambda: CircuitBreaker(failures=10_000))
    for cut in [0, 1, *range(10, len(answer), len(answer) // 18), len(answer) - 1]:

        def reset(connection: socket.socket, request: bytes, cut: int = cut) -> None:
            connection.sendall(answer[:cut])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()

        wire.answer = reset
        with pytest.raises((SourceUnavailable, TruncatedResponse)) as caught:
            client.send("GET", "/x")
        assert caught.value.is_retryable


def test_an_early_end_is_truncation_also_where_the_json_happens_to_be_whole(
    wire: Any, make_client: Any
) -> None:
    def close_early(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{}")
        connection.shutdown(socket.SHUT_RDWR)

    wire.answer = close_early
    with pytest.raises(TruncatedResponse, match="length is unknown"):
        make_client().send("GET", "/x")

    packed = gzip.compress(PAGE, mtime=0)[:-4]
    wire.reply(whole(packed, "200 OK", "Content-Encoding: gzip"))
    with pytest.raises(TruncatedResponse):
        make_client().send("GET", "/x")


def test_a_json_cut_at_any_byte_is_never_taken_for_whole(wire: Any, make_client: Any) -> None:
    client = make_client()
    for cut in range(0, len(PAGE) - 1, 7):
        wire.reply(whole(PAGE[:cut]))
        reply = client.send("GET", "/x")
        with pytest.raises((TruncatedResponse, SourceUnavailable)):
            reply.json()


# --- limits ----------------------------------------------------------------------------------------

SMALL = Limits(deadline_seconds=5, wire_bytes=200_000, decoded_bytes=1_000_000)


def test_a_bomb_stops_at_the_limit_and_is_never_held(wire: Any, make_client: Any) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000, mtime=0)
    assert len(bomb) < SMALL.wire_bytes
    wire.reply(whole(bomb, "200 OK", "Content-Encoding: gzip"))
    client = make_client(limits=SMALL)
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLarge):
            client.send("GET", "/x")
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_too_large_an_answer_is_not_read_to_its_end(wire: Any, make_client: Any) -> None:
    client = make_client(limits=SMALL)
    wire.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{")
    with pytest.raises(ResponseTooLarge):
        client.send("GET", "/x")
    wire.reply(chunked(*[b"x" * 50_000] * 6))
    with pytest.raises(ResponseTooLarge):
        client.send("GET", "/x")


def test_files_have_limits_of_their_own(wire: Any, make_client: Any) -> None:
    client = make_client(limits=SMALL, file_limits=Limits(wire_bytes=600_000))
    wire.reply(whole(b"x" * 300_000))
    assert len(client.download(f"{wire.base}/file")) == 300_000
    wire.reply(whole(b"", "404 Gone"))
    with pytest.raises(BadRequest):
        client.download(f"{wire.base}/file")


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Encoding: br", b"xx"),
        ("Content-Encoding: gzip", b"not gzip"),
        ("Content-Encoding: gzip", gzip.compress(b"{}", mtime=0) + b"more"),
    ],
)
def test_an_encoding_that_lies_is_a_changed_contract(
    wire: Any, make_client: Any, header: str, body: bytes
) -> None:
    wire.reply(whole(body, "200 OK", header))
    with pytest.raises(ContractChanged):
        make_client().send("GET", "/x")


# --- order, isolation, stopping --------------------------------------------------------------------


def test_no_cookie_passes_from_one_client_to_another(wire: Any, make_client: Any) -> None:
    wire.reply(whole(b"{}", "200 OK", "Set-Cookie: session=of-C1; Path=/"))
    client = make_client()
    client.send("GET", "/x", client="C1", headers={"auth-token": "of-C1"})
    client.send("GET", "/x", client="C2")
    assert b"of-C1" not in wire.requests[1]


def test_the_environment_cannot_redirect_calls(
    wire: Any, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert make_client().send("GET", "/x").status == 200


def test_a_link_to_another_host_is_refused_before_anything_is_sent(wire: Any, make_client: Any) -> None:
    meter = CallMeter()
    with pytest.raises(ForbiddenHost):
        make_client().send("GET", "http://127.0.0.2/api/x", headers={"auth-token": "t"}, meter=meter)
    assert meter.calls == 0
    assert wire.requests == []


def test_a_host_that_keeps_failing_is_left_alone_and_found_again(wire: Any, make_client: Any) -> None:
    wire.reply(whole(b"", "500 Oh"))
    client: HttpClient = make_client(breaker=lambda: CircuitBreaker(failures=10, open_seconds=0.3))
    for number in range(14):
        with pytest.raises(SourceUnavailable):
            client.send("GET", "/x", client=f"C{number % 3}")
    assert len(wire.requests) == 10
    wire.reply(whole(b"{}"))
    time.sleep(0.35)
    assert client.send("GET", "/x").status == 200
    assert client.send("GET", "/x").status == 200


def test_one_clients_failures_leave_the_way_open_for_the_others(wire: Any, make_client: Any) -> None:
    wire.reply(whole(b"", "500 Oh"))
    client: HttpClient = make_client(breaker=lambda: CircuitBreaker(failures=10, open_seconds=60))
    for _ in range(14):
        with pytest.raises(SourceUnavailable):
            client.send("GET", "/x", client="C1")
    assert len(wire.requests) == 10
    wire.reply(whole(b"{}"))
    assert client.send("GET", "/x", client="C2").status == 200
    with pytest.raises(SourceUnavailable):
        client.send("GET", "/x", client="C1")


def test_calls_of_one_registration_are_limited_among_themselves(wire: Any, make_client: Any) -> None:
    under_way: list[int] = [0, 0]
    lock = threading.Lock()

    def answer(connection: socket.socket, request: bytes) -> None:
        with lock:
            under_way[0] += 1
            under_way[1] = max(under_way)
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1
        connection.sendall(whole(b"{}"))

    wire.answer = answer
    client = make_client()
    threads = [
        threading.Thread(target=client.send, args=("GET", "/x"), kwargs={"client": "C1"}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert under_way[1] == 2


def test_a_stop_ends_waiting_for_a_place(wire: Any, make_client: Any) -> None:
    stop = threading.Event()
    wire.answer = lambda connection, request: time.sleep(1.0)
    client = make_client(concurrency=1, stop=stop, limits=Limits(deadline_seconds=1.0))

    def occupy() -> None:
        with pytest.raises(SyncError):
            client.send("GET", "/x", client="C1")

    holder = threading.Thread(target=occupy)
    holder.start()
    time.sleep(0.1)
    stop.set()
    with pytest.raises(StopRequested):
        client.send("GET", "/x", client="C2")
    holder.join()


def test_nothing_of_a_call_is_logged(wire: Any, make_client: Any, caplog: pytest.LogCaptureFixture) -> None:
    wire.reply(whole(b"<html>canary</html>"))
    with caplog.at_level(logging.INFO, logger="clientsync"), pytest.raises(SourceUnavailable) as caught:
        make_client().send("GET", "/x").json()
    assert "canary" not in caplog.text
    assert "canary" not in str(caught.value)


def test_a_providers_client_follows_its_settings(wire: Any, sqlite_url: str) -> None:
    provider = ProviderSettings(kind="sandbox", base_url=wire.base, allow_loopback=True, calls_per_minute=600)
    configured = Settings(providers={"main": provider}, json_depth=2, wire_limit_bytes=100)
    engine = open_engine(sqlite_url)
    with HttpClient.for_provider(configured, "main", engine) as client:
        wire.reply(whole(b'{"a": {"b": {}}}'), whole(b"x" * 101))
        with pytest.raises(ResponseTooLarge, match="deeper than 2"):
            client.send("GET", "/x").json()
        with pytest.raises(ResponseTooLarge, match="100 bytes"):
            client.send("GET", "/x")
    with pytest.raises(UnknownName, match="Valid: main"):
        HttpClient.for_provider(configured, "other", engine)
    engine.dispose()


def test_an_answer_without_content_is_empty_and_not_truncated(wire: Any, make_client: Any) -> None:
    wire.reply(b"HTTP/1.1 204 None\r\n\r\n")
    assert make_client().send("GET", "/x").body == b""


def test_a_body_that_unpacks_beyond_the_ratio_is_refused_below_the_size_limit(
    wire: Any, make_client: Any
) -> None:
    wire.reply(whole(gzip.compress(b" " * 900_000, mtime=0), "200 OK", "Content-Encoding: gzip"))
    with pytest.raises(ResponseTooLarge, match="100 times"):
        make_client(limits=SMALL).send("GET", "/x")


def test_a_stop_ends_waiting_for_the_rate_budget(wire: Any, make_client: Any) -> None:
    stop = threading.Event()
    client = make_client(budget=LocalBudget(Pace(1), stop), stop=stop)
    client.send("GET", "/x")
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(StopRequested):
        client.send("GET", "/x")
    assert len(wire.requests) == 1
