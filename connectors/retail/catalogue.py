"""All types of documents of the retailer, what is needed first."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.schema import CreateTable

from clientsync.exchange.adapters import TableAdapter
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
from connectors.retail.tables import RETAIL
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


def create_tables(engine: Engine, kind: str) -> None:
    """Create the business tables of a node that are not there.

    Lines of documents that others write have no foreign key to their document: it was checked where they were written,
    and they come with it in one transaction. Checking it again, row by row, takes PostgreSQL nearly half of its time;
    its own logical replication does not check it at the receiver either.

    Args:
        engine: of the node's database.
        kind: ``HO`` or ``STORE``.
    """
    received = {
        one.adapter.lines for one in TYPES if one.owner != kind and isinstance(one.adapter, TableAdapter)
    }
    with engine.begin() as connection:
        for table in RETAIL.sorted_tables:
            checked = () if table in received else None
            connection.execute(
                CreateTable(table, include_foreign_key_constraints=checked, if_not_exists=True)
            )
