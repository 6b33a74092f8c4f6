"""Which clients an operator means: ids, groups and ``All clients`` become rows of the client master.

An unknown name is never skipped: it stops the selection with the list of valid ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from clientsync.errors import UnknownClient
from clientsync.ledger.tables import SyncClient, SyncClientGroup

ALL_CLIENTS = "All clients"

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_GROUP = SyncClientGroup.__table__  # type: ignore[attr-defined]


def list_clients(connection: Connection, *, only_active: bool) -> list[SyncClient]:
    """Return the client master in the order of client ids, with or without inactive clients."""
    statement = select(_CLIENT).order_by(_CLIENT.c.client_id)
    if only_active:
        statement = statement.where(_CLIENT.c.is_active.is_(True))
    return [SyncClient(**row) for row in connection.execute(statement).mappings()]


def group_names(connection: Connection) -> tuple[str, ...]:
    """Return the names of all groups that have a member, sorted."""
    statement = select(_GROUP.c.group_name).distinct().order_by(_GROUP.c.group_name)
    return tuple(connection.execute(statement).scalars())


def group_members(connection: Connection) -> dict[str, set[str]]:
    """Return the client ids of every group, inactive clients included."""
    members: dict[str, set[str]] = {}
    for group_name, client_id in connection.execute(select(_GROUP.c.group_name, _GROUP.c.client_id)):
        members.setdefault(group_name, set()).add(client_id)
    return members


def groups_of_clients(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the groups of every client that is in one, sorted by name."""
    found: dict[str, list[str]] = {}
    statement = select(_GROUP.c.client_id, _GROUP.c.group_name).order_by(_GROUP.c.group_name)
    for client_id, group_name in connection.execute(statement):
        found.setdefault(client_id, []).append(group_name)
    return {client_id: tuple(names) for client_id, names in found.items()}


def select_clients(
    connection: Connection,
    include: Sequence[str],
    *,
    groups: Sequence[str] = (),
    exclude: Sequence[str] = (),
    only_active: bool = True,
) -> list[SyncClient]:
    """Return the clients that are meant, each once, in the order of client ids.

    Args:
        connection: in a transaction.
        include: client ids, group names, or ``All clients``; empty with empty ``groups`` means all.
        groups: group names.
        exclude: client ids or group names to leave out.
        only_active: refuse inactive clients by id, and leave them out of groups.

    Raises:
        UnknownClient: a name is not in the master, or names an inactive client; lists the valid ones.
    """
    clients = {client.client_id: client for client in list_clients(connection, only_active=only_active)}
    members = group_members(connection)
    if not include and not groups:
        wanted = set(clients)
    else:
        wanted = _ids(include, clients, members) | _ids(groups, (), members, what="group")
    known = clients if only_active is False else _all_ids(connection)
    left_out = _ids(exclude, known, members)
    return [clients[client_id] for client_id in sorted((wanted - left_out) & set(clients))]


def _all_ids(connection: Connection) -> set[str]:
    return set(connection.execute(select(_CLIENT.c.client_id)).scalars())


def _ids(
    names: Iterable[str],
    clients: Iterable[str],
    members: dict[str, set[str]],
    *,
    what: str = "client or group",
) -> set[str]:
    known = set(clients)
    found: set[str] = set()
    for name in names:
        if name == ALL_CLIENTS and what != "group":
            found |= known
        elif name in known:
            found.add(name)
        elif name in members:
            found |= members[name]
        else:
            valid = sorted(members) if what == "group" else [ALL_CLIENTS, *sorted(members), *sorted(known)]
            raise UnknownClient(what, name, valid)
    return found
