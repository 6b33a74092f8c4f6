"""R5, R6 and R9: statements against challans, against the books, and against what had to be filed.

Invariant: each challan record is judged three times in R5 (capacity, annexure, payment) and falls into exactly one
bucket of each; each deduction of R6 and each statement of R9 is evidence of exactly one result row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from clientsync.periods import Quarter
from clientsync.reconcile.result import ReconRow, inr, ordered
from clientsync.reconcile.tds.codes import result_row
from clientsync.reconcile.tds.inputs import (
    BookDeduction,
    Claim,
    Declaration,
    FileChallan,
    FileDeductee,
    FormProfile,
    PortalChallan,
    Statement,
    StatementStatus,
)
from clientsync.reconcile.tds.keys import PLACEHOLDERS, ChallanKey, challan_key
from clientsync.reconcile.tds.law import statement_due

ReturnKey = tuple[str, Quarter, str]
"""Client, quarter and form: what one regular statement and its corrections are about."""
RecordKey = tuple[str, str, int]
"""Client, token and number of a challan record."""

STUCK_AFTER_DAYS = 30
"""Days after which a statement that is still pending is stuck; CPC names no limit, so it is the caller's to set."""
_PENDING = (StatementStatus.PENDING, StatementStatus.NOT_AVAILABLE)
_JUDGED = (StatementStatus.WITHOUT_DEFAULTS, StatementStatus.WITH_DEFAULTS)


def return_and_challans(
    file_challans: Iterable[FileChallan],
    deductees: Iterable[FileDeductee],
    portal: Iterable[PortalChallan],
    claims: Iterable[Claim],
) -> tuple[ReconRow, ...]:
    """R5: every challan record is on the portal, claims no more than is left, and covers its deductees.

    What is left for a statement is the challan's amount less the claims of other quarters and forms on TRACES, and
    less the records of other statement files that TRACES has not counted yet. The records of one statement on one
    challan are served in the order of their numbers. ``SHORT_PAYMENT`` is the tax of the deductees less what is
    left, never below zero.
    """
    records = sorted(
        file_challans, key=lambda one: (one.client_id, one.quarter, one.form, one.token, one.record)
    )
    annexure: dict[RecordKey, list[FileDeductee]] = defaultdict(list)
    for deductee in deductees:
        annexure[(deductee.client_id, deductee.token, deductee.record)].append(deductee)
    amounts: dict[ChallanKey, set[int]] = defaultdict(set)
    for challan in portal:
        amounts[challan_key(challan)].add(challan.amount_paise)
    paid = {key: sum(found) for key, found in amounts.items()}  # one challan in two lists was paid once
    elsewhere = _elsewhere(records, claims)
    served: dict[tuple[ChallanKey, str], int] = defaultdict(int)
    rows: list[ReconRow] = []
    for record in records:
        rows_of_record = annexure.pop((record.client_id, record.token, record.record), [])
        tax = sum(one.tax_paise for one in rows_of_record)
        key = challan_key(record)
        left: int | None = None
        if key in paid:
            others = elsewhere.get(key, {})
            other = sum(others.values()) - others.get((record.quarter, record.form), 0)
            left = max(0, paid[key] - other - served[(key, record.token)])
            served[(key, record.token)] += record.total_paise
        rows.append(_capacity(record, left))
        rows.append(_annexure(record, tax, rows_of_record))
        rows.append(_payment(record, tax, left))
    for (client_id, token, number), orphans in annexure.items():
        rows.append(_orphans(client_id, token, number, orphans))
    return ordered(rows)


def _elsewhere(
    records: Sequence[FileChallan], claims: Iterable[Claim]
) -> dict[ChallanKey, dict[tuple[Quarter, str], int]]:
    """Return what each (quarter, form) takes of each challan: TRACES' figure, else the largest file's."""
    on_traces: dict[ChallanKey, dict[tuple[Quarter, str], dict[str, int]]] = defaultdict(dict)
    in_files: dict[ChallanKey, dict[tuple[Quarter, str], dict[str, int]]] = defaultdict(dict)
    for claim in claims:
        tokens = on_traces[challan_key(claim)].setdefault((claim.quarter, claim.form), {})
        tokens[claim.token] = tokens.get(claim.token, 0) + claim.claimed_paise
    for record in records:
        if record.is_nil or record.is_book_entry:
            continue
        tokens = in_files[challan_key(record)].setdefault((record.quarter, record.form), {})
        tokens[record.token] = tokens.get(record.token, 0) + record.total_paise
    taken: dict[ChallanKey, dict[tuple[Quarter, str], int]] = {}
    for key in on_traces.keys() | in_files.keys():
        pending = {place: max(tokens.values()) for place, tokens in in_files.get(key, {}).items()}
        counted = {place: sum(tokens.values()) for place, tokens in on_traces.get(key, {}).items()}
        taken[key] = {**pending, **counted}
    return taken


