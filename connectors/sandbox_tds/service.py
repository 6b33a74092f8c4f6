"""Calls to Sandbox: the account's own token, the challan status file, and jobs that are created and polled.

The documents disagree on some paths, so each can be replaced by ``endpoint_versions`` of the provider. Calls that
make the provider do something (an OTP, a job) are never sent twice by themselves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from clientsync.errors import (
    BadRequest,
    ContractChanged,
    FileQueued,
    NoData,
    PasswordRejected,
    ProviderMisconfigured,
    RequestFailed,
    SessionExpired,
    SourceError,
    SourceUnavailable,
)
from clientsync.http.client import CallMeter, Reply, error_of_status
from clientsync.sync.services import Services
from connectors.portal_accounts import account_of, secret_of

PROVIDER = "sandbox_tds"
TOKEN_SECONDS = 23 * 3600.0
"""The account's token lives 24 hours."""
POLL_AFTER = timedelta(minutes=1)
PATHS: Mapping[str, str] = {
    "sandbox_tds.authenticate": "/authenticate",
    "sandbox_tds.csi_otp": "/tds/compliance/csi/otp",
    "sandbox_tds.csi_verify": "/tds/compliance/csi/otp/verify",
    "sandbox_tds.form16": "/tds/compliance/traces/deductors/forms/form16",
    "sandbox_tds.form16a": "/tds/compliance/traces/deductors/forms/form16a",
    "sandbox_tds.form16_status": "/tds/compliance/traces/deductors/forms/form16/status",
    "sandbox_tds.form16a_status": "/tds/compliance/traces/deductors/forms/form16a/status",
    "sandbox_tds.potential_notices": "/tds/analytics/potential-notices",
    "sandbox_tds.potential_notices_status": "/tds/analytics/potential-notices/status",
}
"""Path of each call, by name."""
JOBS = ("form16", "form16a", "potential_notices")
WAITING = frozenset({"created", "queued", "in_progress"})
_OTP_ENTITY = "in.co.sandbox.tds.compliance.deductors.otp.request"
_CSI_ENTITY = "in.co.sandbox.tds.compliance.deductors.csi.request"
_FAILURES: tuple[tuple[str, type[SourceError], str], ...] = (
    ("invalid credentials", PasswordRejected, "TRACES refused the credentials of the job."),
    ("invalid security captcha", RequestFailed, "The facts of the statement in the request are wrong."),
    ("invalid tan", BadRequest, "The provider does not accept the deductor's number."),
    ("form not available", NoData, "The form is not there."),
)


