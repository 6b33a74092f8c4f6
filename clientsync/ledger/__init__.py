"""The truth about what happened: runs, units, leases, challenges, exceptions."""
