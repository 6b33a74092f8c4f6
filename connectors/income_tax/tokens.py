"""What is kept of a session with the e-filing portal, sealed by the vault.

Nothing of it is shown by ``repr``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime

from clientsync.errors import MissingSecret


@dataclass(frozen=True)
class IncomeTaxTokens:
    """A session with the portal.

    Attributes:
        access: token that goes with every call; empty while there is no session.
        cookie: ``Cookie`` header.
        xsrf: value of the cookie that every call repeats in a header of its own.
        act: the Act that was chosen, ``O`` (1961) or ``N`` (2025); empty before the first choice.
        not_before: nothing is sent before, because somebody else is logged in.
    """

    access: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)
    xsrf: str = field(default="", repr=False)
    act: str = ""
    not_before: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session."""
        return bool(self.access)

    @property
    def consent_ends_at(self) -> datetime | None:
        """None: the portal knows no consent that ends."""
        return None

    def to_bytes(self) -> bytes:
        """Return what the vault seals."""
        moment = None if self.not_before is None else self.not_before.isoformat()
        return json.dumps(
            {
                "access": self.access,
                "cookie": self.cookie,
                "xsrf": self.xsrf,
                "act": self.act,
                "not_before": moment,
            }
        ).encode()

    @classmethod
    def from_bytes(cls, plain: bytes, consent_ends_at: datetime | None = None) -> IncomeTaxTokens:
        """Return what was sealed.

        Raises:
            MissingSecret: it is not a session of this program.
        """
        try:
            found = json.loads(plain)
            moment = found["not_before"]
            return cls(
                access=str(found["access"]),
                cookie=str(found["cookie"]),
                xsrf=str(found["xsrf"]),
                act=str(found["act"]),
                not_before=None if moment is None else datetime.fromisoformat(moment),
            )
        except (ValueError, KeyError, TypeError):
            raise MissingSecret("The stored session of a client cannot be read.") from None
