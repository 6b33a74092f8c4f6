"""The command reference as Markdown, generated from the commands themselves, so that none goes undocumented."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command


def command_reference() -> str:
    """Return every command with its help, arguments and options."""
    from clientsync.cli.app import app

    parts = [
        "# Commands",
        "",
        "Generated from the command line; do not edit. Every command has `--help`.",
        "",
        "Exit codes: 0 done, 1 an error, 2 something asked for is wrong and nothing was written, "
        "3 the run ended with units that are not done.",
        "",
    ]
    for path, command in commands(get_command(app), "clientsync"):
        parts.extend(_section(path, command))
    return "\n".join(parts).rstrip() + "\n"


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and the object of every command that does something, in the order of help."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from commands(child, f"{path} {name}")


def _section(path: str, command: Any) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    usage = " ".join([path, *(_metavar(one) for one in arguments)])
    yield f"## `{path}`"
    yield ""
    text = inspect.cleandoc(command.help or "")
    body, _, example = text.partition("Example: ")
    yield body.strip()
    yield ""
    yield f"    {usage}{' [OPTIONS]' if options else ''}"
    yield ""
    if example:
        yield f"Example: `{' '.join(example.split())}`"
        yield ""
    if arguments or options:
        yield "| | meaning |"
        yield "|---|---|"
        for one in arguments:
            yield f"| `{_metavar(one)}` | {_cell(getattr(one, 'help', '') or '')} |"
        for one in options:
            names = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
            yield f"| {names} | {_cell(one.help or '')}{_default(one)} |"
        yield ""


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _default(option: Any) -> str:
    default = option.default
    if default in (None, False, True, "", ()) or callable(default) or isinstance(default, list | tuple):
        return " Required." if option.required else ""
    return f" Default: `{default}`."


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
