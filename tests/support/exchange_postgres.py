"""Worlds of the exchange of which some or all databases lie on one PostgreSQL."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import text

from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.mailbox import SCHEMA
from tests.support.exchange_world import World

_numbers = count(1)


class PostgresWorld(World):
    """A world whose databases on PostgreSQL are made from a template, copied and put back as whole databases.

    Attributes:
        server: the running PostgreSQL.
        on_server: which databases lie on it; the others are files.
    """

    server: Any = None
    on_server: tuple[str, ...] = ("mailbox",)

    def __init__(self, folder: Path, stores: int = 2) -> None:
        self.number = next(_numbers)
        self.made: list[str] = []
        super().__init__(folder, stores)
        if "mailbox" in self.on_server:
            self._register()

    def _register(self) -> None:
        """Let the login of the tests be the head office's for the purge; the rights are tested elsewhere."""
        with self.mailbox.engine.begin() as connection:
            me = connection.execute(text("SELECT session_user")).scalar_one()
            connection.execute(
                text(
                    f"INSERT INTO {SCHEMA}.mb_node (node_id, db_role, kind, status)"
                    f" VALUES ('{HEAD_OFFICE}', '{me}', 'HO', 'ACTIVE')"
                )
            )

    def database(self, name: str) -> str:
        return f"exchange_{self.number}_{name.lower()}"

    def url(self, name: str) -> str:
        if name not in self.on_server:
            return super().url(name)
        if self.database(name) not in self.made:
            self._run(f"CREATE DATABASE {self.database(name)}")
            self.made.append(self.database(name))
        return str(self.server.get_uri(database=self.database(name), driver="psycopg"))

    def _run(self, statement: str) -> None:
        self.server.psql(statement + ";")

    def backup(self, name: str) -> Path:
        if name not in self.on_server:
            return super().backup(name)
        self._leave(name)
        self.copies += 1
        copy = f"{self.database(name)}_copy{self.copies}"
        self._run(f"CREATE DATABASE {copy} TEMPLATE {self.database(name)}")
        self.made.append(copy)
        return Path(copy)

    def restore(self, name: str, copy: Path) -> None:
        if name not in self.on_server:
            super().restore(name, copy)
            return
        self._leave(name)
        self._run(f"DROP DATABASE {self.database(name)}")
        self._run(f"CREATE DATABASE {self.database(name)} TEMPLATE {copy.name}")
        if name == "mailbox":
            self.mailbox = self.open_mailbox()
        else:
            self.open(name)
            self.free(name)

    def _leave(self, name: str) -> None:
        """Close the connections, so that the database can be copied."""
        (self.mailbox.engine if name == "mailbox" else self.nodes[name].engine).dispose()

    def close(self) -> None:
        super().close()
        for one in self.made:
            self._run(f"DROP DATABASE IF EXISTS {one}")
