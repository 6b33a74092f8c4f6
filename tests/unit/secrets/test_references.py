"""Promises of references: a value comes only from where it is kept safely, and is never shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import pytest

from clientsync.errors import MissingSecret, UnknownName
from clientsync.secrets.references import register_resolver, resolve, unregister_resolver


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A usable keyring that forgets everything afterwards."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    made = MemoryKeyring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("from a file\n")
    path.chmod(0o600)
    return path


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "from the environment")
    found = resolve("env:MY_SECRET")
    assert found.get_secret_value() == "from the environment"
    assert "environment" not in f"{found!r}{found}"


def test_a_private_file_is_read_without_its_line_end(secret_file: Path) -> None:
    assert resolve(f"file:{secret_file}").get_secret_value() == "from a file"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_can_touch_is_refused(secret_file: Path, mode: int) -> None:
    secret_file.chmod(mode)
    with pytest.raises(MissingSecret, match="chmod 600"):
        resolve(f"file:{secret_file}")


def test_what_is_no_plain_text_file_is_refused(tmp_path: Path, secret_file: Path) -> None:
    with pytest.raises(MissingSecret, match="plain file"):
        resolve(f"file:{tmp_path}")
    secret_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MissingSecret, match="not text"):
        resolve(f"file:{secret_file}")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(MissingSecret, match="plain file"):
        resolve(f"file:{tmp_path / 'pipe'}")


def test_the_keyring_is_read(memory_keyring: MemoryKeyring) -> None:
    memory_keyring.set_password("clientsync/gsp", "main", "from the keyring")
    assert resolve("keyring:clientsync/gsp/main").get_secret_value() == "from the keyring"
    with pytest.raises(MissingSecret):
        resolve("keyring:clientsync/other")


@pytest.mark.parametrize(
    "reference", ["env:NOT_SET_ANYWHERE", "file:/nowhere/at/all", "block:unregistered", "env:"]
)
def test_what_is_not_there_is_named_by_its_reference(reference: str) -> None:
    with pytest.raises(MissingSecret, match=reference):
        resolve(reference)


def test_an_empty_secret_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "")
    with pytest.raises(MissingSecret, match="empty"):
        resolve("env:MY_SECRET")


def test_an_unknown_scheme_lists_the_valid_ones_and_never_repeats_a_secret() -> None:
    with pytest.raises(UnknownName, match="env, file, keyring, vault, block") as caught:
        resolve("hunter2-the-password")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UnknownName, match="'http'"):
        resolve("http:x")


def test_blocks_are_answered_by_whoever_registered_for_them() -> None:
    register_resolver("block", lambda name: {"gsp": "from a block"}[name])
    try:
        assert resolve("block:gsp").get_secret_value() == "from a block"
        with pytest.raises(MissingSecret):
            resolve("block:other")
    finally:
        unregister_resolver("block")
    with pytest.raises(MissingSecret):
        resolve("block:gsp")


def test_nobody_can_register_for_a_scheme_that_does_not_exist() -> None:
    with pytest.raises(UnknownName):
        register_resolver("ftp", str)
