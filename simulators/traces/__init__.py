"""TRACES, both portals: the new one for the Act of 2025, and the old one behind its bridge for the Act of 1961."""
