"""The database: the only room that says SQL."""
