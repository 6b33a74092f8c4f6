"""The client through which every call to an outside system goes.

One call waits for its registration, its turn in the shared rate budget and its host, is sent once, and comes
back whole or as a typed error within its deadline. Redirects are refused, the environment is ignored, and no
error or log line carries a body, a query or a header.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Self, TypeVar

import httpcore
import httpx
from sqlalchemy import Engine

from clientsync.config import Settings
from clientsync.crash import crash_point
from clientsync.errors import (
    BadRequest,
    ContractChanged,
    ForbiddenHost,
    NotConnected,
    RateLimited,
    ResponseTooLarge,
    SessionExpired,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    StopRequested,
    TruncatedResponse,
)
from clientsync.http.addresses import AllowList
from clientsync.http.bodies import Limits, read_body
from clientsync.http.budget import ClientGate, RateBudget, SharedBudget
from clientsync.http.retrying import CircuitBreaker, RetryPolicy, parse_retry_after
from clientsync.http.strict_json import parse_json
from clientsync.http.transport import Deadline, GuardedTransport

T = TypeVar("T")

UNTOLD_SECONDS = 5.0
"""For how long everybody slows down after a 429 that does not say."""

CLIENTS_OF_A_FAILING_HOST = 3


@dataclass
class CallMeter:
    """Counts the calls that were sent on somebody's behalf, failed ones included."""

    calls: int = 0


