"""A form that could not be taken: shown again, with what was wrong."""

from collections.abc import Mapping
from typing import Any

from casebell.console.routing import Shown
from casebell.errors import (
    BadArgument,
    CasebellError,
    Refusal,
    SignInFailed,
    TooManyAttempts,
    WrongCode,
)
from casebell.http.answers import error_answer

#: What whoever fills in a form can do something about.
OF_FORMS = (BadArgument, Refusal, SignInFailed, TooManyAttempts, WrongCode)


def again(error: CasebellError, template: str, values: Mapping[str, Any]) -> Shown:
    """The form, with the error's status and its sentence as `error`."""
    answer = error_answer(error, "")
    return Shown(
        template=template,
        status=answer.status,
        values={**values, "error": _sentence(error)},
        headers=[one for one in answer.headers if one[0] == b"retry-after"],
    )


def _sentence(error: CasebellError) -> str:
    """What was wrong, and what to do about it."""
    if isinstance(error, TooManyAttempts):
        minutes = -(-error.retry_after // 60)
        return f"{type(error).__doc__} Try again in {minutes} min."
    return f"{error.message} {error.hint}".rstrip()
