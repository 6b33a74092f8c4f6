"""Tables of the ledger for a shop and its accounting: documents, what they need, tries, mappings, webhooks, days.

A document that another one needs and that has not come yet is a row of its own (state ``expected``), so a need always
leads from row to row. An answer that was lost leaves its document ``unknown``; nothing here is ever sent twice unseen.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from clientsync.ledger.tables import json_column, moment


def _connection(*, is_key: bool = True) -> Any:
    return Field(
        max_length=40, primary_key=is_key, description="Shop and accounting, by the name in the settings"
    )


def _long(description: str = "") -> Any:
    return Field(default="", sa_type=Text, description=description)


class CommerceDoc(SQLModel, table=True):
    """A document of the shop or of the accounting, and where it stands."""

    __tablename__ = "commerce_doc"
    __table_args__ = (
        Index("uq_commerce_doc", "connection", "type", "source_id", unique=True),
        Index("ix_commerce_doc_state", "connection", "state", "occurred_at", "type_rank", "source_id"),
        Index("ix_commerce_doc_lane", "connection", "lane", "state"),
        Index("ix_commerce_doc_register", "connection", "register_id", "state"),
        Index("ix_commerce_doc_changed", "connection", "changed_at"),
    )

    doc_id: int | None = Field(default=None, primary_key=True)
    connection: str = _connection(is_key=False)
    direction: str = Field(max_length=3, description="out: shop to accounting; in: accounting to shop")
    type: str = Field(
        max_length=20, description="item, customer, sale, payment, sale_return, transfer_out, …"
    )
    source_id: str = Field(max_length=120, description="Its id in the source")
    number: str = Field(max_length=120, description="Its number for people")
    occurred_at: datetime = moment(nullable=False)
    type_rank: int = Field(description="Of one moment, the lower is sent first")
    lane: str = Field(default="", max_length=80, description="Outlet or warehouse")
    register_id: str = Field(default="", max_length=80, description="Where it was sold")
    closed_at: datetime | None = moment()
    payload: dict[str, Any] = json_column()
    payload_hash: str = Field(default="", max_length=64)
    revision: int = Field(default=1, description="How often the source changed it")
    is_withdrawn: bool = Field(default=False, description="The source took it back")
    state: str = Field(
        max_length=12, description="expected, received, waiting, held, ready, sending, unknown, …"
    )
    reason_code: str = Field(default="", max_length=30)
    reason: str = _long("One sentence for people")
    blocker_id: int | None = Field(default=None, description="Document it waits for")
    root_id: int | None = Field(default=None, description="Document at the end of the chain")
    eligible_at: datetime | None = moment()
    inputs: list[list[str]] = Field(
        default_factory=list,
        sa_column=Column(JSON, nullable=False),
        description="Mappings that its last try asked for: kind, key, what was found, whether it is needed and missing",
    )
    attempts: int = 0
    target_id: str = Field(default="", max_length=120)
    target_number: str = Field(default="", max_length=120)
    target_total: str = Field(default="", max_length=40)
    lease: str = Field(default="", max_length=36, description="Of the worker that is sending it")
    lease_until: datetime | None = moment()
    fetched_at: datetime | None = moment()
    arrived_at: datetime = moment(nullable=False)
    changed_at: datetime = moment(nullable=False)
    booked_at: datetime | None = moment()


class CommerceNeed(SQLModel, table=True):
    """A document that must be booked before another one."""

    __tablename__ = "commerce_need"

    doc_id: int = Field(primary_key=True)
    need_id: int = Field(primary_key=True, index=True)


class CommerceStockLine(SQLModel, table=True):
    """Goods that a stock document moves or counts in a warehouse."""

    __tablename__ = "commerce_stock_line"
    __table_args__ = (Index("ix_commerce_stock_line", "connection", "lane", "sku"),)

    doc_id: int = Field(primary_key=True)
    sku: str = Field(max_length=120, primary_key=True)
    connection: str = _connection(is_key=False)
    lane: str = Field(max_length=80)


class CommerceAttempt(SQLModel, table=True):
    """One try of a document: what was said and what was answered."""

    __tablename__ = "commerce_attempt"

    doc_id: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    kind: str = Field(default="send", max_length=10, description="send, or look_up first")
    started_at: datetime = moment(nullable=False)
    ended_at: datetime | None = moment()
    outcome: str = Field(default="", max_length=12, description="success, failed, unknown, retry, auth, lost")
    reason: str = _long()
    calls: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))


class CommerceMap(SQLModel, table=True):
    """A key of the shop and what stands for it in the accounting; kind ``sku`` is the shop's own word of a product."""

    __tablename__ = "commerce_map"

    connection: str = _connection()
    kind: str = Field(
        max_length=20, primary_key=True, description="outlet, payment, item, tax, unit, warehouse, sku"
    )
    source_key: str = Field(max_length=120, primary_key=True)
    target_key: str = Field(max_length=200)
    changed_at: datetime = moment(nullable=False)


class CommerceCursor(SQLModel, table=True):
    """How far a stream of a system was read; and, as stream ``begin`` of no system, from when on sales are booked."""

    __tablename__ = "commerce_cursor"

    connection: str = _connection()
    system: str = Field(max_length=10, primary_key=True, description="shop or accounting; empty: both")
    stream: str = Field(max_length=40, primary_key=True)
    position: datetime = moment(nullable=False)
    read_at: datetime = moment(nullable=False)


