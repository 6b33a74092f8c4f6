"""Promises of the identifier checker: every kind of registration, every state, every mistyped character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.errors import InvalidInput
from clientsync.identifiers import (
    ALPHABET,
    STATES,
    Fault,
    GstinKind,
    IdentifierInvalid,
    check_gstin,
    check_pan,
    gstin_check_character,
    is_gstin,
    is_pan,
    normalise_identifier,
    pan_of,
    state_of,
)

KNOWN = [  # published examples of the algorithm, and the same numbers in states that other checkers miss
    "27AAPFU0939F1ZV",
    "24AUTPV8831F1ZZ",
    "29AAFCC9980M1ZR",
    "38AAPFU0939F1ZS",
    "97AAPFU0939F1ZO",
]
FIRST14 = {
    GstinKind.NORMAL: "27AAPFU0939F1Z",
    GstinKind.GOVERNMENT: "27MUMA12345B1Z",
    GstinKind.NRTP: "2917ABC12345NR",
    GstinKind.OIDAR: "9917ABC12345OS",
    GstinKind.UIN: "0717ABC12345UN",
    GstinKind.TDS: "27MUMA12345B1D",
    GstinKind.TCS: "27AAPFU0939F1C",
}
usable_states = st.sampled_from(sorted(set(STATES) - {"96"}))
letters = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5)
normal = st.builds(
    lambda state, five, four, last, entity: f"{state}{five}{four:04d}{last}{entity}Z",
    usable_states,
    letters,
    st.integers(0, 9999),
    st.sampled_from(ALPHABET[10:]),
    st.sampled_from(ALPHABET[1:]),
)


def complete(first14: str) -> str:
    return first14 + gstin_check_character(first14)


@pytest.mark.parametrize("gstin", KNOWN)
def test_known_registrations_are_accepted(gstin: str) -> None:
    assert check_gstin(gstin) is GstinKind.NORMAL


@pytest.mark.parametrize("kind", GstinKind)
def test_each_kind_of_registration_is_told_apart(kind: GstinKind) -> None:
    assert check_gstin(complete(FIRST14[kind])) is kind


@given(normal)
@settings(max_examples=100, deadline=None)
def test_every_state_and_number_with_its_check_character_is_accepted(first14: str) -> None:
    assert is_gstin(complete(first14))


@given(normal, st.integers(0, 14), st.sampled_from(ALPHABET))
@settings(max_examples=400, deadline=None)
def test_one_changed_character_is_always_noticed(first14: str, where: int, character: str) -> None:
    right = complete(first14)
    changed = right[:where] + character + right[where + 1 :]
    assert is_gstin(changed) == (changed == right)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", Fault.LENGTH),
        ("27AAPFU0939F1Z", Fault.LENGTH),
        ("27AAPFU0939F1ZVX", Fault.LENGTH),
        ("27aapfu0939f1zv", Fault.CHARACTERS),
        ("27AAPFU0939F1Z ", Fault.CHARACTERS),
        ("27AAPFU0939F1Zé", Fault.CHARACTERS),
        ("２7AAPFU0939F1ZV", Fault.CHARACTERS),
        ("AAAAPFU0939F1ZV", Fault.FORMAT),
        ("27AAPFU0939F0ZV", Fault.FORMAT),
        ("39AAPFU0939F1ZV", Fault.STATE),
        ("00AAPFU0939F1ZV", Fault.STATE),
        ("96AAPFU0939F1ZV", Fault.STATE),
        ("27AAPFU0939F1ZW", Fault.CHECK_CHARACTER),
    ],
)
def test_a_wrong_gstin_is_refused_with_what_is_wrong(text: str, fault: Fault) -> None:
    with pytest.raises(IdentifierInvalid) as caught:
        check_gstin(text)
    assert caught.value.fault is fault
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, InvalidInput)


def test_a_wrong_check_character_is_answered_with_the_right_one_and_without_the_number() -> None:
    with pytest.raises(IdentifierInvalid, match="ask for V") as caught:
        check_gstin("27AAPFU0939F1ZW")
    assert "AAPFU" not in str(caught.value)


@pytest.mark.parametrize("first14", ["27AAPFU0939F1", "27AAPFU0939F1ZZ", "27aAPFU0939F1Z"])
def test_a_check_character_is_only_given_for_fourteen_right_characters(first14: str) -> None:
    with pytest.raises(IdentifierInvalid):
        gstin_check_character(first14)


def test_the_pan_is_found_only_where_a_registration_carries_one() -> None:
    assert pan_of("27AAPFU0939F1ZV") == "AAPFU0939F"
    assert pan_of(complete(FIRST14[GstinKind.TCS])) == "AAPFU0939F"
    for kind in (GstinKind.GOVERNMENT, GstinKind.NRTP, GstinKind.OIDAR, GstinKind.UIN, GstinKind.TDS):
        assert pan_of(complete(FIRST14[kind])) is None
    assert pan_of("27AAPFU0939F") is None


def test_the_state_is_named() -> None:
    assert STATES[state_of("38AAPFU0939F1ZS")] == "Ladakh"
    assert len(STATES) == 41


def test_what_a_person_types_is_brought_to_the_portals_form() -> None:
    assert normalise_identifier(" 27-aapfu 0939f\u00a01zv\n") == "27AAPFU0939F1ZV"


def test_a_pan_says_who_holds_it() -> None:
    assert check_pan("AAPFU0939F") == "firm or limited liability partnership"
    assert is_pan("AAFCC9980M")


@pytest.mark.parametrize("text", ["AAPFU0939", "AAPFU09399", "AAPXU0939F", "aapfu0939f"])
def test_a_wrong_pan_is_refused(text: str) -> None:
    assert not is_pan(text)
    with pytest.raises(IdentifierInvalid) as caught:
        check_pan(text)
    assert text not in str(caught.value)
