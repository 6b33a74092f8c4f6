"""Changes of the client master: import, edit, deactivate, groups; each in one transaction.

A GSTIN or TAN belongs to one client for as long as data of it are stored: it cannot be moved to another id, and the
rows of two taxpayers can never come together under one. Wrong rows are reported and good ones go in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from clientsync.clients.files import ClientTable, read_table
from clientsync.clients.rows import (
    COLUMNS,
    FILE_PROVIDER,
    ClientRow,
    RowProblem,
    check_group_name,
    check_row,
)
from clientsync.clients.selection import group_members, groups_of_clients, list_clients
from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.errors import InvalidInput, UnknownClient, UnknownName
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncClient, SyncClientGroup, SyncDecision, SyncUnit

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_GROUP = SyncClientGroup.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_DECISION = SyncDecision.__table__  # type: ignore[attr-defined]


REGISTRATIONS = {"gstin": "gst", "tan": "tds"}
"""Numbers that belong to one client only, and the connector whose data they are of."""


@dataclass
class ClientImport:
    """What an import did, or would do.

    Attributes:
        added, updated, unchanged: client ids.
        problems: refused rows, in the order of the file; several for one row.
        ignored: headers that mean none of our columns.
        is_dry_run: nothing was written.
    """

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    ignored: tuple[str, ...] = ()
    is_dry_run: bool = False

    @property
    def refused_rows(self) -> int:
        """How many rows were refused."""
        return len({problem.row for problem in self.problems})


def import_clients(
    engine: Engine, path: Path, *, providers: Collection[str], dry_run: bool = False
) -> ClientImport:
    """Bring the rows of a CSV or Excel file into the client master; good rows go in, wrong ones are reported.

    A client that is there is updated: empty cells and missing columns leave what is stored.

    Args:
        engine: the warehouse.
        path: the file.
        providers: names of configured providers; ``file`` is always valid.
        dry_run: only say what would happen.

    Raises:
        InvalidInput: the file cannot be read as a client list; nothing was written.
    """
    return merge_table(engine, read_table(path), providers=providers, dry_run=dry_run)


def merge_table(
    engine: Engine, table: ClientTable, *, providers: Collection[str], dry_run: bool = False
) -> ClientImport:
    """Bring rows that were read already into the client master; see ``import_clients``."""
    result = ClientImport(ignored=table.ignored, is_dry_run=dry_run)
    valid = valid_providers(providers)
    rows: list[ClientRow] = []
    for number, cells in table.rows:
        checked = check_row(number, cells, valid)
        if isinstance(checked, ClientRow):
            rows.append(checked)
        else:
            result.problems.extend(checked)
    if dry_run:
        with reading(engine) as connection:
            _Merge(connection, result).plan(rows)
    else:
        with writing(engine) as connection:
            merge = _Merge(connection, result)
            merge.write(merge.plan(rows))
    result.problems.sort(
        key=lambda problem: (problem.row, list(COLUMNS).index(problem.column or "client_id"))
    )
    return result


def valid_providers(providers: Collection[str]) -> tuple[str, ...]:
    """Return what a client may have as provider."""
    return (*sorted(set(providers) - {FILE_PROVIDER}), FILE_PROVIDER)


class _Merge:
    """Rows of a file against the master as it is in one transaction."""

    def __init__(self, connection: Connection, result: ClientImport) -> None:
        self.connection = connection
        self.result = result
        self.stored = {one.client_id: one for one in list_clients(connection, only_active=False)}
        self.groups = groups_of_clients(connection)
        self.by_fold = {client_id.casefold(): client_id for client_id in self.stored}
        self.owners = {
            name: {number: one.client_id for one in self.stored.values() if (number := getattr(one, name))}
            for name in REGISTRATIONS
        }
        self.spellings = _spellings(connection)
        units = connection.execute(select(_UNIT.c.client_id, _UNIT.c.connector).distinct())
        self.with_data = {(row.client_id, row.connector) for row in units}

    def plan(self, rows: Sequence[ClientRow]) -> list[ClientRow]:
        """Return the rows that go in; the others are in the result's problems."""
        good: list[ClientRow] = []
        id_rows: dict[str, int] = {}
        number_rows: dict[tuple[str, str], int] = {}
        asked_groups = {name.casefold() for row in rows for name in row.groups or ()}
        for row in map(self._as_spelled, rows):
            problem = (
                self._clash_in_file(row, id_rows, number_rows)
                or self._clash_of_names(row, asked_groups)
                or self._clash_in_master(row)
            )
            id_rows.setdefault(row.client_id.casefold(), row.row)
            for name in REGISTRATIONS:
                if row.values.get(name):
                    number_rows.setdefault((name, row.values[name]), row.row)
            if problem is not None:
                self.result.problems.append(problem)
                continue
            good.append(row)
            self._count(row)
        return good

    def _as_spelled(self, row: ClientRow) -> ClientRow:
        """Return a row with its groups as they are spelled already: capitals make no other group."""
        if row.groups is None:
            return row
        known = self.spellings
        names = (
            name if name in known.values() else known.setdefault(name.casefold(), name) for name in row.groups
        )
        return replace(row, groups=tuple(dict.fromkeys(names)))

    def _clash_in_file(
        self, row: ClientRow, id_rows: Mapping[str, int], number_rows: Mapping[tuple[str, str], int]
    ) -> RowProblem | None:
        first = id_rows.get(row.client_id.casefold())
        if first is not None:
            return RowProblem(row.row, "client_id", f"row {first} of the file has the same client_id.")
        for name in REGISTRATIONS:
            first = number_rows.get((name, row.values.get(name, "")))
            if first is not None:
                return RowProblem(row.row, name, f"row {first} of the file has the same {name.upper()}.")
        return None

    def _clash_of_names(self, row: ClientRow, asked_groups: Collection[str]) -> RowProblem | None:
        if row.client_id.casefold() in self.spellings or row.client_id.casefold() in asked_groups:
            return RowProblem(row.row, "client_id", "a group has this name; a client needs another.")
        for name in row.groups or ():
            if name.casefold() in self.by_fold:
                return RowProblem(
                    row.row, "groups", f"{name!r} is the id of a client; a group needs another name."
                )
        return None

    def _clash_in_master(self, row: ClientRow) -> RowProblem | None:
        stored = self.stored.get(row.client_id)
        if stored is None:
            other = self.by_fold.get(row.client_id.casefold())
            if other is not None:
                return RowProblem(row.row, "client_id", f"client {other} differs only by capital letters.")
            if not any(row.values.get(name) for name in REGISTRATIONS):
                return RowProblem(row.row, "gstin", "it is missing, so is the TAN, and the client is new.")
            if not row.values.get("name"):
                return RowProblem(row.row, "name", "it is missing, and the client is new.")
        gstin = row.values.get("gstin")
        if (
            stored is not None
            and gstin is None
            and row.values.get("state_code", stored.state_code) != (stored.state_code)
        ):
            return RowProblem(row.row, "state_code", f"the client's GSTIN begins with {stored.state_code}.")
        for name, connector in REGISTRATIONS.items():
            problem = self._clash_of_numbers(row, stored, name, connector)
            if problem is not None:
                return problem
        return None

    def _clash_of_numbers(
        self, row: ClientRow, stored: SyncClient | None, name: str, connector: str
    ) -> RowProblem | None:
        given = row.values.get(name)
        owner = self.owners[name].get(given or "")
        if owner is not None and owner != row.client_id:
            return RowProblem(row.row, name, f"client {owner} has this {name.upper()} already.")
        known = getattr(stored, name) if stored is not None else ""
        if known and given not in (None, known) and (row.client_id, connector) in self.with_data:
            return RowProblem(
                row.row,
                name,
                f"client {row.client_id} has data of another {name.upper()}; add this one as a new client.",
            )
        return None

    def _count(self, row: ClientRow) -> None:
        stored = self.stored.get(row.client_id)
        if stored is None:
            self.result.added.append(row.client_id)
        elif self._changes(stored, row) or self._groups_change(row):
            self.result.updated.append(row.client_id)
        else:
            self.result.unchanged.append(row.client_id)

    @staticmethod
    def _changes(stored: SyncClient, row: ClientRow) -> dict[str, Any]:
        return {name: value for name, value in row.values.items() if getattr(stored, name) != value}

    def _groups_change(self, row: ClientRow) -> bool:
        return row.groups is not None and set(row.groups) != set(self.groups.get(row.client_id, ()))

    def write(self, rows: Sequence[ClientRow]) -> None:
        """Write the rows that go in."""
        for row in rows:
            stored = self.stored.get(row.client_id)
            if stored is None:
                self.connection.execute(insert(_CLIENT).values(**_new_client(row)))
            elif changes := self._changes(stored, row):
                self.connection.execute(
                    update(_CLIENT)
                    .where(_CLIENT.c.client_id == row.client_id)
                    .values(**changes, updated_at=now())
                )
            if self._groups_change(row):
                set_groups(self.connection, row.client_id, row.groups or ())


