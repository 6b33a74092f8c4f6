"""Accurate Online as its users describe it, oddities included, with a truth of every document ever made."""

from __future__ import annotations

from simulators.accurate.books import Books
from simulators.accurate.settings import Fault, Settings

__all__ = ["Books", "Fault", "Settings"]
