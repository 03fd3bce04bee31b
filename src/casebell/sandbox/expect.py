"""What a step of the demo expected, and what it got instead."""

from casebell.errors import CasebellError


class Surprise(CasebellError):
    """Something came out otherwise than promised."""

    code = "surprise"
    exit_code = 1

    def __init__(self, what: str, *, expected: object, got: object) -> None:
        """`what` was looked at, in a few words."""
        self.what = what
        self.expected = str(expected)
        self.got = str(got)
        super().__init__(f"{what}: expected {self.expected}, got {self.got}")


def expect(what: str, *, expected: object, got: object) -> None:
    """Raise Surprise unless both are equal."""
    if expected != got:
        raise Surprise(what, expected=expected, got=got)
