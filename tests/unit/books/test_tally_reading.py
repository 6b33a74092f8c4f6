"""A day book of Tally is read voucher by voucher; what does not add up is refused, what is not booked is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from clientsync.errors import InvalidInput
from clientsync.imports.registers import Reading, payloads
from clientsync.imports.tally import read_day_book
from tests.support.gstins import gstin_of

PURCHASES = Reading("purchases")


def ledger(name: str, amount: str) -> str:
    return f"<ALLLEDGERENTRIES.LIST><LEDGERNAME>{name}</LEDGERNAME><AMOUNT>{amount}</AMOUNT></ALLLEDGERENTRIES.LIST>"


def voucher(kind: str = "Purchase", *ledgers: str, more: str = "", number: str = "7") -> str:
    entries = ledgers or (
        ledger("Steel House", "118.00"),
        ledger("Purchases", "-100.00"),
        ledger("Input CGST 9%", "-9.00"),
        ledger("Input SGST 9%", "-9.00"),
    )
    return (
        f"<VOUCHER><DATE>20261005</DATE><VOUCHERTYPENAME>{kind}</VOUCHERTYPENAME><VOUCHERNUMBER>{number}</VOUCHERNUMBER>"
        f"<REFERENCE>SH/55</REFERENCE><REFERENCEDATE>20261003</REFERENCEDATE>"
        f"<PARTYLEDGERNAME>Steel House</PARTYLEDGERNAME><PARTYGSTIN>{gstin_of(1)}</PARTYGSTIN>"
        f"<PLACEOFSUPPLY>Maharashtra</PLACEOFSUPPLY>{more}{''.join(entries)}</VOUCHER>"
    )


def book(folder: Path, *vouchers: str, encoding: str = "utf-8") -> Path:
    path = folder / "daybook.xml"
    body = "".join(vouchers)
    path.write_text(
        f"<ENVELOPE><BODY><TALLYMESSAGE>{body}</TALLYMESSAGE></BODY></ENVELOPE>", encoding=encoding
    )
    return path


def test_a_purchase_voucher_is_an_invoice_with_the_suppliers_number_and_date(tmp_path: Path) -> None:
    register = read_day_book(book(tmp_path, voucher()), PURCHASES, {})
    (document,) = payloads(register, gstin_of(9))["102026"]["documents"]
    assert document["document_number"] == "SH/55"
    assert document["document_on"] == "2026-10-03"
    assert (document["taxable_paise"], document["cgst_paise"], document["sgst_paise"]) == (10000, 900, 900)
    assert (document["place_of_supply"], document["document_value_paise"]) == ("27", 11800)


def test_a_debit_note_in_purchases_gives_goods_back_and_is_negative(tmp_path: Path) -> None:
    entries = (ledger("Steel House", "-118.00"), ledger("Purchases", "100.00"), ledger("Input IGST", "18.00"))
    register = read_day_book(book(tmp_path, voucher("Debit Note", *entries)), PURCHASES, {})
    line = register.lines[0]
    assert (line.document_type, line.amounts["taxable"], line.amounts["igst"]) == ("CN", -10000, -1800)


def test_sales_take_their_own_number_and_date(tmp_path: Path) -> None:
    entries = (ledger("Steel House", "-118.00"), ledger("Sales", "100.00"), ledger("Output IGST", "18.00"))
    register = read_day_book(book(tmp_path, voucher("Sales", *entries)), Reading("sales"), {})
    line = register.lines[0]
    assert (line.document_number, f"{line.document_on}", line.amounts["igst"]) == ("7", "2026-10-05", 1800)


def test_utf_16_and_characters_that_xml_forbids_are_read(tmp_path: Path) -> None:
    path = book(tmp_path, voucher(more="<NARRATION>as agreed &#4; &#x1F;</NARRATION>"), encoding="utf-16")
    assert len(read_day_book(path, PURCHASES, {}).lines) == 1


def test_a_voucher_that_does_not_add_up_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    entries = (ledger("Steel House", "118.00"), ledger("Purchases", "-90.00"))
    register = read_day_book(
        book(tmp_path, voucher("Purchase", *entries), voucher(number="8")), PURCHASES, {}
    )
    assert (len(register.lines), len(register.refused)) == (1, 1)
    assert "differ by 28.00 rupees" in register.refused[0].reason


def test_cancelled_and_optional_vouchers_and_other_types_are_left_out_and_counted(tmp_path: Path) -> None:
    path = book(
        tmp_path,
        voucher(),
        voucher(more="<ISCANCELLED>Yes</ISCANCELLED>"),
        voucher(more="<ISOPTIONAL>Yes</ISOPTIONAL>"),
        voucher("Payment"),
    )
    register = read_day_book(path, PURCHASES, {})
    assert register.left_out == {
        "cancelled vouchers": 1,
        "optional vouchers": 1,
        "vouchers of type Payment": 1,
    }
    assert len(register.lines) == 1


def test_round_off_is_no_taxable_value_and_a_person_may_say_what_a_ledger_is(tmp_path: Path) -> None:
    entries = (
        ledger("Steel House", "130.00"),
        ledger("Purchases", "-100.00"),
        ledger("Duty on goods", "-29.60"),
        ledger("Round off", "-0.40"),
    )
    path = book(tmp_path, voucher("Purchase", *entries))
    assert read_day_book(path, PURCHASES, {}).lines[0].amounts["taxable"] == 12960
    line = read_day_book(path, PURCHASES, {"Duty on goods": "igst"}).lines[0]
    assert (line.amounts["taxable"], line.amounts["igst"]) == (10000, 2960)
    assert read_day_book(path, PURCHASES, {}).ledgers["Round off"] == "ignore"


def test_a_head_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="taxable, igst"):
        read_day_book(book(tmp_path, voucher()), PURCHASES, {"Freight": "vat"})


def test_a_day_book_without_the_register_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="vouchers of type Payment"):
        read_day_book(book(tmp_path, voucher("Payment")), PURCHASES, {})


@pytest.mark.parametrize(
    "text", ["<ENVELOPE><BODY>", '<!DOCTYPE a [<!ENTITY b "c">]><ENVELOPE>&b;</ENVELOPE>']
)
def test_xml_that_is_broken_or_defines_entities_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "daybook.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match="no XML that can be read"):
        read_day_book(path, PURCHASES, {})
