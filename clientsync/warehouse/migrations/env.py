"""Alembic's environment: migrations run on the connection that the caller holds, in its transaction.

Nothing is configured here from files, and no logging is set up. Invariant: a migration is committed together
with its version number or not at all.
"""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlmodel.sql.sqltypes import AutoString

from clientsync.moments import UtcDateTime


def render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write our own column types as plain SQLAlchemy types, so that a migration never depends on our code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    render_item=render,
    render_as_batch=True,
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
