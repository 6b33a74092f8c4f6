"""R7 and R8: interest on late deduction and deposit, and the fee for late statements, against what was paid.

Rates, sections and the rounding rule stand in ``law``. Invariant: the interest of a challan record is the sum of
the interest of its deductee rows, to the paisa.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from clientsync.reconcile.result import ReconRow, inr, ordered
from clientsync.reconcile.tds.codes import result_row
from clientsync.reconcile.tds.inputs import (
    BookDeduction,
    Declaration,
    DefaultLine,
    DefaultType,
    FileChallan,
    FileDeductee,
    FormProfile,
    Statement,
)
from clientsync.reconcile.tds.law import (
    deposit_due,
    interest_rate,
    late_fee_rule,
    months_touched,
    share,
    statement_due,
)
from clientsync.reconcile.tds.returns import (
    RecordKey,
    ReturnKey,
    by_return,
    expected_returns,
    is_filed,
    regular,
)

TRACES_ROUNDING = 100
"""Difference in paise up to which a default of TRACES agrees: TRACES shows defaults in rupees."""
_LATE_PAYMENT = (DefaultType.LATE_PAYMENT, DefaultType.LATE_PAYMENT_MORE)
_LATE_DEDUCTION = (DefaultType.LATE_DEDUCTION, DefaultType.LATE_DEDUCTION_MORE)
_LATE_FEE = (DefaultType.LATE_FEE, DefaultType.LATE_FEE_MORE)


@dataclass(frozen=True, slots=True)
class Interest:
    """Interest of one deductee row in paise, with the sections it rests on."""

    late_deposit: int
    late_deduction: int
    sections: tuple[str, ...]


def late_deposit_interest(
    tax_paise: int, deducted_on: date, deposited_on: date, form: str, *, is_book_entry: bool = False
) -> int:
    """Return the interest for a deposit after its due date, for every month touched from deduction to deposit.

    Tax of 30 September that is deposited on 8 October is one day late and costs two months.
    """
    if deposited_on <= deposit_due(deducted_on, form, is_book_entry=is_book_entry):
        return 0
    rate = interest_rate(deducted_on, form).late_deposit
    return share(tax_paise, rate, months_touched(deducted_on, deposited_on))


def late_deduction_interest(tax_paise: int, deductible_on: date, deducted_on: date, form: str) -> int:
    """Return the interest for a deduction after the day it was due, for every month touched between the two."""
    if deducted_on <= deductible_on:
        return 0
    rate = interest_rate(deductible_on, form).late_deduction
    return share(tax_paise, rate, months_touched(deductible_on, deducted_on))


def interest_of(deductee: FileDeductee, challan: FileChallan) -> Interest:
    """Return the interest of one deductee row whose tax was deposited with ``challan``."""
    if deductee.deducted_on is None or deductee.tax_paise <= 0:
        return Interest(0, 0, ())
    deposit = late_deposit_interest(
        deductee.tax_paise,
        deductee.deducted_on,
        challan.deposited_on,
        deductee.form,
        is_book_entry=challan.is_book_entry,
    )
    late = late_deduction_interest(deductee.tax_paise, deductee.paid_on, deductee.deducted_on, deductee.form)
    # The Act is that of the day of credit or payment, also of tax that was deducted after the other Act began.
    sections = (interest_rate(deductee.paid_on, deductee.form).section,) if deposit or late else ()
    return Interest(deposit, late, sections)


def late_interest(
    file_challans: Iterable[FileChallan], deductees: Iterable[FileDeductee], lines: Iterable[DefaultLine]
) -> tuple[ReconRow, ...]:
    """R7: interest that is due against the interest in the challan, and against the default that TRACES raised."""
    annexure: dict[RecordKey, list[FileDeductee]] = defaultdict(list)
    for deductee in deductees:
        annexure[(deductee.client_id, deductee.token, deductee.record)].append(deductee)
    deposit: dict[ReturnKey, int] = defaultdict(int)
    deduction: dict[ReturnKey, int] = defaultdict(int)
    rows: list[ReconRow] = []
    for record in sorted(file_challans, key=lambda one: one.row_id):
        rows_of_record = annexure.pop((record.client_id, record.token, record.record), [])
        each = [interest_of(one, record) for one in rows_of_record]
        place = (record.client_id, record.quarter, record.form)
        deposit[place] += sum(one.late_deposit for one in each)
        deduction[place] += sum(one.late_deduction for one in each)
        rows.append(_interest_row(record, rows_of_record, each))
    for (client_id, token, number), orphans in annexure.items():
        rows.append(_unplaced(client_id, token, number, orphans))
    found = tuple(lines)
    rows.extend(_against_traces(deposit, found, _LATE_PAYMENT))
    rows.extend(_against_traces(deduction, found, _LATE_DEDUCTION))
    return ordered(rows)


def _interest_row(
    record: FileChallan, deductees: Sequence[FileDeductee], each: Sequence[Interest]
) -> ReconRow:
    deposit, late = sum(one.late_deposit for one in each), sum(one.late_deduction for one in each)
    due, paid = deposit + late, record.interest_paise
    if due == paid:
        status = "INTEREST_COVERED" if due else "INTEREST_NONE_DUE"
    else:
        status = "INTEREST_SHORT" if paid < due else "INTEREST_EXCESS"
    sections = " and ".join(sorted({section for one in each for section in one.sections}))
    why = (
        f"Late deposit {inr(deposit)}, late deduction {inr(late)} ({sections}); paid {inr(paid)}."
        if sections
        else f"Nothing was late; paid {inr(paid)}."
    )
    key = (record.quarter.label, record.form, record.token, str(record.record))
    evidence = (f"file_challan:{record.row_id}", *sorted(f"deductee:{one.row_id}" for one in deductees))
    return result_row(status, record.client_id, key, due, paid, why, evidence=evidence)


def _unplaced(client_id: str, token: str, number: int, orphans: Sequence[FileDeductee]) -> ReconRow:
    first = min(orphans, key=lambda one: one.row_id)
    return result_row(
        "INTEREST_UNPLACED",
        client_id,
        (first.quarter.label, first.form, token, str(number)),
        None,
        None,
        f"{len(orphans)} deductee rows have no challan record, so no day of deposit.",
        evidence=tuple(sorted(f"deductee:{one.row_id}" for one in orphans)),
    )


def _against_traces(
    computed: Mapping[ReturnKey, int], lines: Sequence[DefaultLine], types: tuple[DefaultType, ...]
) -> Iterable[ReconRow]:
    raised: dict[ReturnKey, list[DefaultLine]] = defaultdict(list)
    for line in lines:
        if line.default_type in types:
            raised[(line.client_id, line.quarter, line.form)].append(line)
    for place in computed.keys() | raised.keys():
        ours, theirs = computed.get(place, 0), raised.get(place)
        if theirs is None and ours == 0:
            continue
        total = sum(one.default_paise for one in theirs or ())
        if theirs is None:
            status, why = "INTEREST_NOT_RAISED", f"{inr(ours)} are computed; TRACES has raised nothing."
        else:
            agrees = abs(total - ours) <= TRACES_ROUNDING
            status = "INTEREST_DEFAULT_AGREES" if agrees else "INTEREST_DEFAULT_DIFF"
            why = f"{inr(ours)} are computed, TRACES raised {inr(total)}."
        evidence = tuple(sorted(f"default:{one.row_id}" for one in theirs or ()))
        key = (place[1].label, place[2], types[0].value)
        yield result_row(
            status, place[0], key, ours, total if theirs is not None else None, why, evidence=evidence
        )


def late_fee(due: date, filed_on: date, tax_paise: int | None, paise_per_day: int) -> int:
    """Return the fee for a statement: so much a day after the due date, never more than its tax.

    Without a known tax (None) the fee is not capped.
    """
    fee = paise_per_day * max(0, (filed_on - due).days)
    return fee if tax_paise is None else min(fee, tax_paise)


def late_filing_fee(
    profiles: Iterable[FormProfile],
    statements: Iterable[Statement],
    declarations: Iterable[Declaration],
    file_challans: Iterable[FileChallan],
    books: Iterable[BookDeduction],
    lines: Iterable[DefaultLine],
    as_of: date,
    extensions: Mapping[tuple[str, str], date] | None = None,
) -> tuple[ReconRow, ...]:
    """R8: the fee of every statement against the fee head of its challans and the default that TRACES raised.

    A statement that is not filed accrues the fee up to ``as_of``; a declaration of non-filing stops it. The tax
    that caps the fee is the statement's, and the books' where the statement's is not known.
    """
    groups = by_return(statements)
    expected = expected_returns(profiles, as_of, extensions)
    declared = {(one.client_id, one.quarter, one.form) for one in declarations}
    booked: dict[ReturnKey, int] = defaultdict(int)
    for book in books:
        booked[(book.client_id, book.quarter, book.form)] += book.tax_paise
    fees: dict[ReturnKey, list[FileChallan]] = defaultdict(list)
    for record in file_challans:
        fees[(record.client_id, record.quarter, record.form)].append(record)
    raised: dict[ReturnKey, list[DefaultLine]] = defaultdict(list)
    for line in lines:
        if line.default_type in _LATE_FEE:
            raised[(line.client_id, line.quarter, line.form)].append(line)
    rows: list[ReconRow] = []
    for place in expected.keys() | groups.keys() | raised.keys():
        filed = regular(groups.get(place, []))
        is_open = place in expected and place not in declared and not is_filed(groups.get(place, []))
        is_owed = filed is not None or is_open
        if not is_owed and place not in raised:
            continue
        tax = filed.tax_paise if filed is not None else None
        cap = tax if tax is not None else booked.get(place)
        due = statement_due(place[1], place[2], extensions)
        rule = late_fee_rule(place[1])
        until = filed.filed_on if filed is not None else as_of
        fee = late_fee(due, until, cap, rule.paise_per_day) if rule is not None and is_owed else 0
        section = rule.section if rule is not None else "no section before July 2012"
        if is_owed:
            rows.append(_fee_row(place, filed, fee, cap, section, due, fees.get(place)))
        if place in raised:
            rows.append(_fee_against_traces(place, fee, raised[place]))
    return ordered(rows)


def _fee_row(
    place: ReturnKey,
    filed: Statement | None,
    fee: int,
    cap: int | None,
    section: str,
    due: date,
    records: Sequence[FileChallan] | None,
) -> ReconRow:
    paid = sum(one.fee_paise for one in records) if records is not None else None
    limit = f"at most the tax of {inr(cap)}" if cap is not None else "not capped, the tax is not known"
    if fee == 0 and not paid:
        status, why = "FEE_NONE_DUE", f"No fee is due under {section}."
    elif filed is None:
        status = "LATE_FEE_ACCRUING"
        why = f"Not filed since {due}: {inr(fee)} so far under {section}, {limit}."
    else:
        late = max(0, (filed.filed_on - due).days)
        why = f"Filed {late} days late: {inr(fee)} under {section}, {limit}."
        if paid is None:
            status = "FEE_UNKNOWN_PAYMENT"
        elif paid == fee:
            status = "FEE_PAID"
        else:
            status = "LATE_FEE_UNPAID" if paid < fee else "FEE_EXCESS"
    evidence = (
        *((f"statement:{filed.row_id}",) if filed is not None else ()),
        *sorted(f"file_challan:{one.row_id}" for one in records or ()),
    )
    difference = -fee if status == "LATE_FEE_ACCRUING" else None
    key = (place[1].label, place[2])
    return result_row(status, place[0], key, fee, paid, why, difference=difference, evidence=evidence)


def _fee_against_traces(place: ReturnKey, fee: int, lines: Sequence[DefaultLine]) -> ReconRow:
    total = sum(one.default_paise for one in lines)
    agrees = abs(total - fee) <= TRACES_ROUNDING
    return result_row(
        "FEE_DEFAULT_AGREES" if agrees else "FEE_DEFAULT_DIFF",
        place[0],
        (place[1].label, place[2], DefaultType.LATE_FEE.value),
        fee,
        total,
        f"{inr(fee)} are computed, TRACES raised {inr(total)}.",
        evidence=tuple(sorted(f"default:{one.row_id}" for one in lines)),
    )
