"""Signatures, queries, answers and events of Accurate, without a socket."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, cast
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.commerce.documents import Key
from clientsync.commerce.systems import EventSeen
from clientsync.errors import (
    ContractChanged,
    ForbiddenHost,
    InvalidInput,
    NotEntitled,
    SessionExpired,
    SourceError,
    SourceUnavailable,
)
from clientsync.http.addresses import AllowList
from clientsync.http.budget import LocalBudget, Pace
from clientsync.http.client import HttpClient, Reply
from connectors.accurate.answers import WORDS, AccurateRefused, read_answer, record_of
from connectors.accurate.calling import AccurateClient, query_text, shown_request
from connectors.accurate.hosts import data_host
from connectors.accurate.options import Options
from connectors.accurate.signing import digest_of, signature, signed_headers
from connectors.accurate.webhooks import Webhooks, was_deleted

ZONE = ZoneInfo("Asia/Jakarta")
SECRET, STAMP = "31d49b3dc632614495ff8071e5be44a1", "02/11/2023 09:01:01"


class Asked:
    """Stands for the client: keeps the queries and gives answers in turn."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.queries: list[dict[str, str]] = []
        self._answers = list(answers)

    def call(self, method: str, path: str, query: Any = ()) -> dict[str, Any]:
        self.queries.append(dict(query))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Kept(dict[str, dict[str, Any]]):
    """A memory."""

    def get(self, name: str, default: Any = None) -> dict[str, Any]:
        return super().get(name, {})

    def put(self, name: str, value: Any) -> None:
        self[name] = dict(value)


def webhooks(asked: Asked | None = None, memory: Kept | None = None, **options: Any) -> Webhooks:
    client = cast(AccurateClient, asked or Asked({"s": True, "d": []}))
    return Webhooks(client, Options.of(options), ZONE, memory or Kept())


def body(*envelopes: dict[str, Any]) -> bytes:
    return json.dumps(list(envelopes)).encode()


def envelope(kind: str, *data: dict[str, Any], database: int = 1443290) -> dict[str, Any]:
    return {
        "databaseId": database,
        "type": kind,
        "timestamp": "10/09/2026 14:33:00",
        "uuid": "u-1",
        "data": list(data),
    }


def test_the_vendors_test_vector_comes_out_in_both_spellings() -> None:
    assert signature(SECRET, STAMP) == "8NxvylwwMcjGyzVXK0qbwNvFFuzHpwE9tECllVwLkbo="
    assert (
        digest_of(SECRET, STAMP).hex() == "f0dc6fca5c3031c8c6cb35572b4a9bc0dbc516ecc7a7013db440a5955c0b91ba"
    )


def test_the_signed_timestamp_is_the_time_in_jakarta_wherever_we_are() -> None:
    at = datetime(2023, 11, 1, 22, 1, 1, tzinfo=timezone(timedelta(hours=-4)))
    headers = signed_headers(SECRET, at)
    assert headers == {"x-api-timestamp": STAMP, "x-api-signature": signature(SECRET, STAMP)}
    with pytest.raises(InvalidInput):
        signed_headers(SECRET, at.replace(tzinfo=None))


def test_separators_of_fields_and_sorting_stay_and_everything_else_is_encoded() -> None:
    text = query_text(
        [
            ("fields", "id,no,customer.name"),
            ("sp.sort", "name|asc;no|desc"),
            ("filter.number.val", "IS,1|2;3&x=#/ é"),
            ("filter.transDate.val[0]", "01/02/2026"),
        ]
    )
    assert text == (
        "fields=id,no,customer.name&sp.sort=name|asc;no|desc"
        "&filter.number.val=IS%2C1%7C2%3B3%26x%3D%23%2F%20%C3%A9"
        "&filter.transDate.val%5B0%5D=01%2F02%2F2026"
    )


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=5))
def test_whatever_is_asked_arrives_as_it_was_meant(pairs: list[tuple[str, str]]) -> None:
    text = query_text(pairs)
    assert parse_qsl(text, keep_blank_values=True) == pairs
    assert text.isascii()
    assert not set(text) & {" ", "#"}


def test_a_call_is_shown_with_its_body_and_without_headers() -> None:
    shown = shown_request("POST", "/accurate/api/item/save.do", {"no": "KOPI-1", "name": "Kopi é"})
    assert shown == 'POST /accurate/api/item/save.do {"no":"KOPI-1","name":"Kopi é"}'


