"""What the pages say is so: links, lists, tables and examples."""

import re
import tomllib
from pathlib import Path

import pytest

import casebell.errors
from casebell.alerts import FailureReason
from casebell.clock import SystemClock
from casebell.errors import CasebellError, HeldDelivery, UpstreamError
from casebell.events import HeldReason
from casebell.http.guard import ConnectionLimiter
from casebell.notify.load import load_channels
from casebell.sandbox.deliveries import SAMPLES
from casebell.settings import load
from casebell.settings.models import ServerSettings
from casebell.telemetry import Metrics, get_logger
from docs.pages import PAGES, ROOT, blocks, code_in, first_column, section

#: The rooms of the source, by which a page names a module.
ROOMS = [path.parent.name for path in (ROOT / "src/casebell").glob("*/__init__.py")]


def anchors(text: str) -> set[str]:
    """What can be linked to on a page, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every link inside the repository names a file that is there, and a heading that is in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_the_repository_are_there(page: str) -> None:
    """A path that is named in passing is a path."""
    for code in code_in(PAGES[page]):
        if re.fullmatch(r"(src|tests|docs|\.ci)/[\w./*-]+", code):
            assert list(ROOT.glob(code.rstrip("/"))), f"{page} names {code}"
        elif re.fullmatch(rf"({'|'.join(ROOMS)})/[\w./*-]+\.py", code):
            assert list((ROOT / "src/casebell").glob(code)), f"{page} names {code}"


def logged() -> set[str]:
    """The event names in the code."""
    found: set[str] = set()
    for path in (ROOT / "src/casebell").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        calls = re.findall(r"log\.(?:info|warning|error|often)\(\s*([^\s,)]*)", text)
        names = [re.fullmatch(r'"([a-z]+\.[a-z_]+)"', call) for call in calls]
        assert all(names), f"{path.name} logs without a name of its own: {calls}"
        found |= {name[1] for name in names if name}
    return found


def test_every_log_event_is_documented() -> None:
    """Whoever searches the log finds each name explained, and none that no longer exists."""
    paragraph = re.search(
        r"^Log events: .*?\n\n", PAGES["docs/operations.md"], re.MULTILINE | re.DOTALL
    )
    assert paragraph
    named = [code for code in code_in(paragraph[0]) if re.fullmatch(r"[a-z]+\.[a-z_]+", code)]
    assert set(named) == logged()


@pytest.mark.parametrize(
    ("heading", "reasons"),
    [("## When an alert fails", FailureReason), ("## Held deliveries", HeldReason)],
)
def test_every_reason_says_what_to_do(
    heading: str, reasons: type[FailureReason] | type[HeldReason]
) -> None:
    """Each reason that a listing can show is in the table, once."""
    told = [
        c for cell in first_column(section("docs/operations.md", heading)) for c in code_in(cell)
    ]
    assert sorted(told) == sorted(reasons)


#: The answers to a delivery: status and codes.
ANSWERS: dict[int, set[str]] = {
    401: {
        "signature_missing",
        "signature_malformed",
        "signature_mismatch",
        "secret_missing",
        "secret_mismatch",
        "stale_signature",
    },
    404: {"unknown_source", "not_found"},
    405: {"method_not_allowed"},
    408: {"body_too_slow"},
    413: {"body_too_large"},
    415: {"encoded_body"},
    429: {"too_many_refusals"},
    503: {
        "unavailable",
        "storage_unavailable",
        "queue_full",
        "authentication_busy",
        "shutting_down",
    },
}
#: Only commands and the API answer with these; no delivery is.
NOT_OF_A_DELIVERY = {
    *(
        "store_locked",
        "store_in_use",
        "server_unreachable",
        "nothing_stored",
        "unauthorized",
        "forbidden",
    ),
    *("sign_in_failed", "too_many_attempts", "passwords_busy"),
    "too_many_exports",
    *("too_many_requests", "body_not_json", "config_invalid"),
    *("body_not_csv", "unusable_case_file"),
    "cross_site",
    "not_signed_in",
    *("wrong_code", "wrong_password"),
    *("upstream_limited", "budget_spent"),
}


def answered() -> dict[int, set[str]]:
    """Status and codes of every error that can end a delivery."""
    found: dict[int, set[str]] = {}
    waiting: list[type[CasebellError]] = [
        one
        for one in vars(casebell.errors).values()
        if isinstance(one, type) and issubclass(one, CasebellError)
    ]
    for error in waiting:
        if error.code not in NOT_OF_A_DELIVERY and not issubclass(error, HeldDelivery):
            found.setdefault(error.http_status, set()).add(error.code)
    return found


def test_errors_have_the_contracts_status_and_code() -> None:
    """What a provider was told once stays what it is told."""
    found = answered()
    for status, codes in ANSWERS.items():
        assert found[status] == codes, status


def test_every_answer_is_documented() -> None:
    """A provider's support finds each status and code in the table, and no other."""
    told: dict[int, set[str]] = {}
    for row in re.findall(
        r"^\| (\d{3}) \|([^|]*)\|", section("docs/operations.md", "## Answers"), re.MULTILINE
    ):
        told[int(row[0])] = set(code_in(row[1]))
    assert told.pop(200) == {"stored", "duplicate", "conflict"}
    assert told.pop(202) == {"held"}
    # The web server's own answer to what is no request; it has no deliveries.
    assert told.pop(400) == {"bad_request"}
    assert told == ANSWERS


