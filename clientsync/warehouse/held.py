"""The quarantine: records that were not loaded, each once, with its reason, until it is resolved.

Invariant: after a load, the open rows of an answered section are exactly the records that its newest answer
holds back; older ones that no longer occur are resolved as superseded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncQuarantine
from clientsync.outcomes import Outcome
from clientsync.warehouse.judging import Held, UnitWork

SUPERSEDED = "superseded"
_CHUNK = 1000
_Q: Any = SyncQuarantine.__table__  # type: ignore[attr-defined]

Place = tuple[str, str, str, str, str]
"""Client, connector, module, unit period, section."""


def json_safe(value: Any) -> Any:
    """Return a value as JSON can hold it: dates and moments as ISO text, exact decimals as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {str(name): json_safe(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_safe(one) for one in value]
    return repr(value)


def content_hash(table: str, values: dict[str, Any], occurrence: int = 0) -> str:
    """Return what identifies a held record in its section; the nth identical record has its own hash."""
    text = json.dumps([table, values, occurrence], sort_keys=True, ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def hold(connection: Connection, works: Sequence[UnitWork], moment: datetime) -> None:
    """Write the held records of these units and resolve those that no longer occur."""
    wanted = _wanted(works, moment)
    answered = {
        (*_unit_place(work), cell.section)
        for work in works
        if work.stop is None
        for cell in work.unit.cells
        if cell.outcome in (Outcome.LOADED, Outcome.EMPTY) and cell.is_whole
    }
    places = {place for place, _ in wanted} | answered
    if not places:
        return
    new = dict(wanted)
    superseded: list[str] = []
    changed: list[dict[str, Any]] = []
    for row in _open_rows(connection, places):
        place = (row.client_id, row.connector, row.module, row.unit_period, row.section)
        again = new.pop((place, row.content_hash), None)
        if again is None:
            if place in answered:
                superseded.append(row.quarantine_id)
        elif (again["codes"], again["reason"]) != (row.codes, row.reason):
            changed.append(
                {"of_id": row.quarantine_id, "to_codes": again["codes"], "to_reason": again["reason"]}
            )
    if new:
        connection.execute(insert(_Q), list(new.values()))
    if changed:
        connection.execute(
            update(_Q)
            .where(_Q.c.quarantine_id == bindparam("of_id"))
            .values(codes=bindparam("to_codes"), reason=bindparam("to_reason")),
            changed,
        )
    if superseded:
        connection.execute(
            update(_Q)
            .where(_Q.c.quarantine_id == bindparam("of_id"))
            .values(resolved_at=moment, resolution=SUPERSEDED),
            [{"of_id": one} for one in superseded],
        )


def _unit_place(work: UnitWork) -> tuple[str, str, str, str]:
    return (work.unit.client_id, work.unit.connector, work.unit.module, work.unit.unit_period)


def _wanted(works: Iterable[UnitWork], moment: datetime) -> dict[tuple[Place, str], dict[str, Any]]:
    """Return the quarantine rows that must be open, by place and content hash."""
    wanted: dict[tuple[Place, str], dict[str, Any]] = {}
    occurrences: Counter[tuple[Place, str]] = Counter()
    for work in works:
        if work.stop is not None and not work.keeps_held:
            continue
        for held in work.held:
            place = (*_unit_place(work), held.section)
            values = json_safe(held.record.values)
            first = (place, content_hash(held.record.table, values))
            digest = content_hash(held.record.table, values, occurrences[first])
            occurrences[first] += 1
            wanted[place, digest] = _row(work, held, values, digest, moment)
    return wanted


def _row(work: UnitWork, held: Held, values: dict[str, Any], digest: str, moment: datetime) -> dict[str, Any]:
    unit = work.unit
    return {
        "quarantine_id": new_id("qua"),
        "client_id": unit.client_id,
        "connector": unit.connector,
        "module": unit.module,
        "unit_period": unit.unit_period,
        "section": held.section,
        "table_name": held.record.table,
        "run_id": unit.run_id,
        "unit_id": unit.unit_id,
        "values": values,
        "content_hash": digest,
        "codes": ",".join(held.codes),
        "reason": held.reason,
        "held_at": moment,
        "resolution": "",
    }


def _open_rows(connection: Connection, places: set[Place]) -> list[Any]:
    ordered = sorted(places)
    columns = tuple_(_Q.c.client_id, _Q.c.connector, _Q.c.module, _Q.c.unit_period, _Q.c.section)
    found: list[Any] = []
    for start in range(0, len(ordered), _CHUNK):
        found.extend(
            connection.execute(
                select(
                    _Q.c.quarantine_id,
                    _Q.c.client_id,
                    _Q.c.connector,
                    _Q.c.module,
                    _Q.c.unit_period,
                    _Q.c.section,
                    _Q.c.content_hash,
                    _Q.c.codes,
                    _Q.c.reason,
                ).where(_Q.c.resolved_at.is_(None), columns.in_(ordered[start : start + _CHUNK]))
            )
        )
    return found
