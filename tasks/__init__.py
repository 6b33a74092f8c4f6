"""Prefect tasks: thin wrappers over the core. Parameters are ids and labels, never rows or secrets."""
