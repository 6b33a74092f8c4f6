"""What a deductor has: deductions, challans, statements, what consumed which challan, defaults, demand, notices.

Money is in paise. The two portals show different sides of these records; what one masks, the other may tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter of an April-to-March year: ``start`` 2025 and ``number`` 4 is January to March 2026."""

    start: int
    number: int

    @property
    def year(self) -> str:
        """The year as both Acts write it, for example ``2025-26``."""
        return f"{self.start}-{(self.start + 1) % 100:02d}"

    @property
    def label(self) -> str:
        """For example ``2025-26-Q4``."""
        return f"{self.year}-Q{self.number}"

    @property
    def act(self) -> str:
        """``1961`` until March 2026, ``2025`` after it."""
        return "1961" if self.start <= 2025 else "2025"


@dataclass(slots=True)
class Deduction:
    """Tax deducted from one payment; ``certificate`` names the lower-deduction certificate that was used."""

    pan: str
    name: str
    section: str  # 94C, 94J … under the Act of 1961; a payment code such as 1027 under the Act of 2025
    paid: int
    rate: str  # four decimals
    tax: int
    paid_on: date
    deducted_on: date
    flag: str = ""
    certificate: str = ""
    cin: str = ""  # the challan with which it was deposited


@dataclass(slots=True)
class Challan:
    """One payment of tax.

    ``heads`` are tax, surcharge, cess, interest, penalty, fee in this order; ``on_traces`` is False while the bank has
    not reported it; ``claims`` is what statements consumed of it.
    """

    act: str
    crn: str
    cin: str
    bsr: str
    serial: str
    paid_on: date
    heads: tuple[int, int, int, int, int, int]
    section: str
    minor_head: str = "200"
    major_head: str = "0021"
    assessment_year: str = ""
    year: str = ""
    on_traces: bool = True
    mode: str = "C"  # C by challan; B by book entry: `bsr` is the 24G receipt then, `serial` the DDO serial
    form: str = ""  # old name of the form for which it was paid
    claims: list[Claim] = field(default_factory=list)

    @property
    def amount(self) -> int:
        """All heads together."""
        return sum(self.heads)

    @property
    def consumed(self) -> int:
        """What statements claimed."""
        return sum(one.total for one in self.claims)

    @property
    def available(self) -> int:
        """What is left to claim."""
        return max(0, self.amount - self.consumed)

    @property
    def excess(self) -> int:
        """What statements claimed beyond the amount; above 0 for an overbooked challan only."""
        return max(0, self.consumed - self.amount)


@dataclass(slots=True)
class Claim:
    """What one statement consumed of a challan."""

    token: str
    quarter: Quarter
    form: str
    amount: int
    interest: int = 0
    others: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.amount + self.interest + self.others


@dataclass(slots=True)
class Default:
    """One line of the default summary; ``kind`` in the portal's words."""

    kind: str
    amount: int
    claimed: int

    @property
    def payable(self) -> int:
        """What is left to pay."""
        return max(0, self.amount - self.claimed)


@dataclass(slots=True)
class Statement:
    """One filed statement, regular or correction."""

    token: str
    quarter: Quarter
    form: str  # 24Q 26Q 27Q 27EQ; 138 140 144 143
    kind: str  # Regular or Correction
    filed_on: date
    processed_on: date | None
    status: str
    reason: str = ""
    tax: int = 0
    deductions: list[Deduction] = field(default_factory=list)
    defaults: list[Default] = field(default_factory=list)
    without_pan: int = 0
    invalid_pan: int = 0

    @property
    def net_payable(self) -> int:
        """Sum of its defaults, rounded to ten rupees (s.288B)."""
        return (sum(one.payable for one in self.defaults) + 500) // 1000 * 1000


@dataclass(slots=True)
class Notice:
    """One communication; ``portal`` is ``traces`` or ``income_tax``, ``needs_action`` decides the tab."""

    reference: str
    portal: str
    category: str
    category_id: str
    description: str
    issued_on: date
    quarter: Quarter | None
    form: str
    needs_action: bool
    due_on: date | None = None
    certificate: str = ""
    section: str = ""
    is_read: bool = False


@dataclass(slots=True)
class DownloadRequest:
    """A file that somebody asked TRACES for; it becomes ``ready_status`` on ``ready_on``."""

    number: str
    requested_on: date
    quarter: Quarter
    form: str
    kind: str  # conso, JR, 16, 16A, 27D, intimation; 130, 131, 133 under the new Act
    ready_on: date
    ready_status: str = "Available"


@dataclass(slots=True)
class Certificate:
    """A certificate for lower deduction; ten characters under the Act of 1961, fifteen under that of 2025."""

    number: str
    act: str
    year: str
    pan: str
    name: str
    section: str
    nature: str
    rate: str
    limit: int
    consumed: int
    valid_from: date
    valid_to: date
    issued_on: date
    cancelled_on: date | None = None


@dataclass(slots=True)
class Demand:
    """Demand of one year; years before ``prior_before`` are shown as one aggregate row first."""

    year_start: int
    manual: int
    processed: int


@dataclass(slots=True)
class Deductor:
    """One client with everything the portals know of it."""

    client_id: str
    tan: str
    pan: str
    name: str
    category: str
    forms: tuple[str, ...]
    efiling_password: str
    traces_user: str
    traces_password: str
    challans: list[Challan] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    requests: list[DownloadRequest] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    demands: list[Demand] = field(default_factory=list)
