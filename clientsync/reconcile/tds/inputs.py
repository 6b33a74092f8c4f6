"""The rows that the TDS reconciliations compare, as frozen values.

Every row carries ``client_id`` and ``row_id`` (unique among the rows of its kind; evidence points to it). Amounts
are integer paise, days are dates, ``form`` is the old name (24Q, 26Q, 27Q, 27EQ) for both Acts. Invariant: nothing
here is computed; the rows say what a source said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from clientsync.outcomes import Outcome
from clientsync.periods import Quarter


@dataclass(frozen=True, slots=True)
class PortalChallan:
    """A challan on the income-tax portal. ``minor_head`` 200 is TDS, 400 a demand, 100 advance tax.

    ``year`` is the financial or tax year that it names, empty for none.
    """

    client_id: str
    row_id: str
    bsr: str
    serial: str
    deposited_on: date
    amount_paise: int
    minor_head: str = "200"
    year: str = ""


@dataclass(frozen=True, slots=True)
class TracesBalance:
    """A challan on TRACES. An amount is None when that list of TRACES does not show it.

    ``act`` is that of the portal which lists it, empty when that is not known. ``is_claimed`` is False where TRACES
    says that no statement claims it.
    """

    client_id: str
    row_id: str
    bsr: str
    serial: str
    deposited_on: date
    amount_paise: int | None
    available_paise: int | None
    excess_paise: int = 0
    is_book_entry: bool = False
    act: str = ""
    is_claimed: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """What one statement consumed of one challan: tax, interest and others together in ``claimed_paise``."""

    client_id: str
    row_id: str
    bsr: str
    serial: str
    deposited_on: date
    token: str
    quarter: Quarter
    form: str
    claimed_paise: int


@dataclass(frozen=True, slots=True)
class BookChallan:
    """A payment of tax in the client's books."""

    client_id: str
    row_id: str
    bsr: str
    serial: str
    deposited_on: date
    amount_paise: int
    is_book_entry: bool = False


@dataclass(frozen=True, slots=True)
class FileChallan:
    """A challan record (CD) of a statement file; ``total_paise`` is tax, interest, fee and others."""

    client_id: str
    row_id: str
    token: str
    quarter: Quarter
    form: str
    record: int
    bsr: str
    serial: str
    deposited_on: date
    tax_paise: int
    interest_paise: int
    fee_paise: int
    total_paise: int
    is_book_entry: bool = False
    is_nil: bool = False


@dataclass(frozen=True, slots=True)
class FileDeductee:
    """A deductee record (DD) of a statement file; ``record`` is the number of its challan record.

    ``paid_on`` is the day of payment or credit, when the tax became deductible. ``deducted_on`` is None when no
    tax was deducted.
    """

    client_id: str
    row_id: str
    token: str
    quarter: Quarter
    form: str
    record: int
    pan: str
    section: str
    paid_on: date
    amount_paise: int
    tax_paise: int
    deducted_on: date | None = None
    rate: Decimal | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class BookDeduction:
    """A deduction in the client's books; ``reference`` is the transaction reference, when the books have one."""

    client_id: str
    row_id: str
    quarter: Quarter
    form: str
    pan: str
    section: str
    paid_on: date
    amount_paise: int
    tax_paise: int
    rate: Decimal | None = None
    reference: str = ""


class StatementStatus(StrEnum):
    """The status of a statement on TRACES, in the words of TRACES; ``FILED`` is all that the e-filing portal says."""

    NOT_AVAILABLE = "Not Available"
    PENDING = "Pending for Processing"
    PROCESSED_26AS = "Processed for Form 26AS"
    WITHOUT_DEFAULTS = "Processed Without Defaults"
    WITH_DEFAULTS = "Processed With Defaults"
    REJECTED = "Rejected"
    FILED = "Filed"


@dataclass(frozen=True, slots=True)
class Statement:
    """A filed statement. ``tax_paise`` is the tax deductible of the statement, None when it is not known."""

    client_id: str
    row_id: str
    token: str
    quarter: Quarter
    form: str
    is_correction: bool
    status: StatementStatus
    filed_on: date
    processed_on: date | None = None
    tax_paise: int | None = None


@dataclass(frozen=True, slots=True)
class DemandYear:
    """Demand of one year; ``year`` is like 2025-26, or empty for the aggregate of prior years.

    ``is_prior`` marks the single years that the aggregate is made of.
    """

    client_id: str
    row_id: str
    year: str
    manual_paise: int
    processed_paise: int
    is_prior: bool = False

    @property
    def is_aggregate(self) -> bool:
        """Whether this is the sum of the prior years and no year of its own."""
        return not self.year


@dataclass(frozen=True, slots=True)
class DemandQuarter:
    """Net demand of one statement, as rounded by TRACES."""

    client_id: str
    row_id: str
    quarter: Quarter
    form: str
    net_paise: int


