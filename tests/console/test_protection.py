"""Where a request came from, and where one goes next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.console.protection import Reached, check_origin, own_path, reached
from casebell.errors import CrossSite

ORIGIN = "https://casebell.example-firm.com"


def headers(**given: str) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]


class TestOrigin:
    """A POST comes from a page of the console itself."""

    @pytest.mark.parametrize(
        "sent",
        [
            {"sec_fetch_site": "same-origin"},
            {"sec_fetch_site": "same-origin", "origin": "https://elsewhere.example"},
            {"origin": ORIGIN},
        ],
    )
    def test_ours(self, sent: dict[str, str]) -> None:
        """The newer header decides; an older browser has the other one alone."""
        check_origin(headers(**sent), origin=ORIGIN)

    @pytest.mark.parametrize(
        "sent",
        [
            {},
            {"sec_fetch_site": "cross-site", "origin": ORIGIN},
            {"sec_fetch_site": "same-site"},
            {"sec_fetch_site": "none"},
            {"sec_fetch_site": ""},
            {"origin": "null"},
            {"origin": "http://casebell.example-firm.com"},
            {"origin": f"{ORIGIN}.attacker.example"},
            {"origin": f"{ORIGIN}:8443"},
            {"referer": f"{ORIGIN}/events"},
        ],
    )
    def test_not_ours(self, sent: dict[str, str]) -> None:
        """Silence is not enough."""
        with pytest.raises(CrossSite):
            check_origin(headers(**sent), origin=ORIGIN)

    def test_twice(self) -> None:
        """What is said twice is said by two."""
        twice = headers(sec_fetch_site="same-origin") * 2
        with pytest.raises(CrossSite):
            check_origin(twice, origin=ORIGIN)
        with pytest.raises(CrossSite):
            check_origin(headers(origin=ORIGIN) * 2, origin=ORIGIN)


class TestReached:
    """How a visitor reached the console decides about cookies."""

    @pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
    def test_on_this_machine(self, host: str) -> None:
        """Plain HTTP is private there, whatever address people have."""
        found = reached(headers(host=host), scheme="http", public_url=ORIGIN)
        assert found == Reached(origin=f"http://{host}", private=True, secure=False)

    @pytest.mark.parametrize("name", ["x_forwarded_for", "forwarded", "via", "x_real_ip"])
    def test_by_a_proxy_on_this_machine(self, name: str) -> None:
        """A proxy that names a loopback host is the way from everywhere."""
        sent = headers(host="127.0.0.1:8080", **{name: "198.51.100.7"})
        assert reached(sent, scheme="http", public_url=ORIGIN).secure
        assert not reached(sent, scheme="http", public_url=None).private

    def test_by_a_proxy_that_says_nothing(self) -> None:
        """By default nginx names the host that it asks; the browser names the one that it asked."""
        sent = headers(host="127.0.0.1:8080", origin=ORIGIN)
        behind = reached(sent, scheme="http", public_url=ORIGIN)
        assert behind == Reached(origin=ORIGIN, private=True, secure=True)
        assert not reached(sent, scheme="http", public_url=None).private
        for origin in ("http://127.0.0.1:8080", "http://localhost:8080", "null"):
            sent = headers(host="127.0.0.1:8080", origin=origin)
            assert reached(sent, scheme="http", public_url=ORIGIN).private
            assert not reached(sent, scheme="http", public_url=ORIGIN).secure

    def test_by_its_address(self) -> None:
        """Behind a proxy the configured address tells whether there is TLS."""
        sent = headers(host="casebell.example-firm.com")
        secure = reached(sent, scheme="http", public_url=ORIGIN + "/base")
        assert secure == Reached(origin=ORIGIN, private=True, secure=True)
        plain = reached(sent, scheme="http", public_url="http://casebell.example-firm.com")
        assert not plain.private
        assert not plain.secure

    def test_without_an_address(self) -> None:
        """Our own TLS, or a proxy that says so; else nothing is private."""
        sent = headers(host="cases.local")
        assert reached(sent, scheme="https", public_url=None).secure
        forwarded = headers(host="cases.local", x_forwarded_proto="https")
        assert reached(forwarded, scheme="http", public_url=None).secure
        assert not reached(sent, scheme="http", public_url=None).private

    @pytest.mark.parametrize("host", ["", "[", "127.0.0.1@elsewhere.example", "127.0.0.1.example"])
    def test_hosts_that_are_none(self, host: str) -> None:
        """None of them is this machine."""
        assert not reached(headers(host=host), scheme="http", public_url=None).private

    def test_the_headers(self) -> None:
        """Strict transport is promised where there is TLS, and only there."""
        there = reached(headers(host="a"), scheme="https", public_url=None)
        here = reached(headers(host="localhost"), scheme="http", public_url=None)
        assert b"strict-transport-security" in dict(there.headers)
        assert b"strict-transport-security" not in dict(here.headers)
        policy = dict(here.headers)[b"content-security-policy"]
        assert b"unsafe" not in policy
        assert b"default-src 'none'" in policy


class TestNext:
    """The page after this one is ours."""

    @pytest.mark.parametrize(
        "path", ["/", "/events", "/events?status=denied&cursor=5", "/cases/IOE1"]
    )
    def test_ours(self, path: str) -> None:
        assert own_path(path) == path

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "events",
            "//elsewhere.example",
            "/\\elsewhere.example",
            "\\/elsewhere.example",
            "/a\\b",
            "https://elsewhere.example/",
            "javascript:alert(1)",
            "/\t/elsewhere.example",
            "/\n/elsewhere.example",
            "/a\r\nSet-Cookie: a=b",
            "/é",
            "/\u202e",
            " /events",
        ],
    )
    def test_not_ours(self, given: str) -> None:
        assert own_path(given) == "/"

    @given(st.text())
    def test_whatever_it_is(self, text: str) -> None:
        """What is let through begins with one slash, and everybody takes it as it is."""
        path = own_path(text)
        assert path.startswith("/")
        assert not path.startswith("//")
        assert path.isascii()
        assert path.isprintable()
        assert "\\" not in path
