"""`python -m casebell`: the command line by its module."""

from casebell.cli import main

main()