def _spellings(connection: Connection) -> dict[str, str]:
    """Return the names of all groups by their names without capitals."""
    return {name.casefold(): name for name in sorted(group_members(connection), reverse=True)}


def _new_client(row: ClientRow) -> dict[str, Any]:
    moment = now()
    defaults: dict[str, Any] = {
        "gstin": "",
        "state_code": "",
        "portal_username": "",
        "provider": FILE_PROVIDER,
        "filing_frequency": "M",
        "consent_ends_on": None,
        "tan": "",
        "deductor_pan": "",
        "deductor_category": "",
        "tds_forms": "",
        "tds_source": FILE_PROVIDER,
        "traces_username": "",
        "tds_consent_given_on": None,
        "tds_consent_ends_on": None,
        "is_active": True,
        "settings": {},
    }
    return {"client_id": row.client_id, **defaults, **row.values, "created_at": moment, "updated_at": moment}


def set_groups(connection: Connection, client_id: str, names: Collection[str]) -> None:
    """Make ``names`` the groups of a client."""
    connection.execute(delete(_GROUP).where(_GROUP.c.client_id == client_id))
    if names:
        connection.execute(
            insert(_GROUP), [{"group_name": name, "client_id": client_id} for name in sorted(set(names))]
        )


def put_client(engine: Engine, cells: Mapping[str, Any], *, providers: Collection[str], is_new: bool) -> bool:
    """Add or edit one client by the same rules as an import; return whether anything changed.

    Raises:
        UnknownClient: it should be there and is not.
        InvalidInput: it is there already, or a value cannot be used; the message lists every reason.
    """
    checked = check_row(0, cells, valid_providers(providers))
    result = ClientImport()
    if not isinstance(checked, ClientRow):
        raise InvalidInput(_sentence(checked))
    client_id = checked.client_id
    with writing(engine) as connection:
        known = connection.execute(select(_CLIENT.c.client_id).order_by(_CLIENT.c.client_id)).scalars().all()
        if is_new and client_id in known:
            raise InvalidInput(f"Client {client_id} is there already; use `clientsync clients edit`.")
        if not is_new and client_id not in known:
            raise UnknownClient("client", client_id, known)
        merge = _Merge(connection, result)
        good = merge.plan([checked])
        if result.problems:
            raise InvalidInput(_sentence(result.problems))
        merge.write(good)
    return bool(result.added or result.updated)