class SandboxTds:
    """The provider, as this process uses it; safe to share between threads."""

    def __init__(self, services: Services) -> None:
        """Resolve the credentials; nothing is sent yet.

        Raises:
            UnknownName: the provider is not configured.
            ProviderMisconfigured: ``api_key`` or ``api_secret`` is not configured.
            MissingSecret: a credential cannot be had.
        """
        self._services = services
        self._account = account_of(PROVIDER, services)
        references = self._account.settings.credentials
        if not {"api_key", "api_secret"} <= set(references):
            raise ProviderMisconfigured("The provider sandbox_tds needs api_key and api_secret.")
        self._key = secret_of(references["api_key"], services)
        self._secret = secret_of(references["api_secret"], services)
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def request_csi_otp(self, tan: str, mobile: str, first: int, last: int, reason: str) -> str:
        """Make the portal send an OTP for a challan status file; return the handle to verify with.

        Args:
            tan: deductor.
            mobile: number that gets the OTP.
            first: beginning of the payments, epoch in milliseconds.
            last: end of them.
            reason: why, at least twenty characters.

        Raises:
            SourceError: as its class says.
        """
        body = {
            "@entity": _OTP_ENTITY,
            "tan": tan,
            "mobile_number": mobile,
            "from": first,
            "to": last,
            "consent": "Y",
            "reason": reason,
        }
        return _text(self._data("csi_otp", tan, json=body, once=True), "reference_id")

    def fetch_csi(self, tan: str, reference: str, otp: str) -> bytes:
        """Return the challan status file that a person's OTP opens; it is sent once.

        Raises:
            NoData: there is none.
            ForbiddenHost: the link of the file is not among the provider's ``download_urls``.
        """
        body = {"@entity": _CSI_ENTITY, "reference_id": reference, "otp": otp}
        link = _text(self._data("csi_verify", tan, json=body, once=True), "csi_url")
        return self._account.http.download(link, client=tan)  # signed by itself: no header of ours goes along

    def create_job(self, kind: str, tan: str, body: Mapping[str, Any]) -> str:
        """Create a job and return its id; one that was submitted before is used again.

        Args:
            kind: one of ``JOBS``.
            tan: deductor.
            body: what the job is about.

        Raises:
            BadRequest: no such kind, or the provider refuses the request.
            FileQueued: the same job was submitted before and its id is not told; ask again later.
        """
        if kind not in JOBS:
            raise BadRequest(f"There is no job {kind}. Valid: {', '.join(JOBS)}.")
        return _text(self._data(kind, tan, json=dict(body), once=True), "job_id")

    def poll_job(self, kind: str, tan: str, job_id: str) -> dict[str, Any]:
        """Return what a finished job has made.

        Raises:
            FileQueued: it is not finished.
            PasswordRejected: TRACES refused the credentials.
            NoData: there is no such form.
            RequestFailed: it failed for good.
        """
        data = self._data(f"{kind}_status", tan, query={"job_id": job_id}, json={})
        status = str(data.get("status") or "").lower()
        if status == "succeeded":
            return data
        if status in WAITING:
            raise self._queued(job_id)
        if status != "failed":
            raise ContractChanged("The provider reports a status of a job that is not known.")
        text = str(data.get("message") or data.get("error") or "").lower()
        for words, kind_of_error, message in _FAILURES:
            if words in text:
                raise kind_of_error(message)
        raise RequestFailed("The job failed.")

    def _queued(self, job_id: str | None) -> FileQueued:
        ready_at = self._services.now() + POLL_AFTER
        return FileQueued("The provider is still working on the job.", token=job_id, ready_at=ready_at)

    def _data(
        self,
        name: str,
        tan: str,
        *,
        json: Any,
        query: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> dict[str, Any]:
        """Send a call with the account's token, renewed once when the provider refuses it."""
        for is_last in (False, True):
            token = self._fresh_token()
            headers = {"authorization": token, "x-api-key": self._key.get_secret_value()}
            try:
                return self._send(name, tan, headers, json=json, query=query, once=once)
            except SessionExpired as error:
                if is_last:
                    raise ProviderMisconfigured(
                        "The provider refuses a fresh token: check privilege, credits and access.",
                        source_code=error.source_code,
                    ) from error
                with self._lock:
                    if self._token == token:
                        self._token = ""
        raise AssertionError("unreachable: the last try returns or raises")

    def _fresh_token(self) -> str:
        with self._lock:
            if not self._token or time.monotonic() >= self._until:
                headers = {
                    "x-api-key": self._key.get_secret_value(),
                    "x-api-secret": self._secret.get_secret_value(),
                }
                try:
                    data = self._send("authenticate", "", headers, json=None)
                except SessionExpired as error:
                    raise ProviderMisconfigured(
                        "The provider refused the account's key and secret.", source_code=error.source_code
                    ) from error
                self._token = _text(data, "access_token")
                self._until = time.monotonic() + TOKEN_SECONDS
            return self._token

    def _send(
        self,
        name: str,
        tan: str,
        headers: Mapping[str, str],
        *,
        json: Any,
        query: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> dict[str, Any]:
        full = f"{PROVIDER}.{name}"
        path = self._account.settings.endpoint_versions.get(full, PATHS[full])
        try:
            return self._account.exchange(
                "POST",
                path,
                self._read,
                CallMeter(),
                client=tan,
                headers=headers,
                query=query,
                json=json,
                once=once,
            )
        except SourceUnavailable as error:
            if error.source_code == "521":  # the provider's own status for data that is not found
                raise NoData("The provider says that there is nothing.", source_code="521") from error
            raise

    def _read(self, reply: Reply) -> dict[str, Any]:
        """Return ``data`` of an envelope."""
        if reply.status == 401:
            raise ProviderMisconfigured("The provider does not accept the account's key.", source_code="401")
        if reply.status == 403:
            raise SessionExpired("The provider does not accept the account's token.", source_code="403")
        if reply.status == 404:
            raise NoData("The provider says that there is nothing.", source_code="404")
        if reply.status == 429 or reply.status >= 500:
            raise error_of_status(reply.status)
        body = reply.json()
        if not isinstance(body, dict):
            raise ContractChanged("The answer of the provider is not an object.")
        data = body.get("data")
        found = data if isinstance(data, dict) else {}
        if "job already submitted" in str(body.get("message") or "").lower():
            if found.get("job_id"):
                return found
            raise self._queued(None)
        if reply.status >= 400:
            raise BadRequest("The provider refused the request.", source_code=str(reply.status))
        if not found:
            raise ContractChanged("The answer of the provider holds no data.")
        return found


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not value:
        raise ContractChanged(f"The answer of the provider lacks {name}.")
    return str(value)
