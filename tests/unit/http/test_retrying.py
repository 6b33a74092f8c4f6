"""Promises of trying again: only what may help, never early, never for long, never after a stop."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from clientsync import errors
from clientsync.config import Settings
from clientsync.errors import (
    BadRequest,
    RateLimited,
    SourceUnavailable,
    StopRequested,
    SyncError,
)
from clientsync.http.retrying import (
    RETRY_AFTER_CAP,
    CircuitBreaker,
    RetryPolicy,
    parse_retry_after,
    pause,
    should_retry,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Flaky:
    """Fails as it was told, then answers; counts the calls."""

    def __init__(self, *failures: SyncError) -> None:
        self.left = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            raise self.left.pop(0)
        return "done"


def test_a_passing_failure_is_tried_again() -> None:
    call = Flaky(SourceUnavailable("x"), SourceUnavailable("x"))
    assert RetryPolicy(base_seconds=0.01).run(call) == "done"
    assert call.calls == 3


def test_after_the_last_try_the_error_comes_out() -> None:
    call = Flaky(*[SourceUnavailable("x")] * 9)
    with pytest.raises(SourceUnavailable):
        RetryPolicy(retries=2, base_seconds=0.01).run(call)
    assert call.calls == 3


def test_what_will_fail_the_same_way_is_asked_once() -> None:
    call = Flaky(BadRequest("x"))
    with pytest.raises(BadRequest):
        RetryPolicy().run(call)
    assert call.calls == 1


def test_every_error_class_says_itself_whether_to_retry() -> None:
    classes = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SyncError)
    ]
    retried = {kind.__name__ for kind in classes if kind.is_retryable}
    assert retried == {
        "RetryableSourceError", "SourceUnavailable", "NotConnected", "SourceTimeout", "TruncatedResponse",
        "RateLimited", "GenerationFailed", "WarehouseUnavailable",
    }  # fmt: skip
    assert not should_retry(ValueError())


def test_what_the_source_asked_for_is_waited_for_and_never_less() -> None:
    policy = RetryPolicy(base_seconds=0.1)
    waits = [policy.wait_before_next(0, RateLimited("x", retry_after=7.0)) or 0.0 for _ in range(50)]
    assert min(waits) >= 7.0
    assert max(waits) <= 7.1


def test_a_wait_beyond_the_budget_is_left_to_a_scheduled_run() -> None:
    call = Flaky(RateLimited("x", retry_after=300.0))
    began = time.monotonic()
    with pytest.raises(RateLimited):
        RetryPolicy(budget_seconds=45).run(call)
    assert time.monotonic() - began < 1


def test_waits_are_spread_over_the_whole_span() -> None:
    policy = RetryPolicy(retries=5, base_seconds=1.0, cap_seconds=4.0)
    waits = [policy.wait_before_next(4, SourceUnavailable("x")) or 0.0 for _ in range(300)]
    assert min(waits) < 0.5
    assert 3.5 < max(waits) <= 4.0


def test_a_stop_ends_the_wait() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(StopRequested):
        RetryPolicy(stop=stop).run(Flaky(RateLimited("x", retry_after=30.0)))
    assert time.monotonic() - began < 2
    pause(0.0, None)


def test_the_policy_follows_the_settings() -> None:
    policy = RetryPolicy.from_settings(Settings(retries_in_run=7, retry_budget_seconds=3))
    assert (policy.retries, policy.budget_seconds) == (7, 3)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("31536000", RETRY_AFTER_CAP),
        ("9" * 400, RETRY_AFTER_CAP),
        ("-1", None),
        ("1.5", None),
        ("１２", None),
        ("later", None),
        (format_datetime(NOON.replace(minute=1), usegmt=True), 60.0),
        (format_datetime(NOON.replace(year=2027), usegmt=True), RETRY_AFTER_CAP),
        (format_datetime(NOON.replace(year=2020), usegmt=True), 0.0),
        ("Mon, 23 Nov 2026 12:00:30", 30.0),
        ("Mon, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_every_form_and_capped(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOON) == seconds


@given(st.text(max_size=40))
@profile(max_examples=200, deadline=None)
def test_any_retry_after_is_a_sane_wait_or_none(value: str) -> None:
    seconds = parse_retry_after(value, NOON)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_CAP


def test_a_circuit_opens_after_consecutive_failures_only() -> None:
    breaker = CircuitBreaker(failures=3, open_seconds=60)
    for error in (SourceUnavailable("x"), SourceUnavailable("x"), BadRequest("x"), None):
        breaker.before_call()
        breaker.after_call(error)
    for _ in range(3):
        assert not breaker.is_open
        breaker.before_call()
        breaker.after_call(SourceUnavailable("x"))
    assert breaker.is_open
    with pytest.raises(SourceUnavailable, match="left alone"):
        breaker.before_call()


def test_after_the_pause_one_call_finds_out() -> None:
    breaker = CircuitBreaker(failures=1, open_seconds=0.05)
    breaker.after_call(SourceUnavailable("x"))
    time.sleep(0.06)
    breaker.before_call()
    with pytest.raises(SourceUnavailable):
        breaker.before_call()
    breaker.after_call(StopRequested("x"))
    assert breaker.is_open
    breaker.before_call()
    breaker.after_call(None)
    assert not breaker.is_open
