"""The plan of a sync of records: pure. Records, links and rules in; categories, writes, brakes and a digest out.

Every record stands in exactly one row. A field is compared with what each side held when both last agreed, so that a
system that writes values in its own way makes no endless difference. Swapping the sides mirrors the plan.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import NamedTuple

from clientsync.records.entities import Entity, FieldRule

SIDES = ("a", "b")
CATEGORIES = {
    "conflict": "Synchronization conflicts",
    "new": "New",
    "deleted": "Deleted",
    "deactivated": "Synchronization deactivated",
    "synchronized": "Synchronized",
    "inactive": "Inactive",
    "pending": "Pending",
    "blocked": "Blocked",
}
"""Categories with the words of the window; every record is in one."""
MISSING_SHARE, MISSING_MIN, CHANGED_SHARE, NEW_FACTOR = 0.20, 5, 0.50, 2
"""Brakes: links whose record is missing, links that changed on one side, and growth of a side since the last run."""
Values = Mapping[str, str]


def other(side: str) -> str:
    """Return the opposite side."""
    return "b" if side == "a" else "a"


class Record(NamedTuple):
    """A record of one side in canonical form.

    Attributes:
        ext_id: its id in that system.
        values: field to value.
        hash: of the values.
    """

    ext_id: str
    values: Values
    hash: str


def hash_of(values: Values) -> str:
    """Return the digest of canonical values."""
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Link:
    """A pair of records.

    Attributes:
        base_a: values of side a when both last agreed, by field; None, or without a field, on which they never did.
            ``base_b``: the same of side b.
        enabled: False while synchronisation of the pair is switched off.
        version: rises with every change of the link.
    """

    link_id: int
    a: str
    b: str
    base_a: Values | None
    base_b: Values | None
    enabled: bool = True
    version: int = 1


@dataclass(frozen=True)
class Listing:
    """All records of one side, and what is known of how they were listed.

    Attributes:
        is_complete: every page came, and as many records as were declared.
        is_same_scope: account, filters and mapping are those of the last run.
        last_size: records at the last run that no brake stopped, 0 for none.
    """

    records: Mapping[str, Record]
    is_complete: bool = True
    is_same_scope: bool = True
    last_size: int = 0


@dataclass(frozen=True)
class FieldState:
    """How one field of a pair stands.

    Attributes:
        state: ``a_changed``, ``b_changed`` or ``conflict``; fields that agree have none.
        base_a: None when the pair never agreed; ``base_b`` the same.
        likely: side whose value changed, empty when both or none did; it is only preselected.
    """

    name: str
    state: str
    a: str
    b: str
    base_a: str | None
    base_b: str | None
    likely: str = ""


class Row(NamedTuple):
    """One line of the window: a pair, or a record without a partner.

    Attributes:
        category: see ``CATEGORIES``.
        a: id on side a, empty for none; ``b`` the same.
        fields: those that do not agree.
        missing: sides on which the record of a link is gone.
        survivor_changed: of a deleted pair: the record that is left changed since both last agreed.
        reason: why a row is blocked, which side takes no change, or what will be reverted.
    """

    category: str
    a: str
    b: str
    name: str
    link_id: int = 0
    fields: tuple[FieldState, ...] = ()
    missing: tuple[str, ...] = ()
    survivor_changed: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Write:
    """Fields that flow to one side of a link without a person."""

    link_id: int
    side: str
    ext_id: str
    values: tuple[tuple[str, str], ...]
    observed: str


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        rows: all records, each in one row.
        writes: what would be written.
        settled: links whose base moves because both sides agree.
        closed: links whose records are gone on both sides.
        brakes: reasons why nothing is written before this very plan is approved.
        hash: of everything above.
    """

    rows: tuple[Row, ...]
    writes: tuple[Write, ...]
    settled: tuple[int, ...]
    closed: tuple[int, ...]
    brakes: tuple[str, ...]
    hash: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """Rows by category, all categories."""
        found = Counter(row.category for row in self.rows)
        return {name: found[name] for name in CATEGORIES}


def compare(rules: Sequence[FieldRule], a: Values, b: Values, link: Link) -> list[FieldState]:
    """Return the fields of a pair that do not agree, against what each side held when both last agreed."""
    found = []
    for rule in rules:
        name = rule.name
        left, right = a.get(name, ""), b.get(name, "")
        if left != right:
            state = _compared(name, left, right, link)
            if state is not None:
                found.append(state)
    return found


