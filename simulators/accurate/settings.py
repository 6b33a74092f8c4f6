"""What can be set about the simulated Accurate, and the faults that can be armed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

TOKEN = "aat.simulated.token"  # noqa: S105 - of a simulator
SIGNATURE_SECRET = "31d49b3dc632614495ff8071e5be44a1"  # noqa: S105 - the vendor's public test value
CLIENT_ID = "simulated-app"
CLIENT_SECRET = "simulated-app-secret"  # noqa: S105 - of a simulator
DATABASE_ID = 1443290

FaultName = Literal["lost", "late", "fails_before", "fails_after", "session", "token", "throttled"]


@dataclass
class Settings:
    """How the simulated system behaves.

    Attributes:
        per_second: calls that may begin in any second; None: no limit.
        in_flight: calls that may be under way; None: no limit.
        retry_after: value of the header ``Retry-After`` of a 429; "": none.
        latency: seconds before every answer.
        refuses_duplicates: a number that exists is refused.
        refuses_overpayment: a receipt above what is owed is refused.
        reads_tax_amount: the tax of a line is taken as sent; else it is computed by the rate.
        reads_count_number: a stock count takes the number it is given.
        closed_until: documents up to this day are refused.
        scopes: what the token may do, for example ``sales_invoice_save``; None: everything.
        host_key: name of the part that tells the host of a token, ``database`` or ``data usaha``.
        access_seconds: life of an access token.
        session_seconds: life of a session.
        webhook_days: life of the webhook after a renewal.
        databases: rows of the database list.
    """

    per_second: int | None = None
    in_flight: int | None = None
    retry_after: str = ""
    latency: float = 0.0
    refuses_duplicates: bool = True
    refuses_overpayment: bool = True
    reads_tax_amount: bool = True
    reads_count_number: bool = True
    closed_until: date | None = None
    scopes: frozenset[str] | None = None
    host_key: str = "database"
    access_seconds: float = 15 * 86_400.0
    session_seconds: float = 3_600.0
    webhook_days: int = 7
    databases: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": DATABASE_ID, "alias": "Toko Melati Jaya", "trial": False, "expired": False}
        ]
    )

    def change(self, values: dict[str, Any]) -> None:
        """Take values as JSON gives them.

        Raises:
            ValueError: a name is not known.
        """
        for name, value in values.items():
            if name not in self.__dataclass_fields__:
                raise ValueError(f"no setting is called {name}")
            taken = value
            if name == "closed_until" and value is not None:
                taken = date.fromisoformat(value)
            if name == "scopes" and value is not None:
                taken = frozenset(value)
            setattr(self, name, taken)


@dataclass
class Fault:
    """Something that goes wrong with calls that match.

    ``lost``: done, then the connection is closed without an answer. ``late``: done, answered after ``seconds``.
    ``fails_before``: 5xx, nothing done. ``fails_after``: done, then 5xx. ``session``, ``token``: it ends now.
    ``throttled``: 429.

    Attributes:
        name: see above.
        module: only calls of this module; "": of every one.
        action: only this action; "": every one.
        times: how often; None: always.
        seconds: for ``late``.
        status: for the two that fail.
        after: calls that match and pass before the first one that does not.
    """

    name: FaultName
    module: str = ""
    action: str = ""
    times: int | None = 1
    seconds: float = 0.0
    status: int = 500
    after: int = 0

    def strikes(self, module: str, action: str) -> bool:
        """Whether it strikes a call; counts down when it does."""
        if (self.module and self.module != module) or (self.action and self.action != action):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        return True
