"""Promises of the vault: what lies in the database opens only with the key that lies elsewhere."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, update

from clientsync.config import Settings, reset_settings
from clientsync.database import open_engine, writing
from clientsync.errors import InvalidInput, MissingSecret
from clientsync.ledger.tables import SyncSecret, SyncSession
from clientsync.secrets.keys import KeyPlace
from clientsync.secrets.references import resolve
from clientsync.secrets.vault import Vault

SECRET = SyncSecret.__table__  # type: ignore[attr-defined]
SESSION = SyncSession.__table__  # type: ignore[attr-defined]


def make_tables(engine: Engine) -> None:
    with writing(engine) as connection:
        SECRET.create(connection, checkfirst=True)
        SESSION.create(connection, checkfirst=True)


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    made = open_engine(sqlite_url)
    make_tables(made)
    yield made
    made.dispose()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "vault.key"


@pytest.fixture
def vault(engine: Engine, key_file: Path) -> Vault:
    return Vault(KeyPlace(f"file:{key_file}"), engine)


def test_a_secret_comes_back_as_it_was_put(vault: Vault) -> None:
    vault.put("gsp/main", "first")
    vault.put("gsp/main", "pässword\n2")
    vault.put("another", "x")
    assert vault.get("gsp/main").get_secret_value() == "pässword\n2"
    assert vault.names() == ("another", "gsp/main")
    assert vault.delete("another")
    assert not vault.delete("another")
    assert vault.names() == ("gsp/main",)


def test_secrets_are_kept_on_postgresql_too(postgres_url: str, key_file: Path) -> None:
    engine = open_engine(postgres_url)
    make_tables(engine)
    vault = Vault(KeyPlace(f"file:{key_file}"), engine)
    vault.put("a", "1")
    vault.put("a", "2")
    assert vault.rotate() == 1
    assert vault.get("a").get_secret_value() == "2"
    engine.dispose()


def test_a_missing_secret_is_named(vault: Vault) -> None:
    with pytest.raises(MissingSecret, match="vault:nothing"):
        vault.get("nothing")


def test_the_key_is_made_on_first_use_and_only_its_owner_can_read_it(vault: Vault, key_file: Path) -> None:
    assert not key_file.exists()
    vault.seal(b"x")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert [path.name for path in key_file.parent.iterdir()] == ["vault.key"]


def test_many_processes_that_start_at_once_share_one_key(engine: Engine, key_file: Path) -> None:
    vaults = [Vault(KeyPlace(f"file:{key_file}"), engine) for _ in range(8)]
    sealed: list[bytes] = []
    threads = [threading.Thread(target=lambda v=v: sealed.append(v.seal(b"x"))) for v in vaults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [vaults[0].open_sealed(each) for each in sealed] == [b"x"] * 8


def test_the_database_alone_opens_nothing(vault: Vault, engine: Engine, tmp_path: Path) -> None:
    vault.put("a", "canary-value")
    engine.dispose()
    for file in tmp_path.glob("warehouse.db*"):
        assert b"canary-value" not in file.read_bytes()
    stranger = Vault(KeyPlace(f"file:{tmp_path / 'other' / 'key'}"), engine)
    with pytest.raises(MissingSecret, match="does not open"):
        stranger.get("a")


def test_a_row_moved_to_another_name_opens_nothing(vault: Vault, engine: Engine) -> None:
    vault.put("rich", "gold")
    vault.put("poor", "tin")
    with writing(engine) as connection:
        sealed = connection.execute(select(SECRET.c.sealed).where(SECRET.c.name == "rich")).scalar_one()
        connection.execute(update(SECRET).where(SECRET.c.name == "poor").values(sealed=sealed))
    with pytest.raises(MissingSecret, match="another name"):
        vault.get("poor")


@given(st.binary(max_size=200), st.integers(0, 10_000))
@profile(max_examples=60, deadline=None)
def test_any_altered_byte_is_noticed(plain: bytes, where: int) -> None:
    vault = Vault(KeyPlace("env:VAULT_TEST_KEY"), lambda: open_engine("sqlite://"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAULT_TEST_KEY", Fernet.generate_key().decode())
        sealed = bytearray(vault.seal(plain))
        assert vault.open_sealed(bytes(sealed)) == plain
        where %= len(sealed.rstrip(b"="))
        sealed[where] = ord("A") if sealed[where] != ord("A") else ord("B")
        if where < len(sealed.rstrip(b"=")) - 1:  # the last character carries unused bits
            with pytest.raises(MissingSecret):
                vault.open_sealed(bytes(sealed))


def test_rotation_seals_everything_anew_and_removes_the_old_key(
    vault: Vault, engine: Engine, key_file: Path
) -> None:
    vault.put("a", "1")
    moment = datetime.now(UTC)
    with writing(engine) as connection:
        connection.execute(
            insert(SESSION).values(
                client_id="C1",
                provider="p",
                sealed=vault.seal(b"token"),
                issued_at=moment,
                refresh_by=moment,
                fence=0,
            )
        )
    old_key = Fernet(key_file.read_text().strip())
    other_process = Vault(KeyPlace(f"file:{key_file}"), engine)
    assert other_process.get("a").get_secret_value() == "1"

    assert vault.rotate() == 2

    assert len(key_file.read_text().split()) == 1
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert vault.get("a").get_secret_value() == "1"
    assert other_process.get("a").get_secret_value() == "1"
    with writing(engine) as connection:
        sealed = connection.execute(select(SESSION.c.sealed)).scalar_one()
    assert other_process.open_sealed(sealed) == b"token"
    with pytest.raises(InvalidToken):
        old_key.decrypt(sealed)


def test_a_crash_in_the_middle_of_a_rotation_loses_nothing(vault: Vault, key_file: Path) -> None:
    vault.put("a", "1")
    KeyPlace(f"file:{key_file}").prepend()  # as far as a killed rotation came
    assert vault.get("a").get_secret_value() == "1"
    assert len(key_file.read_text().split()) == 2
    vault.rotate()
    assert len(key_file.read_text().split()) == 1
    assert vault.get("a").get_secret_value() == "1"


def test_keys_of_the_environment_are_used_and_not_changed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv("VAULT_TEST_KEY", first)
    vault = Vault(KeyPlace("env:VAULT_TEST_KEY"), engine)
    sealed = vault.seal(b"x")
    monkeypatch.setenv("VAULT_TEST_KEY", f"{second},{first}")
    assert Vault(KeyPlace("env:VAULT_TEST_KEY"), engine).open_sealed(sealed) == b"x"
    with pytest.raises(InvalidInput, match="changed where it is set"):
        vault.rotate()


@pytest.mark.parametrize("content", ["", "not a key", "AAAA"])
def test_a_file_without_a_key_is_refused(engine: Engine, key_file: Path, content: str) -> None:
    key_file.parent.mkdir()
    key_file.write_text(content)
    key_file.chmod(0o600)
    with pytest.raises(MissingSecret):
        Vault(KeyPlace(f"file:{key_file}"), engine).seal(b"x")


def test_a_key_that_others_can_read_is_refused(vault: Vault, key_file: Path) -> None:
    vault.seal(b"x")
    key_file.chmod(0o644)
    vault.close()
    with pytest.raises(MissingSecret, match="chmod 600"):
        vault.seal(b"x")


def test_a_key_beside_what_it_seals_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for place in (home / "vault.key", tmp_path / "x" / ".." / "home" / "deep" / "key"):
        with pytest.raises(InvalidInput, match="must not lie"):
            Vault.from_settings(Settings(home=home, vault_key_ref=f"file:{place}"))


def test_a_key_needs_a_place_that_keeps_keys() -> None:
    with pytest.raises(InvalidInput, match=r"file:, keyring:, env:"):
        KeyPlace("vault:key")


def test_a_vault_reference_is_resolved_through_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIENTSYNC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIENTSYNC_VAULT_KEY_REF", f"file:{tmp_path / 'cfg' / 'vault.key'}")
    reset_settings()
    try:
        configured = Settings()
        engine = open_engine(configured.database_url)
        make_tables(engine)
        Vault.from_settings(configured, engine).put("gsp", "value")
        engine.dispose()
        assert resolve("vault:gsp").get_secret_value() == "value"
        with pytest.raises(MissingSecret):
            resolve("vault:other")
    finally:
        reset_settings()


class _Keyring:
    priority = 5

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, user: str) -> str | None:
        return self.kept.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        self.kept[service, user] = password


def test_the_key_can_live_in_the_keyring(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    made = _Keyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: made)
    monkeypatch.setattr(keyring, "get_password", made.get_password)
    monkeypatch.setattr(keyring, "set_password", made.set_password)
    vault = Vault(KeyPlace("keyring:clientsync/vault"), engine)
    vault.put("a", "1")
    before = made.kept["clientsync", "vault"]
    assert vault.rotate() == 1
    assert made.kept["clientsync", "vault"] != before
    assert vault.get("a").get_secret_value() == "1"
