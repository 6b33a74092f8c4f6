"""Reading a list to its end although it moves while it is read.

A row that is changed or deleted between two pages shifts the rows behind it, and one can be missed. A pass over the
pages is whole when the number of rows never fell and at least as many different rows came as the last page told, so
new rows at the end do no harm; otherwise the pages are read again, and what was seen in any pass counts.
"""

from __future__ import annotations

from typing import Any

from clientsync.errors import ContractChanged, SourceUnavailable
from connectors.accurate.answers import rows_of
from connectors.accurate.calling import AccurateClient, Query
from connectors.accurate.desk import path_of

MAX_PASSES = 6
MAX_PAGES = 10_000


def all_rows(
    client: AccurateClient, module: str, fields: tuple[str, ...], filters: Query, page_size: int
) -> list[dict[str, Any]]:
    """Return every row of a list once, as it was read last, in the order of its id.

    Args:
        client: for the calls.
        module: of Accurate.
        fields: names of the fields; ``id`` must be among them.
        filters: names and values of the filters.
        page_size: rows a page.

    Raises:
        SourceUnavailable: the list does not stand still long enough.
        ContractChanged: no list, or rows without an id.
        SourceError: as ``AccurateClient.call``.
    """
    seen: dict[str, dict[str, Any]] = {}
    for _ in range(MAX_PASSES):
        found, counts = _one_pass(client, module, fields, filters, page_size)
        seen.update(found)
        if counts == sorted(counts) and len(found) >= counts[-1]:
            return [seen[row_id] for row_id in sorted(seen, key=lambda text: (len(text), text))]
    raise SourceUnavailable(f"The list of {module} changes faster than it can be read.")


def _one_pass(
    client: AccurateClient, module: str, fields: tuple[str, ...], filters: Query, page_size: int
) -> tuple[dict[str, dict[str, Any]], list[int]]:
    """Return the rows of one pass by id, and the numbers of rows that its pages told, in order."""
    found: dict[str, dict[str, Any]] = {}
    counts: list[int] = []
    for page in range(1, MAX_PAGES + 1):
        query = [
            ("fields", ",".join(fields)),
            *filters,
            ("sp.page", str(page)),
            ("sp.pageSize", str(page_size)),
            ("sp.sort", "id|asc"),
        ]
        body = client.call("GET", path_of(module, "list"), query)
        rows, told = rows_of(body), body.get("sp")
        count = told.get("rowCount") if isinstance(told, dict) else None
        if not isinstance(count, int) or any(row.get("id") is None for row in rows):
            raise ContractChanged("A list of Accurate does not say how many rows it has, or which.")
        counts.append(count)
        found.update({str(row["id"]): row for row in rows})
        if not rows or page * page_size >= count:
            break
    return found, counts
