"""The calls made for one document, each noted, with the promise that "nothing was sent" is never said wrongly.

A document may cost several calls. When one of them may have changed something, a later one that finds no connection
or is asked to slow down must not look as if nothing had been sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clientsync.commerce.systems import Job
from clientsync.errors import (
    ContractChanged,
    NotConnected,
    RateLimited,
    SessionExpired,
    SourceError,
    SourceUnavailable,
)
from connectors.accurate.answers import AccurateRefused, rows_of
from connectors.accurate.calling import DATA, AccurateClient, Query

_UNSENT = (NotConnected, RateLimited, AccurateRefused, SessionExpired)


class Desk:
    """Calls of one job.

    Attributes:
        has_written: something may have been changed by it.
    """

    def __init__(self, client: AccurateClient, job: Job) -> None:
        """Prepare; nothing is sent."""
        self._client = client
        self._job = job
        self.has_written = False

    def get(self, module: str, action: str, query: Query) -> dict[str, Any]:
        """Return the envelope of a question.

        Raises:
            AccurateRefused: Accurate says no.
            SourceError: as ``AccurateClient.call``.
        """
        with self._honest():
            return self._client.call("GET", path_of(module, action), query, note=self._job.calls.append)

    def post(self, module: str, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the envelope of a change, sent once.

        Raises:
            AccurateRefused: Accurate says no; nothing was changed.
            SourceError: as ``AccurateClient.call``; unless it says that nothing was sent, the outcome is unknown.
        """
        with self._changing():
            return self._client.call(
                "POST", path_of(module, action), json=dict(body), note=self._job.calls.append
            )

    def delete(self, module: str, target_id: str) -> None:
        """Delete a record; one that is not there counts as deleted.

        Raises:
            AccurateRefused: Accurate says no for another reason.
            SourceError: as ``post``.
        """
        try:
            with self._changing():
                self._client.call(
                    "DELETE", path_of(module, "delete"), [("id", target_id)], note=self._job.calls.append
                )
        except AccurateRefused as error:
            if not error.is_not_found:
                raise

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._honest():
            try:
                yield
            except RateLimited as error:
                if error.source_code == "503":  # a busy server may have booked before it said so
                    self.has_written = True
                raise
            except _UNSENT:
                raise
            except SourceError:
                self.has_written = True
                raise
            self.has_written = True

    @contextmanager
    def _honest(self) -> Iterator[None]:
        try:
            yield
        except (NotConnected, RateLimited) as error:
            if not self.has_written:
                raise
            raise SourceUnavailable(
                "Accurate stopped answering after a part of the document was sent.",
                source_code=error.source_code,
            ) from error


def path_of(module: str, action: str) -> str:
    """Return the path of a call at the data host."""
    return f"{DATA}{module}/{action}.do"


def only_row(
    desk: Desk, module: str, fields: tuple[str, ...], name: str, value: str
) -> dict[str, Any] | None:
    """Return the row whose field has a value, None when there is none.

    Accurate ignores filters that it does not know, so the value is compared here as well.

    Raises:
        ContractChanged: rows came and none has the value: the filter was ignored, and nothing is known.
    """
    query = [
        ("fields", ",".join(fields)),
        (f"filter.{name}.op", "EQUAL"),
        (f"filter.{name}.val", value),
        ("sp.page", "1"),
        ("sp.pageSize", "100"),
    ]
    rows = rows_of(desk.get(module, "list", query))
    exact = [row for row in rows if str(row.get(name, "")) == value]
    found = exact or [row for row in rows if str(row.get(name, "")).casefold() == value.casefold()]
    if rows and not found:
        raise ContractChanged(f"Accurate does not look {module} up by {name}.")
    return found[0] if found else None
