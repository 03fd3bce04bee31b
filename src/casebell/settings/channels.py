"""Ways to reach people."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr

from casebell.settings.values import Duration, Part, Texts, as_list, complaint

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S.*", re.DOTALL)


def _is_url(value: SecretStr) -> SecretStr:
    if _URL.fullmatch(value.get_secret_value()) is None:
        raise complaint("This is not a URL.", "A channel's URL begins with a schema and `://`.")
    return value


Url = Annotated[SecretStr, AfterValidator(_is_url)]


def _one_url(fields: dict[str, Any]) -> tuple[SecretStr, ...]:
    return () if fields["url"] is None else (fields["url"],)


class Channel(Part):
    """A named way to reach people, with one or more targets."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str
    #: As written; readers want `urls`, which holds it.
    url: Url | None = None
    #: Every apprise URL of the channel; without `to` each is a target.
    urls: Annotated[tuple[Url, ...], as_list] = Field(default_factory=_one_url)
    #: Recipients, each its own target; only with a single URL.
    to: Texts = ()
    #: The operator accepts plain text to a host that is not this machine.
    insecure: bool = False
    #: How much of a case its alerts show (E14).
    disclose: Literal["minimal", "standard", "full"] = "minimal"
    #: Seconds one attempt may take.
    timeout: Duration = Field(default=30.0, gt=0, le=600)
    #: Seconds after which an alert is given up.
    max_age: Duration = Field(default=86_400.0, gt=0)
    #: Least seconds between two sends.
    pace: Duration = Field(default=1.0, ge=0, le=3600)
    #: Channel that hears of an alert this one could not deliver.
    fallback: str | None = None
