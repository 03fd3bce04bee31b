"""Every error Casebell raises on purpose.

    CasebellError                 exit 2
    ├── ConfigError         409   the configuration cannot be used; lists every problem
    │   └── ConfigNotFound        there is no file
    ├── RefusedDelivery     401   did not authenticate
    │   ├── SignatureMissing, SignatureMalformed, SignatureMismatch, StaleSignature
    │   └── SecretMissing, SecretMismatch
    ├── HeldDelivery        202   authentic, but cannot be understood
    ├── RequestError              the request itself is wrong
    │   ├── BadArgument     400   exit 2
    │   ├── UnknownSource   404
    │   ├── NotThere        404
    │   ├── WrongMethod     405
    │   ├── BodyTooSlow     408
    │   ├── BodyTooLarge    413
    │   ├── EncodedBody     415
    │   └── TooManyRefusals 429
    ├── Unavailable         503   exit 3
    │   ├── StorageUnavailable, QueueFull, AuthenticationBusy, ShuttingDown
    │   ├── NothingStored         no database was made yet
    │   ├── StoreLocked           another server holds the database
    │   │   └── StoreInUse        a command does, for now
    │   ├── ServerUnreachable
    │   └── TooManyRequests       of the API
    ├── Unauthorized        401   no token, or none that can be used
    │   ├── SignInFailed          neither can this name with this password
    │   │   └── WrongPassword     somebody who is signed in gave another one
    │   ├── WrongCode             no code of the second factor
    │   └── NotSignedIn           no session, or one that is over
    ├── TooManyAttempts     429
    │   └── PasswordsBusy         more passwords wait to be checked than can be in time
    ├── TooManyExports      429   exit 3
    ├── BodyNotJson, BodyNotCsv 415
    ├── Forbidden           403   exit 1
    ├── CrossSite           403   a POST to a page that came from elsewhere
    ├── NotFound                  exit 1; nothing by that name or number
    ├── FeedGone            410   a calendar that was revoked, or whose person is gone
    ├── UnusableCaseFile    400   exit 1; no list of cases
    ├── UpstreamError       502   exit 3; the provider's API was asked in vain
    │   ├── UpstreamUnreachable   no connection, or no answer in time
    │   ├── UpstreamFailed        5xx
    │   ├── UpstreamLimited       429 for longer than we wait
    │   │   └── BudgetSpent       our own limit of a day; nothing was asked
    │   ├── UpstreamRedirected    an answer that leads elsewhere
    │   ├── UpstreamUnreadable    an answer of another shape
    │   │   └── WrongReceipt      an answer about another case
    │   └── UpstreamRefused       exit 1; it says no
    │       ├── UpstreamKeyRefused    401, 403
    │       └── UpstreamConflict      409
    └── Refusal                   exit 1; it exists, but this cannot be done to it

The docstring is the sentence a reader sees; `hint` names what to do next. No message ever holds a
secret, a URL with credentials or a message body.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from casebell.events import HeldReason


class CasebellError(Exception):
    """Something went wrong."""

    #: Stable machine-readable name.
    code: str = "error"
    #: What to do next; "" where nothing helps.
    hint: str = ""
    #: The HTTP answer where the error ends a request.
    http_status: int = 500
    #: Exit code of a command that ends with it.
    exit_code: int = 2

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        """`message` replaces the docstring's sentence, `hint` the class's."""
        self.message = message or (type(self).__doc__ or "").strip()
        if hint:
            self.hint = hint
        super().__init__(self.message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong in a configuration."""

    #: Dotted path of the key: `sources.parley.secrets`.
    key: str
    #: A sentence; never the value.
    message: str
    hint: str = ""
    #: File it stands in, or "environment".
    where: str = ""
    #: It is right as written, and names a variable or a file that this process does not have.
    absent: bool = False


class ConfigError(CasebellError):
    """The configuration cannot be used."""

    code = "config_invalid"
    # To a request for a reload: the file's state does not allow it.
    http_status = 409
    hint = "Mend the keys named above; `casebell check` reads the configuration again."

    def __init__(self, problems: Sequence[Problem], *, message: str = "", hint: str = "") -> None:
        """All problems at once, in the order of the file."""
        self.problems = tuple(problems)
        super().__init__(message, hint=hint)


class ConfigNotFound(ConfigError):
    """There is no configuration file."""

    code = "config_not_found"
    hint = "`casebell init` writes a configuration; --config FILE or CASEBELL_CONFIG names another."

    def __init__(self, message: str = "", *, where: str = "") -> None:
        """`where` is the option or the variable that named a file."""
        problem = Problem(key="", message=message, hint=self.hint, where=where)
        super().__init__([problem], message=message)


class RefusedDelivery(CasebellError):
    """The delivery did not authenticate."""

    code = "signature_mismatch"
    http_status = 401


class SignatureMissing(RefusedDelivery):
    """The delivery carries no signature."""

    code = "signature_missing"


class SignatureMalformed(RefusedDelivery):
    """The signature header cannot be read."""

    code = "signature_malformed"


class SignatureMismatch(RefusedDelivery):
    """The signature does not match the body."""

    code = "signature_mismatch"


