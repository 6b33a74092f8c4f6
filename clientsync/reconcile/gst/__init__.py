"""Reconciliations of a GST registration by period: returns, ledgers and the register of returns; pure."""
