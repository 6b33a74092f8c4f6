"""Promises of statement files: each rule passes, fails and stands on its boundary, under both Acts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.outcomes import Outcome
from clientsync.periods import Quarter
from clientsync.spec.module import Context, Finding, Record, TableSpec
from clientsync.staged import StagedCell, StagedUnit
from connectors.tds.statements import MODULE
from tests.support.tds_statements import (
    NEW,
    NEW_QUARTER,
    OLD_CODES,
    TAN,
    Challan,
    Deduction,
    Statement,
    changed,
    file_bytes,
    lines_of,
    old_quarter,
    pan_of,
    with_deduction,
)
from validations.batch import validate_batch

TODAY = date(2026, 11, 20)
TABLES = {table.name: table for table in MODULE.tables}
FILES = MODULE.files
assert FILES is not None
assert FILES.decode is not None
ALL_FORMS = [*NEW, *OLD_CODES]


def made(form: str, **values: Any) -> Statement:
    """Return a statement of a form, in a quarter of its Act, with one deduction of these values."""
    whole = {"form": form, "quarter": NEW_QUARTER} if form in NEW else old_quarter(form)
    one = Statement(**whole)
    return with_deduction(one, **values) if values else one


def payload_of(raw: bytes) -> Any:
    assert FILES is not None
    assert FILES.decode is not None
    return FILES.decode(raw, "statement.txt")


def read(
    lines: Sequence[str], *, tan: str = TAN, period: str | None = None, section: str | None = None
) -> tuple[list[Record], list[Finding]]:
    """Return the records of a file and what is found between them."""
    assert FILES is not None
    payload = payload_of(file_bytes(lines))
    [(name, part)] = FILES.split(payload)
    label = period or FILES.identity(payload)[1] or ""
    context = Context("", None, label, section or name, TODAY, tan, Quarter.parse(label))
    records = list(MODULE.section(name).parse(part, context))
    return records, [one for check in MODULE.section(name).integrity for one in check(part, records, context)]


def breaches(lines: Sequence[str], tables: Mapping[str, TableSpec] = TABLES) -> set[tuple[str, str]]:
    """Return (code, action) of every check that the rows of a file break."""
    records, _ = read(lines)
    cell = StagedCell("any", Outcome.LOADED, records=records, row_count=len(records))
    unit = StagedUnit("unit", "run", "C", "tds", "statements", "any", "", 1, [cell])
    return {(one.code, one.action) for one in validate_batch([unit], tables)}


def broken(lines: Sequence[str], code: str) -> bool:
    """Say whether the rows of a file break one check; only that one is asked."""
    tables = {
        name: replace(table, checks=tuple(one for one in table.checks if one.code == code))
        for name, table in TABLES.items()
    }
    assert any(table.checks for table in tables.values())
    return code in {found for found, _ in breaches(lines, tables)}


def values(records: Sequence[Record], table: str) -> list[dict[str, Any]]:
    return [one.values for one in records if one.table == f"tds__{table}"]


@pytest.mark.parametrize("form", ALL_FORMS)
def test_a_right_statement_of_every_form_breaks_nothing(form: str) -> None:
    lines = lines_of(made(form))
    records, findings = read(lines)
    assert findings == []
    assert [one.problem for one in records] == [None] * 3
    assert breaches(lines) == set()
    [head], [challan], [deductee] = (
        values(records, name) for name in ("statement_file", "file_challan", "file_deductee")
    )
    assert (head["form"], head["act"], head["year"]) == (
        form,
        "2025" if form in NEW else "1961",
        head["period"][:7],
    )
    assert challan["total_paise"] == head["total_deposited_paise"] == 1_000_00
    assert (deductee["amount_paise"], deductee["tax_paise"]) == (10_000_00, 1_000_00)
    assert deductee["rate_ppm"] == (None if form == "138" else 100_000)
    assert (challan["bsr"], challan["serial"]) == ("0510001", "00123")


def test_the_file_says_whose_it_is_and_of_which_quarter() -> None:
    assert FILES is not None
    payload = payload_of(file_bytes(lines_of(made("144"))))
    assert FILES.recognise(payload) == "Form 144 statement"
    assert FILES.identity(payload) == (TAN, "2026-27-Q1")
    assert [name for name, _ in FILES.split(payload)] == ["27Q"]


@pytest.mark.parametrize("raw", [b"", b"{}", b"1^BH^1", b"\xff\xfe\x00", b"1^FH", b"%PDF-1.7"])
def test_what_is_no_statement_file_is_left_to_others(raw: bytes) -> None:
    found = payload_of(raw)
    assert found is None or raw == b"1^FH"


def test_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    lines = lines_of(made("140"))
    plain = payload_of("\n".join(lines).encode())
    marked = payload_of(b"\xef\xbb\xbf" + file_bytes(lines))
    assert plain["tds_statement"] == marked["tds_statement"] == lines
    assert plain["sha256"] != marked["sha256"]


# --- identifiers: V01 to V07, V09 -------------------------------------------------------------------------------------

CHANGES: list[tuple[str, str, int, str, str, str]] = [
    # form, record, position, value, code, action
    ("140", "BH", 13, "TST123456Z", "TDS-FILE-H01", "reject_row"),
    ("140", "BH", 15, "PANNOTAVBL", "TDS-FILE-H02", "reject_row"),
    ("140", "BH", 15, "ZZAXT0001Q", "TDS-FILE-H03", "warn"),
    ("140", "BH", 9, "12345678901234", "TDS-FILE-H04", "warn"),
    ("140", "BH", 69, "27AAAAA0000A1Z", "TDS-FILE-H05", "warn"),
    ("140", "BH", 32, "Z", "TDS-FILE-H06", "warn"),
    ("140", "BH", 59, "NOBODY", "TDS-FILE-H07", "warn"),
    ("140", "CD", 15, "12345678", "TDS-FILE-C01", "reject_row"),
    ("26Q", "CD", 16, "12A4567", "TDS-FILE-C01", "reject_row"),
    ("140", "CD", 17, "123456", "TDS-FILE-C02", "reject_row"),
    ("26Q", "CD", 12, "A1", "TDS-FILE-C02", "reject_row"),
    ("140", "CD", 17, "", "TDS-FILE-C10", "warn"),
    ("140", "CD", 15, "", "TDS-FILE-C09", "reject_row"),
    ("140", "CD", 23, "300", "TDS-FILE-C12", "warn"),
    ("26Q", "CD", 21, "XX", "TDS-FILE-C13", "warn"),
    ("140", "DD", 8, "ZZAPT001Q", "TDS-FILE-D01", "reject_row"),
    ("140", "DD", 8, "PANNOTREQD", "TDS-FILE-D01", "reject_row"),
    ("26Q", "DD", 10, "ZZAXT0001Q", "TDS-FILE-D02", "warn"),
    ("140", "DD", 8, "PANNOTAVBL", "TDS-FILE-D03", "warn"),
    ("140", "DD", 20, "0.00", "TDS-FILE-D04", "reject_row"),
    ("140", "DD", 32, "A", "TDS-FILE-D07", "reject_row"),
    ("26Q", "DD", 30, "A", "TDS-FILE-D07", "reject_row"),
    ("140", "DD", 15, "94J", "TDS-FILE-D08", "reject_row"),
    ("140", "DD", 15, "1016", "TDS-FILE-D09", "warn"),
    ("140", "DD", 32, "N", "TDS-FILE-D10", "reject_row"),
    ("26Q", "DD", 30, "AB", "TDS-FILE-D10", "reject_row"),
    ("140", "DD", 27, "", "TDS-FILE-D14", "reject_row"),
    ("26Q", "DD", 24, "", "TDS-FILE-D14", "reject_row"),
    ("140", "DD", 18, "", "TDS-FILE-D15", "warn"),
    ("26Q", "DD", 33, "1027", "TDS-FILE-D16", "warn"),
    ("26Q", "DD", 15, "1.00", "TDS-FILE-D17", "reject_row"),
    ("140", "BH", 47, "-1.00", "TDS-FILE-H08", "reject_row"),
    ("140", "CD", 12, "-1000.00", "TDS-FILE-C14", "reject_row"),
    ("140", "DD", 24, "-1.00", "TDS-FILE-D18", "reject_row"),
    ("140", "DD", 25, "-1.00", "TDS-FILE-D19", "reject_row"),
]


@pytest.mark.parametrize(("form", "kind", "position", "value", "code", "action"), CHANGES)
def test_a_field_that_breaks_a_rule_is_found_with_its_severity(
    form: str, kind: str, position: int, value: str, code: str, action: str
) -> None:
    lines = lines_of(made(form))
    assert not broken(lines, code)
    assert (code, action) in breaches(changed(lines, kind, position, value))


@pytest.mark.parametrize(
    ("kind", "position", "value"),
    [
        ("BH", 15, "PANNOTREQD"),
        ("BH", 9, "123456789012345"),
        ("CD", 15, "510001"),
        ("CD", 17, "7"),
        ("CD", 23, ""),
        ("CD", 23, "400"),
        ("DD", 20, "10001.00"),
    ],
)
def test_values_on_the_boundary_of_a_rule_pass(kind: str, position: int, value: str) -> None:
    assert breaches(changed(lines_of(made("140")), kind, position, value)) == set()


def test_zeros_that_were_lost_are_put_back() -> None:
    lines = changed(changed(lines_of(made("26Q")), "CD", 16, "510001"), "CD", 12, "7")
    [challan] = values(read(lines)[0], "file_challan")
    assert (challan["bsr"], challan["serial"]) == ("0510001", "00007")


@pytest.mark.parametrize(
    ("form", "number", "is_right"),
    [
        ("140", "9AA9999TDP9A999", True),
        ("140", "9AA9999TDP9A99", False),
        ("140", "1111AA111A", False),
        ("26Q", "1111AA111A", True),
        ("26Q", "1111AA111A/194C", False),
        ("26Q", "9AA9999TDP9A999", False),
    ],
)
def test_a_certificate_number_is_judged_by_its_act(form: str, number: str, is_right: bool) -> None:
    lines = lines_of(made(form, flag="A", certificate=number))
    assert broken(lines, "TDS-FILE-D07") is not is_right


def test_an_old_line_without_a_place_for_the_certificate_need_not_have_one() -> None:
    lines = changed(lines_of(made("26Q")), "DD", 30, "A")
    cut = ["^".join(line.split("^")[:33]) if "^DD^" in line else line for line in lines]
    assert not broken(cut, "TDS-FILE-D07")


def test_a_placeholder_goes_with_flag_c_and_never_with_a_flag_that_needs_a_pan() -> None:
    assert breaches(lines_of(made("140", pan="PANAPPLIED", flag="C"))) == set()
    assert broken(lines_of(made("140", flag="C")), "TDS-FILE-D03")
    transporter = {"code": "1024", "flag": "T", "rate": 0}
    assert breaches(lines_of(made("140", **transporter))) == set()
    assert broken(lines_of(made("140", pan="PANINVALID", **transporter)), "TDS-FILE-D11")
    [row] = values(read(lines_of(made("26Q", pan="PANINVALID", flag="C")))[0], "file_deductee")
    assert row["is_pan_missing"] is True


# --- amounts: V20 to V30 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "position"), [("140", 9), ("140", 10), ("140", 11), ("26Q", 25), ("26Q", 26), ("26Q", 39)]
)
def test_the_heads_of_a_challan_must_add_up_to_the_paisa(form: str, position: int) -> None:
    one = replace(made(form), challans=(Challan(interest=1_00, fee=2_00, others=3_00),))
    assert breaches(lines_of(one)) == set()
    assert broken(changed(lines_of(one), "CD", position, "999.00"), "TDS-FILE-C03")
    assert broken(changed(lines_of(one), "CD", position, "0.99"), "TDS-FILE-C03")


def test_only_challans_of_the_new_act_must_be_whole_rupees() -> None:
    odd = (Challan(interest=50),)
    assert broken(lines_of(replace(made("140"), challans=odd)), "TDS-FILE-C04")
    assert not broken(lines_of(replace(made("140"), challans=(Challan(interest=100),))), "TDS-FILE-C04")
    assert breaches(lines_of(replace(made("26Q"), challans=odd))) == set()


@pytest.mark.parametrize("form", ["140", "26Q"])
@pytest.mark.parametrize(
    ("off", "is_broken"), [(0, False), (1_00, False), (-1_00, False), (1_01, True), (-1_01, True)]
)
def test_tax_may_differ_from_amount_times_rate_by_one_rupee(form: str, off: int, is_broken: bool) -> None:
    assert broken(lines_of(made(form, tax=1_000_00 + off)), "TDS-FILE-D06") is is_broken


@pytest.mark.parametrize("form", ["144", "143", "27Q", "27EQ", "24Q"])
def test_tax_with_surcharge_is_not_compared_with_the_rate(form: str) -> None:
    assert not broken(lines_of(made(form, tax=1_500_00)), "TDS-FILE-D06")


def test_codes_without_tax_have_neither_tax_nor_rate() -> None:
    assert breaches(lines_of(made("140", code="1033", rate=0))) == set()
    assert broken(lines_of(made("140", code="1033")), "TDS-FILE-D05")
    assert broken(lines_of(made("140", code="1061", rate=1, tax=0)), "TDS-FILE-D05")


@pytest.mark.parametrize("form", ALL_FORMS)
@pytest.mark.parametrize("kind", ["CD", "DD"])
def test_a_line_with_a_wrong_number_of_fields_is_held_alone(form: str, kind: str) -> None:
    one = replace(made(form), challans=(Challan(deductions=(Deduction(), Deduction())), Challan(serial="2")))
    lines = lines_of(one)
    number = next(place for place, line in enumerate(lines) if f"^{kind}^" in line)
    short = "^".join(lines[number].split("^")[:20])
    records, findings = read([*lines[:number], short, *lines[number + 1 :]])
    assert len(records) == len(lines) - 1
    [bad] = [record for record in records if record.problem]
    assert bad.problem is not None
    assert f"line {number + 1}: the {kind} record has 20 fields" in bad.problem
    assert bad.values["source_row"] == short
    assert bad.values["challan_record"] == 1
    assert not any(finding.is_halting for finding in findings)
    assert findings


@pytest.mark.parametrize("kind", ["FH", "BH"])
def test_a_header_with_a_wrong_number_of_fields_holds_the_header_row_only(kind: str) -> None:
    lines = lines_of(made("140"))
    records, findings = read([line + "^" if f"^{kind}^" in line else line for line in lines])
    assert [one.table for one in records if one.problem] == ["tds__statement_file"]
    assert not any(finding.is_halting for finding in findings)


def test_an_amount_with_a_part_of_a_paisa_or_a_word_holds_the_line_without_showing_it() -> None:
    for value in ("10.005", "TEN", "1e400"):
        records, _ = read(changed(lines_of(made("140")), "DD", 20, value))
        [reason] = [one.problem for one in records if one.problem]
        assert "amount" in reason
        assert value not in reason


@pytest.mark.parametrize(
    ("position", "value"), [(4, "x"), (5, ""), (19, "31022026"), (19, "2026"), (24, ""), (28, "x")]
)
def test_an_unreadable_field_holds_the_line(position: int, value: str) -> None:
    records, _ = read(changed(lines_of(made("140")), "DD", position, value))
    assert [one.table for one in records if one.problem] == ["tds__file_deductee"]


# --- codes and flags --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "flag", "code", "is_allowed"),
    [
        ("140", "B", "1004", True),
        ("140", "B", "1006", False),
        ("140", "Y", "1067", True),
        ("140", "Y", "1008", False),
        ("144", "G", "1057", True),
        ("144", "G", "1056", False),
        ("143", "F", "1089", True),
        ("143", "F", "1090", False),
        ("143", "Z", "1075", True),
        ("143", "Z", "1074", False),
        ("138", "C", "1002", True),
        ("138", "B", "1002", False),
        ("140", "G", "1005", False),
    ],
)
def test_a_flag_may_stand_with_its_codes_only(form: str, flag: str, code: str, is_allowed: bool) -> None:
    assert broken(lines_of(made(form, flag=flag, code=code)), "TDS-FILE-D10") is not is_allowed


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("138", "1003"),
        ("138", "1032"),
        ("140", "1004"),
        ("140", "1067"),
        ("143", "1068"),
        ("143", "1092"),
        ("144", "1039"),
        ("144", "1057"),
    ],
)
def test_the_ends_of_each_range_of_codes_belong_to_the_form(form: str, code: str) -> None:
    assert not broken(lines_of(made(form, code=code)), "TDS-FILE-D08")


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("138", "1004"),
        ("140", "1003"),
        ("140", "1039"),
        ("143", "1067"),
        ("144", "1038"),
        ("144", ""),
        ("140", "1025"),
    ],
)
def test_codes_beyond_the_range_do_not(form: str, code: str) -> None:
    lines = changed(lines_of(made(form)), "DD", 15, code)
    assert broken(lines, "TDS-FILE-D08")


# --- dates ------------------------------------------------------------------------------------------------------------

CHALLAN_DATE = {"140": 19, "26Q": 18}
PAID = {"140": 19, "26Q": 23}
DEDUCTED = {"140": 27, "26Q": 24}


def on(day: date) -> str:
    return day.strftime("%d%m%Y")


@pytest.mark.parametrize("form", ["140", "26Q"])
def test_no_date_lies_in_the_future(form: str) -> None:
    lines = lines_of(made(form))
    tomorrow = on(TODAY + timedelta(days=1))
    for position, kind, code in (
        (CHALLAN_DATE[form], "CD", "C05"),
        (PAID[form], "DD", "D12"),
        (DEDUCTED[form], "DD", "D12"),
    ):
        assert not broken(changed(lines, kind, position, on(TODAY)), f"TDS-FILE-{code}")
        assert broken(changed(lines, kind, position, tomorrow), f"TDS-FILE-{code}")


@pytest.mark.parametrize(("form", "first"), [("140", date(2025, 4, 1)), ("26Q", date(2024, 4, 1))])
def test_a_challan_is_dated_from_the_first_of_april_of_the_year_before(form: str, first: date) -> None:
    lines = lines_of(made(form))
    assert not broken(changed(lines, "CD", CHALLAN_DATE[form], on(first)), "TDS-FILE-C06")
    assert broken(changed(lines, "CD", CHALLAN_DATE[form], on(first - timedelta(days=1))), "TDS-FILE-C06")


@pytest.mark.parametrize("form", ["140", "26Q"])
def test_tax_is_deducted_on_or_after_the_quarters_first_day(form: str) -> None:
    one = made(form)
    first = one.quarter.first_day
    assert not broken(changed(lines_of(one), "DD", DEDUCTED[form], on(first)), "TDS-FILE-D13")
    assert broken(changed(lines_of(one), "DD", DEDUCTED[form], on(first - timedelta(days=1))), "TDS-FILE-D13")


@pytest.mark.parametrize("form", ["140", "26Q"])
def test_a_day_of_deduction_stands_only_with_tax(form: str) -> None:
    without = lines_of(made(form, rate=0))
    assert breaches(without) == set()
    assert broken(changed(without, "DD", DEDUCTED[form], on(made(form).quarter.first_day)), "TDS-FILE-D14")


@pytest.mark.parametrize("form", ["140", "26Q"])
def test_a_nil_challan_is_dated_on_the_quarters_last_day(form: str) -> None:
    one = replace(made(form), challans=(Challan(deductions=(Deduction(rate=0),), is_nil=True),))
    assert breaches(lines_of(one)) == set()
    early = on(one.quarter.last_day - timedelta(days=1))
    assert broken(changed(lines_of(one), "CD", CHALLAN_DATE[form], early), "TDS-FILE-C07")


def test_a_challan_of_advance_tax_is_dated_within_the_quarter() -> None:
    one = replace(made("140"), challans=(Challan(minor_head="100"),))
    assert breaches(lines_of(one)) == set()
    for inside, outside in (
        (one.quarter.first_day, one.quarter.first_day - timedelta(days=1)),
        (one.quarter.last_day, one.quarter.last_day + timedelta(days=1)),
    ):
        assert not broken(changed(lines_of(one), "CD", 19, on(inside)), "TDS-FILE-C08")
        assert broken(changed(lines_of(one), "CD", 19, on(outside)), "TDS-FILE-C08")


# --- between records --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "kind", "position", "value", "code"),
    [
        ("140", "BH", 47, "999.00", "TDS-FILE-V22"),
        ("26Q", "BH", 47, "999.99", "TDS-FILE-V22"),
        ("140", "BH", 4, "2", "TDS-FILE-COUNT"),
        ("140", "CD", 5, "2", "TDS-FILE-V23"),
        ("26Q", "CD", 5, "0", "TDS-FILE-V23"),
        ("140", "CD", 21, "999.99", "TDS-FILE-V23"),
        ("140", "CD", 22, "1000.01", "TDS-FILE-V23"),
        ("26Q", "CD", 29, "999.99", "TDS-FILE-V23"),
        ("26Q", "CD", 33, "1000.01", "TDS-FILE-V23"),
        ("140", "DD", 5, "2", "TDS-FILE-V23"),
        ("26Q", "DD", 4, "9", "TDS-FILE-V23"),
    ],
)
def test_totals_that_disagree_hold_the_file(
    form: str, kind: str, position: int, value: str, code: str
) -> None:
    lines = lines_of(made(form))
    _, findings = read(changed(lines, kind, position, value))
    assert code in {finding.code for finding in findings if finding.is_halting}
    assert read(lines)[1] == []


@pytest.mark.parametrize("form", ["140", "26Q"])
def test_a_statement_without_deductees_is_held(form: str) -> None:
    lines = lines_of(replace(made(form), challans=(Challan(deductions=()),)))
    assert "TDS-FILE-V24" in {finding.code for finding in read(lines)[1] if finding.is_halting}
    two = lines_of(replace(made(form), challans=(Challan(), Challan(deductions=(), serial="9"))))
    assert read(two)[1] == []
    assert breaches(two) == {("TDS-FILE-C11", "warn")}


def test_a_file_of_another_deductor_quarter_form_or_act_is_held_without_naming_it() -> None:
    lines = lines_of(made("140"))
    cases = (
        read(lines, tan="TSTA00002Z"),
        read(lines, tan=""),
        read(lines, period="2026-27-Q2"),
        read(lines, section="27Q"),
        read(changed(lines, "FH", 8, "TSTA00002Z")),
        read(lines_of(replace(made("140"), quarter=Quarter(2025, 3)))),
        read(lines_of(Statement(form="26Q", quarter=NEW_QUARTER))),
    )
    for _, findings in cases:
        [mismatch] = [finding for finding in findings if finding.is_halting]
        assert mismatch.code == "IDENTITY_MISMATCH"
        assert not re.search(r"[A-Z]{4}[0-9]{5}[A-Z]", mismatch.message)


def test_a_correction_is_held_with_its_reason() -> None:
    records, findings = read(changed(lines_of(made("26Q")), "FH", 4, "C"))
    assert all(one.problem and "correction" in one.problem for one in records)
    assert "TDS-FILE-CORRECTION" in {finding.code for finding in findings if finding.is_halting}


@pytest.mark.parametrize(
    ("kind", "position", "value", "code"),
    [
        ("DD", 1, "9", "TDS-FILE-SEQUENCE"),
        ("BH", 16, "202627", "TDS-FILE-YEAR"),
        ("BH", 52, "Y", "TDS-FILE-V06"),
    ],
)
def test_what_is_only_odd_is_said_and_loaded(kind: str, position: int, value: str, code: str) -> None:
    _, findings = read(changed(lines_of(made("140")), kind, position, value))
    assert [(finding.code, finding.is_halting) for finding in findings] == [(code, False)]


def test_salary_details_are_counted_and_records_of_unknown_kind_are_held() -> None:
    lines = [*lines_of(made("24Q")), "5^SD^1^1", "6^XX^1"]
    records, findings = read(lines)
    assert [one.problem for one in records if one.problem] == ["line 6: the record type is not known"]
    assert "TDS-FILE-SALARY" in {finding.code for finding in findings}
    assert not any(finding.is_halting for finding in findings)


# --- generated files --------------------------------------------------------------------------------------------------

_DEDUCTIONS = st.builds(
    Deduction,
    amount=st.integers(min_value=1, max_value=10**11),
    rate=st.sampled_from([0, 1_000, 10_000, 20_000, 100_000, 300_000]),
    pan=st.integers(min_value=0, max_value=9999).map(pan_of),
)
_CHALLANS = st.builds(
    Challan,
    deductions=st.lists(_DEDUCTIONS, min_size=1, max_size=4),
    interest=st.integers(min_value=0, max_value=10**6).map(lambda rupees: rupees * 100),
    fee=st.integers(min_value=0, max_value=10**4).map(lambda rupees: rupees * 100),
    others=st.integers(min_value=0, max_value=10**4).map(lambda rupees: rupees * 100),
    surplus=st.integers(min_value=0, max_value=10**4).map(lambda rupees: rupees * 100),
)
_FORMS = st.sampled_from(ALL_FORMS)
AMOUNTS = {
    True: {"BH": (47,), "CD": (8, 9, 10, 11, 12, 21, 22), "DD": (24, 25)},
    False: {"BH": (47,), "CD": (22, 23, 24, 25, 26, 27, 29, 33, 39), "DD": (14, 15, 16, 17, 19)},
}


@given(form=_FORMS, challans=st.lists(_CHALLANS, min_size=1, max_size=4))
def test_a_generated_statement_always_balances(form: str, challans: list[Challan]) -> None:
    one = replace(made(form), challans=challans)
    records, findings = read(lines_of(one))
    assert findings == []
    assert not any(record.problem for record in records)
    assert len(records) == 1 + len(challans) + sum(len(challan.deductions) for challan in challans)


@given(form=_FORMS, challans=st.lists(_CHALLANS, min_size=1, max_size=3), data=st.data())
def test_any_single_changed_amount_is_found(form: str, challans: list[Challan], data: st.DataObject) -> None:
    one = replace(made(form), challans=challans)
    lines = lines_of(one)
    kind = data.draw(st.sampled_from(["BH", "CD", "DD"]))
    position = data.draw(st.sampled_from(AMOUNTS[one.is_new][kind]))
    count = sum(f"^{kind}^" in line for line in lines)
    nth = data.draw(st.integers(min_value=1, max_value=count))
    before = [line for line in lines if f"^{kind}^" in line][nth - 1].split("^")[position - 1]
    after = str(Decimal(data.draw(st.integers(min_value=0, max_value=10**9))) / 100)
    records, findings = read(changed(lines, kind, position, after, nth))
    is_same = Decimal(before or 0) == Decimal(after)
    is_found = any(finding.is_halting for finding in findings) or any(_unbalanced(row) for row in records)
    assert is_found is not is_same


def _unbalanced(record: Record) -> bool:
    """Say whether the heads of a row miss its total, as the checks of kind WITHIN say it."""
    row = record.values
    if record.table == "tds__file_challan":
        heads = ("tax", "surcharge", "cess", "interest", "fee", "penalty")
        return bool(row["total_paise"] != sum(row[f"{name}_paise"] for name in heads))
    if record.table == "tds__file_deductee":
        return bool(row["tax_paise"] != row["tds_paise"] + row["surcharge_paise"] + row["cess_paise"])
    return False
