"""Promises of strict JSON: what parses means one thing, and every damage has a name."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.errors import (
    ContractChanged,
    ResponseTooLarge,
    SourceUnavailable,
    SyncError,
    TruncatedResponse,
)
from clientsync.http.strict_json import depth_of, parse_json

texts = st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)


def real_depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(real_depth, inner), default=0)


@given(values, st.booleans())
@settings(max_examples=200, deadline=None)
def test_right_json_is_read_as_it_is(value: object, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    if b"\xed" in raw and not ascii_only:
        return  # lone surrogates have no UTF-8
    assert parse_json(raw) == value
    assert depth_of(raw, 64) == real_depth(value)


@given(st.dictionaries(texts, values, min_size=1, max_size=4), st.data())
@settings(max_examples=200, deadline=None)
def test_an_object_cut_anywhere_is_never_taken_for_whole(value: object, data: st.DataObject) -> None:
    raw = json.dumps(value).encode()
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises((TruncatedResponse, SourceUnavailable)):
        parse_json(raw[:cut])


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_as_a_value_or_a_typed_error(raw: bytes) -> None:
    try:
        parse_json(raw)
    except SyncError as error:
        assert len(str(error)) < 120


def test_amounts_stay_exact() -> None:
    assert parse_json(b'{"a": 0.1, "b": 99999999999999.99, "c": 1e2}') == {
        "a": Decimal("0.1"),
        "b": Decimal("99999999999999.99"),
        "c": Decimal("100"),
    }


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse_json(b"\xef\xbb\xbf {} \r\n") == {}


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", SourceUnavailable),
        (b" \n", SourceUnavailable),
        (b"<!DOCTYPE html><html>login</html>", SourceUnavailable),
        (b"<html><body>maintenance", SourceUnavailable),
        (b'<?xml version="1.0"?><r/>', ContractChanged),
        (b"OK", ContractChanged),
        (b"Internal Server Error", ContractChanged),
        ('{"a": "é"}'.encode("latin-1"), ContractChanged),
        ('{"a": 1}'.encode("utf-16"), ContractChanged),
        (b'{"a": NaN}', ContractChanged),
        (b'{"a": -Infinity}', ContractChanged),
        (b'{"a": 1e999}', ContractChanged),
        (b'{"a": 1, "a": 2}', ContractChanged),
        (b'{"a": ' + b"9" * 41 + b"}", ContractChanged),
        (b'{"a": ' + b"9" * 5000 + b"}", ContractChanged),
        (b'{"a": 1} {"b": 2}', ContractChanged),
        (b"{'a': 1, 'bbbbbbbbbbb': 2}", ContractChanged),
        (b'{"a": "' + "é".encode()[:1], TruncatedResponse),
        (b"[" * 65 + b"]" * 65, ResponseTooLarge),
        (b"[" * 200_000, ResponseTooLarge),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ResponseTooLarge),
    ],
)
def test_every_damage_has_a_name(raw: bytes, error: type[SyncError]) -> None:
    with pytest.raises(error):
        parse_json(raw)


def test_brackets_inside_text_are_no_depth() -> None:
    raw = json.dumps({"a": "[" * 500 + '"\\' * 5 + "{" * 500}).encode()
    assert depth_of(raw, 64) == 1
    parse_json(raw)


def test_a_hundred_thousand_keys_are_read_in_a_moment() -> None:
    raw = json.dumps({f"k{n}": [n] for n in range(100_000)}).encode()
    began = time.perf_counter()
    assert len(parse_json(raw)) == 100_000
    assert time.perf_counter() - began < 2


def test_a_page_cut_at_every_single_byte_is_never_taken_for_whole() -> None:
    rows = [{"inum": f"INV/{n}", "val": n + 0.5, "itms": [{"rt": 18, "ok": True}]} for n in range(34)]
    page = json.dumps({"status_cd": "1", "data": rows, "nil": None}).encode()
    assert len(page) > 2048
    for cut in range(len(page)):
        with pytest.raises((TruncatedResponse, SourceUnavailable)):
            parse_json(page[:cut])
