"""A sale that was changed at its source after it was booked.

``save.do`` with an id changes and adds lines but never removes one (reference, section 3.1). So:

1. Nothing was lost: the invoice is saved again with its id, each line with the id of the line that it replaces.
2. A line or an expense was lost: our receipts of the invoice are kept in the memory of the connection and deleted,
   the invoice is deleted, made anew, and the receipts are made anew.

Every step looks at what is there first. Killed in between, the next ``send`` goes on: receipts in the memory are
those that are still owed, an invoice that is gone is made, one that is right is left alone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from clientsync.commerce import reasons
from clientsync.commerce.documents import Booked
from clientsync.commerce.systems import Memory, refused
from connectors.accurate.answers import AccurateRefused, record_of, rows_of
from connectors.accurate.desk import Desk, only_row
from connectors.accurate.mapping import Draft
from connectors.accurate.numbers import RECEIPT, SALE
from connectors.accurate.values import amount, plain, wire

Json = dict[str, Any]
Line = tuple[str, Decimal, Decimal, Decimal]
_MEMORY = "accurate_receipts"
_DELETED = "accurate_deleted"
_REMEMBERED = 1_000
"""How many receipts that we deleted are remembered, the newest."""
_MARKS = tuple(f"charField{number}" for number in range(1, 11))


def replace(desk: Desk, draft: Draft, there: Json | None, memory: Memory) -> Booked:
    """Make the invoice what the draft says, whatever is there.

    Args:
        desk: for the calls.
        draft: the sale as it is now.
        there: row of the invoice that has the number now, None when there is none.
        memory: for the receipts that must be made anew.

    Raises:
        BookingRefused: Accurate refuses a step, or makes another total of the sale.
    """
    detail = detail_of(desk, str(there.get("id", ""))) if there is not None else None
    record: Json
    if detail is not None and is_same(draft, detail):
        record = detail
    elif detail is not None and (body := upserting(draft, detail)) is not None:
        record = record_of(desk.post(draft.module, draft.action, body))
    else:
        if detail is not None:
            _take_receipts(desk, draft.number, memory)
            desk.delete(draft.module, str(detail.get("id", "")))
        record = record_of(desk.post(draft.module, draft.action, draft.body))
    _give_receipts(desk, draft.number, memory)
    theirs = record.get(draft.total_field)
    if theirs is not None and amount(theirs) != amount(draft.total):
        raise refused(reasons.totals_differ(draft.total, plain(amount(theirs))))
    return Booked(str(record.get("id", "")), str(record.get("number") or draft.number), draft.total)


def is_same(draft: Draft, detail: Json) -> bool:
    """Whether an invoice has the total, the lines and the expenses of a draft."""
    if detail.get(draft.total_field) is not None and amount(detail[draft.total_field]) != amount(draft.total):
        return False
    return sorted(_line(row) for row in draft.body["detailItem"]) == sorted(
        _line(row) for row in detail.get("detailItem") or ()
    ) and sorted(_expense(row) for row in draft.body["detailExpense"]) == sorted(
        _expense(row) for row in detail.get("detailExpense") or ()
    )


def upserting(draft: Draft, detail: Json) -> Json | None:
    """Return the body that changes an invoice into the draft, None when a line or an expense would be left over."""
    lines = _with_ids(draft.body["detailItem"], detail.get("detailItem") or (), _item_no)
    expenses = _with_ids(draft.body["detailExpense"], detail.get("detailExpense") or (), _account_no)
    if lines is None or expenses is None:
        return None
    return {**draft.body, "id": detail["id"], "detailItem": lines, "detailExpense": expenses}


def detail_of(desk: Desk, target_id: str) -> Json | None:
    """Return an invoice with its lines, None when it is not there."""
    return _detail(desk, "sales-invoice", "id", target_id)


def customer_of(desk: Desk, invoice: str) -> str:
    """Return the customer number of a booked sale.

    Raises:
        BookingRefused: Accurate has no such sale, or does not tell.
    """
    detail = _detail(desk, "sales-invoice", "number", invoice)
    number = str(((detail or {}).get("customer") or {}).get("customerNo") or "")
    if not number:
        raise refused(reasons.target_rejected(f"sale {invoice} is not in Accurate"))
    return number


def owes_receipts(memory: Memory, number: str) -> bool:
    """Whether receipts of an invoice were deleted and not made anew."""
    return bool(memory.get(_MEMORY).get(number))


def was_ours_to_delete(memory: Memory, target_id: str) -> bool:
    """Whether we deleted a receipt ourselves, to make it anew."""
    return target_id in memory.get(_DELETED).get("ids", ())


def _take_receipts(desk: Desk, number: str, memory: Memory) -> None:
    """Keep our receipts of an invoice, then delete them."""
    found = _receipts(desk, number)
    if not found:
        return
    kept = memory.get(_MEMORY)
    owed = {str(body["number"]): body for body in kept.get(number) or ()}
    owed.update({str(row["number"]): _receipt_body(row, number) for row in found})
    memory.put(_MEMORY, {**kept, number: list(owed.values())})
    deleted = [*memory.get(_DELETED).get("ids", ()), *(str(row["id"]) for row in found)]
    memory.put(_DELETED, {"ids": deleted[-_REMEMBERED:]})
    for row in found:
        desk.delete("sales-receipt", str(row["id"]))


def _give_receipts(desk: Desk, number: str, memory: Memory) -> None:
    """Make the receipts anew that are owed, those left out that are there again."""
    kept = memory.get(_MEMORY)
    for body in kept.get(number) or ():
        if only_row(desk, "sales-receipt", ("id", "number"), "number", str(body["number"])) is None:
            desk.post("sales-receipt", "save", body)
    if number in kept:
        memory.put(_MEMORY, {name: owed for name, owed in kept.items() if name != number})


def _receipts(desk: Desk, number: str) -> list[Json]:
    """Return our receipts of an invoice, with their details."""
    prefix = f"{RECEIPT}{number.removeprefix(SALE)}-"
    query = [
        ("fields", "id,number"),
        ("filter.number.op", "CONTAIN"),
        ("filter.number.val", prefix),
        ("sp.page", "1"),
        ("sp.pageSize", "100"),
    ]
    found = []
    for row in rows_of(desk.get("sales-receipt", "list", query)):
        if not str(row.get("number", "")).startswith(prefix):
            continue
        detail = _detail(desk, "sales-receipt", "id", str(row.get("id", "")))
        # The number of another sale may begin alike, so the invoice decides.
        if detail is not None and number in {_invoice_no(paid) for paid in detail.get("detailInvoice") or ()}:
            found.append(detail)
    return found


def _receipt_body(detail: Json, number: str) -> Json:
    """Return what makes a receipt anew; numbers as JSON and the memory can hold them."""
    return {
        "number": str(detail["number"]),
        "transDate": detail.get("transDate"),
        "customerNo": str((detail.get("customer") or {}).get("customerNo") or ""),
        "bankNo": str((detail.get("bank") or {}).get("no") or ""),
        "chequeAmount": wire(amount(detail.get("chequeAmount"))),
        **{mark: str(detail[mark]) for mark in _MARKS if detail.get(mark)},
        "detailInvoice": [
            {"invoiceNo": number, "paymentAmount": wire(amount(paid.get("paymentAmount")))}
            for paid in detail.get("detailInvoice") or ()
            if _invoice_no(paid) == number
        ],
    }


def _detail(desk: Desk, module: str, name: str, value: str) -> Json | None:
    try:
        found = desk.get(module, "detail", [(name, value)]).get("d")
    except AccurateRefused as error:
        if error.is_not_found:
            return None
        raise
    return found if isinstance(found, dict) else None


def _with_ids(ours: list[Json], theirs: Any, key: Any) -> list[Json] | None:
    """Return our lines, each with the id of a line of theirs that it replaces; None when one of theirs is left."""
    left: dict[str, list[Any]] = {}
    for row in theirs:
        left.setdefault(key(row), []).append(row.get("id"))
    made = []
    for row in ours:
        ids = left.get(key(row))
        made.append({**row, "id": ids.pop(0)} if ids else row)
    return None if any(left.values()) else made


def _line(row: Json) -> Line:
    return (
        _item_no(row),
        amount(row.get("quantity")),
        amount(row.get("unitPrice")),
        amount(row.get("itemCashDiscount")),
    )


def _expense(row: Json) -> tuple[str, Decimal]:
    return _account_no(row), amount(row.get("expenseAmount"))


def _item_no(row: Json) -> str:
    item = row.get("item")
    return str(row.get("itemNo") or (item.get("no") if isinstance(item, dict) else "") or "")


def _account_no(row: Json) -> str:
    account = row.get("account")
    return str(row.get("accountNo") or (account.get("no") if isinstance(account, dict) else "") or "")


def _invoice_no(row: Json) -> str:
    invoice = row.get("invoice")
    return str(row.get("invoiceNo") or (invoice.get("number") if isinstance(invoice, dict) else "") or "")
