"""Two systems with records, one of which may write values in its own way; calls are lost, edits come in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clientsync.database import open_engine
from clientsync.ledger import record_tables
from clientsync.ledger.tables import SyncLease
from clientsync.records.entities import CUSTOMERS, Entity
from clientsync.records.executing import RecordSet
from clientsync.records.sides import ACTIONS, Listed

FIELDS = [one.name for one in CUSTOMERS.fields]


class Crash(BaseException):
    """Stands for the end of the process."""


@dataclass
class Calls:
    """Ends the process at a call of a side, counted from now, before or after the call took effect."""

    left: int = -1
    log: list[tuple[str, str, str]] = field(default_factory=list)
    between: Callable[[], None] | None = None

    def __call__(self, side: str, name: str, ext_id: str) -> None:
        self.log.append((side, name, ext_id))
        if self.left == 0:
            self.left = -1
            if self.between is not None:
                work, self.between = self.between, None
                work()
                return
            raise Crash(name)
        if self.left > 0:
            self.left -= 1


def exact(values: Mapping[str, str]) -> dict[str, str]:
    return dict(values)


def capitals(values: Mapping[str, str]) -> dict[str, str]:
    """Write names in capitals and cut them to eight letters, as some systems do."""
    return {name: value.upper()[:8] if name in ("name", "city") else value for name, value in values.items()}


class FakeSide:
    """A system that keeps records in memory."""

    region = "IN"

    def __init__(self, name: str, calls: Calls, keep: Callable[[Mapping[str, str]], dict[str, str]]) -> None:
        self.name, self.calls, self.keep = name, calls, keep
        self.title = f"System {name}"
        self.actions: Sequence[str] = ACTIONS
        self.fields = FIELDS
        self.records: dict[str, dict[str, str]] = {}
        self.references: dict[str, str] = {}
        self.number = 0
        self.scope = "one"
        self.is_complete = True
        self.hidden: set[str] = set()
        self.deaf: set[str] = set()
        self.overwritten: list[tuple[str, str, str, str]] = []

    def put(self, **values: str) -> str:
        """Add a record as somebody does who works in that system."""
        self.number += 1
        ext_id = f"{self.name}{self.number}"
        self.records[ext_id] = self.keep({**dict.fromkeys(FIELDS, ""), "active": "1", **values})
        return ext_id

    def edit(self, ext_id: str, **values: str) -> None:
        self.records[ext_id].update(self.keep(values))

    def listed(self) -> Listed:
        self.calls(self.name, "list", "")
        shown = {one: dict(row) for one, row in self.records.items() if one not in self.hidden}
        return Listed(shown, self.is_complete and not self.hidden)

    def read(self, ext_id: str) -> Mapping[str, str] | None:
        self.calls(self.name, "read", ext_id)
        found = self.records.get(ext_id)
        return None if found is None else dict(found)

    def find(self, reference: str, number: str) -> str | None:
        self.calls(self.name, "find", reference or number)
        if reference:
            found = self.references.get(reference)
            return found if found in self.records else None
        return next((one for one, row in self.records.items() if row["number"] == number), None)

    def create(self, values: Mapping[str, str], reference: str) -> str:
        self.calls(self.name, "create", reference)
        ext_id = self.put(**values)
        self.references[reference] = ext_id
        self.calls(self.name, "created", ext_id)
        return ext_id

    def update(self, ext_id: str, values: Mapping[str, str]) -> None:
        self.calls(self.name, "update", ext_id)
        self.overwritten += [
            (ext_id, name, self.records[ext_id][name], value)
            for name, value in values.items()
            if self.records[ext_id][name] != value
        ]
        self.edit(ext_id, **{name: value for name, value in values.items() if name not in self.deaf})
        self.calls(self.name, "updated", ext_id)

    def delete(self, ext_id: str) -> None:
        self.calls(self.name, "delete", ext_id)
        self.records.pop(ext_id, None)
        self.calls(self.name, "deleted", ext_id)


class RecordWorld:
    """A set between two systems; side b may write values in its own way."""

    def __init__(
        self,
        folder: Path,
        policy: str = "three_way",
        keep: Callable[[Mapping[str, str]], dict[str, str]] = exact,
        entity: Entity = CUSTOMERS,
        url: str = "",
    ) -> None:
        self.calls = Calls()
        self.a, self.b = FakeSide("a", self.calls, exact), FakeSide("b", self.calls, keep)
        self.engine = open_engine(url or f"sqlite:///{folder / 'records.db'}")
        tables = [
            model.__table__
            for model in (*vars(record_tables).values(), SyncLease)
            if isinstance(model, type) and hasattr(model, "__table__")
        ]
        SyncLease.metadata.create_all(self.engine, tables=tables)
        self.set = RecordSet("customers", entity, self.a, self.b, self.engine, policy)

    def free(self) -> None:
        """Let the lease of a run that ended in a crash run out."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM sync_lease")

    def close(self) -> None:
        self.engine.dispose()
