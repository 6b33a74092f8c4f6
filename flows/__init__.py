"""Operator-facing flows, one file each: parameters, tasks, a typed summary. No logic of their own."""
