"""A day of sales in the shop against the same day in the books, outlet by outlet, with the documents that differ.

The shop's own total of the day, the documents of the ledger and the list of the accounting are three independent
witnesses: a sale that never reached the ledger shows as well as one that was deleted in the books.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from clientsync.commerce.connected import Commerce
from clientsync.commerce.documents import SHOWN_AS, State
from clientsync.commerce.store import DOCS
from clientsync.commerce.systems import BookedTotal, DayTotal
from clientsync.database import reading, writing
from clientsync.ledger import commerce_tables as t

DAYS: Table = t.CommerceDay.__table__  # type: ignore[attr-defined]
DIFFERENCES: Table = t.CommerceDifference.__table__  # type: ignore[attr-defined]
_ZERO = Decimal(0)
_VOIDED = {
    True: "voided in the shop after it was booked; its return is booked on another day, or not yet",
    False: "takes back a sale that was voided in the shop",
}
UNSEEN = "not in the ledger"
"""Number of the row that stands for sales which the shop counts and the ledger has not got."""


@dataclass(frozen=True)
class Difference:
    """A document behind a difference; totals are those of the shop and of the accounting."""

    number: str
    shop_total: Decimal
    booked_total: Decimal
    reason: str
    doc_id: int | None = None


@dataclass
class Outlet:
    """One outlet on one day."""

    name: str
    shop_count: int = 0
    shop_total: Decimal = _ZERO
    booked_count: int = 0
    booked_total: Decimal = _ZERO
    differences: list[Difference] = field(default_factory=list)

    @property
    def difference(self) -> Decimal:
        """Shop less booked."""
        return self.shop_total - self.booked_total

    @property
    def state(self) -> str:
        """agrees; explained: the documents named make the whole difference; differs: they do not."""
        named = sum((one.shop_total - one.booked_total for one in self.differences), _ZERO)
        if not self.differences and not self.difference:
            return "agrees"
        return "explained" if named == self.difference else "differs"


@dataclass(frozen=True)
class Known:
    """A sale or return of the day in the ledger; the total of a return is negative.

    Attributes:
        sale_id: of the sale, also of a return.
        is_void: a sale that the shop voided after it was booked, or the return that takes it back: the shop no longer
            counts either of them.
    """

    doc_id: int
    number: str
    outlet: str
    total: Decimal
    state: State
    reason: str
    target_number: str
    is_sale: bool
    sale_id: str = ""
    is_void: bool = False

    @property
    def shop_total(self) -> Decimal:
        """What the shop counts of it."""
        return _ZERO if self.is_void else self.total


def compare(shop: list[DayTotal], known: list[Known], booked: list[BookedTotal]) -> list[Outlet]:
    """Return every outlet with its differences, by name.

    The shop's totals are of its sales; what came back of them is known to the ledger only, and is taken off there.
    """
    outlets: dict[str, Outlet] = {}

    def outlet(name: str) -> Outlet:
        return outlets.setdefault(name, Outlet(name))

    for total in shop:
        found = outlet(total.outlet)
        found.shop_count += total.count
        found.shop_total += Decimal(total.total)
    for one in known:
        if not one.is_sale:
            outlet(one.outlet).shop_total += one.shop_total
    by_number = {one.target_number: one for one in known if one.target_number}
    there: dict[str, Decimal] = defaultdict(Decimal)
    for row in booked:
        there[row.number] += Decimal(row.total)
        ours = by_number.get(row.number)
        place = outlet(ours.outlet if ours is not None else row.outlet)
        place.booked_count += 1
        place.booked_total += Decimal(row.total)
        if ours is None:
            place.differences.append(
                Difference(
                    row.number,
                    _ZERO,
                    Decimal(row.total),
                    "only in the accounting: the shop has no such document",
                )
            )
    taken_back = _taken_back(known, there)
    for one in known:
        if not (one.is_void and one.sale_id in taken_back):
            _document(outlet(one.outlet), one, there)
    for place in outlets.values():
        _unseen(place, [one for one in known if one.outlet == place.name])
    return [outlets[name] for name in sorted(outlets)]


def _taken_back(known: list[Known], there: Mapping[str, Decimal]) -> set[str]:
    """Return the sales that were voided and taken back on this day, so nothing is left of them in the books."""
    left: dict[str, Decimal] = defaultdict(Decimal)
    for one in known:
        if one.is_void:
            left[one.sale_id] += there.get(one.target_number, _ZERO)
    return {sale_id for sale_id, total in left.items() if not total}


def _document(place: Outlet, one: Known, there: Mapping[str, Decimal]) -> None:
    if one.target_number and one.target_number in there:
        total = there[one.target_number]
        if total != one.shop_total:
            reason = one.reason or (_VOIDED[one.is_sale] if one.is_void else "the totals differ")
            place.differences.append(Difference(one.number, one.shop_total, total, reason, one.doc_id))
    elif one.is_void:
        return  # the shop does not count it, and the books do not list it
    elif one.state is State.WAIVED:
        place.differences.append(
            Difference(one.number, one.total, _ZERO, "waived: booked by hand", one.doc_id)
        )
    elif one.state is State.SUCCESS:
        reason = "booked, but the accounting does not list it on this day"
        place.differences.append(Difference(one.number, one.total, _ZERO, reason, one.doc_id))
    else:
        reason = f"{SHOWN_AS[one.state]}: {one.reason}" if one.reason else SHOWN_AS[one.state]
        place.differences.append(Difference(one.number, one.total, _ZERO, reason, one.doc_id))


def _unseen(place: Outlet, known: list[Known]) -> None:
    """Name what the shop counts beyond the documents of the ledger."""
    count = place.shop_count - sum(one.is_sale and not one.is_void for one in known)
    total = place.shop_total - sum((one.shop_total for one in known), _ZERO)
    if count or total:
        reason = f"the shop counts {place.shop_count} sales, the ledger has {place.shop_count - count}: run a sweep"
        place.differences.append(Difference(UNSEEN, total, _ZERO, reason))


def reconcile(of: Commerce, day: date) -> list[Outlet]:
    """Compare a day and keep the result, over an earlier one of the same day; return every outlet.

    Raises:
        SourceError: a system does not say its totals.
    """
    shop = of.shop.day_totals(day)
    booked = of.accounting.booked_totals(day)
    with reading(of.engine) as connection:
        known = _known(connection, of, day)
    found = compare(shop, known, booked)
    at = of.now()
    with writing(of.engine) as connection:
        for table in (DAYS, DIFFERENCES):
            connection.execute(delete(table).where(table.c.connection == of.name, table.c.day == day))
        if found:
            connection.execute(insert(DAYS), [_day_row(of.name, day, one, at) for one in found])
        rows = [
            {
                "connection": of.name, "day": day, "outlet": one.name, "number": each.number, "doc_id": each.doc_id,
                "shop_total": str(each.shop_total), "booked_total": str(each.booked_total), "reason": each.reason,
            }
            for one in found
            for each in _each_once(one.differences)
        ]  # fmt: skip
        if rows:
            connection.execute(insert(DIFFERENCES), rows)
    return found


def _each_once(differences: list[Difference]) -> list[Difference]:
    """Return differences, of which each has a number of its own."""
    seen: dict[str, int] = {}
    found = []
    for one in differences:
        seen[one.number] = seen.get(one.number, 0) + 1
        number = one.number if seen[one.number] == 1 else f"{one.number} ({seen[one.number]})"
        found.append(replace(one, number=number))
    return found


def _day_row(name: str, day: date, one: Outlet, at: datetime) -> dict[str, Any]:
    return {
        "connection": name,
        "day": day,
        "outlet": one.name,
        "shop_count": one.shop_count,
        "shop_total": str(one.shop_total),
        "booked_count": one.booked_count,
        "booked_total": str(one.booked_total),
        "difference": str(one.difference),
        "state": one.state,
        "compared_at": at,
    }


def _known(connection: Connection, of: Commerce, day: date) -> list[Known]:
    begin = datetime.combine(day, time(), of.zone)
    rows = connection.execute(
        select(DOCS).where(
            DOCS.c.connection == of.name,
            DOCS.c.type.in_(("sale", "sale_return")),
            DOCS.c.occurred_at >= begin,
            DOCS.c.occurred_at < begin + timedelta(days=1),
            DOCS.c.state.not_in((State.SUPERSEDED, State.EXPECTED)),
        )
    )
    return [
        Known(
            row.doc_id,
            row.number,
            row.payload.get("outlet", row.lane),
            Decimal(row.payload.get("total") or 0) * (1 if row.type == "sale" else -1),
            State(row.state),
            row.reason,
            row.target_number,
            row.type == "sale",
            row.source_id if row.type == "sale" else row.payload.get("sale", ""),
            row.is_withdrawn or bool(row.payload.get("is_void")),
        )
        for row in rows
    ]


def shown(day: date, found: list[Outlet]) -> list[dict[str, Any]]:
    """Return outlets for people, each difference below its outlet."""
    rows: list[dict[str, Any]] = []
    for one in found:
        rows.append(
            {
                "day": f"{day}", "outlet": one.name, "document": "", "shop": str(one.shop_total),
                "booked": str(one.booked_total), "difference": str(one.difference),
                "what": f"{one.state}: {one.shop_count} sales in the shop, {one.booked_count} documents booked",
            }
        )  # fmt: skip
        rows += [
            {
                "day": f"{day}", "outlet": one.name, "document": each.number, "shop": str(each.shop_total),
                "booked": str(each.booked_total), "difference": str(each.shop_total - each.booked_total),
                "what": each.reason,
            }
            for each in one.differences
        ]  # fmt: skip
    return rows
