"""The four proxies' configurations: README's where it has one, and what people add to it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

README = (Path(__file__).parents[2] / "README.md").read_text()


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where one proxy works: its files, its port and Casebell's."""

    folder: Path
    port: int
    upstream: str

    def write(self, name: str, text: str) -> Path:
        """Write a configuration."""
        path = self.folder / name
        path.write_text(text)
        return path


@dataclass(frozen=True, kw_only=True, slots=True)
class ProxyKind:
    """A program with one configuration."""

    name: str
    #: None where nothing is between the sender and Casebell.
    program: str | None
    #: Writes the configuration and returns the arguments of the program.
    configure: Callable[[Place], list[str]]
    #: Whether it keeps its connections to Casebell and sends several senders' requests over one.
    reuses: bool = True
    #: Attacks that it reads as two requests, and sends Casebell as two.
    splits: frozenset[str] = frozenset()
    #: Attacks that it answers with 502 of its own accord, as if Casebell had hung up.
    blames_casebell: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """The name, also as a test's."""
        return self.name


def _snippet(language: str) -> str:
    """README's configuration for a proxy."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert found, f"README has no {language}"
    return found[1]


# ── nginx ────────────────────────────────────────────────────────────────────────────────────────

#: What nginx's own documentation has for WebSockets and for connections that are kept.
WEBSOCKET = """
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
"""


def _nginx(place: Place, *, more: str = "", buffering: str = "on") -> list[str]:
    location = _snippet("nginx").replace("127.0.0.1:8080", "casebell")
    location = location.replace(
        "proxy_request_buffering on", f"proxy_request_buffering {buffering}"
    )
    location = location.rstrip().removesuffix("}") + more + "}"
    keepalive = "keepalive 8;" if more else ""
    # One worker: each has connections of its own, and chance would choose the victims.
    text = dedent("""
        user {user};
        daemon off;
        pid {folder}/nginx.pid;
        error_log {folder}/error.log;
        worker_processes 1;
        events {{ worker_connections 256; }}
        http {{
            access_log {folder}/access.log;
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            upstream casebell {{ server {upstream}; {keepalive} }}
            server {{
                listen 127.0.0.1:{port};
                {location}
            }}
        }}
    """).format(
        # Its workers would not reach a folder of root's otherwise.
        user=place.folder.owner(),
        folder=place.folder,
        upstream=place.upstream,
        keepalive=keepalive,
        port=place.port,
        location=location,
    )
    path = place.write("nginx.conf", text)
    return ["-p", str(place.folder), "-e", str(place.folder / "error.log"), "-c", str(path)]


def _nginx_websocket(place: Place) -> list[str]:
    return _nginx(place, more=WEBSOCKET)


def _nginx_unbuffered(place: Place) -> list[str]:
    return _nginx(place, more=WEBSOCKET, buffering="off")


def _nginx_silent(place: Place) -> list[str]:
    arguments = _nginx(place)
    path = place.folder / "nginx.conf"
    start = path.read_text().index("location /")
    text = path.read_text()[:start] + "location / { proxy_pass http://casebell; } } }\n"
    place.write("nginx.conf", text)
    return arguments


# ── Caddy, HAProxy, Apache ───────────────────────────────────────────────────────────────────────


def _caddy(place: Place) -> list[str]:
    site = _snippet("caddyfile").replace("127.0.0.1:8080", place.upstream)
    # Without TLS, and for every name.
    site = site.replace("casebell.example-firm.com", f"http://:{place.port}")
    options = "{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n"
    path = place.write("Caddyfile", options + site)
    return ["run", "--config", str(path), "--adapter", "caddyfile"]


def _haproxy(place: Place) -> list[str]:
    # Without TLS.
    web = re.sub(r"bind :443 .*", f"bind 127.0.0.1:{place.port}", _snippet("haproxy"))
    defaults = dedent("""
        global
            log stdout format raw local0
        defaults
            log global
            option httplog
            timeout connect 5s
            timeout client 50s
            timeout server 50s
            http-reuse always
    """)
    text = defaults + web.replace("127.0.0.1:8080", place.upstream)
    return ["-db", "-f", str(place.write("haproxy.cfg", text))]


def _haproxy_silent(place: Place) -> list[str]:
    arguments = _haproxy(place)
    lines = (place.folder / "haproxy.cfg").read_text().splitlines(keepends=True)
    place.write("haproxy.cfg", "".join(line for line in lines if "forwardfor" not in line))
    return arguments


def _apache(place: Place, *, more: str = "") -> list[str]:
    modules = "mpm_event authz_core reqtimeout proxy proxy_http"
    site = _snippet("apache").rstrip().replace("127.0.0.1:8080", place.upstream)
    text = dedent("""
        {modules}
        ServerName casebell.test
        ServerRoot {folder}
        DefaultRuntimeDir {folder}
        PidFile {folder}/apache.pid
        Mutex pthread
        ErrorLog {folder}/error.log
        User www-data
        Group www-data
        Listen 127.0.0.1:{port}
        # One process: each has connections of its own, and chance would choose the victims.
        StartServers 1
        ServerLimit 1
        MaxRequestWorkers 25
        {site}
    """).format(
        modules="\n".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
            for name in modules.split()
        ),
        folder=place.folder,
        port=place.port,
        site=re.sub("$", f" enablereuse=on{more}", site, flags=re.MULTILINE),
    )
    return ["-DFOREGROUND", "-f", str(place.write("apache.conf", text))]


def _apache_upgrade(place: Place) -> list[str]:
    return _apache(place, more=" upgrade=ANY")


def _nothing(place: Place) -> list[str]:
    return []


KINDS = (
    ProxyKind(name="bare", program=None, configure=_nothing, reuses=False),
    ProxyKind(name="nginx", program="nginx", configure=_nginx, reuses=False),
    ProxyKind(name="nginx-websocket", program="nginx", configure=_nginx_websocket),
    ProxyKind(name="nginx-unbuffered", program="nginx", configure=_nginx_unbuffered),
    ProxyKind(
        name="caddy",
        program="caddy",
        configure=_caddy,
        # Go reads the chunks and drops the length, as RFC 9112 6.3 has it, but goes on after them.
        splits=frozenset(
            f"{offer}TE: {name}"
            for offer in ("", "h2c, ")
            for name in ("chunked and length", "folded TE")
        ),
        # It notices when it has sent the beginning, and hangs up on Casebell.
        blames_casebell=frozenset(
            f"{offer}chunk: {broken}"
            for offer in ("", "h2c, ")
            for broken in ("lone LF", "lone CR", "size of 0x", "huge size")
        ),
    ),
    ProxyKind(
        name="haproxy",
        program="haproxy",
        configure=_haproxy,
        # A CONNECT has no body (RFC 9110 9.3.6): once it is refused, what follows is a request.
        splits=frozenset(
            f"CONNECT casebell, {body}" for body in ("with a length", "long", "with chunks")
        ),
    ),
    *(
        ProxyKind(
            name=name,
            program="apache2",
            configure=configure,
            # It still sends the body when Casebell, which reads none of it, closes.
            blames_casebell=frozenset({"CONNECT casebell, long"}),
        )
        for name, configure in (("apache", _apache), ("apache-upgrade", _apache_upgrade))
    ),
)

#: Proxies of as few lines as people write, which do not say that they are there.
SILENT_KINDS = (
    ProxyKind(name="nginx", program="nginx", configure=_nginx_silent),
    ProxyKind(name="haproxy", program="haproxy", configure=_haproxy_silent),
)
