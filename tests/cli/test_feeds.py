"""`casebell feeds`: private calendars, made and revoked without a server."""

import hashlib

from cli.installation import Installation

URL = "https://casebell.example-firm.com"
PERSON = '[people.jchan]\nname = "Jia Chan"\n'


def test_without_a_server(installation: Installation) -> None:
    """The address is printed once; the list and the journal have the person."""
    installation.config.write_text(installation.config.read_text() + PERSON)
    ran = installation("feeds", "add", "--person", "Jia Chan")
    address = ran.out.strip()
    assert (ran.code, address[-4:]) == (0, ".ics")
    assert address.startswith(f"{URL}/feeds/")
    assert "public_url" not in ran.err
    assert "the only time" in ran.err
    token = address.removeprefix(f"{URL}/feeds/").removesuffix(".ics")
    assert token not in ran.err
    digest = hashlib.sha256(token.encode()).hexdigest()
    assert installation.rows("SELECT person, digest FROM feeds") == [("jchan", digest)]
    heading, listed = installation("feeds", "list").out.splitlines()
    assert heading.split()[:3] == ["ID", "PERSON", "STATE"]
    assert listed.split()[:3] == ["1", "jchan", "active"]
    revoked = installation("feeds", "revoke", "1")
    assert revoked.out == "Feed 1 of jchan is revoked: whoever reads it finds nothing.\n"
    assert installation("feeds", "list").out.splitlines()[1].split()[2] == "revoked"


def test_where_nobody_said_how_people_come(installation: Installation) -> None:
    """It is a path then, and standard error says what belongs before it."""
    text = installation.config.read_text().replace("public_url =", "# public_url =", 1)
    installation.config.write_text(text + PERSON)
    ran = installation("feeds", "add", "--person", "jchan")
    assert ran.out.startswith("/feeds/")
    assert "server.public_url" in ran.err


def test_what_programs_read(installation: Installation) -> None:
    """`--json` has the keys of docs/contract.md, and the list no address."""
    installation.config.write_text(installation.config.read_text() + PERSON)
    assert installation("feeds", "add", "--person", "jchan").code == 0
    (made,) = installation("feeds", "add", "--person", "jchan", "--json").lines()
    assert list(made) == ["id", "person", "address"]
    listed = installation("feeds", "list", "--json").lines()
    assert made["address"] not in str(listed)
    assert list(listed[0]) == [
        *("id", "person", "created_at", "created_by", "last_read_at", "revoked_at"),
    ]


def test_the_answer_is_no(installation: Installation) -> None:
    """Exit code 1 for nobody and for no feed."""
    assert installation("feeds", "list").out == "There is no calendar feed.\n"
    for words, says in {
        ("add", "--person", "nobody"): "no such person",
        ("revoke", "7"): "no feed of this number",
    }.items():
        ran = installation("feeds", *words)
        assert (ran.code, ran.out) == (1, "")
        assert says in ran.err
