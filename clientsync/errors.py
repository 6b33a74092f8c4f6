"""Every error of the product, grouped by what the caller should do and how far it reaches.

    SyncError(code, scope, outcome, is_retryable, message, next_step)
    ├ ConfigError            the operator must act                      usage errors exit with code 2
    │   UnknownName UnknownModule UnknownClient InvalidPeriod InvalidInput MissingSecret InvalidSpec Outdated
    ├ SourceError            the outside system
    │ ├ RetryableSourceError SourceUnavailable NotConnected SourceTimeout TruncatedResponse RateLimited
    │ │                      GenerationFailed
    │ ├ WaitingSource        FileQueued TooEarly NotGenerated ProviderAtCapacity AccountLocked DualLogin
    │ ├ NothingThere         NoData NotApplicable
    │ ├ NeedsPerson          OtpRequired OtpRejected ConsentLapsed PortalSettingRequired SessionExpired
    │ │                      CaptchaRequired SecondFactorRequired PasswordRejected PasswordExpired NotEntitled
    │ └ FatalSourceError     ContractChanged BadRequest ResponseTooLarge ForbiddenHost ProviderMisconfigured
    │                        RequestFailed
    ├ RowError               quarantine that row, go on                 RowInvalid
    ├ SuspectData            a person decides                           IdentityMismatch TotalsDisagree
    │                                                                   SourceSuddenlyEmpty TooManyBadRows
    ├ WarehouseError         WarehouseUnavailable OutOfSpace IntegrityBroken StatementRefused
    ├ NotAllowed ExchangeRefused SideRefused BookingRefused             a person, a node, a record, a document
    └ RunSignal              not failures                               StopRequested LeaseLost AlreadyRunning

A class builds its message from typed arguments and never contains a payload, a URL query or a secret.
``code`` is stable. Whether to retry is read from the class, in one place.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from clientsync.outcomes import Outcome


class Scope(StrEnum):
    """How far an error reaches."""

    ROW = "row"
    UNIT = "unit"
    CLIENT = "client"
    RUN = "run"


class SyncError(Exception):
    """Root of the tree.

    Attributes:
        code: stable name in reports and in the runbook.
        scope: how far it reaches.
        outcome: what a unit that meets it ends as.
        is_retryable: whether the same call may succeed within this run.
        next_step: what a person should do, one sentence.
        source_code: the outside system's own code, when it gave one.
        calls: HTTP calls that the failed question cost, retries included.
        portal: for scope CLIENT, the portal that is closed to the client; empty means every one.
    """

    code = "SYNC"
    scope = Scope.UNIT
    outcome = Outcome.BROKEN
    is_retryable = False
    next_step = "Report this with the run id."
    calls = 1
    portal = ""

    def __init__(self, message: str, *, source_code: str | None = None) -> None:
        """Keep the message, which must be safe to show."""
        super().__init__(message)
        self.message = message
        self.source_code = source_code


# --- the operator must act -------------------------------------------------------------------------


class ConfigError(SyncError):
    """Something that the operator asked for or set cannot be used."""

    code = "CONFIG"
    scope = Scope.CLIENT
    next_step = "Correct the setting or the argument and start again."


class UnknownName(ConfigError):
    """A name that is not in a closed list was asked for."""

    code = "UNKNOWN_NAME"

    def __init__(self, what: str, given: str, valid: Iterable[str]) -> None:
        """Name what was asked for and list what could have been."""
        self.valid = tuple(valid)
        shown = ", ".join(self.valid[:40]) + (
            f", … ({len(self.valid)} in all)" if len(self.valid) > 40 else ""
        )
        super().__init__(f"Unknown {what} {given!r}. Valid: {shown or 'none yet'}.")


class UnknownModule(UnknownName):
    """A module or module group that no connector declares."""

    code = "UNKNOWN_MODULE"


class UnknownClient(UnknownName):
    """A client or group that is not in the client master."""

    code = "UNKNOWN_CLIENT"


class InvalidPeriod(ConfigError):
    """A period that is not MMYYYY, lies in the future or before the tax began."""

    code = "INVALID_PERIOD"


class InvalidInput(ConfigError):
    """A file or a value from the user cannot be read as what it should be."""

    code = "INVALID_INPUT"


class Outdated(InvalidInput):
    """Another person changed this in the meantime."""

    code = "OUTDATED"
    next_step = "Look at it again, then decide."


class MissingSecret(ConfigError):
    """A reference to a secret resolves to nothing."""

    code = "MISSING_SECRET"
    outcome = Outcome.NEEDS_PERSON
    next_step = "Store the secret under the reference that is named, then re-sync the client."


class InvalidSpec(ConfigError):
    """A module declares something that contradicts itself."""

    code = "INVALID_SPEC"
    scope = Scope.RUN


# --- the outside system ----------------------------------------------------------------------------


class SourceError(SyncError):
    """The outside system did not give what was asked for."""

    code = "SOURCE"


class RetryableSourceError(SourceError):
    """The same question may be answered in a moment."""

    code = "SOURCE_RETRYABLE"
    outcome = Outcome.TRANSIENT
    is_retryable = True
    next_step = "None: it is tried again by itself."


class SourceUnavailable(RetryableSourceError):
    """The source answered 5xx, refused the connection or reset it."""

    code = "SOURCE_UNAVAILABLE"


class NotConnected(SourceUnavailable):
    """There was no connection, or the host is being left alone: nothing was sent."""

    code = "NOT_CONNECTED"


class SourceTimeout(RetryableSourceError):
    """The total deadline of a call passed."""

    code = "SOURCE_TIMEOUT"


class TruncatedResponse(RetryableSourceError):
    """The answer ended early, or cannot be shown to be whole."""

    code = "TRUNCATED_RESPONSE"


class RateLimited(RetryableSourceError):
    """The source asked to slow down.

    Attributes:
        retry_after: seconds to wait, already capped; None when the source did not say.
    """

    code = "RATE_LIMITED"

    def __init__(
        self, message: str, *, retry_after: float | None = None, source_code: str | None = None
    ) -> None:
        """Keep how long the source wants to be left alone."""
        super().__init__(message, source_code=source_code)
        self.retry_after = retry_after


class GenerationFailed(RetryableSourceError):
    """The source failed to build a file and must be asked to build it again."""

    code = "GENERATION_FAILED"


class WaitingSource(SourceError):
    """The source will have it later.

    Attributes:
        ready_at: when to ask again, aware; None when only a person's or supplier's act brings it.
    """

    code = "SOURCE_WAITING"
    outcome = Outcome.QUEUED
    next_step = "None: it is asked again by itself."

    def __init__(
        self, message: str, *, ready_at: datetime | None = None, source_code: str | None = None
    ) -> None:
        """Keep when the source should be asked again."""
        super().__init__(message, source_code=source_code)
        self.ready_at = ready_at


class FileQueued(WaitingSource):
    """The source builds a file.

    Attributes:
        token: the source's handle of the file, None when it has none.
    """

    code = "FILE_QUEUED"

    def __init__(
        self,
        message: str,
        *,
        token: str | None = None,
        ready_at: datetime | None = None,
        source_code: str | None = None,
    ) -> None:
        """Keep the handle that fetches the file later."""
        super().__init__(message, ready_at=ready_at, source_code=source_code)
        self.token = token


class TooEarly(WaitingSource):
    """Asked before the date on which it becomes available."""

    code = "TOO_EARLY"
    outcome = Outcome.TOO_EARLY


class NotGenerated(WaitingSource):
    """The portal has not produced the statement."""

    code = "NOT_GENERATED"
    outcome = Outcome.NOT_GENERATED
    next_step = (
        "File the earlier GSTR-3B, or let clientsync ask the portal to generate it (opt-in per client)."
    )


class ProviderAtCapacity(WaitingSource):
    """The practice's account with the provider has no session left; every client would be refused alike."""

    code = "PROVIDER_AT_CAPACITY"
    scope = Scope.RUN
    outcome = Outcome.TRANSIENT
    next_step = "Wait for the provider's limit to free sessions, or ask it for a higher one; then re-sync."


