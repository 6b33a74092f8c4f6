"""Customers of Accurate as a side of a set of records.

Source of the fields: Accurate's API of customers (list, detail, save, delete). That a save changes ``suspended`` is not
documented; a customer that stays as it was is read back and told as not done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from clientsync.commerce.systems import Opening
from clientsync.errors import SideRefused
from clientsync.records.planning import hash_of
from clientsync.records.sides import ACTIONS, Listed
from connectors.accurate.answers import AccurateRefused, record_of, rows_of
from connectors.accurate.calling import AccurateClient, Query
from connectors.accurate.desk import path_of
from connectors.accurate.listing import all_rows
from connectors.accurate.options import Options
from connectors.accurate.values import day_text

MODULE = "customer"
FIELDS = {
    "number": "customerNo",
    "name": "name",
    "tax_id": "npwpNo",
    "email": "email",
    "phone": "mobilePhone",
    "street": "billStreet",
    "postcode": "billZipCode",
    "city": "billCity",
}
"""Field of ours to the field of Accurate; ``active`` is the opposite of ``suspended``."""
SUSPENDED = "suspended"


def open_customers(opening: Opening, *, title: str, region: str) -> AccurateCustomers:
    """Return the customers of an account as a side.

    Raises:
        InvalidInput: an option is not known or cannot be used.
        MissingSecret: the credentials allow no way in.
    """
    return AccurateCustomers(opening, title, region)


class AccurateCustomers:
    """Customers behind Accurate's interface."""

    actions: Sequence[str] = ACTIONS
    fields: Collection[str] = (*FIELDS, "active")

    def __init__(self, opening: Opening, title: str, region: str) -> None:
        """Prepare; nothing is sent."""
        self.title, self.region = title, region
        self._opening = opening
        self._options = Options.of(opening.options)
        self._client = AccurateClient(opening, self._options)
        self._read = ("id", *FIELDS.values(), SUSPENDED, self._options.field_for_source)

    @property
    def scope(self) -> str:
        """Digest of account, database and mapping."""
        base = {"base": self._opening.client.base_url, "account": self._opening.account}
        return hash_of({**base, "database": self._options.database_id, **FIELDS})

    def listed(self) -> Listed:
        """Return all customers; a list that does not stand still is read again.

        Raises:
            SourceError: Accurate cannot be reached, or its list does not stand still.
        """
        rows = all_rows(self._client, MODULE, self._read, [], self._options.page_size)
        return Listed({str(row["id"]): _ours(row) for row in rows})

    def read(self, ext_id: str) -> Mapping[str, object] | None:
        """Return a customer as it stands now; None when Accurate says that there is none."""
        try:
            body = self._client.call("GET", path_of(MODULE, "detail"), [("id", ext_id)])
        except AccurateRefused as error:
            if error.is_not_found:
                return None
            raise
        return _ours(record_of(body))

    def find(self, reference: str, number: str) -> str | None:
        """Return the customer that has our reference in its free field, or a number."""
        name, value = (self._options.field_for_source, reference) if reference else ("customerNo", number)
        query: Query = [
            ("fields", ",".join(self._read)), (f"filter.{name}.op", "EQUAL"), (f"filter.{name}.val", value),
        ]  # fmt: skip
        rows = rows_of(self._client.call("GET", path_of(MODULE, "list"), query))
        # a filter that Accurate does not know is ignored, and everything comes
        return next((str(row["id"]) for row in rows if str(row.get(name) or "") == value), None)

    def create(self, values: Mapping[str, str], reference: str) -> str:
        """Make a customer.

        Raises:
            SideRefused: Accurate does not take it; says why.
        """
        made = {"transDate": day_text(self._opening.now(), self._opening.zone)}
        return str(self._saved({**made, **_theirs(values), self._options.field_for_source: reference})["id"])

    def update(self, ext_id: str, values: Mapping[str, str]) -> None:
        """Change fields of a customer.

        Raises:
            SideRefused: Accurate does not take them; says why.
        """
        self._saved({"id": int(ext_id), **_theirs(values)})

    def delete(self, ext_id: str) -> None:
        """Delete a customer; one that is gone is as good.

        Raises:
            SideRefused: it has documents, for example.
        """
        try:
            self._client.call("DELETE", path_of(MODULE, "delete"), [("id", ext_id)])
        except AccurateRefused as error:
            if not error.is_not_found:
                raise SideRefused(f"{self.title} refuses it: {error.text}") from None

    def _saved(self, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return record_of(self._client.call("POST", path_of(MODULE, "save"), json=dict(body)))
        except AccurateRefused as error:
            raise SideRefused(f"{self.title} refuses it: {error.text}") from None


def _ours(row: Mapping[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {ours: row.get(theirs) for ours, theirs in FIELDS.items()}
    return {**found, "active": not row.get(SUSPENDED)}


def _theirs(values: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {FIELDS[ours]: value for ours, value in values.items() if ours in FIELDS}
    if values.get("active"):  # a blank is neither yes nor no
        found[SUSPENDED] = values["active"] != "1"
    return found
