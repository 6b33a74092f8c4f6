"""The core of clientsync: everything that can be said and done without an orchestrator.

Knows nothing of Prefect and imports no other top-level folder of the project; what it needs of them
(the index of connectors, the compiler of checks) is handed in by name.
"""
