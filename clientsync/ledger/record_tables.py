"""Tables of the ledger for records that two systems keep alike: what was listed, pairs, choices, runs, intents.

A pair keeps, per side, the values that both sides last agreed on. A record is in one open pair at most, on each side; a
value that a choice overwrote stays with the choice. An intent is written before anything is written outside.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, Text, text
from sqlmodel import Field, SQLModel

from clientsync.ledger.tables import moment


def _json(default: Any = dict) -> Any:
    return Field(default_factory=default, sa_column=Column(JSON, nullable=False))


def _long(description: str = "") -> Any:
    return Field(default="", sa_type=Text, description=description)


def _set() -> Any:
    return Field(max_length=40, primary_key=True, description="Set: one kind of record between two systems")


def _open_pair(side: str) -> Index:
    is_open = text("closed_at IS NULL")
    return Index(
        f"uq_record_link_{side}",
        "set_name",
        side,
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


class RecordSide(SQLModel, table=True):
    """One side of a set, and how it was listed last."""

    __tablename__ = "record_side"

    set_name: str = _set()
    side: str = Field(max_length=1, primary_key=True, description="a or b")
    scope: str = Field(default="", max_length=64, description="Digest of account, filters and mapping")
    is_complete: bool = Field(default=False, description="Every page came")
    is_same_scope: bool = Field(default=True, description="Scope was that of the run before")
    size: int = Field(default=0, description="Records at the last whole listing")
    last_size: int = Field(default=0, description="Records at the last run that no brake stopped")
    listed_at: datetime | None = moment()


class RecordRow(SQLModel, table=True):
    """A record of one side as it was listed last, in canonical form."""

    __tablename__ = "record_row"

    set_name: str = _set()
    side: str = Field(max_length=1, primary_key=True)
    ext_id: str = Field(max_length=200, primary_key=True, description="Its id in that system")
    values: dict[str, str] = _json()
    hash: str = Field(max_length=64)
    first_seen: datetime = moment(nullable=False)


class RecordLink(SQLModel, table=True):
    """A pair of records; closed when the link was removed or both records are gone."""

    __tablename__ = "record_link"
    __table_args__ = (_open_pair("a_ext"), _open_pair("b_ext"))

    link_id: int | None = Field(default=None, primary_key=True)
    set_name: str = Field(max_length=40, index=True)
    a_ext: str = Field(max_length=200)
    b_ext: str = Field(max_length=200)
    base_a: dict[str, str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    base_b: dict[str, str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    enabled: bool = True
    origin: str = Field(max_length=20, description="operator, suggestion, import")
    version: int = Field(default=1, description="Rises with every change; who changes an older one is told")
    created_at: datetime = moment(nullable=False)
    closed_at: datetime | None = moment()


class RecordChoice(SQLModel, table=True):
    """A value that a person chose for a field of a pair, and the value that was lost by it."""

    __tablename__ = "record_choice"

    choice_id: int | None = Field(default=None, primary_key=True)
    set_name: str = Field(max_length=40, index=True)
    link_id: int = Field(index=True)
    field: str = Field(max_length=40)
    value: str = _long("What both sides got")
    was_a: str = _long("What side a held before")
    was_b: str = _long("What side b held before")
    base_a: str | None = Field(
        default=None, sa_type=Text, description="What side a held when both agreed before"
    )
    base_b: str | None = Field(
        default=None, sa_type=Text, description="What side b held when both agreed before"
    )
    settled_a: str | None = Field(
        default=None, sa_type=Text, description="What side a held once it was carried out; none: it was not"
    )
    settled_b: str | None = Field(
        default=None, sa_type=Text, description="What side b held once it was carried out; none: it was not"
    )
    group: str = Field(default="", max_length=36, description="Of the intents that carry it out")
    actor: str = Field(max_length=80)
    at: datetime = moment(nullable=False)
    undone_at: datetime | None = moment()


class RecordRefusal(SQLModel, table=True):
    """Two records that a person said are not the same; they are never suggested again."""

    __tablename__ = "record_refusal"

    set_name: str = _set()
    a_ext: str = Field(max_length=200, primary_key=True)
    b_ext: str = Field(max_length=200, primary_key=True)
    actor: str = Field(max_length=80)
    at: datetime = moment(nullable=False)


class RecordIgnored(SQLModel, table=True):
    """A record without a partner that is left alone."""

    __tablename__ = "record_ignored"

    set_name: str = _set()
    side: str = Field(max_length=1, primary_key=True)
    ext_id: str = Field(max_length=200, primary_key=True)
    actor: str = Field(max_length=80)
    at: datetime = moment(nullable=False)


class RecordRun(SQLModel, table=True):
    """One preview or run of a set, with its plan's digest."""

    __tablename__ = "record_run"

    run_id: int | None = Field(default=None, primary_key=True)
    set_name: str = Field(max_length=40, index=True)
    mode: str = Field(max_length=10, description="preview or apply")
    plan_hash: str = Field(max_length=64)
    counts: dict[str, int] = _json()
    writes: int = Field(description="Writes that the plan holds")
    done: int = Field(default=0, description="Writes that were made")
    brakes: list[str] = _json(list)
    approved_by: str = Field(default="", max_length=80, description="Who let it run in spite of the brakes")
    actor: str = Field(max_length=80)
    at: datetime = moment(nullable=False)


class RecordIntent(SQLModel, table=True):
    """What is about to be written to one side; open until the read-back is settled."""

    __tablename__ = "record_intent"

    intent_id: int | None = Field(default=None, primary_key=True)
    set_name: str = Field(max_length=40, index=True)
    link_id: int = Field(default=0, description="0 for a record that has no pair yet")
    side: str = Field(max_length=1)
    op: str = Field(max_length=10, description="update, create, delete")
    group: str = Field(max_length=36, index=True, description="Intents that are settled together")
    undoes: str = Field(default="", max_length=36, description="Group of the choices that are taken back")
    ext_id: str = Field(
        default="", max_length=200, description="Of the target; of a record to create: of its source"
    )
    values: dict[str, str] = _json()
    was: dict[str, str] = _json()
    observed: str = Field(default="", max_length=64, description="Digest of the target when this was decided")
    is_tried: bool = Field(default=False, description="The write may have been made")
    state: str = Field(default="open", max_length=10, description="open, done, stale, failed")
    reason: str = _long()
    actor: str = Field(max_length=80)
    at: datetime = moment(nullable=False)
    ended_at: datetime | None = moment()
