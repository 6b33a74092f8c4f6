"""A node: a database of a store or of the head office, its identity, its one running sync, its errors.

Every commit passes ``Node.writing`` with a name, before and after which a test may end the process.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, insert, inspect, select, update

from clientsync.clock import now
from clientsync.crash import crash_point
from clientsync.database import reading, typed_errors, writing
from clientsync.errors import AlreadyRunning, InvalidInput, LeaseLost
from clientsync.exchange import tables as t
from clientsync.exchange.catalogue import HEAD_OFFICE, Catalogue
from clientsync.exchange.columns import add_missing_columns, fill_marks
from clientsync.exchange.documents import canonical, digest
from clientsync.exchange.envelopes import Signer

LEASE_SECONDS = 600


def moment() -> str:
    """Return the present moment as the tables of the exchange hold it."""
    return now().isoformat(timespec="milliseconds")


@dataclass
class Node:
    """A node that is open.

    Attributes:
        engine: of its database.
        node_id: ``HO``, or the code of the store.
        signer: its private key.
        boundary: called before and after every commit with its name.
    """

    engine: Engine
    node_id: str
    catalogue: Catalogue
    signer: Signer
    boundary: Callable[[str], None] = crash_point

    @property
    def kind(self) -> str:
        """``HO`` or ``STORE``."""
        return "HO" if self.node_id == HEAD_OFFICE else "STORE"

    @contextmanager
    def writing(self, name: str, lease: Lease | None = None) -> Iterator[Connection]:
        """Yield a write transaction; with a lease it is refused when another sync has taken over.

        Raises:
            LeaseLost: another sync of this node has taken over; nothing is written.
            WarehouseError: the database refused it.
        """
        with writing(self.engine) as connection:
            if lease is not None:
                lease.guard(connection)
            yield connection
            self.boundary(f"exchange_{name}_before")
        self.boundary(f"exchange_{name}_after")

    def incarnation(self, connection: Connection) -> str:
        """Return the id of the present life of its database."""
        return str(
            connection.execute(
                select(t.node.c.incarnation).where(t.node.c.node_id == self.node_id)
            ).scalar_one()
        )


@dataclass(frozen=True)
class Lease:
    """The right to sync a node; its number rises with every owner."""

    node_id: str
    holder: str
    fencing: int

    def guard(self, connection: Connection) -> None:
        """Hold the row of the node until the end of the transaction.

        Raises:
            LeaseLost: another sync has taken over.
        """
        done = connection.execute(
            update(t.node)
            .where(t.node.c.node_id == self.node_id, t.node.c.fencing == self.fencing)
            .values(lease_until=_until())
        )
        if done.rowcount != 1:
            raise LeaseLost(f"Another sync of {self.node_id} has taken over.")


def _until() -> str:
    return (now() + timedelta(seconds=LEASE_SECONDS)).isoformat(timespec="milliseconds")


def prepare(
    engine: Engine, node_id: str, *, peers: dict[str, str], sites: dict[str, Any] | None = None
) -> None:
    """Make the tables of a node and write down who it is and whom it knows; doing it again changes keys and sites only.

    Args:
        engine: of its database.
        node_id: ``HO``, or the code of the store.
        peers: node id to public key.
        sites: at the head office: store to (type, valid from as ISO day, groups).

    Raises:
        InvalidInput: the database belongs to another node already.
    """
    with writing(engine) as connection:
        _make_tables(connection)
        there = connection.execute(select(t.node.c.node_id)).scalars().all()
        if there and there != [node_id]:
            raise InvalidInput(f"This database belongs to node {there[0]}, not to {node_id}.")
        if not there:
            connection.execute(
                insert(t.node).values(node_id=node_id, incarnation=str(uuid4()), tables=_fingerprint())
            )
        known = set(peers_of(connection))
        for one, key in peers.items():
            if one in known:
                connection.execute(update(t.peer).where(t.peer.c.peer == one).values(public_key=key))
            else:
                connection.execute(insert(t.peer).values(peer=one, public_key=key))
        dated = {tuple(row) for row in connection.execute(select(t.site.c.peer, t.site.c.valid_from))}
        for one, (store_type, valid_from, groups) in (sites or {}).items():
            if (one, valid_from) not in dated:
                connection.execute(
                    insert(t.site).values(
                        peer=one, valid_from=valid_from, store_type=store_type, groups=canonical(list(groups))
                    )
                )


def bring_up_to_date(engine: Engine) -> bool:
    """Give the tables of a node what they lack since this software came; return whether that was anything.

    Nothing is done where no node was prepared. What the tables have is noted with the node, so that it is looked for
    only once.

    Raises:
        WarehouseError: the database refuses it, as where the login may not change tables.
    """
    with typed_errors():
        look = inspect(engine)
        if not look.has_table(t.node.name):
            return False
        is_noted = any(column["name"] == t.node.c.tables.name for column in look.get_columns(t.node.name))
    if is_noted:
        with reading(engine) as connection:
            if set(connection.execute(select(t.node.c.tables)).scalars()) <= {_fingerprint()}:
                return False
    with writing(engine) as connection:
        _make_tables(connection)
    return True


def _make_tables(connection: Connection) -> None:
    t.NODE.create_all(connection)
    if "sync_applied.doc_type" in add_missing_columns(connection, t.NODE):
        fill_marks(connection)
    connection.execute(update(t.node).values(tables=_fingerprint()))


@cache
def _fingerprint() -> str:
    """Return what stands for the columns and indexes of this software."""
    columns = [f"{table.name}.{one.name}" for table in t.NODE.sorted_tables for one in table.columns]
    indexes = [str(one.name) for table in t.NODE.sorted_tables for one in table.indexes]
    return digest(canonical([*columns, *sorted(indexes)]))


def take_lease(node: Node) -> Lease:
    """Return the right to sync a node.

    Raises:
        AlreadyRunning: a sync of it runs; says until when it is waited for.
    """
    holder = secrets.token_hex(8)
    with node.writing("lease") as connection:
        row = connection.execute(
            select(t.node).where(t.node.c.node_id == node.node_id).with_for_update()
        ).one_or_none()
        if row is None:
            raise InvalidInput(
                f"This database is not that of node {node.node_id}. Prepare it: clientsync exchange setup."
            )
        if (
            moment() < row.lease_until <= _until()
        ):  # one that ends later was taken before the clock was set back
            raise AlreadyRunning(f"A sync of {node.node_id} runs; it is waited for until {row.lease_until}.")
        fencing = row.fencing + 1
        connection.execute(
            update(t.node)
            .where(t.node.c.node_id == node.node_id)
            .values(lease_holder=holder, fencing=fencing, lease_until=_until())
        )
    return Lease(node.node_id, holder, fencing)


def give_back(node: Node, lease: Lease) -> None:
    """Give the right back; nothing happens when another sync has taken over."""
    with node.writing("release") as connection:
        connection.execute(
            update(t.node)
            .where(t.node.c.node_id == node.node_id, t.node.c.fencing == lease.fencing)
            .values(lease_until="")
        )


def note_error(
    connection: Connection, *, peer: str, error_class: str, code: str, what: str, reason: str, next_step: str
) -> bool:
    """Write a row about something that went wrong unless the newest about it says the same; return whether it did."""
    same = (t.error.c.peer == peer, t.error.c.code == code, t.error.c.what == what)
    newest = connection.execute(
        select(t.error.c.reason).where(*same).order_by(t.error.c.number.desc()).limit(1)
    ).scalar_one_or_none()
    if newest == reason:
        return False
    connection.execute(
        insert(t.error).values(
            at=moment(),
            peer=peer,
            error_class=error_class,
            code=code,
            what=what,
            reason=reason,
            next_step=next_step,
        )
    )
    return True


def note_audit(connection: Connection, actor: str, action: str, what: str, reason: str = "") -> None:
    """Write a line about what a person did."""
    connection.execute(
        insert(t.audit).values(at=moment(), actor=actor, action=action, what=what, reason=reason)
    )


def peers_of(connection: Connection) -> list[str]:
    """Return the nodes that a node knows, in their order."""
    return list(connection.execute(select(t.peer.c.peer).order_by(t.peer.c.peer)).scalars())


def errors_of(engine: Engine) -> list[dict[str, Any]]:
    """Return the errors of a node, the newest first."""
    with reading(engine) as connection:
        rows = connection.execute(select(t.error).order_by(t.error.c.number.desc())).mappings()
        return [dict(row) for row in rows]
