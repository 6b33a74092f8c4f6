"""Records in two systems: a preview of many pairs, its planner beside vdirsyncer's, and how good suggestions are.

A preview reads both sides, keeps what they hold, and plans; it is timed against reading both sides and hashing them.
The pairs that vdirsyncer plans are the same, one in a hundred changed on one side. Suggestions are made for labelled
records: names are written in another way, keys are missing or shared, and branches of one shop differ in a digit only.
"""

from __future__ import annotations

import asyncio
import gc
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import event

from benchmarks.figures import Figure
from benchmarks.practice import SEED
from clientsync.clock import now
from clientsync.database import open_engine, upgrade
from clientsync.records import running
from clientsync.records.entities import CUSTOMERS
from clientsync.records.executing import RecordSet
from clientsync.records.planning import Link, Listing, Record, hash_of, plan
from clientsync.records.sides import ACTIONS, Listed
from clientsync.records.store import LINKS
from clientsync.records.suggesting import suggest

PAIRS, COMPARED, LABELLED = 100_000, 20_000, 10_000
CHANGED = 100
PREVIEW_LIMIT, QUERY_LIMIT, PLANNER_LIMIT, PRECISION_LIMIT, RECALL_LIMIT = 3.0, 2.0, 10.0, 0.99, 0.90
_WORDS = (
    *(
        "Asha",
        "Bela",
        "Chitra",
        "Devi",
        "Esha",
        "Farida",
        "Gita",
        "Hema",
        "Indira",
        "Jaya",
        "Kavita",
        "Lata",
        "Meera",
    ),
    *(
        "Nila",
        "Omana",
        "Padma",
        "Rekha",
        "Sita",
        "Tara",
        "Uma",
        "Vani",
        "Yamuna",
        "Ganesh",
        "Krishna",
        "Laxmi",
    ),
    *("Saraswati", "Shiv", "Surya", "Ganga", "Himalaya", "Deccan", "Konkan", "Malabar", "Coromandel"),
)
_TRADES = (
    *(
        "Traders",
        "Stores",
        "Textiles",
        "Foods",
        "Mills",
        "Tools",
        "Prints",
        "Paper",
        "Metals",
        "Motors",
        "Agencies",
    ),
    *("Enterprises", "Exports"),
)
_CITIES = ["Pune", "Surat", "Nagpur", "Mumbai", "Thane", "Nashik", "Indore", "Bhopal", "Jaipur", "Kota"]


def measure() -> Iterator[Figure]:
    """Yield the figures of the preview, of the planner beside its peer, and of suggestions."""
    yield from _preview()
    yield _planner()
    yield from _suggestions()


def _values(number: int, city: str = "") -> dict[str, str]:
    dice = random.Random(number)
    return {
        "number": str(number),
        "name": f"{dice.choice(_WORDS)} {dice.choice(_TRADES)} {number}",
        "tax_id": f"27{number:08d}",
        "email": f"info{number}@example.in",
        "phone": f"98{number:08d}",
        "street": f"{number} MG Road",
        "postcode": f"{400000 + number % 999}",
        "city": city or dice.choice(_CITIES),
        "active": "1",
    }


class _Kept:
    """A side that holds what it is given."""

    actions: tuple[str, ...] = ACTIONS
    region = "IN"
    scope = "all"
    fields = tuple(one.name for one in CUSTOMERS.fields)

    def __init__(self, title: str, records: Mapping[str, Mapping[str, object]]) -> None:
        self.title, self.records = title, records

    def listed(self) -> Listed:
        return Listed(dict(self.records))

    def read(self, ext_id: str) -> Mapping[str, object] | None:
        return self.records.get(ext_id)

    def find(self, reference: str, number: str) -> str | None:
        raise NotImplementedError

    def create(self, values: Mapping[str, str], reference: str) -> str:
        raise NotImplementedError

    def update(self, ext_id: str, values: Mapping[str, str]) -> None:
        raise NotImplementedError

    def delete(self, ext_id: str) -> None:
        raise NotImplementedError


def _sides() -> tuple[_Kept, _Kept]:
    a = {f"a{number}": _values(number) for number in range(PAIRS)}
    b = {
        f"b{number}": _values(number, "Kolhapur" if number % CHANGED == 0 else "") for number in range(PAIRS)
    }
    return _Kept("a", a), _Kept("b", b)