@pytest.mark.parametrize(
    ("told", "host"),
    [
        ("https://zeus.accurate.id", "https://zeus.accurate.id"),
        ("https://iris.accurate.id/accurate/api/item/list.do?id=1", "https://iris.accurate.id"),
        ("zeus.accurate.id", "https://zeus.accurate.id"),
        ("http://zeus.accurate.id", ""),
        ("https://accurate.id.example.com", ""),
        ("https://zeus.accurate.id:8443", ""),
        ("https://evilaccurate.id", ""),
        ("https://user@zeus.accurate.id", ""),
        ("https://127.0.0.1", ""),
        ("", ""),
    ],
)
def test_only_https_below_the_domain_of_accurate_may_hold_data(told: str, host: str) -> None:
    everything = (
        "https://*.accurate.id",
        "http://*.accurate.id",
        "https://*.example.com",
        "https://127.0.0.1",
    )
    with HttpClient(
        base_url="https://account.accurate.id", allowed=AllowList(everything), budget=LocalBudget(Pace(60))
    ) as client:
        if host:
            assert data_host(client, told) == host
        else:
            with pytest.raises(ForbiddenHost):
                data_host(client, told)


def reply(status: int, text: str) -> Reply:
    return Reply(status, {}, text.encode())


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (401, '{"s":false,"d":["Data Session Key tidak tepat"]}', SessionExpired, "session"),
        (401, '{"error":"invalid_token"}', SessionExpired, "token"),
        (401, "Invalid or Revoked API Token", SessionExpired, "token"),
        (400, "Header X-Api-Signature is required", SessionExpired, "token"),
        (400, "Header X-Api-Timestamp difference more than 600 seconds", SessionExpired, "token"),
        (200, '{"s":false,"d":["Data Session Key tidak tepat"]}', SessionExpired, "session"),
        (403, "<e><error>insufficient_scope</error></e>", NotEntitled, "403"),
        (404, '{"s":false,"d":["URL API tidak tepat"]}', ContractChanged, "404"),
        (200, '{"s":"yes"}', ContractChanged, None),
        (200, "<html><body>", SourceUnavailable, None),
    ],
)
def test_each_way_of_saying_no_has_an_error_of_its_own(
    status: int, text: str, kind: type[SourceError], code: str | None
) -> None:
    with pytest.raises(kind) as raised:
        read_answer(reply(status, text), WORDS["ID"])
    assert raised.value.source_code == code


def test_a_refusal_with_status_200_keeps_the_words_and_what_they_mean() -> None:
    def refusal(text: str, language: str = "ID") -> AccurateRefused:
        with pytest.raises(AccurateRefused) as raised:
            read_answer(reply(200, json.dumps({"s": False, "d": [text]})), WORDS[language])
        return raised.value

    assert refusal("Pelanggan tidak tepat").is_not_found
    assert refusal('Nomor "1" sudah digunakan').is_duplicate
    assert refusal("Periode akuntansi sudah ditutup").as_booking().reason_code == "period_closed"
    assert refusal("The accounting period is closed", "US").is_closed
    assert not refusal("The accounting period is closed").is_closed
    other = refusal("Gudang harus diisi").as_booking()
    assert (other.reason_code, other.message) == ("target_rejected", "Gudang harus diisi")


def test_a_saved_record_is_taken_from_r_and_else_from_d() -> None:
    assert record_of({"r": {"id": 1}, "d": ["saved"]}) == {"id": 1}
    assert record_of({"d": {"id": 2}}) == {"id": 2}
    with pytest.raises(ContractChanged):
        record_of({"d": ["saved"]})


def test_each_element_of_each_envelope_is_one_event_however_often_it_stands_there() -> None:
    invoice = {"salesInvoiceId": 1, "salesInvoiceNo": "SI.1", "action": "WRITE"}
    one = envelope("SALES_INVOICE", invoice, {**invoice, "salesInvoiceId": 2}, invoice)
    found = webhooks().events(body(one, one))
    assert [event.entity_id for event in found] == ["1", "2"]
    assert found[0].dedupe_key == "1443290|SALES_INVOICE|u-1|1|WRITE|10/09/2026 14:33:00"
    assert found[0].happened_at == datetime(2026, 9, 10, 7, 33, tzinfo=UTC)


