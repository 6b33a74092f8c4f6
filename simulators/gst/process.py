"""Start the simulator as a process of its own, for tests, benchmarks and the demo.

The process never outlives the one that started it.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Running:
    """A running simulator; leaving the context stops it."""

    url: str
    state_dir: Path
    process: subprocess.Popen[str]

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; the ground truth is complete afterwards."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def start(state_dir: Path, *, port: int = 0, truth: bool = True, **options: object) -> Running:
    """Start a simulator and wait until it answers.

    Args:
        state_dir: where it keeps its certificate, master list and ground truth.
        port: the port on loopback; 0 lets the system choose.
        truth: whether to write the ground truth.
        options: any option of the command line, with underscores, e.g. `clients=50, queue_above=1000`.

    Raises:
        RuntimeError: the simulator did not start.
    """
    command = [sys.executable, "-m", "simulators.gst", "--port", str(port), "--state-dir", str(state_dir)]
    command += ["--parent", str(os.getpid())]
    command += [] if truth else ["--no-truth"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - own module
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait(10)
        raise RuntimeError(f"the simulator ended with code {process.returncode}")
    return Running(json.loads(line)["url"], state_dir, process)
