"""The API: ``/oauth/token``, v2 and v3, as the vendor's document and running integrations show them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from simulators.faults import Fault
from simulators.http import Request, Response
from simulators.iseller import rendering
from simulators.iseller.records import ZERO, Order
from simulators.iseller.rendering import Row, number, written

if TYPE_CHECKING:
    from simulators.iseller.shop import Shop

Fields = Mapping[str, Any]


class Refused(Exception):
    """The API says ``status: false``."""


def answer(shop: Shop, request: Request) -> Response:
    """Return the answer to a request."""
    name = request.path.rstrip("/").rsplit("/", 1)[-1]
    fields = _fields(request)
    shop.calls.append((name, fields))
    if shop.on_call is not None:
        shop.on_call(name, fields)
    trouble = _trouble(shop, name)
    if trouble == "drop_before":
        return Response(faults=[Fault("down")])
    if trouble.startswith("http_"):
        return Response.of({"message": "failure"}, int(trouble.removeprefix("http_")))
    response = _answer(shop, request, name, fields, trouble)
    response.delay = shop.odd.latency
    if trouble == "drop":
        response.faults = [Fault("down")]
    return response


def _answer(shop: Shop, request: Request, name: str, fields: Fields, trouble: str) -> Response:
    if request.path == "/oauth/token":
        return _token(shop, request, fields)
    call = {key.lower(): made for key, made in CALLS.items()}.get(request.path.lower())
    if call is None:
        return Response.of({"message": "no such address"}, 404)
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if trouble == "token" or shop.tokens.get(token, shop.now) <= shop.now:
        if not shop.odd.says_token_in_200:
            return Response.of({"message": "Authorization has been denied for this request."}, 401)
        trouble = "error:The access token is not valid."
    try:
        if trouble.startswith("error:"):
            raise Refused(trouble.removeprefix("error:"))
        body = call(shop, fields)
    except Refused as error:
        return _false(shop, str(error))
    body |= {"error_message": None, "status": True, "time": "00:00:00.0156300"}
    if shop.odd.camel_case:
        body = {_camel(key) if isinstance(value, list) else key: value for key, value in body.items()}
    return Response.of([body] if name == "GetOrders" and shop.odd.wraps_orders else body)


def _fields(request: Request) -> dict[str, Any]:
    if "json" in request.headers.get("content-type", ""):
        return request.json()
    return {
        **request.query,
        **dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)),
    }


def _trouble(shop: Shop, name: str) -> str:
    for one in shop.troubles:
        if one.call in {"", name}:
            one.times -= 1
            if one.times <= 0:
                shop.troubles.remove(one)
            return one.kind
    return ""


def _false(shop: Shop, words: str) -> Response:
    name = "erroe_message" if shop.odd.misspells_errors else "error_message"
    return Response.of({"count": 0, "status": False, name: words, "time": "00:00:00"})


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _token(shop: Shop, request: Request, fields: Fields) -> Response:
    if (fields.get("client_id"), fields.get("client_secret")) != (shop.client_id, shop.client_secret):
        return Response.of({"error": "invalid_client"}, 400)
    grant = fields.get("grant_type")
    if grant == "refresh_token":
        if shop.odd.refuses_refresh or fields.get("refresh_token") not in shop.refresh_tokens:
            return Response.of({"error": "invalid_grant"}, 400)
        shop.refresh_tokens.discard(str(fields["refresh_token"]))
    elif grant != "client_credentials":
        return Response.of({"error": "unsupported_grant_type"}, 400)
    access, refresh = f"at-{shop.guid()}", f"rt-{shop.guid()}"
    shop.tokens[access] = shop.now + timedelta(seconds=shop.odd.token_seconds)
    shop.refresh_tokens.add(refresh)
    return Response.of(
        {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": shop.odd.token_seconds,
            "refresh_token": refresh,
            "resource_url": shop.odd.resource_url or f"http://{request.headers.get('host', '127.0.0.1')}",
        }
    )


# --- filters and pages -------------------------------------------------------------------------------------


def _hours(fields: Fields) -> int:
    try:
        return int(fields["time_zone"])
    except KeyError:
        raise Refused("time_zone is required") from None
    except ValueError:
        raise Refused("time_zone must be an integer") from None


def _moment(fields: Fields, name: str, hours: int) -> datetime | None:
    if not fields.get(name):
        return None
    try:
        found = datetime.fromisoformat(str(fields[name]))
    except ValueError:
        raise Refused(f"{name} is not a date") from None
    if found.tzinfo is not None:
        raise Refused(f"{name} must not have a time zone")
    try:
        return found.replace(tzinfo=UTC) - timedelta(hours=hours)
    except OverflowError:
        raise Refused(f"{name} is not a date") from None


def _within(at: datetime, fields: Fields, after: str, before: str, hours: int) -> bool:
    """Whether a moment is on or after one filter, and on or before the other; seconds are what is compared."""
    at = at.replace(microsecond=0)
    low, high = _moment(fields, after, hours), _moment(fields, before, hours)
    return (low is None or at >= low) and (high is None or at <= high)


def _page(shop: Shop, rows: list[Any], fields: Fields) -> tuple[list[Any], bool]:
    try:
        page, size = int(fields.get("page") or 1), int(fields.get("page_size") or 200)
    except ValueError:
        raise Refused("page and page_size must be integers") from None
    first = 0 if shop.odd.ignores_paging else (max(page, 1) - 1) * size
    return rows[first : first + size], shop.odd.claims_next or first + size < len(rows)


# --- v2 ----------------------------------------------------------------------------------------------------


def _chosen_orders(shop: Shop, fields: Fields, hours: int) -> list[Order]:
    if fields.get("order_id"):
        one = shop.orders.get(str(fields["order_id"]).lower())
        return [one] if one else []
    low = _moment(fields, "modified_after", hours)
    start = 0 if low is None else bisect_left(shop.by_change, (low, -1, ""))
    found = [shop.orders[order_id] for _, _, order_id in shop.by_change[start:]]
    if fields.get("sort") != "ModifiedDate":
        found.sort(key=lambda order: (order.sold_at, order.number))
    if str(fields.get("sort_direction", "ASC")).upper() == "DESC":
        found.reverse()
    if fields.get("outlet_id"):
        found = [one for one in found if one.outlet.outlet_id == fields["outlet_id"]]
    if fields.get("customer_id"):
        found = [one for one in found if one.customer and one.customer.customer_id == fields["customer_id"]]
    if fields.get("modified_before"):
        found = [one for one in found if _within(one.modified, fields, "", "modified_before", hours)]
    if fields.get("created_after") or fields.get("created_before"):
        found = [
            one for one in found if _within(one.sold_at, fields, "created_after", "created_before", hours)
        ]
    return found


def get_orders(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetOrders``."""
    hours = _hours(fields)
    if shop.odd.demands_created_after and not fields.get("created_after"):
        raise Refused("created_after is required")
    chosen, has_next = _page(shop, _chosen_orders(shop, fields, hours), fields)
    rows = [rendering.order_row(one, hours, tells_modified=shop.odd.tells_modified) for one in chosen]
    statuses = [name for name in ("payment_status", "fulfillment_status") if fields.get(name)]
    rows = [row for row in rows if all(row[name] == fields[name] for name in statuses)]
    return {"count": len(rows), "orders": rows, "has_next_item": has_next}


