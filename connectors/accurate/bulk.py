"""Many items in one call: the first load of a catalogue.

Accurate takes 100 items in one call, but what it answers to them is not documented (reference, section 3.1). So nothing
is read from that answer: the list of items is asked before, and its newest rows after. What was not saved, for whatever
reason, goes the way of a single item, which is looked up first and tells why it is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from clientsync.commerce.documents import Booked
from clientsync.commerce.systems import Call, Job, Result
from clientsync.errors import (
    BadRequest,
    BookingRefused,
    NotConnected,
    RateLimited,
    SourceError,
    SourceUnavailable,
)
from connectors.accurate import masters
from connectors.accurate.answers import AccurateRefused, rows_of
from connectors.accurate.calling import AccurateClient, shown_request
from connectors.accurate.desk import Desk, path_of
from connectors.accurate.listing import all_rows
from connectors.accurate.options import Options

MOST = 100
"""Items in one call (reference, section 3.1)."""
NEWEST_PAGES = 3
"""Pages of the newest items that are read after a call."""
KNOWN_FOR = timedelta(minutes=10)
"""For how long the list of items counts."""
_FIELDS = ("id", "no")
_SINGLE_CALLS = 2
"""What an item costs that goes alone: it is looked up, then saved."""

Body = Mapping[str, str]


class Bulk:
    """Items that are saved together; safe to share between threads."""

    def __init__(self, client: AccurateClient, options: Options, now: Callable[[], datetime]) -> None:
        """Prepare; nothing is sent."""
        self._client, self._options, self._now = client, options, now
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}
        self._read_at: datetime | None = None

    def send(self, jobs: Sequence[Job]) -> list[Result]:
        """Adopt or create items; return a result each, in order.

        Raises:
            NotConnected: nothing was sent.
            RateLimited: slow down.
            SourceError: of any other class: the outcome of all is unknown.
        """
        bodies = [_body_of(job, self._options) for job in jobs]
        with suppress(AccurateRefused):  # each goes the single way then, and is told its own reason
            if self._may_list(len(jobs)):
                self._save(jobs, bodies)
        results: list[Result] = []
        broken: SourceError | None = None
        for job, body in zip(jobs, bodies, strict=True):
            result = self._result(job, body, broken)
            if isinstance(result, SourceError) and not isinstance(result, BadRequest):
                broken = result
            results.append(result)
        return results

    def _result(self, job: Job, body: Body | BookingRefused, broken: SourceError | None) -> Result:
        """Return what became of an item; one that is not known goes the single way, unless Accurate is silent."""
        if isinstance(body, BookingRefused):
            return body
        known = self._known(body["no"])
        if known is not None:
            return Booked(known, body["no"])
        if broken is not None:
            return broken
        try:
            booked = masters.send_item(Desk(self._client, job), job, self._options)
        except AccurateRefused as error:
            return error.as_booking()
        except (BookingRefused, SourceError) as error:
            return error
        self._learn({body["no"]: booked.target_id})
        return booked

    def _save(self, jobs: Sequence[Job], bodies: Sequence[Body | BookingRefused]) -> None:
        """Save the items that are not known in one call, and learn their ids."""
        self._read_known()
        rows: dict[str, tuple[Body, list[Job]]] = {}
        for job, body in zip(jobs, bodies, strict=True):
            if not isinstance(body, BookingRefused) and self._known(body["no"]) is None:
                rows.setdefault(body["no"].casefold(), (body, []))[1].append(job)
        if not rows or not self._options.create_items:
            return
        path = path_of("item", "bulk-save")
        form = {
            f"data[{place}].{name}": value
            for place, (body, _) in enumerate(rows.values())
            for name, value in body.items()
        }
        calls: list[Call] = []
        try:
            self._client.call("POST", path, form=form, note=calls.append)
        finally:
            for place, (body, its_jobs) in enumerate(rows.values(), 1):
                shown = shown_request("POST", f"{path} row {place} of {len(rows)}", body)
                for job in its_jobs:
                    job.calls += [Call(shown, one.status, one.response) for one in calls]
        try:
            self._read_newest(list(rows))
        except (NotConnected, RateLimited) as error:
            raise SourceUnavailable(
                "Accurate stopped answering after items were sent.", source_code=error.source_code
            ) from error

    # --- what Accurate has -------------------------------------------------------------------------

    def _may_list(self, count: int) -> bool:
        """Whether the list of items costs less than the calls it saves; a full batch says that more will come."""
        if count >= MOST or self._is_read():
            return True
        query = [("fields", "id"), ("sp.page", "1"), ("sp.pageSize", "1")]
        told = self._client.call("GET", path_of("item", "list"), query).get("sp")
        rows = told.get("rowCount") if isinstance(told, dict) else None
        return isinstance(rows, int) and rows <= _SINGLE_CALLS * count * self._options.page_size

    def _is_read(self) -> bool:
        return self._read_at is not None and self._now() - self._read_at < KNOWN_FOR

    def _read_known(self) -> None:
        with self._lock:
            if self._is_read():
                return
            rows = all_rows(self._client, "item", _FIELDS, [], self._options.page_size)
            self._ids = {str(row.get("no", "")).casefold(): str(row["id"]) for row in rows}
            self._read_at = self._now()

    def _read_newest(self, numbers: Sequence[str]) -> None:
        for page in range(1, NEWEST_PAGES + 1):
            query = [
                ("fields", ",".join(_FIELDS)),
                ("sp.page", str(page)),
                ("sp.pageSize", str(self._options.page_size)),
                ("sp.sort", "id|desc"),
            ]
            rows = rows_of(self._client.call("GET", path_of("item", "list"), query))
            self._learn({str(row["no"]): str(row["id"]) for row in rows if row.get("id") and row.get("no")})
            if len(rows) < self._options.page_size or all(self._known(one) for one in numbers):
                return

    def _learn(self, ids: Mapping[str, str]) -> None:
        with self._lock:
            self._ids.update({number.casefold(): target_id for number, target_id in ids.items()})

    def _known(self, number: str) -> str | None:
        with self._lock:
            return self._ids.get(number.casefold()) if self._is_read() else None


def _body_of(job: Job, options: Options) -> Body | BookingRefused:
    try:
        return masters.item_body(job, options)
    except BookingRefused as error:
        return error
