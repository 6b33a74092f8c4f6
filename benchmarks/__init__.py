"""Measurements against peers and limits, in one run on one machine; ``make bench`` prints a line per figure."""
