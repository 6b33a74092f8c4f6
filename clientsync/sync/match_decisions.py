"""What persons decide on matched documents: accept, ignore, link by hand, unlink; all of it reversible and kept.

A decision is about documents, not about a run, so it survives every synchronisation. Accept and ignore stand for a
group as the person saw it: when its values change they no longer count and the group says so. Invariants: no decision
is deleted; two standing links never name the same document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from clientsync.clock import INDIA, now
from clientsync.database import reading, writing
from clientsync.errors import InvalidInput, UnknownName
from clientsync.ledger.ids import new_id
from clientsync.ledger.match_tables import ReconDecision, ReconMatch
from clientsync.reconcile.documents.frames import Wishes
from clientsync.sync.match_rows import Verdict, match_id, seen_hash

_MATCH = ReconMatch.__table__  # type: ignore[attr-defined]
_DECISION = ReconDecision.__table__  # type: ignore[attr-defined]


class Kind(StrEnum):
    """What a person may decide."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    LINK = "link"
    UNLINK = "unlink"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision as it is stored; it stands as long as ``revoked_at`` is None."""

    decision_id: str
    client_id: str
    recon: str
    kind: str
    left_ids: tuple[str, ...]
    right_ids: tuple[str, ...]
    seen: str
    reason: str
    decided_by: str
    decided_at: datetime
    revoked_by: str
    revoked_reason: str
    revoked_at: datetime | None

    @property
    def stands(self) -> bool:
        """Whether it has not been taken back."""
        return self.revoked_at is None


def decide(
    engine: Engine,
    client_id: str,
    recon: str,
    kind: str,
    match_ids: Sequence[str],
    *,
    reason: str = "",
    by: str = "",
) -> list[Decision]:
    """Store what a person decides on groups that stand, and return the decisions; they count from the next run on.

    Args:
        engine: the warehouse.
        client_id: whose groups.
        recon: of which reconciliation.
        kind: accept or ignore (each group), unlink (each group of two sides), link (all groups become one).
        match_ids: ids of groups, or beginnings of ids that name one group each.
        reason: why; ignore needs one.
        by: who decides.

    Raises:
        InvalidInput: no such kind, a reason is missing, or the groups do not fit the kind.
        UnknownName: no such group stands.
        WarehouseError: the database cannot be written; nothing was.
    """
    if kind not in set(Kind):
        raise InvalidInput(f"There is no decision {kind!r}. Valid: {', '.join(Kind)}.")
    if kind == Kind.IGNORE and not reason.strip():
        raise InvalidInput("To ignore something needs a reason, so that others can follow it.")
    with writing(engine) as connection:
        groups = [_standing(connection, client_id, recon, one) for one in dict.fromkeys(match_ids)]
        if not groups:
            raise InvalidInput("Name at least one group of documents.")
        made = [
            {
                "decision_id": new_id("match"),
                "client_id": client_id,
                "recon": recon,
                "kind": kind,
                "left_ids": left,
                "right_ids": right,
                "seen": seen,
                "reason": reason.strip(),
                "decided_by": by,
                "decided_at": now(),
                "revoked_by": "",
                "revoked_reason": "",
                "revoked_at": None,
            }
            for left, right, seen in _subjects(kind, groups)
        ]
        standing = _read(connection, [client_id], recon)
        for one in made:
            _refuse_conflict(one, standing)
        connection.execute(insert(_DECISION), made)
    return [_decision(one) for one in made]


def revoke(engine: Engine, decision_id: str, *, reason: str = "", by: str = "") -> Decision:
    """Take a decision back; it stays stored with the moment and the reason.

    Raises:
        UnknownName: no such decision.
        InvalidInput: it has been taken back already.
    """
    with writing(engine) as connection:
        row = (
            connection.execute(select(_DECISION).where(_DECISION.c.decision_id == decision_id))
            .mappings()
            .one_or_none()
        )
        if row is None:
            known = connection.execute(
                select(_DECISION.c.decision_id).where(_DECISION.c.revoked_at.is_(None)).limit(20)
            ).scalars()
            raise UnknownName("decision", decision_id, sorted(known))
        if row["revoked_at"] is not None:
            raise InvalidInput(
                f"It was taken back on {row['revoked_at'].astimezone(INDIA):%d-%m-%Y %H:%M} already."
            )
        values = {"revoked_by": by, "revoked_reason": reason.strip(), "revoked_at": now()}
        connection.execute(update(_DECISION).where(_DECISION.c.decision_id == decision_id).values(**values))
        return _decision({**row, **values})


def read_decisions(
    engine: Engine, client_id: str, recon: str = "", *, with_revoked: bool = False
) -> list[Decision]:
    """Return the decisions of a client, newest first.

    Raises:
        WarehouseError: the database cannot be read.
    """
    statement = select(_DECISION).where(_DECISION.c.client_id == client_id)
    if recon:
        statement = statement.where(_DECISION.c.recon == recon)
    if not with_revoked:
        statement = statement.where(_DECISION.c.revoked_at.is_(None))
    statement = statement.order_by(_DECISION.c.decided_at.desc(), _DECISION.c.decision_id.desc())
    with reading(engine) as connection:
        return [_decision(row) for row in connection.execute(statement).mappings()]


def standing(engine: Engine, client_ids: Iterable[str], recon: str) -> list[Decision]:
    """Return the decisions that stand for clients in one reconciliation, oldest first."""
    with reading(engine) as connection:
        return _read(connection, list(client_ids), recon)


def wishes_of(decisions: Iterable[Decision]) -> Wishes:
    """Return what matching must heed: links and partings."""
    links: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    parted: set[tuple[str, str]] = set()
    for one in decisions:
        if one.kind == Kind.LINK:
            links.append((one.left_ids, one.right_ids))
        elif one.kind == Kind.UNLINK:
            parted |= {(left, right) for left in one.left_ids for right in one.right_ids}
    return Wishes(tuple(links), frozenset(parted))


def verdicts_of(decisions: Iterable[Decision]) -> dict[tuple[str, str], Verdict]:
    """Return by (client id, match id) what was decided on groups; of several the newest."""
    found: dict[tuple[str, str], Verdict] = {}
    for one in decisions:
        if one.kind in (Kind.ACCEPT, Kind.IGNORE):
            key = match_id(_as_json(one.left_ids), _as_json(one.right_ids))
            found[one.client_id, key] = Verdict(
                one.decision_id, one.kind, one.seen, one.reason, one.decided_at.astimezone(INDIA).date()
            )
    return found


def links_of(decisions: Iterable[Decision]) -> dict[tuple[str, str], Decision]:
    """Return by (client id, document id) the link that names a document."""
    return {
        (one.client_id, document): one
        for one in decisions
        if one.kind == Kind.LINK
        for document in (*one.left_ids, *one.right_ids)
    }


def _as_json(ids: Sequence[str]) -> str:
    return "[" + ",".join(f'"{one}"' for one in sorted(ids)) + "]"


def _read(connection: Connection, client_ids: Sequence[str], recon: str) -> list[Decision]:
    statement = (
        select(_DECISION)
        .where(
            _DECISION.c.client_id.in_(client_ids),
            _DECISION.c.recon == recon,
            _DECISION.c.revoked_at.is_(None),
        )
        .order_by(_DECISION.c.decided_at, _DECISION.c.decision_id)
    )
    return [_decision(row) for row in connection.execute(statement).mappings()]


def _decision(row: Any) -> Decision:
    values = {name: row[name] for name in Decision.__dataclass_fields__}
    return Decision(**{**values, "left_ids": tuple(row["left_ids"]), "right_ids": tuple(row["right_ids"])})


def _standing(connection: Connection, client_id: str, recon: str, wanted: str) -> dict[str, Any]:
    statement = select(_MATCH).where(
        _MATCH.c.client_id == client_id,
        _MATCH.c.recon == recon,
        _MATCH.c.until_seq.is_(None),
        _MATCH.c.match_id.startswith(wanted, autoescape=True),
    )
    found = [dict(row) for row in connection.execute(statement.limit(2)).mappings()] if wanted else []
    if not found:
        raise UnknownName("group of documents", wanted, [])
    if len(found) > 1:
        raise InvalidInput(f"{wanted!r} is the beginning of several ids; write more of it.")
    return found[0]


def _subjects(kind: str, groups: Sequence[dict[str, Any]]) -> list[tuple[list[str], list[str], str]]:
    """Return the documents that each decision is about, and what the person saw."""
    if kind == Kind.LINK:
        left = sorted({one for group in groups for one in group["left_ids"]})
        right = sorted({one for group in groups for one in group["right_ids"]})
        if not left or not right:
            raise InvalidInput(
                "A link needs documents of both sides: one of the books and one of the portal."
            )
        return [(left, right, "")]
    for group in groups:
        if kind == Kind.UNLINK and not (group["left_ids"] and group["right_ids"]):
            raise InvalidInput("Only documents that were put together can be parted; this one stands alone.")
    return [(list(group["left_ids"]), list(group["right_ids"]), seen_hash(group)) for group in groups]


def _refuse_conflict(new: dict[str, Any], standing_decisions: Sequence[Decision]) -> None:
    ids = {*new["left_ids"], *new["right_ids"]}
    pairs = {(left, right) for left in new["left_ids"] for right in new["right_ids"]}
    for one in standing_decisions:
        own = {*one.left_ids, *one.right_ids}
        if one.kind == Kind.LINK and new["kind"] in (Kind.LINK, Kind.UNLINK) and own & ids:
            raise InvalidInput(
                f"A document of it is linked by decision {one.decision_id}; take that back first."
            )
        parted = {(left, right) for left in one.left_ids for right in one.right_ids}
        if one.kind == Kind.UNLINK and new["kind"] == Kind.LINK and parted & pairs:
            raise InvalidInput(
                f"These documents were parted by decision {one.decision_id}; take that back first."
            )