class DefaultType(StrEnum):
    """The kinds of default on the default summary."""

    SHORT_PAYMENT = "short payment"
    INTEREST_SHORT_PAYMENT = "interest on short payment"
    SHORT_DEDUCTION = "short deduction"
    INTEREST_SHORT_DEDUCTION = "interest on short deduction"
    LATE_PAYMENT = "interest on late payment"
    LATE_PAYMENT_MORE = "additional interest on late payment"
    LATE_DEDUCTION = "interest on late deduction"
    LATE_DEDUCTION_MORE = "additional interest on late deduction"
    LATE_FEE = "late filing fee"
    LATE_FEE_MORE = "additional late filing fee"
    INTEREST_220 = "interest under section 220(2)"


@dataclass(frozen=True, slots=True)
class DefaultLine:
    """One line of the default summary: the default, what the statement reported for it, and what is payable."""

    client_id: str
    row_id: str
    quarter: Quarter
    form: str
    default_type: DefaultType
    default_paise: int
    claimed_paise: int
    payable_paise: int


@dataclass(frozen=True, slots=True)
class DefaultCounts:
    """Deductee rows without a PAN and with an invalid PAN, as the default summary counts them."""

    client_id: str
    row_id: str
    quarter: Quarter
    form: str
    without_pan: int
    invalid_pan: int


@dataclass(frozen=True, slots=True)
class DemandSnapshot:
    """The demand of a client as it stood on one day."""

    as_on: date
    years: tuple[DemandYear, ...] = ()
    quarters: tuple[DemandQuarter, ...] = ()
    lines: tuple[DefaultLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """A communication in an inbox; ``quarter``, ``form`` and ``year`` are None and empty when it names none."""

    client_id: str
    row_id: str
    category: str
    issued_on: date
    is_action_required: bool
    quarter: Quarter | None = None
    form: str = ""
    year: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A lower-deduction certificate as verified on TRACES; ``limit_paise`` and ``consumed_paise`` are payments.

    ``cancelled_on`` is the first day on which it no longer holds. ``is_system_generated`` is False for certificates
    that an officer issued by hand.
    """

    client_id: str
    row_id: str
    number: str
    year: str
    pan: str
    section: str
    rate: Decimal
    limit_paise: int
    consumed_paise: int
    valid_from: date
    valid_to: date
    verified_on: date
    cancelled_on: date | None = None
    is_system_generated: bool = True


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """A payment in the books or the return; ``number`` is the certificate it quotes, empty when none.

    ``normal_rate`` is the rate without a certificate, in percent. ``is_filed`` says whether the statement of its
    quarter is filed, so that TRACES can have counted it.
    """

    client_id: str
    row_id: str
    number: str
    pan: str
    section: str
    paid_on: date
    amount_paise: int
    tax_paise: int
    normal_rate: Decimal
    rate: Decimal | None = None
    is_filed: bool = True


@dataclass(frozen=True, slots=True)
class FormProfile:
    """A form that a client must file, from one quarter on; ``last`` is None while it goes on."""

    client_id: str
    form: str
    first: Quarter
    last: Quarter | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declaration of non-filing for one quarter and form, with the reason that was ticked."""

    client_id: str
    row_id: str
    quarter: Quarter
    form: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModuleState:
    """How one module ended for one client.

    ``declared_rows`` is what the source said there is (None: it says nothing); ``code`` is the error code, if any;
    ``lacks`` says in a sentence what the source has and nothing reads, empty for nothing.
    """

    client_id: str
    module: str
    outcome: Outcome
    fetched_rows: int = 0
    declared_rows: int | None = None
    code: str = ""
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class DeductorInputs:
    """Everything that is known of one client on one day.

    ``has_books`` says whether the books were handed in at all: without them R1, R6 and R12 are incomplete.
    ``file_challans`` and ``file_deductees`` are the statements as they stand after corrections.
    ``closed_before`` are keys of demand (quarter or year, form, default type) that were once seen and then gone.
    ``traces_from`` is the first day of deposit that the lists of TRACES reach, None when they reach everything;
    ``traces_read_on`` is the day on which they were last read, None for the day of the reconciliation.
    ``due_extensions`` are notified later due dates by (quarter label, form); ``holidays`` are bank holidays.
    """

    client_id: str
    as_of: date
    asked: tuple[str, ...]
    states: tuple[ModuleState, ...]
    has_books: bool = False
    portal_challans: tuple[PortalChallan, ...] = ()
    balances: tuple[TracesBalance, ...] = ()
    traces_from: date | None = None
    traces_read_on: date | None = None
    claims: tuple[Claim, ...] = ()
    book_challans: tuple[BookChallan, ...] = ()
    file_challans: tuple[FileChallan, ...] = ()
    file_deductees: tuple[FileDeductee, ...] = ()
    book_deductions: tuple[BookDeduction, ...] = ()
    statements: tuple[Statement, ...] = ()
    profiles: tuple[FormProfile, ...] = ()
    declarations: tuple[Declaration, ...] = ()
    demand: DemandSnapshot | None = None
    demand_before: DemandSnapshot | None = None
    closed_before: frozenset[tuple[str, str, str]] = frozenset()
    notices: tuple[Notice, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    certificate_uses: tuple[CertificateUse, ...] = ()
    default_counts: tuple[DefaultCounts, ...] = ()
    holidays: frozenset[date] = frozenset()
    due_extensions: dict[tuple[str, str], date] = field(default_factory=dict)
