"""What an operator does with a set: preview, run, link, settle conflicts, take choices back.

Preview reads both sides and writes nothing outside. A run carries out the plan of what it just read; with a brake on it
writes nothing before that very plan is approved by its digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.errors import AlreadyRunning, InvalidInput
from clientsync.ledger import leases
from clientsync.records import store
from clientsync.records.entities import form_of
from clientsync.records.executing import (
    Progress,
    RecordSet,
    Undone,
    carry_out,
    intend,
    intend_writes,
    put_back,
    read_record,
)
from clientsync.records.planning import SIDES, Link, Plan, Record, hash_of, other, plan
from clientsync.records.sides import Listed

LEASE_SECONDS = 600.0


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        plan: that it carried out, or that it stopped at.
        is_braked: nothing was written, because of ``plan.brakes``.
        done: writes that were made; ``undone``: those that were not, with the reason.
        refused: rows of a side that are no record, as (side, place, reason).
    """

    plan: Plan
    is_braked: bool = False
    done: int = 0
    undone: Sequence[Undone] = ()
    refused: Sequence[tuple[str, str, str]] = field(default_factory=tuple)


@dataclass
class Turn:
    """The right to write to a set, held by one run or person.

    Attributes:
        done: writes of an earlier process that were brought to their end; ``undone``: those that were not.
    """

    of: RecordSet
    fences: dict[leases.Key, int]
    done: int = 0
    undone: list[Undone] = field(default_factory=list)

    def keep(self) -> None:
        """Prolong the right.

        Raises:
            AlreadyRunning: another run has taken over, because this one was away for too long.
        """
        if leases.renew(self.of.engine, self.fences, LEASE_SECONDS):
            raise AlreadyRunning(f"Another run of {self.of.name} has taken over. What was written stays.")

    def carry_out(self, progress: Progress = lambda done, all_: None) -> tuple[int, list[Undone]]:
        """Bring every open intent to its end, and return how many were done and those that were not."""

        def moved(done: int, all_: int) -> None:
            self.keep()
            progress(done, all_)

        return carry_out(self.of, moved)


@contextmanager
def alone(of: RecordSet) -> Iterator[Turn]:
    """Hold the right to write to a set, after what an earlier process left open was brought to its end.

    Raises:
        AlreadyRunning: another run or person writes to it.
    """
    key = (of.name, "records", of.entity.name)
    holder = str(uuid4())
    fences = leases.take(of.engine, [key], holder, LEASE_SECONDS)
    if key not in fences:
        raise AlreadyRunning(f"Another run writes to {of.name}. Try again when it has ended.")
    turn = Turn(of, fences)
    try:
        turn.done, turn.undone = turn.carry_out()
        yield turn
    finally:
        leases.release(of.engine, fences)


_Refused = list[tuple[str, str, str]]
_Read = dict[str, dict[str, Record]]


def collect(of: RecordSet) -> tuple[_Read, _Refused]:
    """Read both sides whole and keep what they hold; return the records by side, and rows that are no record.

    A side with such rows was not listed whole, so nothing of it counts as deleted.

    Raises:
        SourceError: a side cannot be reached; what was kept of it before stays.
    """
    refused: _Refused = []
    read: _Read = {}
    for name in SIDES:
        side = of.side(name)
        listed = side.listed()
        records, wrong = _canonical(of, name, listed)
        refused += wrong
        read[name] = records
        with writing(of.engine) as connection:
            store.keep_listing(
                connection,
                of.name,
                name,
                records,
                is_complete=listed.is_complete and not wrong,
                scope=side.scope,
            )
    return read, refused


def _canonical(
    of: RecordSet, name: str, listed: Listed
) -> tuple[dict[str, Record], list[tuple[str, str, str]]]:
    records: dict[str, Record] = {}
    refused = [(name, place, reason) for place, reason in listed.refused]
    region = of.side(name).region
    for ext_id, raw in listed.records.items():
        try:
            values = of.entity.canonical(raw, region)
        except ValueError as error:
            refused.append((name, ext_id, str(error)))
            continue
        records[ext_id] = Record(ext_id, values, hash_of(values))
    return records, refused


