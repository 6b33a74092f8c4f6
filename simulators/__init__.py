"""Stand-ins for the outside systems, on real sockets, with faults that can be switched on by name.

Nothing here imports the product, so an error of the product cannot hide in its own mirror.
"""
