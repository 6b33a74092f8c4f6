"""Head office and stores: documents both ways through a web database, offline first.

A document and its event are written in one transaction; a sync receives, applies and acknowledges first, then packs
and sends. Correctness lives in the databases only: batches are numbered without gaps and chained by digest, a document
takes effect in the transaction that marks it, and what cannot be applied is held with everything that follows from it
while all else flows.
"""
