"""Queued files are read whole or not at all, and nothing in them leads outside or fills the memory."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync import money
from clientsync.errors import ContractChanged, ResponseTooLarge, TruncatedResponse
from connectors.gst.provider import crypto, files
from connectors.gst.provider.payloads import to_bytes

KEY = bytes(range(32))
EK = base64.b64encode(KEY).decode()
LIMIT = 1_000_000


def _member(payload: Any) -> bytes:
    sealed = crypto.encrypt(KEY, base64.b64encode(json.dumps(payload).encode()))
    return base64.b64encode(sealed)


def _archive(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _plain(*payloads: Any) -> bytes:
    return _archive([(tarfile.TarInfo(f"part_{n}.json"), _member(one)) for n, one in enumerate(payloads)])


def test_every_member_of_an_archive_is_read() -> None:
    raw = _plain({"b2b": [1]}, {"b2b": [2]}, {"b2b": [3]})
    assert [json.loads(text) for text in files.members(raw, EK, LIMIT)] == [
        {"b2b": [1]},
        {"b2b": [2]},
        {"b2b": [3]},
    ]


def test_an_archive_cut_anywhere_is_never_read_as_whole() -> None:
    raw = _plain({"b2b": list(range(40))}, {"b2b": [2]})
    for length in range(len(raw)):
        with pytest.raises((TruncatedResponse, ContractChanged)):
            list(files.members(raw[:length], EK, LIMIT))


def test_a_member_with_a_path_that_leads_outside_is_refused() -> None:
    for name in ("../../etc/x.json", "/etc/x.json", "a/../../b.json"):
        with pytest.raises(ContractChanged):
            list(files.members(_archive([(tarfile.TarInfo(name), _member({}))]), EK, LIMIT))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_or_device_is_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("x.json")
    info.type = kind
    info.linkname = "/etc/passwd"
    with pytest.raises(ContractChanged):
        list(files.members(_archive([(info, b"")]), EK, LIMIT))


def test_a_member_that_is_not_json_is_refused_and_not_passed_over() -> None:
    with pytest.raises(ContractChanged):
        list(files.members(_archive([(tarfile.TarInfo("inner.tar.gz"), b"x")]), EK, LIMIT))


def test_an_archive_that_unpacks_beyond_the_limit_stops_there() -> None:
    with pytest.raises(ResponseTooLarge):
        list(files.members(gzip.compress(bytes(50 * LIMIT), mtime=0), EK, LIMIT))


def test_an_archive_with_too_many_members_stops_there() -> None:
    entries = [(tarfile.TarInfo(f"{n}.json"), _member({})) for n in range(files.MAX_MEMBERS + 1)]
    with pytest.raises(ResponseTooLarge):
        list(files.members(_archive(entries), EK, 10 * LIMIT))


def test_an_empty_archive_is_not_an_empty_answer() -> None:
    with pytest.raises(ContractChanged):
        list(files.members(_archive([]), EK, LIMIT))


@pytest.mark.parametrize("raw", [b"", b"<html>", b"PK\x03\x04", gzip.compress(b"not a tar", mtime=0)])
def test_what_is_no_archive_is_a_typed_error(raw: bytes) -> None:
    with pytest.raises((ContractChanged, TruncatedResponse)):
        list(files.members(raw, EK, LIMIT))


def test_a_member_under_another_key_does_not_open() -> None:
    with pytest.raises(crypto.SealBroken):
        list(files.members(_plain({}), base64.b64encode(bytes(32)).decode(), LIMIT))


def test_a_file_with_another_hash_is_truncated() -> None:
    files.check_hash(b"x", hashlib.sha256(b"x").hexdigest())
    with pytest.raises(TruncatedResponse):
        files.check_hash(b"y", hashlib.sha256(b"x").hexdigest())


def test_a_list_of_files_is_read_and_must_keep_its_own_count() -> None:
    entry = {"ul": "/a?md5=1", "ic": 3, "hash": "AB" * 32}
    found = files.file_list({"fc": "1", "ek": EK, "urls": [entry]})
    assert found is not None
    assert found.files[0].sha256 == "ab" * 32
    assert files.file_list({"b2b": []}) is None
    wrongs: list[dict[str, Any]] = [
        {"fc": 2},
        {"urls": []},
        {"ek": None},
        {"urls": [{"ul": "/a"}]},
        {"urls": ["x"]},
    ]
    for wrong in wrongs:
        with pytest.raises(ContractChanged):
            files.file_list({"fc": 1, "ek": EK, "urls": [entry]} | wrong)


ROWS = st.lists(st.integers(), max_size=6)


@given(st.lists(st.fixed_dictionaries({"b2b": ROWS, "cdn": ROWS}), min_size=1, max_size=5))
def test_merging_keeps_every_row_of_every_section_in_order(parts: list[dict[str, list[int]]]) -> None:
    whole = files.merge([{"gstin": "x", **part} for part in parts])
    assert whole["gstin"] == "x"
    for name in ("b2b", "cdn"):
        assert whole[name] == [row for part in parts for row in part[name]]


def test_merging_takes_sections_that_only_some_parts_have() -> None:
    parts = [{"b2b": [1]}, {"nil": {"inv": [2]}}, {"nil": {"inv": [3]}}]
    assert files.merge(parts) == {"b2b": [1], "nil": {"inv": [2, 3]}}


def test_parts_that_disagree_on_the_kind_of_a_section_do_not_merge() -> None:
    with pytest.raises(ContractChanged):
        files.merge([{"b2b": [1]}, {"b2b": {"inv": []}}])


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=2, max_value=10**13, min_value=-(10**13))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_kept_bytes_read_back_as_the_same_exact_values(value: Any) -> None:
    text = to_bytes(value).decode("utf-8", "surrogatepass")
    assert json.loads(text, parse_float=Decimal) == value


def test_a_number_beyond_a_binary_float_keeps_every_digit() -> None:
    value = {"a": [Decimal("12345678901234567890.123456789"), 1, None, "x", {"b": Decimal("0.10")}]}
    assert money.loads(to_bytes(value)) == value
