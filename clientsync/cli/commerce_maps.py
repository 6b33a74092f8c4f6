"""``clientsync commerce``, the mappings: what stands for an outlet or a payment of the shop in the accounting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from clientsync.cli.commerce import AsJson, Name, opened, person
from clientsync.cli.screen import EXIT_NOT_DONE, put, put_rows, put_table

COLUMNS = ("kind", "shop", "accounting")
_LONGEST = {"shop": 120, "accounting": 200}
_REMOVES = "-"
Kind = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="outlet, payment, tax, charge, item, unit, category, customer; warehouse leads back to an outlet.",
    ),
]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The shop's word; of a warehouse the accounting's.")]


class Problem(NamedTuple):
    """A cell that cannot be taken."""

    row: int
    column: str
    reason: str


def add_to(app: typer.Typer) -> None:
    """Add the commands to the subject."""
    for command in (maps, unmap, maps_out, maps_in):
        app.command(name=command.__name__.replace("_", "-"))(command)
    app.command(name="map")(map_)


def map_(
    name: Name,
    kind: Kind,
    key: Key,
    target: Annotated[
        str,
        typer.Argument(
            metavar="VALUE", help="What stands for it; of an outlet WAREHOUSE or WAREHOUSE|BRANCH."
        ),
    ],
) -> None:
    """Set a mapping; documents that failed for want of it are tried again.

    Example: clientsync commerce map toko outlet KMG "Gudang Utama"
    """
    _put_maps(name, {(kind, key): target})


def unmap(name: Name, kind: Kind, key: Key) -> None:
    """Remove a mapping. What is booked stays.

    Example: clientsync commerce unmap toko outlet KMG
    """
    _put_maps(name, {(kind, key): ""}, is_removing=True)


def _put_maps(name: str, values: Mapping[tuple[str, str], str], *, is_removing: bool = False) -> None:
    from clientsync.commerce.deciding import set_mappings
    from clientsync.errors import InvalidInput

    for (kind, key), value in values.items():
        reasons = _faults({"kind": kind, "shop": key, "accounting": "" if is_removing else value})
        if not is_removing and not value.strip():
            reasons = {"accounting": "is empty; unmap removes a mapping", **reasons}
        if reasons:
            raise InvalidInput(f"{'; '.join(f'{column} {reason}' for column, reason in reasons.items())}.")
    with opened(name) as (of, _):
        again = set_mappings(of, values, actor=person())
    put(f"{len(values)} mappings {'removed' if is_removing else 'set'}; {again} documents are tried again.")


def _faults(cells: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with a row, by column."""
    from clientsync.commerce.deciding import KINDS

    found = {}
    if cells["kind"] not in KINDS:
        found["kind"] = f"{cells['kind']!r} is no kind; valid: {', '.join(KINDS)}"
    if not cells["shop"]:
        found["shop"] = "is empty"
    for column, longest in _LONGEST.items():
        if len(cells[column]) > longest:
            found[column] = f"is longer than {longest} characters"
    return found


def maps(
    name: Name,
    kind: Annotated[str, typer.Option("--kind", help="Only this kind; sku shows the shop's products.")] = "",
    is_missing: Annotated[
        bool, typer.Option("--missing", help="Only what failed documents asked for and did not find.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the mappings; what failed documents asked for and did not find is among them, empty.

    Example: clientsync commerce maps toko --missing
    """
    from clientsync.commerce.deciding import KINDS
    from clientsync.commerce.status import mappings
    from clientsync.errors import UnknownName

    valid = (*KINDS, "sku")
    if kind and kind not in valid:
        raise UnknownName("kind of mapping", kind, valid)
    with opened(name) as (of, _):
        found = mappings(of, kind)
    put_rows([one for one in found if not (is_missing and one["accounting"])], as_json)


def maps_out(
    name: Name, path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file to write.")]
) -> None:
    """Write the mappings into a CSV file with the columns kind, shop and accounting; what is missing is empty there.

    Example: clientsync commerce maps-out toko mappings.csv
    """
    import csv

    from clientsync.commerce.deciding import KINDS
    from clientsync.commerce.status import mappings
    from clientsync.errors import InvalidInput
    from clientsync.spreadsheets import guarded

    with opened(name) as (of, _):
        rows = [one for one in mappings(of) if one["kind"] in KINDS]
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(COLUMNS)
            writer.writerows([guarded(one[column]) for column in COLUMNS] for one in rows)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written ({type(error).__name__}).") from None
    put(
        f"{len(rows)} mappings in {path}. Fill in what is empty, then: clientsync commerce maps-in {name} {path}"
    )


def maps_in(
    name: Name,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Excel: kind, shop, accounting.")],
    is_trial: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
) -> None:
    """Set mappings from a file; good rows go in, wrong rows are named with row, column and reason.

    An empty cell under accounting leaves what is set, a single - removes it. Exit code 3 when rows were refused.

    Example: clientsync commerce maps-in toko mappings.csv
    """
    from clientsync.commerce.deciding import set_mappings

    values, left, problems = read_maps(path)
    again = 0
    with opened(name) as (of, _):
        if values and not is_trial:
            again = set_mappings(of, values, actor=person())
    would = "would be " if is_trial else ""
    put(
        f"{len(values)} {would}set or removed, {left} left as they are, {len({one.row for one in problems})} rows "
        f"{would}refused; {again} documents are tried again."
    )
    if problems:
        put_table(Problem._fields, problems)
        raise typer.Exit(EXIT_NOT_DONE)


def read_maps(path: Path) -> tuple[dict[tuple[str, str], str], int, list[Problem]]:
    """Return the mappings of a file, how many rows say nothing of a value, and what is wrong with the others.

    Raises:
        InvalidInput: no such file, or it lacks a column.
    """
    from clientsync.clients.tabular import lines_of
    from clientsync.errors import InvalidInput

    lines = iter(lines_of(path))
    _, head = next(lines, (0, ()))
    names = [_cell(one).casefold() for one in head]
    if missing := [one for one in COLUMNS if one not in names]:
        raise InvalidInput(
            f"{path.name} lacks the columns {', '.join(missing)}. Its first row must name {', '.join(COLUMNS)}."
        )
    values: dict[tuple[str, str], str] = {}
    first_at: dict[tuple[str, str], int] = {}
    problems: list[Problem] = []
    left = 0
    for row, line in lines:
        cells = _row(names, line)
        if not any(cells.values()):
            continue
        place = (cells["kind"], cells["shop"])
        wrong = _faults(cells)
        if not wrong and place in first_at:
            wrong = {"shop": f"stands in row {first_at[place]} already"}
        problems += [Problem(row, column, reason) for column, reason in wrong.items()]
        if wrong:
            continue
        first_at[place] = row
        if cells["accounting"]:
            values[place] = "" if cells["accounting"] == _REMOVES else cells["accounting"]
        else:
            left += 1
    return values, left, problems


def _row(names: Sequence[str], line: Sequence[Any]) -> dict[str, str]:
    found = dict.fromkeys(COLUMNS, "")
    for column, value in zip(names, line, strict=False):
        if column in found:
            found[column] = _cell(value)
    return found


def _cell(value: Any) -> str:
    """Return the text of a cell, without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    from clientsync.spreadsheets import unguarded

    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return unguarded("" if value is None else str(value).strip())
