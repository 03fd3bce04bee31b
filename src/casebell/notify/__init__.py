"""Telling people: what an alert says, how it is sent, and whether it is tried again."""