def _record_words(record: FileChallan, check: str) -> tuple[str, ...]:
    return (record.quarter.label, record.form, record.token, str(record.record), check)


def _capacity(record: FileChallan, left: int | None) -> ReconRow:
    if record.is_nil:
        status, why = "CD_NIL", "A nil record has no challan."
    elif record.is_book_entry:
        status, why = "CD_BOOK_ENTRY", "A book entry has no challan on the portal."
    elif left is None:
        status, why = "CD_NOT_AT_PORTAL", "No challan on the portal has this record's BSR, serial and day."
    elif record.total_paise > left:
        status = "OVERBOOKED_RISK"
        why = f"The record claims {inr(record.total_paise)}; {inr(left)} of the challan are left for it."
    else:
        status, why = "CD_COVERED", f"{inr(left)} of the challan are left for this record."
    evidence = (f"file_challan:{record.row_id}",)
    key = _record_words(record, "capacity")
    return result_row(status, record.client_id, key, left, record.total_paise, why, evidence=evidence)


def _annexure(record: FileChallan, tax: int, deductees: Sequence[FileDeductee]) -> ReconRow:
    is_over = tax > record.tax_paise
    return result_row(
        "DEDUCTEES_EXCEED_CHALLAN" if is_over else "DEDUCTEES_COVERED",
        record.client_id,
        _record_words(record, "annexure"),
        record.tax_paise,
        tax,
        f"{len(deductees)} deductee rows carry {inr(tax)}, the record {inr(record.tax_paise)}.",
        evidence=(f"file_challan:{record.row_id}", *sorted(f"deductee:{one.row_id}" for one in deductees)),
    )


def _payment(record: FileChallan, tax: int, left: int | None) -> ReconRow:
    evidence = (f"file_challan:{record.row_id}",)
    key = _record_words(record, "payment")
    if record.is_nil or record.is_book_entry:
        why = "No challan is expected for this record."
        return result_row("PAYMENT_COVERED", record.client_id, key, tax, None, why, evidence=evidence)
    available = left or 0
    short = max(0, tax - available)
    if left is None and short:
        why = f"The deductees' tax is {inr(tax)} and the challan is not on the portal."
    else:
        why = f"The deductees' tax is {inr(tax)}; {inr(available)} of the challan are left for it."
    status = "SHORT_PAYMENT" if short else "PAYMENT_COVERED"
    return result_row(
        status, record.client_id, key, tax, available, why, difference=-short, evidence=evidence
    )


def _orphans(client_id: str, token: str, number: int, deductees: Sequence[FileDeductee]) -> ReconRow:
    first = min(deductees, key=lambda one: one.row_id)
    tax = sum(one.tax_paise for one in deductees)
    return result_row(
        "DD_WITHOUT_CHALLAN",
        client_id,
        (first.quarter.label, first.form, token, str(number), "annexure"),
        None,
        tax,
        f"{len(deductees)} deductee rows name a challan record that the file does not have.",
        evidence=tuple(sorted(f"deductee:{one.row_id}" for one in deductees)),
    )


def books_and_return(
    books: Iterable[BookDeduction], deductees: Iterable[FileDeductee]
) -> tuple[ReconRow, ...]:
    """R6: pair deductions of the books with rows of the return, one to one, and say what differs.

    By the transaction reference where both sides carry it; else by PAN, section, day and amount, all exactly.
    Nothing is guessed: a row that has neither a common reference nor a real PAN stays alone.
    """
    rows: list[ReconRow] = []
    own = sorted(books, key=lambda one: (one.client_id, one.row_id))
    filed = sorted(deductees, key=lambda one: (one.client_id, one.row_id))
    common = {(one.client_id, one.reference) for one in own if one.reference}
    common &= {(one.client_id, one.reference) for one in filed if one.reference}
    by_reference: dict[tuple[str, str], tuple[list[BookDeduction], list[FileDeductee]]] = {}
    by_facts: dict[tuple[object, ...], tuple[list[BookDeduction], list[FileDeductee]]] = {}
    for book in own:
        place = (book.client_id, book.reference)
        if place in common:
            by_reference.setdefault(place, ([], []))[0].append(book)
        else:
            by_facts.setdefault(_facts(book), ([], []))[0].append(book)
    for row in filed:
        place = (row.client_id, row.reference)
        if place in common:
            by_reference.setdefault(place, ([], []))[1].append(row)
        else:
            by_facts.setdefault(_facts(row), ([], []))[1].append(row)
    for left, right in by_reference.values():
        rows.extend(_paired(left, right, ignore_pan=False))
    for (_, pan, *_rest), (left, right) in by_facts.items():
        rows.extend(_paired(left, right, ignore_pan=pan in PLACEHOLDERS))
    return ordered(rows)


