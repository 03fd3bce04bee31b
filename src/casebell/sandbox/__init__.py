"""Loopback stand-ins for the outside world: for `casebell demo`, and for tests."""
