"""How the shop misbehaves, always or for the next calls only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Oddities:
    """How the shop misbehaves; may be changed at any time.

    Attributes:
        latency: seconds before every answer.
        wraps_orders: the answer of ``GetOrders`` is wrapped in a list, as in the vendor's document.
        misspells_errors: errors are in ``erroe_message``.
        camel_case: names of lists are written like ``RegisterShifts``.
        claims_next: ``has_next_item`` is always true.
        tells_modified: orders and shifts carry ``modified_date``, which the vendor's document does not know.
        demands_created_after: ``GetOrders`` without it is an error.
        ignores_paging: every page is the first one.
        ignores_filters: ``GetTransfer`` answers all transfers.
        says_token_in_200: a refused token is ``status: false`` in HTTP 200 instead of 401.
        token_seconds: life of a token.
        refuses_refresh: refresh tokens are not accepted.
        resource_url: told instead of the address that was called.
    """

    latency: float = 0.0
    wraps_orders: bool = True
    misspells_errors: bool = True
    camel_case: bool = False
    claims_next: bool = False
    tells_modified: bool = False
    demands_created_after: bool = False
    ignores_paging: bool = False
    ignores_filters: bool = False
    says_token_in_200: bool = False
    token_seconds: int = 1_209_599
    refuses_refresh: bool = False
    resource_url: str = ""


@dataclass
class Trouble:
    """What befalls the next calls of a name.

    Attributes:
        call: name of the call, for example ``GetOrders`` or ``token``; empty: any.
        kind: ``http_503`` and the like; ``drop``: the answer is lost after the call had its effect; ``drop_before``:
            the call has none; ``error:<text>``: ``status: false`` with that text; ``token``: the token is refused.
        times: how often.
    """

    call: str
    kind: str
    times: int = 1