def _facts(row: BookDeduction | FileDeductee) -> tuple[object, ...]:
    return (row.client_id, row.pan, row.section, row.paid_on, row.amount_paise)


def _paired(books: list[BookDeduction], filed: list[FileDeductee], *, ignore_pan: bool) -> Iterator[ReconRow]:
    if ignore_pan:
        yield from _alone(
            books, filed, "A placeholder stands for the PAN, and placeholders are never joined."
        )
        return
    exact: dict[tuple[object, ...], list[FileDeductee]] = defaultdict(list)
    for row in reversed(filed):
        exact[(*_facts(row), row.tax_paise)].append(row)
    taken: set[str] = set()
    rest: list[BookDeduction] = []
    for book in books:
        if same := exact.get((*_facts(book), book.tax_paise)):
            row = same.pop()
            taken.add(row.row_id)
            yield _compared(book, row)
        else:
            rest.append(book)
    free = [row for row in filed if row.row_id not in taken]
    for book, row in zip(rest, free, strict=False):
        yield _compared(book, row)
    pairs = min(len(rest), len(free))
    yield from _alone(rest[pairs:], free[pairs:], "No row of the other side has its reference, or its facts.")


def _compared(book: BookDeduction, row: FileDeductee) -> ReconRow:
    left, right = book.amount_paise, row.amount_paise
    if book.pan != row.pan:
        status, why = "PAN_DIFF", "The two sides name different PANs under one reference."
    elif book.section != row.section:
        status, why = "SECTION_DIFF", f"The books say {book.section}, the return {row.section}."
    elif book.amount_paise != row.amount_paise:
        status, why = "AMOUNT_DIFF", f"The books paid {inr(left)}, the return reports {inr(right)}."
    elif book.rate is not None and row.rate is not None and book.rate != row.rate:
        status, why = "RATE_DIFF", f"The books deduct at {book.rate} %, the return at {row.rate} %."
        left, right = book.tax_paise, row.tax_paise
    elif book.tax_paise != row.tax_paise:
        left, right = book.tax_paise, row.tax_paise
        status, why = "AMOUNT_DIFF", f"The books deduct {inr(left)}, the return reports {inr(right)}."
    else:
        status, why = "MATCHED", "PAN, section, amount, rate and tax agree."
    key = _deduction_words(book)
    evidence = (f"books:{book.row_id}", f"deductee:{row.row_id}")
    return result_row(status, book.client_id, key, left, right, why, evidence=evidence)


def _deduction_words(row: BookDeduction | FileDeductee) -> tuple[str, ...]:
    """Return a key without the PAN: what tells two deductees apart is the reference or the row."""
    return (row.quarter.label, row.form, row.section, row.paid_on.isoformat(), row.reference or row.row_id)


def _alone(books: Sequence[BookDeduction], filed: Sequence[FileDeductee], why: str) -> Iterator[ReconRow]:
    for book in books:
        yield result_row(
            "MISSING_IN_RETURN",
            book.client_id,
            _deduction_words(book),
            book.amount_paise,
            None,
            why,
            difference=-book.amount_paise,
            evidence=(f"books:{book.row_id}",),
        )
    for row in filed:
        yield result_row(
            "MISSING_IN_BOOKS",
            row.client_id,
            _deduction_words(row),
            None,
            row.amount_paise,
            why,
            difference=row.amount_paise,
            evidence=(f"deductee:{row.row_id}",),
        )


def expected_returns(
    profiles: Iterable[FormProfile], as_of: date, extensions: Mapping[tuple[str, str], date] | None = None
) -> dict[ReturnKey, date]:
    """Return every (client, quarter, form) whose due date has come on ``as_of``, with that due date."""
    expected: dict[ReturnKey, date] = {}
    for profile in profiles:
        quarter = profile.first
        while quarter.first_day <= as_of and (profile.last is None or quarter <= profile.last):
            due = statement_due(quarter, profile.form, extensions)
            if due <= as_of:
                expected[(profile.client_id, quarter, profile.form)] = due
            quarter = quarter.next()
    return expected


def in_profile(profiles: Iterable[FormProfile], key: ReturnKey) -> bool:
    """Whether a client's profile names the form for that quarter."""
    client_id, quarter, form = key
    return any(
        one.client_id == client_id
        and one.form == form
        and one.first <= quarter
        and (one.last is None or quarter <= one.last)
        for one in profiles
    )


