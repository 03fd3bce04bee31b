"""Which API of the configuration is meant, and that it can do what is asked."""

from casebell.errors import NotFound, Refusal
from casebell.settings import Settings
from casebell.settings.upstream import UpstreamSettings
from casebell.settings.values import nearest


class NotOffered(Refusal):
    """This API does not offer this."""

    code = "not_offered"
    exit_code = 2


class NotConfigured(Refusal):
    """The configuration lacks what this needs."""

    code = "not_configured"
    exit_code = 2


def upstream_named(settings: Settings, name: str) -> UpstreamSettings:
    """The API of this name.

    Raises:
        NotFound: the configuration has none.
    """
    found = settings.upstream.get(name)
    if found is None:
        known = ", ".join(settings.upstream) or "none"
        raise NotFound(
            "There is no [upstream] of this name.",
            hint=nearest(name, settings.upstream) or f"The configuration has: {known}.",
        )
    return found
