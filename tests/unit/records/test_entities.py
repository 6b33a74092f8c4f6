"""Canonical forms of fields: what they make alike, and that they are stable."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.errors import InvalidInput
from clientsync.records.entities import CUSTOMERS, EMPLOYEES, FieldRule, form_of

KINDS = ("text", "mail", "number", "phone")


@pytest.mark.parametrize(
    ("kind", "region", "value", "form"),
    [
        ("text", "IN", "  Asha \u00a0 K ", "Asha K"),
        ("text", "IN", "Cafe\u0301", "Café"),
        ("mail", "IN", " Asha+Shop@X.IN ", "asha+shop@x.in"),
        ("number", "IN", "00420.0", "00420"),
        ("number", "ID", "01.234.567.8-901.000", "01.234.567.8-901.000"),
        ("number", "IN", "12.0.0", "12.0.0"),
        ("phone", "IN", "022 2345 6789 ext. 5", "+912223456789 ext. 5"),
        ("phone", "IN", "+912223456789 ext. 5", "+912223456789 ext. 5"),
        ("phone", "ID", "0812-3456-7890", "+6281234567890"),
        ("phone", "DK", "20 12 34 56", "+4520123456"),
        ("phone", "IN", "ask at the desk", "ask at the desk"),
        ("day", "IN", "30.04.2026", "2026-04-30"),
        ("day", "IN", date(2026, 4, 30), "2026-04-30"),
        ("flag", "IN", "Yes", "1"),
        ("flag", "IN", False, "0"),
        ("flag", "IN", None, ""),
    ],
)
def test_what_means_the_same_has_one_form(kind: str, region: str, value: object, form: str) -> None:
    assert form_of(kind, region)(value) == form


@pytest.mark.parametrize("kind", KINDS)
@given(value=st.text(max_size=40))
def test_a_form_is_the_form_of_itself(kind: str, value: str) -> None:
    form = form_of(kind, "IN")
    assert form(form(value)) == form(value)


@pytest.mark.parametrize(("field", "value"), [("birth_date", "31.02.2026"), ("active", "perhaps")])
def test_a_value_without_a_form_is_refused_with_its_field(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=value.replace(".", r"\.")):
        EMPLOYEES.canonical({field: value}, "IN")


def test_a_rule_that_decides_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="two_way, a_to_b"):
        FieldRule("x", "X", direction="both")
    with pytest.raises(InvalidInput, match="ask, a, b"):
        FieldRule("x", "X", on_conflict="newest")
    with pytest.raises(InvalidInput, match="Valid: text"):
        form_of("colour", "IN")
    assert CUSTOMERS.mapped == list(CUSTOMERS.fields)


def test_only_fields_that_both_sides_have_are_compared() -> None:
    found = CUSTOMERS.between(["number", "name", "city"], ["name", "city", "email"])
    assert [one.name for one in found.mapped] == ["name", "city"]
    assert len(found.fields) == len(CUSTOMERS.fields)
