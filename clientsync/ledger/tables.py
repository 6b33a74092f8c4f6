"""Tables of the ledger: what was asked, by whom, what became of it, and what waits.

The ledger is the truth about what happened; Prefect shows it. All moments are stored as UTC. Nothing here
holds a credential; tokens are in ``sync_session`` encrypted by the vault.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from clientsync.moments import UtcDateTime


def moment(*, nullable: bool = True, index: bool = False) -> Any:
    """A UTC moment column."""
    return Field(
        default=None if nullable else ...,
        sa_type=UtcDateTime,
        nullable=nullable,
        index=index,
    )


def json_column() -> Any:
    """A small JSON value."""
    return Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


def _unique_unless_empty(column: str) -> Index:
    """Return an index under which two clients never share a value, while any number may have none."""
    given = text(f"{column} <> ''")
    return Index(f"uq_sync_client_{column}", column, unique=True, sqlite_where=given, postgresql_where=given)


class SyncClient(SQLModel, table=True):
    """The client master: one client with its GST registration, its deductor's account number (TAN), or both."""

    __tablename__ = "sync_client"
    __table_args__ = (
        _unique_unless_empty("gstin"),
        _unique_unless_empty("tan"),
    )

    client_id: str = Field(primary_key=True, max_length=40, description="Short name of ours, e.g. C0001")
    name: str = Field(max_length=200, description="Name of the client")
    gstin: str = Field(default="", max_length=15, description="GST registration; empty without one")
    portal_username: str = Field(default="", max_length=80, description="User name on the GST portal")
    provider: str = Field(
        default="file", max_length=40, description="gsp, sandbox, or file (import by hand only)"
    )
    state_code: str = Field(default="", max_length=2, description="First two characters of the GSTIN")
    filing_frequency: str = Field(default="M", max_length=1, description="M monthly, Q quarterly (QRMP)")
    consent_ends_on: date | None = Field(default=None, description="Last day of API consent on the portal")
    tan: str = Field(default="", max_length=10, description="Tax deduction account number; empty without one")
    deductor_pan: str = Field(default="", max_length=10, description="PAN of the deductor")
    deductor_category: str = Field(default="", max_length=1, description="Category code of statement files")
    tds_forms: str = Field(
        default="", max_length=40, description="Form profile: 24Q, 26Q, 27Q, 27EQ, comma separated"
    )
    tds_source: str = Field(
        default="file", max_length=40, description="portal, or file (import by hand only)"
    )
    traces_username: str = Field(default="", max_length=80, description="User id on TRACES")
    tds_consent_given_on: date | None = Field(
        default=None, description="Day of the client's authority letter for its TAN"
    )
    tds_consent_ends_on: date | None = Field(default=None, description="Last day of that authority")
    is_active: bool = Field(default=True, description="Inactive clients are never synchronised")
    settings: dict[str, Any] = json_column()
    created_at: datetime = moment(nullable=False)
    updated_at: datetime = moment(nullable=False)


class SyncClientGroup(SQLModel, table=True):
    """Membership of a client in a group that operators select by."""

    __tablename__ = "sync_client_group"

    group_name: str = Field(primary_key=True, max_length=60)
    client_id: str = Field(
        primary_key=True, max_length=40, foreign_key="sync_client.client_id", ondelete="CASCADE"
    )


class SyncRun(SQLModel, table=True):
    """One operation: what was selected, when, and how it ended in numbers."""

    __tablename__ = "sync_run"

    run_id: str = Field(primary_key=True, max_length=40)
    connector: str = Field(max_length=40)
    kind: str = Field(max_length=20, description="manual, nightly, retry, resync, import, replay, answer")
    parent_run_id: str | None = Field(default=None, max_length=40, index=True)
    selection: dict[str, Any] = json_column()
    state: str = Field(max_length=20, description="running, ended, stopped")
    started_at: datetime = moment(nullable=False, index=True)
    heartbeat_at: datetime | None = moment()
    ended_at: datetime | None = moment()
    counts: dict[str, Any] = json_column()
    code_version: str = Field(default="", max_length=40)
    flow_run_id: str | None = Field(default=None, max_length=40)


