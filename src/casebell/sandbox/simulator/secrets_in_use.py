"""What signs webhooks, and how it is replaced."""

from dataclasses import dataclass, field

from casebell.settings import SourceSettings

#: Torch's header where nobody says otherwise.
TORCH_HEADER = "X-Torch-Secret"


@dataclass(kw_only=True, slots=True)
class Secrets:
    """The tenant's secrets; a subscription may have its own instead."""

    #: The present one, then those that still sign beside it.
    parley: tuple[str, ...] = field(repr=False)
    torch: str = field(repr=False)


def parley_source(*, compact: bool) -> SourceSettings:
    """How Parley's receiver is convinced.

    Args:
        compact: the signature is over `JSON.stringify` of the body.
    """
    signed = "compact-json" if compact else "raw"
    return SourceSettings.model_validate(
        {"name": "parley", "kind": "parley", "signed_body": signed}
    )


def torch_source(header: str) -> SourceSettings:
    """How Torch's receiver is convinced."""
    return SourceSettings.model_validate({"name": "torch", "kind": "torch", "header": header})
