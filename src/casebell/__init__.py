"""Casebell: receives US immigration case-status webhooks and tells the people who must know."""

__version__ = "0.2.0"
