"""How the body of a save becomes a record: what is required, what must exist, which totals are computed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from simulators.accurate.settings import Settings
from simulators.accurate.stock import Stock
from simulators.accurate.tables import Row, Table
from simulators.accurate.texts import Invalid

CENT = Decimal("0.01")
MOST = Decimal("999000000000")
_HEAD = (
    "description", "taxable", "inclusiveTax", "email", "mobilePhone", "workPhone", "upcNo", "itemType",
    "returnType", "taxDate", "taxNumber", "paymentMethod", "approvalStatus",
    *(f"charField{number}" for number in range(1, 11)),
)  # fmt: skip
"""Fields that are kept as they come; whatever is not known is ignored without a word."""
_MASTERS = {
    "warehouseName": ("warehouse", "name"),
    "branchName": ("branch", "name"),
    "itemUnitName": ("unit", "name"),
}


_CUSTOMER = ("npwpNo", "email", "mobilePhone", "workPhone", "billStreet", "billZipCode", "billCity")


class Maker:
    """Makes records of bodies."""

    def __init__(
        self, tables: dict[str, Table], stock: Stock, settings: Settings, ids: Callable[[], int]
    ) -> None:
        self._tables = tables
        self._stock = stock
        self._settings = settings
        self._id = ids

    def made(self, module: str, body: Row, old: Row | None) -> Row:
        """Return the record that a body makes of nothing, or of the old record.

        Raises:
            Invalid: something is missing, does not exist or is not allowed.
        """
        row: Row = {**(old or {}), **{name: body[name] for name in _HEAD if name in body}}
        row["id"] = old["id"] if old else self._id()
        if module not in {"item"}:
            row["transDate"] = self._day(body, old)
        makers = {
            "item": self._item,
            "customer": self._customer,
            "sales-invoice": self._invoice,
            "sales-receipt": self._receipt,
            "sales-return": self._return,
            "item-transfer": self._transfer,
            "item-adjustment": self._adjustment,
            "receive-item": self._purchase,
            "purchase-order": self._purchase,
        }
        makers[module](row, body)
        return row

    def _item(self, row: Row, body: Row) -> None:
        for name in ("name", "itemType", "itemCategoryName", "unit1Name"):
            _required(name, {**row, **body})
        row["name"], row["no"] = body.get("name", row.get("name")), body.get("no") or row.get("no")
        row["no"] = row["no"] or f"{row['id']:06d}"
        row["itemCategory"] = self._known("item-category", "name", body.get("itemCategoryName"))
        row["unit1"] = self._known("unit", "name", body.get("unit1Name"))
        row["itemCategoryName"], row["unit1Name"] = row["itemCategory"]["name"], row["unit1"]["name"]

    def _customer(self, row: Row, body: Row) -> None:
        _required("name", {**row, **body})
        row["name"] = body.get("name", row.get("name"))
        row["customerNo"] = body.get("customerNo") or row.get("customerNo") or f"C.{row['id']:05d}"
        row["suspended"] = bool(body.get("suspended", row.get("suspended")))
        row.update({name: body[name] for name in _CUSTOMER if name in body})

    def _invoice(self, row: Row, body: Row) -> None:
        self._sold(row, body)
        row["detailExpense"] = self._upserted(row, body, "detailExpense", self._expense)
        self._total(row)
        row.setdefault("paidAmount", 0)
        self._owing(row)

    def _return(self, row: Row, body: Row) -> None:
        for name in ("returnType", "taxDate", "taxNumber"):
            _required(name, {**row, **body})
        if row["returnType"] == "INVOICE":
            invoice = self._known("sales-invoice", "number", body.get("invoiceNumber"))
            row["invoice"] = {"id": invoice["id"], "number": invoice["number"]}
        self._sold(row, body)
        row["detailExpense"] = self._upserted(row, body, "detailExpense", self._expense)
        self._total(row)

    def _sold(self, row: Row, body: Row) -> None:
        _required("detailItem", {**row, **body})
        row["customer"] = self._short("customer", "customerNo", body.get("customerNo"), row.get("customer"))
        if body.get("branchName"):
            row["branch"] = self._short("branch", "name", body["branchName"], None)
        row["cashDiscount"] = _number(_amount(body.get("cashDiscount", row.get("cashDiscount"))))
        row["detailItem"] = self._upserted(row, body, "detailItem", self._sold_line)

    def _sold_line(self, old: Row, line: Row) -> Row:
        made = self._moved_line(old, line)
        for name in ("unitPrice", "itemCashDiscount"):
            made[name] = _number(_amount(line.get(name, old.get(name))))
        made["useTax1"] = bool(line.get("useTax1", old.get("useTax1", False)))
        if line.get("tax1Name"):
            made["tax1"] = self._known("tax", "name", line["tax1Name"])
        if self._settings.reads_tax_amount and "taxAmount" in line:
            made["taxAmount"] = _number(_amount(line["taxAmount"]))
        gross = _amount(made["quantity"]) * _amount(made["unitPrice"])
        made["totalPrice"] = _number(gross - _amount(made["itemCashDiscount"]))
        return made

    def _moved_line(self, old: Row, line: Row) -> Row:
        made = {**old}
        item = self._known("item", "no", line["itemNo"]) if line.get("itemNo") else None
        if item is None and "item" not in old:
            raise Invalid("required", "itemNo")
        if item is not None:
            made["item"] = {"id": item["id"], "no": item["no"], "name": item["name"]}
        made["quantity"] = _number(_amount(line.get("quantity", old.get("quantity"))))
        made["detailName"] = str(line.get("detailName") or old.get("detailName") or made["item"]["name"])
        for name, (module, key) in _MASTERS.items():
            if line.get(name):
                made[name.removesuffix("Name")] = self._short(module, key, line[name], None)
        return made

    def _expense(self, old: Row, line: Row) -> Row:
        account = self._known("glaccount", "no", line.get("accountNo"))
        return {
            **old,
            "account": {"id": account["id"], "no": account["no"], "name": account["name"]},
            "expenseName": str(line.get("expenseName") or account["name"]),
            "expenseAmount": _number(_amount(line.get("expenseAmount"))),
        }

    def _total(self, row: Row) -> None:
        lines = row["detailItem"]
        lines_total = sum((_amount(line["totalPrice"]) for line in lines), Decimal(0))
        net = lines_total - _amount(row["cashDiscount"])
        tax = Decimal(0)
        if row.get("taxable") and not row.get("inclusiveTax"):
            for line in lines:
                if line["useTax1"]:
                    tax += self._tax(line, net / lines_total if lines_total else Decimal(0))
        expenses = sum((_amount(one["expenseAmount"]) for one in row["detailExpense"]), Decimal(0))
        row["subTotal"], row["tax1Amount"] = _number(lines_total), _number(tax)
        row["totalAmount"] = _number(net + tax + expenses)

    def _tax(self, line: Row, share: Decimal) -> Decimal:
        if "taxAmount" in line:
            return _amount(line["taxAmount"])
        rate = _amount((line.get("tax1") or {}).get("rate", 11))
        return (_amount(line["totalPrice"]) * share * rate / 100).quantize(CENT, ROUND_HALF_UP)

    def _owing(self, row: Row) -> None:
        owed = _amount(row["totalAmount"]) - _amount(row["paidAmount"])
        row["primeOwing"], row["outstanding"] = _number(owed), owed > 0

    def _receipt(self, row: Row, body: Row) -> None:
        for name in ("bankNo", "chequeAmount", "customerNo", "detailInvoice"):
            _required(name, {**row, **body})
        row["customer"] = self._short("customer", "customerNo", body.get("customerNo"), None)
        bank = self._known("glaccount", "no", body.get("bankNo"))
        row["bank"] = {"id": bank["id"], "no": bank["no"], "name": bank["name"]}
        row["chequeAmount"] = row["totalPayment"] = _number(_amount(body.get("chequeAmount")))
        row["detailInvoice"] = [self._paid(line, row) for line in body["detailInvoice"]]

    def _paid(self, line: Row, row: Row) -> Row:
        invoice = self._known("sales-invoice", "number", line.get("invoiceNo"))
        if invoice["customer"]["customerNo"] != row["customer"]["customerNo"]:
            raise Invalid("invalid", "customerNo", row["customer"]["customerNo"])
        paid = _amount(line.get("paymentAmount"))
        if self._settings.refuses_overpayment and paid > _amount(invoice["primeOwing"]):
            raise Invalid("overpaid")
        return {
            "id": self._id(),
            "invoice": {"id": invoice["id"], "number": invoice["number"]},
            "paymentAmount": _number(paid),
        }

    def paid(self, row: Row, sign: int) -> None:
        """Lower, or with -1 raise again, what is owed of the invoices of a receipt."""
        for line in row["detailInvoice"]:
            invoice = self._tables["sales-invoice"].rows.get(line["invoice"]["id"])
            if invoice is not None:
                invoice["paidAmount"] = _number(
                    _amount(invoice["paidAmount"]) + sign * _amount(line["paymentAmount"])
                )
                self._owing(invoice)

    def _transfer(self, row: Row, body: Row) -> None:
        kind = body.get("itemTransferType", row.get("itemTransferType"))
        if kind not in {"TRANSFER_OUT", "TRANSFER_IN"}:
            raise Invalid("invalid", "itemTransferType", kind)
        _required("detailItem", {**row, **body})
        row["itemTransferType"] = kind
        row["warehouse"] = self._short("warehouse", "name", body.get("warehouseName"), row.get("warehouse"))
        row["referenceWarehouse"] = self._short(
            "warehouse", "name", body.get("referenceWarehouseName"), row.get("referenceWarehouse")
        )
        row["detailItem"] = self._upserted(row, body, "detailItem", self._moved_line)
        if kind == "TRANSFER_OUT":
            row.setdefault("itemTransferOutStatus", "ON_THE_WAY")
            return
        out = self._known("item-transfer", "number", body.get("fromItemTransferNo"))
        if out["itemTransferType"] != "TRANSFER_OUT" or (
            out["warehouse"]["name"] != row["referenceWarehouse"]["name"]
            or out["referenceWarehouse"]["name"] != row["warehouse"]["name"]
        ):
            raise Invalid("invalid", "fromItemTransferNo", out["number"])
        row["fromItemTransfer"] = {"id": out["id"], "number": out["number"]}

    def _adjustment(self, row: Row, body: Row) -> None:
        _required("detail", body)
        row["detailItem"] = []
        for line in body["detail"]:
            for name in ("itemNo", "targetQuantity", "warehouseName"):
                _required(name, line)
            made = self._moved_line({}, line)
            held = self._stock.on_hand(made["warehouse"]["name"], made["item"]["no"])
            made["targetQuantity"] = _number(_amount(line["targetQuantity"]))
            made["quantity"] = _number(_amount(line["targetQuantity"]) - held)
            row["detailItem"].append({"id": self._id(), **made})
        if not self._settings.reads_count_number:
            body.pop("number", None)
            for name in [name for name in row if name.startswith("charField")]:
                del row[name]

    def _purchase(self, row: Row, body: Row) -> None:
        _required("detailItem", {**row, **body})
        row["vendor"] = self._short("vendor", "vendorNo", body.get("vendorNo"), row.get("vendor"))
        row["detailItem"] = self._upserted(row, body, "detailItem", self._moved_line)

    def _upserted(self, row: Row, body: Row, name: str, make: Callable[[Row, Row], Row]) -> list[Row]:
        """Change and add lines; one that is left out stays, which is the trap of saving with an id."""
        lines = {line["id"]: line for line in row.get(name) or ()}
        for line in body.get(name) or ():
            line_id = line.get("id")
            if line_id is not None and line_id not in lines:
                raise Invalid("invalid", f"{name}.id", line_id)
            made = make(lines[line_id] if line_id is not None else {}, line)
            made["id"] = line_id if line_id is not None else self._id()
            lines[made["id"]] = made
        return list(lines.values())

    def _day(self, body: Row, old: Row | None) -> str:
        day = str(body.get("transDate") or (old or {}).get("transDate") or "")
        try:
            moment = datetime.strptime(day, "%d/%m/%Y")  # noqa: DTZ007 - a day
        except ValueError:
            raise Invalid("required" if not day else "invalid", "transDate", day) from None
        closed = self._settings.closed_until
        if closed is not None and moment.date() <= closed:
            raise Invalid("closed")
        return day

    def _short(self, module: str, key: str, value: Any, old: Row | None) -> Row:
        if not value and old:
            return old
        found = self._known(module, key, value)
        return {"id": found["id"], key: found[key], "name": found["name"]}

    def _known(self, module: str, key: str, value: Any) -> Row:
        found = self._tables[module].one(key, value) if value not in {None, ""} else None
        if found is None:
            raise Invalid("invalid", _WHAT.get(module, module), "" if value is None else value)
        return found


_WHAT = {
    "item": "Barang & Jasa",
    "customer": "Pelanggan",
    "warehouse": "Gudang",
    "branch": "Cabang",
    "glaccount": "Akun Perkiraan",
    "tax": "Pajak",
    "unit": "Satuan Barang",
    "sales-invoice": "Faktur Penjualan",
    "item-transfer": "Pemindahan Barang",
}


def _required(name: str, body: Row) -> None:
    if body.get(name) in (None, "", []):
        raise Invalid("required", name)


def _amount(value: Any) -> Decimal:
    try:
        found = Decimal(str(0 if value in {None, ""} else value))
    except InvalidOperation:
        raise Invalid("invalid", "amount", value) from None
    if not found.is_finite() or abs(found) > MOST:
        raise Invalid("invalid", "amount", value)
    return found


def _number(value: Decimal) -> int | float:
    """Return a JSON number, rounded to the six decimals that the system keeps."""
    kept = value.quantize(Decimal("0.000001"), ROUND_HALF_UP)
    return int(kept) if kept == kept.to_integral_value() else float(kept)
