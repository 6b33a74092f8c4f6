"""The guides are true: every command in them exists and takes what it is given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from clientsync.cli.app import app
from clientsync.cli.reference import commands

ROOT = Path(__file__).resolve().parents[3]
GUIDES = ("docs/operator-guide.md", "docs/tutorial.md")
KNOWN = dict(commands(get_command(app), "clientsync"))


def path_of(words: list[str]) -> str | None:
    return next((" ".join(words[:size]) for size in (4, 3, 2) if " ".join(words[:size]) in KNOWN), None)


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_in_a_guide_takes_the_arguments_that_it_is_given(name: str) -> None:
    found = re.findall(r"^    (clientsync .*)$", (ROOT / name).read_text(encoding="utf-8"), re.M)
    assert len(found) > 10
    for line in found:
        words = shlex.split(line)
        path = path_of(words)
        if path is None:
            assert line == "clientsync otp"
            continue
        KNOWN[path].make_context(path, words[len(path.split()) :])


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_that_a_guide_speaks_of_exists(name: str) -> None:
    for line in re.findall(r"`(clientsync [^`]*)`", (ROOT / name).read_text(encoding="utf-8")):
        assert path_of(shlex.split(line)) is not None, line


def test_every_subject_of_the_command_line_is_in_the_operators_guide() -> None:
    text = (ROOT / "docs/operator-guide.md").read_text(encoding="utf-8")
    for path in KNOWN:
        subject = path.split()[1]
        assert subject in text or subject in {"db", "runs"}, path
