"""Matching of documents: two lists of invoices and notes, and what stands against what; pure and deterministic.

``match_documents`` of ``matching`` takes two frames with the columns of ``frames`` and gives a ``Matched``.
"""
