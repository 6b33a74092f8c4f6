"""Where the vault's keys are: a file of this user, the system's keyring, or the environment.

Keys stand newest first; the first one seals, all of them open. A place inside ``home`` is refused, because
a copy of that folder must open nothing.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from cryptography.fernet import Fernet

from clientsync.errors import InvalidInput, MissingSecret
from clientsync.secrets.references import resolve

KEYRING_SECONDS = 5
"""For how long keys from the keyring are trusted before they are read again."""


class KeyPlace:
    """The keys at one reference; made on first use, except in the environment."""

    def __init__(self, reference: str, *, forbidden: tuple[Path, ...] = ()) -> None:
        """Remember the place; nothing is read yet.

        Raises:
            InvalidInput: the place lies in one of the ``forbidden`` folders, or its scheme keeps no keys.
        """
        self.reference = reference
        self.scheme, _, self.place = reference.partition(":")
        if self.scheme not in {"file", "keyring", "env"}:
            raise InvalidInput("The vault's key must be a reference. Valid: file:, keyring:, env:.")
        if self.scheme == "file":
            path = self._path.resolve()
            if any(path.is_relative_to(folder.resolve()) for folder in forbidden):
                raise InvalidInput("The vault's key must not lie in the folder of what it seals.")

    @property
    def _path(self) -> Path:
        return Path(self.place).expanduser()

    def stamp(self) -> tuple[int, ...]:
        """Return something that changes when another process may have changed the keys; empty if unknown."""
        if self.scheme == "keyring":
            return (int(time.monotonic() // KEYRING_SECONDS),)
        if self.scheme == "env":
            return ()
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def load(self) -> tuple[Fernet, ...]:
        """Return the keys, newest first; the first call makes one.

        Raises:
            MissingSecret: the place cannot be read or made, or holds something else.
        """
        text = self._read()
        if text is None:
            self._create(Fernet.generate_key().decode())
            text = self._read() or ""
        try:
            keys = tuple(Fernet(key) for key in text.replace(",", " ").split())
        except ValueError:
            keys = ()
        if not keys:
            raise MissingSecret(f"{self.reference} does not hold a key of the vault.")
        return keys

    def prepend(self) -> None:
        """Put a new key before those that are there.

        Raises:
            InvalidInput: the keys are in the environment, which this program does not change.
        """
        self.load()
        self._replace(Fernet.generate_key().decode() + "\n" + (self._read() or ""))

    def keep_newest(self) -> None:
        """Remove every key but the first."""
        self._replace((self._read() or "").replace(",", " ").split()[0])

    def _read(self) -> str | None:
        if self.scheme == "file" and not self._path.exists():
            return None
        try:
            return resolve(self.reference).get_secret_value()
        except MissingSecret:
            if self.scheme == "keyring" and _keyring_is_usable():
                return None
            raise

    def _create(self, text: str) -> None:
        if self.scheme == "keyring":
            self._replace(text)
            return
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = _private_draft(folder, text)
        try:
            os.link(draft, self._path)  # fails when another process was first: its key is then ours
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def _replace(self, text: str) -> None:
        if self.scheme == "file":
            _private_draft(self._path.parent, text).replace(self._path)
        elif self.scheme == "keyring":
            import keyring

            service, _, user = self.place.rpartition("/")
            keyring.set_password(service, user, " ".join(text.split()))
        else:
            raise InvalidInput(f"{self.reference} is changed where it is set, not by this program.")


def _keyring_is_usable() -> bool:
    import keyring

    return bool(keyring.get_keyring().priority >= 1)


def _private_draft(folder: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(dir=folder, prefix=".key-")  # 0600 from the first moment
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text.strip() + "\n")
        file.flush()
        os.fsync(handle)
    return Path(name)
