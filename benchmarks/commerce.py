"""Shop to accounting: how soon a sale is booked in real time, and how a backlog drains under the vendor's limit.

The service, the simulated shop and the simulated books are three processes on loopback; every sale is told by a
signed webhook, read again from the shop, and booked as an invoice and its receipts. Moments are of the system's
monotonic clock, which all processes share.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import Figure
from benchmarks.practice import SEED
from deployments.commerce import NAME, Pair, commerce_lines, sell, set_up, start_pair, start_service
from deployments.portal import general_lines, use_lines
from deployments.stack import Stack

SALES_PER_SECOND, SECONDS = 30, 60
LATENCY_LIMIT, LOST_LIMIT = 2.0, 0.0
VENDOR_LIMIT, BACKLOG, SHARE_LIMIT = 8, 240, 0.95
DRAIN_SECONDS = 300.0


def measure() -> Iterator[Figure]:
    """Yield the figures of real time, then those of the backlog."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _real_time(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        yield from _backlog(Path(folder))


def _started(stack: Stack, *, limit: int | None) -> tuple[Pair, str]:
    limits = [] if limit is None else ["--per-second", str(limit), "--in-flight", str(limit)]
    pair = start_pair(stack, ["--real-clock", "--seed", str(SEED)], limits)
    extra = {"service_port": 0}
    lines = commerce_lines(pair, per_second=limit, poll_seconds=5.0)
    use_lines(stack, [*general_lines(stack, extra), *lines])
    set_up(stack)
    return pair, start_service(stack)


def _real_time(folder: Path) -> Iterator[Figure]:
    with Stack(folder) as stack:
        pair, service = _started(stack, limit=None)
        _sell_and_wait(pair, service, 20)  # items and connections are there before it counts
        told, answers = _offer(pair, service)
        wanted = set(told)
        deadline = time.monotonic() + DRAIN_SECONDS
        booked = _booked(pair)
        while not wanted <= booked.keys() and time.monotonic() < deadline:
            time.sleep(1.0)
            booked = _booked(pair)
        state = _state(pair)
    took = sorted(booked[one] - told[one] for one in told if one in booked)
    lost = len(wanted - booked.keys()) + len(state["doubled"])
    note = (
        f"{len(told)} sales, {SALES_PER_SECOND} a second for {SECONDS} s; p95 {took[int(len(took) * 0.95)]:.2f} s, "
        f"slowest {took[-1]:.2f} s; webhook answered in {statistics.median(answers) * 1000:.0f} ms, "
        f"p95 {sorted(answers)[int(len(answers) * 0.95)] * 1000:.0f} ms"
    )
    yield Figure(
        "commerce: webhook to booked invoice, median s",
        statistics.median(took),
        LATENCY_LIMIT,
        False,
        SEED,
        note,
    )
    yield Figure("commerce: sales lost or doubled", float(lost), LOST_LIMIT, False, SEED, "")


def _offer(pair: Pair, service: str) -> tuple[dict[str, float], list[float]]:
    """Offer sales at their rate; return order to the moment its webhook was sent, and how long the answers took."""
    told: dict[str, float] = {}
    answers: list[float] = []
    with ThreadPoolExecutor(8) as pool, httpx.Client(trust_env=False, timeout=30) as client:
        pending: list[Future[float]] = []
        began = time.monotonic()
        for second in range(SECONDS):
            made = sell(pair, SALES_PER_SECOND, channel="pos")
            for number, (order, webhook) in enumerate(zip(made["orders"], made["webhooks"], strict=True)):
                due = began + second + number / SALES_PER_SECOND
                time.sleep(max(0.0, due - time.monotonic()))
                told[order] = time.monotonic()
                pending.append(pool.submit(_post, client, service, webhook))
        answers = [one.result() for one in pending]
    return told, answers


def _post(client: httpx.Client, service: str, webhook: dict[str, Any]) -> float:
    began = time.monotonic()
    answer = client.post(
        f"{service}/webhooks/{NAME}/shop", content=webhook["body"].encode(), headers=webhook["headers"]
    )
    answer.raise_for_status()
    return time.monotonic() - began


def _sell_and_wait(pair: Pair, service: str, count: int) -> None:
    made = sell(pair, count, channel="pos")
    with httpx.Client(trust_env=False, timeout=30) as client:
        for webhook in made["webhooks"]:
            _post(client, service, webhook)
    deadline = time.monotonic() + DRAIN_SECONDS
    while not set(made["orders"]) <= _booked(pair).keys():
        if time.monotonic() > deadline:
            raise RuntimeError("the first sales were not booked; see the log of the service")
        time.sleep(0.5)


def _state(pair: Pair) -> dict[str, Any]:
    answer = httpx.get(f"{pair.books}/_control/state", timeout=60, trust_env=False)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def _booked(pair: Pair) -> dict[str, float]:
    """Return order to the moment at which its invoice was made."""
    return {one["source"]: one["at"] for one in _state(pair)["booked"] if one["module"] == "sales-invoice"}


def _backlog(folder: Path) -> Iterator[Figure]:
    with Stack(folder) as stack:
        pair, service = _started(stack, limit=VENDOR_LIMIT)
        _sell_and_wait(pair, service, 20)
        begin = datetime.now(UTC) - timedelta(seconds=BACKLOG)
        orders = [
            sell(pair, 1, channel="pos", at=(begin + timedelta(seconds=number)).isoformat())["orders"][0]
            for number in range(BACKLOG)
        ]
        deadline = time.monotonic() + DRAIN_SECONDS
        while not set(orders) <= _booked(pair).keys() and time.monotonic() < deadline:
            time.sleep(2.0)
        state = _state(pair)
    mine = set(orders)
    invoices = [one for one in state["booked"] if one["module"] == "sales-invoice" and one["source"] in mine]
    first, last = invoices[0]["at"], invoices[-1]["at"]
    rate = sum(first < at <= last for at in state["called_at"]) / (last - first)
    place = {order: number for number, order in enumerate(orders)}
    furthest = max(abs(place[one["source"]] - number) for number, one in enumerate(invoices))
    note = (
        f"{rate:.2f} calls a second of {VENDOR_LIMIT}; {len(invoices)} invoices and their receipts, "
        f"{state['refused']} calls refused"
    )
    yield Figure(
        "commerce: share of the limit that a backlog drains at",
        rate / VENDOR_LIMIT,
        SHARE_LIMIT,
        True,
        SEED,
        note,
    )
    note = f"places, of {len(invoices)}; {VENDOR_LIMIT} are under way at once"
    yield Figure(
        "commerce: a sale is booked this far from its turn",
        float(furthest),
        float(VENDOR_LIMIT),
        False,
        SEED,
        note,
    )
