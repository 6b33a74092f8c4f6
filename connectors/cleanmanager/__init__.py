"""CleanManager and systems like it, as sides of record sets: one description per kind of record."""
