"""GSTR-2B: signs, rejections, reversals, pages, and a proof of its own that nothing may disturb unnoticed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.money import loads
from clientsync.periods import Period
from clientsync.spec.module import Context, Filing, Record
from connectors.gst import gstr2b
from simulators.gst.files import paged
from tests.golden import regenerate
from tests.support.direct_portal import as_json, small_portal
from tests.support.module_contract import PERIOD, TODAY, asking_of, context_of, findings

SECTION = gstr2b.MODULE.sections[0]
GENERATIONS = {"gstr2b": PERIOD, "gstr2b_2024": regenerate.OLD_2B}


def statement(name: str = "gstr2b") -> Any:
    """Return the stored statement of a generation."""
    return regenerate.load(name)["2b"]


def read(payload: Any) -> list[Record]:
    """Return its records."""
    return list(gstr2b.parse(copy.deepcopy(payload), context_of(gstr2b.MODULE, "2b")))


def of(records: list[Record], table: str) -> list[dict[str, Any]]:
    """Return the values of a table's records."""
    return [one.values for one in records if one.table == f"gst__gstr2b_{table}" and one.problem is None]


def documents_in(payload: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (status, section, document) of every invoice and note, read independently of the parser."""
    for name, status in (("docdata", "accepted"), ("docRejdata", "rejected")):
        held = payload["data"].get(name, {})
        for section in ("b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma"):
            for supplier in held.get(section, []):
                for one in supplier.get("inv", supplier.get("nt", [])):
                    yield status, section, one
        for block in held.get("itcrev", []):
            for section, suppliers in block.items():
                for supplier in suppliers:
                    for one in supplier.get("inv", supplier.get("nt", [])):
                        yield "reversal", section, one


def codes(payload: Any, gstin: str = "", period: Period = PERIOD) -> set[tuple[str, bool]]:
    """Return what the integrity functions say of a statement."""
    records = read(payload)
    context = Context(gstin or payload["data"]["gstin"], period, str(period), "2b", TODAY)
    return {
        (one.code, one.is_halting) for rule in SECTION.integrity for one in rule(payload, records, context)
    }


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_document_becomes_one_row_and_every_item_one(name: str) -> None:
    payload, records = statement(name), read(statement(name))
    expected = list(documents_in(payload))
    assert len(of(records, "document")) == len(expected)
    assert len(of(records, "item")) == sum(len(one.get("items", [])) for _, _, one in expected)
    statuses = [one["status"] for one in of(records, "document")]
    assert sorted(statuses) == sorted(status for status, _, _ in expected)


@pytest.mark.parametrize("name", GENERATIONS)
def test_both_generations_add_up_to_their_own_summaries(name: str) -> None:
    assert codes(statement(name), period=GENERATIONS[name]) == set()


@pytest.mark.parametrize("name", GENERATIONS)
def test_credit_notes_are_negative_and_all_else_positive(name: str) -> None:
    for one in of(read(statement(name)), "document"):
        taxes = [one[f"{head}_paise"] for head in gstr2b.HEADS]
        if one["document_type"] == "CN":
            assert one["document_value_paise"] < 0
            assert max(taxes) <= 0
        else:
            assert one["document_value_paise"] > 0
            assert min(taxes) >= 0


def test_the_sum_of_all_taxes_is_that_of_the_summary_with_signs() -> None:
    payload = statement()
    groups = payload["data"]["itcsumm"]["itcavl"]
    credit = sum(Decimal(str(groups[name]["igst"])) for name in ("nonrevsup", "revsup", "isdsup", "imports"))
    expected = credit - Decimal(str(groups["othersup"]["igst"]))
    records = read(payload)
    rows = [
        *(one for one in of(records, "document") if one["itc_availability"] == "Y"),
        *of(records, "isd"),
        *of(records, "import"),
    ]
    total = sum(one["igst_paise"] for one in rows if one["status"] == "accepted")
    assert total == int(expected * 100)


def test_reversal_rows_carry_no_taxes_and_say_so() -> None:
    rows = of(read(statement()), "document")
    reversals = [one for one in rows if one["status"] == "reversal"]
    assert reversals
    assert not any(one["has_taxes"] for one in reversals)
    assert all(one["has_taxes"] for one in rows if one["status"] != "reversal")


@pytest.mark.parametrize("head", ["igst", "cgst", "sgst", "cess", "txval"])
def test_one_paisa_more_in_a_document_halts_the_statement_or_stays_without_tax(head: str) -> None:
    payload = statement()
    one = payload["data"]["docdata"]["b2b"][0]["inv"][0]
    one[head] = Decimal(str(one[head])) + Decimal("0.01")
    expected = set() if head == "txval" else {("TOTALS_DISAGREE", True)}
    assert codes(payload) == expected


def test_a_missing_document_halts_the_statement() -> None:
    payload = statement()
    payload["data"]["docdata"]["b2b"].pop()
    assert codes(payload) == {("TOTALS_DISAGREE", True)}


def test_another_registration_or_period_halts_the_statement() -> None:
    payload = statement()
    assert ("IDENTITY_MISMATCH", True) in codes(payload, gstin="27AAPFU0939F1ZV")
    assert ("IDENTITY_MISMATCH", True) in codes(payload, period=Period(2026, 8))


def test_a_new_entry_of_the_summary_does_not_refuse_the_statement() -> None:
    payload = statement()
    whole = len(read(payload))
    payload["data"]["itcsumm"]["itcavl"]["newGroup"] = "soon"
    payload["data"]["cpsumm"]["newSection"] = "soon"
    assert len(read(payload)) == whole
    assert codes(payload) == {("SCHEMA-NEW-FIELD", False)}


def test_pages_join_to_what_one_answer_would_have_been() -> None:
    portal = small_portal(TODAY, clients=2, documents=40)
    client = portal.country.clients[0]
    whole = portal.inward.two_b(client, 2026 * 12 + 9)
    first = loads(as_json(paged(whole, 10, "")))
    wanted = gstr2b.pages(first)
    assert len(wanted) > 2
    rest = [loads(as_json(paged(whole, 10, one["file_num"]))) for one in wanted]
    joined = read(gstr2b.merge([first, *rest]))
    single = read(loads(as_json(whole)))

    def without_header(records: list[Record]) -> list[str]:
        return sorted(f"{one.table} {one.values}" for one in records if "statement" not in one.table)

    assert without_header(joined) == without_header(single)
    assert gstr2b.pages(loads(as_json(whole))) == []


@given(order=st.permutations(range(6)), sections=st.permutations(["b2b", "cdnr", "isd", "impg", "ecom"]))
@settings(max_examples=20, deadline=None)
def test_the_order_of_sections_and_suppliers_changes_no_row(order: list[int], sections: list[str]) -> None:
    payload = statement()
    before = sorted(f"{one.table} {one.values}" for one in read(payload))
    held = payload["data"]["docdata"]
    suppliers = held["b2b"]
    held["b2b"] = [suppliers[place] for place in order if place < len(suppliers)] + suppliers[len(order) :]
    payload["data"]["docdata"] = {
        **{name: held[name] for name in sections if name in held},
        **{name: rows for name, rows in held.items() if name not in sections},
    }
    assert sorted(f"{one.table} {one.values}" for one in read(payload)) == before


def test_it_is_not_before_the_fourteenth_and_not_for_the_first_months_of_a_quarter() -> None:
    assert gstr2b.MODULE.not_before is not None
    assert gstr2b.MODULE.not_before(Period(2026, 12)) == date(2027, 1, 14)
    quarterly = asking_of(gstr2b.MODULE, frequency="Q", period=Period(2026, 10))
    assert gstr2b.not_applicable(quarterly)
    assert not gstr2b.not_applicable(asking_of(gstr2b.MODULE, frequency="Q", period=Period(2026, 9)))
    assert not gstr2b.not_applicable(asking_of(gstr2b.MODULE, period=Period(2026, 10)))


def test_a_month_with_a_filed_gstr3b_has_a_statement_whatever_the_master_says() -> None:
    month = Period(2026, 10)
    filing = Filing("GSTR3B", month, date(2026, 11, 20), datetime(2026, 11, 21, tzinfo=UTC))
    assert not gstr2b.not_applicable(
        replace(asking_of(gstr2b.MODULE, frequency="Q", period=month), filings=(filing,))
    )
    other = replace(filing, period=Period(2026, 9))
    assert gstr2b.not_applicable(
        replace(asking_of(gstr2b.MODULE, frequency="Q", period=month), filings=(other,))
    )


def test_the_portals_checksum_stands_for_the_statement() -> None:
    payload = statement()
    assert gstr2b.checksum(payload) == payload["chksum"]
    assert findings(gstr2b.MODULE, SECTION, payload, gstin=payload["data"]["gstin"]) == []
