"""Has Casebell prove who sent a request."""

from casebell.events import Delivery, VerifiedDelivery
from casebell.receive.signatures import Authenticator
from casebell.sandbox.http_sink import HttpRequest
from casebell.settings import SourceSettings


def prove(
    request: HttpRequest, *secrets: str, kind: str = "parley", **more: str
) -> VerifiedDelivery:
    """The delivery, verified.

    Raises:
        RefusedDelivery: it is not authentic.
    """
    labelled = [{"label": f"s{place}", "value": one} for place, one in enumerate(secrets)]
    source = SourceSettings.model_validate(
        {"name": kind, "kind": kind, "secrets": labelled, **more}
    )
    headers = tuple((name.encode(), value.encode()) for name, value in request.headers.items())
    delivery = Delivery(
        source=kind,
        body=request.body,
        headers=headers,
        address="127.0.0.1",
        received_at=request.at,
        request_id="req_1",
    )
    return Authenticator(source).authenticate(delivery, now=request.at)
