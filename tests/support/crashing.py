"""Homes that processes work in until they are killed, and the processes.

A home is copied from one in which clients and sessions are ready, so that a test starts where a night starts.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.gst.process import ROOT, Running
from tests.support.checker import Report, check
from tests.support.real_portal import NOW, control

Calls = Counter[tuple[str, str, str]]
"""(GSTIN, endpoint, action) to the number of questions."""


class Worker:
    """A process that forks one child at a time; see ``tests.crash.worker``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = 0

    def _told(self, word: str) -> int:
        assert self._process.stdout is not None
        said, _, number = self._process.stdout.readline().partition(" ")
        assert said == word, said
        return int(number)

    def start(self, home: Home, do: str, **more: Any) -> int:
        """Start a child; return its process id."""
        assert self._process.stdin is not None
        environment = {**home.environment, **more.pop("environment", {})}
        command = {"do": do, "environment": environment, "log": str(home.folder / "log.txt"), **more}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        self.pid = self._told("pid")
        return self.pid

    def wait(self) -> int:
        """Return the exit code of the child; negative: the signal that ended it."""
        return self._told("end")

    def run(self, home: Home, do: str, **more: Any) -> int:
        """Start a child and wait for it."""
        self.start(home, do, **more)
        return self.wait()

    def terminate(self) -> None:
        """Send SIGTERM to the child."""
        os.kill(self.pid, signal.SIGTERM)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@dataclass
class Home:
    """The folder of one installation that processes share.

    Attributes:
        folder: holds the warehouse, the settings and the log.
        portal: what it asks.
        environment: for its processes.
    """

    folder: Path
    portal: Running
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The warehouse file."""
        return self.folder / "data" / "clientsync.db"

    def copy(self, folder: Path, **settings: Any) -> Home:
        """Return another home that starts where this one stands, with settings over those of this one."""
        folder.mkdir(parents=True)
        shutil.copytree(self.folder / "data", folder / "data")
        over = {f"CLIENTSYNC_{name.upper()}": str(value) for name, value in settings.items()}
        own = {"CLIENTSYNC_HOME": str(folder / "data"), "CLIENTSYNC_NOW": NOW}
        return Home(folder, self.portal, {**self.environment, **own, **over})

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with sqlite3.connect(self.database) as connection:
            connection.row_factory = sqlite3.Row
            found = [dict(row) for row in connection.execute(sql)]
        connection.close()
        return found

    def change(self, sql: str) -> int:
        """Change the warehouse behind the product's back; return the number of rows."""
        with sqlite3.connect(self.database) as connection:
            count = connection.execute(sql).rowcount
        connection.close()
        return count

    def check(self) -> Report:
        """Compare the warehouse with what was served."""
        truth = Path(control(self.portal, "GET", "truth")["path"])
        return check(f"sqlite:///{self.database}", truth)

    def calls(self) -> Calls:
        """Return the questions that the portal has been asked so far, logins left out."""
        found: Calls = Counter()
        for gstin, endpoint, action, _, count in control(self.portal, "GET", "stats")["calls"]:
            if endpoint != "authenticate":
                found[gstin, endpoint, action] += count
        return found

    def log(self) -> str:
        """Return what its processes wrote."""
        path = self.folder / "log.txt"
        return path.read_text(encoding="utf-8")[-3000:] if path.exists() else ""


def without(environment: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return an environment without some names."""
    return {name: value for name, value in environment.items() if name not in names}
