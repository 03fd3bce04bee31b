"""One request of the console, and what became known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.types import Receive, Scope

from casebell.clock import Clock, new_request_id
from casebell.console import cookies, forms
from casebell.console.protection import Reached, own_path, reached
from casebell.console.routing import Action, Door, Page
from casebell.errors import BadArgument
from casebell.http.request_log import Facts, RequestLog
from casebell.service.sessions import Session
from casebell.telemetry import Log, Metrics

#: The zone's word in its cookie; anything else is the firm's own.
UTC = "utc"


@dataclass(kw_only=True, slots=True)
class Request:
    """Who asks for what, as far as that is known."""

    scope: Scope
    receive: Receive
    #: When it came, on the monotonic clock.
    since: float
    #: How people reach the console, as configured.
    public_url: str | None
    request_id: str = field(default_factory=new_request_id)
    route: Page | Action | Door | None = None
    session: Session | None = None
    #: Of a POST: where to go afterwards among its fields.
    form: forms.Form = field(default_factory=forms.Form)
    reached: Reached = field(init=False)
    cookies: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        headers = self.scope["headers"]
        self.reached = reached(headers, scheme=self.scope["scheme"], public_url=self.public_url)
        self.cookies = cookies.read(headers, secure=self.reached.secure)

    @property
    def method(self) -> str:
        """The method, HEAD as GET."""
        method: str = self.scope["method"]
        return "GET" if method == "HEAD" else method

    @property
    def here(self) -> str:
        """The address with its parameters, as a path of ours."""
        query = self.scope["query_string"].decode("latin-1")
        path = quote(self.scope["path"], safe="/-._~")
        return own_path(f"{path}?{query}" if query else path)

    @property
    def back(self) -> str:
        """The page to go back to: the one that was asked for, or that a form stands on."""
        if self.method != "POST":
            return self.here
        return own_path((self.form.fields.get("next") or ["/"])[0])

    @property
    def query(self) -> forms.Fields:
        """The parameters as they stand in the address; none where they cannot be read."""
        try:
            return forms.query_of(self.scope)
        except BadArgument:
            return {}

    @property
    def signed_in(self) -> Session | None:
        """The session of whoever is signed in, and not only on the way there."""
        return None if self.session is None or self.session.asked else self.session

    @property
    def facts(self) -> Facts:
        """What is said of it."""
        return Facts(
            route=f"/{self.route.path}" if self.route else "",
            method=self.method,
            request_id=self.request_id,
            since=self.since,
            actor=self.session.actor if self.session else None,
        )

    def zone(self, local: str) -> str:
        """The time zone in which its visitor reads times.

        Args:
            local: that of the firm.
        """
        return "UTC" if self.cookies.get(cookies.ZONE) == UTC else local


def request_log(*, metrics: Metrics, log: Log, clock: Clock) -> RequestLog:
    """What becomes of requests of people, and of the programs that read their calendars."""
    return RequestLog(
        counted=metrics.console_requests,
        took=metrics.console_seconds,
        storage_fails=metrics.storage_errors.labels("console").inc,
        say=lambda **said: log.info("console.request", **said),
        defect=lambda **said: log.error("console.defect", **said),
        clock=clock,
    )
