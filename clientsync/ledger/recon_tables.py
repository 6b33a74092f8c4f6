"""Tables of the ledger for reconciliations: what each one came to in each run, and its exceptions with their history.

Invariant: an exception is never deleted; what is no longer found is closed and keeps the day it was first seen.
Keys and texts hold no TAN and no PAN.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Text
from sqlmodel import Field, SQLModel

from clientsync.ledger.tables import moment


def _json_list() -> Any:
    return Field(default_factory=list, sa_column=Column(JSON, nullable=False))


class SyncRecon(SQLModel, table=True):
    """What one reconciliation of one client came to in one run."""

    __tablename__ = "sync_recon"
    __table_args__ = (Index("ix_sync_recon_client", "client_id", "connector", "ended_at"),)

    recon_run_id: str = Field(primary_key=True, max_length=40)
    client_id: str = Field(primary_key=True, max_length=40)
    recon: str = Field(primary_key=True, max_length=10, description="R1 to R14")
    connector: str = Field(max_length=40)
    as_of: date = Field(description="Day whose data was compared")
    state: str = Field(max_length=12, description="clean, exceptions, incomplete")
    compared: int = Field(default=0, description="Things that were compared")
    errors: int = Field(default=0, description="Exceptions that are errors")
    warnings: int = Field(default=0, description="Exceptions that are warnings")
    missing: list[str] = _json_list()
    ended_at: datetime = moment(nullable=False)


class SyncReconException(SQLModel, table=True):
    """One finding that a person must look at, over all runs; its identity never changes."""

    __tablename__ = "sync_recon_exception"
    __table_args__ = (Index("ix_sync_recon_exception_status", "client_id", "connector", "status"),)

    exception_id: str = Field(primary_key=True, max_length=64, description="SHA-256 of the identity")
    client_id: str = Field(max_length=40)
    connector: str = Field(max_length=40)
    recon: str = Field(max_length=10)
    code: str = Field(max_length=60)
    key: list[str] = _json_list()
    severity: str = Field(max_length=10, description="warning, error")
    expected: str = Field(default="", sa_type=Text)
    actual: str = Field(default="", sa_type=Text)
    difference_paise: int | None = Field(default=None, sa_type=BigInteger)
    why: str = Field(default="", sa_type=Text)
    action: str = Field(default="", sa_type=Text)
    evidence: list[str] = _json_list()
    first_seen: date
    last_seen: date
    status: str = Field(max_length=10, description="open, closed, reopened")
    recon_run_id: str = Field(max_length=40, description="Run that last changed it")
