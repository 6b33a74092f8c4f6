"""Reading both systems by their moments of change, and finding what no webhook told.

A stream is read from its position less an overlap, so a change that became visible late, or shares its moment with the
last one that was read, is not lost; what comes twice changes nothing. A connection has a begin: sales from before it
are not booked, whoever tells of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from clientsync.commerce import events, store
from clientsync.commerce.connected import SYSTEMS, Commerce
from clientsync.commerce.deciding import refresh, try_repaired
from clientsync.commerce.documents import Key, Page, State
from clientsync.commerce.reading import keep, read
from clientsync.commerce.scheduling import take_in_shifts
from clientsync.commerce.store import CURSORS, upserting
from clientsync.commerce.systems import EventSeen
from clientsync.commerce.taking_in import take_in, take_in_facts
from clientsync.commerce.verdicts import rejudge
from clientsync.database import reading, writing
from clientsync.errors import SourceError

OVERLAP = timedelta(minutes=10)
MOST_CUSTOMERS = 100
"""Failed customers that a refresh reads again."""


@dataclass
class Collected:
    """What was read.

    Attributes:
        counts: stream ("system.stream") to how many documents were new or changed.
        errors: what could not be read, in words; what came before it is kept, and the position stays before it.
    """

    counts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def collect(
    of: Commerce,
    *,
    since: datetime | None = None,
    streams: tuple[str, ...] = (),
    progress: Callable[[str, int], None] | None = None,
) -> Collected:
    """Read what changed in both systems; a stream that cannot be read does not keep the others from being read.

    Args:
        of: the connection.
        since: read from here instead of from where the last reading ended, and book what was sold since then. The
            first reading begins with today, so that nothing older is booked unless it is asked for.
        streams: only these, as "system.stream"; empty: all.
        progress: is told the stream and how many were new after each page.
    """
    begin = _begin(of, since)
    return _collect(of, begin, since, streams, progress)


def _begin(of: Commerce, since: datetime | None = None) -> datetime:
    """Return from when on sales are booked: the day of the first document, or earlier when a person says so."""
    at = of.now()
    with writing(of.engine) as connection:
        of.switches(connection)
        begin = store.begin_of(connection, of.name, of.zone, at)
        begin = min(begin, since or begin)
        store.begin_at(connection, of.name, begin, at)
    return begin


def _collect(
    of: Commerce,
    begin: datetime,
    since: datetime | None,
    streams: tuple[str, ...],
    progress: Callable[[str, int], None] | None,
) -> Collected:
    found = Collected()
    for system in SYSTEMS:
        for stream in of.system(system).streams:
            name = f"{system}.{stream}"
            if streams and name not in streams:
                continue
            found.counts[name] = 0
            try:
                for page in of.system(system).changed(
                    stream, since or _position(of, system, stream) or begin
                ):
                    found.counts[name] += _keep(of, system, stream, page)
                    if progress is not None:
                        progress(name, found.counts[name])
            except SourceError as error:
                found.errors[name] = error.message
    said = "; ".join(f"{name}: {error}" for name, error in found.errors.items())
    with writing(of.engine) as connection:
        store.change_connection(connection, of.name, polled_at=of.now(), poll_error=said)
    return found


def _position(of: Commerce, system: str, stream: str) -> datetime | None:
    """Return from where a stream is read on; None when it never was."""
    with reading(of.engine) as connection:
        position: datetime | None = connection.execute(
            select(CURSORS.c.position).where(
                CURSORS.c.connection == of.name, CURSORS.c.system == system, CURSORS.c.stream == stream
            )
        ).scalar_one_or_none()
    return None if position is None else position - OVERLAP


def _keep(of: Commerce, system: str, stream: str, page: Page) -> int:
    """Take one page in, in one transaction with the new position."""
    at = of.now()
    with writing(of.engine) as connection:
        mode = of.switches(connection).mode
        if take_in_facts(connection, of.name, page.facts, at):
            try_repaired(connection, of.name, mode, at)
        changed = take_in_shifts(connection, of.name, page.shifts, mode, at)
        taken = take_in(connection, of.name, page.documents, mode, at)
        rejudge(connection, of.name, changed | taken, mode, at)
        if page.position is not None:
            statement = upserting(connection, CURSORS).values(
                connection=of.name, system=system, stream=stream, position=page.position, read_at=at
            )
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["connection", "system", "stream"],
                    set_={"position": statement.excluded.position, "read_at": at},
                    where=CURSORS.c.position < statement.excluded.position,
                )
            )
    return len(taken)


def sweep(of: Commerce, *, days: int = 3, progress: Callable[[str, int], None] | None = None) -> Collected:
    """Find what webhooks did not tell: read both systems some days back, and what the accounting says it sent.

    It goes back no further than to the begin of the connection. Everything is judged anew on the way. Among the
    counts, ``events`` are those that had not been known.
    """
    until = of.now()
    begin = _begin(of)
    since = max(until - timedelta(days=days), begin)
    found = _collect(of, begin, since, (), progress)
    missed: list[EventSeen] = []
    try:
        missed = of.accounting.missed(since, until)
    except SourceError as error:
        found.errors["events"] = error.message
    with writing(of.engine) as connection:
        mode = of.switches(connection).mode
        found.counts["events"] = events.store_events(connection, of.name, "accounting", missed, until)
        rejudge(connection, of.name, None, mode, until)
        if not found.errors:
            store.change_connection(connection, of.name, swept_at=until)
    return found


def read_and_refresh(of: Commerce, ids: Collection[int] | None, *, actor: str) -> tuple[Collected, int]:
    """Read what was repaired in the two systems, then let documents be tried again, see ``deciding.refresh``.

    Returns:
        What was read, and how many documents are tried again; one whose cause was repaired counts although nobody
        named it.

    Raises:
        InvalidInput: there is no such document.
    """
    before = _broken(of)
    found = collect(of)
    _read_customers(of, found)
    repaired = len(before - _broken(of))
    return found, repaired + refresh(of, ids, actor=actor)


def _read_customers(of: Commerce, found: Collected) -> None:
    """Read customers again that failed: no stream of the shop tells that one was changed."""
    docs = store.DOCS
    with reading(of.engine) as connection:
        failed = connection.execute(
            select(docs.c.source_id)
            .where(docs.c.connection == of.name, docs.c.state == State.FAILED, docs.c.type == "customer")
            .order_by(docs.c.occurred_at)
            .limit(MOST_CUSTOMERS)
        ).scalars()
        keys = [Key("customer", source_id) for source_id in failed]
    if not keys:
        return
    read_again = [read(of, "shop", key, ()) for key in keys]
    found.errors |= {f"customer {one.key.source_id}": one.error for one in read_again if one.error}
    with writing(of.engine) as connection:
        mode = of.switches(connection).mode
        keep(connection, of, [one for one in read_again if one.found], mode, of.now())


def _broken(of: Commerce) -> set[int]:
    docs = store.DOCS
    with reading(of.engine) as connection:
        return set(
            connection.execute(
                select(docs.c.doc_id).where(docs.c.connection == of.name, docs.c.state == State.FAILED)
            ).scalars()
        )
