"""Starts and ends the processes around the product: Prefect server, worker, simulated portal.

Everything listens on loopback only and lives under one folder. Every process that is started here is ended
here, by its id, also when something fails on the way.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 180.0


class StackError(RuntimeError):
    """A process of the stack did not come up; the message names its log."""


def free_port() -> int:
    """Return a loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """The processes of one installation.

    Attributes:
        home: folder for the server's database, logs and settings of this stack.
        port: of the Prefect server.
        environment: added to the environment of every process.
    """

    home: Path
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    _processes: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _logs: list[IO[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the folder and the environment that all processes share."""
        self.home = self.home.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        prefect_home = self.home / "prefect"
        self.environment = {
            "PREFECT_HOME": str(prefect_home),
            "PREFECT_PROFILES_PATH": str(prefect_home / "profiles.toml"),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "GX_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_CLI_PROMPT": "false",
            "PYTHONPATH": str(ROOT),
            "MALLOC_ARENA_MAX": "2",  # many threads otherwise leave the allocator with as many half-empty pools
            **self.environment,
        }

    @property
    def dashboard(self) -> str:
        """Address of the dashboard."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """Address of the server's API."""
        return f"{self.dashboard}/api"

    def env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment for a process of this stack."""
        return {**os.environ, **self.environment, **(extra or {})}

    def spawn(self, name: str, command: Sequence[str], *, capture: bool = False) -> subprocess.Popen[bytes]:
        """Start a process that logs to ``<home>/logs/<name>.log``; with ``capture`` its output can be read."""
        folder = self.home / "logs"
        folder.mkdir(exist_ok=True)
        log = (folder / f"{name}.log").open("ab")
        self._logs.append(log)
        process = subprocess.Popen(  # noqa: S603 - commands of our own
            list(command),
            cwd=ROOT,
            env=self.env(),
            stdout=subprocess.PIPE if capture else log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._processes.append((name, process))
        return process

    def start_server(self) -> None:
        """Start the Prefect server and wait until it answers.

        Raises:
            StackError: it ended or did not answer in time.
        """
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        process = self.spawn("server", command)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.api_url}/ready", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.3)
        raise StackError(f"The Prefect server did not start; see {self.home / 'logs' / 'server.log'}.")

    def start_simulator(
        self, arguments: Sequence[str] = (), *, module: str = "simulators.gst", folder: str = "portal"
    ) -> str:
        """Start a simulated system that keeps its state in a folder of the stack; return its address.

        Raises:
            StackError: it ended before it was ready.
        """
        return str(json.loads(self.start_simulator_line(arguments, module=module, folder=folder))["url"])

    def start_simulator_line(self, arguments: Sequence[str], *, module: str, folder: str) -> str:
        """Start a simulated system likewise; return the line of JSON that it tells of itself.

        Raises:
            StackError: it ended before it was ready.
        """
        state = ["--port", "0", "--state-dir", str(self.home / folder)]
        line = self.spawn_and_read(folder, ["-m", module, *state, *arguments])
        if not line:
            raise StackError(f"{module} did not start; see {self.home / 'logs' / f'{folder}.log'}.")
        return line

    def spawn_and_read(self, name: str, arguments: Sequence[str]) -> str:
        """Start a command of this Python; return the first line that it writes, empty when it ended without one."""
        process = self.spawn(name, [sys.executable, *arguments], capture=True)
        if process.stdout is None:
            raise StackError(f"{name} has no output.")
        return process.stdout.readline().decode()

    def run(self, arguments: Sequence[str], *, quiet: bool = True, check: bool = True) -> int:
        """Run a command of this Python to its end in the stack's environment; return its exit code.

        Raises:
            StackError: it failed and ``check`` is true; the message holds what it printed last.
        """
        done = subprocess.run(  # noqa: S603
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.env(),
            capture_output=quiet,
            text=True,
            check=False,
        )
        if check and done.returncode:
            told = ((done.stdout or "") + (done.stderr or ""))[-2000:]
            raise StackError(f"{' '.join(arguments[:4])} ended with {done.returncode}: {told}")
        return done.returncode

    def deploy(self) -> None:
        """Create the work pool, deploy every deployment of prefect.yaml, and fill the run forms' lists."""
        self.run(["-m", "prefect", "work-pool", "create", "clientsync", "--type", "process", "--overwrite"])
        self.run(["-m", "prefect", "--no-prompt", "deploy", "--all"])
        self.run(["-m", "deployments.refresh"])

    def end_dead_runs(self) -> int:
        """Say of every flow run that an earlier worker of this stack left open that its process is gone.

        To be called before a worker starts, while nothing can be running; the ledger's units are taken up by the
        next run in any case. Returns how many there were.
        """
        open_types = ["RUNNING", "PENDING", "PAUSED", "CANCELLING"]
        state = {
            "type": "CRASHED",
            "message": "The process ended before the run did; the next run goes on from there.",
        }
        with httpx.Client(base_url=self.api_url, timeout=30, trust_env=False) as client:
            wanted = {"flow_runs": {"state": {"type": {"any_": open_types}}}}
            dead = client.post("/flow_runs/filter", json=wanted).raise_for_status().json()
            for run in dead:
                client.post(f"/flow_runs/{run['id']}/set_state", json={"state": state, "force": True})
        return len(dead)

    def start_worker(self) -> None:
        """Start a worker on the work pool; it works on two flow runs at once."""
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "clientsync", "--limit", "2"]
        self.spawn("worker", command)

    def close(self) -> None:
        """End every process that was started here, the newest first."""
        for _, process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 15
        for _, process in reversed(self._processes):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for log in self._logs:
            log.close()
        self._processes.clear()
        self._logs.clear()

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