def _compared(name: str, a: str, b: str, link: Link) -> FieldState | None:
    base_a, base_b = (link.base_a or {}).get(name), (link.base_b or {}).get(name)
    if base_a is None or base_b is None:
        return FieldState(name, "conflict", a, b, None, None)
    moved_a, moved_b = a != base_a, b != base_b
    if not moved_a and not moved_b:
        return None
    if moved_a and moved_b:
        return FieldState(name, "conflict", a, b, base_a, base_b)
    side = "a" if moved_a else "b"
    return FieldState(name, f"{side}_changed", a, b, base_a, base_b, side)


def decided(rule: FieldRule, found: FieldState, policy: str) -> str:
    """Return the side whose value goes to the other one without a person, empty when a person decides.

    A blank never overwrites a value by itself unless the field says that a blank is a value.
    """
    winner = ""
    if rule.direction in ("a_to_b", "b_to_a"):
        winner = rule.direction[0]
    elif found.likely and policy == "three_way":
        winner = found.likely
    elif found.state == "conflict" and policy == "three_way" and rule.on_conflict != "ask":
        winner = rule.on_conflict[0]
        if rule.on_conflict.endswith("unless_blank") and not _value(found, winner):
            winner = other(winner)
    if winner and not _value(found, winner) and not rule.blank_is_value:
        return ""
    return winner


def _value(found: FieldState, side: str) -> str:
    return found.a if side == "a" else found.b


def plan(
    entity: Entity,
    a: Listing,
    b: Listing,
    links: Iterable[Link],
    *,
    policy: str,
    ignored: Collection[tuple[str, str]] = (),
    updated: Collection[str] = SIDES,
) -> Plan:
    """Return the plan.

    Args:
        entity: the kind of record with the rules of its fields.
        a: records of side a.
        b: records of side b.
        links: pairs that are not closed.
        policy: ``ask``: a person decides every difference; ``three_way``: what changed on one side only flows.
        ignored: (side, id) of records without a partner that are left alone.
        updated: sides whose records can be changed; nothing flows to another one.
    """
    links = sorted(links, key=lambda one: one.link_id)
    mapped = entity.mapped
    rules = {one.name: one for one in mapped}
    rows: list[Row] = []
    writes: list[Write] = []
    settled: list[int] = []
    closed: list[int] = []
    gone: dict[str, int] = dict.fromkeys(SIDES, 0)
    changed: dict[str, int] = dict.fromkeys(SIDES, 0)
    doubled = {"a": _doubled(entity, a), "b": _doubled(entity, b)}
    any_doubled, named = bool(doubled["a"] or doubled["b"]), entity.name_field
    records_a, records_b = a.records, b.records
    quiet: list[Row] = []  # pairs that are as both agreed, and their parts of the digest
    parts: list[str] = []
    for link in links:
        left, right = records_a.get(link.a), records_b.get(link.b)
        missing = _missing(link, a, b) if left is None or right is None else ()
        for side in missing:
            gone[side] += 1
        if left is not None and right is not None and link.enabled:
            is_as_agreed = link.base_a == left.values and link.base_b == right.values
            if is_as_agreed and not any_doubled:  # the most there are
                name = left.values.get(named) or ""
                quiet.append(Row("synchronized", link.a, link.b, name, link.link_id))
                parts.append(f"{link.link_id}\0{link.version}\0{link.a}\0{link.b}\0{left.hash}\0{right.hash}")
                continue
            states = [] if is_as_agreed else compare(mapped, left.values, right.values, link)
            if states and link.base_a is not None:
                for side in SIDES:
                    changed[side] += any(one.state in (f"{side}_changed", "conflict") for one in states)
            row, written = _paired(entity, rules, link, left, right, states, policy, updated)
            if link.a in doubled["a"] or link.b in doubled["b"]:
                row, written = _blocked(row, doubled["a"].get(link.a) or doubled["b"].get(link.b, "")), []
            rows.append(row)
            writes += written
            if row.category != "blocked" and moves_base(mapped, left.values, right.values, link):
                settled.append(link.link_id)
        elif len(missing) == len(SIDES):
            closed.append(link.link_id)
        else:
            rows.append(_halved(entity, link, left, right, missing))
    for side, listing in (("a", a), ("b", b)):
        linked = {link.a for link in links} if side == "a" else {link.b for link in links}
        for ext_id in sorted(listing.records.keys() - linked):
            record = listing.records[ext_id]
            rows.append(_single(entity, side, record, ignored, doubled[side].get(ext_id, "")))
    brakes = _brakes(a, b, links, gone, changed)
    rows.sort(key=_PLACE)
    loud = Plan(tuple(rows), tuple(writes), tuple(settled), tuple(closed), tuple(brakes))
    digest = _digest(loud, parts, a, b, links)
    return replace(loud, rows=_merged(rows, quiet), hash=digest)


