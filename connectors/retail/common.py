"""What several types of the retailer share: the items of their lines, and their control figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clientsync.exchange.catalogue import Key
from clientsync.exchange.documents import Control


def items_of_lines(body: Mapping[str, Any]) -> Iterator[Key]:
    """Yield the items that lines name, each once."""
    for code in dict.fromkeys(str(line["item_code"]) for line in body["lines"]):
        yield "item", code


def quantities(body: Mapping[str, Any]) -> Control:
    """Return the control figures of a document of goods: quantity in thousandths."""
    return Control(quantity=sum(int(line["quantity"]) for line in body["lines"]))
