"""The two forms of a batch's body: both hold the same, and a receiver gets the one that it reads."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.exchange import syncing
from clientsync.exchange import tables as t
from clientsync.exchange.capturing import record
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.documents import OPS, Control, Document, canonical, digest
from clientsync.exchange.envelopes import MAX_DOCUMENTS, Body, EnvelopeBroken, Signer, body_of, opened, sealed
from clientsync.exchange.freezing import LARGEST_FIGURE
from clientsync.exchange.handshakes import minor_of
from connectors.retail import tables as retail
from tests.support.exchange_world import World, bill

SIGNER = Signer.new()
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
FIGURES = st.integers(-LARGEST_FIGURE, LARGEST_FIGURE)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = canonical(draw(st.dictionaries(WORDS, WORDS | st.integers(-(2**53), 2**53), max_size=4)))
    return Document(
        draw(WORDS), draw(WORDS), draw(WORDS), draw(st.integers(0, 9)), draw(st.sampled_from(OPS)), draw(WORDS),
        draw(st.integers(0, 2**53)), draw(WORDS), text, digest(text),
        tuple(draw(st.lists(st.tuples(WORDS, WORDS), max_size=3))),
        Control(*draw(st.tuples(FIGURES, FIGURES, FIGURES, FIGURES))),
    )  # fmt: skip


def read_back(batch: list[Document], body: Body) -> list[Document]:
    """Return the documents of a signed batch as its receiver opens them."""
    signed = sealed(
        SIGNER, sender="S1", receiver="HO", epoch=1, seq=1, prev_hash="", documents=batch,
        before=[0] * len(batch), body=body, about={},
    )  # fmt: skip
    return opened(signed, body.stored, "", SIGNER.public).documents


@given(st.lists(documents(), max_size=6))
def test_both_forms_of_a_body_give_back_the_documents(batch: list[Document]) -> None:
    for minor in (0, 1):
        assert read_back(batch, body_of(batch, minor)) == batch


@given(st.lists(documents(), max_size=6))
def test_a_body_is_unpacked_by_any_zlib_to_the_size_that_it_says(batch: list[Document]) -> None:
    for minor in (0, 1):
        body = body_of(batch, minor)
        assert len(zlib.decompress(body.stored)) == body.raw_bytes


@pytest.mark.parametrize("figure", [LARGEST_FIGURE, -LARGEST_FIGURE])
def test_the_totals_of_a_full_batch_of_the_largest_figures_can_be_written(figure: int) -> None:
    one = Document("D", "", "bill", 1, "upsert", "1", 1, "", "{}", digest("{}"), (), Control(*[figure] * 4))
    batch = [one] * MAX_DOCUMENTS
    assert len(read_back(batch, body_of(batch))) == MAX_DOCUMENTS


def test_bills_whose_figures_are_out_of_bounds_keep_no_other_one_back(world: World) -> None:
    node = world.nodes["S1"]
    for number in ("S1-1", "S1-2"):
        with node.writing("request") as connection:
            record(node, connection, "bill", number, bill("S1", number, net=2**62))
    world.bill("S1", "S1-3")
    world.rounds(1)
    assert set(world.inbox(HEAD_OFFICE)) == {"S1-3"}
    assert {row["state"] for row in world.rows("S1", t.outbox)} == {"ASIDE"}


def test_the_form_in_columns_is_the_smaller_one() -> None:
    text = canonical({"lines": [{"item_code": f"I{one}", "net": one} for one in range(20)]})
    batch = [
        Document(f"D{one}", "", "bill", 1, "upsert", str(one), 1, "", text, digest(text))
        for one in range(100)
    ]
    assert body_of(batch, 1).raw_bytes < body_of(batch, 0).raw_bytes


def test_a_text_with_a_line_feed_of_its_own_travels_in_the_other_form() -> None:
    text = '{\n"a":1}'
    batch = [Document("D1", "", "bill", 1, "upsert", "1", 1, "", text, digest(text))]
    body = body_of(batch, 1)
    assert body.encoding == body_of(batch, 0).encoding
    assert read_back(batch, body) == batch


BILL = Document("D1", "", "bill", 1, "upsert", "1", 1, "", "{}", digest("{}"))


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]\n{}",
        "[[]]\n{}",
        "{}\n{}",
        json.dumps([["D1"]] * 10) + "\n{}",
        json.dumps([["D1"], [""], ["bill"], [1], ["upsert"], ["1"], [1], [""], [[]], [[0, 0, 0, 0]], ["x"]])
        + "\n{}",
        json.dumps([["D1"], [""], ["bill"], [1], ["upsert"], ["1"], [1], [""], [[]], [[0]], [digest("{}")]])
        + "\n{}\n{}",
        json.dumps([["D1"], [""], ["bill"], [1], ["upsert"], ["1"], [True], [""], [[]], [[]], [digest("{}")]])
        + "\n{}",
    ],
    ids=str,
)
def test_a_signed_body_in_columns_of_another_form_is_a_broken_batch(raw: str) -> None:
    body = Body(zlib.compress(raw.encode()), len(raw.encode()), body_of([BILL], 1).encoding)
    with pytest.raises(EnvelopeBroken) as caught:
        read_back([BILL], body)
    assert caught.value.code == "FORM"


def test_an_encoding_that_this_software_does_not_know_is_told_as_such() -> None:
    body = body_of([BILL])._replace(encoding="brotli")
    with pytest.raises(EnvelopeBroken, match="unknown encoding 'brotli'"):
        read_back([BILL], body)


@pytest.mark.parametrize(
    ("said", "minor"), [([1, 0], 0), ([1, 1], 1), ([1, 7], 1), ([1], 0), ([1, -3], 0), ([1, 1, 5], 1)]
)
def test_what_both_read_is_the_lower_of_the_minor_versions(said: list[int], minor: int) -> None:
    assert minor_of({"protocol": said}) == minor


def encodings(world: World, name: str) -> list[str]:
    return [json.loads(row["header"])["encoding"] for row in world.rows(name, t.batch_out)]


def test_a_peer_that_was_never_heard_of_gets_the_form_that_all_read(tmp_path: Path) -> None:
    world = World(tmp_path, stores=1)
    world.item("I1")
    world.sync(HEAD_OFFICE)
    world.rounds()
    world.item("I2")
    world.rounds()
    assert encodings(world, HEAD_OFFICE) == ["zlib", "zlib, columns"]
    assert [row["item_code"] for row in world.rows("S1", retail.item)] == ["I1", "I2"]
    world.close()


def test_a_peer_of_an_older_minor_version_gets_the_form_that_it_reads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(syncing, "PROTOCOL", (1, 0))
        world.sync("S1")
    world.sync(HEAD_OFFICE)
    world.item("I2")
    world.sync(HEAD_OFFICE)
    newest = {row["peer"]: json.loads(row["header"]) for row in world.rows(HEAD_OFFICE, t.batch_out)}
    assert {peer: header["encoding"] for peer, header in newest.items()} == {
        "S1": "zlib",
        "S2": "zlib, columns",
    }
    world.rounds()
    for store in world.stores:
        assert [row["item_code"] for row in world.rows(store, retail.item)] == ["I1", "I2"]


def test_stores_that_read_the_same_form_share_the_body_of_the_same_documents(world: World) -> None:
    before = len(world.rows(HEAD_OFFICE, t.body))
    world.item("I2")
    world.sync(HEAD_OFFICE)
    assert len({row["body_sha"] for row in world.rows(HEAD_OFFICE, t.batch_out) if row["seq"] == 2}) == 1
    assert len(world.rows(HEAD_OFFICE, t.body)) == before + 1


def test_batches_of_both_forms_follow_each_other_in_one_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, own in enumerate([(1, 1), (1, 0), (1, 1)], start=1):
        with monkeypatch.context() as changed:
            changed.setattr(syncing, "PROTOCOL", own)
            world.sync(HEAD_OFFICE)
        world.bill("S1", f"S1-{number}")
        world.sync("S1")
    world.sync(HEAD_OFFICE)
    assert encodings(world, "S1") == ["zlib, columns", "zlib", "zlib, columns"]
    assert [row["state"] for row in world.arrived(HEAD_OFFICE)] == ["APPLIED"] * 3
