"""The connectors that exist, found by name and imported only when one is used.

The index is a dotted name in the settings (``package:ATTRIBUTE``, a mapping of connector name to the dotted
name of its ``CONNECTOR``), so the core imports no connector, and a broken one fails its own clients only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from clientsync.config import settings
from clientsync.errors import ConfigError, InvalidSpec, UnknownName
from clientsync.spec.connector import Connector
from clientsync.spec.module import Module, TableSpec


def load_dotted(dotted: str) -> Any:
    """Return the attribute that ``package.module:name`` names.

    Raises:
        InvalidSpec: the module cannot be imported or has no such attribute.
    """
    module_name, _, attribute = dotted.partition(":")
    try:
        return getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise InvalidSpec(f"{dotted} cannot be loaded: {type(error).__name__}: {error}") from error


def index() -> Mapping[str, str]:
    """Return the index of connectors: name to dotted name."""
    return cast(Mapping[str, str], load_dotted(settings().connector_index))


def connector(name: str) -> Connector:
    """Import and return one connector.

    Raises:
        UnknownName: no such connector; lists those that exist.
        InvalidSpec: it cannot be imported.
    """
    known = index()
    if name not in known:
        raise UnknownName("connector", name, sorted(known))
    return cast(Connector, load_dotted(known[name]))


def modules(connector_name: str) -> dict[str, Module]:
    """Return all modules of a connector by name."""
    found = connector(connector_name)
    return {name: found.module(name) for name in found.module_names()}


def tables(connector_name: str) -> dict[str, TableSpec]:
    """Return the tables of all modules of a connector by table name."""
    return {table.name: table for module in modules(connector_name).values() for table in module.tables}


def all_tables() -> dict[str, TableSpec]:
    """Return the tables of every connector by table name."""
    found: dict[str, TableSpec] = {}
    for name in index():
        found.update(tables(name))
    return found


def release_connectors(engine: Any) -> None:
    """Let every connector that was imported close what it keeps open for this warehouse; imports none.

    An index that cannot be read has opened nothing, and whoever used it has been told.
    """
    try:
        known = tuple(index().values())
    except ConfigError:
        return
    for dotted in known:
        module_name, _, attribute = dotted.partition(":")
        release = getattr(getattr(sys.modules.get(module_name), attribute, None), "release", None)
        if release is not None:
            release(engine)
