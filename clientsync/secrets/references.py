"""References to secrets, and what resolves them.

A reference is ``scheme:place``: ``env:NAME``, ``file:/path`` (0600, ours), ``keyring:service/user``,
``vault:name``, and ``block:name`` where an orchestrator has registered its own resolver. Errors name the
reference, never a value, and a secret that cannot be had stops only the client that needs it.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from clientsync.config import settings
from clientsync.errors import MissingSecret, UnknownName

Resolver = Callable[[str], str]
"""Takes the place of a reference, returns the secret; raises ``MissingSecret`` or ``KeyError``."""

SCHEMES = ("env", "file", "keyring", "vault", "block")
_registered: dict[str, Resolver] = {}
_registered_lock = threading.Lock()


def register_resolver(scheme: str, resolver: Resolver) -> None:
    """Let ``resolver`` answer references of a scheme from now on; replaces the one before.

    Raises:
        UnknownName: not one of ``SCHEMES``.
    """
    if scheme not in SCHEMES:
        raise UnknownName("scheme of secrets", scheme, SCHEMES)
    with _registered_lock:
        _registered[scheme] = resolver


def unregister_resolver(scheme: str) -> None:
    """Return a scheme to what it was before ``register_resolver``."""
    with _registered_lock:
        _registered.pop(scheme, None)


def resolve(reference: str) -> SecretStr:
    """Return the secret behind a reference.

    Raises:
        UnknownName: the scheme is not one of ``SCHEMES``.
        MissingSecret: nothing is there, or it lies open to others.
    """
    scheme, _, place = reference.partition(":")
    if scheme not in SCHEMES:
        # Someone may have put the secret itself here: it must not be repeated.
        shown = scheme if scheme != reference and scheme.isalpha() and len(scheme) <= 10 else "(not shown)"
        raise UnknownName("scheme of secrets", shown, SCHEMES)
    resolver = _registered.get(scheme) or _BUILT_IN[scheme]
    try:
        value = resolver(place)
    except KeyError:
        raise MissingSecret(f"Nothing is stored under {reference}.") from None
    if not value:
        raise MissingSecret(f"{reference} is empty.")
    return SecretStr(value)


def _from_environment(name: str) -> str:
    return os.environ[name]


def _from_file(place: str) -> str:
    return read_private_file(Path(place).expanduser())


def _from_keyring(place: str) -> str:
    import keyring
    import keyring.errors

    service, _, user = place.rpartition("/")
    try:
        found = keyring.get_password(service, user)
    except keyring.errors.KeyringError:
        raise MissingSecret(f"keyring:{place} cannot be read: this session has no usable keyring.") from None
    if found is None:
        raise KeyError(place)
    return str(found)


def _from_vault(name: str) -> str:
    from clientsync.secrets.vault import Vault

    vault = Vault.from_settings(settings())
    try:
        return vault.get(name).get_secret_value()
    finally:
        vault.close()


def _from_block(name: str) -> str:
    raise MissingSecret(f"block:{name} can only be read inside a flow.")


_BUILT_IN: dict[str, Resolver] = {
    "env": _from_environment,
    "file": _from_file,
    "keyring": _from_keyring,
    "vault": _from_vault,
    "block": _from_block,
}


def read_private_file(path: Path) -> str:
    """Return the text of a file that only its owner can read, without the line end.

    The file is opened once and judged by the open handle, so it cannot be exchanged in between.

    Raises:
        MissingSecret: not there, not a plain file, not text, or open to others (``chmod 600`` helps).
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise MissingSecret(f"file:{path} cannot be read ({error.strerror}).") from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise MissingSecret(f"file:{path} is not a plain file.")
        if found.st_mode & 0o077:
            raise MissingSecret(f"file:{path} can be read by others; run chmod 600 on it.")
        if found.st_uid not in {os.getuid(), 0}:
            raise MissingSecret(f"file:{path} belongs to another user.")
        return os.read(handle, 65_536).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise MissingSecret(f"file:{path} is not text.") from None
    finally:
        os.close(handle)