@dataclass(frozen=True)
class Reply:
    """An answer that is whole. Statuses are 2xx, a 4xx whose body may say more, or a 3xx that was expected.

    Attributes:
        status: HTTP status.
        headers: header names in lower case.
        body: decompressed bytes; not shown in the text form.
        set_cookies: every ``Set-Cookie`` header as it came; they are kept nowhere else.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    json_depth: int = 64
    set_cookies: tuple[str, ...] = field(default=(), repr=False)

    def json(self) -> Any:
        """Return the body as strict JSON with exact numbers.

        Raises:
            SourceUnavailable: empty, or a web page.
            TruncatedResponse: it ends in the middle.
            ContractChanged: it is something else.
            ResponseTooLarge: it is nested too deep.
        """
        return parse_json(self.body, depth=self.json_depth)

    def raise_for_status(self) -> Self:
        """Return itself if the status is 2xx.

        Raises:
            SourceError: what the status means without looking into the body.
        """
        if 200 <= self.status < 300:
            return self
        raise error_of_status(self.status)


_STATUS_ERRORS: dict[int, tuple[type[SourceError], str]] = {
    401: (SessionExpired, "The source does not accept the session."),
    403: (SessionExpired, "The source does not accept the session."),
    408: (SourceTimeout, "The source gave up waiting."),
    413: (ResponseTooLarge, "The source says that this is too large."),
}
_CLASS_ERRORS: dict[int, tuple[type[SourceError], str]] = {
    3: (ForbiddenHost, "The source redirects, which is not followed."),
    4: (BadRequest, "The source refused the request."),
    5: (SourceUnavailable, "The source failed."),
}
_UNEXPECTED = (ContractChanged, "The source answered with an unexpected status.")


def error_of_status(status: int, retry_after: float | None = None) -> SourceError:
    """Return the error that an HTTP status stands for, when no code of the source says more."""
    if status == 429 or (status == 503 and retry_after is not None):
        return RateLimited("The source asked to slow down.", retry_after=retry_after, source_code=str(status))
    kind, message = _STATUS_ERRORS.get(status) or _CLASS_ERRORS.get(status // 100) or _UNEXPECTED
    return kind(message, source_code=str(status))


class HttpClient:
    """Calls to one provider account; shared by the sessions and threads of a process."""

    def __init__(
        self,
        *,
        base_url: str,
        allowed: AllowList,
        budget: RateBudget,
        limits: Limits | None = None,
        policy: RetryPolicy | None = None,
        breaker: Callable[[], CircuitBreaker] = CircuitBreaker,
        gate: ClientGate | None = None,
        concurrency: int = 16,
        stop: threading.Event | None = None,
        file_limits: Limits | None = None,
    ) -> None:
        """Prepare; nothing is connected."""
        self.base_url = base_url.rstrip("/")
        self.allowed = allowed
        self.budget = budget
        self.limits = limits or Limits()
        self.file_limits = file_limits or self.limits
        self.policy = policy or RetryPolicy(stop=stop)
        self._make_breaker = breaker
        self._breakers: dict[str, CircuitBreaker] = {}
        self._breakers_lock = threading.Lock()
        self._gate = gate or ClientGate(stop=stop)
        self._stop = stop
        self._places = threading.BoundedSemaphore(concurrency)
        self._deadline = Deadline()
        self._http = httpx.Client(
            transport=GuardedTransport(allowed, self._deadline, connections=concurrency),
            trust_env=False,
            follow_redirects=False,
            headers={"accept-encoding": "gzip", "user-agent": "clientsync"},
        )
        # One client serves many registrations: no cookie may pass from one to another.
        self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))

    @classmethod
    def for_provider(
        cls, configured: Settings, name: str, engine: Engine, stop: threading.Event | None = None
    ) -> Self:
        """Return the client of a configured provider; its rate budget is shared through ``engine``.

        Raises:
            UnknownName: the provider is not configured.
        """
        provider = configured.provider(name)
        return cls(
            base_url=provider.base_url,
            allowed=AllowList(
                (provider.base_url, *provider.download_urls), allow_loopback=provider.allow_loopback
            ),
            budget=SharedBudget(
                engine,
                f"provider:{name}",
                provider.calls_per_second or provider.calls_per_minute,
                provider.burst,
                window=60.0 if provider.calls_per_second is None else 1.0,
                stop=stop,
            ),
            limits=Limits.of_calls(configured),
            file_limits=Limits.of_files(configured),
            policy=RetryPolicy.from_settings(configured, stop),
            breaker=lambda: CircuitBreaker(configured.breaker_failures, configured.breaker_seconds),
            gate=ClientGate(provider.client_concurrency, stop),
            concurrency=min(provider.concurrency, configured.portal_concurrency),
            stop=stop,
        )

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns, tried again by the policy; wrap sending and classing in it."""
        return self.policy.run(call)

    def send(
        self,
        method: str,
        address: str,
        *,
        client: str = "",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        meter: CallMeter | None = None,
        expect_redirect: bool = False,
        check: Callable[[Reply], object] | None = None,
    ) -> Reply:
        """Send one call, once, and return its whole answer.

        Args:
            method: HTTP method.
            address: path under the base URL, or a full URL that the source gave (checked again).
            client: whose call it is; calls of one registration are limited among themselves.
            params: query.
            headers: sent with this call only.
            json: body, sent as JSON.
            form: body, sent as a form; not together with ``json``.
            limits: instead of those of ordinary calls.
            meter: counts the call if it is sent.
            expect_redirect: return a 3xx with its headers; it is not followed in any case.
            check: is given the answer; what it raises is raised, and counts as the outcome of the call where
                a failing host is left alone.

        Raises:
            ForbiddenHost: the address is not allowed, or the source redirects unexpectedly.
            RateLimited: 429; every process slows down.
            SourceUnavailable: 5xx, no connection, or the host is being left alone.
            SourceTimeout: the deadline passed.
            TruncatedResponse: the answer ended early or cannot be shown to be whole.
            ResponseTooLarge: it passed a limit.
            StopRequested: a stop was asked for while waiting.
        """
        url = self.allowed.check(address if "://" in address else f"{self.base_url}/{address.lstrip('/')}")
        if params:
            url = url.copy_merge_params(dict(params))
        request = self._http.build_request(
            method, url, headers=dict(headers or {}), json=json, data=None if form is None else dict(form)
        )
        breakers = self._breakers_of(url, client)
        with self._turn(client):
            _pass_all(breakers)
            error: BaseException | None = None
            try:
                self.budget.take()
                crash_point("before_request")
                if meter is not None:
                    meter.calls += 1
                reply = self._exchange(request, limits or self.limits, expect_redirect=expect_redirect)
                crash_point("after_response")
                if check is not None:
                    check(reply)
            except BaseException as raised:
                error = raised
                raise
            finally:
                for breaker in breakers:
                    breaker.after_call(error, client)
        return reply

    def download(
        self,
        address: str,
        *,
        client: str = "",
        headers: Mapping[str, str] | None = None,
        meter: CallMeter | None = None,
    ) -> bytes:
        """Return the bytes of a queued file, within the limits of files.

        Raises:
            SourceError: as ``send``, and by the status.
        """
        reply = self.send(
            "GET", address, client=client, headers=headers, limits=self.file_limits, meter=meter
        )
        return reply.raise_for_status().body

    def _breakers_of(self, url: httpx.URL, client: str) -> list[CircuitBreaker]:
        """Return the breaker of this client at the host, and that of the host, which several clients open together."""
        host = f"{url.host}:{url.port}"
        with self._breakers_lock:
            if host not in self._breakers:
                self._breakers[host] = self._make_breaker()
                self._breakers[host].clients = CLIENTS_OF_A_FAILING_HOST
            found = [self._breakers[host]]
            if client:
                found.insert(0, self._breakers.setdefault(f"{host} {client}", self._make_breaker()))
            return found

    @contextmanager
    def _turn(self, client: str) -> Iterator[None]:
        with self._gate.enter(client):
            while not self._places.acquire(timeout=0.2):
                if self._stop is not None and self._stop.is_set():
                    raise StopRequested("Stopped while waiting for the source.")
            try:
                yield
            finally:
                self._places.release()

    def _exchange(self, request: httpx.Request, limits: Limits, *, expect_redirect: bool) -> Reply:
        request.extensions = {
            **request.extensions,
            "timeout": {"connect": limits.connect_seconds, "pool": limits.deadline_seconds},
        }
        with typed_errors(), self._deadline.of(limits.deadline_seconds):
            response = self._http.send(request, stream=True)
            try:
                status = response.status_code
                is_expected = 300 <= status < 400 and expect_redirect
                if status == 429 or not (200 <= status < 300 or 400 <= status < 500 or is_expected):
                    raise self._refusal(response)
                body = read_body(response, limits)
            finally:
                response.close()
        return Reply(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            json_depth=limits.json_depth,
            set_cookies=tuple(response.headers.get_list("set-cookie")),
        )

    def _refusal(self, response: httpx.Response) -> SourceError:
        error = error_of_status(response.status_code, parse_retry_after(response.headers.get("retry-after")))
        if isinstance(error, RateLimited):
            self.budget.slow_down(UNTOLD_SECONDS if error.retry_after is None else error.retry_after)
        return error


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn the transport's errors inside the block into errors of ours, without their text."""
    try:
        yield
    except (httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ConnectError) as error:
        raise NotConnected(f"There is no connection ({type(error).__name__}).") from None
    except (httpcore.TimeoutException, httpx.TimeoutException):
        raise SourceTimeout("The call's total time passed before the answer was whole.") from None
    except (httpcore.RemoteProtocolError, httpx.RemoteProtocolError):
        raise TruncatedResponse("The connection ended before the answer was whole.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpx.TransportError, OSError) as error:
        raise SourceUnavailable(f"The connection failed ({type(error).__name__}).") from None


def _pass_all(breakers: Sequence[CircuitBreaker]) -> None:
    passed: list[CircuitBreaker] = []
    try:
        for breaker in breakers:
            breaker.before_call()
            passed.append(breaker)
    except SourceUnavailable:
        for breaker in passed:
            breaker.not_sent()
        raise
