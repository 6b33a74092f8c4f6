"""Strict JSON: exact numbers, no duplicate keys, bounded depth and digits, and a name for every kind of damage.

What parses here means the same to every reader. A body that is not JSON becomes a typed error that says
whether asking again may help, and never shows the body.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from clientsync.errors import ContractChanged, ResponseTooLarge, SourceUnavailable, TruncatedResponse

MAX_DIGITS = 40
_BLANK = b" \t\r\n"
_KEPT = b'"[]{}'
_NOISE = bytes(set(range(256)) - set(_KEPT))
_STRINGS = re.compile(rb'"[^"]*"')
_ALL_BRACKETS = bytes.maketrans(b"{}", b"[]")
_HTML = re.compile(
    rb"<\s*(?:!doctype\s+html|html|head|body|title|script|div|center|h[1-6]|p)\b", re.IGNORECASE
)
_CUT_WORD = 8  # bytes: a word, number or escape that was cut stands at most this far from the end


class _Refused(ValueError):
    """JSON that parses and yet must not be used."""


def depth_of(raw: bytes, limit: int) -> int:
    """Return how deep brackets are nested, counting no further than ``limit`` + 1; strings do not count."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    left = _STRINGS.sub(b"", raw.translate(None, _NOISE)).translate(_ALL_BRACKETS)
    for depth in range(limit + 1):
        inner = left.replace(b"[]", b"")
        if len(inner) == len(left):
            # What is left has no closed pair: the open ones are nested into one another.
            return min(max(depth, left.count(b"[")), limit + 1)
        left = inner
    return limit + 1


def parse_json(raw: bytes, *, depth: int = 64) -> Any:
    """Parse a body.

    Raises:
        SourceUnavailable: empty, or a web page (a maintenance or login page in place of data).
        TruncatedResponse: JSON that ends in the middle.
        ResponseTooLarge: nested too deep, or a number with too many digits.
        ContractChanged: anything else that is not strict JSON in UTF-8.
    """
    body = raw.removeprefix(b"\xef\xbb\xbf").strip(_BLANK)
    if not body:
        raise SourceUnavailable("The answer is empty.")
    if body[:1] == b"<":
        if _HTML.search(body[:4096]):
            raise SourceUnavailable("The answer is a web page, not data.")
        raise ContractChanged("The answer is markup, not JSON.")
    if depth_of(body, depth) > depth:
        raise ResponseTooLarge(f"The JSON is nested deeper than {depth}.")
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise TruncatedResponse("The JSON ends in the middle of a character.") from None
        raise ContractChanged("The answer is not in UTF-8.") from None
    except json.JSONDecodeError as error:
        if _is_cut(error):
            raise TruncatedResponse("The JSON ends in the middle.") from None
        raise ContractChanged("The answer is not JSON.") from None
    except _Refused as error:
        raise ContractChanged(f"The JSON cannot be used: {error}.") from None
    except RecursionError:
        raise ResponseTooLarge("The JSON is nested too deep.") from None


def _is_cut(error: json.JSONDecodeError) -> bool:
    if error.doc[:1] not in '{["':
        return False
    if error.msg.startswith("Unterminated string"):
        return True
    return error.pos >= len(error.doc) - _CUT_WORD and error.msg != "Extra data"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("a key stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _Refused(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _decimal(text: str) -> Decimal:
    number = Decimal(text) if len(text) <= MAX_DIGITS + 10 else None
    if number is None or len(number.as_tuple().digits) > MAX_DIGITS or abs(number.adjusted()) > MAX_DIGITS:
        raise _Refused(f"a number has more than {MAX_DIGITS} digits")
    return number


def _constant(name: str) -> Any:
    raise _Refused(f"{name} is not a number")
