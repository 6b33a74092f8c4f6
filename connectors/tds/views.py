"""Views of the TDS tables for analysts, gathered from the modules that declare them."""

from __future__ import annotations

from connectors.tds import challans

VIEWS = challans.VIEWS
