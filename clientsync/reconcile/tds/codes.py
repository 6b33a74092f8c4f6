"""Every status a TDS result row can have: how much it asks of a person, and the next step.

A status that is a warning or an error is also the code of an exception. Invariant: a status belongs to one
reconciliation and has one meaning; ``docs/tds-reconciliations.md`` lists them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from clientsync.reconcile.result import ReconRow, Severity, Value


@dataclass(frozen=True, slots=True)
class Code:
    """One status.

    Attributes:
        recon: the reconciliation it belongs to.
        severity: how much it asks of a person.
        action: the next step; empty when there is none.
        is_absence: whether it concludes from something that was not there, so that it says nothing while the data
            is incomplete.
    """

    recon: str
    severity: Severity
    action: str = ""
    is_absence: bool = False


_OK, _INFO, _WARN, _ERR = Severity.OK, Severity.INFO, Severity.WARNING, Severity.ERROR

CODES: dict[str, Code] = {
    # R1 income-tax portal and books
    "VERIFIED": Code("R1", _OK),
    "AMOUNT_MISMATCH": Code("R1", _ERR, "Correct the amount in the books, or find the second challan."),
    "NOT_FOUND": Code("R1", _ERR, "Check BSR, serial and date in the books against the receipt.", True),
    "DUPLICATE_IN_BOOKS": Code("R1", _ERR, "Remove the second entry from the books."),
    "NOT_IN_BOOKS": Code("R1", _WARN, "Book the challan, or find out who paid it.", True),
    "BOOK_ENTRY_EXCLUDED": Code("R1", _OK),
    # R2 income-tax portal and TRACES
    "TRACES_MATCHED": Code("R2", _OK),
    "CHL_TOO_RECENT": Code("R2", _INFO),
    "CHL_TRACES_READ_BEFORE": Code(
        "R2", _WARN, "Sync the unconsumed challans of TRACES, then compare again."
    ),
    "CHL_BEFORE_TRACES_SPAN": Code("R2", _INFO),
    "CHL_NOT_AT_TRACES": Code(
        "R2", _ERR, "Ask the bank to upload the challan, then check TRACES again.", True
    ),
    "TRACES_AMOUNT_DIFF": Code("R2", _ERR, "Compare with the receipt and have the wrong side corrected."),
    "CHL_NOT_AT_PORTAL": Code(
        "R2", _WARN, "Check the span and Act asked for; else it was paid at a counter.", True
    ),
    "TRACES_BOOK_ENTRY": Code("R2", _OK),
    # R3 conservation
    "CONSERVED": Code("R3", _OK),
    "CONSERVED_WITHIN_RUPEE": Code("R3", _INFO),
    "CHL_CONSERVATION": Code(
        "R3", _ERR, "Open the consumption of the challan on TRACES and find the claim.", True
    ),
    "CHL_OVERBOOKED": Code("R3", _ERR, "File a correction that claims less of this challan, or tag another."),
    "CHL_BALANCE_UNKNOWN": Code("R3", _WARN, "Fetch the challan's consumption from TRACES."),
    "CLAIM_WITHOUT_CHALLAN": Code(
        "R3", _ERR, "Fetch the challan from TRACES; its claim is known, it is not.", True
    ),
    # R4 unconsumed ageing
    "CHL_CONSUMED": Code("R4", _OK),
    "CHL_WAITING": Code("R4", _OK),
    "CHL_LEFT_UNKNOWN": Code("R4", _WARN, "Fetch the unconsumed challans of TRACES again."),
    "CHL_IDLE": Code("R4", _WARN, "Tag it by a correction, or consider one of the suggested demands."),
    "DEMAND_NOT_TAGGED": Code("R4", _ERR, "Tag the challan (minor head 400) to the demand it was paid for."),
    # R5 return and challan
    "CD_COVERED": Code("R5", _OK),
    "CD_NIL": Code("R5", _OK),
    "CD_BOOK_ENTRY": Code("R5", _OK),
    "CD_NOT_AT_PORTAL": Code(
        "R5", _ERR, "Correct BSR, serial or date of the challan in the statement.", True
    ),
    "OVERBOOKED_RISK": Code("R5", _ERR, "Claim less of this challan in the statement, or add another."),
    "DEDUCTEES_COVERED": Code("R5", _OK),
    "DEDUCTEES_EXCEED_CHALLAN": Code("R5", _ERR, "Move deductee rows to another challan record."),
    "DD_WITHOUT_CHALLAN": Code("R5", _ERR, "Import the whole statement file again.", True),
    "PAYMENT_COVERED": Code("R5", _OK),
    "SHORT_PAYMENT": Code("R5", _ERR, "Pay the difference with interest and add the challan.", True),
    # R6 books and return
    "MATCHED": Code("R6", _OK),
    "MISSING_IN_RETURN": Code("R6", _ERR, "Add the row by a correction statement.", True),
    "MISSING_IN_BOOKS": Code("R6", _ERR, "Book the deduction, or take the row out of the statement.", True),
    "PAN_DIFF": Code("R6", _ERR, "Check the PAN with the deductee and correct the wrong side."),
    "SECTION_DIFF": Code("R6", _ERR, "Correct the section or payment code of the wrong side."),
    "AMOUNT_DIFF": Code("R6", _ERR, "Correct the amount or the tax of the wrong side."),
    "RATE_DIFF": Code("R6", _ERR, "Check which rate holds and correct the wrong side."),
    # R7 interest
    "INTEREST_NONE_DUE": Code("R7", _OK),
    "INTEREST_COVERED": Code("R7", _OK),
    "INTEREST_SHORT": Code("R7", _ERR, "Pay the difference under the interest head and report it."),
    "INTEREST_EXCESS": Code("R7", _INFO),
    "INTEREST_UNPLACED": Code("R7", _WARN, "Import the whole statement file again.", True),
    "INTEREST_DEFAULT_AGREES": Code("R7", _OK),
    "INTEREST_DEFAULT_DIFF": Code(
        "R7", _WARN, "Read the justification report and compare the dates row by row.", True
    ),
    "INTEREST_NOT_RAISED": Code("R7", _INFO),
    # R8 late fee
    "FEE_NONE_DUE": Code("R8", _OK),
    "FEE_PAID": Code("R8", _OK),
    "FEE_EXCESS": Code("R8", _INFO),
    "FEE_UNKNOWN_PAYMENT": Code("R8", _WARN, "Import the statement file: it says which fee was paid.", True),
    "LATE_FEE_UNPAID": Code("R8", _ERR, "Pay the fee under its head and report it by a correction.", True),
    "LATE_FEE_ACCRUING": Code(
        "R8", _ERR, "File now: the fee grows each day and is paid before filing.", True
    ),
    "FEE_DEFAULT_AGREES": Code("R8", _OK),
    "FEE_DEFAULT_DIFF": Code(
        "R8", _WARN, "Compare filing date, due date and tax with the default summary.", True
    ),
    # R9 register
    "FILED_ON_TIME": Code("R9", _OK),
    "FILED_LATE": Code("R9", _INFO),
    "CURED": Code("R9", _OK),
    "DECLARED_NON_FILING": Code("R9", _OK),
    "NOT_FILED": Code("R9", _ERR, "File the statement, or a declaration of non-filing.", True),
    "REJECTED": Code("R9", _ERR, "Read the rejection reason, correct and file again."),
    "DEFAULTS": Code("R9", _ERR, "Read the default summary and file a correction."),
    "PROCESSING_STUCK": Code("R9", _WARN, "Ask CPC why the statement is not processed."),
    "REGULAR_NOT_LISTED": Code(
        "R9", _WARN, "Fetch the statement status of that quarter and form again.", True
    ),
    "NOT_IN_PROFILE": Code(
        "R9", _WARN, "Add the form to the client's profile, or find out who filed it.", True
    ),
    # R10 roll-forward
    "DEMAND_FIRST_SNAPSHOT": Code("R10", _INFO),
    "DEMAND_UNCHANGED": Code("R10", _WARN, "Pay, tag or correct: the demand is still open."),
    "DEMAND_NEW": Code("R10", _ERR, "Read the default summary and decide whether to pay or to correct."),
    "DEMAND_REDUCED": Code("R10", _WARN, "Deal with the rest of the demand.", True),
    "DEMAND_INCREASED": Code("R10", _ERR, "Read the default summary: the demand has grown."),
    "DEMAND_REOPENED": Code("R10", _ERR, "Find out which correction or order brought the demand back."),
    "DEMAND_CLOSED": Code("R10", _OK),
    "DEMAND_NIL": Code("R10", _OK),
    "DEMAND_CLOSED_UNEXPLAINED": Code("R10", _WARN, "Find the correction or payment that closed it.", True),
    "DEMAND_STATUS_AGREES": Code("R10", _OK),
    "DEMAND_STATUS_CONFLICT": Code("R10", _ERR, "Ask CPC: the status and the demand contradict each other."),
    "DEMAND_STATUS_UNKNOWN": Code("R10", _WARN, "Fetch the statement status of that quarter and form.", True),
    "DEMAND_PRIOR_AGREES": Code("R10", _OK),
    "DEMAND_PRIOR_MISMATCH": Code(
        "R10", _ERR, "Re-sync the outstanding demand: the fetch is wrong, not the client."
    ),
    # R11 demand and notices
    "DEMAND_NOTICE_FOUND": Code("R11", _OK),
    "DEMAND_NONE": Code("R11", _OK),
    "DEMAND_WITHOUT_NOTICE": Code("R11", _WARN, "Look for the intimation in the inbox or request it.", True),
    "NOTICE_INFORMATION": Code("R11", _OK),
    "NOTICE_NO_DEMAND": Code("R11", _OK),
    "NOTICE_IN_TIME": Code("R11", _INFO),
    "NOTICE_REPEATED": Code("R11", _INFO),
    "INTEREST_220_RUNNING": Code("R11", _ERR, "Pay or correct now: interest grows each month."),
    # R12 certificates
    "LDC_APPLIED": Code("R12", _OK),
    "LDC_NONE": Code("R12", _OK),
    "LDC_UNKNOWN": Code("R12", _ERR, "Verify the number on TRACES; correct it or take it out.", True),
    "LDC_MANUAL": Code("R12", _ERR, "Ask the officer for a system-generated certificate."),
    "LDC_PAN_MISMATCH": Code("R12", _ERR, "Check the PAN of the row against the certificate."),
    "LDC_SECTION_MISMATCH": Code("R12", _ERR, "Deduct at the normal rate, or correct the section."),
    "LDC_YEAR_MISMATCH": Code("R12", _ERR, "Deduct at the normal rate: the certificate is of another year."),
    "LDC_EXPIRED_USE": Code("R12", _ERR, "Deduct at the normal rate outside the validity."),
    "LDC_LIMIT_BREACH": Code(
        "R12", _ERR, "Split the row: what exceeds the limit is taxed at the normal rate."
    ),
    "LDC_RATE_MISMATCH": Code("R12", _ERR, "Deduct at the rate of the certificate."),
    "LDC_NOT_APPLIED": Code("R12", _WARN, "Apply the certificate to the next payments."),
    "LDC_CONSUMED_AGREES": Code("R12", _OK),
    "LDC_CONSUMED_UNFILED": Code("R12", _INFO),
    "LDC_CONSUMED_DIFF": Code("R12", _ERR, "Open the consumption per statement on TRACES and compare.", True),
    "LDC_IN_FORCE": Code("R12", _OK),
    "LDC_OVER": Code("R12", _OK),
    "LDC_EXPIRING": Code("R12", _WARN, "Ask the deductee for the next certificate."),
    "LDC_FRESH": Code("R12", _OK),
    "LDC_STALE": Code("R12", _WARN, "Verify the certificate again before it is used."),
    # R13 quality of PANs
    "PAN_COUNT_AGREES": Code("R13", _OK),
    "PAN_COUNT_DIFF": Code("R13", _WARN, "Verify the PANs of the statement and file a correction.", True),
    "PAN_COUNT_NOT_SHOWN": Code("R13", _INFO),
    "PAN_COUNT_NO_FILE": Code("R13", _WARN, "Import the statement file of that quarter and form.", True),
    # R14 coverage
    "COVERED": Code("R14", _OK),
    "COVERED_NO_DATA": Code("R14", _OK),
    "MODULE_NOT_ASKED": Code("R14", _INFO),
    "MODULE_NOT_ENTITLED": Code("R14", _WARN, "Register the TAN on that portal, or leave the module out."),
    "MODULE_PARTIAL": Code(
        "R14", _ERR, "Re-sync the module: fewer or more rows came than the source declares."
    ),
    "MODULE_NOT_ENDED": Code("R14", _ERR, "Clear what holds the module up, then re-sync the client."),
    "MODULE_NO_STATE": Code("R14", _ERR, "Sync the module: it was asked for and never ran."),
    "MODULE_TWICE": Code("R14", _ERR, "Report this with the run id: one module ended twice."),
}


def result_row(
    status: str,
    client_id: str,
    key: tuple[str, ...],
    left: Value,
    right: Value,
    why: str,
    *,
    difference: int | None = None,
    evidence: tuple[str, ...] = (),
    bucket: str = "",
    suggestions: tuple[str, ...] = (),
) -> ReconRow:
    """Build a result row of a listed status; the difference is right less left when both are amounts."""
    code = CODES[status]
    if difference is None and isinstance(left, int) and isinstance(right, int):
        difference = right - left
    return ReconRow(
        code.recon,
        status,
        code.severity,
        client_id,
        key,
        left,
        right,
        difference,
        why,
        code.action,
        evidence,
        bucket,
        suggestions,
        code.is_absence,
    )
