"""Which documents there are, who owns them, to whom they go, and how they stand in the business tables.

Routing is data: a rule names the kind of store and the field of the document that names the store. The rule that chose
is kept with the document, so that a person can ask why something was sent, or not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import Connection

from clientsync.errors import InvalidInput
from clientsync.exchange.documents import Control, Document

HEAD_OFFICE = "HO"
"""Node id of the head office; every store sends to it."""
KINDS = ("HO", "STORE")
STORE_TYPES = ("consignment", "outright")
Key = tuple[str, str]


class DocumentRefused(Exception):
    """A document cannot take effect as it is; all others go on.

    Attributes:
        code: short word for lists, such as ``UNKNOWN_ITEM``.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Adapter(Protocol):
    """How a type of document stands in the tables of a retailer."""

    def gather(self, connection: Connection, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the objects that exist, by key; those that are gone are left out."""

    def apply(self, connection: Connection, documents: Sequence[tuple[Document, Mapping[str, Any]]]) -> None:
        """Write documents with their bodies, in order.

        Raises:
            DocumentRefused: one of them cannot be.
        """

    def existing(self, connection: Connection, keys: Collection[str]) -> set[str]:
        """Return those keys that exist."""

    def keys_after(self, connection: Connection, key: str, limit: int) -> list[str]:
        """Return the next keys after a key in their order, at most ``limit``; after an empty one: the first."""


@dataclass(frozen=True)
class Site:
    """A store as the head office knows it on a day."""

    node_id: str
    store_type: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """To whom a type of document goes.

    Attributes:
        to: ``HO`` or ``STORE``.
        store_type: only stores of this type; empty: any.
        site_field: field of the body with the store, or the list of stores; empty: every store.
        groups_field: field of the body with groups of stores, one of which must be the store's; empty: any.
    """

    to: str
    store_type: str = ""
    site_field: str = ""
    groups_field: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same whatever a body says, and on every day."""
        return self.to == "HO"

    @property
    def is_narrow(self) -> bool:
        """Whether some stores may be left out."""
        return self.to == "STORE" and bool(self.store_type or self.site_field or self.groups_field)

    def receivers(self, body: Mapping[str, Any], sites: Iterable[Site]) -> tuple[tuple[str, ...], str]:
        """Return the receivers of a body and the rule in words."""
        if self.to == "HO":
            return (HEAD_OFFICE,), "to the head office"
        named = body.get(self.site_field) if self.site_field else None
        wanted = None if not self.site_field else ({named} if isinstance(named, str) else set(named or ()))
        groups = set(body.get(self.groups_field) or ()) if self.groups_field else set()
        chosen = tuple(
            one.node_id
            for one in sites
            if (wanted is None or one.node_id in wanted)
            and (not self.store_type or one.store_type == self.store_type)
            and (not groups or groups & set(one.groups))
        )
        words = ["to" if wanted is None else f"to the stores in {self.site_field}"]
        words += ["every store"] if wanted is None else []
        words += [f"of type {self.store_type}"] if self.store_type else []
        words += [f"of groups {', '.join(sorted(groups))}"] if groups else []
        return chosen, " ".join(words)


def _no_deps(_: Mapping[str, Any]) -> Iterable[Key]:
    return ()


def _no_control(_: Mapping[str, Any]) -> Control:
    return Control()


@dataclass(frozen=True)
class DocType:
    """One type of document.

    Attributes:
        name: of the type.
        title: for people.
        owner: ``HO`` or ``STORE``: who writes it; the other only receives.
        route: to whom it goes.
        adapter: its tables.
        key_field: field of the body with the key.
        is_snapshot: frozen when written; else the newest state is gathered when packed.
        schema_version: of the bodies that this software writes.
        upcasters: version to the function that turns a body of that version into the next.
        deps: objects that a body needs.
        control: what a body adds to the control totals.
        date_field: field of the body with the business day; empty: the day of writing.
        is_series: its keys are numbers that follow each other without gaps.
    """

    name: str
    title: str
    owner: str
    route: Route
    adapter: Adapter
    key_field: str
    is_snapshot: bool = True
    schema_version: int = 1
    upcasters: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)
    deps: Callable[[Mapping[str, Any]], Iterable[Key]] = _no_deps
    control: Callable[[Mapping[str, Any]], Control] = _no_control
    date_field: str = ""
    is_series: bool = False

    @cached_property
    def oldest_readable(self) -> int:
        """The oldest schema version that can be raised to the present one."""
        version = self.schema_version
        while version - 1 in self.upcasters:
            version -= 1
        return version

    def current(self, document: Document) -> dict[str, Any]:
        """Return a body in the present schema version.

        Raises:
            DocumentRefused: it is newer than this software, or older than it can raise.
        """
        if not self.oldest_readable <= document.schema_version <= self.schema_version:
            raise DocumentRefused(
                "SCHEMA",
                f"schema version {document.schema_version} cannot be read; readable are {self.oldest_readable} to "
                f"{self.schema_version}",
            )
        body = document.body
        for version in range(document.schema_version, self.schema_version):
            body = self.upcasters[version](body)
        return body


class Catalogue:
    """The types of documents that a node knows, in the order in which they go into a batch: what is needed first."""

    def __init__(self, types: Sequence[DocType]) -> None:
        """Take the types.

        Raises:
            InvalidInput: a name stands twice, or an owner is none.
        """
        self._types = {one.name: one for one in types}
        if len(self._types) != len(types):
            raise InvalidInput("A type of document stands in the catalogue twice.")
        for one in types:
            if one.owner not in KINDS:
                raise InvalidInput(f"{one.name}: owner {one.owner!r} is unknown. Valid: {', '.join(KINDS)}.")
        self._ranks = {one.name: place for place, one in enumerate(types)}

    def __iter__(self) -> Any:
        """Iterate over the types in their order."""
        return iter(self._types.values())

    def get(self, name: str) -> DocType | None:
        """Return a type, None when it is unknown."""
        return self._types.get(name)

    def known(self, name: str) -> DocType:
        """Return a type.

        Raises:
            InvalidInput: it is unknown; lists those that are known.
        """
        found = self._types.get(name)
        if found is None:
            raise InvalidInput(
                f"There is no type of document {name!r}. Valid: {', '.join(sorted(self._types))}."
            )
        return found

    def rank(self, name: str) -> int:
        """Return the place of a type."""
        return self._ranks[name]

    @property
    def readable(self) -> dict[str, list[int]]:
        """Schema versions that can be read, oldest and newest, by type."""
        return {one.name: [one.oldest_readable, one.schema_version] for one in self._types.values()}
