"""Matched documents as people read them: one line a group of documents, with both sides' values and the decision.

Amounts are paise; differences are the portal's amount less that of the books. A line belongs to the month of the
portal's statement when it has a document of the portal, else to the month of booking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Engine, and_, func, or_, select

from clientsync.database import reading
from clientsync.errors import UnknownName
from clientsync.ledger.match_tables import ReconMatch, ReconRun
from clientsync.ledger.tables import SyncClient
from clientsync.reports.reconciliations import ReconState
from clientsync.reports.sheets import SheetColumn

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_MATCH = ReconMatch.__table__  # type: ignore[attr-defined]
_RUN = ReconRun.__table__  # type: ignore[attr-defined]
_HEADS = ("igst_paise", "cgst_paise", "sgst_paise", "cess_paise")

STATUS_WORDS = {
    "exact": "exact",
    "suggested": "suggested",
    "mismatch": "mismatch",
    "one_to_many": "one to many",
    "linked": "linked by hand",
    "amended": "amended",
    "duplicate": "duplicate",
    "missing_here": "missing in books",
    "missing_there": "missing on the portal",
}
"""Every status in the order in which people read them, with the words that they read."""
SHOWN_WORDS = {**STATUS_WORDS, "not_yet": "without statement yet", "no_books": "without books yet"}
"""The same, with what only looks missing because its month is not there yet."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document of the other side that was near to one that stands alone.

    Attributes:
        number, on: of the candidate.
        taxable_paise, tax_paise: of the candidate.
        score: 0 to 100.
        why_not: why it was not taken, one sentence.
    """

    document_id: str
    number: str
    on: date | None
    taxable_paise: int
    tax_paise: int
    score: int
    why_not: str


@dataclass(frozen=True, slots=True)
class MatchLine:
    """One group of documents that belong together, or one document that stands alone.

    Attributes:
        recon: which reconciliation, for example ``2B-BOOKS``.
        period: MMYYYY that the line belongs to.
        match_id: the same as long as the same documents make the group.
        status: a status of ``STATUS_WORDS``.
        severity: ok, info, warning or error.
        score: 0 to 100.
        differs: fields that differ.
        tags: late, rounding and the like.
        reason: why it stands so, one sentence.
        action: what a person should do; empty when nothing.
        decision: accept, ignore, link or nothing.
        decision_reason: what the person said, or why an older decision no longer counts.
        party_gstin, party_name: of the other party.
        left_number, left_on, left_period: of the books' first document; empty without one.
        right_number, right_on, right_period: of the portal's first document.
        left_count, right_count: how many documents.
        left_taxable_paise, left_tax_paise, right_taxable_paise, right_tax_paise: sums; tax is IGST, CGST, SGST, cess.
        left_heads_paise, right_heads_paise: IGST, CGST, SGST and cess one by one.
        since: day of the run from which on it has stood so.
        candidates: nearest documents of the other side, nearest first.
        remark: what else the portal says of it, for example that credit is not available.
    """

    client_id: str
    client_name: str
    recon: str
    period: str
    match_id: str
    status: str
    severity: str
    score: int
    differs: tuple[str, ...]
    tags: tuple[str, ...]
    reason: str
    action: str
    decision: str
    decision_reason: str
    party_gstin: str
    party_name: str
    left_number: str
    left_on: date | None
    left_period: str
    right_number: str
    right_on: date | None
    right_period: str
    left_count: int
    right_count: int
    left_taxable_paise: int
    left_tax_paise: int
    right_taxable_paise: int
    right_tax_paise: int
    left_heads_paise: tuple[int, int, int, int]
    right_heads_paise: tuple[int, int, int, int]
    since: date
    candidates: tuple[Candidate, ...] = ()
    remark: str = ""

    @property
    def taxable_difference_paise(self) -> int:
        """Taxable value of the portal less that of the books."""
        return self.right_taxable_paise - self.left_taxable_paise

    @property
    def tax_difference_paise(self) -> int:
        """Taxes of the portal less those of the books."""
        return self.right_tax_paise - self.left_tax_paise

    @property
    def shown_status(self) -> str:
        """The status as it is counted: what only looks missing, because its month is not there yet, is apart."""
        return next((tag for tag in ("not_yet", "no_books") if tag in self.tags), self.status)

    @property
    def needs_person(self) -> bool:
        """Whether it waits for a person: a warning or an error that nobody accepted or ignored."""
        return self.severity in ("warning", "error") and self.decision in ("", "link")


MATCH_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("period", 10),
    SheetColumn("supplier or buyer", 18),
    SheetColumn("name", 26),
    SheetColumn("status", 18),
    SheetColumn("score", 7),
    SheetColumn("number in books", 18),
    SheetColumn("date in books", 12),
    SheetColumn("taxable in books", 16, is_money=True),
    SheetColumn("tax in books", 14, is_money=True),
    SheetColumn("number on portal", 18),
    SheetColumn("date on portal", 12),
    SheetColumn("taxable on portal", 16, is_money=True),
    SheetColumn("tax on portal", 14, is_money=True),
    SheetColumn("taxable difference", 16, is_money=True),
    SheetColumn("tax difference", 14, is_money=True),
    SheetColumn("differs in", 24),
    SheetColumn("why", 60),
    SheetColumn("what to do", 50),
    SheetColumn("decision", 12),
    SheetColumn("remark", 30),
    SheetColumn("since", 12),
    SheetColumn("nearest on the other side", 60),
    SheetColumn("id", 34),
)


def match_rows(lines: Iterable[MatchLine]) -> Iterator[tuple[Any, ...]]:
    """Yield lines in the order of ``MATCH_COLUMNS``."""
    for line in lines:
        yield (
            line.client_id,
            line.period,
            line.party_gstin,
            line.party_name,
            STATUS_WORDS[line.status],
            line.score,
            line.left_number,
            line.left_on,
            line.left_taxable_paise if line.left_count else None,
            line.left_tax_paise if line.left_count else None,
            line.right_number,
            line.right_on,
            line.right_taxable_paise if line.right_count else None,
            line.right_tax_paise if line.right_count else None,
            line.taxable_difference_paise,
            line.tax_difference_paise,
            ", ".join(line.differs).replace("_", " "),
            line.reason,
            line.action,
            line.decision,
            line.remark,
            line.since,
            "; ".join(f"{one.number}: {one.why_not}" for one in line.candidates),
            line.match_id,
        )


def read_matches(
    engine: Engine,
    recons: Sequence[str] = (),
    clients: Sequence[str] = (),
    *,
    run_id: str = "",
    period: str = "",
    statuses: Sequence[str] = (),
    only_open: bool = False,
) -> Iterator[MatchLine]:
    """Yield matched documents as they stand, or as a past run had them, by client, reconciliation, month and status.

    Args:
        engine: the warehouse.
        recons: names of reconciliations; empty: all.
        clients: ids of clients; empty: all.
        run_id: a run whose result is read back exactly; empty: what stands now.
        period: MMYYYY; empty: every month.
        statuses: statuses of ``STATUS_WORDS``; empty: all.
        only_open: only what waits for a person.

    Raises:
        UnknownName: no such run or status.
        WarehouseError: the database cannot be read.
    """
    for status in statuses:
        if status not in STATUS_WORDS:
            raise UnknownName("status", status, list(STATUS_WORDS))
    begun = _RUN.alias("begun")
    joined = _MATCH.join(
        begun,
        and_(
            begun.c.client_id == _MATCH.c.client_id,
            begun.c.recon == _MATCH.c.recon,
            begun.c.seq == _MATCH.c.from_seq,
        ),
    ).outerjoin(_CLIENT, _CLIENT.c.client_id == _MATCH.c.client_id)
    conditions = []
    if run_id:
        _refuse_unknown_run(engine, run_id)
        wanted = _RUN.alias("wanted")
        joined = joined.join(
            wanted,
            and_(
                wanted.c.client_id == _MATCH.c.client_id,
                wanted.c.recon == _MATCH.c.recon,
                wanted.c.recon_run_id == run_id,
            ),
        )
        conditions += [
            _MATCH.c.from_seq <= wanted.c.seq,
            or_(_MATCH.c.until_seq.is_(None), _MATCH.c.until_seq > wanted.c.seq),
        ]
    else:
        conditions.append(_MATCH.c.until_seq.is_(None))
    if recons:
        conditions.append(_MATCH.c.recon.in_(recons))
    if clients:
        conditions.append(_MATCH.c.client_id.in_(clients))
    if period:
        conditions.append(_MATCH.c.period == period)
    if statuses:
        conditions.append(_MATCH.c.status.in_(statuses))
    if only_open:
        conditions += [_MATCH.c.severity.in_(("error", "warning")), _MATCH.c.decision.in_(("", "link"))]
    statement = (
        select(*_MATCH.c, _CLIENT.c.name.label("client_name"), begun.c.as_of.label("since"))
        .select_from(joined)
        .where(*conditions)
        .order_by(
            _MATCH.c.client_id,
            _MATCH.c.recon,
            func.substr(_MATCH.c.period, 3),
            _MATCH.c.period,
            _MATCH.c.status,
            _MATCH.c.party_gstin,
            _MATCH.c.match_id,
        )
        .execution_options(yield_per=1000)
    )
    with reading(engine) as connection:
        for row in connection.execute(statement).mappings():
            yield _line(row)


def _refuse_unknown_run(engine: Engine, run_id: str) -> None:
    with reading(engine) as connection:
        if connection.execute(select(_RUN.c.seq).where(_RUN.c.recon_run_id == run_id).limit(1)).first():
            return
        newest = select(_RUN.c.recon_run_id).group_by(_RUN.c.recon_run_id)
        known = connection.execute(newest.order_by(func.max(_RUN.c.ended_at).desc()).limit(10)).scalars()
        raise UnknownName("run of a reconciliation", run_id, list(known))


def _line(row: Any) -> MatchLine:
    heads = {side: tuple(row[f"{side}_{name}"] for name in _HEADS) for side in ("left", "right")}
    return MatchLine(
        client_id=row["client_id"],
        client_name=row["client_name"] or "",
        recon=row["recon"],
        period=row["period"],
        match_id=row["match_id"],
        status=row["status"],
        severity=row["severity"],
        score=row["score"],
        differs=tuple(one for one in row["differs"].split(",") if one),
        tags=tuple(one for one in row["tags"].split(",") if one),
        reason=row["reason"],
        action=row["action"],
        decision=row["decision"],
        decision_reason=row["decision_reason"],
        party_gstin=row["party_gstin"],
        party_name=row["party_name"],
        left_number=row["left_number"],
        left_on=row["left_on"],
        left_period=row["left_period"],
        right_number=row["right_number"],
        right_on=row["right_on"],
        right_period=row["right_period"],
        left_count=row["left_count"],
        right_count=row["right_count"],
        left_taxable_paise=row["left_taxable_paise"],
        left_tax_paise=sum(heads["left"]),
        right_taxable_paise=row["right_taxable_paise"],
        right_tax_paise=sum(heads["right"]),
        left_heads_paise=heads["left"],
        right_heads_paise=heads["right"],
        since=row["since"],
        candidates=tuple(_candidate(one) for one in row["candidates"]),
        remark=row["remark"],
    )


def _candidate(one: Any) -> Candidate:
    return Candidate(
        document_id=one["id"],
        number=one["number"],
        on=date.fromisoformat(one["on"]) if one["on"] else None,
        taxable_paise=one["taxable_paise"],
        tax_paise=one["tax_paise"],
        score=one["score"],
        why_not=one["why_not"],
    )


def read_document_states(
    engine: Engine, recons: Sequence[str] = (), clients: Sequence[str] = ()
) -> list[ReconState]:
    """Return what the newest run of every document reconciliation came to, by client.

    Raises:
        WarehouseError: the database cannot be read.
    """
    newest = (
        select(_RUN.c.client_id, _RUN.c.recon, func.max(_RUN.c.seq).label("seq"))
        .group_by(_RUN.c.client_id, _RUN.c.recon)
        .subquery()
    )
    statement = select(_RUN).join(
        newest,
        and_(
            newest.c.client_id == _RUN.c.client_id,
            newest.c.recon == _RUN.c.recon,
            newest.c.seq == _RUN.c.seq,
        ),
    )
    if recons:
        statement = statement.where(_RUN.c.recon.in_(recons))
    if clients:
        statement = statement.where(_RUN.c.client_id.in_(clients))
    with reading(engine) as connection:
        rows = connection.execute(statement.order_by(_RUN.c.client_id, _RUN.c.recon)).mappings().all()
    return [
        ReconState(
            client_id=row["client_id"],
            recon=row["recon"],
            state=row["state"],
            compared=sum(row["counts"].values()),
            errors=row["errors"],
            warnings=row["warnings"],
            missing=tuple(row["missing"]),
            as_of=row["as_of"],
        )
        for row in rows
    ]
