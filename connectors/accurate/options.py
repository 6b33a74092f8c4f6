"""What can be set for one connection to Accurate, with defaults.

The vendor does not say everything (reference, section 9); what may differ from firm to firm is an option here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from clientsync.errors import InvalidInput

MAX_PAGE_SIZE = 100
"""Largest page in practice (reference, section 3.1)."""
LANGUAGES = ("ID", "US")
INBOUNDS = ("receive_item", "purchase_order")
_CHAR_FIELD = re.compile(r"charField([1-9]|10)")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Options:
    """Options of a connection.

    Attributes:
        walk_in_customer: customer number of sales without a customer.
        item_category: category of items that are created.
        item_unit: unit of items that are created without one.
        create_items: create an item that Accurate does not have; else its document is refused.
        create_customers: the same for customers.
        adjustment_account: account of stock counts; empty: Accurate's own choice.
        inbound: which purchase document reaches the shop, ``receive_item`` or ``purchase_order``.
        language: language of Accurate's texts, ``ID`` or ``US``; sent with every call.
        database_id: which database; empty: the only one that the account can open.
        field_for_source: free header field that holds the id of the source.
        field_for_outlet: free header field that holds the outlet of a sale or return.
        page_size: rows a page, at most 100.
        allowed_ips: addresses or networks that may send webhooks; empty: every one.
    """

    walk_in_customer: str = "CASH"
    item_category: str = "Umum"
    item_unit: str = "PCS"
    create_items: bool = True
    create_customers: bool = True
    adjustment_account: str = ""
    inbound: Literal["receive_item", "purchase_order"] = "receive_item"
    language: Literal["ID", "US"] = "ID"
    database_id: str = ""
    field_for_source: str = "charField1"
    field_for_outlet: str = "charField2"
    page_size: int = MAX_PAGE_SIZE
    allowed_ips: tuple[Network, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Return the options of a connection.

        Raises:
            InvalidInput: a name is not known, or a value cannot be used.
        """
        valid = [field.name for field in fields(cls)]
        unknown = sorted(set(given) - set(valid))
        if unknown:
            raise InvalidInput(
                f"Unknown options of Accurate: {', '.join(unknown)}. Valid: {', '.join(valid)}."
            )
        return cls(**{name: _READERS.get(name, _text)(name, value) for name, value in given.items()})


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput(f"The option {name} must be text.")
    return str(value).strip()


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"The option {name} must be true or false.")
    return value


def _language(name: str, value: Any) -> str:
    return _one_of(name, str(value).upper(), LANGUAGES)


def _inbound(name: str, value: Any) -> str:
    return _one_of(name, str(value), INBOUNDS)


def _one_of(name: str, value: str, valid: tuple[str, ...]) -> str:
    if value not in valid:
        raise InvalidInput(f"The option {name} must be one of {', '.join(valid)}.")
    return value


def _char_field(name: str, value: Any) -> str:
    if not _CHAR_FIELD.fullmatch(str(value)):
        raise InvalidInput(f"The option {name} must be one of charField1 to charField10.")
    return str(value)


def _page_size(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PAGE_SIZE:
        raise InvalidInput(f"The option {name} must be a whole number from 1 to {MAX_PAGE_SIZE}.")
    return value


def _networks(name: str, value: Any) -> tuple[Network, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise InvalidInput(f"The option {name} must be a list of addresses.")
    try:
        return tuple(ipaddress.ip_network(str(one)) for one in value)
    except ValueError:
        raise InvalidInput(f"The option {name} holds what is no address or network.") from None


_READERS: Mapping[str, Any] = {
    "create_items": _truth,
    "create_customers": _truth,
    "inbound": _inbound,
    "language": _language,
    "field_for_source": _char_field,
    "field_for_outlet": _char_field,
    "page_size": _page_size,
    "allowed_ips": _networks,
}
