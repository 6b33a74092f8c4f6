"""Tables of the ledger for matched documents: runs over them, groups with the runs in which they stood, decisions.

A group is stored once for all runs in which it looks the same: it stands from run ``from_seq`` up to, but without,
``until_seq``. Invariants: what a run said can be read back exactly, however many runs came after it; a run that finds
nothing new writes one row; nothing is ever deleted, a decision that is taken back stays with the moment and the reason.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Text
from sqlmodel import Field, SQLModel

from clientsync.ledger.tables import moment


def _json(default: Any = list) -> Any:
    return Field(default_factory=default, sa_column=Column(JSON, nullable=False))


def _paise(description: str) -> Any:
    return Field(default=0, sa_type=BigInteger, description=f"{description} (paise)")


class ReconRun(SQLModel, table=True):
    """One run of one reconciliation of documents for one client."""

    __tablename__ = "recon_run"

    client_id: str = Field(primary_key=True, max_length=40)
    recon: str = Field(primary_key=True, max_length=10, description="2B-BOOKS, 2A-BOOKS, IMS-BOOKS, R1-BOOKS")
    seq: int = Field(primary_key=True, description="1, 2, 3 … for this client and reconciliation")
    recon_run_id: str = Field(max_length=40, index=True, description="The same for everything of one run")
    as_of: date = Field(description="Day whose data was compared")
    state: str = Field(max_length=12, description="clean, exceptions, incomplete")
    missing: list[str] = _json()
    counts: dict[str, int] = _json(dict)
    errors: int = Field(description="Groups that are errors and that nobody accepted or ignored")
    warnings: int = Field(description="Groups that are warnings and that nobody accepted or ignored")
    left_documents: int = Field(description="Documents of the books that were compared")
    right_documents: int = Field(description="Documents of the portal that were compared")
    left_taxable_paise: int = _paise("Taxable value of all documents of the books")
    left_tax_paise: int = _paise("Taxes of all documents of the books")
    right_taxable_paise: int = _paise("Taxable value of all documents of the portal")
    right_tax_paise: int = _paise("Taxes of all documents of the portal")
    opened: int = Field(description="Groups that this run added")
    closed: int = Field(description="Groups that no longer stand since this run")
    ended_at: datetime = moment(nullable=False)


class ReconMatch(SQLModel, table=True):
    """One group of documents, or a document alone, and from which to which run it stood so."""

    __tablename__ = "recon_match"
    __table_args__ = (Index("ix_recon_match_standing", "client_id", "recon", "until_seq"),)

    client_id: str = Field(primary_key=True, max_length=40, description="Short name of the client")
    recon: str = Field(primary_key=True, max_length=10, description="Which reconciliation")
    match_id: str = Field(primary_key=True, max_length=32, description="Hash of the documents in the group")
    from_seq: int = Field(primary_key=True, description="First run in which it stood so")
    until_seq: int | None = Field(default=None, description="First run in which it no longer stood so")
    row_hash: str = Field(max_length=32, description="Hash of everything below")
    period: str = Field(max_length=6, description="MMYYYY of the portal's document, else of the books'")
    status: str = Field(
        max_length=15,
        description="exact, suggested, mismatch, one_to_many, linked, amended, duplicate, missing_here, missing_there",
    )
    severity: str = Field(max_length=10, description="ok, info, warning, error")
    score: int = Field(description="0 to 100")
    differs: str = Field(default="", sa_type=Text, description="Fields that differ, comma separated")
    tags: str = Field(
        default="", sa_type=Text, description="late, rounding, not_yet and so on, comma separated"
    )
    reason: str = Field(default="", sa_type=Text, description="Why it stands so, one sentence")
    action: str = Field(default="", sa_type=Text, description="Next step of a person; empty for none")
    decision_id: str = Field(
        default="", max_length=40, description="Decision that stands for it, or no longer fits"
    )
    decision: str = Field(
        default="", max_length=10, description="accept, ignore, link; empty when none counts"
    )
    decision_reason: str = Field(
        default="", sa_type=Text, description="What the person said, or why it no longer counts"
    )
    party_gstin: str = Field(default="", max_length=20, description="Registration of the other party")
    party_name: str = Field(default="", max_length=255, description="Name of the other party")
    remark: str = Field(default="", sa_type=Text, description="What else the portal says of it")
    left_ids: list[str] = _json()
    right_ids: list[str] = _json()
    left_number: str = Field(
        default="", max_length=255, description="Number in the books; of several all of them"
    )
    left_on: date | None = Field(default=None, description="Earliest date in the books")
    left_period: str = Field(default="", max_length=6, description="Newest month in the books, MMYYYY")
    right_number: str = Field(
        default="", max_length=255, description="Number on the portal; of several all of them"
    )
    right_on: date | None = Field(default=None, description="Earliest date on the portal")
    right_period: str = Field(default="", max_length=6, description="Newest month on the portal, MMYYYY")
    left_count: int = Field(default=0, description="Documents in the books")
    right_count: int = Field(default=0, description="Documents on the portal")
    left_taxable_paise: int = _paise("Taxable value in the books")
    left_igst_paise: int = _paise("IGST in the books")
    left_cgst_paise: int = _paise("CGST in the books")
    left_sgst_paise: int = _paise("SGST in the books")
    left_cess_paise: int = _paise("Cess in the books")
    right_taxable_paise: int = _paise("Taxable value on the portal")
    right_igst_paise: int = _paise("IGST on the portal")
    right_cgst_paise: int = _paise("CGST on the portal")
    right_sgst_paise: int = _paise("SGST on the portal")
    right_cess_paise: int = _paise("Cess on the portal")
    candidates: list[dict[str, Any]] = _json()


class ReconDecision(SQLModel, table=True):
    """What a person decided on documents; taken back by filling ``revoked_at``, never deleted."""

    __tablename__ = "recon_decision"
    __table_args__ = (Index("ix_recon_decision_client", "client_id", "recon"),)

    decision_id: str = Field(primary_key=True, max_length=40)
    client_id: str = Field(max_length=40)
    recon: str = Field(max_length=10)
    kind: str = Field(max_length=10, description="accept, ignore, link, unlink")
    left_ids: list[str] = _json()
    right_ids: list[str] = _json()
    seen: str = Field(default="", max_length=32, description="Hash of the values that the person saw")
    reason: str = Field(default="", sa_type=Text)
    decided_by: str = Field(default="", max_length=80)
    decided_at: datetime = moment(nullable=False)
    revoked_by: str = Field(default="", max_length=80)
    revoked_reason: str = Field(default="", sa_type=Text)
    revoked_at: datetime | None = moment(nullable=True)