def get_shifts(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetRegisterShifts``."""
    hours = _hours(fields)
    found = [
        one
        for one in sorted(shop.shifts.values(), key=lambda one: (one.modified, one.shift_id))
        if _within(one.modified, fields, "modified_date", "modified_before", hours)
        and fields.get("register_id") in {None, "", one.register_id}
        and fields.get("outlet_id") in {None, "", one.outlet.outlet_id}
    ]
    rows, has_next = _page(shop, found, fields)
    made = [rendering.shift_row(one, hours, tells_modified=shop.odd.tells_modified) for one in rows]
    return {"count": len(made), "register_shifts": made, "has_next_item": has_next}


def get_products(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetProducts``: by name, without ``has_next_item``, and with no filter by SKU."""
    hours = int(fields.get("time_zone") or 0)
    wanted = str(fields.get("track_inventory", "")).lower()
    found = [
        one
        for one in sorted(shop.products.values(), key=lambda one: (one.name, one.product_id))
        if _within(one.modified, fields, "modified_after", "", hours)
        and wanted in {"", str(one.tracks_stock).lower()}
    ]
    rows, _ = _page(shop, found, fields)
    return {"products": [rendering.product_row(one, shop, hours) for one in rows]}


def get_transactions(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetTransactions``."""
    hours = _hours(fields)
    found = []
    for order in _chosen_orders(shop, {**fields, "created_after": "", "created_before": ""}, hours):
        about = {"order_reference": order.reference, "order_id": order.order_id}
        found += [
            {**about, **rendering.paid_row(one, hours)}
            for one in order.paid
            if _within(one.at, fields, "created_after", "created_before", hours)
        ]
    rows, has_next = _page(shop, found, fields)
    return {"count": len(rows), "transactions": rows, "has_next_item": has_next}


def get_summary(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetOrderSummary``: sales per day, without those that are void or not closed."""
    hours = _hours(fields)
    days: dict[str, Decimal] = {}
    for order in _chosen_orders(shop, fields, hours):
        if order.status == "completed":
            day = str(written(order.sold_at, hours))[:10]
            days[day] = days.get(day, ZERO) + order.total
    rows = [
        {"order_date": f"{day} {hours % 24:02d}:00:00", "currency": "IDR", "total_amount": number(total)}
        for day, total in sorted(days.items())
    ]
    return {"count": len(rows), "order_summaries": rows}


def get_store(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetStoreInfo``."""
    payments = [
        {"name": name, "is_active": True, "gateway": gateway}
        for name, gateway in sorted(
            {(paid.name, paid.gateway) for one in shop.orders.values() for paid in one.paid}
        )
    ]
    info = {
        "store_name": "Toko Nusantara",
        "active_outlets": [rendering.outlet_row(one) for one in shop.outlets],
        "active_payments": payments,
    }
    return {"store_info": info}


# --- v3 ----------------------------------------------------------------------------------------------------


def get_outlets(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetOutlets``."""
    return {"count": len(shop.outlets), "Outlets": [rendering.outlet_row(one) for one in shop.outlets]}


def get_transfer(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetTransfer``; the list is wrapped in a list once more."""
    hours = _hours(fields)
    found = [
        one
        for one in sorted(shop.transfers.values(), key=lambda one: (one.modified, one.transfer_id))
        if shop.odd.ignores_filters
        or (
            fields.get("transfer_id") in {None, "", one.transfer_id}
            and fields.get("reference_code") in {None, "", one.reference}
            and _within(one.modified, fields, "modified_after", "modified_before", hours)
        )
    ]
    rows, has_next = _page(shop, found, fields)
    made = [rendering.transfer_row(one, hours) for one in rows]
    return {"count": len(made), "InventoryAdjustments": [made] if made else [], "has_next_item": has_next}


def create_transfer(shop: Shop, fields: Fields) -> Row:
    """Answer ``CreateTransfer``: it wants codes of outlets, and does not care whether the reference is new."""
    codes = {one.code for one in shop.outlets}
    if fields.get("outlet_code") not in codes:
        raise Refused("outlet not found")
    if fields.get("type") != "in":
        raise Refused("type is not supported")
    by_sku = {one.sku: one for one in shop.products.values() if one.sku}
    lines = []
    for line in fields.get("products") or []:
        product = by_sku.get(str(line.get("sku")))
        if product is None:
            raise Refused(f"product not found: {line.get('sku')}")
        try:
            quantity = Decimal(str(line.get("quantity")))
        except InvalidOperation:
            raise Refused("quantity is not a number") from None
        if quantity <= 0:
            raise Refused("quantity must be positive")
        lines.append((product, quantity))
    if not lines:
        raise Refused("products are required")
    transfer_id = shop.receive(
        str(fields["outlet_code"]),
        str(fields.get("reference_code") or ""),
        lines,
        supplier=str(fields.get("supplier_name") or ""),
        tags=list(fields.get("tags") or []),
    )
    return {"transfer_id": transfer_id}


def get_customers(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetCustomers``."""
    hours = _hours(fields)
    rows, has_next = _page(shop, list(shop.customers.values()), fields)
    made = [rendering.customer_row(one, hours) for one in rows]
    return {"count": len(made), "customers": made, "has_next_item": has_next}


def get_customer(shop: Shop, fields: Fields) -> Row:
    """Answer ``GetCustomer``."""
    one = shop.customers.get(str(fields.get("customer_id")).lower())
    if one is None:
        raise Refused("customer not found")
    return {"customer": rendering.customer_row(one, _hours(fields))}


CALLS: dict[str, Callable[[Shop, Fields], Row]] = {
    "/api/v2/GetOrders": get_orders,
    "/api/v2/GetRegisterShifts": get_shifts,
    "/api/v2/GetProducts": get_products,
    "/api/v2/GetTransactions": get_transactions,
    "/api/v2/GetOrderSummary": get_summary,
    "/api/v2/GetStoreInfo": get_store,
    "/api/v3/GetOutlets": get_outlets,
    "/api/v3/GetTransfer": get_transfer,
    "/api/v3/CreateTransfer": create_transfer,
    "/api/v3/GetCustomers": get_customers,
    "/api/v3/GetCustomer": get_customer,
}
"""Path of each call."""
