"""Leases with fencing: at most one run works on a client and module.

Taking a lease raises its fence by one; every write of the holder is checked against the fence inside the
loading transaction, so a holder that slept through its lease can no longer write. Expiry is wall-clock time,
never the injected business clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, and_, or_, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from clientsync.crash import crash_point
from clientsync.database import reading, writing
from clientsync.ledger.tables import SyncLease

Key = tuple[str, str, str]
"""Client id, connector, module."""

_T = SyncLease.__table__  # type: ignore[attr-defined]


def _key_is(key: Key) -> object:
    return and_(_T.c.client_id == key[0], _T.c.connector == key[1], _T.c.module == key[2])


def take(engine: Engine, keys: Iterable[Key], holder: str, seconds: float) -> dict[Key, int]:
    """Take the leases that are free, expired or already this holder's; return their fences.

    Keys that another live holder has are missing from the answer.
    """
    insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    taken: dict[Key, int] = {}
    with writing(engine) as connection:
        moment = datetime.now(UTC)
        for key in sorted(set(keys)):
            row = insert(_T).values(
                client_id=key[0],
                connector=key[1],
                module=key[2],
                fence=1,
                holder=holder,
                expires_at=moment + timedelta(seconds=seconds),
            )
            statement = row.on_conflict_do_update(
                index_elements=["client_id", "connector", "module"],
                set_={"fence": _T.c.fence + 1, "holder": holder, "expires_at": row.excluded.expires_at},
                where=or_(_T.c.expires_at.is_(None), _T.c.expires_at < moment, _T.c.holder == holder),
            ).returning(_T.c.fence)
            fence = connection.execute(statement).scalar_one_or_none()
            if fence is not None:
                taken[key] = fence
        crash_point("lease_take")
    return taken


def renew(engine: Engine, fences: dict[Key, int], seconds: float) -> set[Key]:
    """Prolong the leases that are still held under these fences; return the keys that were lost.

    A lease that was released meanwhile stays free: a keeper may have looked just before it was given back.
    """
    if not fences:
        return set()
    with writing(engine) as connection:
        expires = datetime.now(UTC) + timedelta(seconds=seconds)
        kept: set[Key] = set()
        keys = sorted(fences)
        for start in range(0, len(keys), 200):
            part = [(*key, fences[key]) for key in keys[start : start + 200]]
            rows = connection.execute(
                update(_T)
                .where(
                    tuple_(_T.c.client_id, _T.c.connector, _T.c.module, _T.c.fence).in_(part),
                    _T.c.expires_at.is_not(None),
                )
                .values(expires_at=expires)
                .returning(_T.c.client_id, _T.c.connector, _T.c.module)
            )
            kept.update((row[0], row[1], row[2]) for row in rows)
        crash_point("lease_renew")
    return set(fences) - kept


def release(engine: Engine, fences: dict[Key, int]) -> None:
    """Free the leases that are still held under these fences; the fence number stays."""
    if not fences:
        return
    keys = sorted(fences)
    with writing(engine) as connection:
        for start in range(0, len(keys), 200):
            part = [(*key, fences[key]) for key in keys[start : start + 200]]
            connection.execute(
                update(_T)
                .where(tuple_(_T.c.client_id, _T.c.connector, _T.c.module, _T.c.fence).in_(part))
                .values(expires_at=None, holder="")
            )
        crash_point("lease_release")


def holder_of(engine: Engine, key: Key) -> str | None:
    """Return who holds a live lease on ``key``, None when it is free."""
    with reading(engine) as connection:
        row = connection.execute(_T.select().where(_key_is(key))).mappings().one_or_none()
    if row is None or row["expires_at"] is None or row["expires_at"] < datetime.now(UTC):
        return None
    return str(row["holder"])