class SyncUnit(SQLModel, table=True):
    """One unit of one run: client x module x unit period, with its outcome."""

    __tablename__ = "sync_unit"
    __table_args__ = (
        Index("ix_sync_unit_run", "run_id", "state"),
        Index("ix_sync_unit_what", "client_id", "connector", "module", "unit_period", "ended_at"),
    )

    unit_id: str = Field(primary_key=True, max_length=40)
    run_id: str = Field(max_length=40, foreign_key="sync_run.run_id")
    client_id: str = Field(max_length=40, foreign_key="sync_client.client_id")
    connector: str = Field(max_length=40)
    module: str = Field(max_length=40)
    unit_period: str = Field(max_length=10)
    state: str = Field(max_length=10, description="planned, running, staged, ended")
    outcome: str | None = Field(default=None, max_length=20)
    reason_code: str | None = Field(default=None, max_length=40)
    reason: str = Field(default="", sa_type=Text)
    next_step: str = Field(default="", sa_type=Text)
    next_try_at: datetime | None = moment(index=True)
    attempts: int = Field(default=0)
    calls: int = Field(default=0)
    cells_asked: int = Field(default=0)
    cells_not_asked: int = Field(default=0)
    rows_in: int = Field(default=0)
    rows_loaded: int = Field(default=0)
    rows_quarantined: int = Field(default=0)
    inserted: int = Field(default=0)
    updated: int = Field(default=0)
    unchanged: int = Field(default=0)
    removed: int = Field(default=0)
    staged: dict[str, Any] = json_column()
    started_at: datetime | None = moment()
    ended_at: datetime | None = moment()
    load_id: str | None = Field(default=None, max_length=40, description="Load transaction that ended it")


class SyncCell(SQLModel, table=True):
    """What is remembered of one section of one client and unit period, over all runs."""

    __tablename__ = "sync_cell"

    client_id: str = Field(primary_key=True, max_length=40)
    connector: str = Field(primary_key=True, max_length=40)
    module: str = Field(primary_key=True, max_length=40)
    unit_period: str = Field(primary_key=True, max_length=10)
    section: str = Field(primary_key=True, max_length=40)
    unit_id: str = Field(max_length=40, description="Unit that last touched it")
    outcome: str = Field(max_length=20)
    skip_kind: str | None = Field(
        default=None, max_length=30, description="Why it was not asked in that unit"
    )
    skip_reason: str = Field(default="", sa_type=Text)
    asked_at: datetime | None = moment()
    checksum: str | None = Field(default=None, max_length=80)
    summary_checksum: str | None = Field(default=None, max_length=80)
    rows: int = Field(default=0)
    was_loaded: bool = Field(default=False)
    uncertain_empty: bool = Field(default=False)
    file_token: str | None = Field(default=None, max_length=200, description="Queued file that is awaited")
    file_ready_at: datetime | None = moment()
    version: str = Field(default="", max_length=20)
    fence: int = Field(default=0)


class SyncPayload(SQLModel, table=True):
    """A raw answer, compressed (zlib), addressed by the SHA-256 of its bytes."""

    __tablename__ = "sync_payload"

    client_id: str = Field(primary_key=True, max_length=40)
    sha256: str = Field(primary_key=True, max_length=64)
    size: int = Field(description="bytes before compression")
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    stored_at: datetime = moment(nullable=False)


class SyncAnswer(SQLModel, table=True):
    """Which payload a unit's section received, in order of pages; lets a unit be staged again without asking."""

    __tablename__ = "sync_answer"

    unit_id: str = Field(primary_key=True, max_length=40)
    section: str = Field(primary_key=True, max_length=40)
    page: int = Field(primary_key=True)
    client_id: str = Field(max_length=40, index=True)
    sha256: str = Field(max_length=64)
    received_at: datetime = moment(nullable=False)


class SyncException(SQLModel, table=True):
    """One line of the exception report."""

    __tablename__ = "sync_exception"
    __table_args__ = (Index("ix_sync_exception_run", "run_id"),)

    exception_id: str = Field(primary_key=True, max_length=40)
    run_id: str = Field(max_length=40)
    unit_id: str = Field(max_length=40, index=True)
    client_id: str = Field(max_length=40)
    connector: str = Field(max_length=40)
    module: str = Field(max_length=40)
    unit_period: str = Field(max_length=10)
    section: str = Field(default="", max_length=40)
    outcome: str = Field(max_length=20)
    code: str = Field(max_length=60)
    message: str = Field(sa_type=Text)
    next_step: str = Field(default="", sa_type=Text)
    source_code: str | None = Field(default=None, max_length=40)
    rows: int = Field(default=0)
    is_warning: bool = Field(default=False)
    next_try_at: datetime | None = moment()
    raised_at: datetime = moment(nullable=False)