def planned(of: RecordSet, read: _Read | None = None) -> Plan:
    """Return the plan of what was read last.

    Args:
        of: the set.
        read: what ``collect`` just returned; without it the ledger is read.

    Raises:
        InvalidInput: the set was never read.
    """
    with reading(of.engine) as connection:
        found = store.stored(connection, of.name, read)
    return plan(of.entity, found.a, found.b, found.links, policy=of.policy, ignored=found.ignored)


def preview(of: RecordSet, *, actor: str) -> Outcome:
    """Read both sides and return the plan; nothing is written to either of them."""
    read, refused = collect(of)
    made = planned(of, read)
    with writing(of.engine) as connection:
        _note(connection, of, "preview", made, actor, done=0, approved_by="")
    return Outcome(made, bool(made.brakes), refused=refused)


def run(
    of: RecordSet, *, actor: str, approve: str = "", progress: Progress = lambda done, all_: None
) -> Outcome:
    """Read both sides and carry out the plan.

    Args:
        of: the set.
        actor: who runs it.
        approve: digest of a plan that may run in spite of its brakes; another plan never does.
        progress: called with writes that were tried, and all of them.

    Raises:
        AlreadyRunning: another run writes to the set.
        SourceError: a side cannot be reached; what was written stays, the rest is planned again.
    """
    with alone(of) as turn:
        read, refused = collect(of)
        made = planned(of, read)
        is_braked = bool(made.brakes) and approve != made.hash
        if is_braked or (approve and approve != made.hash):
            with writing(of.engine) as connection:
                _note(connection, of, "apply", made, actor, done=0, approved_by="")
            return Outcome(made, True, turn.done, turn.undone, refused)
        turn.keep()
        with writing(of.engine) as connection:
            for name in SIDES:
                store.accept_listing(connection, of.name, name, of.side(name).scope)
            _settle_and_close(connection, of, made)
            intend_writes(connection, of, list(made.writes), actor)
        done, undone = turn.carry_out(progress)
        with writing(of.engine) as connection:
            _note(connection, of, "apply", made, actor, done=done, approved_by=actor if approve else "")
        return Outcome(made, False, turn.done + done, [*turn.undone, *undone], refused)


def _settle_and_close(connection: Connection, of: RecordSet, made: Plan) -> None:
    links = {one.link_id: one for one in store.links_of(connection, of.name)}
    for link_id in made.settled:
        link = links[link_id]
        a, b = (store.record_of(connection, of.name, side, getattr(link, side)) for side in SIDES)
        if a is not None and b is not None:
            equal = [one for one in of.fields() if a.values.get(one, "") == b.values.get(one, "")]
            store.settle(connection, link, of.name, equal)
    for link_id in made.closed:
        store.change_link(connection, links[link_id], closed_at=now())


def _note(
    connection: Connection, of: RecordSet, mode: str, made: Plan, actor: str, *, done: int, approved_by: str
) -> None:
    connection.execute(
        insert(store.RUNS).values(
            set_name=of.name,
            mode=mode,
            plan_hash=made.hash,
            counts=made.counts,
            writes=len(made.writes),
            done=done,
            brakes=list(made.brakes),
            approved_by=approved_by,
            actor=actor,
            at=now(),
        )
    )


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
                pair = store.link_of(connection, of.name, link_id)
            written = {name: value for name, value in chosen.items() if name not in kept}
            _intend_values(connection, of, pair, {"a": (a, written), "b": (b, written)}, group, actor)
            if written and not store.count_open(connection, group):  # both hold it already
                store.settle(connection, pair, of.name, written)
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
    try:
        return form_of(rules[name].kind, of.a.region)(said[1:])
    except ValueError as error:
        raise InvalidInput(f"{rules[name].title}: {error}.") from None


def _intend_values(
    connection: Connection,
    of: RecordSet,
    pair: Link,
    wanted: Mapping[str, tuple[Record, Mapping[str, str]]],
    group: str,
    actor: str,
    *,
    is_undo: bool = False,
) -> None:
    for side, (record, values) in wanted.items():
        different = {name: value for name, value in values.items() if record.values.get(name, "") != value}
        if different:
            _can(of, side, "update")
            intend(
                connection, of, "update", side, record.ext_id,
                group=group, actor=actor, link_id=pair.link_id, values=different,
                was={name: record.values.get(name, "") for name in different}, observed=record.hash,
                is_undo=is_undo,
            )  # fmt: skip


