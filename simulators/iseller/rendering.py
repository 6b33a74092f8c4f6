"""Rows as the shop writes them: moments in the asked zone, amounts as JSON numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from simulators.iseller.records import Customer, Order, Outlet, Paid, Product, Shift, Transfer

if TYPE_CHECKING:
    from simulators.iseller.shop import Shop

Row = dict[str, Any]


def number(value: Decimal) -> int | float:
    """Return a number for JSON; its text means exactly the value."""
    return int(value) if value == value.to_integral_value() else float(value)


def written(at: datetime | None, hours: int) -> str | None:
    """Return a moment as answers have it."""
    return None if at is None else (at + timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S")


def order_row(order: Order, hours: int, *, tells_modified: bool = False) -> Row:
    """Return an order with everything included."""
    who = order.customer
    row: Row = {
        "external_customer_id": who.external_id or None if who else None,
        "order_id": order.order_id,
        "order_reference": order.reference,
        "channel": order.channel,
        "channel_detail": order.channel_detail or None,
        "marketplace_account": None,
        "order_date": written(order.sold_at, hours),
        "closed_date": written(order.closed_at, hours),
        "status": order.status,
        "payment_status": _payment_status(order),
        "fulfillment_status": "fulfilled" if order.status == "completed" else "none",
        "notes": "",
        "processing_method": "checkout",
        "cancel_date": written(order.cancelled_at, hours),
        "cancel_reason": order.cancel_reason,
        "outlet_id": order.outlet.outlet_id,
        "outlet_name": order.outlet.name,
        "outlet_code": order.outlet.code,
        "register_id": order.register_id or None,
        "register_name": f"Register {order.outlet.code}" if order.register_id else None,
        "customer_id": who.customer_id if who else None,
        "customer_first_name": who.first_name if who else None,
        "customer_last_name": who.last_name if who else None,
        "customer_phone_number": who.phone if who else None,
        "customer_email": who.email if who else None,
        "currency": "IDR",
        "total_order_amount": number(order.gross),
        "total_discount_amount": number(order.discount),
        "total_promotion_amount": number(order.promotion),
        "subtotal": number(order.subtotal),
        "total_tax_amount": number(order.tax),
        "total_additional_order_amount": number(order.charge_order),
        "total_additional_subtotal_amount": number(order.charge_subtotal),
        "total_additional_final_amount": number(order.charge_final),
        "rounding_amount": number(order.rounding),
        "total_amount": number(order.total),
        "total_shipping_amount": number(order.shipping),
        "tax_inclusive": order.tax_inclusive,
        "on_account": order.on_account,
        "order_details": _detail_rows(order),
        "transactions": [paid_row(one, hours) for one in order.paid],
        "refunded_orders": _refund_rows(order, hours),
        "fulfillments": [],
    }
    if tells_modified:
        row["modified_date"] = written(order.modified, hours)
    return row


def _payment_status(order: Order) -> str:
    if order.status == "void":
        return "voided"
    if order.refunds:
        return "partially_refunded"
    return "paid" if order.received == order.total else "partially_paid" if order.received else "pending"


def _detail_rows(order: Order) -> list[Row]:
    return [
        {
            "order_detail_id": line.line_id,
            "product_id": line.product_id,
            "product_name": line.name,
            "sku": line.sku or None,
            "quantity": number(line.quantity),
            "base_price": number(line.price),
            "discount_amount": number(line.discount),
            "taxable": bool(line.tax_rate),
            "tax_percentage": number(line.tax_rate),
            "tax_amount": number(line.tax(is_inclusive=order.tax_inclusive)),
            "type": "standard",
            "product_composites": None,
            "units_used": [{"product_id": line.product_id, "sku": line.sku, "stock": number(line.quantity)}],
        }
        for line in order.lines
    ]


def paid_row(one: Paid, hours: int) -> Row:
    """Return a transaction."""
    fees = [{"payment_method_fee": number(one.fee), "total_amount_fee": number(one.amount - one.fee)}]
    return {
        "transaction_id": one.transaction_id,
        "transaction_date": written(one.at, hours),
        "channel": "pos",
        "type": one.kind,
        "status": one.status,
        "gateway": one.gateway,
        "payment_type_id": None,
        "payment_type_name": one.name,
        "currency": "IDR",
        "amount": number(one.amount),
        "mdr": fees if one.fee else None,
        "bin_card": None,
    }


def _refund_rows(order: Order, hours: int) -> list[Row]:
    return [
        {
            "order_id": order.order_id,
            "order_reference": order.reference,
            "channel": order.channel,
            "order_date": written(order.sold_at, hours),
            "refund_date": written(one.at, hours),
            "refund_amount": number(one.amount),
            "units_returned": [
                {
                    "product_name": line.name,
                    "product_id": line.product_id,
                    "sku": line.sku or None,
                    "stock": number(quantity),
                    "serial_numbers": None,
                }
                for line, quantity in one.units
            ],
            "refund_details": [
                {
                    "product_id": line.product_id,
                    "sku": line.sku or None,
                    "quantity": number(quantity),
                    "cogs": [],
                }
                for line, quantity in one.units
            ],
        }
        for one in order.refunds
    ]


def shift_row(shift: Shift, hours: int, *, tells_modified: bool = False) -> Row:
    """Return a shift."""
    row: Row = {
        "register_name": f"Register {shift.outlet.code}",
        "register_id": shift.register_id,
        "register_shift_id": shift.shift_id,
        "open_date": written(shift.opened_at, hours),
        "closed_date": written(shift.closed_at, hours),
    }
    if tells_modified:
        row["modified_date"] = written(shift.modified, hours)
    return row


def product_row(product: Product, shop: Shop, hours: int) -> Row:
    """Return a product."""
    return {
        "product_id": product.product_id,
        "product_header_id": product.product_id,
        "name": product.name,
        "type": "standard",
        "product_type": product.kind,
        "vendor": None,
        "barcode": "",
        "sku": product.sku or None,
        "price": number(product.price),
        "taxable": True,
        "track_inventory": product.tracks_stock,
        "unit_of_measurement": "pcs",
        "inventories": [
            {
                "outlet_id": outlet.outlet_id,
                "outlet_code": outlet.code,
                "outlet_name": outlet.name,
                "unit_in_stock": number(shop.stock[(outlet.code, product.product_id)]),
            }
            for outlet in shop.outlets
        ],
        "is_active": True,
        "modified_date": written(product.modified, hours),
    }


def customer_row(one: Customer, hours: int) -> Row:
    """Return a customer."""
    return {
        "customer_id": one.customer_id,
        "external_customer_id": one.external_id or None,
        "first_name": one.first_name,
        "last_name": one.last_name,
        "phone_number": one.phone,
        "email": one.email,
        "created_date": written(one.created, hours),
    }


def transfer_row(one: Transfer, hours: int) -> Row:
    """Return a movement of stock."""
    return {
        "transfer_id": one.transfer_id,
        "reference_code": one.reference,
        "action": one.action,
        "status": "completed",
        "outlet_code": one.outlet,
        "other_outlet_code": one.other_outlet or None,
        "date": written(one.at, hours),
        "modified_date": written(one.modified, hours),
        "transfer_out_id": one.out_id or None,
        "supplier_name": one.supplier or None,
        "tags": one.tags,
        "products": [
            {
                "product_id": product.product_id,
                "product_name": product.name,
                "sku": sku or None,
                "quantity": number(quantity),
                "counted_quantity": None if counted is None else number(counted),
            }
            for product, sku, quantity, counted in one.lines
        ],
    }


def outlet_row(outlet: Outlet) -> Row:
    """Return an outlet."""
    return {
        "outlet_id": outlet.outlet_id,
        "outlet_code": outlet.code,
        "outlet_name": outlet.name,
        "phone": None,
        "address": f"Jalan {outlet.name} 1",
        "contact_name": None,
        "email": None,
    }
