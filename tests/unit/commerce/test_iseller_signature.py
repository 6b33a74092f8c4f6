"""Webhooks of iSeller: what is genuine, what is not, and what they say."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.commerce.documents import Key
from clientsync.errors import ContractChanged
from connectors.iseller.options import Options
from connectors.iseller.signature import reason_against, signature_of
from connectors.iseller.webhooks import events_of, keys_of
from simulators.iseller.shop import Shop

KEY = "sk_test_123"
BODY = b'{"order_id":"1"}'
STAMP = "2019-11-29T06:06:40.0476436Z"
SIGNATURE = "54CFDC1846A7DEF8C86E48BFC9092B276181F0001680D6DF103CE983C8903EE6"
AT = datetime(2019, 11, 29, 6, 6, 41, tzinfo=UTC)


def judged(
    body: bytes = BODY, stamp: str = STAMP, signature: str = "", key: str = KEY, at: datetime = AT
) -> str:
    signed = signature or signature_of(KEY, body, stamp)
    return reason_against(key, {"timestamp": stamp, "signature": signed}, body, at)


def test_the_example_of_the_reference_is_genuine() -> None:
    assert signature_of(KEY, BODY, STAMP) == SIGNATURE
    assert judged(signature=SIGNATURE) == ""


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_body_with_one_flipped_byte_is_refused(place: int, flip: int) -> None:
    altered = bytearray(BODY)
    altered[place] ^= flip
    assert judged(bytes(altered), signature=SIGNATURE) == "the signature is wrong"


@given(st.integers(0, len(STAMP) - 1), st.characters(max_codepoint=0x2FF))
def test_a_timestamp_with_one_other_character_is_refused(place: int, other: str) -> None:
    altered = STAMP[:place] + other + STAMP[place + 1 :]
    assert (judged(stamp=altered, signature=SIGNATURE) == "") == (altered == STAMP)


@given(st.integers(0, 63), st.characters(max_codepoint=0x2FF))
def test_a_signature_with_one_other_character_is_refused(place: int, other: str) -> None:
    altered = SIGNATURE[:place] + other + SIGNATURE[place + 1 :]
    assert (judged(signature=altered) == "") == (altered == SIGNATURE)


@pytest.mark.parametrize("seconds", [-301, 302, -86_400, 10**9])
def test_a_webhook_that_was_sent_too_long_ago_or_in_the_future_is_refused(seconds: int) -> None:
    assert judged(at=AT + timedelta(seconds=seconds)) == "the timestamp is too far from now"


@pytest.mark.parametrize("seconds", [-300, 0, 299])
def test_five_minutes_either_way_are_allowed(seconds: int) -> None:
    assert judged(at=AT + timedelta(seconds=seconds)) == ""


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "2019-11-29T06:06:40.0476436",
        "2019-11-29T06:06:40.04764361Z",
        "2019-11-29T06:06:40.Z",
        "2019-11-29 06:06:40Z",
        "2019-11-29T06:06:40+00:00",
        "2019-13-29T06:06:40Z",
        " 2019-11-29T06:06:40Z",
        "2019-11-29T06:06:40Z\n",
        "２019-11-29T06:06:40Z",
    ],
)
def test_a_timestamp_of_another_grammar_is_refused_though_it_is_signed(stamp: str) -> None:
    assert judged(stamp=stamp) == "the timestamp is not well formed"


@pytest.mark.parametrize("parts", ["", ".1", ".1234567"])
def test_one_to_seven_digits_of_a_second_or_none_are_a_timestamp(parts: str) -> None:
    assert judged(stamp=f"2019-11-29T06:06:40{parts}Z") == ""


def test_another_key_no_key_and_missing_headers_are_refused() -> None:
    assert judged(signature=signature_of("other", BODY, STAMP)) == "the signature is wrong"
    empty = hashlib.sha256(BODY + STAMP.encode()).hexdigest().upper()
    assert judged(signature=empty, key="") == "no webhook key is set"
    assert reason_against(KEY, {}, BODY, AT) != ""
    assert reason_against(KEY, {"timestamp": STAMP}, BODY, AT) == "the signature is wrong"
    assert judged(signature=SIGNATURE.lower()) == "the signature is wrong"


@pytest.mark.parametrize(
    "body", [b'{"order_id":"1","order_id":"2"}', b"{", b"", b"order_id=1", b'{"a":NaN}', b"\xff"]
)
def test_a_signed_body_that_is_not_strict_json_is_refused(body: bytes) -> None:
    assert judged(body) == "the body is not strict JSON"


def test_a_body_that_was_lengthened_without_the_key_is_refused() -> None:
    padding = b"\x80" + bytes(20) + (8 * len(KEY.encode() + BODY + STAMP.encode())).to_bytes(8, "big")
    assert judged(BODY + STAMP.encode() + padding) == "the body is not strict JSON"


def test_what_the_shop_sends_is_genuine_by_our_rules() -> None:
    shop = Shop()
    headers, body = shop.webhook(shop.sell())
    lower = {name.lower(): value for name, value in headers.items()}
    assert reason_against(shop.webhook_key, lower, body, shop.now) == ""


def seen(body: Any, **options: Any) -> Any:
    return events_of(json.dumps(body).encode(), Options.of(options))


def test_an_event_names_what_changed_and_two_deliveries_of_it_are_one() -> None:
    for name in ("Order", "Refund", "Fulfillment"):
        event = seen({"type": name, "order_id": "o1"})[0]
        assert (event.type, event.entity_id, keys_of(event)) == (name, "o1", [Key("sale", "o1")])
        assert event.dedupe_key.startswith(f"iseller|{name}|o1|")
        assert seen({"type": name, "order_id": "o1"})[0].dedupe_key == event.dedupe_key
    member = seen({"type": "Member", "customer_id": "c1"})[0]
    assert keys_of(member) == [Key("customer", "c1")]
    assert keys_of(seen({"type": "Payout", "amount": 1})[0]) == []
    assert [one.entity_id for one in seen([{"order_id": "a"}, {"order_id": "b"}])] == ["a", "b"]


def test_a_moment_in_the_body_is_part_of_what_tells_events_apart() -> None:
    first = seen({"order_id": "o1", "timestamp": "2026-03-02T09:00:00+07:00"})[0]
    assert "2026-03-02T09:00:00+07:00" in first.dedupe_key
    assert first.happened_at == datetime(2026, 3, 2, 2, tzinfo=UTC)
    assert seen({"order_id": "o1", "modified_date": "2026-03-02 09:00:00"})[0].happened_at is None


def test_a_body_without_a_type_is_of_an_order_and_names_of_fields_are_options() -> None:
    assert seen({"order_id": "o1"})[0].type == "Order"
    event = seen({"kind": "Refund", "id": "o2"}, webhook_type_field="kind", webhook_id_field="id")[0]
    assert (event.type, event.entity_id) == ("Refund", "o2")


@pytest.mark.parametrize("body", [[], {}, 1, [1], {"type": "Order"}, {"type": "Member", "order_id": "1"}])
def test_a_body_that_says_nothing_is_refused(body: Any) -> None:
    with pytest.raises(ContractChanged, match="webhook"):
        seen(body)
    with pytest.raises(ContractChanged, match="not JSON"):
        events_of(b"{", Options())
