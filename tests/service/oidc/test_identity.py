"""Who somebody is by the claims of an ID token, and as what that person gets in."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from casebell.actors import Role
from casebell.service.identifiers import MAX_NAME, identifier
from casebell.service.oidc.failures import NoRole
from casebell.service.oidc.identity import GOOGLE, MAX_SHOWN, NAMELESS, Identity
from casebell.settings.models import Oidc

ENTRA = "https://login.microsoftonline.com/8a6d/v2.0"
#: As Entra ID writes them where somebody is in more groups than it sends.
ELSEWHERE = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "x"}}}
VERIFIED = {"email": "jchan@example-firm.com", "email_verified": True}


def identity(**claims: Any) -> Identity:
    return Identity.of({"iss": ENTRA, "sub": "s", **claims})


def oidc(**fields: Any) -> Oidc:
    given = {
        "issuer": ENTRA,
        "client_id": "c",
        "client_secret": SecretStr("s"),
        "roles": {"admins": Role.ADMIN, "auditors": Role.AUDITOR, "desk": Role.OPERATOR,
                  "lawyers": Role.VIEWER},
        **fields,
    }  # fmt: skip
    return Oidc(**given)


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["lawyers"]}, Role.VIEWER),
        ({"roles": ["lawyers"]}, Role.VIEWER),
        ({"groups": "lawyers"}, Role.VIEWER),
        ({"roles": "desk", "groups": ["lawyers"]}, Role.OPERATOR),
        ({"groups": ["desk", "auditors", "lawyers"]}, Role.AUDITOR),
        ({"groups": ["lawyers", "admins"], "roles": ["desk"]}, Role.ADMIN),
        ({"groups": ["lawyers", 7, None, ["admins"], {"admins": 1}]}, Role.VIEWER),
        ({"roles": ["lawyers"], **ELSEWHERE}, Role.VIEWER),
    ],
)
def test_the_strongest_role(claims: Mapping[str, Any], role: Role) -> None:
    """Of all values of both claims, each a list or a single text."""
    assert identity(**claims).role(oidc()) is role


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"groups": []},
        {"groups": ["Lawyers", "lawyers ", "/lawyers", "lawyers,admins"]},
        {"groups": {"lawyers": True}, "roles": True},
        {"group": ["lawyers"], "wids": ["admins"], "scp": "admins"},
        {"name": "admins", "preferred_username": "admins", "email": "admins"},
    ],
)
def test_nobody_else_gets_in(claims: Mapping[str, Any]) -> None:
    """A value counts as it is written, in these two claims alone."""
    with pytest.raises(NoRole):
        identity(**claims).role(oidc())


@pytest.mark.parametrize(
    ("claims", "gets_in"),
    [
        (VERIFIED, True),
        ({**VERIFIED, "email": "JChan@Example-Firm.com"}, True),
        ({**VERIFIED, "email_verified": False}, False),
        ({**VERIFIED, "email_verified": "true"}, False),
        ({**VERIFIED, "email_verified": 1}, False),
        ({"email": VERIFIED["email"]}, False),
        ({"preferred_username": VERIFIED["email"]}, False),
        ({**VERIFIED, "email": "jwong@example-firm.com"}, False),
        # Its small form is an ASCII letter.
        ({**VERIFIED, "email": "jchan@example-\u212airm.com"}, False),
        ({**VERIFIED, "email": "jchan@example-firm.com\n"}, False),
        ({**VERIFIED, "email": ["jchan@example-firm.com"]}, False),
        ({**VERIFIED, "iss": GOOGLE}, False),
        ({**VERIFIED, "iss": GOOGLE, "hd": "example-firm.com"}, True),
    ],
)
def test_addresses(claims: Mapping[str, Any], gets_in: bool) -> None:
    """Only one that the provider says is verified; Google vouches for those of the firm itself."""
    emails = {"jchan@example-firm.com": Role.VIEWER, "jchan@example-kirm.com": Role.ADMIN}
    by_address = oidc(roles={}, emails=emails)
    if gets_in:
        assert identity(**claims).role(by_address) is Role.VIEWER
    else:
        with pytest.raises(NoRole):
            identity(**claims).role(by_address)


@pytest.mark.parametrize(
    ("claims", "fields", "said", "hint"),
    [
        ({"groups": ["a"]}, {}, "It sent 0 app roles and 1 group, and none of them is known here.",
         "`roles` of [console.oidc]"),
        (ELSEWHERE, {}, "You are in so many groups that it left them all out.",
         "“groups assigned to the application”"),
        ({"hasgroups": True}, {}, "You are in so many groups that it left them all out.",
         "app roles"),
        ({"email": "j@example-firm.com"}, {"roles": {}, "emails": {"x@y.example": "viewer"}},
         "It does not vouch for your e-mail address, so that does not count.",
         "`emails` of [console.oidc]"),
        (VERIFIED, {"roles": {}, "emails": {"x@y.example": "viewer"}},
         "Your e-mail address is not known here.", "`emails` of [console.oidc]"),
        ({}, {"roles": {}, "emails": {"x@y.example": "viewer"}}, "It sent no e-mail address.",
         "`emails` of [console.oidc]"),
    ],
)  # fmt: skip
def test_why_nobody_gets_in(
    claims: Mapping[str, Any], fields: Mapping[str, Any], said: str, hint: str
) -> None:
    """In words that an attorney can pass to IT: whom, by what, and what can be done."""
    with pytest.raises(NoRole) as refused:
        identity(preferred_username="jchan", **claims).role(oidc(**fields))
    assert refused.value.message == (
        "login.microsoftonline.com knows you as jchan, but nothing that it says of you gives you "
        f"a role in Casebell. {said}"
    )
    assert hint in refused.value.hint
    assert "\n" not in refused.value.hint


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        (VERIFIED, "jchan@example-firm.com"),
        ({**VERIFIED, "preferred_username": "jchan"}, "jchan@example-firm.com"),
        ({"email": "boss@example-firm.com", "preferred_username": "jchan"}, "jchan"),
        ({"email": "jchan@example-firm.com"}, "jchan@example-firm.com"),
        ({"preferred_username": "Jia Chan", "email": "j@example-firm.com"}, "j@example-firm.com"),
        ({"preferred_username": "a/b"}, "a-b"),
        ({"preferred_username": "x" * 64}, "x" * 58),
        ({"preferred_username": "\u202etxt.exe"}, NAMELESS),
        ({"preferred_username": "half\ud800", "email": "zero\0@example.com"}, NAMELESS),
        ({"preferred_username": 7, "email": None}, NAMELESS),
        ({}, NAMELESS),
    ],
)
def test_what_an_account_could_be_called(claims: Mapping[str, Any], name: str) -> None:
    """By what the provider vouches for, if it can be a name; there is room for a number."""
    given = identity(**claims).name
    assert given == name
    assert len(identifier(given)) <= MAX_NAME - 6


def test_what_a_page_calls_somebody() -> None:
    """One line of bounded length, inert; the subject where there is nothing better."""
    assert identity(preferred_username="a\nb\u202ec").label == "a bc"
    assert len(identity(preferred_username="x" * 200_000).label) == MAX_SHOWN
    assert identity().label == "s"