def _sentence(problems: Sequence[RowProblem]) -> str:
    return " ".join(f"{problem.column}: {problem.reason}" for problem in problems)


def set_active(engine: Engine, client_ids: Sequence[str], *, is_active: bool, reason: str = "") -> int:
    """Activate or deactivate clients, keep the decision, and return how many changed.

    Raises:
        UnknownClient: one does not exist; nothing was written.
    """
    with writing(engine) as connection:
        _require(connection, client_ids)
        changed = 0
        for client_id in dict.fromkeys(client_ids):
            done = connection.execute(
                update(_CLIENT)
                .where(_CLIENT.c.client_id == client_id, _CLIENT.c.is_active.is_(not is_active))
                .values(is_active=is_active, updated_at=now())
            ).rowcount
            changed += done
            if done:
                connection.execute(
                    insert(_DECISION).values(
                        decision_id=new_id("dec"),
                        client_id=client_id,
                        kind="activate" if is_active else "deactivate",
                        subject=client_id,
                        reason=reason,
                        decided_at=now(),
                    )
                )
    return changed


SWITCHES = ("generate_2b", "gstr3b_balances")
"""What can be switched on for a client; everything is off at first."""


def set_switch(engine: Engine, client_ids: Sequence[str], name: str, *, is_on: bool) -> int:
    """Switch something on or off for these clients; return how many changed.

    Raises:
        UnknownName: no such switch, or no such client; lists those that exist, and nothing is written.
    """
    if name not in SWITCHES:
        raise UnknownName("switch", name, SWITCHES)
    changed = 0
    with writing(engine) as connection:
        _require(connection, client_ids)
        for client_id in dict.fromkeys(client_ids):
            row = connection.execute(select(_CLIENT.c.settings).where(_CLIENT.c.client_id == client_id)).one()
            if bool(row.settings.get(name)) is is_on:
                continue
            connection.execute(
                update(_CLIENT)
                .where(_CLIENT.c.client_id == client_id)
                .values(settings={**row.settings, name: is_on}, updated_at=now())
            )
            changed += 1
    return changed


