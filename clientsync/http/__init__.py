"""One HTTP client for every outside system: allow-list, deadlines, size limits, budgets, retries by class.

Nothing leaves this machine except through ``HttpClient``, and nothing it raises or logs holds a body, a
query or a header.
"""
