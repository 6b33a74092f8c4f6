"""Matching of documents: how right it is, beside the eleven greedy rules, and how long 500,000 against 500,000 take."""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.figures import Figure
from benchmarks.greedy import greedy, quality
from benchmarks.practice import HOME, SEED
from clientsync.reconcile.documents.frames import AMOUNTS, DOCUMENT_COLUMNS, Matched, MatchStatus
from clientsync.reconcile.documents.matching import match_documents
from deployments.stack import ROOT
from simulators.gst.labelled import Pair, labelled
from simulators.gst.labelled_world import Paper

SEEDS = (SEED, SEED + 1, SEED + 2)
DOCUMENTS = 20_000
MANY = 500_000
LOOSE_SHARE = 0.02
MOST_MEGABYTES = 1500
MATCHING = (
    MatchStatus.EXACT,
    MatchStatus.SUGGESTED,
    MatchStatus.MISMATCH,
    MatchStatus.ONE_TO_MANY,
    MatchStatus.LINKED,
)


def measure(documents: int = DOCUMENTS, many: int = MANY) -> Iterator[Figure]:
    """Yield quality over generated labels and the time of many documents; sizes are those of one side."""
    yield from _quality(documents)
    yield from _scale(many)


def frame_of(papers: list[Paper]) -> pd.DataFrame:
    """Return documents of the labelled data as a frame for matching."""
    rows = [
        (
            one.name, one.owner, one.party, one.kind, one.number, one.day, one.period, one.place, one.reverse,
            one.amends, one.amends_day, *one.amounts,
        )
        for one in papers
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(DOCUMENT_COLUMNS))
    for name in ("document_on", "amends_on"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
    return frame.astype(dict.fromkeys(AMOUNTS, "int64"))


def pairs_of(found: Matched) -> set[Pair]:
    """Return every pair of documents of the two sides that lie in one group whose status says that they match."""
    groups = found.groups.loc[found.groups["status"].isin(MATCHING), "group"]
    members = found.members[found.members["group"].isin(groups)]
    left, right = members[members["side"] == "left"], members[members["side"] == "right"]
    both = left.merge(right, on="group", suffixes=("_left", "_right"))
    return set(zip(both["id_left"], both["id_right"], strict=True))


def _quality(documents: int) -> Iterator[Figure]:
    precisions, recalls, base = [], [], []
    kinds: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for seed in SEEDS:
        data = labelled(seed, documents)
        found = pairs_of(match_documents(frame_of(data.books), frame_of(data.portal)))
        precision, recall, by_kind = quality(found, data)
        precisions.append(precision)
        recalls.append(recall)
        for name, (right, whole) in by_kind.items():
            kinds[name] += right
            totals[name] += whole
        base.append(quality(greedy(data), data)[:2])
    greedy_precision, greedy_recall = min(one[0] for one in base), min(one[1] for one in base)
    shown = ", ".join(f"{name} {100 * kinds[name] / totals[name]:.1f}" for name in sorted(totals))
    note = (
        f"the worst of seeds {SEEDS}, {documents} documents; eleven greedy rules {100 * greedy_precision:.2f}"
    )
    yield Figure("matching, precision in per cent", 100 * min(precisions), 99.5, True, SEED, note)
    note = f"eleven greedy rules {100 * greedy_recall:.2f}; by mishap: {shown}"
    yield Figure("matching, recall in per cent", 100 * min(recalls), 98.0, True, SEED, note)


def _scale(many: int) -> Iterator[Figure]:
    folder = HOME / "matching"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_many(folder / "documents.db", many)
    bare = _child("bare", folder)
    ours = _child("match", folder)
    joined = _child("duckdb", folder)
    note = (
        f"{many:,} documents a side: {ours['seconds']:.1f} s, merely read and written {bare['seconds']:.1f} s; "
        f"a DuckDB hash join of the keys {joined['seconds']:.1f} s; {ours['rows']:,} result rows"
    )
    yield Figure(
        "matching, time / reading and writing alone",
        ours["seconds"] / bare["seconds"],
        3.0,
        False,
        SEED,
        note,
    )
    note = "largest resident memory of the process in MB"
    yield Figure("matching, peak memory in MB", ours["megabytes"], MOST_MEGABYTES, False, SEED, note)


def _child(what: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.matching", what, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{what} ended with {done.returncode}: {done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def write_many(path: Path, many: int) -> None:
    """Write two tables of documents, of which ``LOOSE_SHARE`` need the loose stages."""
    dice = np.random.default_rng(SEED)
    owner, party = dice.integers(0, 1000, many), dice.integers(0, 200, many)
    taxable = dice.integers(1_000, 10_000_000, many)
    half = taxable * 9 // 100
    days = np.datetime64("2026-10-01") + dice.integers(0, 30, many).astype("timedelta64[D]")
    left = pd.DataFrame(
        {
            "id": [f"l{number:07d}" for number in range(many)],
            "owner_gstin": [f"27ZZAPA{one:04d}Q1Z0" for one in owner],
            "party_gstin": [f"29ZZBPB{one:04d}Q1Z0" for one in party],
            "document_type": "INV",
            "document_number": [f"INV/26-27/{number:06d}" for number in range(many)],
            "document_on": days.astype(str),
            "period": "102026",
            "place_of_supply": "29",
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
    right = left.assign(id=[f"r{number:07d}" for number in range(many)])
    loose = np.flatnonzero(dice.random(many) < LOOSE_SHARE)
    numbers = right["document_number"].to_numpy(dtype=object).copy()
    for place in loose:
        number = numbers[place]
        numbers[place] = f"X{number}" if place % 2 else number[:-2] + number[-1] + number[-2]
    right["document_number"] = numbers
    right = right.drop(index=loose[::10].tolist()).sample(frac=1.0, random_state=SEED)
    with closing(sqlite3.connect(path)) as database:
        for name, frame in (("books", left), ("portal", right)):
            frame[list(DOCUMENT_COLUMNS)].to_sql(name, database, index=False)


def _read(database: sqlite3.Connection, name: str) -> pd.DataFrame:
    frame = pd.read_sql_query(f"SELECT * FROM {name}", database)
    for column in ("document_on", "amends_on"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[s]")
    return frame


def _write(database: sqlite3.Connection, rows: Iterator[tuple[Any, ...]]) -> None:
    database.execute("CREATE TABLE result (side, id, number, status, score, differs, tags, reason)")
    database.executemany("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.commit()


def _bare(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "documents.db")) as database:
        sides = [("left", _read(database, "books")), ("right", _read(database, "portal"))]
        database.execute("DROP TABLE IF EXISTS result")
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


def _match(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "documents.db")) as database:
        left, right = _read(database, "books"), _read(database, "portal")
        found = match_documents(left, right)
        del left, right
        database.execute("DROP TABLE IF EXISTS result")
        groups, members = found.groups, found.members
        place = members["group"].to_numpy()
        columns = [
            groups[name].to_numpy()[place] for name in ("status", "score", "differs", "tags", "reason")
        ]
        _write(
            database,
            zip(
                members["side"].tolist(),
                members["id"].tolist(),
                place.tolist(),
                *(column.tolist() for column in columns),
                strict=True,
            ),
        )
        return len(members)


def _duckdb(folder: Path) -> int:
    import duckdb

    with closing(sqlite3.connect(folder / "documents.db")) as database:
        left, right = _read(database, "books"), _read(database, "portal")
    keys = ("owner_gstin", "party_gstin", "document_number", "document_on", *AMOUNTS)
    on = " AND ".join(f"l.{name} = r.{name}" for name in keys)
    with duckdb.connect() as connection:
        connection.register("l", left)
        connection.register("r", right)
        found = connection.execute(f"SELECT count(*) FROM l JOIN r ON {on}").fetchone()
    return int(found[0]) if found else 0


def main(what: str, folder: Path) -> None:
    """Run one part in this process and print its seconds, rows and memory as JSON."""
    began = time.perf_counter()
    rows = {"bare": _bare, "match": _match, "duckdb": _duckdb}[what](folder)
    seconds = time.perf_counter() - began
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "rows": rows, "megabytes": megabytes}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
