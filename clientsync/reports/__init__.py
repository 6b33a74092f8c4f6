"""What a run came to, for people: typed frozen data first, then terminal, Markdown, Excel and CSV.

A report never says that a run is complete when a unit is not done.
"""
