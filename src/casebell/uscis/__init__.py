"""What Casebell knows of USCIS: receipt numbers and what a status text says. Pure functions."""
