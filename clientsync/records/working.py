"""What a person decides about a pair or a record: link, settle a conflict, take it back, make, delete, leave alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from clientsync.clock import now
from clientsync.database import writing
from clientsync.errors import InvalidInput
from clientsync.records import store
from clientsync.records.entities import typed
from clientsync.records.executing import (
    Progress,
    RecordSet,
    Undone,
    intend,
    put_back,
    read_record,
    why_not_gone,
)
from clientsync.records.planning import SIDES, Link, Record, other
from clientsync.records.running import alone


def link(of: RecordSet, a: str, b: str, *, actor: str, origin: str = "operator") -> int:
    """Let two records be partners, and return the id of the pair; nothing is written to either side.

    Raises:
        InvalidInput: a record is not there, or has a partner already.
    """
    with alone(of), writing(of.engine) as connection:
        left, right = (_listed(connection, of, side, ext_id) for side, ext_id in (("a", a), ("b", b)))
        made = store.add_link(connection, of.name, left, right, of.fields(), origin)
        _no_longer_ignored(connection, of, (("a", a), ("b", b)))
        connection.execute(
            delete(store.REFUSALS).where(
                store.REFUSALS.c.set_name == of.name, store.REFUSALS.c.a_ext == a, store.REFUSALS.c.b_ext == b
            )
        )
    return made


def _listed(connection: Connection, of: RecordSet, side: str, ext_id: str) -> Record:
    record = store.record_of(connection, of.name, side, ext_id)
    if record is None:
        raise InvalidInput(
            f"Side {side} of {of.name} has no record {ext_id}. `clientsync records window {of.name}` lists them."
        )
    return record


def _no_longer_ignored(connection: Connection, of: RecordSet, records: Iterable[tuple[str, str]]) -> int:
    gone = 0
    for side, ext_id in records:
        here = store.IGNORED.c
        gone += connection.execute(
            delete(store.IGNORED).where(here.set_name == of.name, here.side == side, here.ext_id == ext_id)
        ).rowcount
    return gone


def unlink(of: RecordSet, link_id: int, *, actor: str) -> None:
    """Remove the link of a pair; its records become new, and nothing is written to them.

    Raises:
        InvalidInput: no such pair.
    """
    with alone(of), writing(of.engine) as connection:
        store.change_link(connection, store.link_of(connection, of.name, link_id), closed_at=now())


def switch(of: RecordSet, link_id: int, *, enabled: bool, actor: str) -> None:
    """Switch synchronisation of a pair off or on; what both agreed on is kept.

    Raises:
        InvalidInput: no such pair.
    """
    with alone(of), writing(of.engine) as connection:
        store.change_link(connection, store.link_of(connection, of.name, link_id), enabled=enabled)


def ignore(of: RecordSet, side: str, ext_id: str, *, actor: str, is_ignored: bool = True) -> None:
    """Leave a record without a partner alone, or take it up again.

    Raises:
        InvalidInput: no such record, it has a partner, or it was not left alone.
    """
    _require_side(side)
    with writing(of.engine) as connection:
        if not is_ignored:
            if not _no_longer_ignored(connection, of, [(side, ext_id)]):
                raise InvalidInput(f"{ext_id} of side {side} was not left alone.")
            return
        _listed(connection, of, side, ext_id)
        if store.partner_link(connection, of.name, side, ext_id) is not None:
            raise InvalidInput(
                f"{ext_id} has a partner. Switch the pair off instead: clientsync records deactivate."
            )
        _no_longer_ignored(connection, of, [(side, ext_id)])
        connection.execute(
            insert(store.IGNORED).values(set_name=of.name, side=side, ext_id=ext_id, actor=actor, at=now())
        )


def _require_side(side: str) -> None:
    if side not in SIDES:
        raise InvalidInput(f"There is no side {side!r}. Valid: a, b.")


def refuse(of: RecordSet, a: str, b: str, *, actor: str) -> None:
    """Remember that two records are not the same; they are never suggested again.

    Raises:
        InvalidInput: a record is not there.
    """
    with writing(of.engine) as connection:
        for side, ext_id in (("a", a), ("b", b)):
            _listed(connection, of, side, ext_id)
        if (a, b) not in store.refused_pairs(connection, of.name):
            connection.execute(
                insert(store.REFUSALS).values(set_name=of.name, a_ext=a, b_ext=b, actor=actor, at=now())
            )


def create_partners(
    of: RecordSet,
    records: Sequence[tuple[str, str]],
    *,
    actor: str,
    progress: Progress = lambda done, all_: None,
) -> tuple[int, list[Undone]]:
    """Make the partners of records on the opposite side, with all their fields, and link them.

    Args:
        of: the set.
        records: (side, id) of records without a partner.
        actor: who asks for it.
        progress: as of ``run``.

    Raises:
        InvalidInput: a record is not there or has a partner, or the opposite side makes none.
    """
    with alone(of) as turn:
        with writing(of.engine) as connection:
            for side, ext_id in records:
                _require_side(side)
                _can(of, other(side), "create")
                record = _listed(connection, of, side, ext_id)
                if store.partner_link(connection, of.name, side, ext_id) is not None:
                    raise InvalidInput(f"{ext_id} of side {side} has a partner already.")
                intend(
                    connection, of, "create", other(side), ext_id,
                    group=str(uuid4()), actor=actor, values=_mapped(of, record),
                )  # fmt: skip
        return turn.carry_out(progress)


def _mapped(of: RecordSet, record: Record) -> dict[str, str]:
    return {name: record.values.get(name, "") for name in of.fields()}


def _can(of: RecordSet, side: str, action: str) -> None:
    if action not in of.side(side).actions:
        raise InvalidInput(
            f"{of.side(side).title} (side {side}) cannot {action} records. It can: "
            f"{', '.join(of.side(side).actions) or 'be read only'}."
        )


def resolve(
    of: RecordSet, link_id: int, choices: Mapping[str, str], *, actor: str, version: int = 0
) -> tuple[int, list[Undone]]:
    """Give both records of a pair the values that a person chose; what is lost by it is kept.

    Args:
        of: the set.
        link_id: of the pair.
        choices: field to ``a``, ``b``, ``:VALUE`` for a value that neither holds, or ``keep``: each side keeps its
            own, and that is no difference until one of them changes.
        actor: who chose.
        version: of the pair that the person looked at; 0: whatever it is.

    Raises:
        InvalidInput: no such pair or field, or a value that has no canonical form.
        Outdated: the pair was changed since.
    """
    with alone(of) as turn:
        group = str(uuid4())
        with writing(of.engine) as connection:
            pair = store.link_of(connection, of.name, link_id, version=version)
            if not pair.enabled:
                raise InvalidInput(
                    f"Pair {link_id} is switched off. Switch it on first: clientsync records activate."
                )
            a, b = (_listed(connection, of, side, getattr(pair, side)) for side in SIDES)
            chosen = {name: _chosen(of, name, said, a, b) for name, said in choices.items()}
            kept = {name for name, said in choices.items() if said == "keep"}
            for name, value in chosen.items():
                connection.execute(
                    insert(store.CHOICES).values(
                        set_name=of.name,
                        link_id=link_id,
                        field=name,
                        value=value,
                        was_a=a.values.get(name, ""),
                        was_b=b.values.get(name, ""),
                        base_a=(pair.base_a or {}).get(name),
                        base_b=(pair.base_b or {}).get(name),
                        group=group,
                        actor=actor,
                        at=now(),
                    )
                )
            if kept:
                store.settle(connection, pair, of.name, kept)
                store.note_settled(connection, pair, group, kept)
                pair = store.link_of(connection, of.name, link_id)
            written = {name: value for name, value in chosen.items() if name not in kept}
            _intend_values(connection, of, pair, {"a": (a, written), "b": (b, written)}, group, actor)
            if written and not store.count_open(connection, group):  # both hold it already
                store.settle(connection, pair, of.name, written)
                store.note_settled(connection, pair, group, written)
        return turn.carry_out()


def _chosen(of: RecordSet, name: str, said: str, a: Record, b: Record) -> str:
    rules = {one.name: one for one in of.entity.mapped}
    if name not in rules:
        raise InvalidInput(f"{of.entity.title} have no field {name!r}. Valid: {', '.join(rules)}.")
    if said in ("a", "keep"):
        return a.values.get(name, "")
    if said == "b":
        return b.values.get(name, "")
    if not said.startswith(":"):
        raise InvalidInput(f"{name}: {said!r} chooses nothing. Valid: a, b, keep, or :VALUE.")
    return typed(rules[name], said[1:], of.a.region)


def _intend_values(
    connection: Connection,
    of: RecordSet,
    pair: Link,
    wanted: Mapping[str, tuple[Record, Mapping[str, str]]],
    group: str,
    actor: str,
    *,
    undoes: str = "",
) -> None:
    for side, (record, values) in wanted.items():
        different = {name: value for name, value in values.items() if record.values.get(name, "") != value}
        if different:
            _can(of, side, "update")
            intend(
                connection, of, "update", side, record.ext_id,
                group=group, actor=actor, link_id=pair.link_id, values=different,
                was={name: record.values.get(name, "") for name in different}, observed=record.hash,
                undoes=undoes,
            )  # fmt: skip


def undo(of: RecordSet, link_id: int, *, actor: str) -> tuple[int, list[Undone]]:
    """Give both records of a pair back what they held before the last choice that was carried out.

    Raises:
        InvalidInput: no choice is left to take back, or a side changed since.
    """
    with alone(of) as turn:
        with writing(of.engine) as connection:
            pair = store.link_of(connection, of.name, link_id)
            choices = _last_choices(connection, of, link_id)
            a, b = (_current(of, connection, pair, side) for side in SIDES)
            for one in choices:
                for side, record, settled in (("a", a, one.settled_a), ("b", b, one.settled_b)):
                    if record.values.get(one.field, "") != settled:
                        raise InvalidInput(
                            f"{one.field} was changed on side {side} since the choice; nothing is taken back."
                        )
            group = str(uuid4())
            _intend_values(
                connection, of, pair,
                {
                    "a": (a, {one.field: one.was_a for one in choices}),
                    "b": (b, {one.field: one.was_b for one in choices}),
                },
                group, actor, undoes=choices[0].group,
            )  # fmt: skip
            if not store.count_open(connection, group):  # both hold it already
                put_back(connection, of, link_id, choices[0].group)
        return turn.carry_out()


def _last_choices(connection: Connection, of: RecordSet, link_id: int) -> list[Any]:
    here = (store.CHOICES.c.set_name == of.name, store.CHOICES.c.link_id == link_id)
    last = connection.execute(
        select(store.CHOICES.c.group)
        .where(*here, store.CHOICES.c.undone_at.is_(None), store.CHOICES.c.settled_a.is_not(None))
        .order_by(store.CHOICES.c.choice_id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last is None:
        raise InvalidInput(f"Pair {link_id} has no choice that can be taken back.")
    return store.settled_choices(connection, last)


def _current(of: RecordSet, connection: Connection, pair: Link, side: str) -> Record:
    record = read_record(of, side, getattr(pair, side))
    if record is None:
        raise InvalidInput(f"The record of side {side} is gone.")
    store.keep_record(connection, of.name, side, record)
    return record


def delete_other(of: RecordSet, link_id: int, *, actor: str) -> tuple[int, list[Undone]]:
    """Delete the record that is left of a pair whose other one is gone, and close the pair.

    Raises:
        InvalidInput: no record of the pair is gone for certain, or the side deletes none.
    """
    with alone(of) as turn:
        pair, side, record = _survivor(of, link_id)
        _can(of, side, "delete")
        with writing(of.engine) as connection:
            intend(
                connection, of, "delete", side, record.ext_id,
                group=str(uuid4()), actor=actor, link_id=pair.link_id, observed=record.hash,
            )  # fmt: skip
        return turn.carry_out()


def recreate(of: RecordSet, link_id: int, *, actor: str) -> tuple[int, list[Undone]]:
    """Make the missing record of a pair anew from the one that is left.

    Raises:
        InvalidInput: no record of the pair is gone for certain, or the side makes none.
    """
    with alone(of) as turn:
        pair, side, record = _survivor(of, link_id)
        _can(of, other(side), "create")
        with writing(of.engine) as connection:
            intend(
                connection, of, "create", other(side), record.ext_id,
                group=str(uuid4()), actor=actor, link_id=pair.link_id, values=_mapped(of, record),
            )  # fmt: skip
        return turn.carry_out()


def _survivor(of: RecordSet, link_id: int) -> tuple[Link, str, Record]:
    """Return a pair with the side and the record that are left of it; the missing one is asked for once more."""
    with writing(of.engine) as connection:
        pair = store.link_of(connection, of.name, link_id)
        records = {side: store.record_of(connection, of.name, side, getattr(pair, side)) for side in SIDES}
        there = [(side, record) for side, record in records.items() if record is not None]
        if len(there) != 1:
            raise InvalidInput(f"Neither record of pair {link_id} is known to be gone.")
        side, record = there[0]
        why = why_not_gone(of, connection, pair, other(side))
    if why:
        raise InvalidInput(f"Neither record of pair {link_id} is known to be gone: {why}.")
    missing = getattr(pair, other(side))
    if read_record(of, other(side), missing) is not None:
        raise InvalidInput(f"{missing} of side {other(side)} is there again. Read both sides anew: preview.")
    return pair, side, record
