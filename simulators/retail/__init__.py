"""A retailer at work: a head office, stores, and what they write in a day."""
