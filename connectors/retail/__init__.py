"""A small retailer: the documents that its head office and its stores exchange, one file per type.

Another retailer's tables are mapped by writing such a file per type and a catalogue of them.
"""
