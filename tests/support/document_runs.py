"""A reconciliation of documents over frames that a test holds in its hand, and a warehouse to store it in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, insert

from clientsync.database import open_engine, upgrade, writing
from clientsync.errors import InvalidInput
from clientsync.ledger.tables import SyncClient
from clientsync.reconcile.documents.acting import Direction
from clientsync.reports.matches import MatchLine, read_matches
from clientsync.sync.documents import DocumentRecon, DocumentRun, reconcile_documents
from clientsync.sync.match_rows import COLUMNS, Inputs, frame_of
from tests.support.documents import OWNER, document

DAY = date(2026, 11, 20)
CLIENTS = ("C1", "C2")


@dataclass
class Desk:
    """Two clients whose documents a test sets, and runs over them.

    Attributes:
        left, right: documents as ``tests.support.documents.document`` makes them, of C1 unless ``client_id`` says so.
        missing, left_out: as in ``Inputs``.
        newest: month of the newest statement, YYYYMM.
        booked: months whose books are there.
        broken: clients whose documents cannot be read.
    """

    engine: Engine
    left: list[dict[str, Any]] = field(default_factory=list)
    right: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    newest: str = "202612"
    booked: frozenset[str] = frozenset({"042026", "102026", "112026", "122026"})
    broken: frozenset[str] = frozenset()

    @property
    def recon(self) -> DocumentRecon:
        """The reconciliation over what the test has set."""
        return DocumentRecon("2B-BOOKS", "books against portal", Direction.PURCHASES, self._read)

    def run(self, day: date = DAY, **options: Any) -> DocumentRun:
        """Reconcile both clients."""
        return reconcile_documents(self.engine, self.recon, day, **options)

    def lines(self, client: str = "C1", **options: Any) -> list[MatchLine]:
        """Return the lines of a client as they stand, or of a past run."""
        return list(read_matches(self.engine, ("2B-BOOKS",), (client,), **options))

    def line(self, name: str, client: str = "C1") -> MatchLine:
        """Return the line whose document of the books, or else of the portal, has this number."""
        return next(one for one in self.lines(client) if name in (one.left_number, one.right_number))

    def _read(self, engine: Engine, client_ids: Sequence[str], day: date) -> Inputs:
        if self.broken & set(client_ids):
            raise InvalidInput("its documents cannot be read")
        sides = [
            [row for row in side if row.get("client_id", "C1") in client_ids]
            for side in (self.left, self.right)
        ]
        return Inputs(
            _frame(sides[0]),
            _frame(sides[1]),
            {one: self.missing[one] for one in client_ids if one in self.missing},
            {one: self.left_out[one] for one in client_ids if one in self.left_out},
            dict.fromkeys(client_ids, self.newest),
            dict.fromkeys(client_ids, self.booked),
        )


def paper(name: str, number: str = "INV/101", taxable: int = 1_000_00, **changes: Any) -> dict[str, Any]:
    """Return one document with what is shown besides; ``client``, ``note``, ``mark``, ``party_name`` may be given."""
    shown = {one: changes.pop(one, "") for one in ("note", "mark", "party_name")}
    client = changes.pop("client", "C1")
    owner = OWNER if client == "C1" else OWNER[:-1] + "2"
    return document(name, number, taxable, owner_gstin=owner, **changes) | {"client_id": client} | shown


def _frame(rows: list[dict[str, Any]]) -> Any:
    def value(row: dict[str, Any], name: str) -> Any:
        found = row[name]
        return date.fromisoformat(found) if name.endswith("_on") and found else found

    return frame_of([tuple(value(row, name) for name in COLUMNS) for row in rows])


@contextmanager
def a_desk(url: str) -> Iterator[Desk]:
    """Yield a desk over a migrated warehouse."""
    engine = open_engine(url)
    upgrade(engine)
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    with writing(engine) as connection:
        for client_id in CLIENTS:
            connection.execute(
                insert(SyncClient).values(
                    client_id=client_id,
                    name=f"Client {client_id}",
                    is_active=True,
                    settings={},
                    created_at=moment,
                    updated_at=moment,
                )
            )
    try:
        yield Desk(engine)
    finally:
        engine.dispose()
