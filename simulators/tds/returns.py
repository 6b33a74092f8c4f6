"""Statements of a quarter: what was filed when, which challans it consumed, which defaults processing found.

The last processed statement of a quarter and form is the one that counts; its defaults are the demand.
"""

from __future__ import annotations

from datetime import date, timedelta

from simulators.tds import identifiers, sections
from simulators.tds.payments import Batch, Books, split
from simulators.tds.records import Challan, Claim, Deductor, Default, Quarter, Statement

PENDING = "Pending for Processing"
CLEAN = "Processed Without Defaults"
FAULTY = "Processed With Defaults"
REJECTED = "Rejected"
REASON = "Token number of the previous statement is not that of the latest accepted statement"
FEE_PER_DAY = 200 * 100  # s.234E of the Act of 1961, s.427 of the Act of 2025
SHORT_PAYMENT, SHORT_PAYMENT_INTEREST = "Short Payment", "Interest on Short Payment"
SHORT_DEDUCTION, SHORT_DEDUCTION_INTEREST = "Short Deduction", "Interest on Short Deduction"
LATE_PAYMENT_INTEREST, LATE_FEE = "Interest on Late Payment", "Late Filing Fee u/s 234E"

SHOWCASE = {
    ("2025-26-Q1", "24Q"): {"late_payment"},
    ("2025-26-Q1", "26Q"): {"short_payment", "cured"},
    ("2025-26-Q1", "27Q"): {"book_entry"},
    ("2025-26-Q2", "26Q"): {"interest_unpaid", "late_filing", "rejected"},
    ("2025-26-Q2", "27EQ"): {"overbooked"},
    ("2025-26-Q3", "24Q"): {"late_filing"},
    ("2025-26-Q3", "27Q"): {"nil"},
    ("2025-26-Q3", "26Q"): {"short_payment", "late_code"},
    ("2025-26-Q4", "26Q"): {"invalid_pan", "without_pan"},
    ("2025-26-Q4", "27EQ"): {"late_filing", "fee_paid"},
    ("2026-27-Q1", "26Q"): {"late_payment", "late_code"},
    ("2026-27-Q1", "27EQ"): {"late_filing"},
    ("2026-27-Q2", "27Q"): {"unfiled"},
    ("2026-27-Q2", "26Q"): {"slow", "late_code"},
}
CHANCES = {
    "nil": 0.03, "unfiled": 0.02, "late_payment": 0.1, "interest_unpaid": 0.05, "short_payment": 0.06,
    "overbooked": 0.02, "late_filing": 0.1, "fee_paid": 0.4, "invalid_pan": 0.04, "without_pan": 0.04, "cured": 0.35,
    "rejected": 0.15, "slow": 0.1,
}  # fmt: skip


def quirks_of(books: Books, quarter: Quarter, form: str) -> frozenset[str]:
    """Say what goes wrong in a quarter: scripted for the showcase, drawn for the others."""
    if books.is_showcase:
        return frozenset(SHOWCASE.get((quarter.label, form), ()))
    rng = books.rng("quirks", quarter.label, form)
    return frozenset(name for name, chance in CHANCES.items() if rng.random() < chance)


def counting(one: Deductor, quarter: Quarter, form: str) -> Statement | None:
    """Give the statement that counts for a quarter and form (the name of its Act): the last that was processed."""
    found = [
        each
        for each in one.statements
        if (each.quarter, each.form) == (quarter, form) and each.processed_on and each.status != REJECTED
    ]
    return found[-1] if found else None


def file_quarter(books: Books, quarter: Quarter, form: str) -> None:
    """Pay the challans of a quarter and file its statement, and its correction where one follows."""
    quirks = quirks_of(books, quarter, form)
    if "nil" in quirks:
        return
    found = [books.month(quarter, form, place, quirks) for place in range(3)]
    batches = [one for one in found if one]
    challans = [one.challan for one in batches if one.challan]
    if len(challans) < 3 or "unfiled" in quirks:
        return
    due = sections.statement_due(quarter, form)
    rng = books.rng("filing", quarter.label, form)
    days = rng.randint(4, 45) if "late_filing" in quirks else -rng.randint(1, 12)
    filed_on = max(due + timedelta(days=days), *(one.paid_on + timedelta(days=1) for one in challans))
    if filed_on > books.today:
        return
    processed_on = filed_on + timedelta(days=rng.randint(35, 60) if "slow" in quirks else rng.randint(5, 18))
    statement = _statement(books, quarter, form, 30, filed_on, processed_on)
    statement.deductions = [each for one in batches for each in one.deductions]
    statement.tax = sum(one.tax for one in statement.deductions)
    statement.without_pan = sum(one.pan == "PANNOTAVBL" for one in statement.deductions)
    statement.invalid_pan = sum(one.pan == "PANINVALID" for one in statement.deductions)
    fee = min(FEE_PER_DAY * max(0, (filed_on - due).days), statement.tax)
    fee_challan = _pay_fee(books, statement, form, fee, quirks)
    if statement.processed_on is None:
        return
    _consume(statement, batches, fee_challan, over="overbooked" in quirks)
    _find_defaults(statement, batches, 0 if fee_challan else fee, over="overbooked" in quirks)
    if statement.defaults:
        statement.status = FAULTY
        _correct(books, statement, form, quirks)