def _preview() -> Iterator[Figure]:
    a, b = _sides()
    with tempfile.TemporaryDirectory(prefix="records-bench") as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'records.db'}")
        upgrade(engine, ())
        of = RecordSet("bench", CUSTOMERS, a, b, engine, "three_way")
        began = time.perf_counter()
        for side in (a, b):
            for raw in side.listed().records.values():
                hash_of(CUSTOMERS.canonical(raw, "IN"))
        reading = time.perf_counter() - began
        running.preview(of, actor="benchmark")
        _link_all(of)
        statements = [0]
        event.listen(engine, "before_cursor_execute", lambda *_: statements.__setitem__(0, statements[0] + 1))
        began = time.perf_counter()
        found = running.preview(of, actor="benchmark").plan
        seconds = time.perf_counter() - began
        if len(found.rows) != PAIRS or found.counts["pending"] != PAIRS // CHANGED:
            raise RuntimeError(f"the plan has {len(found.rows)} rows, {found.counts['pending']} pending")
        engine.dispose()
    yield Figure("records: preview, of reading both sides and hashing them", seconds / reading, PREVIEW_LIMIT, False,
                 SEED, f"{seconds:.1f} s / {reading:.1f} s, {PAIRS:,} pairs")  # fmt: skip
    yield Figure("records: statements of a preview per 1,000 records", statements[0] / (2 * PAIRS / 1000), QUERY_LIMIT,
                 False, SEED, f"{statements[0]} statements")  # fmt: skip


def _link_all(of: RecordSet) -> None:
    """Link every pair, agreed on what side a holds."""
    with of.engine.begin() as connection:
        rows = []
        for number in range(PAIRS):
            base = CUSTOMERS.canonical(_values(number), "IN")
            rows.append(
                {
                    "set_name": of.name, "a_ext": f"a{number}", "b_ext": f"b{number}", "base_a": base, "base_b": base,
                    "enabled": True, "origin": "operator", "version": 1, "created_at": now(),
                }
            )  # fmt: skip
        connection.execute(LINKS.insert(), rows)


class _Storage:
    """What vdirsyncer asks of a storage."""

    read_only = False
    instance_name = "bench"

    def __init__(self, items: dict[str, tuple[Any, str]]) -> None:
        self.items = items

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        for href, (_, etag) in self.items.items():
            yield href, etag

    async def get_multi(self, hrefs: Any) -> AsyncIterator[tuple[str, Any, str]]:
        for href in hrefs:
            item, etag = self.items[href]
            yield href, item, etag


def _planner() -> Figure:
    """Return how many times faster the plan is than vdirsyncer's for the same pairs, listings not counted."""
    theirs = asyncio.run(_theirs())
    a, b, links = {}, {}, []
    for number in range(COMPARED):
        values = CUSTOMERS.canonical(_values(number), "IN")
        moved = {**values, "city": "Kolhapur"} if number % CHANGED == 0 else values
        a[f"a{number}"] = Record(f"a{number}", values, hash_of(values))
        b[f"b{number}"] = Record(f"b{number}", moved, hash_of(moved))
        links.append(Link(number + 1, f"a{number}", f"b{number}", values, values))
    for _ in range(2):  # theirs is timed at its second time too
        _leave_garbage_alone()
        began = time.perf_counter()
        found = plan(CUSTOMERS, Listing(a), Listing(b), links, policy="three_way")
        ours = time.perf_counter() - began
    if found.counts["pending"] != COMPARED // CHANGED:
        raise RuntimeError(f"the plan has {found.counts['pending']} pending pairs")
    return Figure("records: vdirsyncer's planner / ours", theirs / ours, PLANNER_LIMIT, True, SEED,
                  f"{theirs:.2f} s / {ours:.2f} s, {COMPARED:,} pairs; ours compares field by field")  # fmt: skip


def _leave_garbage_alone() -> None:
    """Take what the benchmark itself has made out of the sight of the collector, for both planners alike."""
    gc.collect()
    gc.freeze()


