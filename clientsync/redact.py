"""Removing identities and secrets from text by the shape of their values, before it is logged or shown.

PAN (also inside a GSTIN), GSTIN, TAN, Aadhaar, e-mail, phone, one-time passwords, tokens, keys, and the queries
and users of URLs go; of an identifier the last four characters stay so that a person can tell two apart. Lower
case, blanks, hyphens, URL-encoding and JSON escapes do not hide a value. Redacting twice changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

_KEY = secrets.token_bytes(16)

# Five letters, four digits, a letter is a PAN; four letters, five digits, a letter is a TAN. With two digits
# before and three characters behind it is a GSTIN. No boundary is asked for: a glued identity is one, too.
_COMPACT = re.compile(
    r"(?:[0-9]{2})?[A-Za-z]{4}[A-Za-z0-9][0-9]{4}[A-Za-z](?:[0-9A-Za-z]{3}(?![0-9A-Za-z]))?"
    r"|[0-9]{4}[A-Za-z]{3}[0-9]{5}[A-Za-z]{2}[0-9A-Za-z]"
)
_S = r"[ \t\-_.\u00a0]{0,2}"  # what may stand inside an identity without hiding it
_SEPARATORS = (" ", "-", "_", ".", "\t", "\u00a0")


def _apart(*parts: str) -> str:
    return _S.join(parts)


_STATE = ("[0-9]",) * 2
_TAIL = ("[0-9A-Z]", "[A-Z]", "[0-9A-Z]")
_PAN_APART = (*("[A-Z]",) * 4, "[A-Z0-9]", *("[0-9]",) * 4, "[A-Z]")
_OTHER_APART = (*("[0-9]",) * 4, *("[A-Z]",) * 3, *("[0-9]",) * 5, "[A-Z]", "[A-Z]", "[0-9A-Z]")
_LETTER = "(?![A-Za-z])"
# In capitals the separators may stand anywhere. In small letters they may only if all fifteen characters of a
# GSTIN are there, else ordinary prose ("since 2026 a") would look like an identity.
_GROUPED = re.compile(
    rf"(?<![A-Za-z])(?:{_apart(*_STATE)}{_S})?{_apart(*_PAN_APART)}(?:{_S}{_apart(*_TAIL)}{_LETTER}|{_LETTER})"
    rf"|(?<![A-Za-z0-9]){_apart(*_OTHER_APART)}{_LETTER}"
)
_GROUPED_SMALL = re.compile(
    rf"(?i:(?<![A-Za-z0-9]){_apart(*_STATE, *_PAN_APART, *_TAIL)}(?![A-Za-z0-9]))"
    rf"|(?i:(?<![A-Za-z0-9]){_apart(*_OTHER_APART)}(?![A-Za-z0-9]))"
    r"|(?<![A-Za-z])(?:[a-z]{5}[ \-_.]?[0-9]{4}|[a-z]{4}[ \-_.]?[0-9]{5})[ \-_.]?[a-z](?![A-Za-z])"
    r"|(?<![A-Za-z0-9])(?:[a-z][ \-_.]){4}[a-z0-9][ \-_.](?:[0-9][ \-_.]){4}[a-z](?![A-Za-z0-9])"
)
_GLUED = re.compile(r"[A-Za-z]{4}[A-Za-z0-9][0-9]{4}[A-Za-z]|[0-9]{4}[A-Za-z]{3}[0-9]{5}[A-Za-z]{2}")
_MAYBE_APART = re.compile(
    r"[A-Z]{4}[A-Z0-9][0-9]{4}[A-Z]|[a-z]{4}[a-z0-9][0-9]{4}[a-z]"
    r"|[0-9]{4}(?:[A-Z]{3}[0-9]{5}[A-Z]{2}|[a-z]{3}[0-9]{5}[a-z]{2})"
)
_TEN_DIGITS = re.compile(r"[0-9]{10}")
_FOUR_DIGITS = re.compile(r"[0-9]{4}")
_AADHAAR = re.compile(r"(?<![0-9])[2-9][0-9]{3}([ \-.]?)[0-9]{4}\1[0-9]{4}(?![0-9])")
_PHONE = re.compile(
    r"(?<![0-9A-Za-z./])(?:\+?91[ \-]?|0)?[6-9][0-9]{4}[ \-]?[0-9]{5}(?![0-9A-Za-z]|[./][0-9])"
)
_OTP = re.compile(
    r"\b(?P<word>otp|one[ -]?time[ -]?password|passcode)\b(?P<between>[^0-9\n]{0,30})(?P<digits>[0-9]{4,8})(?![0-9])"
    r"|(?<![0-9])(?P<first>[0-9]{4,8})(?P<after>[^0-9\n]{1,20}\b(?:otp|one[ -]?time[ -]?password)\b)",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"(?P<word>\b(?:aadhaar|aadhar|uid|a/c|acct|account)\b[^0-9\n]{0,15})(?P<digits>[0-9][0-9 \-]{6,20}[0-9])",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+")
_URL = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.\-]{1,20}://)(?P<user>[^\s/?#\"'<>]*@)?(?P<rest>[^\s?#\"'<>]*)"
    r"(?P<query>\?[^\s\"'<>]*)?"
)
_QUERY = re.compile(r"(?<=\S)\?(?=[A-Za-z0-9_.\-]+=)[^\s\"'<>]+")
_JWT = re.compile(r"eyJ[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]+){0,2}")
_LONG = re.compile(r"[A-Za-z0-9+/_\-]{24,}={0,2}")
_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{24,}(?![0-9A-Za-z])")
_NAMED = re.compile(
    r"(?P<name>\b[\w\-]{0,20}(?:password|passwd|secret|token|api[_-]?key|app[_-]?key|authorization|\bsek|\brek)"
    r"\b[\"'\\]{0,3}\s{0,2}[:=]\s{0,2}[\"'\\]{0,3}(?:bearer\s+|basic\s+)?)(?!(?:bearer|basic)\s)(?P<value>[^\s\"'\\,;&}\])<>\[]{3,})"
    r"|(?P<bearer>\bbearer\s+)(?P<credential>[^\s\"',;\[]{6,})",
    re.IGNORECASE,
)
_NAMES = (
    "assw",
    "ecret",
    "oken",
    "key",
    "uthor",
    "earer",
    "sek",
    "rek",
    "KEY",
    "ASSW",
    "ECRET",
    "OKEN",
    "UTHOR",
)
_ESCAPED = re.compile(r"\\u00([2-7][0-9A-Fa-f])")


def keyed_hash(text: str) -> str:
    """Return eight characters that stand for a value in this process's logs and tell nothing about it."""
    return hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()[:8]


