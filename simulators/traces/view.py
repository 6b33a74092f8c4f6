"""What one deductor's records look like on a given day: only what has happened by then.

What a challan lost to statements, plus what is left of it, less what was claimed too much, is always its amount.
"""

from dataclasses import dataclass
from datetime import date

from simulators.tds.records import (
    Certificate,
    Challan,
    Claim,
    Deductor,
    Demand,
    DownloadRequest,
    Notice,
    Quarter,
    Statement,
)

OLD_ACT, NEW_ACT = "1961", "2025"
PENDING, REJECTED, SUBMITTED = "Pending for Processing", "Rejected", "Submitted"


@dataclass(slots=True)
class Balance:
    """A challan with the claims which are known by the day; money in paise."""

    challan: Challan
    claims: list[Claim]

    @property
    def consumed(self) -> int:
        """What statements claimed."""
        return sum(one.total for one in self.claims)

    @property
    def available(self) -> int:
        """What is left."""
        return max(0, self.challan.amount - self.consumed)

    @property
    def excess(self) -> int:
        """What was claimed beyond the amount."""
        return max(0, self.consumed - self.challan.amount)


class View:
    """One deductor on one day."""

    def __init__(self, deductor: Deductor, day: date, prior_before: int) -> None:
        self.deductor = deductor
        self.day = day
        self._prior_before = prior_before

    def balances(self, act: str) -> list[Balance]:
        """Give the challans which the banks have reported, oldest first."""
        later = {one.token for one in self.deductor.statements if one.filed_on > self.day}
        found = [
            Balance(one, [claim for claim in one.claims if claim.token not in later])
            for one in self.deductor.challans
            if one.act == act and one.on_traces and one.paid_on <= self.day
        ]
        return sorted(found, key=lambda one: (one.challan.paid_on, one.challan.bsr, one.challan.serial))

    def statements(self, act: str = OLD_ACT) -> list[Statement]:
        """Give the filed statements, oldest first."""
        found = [
            one for one in self.deductor.statements if one.quarter.act == act and one.filed_on <= self.day
        ]
        return sorted(found, key=lambda one: (one.filed_on, one.token))

    def processed_on(self, statement: Statement) -> date | None:
        """Give the day on which a statement was processed, if it has come."""
        day = statement.processed_on
        return day if day and day <= self.day else None

    def status(self, statement: Statement) -> str:
        """Give the status of a statement."""
        if statement.processed_on and not self.processed_on(statement):
            return PENDING
        return statement.status

    def notices(self, *, needs_action: bool) -> list[Notice]:
        """Give one tab of the inbox, newest first."""
        found = [
            one
            for one in self.deductor.notices
            if one.portal == "traces" and one.needs_action == needs_action and one.issued_on <= self.day
        ]
        return sorted(found, key=lambda one: (one.issued_on, one.reference), reverse=True)

    def requests(self, act: str) -> list[DownloadRequest]:
        """Give the files that were asked for, newest first."""
        found = [
            one for one in self.deductor.requests if one.quarter.act == act and one.requested_on <= self.day
        ]
        return sorted(found, key=lambda one: (one.requested_on, one.number), reverse=True)

    def request_status(self, request: DownloadRequest) -> str:
        """Give the status of a request."""
        return request.ready_status if request.ready_on <= self.day else SUBMITTED

    def certificates(self, act: str) -> list[Certificate]:
        """Give the certificates issued by the day."""
        return [one for one in self.deductor.certificates if one.act == act and one.issued_on <= self.day]

    def cancelled_on(self, certificate: Certificate) -> date | None:
        """Give the day on which a certificate was cancelled, if it has come."""
        day = certificate.cancelled_on
        return day if day and day <= self.day else None

    def demands(self, *, prior: bool) -> list[Demand]:
        """Give the demand of the years which stand alone, or of the prior years, oldest first."""
        found = [one for one in self.deductor.demands if (one.year_start < self._prior_before) == prior]
        return sorted(found, key=lambda one: one.year_start)

    def corrections(self, quarter: Quarter, form: str) -> int:
        """Count the accepted correction statements of a quarter and form."""
        return sum(
            1
            for one in self.statements()
            if (one.quarter, one.form, one.kind) == (quarter, form, "Correction")
            and self.status(one) != REJECTED
        )

    def assessed(self, start: int) -> list[Statement]:
        """Give the statement of each quarter and form of a year to which demand is due.

        It is the latest one which was processed and not rejected.
        """
        latest: dict[tuple[int, str], Statement] = {}
        for one in self.statements():
            if one.quarter.start == start and self.processed_on(one) and one.status != REJECTED:
                latest[one.quarter.number, one.form] = one
        return [one for _, one in sorted(latest.items()) if one.net_payable]
