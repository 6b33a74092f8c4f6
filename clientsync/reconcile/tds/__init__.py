"""The fourteen TDS reconciliations R1 to R14, each a pure function from rows to result rows that say why."""
