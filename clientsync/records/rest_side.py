"""A system with a REST interface as a side, described by data: where its records are, how they page, their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clientsync.errors import ContractChanged, SideRefused, SourceError
from clientsync.http.client import HttpClient, Reply
from clientsync.records.entities import number_form
from clientsync.records.planning import hash_of
from clientsync.records.sides import ACTIONS, Listed

_REFUSED = (400, 409, 422)
_GONE = (404, 410)


@dataclass(frozen=True)
class RestDescription:
    """How one kind of record is reached in a system.

    Attributes:
        path: of the collection; a record is below it by its id.
        fields: field of ours to the name of theirs.
        id_field: of a record.
        reference_field: that takes our reference; empty when there is none, then its number finds a record again.
        number_query: name of the parameter that looks a number up; ``reference_query`` the one of a reference.
        page_query: name of the parameter of the page, counted from 1; ``size_query`` the one of its size.
        items: name of the list in an answer; ``total`` the one of how many there are in all.
        flags: fields of ours that are true or false there.
        actions: what the system can do.
    """

    path: str
    fields: Mapping[str, str]
    id_field: str = "id"
    reference_field: str = ""
    number_query: str = "number"
    reference_query: str = "reference"
    page_query: str = "page"
    size_query: str = "page_size"
    page_size: int = 100
    items: str = "items"
    total: str = "total"
    flags: Sequence[str] = ("active",)
    actions: Sequence[str] = ACTIONS


class RestSide:
    """Records of a system behind a REST interface."""

    def __init__(
        self,
        client: HttpClient,
        description: RestDescription,
        *,
        title: str,
        token: str,
        account: str,
        region: str,
    ) -> None:
        """Take a client for its address, its description, and the token that is sent with every call."""
        self._client, self._of, self._token, self._account = client, description, token, account
        self.title, self.region = title, region
        self.actions, self.fields = description.actions, description.fields.keys()

    @property
    def scope(self) -> str:
        """Digest of address, account and mapping."""
        return hash_of(
            {
                "base": self._client.base_url,
                "path": self._of.path,
                "account": self._account,
                **self._of.fields,
            }
        )

    def listed(self) -> Listed:
        """Return all records, page by page; they are whole when as many came as the system says there are.

        A list that changed while it was read is read once more.

        Raises:
            SourceError: the system cannot be reached; nothing is concluded from the pages that came.
        """
        records, is_whole = self._pages()
        if not is_whole:
            records, is_whole = self._pages()
        return Listed(records, is_whole)

    def _pages(self) -> tuple[dict[str, dict[str, object]], bool]:
        """Return what one passage through the pages found, and whether the list stood still all the while."""
        records: dict[str, dict[str, object]] = {}
        page, came, first = 1, 0, None
        while True:
            found = self._get({self._of.page_query: str(page), self._of.size_query: str(self._of.page_size)})
            items, total = found.get(self._of.items), found.get(self._of.total)
            if not isinstance(items, list) or not isinstance(total, int):
                raise ContractChanged(f"{self.title} answers without {self._of.items} and {self._of.total}.")
            first = total if first is None else first
            came += len(items)
            for one in items:
                records[str(one[self._of.id_field])] = self._ours(one)
            if not items or came >= total or total != first:
                return records, len(records) == came == total == first
            page += 1

    def _ours(self, item: Mapping[str, Any]) -> dict[str, object]:
        return {ours: item.get(theirs) for ours, theirs in self._of.fields.items()}

    def _theirs(self, values: Mapping[str, str]) -> dict[str, object]:
        found: dict[str, object] = {}
        for ours, value in values.items():
            if ours in self._of.fields and (
                value or ours not in self._of.flags
            ):  # a blank is neither yes nor no
                found[self._of.fields[ours]] = value == "1" if ours in self._of.flags else value
        return found

    def read(self, ext_id: str) -> Mapping[str, object] | None:
        """Return a record as it stands now; None when the system says that there is none."""
        reply = self._call("GET", self._one(ext_id))
        if reply.status in _GONE:
            return None
        return self._ours(reply.raise_for_status().json())

    def find(self, reference: str, number: str) -> str | None:
        """Return the record that has our reference, or a number; what comes is compared, as a filter may be ignored."""
        if reference and not self._of.reference_field:
            return None
        query = {self._of.reference_query: reference} if reference else {self._of.number_query: number}
        for one in self._get(query)[self._of.items]:
            held = (
                one.get(self._of.reference_field)
                if reference
                else number_form(one.get(self._of.fields["number"]))
            )
            if held == (reference or number):
                return str(one[self._of.id_field])
        return None

    def create(self, values: Mapping[str, str], reference: str) -> str:
        """Make a record.

        Raises:
            SideRefused: the system does not take it; says why.
        """
        body = self._theirs(values)
        if self._of.reference_field:
            body[self._of.reference_field] = reference
        return str(self._taken(self._call("POST", self._of.path, body))[self._of.id_field])

    def update(self, ext_id: str, values: Mapping[str, str]) -> None:
        """Change fields of a record.

        Raises:
            SideRefused: the system does not take them; says why.
        """
        self._taken(self._call("PATCH", self._one(ext_id), self._theirs(values)))

    def delete(self, ext_id: str) -> None:
        """Delete a record; one that is gone is as good."""
        reply = self._call("DELETE", self._one(ext_id))
        if reply.status not in _GONE:
            self._taken(reply)

    def _one(self, ext_id: str) -> str:
        return f"{self._of.path}/{quote(ext_id, safe='')}"

    def _get(self, query: Mapping[str, str]) -> dict[str, Any]:
        found = self._call("GET", self._of.path, query=query).raise_for_status().json()
        if not isinstance(found, dict):
            raise ContractChanged(f"{self.title} answers with no object.")
        return found

    def _call(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a call; one that only reads is tried again, one that writes is not: the plan sees what came of it."""

        def send() -> Reply:
            return self._client.send(
                method,
                path,
                client=self._account,
                params=query,
                json=body,
                headers={"Authorization": f"Bearer {self._token}"},
            )

        return self._client.run(send) if method == "GET" else send()

    def _taken(self, reply: Reply) -> dict[str, Any]:
        if reply.status in _REFUSED:
            raise SideRefused(f"{self.title} refuses it: {_reason(reply)}")
        found = reply.raise_for_status()
        return dict(found.json()) if found.body else {}


def _reason(reply: Reply) -> str:
    try:
        said = reply.json()
    except SourceError:
        return f"status {reply.status}"
    return str(said.get("error", said) if isinstance(said, dict) else said)[:200]
