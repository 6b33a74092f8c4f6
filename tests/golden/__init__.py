"""Golden samples: one answer of every section of every module, and the rows that it must become."""