def undo(of: RecordSet, link_id: int, *, actor: str) -> tuple[int, list[Undone]]:
    """Give both records of a pair back what they held before the last choice.

    Raises:
        InvalidInput: no choice is left to take back, or a side changed since.
    """
    with alone(of) as turn:
        with writing(of.engine) as connection:
            pair = store.link_of(connection, of.name, link_id)
            choices = _last_choices(connection, of, link_id)
            a, b = (_current(of, connection, pair, side) for side in SIDES)
            for one in choices:
                for side, record, base in (("a", a, pair.base_a), ("b", b, pair.base_b)):
                    if record.values.get(one.field, "") != (base or {}).get(one.field):
                        raise InvalidInput(
                            f"{one.field} was changed on side {side} since the choice; nothing is taken back."
                        )
            group = f"undo {choices[0].group}"
            _intend_values(
                connection, of, pair,
                {
                    "a": (a, {one.field: one.was_a for one in choices}),
                    "b": (b, {one.field: one.was_b for one in choices}),
                },
                group, actor, is_undo=True,
            )  # fmt: skip
            if not store.count_open(connection, group):  # both hold it already
                put_back(connection, of, link_id, choices[0].group)
        return turn.carry_out()


def _last_choices(connection: Connection, of: RecordSet, link_id: int) -> list[Any]:
    here = (store.CHOICES.c.set_name == of.name, store.CHOICES.c.link_id == link_id)
    last = connection.execute(
        select(store.CHOICES.c.group)
        .where(*here, store.CHOICES.c.undone_at.is_(None))
        .order_by(store.CHOICES.c.choice_id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last is None:
        raise InvalidInput(f"Pair {link_id} has no choice that can be taken back.")
    return list(connection.execute(select(store.CHOICES).where(store.CHOICES.c.group == last)).all())


def _current(of: RecordSet, connection: Connection, pair: Link, side: str) -> Record:
    record = read_record(of, side, getattr(pair, side))
    if record is None:
        raise InvalidInput(f"The record of side {side} is gone.")
    store.keep_record(connection, of.name, side, record)
    return record


def delete_other(of: RecordSet, link_id: int, *, actor: str) -> tuple[int, list[Undone]]:
    """Delete the record that is left of a pair whose other one is gone, and close the pair.

    Raises:
        InvalidInput: no record of the pair is gone, or the side deletes none.
    """
    with alone(of) as turn:
        with writing(of.engine) as connection:
            pair, side, record = _survivor(connection, of, link_id)
            _can(of, side, "delete")
            intend(
                connection, of, "delete", side, record.ext_id,
                group=str(uuid4()), actor=actor, link_id=pair.link_id, observed=record.hash,
            )  # fmt: skip
        return turn.carry_out()


def recreate(of: RecordSet, link_id: int, *, actor: str) -> tuple[int, list[Undone]]:
    """Make the missing record of a pair anew from the one that is left.

    Raises:
        InvalidInput: no record of the pair is gone, or the side makes none.
    """
    with alone(of) as turn:
        with writing(of.engine) as connection:
            pair, side, record = _survivor(connection, of, link_id)
            _can(of, other(side), "create")
            intend(
                connection, of, "create", other(side), record.ext_id,
                group=str(uuid4()), actor=actor, link_id=pair.link_id, values=_mapped(of, record),
            )  # fmt: skip
        return turn.carry_out()


def _survivor(connection: Connection, of: RecordSet, link_id: int) -> tuple[Link, str, Record]:
    pair = store.link_of(connection, of.name, link_id)
    records = {side: store.record_of(connection, of.name, side, getattr(pair, side)) for side in SIDES}
    there = [(side, record) for side, record in records.items() if record is not None]
    if len(there) != 1 or not store.is_listed_whole(connection, of.name, other(there[0][0])):
        raise InvalidInput(f"Neither record of pair {link_id} is known to be gone.")
    return pair, *there[0]


def runs(of: RecordSet, limit: int = 50) -> list[dict[str, Any]]:
    """Return the last previews and runs, the newest first."""
    with reading(of.engine) as connection:
        rows = connection.execute(
            select(store.RUNS)
            .where(store.RUNS.c.set_name == of.name)
            .order_by(store.RUNS.c.run_id.desc())
            .limit(limit)
        )
        return [dict(row._mapping) for row in rows]
