"""The window: every record in one row, with what can be done about it, and the sheet in which conflicts are settled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clientsync.clients.tabular import lines_of
from clientsync.database import reading
from clientsync.errors import InvalidInput
from clientsync.records import store
from clientsync.records.entities import typed
from clientsync.records.executing import RecordSet
from clientsync.records.planning import CATEGORIES, FieldState, Plan, Row, other
from clientsync.records.suggesting import Suggestion, suggest

WHAT_TO_DO = {
    "conflict": "resolve PAIR FIELD=a|b|keep|:VALUE",
    "new": "link, create, or ignore; suggest shows who may be its partner",
    "deleted": "delete-other, recreate, or unlink",
    "deactivated": "activate, or ignore --no-longer",
    "synchronized": "",
    "inactive": "ignore, or activate it in its own system",
    "pending": "apply",
    "blocked": "repair it in its own system",
}
SHEET_COLUMNS = ("pair", "version", "name", "field", "side a", "side b", "both agreed on", "choice")
_CHOICES = "a, b, keep, or : and a value"


def check_category(name: str) -> str:
    """Return a category.

    Raises:
        InvalidInput: there is none of that name; lists them.
    """
    if name and name not in CATEGORIES:
        raise InvalidInput(f"There is no category {name!r}. Valid: {', '.join(CATEGORIES)}.")
    return name


def rows_of(plan: Plan, category: str = "") -> list[dict[str, Any]]:
    """Return the rows of a plan, or those of one category, for a person.

    Raises:
        InvalidInput: no such category.
    """
    check_category(category)
    return [
        {
            "category": CATEGORIES[row.category],
            "pair": row.link_id or "",
            "side a": row.a,
            "side b": row.b,
            "name": row.name,
            "differs": ", ".join(one.name for one in row.fields),
            "note": row.reason or ("gone on side " + " and ".join(row.missing) if row.missing else ""),
            "what to do": WHAT_TO_DO[row.category],
        }
        for row in plan.rows
        if not category or row.category == category
    ]


def fields_of(row: Row) -> list[dict[str, Any]]:
    """Return the fields of a pair that differ: both sides beside what each held when both last agreed."""
    return [
        {
            "field": one.name,
            "side a": one.a,
            "side b": one.b,
            "a agreed on": "" if one.base_a is None else one.base_a,
            "b agreed on": "" if one.base_b is None else one.base_b,
            "changed on": one.likely or ("both" if one.base_a is not None else "never agreed"),
        }
        for one in row.fields
    ]


def suggestions(of: RecordSet) -> list[Suggestion]:
    """Return who may be the partner of whom, of the records that were read last.

    Raises:
        InvalidInput: the set was never read.
    """
    with reading(of.engine) as connection:
        found = store.stored(connection, of.name)
        refused = store.refused_pairs(connection, of.name)
    linked = {("a", one.a) for one in found.links} | {("b", one.b) for one in found.links}
    left, right = (
        {
            ext_id: record
            for ext_id, record in listing.records.items()
            if (side, ext_id) not in linked and (side, ext_id) not in found.ignored
        }
        for side, listing in (("a", found.a), ("b", found.b))
    )
    return suggest(of.entity, left, right, refused, all_a=found.a.records, all_b=found.b.records)


def _versions(of: RecordSet) -> dict[int, int]:
    with reading(of.engine) as connection:
        return {one.link_id: one.version for one in store.links_of(connection, of.name)}


def sheet_rows(of: RecordSet, plan: Plan) -> list[tuple[Any, ...]]:
    """Return the conflicts as rows of ``SHEET_COLUMNS``; the choice is empty, or the side that changed alone.

    A blank is never chosen beforehand, and no value for a side that takes none.
    """
    versions = _versions(of)
    takes = of.sides_that("update")

    def likely(one: FieldState) -> str:
        value = one.a if one.likely == "a" else one.b
        return one.likely if one.likely and value and other(one.likely) in takes else ""

    return [
        (row.link_id, versions[row.link_id], row.name, one.name, one.a, one.b, one.base_a or "", likely(one))
        for row in plan.rows
        if row.category == "conflict"
        for one in row.fields
    ]


def write_sheet(path: Path, rows: Iterable[Sequence[Any]]) -> int:
    """Write a sheet of conflicts as a workbook, and return how many rows it has; no cell of it is calculated."""
    import xlsxwriter

    count = 0
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("conflicts")
        sheet.write_row(0, 0, SHEET_COLUMNS, book.add_format({"bold": True}))
        sheet.set_column(2, len(SHEET_COLUMNS) - 1, 24)
        sheet.freeze_panes(1, 0)
        for count, row in enumerate(rows, start=1):
            for column, value in enumerate(row):
                if isinstance(value, int):
                    sheet.write_number(count, column, value)
                else:
                    sheet.write_string(count, column, str(value))
        choice = len(SHEET_COLUMNS) - 1
        sheet.data_validation(
            1, choice, max(count, 1), choice,
            {"validate": "any", "input_title": "Choice", "input_message": _CHOICES},
        )  # fmt: skip
    return count


def read_sheet(
    of: RecordSet, path: Path, plan: Plan
) -> tuple[dict[int, tuple[int, dict[str, str]]], list[str]]:
    """Return the choices of a sheet that still fit, and what is wrong with the others.

    A row counts when it has a choice, its pair and field are still a conflict, the values are those that the sheet was
    made of, and no other row chooses something else for them.

    Returns:
        Pair to (version, field to choice), and a sentence for every row that does not count.

    Raises:
        InvalidInput: the file is no sheet of conflicts.
    """
    lines = iter(lines_of(path))
    header = [str(cell or "").strip() for cell in next(lines, (1, []))[1]]
    missing = [one for one in SHEET_COLUMNS if one not in header]
    if missing:
        raise InvalidInput(f"{path.name} is no sheet of conflicts: it lacks {', '.join(missing)}.")
    open_ = {
        (row.link_id, one.name): one for row in plan.rows if row.category == "conflict" for one in row.fields
    }
    versions = _versions(of)
    said: dict[tuple[int, str], list[tuple[int, str]]] = {}
    wrong: list[str] = []
    for number, cells in lines:
        row = {
            name: str(cell if cell is not None else "").strip()
            for name, cell in zip(header, cells, strict=False)
        }
        choice = row.get("choice", "")
        if not choice:
            continue
        pair, why = _checked(of, row, choice, open_, versions)
        if why:
            wrong.append(f"row {number}: {why}")
            continue
        said.setdefault((pair, row["field"]), []).append((number, choice))
    chosen: dict[int, tuple[int, dict[str, str]]] = {}
    for (pair, field), choices in said.items():
        if len({choice for _, choice in choices}) > 1:
            places = ", ".join(str(number) for number, _ in choices)
            wrong.append(f"rows {places}: they choose different values for {field} of pair {pair}")
        else:
            chosen.setdefault(pair, (versions[pair], {}))[1][field] = choices[0][1]
    return chosen, wrong


def _checked(
    of: RecordSet,
    row: Mapping[str, str],
    choice: str,
    open_: Mapping[tuple[int, str], Any],
    versions: Mapping[int, int],
) -> tuple[int, str]:
    pair = int(row["pair"]) if row["pair"].isdigit() else 0
    found = open_.get((pair, row["field"]))
    if found is None:
        return pair, f"pair {row['pair']} has no conflict in {row['field']} any more"
    if row["version"] != str(versions[pair]) or (row["side a"], row["side b"]) != (found.a, found.b):
        return pair, f"pair {pair} was changed since the sheet was written; write it anew"
    if choice not in ("a", "b", "keep") and not choice.startswith(":"):
        return pair, f"{choice!r} chooses nothing. Valid: {_CHOICES}"
    takes = of.sides_that("update")
    closed = [side for side in {"a": "b", "b": "a", "keep": ""}.get(choice, "ab") if side not in takes]
    if closed:
        return pair, f"side {' and '.join(closed)} takes no changes"
    return pair, _not_typed(of, row["field"], choice) if choice.startswith(":") else ""


def _not_typed(of: RecordSet, field: str, choice: str) -> str:
    """Return in words why a value that a person wrote has no canonical form, empty when it has one."""
    (rule,) = (one for one in of.entity.mapped if one.name == field)
    try:
        typed(rule, choice[1:], of.a.region)
    except InvalidInput as error:
        return error.message
    return ""
