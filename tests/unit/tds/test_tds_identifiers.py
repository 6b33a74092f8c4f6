"""Identifiers of tax deduction: canonical forms, both Acts, nothing of an identifier in a message (V01 to V08)."""

from __future__ import annotations

import re
import string
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.identifiers import IdentifierInvalid
from connectors.tds import identifiers as ids

DIGITS = string.digits
UPPER = string.ascii_uppercase
days = st.dates(date(2004, 4, 1), date(2060, 12, 31))
bsrs = st.integers(1, 9_999_999)
serials = st.integers(0, 99_999)


def text(alphabet: str, size: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=size, max_size=size)


@pytest.mark.parametrize(
    ("candidate", "holds"),
    [
        ("AAAA00000A", True),
        ("AAA000000A", False),
        ("AAAA0000AA", False),
        ("aaaa00000a", False),
        ("AAAA00000A\n", False),
        ("AAAA00000", False),
    ],
)
def test_a_tan_is_four_letters_five_digits_and_a_letter(candidate: str, holds: bool) -> None:
    assert ids.is_tan(candidate) is holds


def test_a_typed_tan_becomes_canonical() -> None:
    assert ids.tan(" aaaa 00000-a ") == "AAAA00000A"
    with pytest.raises(IdentifierInvalid):
        ids.tan("AAAA00000AA")


@pytest.mark.parametrize("holder", UPPER)
def test_the_fourth_letter_of_a_pan_is_one_of_ten_holders(holder: str) -> None:
    candidate = f"AAA{holder}A0000A"
    assert ids.is_pan(candidate) is (holder in "ABCFGHJLPT")
    assert ids.is_pan_but_for_holder(candidate) is (holder not in "ABCFGHJLPT")
    assert ids.pan(candidate) == candidate


@pytest.mark.parametrize("placeholder", sorted(ids.PAN_PLACEHOLDERS))
def test_a_placeholder_is_never_a_pan(placeholder: str) -> None:
    assert ids.is_placeholder(placeholder.lower())
    assert not ids.is_pan(placeholder)
    assert ids.pan(placeholder, may_be_missing=True) == placeholder
    assert re.fullmatch(ids.PAN_OR_PLACEHOLDER, placeholder)
    with pytest.raises(IdentifierInvalid):
        ids.pan(placeholder)


def test_a_malformed_pan_is_refused_without_being_repeated() -> None:
    with pytest.raises(IdentifierInvalid) as caught:
        ids.pan("AAAPA000AA")
    assert "AAAPA" not in str(caught.value)


@given(bsrs, serials, days)
def test_a_classic_cin_survives_the_round_trip(bsr: int, serial: int, day: date) -> None:
    written = ids.classic_cin(bsr, day, serial)
    found = ids.parse_cin(written)
    assert found == ids.ClassicCin(f"{bsr:07d}", day, f"{serial:05d}")
    assert str(found) == written
    assert re.fullmatch(ids.CIN, written)


@given(st.dates(date(2000, 1, 1), date(2068, 12, 31)), text(DIGITS, 8), text(UPPER, 4))
def test_a_new_cin_survives_the_round_trip(day: date, rest: str, bank: str) -> None:
    crn = f"{day:%y%m%d}{rest}"
    found = ids.parse_cin(crn + bank)
    assert found == ids.NewCin(crn, bank)
    assert str(found) == crn + bank
    assert ids.crn_day(crn) == day
    assert ids.crn_expires_on(crn) == day + timedelta(days=15)
    assert ids.is_crn(crn)


@pytest.mark.parametrize(
    "wrong",
    [
        "0" * 20,
        "00012343102202600001",
        "00012343104202600001",
        "26043100002738AAAA",
        "26041100002738AAA",
        "26041100002738",
        "0001234070420260000A",
        "",
    ],
)
def test_a_cin_with_an_impossible_date_or_form_is_none(wrong: str) -> None:
    assert not ids.is_cin(wrong)
    with pytest.raises(IdentifierInvalid):
        ids.parse_cin(wrong)


def test_a_crn_without_a_day_is_none() -> None:
    assert not ids.is_crn("26133100000000")
    assert not ids.is_crn("2604110000000")


@given(bsrs)
def test_a_bsr_code_gets_its_lost_zeros_back(number: int) -> None:
    padded = ids.bsr(number)
    assert len(padded) == 7
    assert int(padded) == number
    assert ids.bsr(padded) == ids.bsr(str(number)) == padded
    assert ids.bsr_of_parts(str(int(padded[:3])), str(int(padded[3:]))) == padded


@pytest.mark.parametrize("wrong", ["", "0000000", "12345678", "12 4", "-1", "A123456", True, "١٢٣"])
def test_a_bsr_code_that_cannot_exist_is_refused(wrong: str) -> None:
    with pytest.raises(IdentifierInvalid):
        ids.bsr(wrong)


@given(serials, days)
def test_serials_are_one_number_whatever_zeros_stand_before(number: int, day: date) -> None:
    padded = ids.serial(number)
    assert len(padded) == 5
    assert ids.same_serial(padded, number)
    assert ids.challan_key("1", padded, day) == ids.challan_key("0000001", str(number), day)


@pytest.mark.parametrize("wrong", ["", "100000", "1.5", "26041100002738"])
def test_a_serial_has_one_to_five_digits(wrong: str) -> None:
    with pytest.raises(IdentifierInvalid):
        ids.serial(wrong)


def test_a_token_has_fifteen_digits() -> None:
    assert ids.token(" 123456789012345 ") == "123456789012345"
    assert ids.token(123456789012345) == "123456789012345"
    for wrong in ("12345678901234", "1234567890123456", "7700XXXXXXX7094"):
        assert not ids.is_token(wrong)
        with pytest.raises(IdentifierInvalid):
            ids.token(wrong)


@given(text(DIGITS, 15))
def test_a_masked_token_matches_the_token_it_hides(full: str) -> None:
    assert ids.token_matches(f"{full[:4]}XXXXXXX{full[-4:]}", full)
    assert ids.token_matches(full, full)
    other = f"{(int(full[0]) + 1) % 10}{full[1:]}"
    assert not ids.token_matches(f"{other[:4]}XXXXXXX{other[-4:]}", full)


@pytest.mark.parametrize("hidden", ["", "7700XXXX7094", "XXXXXXXXXXXXXXX"])
def test_a_mask_of_another_form_matches_nothing(hidden: str) -> None:
    assert not ids.token_matches(hidden, "770011111117094")


@given(st.integers(0, 20), st.data())
def test_the_length_of_a_certificate_tells_its_act(size: int, data: st.DataObject) -> None:
    number = data.draw(text(DIGITS + UPPER, size))
    expected = {10: "1961", 15: "2025"}.get(size)
    assert ids.act_of_certificate(number) == expected
    for act in ("1961", "2025"):
        assert ids.is_certificate(number, act) is (act == expected)


def test_a_certificate_with_a_suffix_is_refused_under_its_act() -> None:
    assert ids.certificate("0000aa000a", "1961") == "0000AA000A"
    assert ids.certificate("0AA0000TDP0A000", "2025") == "0AA0000TDP0A000"
    for number, act in (("0000AA000A/194C", "1961"), ("0000AA000A", "2025"), ("0AA0000TDP0A000", "1961")):
        with pytest.raises(IdentifierInvalid):
            ids.certificate(number, act)


def test_an_optional_pattern_fits_the_empty_text_and_nothing_else_new() -> None:
    pattern = ids.or_empty(ids.TOKEN)
    assert re.fullmatch(pattern, "")
    assert not re.fullmatch(pattern, "1")
