"""How many examples a generated test makes."""

from hypothesis import settings

#: For those whose every example takes twenty milliseconds: two fifths of what others make.
few = settings(max_examples=settings().max_examples * 2 // 5)
