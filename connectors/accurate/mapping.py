"""Documents of the shop as bodies of Accurate; pure, nothing is called.

Every mapping that a document needs is asked for before one that is missing refuses it, so that what was asked is
complete. Field names are those of the vendor's API (reference, section 3.1). Accurate computes taxes itself from
``useTax1``; ``tax1Name`` and ``taxAmount`` of a line say what the shop meant. They are ignored where they are not
known, and then a booked total that differs is found when the answer is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from clientsync.commerce import reasons
from clientsync.commerce.documents import Booked, Document, Key
from clientsync.commerce.reasons import NONE, Reason
from clientsync.commerce.systems import Job, Mappings, refused
from clientsync.errors import ContractChanged, InvalidInput
from connectors.accurate.numbers import number_of, sale_number
from connectors.accurate.options import Options
from connectors.accurate.values import amount, day_text, plain, wire

Json = dict[str, Any]
ROUNDING = "rounding"
"""Key of the account of roundings, among the charges."""
RETURNED = "return"
"""Key of the account of what a return pays back beyond its lines: taxes, charges, roundings."""


@dataclass(frozen=True)
class Draft:
    """A document as it would be booked.

    Attributes:
        module: of Accurate, for example ``sales-invoice``.
        body: for saving; ``customerNo`` is None when the invoice must be asked for it.
        number: chosen by us.
        total: decimal text, "" when there is none.
        total_field: name of the total in Accurate's lists.
        action: of the module.
        paid: of a sale, what was paid of it by the shop's account; "" when the shop does not say.
    """

    module: str
    body: Json
    number: str
    total: str = ""
    total_field: str = ""
    action: str = "save"
    paid: str = ""


@dataclass
class _Asked:
    """Asks for mappings and remembers the first reason against booking."""

    mappings: Mappings
    reason: Reason = NONE

    def need(self, kind: str, key: str) -> str:
        found = self.mappings.find_needed(kind, key)
        if not found:
            self.against(reasons.no_mapping(kind, key))
        return found

    def against(self, reason: Reason) -> None:
        if not self.reason.code:
            self.reason = reason

    def settle(self) -> None:
        if self.reason.code:
            raise refused(self.reason)


@dataclass
class _Writer:
    """What bodies of one document have in common."""

    job: Job
    options: Options
    zone: ZoneInfo
    asked: _Asked = field(init=False)

    def __post_init__(self) -> None:
        self.asked = _Asked(self.job.mappings)

    @property
    def document(self) -> Document:
        return self.job.document

    @property
    def payload(self) -> Mapping[str, Any]:
        return self.job.document.payload

    def head(self) -> Json:
        return {
            "number": number_of(self.document),
            "transDate": day_text(self.document.occurred_at, self.zone),
            self.options.field_for_source: self.document.source_id,
        }

    def place(self, outlet: str) -> tuple[str, str]:
        """Return warehouse and branch of an outlet; the branch may be ""."""
        warehouse, _, branch = self.asked.need("outlet", outlet).partition("|")
        return warehouse.strip(), branch.strip()

    def item_no(self, line: Mapping[str, Any]) -> str:
        return item_number(line, self.asked)

    def unit(self, line: Mapping[str, Any]) -> Json:
        unit = str(line.get("unit") or "")
        found = self.job.mappings.find("unit", unit) if unit else ""
        return {"itemUnitName": found} if found else {}

    def tax(self, line: Mapping[str, Any]) -> Json:
        tax = amount(line.get("tax"))
        if not tax:
            return {"useTax1": False}
        name = self.asked.need("tax", str(line.get("tax_code") or ""))
        return {"useTax1": True, "tax1Name": name, "taxAmount": wire(tax)}

    def sold(self, warehouse: str) -> list[Json]:
        return [
            {
                "itemNo": self.item_no(line),
                "detailName": str(line.get("name") or ""),
                "quantity": wire(amount(line.get("quantity"))),
                "unitPrice": wire(amount(line.get("unit_price"))),
                "itemCashDiscount": wire(amount(line.get("discount"))),
                "warehouseName": warehouse,
                **self.unit(line),
                **self.tax(line),
            }
            for line in self.payload.get("lines", ())
        ]

    def moved(self) -> list[Json]:
        return [
            {
                "itemNo": self.item_no(line),
                "quantity": wire(amount(line.get("quantity"))),
                **self.unit(line),
            }
            for line in self.payload.get("lines", ())
        ]

    def customer(self) -> str | None:
        """Return the customer number, None when only the booked sale can tell it."""
        source_id = str(self.payload.get("customer") or "")
        if not source_id:
            return self.options.walk_in_customer
        booked = self.document.needs.get(Key("customer", source_id))
        mapped = self.job.mappings.find("customer", source_id)
        if booked is not None and booked.number:
            return booked.number
        return mapped or None


def compose(job: Job, options: Options, zone: ZoneInfo) -> Draft:
    """Return the draft of a sale, payment, return, transfer or stock count.

    Raises:
        BookingRefused: a mapping is missing, a line has no SKU, totals do not add up, what it needs has no number,
            an amount is no number, or it is money that was paid back.
        InvalidInput: the type is not one of these.
    """
    composers = {
        "sale": _sale,
        "payment": _payment,
        "sale_return": _sale_return,
        "money_back": _money_back,
        "transfer_out": _transfer,
        "transfer_in": _transfer,
        "stock_count": _stock_count,
    }
    composer = composers.get(job.document.type)
    if composer is None:
        raise InvalidInput(f"Accurate books no document of type {job.document.type}.")
    writer = _Writer(job, options, zone)
    try:
        draft = composer(writer)
    except ContractChanged as error:
        raise refused(reasons.target_rejected(error.message)) from error
    writer.asked.settle()
    return draft


def item_number(line: Mapping[str, Any], asked: _Asked) -> str:
    """Return the item number of a line, "" with a reason noted when its product has no SKU."""
    sku = str(line.get("sku") or "") or asked.mappings.find("sku", str(line.get("product_id") or ""))
    if not sku:
        asked.against(reasons.no_sku(str(line.get("name") or line.get("product_id") or "")))
        return ""
    return asked.mappings.find("item", sku) or sku


def warehouses_of(kind: str, source: str, destination: str) -> tuple[str, str]:
    """Return ``warehouseName`` and ``referenceWarehouseName`` of a transfer.

    The first is where the goods are now: the source when they leave, the destination when they arrive. The second is
    the other one. This flips by type (reference, section 3.1), and only here.

    Args:
        kind: ``TRANSFER_OUT`` or ``TRANSFER_IN``.
        source: warehouse that the goods leave.
        destination: warehouse that they go to.
    """
    return (source, destination) if kind == "TRANSFER_OUT" else (destination, source)


def summed(payload: Mapping[str, Any]) -> Decimal:
    """Return what lines, discounts, taxes, charges and rounding of a sale make (rule B9 of the reference)."""
    lines = sum(
        (
            amount(line.get("quantity")) * amount(line.get("unit_price")) - amount(line.get("discount"))
            for line in payload.get("lines", ())
        ),
        Decimal(0),
    )
    tax = Decimal(0) if payload.get("tax_inclusive") else amount(payload.get("tax"))
    charges = sum((amount(charge.get("amount")) for charge in payload.get("charges") or ()), Decimal(0))
    return lines - amount(payload.get("discount")) + tax + charges + amount(payload.get("rounding"))


def _sale(writer: _Writer) -> Draft:
    payload = writer.payload
    warehouse, branch = writer.place(str(payload.get("outlet", "")))
    lines = writer.sold(warehouse)
    expenses = _expenses(writer)
    total, makes = amount(payload.get("total")), summed(payload)
    customer = writer.customer()
    if customer is None:
        writer.asked.against(reasons.target_rejected("the customer of the sale has no number in Accurate"))
    if makes != total:
        writer.asked.against(reasons.totals_do_not_add_up(plain(makes), plain(total)))
    body = {
        **writer.head(),
        "customerNo": customer,
        **({"branchName": branch} if branch else {}),
        writer.options.field_for_outlet: str(payload.get("outlet", "")),
        "description": str(payload.get("reference", "")),
        "taxable": any(line["useTax1"] for line in lines),
        "inclusiveTax": bool(payload.get("tax_inclusive")),
        "cashDiscount": wire(amount(payload.get("discount"))),
        "detailItem": lines,
        "detailExpense": expenses,
    }
    paid = str(payload.get("paid") or "")
    return Draft("sales-invoice", body, body["number"], plain(total), "totalAmount", paid=paid)


def _expenses(writer: _Writer) -> list[Json]:
    found = [
        _expense(str(charge.get("name") or ""), amount(charge.get("amount")), writer)
        for charge in writer.payload.get("charges") or ()
        if amount(charge.get("amount"))
    ]
    rounding = amount(writer.payload.get("rounding"))
    return [*found, _expense(ROUNDING, rounding, writer)] if rounding else found


def _expense(name: str, value: Decimal, writer: _Writer) -> Json:
    return {
        "accountNo": writer.asked.need("charge", name),
        "expenseName": name,
        "expenseAmount": wire(value),
    }


def _payment(writer: _Writer) -> Draft:
    payload = writer.payload
    paid = amount(payload.get("amount"))
    invoice = _need(writer, "sale", str(payload.get("sale", "")), sale_number(payload))
    sale = writer.document.needs.get(Key("sale", str(payload.get("sale", ""))))
    if sale is not None and sale.total and paid > amount(sale.total):  # rule B9 of the reference
        text = f"the payment of {plain(paid)} is more than its sale, {plain(amount(sale.total))}"
        writer.asked.against(reasons.target_rejected(text))
    body = {
        **writer.head(),
        "customerNo": writer.customer(),
        "bankNo": writer.asked.need("payment", str(payload.get("method", ""))),
        "chequeAmount": wire(paid),
        "detailInvoice": [{"invoiceNo": invoice, "paymentAmount": wire(paid)}],
    }
    return Draft("sales-receipt", body, body["number"], plain(paid), "chequeAmount")


def _sale_return(writer: _Writer) -> Draft:
    payload = writer.payload
    warehouse, branch = writer.place(str(payload.get("outlet", "")))
    lines = writer.sold(warehouse)
    head = writer.head()
    total = amount(payload.get("total"))
    more = total - summed({**payload, "charges": (), "rounding": "", "discount": ""})
    expenses = [_expense(RETURNED, more, writer)] if more > 0 else []
    body = {
        **head,
        "returnType": "INVOICE",
        "invoiceNumber": _need(writer, "sale", str(payload.get("sale", "")), sale_number(payload)),
        "customerNo": writer.customer(),
        **({"branchName": branch} if branch else {}),
        writer.options.field_for_outlet: str(payload.get("outlet", "")),
        "taxDate": head["transDate"],
        "taxNumber": head["number"],
        "taxable": any(line["useTax1"] for line in lines),
        "inclusiveTax": bool(payload.get("tax_inclusive")),
        "cashDiscount": wire(-more) if more < 0 else 0,
        "detailItem": lines,
        "detailExpense": expenses,
    }
    return Draft("sales-return", body, body["number"], plain(total), "totalAmount")


def _money_back(writer: _Writer) -> Draft:
    """Refuse: what is paid back leaves an account, and no call of the vendor is known that books it."""
    money, method = amount(writer.payload.get("amount")), str(writer.payload.get("method") or "")
    raise refused(reasons.money_back(plain(money), method))


def _transfer(writer: _Writer) -> Draft:
    payload, is_out = writer.payload, writer.document.type == "transfer_out"
    here, branch = writer.place(str(payload.get("outlet", "")))
    there, _ = writer.place(str(payload.get("other_outlet", "")))
    kind = "TRANSFER_OUT" if is_out else "TRANSFER_IN"
    source, destination = (here, there) if is_out else (there, here)
    warehouse, reference = warehouses_of(kind, source, destination)
    body = {
        **writer.head(),
        "itemTransferType": kind,
        "warehouseName": warehouse,
        "referenceWarehouseName": reference,
        **({"branchName": branch} if branch else {}),
        "detailItem": writer.moved(),
    }
    if not is_out:
        body["fromItemTransferNo"] = _need(writer, "transfer_out", str(payload.get("transfer_out", "")), "")
    return Draft("item-transfer", body, body["number"])


def _stock_count(writer: _Writer) -> Draft:
    """Set each item once: what was counted of it on several lines, or of several products, is one sum."""
    warehouse, branch = writer.place(str(writer.payload.get("outlet", "")))
    counted: dict[str, Decimal] = {}
    for line in writer.payload.get("lines", ()):
        item = writer.item_no(line)
        counted[item] = counted.get(item, Decimal(0)) + amount(line.get("counted"))
    body = {
        **writer.head(),
        **({"branchName": branch} if branch else {}),
        **(
            {"adjustmentAccountNo": writer.options.adjustment_account}
            if writer.options.adjustment_account
            else {}
        ),
        "detail": [
            {"itemNo": item, "targetQuantity": wire(quantity), "warehouseName": warehouse}
            for item, quantity in counted.items()
        ],
    }
    return Draft("item-adjustment", body, body["number"], action="save-target-quantity")


def _need(writer: _Writer, kind: str, source_id: str, otherwise: str) -> str:
    """Return the booked number of what a document needs; one that was waived may have none."""
    booked: Booked | None = writer.document.needs.get(Key(kind, source_id))
    number = booked.number if booked is not None and booked.number else otherwise
    if not number:
        title = kind.replace("_", "-")
        writer.asked.against(reasons.target_rejected(f"its {title} has no number in Accurate"))
    return number