class AccountLocked(WaitingSource):
    """The portal has locked the client's account after refused log-ins, or the next refusal could lock it."""

    code = "ACCOUNT_LOCKED"
    scope = Scope.CLIENT
    outcome = Outcome.TRANSIENT
    next_step = "None: it is asked again when the lock has ended. Nobody should try passwords meanwhile."


class DualLogin(WaitingSource):
    """Somebody else is logged in with the client's account; their session is never ended for ours."""

    code = "DUAL_LOGIN"
    scope = Scope.CLIENT
    outcome = Outcome.TRANSIENT
    next_step = "Log out of the portal in the browser; it is asked again by itself."


class NothingThere(SourceError):
    """The source said, with a code of its own, that there is nothing."""

    code = "NOTHING_THERE"
    outcome = Outcome.EMPTY
    next_step = "None."


class NoData(NothingThere):
    """No records for the question.

    Attributes:
        is_certain: False when only one source is known to use the code so; it is asked again next time.
    """

    code = "NO_DATA"

    def __init__(self, message: str, *, source_code: str | None = None, is_certain: bool = True) -> None:
        """Keep whether the code is known to mean emptiness."""
        super().__init__(message, source_code=source_code)
        self.is_certain = is_certain


class NotApplicable(NothingThere):
    """The question can never have an answer for this client and period."""

    code = "NOT_APPLICABLE"
    outcome = Outcome.NOT_APPLICABLE


