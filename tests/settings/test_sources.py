"""Sources: methods, headers, secrets."""

import pytest
from pydantic import SecretStr, ValidationError

from casebell.events import Status
from casebell.settings import SourceSecret, SourceSettings
from casebell.store.streaks import NOISE, UNKNOWN
from settings.loading import MINIMAL, ReadConfig, ReadProblems

SECRET = 'secrets = ["0123456789abcdef"]'


def source(read: ReadConfig, text: str) -> SourceSettings:
    """The source `s` with these keys."""
    return read(f"[sources.s]\n{text}").sources["s"]


@pytest.mark.parametrize(
    ("text", "auth", "signature_header", "secret_header"),
    [
        ('kind = "parley"', ("hmac",), "Authorization", None),
        ('kind = "parley"\nheader = "X-Sig"', ("hmac",), "X-Sig", None),
        ('kind = "parley"\nsignature_header = "X-Sig"', ("hmac",), "X-Sig", None),
        ('kind = "torch"\nheader = "X-Torch"', ("shared-secret",), None, "X-Torch"),
        ('kind = "torch"\nsecret_header = "X-Torch"', ("shared-secret",), None, "X-Torch"),
        ('kind = "torch"\nauth = "hmac"', ("hmac",), "Authorization", None),
        (
            'kind = "parley"\nauth = ["hmac", "shared-secret"]\nsecret_header = "X-Key"',
            ("hmac", "shared-secret"),
            "Authorization",
            "X-Key",
        ),
    ],
)
def test_each_method_in_use_has_its_header(
    read: ReadConfig,
    text: str,
    auth: tuple[str, ...],
    signature_header: str | None,
    secret_header: str | None,
) -> None:
    """Methods follow the kind unless given, and their headers are always filled in."""
    loaded = source(read, f"{text}\n{SECRET}")
    assert loaded.name == "s"
    assert loaded.auth == auth
    assert (loaded.signature_header, loaded.secret_header) == (signature_header, secret_header)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('kind = "torch"', "header"),
        ('kind = "parley"\nauth = ["hmac", "shared-secret"]', "secret_header"),
        ('kind = "parley"\nauth = ["hmac", "shared-secret"]\nheader = "X"', "header"),
        ('kind = "parley"\nheader = "X"\nsignature_header = "Y"', "header"),
        ('kind = "parley"\nsecret_header = "X"', "secret_header"),
        ('kind = "torch"\nheader = "X: y"', "header"),
        ('kind = "torch"\nheader = ""', "header"),
        ('kind = "parley"\nauth = []', "auth"),
        ('kind = "parley"\nauth = "hmac-md5"', "auth"),
        ('kind = "parley"\ntolerance = "8d"', "max_age"),
        ('kind = "parley"\ntolerance = "0s"', "tolerance"),
        ('kind = "parley"\nallow_from = "10.0.0.1/8"', "allow_from"),
        ('kind = "parley"\nallow_from = ["example.com"]', "allow_from[1]"),
        ('kind = "parley"\nmin_secret_bytes = 0', "min_secret_bytes"),
        ('kind = "parley"\nfields = { receipt = [] }', "fields.receipt"),
        ('kind = "parley"\nfields = { id = "a..b" }', "fields.id"),
        ('kind = "parley"\ncategories = { "A b" = "closed" }', "categories.A b"),
        ('kind = "parley"\ncategories = { A = "denied", a = "other" }', "categories"),
        ('kind = "parley"\nvolatile = ["sent_at", "a..b"]', "volatile[2]"),
        ('kind = "parley"\nvolatile = ["data"]', "volatile[1]"),
        ('kind = "parley"\nvolatile = ["attempt", "status_text"]', "volatile[2]"),
        ('kind = "parley"\nvolatile = ["data.normalized_status"]', "volatile[1]"),
        ('kind = "parley"\nvolatile = ["x"]\nfields = { text = "x.y" }', "volatile[1]"),
        ('kind = "parley"\nvolatile = ["x"]\nfields = { text = "data.x.y" }', "volatile[1]"),
        ('kind = "parlay"', "kind"),
        ("", "kind"),
    ],
)
def test_what_a_source_cannot_be(problems: ReadProblems, text: str, key: str) -> None:
    """Each of these is one problem, at the key to change."""
    found = problems(f"[sources.s]\n{text}\n{SECRET}")
    assert list(found) == [f"sources.s.{key}"]


