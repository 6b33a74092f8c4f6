"""The commands of the exchange, from two machines with settings of their own to a bill that is traced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clientsync.cli.app import app
from clientsync.config import reset_settings
from clientsync.database import open_engine
from clientsync.exchange.capturing import enter
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.envelopes import Signer
from clientsync.exchange.nodes import Node
from clientsync.logins import person
from connectors.retail.catalogue import catalogue, create_tables
from tests.support.exchange_world import bill


class Machines:
    """Head office and store, each with a settings file; commands run at one of them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        for name in (HEAD_OFFICE, "S1"):
            (folder / name).mkdir()
            (folder / name / "clientsync.toml").write_text(
                f'[exchange]\nnode_id = "{name}"\ndatabase_url = "sqlite:///{folder / name}/shop.db"\n'
                f'mailbox_url = "sqlite:///{folder}/web.db"\n'
            )
            engine = open_engine(f"sqlite:///{folder / name}/shop.db")
            create_tables(engine, "HO" if name == HEAD_OFFICE else "STORE")
            engine.dispose()

    def run(self, at: str, *arguments: str, code: int = 0) -> str:
        self.patch.setenv("CLIENTSYNC_CONFIG", str(self.folder / at / "clientsync.toml"))
        self.patch.setenv("CLIENTSYNC_HOME", str(self.folder / at / "data"))
        self.patch.setenv("CLIENTSYNC_VAULT_KEY_REF", f"file:{self.folder / at / 'vault.key'}")
        reset_settings()
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == code, (done.output, done.exception)
        return done.stdout

    def enter(self, at: str, doc_type: str, body: dict[str, Any]) -> None:
        engine = open_engine(f"sqlite:///{self.folder / at}/shop.db")
        node = Node(engine, at, catalogue(), Signer.new())
        with node.writing("request") as connection:
            enter(node, connection, doc_type, body)
        engine.dispose()


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    made = Machines(tmp_path, monkeypatch)
    keys = {name: made.run(name, "exchange", "new-key").split()[0] for name in (HEAD_OFFICE, "S1")}
    made.run("S1", "exchange", "mailbox", "--admin-url", f"sqlite:///{tmp_path}/web.db")
    made.run("S1", "exchange", "setup", "--peer", f"HO={keys[HEAD_OFFICE]}")
    made.run(HEAD_OFFICE, "exchange", "setup", "--peer", f"S1={keys['S1']}", "--site", "S1=consignment")
    yield made
    reset_settings()


def test_a_bill_goes_from_the_store_to_the_head_office_and_every_list_tells_it(machines: Machines) -> None:
    machines.enter(HEAD_OFFICE, "item", {"item_code": "I1", "name": "x", "hsn": "1", "tax_basis_points": 0})
    machines.enter("S1", "bill", bill("S1", "S1-1"))
    assert "waits for the next sync" in machines.run("S1", "exchange", "trace", "S1-1", code=3)
    assert "sent 1, held 0" in machines.run("S1", "exchange", "sync")
    assert "UPLOADED" in machines.run("S1", "exchange", "sent")
    assert "received 1" in machines.run(HEAD_OFFICE, "exchange", "sync")
    assert "stands in the business tables" in machines.run(HEAD_OFFICE, "exchange", "trace", "S1-1")
    machines.run("S1", "exchange", "sync")
    (row,) = json.loads(machines.run("S1", "exchange", "sent", "--json"))
    assert (row["key"], row["status"]) == ("S1-1", "PROCESSED")
    assert "APPLIED" in machines.run("S1", "exchange", "received")
    (store,) = json.loads(machines.run(HEAD_OFFICE, "exchange", "board", "--json"))
    assert (store["store"], store["waiting"]) == ("S1", 0)
    (total,) = json.loads(machines.run(HEAD_OFFICE, "exchange", "totals", "--json"))
    assert (total["type"], total["net here"], total["state"]) == ("bill", 1000, "equal")


def test_a_bill_is_carried_as_a_file_and_a_file_carries_back_that_it_arrived(machines: Machines) -> None:
    machines.enter(HEAD_OFFICE, "item", {"item_code": "I1", "name": "x", "hsn": "1", "tax_basis_points": 0})
    machines.enter("S1", "bill", bill("S1", "S1-1"))
    there, back = str(machines.folder / "there"), str(machines.folder / "back")
    assert f"1 documents in {there}." in machines.run("S1", "exchange", "export", there)
    result = json.loads(machines.run(HEAD_OFFICE, "exchange", "import", there, "--json"))
    assert result["states"] == {"APPLIED": 1}
    machines.run(HEAD_OFFICE, "exchange", "export", back, "--for", "S9", code=2)
    machines.run(HEAD_OFFICE, "exchange", "export", back, "--for", "S1")
    machines.run(HEAD_OFFICE, "exchange", "import", back, code=2)
    assert "received 1" in machines.run("S1", "exchange", "import", back)
    (row,) = json.loads(machines.run("S1", "exchange", "sent", "--json"))
    assert (row["key"], row["status"]) == ("S1-1", "PROCESSED")


