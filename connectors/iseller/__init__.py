"""iSeller, a point of sale with an online shop: its sales, shifts, products and transfers, and goods that reach it.

The rules are those of the vendor's "Public API v2". The ERP calls (v3) are not published field by field, so what is
not established there is an option of the connection.
"""

from clientsync.commerce.systems import Opening
from connectors.iseller.shop import Iseller

__all__ = ["Iseller", "open_shop"]


def open_shop(opening: Opening) -> Iseller:
    """Return the shop of a connection; nothing is called yet.

    Args:
        opening: with credentials ``client_id``, ``client_secret`` and ``webhook_key``; the options are those of
            ``connectors.iseller.options``.

    Raises:
        InvalidInput: an option is not known or has no usable value, or the zone is not one of whole hours.
    """
    return Iseller(opening)
