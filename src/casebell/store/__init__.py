"""Everything that is kept: the only package that says SQL."""