def _statement(
    books: Books, quarter: Quarter, form: str, place: int, filed_on: date, processed_on: date
) -> Statement:
    """Register a filed statement; it is pending until its day of processing has come."""
    done = processed_on <= books.today
    made = Statement(
        token=identifiers.token(books.number, books.slot(quarter, form, place)),
        quarter=quarter,
        form=sections.form_name(form, quarter.act),
        kind="Regular" if place == 30 else "Correction",
        filed_on=filed_on,
        processed_on=processed_on if done else None,
        status=CLEAN if done else PENDING,
    )
    books.one.statements.append(made)
    return made


def _pay_fee(
    books: Books, statement: Statement, form: str, fee: int, quirks: frozenset[str]
) -> Challan | None:
    """Pay the late fee before filing; the Act of 2025 leaves no choice."""
    if not fee or (statement.quarter.act == "1961" and "fee_paid" not in quirks):
        return None
    code = statement.deductions[0].section
    slot = books.slot(statement.quarter, form, 20)
    heads = (0, 0, 0, 0, 0, fee)
    act = statement.quarter.act
    return books.challan(slot, act, statement.filed_on, heads, code, statement.quarter, form)


def _consume(statement: Statement, batches: list[Batch], fee: Challan | None, *, over: bool) -> None:
    """Let the statement consume its challans; an overbooking statement claims the tax that is not there too."""
    for batch in batches:
        challan = batch.challan
        if challan is None:
            continue
        tax, surcharge, cess, interest, penalty, late = challan.heads
        amount = tax + surcharge + cess + (batch.shortage if over else 0)
        challan.claims.append(_claim(statement, amount, interest, penalty + late))
    if fee:
        fee.claims.append(_claim(statement, 0, 0, fee.amount))


def _claim(statement: Statement, amount: int, interest: int = 0, others: int = 0) -> Claim:
    return Claim(statement.token, statement.quarter, statement.form, amount, interest, others)


def _find_defaults(statement: Statement, batches: list[Batch], fee: int, *, over: bool) -> None:
    """Note what processing finds: lacking tax and PANs with their interest, unpaid interest, unpaid fee."""
    add = statement.defaults.append
    for batch in batches:
        if batch.shortage:
            add(Default(SHORT_PAYMENT, batch.shortage, 0))
            months = sections.months_touched(batch.deductions[0].deducted_on, statement.filed_on)
            add(Default(SHORT_PAYMENT_INTEREST, batch.shortage * months * 15 // 1000, 0))
        if batch.unpaid_interest:
            add(Default(LATE_PAYMENT_INTEREST, batch.unpaid_interest, 0))
        elif batch.challan and batch.challan.heads[3]:
            add(Default(LATE_PAYMENT_INTEREST, batch.challan.heads[3], batch.challan.heads[3]))
        for one in batch.deductions:
            lacking = one.paid * 20 // 100 - one.tax
            if one.pan == "PANINVALID" and lacking > 0 and statement.quarter.act == "1961":
                months = sections.months_touched(one.deducted_on, statement.filed_on)
                add(Default(SHORT_DEDUCTION, lacking, 0))
                add(Default(SHORT_DEDUCTION_INTEREST, lacking * months // 100, 0))
    if fee:
        add(Default(LATE_FEE, fee, 0))
    if not any(one.payable for one in statement.defaults):
        statement.defaults.clear()


def _correct(books: Books, regular: Statement, form: str, quirks: frozenset[str]) -> None:
    """File a correction: one that cures the defaults with a further challan, or one that is rejected."""
    rng = books.rng("correction", regular.quarter.label, form)
    assert regular.processed_on  # noqa: S101 - narrows the type
    filed_on = regular.processed_on + timedelta(days=rng.randint(15, 60))
    if filed_on > books.today:
        return
    place = 31
    if "rejected" in quirks:
        rejected = _statement(
            books, regular.quarter, form, place, filed_on, filed_on + timedelta(days=rng.randint(3, 8))
        )
        if rejected.processed_on:
            rejected.status, rejected.reason = REJECTED, REASON
        _copy(regular, rejected)
        return
    if "cured" not in quirks:
        return
    tax = sum(one.payable for one in regular.defaults if one.kind in {SHORT_PAYMENT, SHORT_DEDUCTION})
    interest = sum(one.payable for one in regular.defaults if one.kind.startswith("Interest"))
    fee = sum(one.payable for one in regular.defaults if one.kind == LATE_FEE)
    heads = split(tax, interest, regular.quarter.act, form)[:5]
    slot = books.slot(regular.quarter, form, 21)
    code = regular.deductions[0].section
    paid_on = filed_on - timedelta(days=2)
    challan = books.challan(slot, regular.quarter.act, paid_on, (*heads, fee), code, regular.quarter, form)
    cured = _statement(
        books, regular.quarter, form, place, filed_on, filed_on + timedelta(days=rng.randint(4, 9))
    )
    _copy(regular, cured)
    if cured.processed_on:
        challan.claims.append(_claim(cured, sum(challan.heads[:3]), challan.heads[3], fee))


def _copy(regular: Statement, correction: Statement) -> None:
    """Repeat the rows of the regular statement in its correction."""
    correction.deductions = regular.deductions
    correction.tax = regular.tax
    correction.without_pan, correction.invalid_pan = regular.without_pan, regular.invalid_pan
