"""Writing what a plan or a person decided: intent first, then the write, then what is read back.

A process may end at any point. An intent that is open says what was about to be written; the next run looks at the
target and goes on. What both sides agreed on moves only when all writes that belong together were read back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, insert, select, update

from clientsync.clock import now
from clientsync.crash import crash_point
from clientsync.database import reading, writing
from clientsync.errors import SideRefused
from clientsync.records import store
from clientsync.records.entities import Entity
from clientsync.records.planning import SIDES, Link, Record, Write, hash_of, other
from clientsync.records.sides import Side

Progress = Callable[[int, int], None]
_ONE_WAY_OF_WRITING = ("number", "day", "flag")
"""Kinds of fields whose values a system cannot write in its own way."""


@dataclass(frozen=True)
class RecordSet:
    """One kind of record between two systems.

    Attributes:
        name: of the set.
        policy: of the plan: ``ask`` or ``three_way``.
    """

    name: str
    entity: Entity
    a: Side
    b: Side
    engine: Engine
    policy: str = "ask"

    def side(self, name: str) -> Side:
        """Return a side by its letter."""
        return self.a if name == "a" else self.b

    def sides_that(self, action: str) -> list[str]:
        """Letters of the sides that can do something, of ``ACTIONS``."""
        return [one for one in SIDES if action in self.side(one).actions]

    def fields(self) -> list[str]:
        """Names of the fields that are compared."""
        return [one.name for one in self.entity.mapped]


@dataclass(frozen=True)
class Undone:
    """An intent that did not come to its good end."""

    link_id: int
    side: str
    ext_id: str
    state: str
    reason: str


def reference(set_name: str, side: str, ext_id: str) -> str:
    """Return our reference of a record, by which a record that was made for it is found again."""
    return f"{set_name}:{side}:{ext_id}"


def read_record(of: RecordSet, side: str, ext_id: str) -> Record | None:
    """Return a record of a side as it stands now, None when it is gone."""
    found = of.side(side).read(ext_id)
    if found is None:
        return None
    values = of.entity.canonical(found, of.side(side).region)
    return Record(ext_id, values, hash_of(values))


def intend(
    connection: Connection,
    of: RecordSet,
    op: str,
    side: str,
    ext_id: str,
    *,
    group: str,
    actor: str,
    link_id: int = 0,
    values: Mapping[str, str] | None = None,
    was: Mapping[str, str] | None = None,
    observed: str = "",
    undoes: str = "",
) -> None:
    """Write down what is about to be written."""
    connection.execute(
        insert(store.INTENTS).values(
            {
                "set_name": of.name,
                "link_id": link_id,
                "side": side,
                "op": op,
                "group": group,
                "undoes": undoes,
                "ext_id": ext_id,
                "values": dict(values or {}),
                "was": dict(was or {}),
                "observed": observed,
                "is_tried": False,
                "state": "open",
                "reason": "",
                "actor": actor,
                "at": now(),
            }
        )
    )


def intend_writes(connection: Connection, of: RecordSet, writes: list[Write], actor: str) -> None:
    """Write down the writes of a plan; those of one link belong together."""
    groups: dict[int, str] = {}
    for one in writes:
        record = store.record_of(connection, of.name, one.side, one.ext_id)
        was = {name: record.values.get(name, "") for name, _ in one.values} if record else {}
        intend(
            connection,
            of,
            "update",
            one.side,
            one.ext_id,
            group=groups.setdefault(one.link_id, str(uuid4())),
            actor=actor,
            link_id=one.link_id,
            values=dict(one.values),
            was=was,
            observed=one.observed,
        )


def carry_out(of: RecordSet, progress: Progress = lambda done, all_: None) -> tuple[int, list[Undone]]:
    """Bring every open intent of a set to its end, and return how many were done and those that were not.

    None is done while a side is not the account of the last run.

    Raises:
        SourceError: a system cannot be reached; the intents that are left stay open.
    """
    with reading(of.engine) as connection:
        waiting = store.open_intents(connection, of.name)
        changed = changed_sides(connection, of)
    done, undone = 0, []
    for number, row in enumerate(waiting, start=1):
        if changed:
            with writing(of.engine) as connection:
                state, reason = _end(connection, of, row, "stale", _another_account(changed))
        else:
            state, reason = _OPS[row.op](of, row)
        if state == "done":
            done += 1
        else:
            undone.append(Undone(row.link_id, row.side, row.ext_id, state, reason))
        progress(number, len(waiting))
    return done, undone


def changed_sides(connection: Connection, of: RecordSet) -> list[str]:
    """Return the sides whose account, filter or mapping is not that of the last run that no brake stopped."""
    return [one for one in SIDES if not store.is_scope(connection, of.name, one, of.side(one).scope)]


def _another_account(changed: list[str]) -> str:
    return f"account, filter or mapping of side {' and '.join(changed)} changed since the last run"


def _note_tried(connection: Connection, row: Any) -> None:
    connection.execute(
        update(store.INTENTS).where(store.INTENTS.c.intent_id == row.intent_id).values(is_tried=True)
    )


def _end(connection: Connection, of: RecordSet, row: Any, state: str, reason: str = "") -> tuple[str, str]:
    connection.execute(
        update(store.INTENTS)
        .where(store.INTENTS.c.intent_id == row.intent_id)
        .values(state=state, reason=reason, ended_at=now())
    )
    if row.op == "update" and not store.count_open(connection, row.group):
        _settle_group(connection, of, row)
    return state, reason


def _settle_group(connection: Connection, of: RecordSet, row: Any) -> None:
    """Move what both agreed on, for the fields of a group whose writes were all taken; of an undo, put it back."""
    intents = connection.execute(select(store.INTENTS).where(store.INTENTS.c.group == row.group)).all()
    if row.undoes:
        if all(one.state == "done" for one in intents):
            put_back(connection, of, row.link_id, row.undoes)
        return
    bad = {
        name
        for one in intents
        if one.state != "done"
        for name in one.values
        if one.state == "stale" or name in one.reason
    }
    fields = {name for one in intents for name in one.values} - bad
    link = store.find_link(connection, of.name, row.link_id)
    if link is not None and fields:
        store.settle(connection, link, of.name, sorted(fields))
        store.note_settled(connection, link, row.group, fields)


def put_back(connection: Connection, of: RecordSet, link_id: int, group: str) -> None:
    """Let the choices of a group be taken back, and what both agreed on before them stand again."""
    choices = store.settled_choices(connection, group)
    link = store.find_link(connection, of.name, link_id)
    if link is not None:
        store.set_base(connection, link, {one.field: (one.base_a, one.base_b) for one in choices})
    connection.execute(update(store.CHOICES).where(store.CHOICES.c.group == group).values(undone_at=now()))


def _update(of: RecordSet, row: Any) -> tuple[str, str]:
    """Write fields of a record, unless it is not what it was when this was decided."""
    current = read_record(of, row.side, row.ext_id)
    with reading(of.engine) as connection:
        link = store.find_link(connection, of.name, row.link_id)
    refusal = ""
    if current is None:
        refusal = "the record is gone"
    elif link is None or not link.enabled:
        refusal = "the pair was unlinked or switched off"
    if refusal or current is None:
        with writing(of.engine) as connection:
            return _end(connection, of, row, "stale", refusal)
    if current.hash != row.observed:
        is_moved = any(current.values.get(name, "") != row.was.get(name, "") for name in row.values)
        if not (row.is_tried and is_moved):
            with writing(of.engine) as connection:
                store.keep_record(connection, of.name, row.side, current)
                return _end(connection, of, row, "stale", "the record was changed in the meantime")
        return _taken(of, row, current)  # the write was made before the process ended
    with writing(of.engine) as connection:
        _note_tried(connection, row)
    try:
        _able(of, row).update(row.ext_id, row.values)
    except SideRefused as error:
        with writing(of.engine) as connection:
            return _end(connection, of, row, "failed", f"{', '.join(row.values)}: {error.message}")
    crash_point("records_after_write")
    back = read_record(of, row.side, row.ext_id)
    if back is None:
        with writing(of.engine) as connection:
            return _end(connection, of, row, "stale", "the record is gone")
    return _taken(of, row, back)


def _able(of: RecordSet, row: Any) -> Side:
    """Return the side that an intent is for.

    Raises:
        SideRefused: it can do no such thing, or can no more.
    """
    side = of.side(row.side)
    if row.op not in side.actions:
        raise SideRefused(f"{side.title} cannot {row.op} records.")
    return side


def _taken(of: RecordSet, row: Any, back: Record) -> tuple[str, str]:
    """Keep what was read back; a field that still holds the old value was not taken."""
    ignored = [
        name
        for name, value in row.values.items()
        if back.values.get(name, "") == row.was.get(name, "") and value != row.was.get(name, "")
    ]
    with writing(of.engine) as connection:
        store.keep_record(connection, of.name, row.side, back)
        if ignored:
            return _end(
                connection, of, row, "failed", f"not taken by {of.side(row.side).title}: {', '.join(ignored)}"
            )
        return _end(connection, of, row, "done")


def _create(of: RecordSet, row: Any) -> tuple[str, str]:
    """Make the partner of a record, or find the one that was made before the process ended."""
    source_side = other(row.side)
    source = read_record(of, source_side, row.ext_id)
    back, state, reason = _made(of, row, source_side, source)
    with writing(of.engine) as connection:
        if source is None or back is None:
            return _end(connection, of, row, state, reason)
        taken = store.partner_link(connection, of.name, row.side, back.ext_id)
        if taken is not None and taken.link_id != row.link_id:
            return _end(
                connection, of, row, "stale", f"what was made of it has a partner: pair {taken.link_id}"
            )
        store.keep_record(connection, of.name, row.side, back)
        store.keep_record(connection, of.name, source_side, source)
        a, b = (source, back) if source_side == "a" else (back, source)
        if row.link_id:
            link = store.link_of(connection, of.name, row.link_id)
            store.change_link(connection, link, **{f"{row.side}_ext": back.ext_id})
        else:
            store.add_link(connection, of.name, a, b, of.fields(), "import")
        made = store.partner_link(connection, of.name, row.side, back.ext_id)
        if made is not None:
            store.settle(connection, made, of.name, _kept(of, row.values, source, back))
        return _end(connection, of, row, "done")


def _made(of: RecordSet, row: Any, source_side: str, source: Record | None) -> tuple[Record | None, str, str]:
    """Return the record that was made, or None with the state and the reason why none was."""
    side = of.side(row.side)
    if source is None:
        return None, "stale", "the record that it was to be made of is gone"
    with reading(of.engine) as connection:
        partner = store.partner_link(connection, of.name, source_side, row.ext_id)
    if partner is not None and partner.link_id != row.link_id:
        return None, "stale", f"it has a partner by now: pair {partner.link_id}"
    ours = reference(of.name, source_side, row.ext_id)
    made = side.find(ours, "")
    if made is not None and not row.is_tried:
        there = read_record(of, row.side, made)
        if there is not None and any(there.values.get(name, "") != row.values[name] for name in row.values):
            return None, "failed", f"{made} on side {row.side} was made of it before, and differs: link it"
    if made is None:
        number = row.values.get(of.entity.number_field, "")
        if number and side.find("", number) is not None:
            return None, "failed", f"number {number} is taken on side {row.side}: link it"
        with writing(of.engine) as connection:
            _note_tried(connection, row)
        try:
            made = _able(of, row).create(row.values, ours)
        except SideRefused as error:
            return None, "failed", error.message
    crash_point("records_after_create")
    return read_record(of, row.side, made), "stale", "the record that was made is gone"


def _kept(of: RecordSet, sent: Mapping[str, str], source: Record, back: Record) -> list[str]:
    """Return the fields of a record that was made in which it holds what was sent, maybe in its own way of writing.

    Numbers, days and flags are written in one way only. What the target left empty was not taken; what the source
    changed meanwhile is compared at the next run.
    """
    kept = []
    for rule in of.entity.mapped:
        wanted, found = sent.get(rule.name, ""), back.values.get(rule.name, "")
        is_taken = found == wanted if rule.kind in _ONE_WAY_OF_WRITING else bool(found or not wanted)
        if is_taken and source.values.get(rule.name, "") == wanted:
            kept.append(rule.name)
    return kept


def why_not_gone(of: RecordSet, connection: Connection, pair: Link, side: str) -> str:
    """Return why the record of a side of a pair is not known to be gone for certain; empty when it is.

    Args:
        of: the set.
        connection: of a transaction.
        pair: whose records were listed last.
        side: on which the record is missing.
    """
    if not pair.enabled:
        return f"pair {pair.link_id} is switched off"
    if changed := changed_sides(connection, of):
        return _another_account(changed)
    if not store.is_listed_whole(connection, of.name, side):
        return f"side {side} was not listed whole"
    return ""


def _delete(of: RecordSet, row: Any) -> tuple[str, str]:
    """Delete the record that is left of a pair, unless one of both changed since this was decided; close the pair."""
    gone_side = other(row.side)
    with reading(of.engine) as connection:
        link = store.find_link(connection, of.name, row.link_id)
        why = "the pair was unlinked" if link is None else why_not_gone(of, connection, link, gone_side)
    if link is not None and not why:
        back = read_record(of, gone_side, getattr(link, gone_side))
        why = f"{back.ext_id} of side {gone_side} is there again" if back is not None else ""
    if why:
        with writing(of.engine) as connection:
            return _end(connection, of, row, "stale", why)
    current = read_record(of, row.side, row.ext_id)
    if current is not None and current.hash != row.observed:
        with writing(of.engine) as connection:
            store.keep_record(connection, of.name, row.side, current)
            return _end(connection, of, row, "stale", "the record was changed in the meantime")
    if current is not None:
        try:
            _able(of, row).delete(row.ext_id)
        except SideRefused as error:
            with writing(of.engine) as connection:
                return _end(connection, of, row, "failed", error.message)
    crash_point("records_after_delete")
    with writing(of.engine) as connection:
        store.drop_record(connection, of.name, row.side, row.ext_id)
        link = store.find_link(connection, of.name, row.link_id)
        if link is not None:
            store.change_link(connection, link, closed_at=now())
        return _end(connection, of, row, "done")


_OPS: dict[str, Callable[[RecordSet, Any], tuple[str, str]]] = {
    "update": _update,
    "create": _create,
    "delete": _delete,
}
