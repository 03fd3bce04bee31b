"""`casebell send`: post a delivery as the source would."""

import re
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from casebell.cli.options import Config, text_option
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_line
from casebell.clock import SECOND, SystemClock
from casebell.errors import CasebellError, ConfigError, NotFound, ServerUnreachable
from casebell.kinds import KINDS
from casebell.sandbox.deliveries import SAMPLES, body_of, headers_for
from casebell.settings import Settings, SourceSettings, load
from casebell.settings.sources import WEBHOOKS
from casebell.settings.values import nearest

#: Seconds for an answer.
TIMEOUT = 30
#: Stands for standard input.
STANDARD_INPUT = "-"
#: What became of an authentic delivery: docs/contract.md.
TAKEN = frozenset({"stored", "duplicate", "conflict", "held"})


class NotOurAnswer(CasebellError):
    """What answered is not Casebell."""

    hint = (
        "Post to https://HOST/webhooks/SOURCE, and have the proxy pass on /webhooks/. "
        "Sent without --to, it goes past the proxy."
    )
    exit_code = 1


def send(
    body: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The exact bytes to send.")
    ] = None,
    sample: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"One of: {', '.join(SAMPLES)}.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="The source to send as.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="The whole URL, or the server's.")
    ] = None,
    secret: Annotated[
        str | None,
        text_option(
            metavar="S",
            help="Instead of the configured one; `ps` shows it to others, so prefer the next.",
        ),
    ] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file with the secret; - is standard input."),
    ] = None,
    config: Config = None,
) -> None:
    """Sign and post a delivery as the source would; print the answer.

    It succeeds on Casebell's own word alone: a 200 from a proxy stores nothing.
    """
    if (body is None) == (sample is None):
        raise typer.BadParameter("Give either --body FILE or --sample NAME.")
    if sample is not None and sample not in SAMPLES:
        raise typer.BadParameter(f"One of: {', '.join(SAMPLES)}.", param_hint="--sample")
    if secret is not None and secret_file is not None:
        raise typer.BadParameter("Give either --secret or --secret-file.")
    if secret_file is not None:
        secret = _read_secret(secret_file)
    clock = SystemClock()
    kind = SAMPLES[sample][0].name if sample else None
    settings = _settings(config, needed=to is None or secret is None)
    sender = _source(settings, source, kind)
    content = _read(body) if body else body_of(*SAMPLES[sample or ""], now=clock.now())
    if to is None:
        destination = _running_server(config)
    else:
        destination = Destination(url=to.rstrip("/"), verify=True)
    headers = headers_for(sender, content, secret=secret, at=clock.now() // SECOND)
    response = _post(destination, sender, content=content, headers=headers, typed=to is not None)
    print_line(f"{response.status_code} {response.text}")
    ours = _our_answer(response)
    if ours is None:
        error = NotOurAnswer(f"{response.status_code} did not come from Casebell.")
        error.exit_code = 3 if response.status_code >= 500 else 1
        raise error
    if response.status_code >= 500:
        raise typer.Exit(3)
    events = ours.get("events", [ours])
    if response.status_code >= 300 or not all(one.get("status") in TAKEN for one in events):
        raise typer.Exit(1)


def _our_answer(response: httpx2.Response) -> Mapping[str, Any] | None:
    """The answer, if Casebell wrote it: each has our number of the request."""
    try:
        answer = response.json()
    except ValueError:
        return None
    number = answer.get("request_id") if isinstance(answer, dict) else None
    return answer if isinstance(number, str) and number.startswith("req_") else None


def _post(
    destination: "Destination",
    sender: SourceSettings,
    *,
    content: bytes,
    headers: Mapping[str, str],
    typed: bool,
) -> httpx2.Response:
    """The answer to a delivery.

    Args:
        typed: whether the address was typed, and may hold a password.
    """
    url = destination.url
    if WEBHOOKS not in url:
        url += f"{WEBHOOKS}{sender.name}"
    # A secret may hold any character; the wire carries bytes.
    sent = {name.encode(): value.encode() for name, value in headers.items()}
    try:
        with httpx2.Client(timeout=TIMEOUT, trust_env=False, verify=destination.verify) as client:
            return client.post(url, content=content, headers=sent)
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        raise typer.BadParameter(
            "Write https://host, or the whole URL.", param_hint="--to"
        ) from None
    except (httpx2.HTTPError, OSError) as error:
        if reason := _tls_failure(error):
            raise ServerUnreachable(
                f"TLS fails with {'that address' if typed else url}: {reason}.",
                hint="Something listens there. --to wants https:// where it speaks TLS, and a "
                "certificate that this machine trusts; `casebell check` shows ours.",
            ) from None
        raise ServerUnreachable(
            f"Nothing answers at {'that address' if typed else url}.",
            hint="Is `casebell serve` running? --to URL names another address.",
        ) from None


def _tls_failure(error: BaseException | None) -> str:
    """Why TLS failed, in OpenSSL's words, which quote nothing; "" where something else did."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError):
            return str(error.reason or "no TLS is spoken there").replace("_", " ").lower()
        error = error.__cause__ or error.__context__
    return ""


def _settings(config: Path | None, *, needed: bool) -> Settings | None:
    try:
        return load(config)
    except ConfigError:
        # With an address and a secret given, nothing of a configuration is needed.
        if needed or config is not None:
            raise
        return None


def _source(settings: Settings | None, name: str | None, kind: str | None) -> SourceSettings:
    if settings is None:
        name = name or kind or "parley"
        kind = kind or next((one for one in KINDS if name.startswith(one)), "parley")
        header = f"X-{kind.title()}-Secret" if KINDS[kind].auth == "shared-secret" else None
        return SourceSettings(name=name, kind=kind, header=header)
    if name is None:
        fitting = [one for one in settings.sources.values() if kind in (None, one.kind)]
        if not fitting:
            raise NotFound(
                f"No source of kind {kind} is configured.", hint="Name one with --source NAME."
            )
        return fitting[0]
    if name not in settings.sources:
        raise NotFound("No source has this name.", hint=nearest(name, settings.sources))
    return settings.sources[name]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from None


def _read_secret(file: Path) -> str:
    """The secret in a file or on standard input, without the end of its last line."""
    given = sys.stdin.buffer.read() if str(file) == STANDARD_INPUT else _read(file)
    try:
        return re.sub(r"\r?\n\Z", "", given.decode())
    except UnicodeDecodeError:
        raise typer.BadParameter("It is not UTF-8 text.", param_hint="--secret-file") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Where to send, and whose certificate to trust there."""

    url: str
    verify: ssl.SSLContext | bool


def _running_server(config: Path | None) -> Destination:
    """The running server, as it says itself."""
    answer = ServiceClient(config).ask_server("address")
    if answer is None:
        raise ServerUnreachable(
            "No server of this configuration runs here.",
            hint="Start `casebell serve`, or name an address with --to URL.",
        )
    verify = True if answer["certificate"] is None else trust(answer["certificate"])
    return Destination(url=answer["url"], verify=verify)


def trust(certificate: str) -> ssl.SSLContext:
    """Only this server's own certificate, whatever name it was made out to."""
    context = ssl.create_default_context(cadata=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
