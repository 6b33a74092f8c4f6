"""From the portal's refusal to one of our error classes, by (endpoint, code), never by code alone.

The rules are data in ``codes``. A message is written from our own words; of the portal's text only the code is
kept, and only when it looks like one. An unknown code is passing trouble for a few tries, then a changed contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from clientsync.clock import INDIA
from clientsync.errors import (
    ContractChanged,
    FileQueued,
    NoData,
    RateLimited,
    SourceUnavailable,
    SyncError,
    WaitingSource,
)
from clientsync.periods import Period
from connectors.gst.provider.codes import RULES, TEXT_RULES, UNKNOWN_TRIES, Ready, Rule, Where

_CODE_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,29}")
_BY_PLACE = {(rule.where, rule.code.upper()): rule for rule in RULES}
_DEFAULT_WAIT = timedelta(minutes=30)
_LONGEST_WAIT = timedelta(days=2)


@dataclass(frozen=True)
class Refusal:
    """What an answer says went wrong.

    Attributes:
        code: the portal's code, or ``HTTP 503`` and the like when there was none.
        text: what the portal wrote; only compared with known sentences, never shown.
        retry_after: seconds to stay away, when the source said so.
    """

    code: str
    text: str = ""
    retry_after: float | None = None


def status_text(value: Any) -> str:
    """Return a ``status_cd`` as text: it comes as 0, 1, true, "1", "P", "REC" and absent."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return str(value).strip().upper()


def refusal_in(body: Any) -> Refusal | None:
    """Return the refusal that a parsed envelope carries, in either spelling; None when it carries none.

    An envelope refuses when it has an ``error`` object or error fields of its own, or when ``status_cd`` is 0.
    """
    if not isinstance(body, dict):
        return None
    holder = body.get("error")
    if not isinstance(holder, dict):
        holder = body
    code = _first_text(holder, ("error_cd", "errorCode", "error_code", "err_cd"))
    text = _first_text(holder, ("message", "errorMessage", "error_message", "err_msg"))
    if code:
        return Refusal(code, text)
    if isinstance(body.get("error"), dict) or status_text(body.get("status_cd")) in {"0", "ER"}:
        return Refusal(code, text)
    return None


def _first_text(holder: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = holder.get(name)
        if value not in (None, ""):
            return str(value).strip()
    return ""


def refusal_of_status(status: int, retry_after: float | None = None) -> Refusal | None:
    """Return the refusal that an HTTP status alone stands for, None for success."""
    if status < 400:
        return None
    if status >= 500:
        return Refusal("HTTP 5xx")
    if status in {401, 403, 404, 429}:
        return Refusal(f"HTTP {status}", retry_after=retry_after)
    return Refusal("HTTP 400")


def rule_for(endpoint: str, code: str, text: str = "") -> Rule | None:
    """Return the rule of a code on an endpoint (``auth.otp``, ``gstr2b.get``), None when it is unknown."""
    place = Where.AUTH if endpoint.startswith("auth.") else Where.DATA
    key = code.strip().upper()
    found = _BY_PLACE.get((place, key)) or _BY_PLACE.get((Where.ANY, key))
    if found is not None:
        return found
    lowered = text.lower()
    return next((rule for sentence, rule in TEXT_RULES if sentence in lowered), None)


def cut_off(period: Period | None, now: datetime) -> datetime:
    """Return when GSTR-2B of ``period`` can be asked: 15:00 in India on the 14th of the month after it.

    A moment that has passed already (the portal is late) becomes the next 15:00.
    """
    local = now.astimezone(INDIA)
    month = (period or Period.of(local.date()).previous()).next()
    at = datetime.combine(month.first_day.replace(day=14), time(15), INDIA)
    if at > now:
        return at
    today = datetime.combine(local.date(), time(15), INDIA)
    return today if today > now else today + timedelta(days=1)


def ready_after(estimate: Any, now: datetime) -> datetime:
    """Return when a queued file should be asked for: ``estimate`` minutes from now, half an hour if unreadable."""
    try:
        minutes = float(str(estimate))
        wait = timedelta(minutes=minutes) if 0 < minutes < 1e6 else _DEFAULT_WAIT
    except ValueError:
        wait = _DEFAULT_WAIT
    return now + min(wait, _LONGEST_WAIT)


def error_for(
    endpoint: str,
    refusal: Refusal,
    now: datetime,
    *,
    period: Period | None = None,
    token: str | None = None,
    tries: int = 0,
) -> SyncError | None:
    """Return the error that a refusal stands for; None when the code is no error (nothing to do, file ready).

    Args:
        endpoint: which question was refused.
        refusal: what the answer said.
        now: aware; moments to wait for are counted from it.
        period: the month asked about, for cut-off dates.
        token: the queued file asked about, kept on ``FileQueued``.
        tries: how often the same question has met an unknown code already.
    """
    rule = rule_for(endpoint, refusal.code, refusal.text)
    shown = refusal.code if _CODE_FORM.fullmatch(refusal.code) else "without a readable code"
    if rule is None:
        message = f"The portal refused {endpoint} with a code that is not known ({shown})."
        unknown = SourceUnavailable if tries < UNKNOWN_TRIES else ContractChanged
        return unknown(message, source_code=shown)
    if rule.becomes is None:
        return None
    error = _built(rule, rule.becomes, now, refusal, period, token)
    if rule.next_step:
        error.next_step = rule.next_step
    return error


def _built(
    rule: Rule,
    kind: type[SyncError],
    now: datetime,
    refusal: Refusal,
    period: Period | None,
    token: str | None,
) -> SyncError:
    message = f"{rule.meaning} ({rule.code})"
    if issubclass(kind, NoData):
        return kind(message, source_code=rule.code, is_certain=rule.is_certain)
    if issubclass(kind, RateLimited):
        return kind(message, source_code=rule.code, retry_after=refusal.retry_after)
    if issubclass(kind, FileQueued):
        return kind(message, source_code=rule.code, token=token, ready_at=_ready(rule.ready, now, period))
    if issubclass(kind, WaitingSource):
        return kind(message, source_code=rule.code, ready_at=_ready(rule.ready, now, period))
    return kind(message, source_code=rule.code)


def _ready(ready: Ready, now: datetime, period: Period | None) -> datetime | None:
    if ready is Ready.CUT_OFF:
        return cut_off(period, now)
    if ready is Ready.ESTIMATE:
        return now + _DEFAULT_WAIT
    if ready is Ready.SIX_HOURS:
        return now + timedelta(hours=6)
    return None


def raise_for(
    endpoint: str,
    code: str,
    message: str,
    now: datetime,
    *,
    period: Period | None = None,
    token: str | None = None,
    tries: int = 0,
) -> None:
    """Raise the error that a code on an endpoint stands for; return for codes that are no error.

    Raises:
        SyncError: of the class that ``codes`` names; see ``error_for``.
    """
    error = error_for(endpoint, Refusal(code, message), now, period=period, token=token, tries=tries)
    if error is not None:
        raise error


def runbook_rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield (code, class, meaning, next step) of every rule, for the generated runbook."""
    for rule in (*RULES, *(rule for _, rule in TEXT_RULES)):
        name = rule.becomes.__name__ if rule.becomes else "no error"
        step = rule.next_step or (rule.becomes.next_step if rule.becomes else "None.")
        code = rule.code if rule.where is Where.ANY else f"{rule.code} ({rule.where} calls)"
        yield code, name, rule.meaning, step