def add_to_group(engine: Engine, group: str, client_ids: Sequence[str]) -> int:
    """Add clients to a group, which is made by its first member; return how many were not in it.

    Raises:
        InvalidInput: the name cannot be a group.
        UnknownClient: a client does not exist; nothing was written.
    """
    try:
        name = check_group_name(group)
    except ValueError as error:
        raise InvalidInput(f"{group[:60]!r} cannot be a group: {error}") from None
    with writing(engine) as connection:
        known = _require(connection, client_ids)
        if name.casefold() in {client_id.casefold() for client_id in known}:
            raise InvalidInput(f"{name!r} is the id of a client; a group needs another name.")
        if name not in group_members(connection):
            name = _spellings(connection).get(name.casefold(), name)
        members = group_members(connection).get(name, set())
        new = [client_id for client_id in dict.fromkeys(client_ids) if client_id not in members]
        if new:
            connection.execute(insert(_GROUP), [{"group_name": name, "client_id": one} for one in new])
    return len(new)


def remove_from_group(engine: Engine, group: str, client_ids: Sequence[str]) -> int:
    """Take clients out of a group, which ends with its last member; return how many were in it.

    Raises:
        UnknownName: there is no such group; lists those there are.
        UnknownClient: a client does not exist; nothing was written.
    """
    with writing(engine) as connection:
        members = group_members(connection)
        if group not in members:
            raise UnknownName("group", group, sorted(members))
        _require(connection, client_ids)
        return connection.execute(
            delete(_GROUP).where(_GROUP.c.group_name == group, _GROUP.c.client_id.in_(client_ids))
        ).rowcount


def count_groups(connection: Connection) -> list[tuple[str, int]]:
    """Return every group with the number of its clients."""
    statement = (
        select(_GROUP.c.group_name, func.count()).group_by(_GROUP.c.group_name).order_by(_GROUP.c.group_name)
    )
    return [(str(name), int(count)) for name, count in connection.execute(statement)]


def _require(connection: Connection, client_ids: Sequence[str]) -> list[str]:
    known = list(connection.execute(select(_CLIENT.c.client_id).order_by(_CLIENT.c.client_id)).scalars())
    for client_id in client_ids:
        if client_id not in known:
            raise UnknownClient("client", client_id, known)
    return known
