"""The two headers that show that the owner of an API token is calling (vendor PDF "API Token 1.0.3").

The signature is over the text of the timestamp, exactly as it is sent, so every try needs new ones.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta, timezone

from clientsync.errors import InvalidInput

JAKARTA = timezone(timedelta(hours=7))
"""WIB, which the vendor means by a timestamp without a zone."""
MOMENT_FORMAT = "%d/%m/%Y %H:%M:%S"


def digest_of(secret: str, timestamp: str) -> bytes:
    """Return HMAC-SHA256 of a timestamp's text, 32 bytes."""
    return hmac.digest(secret.encode(), timestamp.encode(), hashlib.sha256)


def signature(secret: str, timestamp: str) -> str:
    """Return the signature of a timestamp in Base64; the vendor takes hexadecimal digits as well."""
    return base64.b64encode(digest_of(secret, timestamp)).decode()


def signed_headers(secret: str, at: datetime) -> dict[str, str]:
    """Return the headers of one try.

    Args:
        secret: signature secret of the app that issued the token.
        at: the moment of sending, aware.

    Raises:
        InvalidInput: the moment has no zone.
    """
    if at.tzinfo is None:
        raise InvalidInput("The moment of a signature needs a zone.")
    timestamp = at.astimezone(JAKARTA).strftime(MOMENT_FORMAT)
    return {"x-api-timestamp": timestamp, "x-api-signature": signature(secret, timestamp)}
