"""Business tables of the reference retailer; the same at the head office and at a store. Amounts in paise."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, MetaData, String, Table

RETAIL = MetaData()


def _key(name: str) -> Column[str]:
    return Column(name, String(60), primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, String(200), nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _lines(name: str, parent: str, *columns: Column[int]) -> Table:
    return Table(
        f"{name}_line",
        RETAIL,
        Column(parent, ForeignKey(f"{name}.{parent}"), primary_key=True),
        Column("line", Integer, primary_key=True),
        Column("item_code", String(60), nullable=False),
        _number("quantity"),
        *columns,
    )


item = Table("item", RETAIL, _key("item_code"), _text("name"), _text("hsn"), _number("tax_basis_points"))
price = Table("price", RETAIL, _key("price_id"), _text("item_code"), _number("rate"), _text("valid_from"))
promotion = Table(
    "promotion", RETAIL, _key("promotion_id"), _text("name"), _number("basis_points"), _text("valid_from"),
    _text("valid_until"), Column("sites", JSON, nullable=False),
)  # fmt: skip
transfer_order = Table("transfer_order", RETAIL, _key("number"), _text("site"), _text("on_day"))
transfer_order_line = _lines("transfer_order", "number", _number("rate"))
sales_order = Table("sales_order", RETAIL, _key("number"), _text("site"), _text("on_day"))
sales_order_line = _lines("sales_order", "number", _number("rate"))
invoice = Table(
    "invoice", RETAIL, _key("number"), _text("site"), _text("on_day"), _number("net"), _number("tax")
)
invoice_line = _lines("invoice", "number", _number("rate"))
audit_plan = Table(
    "audit_plan", RETAIL, _key("plan_id"), _text("on_day"), Column("sites", JSON, nullable=False)
)
customer = Table("customer", RETAIL, _key("customer_id"), _text("name"), _text("phone"), _text("site"))
bill = Table(
    "bill", RETAIL, _key("number"), _text("site"), _text("on_day"), _text("customer_id"), _number("net"),
    _number("tax"), _number("tender"),
)  # fmt: skip
bill_line = _lines("bill", "number", _number("net"))
grc = Table("grc", RETAIL, _key("number"), _text("site"), _text("on_day"), _text("against"))
grc_line = _lines("grc", "number")
grt = Table("grt", RETAIL, _key("number"), _text("site"), _text("on_day"), _text("against"))
grt_line = _lines("grt", "number")
