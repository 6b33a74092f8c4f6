"""The commands of a shop and its accounting, against both simulated systems behind real sockets."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from clientsync.cli.app import app
from clientsync.commerce.deciding import KINDS
from clientsync.config import reset_settings
from simulators.accurate import Books
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN
from simulators.http import Served
from simulators.iseller.shop import Shop

pytestmark = pytest.mark.timeout(120)
PAYMENTS = ("Cash", "QRIS", "Debit BCA", "Kartu Kredit")
CHARGES = ("additional_order", "additional_subtotal", "additional_final", "shipping", "rounding")
MAPS = (
    ("outlet", "KMG", "Gudang Utama|Kantor Pusat"),
    ("outlet", "GI", "Toko Malioboro"),
    ("outlet", "BDG", "Toko Kaliurang"),
    ("tax", "11", "PPN 11%"),
    *(("payment", one, "1101") for one in PAYMENTS),
    *(("charge", one, "4201") for one in CHARGES),
)
NOW = datetime.now(ZoneInfo("Asia/Jakarta"))
NOON = (NOW - timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0).astimezone(UTC)
"""Yesterday at noon, where the shop is."""
DAY = f"{NOON:%Y-%m-%d}"
LATER, STILL_LATER = (f"{NOW + timedelta(hours=hours):%H}:30" for hours in (6, 8))
"""Hours of the shop that do not come while a test runs."""


@dataclass
class Desk:
    """A machine with one shop and its accounting; commands run at it."""

    shop: Shop
    books: Books
    folder: Path

    def run(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["commerce", *arguments])
        assert done.exit_code == code, (done.output, done.exception)
        for secret in (TOKEN, SIGNATURE_SECRET, self.shop.client_secret, self.shop.webhook_key):
            assert secret not in done.output
        return done.output

    def rows(self, *arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["commerce", *arguments, "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout)

    def sync(self, *arguments: str, code: int = 0) -> str:
        return self.run("sync", "toko", *arguments, code=code)

    def map_all(self) -> None:
        file = self.folder / "all.csv"
        lines = ["kind,shop,accounting", *(",".join(one) for one in MAPS)]
        file.write_text("\n".join(lines))
        assert f"{len(MAPS)} set" in self.run("maps-in", "toko", str(file))

    def sell(self, place: int = 0, *, outlet: str = "KMG", minutes: int = 0) -> str:
        """Sell one of the products that have a SKU, yesterday at noon; return the number of the sale."""
        product = [one for one in self.shop.products.values() if one.sku][place]
        return self.sell_product(product.product_id, outlet=outlet, minutes=minutes)

    def sell_product(self, product_id: str, *, outlet: str = "KMG", minutes: int = 0) -> str:
        at = NOON + timedelta(minutes=minutes)
        made = self.shop.sell(outlet=outlet, customer=None, lines=[(product_id, 1)], at=at)
        return self.shop.orders[made].reference

    def sell_without_sku(self) -> tuple[str, str]:
        """Sell a product without a SKU; return its id and the number of the sale."""
        product_id = self.shop.add_product(name="Titipan Ibu", at=NOON - timedelta(hours=1))
        return product_id, self.sell_product(product_id, minutes=5)

    def number_of(self, what: str) -> str:
        (found,) = [one for one in self.rows("documents", "toko") if one["what"] == what]
        return str(found["document"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    shop, books = Shop(now=NOON - timedelta(days=1)), Books()
    books.put_items(*(one.sku for one in shop.products.values()))
    with Served(shop.answer) as at_shop, Served(books.answer) as at_books:
        config = tmp_path / "clientsync.toml"
        config.write_text(
            f'''
[providers.iseller]
kind = "iseller"
base_url = "{at_shop.url}"
allow_loopback = true
calls_per_minute = 60000
burst = 1000
credentials = {{ client_id = "env:SHOP_ID", client_secret = "env:SHOP_SECRET", webhook_key = "env:SHOP_KEY" }}

[providers.accurate]
kind = "accurate"
base_url = "{at_books.url}"
allow_loopback = true
calls_per_minute = 60000
burst = 1000
credentials = {{ token = "env:BOOKS_TOKEN", signature_secret = "env:BOOKS_SECRET" }}

[commerce.toko]
shop_provider = "iseller"
accounting_provider = "accurate"
look_up_seconds = 0.1
'''
        )
        for name, value in (
            ("CLIENTSYNC_CONFIG", str(config)),
            ("CLIENTSYNC_HOME", str(tmp_path / "data")),
            ("CLIENTSYNC_VAULT_KEY_REF", f"file:{tmp_path / 'vault.key'}"),
            ("SHOP_ID", shop.client_id),
            ("SHOP_SECRET", shop.client_secret),
            ("SHOP_KEY", shop.webhook_key),
            ("BOOKS_TOKEN", TOKEN),
            ("BOOKS_SECRET", SIGNATURE_SECRET),
        ):
            monkeypatch.setenv(name, value)
        reset_settings()
        yield Desk(shop, books, tmp_path)
    reset_settings()


def test_a_sale_without_a_sku_fails_with_its_reason_and_goes_by_itself_once_the_product_has_one(
    desk: Desk,
) -> None:
    desk.map_all()
    sold = desk.sell()
    product_id, bad = desk.sell_without_sku()
    told = desk.sync("--since", DAY, code=3)
    assert "shop.orders: 4 new" in told
    assert "0 left" in told
    (failed,) = desk.rows("documents", "toko", "--status", "failed")
    assert (failed["what"], failed["reason"]) == (f"sale {bad}", "product 'Titipan Ibu' has no SKU")
    held = desk.rows("documents", "toko", "--status", "Held")
    assert {one["waits for"] for one in held} == {failed["document"]}
    told = desk.run("document", "toko", str(failed["document"]))
    for part in (f"sale {bad}", "Titipan Ibu", "Try 1 (send)", "failed", "Lines"):
        assert part in told
    assert desk.rows("document", "toko", str(failed["document"]))["payload"]["reference"] == bad
    desk.shop.set_sku(product_id, "TTP-1")
    found = desk.rows("sync", "toko")
    assert (found["not_read"], found["stopped"]) == ({}, {})
    assert {one["status"] for one in desk.rows("documents", "toko", "--type", "sale")} == {"Success"}
    booked = f"IS-KMG-{sold.removeprefix('#')}"
    assert desk.books.row("sales-invoice", booked) is not None
    told = desk.run("document", "toko", desk.number_of(f"sale {sold}"))
    assert "POST /accurate/api/sales-invoice/save.do" in told


def test_the_connections_and_how_one_stands_are_shown_with_its_alarms(desk: Desk) -> None:
    assert desk.rows("shops")[0]["connection"] == "toko"
    found = desk.rows("status", "toko")
    assert found["mode"].startswith("sales in real time")
    assert any("renew-webhook" in one["what to do"] for one in found["alarms"])
    assert "Accurate sends webhooks until 20" in desk.run("renew-webhook", "toko")
    assert "Alarm: iSeller has never sent a webhook" in desk.run("status", "toko")
    assert not any("renew-webhook" in one["what to do"] for one in desk.rows("status", "toko")["alarms"])


def test_a_dry_run_lists_in_order_what_would_be_sent_and_when_and_sends_nothing(desk: Desk) -> None:
    desk.map_all()
    desk.run("mode", "toko", "--sales", "scheduled", "--at", LATER)
    first, second = desk.sell(), desk.sell(1, minutes=3)
    desk.sync("--since", DAY)  # what only waits for its hour, and what belongs to it, needs nobody
    waiting = desk.rows("sync", "toko", "--dry-run")
    assert [one["what"] for one in waiting] == [f"sale {first}", f"sale {second}"]
    assert all(one["when"].endswith(f"{LATER}:00") for one in waiting)
    desk.run("mode", "toko", "--sales", "real_time")
    calls = len(desk.shop.calls)
    assert {one["when"] for one in desk.rows("sync", "toko", "--dry-run")} == {"now"}
    assert len(desk.shop.calls) == calls
    assert desk.books.count("sales-invoice") == 0
    desk.sync()
    assert desk.books.count("sales-invoice") == 2
    assert desk.rows("sync", "toko", "--dry-run") == []


def test_one_stream_is_read_alone_and_one_that_cannot_be_read_is_told_with_exit_code_3(desk: Desk) -> None:
    desk.map_all()
    desk.sell()
    only = desk.rows("sync", "toko", "--since", DAY, "--stream", "shop.products")
    assert list(only["read"]) == ["shop.products"]
    desk.shop.trouble("GetOrders", "error:maintenance", times=99)
    told = desk.sync("--since", DAY, code=3)
    assert "Not read: shop.orders: " in told
    told = desk.run("sync", "toko", "--stream", "shop.sales", code=2)
    assert "Valid: shop.orders, shop.shifts, shop.transfers, shop.products, accounting." in told


def test_documents_are_filtered_by_every_option_and_a_wrong_word_is_refused_with_the_valid_ones(
    desk: Desk,
) -> None:
    desk.map_all()
    one, other = desk.sell(), desk.sell(1, outlet="GI", minutes=3)
    desk.sync("--since", DAY)

    def sales(*options: str) -> list[str]:
        return [row["what"] for row in desk.rows("documents", "toko", "--type", "sale", *options)]

    assert sales() == [f"sale {other}", f"sale {one}"]
    assert sales("--outlet", "GI") == [f"sale {other}"]
    assert sales("--number", one[-5:]) == [f"sale {one}"]
    assert sales("--since", DAY, "--until", DAY, "--direction", "out") == [f"sale {other}", f"sale {one}"]
    assert sales("--until", f"{NOON - timedelta(days=1):%Y-%m-%d}") == []
    assert sales("--direction", "in") == []
    assert sales("--status", "failed,held") == []
    assert "1 of 2 are shown" in desk.run("documents", "toko", "--type", "sale", "--limit", "1")
    for words, part in (
        (
            ("--status", "odd"),
            "Valid: Waiting, Held, Unknown, Success, Failed, Success (waived), Superseded.",
        ),
        (("--type", "bill"), "Valid: item, customer, sale, payment, sale_return,"),
        (("--direction", "up"), "Valid: out, in."),
        (("--since", "28-11-2026"), "Write it as YYYY-MM-DD"),
    ):
        assert part in desk.run("documents", "toko", *words, code=2)
    assert "Valid: toko." in desk.run("documents", "warung", code=2)
    assert "There is no document 999 in toko." in desk.run("document", "toko", "999", code=2)


def test_a_refresh_wants_ids_or_filters_or_all_and_says_how_many_are_tried_again(desk: Desk) -> None:
    desk.map_all()
    _, bad = desk.sell_without_sku()
    desk.sync("--since", DAY, code=3)
    number = desk.number_of(f"sale {bad}")
    for words in ((), (number, "--all"), (number, "--status", "Failed"), ("--type", "sale", "--all")):
        told = desk.run("refresh", "toko", *words, code=2)
        assert "ids of documents, filters (--status, --type" in told
    told = desk.run("refresh", "toko", "--all", "--dry-run")
    assert "1 documents would be tried again" in told
    assert desk.rows("document", "toko", number)["tries"] == 1
    assert "1 documents are tried again" in desk.run("refresh", "toko", number, "--no-wait")
    assert desk.rows("document", "toko", number)["status"] == "Waiting"
    told = desk.run("refresh", "toko", "--status", "Waiting", "--type", "sale", code=3)
    assert f"clientsync commerce document toko {number}" in told
    assert desk.rows("document", "toko", number)["tries"] == 2
    assert "No document is meant" in desk.run("refresh", "toko", "--type", "stock_count")
    assert "There is no document 999" in desk.run("refresh", "toko", "999", code=2)
    (choice, *_) = desk.rows("document", "toko", number)["decisions"]
    assert choice["what"] == "refresh"


def test_a_waived_document_lets_what_waits_for_it_go_until_the_waiver_is_taken_back(desk: Desk) -> None:
    desk.map_all()
    product_id, bad = desk.sell_without_sku()
    desk.sync("--since", DAY, code=3)
    number = desk.number_of(f"sale {bad}")
    assert f"sale {bad} counts as booked" in desk.run("waive", "toko", number, "--number", "SI.2026.00042")
    (waived,) = desk.rows("documents", "toko", "--status", "success (waived)")
    assert (waived["what"], waived["booked as"]) == (f"sale {bad}", "SI.2026.00042")
    assert desk.rows("documents", "toko", "--status", "Held") == []
    assert "done already" in desk.run("waive", "toko", number, code=2)
    assert "no longer waived" in desk.run("take-back", "toko", number)
    assert "was not waived" in desk.run("take-back", "toko", number, code=2)
    desk.books.put_items("TTP-1")
    desk.shop.set_sku(product_id, "TTP-1")
    desk.sync("--stream", "shop.products")
    found = desk.rows("document", "toko", number)
    assert (found["status"], found["attempts"][-1]["how"]) == ("Success", "look_up")
    assert [one["what"] for one in found["decisions"]] == ["waive", "take back"]


def test_events_are_listed_shown_and_replayed_and_a_wrong_word_is_refused(desk: Desk) -> None:
    desk.map_all()
    desk.books.save(
        "receive-item",
        {
            "vendorNo": "V.00001",
            "transDate": f"{NOON:%d/%m/%Y}",
            "detailItem": [{"itemNo": "SKU-001", "quantity": 3, "warehouseName": "Gudang Utama"}],
        },
    )
    desk.run("sweep", "toko", "--days", "2", code=3)  # the warehouse leads to no outlet yet
    (received,) = [one for one in desk.rows("webhooks", "toko") if "RECEIVE_ITEM" in one["what"]]
    assert (received["from"], received["status"]) == ("accounting", "Success")
    (failed,) = desk.rows("documents", "toko", "--direction", "in", "--status", "Failed")
    assert failed["reason"] == "no warehouse mapping for Gudang Utama"
    desk.run("map", "toko", "warehouse", "Gudang Utama", "KMG")
    told = desk.run("replay", "toko", str(received["event"]))
    assert "is worked on again as event" in told
    assert "Success" in told
    (again,) = [one for one in desk.rows("webhooks", "toko", "--state", "success") if one["replay of"]]
    assert again["replay of"] == received["event"]
    shown = desk.rows("webhook", "toko", str(again["event"]))
    assert shown["documents"][0]["status"] == "Success"
    assert "goods receipt" in desk.run("webhook", "toko", str(again["event"]))
    assert len(desk.shop.transfers) == 1
    assert desk.rows("webhooks", "toko", "--system", "shop") == []
    assert len(desk.rows("webhooks", "toko", "--limit", "1")) == 1
    assert "Valid: new, success, failed, ignored, rejected." in desk.run(
        "webhooks", "toko", "--state", "odd", code=2
    )
    assert "Valid: shop, accounting." in desk.run("webhooks", "toko", "--system", "bank", code=2)
    assert "There is no event 999" in desk.run("webhook", "toko", "999", code=2)
    assert "There is no event 999" in desk.run("replay", "toko", "999", code=2)


def test_the_mode_is_shown_and_a_change_says_for_how_many_documents_the_moment_changed(desk: Desk) -> None:
    assert "sales in real time; transfers and stock counts in real time" in desk.run("mode", "toko")
    desk.map_all()
    desk.run("mode", "toko", "--sales", "scheduled", "--at", LATER)
    desk.sell()
    desk.sync("--since", DAY)
    told = desk.run(
        "mode", "toko", "--at", STILL_LATER, "--transfers-scheduled", "--transfers-at", "21:00", "--customer-ids",
    )  # fmt: skip
    assert "The moment changed for 2 documents" in told
    assert f"sales at {STILL_LATER}; transfers and stock counts at 21:00; ids of customers are used" in told
    assert "at 21:00" in desk.run("mode", "toko")
    assert "real_time, shift_close, scheduled" in desk.run("mode", "toko", "--sales", "hourly", code=2)
    assert "Valid: HH:MM" in desk.run("mode", "toko", "--at", "9 pm", code=2)
    assert "need hours" in desk.run("mode", "toko", "--transfers-scheduled", "--transfers-at", "", code=2)


def test_missing_mappings_are_listed_and_setting_them_lets_documents_be_tried_again(desk: Desk) -> None:
    sold = desk.sell()
    desk.sync("--since", DAY, code=3)
    missing = desk.rows("maps", "toko", "--missing")
    assert {"kind": "outlet", "shop": "KMG", "accounting": ""} in missing
    file = desk.folder / "out.csv"
    desk.run("maps-out", "toko", str(file))
    assert file.read_text(encoding="utf-8-sig").splitlines()[0] == "kind,shop,accounting"
    assert "1 documents are tried again" in desk.run("map", "toko", "outlet", "KMG", "Gudang Utama")
    desk.map_all()
    desk.sync()
    assert desk.rows("maps", "toko", "--missing") == []
    assert desk.rows("document", "toko", desk.number_of(f"sale {sold}"))["status"] == "Success"
    (outlet,) = [one for one in desk.rows("maps", "toko", "--kind", "outlet") if one["shop"] == "KMG"]
    assert outlet["accounting"] == "Gudang Utama|Kantor Pusat"
    desk.run("unmap", "toko", "outlet", "KMG")
    assert len(desk.rows("maps", "toko", "--kind", "payment")) == len(PAYMENTS)
    valid = ", ".join(KINDS)
    assert valid in desk.run("map", "toko", "shelf", "KMG", "x", code=2)
    assert valid in desk.run("maps", "toko", "--kind", "shelf", code=2)
    assert "accounting is empty" in desk.run("map", "toko", "outlet", "KMG", "", code=2)


def test_bad_rows_of_a_file_of_mappings_are_named_by_row_column_and_reason_and_good_ones_go_in(
    desk: Desk,
) -> None:
    file = desk.folder / "mappings.csv"
    rows = [
        ("Kind", "Shop", "Accounting", "note"),
        ("outlet", "KMG", "Gudang Utama", "good"),
        ("shelf", "A1", "B2", "no such kind"),
        ("payment", "", "1101", "no key"),
        ("outlet", "KMG", "Toko Malioboro", "twice"),
        ("tax", "11", "", "says nothing"),
        ("", "", "", ""),
        ("payment", "x" * 121, "1101", "too long"),
        ("charge", "'=shipping", "4202", "as a spreadsheet keeps it"),
    ]
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    trial = desk.run("maps-in", "toko", str(file), "--dry-run", code=3)
    assert "2 would be set or removed, 1 left as they are, 4 rows would be refused" in trial
    assert [one for one in desk.rows("maps", "toko") if one["accounting"]] == []
    told = desk.run("maps-in", "toko", str(file), code=3)
    lines = [[cell.strip() for cell in line.split("│")] for line in told.splitlines() if "│" in line]
    assert [line[:2] for line in lines] == [["3", "kind"], ["4", "shop"], ["5", "shop"], ["8", "shop"]]
    assert "'shelf' is no kind; valid: outlet," in lines[0][2]
    assert [line[2] for line in lines[1:]] == [
        "is empty",
        "stands in row 2 already",
        "is longer than 120 characters",
    ]
    assert {(one["kind"], one["shop"]) for one in desk.rows("maps", "toko") if one["accounting"]} == {
        ("outlet", "KMG"),
        ("charge", "=shipping"),
    }
    desk.run("maps-out", "toko", str(file))
    assert "charge,'=shipping,4202" in file.read_text(encoding="utf-8-sig")
    file.write_text(file.read_text(encoding="utf-8-sig").replace("4202", "-"))
    assert "2 set or removed" in desk.run("maps-in", "toko", str(file))
    assert [one["shop"] for one in desk.rows("maps", "toko") if one["accounting"]] == ["KMG"]
    file.write_text("kind;key\noutlet;KMG\n")
    assert "lacks the columns shop, accounting" in desk.run("maps-in", "toko", str(file), code=2)
    assert "There is no file" in desk.run("maps-in", "toko", str(desk.folder / "none.csv"), code=2)
    assert "cannot be written" in desk.run("maps-out", "toko", str(desk.folder / "no" / "m.csv"), code=2)


def test_a_day_is_compared_outlet_by_outlet_and_ends_with_3_until_all_of_them_agree(desk: Desk) -> None:
    desk.map_all()
    desk.sell(outlet="GI")
    product_id, bad = desk.sell_without_sku()
    desk.sync("--since", DAY, code=3)
    rows = desk.rows("reconcile", "toko", "--day", DAY, code=3)
    (named,) = [one for one in rows if one["document"]]
    assert (named["outlet"], named["document"]) == ("KMG", bad)
    assert named["what"] == "Failed: product 'Titipan Ibu' has no SKU"
    assert {one["outlet"] for one in rows if one["what"].startswith("agrees")} == {"GI", "BDG"}
    desk.shop.set_sku(product_id, "TTP-1")
    desk.sync()
    assert "agrees" in desk.run("reconcile", "toko")
    assert "Write it as YYYY-MM-DD" in desk.run("reconcile", "toko", "--day", "yesterday", code=2)