async def _theirs() -> float:
    from vdirsyncer.sync import _get_actions, _StorageInfo
    from vdirsyncer.sync.status import SqliteStatus, SubStatus
    from vdirsyncer.vobject import Item

    def item(number: int, city: str) -> Any:
        lines = [f"{name.upper()}:{value}" for name, value in _values(number, city).items()]
        return Item("\r\n".join(["BEGIN:VCARD", f"UID:{number}", *lines, "END:VCARD"]))

    def storage(name: str, city: str) -> _Storage:
        return _Storage(
            {
                f"{name}{number}": (
                    item(number, city if number % CHANGED == 0 else ""),
                    f"{number}{city if number % CHANGED == 0 else ''}",
                )
                for number in range(COMPARED)
            }
        )

    status = SqliteStatus(":memory:")
    a = storage("a", "")
    for b in (storage("b", ""), storage("b", "Kolhapur")):
        _leave_garbage_alone()
        began = time.perf_counter()
        with status.transaction():
            infos = [_StorageInfo(one, SubStatus(status, side)) for one, side in ((a, "a"), (b, "b"))]
            for one in infos:
                await one.prepare_new_status()
            actions = list(_get_actions(*infos))
        seconds = time.perf_counter() - began
    if len(actions) != COMPARED // CHANGED:
        raise RuntimeError(f"vdirsyncer plans {len(actions)} actions")
    return seconds


def _suggestions() -> Iterator[Figure]:
    """Yield precision and recall of the suggestions that are sure or likely, for labelled records."""
    a, b, truth = _labelled(random.Random(SEED))
    began = time.perf_counter()
    found = [one for one in suggest(CUSTOMERS, a, b) if one.level in ("sure", "likely")]
    seconds = time.perf_counter() - began
    right = sum(truth.get(one.a) == one.b for one in found)
    note = f"{len(found):,} suggested, {right:,} right of {len(truth):,}, {seconds:.1f} s"
    yield Figure("records: precision of suggestions", right / len(found), PRECISION_LIMIT, True, SEED, note)
    yield Figure("records: recall of suggestions", right / len(truth), RECALL_LIMIT, True, SEED, note)


def _labelled(dice: random.Random) -> tuple[dict[str, Record], dict[str, Record], dict[str, str]]:
    """Return records of both sides, four of five with a partner, and the partners."""
    a: dict[str, Record] = {}
    b: dict[str, Record] = {}
    truth: dict[str, str] = {}
    for number in range(LABELLED):
        values = _values(number)
        values["name"] = f"{dice.choice(_WORDS)} {dice.choice(_WORDS)} {dice.choice(_TRADES)}" + (
            f" {dice.randrange(1, 9)}" if dice.random() < 0.2 else ""
        )
        if dice.random() < 0.1:
            values["email"] = f"office{number // 40}@example.in"
        _put(a, f"a{number}", values)
        if dice.random() < 0.8:
            _put(b, f"b{number}", _rewritten(values, dice))
            truth[f"a{number}"] = f"b{number}"
        else:
            stranger = _values(number + 10 * LABELLED)
            stranger["name"] = f"{dice.choice(_WORDS)} {dice.choice(_WORDS)} {dice.choice(_TRADES)}"
            _put(b, f"b{number}", stranger)
    return a, b, truth


def _rewritten(values: Mapping[str, str], dice: random.Random) -> dict[str, str]:
    """Return a record as another office keeps it: its name in another way, keys missing, numbers of its own."""
    found = {**values, "number": f"{dice.randrange(10**7, 10**8)}"}
    words = found["name"].split()
    if dice.random() < 0.5:
        words.append(dice.choice(["Ltd", "Pvt Ltd", "& Co"]))
    if dice.random() < 0.3:
        place = dice.randrange(len(words))
        word = words[place]
        if word.isalpha() and len(word) > 4:
            cut = dice.randrange(1, len(word) - 1)
            words[place] = word[:cut] + word[cut + 1 :]
    found["name"] = " ".join(words)
    for name in ("tax_id", "email", "phone"):
        if dice.random() < 0.3:
            found[name] = ""
    if dice.random() < 0.2:
        found["city"], found["postcode"] = dice.choice(_CITIES), f"{dice.randrange(400000, 401000)}"
    return found


def _put(into: dict[str, Record], ext_id: str, values: Mapping[str, str]) -> None:
    canonical = CUSTOMERS.canonical(values, "IN")
    into[ext_id] = Record(ext_id, canonical, hash_of(canonical))