class StaleSignature(RefusedDelivery):
    """The signature's time is outside the tolerance."""

    code = "stale_signature"


class SecretMissing(RefusedDelivery):
    """The delivery carries no shared secret."""

    code = "secret_missing"


class SecretMismatch(RefusedDelivery):
    """The shared secret is not the right one."""

    code = "secret_mismatch"


class HeldDelivery(CasebellError):
    """The delivery is authentic but cannot be understood."""

    code = "held"
    http_status = 202

    def __init__(self, reason: HeldReason, message: str = "") -> None:
        """`reason` is what the sender is told; `message` what operators read."""
        self.reason = reason
        super().__init__(message)


class RequestError(CasebellError):
    """The request cannot be served."""

    code = "bad_request"
    http_status = 400


class BadArgument(RequestError):
    """A value of the request cannot be understood."""

    code = "bad_argument"

    def __init__(self, message: str = "", *, hint: str = "", argument: str = "") -> None:
        """`argument` is the name of the value."""
        self.argument = argument
        super().__init__(message, hint=hint)


class UnknownSource(RequestError):
    """No source has this name."""

    code = "unknown_source"
    http_status = 404


class NotThere(RequestError):
    """There is nothing at this address."""

    code = "not_found"
    http_status = 404


class WrongMethod(RequestError):
    """This address does not take that method."""

    code = "method_not_allowed"
    http_status = 405

    def __init__(self, message: str = "", *, hint: str = "", allow: str = "POST") -> None:
        """`allow` names the methods that it takes."""
        self.allow = allow
        super().__init__(message, hint=hint)


class BodyTooSlow(RequestError):
    """The body did not arrive in time."""

    code = "body_too_slow"
    http_status = 408


class BodyTooLarge(RequestError):
    """The body is larger than this server takes."""

    code = "body_too_large"
    http_status = 413


class EncodedBody(RequestError):
    """The body must be sent without a content encoding."""

    code = "encoded_body"
    http_status = 415


class TooManyRefusals(RequestError):
    """Too many deliveries from this address did not authenticate."""

    code = "too_many_refusals"
    http_status = 429


def refusing_codes() -> list[str]:
    """The codes of the errors by which a delivery is refused: labels of a metric."""
    kinds: list[type[CasebellError]] = [
        RequestError,
        *RequestError.__subclasses__(),
        *RefusedDelivery.__subclasses__(),
    ]
    return sorted({kind.code for kind in kinds if kind is not BadArgument})


class Unavailable(CasebellError):
    """The server cannot take this now."""

    code = "unavailable"
    http_status = 503
    exit_code = 3


class StorageUnavailable(Unavailable):
    """The storage cannot be used now."""

    code = "storage_unavailable"

    def __init__(self, message: str = "", *, hint: str = "", passes: bool = False) -> None:
        """`passes`: it may end without a hand on Casebell, as a full disk does."""
        self.passes = passes
        super().__init__(message, hint=hint)


class NothingStored(StorageUnavailable):
    """There is no database yet."""

    code = "nothing_stored"
    hint = "`casebell serve` creates it on its first start."


class QueueFull(Unavailable):
    """More deliveries wait than can be stored in time."""

    code = "queue_full"


class AuthenticationBusy(Unavailable):
    """More deliveries wait to be authenticated than can be in time."""

    code = "authentication_busy"


class ShuttingDown(Unavailable):
    """The server is shutting down."""

    code = "shutting_down"


class StoreLocked(Unavailable):
    """Another Casebell server holds this database."""

    code = "store_locked"
    hint = "Stop the other server, or give this one its own storage.url."


class StoreInUse(StoreLocked):
    """A command holds this database; it lets go of it soon."""

    code = "store_in_use"
    hint = "Wait until the command has ended."


class ServerUnreachable(Unavailable):
    """The running server does not answer."""

    code = "server_unreachable"
    hint = "Run `casebell doctor` to see which layer is at fault."


class TooManyExports(CasebellError):
    """As many exports are under way as this server carries out at once."""

    code = "too_many_exports"
    hint = "Try again when one of them has ended."
    http_status = 429
    exit_code = 3


class TooManyRequests(Unavailable):
    """Too many requests of the API are under way."""

    code = "too_many_requests"


class Unauthorized(CasebellError):
    """This address needs a token that is known and not revoked."""

    code = "unauthorized"
    http_status = 401


class SignInFailed(Unauthorized):
    """No account that may sign in has this name and this password."""

    code = "sign_in_failed"


class WrongPassword(SignInFailed):
    """This is not your present password."""

    code = "wrong_password"


class NotSignedIn(Unauthorized):
    """Nobody is signed in here."""

    code = "not_signed_in"


class CrossSite(CasebellError):
    """This was not asked for by a page of Casebell."""

    code = "cross_site"
    hint = "Open the page anew, in this browser, and try again."
    http_status = 403


class WrongCode(Unauthorized):
    """This code is not right, or was used already."""

    code = "wrong_code"
    hint = "Each code serves once: wait for the next one. The device must have the right time."


