"""The record as JSON under `/api/v1`, for the bearers of a token: docs/contract.md."""
