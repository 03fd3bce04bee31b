"""The clients of the provider's APIs: Parley's and Torch's.

async with client_for(settings, source=source, budget=budget, clock=clock) as client:
    said = await client.statuses(receipts)
"""

from typing import TypeAlias

from casebell.clock import Clock
from casebell.settings import SourceSettings
from casebell.settings.upstream import UpstreamSettings
from casebell.upstream.asking import Patience
from casebell.upstream.budget import Budget
from casebell.upstream.parley import ParleyClient
from casebell.upstream.torch import TorchClient

#: A client of either API.
UpstreamClient: TypeAlias = ParleyClient | TorchClient


def client_for(
    settings: UpstreamSettings,
    *,
    source: SourceSettings,
    budget: Budget,
    clock: Clock,
    patience: Patience | None = None,
) -> UpstreamClient:
    """A client of an API as the settings have it.

    Args:
        source: the one of `settings.source`, whose field map reads what the API tells.
        budget: of this API; give all clients of a process the same.
        patience: how often it tries, by default as a server does.
    """
    kind = ParleyClient if settings.kind == "parley" else TorchClient
    return kind(settings, source=source, budget=budget, clock=clock, patience=patience)
