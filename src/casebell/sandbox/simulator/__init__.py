"""A simulator of Parley and Torch: what a firm rehearses with before its invitation arrives.

Its two APIs answer as their pages say, and on request as badly as an API can. It posts webhooks as
the pages describe them, with every fault that a delivery can have. docs/sandbox.md is its manual.
"""
