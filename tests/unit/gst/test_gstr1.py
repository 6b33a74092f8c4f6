"""GSTR-1: every row is read, the summary decides what is asked, and a stored filed return costs nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync import money
from clientsync.outcomes import Outcome
from clientsync.spec.module import CellMemory, Filing, Section, SkipKind
from connectors.gst.outward_summary import (
    SECTIONS,
    condense,
    empty_by_count,
    read_summary,
    section_of,
    sections_in,
    unchanged_by_checksum,
)
from connectors.gst.outward_totals import totals_against_summary
from simulators.gst.portal_files import contents
from tests.golden.regenerate import load, rows_of
from tests.support.module_contract import PERIOD, asking_of, context_of, findings, read
from tests.support.statements import Unit, empties, good, gst_module, session

MODULE = gst_module("gstr1")
GOLDEN = load("gstr1")
NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
FILED = Filing("GSTR1", PERIOD, date(2026, 10, 10), NOON)


def section(name: str) -> Section:
    return MODULE.section(name)


def changed(name: str) -> Any:
    return copy.deepcopy(GOLDEN[name])


def test_the_stored_sample_is_read_to_the_stored_rows() -> None:
    assert json.loads(json.dumps(rows_of(MODULE, GOLDEN))) == load("gstr1", "expected.json")


def test_every_section_of_the_return_has_a_sample_without_a_problem() -> None:
    assert set(GOLDEN) == {"retsum", *SECTIONS}
    for one in MODULE.sections:
        assert not [record.problem for record in read(MODULE, one, GOLDEN[one.name]) if record.problem]


@pytest.mark.parametrize("name", SECTIONS)
def test_the_rows_of_a_section_add_up_to_the_summary(name: str) -> None:
    asking = asking_of(MODULE)
    asking.answers["retsum"] = GOLDEN["retsum"]
    assert list(totals_against_summary(name, read(MODULE, section(name), GOLDEN[name]), asking)) == []


def test_a_document_missing_from_its_section_is_noticed() -> None:
    asking = asking_of(MODULE)
    asking.answers["retsum"] = GOLDEN["retsum"]
    payload = changed("b2b")
    payload["b2b"][0]["inv"].pop()
    (finding,) = totals_against_summary("b2b", read(MODULE, section("b2b"), payload), asking)
    assert finding.code == "SUMMARY_DISAGREES"
    assert not finding.is_halting
    assert "number of documents" in finding.message


def test_a_summary_in_several_parts_is_not_compared() -> None:
    asking = asking_of(MODULE)
    parts = [{"sec_nm": "B2B_4A", "ttl_rec": 1}, {"sec_nm": "B2B_4B", "ttl_rec": 1}]
    asking.answers["retsum"] = {"sec_sum": parts}
    assert list(totals_against_summary("b2b", read(MODULE, section("b2b"), GOLDEN["b2b"]), asking)) == []


def test_a_document_without_a_number_is_one_problem_with_its_lines_and_no_other_row_suffers() -> None:
    payload = changed("b2b")
    broken = payload["b2b"][0]["inv"][0]
    del broken["inum"]
    before, after = read(MODULE, section("b2b"), GOLDEN["b2b"]), read(MODULE, section("b2b"), payload)
    assert len(after) == len(before)
    held = [record for record in after if record.problem]
    assert len(held) == 1 + len(broken["itms"])
    assert held[0].problem == "inum is missing"
    assert held[0].values == {"source_row": broken}
    assert len(good(after, "document")) == len(good(before, "document")) - 1


@pytest.mark.parametrize("amount", ["1.234", "a lot", True, {"value": 1}])
def test_an_amount_that_is_none_holds_the_document(amount: object) -> None:
    payload = changed("b2b")
    payload["b2b"][0]["inv"][0]["itms"][0]["itm_det"]["txval"] = amount
    assert [r.problem for r in read(MODULE, section("b2b"), payload) if r.problem]


def test_credit_notes_are_negative_and_debit_notes_are_not() -> None:
    for name in ("cdnr", "cdnur"):
        payload = changed(name)
        notes = payload[name] if name == "cdnur" else payload[name][0]["nt"]
        for kind, sign in (("C", -1), ("D", 1)):
            notes[0]["ntty"] = kind
            records = read(MODULE, section(name), payload)
            row, line = good(records, "document")[0], good(records, "item")[0]
            assert row["document_type"] == {"C": "CN", "D": "DN"}[kind]
            assert all(sign * row[column] > 0 for column in ("document_value_paise", "taxable_paise"))
            assert sign * line["taxable_paise"] > 0
            assert row["taxable_paise"] == sum(
                one["taxable_paise"]
                for one in good(records, "item")
                if one["document_number"] == row["document_number"]
            )


def test_a_note_of_no_known_type_is_held() -> None:
    payload = changed("cdnr")
    payload["cdnr"][0]["nt"][0]["ntty"] = "R"
    assert "ntty is neither C nor D" in {r.problem for r in read(MODULE, section("cdnr"), payload)}


def test_lines_without_or_with_repeated_numbers_keep_distinct_keys() -> None:
    document = {
        "inum": "A/1", "idt": "01-09-2026", "val": 3,
        "itms": [{"num": 1, "itm_det": {"rt": 5, "txval": 1}}, {"num": 1, "itm_det": {"rt": 12, "txval": 1}},
                 {"itm_det": {"rt": 18, "txval": 1}}],
    }  # fmt: skip
    records = read(MODULE, section("b2b"), {"b2b": [{"ctin": "x", "inv": [document]}]})
    assert [one["item_number"] for one in good(records, "item")] == [1, 2, 3]


def test_an_amendment_whose_rates_are_nested_gives_a_row_a_rate() -> None:
    row = {"omon": "042026", "sply_ty": "INTRA", "typ": "OE", "pos": "29",
           "itms": [{"rt": 5, "txval": 100, "camt": Decimal("2.5"), "samt": Decimal("2.5")},
                    {"rt": 18, "txval": 10}]}  # fmt: skip
    records = read(MODULE, section("b2csa"), {"b2csa": [row]})
    assert [
        (one["rate_bp"], one["taxable_paise"], one["original_period"]) for one in good(records, "b2cs")
    ] == [
        (500, 10_000, "042026"),
        (1800, 1_000, "042026"),
    ]


def test_the_hsn_summary_is_read_in_its_old_and_its_new_shape() -> None:
    old = {
        "hsn": {
            "data": [{"num": 1, "hsn_sc": "1001", "uqc": "KGS", "qty": "12.345", "val": 110, "txval": 100}]
        }
    }
    (row,) = good(read(MODULE, section("hsn"), old), "hsn")
    assert (row["part"], row["rate"], row["quantity_thousandths"], row["value_paise"]) == (
        "data",
        "",
        12345,
        11000,
    )
    assert {one["part"] for one in good(read(MODULE, section("hsn"), GOLDEN["hsn"]), "hsn")} == {
        "hsn_b2b",
        "hsn_b2c",
    }


def test_a_payload_that_holds_something_else_is_refused_and_not_taken_as_empty() -> None:
    with pytest.raises(ValueError, match="b2b is missing"):
        read(MODULE, section("b2b"), {"gstin": "x", "invoices": []})
    assert read(MODULE, section("b2b"), {"gstin": "x", "fp": "092026"}) == []


def test_another_registration_or_period_halts_the_unit() -> None:
    gstin = GOLDEN["b2b"]["gstin"]
    assert findings(MODULE, section("b2b"), GOLDEN["b2b"], gstin=gstin) == []
    assert ("IDENTITY_MISMATCH", True) in findings(MODULE, section("b2b"), GOLDEN["b2b"])
    payload = changed("retsum") | {"ret_period": "082026"}
    assert findings(MODULE, section("retsum"), payload, gstin=gstin) == [("IDENTITY_MISMATCH", True)]


def test_a_new_field_at_any_depth_is_a_warning() -> None:
    payload = changed("b2b")
    payload["b2b"][0]["inv"][0]["itms"][0]["itm_det"]["newtax"] = 1
    assert findings(MODULE, section("b2b"), payload, gstin=payload["gstin"]) == [("SCHEMA-NEW-FIELD", False)]


@pytest.mark.parametrize(
    ("name", "ours"),
    [("B2B", "b2b"), ("b2b_4a", "b2b"), ("HSN", "hsn"), ("HSN_B2C", "hsn"), ("DOC_ISSUE", "doc_issue"),
     ("DOCISS", "doc_issue"), ("TXPD", "txpd"), ("TXPDA", "txpda"), ("ECOMA_B2BA", "ecoma"), ("SUPECO_14A", "supeco"),
     ("EXP-6A", "exp"), ("TTL_LIAB", None), ("B2BX", None)],
)  # fmt: skip
def test_the_names_of_the_summary_are_ours_however_they_are_written(name: str, ours: str | None) -> None:
    assert section_of(name) == ours


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(SECTIONS), st.text("0123456789abcdef", min_size=1, max_size=64)))
def test_what_is_remembered_of_a_summary_names_its_sections_and_fits_the_ledger(told: dict[str, str]) -> None:
    text = condense(told)
    assert text is not None
    assert len(text) <= 80
    assert set(sections_in(text)) == set(told)
    assert all(condense({**told, name: told[name] + "0"}) != text for name in told)


def test_a_summary_with_an_unknown_section_proves_no_absence() -> None:
    rows = [{"sec_nm": "B2B", "ttl_rec": 0}, {"sec_nm": "NEWTABLE", "ttl_rec": 3}]
    asking = asking_of(MODULE)
    asking.answers["retsum"] = {"sec_sum": rows}
    assert read_summary({"sec_sum": rows}).unknown == ("NEWTABLE",)
    assert empty_by_count(asking, section("b2b")) is not None
    assert empty_by_count(asking, section("exp")) is None
    assert ("SCHEMA-NEW-SECTION", False) in findings(MODULE, section("retsum"), {"sec_sum": rows})


def test_amounts_without_a_count_are_records() -> None:
    told = read_summary({"sec_sum": [{"sec_nm": "NIL", "ttl_rec": 0, "ttl_expt_amt": 5, "chksum": "c"}]})
    assert told.sections["nil"].records == 1


def test_a_section_without_a_checksum_is_never_unchanged() -> None:
    asking = asking_of(MODULE)
    asking.answers["retsum"] = {"sec_sum": [{"sec_nm": "B2B", "ttl_rec": 3}]}
    asking.memory = {"b2b": CellMemory(NOON, "x", None, 3, True)}
    assert unchanged_by_checksum(asking, section("b2b")) is None


@pytest.fixture
def unit() -> Iterator[Unit]:
    yield Unit(MODULE, session(1))


def test_first_the_summary_and_what_it_counts_then_the_summary_alone_then_nothing(unit: Unit) -> None:
    first = unit.fetch(NOON)
    filled = [name for name, cell in first.items() if cell.outcome is Outcome.LOADED]
    assert unit.calls == len(filled) == 1 + len(SECTIONS) - len(empties(first))
    assert unit.calls < MODULE.naive_calls
    second = unit.fetch(NOON + timedelta(hours=1))
    assert unit.calls == 1
    assert {cell.outcome for cell in second.values()} == {Outcome.UNCHANGED, Outcome.EMPTY}
    unit.filings = (FILED,)
    third = unit.fetch(NOON + timedelta(days=1))
    assert unit.calls == 0
    assert {cell.outcome for cell in third.values()} == {Outcome.NOT_ASKED}
    assert all(cell.skip and cell.skip.kind is SkipKind.FINAL and cell.skip.reason for cell in third.values())


def test_the_showcase_client_reconciles_without_a_finding() -> None:
    cells = Unit(MODULE, session(0)).fetch(NOON)
    assert [finding for cell in cells.values() for finding in cell.findings] == []
    assert all(cell.outcome is Outcome.LOADED for cell in cells.values())


def test_a_return_read_on_the_day_of_its_filing_is_not_final(unit: Unit) -> None:
    unit.fetch(NOON)
    unit.filings = (Filing("GSTR1", PERIOD, NOON.date(), NOON),)
    unit.fetch(NOON + timedelta(days=1))
    assert unit.calls == 1


def test_a_section_that_was_not_stored_keeps_the_return_open(unit: Unit) -> None:
    unit.fetch(NOON)
    unit.filings = (FILED,)
    lost = unit.memory.pop("b2b")
    cells = unit.fetch(NOON + timedelta(days=1))
    assert unit.session.calls == {"gstr1.retsum": 1, "gstr1.b2b": 1}
    assert cells["b2b"].outcome is Outcome.LOADED
    unit.memory["b2b"] = CellMemory(lost.asked_at, lost.checksum, "another", lost.rows, True)
    unit.fetch(NOON + timedelta(days=2))
    assert unit.session.calls["gstr1.retsum"] == 1


def test_the_iff_of_a_quarterly_filer_is_final_too(unit: Unit) -> None:
    unit.fetch(NOON)
    unit.filings = (Filing("IFF", PERIOD, date(2026, 10, 12), NOON),)
    unit.fetch(NOON + timedelta(days=1))
    assert unit.calls == 0


def test_an_uncertain_emptiness_is_no_proof(unit: Unit) -> None:
    unit.filings = (FILED,)
    unit.memory = {"retsum": CellMemory(NOON, None, None, 0, True, uncertain_empty=True)}
    unit.fetch(NOON + timedelta(days=1))
    assert unit.calls > 1


def test_a_downloaded_file_is_recognised_and_split_and_a_file_about_purchases_is_not() -> None:
    direct = session(0)
    files = contents(direct.portal, direct.client, PERIOD.year * 12 + PERIOD.month - 1)
    hand = MODULE.files
    assert hand is not None
    payload = money.loads(files["GSTR1"])
    assert hand.recognise(payload) == "GSTR-1"
    assert hand.identity(payload) == (direct.client.gstin, str(PERIOD))
    parts = dict(hand.split(payload))
    assert set(parts) == set(SECTIONS)
    for name, part in parts.items():
        assert findings(MODULE, section(name), part, gstin=direct.client.gstin) == []
        assert all(record.problem is None for record in section(name).parse(part, context_of(MODULE, name)))
    for other in set(files) - {"GSTR1"}:
        assert hand.recognise(money.loads(files[other])) is None
    refused: tuple[Any, ...] = ([], "x", None, {"gstin": "x"})
    for strange in refused:
        assert hand.recognise(strange) is None
