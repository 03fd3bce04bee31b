"""`[console]`: the pages for people, and the identity provider over which they sign in."""

import pytest

from settings.loading import MINIMAL, ReadConfig, ReadProblems

ENTRA = "https://login.microsoftonline.com/8a6d0000-0000-0000-0000-000000000000/v2.0"


def with_provider(
    issuer: str = ENTRA,
    *,
    who: str = 'roles = { "lawyers" = "viewer" }',
    public_url: str = 'public_url = "https://cases.example-firm.com"',
) -> str:
    return f"""{MINIMAL}
[console]
{public_url}
[console.oidc]
issuer = "{issuer}"
client_id = "c"
client_secret = "s"
{who}
"""


@pytest.mark.parametrize(
    "issuer",
    [ENTRA, "https://accounts.google.com", "https://sso.example-firm.com/realms/firm",
     "https://firm.example.com/", "http://127.0.0.1:8080/realms/firm", "http://localhost:9400"],
)  # fmt: skip
def test_providers(read: ReadConfig, issuer: str) -> None:
    """Over TLS, or on this machine; each as its own document has it."""
    oidc = read(with_provider(issuer)).console.oidc
    assert oidc is not None
    assert oidc.issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    ["", "login.microsoftonline.com", "http://sso.example-firm.com", "https://", "https://[x",
     "https://u:p@sso.example-firm.com", "https://sso.example-firm.com/?a=b",
     "https://sso.example-firm.com/#a", "https://login.microsoftonline.com/common/v2.0",
     "https://login.microsoftonline.com/organizations/v2.0",
     "https://login.microsoftonline.com/consumers/v2.0"],
)  # fmt: skip
def test_what_is_no_provider(problems: ReadProblems, issuer: str) -> None:
    """In plain text, no address, or one of all firms."""
    assert list(problems(with_provider(issuer))) == ["console.oidc.issuer"]


def test_it_sends_people_back(problems: ReadProblems, read: ReadConfig) -> None:
    """Where to must be said: nothing that a request brings says it."""
    found = problems(with_provider(public_url=""))
    assert list(found) == ["console.public_url"]
    assert "/sign-in/oidc/callback" in found["console.public_url"].hint
    text = with_provider(public_url="")
    settings = read(f'{text}\n[server]\npublic_url = "https://casebell.example-firm.com"')
    assert settings.people_url == "https://casebell.example-firm.com"


@pytest.mark.parametrize("who", ["", "roles = {}", "roles = {}\nemails = {}"])
def test_somebody_gets_in(problems: ReadProblems, who: str) -> None:
    """One that lets nobody in is a mistake."""
    assert list(problems(with_provider(who=who))) == ["console.oidc"]


@pytest.mark.parametrize("who", ['roles = { "a" = "owner" }', 'emails = { "a@b.example" = 1 }'])
def test_roles(problems: ReadProblems, who: str) -> None:
    """Those that there are."""
    [key] = problems(with_provider(who=who))
    assert key.startswith("console.oidc.")


def test_its_secret_is_not_shown(read: ReadConfig) -> None:
    """In no text of the settings."""
    text = with_provider().replace('client_secret = "s"', 'client_secret = "s3cret-of-ours"')
    settings = read(text)
    assert "s3cret-of-ours" not in f"{settings!r} {settings.console} {settings.model_dump()}"
