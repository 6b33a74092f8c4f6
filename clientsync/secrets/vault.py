"""The vault: seals bytes with a key that lies elsewhere, and keeps named secrets sealed in the warehouse.

``MultiFernet`` (AES-128-CBC with HMAC-SHA256): the newest key seals, older ones still open. A named secret is
sealed together with its name, so a row that is moved to another name opens nothing. A copy of the warehouse or
of ``home`` alone decrypts nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from cryptography.fernet import InvalidToken, MultiFernet
from pydantic import SecretStr
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from clientsync.config import Settings
from clientsync.database import open_engine, reading, writing
from clientsync.errors import MissingSecret
from clientsync.ledger.tables import SyncSecret, SyncSession
from clientsync.secrets.keys import KeyPlace

_SECRET = SyncSecret.__table__  # type: ignore[attr-defined]
_SESSION = SyncSession.__table__  # type: ignore[attr-defined]


class Vault:
    """Seals and opens; safe to share between threads."""

    def __init__(self, keys: KeyPlace, engine: Engine | Callable[[], Engine]) -> None:
        """Remember where the keys are and how to reach the tables; neither is touched yet."""
        self._keys = keys
        self._owns_engine = not isinstance(engine, Engine)
        self._engine: Engine | None = engine if isinstance(engine, Engine) else None
        self._open_engine = engine
        self._lock = threading.RLock()
        self._stamp: tuple[int, ...] | None = None
        self._fernet: MultiFernet | None = None

    @classmethod
    def from_settings(cls, configured: Settings, engine: Engine | None = None) -> Self:
        """Return the vault that the settings describe, over ``engine`` or the warehouse of the settings.

        Raises:
            InvalidInput: the key would lie inside ``home``.
        """
        keys = KeyPlace(configured.vault_key_ref, forbidden=(configured.home,))
        return cls(keys, engine or (lambda: open_engine(configured.database_url)))

    def close(self) -> None:
        """Forget the keys and end the database connections, unless the engine was handed in."""
        with self._lock:
            self._fernet = None
            if self._owns_engine and self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def seal(self, plain: bytes) -> bytes:
        """Return ``plain`` encrypted and authenticated under the newest key."""
        return self._current().encrypt(plain)

    def open_sealed(self, sealed: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            MissingSecret: it was altered, or sealed under a key that is no longer there.
        """
        try:
            return self._current().decrypt(bytes(sealed))
        except InvalidToken:
            raise MissingSecret("A sealed value does not open under any key of the vault.") from None

    def rotate(self) -> int:
        """Make a new key, seal every stored secret and session anew, remove the old keys; return how many.

        A crash in between leaves old and new key both in place, and a repetition finishes. Values that
        other programs keep sealed outside the two tables no longer open afterwards.

        Raises:
            InvalidInput: the keys are in the environment.
        """
        with self._lock:
            self._keys.prepend()
            self._fernet = None  # the new key must be among those that seal from here on
            fernet = self._current()
            count = 0
            with writing(self._tables()) as connection:
                for table in (_SECRET, _SESSION):
                    key = tuple(table.primary_key.columns)
                    for row in connection.execute(select(*key, table.c.sealed).with_for_update()).all():
                        try:
                            sealed = fernet.rotate(bytes(row.sealed))
                        except InvalidToken:
                            continue  # did not open before either
                        where = [column == value for column, value in zip(key, row, strict=False)]
                        connection.execute(update(table).where(*where).values(sealed=sealed))
                        count += 1
            self._keys.keep_newest()
            self._fernet = None
            return count

    # named secrets

    def put(self, name: str, value: str | SecretStr) -> None:
        """Store a secret under a name, over the one before."""
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        row: dict[str, Any] = {
            "name": name,
            "sealed": self.seal(name.encode() + b"\0" + plain.encode()),
            "updated_at": datetime.now(UTC),
        }
        engine = self._tables()
        insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        with writing(engine) as connection:
            connection.execute(
                insert(_SECRET)
                .values(row)
                .on_conflict_do_update(
                    index_elements=["name"],
                    set_={"sealed": row["sealed"], "updated_at": row["updated_at"]},
                )
            )

    def get(self, name: str) -> SecretStr:
        """Return the secret of a name.

        Raises:
            MissingSecret: nothing is stored under it, or it does not open.
        """
        with reading(self._tables()) as connection:
            sealed = connection.execute(
                select(_SECRET.c.sealed).where(_SECRET.c.name == name)
            ).scalar_one_or_none()
        if sealed is None:
            raise MissingSecret(f"Nothing is stored under vault:{name}.")
        inside, _, plain = self.open_sealed(sealed).partition(b"\0")
        if inside != name.encode():
            raise MissingSecret(f"What is stored under vault:{name} was sealed for another name.")
        return SecretStr(plain.decode())

    def delete(self, name: str) -> bool:
        """Remove the secret of a name; return whether there was one."""
        with writing(self._tables()) as connection:
            return connection.execute(delete(_SECRET).where(_SECRET.c.name == name)).rowcount > 0

    def names(self) -> tuple[str, ...]:
        """Return the names under which secrets are stored, sorted."""
        with reading(self._tables()) as connection:
            return tuple(connection.execute(select(_SECRET.c.name).order_by(_SECRET.c.name)).scalars())

    def _tables(self) -> Engine:
        with self._lock:
            if self._engine is None:
                opener = self._open_engine
                self._engine = opener if isinstance(opener, Engine) else opener()
            return self._engine

    def _current(self) -> MultiFernet:
        """Return the keys, read again when another process has changed them."""
        with self._lock:
            stamp = self._keys.stamp()
            # An empty stamp: nothing to compare, or the file is away; the keys in hand are still the right ones.
            if self._fernet is None or (stamp and stamp != self._stamp):
                self._fernet = MultiFernet(self._keys.load())
                self._stamp = stamp
            return self._fernet
