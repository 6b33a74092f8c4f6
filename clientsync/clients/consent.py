"""The clock of consent: API access that a client granted on the portal ends on a day of its own.

A warning begins seven days before, because only the client can renew it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from clientsync.ledger.tables import SyncClient

WARN_DAYS = 7


@dataclass(frozen=True)
class ConsentWarning:
    """A client whose consent has ended or ends within a week."""

    client_id: str
    name: str
    ends_on: date
    has_ended: bool

    @property
    def words(self) -> str:
        """One sentence for the operator."""
        verb = "ended" if self.has_ended else "ends"
        return (
            f"{self.client_id} {self.name}: consent {verb} on {self.ends_on:%d-%m-%Y}; "
            "the client renews it on the portal (My Profile, Manage API Access)."
        )


def consent_warnings(
    clients: Iterable[SyncClient], today: date, *, days: int = WARN_DAYS
) -> list[ConsentWarning]:
    """Return active clients whose consent has ended or ends within ``days``, the most urgent first."""
    found = [
        ConsentWarning(one.client_id, one.name, one.consent_ends_on, one.consent_ends_on < today)
        for one in clients
        if one.is_active and one.consent_ends_on and one.consent_ends_on <= today + timedelta(days=days)
    ]
    return sorted(found, key=lambda warning: (warning.ends_on, warning.client_id))
