"""The numbers that our documents have in Accurate: chosen by us, one per document of the shop, the same for ever.

They are what a document is looked up by when an answer was lost (reference, section 4.4), so nothing of them may
depend on a mapping or an option, and what was booked keeps its number. The outlet in it is the first that the shop
gave; it stays when the outlet gets another code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clientsync.commerce.documents import Document

SALE, RECEIPT, RETURN = "IS-", "IR-", "IRT-"
OUT, IN, COUNT = "TO-", "TI-", "SC-"
_PREFIXES = {"transfer_out": OUT, "transfer_in": IN, "stock_count": COUNT}
_NUMBERED = frozenset({"sale", "payment", "sale_return", *_PREFIXES})
TAIL = 8
"""Characters of a source id that tell documents of one sale, or of one number, apart."""


def number_of(document: Document) -> str:
    """Return the number of a document that has one of our choice; "" for an item or a customer."""
    payload = document.payload
    if document.type not in _NUMBERED:
        return ""
    if document.booked is not None and document.booked.number:
        return document.booked.number
    if document.type == "sale":
        return sale_number(payload)
    if document.type == "payment":
        return f"{receipts_of(payload)}{document.source_id[-TAIL:]}"
    if document.type == "sale_return":
        return f"{RETURN}{_of_sale(payload)}-{document.source_id[-TAIL:]}"
    return _numbered(_PREFIXES[document.type], document)


def sale_number(payload: Mapping[str, Any]) -> str:
    """Return the number of a sale, from its own payload or from that of a payment or return of it."""
    return f"{SALE}{_of_sale(payload)}"


def receipts_of(payload: Mapping[str, Any]) -> str:
    """Return how the numbers of all payments of a sale begin."""
    return f"{RECEIPT}{_of_sale(payload)}-"


def outlet_in(number: str) -> str:
    """Return the outlet in the number of a sale or return, when it has no hyphen; "" for other numbers."""
    for prefix in (SALE, RETURN):
        if number.startswith(prefix):
            return number.removeprefix(prefix).partition("-")[0]
    return ""


def _of_sale(payload: Mapping[str, Any]) -> str:
    outlet = payload.get("number_outlet") or payload.get("outlet", "")
    return f"{outlet}-{str(payload.get('reference', '')).replace('#', '')}"


def _numbered(prefix: str, document: Document) -> str:
    number = document.number.replace("#", "").removeprefix(prefix)
    return f"{prefix}{number}-{document.source_id[-TAIL:]}"
