"""The time that 500,000 documents against 500,000 take, part by part; each part runs in a process of its own.

``python -m benchmarks.matching_scale make|bare|match|duckdb FOLDER MANY`` does one part over the documents of the
folder and prints seconds, rows and peak memory as JSON. Reader and writer are the same in ``bare`` and ``match``. The
process that starts the parts must stay small: Linux counts its memory for theirs.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.practice import SEED
from clientsync.reconcile.documents.frames import AMOUNTS, DOCUMENT_COLUMNS
from clientsync.reconcile.documents.matching import match_documents
from deployments.stack import ROOT
from simulators.gst import identifiers

OWNERS, SUPPLIERS, SUPPLIERS_OF_ONE = 500, 5_000, 80
LOOSE_SHARE = 0.02
LOOSE = ("swapped digits", "prefix", "no year", "rounded", "other value", "other registration", "missing")
"""What is different about the documents of ``LOOSE_SHARE``, in equal parts."""
DATABASE = "documents.db"
Places = npt.NDArray[np.int64]


def write_many(database: sqlite3.Connection, many: int) -> int:
    """Write the tables ``books`` and ``portal``, of which ``LOOSE_SHARE`` cannot be joined by their keys.

    Every owner has 80 suppliers; the largest sends it about a tenth of its documents, the smallest a few.
    """
    dice = np.random.default_rng(SEED)
    owner = dice.integers(0, OWNERS, many)
    supplier = (owner * 7 + (dice.random(many) ** 2 * SUPPLIERS_OF_ONE).astype(np.int64) * 61) % SUPPLIERS
    books = _booked(owner, supplier, dice)
    portal = books.assign(id=_names("r", many))
    loose = np.flatnonzero(dice.random(many) < LOOSE_SHARE)
    _loosen(portal, supplier, loose, dice)
    portal = portal.drop(index=loose[LOOSE.index("missing") :: len(LOOSE)].tolist())
    portal = portal.sample(frac=1.0, random_state=SEED)
    for name, frame in (("books", books), ("portal", portal)):
        frame[list(DOCUMENT_COLUMNS)].to_sql(name, database, index=False)
    return len(books) + len(portal)


def _names(letter: str, many: int) -> list[str]:
    return [f"{letter}{number:07d}" for number in range(many)]


def _gstins(kind: str, count: int, state: str) -> npt.NDArray[np.object_]:
    return np.array([identifiers.gstin(kind, number, SEED, state) for number in range(count)], dtype=object)


def _booked(owner: Places, supplier: Places, dice: np.random.Generator) -> pd.DataFrame:
    many = len(owner)
    taxable = dice.integers(10_000, 50_000_000, many)
    half = taxable * 9 // 100
    days = np.datetime64("2026-10-01") + dice.integers(0, 31, many).astype("timedelta64[D]")
    serial = pd.Series(supplier).groupby(supplier).cumcount().to_numpy()
    numbers = [
        f"{chr(65 + one % 26)}{chr(65 + one // 26 % 26)}/26-27/{number:05d}"
        for one, number in zip(supplier.tolist(), serial.tolist(), strict=True)
    ]
    return pd.DataFrame(
        {
            "id": _names("l", many),
            "owner_gstin": _gstins("client", OWNERS, "27")[owner],
            "party_gstin": _gstins("supplier", SUPPLIERS, "27")[supplier],
            "document_type": "INV",
            "document_number": numbers,
            "document_on": days.astype(str),
            "period": "102026",
            "place_of_supply": "27",
            "reverse_charge": "N",
            "amends_number": "",
            "amends_on": None,
            "taxable_paise": taxable,
            "igst_paise": 0,
            "cgst_paise": half,
            "sgst_paise": half,
            "cess_paise": 0,
        }
    )


def _loosen(portal: pd.DataFrame, supplier: Places, loose: Places, dice: np.random.Generator) -> None:
    """Change the documents of the portal at some places, each in one of the ways of ``LOOSE``."""
    parts = {name: loose[place :: len(LOOSE)].tolist() for place, name in enumerate(LOOSE)}

    def number(name: str) -> pd.Series[str]:
        found: pd.Series[str] = portal.loc[parts[name], "document_number"]
        return found

    swapped = number("swapped digits")
    portal.loc[parts["swapped digits"], "document_number"] = (
        swapped.str[:-2] + swapped.str[-1:] + swapped.str[-2:-1]
    )
    portal.loc[parts["prefix"], "document_number"] = "X" + number("prefix")
    portal.loc[parts["no year"], "document_number"] = number("no year").str.replace("26-27/", "")
    portal.loc[parts["rounded"], "taxable_paise"] += dice.integers(1, 100, len(parts["rounded"]))
    portal.loc[parts["other value"], "taxable_paise"] += dice.integers(
        1_000, 900_000, len(parts["other value"])
    )
    others = _gstins("supplier", SUPPLIERS, "29")[supplier[parts["other registration"]]]
    portal.loc[parts["other registration"], "party_gstin"] = others


def run(part: str, folder: Path, many: int) -> dict[str, float]:
    """Run one part in a process of its own; return its seconds, rows and megabytes.

    Raises:
        RuntimeError: the process failed.
    """
    command = [sys.executable, "-m", "benchmarks.matching_scale", part, str(folder), str(many)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{part} ended with {done.returncode}: {done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _read(database: sqlite3.Connection, name: str) -> pd.DataFrame:
    frame = pd.read_sql_query(f"SELECT * FROM {name}", database)
    for column in ("document_on", "amends_on"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[s]")
    return frame


def _write(database: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    database.execute("DROP TABLE IF EXISTS result")
    database.execute("CREATE TABLE result (side, id, number, status, score, differs, tags, reason)")
    database.executemany("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.commit()


def _bare(database: sqlite3.Connection, _: int) -> int:
    sides = [("left", _read(database, "books")), ("right", _read(database, "portal"))]
    reason = "Number, date and every amount are equal."
    _write(
        database,
        (
            (side, name, number, "exact", 100, "", "", reason)
            for side, frame in sides
            for number, name in enumerate(frame["id"].tolist())
        ),
    )
    return sum(len(frame) for _, frame in sides)


def _match(database: sqlite3.Connection, _: int) -> int:
    left, right = _read(database, "books"), _read(database, "portal")
    found = match_documents(left, right)
    del left, right
    groups, members = found.groups, found.members
    place = members["group"].to_numpy()
    columns = [groups[name].to_numpy()[place] for name in ("status", "score", "differs", "tags", "reason")]
    rows = zip(
        members["side"].tolist(),
        members["id"].tolist(),
        place.tolist(),
        *(column.tolist() for column in columns),
        strict=True,
    )
    _write(database, rows)
    return len(members)


def _duckdb(database: sqlite3.Connection, _: int) -> int:
    """Join what has equal keys once case and separators of the number are left out."""
    import duckdb

    left, right = _read(database, "books"), _read(database, "portal")
    number = "regexp_replace(upper({0}.document_number), '[^A-Z0-9]', '', 'g')"
    keys = ("owner_gstin", "party_gstin", "document_on", *AMOUNTS)
    on = " AND ".join(
        [f"{number.format('l')} = {number.format('r')}", *(f"l.{name} = r.{name}" for name in keys)]
    )
    with duckdb.connect() as connection:
        connection.register("l", left)
        connection.register("r", right)
        found = connection.execute(f"CREATE TABLE joined AS SELECT l.id, r.id AS other FROM l JOIN r ON {on}")
        counted = found.execute("SELECT count(*) FROM joined").fetchone()
    return int(counted[0]) if counted else 0


PARTS = {"make": write_many, "bare": _bare, "match": _match, "duckdb": _duckdb}


def main(part: str, folder: Path, many: int) -> None:
    """Do one part in this process and print what it took as JSON."""
    began = time.perf_counter()
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        rows = PARTS[part](database, many)
    seconds = time.perf_counter() - began
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "rows": rows, "megabytes": megabytes}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
