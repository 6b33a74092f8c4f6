"""Views over matched documents: what stands, what changed with the newest run, and what each run came to.

Amounts are rupees with two decimals. ``v_recon_match`` shows the newest run of every client and reconciliation. In run
number n stood what has ``from_seq <= n and (until_seq is null or until_seq > n)`` in ``recon_match``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Select, and_, case, func, literal, select, union_all
from sqlalchemy.sql.elements import ColumnElement

from clientsync.ledger.match_tables import ReconDecision, ReconMatch, ReconRun
from clientsync.ledger.tables import SyncClient

_CLIENT: Any = SyncClient.__table__  # type: ignore[attr-defined]
_MATCH: Any = ReconMatch.__table__  # type: ignore[attr-defined]
_RUN: Any = ReconRun.__table__  # type: ignore[attr-defined]
_DECISION: Any = ReconDecision.__table__  # type: ignore[attr-defined]
_TAXES = ("igst_paise", "cgst_paise", "sgst_paise", "cess_paise")
_HIDDEN = frozenset({"row_hash", "left_ids", "right_ids", "candidates"})

Rupees = Callable[[Any, str], Any]
"""(amount in paise, name of the column in rupees) to the column of the view."""


def recon_views(rupees: Rupees) -> list[tuple[str, Select[Any]]]:
    """Return name and SELECT of the views over matched documents."""
    return [
        ("v_recon_match", _standing(rupees)),
        ("v_recon_match_changes", _changes(rupees)),
        ("v_recon_run", _runs(rupees)),
        ("v_recon_decision", _decisions()),
    ]


def _shown(rupees: Rupees) -> list[Any]:
    own = [
        rupees(column, f"{column.name.removesuffix('_paise')}_rupees")
        if column.name.endswith("_paise")
        else column
        for column in _MATCH.c
        if column.name not in _HIDDEN
    ]
    return [
        *own,
        rupees(_tax("left"), "left_tax_rupees"),
        rupees(_tax("right"), "right_tax_rupees"),
        rupees(_MATCH.c.right_taxable_paise - _MATCH.c.left_taxable_paise, "taxable_difference_rupees"),
        rupees(_tax("right") - _tax("left"), "tax_difference_rupees"),
        _CLIENT.c.name.label("client_name"),
    ]


def _tax(side: str) -> ColumnElement[int]:
    first, *rest = (_MATCH.c[f"{side}_{name}"] for name in _TAXES)
    total: ColumnElement[int] = first
    for one in rest:
        total = total + one
    return total


def _standing(rupees: Rupees) -> Select[Any]:
    return (
        select(*_shown(rupees))
        .select_from(_MATCH.outerjoin(_CLIENT, _CLIENT.c.client_id == _MATCH.c.client_id))
        .where(_MATCH.c.until_seq.is_(None))
    )


def _newest() -> Any:
    return (
        select(_RUN.c.client_id, _RUN.c.recon, func.max(_RUN.c.seq).label("seq"))
        .group_by(_RUN.c.client_id, _RUN.c.recon)
        .subquery("newest_run")
    )


def _changes(rupees: Rupees) -> Select[Any]:
    """Show what the newest run added and what it ended, of clients that had a run before it."""
    newest = _newest()
    joined = _MATCH.join(
        newest, and_(newest.c.client_id == _MATCH.c.client_id, newest.c.recon == _MATCH.c.recon)
    ).outerjoin(_CLIENT, _CLIENT.c.client_id == _MATCH.c.client_id)
    came = (
        select(literal("came").label("change"), *_shown(rupees))
        .select_from(joined)
        .where(_MATCH.c.from_seq == newest.c.seq, newest.c.seq > literal(1))
    )
    went = (
        select(literal("went").label("change"), *_shown(rupees))
        .select_from(joined)
        .where(_MATCH.c.until_seq == newest.c.seq)
    )
    both = union_all(came, went).subquery("changes")
    return select(both)


def _runs(rupees: Rupees) -> Select[Any]:
    hidden = frozenset({"counts", "missing"})
    columns: list[Column[Any]] = [one for one in _RUN.c if one.name not in hidden]
    shown = [
        rupees(one, f"{one.name.removesuffix('_paise')}_rupees") if one.name.endswith("_paise") else one
        for one in columns
    ]
    return select(*shown, _CLIENT.c.name.label("client_name")).select_from(
        _RUN.outerjoin(_CLIENT, _CLIENT.c.client_id == _RUN.c.client_id)
    )


def _decisions() -> Select[Any]:
    shown = [one for one in _DECISION.c if one.name not in {"seen"}]
    state = case((_DECISION.c.revoked_at.is_(None), literal("stands")), else_=literal("taken back"))
    return select(*shown, state.label("state"), _CLIENT.c.name.label("client_name")).select_from(
        _DECISION.outerjoin(_CLIENT, _CLIENT.c.client_id == _DECISION.c.client_id)
    )
