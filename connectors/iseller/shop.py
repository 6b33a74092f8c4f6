"""iSeller as a system of a connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NoReturn

from clientsync.commerce.documents import Booked, Fact, Key, Page, Received, Shift
from clientsync.commerce.systems import DayTotal, EventSeen, Job, Opening
from clientsync.errors import ContractChanged, UnknownName
from connectors.iseller import inbound, orders, transfers, webhooks
from connectors.iseller.calling import Calls, Listing, Refusal, rows_of
from connectors.iseller.fields import (
    Row,
    decimal_text,
    filter_moment,
    hours_of,
    id_text,
    moment,
    need_amount,
    need_moment,
    need_text,
    text,
)
from connectors.iseller.options import Options
from connectors.iseller.signature import reason_against

STREAMS = ("orders", "shifts", "transfers", "products")
_V2, _V3 = "api/v2", "api/v3"
_BY_CHANGE = {"sort": "ModifiedDate", "sort_direction": "ASC"}
_ORDERS = Listing(f"{_V2}/GetOrders", ("orders",), lambda row: text(row, "order_id"))
_SHIFTS = Listing(
    f"{_V2}/GetRegisterShifts", ("register_shifts",), lambda row: text(row, "register_shift_id")
)
_PRODUCTS = Listing(f"{_V2}/GetProducts", ("products",), lambda row: text(row, "product_id", "sku"))
_TYPE_OF = {f"{_V2}/GetOrders": "sale", f"{_V3}/GetTransfer": "transfer_out"}
"""Path of a listing to the type as which a row is kept of which nothing can be made."""
_CUSTOMER = ("customer", "customers")

Made = tuple[list[Received], list[Shift], list[Fact]]


class Iseller:
    """The shop's side of a connection; safe to share between threads.

    Attributes:
        title: name for people.
        streams: ``orders``, ``shifts``, ``transfers`` and ``products``.
        batches: none; documents are sent one by one.
    """

    title = "iSeller"
    streams: tuple[str, ...] = STREAMS
    batches: Mapping[str, int] = MappingProxyType({})

    def __init__(self, opening: Opening) -> None:
        """Check the options; nothing is called yet.

        Raises:
            InvalidInput: an option cannot be used, or the zone is not one of whole hours.
        """
        self._opening = opening
        self._options = Options.of(opening.options)
        self._calls = Calls(opening, self._options)
        names = self._options.transfer_fields
        self._transfers = Listing(
            f"{_V3}/GetTransfer",
            ("InventoryAdjustments",),
            lambda row: f"{text(row, names['transfer_id'])} {text(row, names['action'])}",
            is_json=True,
        )

    def changed(self, stream: str, since: datetime) -> Iterator[Page]:
        """Yield what changed in a stream since a moment, page by page; documents may come twice.

        Orders and shifts come sorted by their change, so each page says how far it is read. Products and transfers
        come in an order that the vendor does not promise: only a last page, which is empty, says it. No position
        lies after the beginning of the reading.

        Raises:
            UnknownName: there is no such stream.
            ContractChanged: a row lacks what says which document it is; one that lacks more comes as unreadable.
            SourceError: the shop did not answer.
        """
        since_text = filter_moment(since, self._calls.hours)
        if stream == "orders":
            sent = {**_BY_CHANGE, "modified_after": since_text, **self._of_orders()}
            return self._sorted(_ORDERS, sent, self._made_of_order, self._order_changed_at)
        if stream == "shifts":
            sent = {**_BY_CHANGE, "modified_date": since_text}
            return self._sorted(_SHIFTS, sent, self._made_of_shift, self._shift_changed_at)
        if stream == "transfers":
            asked: list[Mapping[str, Any]] = [{**_BY_CHANGE, "modified_after": since_text}]
            return self._unsorted(self._transfers, asked, self._made_of_transfer, self._transfer_changed_at)
        if stream == "products":
            asked = [
                {"modified_after": since_text, "track_inventory": kind}
                for kind in self._options.product_kinds
            ]
            return self._unsorted(_PRODUCTS, asked, self._made_of_product, self._product_changed_at)
        raise UnknownName("stream of iSeller", stream, self.streams)

    def fetch(self, key: Key) -> list[Received]:
        """Return a document as it stands now, with those of the same order.

        A payment is asked for by its transaction, which the shop cannot be; its sale brings it.

        Raises:
            SourceError: the shop did not answer.
        """
        if key.type in {"sale", "sale_return"}:
            order_id = key.source_id.split(":", 1)[0]
            rows = self._calls.first(_ORDERS, {"order_id": order_id, **self._of_orders()})
            found = [row for row in rows if text(row, "order_id").lower() == order_id.lower()]
            return [one for row in found for one in self._made_of_order(row)[0]]
        if key.type == "customer":
            return self._customer(key.source_id)
        if key.type == "item":
            return self._item(key.source_id)
        if key.type in {"transfer_out", "transfer_in", "stock_count"}:
            return self._transfer(key)
        return []

    def find(self, job: Job) -> Booked | None:
        """Look a transfer up by the number of the accounting's document.

        Raises:
            SourceError: the shop did not answer.
        """
        return inbound.find(self._calls, self._transfers, self._options, job)

    def send(self, job: Job) -> Booked:
        """Create a transfer for goods that the accounting received or moved. It is sent once.

        Raises:
            BookingRefused: an outlet is not mapped, a line has no SKU, or the shop said no.
            SourceError: there was no answer.
        """
        return inbound.send(self._calls, self._options, job)

    def send_many(self, jobs: Sequence[Job]) -> NoReturn:
        """Refuse: iSeller takes no batches, and ``batches`` says so."""
        raise NotImplementedError("iSeller takes documents one by one.")

    def verify(self, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """Return why a webhook is not genuine; empty when it is. Header names are in lower case."""
        return reason_against(self._opening.credentials.get("webhook_key", ""), headers, body, at)

    def events(self, body: bytes) -> list[EventSeen]:
        """Return the events of a webhook.

        Raises:
            ContractChanged: the body is not one.
        """
        return webhooks.events_of(body, self._options)

    def keys_of(self, event: EventSeen) -> list[Key]:
        """Return the documents of the shop that an event says were changed; empty when it is of no concern."""
        return webhooks.keys_of(event)

    def about_booked(self, event: EventSeen) -> list[Key]:
        """Return nothing: the shop sends no events of transfers, and those are all that is booked in it."""
        return []

    def masters_of(self, event: EventSeen) -> list[Key]:
        """Return nothing: items and customers of the accounting are not booked in the shop."""
        return []

    def day_totals(self, day: date) -> list[DayTotal]:
        """Return the shop's own totals of a day, by outlet as the ledger names it.

        ``GetOrderSummary`` tells a total per day and neither outlet nor number, so it is asked once for each active
        outlet, and the sales are counted in ``GetOrders``. Sales of no active outlet, as those of a web shop or of an
        outlet that was closed since, are summed up there, too.

        Raises:
            SourceError: the shop did not answer.
        """
        hours = hours_of(self._opening.zone, datetime.combine(day, time(12), self._opening.zone))
        asked = {
            "time_zone": hours,
            "created_after": f"{day.isoformat()}T00:00:00",
            "created_before": f"{day.isoformat()}T23:59:59",
        }
        sold: dict[str, Row] = {}
        for rows in self._calls.pages(_ORDERS, {**asked, "sort": "CreatedDate", "sort_direction": "ASC"}):
            sold |= {text(row, "order_id"): row for row in rows if orders.is_sold(row)}
        counts = Counter(orders.outlet_of(row) for row in sold.values())
        totals = []
        for info in rows_of(self._calls.ask(f"{_V2}/GetStoreInfo", {}), "GetStoreInfo", ("store_info",)):
            for outlet in rows_of(info, "GetStoreInfo", ("active_outlets",)):
                code = need_text(outlet, "outlet", "outlet_code")
                sent = {**asked, "outlet_id": need_text(outlet, "outlet", "outlet_id")}
                answer = self._calls.ask(f"{_V2}/GetOrderSummary", sent)
                rows = rows_of(answer, "GetOrderSummary", ("order_summaries", "order_summary"))
                parts = [need_amount(row, "order summary", "total_amount") for row in rows]
                named_otherwise = [
                    row
                    for row in sold.values()
                    if id_text(row, "outlet_id") == sent["outlet_id"] and orders.outlet_of(row) != code
                ]
                total = sum(parts, Decimal(0)) - _sum_of(named_otherwise)
                totals.append(DayTotal(code, counts[code], decimal_text(total)))
        asked_for = {one.outlet for one in totals}
        return totals + [
            DayTotal(
                name,
                count,
                decimal_text(_sum_of(row for row in sold.values() if orders.outlet_of(row) == name)),
            )
            for name, count in counts.items()
            if name not in asked_for
        ]

    def _of_orders(self) -> dict[str, str]:
        sent = {"includes": self._options.includes}
        if self._options.sends_created_after:
            sent["created_after"] = self._options.created_after_floor
        return sent

    def _sorted(
        self,
        listing: Listing,
        sent: Mapping[str, Any],
        make: Callable[[Row], Made],
        changed_at: Callable[[Row], datetime | None],
    ) -> Iterator[Page]:
        started_at = self._opening.now()
        for rows in self._calls.pages(listing, sent):
            yield _page(rows, listing, make, _newest(rows, changed_at, started_at), started_at)

    def _unsorted(
        self,
        listing: Listing,
        asked: list[Mapping[str, Any]],
        make: Callable[[Row], Made],
        changed_at: Callable[[Row], datetime | None],
    ) -> Iterator[Page]:
        started_at = self._opening.now()
        newest: datetime | None = None
        for sent in asked:
            for rows in self._calls.pages(listing, sent):
                found = _newest(rows, changed_at, started_at)
                newest = max((one for one in (newest, found) if one is not None), default=None)
                yield _page(rows, listing, make, None, started_at)
        if newest is not None:
            yield Page(position=newest)

    def _made_of_order(self, row: Row) -> Made:
        return orders.documents_of(row, self._options, self._calls.hours), [], []

    def _order_changed_at(self, row: Row) -> datetime | None:
        return orders.changed_at(row, self._options, self._calls.hours)

    def _made_of_shift(self, row: Row) -> Made:
        hours = self._calls.hours
        shift = Shift(
            shift_id=need_text(row, "shift", "register_shift_id"),
            register=need_text(row, "shift", "register_id"),
            opened_at=need_moment(row, "shift", "open_date", hours),
            closed_at=moment(row, "shift", "closed_date", hours),
        )
        return [], [shift], []

    def _shift_changed_at(self, row: Row) -> datetime | None:
        return self._latest(row, "shift", "closed_date", "open_date")

    def _made_of_transfer(self, row: Row) -> Made:
        found = transfers.transfer_of(row, self._options, self._calls.hours)
        return [] if found is None else [found], [], []

    def _transfer_changed_at(self, row: Row) -> datetime | None:
        return transfers.changed_at(row, self._options, self._calls.hours)

    def _made_of_product(self, row: Row) -> Made:
        sku, product_id = text(row, "sku"), need_text(row, "product", "product_id")
        fact = Fact("sku", product_id, sku)
        if not sku:
            return [], [], [fact]
        at = self._product_changed_at(row) or self._opening.now().astimezone(UTC)
        payload = {
            "sku": sku,
            "name": text(row, "name", "product_name") or sku,
            "unit": text(row, "unit_of_measurement"),
            "category": text(row, "product_type"),
        }
        return [Received("item", sku, sku, at, payload)], [], [fact]

    def _product_changed_at(self, row: Row) -> datetime | None:
        return self._latest(row, "product")

    def _latest(self, row: Row, what: str, *names: str) -> datetime | None:
        """Return the moment of change, or the first of some others that stands in a row."""
        for name in (self._options.modified_field, *names):
            found = moment(row, what, name, self._calls.hours)
            if found is not None:
                return found
        return None

    def _customer(self, customer_id: str) -> list[Received]:
        try:
            answer = self._calls.ask(f"{_V3}/GetCustomer", {"customer_id": customer_id}, is_json=True)
        except Refusal as error:
            if "not found" in error.text.lower():
                return []
            raise
        at = self._opening.now().astimezone(UTC)
        rows = rows_of(answer, "GetCustomer", _CUSTOMER)
        found = [row for row in rows if text(row, "customer_id").lower() == customer_id.lower()]
        return [
            orders.customer_of(row, moment(row, "customer", "created_date", self._calls.hours) or at)
            for row in found
        ]

    def _item(self, sku: str) -> list[Received]:
        """Return an item. The vendor's document knows no filter by SKU, so all are looked through if need be."""
        for kind in self._options.product_kinds:
            sent = {
                "modified_after": self._options.created_after_floor,
                "track_inventory": kind,
                "sku": sku,
            }
            for rows in self._calls.pages(_PRODUCTS, sent):
                for row in rows:
                    if text(row, "sku") == sku:
                        return self._made_of_product(row)[0]
        return []

    def _transfer(self, key: Key) -> list[Received]:
        name = self._options.transfer_fields["transfer_id"]
        for rows in self._calls.pages(self._transfers, {"transfer_id": key.source_id}):
            found = [
                one
                for row in rows
                if text(row, name) == key.source_id
                for one in self._made_of_transfer(row)[0]
            ]
            if found:
                return found
        return []