def test_a_held_bill_is_listed_and_left_out_with_a_reason_that_is_kept(machines: Machines) -> None:
    machines.enter("S1", "bill", bill("S1", "S1-1", "I9"))
    machines.run("S1", "exchange", "sync")
    assert "held 1" in machines.run(HEAD_OFFICE, "exchange", "sync", code=3)
    (held,) = json.loads(machines.run(HEAD_OFFICE, "exchange", "quarantine", "--json"))
    assert held["reason"] == "unknown item I9"
    assert machines.run(HEAD_OFFICE, "exchange", "totals", code=3)
    machines.run(HEAD_OFFICE, "exchange", "release", held["document"], "--reason", " ", code=2)
    text = machines.run(
        HEAD_OFFICE,
        "exchange",
        "release",
        held["document"],
        "--skip",
        "--reason",
        "test bill",
    )
    assert "left out" in text
    assert "held 0" in machines.run(HEAD_OFFICE, "exchange", "sync")
    assert f"{person()}: test bill" in machines.run(HEAD_OFFICE, "exchange", "trace", "S1-1")
    done = json.loads(machines.run(HEAD_OFFICE, "exchange", "audit", "--json"))
    assert ("skip", "test bill") in {(row["what"], row["why"]) for row in done}
    assert "sync" in {row["what"] for row in done}


def test_the_test_of_the_connection_names_every_step(machines: Machines) -> None:
    text = machines.run("S1", "exchange", "test-connection")
    assert all(word in text for word in ("login", "right", "schema", "version", "own rows", "clock"))


def test_what_is_asked_wrongly_is_refused_with_what_is_valid(machines: Machines) -> None:
    machines.run("S1", "exchange", "resend", "--to", "HO", code=2)
    machines.run("S1", "exchange", "resend", "--to", "HO", "--batch", "x", code=2)
    machines.run("S1", "exchange", "resend", "--to", "HO", "--type", "nothing", "--key", "1", code=2)
    machines.run(HEAD_OFFICE, "exchange", "setup", "--peer", "S2=ab", "--site", "S2=kiosk", code=2)
    machines.run("S1", "exchange", "release", "no-such-id", "--reason", "b", code=2)
    machines.run("S1", "exchange", "load", code=2)
    machines.run("S1", "exchange", "load", "--to", "HO", "--since", "yesterday", code=2)
    machines.run("S1", "exchange", "load", "--from", "HO", "--type", "bill", code=2)
    machines.run("S1", "exchange", "grant", "asha", "everything", code=2)


def test_a_store_asks_for_a_load_and_both_sides_list_it(machines: Machines) -> None:
    machines.enter(HEAD_OFFICE, "item", {"item_code": "I1", "name": "x", "hsn": "1", "tax_basis_points": 0})
    machines.run("S1", "exchange", "load", "--from", "HO", "--type", "item")
    for name in (HEAD_OFFICE, "S1", HEAD_OFFICE):
        machines.run(name, "exchange", "sync")
    (there,) = json.loads(machines.run(HEAD_OFFICE, "exchange", "loads", "--json"))
    (here,) = json.loads(machines.run("S1", "exchange", "loads", "--json"))
    assert (there["state"], here["state"], here["documents"], here["left over"]) == (
        "PROCESSED", "COMPLETE", 1, 0,
    )  # fmt: skip
    assert json.loads(machines.run("S1", "exchange", "left-over", here["load"], "--json")) == []
    machines.run("S1", "exchange", "left-over", here["load"], "--remove", code=2)
    machines.run("S1", "exchange", "loads", "--cancel", here["load"], code=2)


def test_a_purge_says_what_would_go(machines: Machines) -> None:
    rows = json.loads(machines.run(HEAD_OFFICE, "exchange", "purge", "--dry-run", "--json"))
    assert {row["what"] for row in rows} >= {"sent batches", "batches in the mailbox"}
    assert json.loads(machines.run(HEAD_OFFICE, "exchange", "missing-numbers", "--json")) == []


def test_a_person_without_the_right_is_told_who_can_give_it(machines: Machines) -> None:
    me = person()
    assert json.loads(machines.run("S1", "exchange", "rights", "--json")) == [
        {"person": me, "rights": "administrator, data-exchange"}
    ]
    machines.run("S1", "exchange", "grant", "asha", "administrator")
    machines.run("S1", "exchange", "grant", me, "administrator", "--revoke")
    machines.run("S1", "exchange", "sync")
    machines.patch.setenv("CLIENTSYNC_CONFIG", str(machines.folder / "S1" / "clientsync.toml"))
    reset_settings()
    done = CliRunner().invoke(app, ["exchange", "purge"])
    assert done.exit_code == 1
    assert "lacks the right administrator" in done.output
    assert "Administrators: asha" in done.output


def test_a_machine_that_is_no_node_is_told_what_to_write(machines: Machines) -> None:
    (machines.folder / "S1" / "clientsync.toml").write_text("")
    machines.run("S1", "exchange", "sync", code=2)


def test_a_setting_of_the_exchange_that_does_not_exist_is_refused_with_those_that_do(
    machines: Machines,
) -> None:
    path = machines.folder / "S1" / "clientsync.toml"
    path.write_text(path.read_text() + 'mail = "x"\n')
    machines.patch.setenv("CLIENTSYNC_CONFIG", str(path))
    reset_settings()
    done = CliRunner().invoke(app, ["exchange", "sent"])
    assert done.exit_code == 2
    assert "mailbox_url" in done.output
