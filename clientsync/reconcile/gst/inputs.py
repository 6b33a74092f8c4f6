"""What the reconciliations of a registration compare, in paise, by return period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

HEADS = ("igst", "cgst", "sgst", "cess")


@dataclass(frozen=True, slots=True)
class Taxes:
    """Taxable value and the four taxes, in paise."""

    taxable: int = 0
    igst: int = 0
    cgst: int = 0
    sgst: int = 0
    cess: int = 0

    @property
    def heads(self) -> tuple[int, int, int, int]:
        """IGST, CGST, SGST and cess."""
        return (self.igst, self.cgst, self.sgst, self.cess)

    @property
    def total(self) -> int:
        """Sum of the four taxes."""
        return sum(self.heads)

    def plus(self, other: Taxes, sign: int = 1) -> Taxes:
        """Return the sum, or with ``sign`` -1 the difference."""
        return Taxes(
            self.taxable + sign * other.taxable,
            *(one + sign * two for one, two in zip(self.heads, other.heads, strict=True)),
        )


def wrong_heads(expected: Taxes, found: Taxes, tolerance_paise: int) -> list[str]:
    """Return the heads in which two figures differ, in capitals."""
    pairs = zip(HEADS, expected.heads, found.heads, strict=True)
    return [head.upper() for head, one, two in pairs if abs(one - two) > tolerance_paise]


@dataclass(frozen=True, slots=True)
class Payment:
    """How a GSTR-3B, or its liability ledger, says that tax was paid, by head.

    Attributes:
        owed: tax of the return, reverse charge included; a negative liability is not owed but carried forward.
        cash: paid in cash.
        credit: paid out of credit, whatever head the credit had.
        from_igst, from_cgst, from_sgst: credit of that head that was used, in all.
        adjusted: negative liability of earlier periods that was set against what is owed.
        charged, charges_paid: interest and late fee that the return states, and that it pays in cash.
        igst_left: IGST credit that was left unused though CGST or SGST credit was used; None when not known.
    """

    owed: Taxes = Taxes()
    cash: Taxes = Taxes()
    credit: Taxes = Taxes()
    from_igst: int = 0
    from_cgst: int = 0
    from_sgst: int = 0
    adjusted: Taxes = Taxes()
    charged: Taxes = Taxes()
    charges_paid: Taxes = Taxes()
    igst_left: int | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """One ledger over one window, by head.

    Attributes:
        name: CASH or ITC.
        period: month of the window, MMYYYY.
        opening, closing: balances, None when the portal did not tell.
        added, taken: sums of credits and of debits.
    """

    name: str
    period: str
    opening: Taxes | None
    closing: Taxes | None
    added: Taxes
    taken: Taxes


@dataclass(frozen=True, slots=True)
class ReturnDue:
    """One return that is owed: how it stands on the day."""

    return_type: str
    period: str
    due_on: date | None
    filed_on: date | None
    days_late: int
    state: str  # filed, filed late, not filed, not yet due, not applicable, not known
    reason: str


@dataclass(frozen=True, slots=True)
class ReturnPeriod:
    """What is stored of one return period: a month, or a quarter under its last month.

    Attributes:
        period: MMYYYY.
        reported: liability by GSTR-1 and GSTR-1A of all months in it, zero when they are empty; None when GSTR-1 is not
            complete.
        amended: tax in the amendments of older documents, which is not compared: only its change is owed.
        filed: lines of GSTR-3B as filed, by table number; empty when it was read and has none though the register or
            the liability ledger has the return; None when there is no filed return.
        computed: lines as the portal computed them; None when it did not.
        statement: credit that GSTR-2B gives, net of credit notes, reverse charge included, zero when it gives none;
            None when it was not read.
        paid: as GSTR-3B says; None when there is no filed return.
        posted: as the liability ledger says, zero when it has no posting; None when it was not read.
        lacking: module to what is not complete, for this period.
        is_draft: whether a GSTR-3B is saved that the register does not have as filed; nothing of it is declared yet.
    """

    period: str
    reported: Taxes | None = None
    amended: Taxes = Taxes()
    filed: Mapping[str, Taxes] | None = None
    computed: Mapping[str, Taxes] | None = None
    statement: Taxes | None = None
    paid: Payment | None = None
    posted: Payment | None = None
    lacking: Mapping[str, str] = field(default_factory=dict)
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class RegistrationInputs:
    """Everything that is compared for one registration as of a day."""

    client_id: str
    as_of: date
    periods: tuple[ReturnPeriod, ...] = ()
    ledgers: tuple[Ledger, ...] = ()
    returns: tuple[ReturnDue, ...] = ()
    lacking_ledgers: Mapping[str, str] = field(default_factory=dict)
    tolerance_paise: int = 100