class CommerceShift(SQLModel, table=True):
    """A shift of a register."""

    __tablename__ = "commerce_shift"
    __table_args__ = (Index("ix_commerce_shift_register", "connection", "register_id", "opened_at"),)

    connection: str = _connection()
    shift_id: str = Field(max_length=80, primary_key=True)
    register_id: str = Field(max_length=80)
    opened_at: datetime = moment(nullable=False)
    closed_at: datetime | None = moment()


class CommerceInbound(SQLModel, table=True):
    """A webhook as it came; one that is not genuine is kept, cut, and never worked on."""

    __tablename__ = "commerce_inbound"

    inbound_id: int | None = Field(default=None, primary_key=True)
    connection: str = Field(max_length=40, index=True)
    system: str = Field(max_length=10, description="shop or accounting")
    received_at: datetime = moment(nullable=False, index=True)
    headers: dict[str, Any] = json_column()
    body: bytes = Field(sa_type=LargeBinary)
    body_sha: str = Field(max_length=64)
    is_verified: bool
    reason: str = _long("Why it was rejected")


class CommerceEvent(SQLModel, table=True):
    """One event of a webhook; the same event is one row, however often it is delivered."""

    __tablename__ = "commerce_event"
    __table_args__ = (Index("ix_commerce_event_state", "connection", "state", "event_id"),)

    event_id: int | None = Field(default=None, primary_key=True)
    connection: str = _connection(is_key=False)
    system: str = Field(max_length=10, description="shop or accounting")
    dedupe_key: str = Field(max_length=300, unique=True)
    inbound_id: int | None = Field(
        default=None, description="Webhook it came with; none when a sweep found it"
    )
    type: str = Field(max_length=60)
    entity_id: str = Field(max_length=120)
    action: str = Field(default="", max_length=20)
    happened_at: datetime | None = moment()
    received_at: datetime = moment(nullable=False)
    state: str = Field(default="new", max_length=10, description="new, success, failed, ignored")
    reason: str = _long()
    tries: int = 0
    due_at: datetime | None = moment()
    deliveries: int = Field(default=1, description="How often it came")
    replay_of: int | None = Field(default=None, description="Event that a person had worked on again")
    processed_at: datetime | None = moment()


class CommerceConnection(SQLModel, table=True):
    """Switches of a connection, and what is known of its systems."""

    __tablename__ = "commerce_connection"

    connection: str = _connection()
    sales: str = Field(default="real_time", max_length=12, description="real_time, shift_close, scheduled")
    sales_at: str = Field(
        default="", max_length=200, description="Hours of the shop's zone, HH:MM, with commas"
    )
    transfers_scheduled: bool = False
    transfers_at: str = Field(default="", max_length=200)
    uses_customer_ids: bool = Field(default=False, description="Use id in customer data as the mapping")
    stopped: str = Field(
        default="", max_length=200, description="Why nothing is sent to the accounting; empty: it is"
    )
    stopped_in: str = Field(default="", max_length=200, description="Why nothing is sent to the shop")
    maps_version: int = Field(default=0, description="Rises with every change of a mapping")
    shop_heard_at: datetime | None = moment()
    accounting_heard_at: datetime | None = moment()
    polled_at: datetime | None = moment()
    poll_error: str = _long("What could not be read the last time")
    swept_at: datetime | None = moment()
    webhook_ends_on: date | None = Field(
        default=None, description="Day on which the accounting forgets the webhook"
    )
    webhook_renewed_at: datetime | None = moment()


class CommerceChoice(SQLModel, table=True):
    """What a person decided: refresh, waive, take back, a mapping, a mode."""

    __tablename__ = "commerce_choice"

    choice_id: int | None = Field(default=None, primary_key=True)
    connection: str = Field(max_length=40, index=True)
    at: datetime = moment(nullable=False)
    actor: str = Field(max_length=80)
    action: str = Field(max_length=20)
    doc_id: int | None = Field(default=None, index=True)
    detail: str = _long()


class CommerceDay(SQLModel, table=True):
    """Sales of an outlet on a day: what the shop says and what is booked."""

    __tablename__ = "commerce_day"

    connection: str = _connection()
    day: date = Field(primary_key=True)
    outlet: str = Field(max_length=80, primary_key=True)
    shop_count: int
    shop_total: str = Field(max_length=40, description="Decimal text, main unit of the currency")
    booked_count: int
    booked_total: str = Field(max_length=40)
    difference: str = Field(max_length=40, description="Shop less booked")
    state: str = Field(max_length=12, description="agrees, differs, explained, incomplete")
    compared_at: datetime = moment(nullable=False)


class CommerceDifference(SQLModel, table=True):
    """A document behind a difference of a day."""

    __tablename__ = "commerce_difference"

    connection: str = _connection()
    day: date = Field(primary_key=True)
    outlet: str = Field(max_length=80, primary_key=True)
    number: str = Field(
        max_length=120, primary_key=True, description="Of the shop; of the accounting when it is only there"
    )
    doc_id: int | None = None
    shop_total: str = Field(max_length=40)
    booked_total: str = Field(max_length=40)
    reason: str = _long()
