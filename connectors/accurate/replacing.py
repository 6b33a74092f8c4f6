"""A sale that was changed at its source after it was booked.

``save.do`` with an id changes and adds lines but never removes one (reference, section 3.1). So:

1. Nothing was lost: the invoice is saved again with its id, each line with the id of the line that it replaces.
2. A line or an expense was lost, the customer is another one, or more is paid than is charged now: our receipts of
   the invoice are kept in the memory of the connection and deleted, the invoice is deleted, made anew, and the
   receipts are made anew. Those that do not fit into what is charged now are still owed: a payment was changed as
   well, and when it is booked they are given.

Every step looks at what is there first. Killed in between, the next ``send`` goes on: receipts in the memory are
those that are still owed, an invoice that is gone is made, one that is right is left alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from clientsync.commerce import reasons
from clientsync.commerce.documents import Booked
from clientsync.commerce.systems import BookedOtherwise, Memory, refused
from connectors.accurate.answers import AccurateRefused, record_of, rows_of
from connectors.accurate.desk import Desk, only_row
from connectors.accurate.mapping import Draft
from connectors.accurate.numbers import RECEIPT, SALE
from connectors.accurate.values import amount, day_of, plain, wire

Json = dict[str, Any]
_MEMORY = "accurate_receipts"
_DELETED = "accurate_deleted"
_REMEMBERED = 1_000
"""How many receipts that we deleted are remembered, the newest."""
_remembering = threading.Lock()
_MARKS = tuple(f"charField{number}" for number in range(1, 11))
_SWITCHES = ("taxable", "inclusiveTax")
_PLACES = ("branch", "warehouse", "referenceWarehouse")
"""Masters in the head of a document that are sent by name and told as objects."""


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
    detail = detail_of(desk, draft.module, str(there.get("id", ""))) if there is not None else None
    record: Json
    if detail is not None and is_same(draft, detail):
        record = detail
    elif (
        detail is not None
        and not _is_overpaid(desk, draft, detail)
        and (body := upserting(draft, detail)) is not None
    ):
        record = record_of(desk.post(draft.module, draft.action, body))
    else:
        if detail is not None:
            _take_receipts(desk, draft.number, memory)
            desk.delete(draft.module, str(detail.get("id", "")))
        record = record_of(desk.post(draft.module, draft.action, draft.body))
    _give_receipts(desk, draft, memory)
    booked = Booked(str(record.get("id", "")), str(record.get("number") or draft.number), draft.total)
    check_total(booked, record.get(draft.total_field))
    return booked


def check_total(booked: Booked, theirs: Any) -> None:
    """Compare the total of a booked document with what Accurate made of it, if it says so.

    Raises:
        BookedOtherwise: they differ.
    """
    if theirs is not None and amount(theirs) != amount(booked.total):
        total = plain(amount(theirs))
        why = reasons.totals_differ(booked.total, total)
        raise BookedOtherwise(why, Booked(booked.target_id, booked.number, total))


def is_same(draft: Draft, detail: Json) -> bool:
    """Whether a booked document is what a draft says, in everything that is worth money, stock or another day.

    Marks, customer, total, branch, and name and amount of a tax count where Accurate tells them: what it does not
    keep, another save would not change. The rest must be told alike.
    """
    body = draft.body
    ours = {mark: str(body[mark]) for mark in _MARKS if body.get(mark)}
    total = detail.get(draft.total_field)
    is_other = (
        any(str(detail[mark]) != value for mark, value in ours.items() if detail.get(mark))
        or (total is not None and amount(total) != amount(draft.total))
        or _has_another_customer(draft, detail)
        or day_of(detail.get("transDate")) != day_of(body["transDate"])
        or any(bool(body[name]) != bool(detail.get(name)) for name in _SWITCHES if name in body)
        or amount(body.get("cashDiscount")) != amount(detail.get("cashDiscount"))
        or any(_named(detail, one) not in {"", _named(body, one)} for one in _PLACES if f"{one}Name" in body)
    )
    return not is_other and _has_lines(body, detail) and _expenses(body) == _expenses(detail)


def is_same_receipt(draft: Draft, detail: Json) -> bool:
    """Whether a receipt has the amount, the day and the account of a draft, as far as Accurate tells them."""
    body = draft.body
    day, bank = day_of(detail.get("transDate")), str((detail.get("bank") or {}).get("no") or "")
    return (
        amount(detail.get(draft.total_field)) == amount(draft.total)
        and day in {None, day_of(body["transDate"])}
        and bank.casefold() in {"", str(body["bankNo"]).casefold()}
    )


def upserting(draft: Draft, detail: Json) -> Json | None:
    """Return the body that changes an invoice into the draft.

    None when a line or an expense would be left over, or receipts of another customer.
    """
    if _has_another_customer(draft, detail):
        return None
    lines = _with_ids(draft.body["detailItem"], detail.get("detailItem") or (), _item_no)
    expenses = _with_ids(draft.body["detailExpense"], detail.get("detailExpense") or (), _account_no)
    if lines is None or expenses is None:
        return None
    return {**draft.body, "id": detail["id"], "detailItem": lines, "detailExpense": expenses}


def detail_of(desk: Desk, module: str, target_id: str) -> Json | None:
    """Return a booked document with its lines, None when it is not there."""
    return _detail(desk, module, "id", target_id)


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
    owed = {str(body["number"]): body for body in memory.get(_MEMORY).get(number) or ()}
    owed.update({str(row["number"]): _receipt_body(row, number) for row in found})
    _owe(memory, number, list(owed.values()))
    _remember_deleted(memory, [str(row["id"]) for row in found])
    for row in found:
        desk.delete("sales-receipt", str(row["id"]))


def replace_receipt(desk: Desk, draft: Draft, there: Json | None, memory: Memory) -> Booked:
    """Make a receipt what a changed payment says: one of another amount, day or account is deleted and made anew.

    Raises:
        BookingRefused: Accurate refuses it.
    """
    if there is not None:
        detail = detail_of(desk, draft.module, str(there["id"]))
        if detail is not None and not is_same_receipt(draft, detail):
            _remember_deleted(memory, [str(there["id"])])
            desk.delete(draft.module, str(there["id"]))
            detail = None
        there = detail
    record = record_of(desk.post(draft.module, draft.action, draft.body)) if there is None else there
    invoice = _invoice_no(draft.body["detailInvoice"][0])
    if owes_receipts(memory, invoice):
        owed = memory.get(_MEMORY).get(invoice) or ()
        _owe(memory, invoice, [body for body in owed if body["number"] != draft.number])
        left = _left(desk, invoice)
        for body in memory.get(_MEMORY).get(invoice) or ():
            if amount(body["chequeAmount"]) <= left:
                left -= amount(body["chequeAmount"])
                _give(desk, {**body, "customerNo": draft.body["customerNo"]}, invoice, memory)
    return Booked(str(record.get("id", "")), str(record.get("number") or draft.number), draft.total)


def _give_receipts(desk: Desk, draft: Draft, memory: Memory) -> None:
    """Make the receipts anew that are owed, if all of them fit, those left out that are there again."""
    owed = memory.get(_MEMORY).get(draft.number) or ()
    if not owed or sum((amount(body["chequeAmount"]) for body in owed), Decimal(0)) > amount(draft.total):
        return
    for body in owed:
        _give(desk, {**body, "customerNo": draft.body["customerNo"]}, draft.number, memory)


def _give(desk: Desk, body: Json, invoice: str, memory: Memory) -> None:
    if only_row(desk, "sales-receipt", ("id", "number"), "number", str(body["number"])) is None:
        try:
            desk.post("sales-receipt", "save", body)
        except AccurateRefused as error:
            if not error.is_duplicate:  # it is there: its own payment was first
                raise
    owed = memory.get(_MEMORY).get(invoice) or ()
    _owe(memory, invoice, [one for one in owed if one["number"] != body["number"]])


def _left(desk: Desk, invoice: str) -> Decimal:
    """Return what of an invoice our receipts do not pay."""
    detail = _detail(desk, "sales-invoice", "number", invoice) or {}
    paid = (amount(row.get("chequeAmount")) for row in _receipts(desk, invoice))
    return amount(detail.get("totalAmount")) - sum(paid, Decimal(0))


def _owe(memory: Memory, number: str, bodies: list[Json]) -> None:
    """Remember which receipts of an invoice are owed; several sales may be replaced at once."""
    with _remembering:
        kept = {name: owed for name, owed in memory.get(_MEMORY).items() if name != number}
        memory.put(_MEMORY, {**kept, number: bodies} if bodies else kept)


def _remember_deleted(memory: Memory, ids: list[str]) -> None:
    with _remembering:
        deleted = [*memory.get(_DELETED).get("ids", ()), *ids]
        memory.put(_DELETED, {"ids": deleted[-_REMEMBERED:]})


def _is_overpaid(desk: Desk, draft: Draft, detail: Json) -> bool:
    """Whether our receipts of an invoice whose total falls are more than the draft charges.

    Raises:
        BookingRefused: they are, and the shop does not say that its payments are less now; nothing was touched.
    """
    if amount(detail.get(draft.total_field)) <= amount(draft.total):
        return False
    paid = sum((amount(row.get("chequeAmount")) for row in _receipts(desk, draft.number)), Decimal(0))
    if paid <= amount(draft.total):
        return False
    if not draft.paid or amount(draft.paid) > amount(draft.total):
        text = f"receipts of {plain(paid)} are more than the sale charges now, {draft.total}; correct them by hand"
        raise refused(reasons.target_rejected(text))
    return True


def _has_another_customer(draft: Draft, detail: Json) -> bool:
    ours = str(draft.body.get("customerNo") or "")
    theirs = str((detail.get("customer") or {}).get("customerNo") or "")
    return bool(ours and theirs) and ours.casefold() != theirs.casefold()


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


def _has_lines(body: Json, detail: Json) -> bool:
    """Whether a document has the lines of a body; a count sends ``detail`` and is told as ``detailItem``."""
    ours, theirs = body.get("detailItem") or body.get("detail") or [], detail.get("detailItem") or []
    sent = {name for row in ours for name in row}
    taxed = [row for row in theirs if row.get("useTax1")]
    told = {name for name, read in _TOLD.items() if all(read(row) for row in taxed)}

    def lines(rows: list[Json]) -> list[tuple[Any, ...]]:
        return sorted(
            (
                _item_no(row),
                *(read(row) for name, read in _LINE.items() if name in sent),
                *(read(row) if row.get("useTax1") else "" for name, read in _TOLD.items() if name in told),
            )
            for row in rows
        )

    return lines(ours) == lines(theirs)


def _named(row: Json, name: str) -> str:
    """Return the name of a master as it is sent, flat, or as it is told, as an object."""
    told = row.get(name)
    found = row.get(f"{name}Name") or (told.get("name") if isinstance(told, dict) else "")
    return str(found or "").casefold()


def _expenses(document: Json) -> list[tuple[str, Decimal]]:
    rows = document.get("detailExpense") or ()
    return sorted((_account_no(row), amount(row.get("expenseAmount"))) for row in rows)


def _item_no(row: Json) -> str:
    item = row.get("item")
    return str(row.get("itemNo") or (item.get("no") if isinstance(item, dict) else "") or "")


def _account_no(row: Json) -> str:
    account = row.get("account")
    return str(row.get("accountNo") or (account.get("no") if isinstance(account, dict) else "") or "")


def _invoice_no(row: Json) -> str:
    invoice = row.get("invoice")
    return str(row.get("invoiceNo") or (invoice.get("number") if isinstance(invoice, dict) else "") or "")


_LINE: dict[str, Callable[[Json], Any]] = {
    "quantity": lambda row: amount(row.get("quantity")),
    "targetQuantity": lambda row: amount(row.get("targetQuantity")),
    "unitPrice": lambda row: amount(row.get("unitPrice")),
    "itemCashDiscount": lambda row: amount(row.get("itemCashDiscount")),
    "useTax1": lambda row: bool(row.get("useTax1")),
    "warehouseName": lambda row: _named(row, "warehouse"),
    "itemUnitName": lambda row: _named(row, "itemUnit"),
}
"""Field of a line that is sent to what is compared of it."""
_TOLD: dict[str, Callable[[Json], Any]] = {
    "tax1Name": lambda row: _named(row, "tax1"),
    "taxAmount": lambda row: "" if row.get("taxAmount") is None else plain(amount(row["taxAmount"])),
}
"""The same of a line with a tax, where Accurate tells it of every such line."""
