"""Promises of the Sandbox adapter: one token for everybody, jobs that wait, and no OTP or job sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import connectors.sandbox_tds
from clientsync.config import ProviderSettings
from clientsync.errors import (
    BadRequest,
    ContractChanged,
    FileQueued,
    NoData,
    PasswordRejected,
    ProviderMisconfigured,
    RequestFailed,
    SourceUnavailable,
    SyncError,
)
from connectors.sandbox_tds.service import SandboxTds
from simulators.http import Request, Response
from tests.unit.tds_portals.conftest import Portals

TAN = "AAAA00000A"


class Provider:
    """A tiny Sandbox that answers as a test tells it."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.tokens = 0

    def __call__(self, request: Request) -> Response:
        if request.path.endswith("/authenticate"):
            self.tokens += 1
            return Response.of({"code": 200, "data": {"access_token": f"t{self.tokens}"}})
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def says(self, *bodies: dict[str, Any], status: int = 200) -> None:
        """Answer with these bodies in order, the last one again and again."""
        self.answers = [Response.of(body, status) for body in bodies]


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def sandbox(portals: Portals, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxTds]:
    monkeypatch.setenv("TEST_SANDBOX", "secret")
    portals.override = provider
    base = portals.services.settings.provider("income_tax")
    settings = ProviderSettings(
        kind="sandbox_tds",
        base_url=base.base_url.replace("eportal", "sandbox"),
        credentials={"api_key": "env:TEST_SANDBOX", "api_secret": "env:TEST_SANDBOX"},
        calls_per_minute=60_000,
        burst=1_000,
        allow_loopback=True,
    )
    portals.services.settings = portals.services.settings.model_copy(
        update={"providers": {"sandbox_tds": settings}}
    )
    yield connectors.sandbox_tds.open_service(portals.services)
    connectors.sandbox_tds.release(portals.services.engine)


def test_one_token_serves_all_calls_and_goes_without_bearer(
    portals: Portals, provider: Provider, sandbox: SandboxTds
) -> None:
    provider.says({"data": {"status": "succeeded", "url": "x"}})
    for _ in range(2):
        assert sandbox.poll_job("form16a", TAN, "j1")["url"] == "x"
    assert provider.tokens == 1
    assert portals.seen[-1].headers["authorization"] == "t1"
    assert portals.seen[-1].query == {"job_id": "j1"}


def test_the_challan_status_file_is_fetched_by_its_own_link(
    portals: Portals, provider: Provider, sandbox: SandboxTds
) -> None:
    link = portals.services.settings.provider("sandbox_tds").base_url + "/file.csi"
    provider.answers = [
        Response.of({"data": {"reference_id": "R1"}}),
        Response.of({"data": {"csi_url": link}}),
        Response(b"CSI", 200, "text/plain"),
    ]
    assert sandbox.request_csi_otp(TAN, "9000000000", 1, 2, "books of the deductor") == "R1"
    assert sandbox.fetch_csi(TAN, "R1", "123456") == b"CSI"
    assert "authorization" not in portals.seen[-1].headers


@pytest.mark.parametrize("status", ["created", "queued", "in_progress"])
def test_a_job_that_is_not_finished_is_asked_again_later(
    provider: Provider, sandbox: SandboxTds, status: str
) -> None:
    provider.says({"data": {"status": status}})
    with pytest.raises(FileQueued) as caught:
        sandbox.poll_job("potential_notices", TAN, "j1")
    assert caught.value.token == "j1" and caught.value.ready_at is not None


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("Invalid credentials", PasswordRejected),
        ("Invalid security captcha", RequestFailed),
        ("Invalid TAN", BadRequest),
        ("Form not available", NoData),
        ("Something else", RequestFailed),
    ],
)
def test_a_failed_job_says_why(
    provider: Provider, sandbox: SandboxTds, message: str, error: type[SyncError]
) -> None:
    provider.says({"data": {"status": "failed", "message": message}})
    with pytest.raises(error):
        sandbox.poll_job("form16", TAN, "j1")


def test_a_job_that_was_submitted_before_is_used_again(provider: Provider, sandbox: SandboxTds) -> None:
    said = "Job already submitted for the given quarter and financial year"
    provider.says({"message": said, "data": {"job_id": "j7"}}, status=422)
    assert sandbox.create_job("form16a", TAN, {"tan": TAN}) == "j7"
    provider.says({"message": said}, status=422)
    with pytest.raises(FileQueued):
        sandbox.create_job("form16a", TAN, {"tan": TAN})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequest),
        (422, BadRequest),
        (401, ProviderMisconfigured),
        (403, ProviderMisconfigured),
        (404, NoData),
        (521, NoData),
        (503, SourceUnavailable),
    ],
)
def test_every_status_has_its_error(
    provider: Provider, sandbox: SandboxTds, status: int, error: type[SyncError]
) -> None:
    provider.says({"code": status, "message": "no"}, status=status)
    with pytest.raises(error):
        sandbox.create_job("form16", TAN, {"tan": TAN})
    assert provider.tokens == (2 if status == 403 else 1)


def test_an_unknown_job_or_status_is_refused(provider: Provider, sandbox: SandboxTds) -> None:
    provider.says({"data": {"status": "strange"}})
    with pytest.raises(ContractChanged):
        sandbox.poll_job("form16", TAN, "j1")
    with pytest.raises(BadRequest):
        sandbox.create_job("form99", TAN, {})
