"""Typed tables of every statement with their history, loaded in one transaction per batch, read as of any night.

Invariant: rows, quarantine, memory of the sections and the outcome of a unit become visible together or not
at all, and every row that came in is either in a table or in quarantine.
"""
