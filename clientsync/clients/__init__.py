"""The client master: who is synchronised, in which groups; imported, edited and selected here."""
