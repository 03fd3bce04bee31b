"""A list of cases as other products export it: bytes in, rows and problems out, nothing else.

bytes → text → separator and headings → rows → facts, or a problem
"""

from casebell.case_file.columns import Column, Facts
from casebell.case_file.reading import MAX_BYTES, CaseFile, Problem, Row, read

__all__ = ["MAX_BYTES", "CaseFile", "Column", "Facts", "Problem", "Row", "read"]
