"""Start the simulated tax portals as a process of its own, for tests, benchmarks and the demo.

The process never outlives the one that started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from simulators.gst.process import ROOT, Running


def start(state_dir: Path, *, port: int = 0, truth: bool = True, **options: object) -> Running:
    """Start the portals and wait until they answer.

    Args:
        state_dir: where master list, passwords and addresses are written.
        port: the port on loopback; 0 lets the system choose.
        truth: whether to write how much every client has.
        options: any option of the command line, with underscores, e.g. `clients=50, today="2026-11-20"`.

    Raises:
        RuntimeError: the simulator did not start.
    """
    command = [sys.executable, "-m", "simulators.tds", "--port", str(port), "--state-dir", str(state_dir)]
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
