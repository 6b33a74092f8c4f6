"""Who runs this process, as the operating system knows it."""

from __future__ import annotations

import os
from importlib import import_module


def person() -> str:
    """Return the name of the login that runs this process; no variable of the environment changes it."""
    if os.name == "nt":
        return os.getlogin()
    return str(import_module("pwd").getpwuid(os.getuid()).pw_name)