_PLACE = itemgetter(0, 3, 1, 2)
"""Category, name and ids: the order of the window."""


def _merged(rows: list[Row], quiet: list[Row]) -> tuple[Row, ...]:
    """Return both in the order of the window; the quiet ones are all of one category."""
    before = [row for row in rows if row.category < "synchronized"]
    between = [row for row in rows if row.category == "synchronized"]
    after = [row for row in rows if row.category > "synchronized"]
    return (*before, *sorted(between + quiet, key=itemgetter(3, 1, 2)), *after)


def _missing(link: Link, a: Listing, b: Listing) -> tuple[str, ...]:
    """Return the sides on which a record of a link is gone for certain: the listing is whole and of the same scope."""
    return tuple(
        side
        for side, listing, ext_id in (("a", a, link.a), ("b", b, link.b))
        if ext_id not in listing.records and listing.is_complete and listing.is_same_scope
    )


def moves_base(rules: Sequence[FieldRule], a: Values, b: Values, link: Link) -> bool:
    """Whether both sides agree on something that is not what they agreed on before."""
    base_a, base_b = link.base_a or {}, link.base_b or {}
    for one in rules:
        value = a.get(one.name, "")
        if value == b.get(one.name, "") and not value == base_a.get(one.name) == base_b.get(one.name):
            return True
    return False


def _paired(
    entity: Entity,
    rules: Mapping[str, FieldRule],
    link: Link,
    left: Record,
    right: Record,
    states: Sequence[FieldState],
    policy: str,
    updated: Collection[str],
) -> tuple[Row, list[Write]]:
    name = left.values.get(entity.name_field) or right.values.get(entity.name_field, "")
    open_ = tuple(states)
    if not open_:
        return Row("synchronized", link.a, link.b, name, link.link_id), []
    winners = {one.name: decided(rules[one.name], one, policy) for one in open_}
    stopped = [
        f"side {side} takes no changes: {', '.join(titles)}"
        for side in SIDES
        if side not in updated
        and (titles := [rules[name].title for name, winner in winners.items() if winner == other(side)])
    ]
    if stopped:
        reason = "; ".join(stopped)
        return Row("conflict", link.a, link.b, name, link.link_id, open_, reason=reason), []
    if not all(winners.values()):
        return Row("conflict", link.a, link.b, name, link.link_id, open_), []
    reverted = [
        rules[one.name].title
        for one in open_
        if rules[one.name].direction == f"{winners[one.name]}_to_{other(winners[one.name])}"
        and one.state != f"{winners[one.name]}_changed"
    ]
    writes = []
    for side, record in (("a", left), ("b", right)):
        values = tuple((one.name, _value(one, other(side))) for one in open_ if winners[one.name] != side)
        if values:
            writes.append(Write(link.link_id, side, record.ext_id, values, record.hash))
    reason = f"will be reverted: {', '.join(reverted)}" if reverted else ""
    return Row("pending", link.a, link.b, name, link.link_id, open_, reason=reason), writes


def _blocked(row: Row, reason: str) -> Row:
    return Row("blocked", row.a, row.b, row.name, row.link_id, row.fields, reason=reason)


