"""Rows of the e-filing portal as it writes them, with its lost zeros, misspellings and holes.

Which oddity a row has depends on its CIN alone, so the same question gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from simulators.tds import identifiers, sections
from simulators.tds.records import Challan, Deductor, Notice, Statement

Json = dict[str, Any]
ACTS = {"O": "1961", "N": "2025"}
NO_CSI = "No Data found"
_SECTIONS = {
    payment.code_under(act): (payment.section_under(act), payment.nature)
    for found in sections.PAYMENTS.values()
    for payment in found
    for act in ACTS.values()
}
_MINOR = {"200": "TDS/TCS Payable by Taxpayer(200)", "400": "TDS/TCS Regular Assessment(400)"}


def show_date(day: date) -> str:
    """Write a date as the portal does, for example ``07-May-2025``."""
    return f"{day:%d-%b-%Y}"


def rupees(paise: int) -> int | float:
    """Write an amount as a JSON number: whole rupees as an integer, others with two decimals."""
    return paise // 100 if paise % 100 == 0 else round(paise / 100, 2)


def payments(one: Deductor, act: str, today: date) -> list[Challan]:
    """List what the portal knows of payments under an Act, the newest first; book entries do not pass through it."""
    found = [each for each in one.challans if each.act == act and each.mode == "C" and each.paid_on <= today]
    return sorted(found, key=lambda each: (each.paid_on, each.crn), reverse=True)


def _full(one: Challan) -> Json:
    """Give the record of a payment without any oddity."""
    tax, surcharge, cess, interest, penalty, fee = one.heads
    section, nature = _SECTIONS[one.section]
    second = identifiers.number_of("time", one.cin) % 86_400
    return {
        "crn": one.crn, "cin": one.cin, "alternateCin": f"{one.bsr}{one.paid_on:%d%m%Y}{one.serial}",
        "bsrCode": one.bsr, "challanNum": one.serial, "tenderDt": show_date(one.paid_on),
        "paymentDt": show_date(one.paid_on),
        "paymentTime": f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}",
        "totalAmt": rupees(one.amount), "basicTax": rupees(tax), "surCharge": rupees(surcharge),
        "eduCess": rupees(cess), "interest": rupees(interest), "penalty": rupees(penalty), "others": rupees(fee),
        "majorHead": one.major_head, "minorHead": one.minor_head, "secCd": one.section, "secDesc": section,
        "natureOfPayment": nature, "paymentType": _MINOR[one.minor_head], "assessmentYear": one.assessment_year,
        "taxYear": one.year if one.act == "2025" else "", "bankCode": one.cin[14:],
    }  # fmt: skip


def payment_row(one: Challan) -> Json:
    """Write a row of the payment history."""
    row = _full(one)
    row["jsonData"] = json.dumps(row, separators=(",", ":"))
    drawn = identifiers.number_of("oddity", one.cin)
    if drawn % 8:
        row["bsrCode"] = int(one.bsr)
    if drawn // 8 % 3 == 0:
        row["challanNum"] = one.crn
    if drawn // 24 % 4 == 0:
        row["assmentYear"] = row.pop("assessmentYear")
    if drawn // 96 % 5 == 0:
        heads = ("basicTax", "surCharge", "eduCess", "interest", "penalty", "others", "jsonData")
        row.update(dict.fromkeys(heads))
    return row


def payment_details(one: Challan) -> Json:
    """Write the details of a payment, which use other spellings of the same names."""
    row = _full(one)
    row["jsonData"] = json.dumps(row, separators=(",", ":"))
    for old, new in (("bsrCode", "bsrCd"), ("tenderDt", "tenderDate"), ("totalAmt", "totalAmount")):
        row[new] = row.pop(old)
    return row


def csi(one: Deductor, found: Sequence[Challan]) -> str:
    """Write the text of a challan status file; its layout is not public, so nobody may read more into it."""
    lines = [
        f"{each.bsr}^{each.paid_on:%d%m%Y}^{each.serial}^{each.section}^{each.amount // 100}.{each.amount % 100:02d}"
        for each in found
    ]
    return "\r\n".join([f"{one.tan}^{one.name}^{len(lines)}", *lines]) + "\r\n" if lines else NO_CSI


def form_row(one: Statement, today: date) -> Json:
    """Write a row of the filed forms."""
    done = one.processed_on is not None and one.processed_on <= today
    return {
        "formTypeCd": one.form, "ackNum": one.token, "financialYr": one.quarter.year,
        "quarter": f"Q{one.quarter.number}", "filingTypeCd": "Original" if one.kind == "Regular" else "Revised",
        "ackDt": show_date(one.filed_on), "statusDesc": "Accepted" if done else "Filed",
        "statusDt": show_date(one.processed_on if done and one.processed_on else one.filed_on),
    }  # fmt: skip


def proceeding_row(one: Notice) -> Json:
    """Write a row of the e-Proceedings."""
    number = str(identifiers.number_of("proceeding", one.reference) % 10**10)
    return {
        "proceedingReqId": number, "proceedingName": one.category, "noticeSection": one.section,
        "documentIdNo": one.reference, "noticeDate": show_date(one.issued_on),
        "responseDueDate": show_date(one.due_on) if one.due_on else None,
        "financialYr": one.quarter.year if one.quarter else "", "description": one.description,
        "status": "Open" if one.needs_action else "Closed", "viewed": "Y" if one.is_read else "N",
        "attachments": [{"docId": f"DOC{number}", "docName": f"Notice_{one.section.replace('/', '_')}.pdf"}],
    }  # fmt: skip
