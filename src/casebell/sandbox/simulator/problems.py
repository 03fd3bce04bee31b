"""The errors that both APIs answer, in the Error schema of Parley's page."""

from typing import Final, Self

#: The machine-readable code of each status.
CODES: Final = {
    400: "validation_failed",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    421: "wrong_host",
    429: "rate_limited",
    500: "internal_error",
    502: "bad_gateway",
    503: "unavailable",
    504: "timeout",
}


class Problem(Exception):
    """A request that is answered with an error. A value of the simulated API, not one of ours."""

    def __init__(
        self, status: int, message: str, *, retry_after: int | str | None = None, allow: str = ""
    ) -> None:
        """`retry_after` is in seconds, or an HTTP date; `allow` names methods."""
        self.status = status
        self.message = message
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)
        if allow:
            self.headers["Allow"] = allow
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"
        super().__init__(message)

    @property
    def code(self) -> str:
        """Its machine-readable code."""
        return code_of(self.status)

    @classmethod
    def invalid(cls, message: str, hint: str = "") -> Self:
        """Of a request that cannot be understood."""
        return cls(400, f"{message} {hint}".rstrip())


def code_of(status: int) -> str:
    """The machine-readable code of a status."""
    return CODES.get(status, "server_error" if status >= 500 else "bad_request")