def test_events_lead_to_the_documents_they_are_about_and_to_nothing_else() -> None:
    side = webhooks(database_id="1443290")
    found = side.events(
        body(
            envelope("RECEIVE_ITEM", {"receiveItemId": 5, "receiveItemNo": "RI.5", "action": "WRITE"}),
            envelope("ITEM_TRANSFER", {"itemTransferId": 6, "action": "DELETE"}),
            envelope("ITEM", {"itemId": 7, "itemNo": "KOPI-1", "action": "WRITE"}),
            envelope("ITEM_QUANTITY", {"itemNo": "KOPI-1", "warehouseName": "Toko", "action": "WRITE"}),
            envelope("PURCHASE_ORDER", {"purchaseOrderId": 8, "action": "WRITE"}),
            envelope("RECEIVE_ITEM", {"receiveItemId": 5, "action": "WRITE"}, database=2),
            envelope("SALES_INVOICE", {"salesInvoiceId": 9, "action": "DELETE"}),
        )
    )
    assert [side.keys_of(event) for event in found] == [
        [Key("goods_receipt", "5")],
        [Key("goods_moved_in", "6")],
        [],
        [],
        [],
        [],
        [],
    ]
    assert [key for event in found for key in side.masters_of(event)] == [Key("item", "KOPI-1")]
    assert [key for event in found for key in side.about_booked(event)] == [
        Key("transfer_out", "6"),
        Key("transfer_in", "6"),
        Key("sale", "9"),
    ]
    assert [was_deleted(event) for event in found] == [False, True, False, False, False, False, True]
    ordered = webhooks(inbound="purchase_order")
    assert ordered.keys_of(found[4]) == [Key("goods_receipt", "8")]
    assert ordered.keys_of(found[0]) == []


def test_a_receipt_that_we_deleted_ourselves_does_not_count_as_deleted() -> None:
    event = EventSeen("1|SALES_RECEIPT|u|31|DELETE|", "SALES_RECEIPT", "31", "DELETE")
    assert webhooks().about_booked(event) == [Key("payment", "31")]
    memory = Kept()
    memory.put("accurate_deleted", {"ids": ["31"]})
    assert webhooks(memory=memory).about_booked(event) == []


@pytest.mark.parametrize(
    "bad", [b"", b"{}", b"[1]", b'[{"type":"ITEM"}]', b'[{"type":"ITEM","data":[1]}]', b'[{"type":', b"<x>"]
)
def test_what_is_no_array_of_envelopes_is_no_webhook(bad: bytes) -> None:
    with pytest.raises(ContractChanged):
        webhooks().events(bad)


def test_only_set_addresses_may_deliver_and_an_unknown_one_does_not_pass() -> None:
    assert webhooks().verify({}) == ""
    side = webhooks(allowed_ips=["203.0.113.7", "198.51.100.0/24"])
    assert side.verify({"x-client-address": "203.0.113.7"}) == ""
    assert side.verify({"x-client-address": "::ffff:198.51.100.9"}) == ""
    assert "not allowed" in side.verify({"x-client-address": "203.0.113.8"})
    assert "not known" in side.verify({}) and "not known" in side.verify({"x-client-address": "x"})


def test_the_past_is_asked_for_in_windows_of_a_day_and_no_further_than_accurate_remembers() -> None:
    asked = Asked({"s": True, "d": []})
    until = datetime(2026, 11, 28, 5, tzinfo=UTC)
    webhooks(asked, database_id="1443290").missed(until - timedelta(hours=50), until)
    assert [(one["from"], one["to"]) for one in asked.queries] == [
        ("26/11/2026 10:00:00", "27/11/2026 10:00:00"),
        ("27/11/2026 10:00:00", "28/11/2026 10:00:00"),
        ("28/11/2026 10:00:00", "28/11/2026 12:00:00"),
    ]
    assert {one["databaseId"] for one in asked.queries} == {"1443290"}
    asked.queries.clear()
    webhooks(asked).missed(until - timedelta(days=90), until)
    assert len(asked.queries) == 30


@pytest.mark.parametrize("told", ["28/11/2026", "27/11/2026", "soon", None])
def test_a_renewal_that_ends_today_or_never_began_is_an_error(told: str | None) -> None:
    today = date(2026, 11, 28)
    with pytest.raises(ContractChanged):
        webhooks(Asked({"s": True, "d": told})).renew(today)
    assert webhooks(Asked({"s": True, "d": "05/12/2026"})).renew(today) == date(2026, 12, 5)
