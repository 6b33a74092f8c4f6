"""Table of the ledger for registers: how the columns of a client's register were read, so that it is asked once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from clientsync.ledger.tables import moment


class BookMapping(SQLModel, table=True):
    """How one register of one client is read."""

    __tablename__ = "book_mapping"

    client_id: str = Field(primary_key=True, max_length=40)
    register_name: str = Field(primary_key=True, max_length=10, description="purchases or sales")
    columns: dict[str, str] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False), description="Header to our column"
    )
    ledgers: dict[str, str] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False), description="Ledger of Tally to head"
    )
    day_first: bool = Field(default=True, description="03/04/2026 is the third of April")
    updated_at: datetime = moment(nullable=False)