class NeedsPerson(SourceError):
    """Only a person can go on, and only this client waits."""

    code = "NEEDS_PERSON"
    scope = Scope.CLIENT
    outcome = Outcome.NEEDS_PERSON
    next_step = "Answer the challenge of this client."


class OtpRequired(NeedsPerson):
    """The portal wants a one-time password."""

    code = "OTP_REQUIRED"
    next_step = "Ask for the OTP that the portal sent to the client and answer with `clientsync otp answer`."


class OtpRejected(NeedsPerson):
    """The one-time password was refused; it is never tried twice."""

    code = "OTP_REJECTED"
    next_step = "Ask for a new OTP with `clientsync otp request` and answer again."


class ConsentLapsed(NeedsPerson):
    """The client's consent has ended."""

    code = "CONSENT_LAPSED"
    next_step = "Ask the client to renew API access on the portal, then answer a new OTP."


class PortalSettingRequired(NeedsPerson):
    """API access is off, or too short, in the taxpayer's profile."""

    code = "PORTAL_SETTING"
    next_step = "On the portal: My Profile, Manage API Access, Enable: Yes, Duration: 30 days. Then re-sync."


class CaptchaRequired(NeedsPerson):
    """The portal shows a picture whose characters a person must type."""

    code = "CAPTCHA_REQUIRED"
    next_step = "Read the picture in the challenge and answer with `clientsync challenge answer`."


class SecondFactorRequired(NeedsPerson):
    """The account is protected by a second factor; only a person can open a session."""

    code = "SECOND_FACTOR"
    next_step = "Log in on the portal in person, or let the client release the e-Filing Vault; then re-sync."


class PasswordRejected(NeedsPerson):
    """The portal refused the stored password; the same one is never sent again."""

    code = "PASSWORD_REJECTED"
    next_step = (
        "Ask the client for the right password and store it with `clientsync secrets set`; then re-sync."
    )


class PasswordExpired(NeedsPerson):
    """The portal wants a new password before it lets the client in."""

    code = "PASSWORD_EXPIRED"
    next_step = "Change the password on the portal, store it with `clientsync secrets set`; then re-sync."


class NotEntitled(NeedsPerson):
    """The portal does not know the client's number, or the account has no right to this."""

    code = "NOT_ENTITLED"
    next_step = "Register the client on that portal, or leave the module out for it."


class SessionExpired(NeedsPerson):
    """The session is gone; it is refreshed once before a person is asked."""

    code = "SESSION_EXPIRED"


class FatalSourceError(SourceError):
    """The same question will fail the same way until something is changed."""

    code = "SOURCE_FATAL"
    next_step = "See the runbook entry of this code; the raw answer is kept."


class ContractChanged(FatalSourceError):
    """The answer does not have the shape, encryption or identity that the contract promises."""

    code = "CONTRACT_CHANGED"


class BadRequest(FatalSourceError):
    """The source refused our parameters: a defect of ours, or a state in which it never succeeds."""

    code = "BAD_REQUEST"


class ResponseTooLarge(FatalSourceError):
    """The answer passed a size limit and was not read to its end."""

    code = "RESPONSE_TOO_LARGE"


class ForbiddenHost(FatalSourceError):
    """A link or redirect led outside the allowed hosts."""

    code = "FORBIDDEN_HOST"


class ProviderMisconfigured(FatalSourceError):
    """The provider refused the practice's own account; every client would fail alike."""

    code = "PROVIDER_MISCONFIGURED"
    scope = Scope.RUN
    next_step = "Check the provider account (client id, secret, allowed addresses); the run was stopped."


class RequestFailed(FatalSourceError):
    """A file that was asked for cannot be built; the portal says so for good."""

    code = "REQUEST_FAILED"
    next_step = "Contact the portal's processing centre with the request number, or ask for the file anew."


