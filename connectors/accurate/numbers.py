"""The numbers that our documents have in Accurate: chosen by us, one per document of the shop, the same for ever.

They are what a document is looked up by when an answer was lost (reference, section 4.4), so nothing of them may
depend on a mapping or an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clientsync.commerce.documents import Document

SALE, RECEIPT, RETURN = "IS-", "IR-", "IRT-"
OUT, IN, COUNT = "TO-", "TI-", "SC-"
TAIL = 8
"""Characters of a source id that tell documents of one sale, or of one number, apart."""


def number_of(document: Document) -> str:
    """Return the number of a document that has one of our choice; "" for an item or a customer."""
    payload = document.payload
    if document.type == "sale":
        return sale_number(payload)
    if document.type == "payment":
        return f"{receipts_of(payload)}{document.source_id[-TAIL:]}"
    if document.type == "sale_return":
        return f"{RETURN}{_of_sale(payload)}-{document.source_id[-TAIL:]}"
    prefix = {"transfer_out": OUT, "transfer_in": IN, "stock_count": COUNT}.get(document.type)
    return "" if prefix is None else _numbered(prefix, document)


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
    return f"{payload.get('outlet', '')}-{str(payload.get('reference', '')).replace('#', '')}"


def _numbered(prefix: str, document: Document) -> str:
    number = document.number.replace("#", "").removeprefix(prefix)
    return f"{prefix}{number}-{document.source_id[-TAIL:]}"
