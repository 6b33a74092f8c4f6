"""The synchronisation window with one record of each category, and a conflict that is settled.

``python -m simulators.cleanmanager.show --folder DIR`` keeps a list of customers as a file, runs the other system on a
loopback port, and ends by itself.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from clientsync.config import ProviderSettings, Settings
from clientsync.database import open_engine, upgrade
from clientsync.http.client import HttpClient
from clientsync.records import running, window, working
from clientsync.records.entities import CUSTOMERS
from clientsync.records.executing import RecordSet
from clientsync.records.file_side import FileSide
from clientsync.records.planning import CATEGORIES
from clientsync.records.rest_side import RestSide
from connectors.cleanmanager.descriptions import CUSTOMERS as DESCRIPTION
from simulators.cleanmanager.system import TOKEN, Running, System

COLUMNS = {"number": "No", "name": "Name", "email": "Mail", "city": "Town", "active": "Active"}
NAMES = ("Asha Traders", "Bela Foods", "Chitra Mills", "Devi Stores", "Esha Textiles", "Farida Tools")
ACTOR = "demo"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Play it; 0 when every category was shown and the conflict is settled on both sides."""
    parser = argparse.ArgumentParser(description="Customers in a list and in another system, kept alike.")
    parser.add_argument("--folder", type=Path, required=True)
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    system = System()
    with ExitStack() as stack:
        of = _opened(folder, stack.enter_context(Running(system)), stack)
        return _play(of, system, folder / "customers.csv")


def _opened(folder: Path, running: Running, stack: ExitStack) -> RecordSet:
    provider = ProviderSettings(
        kind="records", base_url=running.url, allow_loopback=True, calls_per_minute=60_000, burst=1_000
    )
    configured = Settings(home=folder, providers={"cleanmanager": provider})
    engine = open_engine(f"sqlite:///{folder / 'records.db'}")
    stack.callback(engine.dispose)
    upgrade(engine, ())
    client = stack.enter_context(HttpClient.for_provider(configured, "cleanmanager", engine))
    other = RestSide(
        client, DESCRIPTION, title="CleanManager", token=TOKEN, account="cleanmanager", region="IN"
    )
    own = FileSide(folder / "customers.csv", COLUMNS, "No", "our list", is_writable=True)
    return RecordSet(
        "customers", CUSTOMERS.between(own.fields, other.fields), own, other, engine, "three_way"
    )


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows([list(COLUMNS.values()), *rows])


def _play(of: RecordSet, system: System, path: Path) -> int:
    rows = [[str(n), name, f"info{n}@example.in", "Pune", "1"] for n, name in enumerate(NAMES, start=1)]
    _write(path, rows)
    for number, name in enumerate(NAMES[:3], start=1):
        system.put(
            "customers",
            number=f"00{number}",
            name=f"{name} Ltd",
            email=f"info{number}@example.in",
            city="Pune",
        )
    running.preview(of, actor=ACTOR)
    for one in window.suggestions(of):
        _say(f"  suggested: {one.a} and {one.b}, {one.level}: {'; '.join(one.reasons)}")
        if one.level == "sure":
            pair = working.link(of, one.a, one.b, actor=ACTOR, origin="suggestion")
            working.resolve(of, pair, {"name": "a", "number": "a"}, actor=ACTOR)
    done, _ = working.create_partners(of, [("a", "4"), ("a", "5")], actor=ACTOR)
    _say(f"  {done} partners made in CleanManager")
    running.run(of, actor=ACTOR)
    _write(path, [[*rows[0][:3], "Nagpur", "1"], *rows[1:4], rows[5], ["7", "Gita Prints", "", "Surat", "0"]])
    system.records["customers"]["C00001"]["city"] = "Mumbai"
    working.switch(of, 2, enabled=False, actor=ACTOR)
    found = running.run(of, actor=ACTOR).plan
    for name, title in CATEGORIES.items():
        names = [row.name for row in found.rows if row.category == name]
        _say(f"  {title}: {len(names)}" + (f" ({', '.join(names)})" if names else ""))
    (conflict,) = [row for row in found.rows if row.category == "conflict"]
    for field in window.fields_of(conflict):
        _say(
            f"  {conflict.name}, {field['field']}: our list {field['side a']}, CleanManager {field['side b']}, "
            f"both agreed on {field['a agreed on']}"
        )
    working.resolve(of, conflict.link_id, {"city": "a"}, actor=ACTOR)
    settled = running.preview(of, actor=ACTOR).plan
    _say(
        f"  settled for our list: CleanManager has {system.records['customers']['C00001']['city']}; "
        f"{settled.counts['conflict']} conflicts are left"
    )
    shown = {row.category for row in found.rows}
    wanted = {"conflict", "new", "deleted", "deactivated", "synchronized", "inactive"}
    return 0 if wanted <= shown and not settled.counts["conflict"] else 1


if __name__ == "__main__":
    sys.exit(main())
