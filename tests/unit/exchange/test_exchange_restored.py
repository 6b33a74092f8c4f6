"""Databases that were restored, copied or lost: nothing new is dropped in silence, and what is unclear is shown."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clientsync.errors import ExchangeRefused
from clientsync.exchange import tables as t
from clientsync.exchange.capturing import record
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.diagnosing import test_connection as diagnose
from clientsync.exchange.holding import skip
from clientsync.exchange.lists import received, sent, unanswered
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.nodes import errors_of
from clientsync.exchange.resending import bring_again
from clientsync.exchange.tracing import trace
from connectors.retail import tables as retail
from tests.support.exchange_world import World, bill


def bills(world: World) -> set[str]:
    return {row["number"] for row in world.rows(HEAD_OFFICE, retail.bill)}


def test_a_number_that_a_restored_store_uses_again_is_a_fork_in_sight(world: World) -> None:
    copy = world.backup("S1")
    world.bill("S1", "S1-1", net=1000)
    world.sync("S1")
    world.sync(HEAD_OFFICE)
    world.restore("S1", copy)
    world.bill("S1", "S1-1", net=7700)
    world.bill("S1", "S1-2", net=500)
    world.rounds(2)
    assert {row["number"]: row["net"] for row in world.rows(HEAD_OFFICE, retail.bill)} == {
        "S1-1": 1000,
        "S1-2": 500,
    }
    (held,) = received(world.nodes[HEAD_OFFICE], states=("QUARANTINED",))
    assert held["code"] == "FORK"
    assert {one["code"] for one in errors_of(world.nodes["S1"].engine)} == {"RESTORED"}


def test_a_head_office_that_was_restored_takes_again_what_it_lost_and_processed_is_taken_back(
    world: World,
) -> None:
    copy = world.backup(HEAD_OFFICE)
    world.bill("S1", "S1-1")
    world.rounds(2)
    assert sent(world.nodes["S1"])[0]["status"] == "PROCESSED"
    world.restore(HEAD_OFFICE, copy)
    assert not bills(world)
    world.fuse.stop_at = "exchange_take_before"
    with pytest.raises(BaseException, match="exchange_take_before"):
        world.sync(HEAD_OFFICE)
    world.free(HEAD_OFFICE)
    world.sync("S1")
    (batch,) = world.rows("S1", t.batch_out)
    assert batch["state"] == "UPLOADED"
    world.rounds(2)
    assert bills(world) == {"S1-1"}
    (batch,) = world.rows("S1", t.batch_out)
    assert batch["state"] == "PROCESSED"


def test_a_mailbox_that_was_restored_is_filled_again_by_both_sides(world: World) -> None:
    copy = world.backup("mailbox")
    world.bill("S1", "S1-1")
    world.sync("S1")
    world.restore("mailbox", copy)
    world.rounds(3)
    assert bills(world) == {"S1-1"}
    assert {one["status"] for one in sent(world.nodes["S1"])} == {"PROCESSED"}
    assert "MAILBOX_RESTORED" in {one["code"] for one in errors_of(world.nodes["S1"].engine)}


def test_a_copy_of_a_store_takes_its_place_and_the_other_one_is_refused(world: World, tmp_path: Path) -> None:
    original = world.backup("S1")
    world.bill("S1", "S1-1")
    world.sync("S1")
    newer = world.backup("S1")
    world.restore("S1", original)
    world.bill("S1", "S1-9")
    world.sync("S1")
    world.restore("S1", newer)
    with pytest.raises(ExchangeRefused, match="taken the place"):
        world.sync("S1")
    assert errors_of(world.nodes["S1"].engine)[0]["code"] == "CLONE"


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (0, "waits for the next sync"),
        (1, "has not answered"),
        (3, "has processed it"),
    ],
)
def test_a_trace_says_how_far_a_bill_came(world: World, after: int, words: str) -> None:
    world.bill("S1", "S1-1")
    for name in ("S1", HEAD_OFFICE, "S1")[:after]:
        world.sync(name)
    assert words in trace(world.nodes["S1"], world.mailbox, "S1-1")[-1].words


def test_a_trace_of_what_goes_to_nobody_says_by_which_rule(world: World) -> None:
    order = {"number": "T1", "site": "S2", "on_day": "2026-11-27", "lines": []}
    world.enter(HEAD_OFFICE, "transfer_order", order)  # S2 is an outright store
    world.sync(HEAD_OFFICE)
    (*_, last) = trace(world.nodes[HEAD_OFFICE], world.mailbox, "T1")
    assert not last.is_done
    assert "goes to nobody: to the stores in site of type consignment" in last.words


def test_a_trace_of_what_nobody_wrote_says_so(world: World) -> None:
    (only,) = trace(world.nodes["S1"], world.mailbox, "S1-404")
    assert "neither wrote nor received" in only.words


def test_a_closed_port_and_an_unknown_name_are_told_in_the_words_of_a_firewall() -> None:
    (name,) = diagnose("postgresql://u:p@no-such-host.invalid/web", "S1")
    assert (name.name, name.is_good) == ("name", False)
    *_, port = diagnose("postgresql://u:p@127.0.0.1:1/web", "S1")
    assert port.name == "port"
    assert "port 1 is refused" in port.words
    assert "firewall" in port.words


def test_a_store_restored_together_with_the_mailbox_loses_nothing_though_its_numbers_were_used(
    world: World,
) -> None:
    store, mailbox = world.backup("S1"), world.backup("mailbox")
    world.bill("S1", "S1-1")
    world.rounds(1)
    world.restore("S1", store)
    world.restore("mailbox", mailbox)
    world.renew("S1")
    world.bill("S1", "S1-2")
    world.sync("S1")
    world.bill("S1", "S1-3")
    world.sync("S1")
    world.rounds(3)
    assert bills(world) == {"S1-1", "S1-2", "S1-3"}
    assert {row["state"] for row in world.rows("S1", t.batch_out)} == {"REPLACED", "PROCESSED"}
    assert "RESTORED" in {one["code"] for one in errors_of(world.nodes["S1"].engine)}


def test_what_was_left_out_is_left_out_again_when_a_restored_store_sends_it_again(world: World) -> None:
    copy = world.backup("S1")
    for _ in range(2):
        node = world.nodes["S1"]
        with node.writing("request") as connection:
            record(node, connection, "bill", "S1-1", bill("S1", "S1-1", tender=1))
        world.sync("S1")
        world.sync(HEAD_OFFICE)
        for row in world.arrived(HEAD_OFFICE):
            if row["state"] == "QUARANTINED":
                skip(world.nodes[HEAD_OFFICE], row["document_id"], actor="asha", reason="not paid")
        world.restore("S1", copy)
    assert {row["state"] for row in world.arrived(HEAD_OFFICE)} == {"SKIPPED"}
    assert len(world.arrived(HEAD_OFFICE)) == 2


def statuses(world: World, name: str) -> dict[str, str]:
    return {one["key"]: one["status"] for one in sent(world.nodes[name])}


def restored_twice(world: World) -> None:
    world.renew(HEAD_OFFICE)


def nothing_more(_: World) -> None:
    """Leave the database as its restore made it."""


@pytest.mark.parametrize("then", [nothing_more, restored_twice])
@pytest.mark.parametrize("has_sent", [True, False], ids=["it sent too", "it only answered"])
def test_answers_of_every_later_life_of_a_restored_receiver_are_believed(
    world: World, then: Callable[[World], None], has_sent: bool
) -> None:
    copy = world.backup(HEAD_OFFICE)
    if has_sent:
        world.item("I2")
    world.bill("S1", "S1-1")
    world.rounds(3)
    world.restore(HEAD_OFFICE, copy)
    world.rounds(3)
    then(world)
    world.bill("S1", "S1-2")
    world.rounds(4)
    assert bills(world) == {"S1-1", "S1-2"}
    assert statuses(world, "S1") == {"S1-1": "PROCESSED", "S1-2": "PROCESSED"}


def test_a_head_office_believes_the_answers_of_a_store_that_was_restored(world: World) -> None:
    copy = world.backup("S1")
    world.bill("S1", "S1-1")
    world.item("I2")
    world.rounds(3)
    world.restore("S1", copy)
    world.rounds(4)
    world.item("I3")
    world.rounds(5)
    assert {row["item_code"] for row in world.rows("S1", retail.item)} == {"I1", "I2", "I3"}
    assert set(statuses(world, HEAD_OFFICE).values()) == {"PROCESSED"}


def test_a_store_of_older_software_that_was_restored_is_believed_in_its_new_life(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Mailbox.ask

    def without_rev(self: Mailbox, one: str, other: str, kind: str, args: Any) -> None:
        ask(self, one, other, kind, {name: value for name, value in args.items() if name != "rev"})

    monkeypatch.setattr(Mailbox, "ask", without_rev)
    copy = world.backup(HEAD_OFFICE)
    world.bill("S1", "S1-1")
    world.rounds(2)
    world.restore(HEAD_OFFICE, copy)
    world.rounds(1)
    world.sync("S1")
    assert statuses(world, "S1") == {"S1-1": "PROCESSED"}
    assert [row["peer_rev"] for row in world.rows("S1", t.stream_out)] == [0]


def test_the_list_of_what_was_sent_takes_processed_back_with_its_batch(world: World) -> None:
    copy = world.backup(HEAD_OFFICE)
    world.bill("S1", "S1-1")
    world.rounds(2)
    assert statuses(world, "S1") == {"S1-1": "PROCESSED"}
    world.restore(HEAD_OFFICE, copy)
    world.fuse.stop_at = "exchange_take_before"
    with pytest.raises(BaseException, match="exchange_take_before"):
        world.sync(HEAD_OFFICE)
    world.free(HEAD_OFFICE)
    world.sync("S1")
    assert statuses(world, "S1") == {"S1-1": "UPLOADED"}
    assert unanswered(world.nodes["S1"]).number == 1


def test_what_a_restored_mailbox_lost_is_listed_as_waiting_until_it_is_brought_again(world: World) -> None:
    copy = world.backup("mailbox")
    world.bill("S1", "S1-1")
    world.rounds(2)
    world.restore("mailbox", copy)
    world.fuse.stop_at = "exchange_upload_before"
    with pytest.raises(BaseException, match="exchange_upload_before"):
        world.sync("S1")
    world.free("S1")
    assert statuses(world, "S1") == {"S1-1": "WAITING"}


def test_what_a_person_brings_again_is_listed_as_waiting(world: World) -> None:
    world.bill("S1", "S1-1")
    world.rounds(2)
    assert bring_again(world.nodes["S1"], HEAD_OFFICE, 1, 1) == 1
    assert statuses(world, "S1") == {"S1-1": "WAITING"}
    world.rounds(2)
    assert statuses(world, "S1") == {"S1-1": "PROCESSED"}


def test_what_a_mailbox_lost_is_sent_also_when_it_holds_another_batch_under_a_number_before(
    world: World,
) -> None:
    store, mailbox = world.backup("S1"), world.backup("mailbox")
    world.bill("S1", "S1-1")
    world.sync("S1")
    other = world.backup("mailbox")
    world.restore("S1", store)
    world.restore("mailbox", mailbox)
    world.renew("S1")
    world.bill("S1", "S1-2")
    world.rounds(2)
    world.bill("S1", "S1-3")
    world.sync("S1")
    world.restore("mailbox", other)
    world.renew("S1")
    world.bill("S1", "S1-4")
    world.rounds(4)
    assert bills(world) >= {"S1-2", "S1-3", "S1-4"}
    assert {row["state"] for row in world.rows("S1", t.batch_out)} <= {"PROCESSED", "REPLACED"}


class Server:
    """Answers like a server of PostgreSQL that is asked for TLS, once."""

    def __init__(self, answer: bytes, context: ssl.SSLContext | None = None) -> None:
        self.answer, self.context = answer, context
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with self.socket:
            for _ in range(2):  # the check of the port, then the one of TLS
                connection, _ = self.socket.accept()
                with connection:
                    if len(connection.recv(8)) < 8:
                        continue
                    connection.sendall(self.answer)
                    if self.context is not None:
                        with suppress(OSError):
                            self.context.wrap_socket(connection, server_side=True).close()

    def close(self) -> None:
        self.thread.join(5)


def certificate_of_localhost(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    day = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day - timedelta(days=1))
        .not_valid_after(day + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("query", "words"),
    [("", "is not trusted"), ("?sslrootcert={}/cert.pem", "the certificate is that of localhost; write")],
)
def test_a_certificate_is_checked_against_the_name_and_the_issuer(
    tmp_path: Path, query: str, words: str
) -> None:
    server = Server(b"S", certificate_of_localhost(tmp_path))
    checks = diagnose(f"postgresql://u:p@localhost:{server.port}/web{query.format(tmp_path)}", "S1")
    tls = next(one for one in checks if one.name == "TLS")
    assert words in tls.words
    server.close()


def test_a_server_without_tls_is_good_enough_on_this_machine_only() -> None:
    server = Server(b"N")
    checks = diagnose(f"postgresql://u:p@127.0.0.1:{server.port}/web", "S1")
    tls = next(one for one in checks if one.name == "TLS")
    assert (tls.is_good, tls.words) == (True, "not offered, and not needed on this machine")
    server.close()
