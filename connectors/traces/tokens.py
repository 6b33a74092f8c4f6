"""What is kept of a session with TRACES, sealed by the vault: the tokens of both portals and the open picture.

Nothing of it is shown by ``repr``.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import datetime

from clientsync.errors import MissingSecret


@dataclass(frozen=True)
class TracesTokens:
    """A session with both portals, or the picture that a person must read to open one.

    Attributes:
        access: JWT of the new portal; empty while there is no session.
        refresh: its twin, which the bridge wants as well.
        cookie: ``Cookie`` header of the old portal; empty before the bridge was crossed.
        captcha_id: the new portal's handle of the picture that waits; empty when none does.
        image: that picture.
        captcha_at: when it was asked for.
        misses: pictures misread in this round.
        not_before: nothing is sent before, because somebody else is logged in.
    """

    access: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)
    captcha_id: str = field(default="", repr=False)
    image: bytes = field(default=b"", repr=False)
    captcha_at: datetime | None = None
    misses: int = 0
    not_before: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session, and not only a picture that waits."""
        return bool(self.access)

    @property
    def consent_ends_at(self) -> datetime | None:
        """None: the portal knows no consent that ends."""
        return None

    def to_bytes(self) -> bytes:
        """Return what the vault seals."""
        return json.dumps(
            {
                "access": self.access,
                "refresh": self.refresh,
                "cookie": self.cookie,
                "captcha_id": self.captcha_id,
                "image": base64.b64encode(self.image).decode(),
                "captcha_at": _text(self.captcha_at),
                "misses": self.misses,
                "not_before": _text(self.not_before),
            }
        ).encode()

    @classmethod
    def from_bytes(cls, plain: bytes, consent_ends_at: datetime | None = None) -> TracesTokens:
        """Return what was sealed.

        Raises:
            MissingSecret: it is not a session of this program.
        """
        try:
            found = json.loads(plain)
            return cls(
                access=str(found["access"]),
                refresh=str(found["refresh"]),
                cookie=str(found["cookie"]),
                captcha_id=str(found["captcha_id"]),
                image=base64.b64decode(found["image"], validate=True),
                captcha_at=_moment(found["captcha_at"]),
                misses=int(found["misses"]),
                not_before=_moment(found["not_before"]),
            )
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise MissingSecret("The stored session of a client cannot be read.") from None


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
