"""Promises of the settings: one source each, frozen, explained, and no secret among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from clientsync.config import (
    CommerceSettings,
    ExchangeSettings,
    ProviderSettings,
    RecordSetSettings,
    RecordSideSettings,
    Settings,
    config_file,
    describe_settings,
    is_reference,
    load_settings,
    reset_settings,
    settings,
    user_config_folder,
)
from clientsync.errors import InvalidInput, UnknownName

PROVIDER = """
[providers.main]
kind = "gsp"
base_url = "https://gsp.example/in"
credentials = {client_id = "env:GSP_ID", client_secret = "keyring:clientsync/gsp"}
"""


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    import os

    for name in [name for name in os.environ if name.startswith("CLIENTSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    reset_settings()
    yield tmp_path
    reset_settings()


def test_without_anything_the_defaults_hold(empty_place: Path) -> None:
    found = load_settings()
    assert found.home == empty_place / ".clientsync"
    assert found.database_url == f"sqlite:///{empty_place}/.clientsync/clientsync.db"
    assert found.watch_folder is None
    assert found.providers == {}
    assert not (empty_place / ".clientsync").exists()


def test_the_environment_wins_over_the_file(empty_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_place / "clientsync.toml").write_text('workers = 3\nhome = "elsewhere"\n')
    monkeypatch.setenv("CLIENTSYNC_WORKERS", "5")
    monkeypatch.setenv("CLIENTSYNC_LEASE_SECONDS", "")
    found = load_settings()
    assert found.workers == 5
    assert found.lease_seconds == 120
    assert found.home == empty_place / "elsewhere"
    assert found.database_url.endswith("elsewhere/clientsync.db")


def test_a_file_can_be_named(empty_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_place / "other.toml").write_text("workers = 4\n")
    monkeypatch.setenv("CLIENTSYNC_CONFIG", str(empty_place / "other.toml"))
    assert config_file().name == "other.toml"
    assert load_settings().workers == 4
    monkeypatch.setenv("CLIENTSYNC_CONFIG", str(empty_place / "missing.toml"))
    with pytest.raises(InvalidInput, match="CLIENTSYNC_CONFIG"):
        load_settings()


def test_an_unknown_setting_lists_the_valid_ones(empty_place: Path) -> None:
    (empty_place / "clientsync.toml").write_text("worker = 4\n")
    with pytest.raises(UnknownName, match=r"'worker'.*workers"):
        load_settings()
    (empty_place / "clientsync.toml").write_text(PROVIDER + 'colour = "red"\n')
    with pytest.raises(UnknownName, match=r"providers\.main\.colour.*base_url"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("workers = 0\n", "workers"),
        ('workers = "canary"\n', "workers"),
        ("max_bad_share = 1.5\n", "max_bad_share"),
        ('vault_key_ref = "canary"\n', "vault_key_ref"),
        ("workers = = 3\n", "TOML"),
        (PROVIDER.replace("https:", "http:"), "base_url|https"),
        (PROVIDER.replace("env:GSP_ID", "canary"), "reference"),
        (PROVIDER.replace('"gsp"', '"canary"'), "kind"),
    ],
)
def test_a_wrong_value_is_named_and_never_repeated(empty_place: Path, text: str, names: str) -> None:
    (empty_place / "clientsync.toml").write_text(text)
    with pytest.raises(InvalidInput, match=names) as caught:
        load_settings()
    assert "canary" not in str(caught.value)


def test_a_value_of_the_environment_that_cannot_be_read_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIENTSYNC_PROVIDERS", "canary {")
    with pytest.raises(InvalidInput, match="providers") as caught:
        load_settings()
    assert "canary" not in str(caught.value)


def test_a_provider_is_configuration(empty_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_place / "clientsync.toml").write_text(PROVIDER)
    monkeypatch.setenv("CLIENTSYNC_PROVIDERS__MAIN__CALLS_PER_MINUTE", "25")
    provider = load_settings().provider("main")
    assert provider.kind == "gsp"
    assert provider.calls_per_minute == 25
    with pytest.raises(UnknownName, match="Valid: main"):
        load_settings().provider("other")


@pytest.mark.parametrize(
    "address",
    [
        "http://gsp.example",
        "ftp://gsp.example",
        "https://localhost/x",
        "https://127.0.0.1",
        "https://u:p@gsp.example",
        "https://gsp.example/?a=b",
        "https://gsp.example/#x",
        "gsp.example",
        "https://",
    ],
)
def test_an_unsafe_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        ProviderSettings(kind="gsp", base_url=address)
    with pytest.raises(ValidationError):
        ProviderSettings(kind="gsp", base_url="https://gsp.example", download_urls=(address,))


def test_loopback_is_for_simulators_only() -> None:
    made = ProviderSettings(kind="sandbox", base_url="http://127.0.0.1:9000", allow_loopback=True)
    assert made.allow_loopback
    with pytest.raises(ValidationError):
        ProviderSettings(kind="sandbox", base_url="http://10.0.0.1:9000", allow_loopback=True)


def test_settings_are_frozen_and_read_once(empty_place: Path) -> None:
    first = settings()
    (empty_place / "clientsync.toml").write_text("workers = 4\n")
    assert settings() is first
    with pytest.raises(ValidationError):
        first.workers = 9
    reset_settings()
    assert settings().workers == 4


def test_the_address_of_the_database_is_not_shown() -> None:
    assert "canary" not in repr(Settings(database_url="postgresql://u:canary@h/d"))


def test_the_vaults_key_lies_outside_home_by_default(
    empty_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty_place / "cfg"))
    assert user_config_folder() == empty_place / "cfg" / "clientsync"
    assert load_settings().vault_key_ref == f"file:{empty_place}/cfg/clientsync/vault.key"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(empty_place))
    assert user_config_folder() == empty_place / ".config" / "clientsync"


def test_every_setting_is_described() -> None:
    rows = list(describe_settings())
    assert {row[0] for row in rows if "." not in row[0]} == set(Settings.model_fields)
    sections: tuple[tuple[str, type[BaseModel]], ...] = (
        ("providers.<name>.", ProviderSettings),
        ("exchange.", ExchangeSettings),
        ("commerce.<name>.", CommerceSettings),
        ("records.<name>.a.", RecordSideSettings),
        ("records.<name>.", RecordSetSettings),
    )
    left = {row[0] for row in rows if "." in row[0]}
    for prefix, model in sections:
        described = {name for name in left if name.startswith(prefix)}
        assert {name.removeprefix(prefix) for name in described} == set(model.model_fields)
        left -= described
    assert not left
    for name, kind, _, description in rows:
        assert kind, name
        assert len(description) > 10, name
        assert str(Path.home()) not in "".join((name, kind, description))


@pytest.mark.parametrize(
    ("text", "is_one"), [("env:A", True), ("file:/x", True), ("hunter2", False), ("env:", False)]
)
def test_a_reference_has_a_scheme_and_a_place(text: str, is_one: bool) -> None:
    assert is_reference(text) is is_one