# --- rows and data ---------------------------------------------------------------------------------


class RowError(SyncError):
    """One row cannot be loaded; the others go on."""

    code = "ROW"
    scope = Scope.ROW
    next_step = "See the quarantine; fix the rule or wait for the portal's correction, then replay."


class RowInvalid(RowError):
    """A row breaks a rule that it must keep."""

    code = "ROW_INVALID"


class SuspectData(SyncError):
    """The answer is well-formed and yet must not be loaded before a person has looked."""

    code = "SUSPECT"
    outcome = Outcome.SUSPECT
    next_step = "Compare with the portal; release with `clientsync release` if the portal is right."


class IdentityMismatch(SuspectData):
    """The answer is about another taxpayer or period than was asked."""

    code = "IDENTITY_MISMATCH"


class TotalsDisagree(SuspectData):
    """The rows do not add up to the totals that came with them."""

    code = "TOTALS_DISAGREE"


class SourceSuddenlyEmpty(SuspectData):
    """Most of the rows that were there have vanished."""

    code = "SOURCE_SUDDENLY_EMPTY"


class TooManyBadRows(SuspectData):
    """More than the allowed share of the rows are bad."""

    code = "TOO_MANY_BAD_ROWS"


# --- our own house ---------------------------------------------------------------------------------


class WarehouseError(SyncError):
    """The warehouse could not be read or written."""

    code = "WAREHOUSE"
    scope = Scope.RUN


class WarehouseUnavailable(WarehouseError):
    """No connection, a lock that does not end, a server that is starting."""

    code = "WAREHOUSE_UNAVAILABLE"
    outcome = Outcome.TRANSIENT
    is_retryable = True
    next_step = "See that the database is reachable; the run goes on by itself when it is."


class OutOfSpace(WarehouseError):
    """The disk is full; nothing half-written remains."""

    code = "OUT_OF_SPACE"
    outcome = Outcome.TRANSIENT
    next_step = "Free disk space, then `clientsync resync-failed`."


class IntegrityBroken(WarehouseError):
    """The database refused rows that every check had passed."""

    code = "INTEGRITY_BROKEN"


class StatementRefused(WarehouseError):
    """The database refused a statement: a value or a table is not as it expects them."""

    code = "STATEMENT_REFUSED"


class RunSignal(SyncError):
    """Not a failure: the run must stop or step aside."""

    code = "SIGNAL"
    outcome = Outcome.CANCELLED


class StopRequested(RunSignal):
    """A person or a signal asked the run to stop."""

    code = "STOP_REQUESTED"
    scope = Scope.RUN
    next_step = "Resume with `clientsync resync-failed`."


class LeaseLost(RunSignal):
    """Another process took over this client and module; nothing of ours was written."""

    code = "LEASE_LOST"
    next_step = "None: the other run does the work."


class AlreadyRunning(RunSignal):
    """Another run holds this client and module."""

    code = "ALREADY_RUNNING"
    next_step = "None: the other run does the work; start again when it has ended."


# --- two sides of one thing ------------------------------------------------------------------------


class ExchangeRefused(SyncError):
    """Head office and store must not exchange: their versions or clocks differ, or this database was replaced."""

    code = "EXCHANGE_REFUSED"
    scope = Scope.RUN
    next_step = "Do what the message says, then sync again; nothing is lost meanwhile."


class NotAllowed(SyncError):
    """The person who is logged in lacks a right at this node."""

    code = "NOT_ALLOWED"
    scope = Scope.RUN
    next_step = "Ask an administrator for the right, or to do it."


class SideRefused(SyncError):
    """One of two systems with records does not take what it was given; the record is left as it was."""

    code = "SIDE_REFUSED"
    scope = Scope.ROW
    next_step = "Correct the record, or its mapping, as the message says; the next run tries it again."


class BookingRefused(SyncError):
    """The system that should book a document does not take it as it is, or a mapping for it is missing.

    Attributes:
        reason_code: stable code of the reason (``clientsync.commerce.reasons``).
    """

    code = "BOOKING_REFUSED"
    scope = Scope.ROW
    next_step = "Repair what the reason names; the document is tried again by itself, or with a refresh."

    def __init__(self, reason_code: str, message: str) -> None:
        """Keep the code and the sentence of the reason."""
        super().__init__(message)
        self.reason_code = reason_code