def _halved(
    entity: Entity, link: Link, left: Record | None, right: Record | None, missing: tuple[str, ...]
) -> Row:
    """Return the row of a link that is switched off, or of which a side was not listed."""
    record = left or right
    name = record.values.get(entity.name_field, "") if record else ""
    if not link.enabled:
        return Row("deactivated", link.a, link.b, name, link.link_id)
    if missing:
        side, base = ("a", link.base_a) if left is not None else ("b", link.base_b)
        is_changed = (
            record is not None
            and base is not None
            and any(record.values.get(one.name, "") != base.get(one.name, "") for one in entity.mapped)
        )
        survivor = f"it was changed on side {side} since both agreed" if is_changed else ""
        return Row(
            "deleted", link.a, link.b, name, link.link_id, missing=missing, survivor_changed=is_changed,
            reason=survivor,
        )  # fmt: skip
    return Row(
        "blocked",
        link.a,
        link.b,
        name,
        link.link_id,
        reason="a side was not listed whole; nothing is concluded",
    )


def _single(
    entity: Entity, side: str, record: Record, ignored: Collection[tuple[str, str]], reason: str
) -> Row:
    a, b = (record.ext_id, "") if side == "a" else ("", record.ext_id)
    name = record.values.get(entity.name_field, "")
    if (side, record.ext_id) in ignored:
        return Row("deactivated", a, b, name)
    if reason:
        return Row("blocked", a, b, name, reason=reason)
    is_inactive = bool(entity.active_field) and record.values.get(entity.active_field) == "0"
    return Row("inactive" if is_inactive else "new", a, b, name)


def _doubled(entity: Entity, listing: Listing) -> dict[str, str]:
    """Return the records whose number another one of the same side has too, with the sentence that says so."""
    name = entity.number_field
    numbers = [record.values.get(name, "") for record in listing.records.values()]
    filled = [number for number in numbers if number]
    if len(set(filled)) == len(filled):
        return {}
    by_number: dict[str, list[Record]] = {
        number: [] for number, count in Counter(filled).items() if count > 1
    }
    for record, number in zip(listing.records.values(), numbers, strict=True):
        if number in by_number:
            by_number[number].append(record)
    found = {}
    for number, records in by_number.items():
        names = ", ".join(sorted(one.values.get(entity.name_field, "") or one.ext_id for one in records))
        for one in records:
            found[one.ext_id] = f"number {number} stands for {len(records)} records: {names}"
    return found


def _brakes(
    a: Listing, b: Listing, links: Sequence[Link], gone: Mapping[str, int], changed: Mapping[str, int]
) -> list[str]:
    brakes = []
    live = [one for one in links if one.enabled]
    for side, listing in (("a", a), ("b", b)):
        if links and not listing.records:
            brakes.append(f"side {side} is empty while {len(links)} links exist")
        elif gone[side] > max(MISSING_MIN, MISSING_SHARE * len(links)):
            brakes.append(f"{gone[side]} of {len(links)} linked records are missing on side {side}")
        if live and changed[side] > max(MISSING_MIN, CHANGED_SHARE * len(live)):
            brakes.append(f"{changed[side]} of {len(live)} linked records changed on side {side}")
        if not listing.is_same_scope:
            brakes.append(f"account, filter or mapping of side {side} changed since the last run")
        if listing.last_size and len(listing.records) > NEW_FACTOR * listing.last_size:
            brakes.append(f"side {side} has {len(listing.records)} records; it had {listing.last_size}")
    return brakes


def _digest(loud: Plan, quiet: Sequence[str], a: Listing, b: Listing, links: Sequence[Link]) -> str:
    """Return the digest of a plan: of what it would do and of all that it was made of.

    Args:
        loud: the plan without the pairs that are as both agreed.
        quiet: the parts of those pairs, in the order of their links.
        a: records of side a.
        b: records of side b.
        links: all of them; those of loud rows are told with their state, the others are in ``quiet``.
    """
    parts = []
    for side, listing in (("a", a), ("b", b)):
        parts.append(f"{side}{listing.is_complete}{listing.is_same_scope}{listing.last_size}")
    parts += quiet
    told = {row.link_id for row in loud.rows if row.link_id}.union(loud.closed)
    parts += [f"{link.link_id}\0{link.version}\0{link.enabled}" for link in links if link.link_id in told]
    none = Record("", {}, "")
    of_a, of_b = a.records.get, b.records.get
    parts += [  # every record stands in one of the rows
        f"{row[0]}\0{row[1]}\0{row[2]}\0{row[4]}\0{of_a(row[1], none)[2]}\0{of_b(row[2], none)[2]}"
        for row in loud.rows
    ]
    parts += [repr(write) for write in loud.writes]
    parts.append(repr((loud.settled, loud.closed, loud.brakes)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
