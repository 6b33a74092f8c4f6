"""Documents that go from a shop to its accounting and back: in order, once, and with a reason for each that waits.

Invariants: nothing is sent before what it needs is booked; one document of the source is one document of the target,
whatever is lost or doubled on the way; every document that is not booked says why, and names the one that is broken.
"""