class SyncQuarantine(SQLModel, table=True):
    """A row that was not loaded, with its reason; replayed after a fix."""

    __tablename__ = "sync_quarantine"
    __table_args__ = (
        Index("ix_sync_quarantine_open", "client_id", "connector", "module", "unit_period", "section"),
    )

    quarantine_id: str = Field(primary_key=True, max_length=40)
    client_id: str = Field(max_length=40)
    connector: str = Field(max_length=40)
    module: str = Field(max_length=40)
    unit_period: str = Field(max_length=10)
    section: str = Field(max_length=40)
    table_name: str = Field(max_length=80)
    run_id: str = Field(max_length=40)
    unit_id: str = Field(max_length=40, index=True)
    values: dict[str, Any] = json_column()
    content_hash: str = Field(max_length=64)
    codes: str = Field(sa_type=Text, description="check codes, comma separated")
    reason: str = Field(sa_type=Text)
    held_at: datetime = moment(nullable=False)
    resolved_at: datetime | None = moment()
    resolution: str = Field(default="", max_length=40, description="replayed, superseded, dismissed")


class SyncLease(SQLModel, table=True):
    """Who works on a client and module; ``fence`` grows with every holder."""

    __tablename__ = "sync_lease"

    client_id: str = Field(primary_key=True, max_length=40)
    connector: str = Field(primary_key=True, max_length=40)
    module: str = Field(primary_key=True, max_length=40)
    fence: int = Field(default=0)
    holder: str = Field(default="", max_length=80)
    expires_at: datetime | None = moment()


class SyncChallenge(SQLModel, table=True):
    """Something that only a person can answer; answering resumes exactly the units that wait for it."""

    __tablename__ = "sync_challenge"

    challenge_id: str = Field(primary_key=True, max_length=40)
    client_id: str = Field(max_length=40, index=True)
    connector: str = Field(max_length=40)
    kind: str = Field(
        max_length=20,
        description="otp, consent, portal_setting, captcha, second_factor, password, registration",
    )
    portal: str = Field(default="", max_length=20, description="Which portal, where a connector has several")
    prompt: str = Field(sa_type=Text)
    image: bytes | None = Field(
        default=None, sa_column=Column(LargeBinary, nullable=True), description="Picture to read"
    )
    expires_at: datetime | None = moment()
    state: str = Field(max_length=12, description="open, answered, rejected, expired")
    raised_at: datetime = moment(nullable=False)
    requested_at: datetime | None = moment()
    answered_at: datetime | None = moment()
    attempts: int = Field(default=0)


class SyncSession(SQLModel, table=True):
    """A live portal session of a client, encrypted by the vault, with its two clocks."""

    __tablename__ = "sync_session"

    client_id: str = Field(primary_key=True, max_length=40)
    provider: str = Field(primary_key=True, max_length=40)
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    issued_at: datetime = moment(nullable=False)
    refresh_by: datetime = moment(nullable=False)
    consent_ends_at: datetime | None = moment()
    fence: int = Field(default=0)


class SyncLogin(SQLModel, table=True):
    """What befell the log-ins of a client at a portal, so that its account never comes near a lock-out."""

    __tablename__ = "sync_login"

    client_id: str = Field(primary_key=True, max_length=40)
    portal: str = Field(primary_key=True, max_length=20)
    failures: int = Field(default=0, description="Refused log-ins since the last one that worked")
    failed_at: datetime | None = moment()
    rejected_mark: str = Field(
        default="", max_length=64, description="Keyed hash of the password that was refused; never sent again"
    )
    locked_until: datetime | None = moment()


class SyncSecret(SQLModel, table=True):
    """A named secret, encrypted by the vault; its key is never in this database."""

    __tablename__ = "sync_secret"

    name: str = Field(primary_key=True, max_length=120, description="What follows vault: in a reference")
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    updated_at: datetime = moment(nullable=False)


class SyncBudget(SQLModel, table=True):
    """The shared rate budget of a provider key: a schedule of slots that all processes draw from."""

    __tablename__ = "sync_budget"

    budget_key: str = Field(primary_key=True, max_length=80)
    next_slot_at: float = Field(default=0.0, description="Unix time of the next free slot")
    slow_down_until: float = Field(default=0.0, description="Unix time until which nothing is sent (429)")


class SyncDecision(SQLModel, table=True):
    """What a person decided: releases, dismissals, deactivations. Append-only."""

    __tablename__ = "sync_decision"

    decision_id: str = Field(primary_key=True, max_length=40)
    client_id: str = Field(default="", max_length=40, index=True)
    kind: str = Field(max_length=30)
    subject: str = Field(max_length=80, description="unit, quarantine or challenge id")
    reason: str = Field(default="", sa_type=Text)
    decided_at: datetime = moment(nullable=False)