def redact(text: str) -> str:
    """Return ``text`` without identities and secrets."""
    clean = _redact_plain(text)
    if "%" in clean:
        clean = _redact_hidden(clean, unquote)
    if "\\u00" in clean:
        clean = _redact_hidden(clean, _unescape)
    return clean


def _redact_hidden(text: str, decode: Callable[[str], str]) -> str:
    """Return the decoded text redacted if something was hidden in it, else the text as it is."""
    decoded = text
    for _ in range(3):  # an address inside an address is encoded twice
        deeper = decode(decoded)
        if deeper == decoded:
            break
        decoded = deeper
        clean = _redact_plain(decoded)
        if clean != decoded:
            return clean
    return text


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _redact_plain(text: str) -> str:
    if "://" in text:
        text = _URL.sub(_url, text)
    if "?" in text:
        text = _QUERY.sub("?[query]", text)
    if "@" in text:
        text = _EMAIL.sub("[e-mail]", text)
    if any(name in text for name in _NAMES):
        text = _NAMED.sub(_named, text)
    if "eyJ" in text:
        text = _JWT.sub("[token]", text)
    if _LONG.search(text):
        text = _HEX.sub(_key_of, text)
        text = _LONG.sub(_long, text)
    squeezed = text
    for separator in _SEPARATORS:
        squeezed = squeezed.replace(separator, "")
    if _GLUED.search(text):
        text = _COMPACT.sub(_identity, text)
    if _MAYBE_APART.search(squeezed):
        text = _GROUPED_SMALL.sub(_identity, _GROUPED.sub(_identity, text))
    if _FOUR_DIGITS.search(squeezed):
        text = _redact_numbers(text, has_ten=_TEN_DIGITS.search(squeezed) is not None)
    return text


