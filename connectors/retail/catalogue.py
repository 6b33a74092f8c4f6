"""All types of documents of the retailer, what is needed first."""

from __future__ import annotations

from clientsync.exchange.catalogue import Catalogue
from connectors.retail.audit_plans import AUDIT_PLAN
from connectors.retail.bills import BILL
from connectors.retail.customers import CUSTOMER
from connectors.retail.grc import GRC
from connectors.retail.grt import GRT
from connectors.retail.invoices import INVOICE
from connectors.retail.items import ITEM
from connectors.retail.prices import PRICE
from connectors.retail.promotions import PROMOTION
from connectors.retail.sales_orders import SALES_ORDER
from connectors.retail.transfer_orders import TRANSFER_ORDER

TYPES = (
    ITEM,
    PRICE,
    PROMOTION,
    CUSTOMER,
    TRANSFER_ORDER,
    SALES_ORDER,
    INVOICE,
    AUDIT_PLAN,
    BILL,
    GRC,
    GRT,
)


def catalogue() -> Catalogue:
    """Return the catalogue of the retailer."""
    return Catalogue(TYPES)
