"""What every error code of the portal means, as data: (where, code) to an error class and an operator's words.

The same code means different things on an auth call and on a data call, so a rule names where it holds. The
words are ours: what the portal wrote is never repeated, for it may carry an address or a credential. Source of
the codes: working clients of the GSTN API and two gateways' documents; those known from one source only say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clientsync import errors


class Where(StrEnum):
    """On which calls a rule holds."""

    AUTH = "auth"
    DATA = "data"
    ANY = "any"


class Ready(StrEnum):
    """When a waiting source should be asked again."""

    UNSAID = "unsaid"
    CUT_OFF = "cut_off"  # afternoon of the 14th after the period
    ESTIMATE = "estimate"  # as the portal said, else half an hour
    SIX_HOURS = "six_hours"


@dataclass(frozen=True)
class Rule:
    """What one code means.

    Attributes:
        code: as the portal writes it.
        becomes: the error class; None for an answer that is no error (nothing to do, file ready).
        meaning: one sentence for an operator.
        where: on which calls.
        next_step: overrides that of the class.
        ready: when to ask again, for classes of ``WaitingSource``.
        is_certain: for ``NoData``: whether more than one source knows the code as "no records".
    """

    code: str
    becomes: type[errors.SyncError] | None
    meaning: str
    where: Where = Where.ANY
    next_step: str = ""
    ready: Ready = Ready.UNSAID
    is_certain: bool = True


_NO_RECORDS = "The portal holds no records for this question."
_PERHAPS_NONE = "The portal seems to hold no records; the code is known from one source only."
_NO_SESSION = "The portal no longer accepts the session of this client."

RULES: tuple[Rule, ...] = (
    # a person is needed
    Rule("RETOTPREQUEST", errors.OtpRequired, "The portal wants a one-time password."),
    Rule("EVCREQUEST", errors.OtpRequired, "The portal wants a one-time password."),
    Rule("AUTH4033", errors.OtpRequired, "The session is invalid; a new one-time password opens it."),
    Rule("AUTH4034", errors.OtpRejected, "The portal refused the one-time password."),
    Rule("RET13509", errors.OtpRejected, "The portal refused the one-time password.", Where.AUTH),
    Rule(
        "AUTH4037",
        errors.PortalSettingRequired,
        "API access is off in the client's profile, or its duration is shorter than a session.",
    ),
    # the session is refreshed once, then a person is needed
    Rule("AUTH4038", errors.SessionExpired, "The session of this client has expired."),
    Rule("AUTH158", errors.SessionExpired, _NO_SESSION),
    Rule("RT-R1R3BAV-1007", errors.SessionExpired, _NO_SESSION),
    Rule("RET11402", errors.SessionExpired, _NO_SESSION),
    Rule("RET2B1010", errors.SessionExpired, _NO_SESSION),
    Rule("RET11407", errors.SessionExpired, _NO_SESSION),
    Rule("RET11408", errors.SessionExpired, _NO_SESSION),
    Rule("RET11409", errors.SessionExpired, _NO_SESSION),
    # the practice's account with the provider
    Rule(
        "AUTH403",
        errors.ProviderAtCapacity,
        "The provider's account has reached its limit of sessions.",
        ready=Ready.SIX_HOURS,
    ),
    Rule("AUT4033", errors.ProviderMisconfigured, "The provider does not know this account's client id."),
    # passing trouble
    Rule("TEC4001", errors.SourceUnavailable, "The portal's OTP service is down."),
    Rule(
        "TEC4002",
        errors.SourceUnavailable,
        "The portal refused the public certificate that sealed our key.",
        next_step="If it stays: replace the file named by the provider's `certificate` with GSTN's newest.",
    ),
    Rule("RET12501", errors.SourceUnavailable, "The portal failed while reading this section."),
    Rule("RET13504", errors.SourceUnavailable, "The portal is not available."),
    Rule("RET13505", errors.SourceUnavailable, "The portal is not available."),
    Rule("IMSSAV0015", errors.SourceUnavailable, "An earlier save in IMS is still being worked on."),
    # nothing there
    Rule("RET11416", errors.NoData, _NO_RECORDS),
    Rule("RET11417", errors.NoData, _NO_RECORDS),
    Rule("RET13508", errors.NoData, _NO_RECORDS, Where.DATA),
    Rule("RET13509", errors.NoData, _NO_RECORDS, Where.DATA),
    Rule("RET13510", errors.NoData, _NO_RECORDS, Where.DATA),
    Rule("RET2B1016", errors.NoData, _NO_RECORDS),
    Rule("RT-3BAS1009", errors.NoData, _NO_RECORDS),
    Rule("EINV30107", errors.NoData, _NO_RECORDS),
    Rule("EINV30108", errors.NoData, _NO_RECORDS),
    Rule("EINV30131", errors.NoData, _NO_RECORDS),
    Rule("FO8000", errors.NoData, "The portal knows no such registration."),
    Rule("RET2B1006", errors.NoData, _PERHAPS_NONE, is_certain=False),
    Rule("RET2B1013", errors.NoData, _PERHAPS_NONE, is_certain=False),
    Rule("RET2B1015", errors.NoData, _PERHAPS_NONE, is_certain=False),
    Rule("RET2B1017", errors.NoData, _PERHAPS_NONE, is_certain=False),
    # not yet, or never
    Rule(
        "RET2B1023",
        errors.NotGenerated,
        "The portal has not generated this GSTR-2B: the earlier GSTR-3B was not filed in time, or it is being made.",
    ),
    Rule(
        "GTR2B-002",
        errors.NotGenerated,
        "The portal has not generated this GSTR-2B: the earlier GSTR-3B was not filed in time, or it is being made.",
    ),
    Rule(
        "GTR2B-001",
        errors.NotApplicable,
        "There is no GSTR-2B for the first two months of a quarter of a quarterly filer.",
    ),
    Rule("RET2B1018", errors.TooEarly, "It was asked before the cut-off date.", ready=Ready.CUT_OFF),
    Rule(
        "IMS2B009",
        errors.TooEarly,
        "GSTR-2B can be made again only when its first draft exists.",
        ready=Ready.CUT_OFF,
    ),
    Rule("IMS2005", None, "Nothing has changed since GSTR-2B was made; it need not be made again."),
    Rule(
        "IMS2B007",
        errors.BadRequest,
        "GSTR-2B of this month can no longer be made: GSTR-3B is filed, or the month is wrong.",
        next_step="None: the statement of this month is final.",
    ),
    Rule("LG9089", errors.BadRequest, "A ledger was asked for days that lie in the future."),
    # files
    Rule("RTN_24", errors.FileQueued, "The portal is still building the file.", ready=Ready.ESTIMATE),
    Rule("RETINPROGRESS", errors.FileQueued, "The portal is still building the file.", ready=Ready.ESTIMATE),
    Rule("RTN_25", errors.GenerationFailed, "The portal failed to build the file."),
    Rule("RTN_31", None, "The file is ready."),
    # our own shape of the question
    Rule("RET191166", errors.ContractChanged, "The portal no longer reads our requests."),
    Rule("RET191101", errors.ContractChanged, "The portal no longer reads our requests."),
    # by HTTP status, when the answer carries no code
    Rule("HTTP 429", errors.RateLimited, "The provider asked to slow down."),
    Rule("HTTP 5xx", errors.SourceUnavailable, "The provider or the portal is not available."),
    Rule("HTTP 401", errors.SessionExpired, _NO_SESSION),
    Rule("HTTP 403", errors.SessionExpired, _NO_SESSION),
    Rule("HTTP 400", errors.BadRequest, "The provider refused our parameters."),
    Rule(
        "HTTP 404",
        errors.ContractChanged,
        "The provider knows no such address; its paths or versions have changed.",
        next_step="Set the endpoint's version in the provider's `endpoint_versions`, then re-sync.",
    ),
)

TEXT_RULES: tuple[tuple[str, Rule], ...] = (
    (
        "invalid data format",
        Rule("Invalid Data Format", errors.ContractChanged, "The portal no longer reads our requests."),
    ),
)
"""Rules for answers that carry a known sentence instead of a known code; the sentence in lower case."""

UNKNOWN_TRIES = 2
"""How often a question that met an unknown code is repeated before the contract counts as changed."""
