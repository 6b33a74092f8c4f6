"""Promises of imported TDS files: each kind is recognised, belongs to the client with its TAN, and loses no line."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from clientsync.database import reading, writing
from clientsync.errors import InvalidPeriod
from clientsync.imports import FileResult, import_paths
from clientsync.ledger.tables import SyncClient, SyncQuarantine
from clientsync.periods import Quarter
from clientsync.spec.module import Context, TableSpec
from clientsync.sync.services import Services
from clientsync.warehouse.schema import target_metadata, warehouse_table
from connectors.tds import receipts, statements
from tests.support.engine import add_clients, fake_services
from tests.support.tds_statements import (
    Challan,
    Deduction,
    Statement,
    changed,
    file_bytes,
    lines_of,
    pan_of,
    statement,
    tan_of,
)
from validations import validate

TABLES = {table.name: table for table in (*statements.MODULE.tables, *receipts.MODULE.tables)}
IDENTITY = tan_of(1)

RECEIPT = """\
INCOME TAX DEPARTMENT
Challan Receipt

ITNS No. : 281
TAN : {tan}
Name : MADE-UP DEDUCTOR
Assessment Year : 2026-27
Financial Year : 2025-26
Major Head : Corporation Tax (0020)
Minor Head : TDS/TCS Payable by Taxpayer (200)
Nature of Payment : 94C
Amount (in Rs.) : ₹ 1,23,456
Amount (in words) : Rupees One Lakh Twenty Three Thousand Four Hundred And Fifty Six Only
CIN : 25110700000123ABCD
Mode of Payment : Net Banking
Bank Name : Made-up Bank
Bank Reference Number : K0001
Date of Deposit : 07-Nov-2025
BSR code : {bsr}
Challan No : {serial}
Tender Date : 07/11/2025