class TooManyAttempts(CasebellError):
    """Too many attempts from this address have failed."""

    code = "too_many_attempts"
    http_status = 429
    exit_code = 3

    def __init__(self, message: str = "", *, hint: str = "", retry_after: int = 1) -> None:
        """`retry_after`: seconds until the next may succeed."""
        self.retry_after = retry_after
        super().__init__(message, hint=hint)


class PasswordsBusy(TooManyAttempts):
    """More passwords wait to be checked than can be in time."""

    code = "passwords_busy"


class BodyNotJson(CasebellError):
    """The body must be JSON, and its Content-Type say so."""

    code = "body_not_json"
    http_status = 415


class BodyNotCsv(CasebellError):
    """The body must be a CSV, and its Content-Type say so."""

    code = "body_not_csv"
    http_status = 415


class Forbidden(CasebellError):
    """The role of whoever asks does not have the right to this."""

    code = "forbidden"
    http_status = 403
    exit_code = 1


class NotFound(CasebellError):
    """There is nothing by that name."""

    code = "not_found"
    http_status = 404
    exit_code = 1


class FeedGone(CasebellError):
    """This calendar is not there any more: it was revoked, or its person is gone."""

    code = "gone"
    http_status = 410
    exit_code = 1


class UnusableCaseFile(CasebellError):
    """This is no list of cases that can be read."""

    code = "unusable_case_file"
    http_status = 400
    exit_code = 1


class Refusal(CasebellError):
    """This cannot be done in its present state."""

    code = "refused"
    http_status = 409
    exit_code = 1


class UpstreamError(CasebellError):
    """The provider's API was asked in vain."""

    code = "upstream_failed"
    http_status = 502
    exit_code = 3


class UpstreamUnreachable(UpstreamError):
    """The provider's API does not answer."""

    code = "upstream_unreachable"
    hint = "Nothing is lost: it is asked again. If it lasts, look at `base` and at the network."

    def __init__(self, message: str = "", *, hint: str = "", passes: bool = True) -> None:
        """`passes`: it may end without a hand on Casebell, as a certificate does not."""
        self.passes = passes
        super().__init__(message, hint=hint)


class UpstreamFailed(UpstreamError):
    """The provider's API failed."""

    code = "upstream_error"
    hint = "Nothing is lost: it is asked again. If it lasts, ask the provider."

    def __init__(self, message: str = "", *, hint: str = "", asked: float | None = None) -> None:
        """`asked`: seconds after which it wants to be asked again; None where it does not say."""
        self.asked = asked
        super().__init__(message, hint=hint)


class UpstreamLimited(UpstreamError):
    """The provider's API takes no more requests now."""

    code = "upstream_limited"
    http_status = 503
    hint = "Lower per_minute or per_day of this API to the limits of your onboarding pack."

    #: Seconds to wait where the API does not say how long.
    usual_wait = 60.0

    def __init__(self, message: str = "", *, hint: str = "", asked: float | None = None) -> None:
        """`asked`: seconds after which it wants to be asked again; None where it does not say."""
        self.asked = asked
        super().__init__(message, hint=hint)

    @property
    def retry_after(self) -> float:
        """Seconds until it may be asked again; an API is believed for an hour of them."""
        return self.usual_wait if self.asked is None else self.asked


class BudgetSpent(UpstreamLimited):
    """The requests of this day are used up."""

    code = "budget_spent"
    hint = "They begin anew at 00:00 GMT. Raise per_day if the provider allows you more."


class UpstreamRedirected(UpstreamError):
    """The provider's API answered with a redirect, which is not followed."""

    code = "upstream_redirected"
    hint = "Set `base` to the address of the API itself. A redirect could lead the token elsewhere."


class UpstreamUnreadable(UpstreamError):
    """The answer of the provider's API cannot be read."""

    code = "upstream_unreadable"
    hint = "Look whether `base` is right, and whether a proxy stands before it."


class WrongReceipt(UpstreamUnreadable):
    """The provider's API answered about another case."""

    code = "upstream_wrong_receipt"
    hint = "Nothing of that answer was used. If it lasts, ask the provider."


class UpstreamRefused(UpstreamError):
    """The provider's API does not take this request."""

    code = "upstream_refused"
    exit_code = 1
    hint = "Compare `prefix` and `paths` with your onboarding pack."

    def __init__(
        self, message: str = "", *, hint: str = "", status: int = 400, is_page: bool = False
    ) -> None:
        """What the answer was.

        Args:
            status: its HTTP status.
            is_page: it was made for browsers, so hardly by the API itself.
        """
        self.status = status
        self.is_page = is_page
        super().__init__(message, hint=hint)

    @property
    def is_unknown(self) -> bool:
        """Whether the API itself says that it does not know what it was asked about."""
        return self.status == 404 and not self.is_page


class UpstreamKeyRefused(UpstreamRefused):
    """The provider's API does not take the token."""

    code = "upstream_key_refused"
    hint = "Set `token` to a key that the provider has enabled for this environment."


class UpstreamConflict(UpstreamRefused):
    """The provider's API knows this request with another content."""

    code = "upstream_conflict"
    hint = "It was made before, with the same key and another body."
