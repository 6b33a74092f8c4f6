"""Files that a practice would import: the client master with the columns of TDS, and the passwords of both portals."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from simulators.gst.parties import GROUPS, REGIONS
from simulators.tds.records import Deductor

COLUMNS = (
    "client_id", "name", "tan", "deductor_pan", "deductor_category", "tds_forms", "tds_source", "traces_username",
    "groups",
)  # fmt: skip
PASSWORD_COLUMNS = ("client_id", "portal", "password")


def master_row(one: Deductor) -> dict[str, str]:
    """Give the row of a deductor in the master list; groups are those of the same number in the GST simulator."""
    index = int(one.client_id[1:]) - 1
    groups = f"{GROUPS[index % len(GROUPS)]};{REGIONS[index % len(REGIONS)]}"
    values = (
        one.client_id, one.name, one.tan, one.pan, one.category, ",".join(one.forms), "portal", one.traces_user, groups,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def password_rows(one: Deductor) -> list[dict[str, str]]:
    """Give the passwords of a deductor, one row for each portal."""
    found = {"income_tax": one.efiling_password, "traces": one.traces_password}
    return [
        dict(zip(PASSWORD_COLUMNS, (one.client_id, *item), strict=True)) for item in sorted(found.items())
    ]


def write_master(path: Path, deductors: Iterable[Deductor]) -> None:
    """Write the client master as CSV."""
    _write(path, COLUMNS, [master_row(one) for one in deductors])


def write_passwords(path: Path, deductors: Iterable[Deductor]) -> None:
    """Write the passwords as CSV."""
    _write(path, PASSWORD_COLUMNS, [row for one in deductors for row in password_rows(one)])


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns)
        writer.writeheader()
        writer.writerows(rows)
