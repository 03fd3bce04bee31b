"""`casebell tokens`: what programs ask the API with; `test_accounts` has it beside a server."""

import hashlib
import json

from cli.installation import Installation


def test_without_a_server(installation: Installation) -> None:
    """A token is printed once; the list and the journal have its name."""
    ran = installation("tokens", "add", "practice", "--role", "operator", "--by", "Jia Chan")
    token = ran.out.strip()
    assert (ran.code, token[:4]) == (0, "cbl_")
    assert "the only time" in ran.err
    assert token not in ran.err
    digest = hashlib.sha256(token.encode()).hexdigest()
    assert installation.rows("SELECT name, digest FROM tokens") == [("practice", digest)]
    heading, listed = installation("tokens", "list").out.splitlines()
    assert heading.split()[:4] == ["NAME", "ROLE", "PERSON", "STATE"]
    assert listed.split()[:4] == ["practice", "operator", "-", "active"]
    kind, data = installation.rows("SELECT kind, data FROM journal ORDER BY seq DESC LIMIT 1")[0]
    assert (kind, json.loads(data)["by"]) == ("token.added", "Jia Chan")


def test_what_programs_read(installation: Installation) -> None:
    """`--json` has the keys of docs/contract.md."""
    assert installation("tokens", "list", "--json").out == ""
    ran = installation("tokens", "add", "p", "--role", "viewer", "--person", "jchan", "--json")
    [made] = ran.lines()
    assert (list(made), ran.err) == (["name", "role", "token", "warnings"], "")
    assert made["warnings"] == ["There is no [people.jchan] in the configuration."]
    [listed] = installation("tokens", "list", "--json").lines()
    assert (listed["name"], listed["role"], listed["person"]) == ("p", "viewer", "jchan")
    assert made["token"] not in str(listed)
    [revoked] = installation("tokens", "revoke", "p", "--json").lines()
    assert revoked["revoked_at"] is not None


def test_the_answer_is_no(installation: Installation) -> None:
    """Exit code 1 for a name that is taken, revoked or none; 2 for what cannot be one."""
    assert installation("tokens", "add", "p", "--role", "viewer").code == 0
    ran = installation("tokens", "add", "p", "--role", "viewer", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "There is a token “p” already." in ran.err
    assert installation("tokens", "revoke", "p").out.startswith("Token p is revoked")
    for words, says in {
        ("add", "p", "--role", "viewer"): "a name is not given twice",
        ("revoke", "p"): "revoked already",
        ("revoke", "q"): "Known: p.",
    }.items():
        ran = installation("tokens", *words)
        assert (ran.code, ran.out) == (1, "")
        assert says in ran.err
    for words in (
        ("add", "a b", "--role", "viewer"),
        ("add", "a"),
        ("add", "a", "--role", "root"),
        ("add", "\udcff", "--role", "viewer"),
        ("add", "--role", "viewer"),
    ):
        ran = installation("tokens", *words)
        assert (words, ran.code, ran.out) == (words, 2, "")