def test_every_metric_is_in_the_contract() -> None:
    """Whoever watches the server finds each name, and none that is not shown."""
    metrics, clock = Metrics(), SystemClock()
    ConnectionLimiter(
        limits=ServerSettings,
        max_connections=1,
        registry=metrics.registry,
        clock=clock,
        log=get_logger(),
    )
    shown = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in metrics.registry.collect()
    }
    table = section("docs/contract.md", "## Health, readiness, metrics")
    assert {code for cell in first_column(table) for code in code_in(cell)} == shown


def test_the_samples_of_the_quick_start() -> None:
    """Each that is named is one that `casebell send` has; its help names them all."""
    paragraph = re.search(r"^Samples: .*", PAGES["docs/quickstart.md"], re.MULTILINE | re.DOTALL)
    assert paragraph
    said = paragraph[0].split("\n\n")[0]
    assert "`casebell send --help`" in said
    assert {code for code in code_in(said) if "casebell" not in code} <= SAMPLES.keys()


def test_every_decision_is_listed() -> None:
    """The list of decisions names each page with its own title, and no other."""
    listed = re.findall(
        r"^\| \[(\d+)\]\(([\w-]+\.md)\) \| (.*) \|$",
        PAGES["docs/decisions/README.md"],
        re.MULTILINE,
    )
    pages = sorted(path.name for path in (ROOT / "docs/decisions").glob("0*.md"))
    assert [name for _, name, _ in listed] == pages
    for number, name, title in listed:
        assert PAGES[f"docs/decisions/{name}"].splitlines()[0] == f"# {number}. {title}"


def test_every_page_can_be_found_from_the_readme() -> None:
    """No page of docs/ is left without a link."""
    for page in PAGES:
        if page.startswith("docs/") and "/decisions/" not in page:
            assert f"]({page})" in PAGES["README.md"], page


#: What a snippet may take for granted, by the heading under which it is configured.
REST = {
    "[sources.parley]": 'kind = "parley"\nsecrets = ["${PARLEY_WEBHOOK_SECRET}"]',
    "[channels.slack-immigration]": 'url = "${SLACK_URL}"',
    "[channels.email-team]": 'url = "mailtos://mail.firm.com?from=b@firm.com"\nto = ["a@firm.com"]',
}
ENVIRON = {
    "PARLEY_WEBHOOK_SECRET": "0123456789abcdef",
    "OTHER_SECRET": "0123456789abcdef",
    "OIDC_SECRET": "a-secret-of-the-provider",
    "GRAPH_SECRET": "a~secret/of=Graph",
    "HEARTBEAT_URL": "https://watch.example.com/ping/4711",
    "PARLEY_API_BASE": "https://api.example.com",
    "PARLEY_API_TOKEN": "tok_1",
    "SMTP_PASSWORD": "pw",
    "PRACTICE_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "SLACK_URL": "https://hooks.slack.com/services/T00000000/B00000000/" + "x" * 24,
    "TEAMS_WORKFLOW_URL": "https://prod-1.westus.logic.azure.com:443/workflows/"
    "0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + "x" * 43,
}
SNIPPETS = [(page, text) for page in PAGES for text in blocks(page, "toml")]


@pytest.mark.parametrize(("page", "snippet"), SNIPPETS, ids=[page for page, _ in SNIPPETS])
def test_snippets_work(page: str, snippet: str, tmp_path: Path) -> None:
    """Pasted into a configuration, each loads with its channels and without a complaint."""
    rest = [f"{head}\n{body}" for head, body in REST.items() if head not in snippet]
    file = tmp_path / "config.toml"
    file.write_text("\n".join([snippet, *rest]), encoding="utf-8")
    assert tomllib.loads(snippet)
    settings = load(file, environ=ENVIRON)
    assert load_channels(settings, clock=SystemClock()).by_name.keys() == settings.channels.keys()


def test_there_are_snippets() -> None:
    """The pages that need an example have one."""
    assert {"README.md", "docs/add-a-source.md", "docs/add-a-channel.md"} <= {
        p for p, _ in SNIPPETS
    }


def test_the_kinds_of_journal_entries() -> None:
    """Operations names each, with no other, so that a filter can be written of it."""
    sources = "\n".join(p.read_text() for p in (ROOT / "src/casebell").rglob("*.py"))
    table = section("docs/operations.md", "### The journal")
    named, noun = set(), ""
    for cell in first_column(table):
        for code in code_in(cell):
            noun = code.partition(".")[0] or noun
            named.add(noun + code.removeprefix(noun))
    written = set(re.findall(r'\bkind=f?"(\w+\.[\w{}]+)"', sources))
    assert len(written) > 15
    made = re.findall(r'f"(?:(\w+)\.\{\w+\}|\{\w+\}(\.\w+))"', sources)
    parts = {beginning or end for beginning, end in made}
    assert {kind for kind in written if "{" not in kind} <= named
    for kind in named:
        noun, _, verb = kind.partition(".")
        assert f'"{kind}"' in sources or {noun, f".{verb}"} & parts, kind


def test_every_error_of_the_providers_api_is_documented() -> None:
    """An operator finds each code with what to do, and no other."""
    told = section("docs/upstream.md", "## When it cannot be asked")
    codes = set(re.findall(r"^\| `([a-z_]+)` \|", told, re.MULTILINE))
    kinds = [one for one in vars(casebell.errors).values() if isinstance(one, type)]
    raised = {one.code for one in kinds if issubclass(one, UpstreamError)} - {UpstreamError.code}
    assert codes == raised
