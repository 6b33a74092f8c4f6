"""Looking up and booking documents whose number we choose."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from clientsync.commerce import reasons
from clientsync.commerce.documents import Booked
from clientsync.commerce.systems import BookedOtherwise, Job, Memory, refused
from clientsync.errors import ContractChanged
from connectors.accurate import replacing
from connectors.accurate.answers import AccurateRefused, record_of
from connectors.accurate.desk import Desk, only_row
from connectors.accurate.mapping import Draft, compose
from connectors.accurate.numbers import number_of
from connectors.accurate.options import Options
from connectors.accurate.values import amount, plain

_TOTALS = {
    "sale": ("sales-invoice", "totalAmount", "total"),
    "payment": ("sales-receipt", "chequeAmount", "amount"),
    "sale_return": ("sales-return", "totalAmount", "total"),
    "transfer_out": ("item-transfer", "", ""),
    "transfer_in": ("item-transfer", "", ""),
    "stock_count": ("item-adjustment", "", ""),
}
"""Type of document to module of Accurate, and the names of the total there and in the payload."""


class Booking:
    """Books documents of one connection."""

    def __init__(self, options: Options, zone: ZoneInfo, memory: Memory) -> None:
        """Prepare; nothing is sent."""
        self._options = options
        self._zone = zone
        self._memory = memory

    def find(self, desk: Desk, job: Job) -> Booked | None:
        """Return what has the number of the document.

        A sale or payment that was changed at its source and is booked otherwise counts as not found: ``send``
        replaces it.

        Raises:
            BookingRefused: it has another total, it belongs to another document, or it was booked in an earlier form
                and its type is not one that is replaced.
        """
        if job.document.type not in _TOTALS:
            return None
        row = self._there(desk, job)
        if row is None or job.document.revision == 1:
            return None if row is None else self._adopted(job, row)
        if _is_changed_sale(job) and replacing.owes_receipts(self._memory, number_of(job.document)):
            return None
        draft = compose(job, self._options, self._zone)
        detail = replacing.detail_of(desk, draft.module, str(row.get("id", "")))
        is_same = replacing.is_same_receipt if _is_changed_payment(job) else replacing.is_same
        if detail is not None and is_same(draft, detail):
            return Booked(str(row.get("id", "")), draft.number, draft.total)
        if detail is None or _is_changed_sale(job) or _is_changed_payment(job):
            return None
        theirs = plain(amount(detail.get(draft.total_field))) if draft.total_field else ""
        booked = Booked(str(row.get("id", "")), str(row.get("number", "")), theirs)
        raise BookedOtherwise(reasons.changed_after_booking(), booked)

    def send(self, desk: Desk, job: Job) -> Booked:
        """Book a document.

        Raises:
            BookingRefused: it cannot be booked as it is, Accurate refuses it, or Accurate booked another total.
        """
        draft = compose(job, self._options, self._zone)
        body = draft.body
        if body.get("customerNo", "") is None:
            body["customerNo"] = replacing.customer_of(desk, _invoice_in(body))
        if _is_changed_sale(job):
            return replacing.replace(desk, draft, self._there(desk, job), self._memory)
        if _is_changed_payment(job):
            return replacing.replace_receipt(desk, draft, self._there(desk, job), self._memory)
        try:
            record = record_of(desk.post(draft.module, draft.action, body))
        except AccurateRefused as error:
            # The number is taken: an earlier try of ours may have come through.
            row = self._there(desk, job) if error.is_duplicate else None
            if row is None:
                raise
            return self._adopted(job, row)
        return booked_as(draft, record)

    def _there(self, desk: Desk, job: Job) -> dict[str, Any] | None:
        """Return the row that has the number of the document.

        Raises:
            BookingRefused: it carries the mark of another document.
        """
        module, total, _ = _TOTALS[job.document.type]
        mark = self._options.field_for_source
        fields = ("id", "number", mark, *((total,) if total else ()))
        row = only_row(desk, module, fields, "number", number_of(job.document))
        if row is not None and str(row.get(mark) or job.document.source_id) != job.document.source_id:
            raise refused(
                reasons.target_rejected(f"number {number_of(job.document)} belongs to another document")
            )
        return row

    @staticmethod
    def _adopted(job: Job, row: dict[str, Any]) -> Booked:
        _, name, key = _TOTALS[job.document.type]
        ours = plain(amount(job.document.payload.get(key))) if key else ""
        booked = Booked(str(row.get("id", "")), str(row.get("number", "")), ours)
        replacing.check_total(booked, row.get(name) if name else None)
        return booked


def booked_as(draft: Draft, record: dict[str, Any]) -> Booked:
    """Return what a saved document is booked as.

    Raises:
        BookingRefused: Accurate made another total of it; it is booked all the same, for a person to look at.
        ContractChanged: the record has no id.
    """
    if record.get("id") is None:
        raise ContractChanged("A record that Accurate saved has no id.")
    booked = Booked(str(record["id"]), str(record.get("number") or draft.number), draft.total)
    replacing.check_total(booked, record.get(draft.total_field) if draft.total_field else None)
    return booked


def _is_changed_sale(job: Job) -> bool:
    """Whether an earlier form of the sale may be booked, known to the ledger or by an answer that was lost."""
    return job.document.type == "sale" and job.document.revision > 1


def _is_changed_payment(job: Job) -> bool:
    """The same of a payment."""
    return job.document.type == "payment" and job.document.revision > 1


def _invoice_in(body: dict[str, Any]) -> str:
    if "invoiceNumber" in body:
        return str(body["invoiceNumber"])
    return str(body["detailInvoice"][0]["invoiceNo"])