Tax Breakup Details (Amount In ₹)
A Tax ₹ 1,20,000
B Surcharge ₹ 0
C Cess ₹ 0
D Interest ₹ 3,000
E Penalty ₹ 0
F Fee under section 234E ₹ 456
Total (A+B+C+D+E+F) ₹ 1,23,456
"""
REGISTER = f"""\
TAN,Certificate Number,Year,PAN,Name,Code,Rate,Limit,Valid From,Valid To,Issued On,Cancelled On
{IDENTITY},1111AA111A,2025-26,{pan_of(1)},Made-up payee,194C,0.5000,"4,60,800.00",01-04-2025,31/03/2026,2025-03-20,
,9AA9999TDP9A999,TY 2026-27,{pan_of(2)},Other payee,1027,1,100000,01-Apr-2026,31-Mar-2027,,15-Sep-2026
"""


def receipt(serial: str = "12345", bsr: str = "510001", tan: str = IDENTITY) -> bytes:
    return RECEIPT.format(tan=tan, serial=serial, bsr=bsr).encode()


def pdf_of(text: str) -> bytes:
    """Return a PDF of one page with these lines, in a standard font."""
    shown = "".join(
        f"({line.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}) Tj T*\n"
        for line in text.splitlines()
    )
    stream = f"BT /F1 10 Tf 12 TL 40 800 Td\n{shown}ET".encode("latin-1")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        body
        + b"xref\n0 6\n0000000000 65535 f \n%strailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
        % (
            table,
            len(body),
        )
    )


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with fake_services(tmp_path, monkeypatch, connector_index="tests.support.tds_statements:INDEX") as opened:
        with writing(opened.engine) as connection:
            target_metadata(list(TABLES.values())).create_all(connection)
        add_clients(opened, ["A", "B", "C"])
        clients: Any = SyncClient.__table__  # type: ignore[attr-defined]
        with writing(opened.engine) as connection:
            for number, client_id in enumerate(("A", "B"), start=1):
                connection.execute(
                    update(clients).where(clients.c.client_id == client_id).values(tan=tan_of(number))
                )
        opened.validator = validate
        yield opened


def put(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path


def bring(services: Services, folder: Path, *files: tuple[str, bytes], **more: Any) -> list[FileResult]:
    """Import files of these names and contents."""
    return import_paths(services, [put(folder, name, data) for name, data in files], **more)


def stored(services: Services, name: str) -> list[dict[str, Any]]:
    table: TableSpec = TABLES[name]
    core = warehouse_table(table).core
    with reading(services.engine) as connection:
        rows = connection.execute(select(core).where(core.c.removed_at.is_(None))).mappings().all()
    return [dict(row) for row in rows]


def held(services: Services) -> list[str]:
    quarantine: Any = SyncQuarantine.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        return [row[0] for row in connection.execute(select(quarantine.c.reason))]


def test_a_statement_goes_to_the_client_with_its_tan_and_the_quarter_it_names(
    services: Services, tmp_path: Path
) -> None:
    [result] = bring(services, tmp_path / "in", ("any.txt", statement(form="140")))
    assert (result.client_id, result.period, result.label, result.outcome) == (
        "A",
        "2026-27-Q1",
        "Form 140 statement",
        "loaded",
    )
    assert (result.rows_loaded, result.rows_quarantined) == (3, 0)
    [header] = stored(services, "tds__statement_file")
    assert (header["client_id"], header["section"], header["tan"]) == ("A", "26Q", IDENTITY)


def test_statements_of_both_acts_and_several_forms_go_in_together(services: Services, tmp_path: Path) -> None:
    results = bring(
        services,
        tmp_path / "in",
        ("1.txt", statement(form="140")),
        ("2.txt", statement(form="144")),
        ("3.txt", statement(form="26Q", quarter=Quarter(2025, 4))),
        ("4.txt", statement(form="140", tan=tan_of(2))),
    )
    assert [result.outcome for result in results] == ["loaded"] * 4
    assert results[1].reason == "part of 1.txt"
    assert [result.client_id for result in results] == ["A", "A", "A", "B"]
    assert len(stored(services, "tds__statement_file")) == 4


def test_a_statement_in_an_archive_and_one_imported_again(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("returns/26Q.txt", statement(form="140"))
        archive.writestr("returns/readme.txt", "nothing")
    first = import_paths(services, [path])
    assert {result.outcome for result in first} == {"loaded", "refused"}
    again = import_paths(services, [path])
    assert {result.outcome for result in again} == {"unchanged", "refused"}


def test_a_newer_file_of_the_same_form_and_quarter_replaces_the_one_before(
    services: Services, tmp_path: Path
) -> None:
    two = (Challan(serial="1"), Challan(serial="2"))
    bring(services, tmp_path / "in", ("1.txt", statement(challans=two)))
    bring(services, tmp_path / "in", ("2.txt", statement(challans=two[:1])), release_reason="refiled")
    assert [row["serial"] for row in stored(services, "tds__file_challan")] == ["00001"]


def test_a_broken_line_is_held_and_the_others_go_in(services: Services, tmp_path: Path) -> None:
    lines = lines_of(Statement(challans=(Challan(deductions=(Deduction(),) * 5),)))
    broken = [*lines[:-1], lines[-1] + "^"]
    [result] = bring(services, tmp_path / "in", ("a.txt", file_bytes(broken)))
    assert (result.rows_loaded, result.rows_quarantined) == (6, 1)
    assert held(services) == ["line 8: the DD record has 46 fields, which Form 140 does not allow"]


def test_a_file_whose_totals_disagree_is_held_whole_until_a_person_releases_it(
    services: Services, tmp_path: Path
) -> None:
    lines = changed(lines_of(Statement()), "BH", 47, "1.00")
    [result] = bring(services, tmp_path / "in", ("a.txt", file_bytes(lines)))
    assert (result.outcome, result.rows_loaded, result.rows_quarantined) == ("suspect", 0, 3)
    assert "sum of the challans" in result.reason
    assert "--release" in result.reason
    [result] = bring(
        services, tmp_path / "in", ("a.txt", file_bytes(lines)), release_reason="checked by hand"
    )
    assert (result.rows_loaded, result.rows_quarantined) == (3, 0)


def test_a_file_of_nobodys_tan_is_refused_without_showing_it(services: Services, tmp_path: Path) -> None:
    [result] = bring(services, tmp_path / "in", ("a.txt", statement(tan=tan_of(9))))
    assert result.outcome == "refused"
    assert "no client has the TAN of this file" in result.reason
    assert "0009" not in result.reason
    [result] = bring(services, tmp_path / "in", ("a.txt", statement(tan=tan_of(2))), client="A")
    assert result.reason == "it belongs to client B, not to A."


def test_a_person_cannot_force_a_file_on_another_client(services: Services, tmp_path: Path) -> None:
    [result] = bring(services, tmp_path / "in", ("a.txt", statement(tan=tan_of(9))), client="A")
    assert (result.outcome, result.rows_loaded) == ("suspect", 0)
    assert stored(services, "tds__file_deductee") == []


def test_the_quarter_can_be_said_for_a_file_that_names_none(services: Services, tmp_path: Path) -> None:
    lines = changed(lines_of(Statement()), "BH", 18, "")
    [result] = bring(services, tmp_path / "in", ("a.txt", file_bytes(lines)))
    assert "--period 2025-26-Q4" in result.reason
    [result] = bring(services, tmp_path / "in", ("a.txt", file_bytes(lines)), period="2026-27-Q1")
    assert result.period == "2026-27-Q1"
    assert result.outcome == "suspect"
    with pytest.raises(InvalidPeriod):
        bring(services, tmp_path / "in", ("a.txt", file_bytes(lines)), period="2026-27-Q5")


def test_bytes_that_no_module_reads_keep_their_reason(services: Services, tmp_path: Path) -> None:
    results = bring(
        services, tmp_path / "in", ("a.txt", b"some notes"), ("b.html", b"<html>x</html>"), ("c.json", b"7")
    )
    assert ["not JSON" in results[0].reason, "web page" in results[1].reason] == [True, True]
    assert "without any data" in results[2].reason


def test_several_receipts_of_a_client_make_one_unit_and_stay(services: Services, tmp_path: Path) -> None:
    results = bring(services, tmp_path / "in", ("1.txt", receipt("1")), ("2.txt", receipt("2")))
    assert [result.outcome for result in results] == ["loaded", "loaded"]
    bring(services, tmp_path / "in", ("3.txt", receipt("3")))
    rows = stored(services, "tds__challan_receipt")
    assert {row["serial"] for row in rows} == {"00001", "00002", "00003"}
    assert {row["client_id"] for row in rows} == {"A"}


def test_a_receipt_is_read_whole(services: Services, tmp_path: Path) -> None:
    bring(services, tmp_path / "in", ("1.txt", receipt()))
    [row] = stored(services, "tds__challan_receipt")
    assert (row["bsr"], row["serial"], str(row["deposited_on"])) == ("0510001", "12345", "2025-11-07")
    assert (row["act"], row["year"], row["assessment_year"]) == ("1961", "2025-26", "2026-27")
    assert (row["minor_head"], row["cin"], row["bank"]) == ("200", "25110700000123ABCD", "Made-up Bank")
    assert (row["amount_paise"], row["tax_paise"], row["interest_paise"], row["fee_paise"]) == (
        123_456_00,
        120_000_00,
        3_000_00,
        456_00,
    )


def test_a_receipt_whose_heads_do_not_add_up_is_held(services: Services, tmp_path: Path) -> None:
    wrong = receipt().replace("₹ 3,000".encode(), "₹ 3,001".encode())
    [result] = bring(services, tmp_path / "in", ("1.txt", receipt("1")), ("2.txt", wrong))[:1]
    assert (result.rows_loaded, result.rows_quarantined) == (1, 1)
    assert held(services) == ["The heads of the challan do not add up to its amount."]


def test_an_amount_with_a_part_of_a_paisa_is_never_cut(services: Services, tmp_path: Path) -> None:
    wrong = receipt().replace("₹ 1,20,000".encode(), "₹ 1,20,000.005".encode())
    [good, _] = bring(services, tmp_path / "in", ("1.txt", receipt("1")), ("2.txt", wrong))
    assert (good.rows_loaded, good.rows_quarantined) == (1, 1)
    assert held(services) == ["head_tax: an amount with a part of a paisa"]


def test_a_pdf_receipt_is_read_like_its_text(services: Services, tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    text = receipt().decode().replace("₹", "Rs.")
    [result] = bring(services, tmp_path / "in", ("1.pdf", pdf_of(text)))
    assert (result.label, result.outcome) == ("challan receipt", "loaded")
    [row] = stored(services, "tds__challan_receipt")
    assert (row["serial"], row["fee_paise"]) == ("12345", 456_00)


@pytest.mark.parametrize("raw", [b"%PDF-1.4", b"%PDF-1.4\ntrailer<</Root 1 0 R>>", pdf_of("A letter")])
def test_a_pdf_that_is_no_receipt_is_refused(services: Services, tmp_path: Path, raw: bytes) -> None:
    pytest.importorskip("pypdf")
    [result] = bring(services, tmp_path / "in", ("1.pdf", raw))
    assert (result.outcome, "it is a PDF" in result.reason) == ("refused", True)


def test_a_csi_file_is_kept_as_it_came_and_known_by_its_name(services: Services, tmp_path: Path) -> None:
    body = b"\x00opaque^" + bytes(range(256))
    [result] = bring(services, tmp_path / "in", (f"{IDENTITY}201126.csi", body))
    assert (result.client_id, result.label, result.outcome) == ("A", "CSI file", "loaded")
    [row] = stored(services, "tds__csi")
    assert (row["size"], row["file_sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    [result] = bring(services, tmp_path / "in", ("other.csi", body))
    assert result.outcome == "refused"


def test_the_portals_csi_answer_is_kept_and_an_empty_one_refused(services: Services, tmp_path: Path) -> None:
    [result] = bring(services, tmp_path / "in", ("a.json", b'{"csiResponse": "blob"}'), client="A")
    assert result.outcome == "loaded"
    [result] = bring(services, tmp_path / "in", ("b.json", b'{"csiResponse": "No Data found"}'), client="A")
    assert result.outcome == "refused"


def test_the_register_replaces_the_one_before_it(services: Services, tmp_path: Path) -> None:
    [result] = bring(services, tmp_path / "in", ("register.csv", REGISTER.encode()))
    assert (result.client_id, result.label, result.rows_loaded) == ("A", "certificate register", 2)
    first, second = sorted(stored(services, "tds__certificate_register"), key=lambda row: str(row["year"]))
    assert (first["act"], first["rate_ppm"], first["limit_paise"]) == ("1961", 5_000, 460_800_00)
    assert (str(first["valid_to_on"]), first["cancelled_on"]) == ("2026-03-31", None)
    assert (second["act"], second["rate_ppm"], str(second["cancelled_on"])) == ("2025", 10_000, "2026-09-15")
    shorter = "\n".join(REGISTER.splitlines()[:2]).replace(",", ";").replace('"4;60;800.00"', "460800")
    bring(services, tmp_path / "in", ("register.csv", shorter.encode()))
    assert [row["certificate_number"] for row in stored(services, "tds__certificate_register")] == [
        "1111AA111A"
    ]


def test_a_wrong_line_of_the_register_is_held_with_its_reason(services: Services, tmp_path: Path) -> None:
    heading = "certificate_number,year,pan,rate"
    good = f"1111AA111A,2025-26,{pan_of(1)},1"
    lines = [
        heading,
        good,
        f"1111AA111A/194C,2025-26,{pan_of(2)},1",
        f"2222BB222B,2025-27,{pan_of(3)},1",
        "x,y",
    ]
    [result] = bring(services, tmp_path / "in", ("r.csv", "\n".join(lines).encode()), client="A")
    assert (result.rows_loaded, result.rows_quarantined) == (1, 3)
    assert sorted(held(services)) == [
        "The certificate number has neither 10 nor 15 letters and digits.",
        "the line has 2 fields, the heading has 4",
        "year is not a year",
    ]


def test_a_register_that_names_several_deductors_is_held(services: Services, tmp_path: Path) -> None:
    both = REGISTER.replace("\n,9AA", f"\n{tan_of(2)},9AA")
    [result] = bring(services, tmp_path / "in", ("r.csv", both.encode()), client="A")
    assert (result.outcome, result.rows_loaded) == ("suspect", 0)


@pytest.mark.parametrize(
    "text", ["", "a,b,c\n1,2,3", "certificate_number,year,pan,colour\n1,2,3,4", "TAN : X\nBSR code : 1"]
)
def test_tables_and_texts_of_other_kinds_are_not_taken(text: str) -> None:
    hand_file = receipts.MODULE.files
    assert hand_file is not None
    assert hand_file.decode is not None
    assert hand_file.decode(text.encode(), "a.csv") is None


def test_fields_of_a_row_that_lose_their_types_hold_that_row_alone() -> None:
    context = Context("", None, "current", "receipts", datetime(2026, 11, 20, tzinfo=UTC).date(), IDENTITY)
    section = receipts.MODULE.section("receipts")
    good = receipts.receipt_fields(receipt().decode())
    bad = {name: ["unexpected"] for name in good}
    records = list(section.parse({"receipts": [good, bad, 7]}, replace(context, section="receipts")))
    assert [one.problem is None for one in records] == [True, False, False]