def _redact_numbers(text: str, *, has_ten: bool) -> str:
    if has_ten:
        text = _PHONE.sub(_phone, _AADHAAR.sub(_aadhaar, text))
    lower = text.lower()
    if "otp" in lower or "passcode" in lower or "password" in lower:
        text = _OTP.sub(_otp, text)
    if "a/c" in lower or "acc" in lower or "uid" in lower or "aadha" in lower:
        text = _ACCOUNT.sub(lambda found: f"{found['word']}[number]", text)
    return text


def _identity(found: re.Match[str]) -> str:
    characters = re.sub(r"[^0-9A-Za-z]", "", found[0])
    kind = "gstin" if len(characters) >= 15 else "id"
    return f"[{kind} …{characters[-4:]}]"


def _aadhaar(found: re.Match[str]) -> str:
    digits = re.sub(r"[^0-9]", "", found[0])
    if not found[1] and not _verhoeff_holds(digits):
        return found[0]  # twelve digits in a row are also the number of an e-way bill
    return f"[aadhaar …{digits[-4:]}]"


def _phone(found: re.Match[str]) -> str:
    return f"[phone …{found[0][-4:]}]"


def _otp(found: re.Match[str]) -> str:
    if found["first"]:
        return f"[otp]{found['after']}"
    return f"{found['word']}{found['between']}[otp]"


def _named(found: re.Match[str]) -> str:
    return f"{found['bearer'] or found['name']}[secret]"


def _url(found: re.Match[str]) -> str:
    user = "[user]@" if found["user"] else ""
    return f"{found['scheme']}{user}{found['rest']}{'?[query]' if found['query'] else ''}"


def _key_of(found: re.Match[str]) -> str:
    return f"[key {keyed_hash(found[0])}]"


def _long(found: re.Match[str]) -> str:
    """Redact what is dense with digits and both cases as keys are; leave paths, names and numbers."""
    value = found[0]
    digits = sum(character.isdigit() for character in value)
    upper = sum(character.isupper() for character in value)
    lower = sum(character.islower() for character in value)
    if digits >= 2 and upper >= 3 and lower >= 3 and value.count("/") + value.count("_") <= len(value) // 10:
        return _key_of(found)
    return value


_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_P = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def _verhoeff_holds(digits: str) -> bool:
    check = 0
    for position, digit in enumerate(reversed(digits)):
        check = int(_D[check][int(_P[position % 8][int(digit)])])
    return check == 0


class RedactingFilter(logging.Filter):
    """Redacts the message, the exception text and the stack of every record that passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record in place; always lets it pass."""
        redact_record(record)
        return True


def redact_record(record: logging.LogRecord) -> None:
    """Clean a record in place; one that holds nothing to hide keeps its arguments and its exception."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        message = f"{record.msg} {record.args}"  # logging itself would print both
    clean = redact(message)
    if clean != message:
        if record.name == "uvicorn.access" and isinstance(record.args, tuple):
            record.args = tuple(redact(arg) if isinstance(arg, str) else arg for arg in record.args)
        else:
            record.msg, record.args = clean, None
    if record.exc_info and record.exc_info[0] is not None:
        shown = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        clean = redact(shown)
        if clean != shown:
            record.exc_text, record.exc_info = clean, None
    elif record.exc_text:
        record.exc_text = redact(record.exc_text)
    if record.stack_info:
        record.stack_info = redact(record.stack_info)


def install() -> None:
    """Redact every log record of this process from now on, whoever logs it and wherever it goes.

    Records are cleaned when they are made, because a filter on a logger does not see the records of loggers
    below it. The HTTP library's own lines, which quote whole addresses, are silenced. Safe to repeat.
    """
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _RedactingFactory):
        logging.setLogRecordFactory(_RedactingFactory(factory))
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _RedactingFactory:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self.inner(*args, **kwargs)
        redact_record(record)
        return record


def uninstall() -> None:
    """Undo ``install``, for tests."""
    factory = logging.getLogRecordFactory()
    if isinstance(factory, _RedactingFactory):
        logging.setLogRecordFactory(factory.inner)
