"""Stores what matching found so that every run can be read back exactly, and only what is new is written.

Invariant: in one transaction a run adds the groups that look other than before, ends those that no longer stand, and
writes its own row; a run that is interrupted leaves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, bindparam, func, insert, select, update

from clientsync.clock import now
from clientsync.database import execute_many, insert_rows
from clientsync.ledger.match_tables import ReconMatch, ReconRun
from clientsync.reconcile.documents.frames import AMOUNTS
from clientsync.reconcile.result import State

_MATCH = ReconMatch.__table__  # type: ignore[attr-defined]
_RUN = ReconRun.__table__  # type: ignore[attr-defined]
_HASHED = tuple(
    column.name
    for column in _MATCH.c
    if column.name not in {"client_id", "recon", "match_id", "from_seq", "until_seq", "row_hash"}
)
_TAXES = AMOUNTS[1:]


@dataclass(frozen=True)
class Stored:
    """What storing one client's groups came to.

    Attributes:
        seq: number of the run.
        opened, closed: groups that are new, and that no longer stand.
    """

    seq: int
    opened: int
    closed: int


def newest_day(connection: Connection, client_id: str, recon: str) -> date | None:
    """Return the newest day whose data was compared, None when never."""
    statement = select(func.max(_RUN.c.as_of)).where(_RUN.c.client_id == client_id, _RUN.c.recon == recon)
    return connection.execute(statement).scalar_one_or_none()


def store(
    connection: Connection,
    *,
    run_id: str,
    recon: str,
    client_id: str,
    as_of: date,
    rows: pd.DataFrame,
    state: State,
    missing: tuple[str, ...],
    counts: Mapping[str, int],
    errors: int,
    warnings: int,
) -> Stored:
    """Store the groups of one client; ``rows`` as ``match_rows.rows_of`` gives them.

    Raises:
        WarehouseError: the database cannot be written; nothing of it remains.
    """
    seq = 1 + (
        connection.execute(
            select(func.max(_RUN.c.seq)).where(_RUN.c.client_id == client_id, _RUN.c.recon == recon)
        ).scalar_one_or_none()
        or 0
    )
    stored = with_hashes(rows)
    standing = {
        (row.match_id, row.row_hash): row.from_seq
        for row in connection.execute(
            select(_MATCH.c.match_id, _MATCH.c.row_hash, _MATCH.c.from_seq).where(
                _MATCH.c.client_id == client_id, _MATCH.c.recon == recon, _MATCH.c.until_seq.is_(None)
            )
        )
    }
    keys = list(zip(stored["match_id"], stored["row_hash"], strict=True))
    found = set(keys)
    closed = [(seq, client_id, recon, key[0], begun) for key, begun in standing.items() if key not in found]
    _close(connection, closed)
    is_new = np.array([key not in standing for key in keys], dtype=bool)
    opened = _open(connection, stored[is_new], client_id, recon, seq)
    connection.execute(
        insert(_RUN).values(
            client_id=client_id,
            recon=recon,
            seq=seq,
            recon_run_id=run_id,
            as_of=as_of,
            state=str(state),
            missing=list(missing),
            counts=dict(counts),
            errors=errors,
            warnings=warnings,
            left_documents=int(rows["left_count"].sum()),
            right_documents=int(rows["right_count"].sum()),
            left_taxable_paise=int(rows["left_taxable_paise"].sum()),
            left_tax_paise=sum(int(rows[f"left_{name}"].sum()) for name in _TAXES),
            right_taxable_paise=int(rows["right_taxable_paise"].sum()),
            right_tax_paise=sum(int(rows[f"right_{name}"].sum()) for name in _TAXES),
            opened=opened,
            closed=len(closed),
            ended_at=now(),
        )
    )
    return Stored(seq, opened, len(closed))


def with_hashes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as the database stores them, with the hash of everything that a run says of a group."""
    stored = rows.copy()
    for name in ("left_on", "right_on"):
        days = pd.to_datetime(stored[name])
        stored[name] = days.dt.strftime("%Y-%m-%d").astype(object).where(days.notna(), None)
    texts = stored[list(_HASHED)].astype(str)
    stored["row_hash"] = [f"{one:016x}" for one in pd.util.hash_pandas_object(texts, index=False)]
    return stored


def _close(connection: Connection, ended: list[tuple[int, str, str, str, int]]) -> None:
    names = ("seq_", "client_", "recon_", "match_", "begun_")
    statement = (
        update(_MATCH)
        .where(
            _MATCH.c.client_id == bindparam("client_"),
            _MATCH.c.recon == bindparam("recon_"),
            _MATCH.c.match_id == bindparam("match_"),
            _MATCH.c.from_seq == bindparam("begun_"),
        )
        .values(until_seq=bindparam("seq_"))
    )
    execute_many(connection, statement, names, ended)


def _open(connection: Connection, rows: pd.DataFrame, client_id: str, recon: str, seq: int) -> int:
    names = [column.name for column in _MATCH.c]
    filled = rows.assign(client_id=client_id, recon=recon, from_seq=seq, until_seq=None)
    lists = [filled[name].astype(object).tolist() for name in names]
    values: list[tuple[Any, ...]] = list(zip(*lists, strict=True))
    insert_rows(connection, _MATCH, names, values)
    return len(values)
