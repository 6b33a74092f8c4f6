"""Documents with lines: where their foreign key is checked, and that nothing of a removed document stays."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, inspect

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.documents import Document
from connectors.retail import tables as retail
from connectors.retail.bills import BILL
from connectors.retail.catalogue import TYPES, create_tables
from tests.support.exchange_world import World, bill

LINES = {
    one.name: one.adapter.lines.name
    for one in TYPES
    if isinstance(one.adapter, TableAdapter) and one.adapter.lines is not None
}


@pytest.mark.parametrize("kind", ["HO", "STORE"])
def test_lines_have_their_foreign_key_where_they_are_written(kind: str) -> None:
    engine = create_engine("sqlite://")
    create_tables(engine, kind)
    checked = {name for name, lines in LINES.items() if inspect(engine).get_foreign_keys(lines)}
    assert checked == {one.name for one in TYPES if one.owner == kind and one.name in LINES}
    assert checked


def test_tables_that_are_there_stay_as_they_are() -> None:
    engine = create_engine("sqlite://")
    for kind in ("STORE", "HO"):
        create_tables(engine, kind)
    assert inspect(engine).get_foreign_keys("bill_line")


def test_the_lines_of_a_document_go_with_it_where_no_foreign_key_asks_for_it(world: World) -> None:
    adapter = BILL.adapter
    node = world.nodes[HEAD_OFFICE]
    for op in ("upsert", "delete"):
        written = Document("D1", "", "bill", 1, op, "S1-1", 1, "", "", "")
        other = Document("D2", "", "bill", 1, "upsert", "S1-2", 1, "", "", "")
        with node.writing("request") as connection:
            pairs = [(written, bill("S1", "S1-1"))]
            adapter.apply(connection, pairs if op == "delete" else [*pairs, (other, bill("S1", "S1-2"))])
    assert [row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)] == ["S1-2"]
    assert [row["number"] for row in world.rows(HEAD_OFFICE, retail.bill_line)] == ["S1-2"]


def test_lines_whose_document_somebody_removed_are_no_document(world: World) -> None:
    adapter = BILL.adapter
    with world.nodes[HEAD_OFFICE].writing("request") as connection:
        for number in ("S1-1", "S1-2"):
            one = Document("D1", "", "bill", 1, "upsert", number, 1, "", "", "")
            adapter.apply(connection, [(one, bill("S1", number))])
        connection.execute(retail.bill.delete().where(retail.bill.c.number == "S1-1"))
        found = adapter.gather(connection, ["S1-1", "S1-2"])
    assert list(found) == ["S1-2"]
    assert len(found["S1-2"]["lines"]) == 1
