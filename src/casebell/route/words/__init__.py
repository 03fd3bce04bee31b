"""The words by which senders name a status, and what each may stand for."""
