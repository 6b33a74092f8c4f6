"""The purchase register: what the client booked as bought, the left side of 2B, 2A and IMS."""

from __future__ import annotations

from connectors.books.documents import register

DOCUMENTS, MODULE = register("purchase_register", "Purchase register", "purchases", "purchase", "BOOKS-P")
