"""Why nobody was signed in over the identity provider.

    SignInByProviderFailed
    ├── NotOpen              400  the browser has no such sign-in
    ├── Declined             403  the provider says no
    ├── ProviderUnavailable  503  it cannot be reached, or does not speak as it should
    ├── NotProven            403  what it signed is not for us, not now or not signed
    ├── NoRole               403  it is somebody, but nothing gives that person a role
    └── AccountClosed        403  the account is disabled or expired

The message and the hint are for the page, where a person reads them. A `cause` is for the log and
names no person, and nothing that anybody sent.
"""

from casebell.errors import CasebellError

#: A cause: what answers is another provider than the configured one.
OTHER_ISSUER = "other_issuer"


class SignInByProviderFailed(CasebellError):
    """The sign-in over the identity provider failed."""

    code = "oidc_failed"
    http_status = 403
    exit_code = 1

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        cause: str = "",
        detail: str = "",
        account: str | None = None,
    ) -> None:
        """What the page does not say.

        Args:
            cause: why, in a word of ours or of a library, without a value.
            detail: the same as a sentence for an operator, where a word does not say it.
            account: whose attempt it was.
        """
        self.cause = cause
        self.detail = detail
        self.account = account
        super().__init__(message, hint=hint)


class NotOpen(SignInByProviderFailed):
    """This sign-in is not open in this browser."""

    code = "oidc_not_open"
    hint = (
        "It was finished already, began more than ten minutes ago, or another one began after it "
        "in another window. Sign in again."
    )
    http_status = 400


class Declined(SignInByProviderFailed):
    """The identity provider did not let you in."""

    code = "oidc_declined"
    hint = "For IT: what it says is the provider's own, and explained in its documentation."


class ProviderUnavailable(SignInByProviderFailed):
    """The identity provider cannot be asked now."""

    code = "oidc_unavailable"
    hint = "Try again in a minute. If it lasts, IT finds the cause with `casebell doctor`."
    http_status = 503
    exit_code = 3


class NotProven(SignInByProviderFailed):
    """What the identity provider sent does not prove who you are."""

    code = "oidc_not_proven"
    hint = "Sign in again. If it lasts, IT finds the cause in the log, as `oidc.failed`."


class NoRole(SignInByProviderFailed):
    """Nothing that the identity provider says of you gives you a role here."""

    code = "oidc_no_role"


class AccountClosed(SignInByProviderFailed):
    """The account is closed."""

    code = "oidc_account_closed"
    hint = "Ask an administrator of Casebell, who sees it under Accounts."
