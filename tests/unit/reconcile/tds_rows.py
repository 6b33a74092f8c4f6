"""Rows for the tests of the TDS reconciliations: each builder gives one that is in order."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from clientsync.periods import Quarter
from clientsync.reconcile.result import ReconRow
from clientsync.reconcile.tds.inputs import (
    BookChallan,
    BookDeduction,
    Certificate,
    CertificateUse,
    Claim,
    DefaultLine,
    DefaultType,
    DemandQuarter,
    FileChallan,
    FileDeductee,
    Notice,
    PortalChallan,
    Statement,
    StatementStatus,
    TracesBalance,
)

CLIENT = "C1"
Q4 = Quarter(2025, 4)
Q1 = Quarter(2026, 1)
PAID = date(2026, 4, 7)
TOKEN = "770000000000001"


def _made(kind: Any, defaults: dict[str, Any], given: dict[str, Any]) -> Any:
    return kind(**{"client_id": CLIENT, "row_id": "1", **defaults, **given})


_CHALLAN: dict[str, Any] = {"bsr": "0004329", "serial": "00012", "deposited_on": PAID}


def portal(**given: Any) -> PortalChallan:
    made: PortalChallan = _made(PortalChallan, {**_CHALLAN, "amount_paise": 100_000}, given)
    return made


def book(**given: Any) -> BookChallan:
    made: BookChallan = _made(BookChallan, {**_CHALLAN, "amount_paise": 100_000}, given)
    return made


def balance(**given: Any) -> TracesBalance:
    amounts = {"amount_paise": 100_000, "available_paise": 0}
    made: TracesBalance = _made(TracesBalance, {**_CHALLAN, **amounts}, given)
    return made


def claim(**given: Any) -> Claim:
    facts = {"token": TOKEN, "quarter": Q4, "form": "26Q", "claimed_paise": 100_000}
    made: Claim = _made(Claim, {**_CHALLAN, **facts}, given)
    return made


def record(**given: Any) -> FileChallan:
    facts = {"token": TOKEN, "quarter": Q4, "form": "26Q", "record": 1}
    money = {"tax_paise": 100_000, "interest_paise": 0, "fee_paise": 0, "total_paise": 100_000}
    made: FileChallan = _made(FileChallan, {**_CHALLAN, **facts, **money}, given)
    return made


def deductee(**given: Any) -> FileDeductee:
    facts = {
        "token": TOKEN,
        "quarter": Q4,
        "form": "26Q",
        "record": 1,
        "pan": "AAAPA1111A",
        "section": "194J",
        "paid_on": date(2026, 3, 31),
        "amount_paise": 1_000_000,
        "tax_paise": 100_000,
        "deducted_on": date(2026, 3, 31),
        "rate": Decimal(10),
    }
    made: FileDeductee = _made(FileDeductee, facts, given)
    return made


def booked(**given: Any) -> BookDeduction:
    facts = {
        "quarter": Q4,
        "form": "26Q",
        "pan": "AAAPA1111A",
        "section": "194J",
        "paid_on": date(2026, 3, 31),
        "amount_paise": 1_000_000,
        "tax_paise": 100_000,
        "rate": Decimal(10),
    }
    made: BookDeduction = _made(BookDeduction, facts, given)
    return made


def statement(**given: Any) -> Statement:
    facts = {
        "token": TOKEN,
        "quarter": Q4,
        "form": "26Q",
        "is_correction": False,
        "status": StatementStatus.WITHOUT_DEFAULTS,
        "filed_on": date(2026, 5, 31),
    }
    made: Statement = _made(Statement, facts, given)
    return made


def line(**given: Any) -> DefaultLine:
    facts = {
        "quarter": Q4,
        "form": "26Q",
        "default_type": DefaultType.SHORT_PAYMENT,
        "default_paise": 50_000,
        "claimed_paise": 0,
        "payable_paise": 50_000,
    }
    made: DefaultLine = _made(DefaultLine, facts, given)
    return made


def demanded(**given: Any) -> DemandQuarter:
    made: DemandQuarter = _made(DemandQuarter, {"quarter": Q4, "form": "26Q", "net_paise": 50_000}, given)
    return made


def notice(**given: Any) -> Notice:
    facts = {
        "category": "Intimation with Demand",
        "issued_on": date(2026, 7, 1),
        "is_action_required": True,
        "quarter": Q4,
        "form": "26Q",
    }
    made: Notice = _made(Notice, facts, given)
    return made


def certificate(**given: Any) -> Certificate:
    facts = {
        "number": "1111AA111A",
        "year": "2025-26",
        "pan": "AAAPA1111A",
        "section": "194J",
        "rate": Decimal(1),
        "limit_paise": 46_080_000,
        "consumed_paise": 0,
        "valid_from": date(2025, 4, 1),
        "valid_to": date(2026, 3, 31),
        "verified_on": date(2026, 1, 15),
    }
    made: Certificate = _made(Certificate, facts, given)
    return made


def use(**given: Any) -> CertificateUse:
    facts = {
        "number": "1111AA111A",
        "pan": "AAAPA1111A",
        "section": "194J",
        "paid_on": date(2026, 1, 10),
        "amount_paise": 10_000_000,
        "tax_paise": 100_000,
        "normal_rate": Decimal(10),
        "rate": Decimal(1),
    }
    made: CertificateUse = _made(CertificateUse, facts, given)
    return made


def statuses(rows: tuple[ReconRow, ...], *, but: str = "") -> list[str]:
    """Return the statuses, sorted, without those that start with ``but``."""
    return sorted(row.status for row in rows if not (but and row.status.startswith(but)))


def one(rows: tuple[ReconRow, ...], status: str) -> ReconRow:
    """Return the only row of a status."""
    (found,) = [row for row in rows if row.status == status]
    return found