@pytest.mark.parametrize(
    ("secrets", "key"),
    [
        ("", "secrets"),
        ("secrets = []", "secrets"),
        ('secrets = [""]', "secrets[1]"),
        ('secrets = ["0123456789abcde"]', "secrets[1]"),
        ('secrets = ["0123456789abcdef", "ééééééé"]', "secrets[2]"),
        ('secrets = [{ label = "a" }]', "secrets[1].value"),
        ('secrets = [{ label = "a+b", value = "0123456789abcdef" }]', "secrets[1].label"),
        ('secrets = [{ value = "0123456789abcdef", use = "shared-secret" }]', "secrets"),
        ("secrets = [5]", "secrets[1]"),
        (
            'secrets = [{ label = "secret-2", value = "0123456789abcdef" }, "0123456789abcdef"]',
            "secrets[2]",
        ),
    ],
)
def test_a_secret_that_protects_nothing_is_refused(
    problems: ReadProblems, secrets: str, key: str
) -> None:
    """Empty, missing, short, unused and indistinguishable secrets do not pass."""
    found = problems(f'[sources.s]\nkind = "parley"\n{secrets}')
    assert f"sources.s.{key}" in found


def test_length_counts_bytes(read: ReadConfig) -> None:
    """Eight letters of two bytes are sixteen bytes of UTF-8."""
    assert source(read, 'kind = "parley"\nsecrets = ["éééééééé"]').secrets


def test_the_least_length_can_be_lowered_with_a_warning(read: ReadConfig) -> None:
    """A setting per source, and a warning that says so."""
    settings = read('[sources.s]\nkind = "parley"\nsecrets = ["short"]\nmin_secret_bytes = 5')
    assert settings.sources["s"].secrets[0].value.get_secret_value() == "short"
    assert any("sources.s.min_secret_bytes" in warning for warning in settings.warnings)
    assert not any("min_secret" in warning for warning in read(MINIMAL).warnings)


def test_secrets_without_a_label_are_called_after_their_place(read: ReadConfig) -> None:
    """Texts and tables can be mixed; a single one needs no list."""
    text = """kind = "parley"
    secrets = ["aaaaaaaaaaaaaaaa", { label = "2026", value = "bbbbbbbbbbbbbbbb", use = "hmac" },
               { value = "cccccccccccccccc" }]"""
    secrets = source(read, text).secrets
    assert [secret.label for secret in secrets] == ["secret-1", "2026", "secret-3"]
    assert [secret.use for secret in secrets] == [None, "hmac", None]
    assert source(read, 'kind = "parley"\nsecrets = "aaaaaaaaaaaaaaaa"').secrets[0].label


def test_every_method_needs_a_secret(problems: ReadProblems) -> None:
    """With both methods, a secret that serves only one leaves the other open."""
    found = problems(
        """[sources.s]
        kind = "parley"
        auth = ["hmac", "shared-secret"]
        secret_header = "X-Key"
        secrets = [{ value = "0123456789abcdef", use = "hmac" }]"""
    )
    assert "shared-secret" in found["sources.s.secrets"].message


def test_what_says_nothing_of_a_case_may_be_volatile(read: ReadConfig) -> None:
    """Counters, times of sending and of observation, at any depth."""
    text = 'kind = "parley"\nvolatile = ["meta.attempts", "last_status_at", "status"]\n' + SECRET
    assert source(read, text).volatile == ("meta.attempts", "last_status_at", "status")


def test_categories_lose_their_case(read: ReadConfig) -> None:
    """They are compared without regard to case, so they are kept in lower case."""
    text = f'kind = "parley"\n{SECRET}\ncategories = {{ " Case Closed" = "denied" }}'
    assert source(read, text).categories == {"case closed": Status.DENIED}


@pytest.mark.parametrize("name", ["a", "0", "parley-eu", "a_b", "a" * 63])
def test_names_of_sources(read: ReadConfig, name: str) -> None:
    """Lower-case letters, digits, dashes and underscores, at most 63."""
    assert list(read(MINIMAL.replace("parley]", f"{name}]")).sources) == [name]


@pytest.mark.parametrize("name", ["A", "-a", "_a", "a" * 64, '"a b"', '"é"', '""', '"a/b"'])
def test_other_names_are_refused(problems: ReadProblems, name: str) -> None:
    """A name is part of a path and of a variable's name."""
    (problem,) = problems(MINIMAL.replace("parley]", f"{name}]")).values()
    assert problem.message == "This name cannot be used."


@pytest.mark.parametrize("name", [UNKNOWN, NOISE])
def test_no_source_is_called_as_none_is(problems: ReadProblems, name: str) -> None:
    """Requests of strangers to no source would count as that source's own."""
    (problem,) = problems(MINIMAL.replace("parley]", f"{name}]")).values()
    assert "for deliveries to no source" in problem.message


def test_a_source_can_be_made_by_code() -> None:
    """Code speaks in seconds and values; an error of it shows no value either."""
    made = SourceSettings(
        name="s",
        kind="parley",
        tolerance=1.5,
        secrets=(SourceSecret(label="a", value=SecretStr("x")),),
    )
    assert made.tolerance == 1.5
    assert made.signature_header == "Authorization"
    with pytest.raises(ValidationError) as caught:
        SourceSettings(name="s", kind="parley", prefix=["canary"])  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)
