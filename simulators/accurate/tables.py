"""Tables of records with indexes, and lists as Accurate gives them: filters, sorting, pages, chosen fields."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

Row = dict[str, Any]
INDEXED = frozenset(
    {"number", "no", "customerNo", "vendorNo", "name", "transDate", *(f"charField{n}" for n in range(1, 4))}
)
MOMENTS = frozenset({"transDate", "lastUpdate", "createDate"})
DEFAULT_PAGE = 20
MAX_PAGE = 100


class Table:
    """Records of one module by id."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._index: dict[tuple[str, str], dict[int, None]] = {}

    def put(self, row: Row) -> None:
        """Add a record, or replace the one with its id."""
        self.remove(row["id"])
        self.rows[row["id"]] = row
        for key in _keys(row):
            self._index.setdefault(key, {})[row["id"]] = None

    def remove(self, row_id: int) -> Row | None:
        """Take a record out and return it."""
        row = self.rows.pop(row_id, None)
        if row is not None:
            for key in _keys(row):
                self._index[key].pop(row_id, None)
        return row

    def find(self, field: str, value: object) -> list[Row]:
        """Return the records whose indexed field has a value, whatever its case."""
        return [self.rows[row_id] for row_id in self._index.get((field, str(value).casefold()), ())]

    def one(self, field: str, value: object) -> Row | None:
        """Return the first of those."""
        found = self._index.get((field, str(value).casefold()))
        return self.rows[next(iter(found))] if found else None

    def listed(self, query: dict[str, str], fields: list[str] | None) -> dict[str, Any]:
        """Return the envelope of a list.

        Args:
            query: filters, sorting and page.
            fields: what to show of each record; None: only ids.
        """
        filters = _filters(query)
        rows: Iterable[Row] = self.rows.values()
        for name, op, values in filters:
            if op == "EQUAL" and name in INDEXED and values:
                rows = self.find(name, values[0])
                break
        found = [row for row in rows if all(_passes(row, *one) for one in filters)]
        for part in reversed([part for part in query.get("sp.sort", "").split(";") if part]):
            name, _, way = part.partition("|")
            found.sort(key=lambda row, name=name: _sortable(name, row.get(name)), reverse=way == "desc")  # type: ignore[misc]
        page = max(1, int(query.get("sp.page") or 1))
        size = min(MAX_PAGE, max(1, int(query.get("sp.pageSize") or DEFAULT_PAGE)))
        start = (page - 1) * size
        return {
            "s": True,
            "d": [_shown(row, fields) for row in found[start : start + size]],
            "sp": {
                "page": page,
                "pageSize": size,
                "pageCount": -(-len(found) // size),
                "rowCount": len(found),
                "start": start,
                "limit": None,
                "sort": query.get("sp.sort"),
            },
        }


def fields_of(raw_query: str) -> list[str] | None:
    """Return the names in ``fields`` as the system reads them: an encoded comma is not understood."""
    for part in raw_query.split("&"):
        name, _, value = part.partition("=")
        if name == "fields":
            return None if "%2c" in value.lower() else value.split(",")
    return None


def _keys(row: Row) -> list[tuple[str, str]]:
    return [(name, str(row[name]).casefold()) for name in INDEXED if row.get(name) not in {None, ""}]


def _shown(row: Row, fields: list[str] | None) -> Row:
    if fields is None:
        return {"id": row["id"]}
    shown: Row = {}
    for field in fields:
        value: Any = row
        for name in field.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            shown[field] = value
    return shown


def _filters(query: dict[str, str]) -> list[tuple[str, str, list[str]]]:
    found: dict[str, dict[str, str]] = {}
    for name, value in query.items():
        if name.startswith("filter."):
            field, _, part = name.removeprefix("filter.").partition(".")
            found.setdefault(field, {})[part or "val"] = value
    return [
        (field, parts.get("op") or "EQUAL", [parts[name] for name in sorted(parts) if name.startswith("val")])
        for field, parts in found.items()
        if field in INDEXED or field in MOMENTS or field in {"id", "itemTransferType", "suspended"}
    ]


def _passes(row: Row, name: str, op: str, values: list[str]) -> bool:
    held = row.get(name)
    if op in {"EMPTY", "NOT_EMPTY"}:
        return (held in {None, ""}) == (op == "EMPTY")
    if not values:
        return True
    if op == "CONTAIN":
        return values[0].casefold() in str(held or "").casefold()
    mine, asked = _sortable(name, held), [_sortable(name, value) for value in values]
    compared = {
        "EQUAL": mine == asked[0],
        "NOT_EQUAL": mine != asked[0],
        "BETWEEN": asked[0] <= mine <= asked[-1],
        "NOT_BETWEEN": not asked[0] <= mine <= asked[-1],
        "GREATER_THAN": mine > asked[0],
        "GREATER_EQUAL_THAN": mine >= asked[0],
        "LESS_THAN": mine < asked[0],
        "LESS_EQUAL_THAN": mine <= asked[0],
    }
    return compared.get(op, True)


def _sortable(name: str, value: Any) -> tuple[Any, ...]:
    """Return what compares as the value means: moments by time, numbers by size, the rest as text."""
    text = str("" if value is None else value)
    if name in MOMENTS:
        day, _, time = text.partition(" ")
        return (tuple(reversed(day.split("/"))), time or "00:00:00")
    if name == "id":
        try:
            return (Decimal(text),)
        except InvalidOperation:
            return (Decimal(-1),)
    return (text.casefold(),)
