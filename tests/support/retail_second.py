"""The next version of the retailer's items: what was ``hsn`` is called ``hsn_code`` in bodies; the tables stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import Catalogue
from connectors.retail import tables as retail
from connectors.retail.catalogue import TYPES
from connectors.retail.items import ITEM


class SecondAdapter(TableAdapter):
    """Writes bodies of the next version into the tables."""

    def gather(self, connection: Connection, keys: Any) -> dict[str, dict[str, Any]]:
        return {key: raised(body) for key, body in super().gather(connection, keys).items()}

    def apply(self, connection: Connection, documents: Any) -> None:
        super().apply(connection, [(one, {**body, "hsn": body.get("hsn_code")}) for one, body in documents])


def raised(body: Mapping[str, Any]) -> dict[str, Any]:
    return {("hsn_code" if name == "hsn" else name): value for name, value in body.items()}


def second() -> Catalogue:
    item = dataclasses.replace(
        ITEM, schema_version=2, upcasters={1: raised}, adapter=SecondAdapter(retail.item, "item_code")
    )
    return Catalogue([item, *TYPES[1:]])
