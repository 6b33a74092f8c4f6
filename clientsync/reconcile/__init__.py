"""Reconciliations: pure comparisons of rows that are already stored. Nothing here reads or writes anything."""