def by_return(statements: Iterable[Statement]) -> dict[ReturnKey, list[Statement]]:
    """Group statements by client, quarter and form, each group in the order of filing."""
    groups: dict[ReturnKey, list[Statement]] = defaultdict(list)
    for statement in statements:
        groups[(statement.client_id, statement.quarter, statement.form)].append(statement)
    for group in groups.values():
        group.sort(key=lambda one: (one.filed_on, one.is_correction, one.token, one.row_id))
    return dict(groups)


def regular(group: Sequence[Statement]) -> Statement | None:
    """Return the first regular statement that was not rejected."""
    return next(
        (one for one in group if not one.is_correction and one.status is not StatementStatus.REJECTED), None
    )


def is_filed(group: Sequence[Statement]) -> bool:
    """Whether any statement of the return was accepted; a correction shows that there was a regular one."""
    return any(one.status is not StatementStatus.REJECTED for one in group)


def return_register(
    profiles: Iterable[FormProfile],
    statements: Iterable[Statement],
    declarations: Iterable[Declaration],
    as_of: date,
    extensions: Mapping[tuple[str, str], date] | None = None,
    stuck_after_days: int = STUCK_AFTER_DAYS,
) -> tuple[ReconRow, ...]:
    """R9: say for every return that had to be filed by ``as_of`` what became of it.

    A return is due on its last day, that day included. A rejected statement is not filed. A declaration of
    non-filing comes before ``NOT_FILED``. The latest statement decides: a correction without defaults cures a
    regular statement that had them. Statements of forms outside the profile are shown as well.
    """
    own = tuple(profiles)
    expected = expected_returns(own, as_of, extensions)
    groups = by_return(statements)
    declared: dict[ReturnKey, list[Declaration]] = defaultdict(list)
    for one in declarations:
        declared[(one.client_id, one.quarter, one.form)].append(one)
    forms: dict[tuple[str, str], list[FormProfile]] = defaultdict(list)
    for profile in own:
        forms[(profile.client_id, profile.form)].append(profile)
    rows: list[ReconRow] = []
    for key in expected.keys() | groups.keys() | declared.keys():
        due = statement_due(key[1], key[2], extensions)
        group, papers = groups.get(key, []), declared.get(key, [])
        if group and not in_profile(forms[(key[0], key[2])], key):
            status, why = (
                "NOT_IN_PROFILE",
                "Statements of this form are filed; the client's profile has it not.",
            )
        else:
            status, why = _outcome(group, papers, due, as_of, stuck_after_days)
        filed = regular(group)
        rows.append(
            result_row(
                status,
                key[0],
                (key[1].label, key[2]),
                f"due {due.isoformat()}",
                f"filed {filed.filed_on.isoformat()}" if filed else None,
                why,
                evidence=(
                    *sorted(f"statement:{one.row_id}" for one in group),
                    *sorted(f"declaration:{one.row_id}" for one in papers),
                ),
            )
        )
    return ordered(rows)


def _outcome(
    group: Sequence[Statement], papers: Sequence[Declaration], due: date, as_of: date, stuck_after_days: int
) -> tuple[str, str]:
    if not is_filed(group):
        return _unfiled(group, papers, due, as_of)
    first, latest = regular(group), group[-1]
    settled = [one for one in group if one.status in _JUDGED]
    had_defaults = any(one.status is StatementStatus.WITH_DEFAULTS for one in settled)
    late = (first.filed_on - due).days if first is not None else 0
    lateness = f"It was filed {late} days late." if late > 0 else f"It was filed by {due}."
    days = (as_of - latest.filed_on).days
    if latest.status is StatementStatus.REJECTED:
        status, why = "REJECTED", "The latest statement was rejected, so what it was to correct still stands."
    elif latest.status in _PENDING and days > stuck_after_days:
        status, why = (
            "PROCESSING_STUCK",
            f"The latest statement was filed {days} days ago and is still pending.",
        )
    elif settled and settled[-1].status is StatementStatus.WITH_DEFAULTS:
        status, why = "DEFAULTS", "The last statement that was processed has defaults."
    elif first is None:
        status, why = "REGULAR_NOT_LISTED", "A correction is listed, the regular statement is not."
    elif had_defaults:
        status, why = "CURED", f"Defaults were raised; a correction was processed without. {lateness}"
    else:
        status, why = ("FILED_LATE" if late > 0 else "FILED_ON_TIME"), lateness
    return status, why


def _unfiled(
    group: Sequence[Statement], papers: Sequence[Declaration], due: date, as_of: date
) -> tuple[str, str]:
    if group:
        return "REJECTED", f"Every statement was rejected, so none is filed; it was due on {due}."
    if papers:
        reasons = ", ".join(sorted({one.reason for one in papers}))
        return "DECLARED_NON_FILING", f"A declaration of non-filing was made: {reasons}."
    return "NOT_FILED", f"Nothing is filed {(as_of - due).days} days after the due date {due}."
