"""Who somebody is by the claims of an ID token, and as what that person gets in."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import msgspec

from casebell.actors import Role, strongest
from casebell.errors import BadArgument
from casebell.networks import host_of
from casebell.notify.inert_text import one_line
from casebell.service.identifiers import MAX_NAME, email_address, identifier
from casebell.service.oidc.failures import NoRole
from casebell.settings.models import Oidc
from casebell.times import counted

#: Google lets anybody make an account with an address of the firm, and vouches for it ever after.
#: Of those that the firm itself has made it says so in the claim `hd`.
GOOGLE = "https://accounts.google.com"
#: Characters that a page shows of what a provider sent.
MAX_SHOWN = 120
#: The name of an account of which the provider has none that could be one.
NAMELESS = "oidc"
#: Characters that a name leaves to the number behind it.
_ROOM = 6


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whom an identity provider knows."""

    issuer: str
    #: By which it knows the person for ever; an address or a name may pass to another.
    subject: str
    #: What it says of the person; "" where it says nothing.
    username: str
    email: str
    #: Whether it says that the address is the person's.
    email_verified: bool
    #: The values of the claims of these names.
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    #: Whether it left groups out, being more than it sends: Entra ID does so from 201 on.
    groups_left_out: bool

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Self:
        """That of an ID token which was verified."""
        elsewhere = claims.get("_claim_names")
        verified = claims.get("email_verified") is True
        if claims["iss"] == GOOGLE and not _text(claims, "hd"):
            verified = False
        return cls(
            issuer=claims["iss"],
            subject=claims["sub"],
            username=_text(claims, "preferred_username"),
            email=_text(claims, "email"),
            email_verified=verified,
            roles=_values(claims.get("roles")),
            groups=_values(claims.get("groups")),
            groups_left_out=claims.get("hasgroups") is True
            or (isinstance(elsewhere, dict) and "groups" in elsewhere),
        )

    @property
    def verified_email(self) -> str | None:
        """Its e-mail address, where the provider vouches for it."""
        return self.email if self.email_verified and _is_address(self.email) else None

    @property
    def name(self) -> str:
        """What its account could be called; leaves room for a number behind it."""
        for given in (self.verified_email, self.username, self.email):
            try:
                # A slash would end the name in an address of a page.
                return identifier((given or "").replace("/", "-"))[: MAX_NAME - _ROOM]
            except BadArgument:
                continue
        return NAMELESS

    @property
    def label(self) -> str:
        """What a page calls it."""
        given = self.username or self.email or self.subject
        return one_line(given, limit=MAX_SHOWN)

    def role(self, oidc: Oidc) -> Role:
        """The strongest role that the configuration gives it.

        Raises:
            NoRole: it gives it none; says to a person why, and what IT can do.
        """
        found = [oidc.roles[value] for value in (*self.roles, *self.groups) if value in oidc.roles]
        if (email := self.verified_email) is not None:
            by_address = {_same(address): role for address, role in oidc.emails.items()}
            if _same(email) in by_address:
                found.append(by_address[_same(email)])
        if not found:
            said = " ".join(self._said(oidc))
            raise NoRole(
                f"{host_of(self.issuer)} knows you as {self.label}, but nothing that it says of "
                f"you gives you a role in Casebell. {said}",
                hint=self._remedy(oidc),
                cause="groups_left_out" if self.groups_left_out else "no_role",
            )
        return strongest(found)

    def _said(self, oidc: Oidc) -> Iterator[str]:
        if self.groups_left_out:
            yield "You are in so many groups that it left them all out."
        elif oidc.roles:
            sent = (
                f"{counted(len(self.roles), 'app role')} and {counted(len(self.groups), 'group')}"
            )
            yield f"It sent {sent}, and none of them is known here."
        if oidc.emails:
            if self.verified_email is not None:
                yield "Your e-mail address is not known here."
            elif self.email:
                yield "It does not vouch for your e-mail address, so that does not count."
            else:
                yield "It sent no e-mail address."

    def _remedy(self, oidc: Oidc) -> str:
        if self.groups_left_out:
            return (
                "For IT: give the application app roles, or let it send only “groups assigned to "
                "the application”. docs/it.md shows both."
            )
        if not oidc.roles:
            return "For IT: the addresses that get in are in `emails` of [console.oidc]."
        return (
            "For IT: the groups and app roles that get in are in `roles` of [console.oidc], each "
            "as the provider sends it. docs/it.md says what that is."
        )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _values(claim: object) -> tuple[str, ...]:
    """The texts of a claim, which is a list or a single one."""
    found = claim if isinstance(claim, list) else [claim]
    return tuple(value for value in found if isinstance(value, str) and value)


def _is_address(text: str) -> bool:
    try:
        return bool(email_address(text))
    except BadArgument:
        return False


def _same(address: str) -> str:
    """What addresses have in common that are the same.

    Of other alphabets nothing: there a letter can be the small form of another one.
    """
    return address.lower() if address.isascii() else address
