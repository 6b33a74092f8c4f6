"""Documents as the ledger knows them, whatever system they come from: their types, keys, states and payloads.

Payloads are plain JSON. Amounts and quantities are decimal text in the currency's main unit, moments are ISO 8601 in
UTC. Every line of a document is ``{"sku", "product_id", "name", "quantity", …}``; ``sku`` may be empty.

============== ====================================================================================================
type           payload
============== ====================================================================================================
item           sku, name, unit, category
customer       external_id, name, phone, email
sale           reference, outlet, register, customer (source id or ""), lines [unit_price, discount, tax,
               tax_code, unit], tax_inclusive, discount, charges [name, amount], rounding, tax, total, paid,
               on_account, status
payment        sale (source id), reference, outlet, method, amount, paid_at, customer
sale_return    sale (source id), reference, outlet, customer, lines [unit_price, discount, tax, tax_code, unit],
               tax_inclusive, tax, total, is_void
money_back     sale (source id), reference, outlet, method, amount, paid_at, customer, is_void
transfer_out   outlet, other_outlet, lines
transfer_in    outlet, other_outlet, lines, transfer_out (source id)
stock_count    outlet, lines [counted]
goods_receipt  number, supplier, warehouse, lines
goods_moved_in number, warehouse, other_warehouse, lines
============== ====================================================================================================

The ledger adds ``number_outlet`` to a sale, and to a payment or return of it, whose outlet has another code than at
first: the outlet in the number that it has in the accounting.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

Direction = Literal["out", "in"]
"""``out``: shop to accounting; ``in``: accounting to shop."""
Timed = Literal["sales", "transfers", "now"]
"""Which setting says when a type is sent."""


class Key(NamedTuple):
    """Identity of a document within a connection: its type, and the id that its source gave it."""

    type: str
    source_id: str


@dataclass(frozen=True)
class DocumentType:
    """One type of document.

    Attributes:
        name: stable name.
        title: word for people, before the number.
        rank: of documents of one moment, the lower is sent first.
        direction: out of the shop, or into it.
        timed: which sync mode says when.
        is_stock: moves stock, so documents of one warehouse are sent one after another.
        has_parts: its source may give one document as several, see ``PART``.
        sells: takes goods out of an outlet or back into it, in no order, so a count of them waits for it.
        counts_stock: sets stock to what was counted, so it waits for every earlier document of the same goods.
    """

    name: str
    title: str
    rank: int
    direction: Direction = "out"
    timed: Timed = "now"
    is_stock: bool = False
    sells: bool = False
    counts_stock: bool = False
    has_parts: bool = False


TYPES: dict[str, DocumentType] = {
    one.name: one
    for one in (
        DocumentType("item", "item", 0),
        DocumentType("customer", "customer", 1),
        DocumentType("sale", "sale", 2, timed="sales", sells=True),
        DocumentType("payment", "payment", 3, timed="sales"),
        DocumentType("sale_return", "return", 4, timed="sales", sells=True),
        DocumentType("money_back", "money back", 4, timed="sales"),
        DocumentType("transfer_out", "transfer-out", 5, timed="transfers", is_stock=True),
        DocumentType("transfer_in", "transfer-in", 6, timed="transfers", is_stock=True),
        DocumentType("stock_count", "stock count", 7, timed="transfers", is_stock=True, counts_stock=True),
        DocumentType("goods_receipt", "goods receipt", 8, direction="in", has_parts=True),
        DocumentType("goods_moved_in", "transfer from accounting", 9, direction="in"),
    )
}


PART = "|"
"""Between the id of a document that is given in parts, one for each warehouse, and the warehouse of a part."""


def whole_of(key: Key) -> str:
    """Return the id of the document that a key names a part of; of another one its own."""
    return key.source_id.partition(PART)[0] if TYPES[key.type].has_parts else key.source_id


STOCK_TYPES = tuple(one.name for one in TYPES.values() if one.is_stock)
SELLING_TYPES = tuple(one.name for one in TYPES.values() if one.sells)
COUNTING_TYPES = tuple(one.name for one in TYPES.values() if one.counts_stock)


class State(StrEnum):
    """Where a document stands.

    ``EXPECTED`` is a document that another one needs and that has not come; it is not shown by itself.
    """

    EXPECTED = "expected"
    RECEIVED = "received"
    WAITING = "waiting"
    HELD = "held"
    READY = "ready"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SUCCESS = "success"
    FAILED = "failed"
    WAIVED = "waived"
    SUPERSEDED = "superseded"


DONE = frozenset({State.SUCCESS, State.WAIVED, State.SUPERSEDED})
"""States that let dependants go on."""

SHOWN_AS = {
    State.EXPECTED: "Waiting",
    State.RECEIVED: "Waiting",
    State.WAITING: "Waiting",
    State.HELD: "Held",
    State.READY: "Waiting",
    State.SENDING: "Waiting",
    State.UNKNOWN: "Unknown",
    State.SUCCESS: "Success",
    State.FAILED: "Failed",
    State.WAIVED: "Success (waived)",
    State.SUPERSEDED: "Superseded",
}
"""State to the word in the lists."""


@dataclass(frozen=True)
class Received:
    """A document as a source gave it.

    Attributes:
        type: name in ``TYPES``.
        source_id: id in the source.
        number: for people.
        occurred_at: business moment, aware.
        payload: see the module; what is booked is made of it and of nothing else.
        needs: what must be booked before.
        lane: warehouse or outlet; stock documents of one lane are sent one after another.
        register: where it was sold; with it and ``closed_at`` a sale finds its shift.
        closed_at: when the sale was closed, aware.
        is_withdrawn: the source took it back before it was booked: it is not sent.
        unreadable: why nothing can be made of what the source gave; it is kept as a failed document, and others go on.
        is_whole: a sale with which its source gave every payment, return and money back of it: others are gone.
        is_ours: it bears our mark: this connection booked it there itself, so it does not come back.
    """

    type: str
    source_id: str
    number: str
    occurred_at: datetime
    payload: Mapping[str, Any]
    needs: tuple[Key, ...] = ()
    lane: str = ""
    register: str = ""
    closed_at: datetime | None = None
    is_withdrawn: bool = False
    is_whole: bool = False
    is_ours: bool = False
    unreadable: str = ""

    @property
    def key(self) -> Key:
        """Identity within the connection."""
        return Key(self.type, self.source_id)

    @property
    def hash(self) -> str:
        """Digest of what is booked."""
        return digest([self.payload, self.is_withdrawn, self.unreadable])


@dataclass(frozen=True)
class Shift:
    """A shift of a register; ``closed_at`` is None while it is open."""

    shift_id: str
    register: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True)
class Fact:
    """Something that a source says about a key: kind, key and value, for example the SKU of a product."""

    kind: str
    key: str
    value: str


@dataclass(frozen=True)
class Page:
    """A page of a stream that changed.

    Attributes:
        documents: in the order of the source.
        shifts: of registers.
        facts: about keys.
        position: newest moment of change on the page, aware; None when the page is empty.
    """

    documents: tuple[Received, ...] = ()
    shifts: tuple[Shift, ...] = ()
    facts: tuple[Fact, ...] = ()
    position: datetime | None = None


@dataclass(frozen=True)
class Booked:
    """A document in the target: its id and number there, and its total as decimal text (empty: it has none)."""

    target_id: str
    number: str
    total: str = ""


@dataclass(frozen=True)
class Document:
    """A document of the ledger, as it is handed to the system that books it.

    Attributes:
        revision: how often the source changed it, from 1.
        booked: what it is booked as, when it is booked already and is booked anew.
    """

    doc_id: int
    type: str
    source_id: str
    number: str
    occurred_at: datetime
    payload: Mapping[str, Any]
    lane: str = ""
    revision: int = 1
    attempts: int = 0
    booked: Booked | None = None
    needs: Mapping[Key, Booked] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Identity within the connection."""
        return Key(self.type, self.source_id)

    @property
    def title(self) -> str:
        """Type and number for people."""
        return title_of(self.type, self.number)


def title_of(type_name: str, number: str) -> str:
    """Return type and number of a document for people, for example ``transfer-out TO-12``."""
    return f"{TYPES[type_name].title} {number}"


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
