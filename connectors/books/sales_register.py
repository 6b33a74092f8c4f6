"""The sales register: what the client booked as sold, the left side of GSTR-1."""

from __future__ import annotations

from connectors.books.documents import register

DOCUMENTS, MODULE = register("sales_register", "Sales register", "sales", "sale", "BOOKS-S")
