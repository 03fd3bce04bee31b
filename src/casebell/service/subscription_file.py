"""What a subscription needs: where deliveries come to, and a file for its secrets."""

import hmac
import stat
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from casebell.errors import Refusal
from casebell.files import reason_of
from casebell.networks import is_loopback
from casebell.service.upstream_names import NotConfigured, NotOffered
from casebell.settings import Settings
from casebell.settings.sources import WEBHOOKS
from casebell.settings.upstream import (
    SUBSCRIPTION,
    UpstreamSettings,
    subscription_label,
    subscription_secrets,
)
from casebell.store.new_file import new_file


def see_configured(settings: Settings, upstream: UpstreamSettings) -> tuple[str, Path]:
    """Where deliveries come to, and the file of the secret.

    Raises:
        NotOffered, NotConfigured: as `Subscribing.subscribe` does.
    """
    table = f"[upstream.{upstream.name}]"
    if upstream.kind != "parley":
        raise NotOffered(
            f"The API of {upstream.name} takes no subscriptions.",
            hint="Torch's webhooks are registered by your Parley contact, or by its form.",
        )
    if upstream.secret_file is None:
        raise NotConfigured(
            f"{table} does not say where the secret of the subscription is kept.",
            hint=f'Write secret_file = "{upstream.name}-subscription.secret" into {table}.',
        )
    base = settings.server.public_url
    if base is None:
        raise NotConfigured(
            "The configuration does not say where the provider reaches this server.",
            hint='Write public_url = "https://…" into [server]: how the provider reaches it.',
        )
    parts = urlsplit(base)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise NotConfigured(
            "The provider delivers to https:// alone, and server.public_url begins with http://.",
            hint="Plain http:// is for this machine alone, such as the sandbox.",
        )
    source = settings.sources[upstream.source]
    if subscription_label(1) in {one.label for one in source.secrets} and not any(
        secrets_in(one.secret_file)
        for one in settings.upstream.values()
        if one.source == source.name and one.secret_file is not None
    ):
        raise NotConfigured(
            f"A secret of source {source.name} has the label “{SUBSCRIPTION}”, which is that of "
            "the subscription.",
            hint="Give it another label.",
        )
    return f"{base.rstrip('/')}{WEBHOOKS}{source.name}", upstream.secret_file


def knows(settings: Settings, upstream: UpstreamSettings, secret: str) -> bool:
    """Whether the source authenticates deliveries that are signed with a secret."""
    source = settings.sources.get(upstream.source)
    known = source.secrets if source else ()
    return any(
        hmac.compare_digest(one.value.get_secret_value().encode(), secret.encode()) for one in known
    )


def secrets_in(file: Path) -> Sequence[str]:
    """The secrets in a file; raises Refusal where they cannot be read. Blocks."""
    try:
        return subscription_secrets(file)
    except OSError as error:
        raise Refusal(f"{file} cannot be read: {reason_of(error, file)}.") from None
    except ValueError:
        raise Refusal(f"{file} is no text.") from None


def is_private(file: Path) -> bool:
    """Whether no other account of this machine can read or change a file; or there is none. Blocks.

    Raises:
        Refusal: that cannot be seen.
    """
    try:
        return not file.stat().st_mode & stat.S_IRWXO
    except FileNotFoundError:
        return True
    except OSError as error:
        raise Refusal(f"{file} cannot be read: {reason_of(error, file)}.") from None


def write_secrets(file: Path, texts: Sequence[str]) -> None:
    """Have a file with these secrets on the disk, for this account alone. Blocks.

    Raises:
        Refusal: it cannot be written; the file of before is as it was.
    """
    with new_file(file, replaces=b"") as part:
        part.write_text("".join(f"{text}\n" for text in texts))
