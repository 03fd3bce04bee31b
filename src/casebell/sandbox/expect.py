"""How a step of the demo fails: what it expected, and what it got instead."""

from casebell.errors import CasebellError


class StepFailed(CasebellError):
    """A step of the demo came out otherwise than promised."""

    code = "step_failed"
    exit_code = 1

    def __init__(self, what: str, *, expected: object, got: object) -> None:
        """`what` names what was checked, in a few words."""
        self.what = what
        self.expected = str(expected)
        self.got = str(got)
        super().__init__(f"{what}: expected {self.expected}, got {self.got}")


def expect(what: str, *, expected: object, got: object) -> None:
    """Raise StepFailed unless both are equal."""
    if expected != got:
        raise StepFailed(what, expected=expected, got=got)
