"""What sources say, taken into the ledger: documents with their needs, facts about keys and what they repair."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Text, cast, delete, insert, or_, select, update

from clientsync.commerce import reasons
from clientsync.commerce.counting import counts_after, open_counts
from clientsync.commerce.documents import PART, TYPES, Fact, Key, Received, Shift, State, whole_of
from clientsync.commerce.judging import JUDGED
from clientsync.commerce.scheduling import shifts_of
from clientsync.commerce.store import (
    DOCS,
    NEEDS,
    STOCK,
    begin_of,
    maps_of,
    put_maps,
    set_state,
    upserting,
)
from clientsync.commerce.timing import SyncMode, eligible
from clientsync.database import among

_OPEN = frozenset({*JUDGED, State.FAILED})
_NOT_SENT = frozenset({State.EXPECTED, State.RECEIVED, State.WAITING, State.HELD, State.READY})
_UNDER_WAY = frozenset({State.SENDING, State.UNKNOWN, State.WAIVED, State.SUPERSEDED})
_REPLACED = frozenset({"sale", "payment"})
"""Types that are booked anew when the source changes them; of the others a person decides."""
_KEPT = frozenset({"item", "customer"})
"""Types of which a later change is no business of the accounting."""
_BELONGING = frozenset({"payment", "sale_return", "money_back"})
"""Types that go with their sale when it is withdrawn before it was booked."""
BY_HAND = frozenset({"changed_after_booking", "source_deleted"})
"""Reasons of booked documents that only a person can settle; trying again would find the document, and hide them."""
_NUMBERED_BY_OUTLET = frozenset({"sale", *_BELONGING})
"""Types whose number in the accounting holds the outlet; it is the first that the sale had."""
_NO_REASON: dict[str, Any] = {"reason_code": "", "reason": "", "blocker_id": None, "root_id": None}
_EMPTY: dict[str, Any] = {
    "reason_code": "", "reason": "", "attempts": 0, "target_id": "", "target_number": "",
    "target_total": "", "lease": "",
}  # fmt: skip


def take_in(
    connection: Connection, name: str, received: Iterable[Received], mode: SyncMode, at: datetime
) -> set[int]:
    """Bring the ledger to what a source says of documents; return those that must be judged.

    What is known already, unchanged, changes nothing. A document that was booked and is changed since is booked anew,
    or waits for a person where the accounting cannot replace it. Sales from before the begin of the connection that
    nobody knows are left out, with all that belongs to them.
    """
    newest: dict[Key, Received] = {}
    for one in _under_known_ids(connection, name, [one for one in received if not one.is_ours]):
        newest[one.key] = _not_later(one, newest.get(one.key))
    newest = _since_begin(connection, name, newest, mode.zone, at)
    if not newest:
        return set()
    skus = _skus_of(connection, name, newest.values())
    newest = {key: _with_items(one, skus) for key, one in newest.items()}
    there = {Key(row.type, row.source_id): row for row in _rows(connection, name, newest)}
    changed: set[int] = set()
    back: set[int] = set()
    unreadable: set[int] = set()
    wanted: dict[Key, int] = {key: row.doc_id for key, row in there.items()}
    shifts = shifts_of(connection, name, {one.register for one in newest.values() if one.register}, mode)
    for key, one in newest.items():
        row = there.get(key)
        if one.unreadable and row is not None:
            if row.payload_hash != one.hash and row.state not in _UNDER_WAY:
                why = reasons.unreadable(one.unreadable)
                set_state(connection, [row.doc_id], State.FAILED, why, at, payload_hash=one.hash)
                unreadable.add(row.doc_id)
            continue
        values = _values(
            one, skus, mode, shifts, row.arrived_at if row is not None and row.payload_hash else at, at
        )
        values["payload"] |= _first_outlet(one, row, there)
        if row is None:
            state = State.SUPERSEDED if one.is_withdrawn else State.RECEIVED
            wanted[key] = connection.execute(
                insert(DOCS).values(
                    connection=name,
                    direction=TYPES[key.type].direction,
                    type=key.type,
                    source_id=key.source_id,
                    type_rank=TYPES[key.type].rank,
                    state=state,
                    revision=1,
                    arrived_at=at,
                    **_EMPTY,
                    **values,
                )
            ).inserted_primary_key[0]  # type: ignore[index]
            changed.add(wanted[key])
            if one.unreadable:
                set_state(connection, [wanted[key]], State.FAILED, reasons.unreadable(one.unreadable), at)
        elif _is_changed(row, one, newest, mode.zone):
            if row.state == State.SUPERSEDED and not one.is_withdrawn:
                back.add(row.doc_id)
            connection.execute(
                update(DOCS)
                .where(DOCS.c.doc_id == row.doc_id)
                .values(
                    **values,
                    **state_after_change(
                        row.type,
                        State(row.state),
                        row.attempts,
                        is_withdrawn=one.is_withdrawn and not _is_changed_as_well(row, one),
                        is_booked=bool(row.target_id),
                        reason_code=row.reason_code,
                        is_worth_same=_is_worth_same(row, one, mode.zone),
                    ),
                    revision=row.revision + (1 if row.payload_hash or row.attempts else 0),
                    arrived_at=row.arrived_at if row.payload_hash else at,
                )
            )
            changed.add(row.doc_id)
    fresh = {key: one for key, one in newest.items() if wanted[key] in changed}
    changed |= (
        unreadable | _lost_parts(connection, name, newest, at) | _left_out(connection, newest, wanted, at)
    )
    _write_needs(connection, name, fresh, wanted, at)
    moved = [wanted[key] for key in fresh if TYPES[key.type].is_stock]
    if moved:  # counts that wait for what is written over now
        changed |= counts_after(connection, name, moved)
    if left := {there[key].lane for key in fresh if TYPES[key.type].sells and key in there}:
        changed |= open_counts(connection, name, left)
    _write_stock(connection, name, fresh, wanted)
    changed |= try_belonging_again(
        connection, back, State.SUPERSEDED, at
    )  # it followed its sale and comes with it
    return changed | follow_withdrawn(connection, changed, at)


def _not_later(one: Received, before: Received | None) -> Received:
    """Return a master that several documents bring with the moment of the earliest; they all wait for it."""
    if before is None or one.type not in _KEPT or before.occurred_at >= one.occurred_at:
        return one
    return replace(one, occurred_at=before.occurred_at)


def _since_begin(
    connection: Connection, name: str, newest: Mapping[Key, Received], zone: ZoneInfo, at: datetime
) -> dict[Key, Received]:
    """Leave out sales from before the begin that nobody knows, and what came with them and goes with no other."""
    if not newest:
        return {}
    begin = begin_of(connection, name, zone, at)
    sales = {key: one for key, one in newest.items() if key.type == "sale"}
    old = {key for key, one in sales.items() if (one.closed_at or one.occurred_at) < begin}
    old -= {Key(row.type, row.source_id) for row in _rows(connection, name, old)}
    if not old:
        return dict(newest)
    left = {
        key: one
        for key, one in newest.items()
        if key not in old and not (_with_sale(one) and old & set(one.needs))
    }
    theirs = {need for key in old for need in sales[key].needs if need.type == "customer"}
    theirs -= {need for one in left.values() for need in one.needs}
    theirs -= {Key(row.type, row.source_id) for row in _rows(connection, name, theirs)}
    return {key: one for key, one in left.items() if key not in theirs}


def _with_sale(one: Received) -> bool:
    return one.type in _BELONGING


def _under_known_ids(connection: Connection, name: str, received: Sequence[Received]) -> list[Received]:
    """Return documents; a part has the id of the whole where the ledger has it under that, of the same warehouse."""
    wholes = {Key(one.type, whole_of(one.key)) for one in received if whole_of(one.key) != one.source_id}
    lanes = {Key(row.type, row.source_id): row.lane for row in _rows(connection, name, wholes)}
    return [
        replace(one, source_id=whole_of(one.key))
        if lanes.get(Key(one.type, whole_of(one.key))) == one.lane
        else one
        for one in received
    ]


def _lost_parts(connection: Connection, name: str, newest: Mapping[Key, Received], at: datetime) -> set[int]:
    """Let parts go that a document had and has no longer; its source always gives all parts together."""
    wholes = {Key(key.type, whole_of(key)) for key in newest if TYPES[key.type].has_parts}
    changed: set[int] = set()
    for whole in sorted(wholes):
        for row in parts_of(connection, name, whole):
            if Key(row.type, row.source_id) not in newest:
                changed |= let_go(connection, row, at)
    return changed


def _left_out(
    connection: Connection, newest: Mapping[Key, Received], wanted: Mapping[Key, int], at: datetime
) -> set[int]:
    """Let go what belonged to sales and is no longer given with them, as a payment that did not come in the end."""
    sales = [wanted[key] for key, one in newest.items() if one.is_whole and not one.unreadable]
    if not sales:
        return set()
    changed: set[int] = set()
    for row in connection.execute(
        select(DOCS)
        .join(NEEDS, NEEDS.c.doc_id == DOCS.c.doc_id)
        .where(among(connection, NEEDS.c.need_id, sales), DOCS.c.type.in_(_BELONGING))
    ).all():
        if Key(row.type, row.source_id) not in newest:
            changed |= let_go(connection, row, at)
    return changed


def parts_of(connection: Connection, name: str, key: Key) -> list[Any]:
    """Return the rows of a document, and of all its parts where its type has some."""
    whole = whole_of(key)
    has_id = DOCS.c.source_id == whole
    if TYPES[key.type].has_parts:
        has_id = or_(has_id, DOCS.c.source_id.startswith(f"{whole}{PART}", autoescape=True))
    return list(
        connection.execute(select(DOCS).where(DOCS.c.connection == name, DOCS.c.type == key.type, has_id))
    )


def let_go(connection: Connection, row: Any, at: datetime) -> set[int]:
    """Let a document that its source no longer has not be sent; one that is booked waits for a person."""
    if row.state in _OPEN and not row.attempts:
        set_state(connection, [row.doc_id], State.SUPERSEDED, reasons.NONE, at)
        return {row.doc_id} | follow_withdrawn(connection, [row.doc_id], at)
    if row.state in (*_OPEN, State.UNKNOWN) and row.reason_code != "source_deleted" and not row.target_id:
        # it may have been sent: it is looked up, and not sent when nothing is found
        state = State.RECEIVED if row.state == State.FAILED else State(row.state)
        connection.execute(
            update(DOCS).where(DOCS.c.doc_id == row.doc_id).values(is_withdrawn=True, state=state)
        )
    elif row.state == State.SUCCESS or (row.state == State.FAILED and row.reason_code in BY_HAND):
        set_state(connection, [row.doc_id], State.FAILED, reasons.SOURCE_DELETED, at)
    return {row.doc_id}


def _is_worth_same(row: Any, one: Received, zone: ZoneInfo) -> bool:
    """Whether nothing is changed of a booked document but how it stands or what was paid of it, or it never came."""
    is_changed = _is_worth_other(row, one) or _is_of_another_day(row, one, zone)
    return not row.payload_hash or not is_changed


def _is_of_another_day(row: Any, one: Received, zone: ZoneInfo) -> bool:
    """Whether a document is booked on another day now. Masters have none, nor has what is booked in the shop."""
    has_day = TYPES[one.type].direction == "out" and one.type not in _KEPT
    before, after = (moment.astimezone(zone).date() for moment in (row.occurred_at, one.occurred_at))
    return has_day and before != after


def _is_changed(row: Any, one: Received, newest: Mapping[Key, Received], zone: ZoneInfo) -> bool:
    """Whether a source says something else of a document than before: what is booked, which day, or that it is back."""
    return (
        (row.payload_hash != one.hash and not _only_tells_tax(row, one))
        or _is_of_another_day(row, one, zone)
        or _is_back(row, one, newest)
    )


def _only_tells_tax(row: Any, one: Received) -> bool:
    """Whether a return that was booked before returns told their taxes is the same but for those."""
    if row.type != "sale_return" or row.state != State.SUCCESS or "tax" in row.payload:
        return False
    return (
        not one.is_withdrawn
        and not one.unreadable
        and "tax" in one.payload
        and _holds(one.payload, row.payload)
    )


def _holds(more: Any, less: Any) -> bool:
    if isinstance(less, Mapping) and isinstance(more, Mapping):
        return all(name in more and _holds(more[name], value) for name, value in less.items())
    if isinstance(less, list) and isinstance(more, list):
        return len(less) == len(more) and all(map(_holds, more, less))
    return bool(more == less)


def _first_outlet(one: Received, row: Any, there: Mapping[Key, Any]) -> dict[str, str]:
    """Return the outlet in the number of a document, where that is another one than it has now; else nothing.

    It is no part of what the source says, so it does not count as a change.
    """
    if one.type not in _NUMBERED_BY_OUTLET:
        return {}
    known = row if row is not None and row.payload_hash else None
    if known is None:
        known = there.get(Key("sale", str(one.payload.get("sale", ""))))
    before = known.payload if known is not None else {}
    first = before.get("number_outlet") or before.get("outlet")
    return {} if not first or first == one.payload.get("outlet") else {"number_outlet": first}


def _is_changed_as_well(row: Any, one: Received) -> bool:
    """Whether a booked sale was changed before it was taken back: it is booked as changed, then returned."""
    if row.type != "sale" or row.state != State.SUCCESS or not one.payload.get("lines"):
        return False
    return _is_worth_other(row, one)


def _is_worth_other(row: Any, one: Received) -> bool:
    """Whether a source says something else of a document than how it stands and what was paid of it."""
    status = {"status": "", "paid": "", "number_outlet": ""}
    return {**row.payload, **status} != {**one.payload, **status}


def _is_back(row: Any, one: Received, newest: Mapping[Key, Received]) -> bool:
    """Whether a document that was gone is given again; what belongs to a sale comes back with it, or into it."""
    is_gone = row.state == State.SUPERSEDED or row.reason_code == reasons.SOURCE_DELETED.code
    is_going = row.is_withdrawn and row.state != State.SUCCESS
    if not (is_gone or is_going) or one.is_withdrawn:
        return False
    sales = [newest[need] for need in one.needs if need in newest and newest[need].is_whole]
    return row.type not in _BELONGING or any(not sale.is_withdrawn for sale in sales)


def try_belonging_again(
    connection: Connection,
    sales: Collection[int],
    state: State,
    at: datetime,
    types: Collection[str] = _BELONGING,
) -> set[int]:
    """Let what belongs to sales, is in a state and was not withdrawn itself be tried again; return what changed."""
    if not sales:
        return set()
    ids = set(
        connection.execute(
            select(DOCS.c.doc_id)
            .join(NEEDS, NEEDS.c.doc_id == DOCS.c.doc_id)
            .where(
                among(connection, NEEDS.c.need_id, sales),
                DOCS.c.type.in_(types),
                DOCS.c.state == state,
                ~DOCS.c.is_withdrawn,
            )
        ).scalars()
    )
    set_state(connection, ids, State.RECEIVED, reasons.NONE, at)
    return ids


def _rows(connection: Connection, name: str, keys: Collection[Key]) -> list[Any]:
    found: list[Any] = []
    for type_name, some in groupby(sorted(keys), key=lambda key: key.type):
        found += connection.execute(
            select(DOCS).where(
                DOCS.c.connection == name,
                DOCS.c.type == type_name,
                among(connection, DOCS.c.source_id, [key.source_id for key in some]),
            )
        ).all()
    return found


def _nameless(one: Received) -> list[str]:
    """Return the products of lines that have no SKU."""
    lines = one.payload.get("lines", ())
    return [str(line["product_id"]) for line in lines if not line.get("sku") and line.get("product_id")]


def _skus_of(connection: Connection, name: str, received: Iterable[Received]) -> dict[str, str]:
    """Return what the shop says today of products that stand in documents without their SKU."""
    wanted = {("sku", product) for one in received for product in _nameless(one)}
    if not wanted:
        return {}
    return {key: value for (kind, key), value in maps_of(connection, name, wanted).items() if kind == "sku"}


def _with_items(one: Received, skus: Mapping[str, str]) -> Received:
    """Return a document that also needs the items whose SKUs it does not tell itself."""
    known = [Key("item", skus[product]) for product in _nameless(one) if skus.get(product)]
    return replace(one, needs=(*one.needs, *known)) if known else one


def _values(
    one: Received,
    skus: Mapping[str, str],
    mode: SyncMode,
    shifts: Mapping[str, Sequence[Shift]],
    arrived_at: datetime,
    at: datetime,
) -> dict[str, Any]:
    sold_at = one.closed_at or one.occurred_at
    when = eligible(
        mode, one.type, arrived_at=arrived_at, sold_at=sold_at, register=one.register,
        shifts=shifts.get(one.register, ()),
    )  # fmt: skip
    return {
        "number": one.number,
        "occurred_at": one.occurred_at,
        "lane": one.lane,
        "register_id": one.register,
        "closed_at": one.closed_at,
        "payload": dict(one.payload),
        "payload_hash": one.hash,
        "is_withdrawn": one.is_withdrawn,
        "eligible_at": when.at,
        "changed_at": at,
        "inputs": [["sku", product, skus.get(product, ""), ""] for product in dict.fromkeys(_nameless(one))],
    }


def state_after_change(
    type_name: str,
    state: State,
    attempts: int,
    *,
    is_withdrawn: bool = False,
    is_booked: bool = False,
    reason_code: str = "",
    is_worth_same: bool = False,
) -> dict[str, Any]:
    """Return state and reason of a document after the source changed it; empty when they stay.

    What may have been sent is looked up first, also when it failed: a sale that is booked is taken back by its own
    return. What a person must correct by hand stays as it is, and what one booked by hand is told. What is worth the
    same stays booked as it is.
    """
    changed = reasons.changed_after_booking()
    told = {"state": State.FAILED, "reason_code": changed.code, "reason": changed.text}
    if state is State.WAIVED or (state is State.FAILED and reason_code == changed.code):
        is_settled = is_worth_same or is_withdrawn or type_name in _KEPT or state is not State.WAIVED
        return {} if is_settled else told
    is_unsent = state in (State.FAILED, State.EXPECTED) or (state in _NOT_SENT and not attempts)
    is_looked_up = state in (State.FAILED, State.EXPECTED) and (is_booked or attempts > 0)
    if is_withdrawn and not is_looked_up:
        return {"state": State.SUPERSEDED} | _NO_REASON if is_unsent else {}
    if is_unsent or state is State.SUPERSEDED:
        return {"state": State.RECEIVED} | _NO_REASON
    if state is not State.SUCCESS or type_name in _KEPT or is_worth_same:
        return {}
    if type_name in _REPLACED:
        return {"state": State.RECEIVED} | _NO_REASON
    return told


def _write_needs(
    connection: Connection, name: str, fresh: Mapping[Key, Received], wanted: dict[Key, int], at: datetime
) -> None:
    """Let needs be rows; what has not come yet becomes an expected document."""
    needed = {need for one in fresh.values() for need in one.needs} - wanted.keys()
    wanted.update(_there_or_expected(connection, name, needed, at))
    if fresh:
        ids = [wanted[key] for key in fresh]
        connection.execute(delete(NEEDS).where(among(connection, NEEDS.c.doc_id, ids)))
    rows = [
        {"doc_id": wanted[key], "need_id": need_id}
        for key, one in fresh.items()
        for need_id in {wanted[need]: None for need in one.needs}
    ]
    if rows:
        connection.execute(insert(NEEDS), rows)


def _there_or_expected(
    connection: Connection, name: str, keys: Collection[Key], at: datetime
) -> dict[Key, int]:
    """Return the numbers of documents; one that has not come yet becomes an expected one."""
    found = {Key(row.type, row.source_id): row.doc_id for row in _rows(connection, name, keys)}
    for key in sorted(set(keys) - found.keys()):
        kind = TYPES[key.type]
        found[key] = connection.execute(
            insert(DOCS).values(
                connection=name, direction=kind.direction, type=key.type, source_id=key.source_id,
                number=key.source_id, occurred_at=at, type_rank=kind.rank, lane="", register_id="", payload={},
                payload_hash="", revision=1, is_withdrawn=False, state=State.EXPECTED, arrived_at=at,
                changed_at=at, inputs=[], **_EMPTY,
            )
        ).inserted_primary_key[0]  # type: ignore[index] # fmt: skip
    return found


def _write_stock(
    connection: Connection, name: str, fresh: Mapping[Key, Received], wanted: Mapping[Key, int]
) -> None:
    moved = {wanted[key]: one for key, one in fresh.items() if TYPES[key.type].is_stock}
    if not moved:
        return
    connection.execute(delete(STOCK).where(among(connection, STOCK.c.doc_id, list(moved))))
    rows = [
        {"doc_id": doc_id, "sku": sku, "connection": name, "lane": one.lane}
        for doc_id, one in moved.items()
        for sku in sorted({str(line.get("sku") or "") for line in one.payload.get("lines", ())} - {""})
    ]
    if rows:
        connection.execute(insert(STOCK), rows)


def follow_withdrawn(connection: Connection, changed: Collection[int], at: datetime) -> set[int]:
    """Take what belongs to a sale that was withdrawn before it was booked out with it; return what that changed."""
    sale = DOCS.alias("sale")
    gone = connection.execute(
        select(DOCS.c.doc_id)
        .join(NEEDS, NEEDS.c.doc_id == DOCS.c.doc_id)
        .join(sale, sale.c.doc_id == NEEDS.c.need_id)
        .where(
            or_(among(connection, NEEDS.c.need_id, changed), among(connection, NEEDS.c.doc_id, changed)),
            sale.c.state == State.SUPERSEDED,
            DOCS.c.type.in_(_BELONGING),
            DOCS.c.state.in_([*JUDGED, State.FAILED]),
        )
    ).scalars()
    ids = set(gone)
    if ids:
        set_state(connection, ids, State.SUPERSEDED, reasons.NONE, at)
    return ids


def take_in_facts(connection: Connection, name: str, facts: Iterable[Fact], at: datetime) -> bool:
    """Keep what a source says about keys; return whether something is new."""
    newest = {(one.kind, one.key): one.value for one in facts}
    known = maps_of(connection, name, newest)
    changed = {key: value for key, value in newest.items() if known.get(key, "") != value}
    put_maps(connection, name, changed, at)
    return bool(changed)


def repaired(connection: Connection, name: str, at: datetime) -> set[int]:
    """Let documents that failed be tried again when a mapping that they asked for has another value now.

    A product that has got its SKU is an item that a document needs from then on, also one that waits. Returns the
    documents that must be judged.
    """
    asking = connection.execute(
        select(DOCS.c.doc_id, DOCS.c.inputs, DOCS.c.type, DOCS.c.lane, DOCS.c.state).where(
            DOCS.c.connection == name,
            DOCS.c.state.in_([*JUDGED, State.FAILED]),
            DOCS.c.reason_code.not_in(BY_HAND),
            cast(DOCS.c.inputs, Text) != "[]",
        )
    ).all()
    asked = {(kind, key) for row in asking for kind, key, *_ in row.inputs}
    if not asked:
        return set()
    known = maps_of(connection, name, asked)
    failed: set[int] = set()
    waiting: set[int] = set()
    for row in asking:
        changed = {
            (kind, known.get((kind, key), ""))
            for kind, key, value, _ in row.inputs
            if known.get((kind, key), "") != value
        }
        if changed:
            (failed if row.state == State.FAILED else waiting).add(row.doc_id)
            _need_items(connection, name, row, {sku for kind, sku in changed if kind == "sku" and sku}, at)
            now_known = [
                [kind, key, known.get((kind, key), ""), needed] for kind, key, _, needed in row.inputs
            ]
            connection.execute(update(DOCS).where(DOCS.c.doc_id == row.doc_id).values(inputs=now_known))
    set_state(connection, failed, State.RECEIVED, reasons.NONE, at)
    return failed | waiting


def _need_items(connection: Connection, name: str, row: Any, skus: Collection[str], at: datetime) -> None:
    """Let a document need items that it did not know of before."""
    if not skus:
        return
    wanted = _there_or_expected(connection, name, {Key("item", sku) for sku in skus}, at)
    there = set(connection.execute(select(NEEDS.c.need_id).where(NEEDS.c.doc_id == row.doc_id)).scalars())
    new = [{"doc_id": row.doc_id, "need_id": one} for one in set(wanted.values()) - there]
    if new:
        connection.execute(insert(NEEDS), new)
    if TYPES[row.type].is_stock:
        lines = [{"doc_id": row.doc_id, "sku": sku, "connection": name, "lane": row.lane} for sku in skus]
        connection.execute(upserting(connection, STOCK).on_conflict_do_nothing(), lines)