def _sum_of(sold: Iterable[Row]) -> Decimal:
    return sum((need_amount(row, "order", "total_amount") for row in sold), Decimal(0))


def _newest(
    rows: list[dict[str, Any]], changed_at: Callable[[Row], datetime | None], limit: datetime
) -> datetime | None:
    """Return the newest change, but none after ``limit``: an order may be dated into the future.

    A row whose moments cannot be read says nothing; it is kept as unreadable and does not stop the others.
    """
    found = []
    for row in rows:
        try:
            found.append(changed_at(row))
        except ContractChanged:
            continue
    told = [one for one in found if one is not None]
    return min(max(told), limit) if told else None


def _page(
    rows: list[dict[str, Any]],
    listing: Listing,
    make: Callable[[Row], Made],
    position: datetime | None,
    at: datetime,
) -> Page:
    """Make a page; a row of which nothing can be made does not keep the others from coming."""
    made = [_made(row, listing, make, at) for row in rows]
    return Page(
        documents=tuple(one for documents, _, _ in made for one in documents),
        shifts=tuple(one for _, shifts, _ in made for one in shifts),
        facts=tuple(one for _, _, facts in made for one in facts),
        position=position,
    )


def _made(row: Row, listing: Listing, make: Callable[[Row], Made], at: datetime) -> Made:
    try:
        return make(row)
    except ContractChanged as error:
        kind = _TYPE_OF.get(listing.path)
        source_id = text(row, "order_id", "transfer_id")
        if kind is None or not source_id:
            raise
        number = text(row, "order_reference", "reference_code") or source_id
        return [Received(kind, source_id, number, at, {}, unreadable=error.message)], [], []
