"""GSTR-2A: eleven sections with mixed notations, the supplier's state on each document, final after the time bar."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from clientsync import money
from clientsync.outcomes import Outcome
from clientsync.periods import Period
from clientsync.spec.module import Deletes, Filing, SkipKind
from connectors.gst.gstr2a import PAYLOAD_KEYS, time_bar
from simulators.gst.portal_files import contents
from tests.golden.regenerate import load, rows_of
from tests.support.module_contract import PERIOD, context_of, findings, read
from tests.support.statements import Unit, good, gst_module, session

MODULE = gst_module("gstr2a")
GOLDEN = load("gstr2a")
NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def changed(name: str) -> Any:
    return copy.deepcopy(GOLDEN[name])


def rows(name: str, payload: Any, table: str) -> list[dict[str, Any]]:
    return good(read(MODULE, MODULE.section(name), payload), table)


def test_the_stored_sample_is_read_to_the_stored_rows() -> None:
    assert json.loads(json.dumps(rows_of(MODULE, GOLDEN))) == load("gstr2a", "expected.json")


def test_every_section_has_a_sample_without_a_problem() -> None:
    assert set(GOLDEN) == set(PAYLOAD_KEYS) == {one.name for one in MODULE.sections}
    for section in MODULE.sections:
        records = read(MODULE, section, GOLDEN[section.name])
        assert records
        assert [one.problem for one in records if one.problem] == []
        assert findings(MODULE, section, GOLDEN[section.name], gstin=GOLDEN["b2b"]["gstin"]) == []


def test_the_suppliers_state_and_three_notations_of_dates_are_read() -> None:
    payload = changed("b2b")
    supplier = payload["b2b"][0]
    supplier |= {
        "cfs": "Y",
        "cfs3b": "N",
        "dtcancel": "27-Aug-19",
        "fldtr1": "18-Nov-19",
        "flprdr1": "Nov-19",
    }
    supplier["inv"][0] |= {
        "aspd": "Dec-18",
        "atyp": "N",
        "idt": "01-09-2026",
        "diff_percent": Decimal("0.65"),
    }
    row = rows("b2b", payload, "document")[0]
    assert (row["is_supplier_filed"], row["is_supplier_3b_filed"]) == (True, False)
    assert (row["supplier_cancelled_on"], row["supplier_filed_on"]) == (date(2019, 8, 27), date(2019, 11, 18))
    assert (row["supplier_period"], row["amended_period"], row["amendment_type"]) == ("112019", "122018", "N")
    assert (row["document_on"], row["document_year"]) == (date(2026, 9, 1), "2026-27")
    assert row["differential_rate"] == "0.65"


def test_the_number_of_a_bill_of_entry_is_text_without_a_decimal_point() -> None:
    numbers = {
        row["document_number"] for name in ("impg", "impgsez") for row in rows(name, GOLDEN[name], "import")
    }
    assert all(number.isdigit() for number in numbers)
    payload = changed("impg")
    del payload["impg"][0]["benum"]
    assert [one.problem for one in read(MODULE, MODULE.section("impg"), payload) if one.problem] == [
        "benum is missing"
    ]


def test_two_equal_bills_are_two_rows() -> None:
    payload = changed("impg")
    payload["impg"] = [payload["impg"][0], dict(payload["impg"][0])]
    assert [row["occurrence"] for row in rows("impg", payload, "import")] == [1, 2]


def test_credit_notes_are_negative_with_their_lines() -> None:
    records = read(MODULE, MODULE.section("cdna"), GOLDEN["cdna"])
    for row in good(records, "document"):
        assert (row["taxable_paise"] < 0) == (row["document_type"] == "CN")
    isd = {row["document_type"]: row for row in rows("isd", GOLDEN["isd"], "isd")}
    for kind, sign in (("ISD", 1), ("ISDCN", -1)):
        assert sign * sum(isd[kind][f"{head}_paise"] for head in ("igst", "cgst", "sgst", "cess")) > 0


def test_documents_add_up_to_their_lines() -> None:
    records = read(MODULE, MODULE.section("b2b"), GOLDEN["b2b"])
    for column in ("taxable_paise", "igst_paise", "cgst_paise", "sgst_paise", "cess_paise"):
        assert sum(one[column] for one in good(records, "document")) == sum(
            one[column] for one in good(records, "item")
        )


def test_collected_tax_is_found_under_the_name_that_the_portal_uses() -> None:
    assert "tcs_data" in GOLDEN["tcs"]
    (row,) = rows("tcs", GOLDEN["tcs"], "tcs")
    assert row["igst_rate_bp"] == 100
    assert rows("tcs", {"tcs": GOLDEN["tcs"]["tcs_data"]}, "tcs") == [row]


def test_a_bad_document_is_held_with_its_lines_and_no_other_suffers() -> None:
    payload = changed("b2b")
    payload["b2b"][0]["inv"][0]["idt"] = "31-02-2026"
    before = read(MODULE, MODULE.section("b2b"), GOLDEN["b2b"])
    after = read(MODULE, MODULE.section("b2b"), payload)
    assert len(after) == len(before)
    assert {one.problem for one in after if one.problem} == {
        "idt is not a date",
        "its document: idt is not a date",
    }
    assert len(good(after, "document")) == len(good(before, "document")) - 1


def test_another_taxpayer_halts_and_a_new_field_warns() -> None:
    section = MODULE.section("b2b")
    assert findings(MODULE, section, GOLDEN["b2b"]) == [("IDENTITY_MISMATCH", True)]
    payload = changed("b2b")
    payload["b2b"][0]["gradeofsupplier"] = "A"
    assert findings(MODULE, section, payload, gstin=payload["gstin"]) == [("SCHEMA-NEW-FIELD", False)]


def test_rows_that_vanish_become_tombstones_within_their_section() -> None:
    for table in MODULE.tables:
        assert table.deletes is Deletes.TOMBSTONE
        assert table.scope == ("period", "section")


@pytest.mark.parametrize(
    ("period", "annual", "bar"),
    [(Period(2025, 3), None, date(2025, 11, 30)), (Period(2025, 4), None, date(2026, 11, 30)),
     (Period(2025, 4), date(2026, 9, 1), date(2026, 9, 1)), (Period(2025, 4), date(2026, 12, 20), date(2026, 11, 30))],
)  # fmt: skip
def test_credit_can_be_claimed_until_november_after_the_year_or_the_annual_return(
    period: Period, annual: date | None, bar: date
) -> None:
    assert time_bar(period, annual) == bar


def test_eleven_calls_as_long_as_credit_can_be_claimed_and_after_it_what_goes_to_the_cash_ledger() -> None:
    unit = Unit(MODULE, session(0))
    first = unit.fetch(NOON)
    assert unit.calls == len(MODULE.sections) == MODULE.naive_calls
    assert all(cell.outcome is Outcome.LOADED for cell in first.values())
    again = unit.fetch(NOON + timedelta(hours=1))
    assert unit.calls == 11
    assert {cell.outcome for cell in again.values()} == {Outcome.UNCHANGED}
    after_bar = datetime(2027, 12, 1, 6, tzinfo=UTC)
    unit.fetch(after_bar)
    assert unit.calls == 11
    final = unit.fetch(after_bar + timedelta(days=1))
    assert unit.calls == 2
    assert {name for name, cell in final.items() if cell.skip is None} == {"tds", "tcs"}
    assert {cell.skip.kind for cell in final.values() if cell.skip} == {SkipKind.FINAL}


def test_the_annual_return_ends_it_earlier_and_only_for_its_year() -> None:
    unit = Unit(MODULE, session(0))
    unit.fetch(NOON)
    unit.filings = (Filing("GSTR9", Period(2026, 3), date(2026, 11, 1), NOON),)
    unit.fetch(NOON + timedelta(days=1))
    assert unit.calls == 11
    unit.filings = (Filing("GSTR9", Period(2027, 3), date(2026, 11, 1), NOON),)
    unit.fetch(NOON + timedelta(days=2))
    assert unit.calls == 2


def test_a_downloaded_file_is_recognised_and_split() -> None:
    direct = session(0)
    files = contents(direct.portal, direct.client, PERIOD.year * 12 + PERIOD.month - 1)
    hand = MODULE.files
    assert hand is not None
    payload = money.loads(files["GSTR2A"])
    assert hand.recognise(payload) == "GSTR-2A"
    assert hand.identity(payload) == (direct.client.gstin, str(PERIOD))
    parts = dict(hand.split(payload))
    assert set(parts) == set(PAYLOAD_KEYS)
    for name, part in parts.items():
        found = list(MODULE.section(name).parse(part, context_of(MODULE, name)))
        assert found
        assert all(record.problem is None for record in found)
    assert {name for name in files if hand.recognise(money.loads(files[name]))} == {"GSTR2A"}


def test_a_file_with_invoices_alone_is_told_from_gstr1_by_the_suppliers_state() -> None:
    hand, sales = MODULE.files, gst_module("gstr1").files
    assert hand is not None
    assert sales is not None
    purchases = {"gstin": "x", "fp": "092026", "b2b": [{"ctin": "y", "cfs": "Y", "cfs3b": "Y", "inv": []}]}
    assert hand.recognise(purchases) == "GSTR-2A"
    assert sales.recognise(purchases) is None
    sold = {"gstin": "x", "fp": "092026", "b2b": [{"ctin": "y", "inv": []}]}
    assert hand.recognise(sold) is None
    assert sales.recognise(sold) == "GSTR-1"
