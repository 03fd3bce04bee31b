"""Signatures as Standard Webhooks has them: its published vector, and its own verifier."""

import json
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from casebell.clock import SECOND, SystemClock
from casebell.notify.standard_webhooks import signed_headers
from casebell.settings.sources import decoded

VECTORS = Path(__file__).parents[1] / "vectors" / "standard_webhooks.json"
OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text())["vectors"])
def test_the_published_vector(vector: dict[str, Any]) -> None:
    """Byte for byte."""
    headers = signed_headers(
        vector["body"].encode(),
        message_id=vector["id"],
        timestamp=vector["timestamp"],
        keys=[decoded(vector["secret"])],
    )
    assert headers["webhook-signature"] == vector["signature"]
    assert headers["webhook-id"] == vector["id"]
    assert headers["webhook-timestamp"] == str(vector["timestamp"])


@given(body=st.text().map(str.encode), secret=st.sampled_from([OLD, NEW]))
def test_a_receiver_may_know_either_secret(body: bytes, secret: str) -> None:
    """During a rotation both sign; the library takes the message by the one that it has."""
    headers = signed_headers(
        body,
        message_id="msg_1",
        timestamp=SystemClock().now() // SECOND,
        keys=[decoded(NEW), decoded(OLD)],
    )
    standardwebhooks.Webhook(secret).verify(body, dict(headers), json_parse=False)


@pytest.mark.parametrize("altered", ["body", "webhook-id", "webhook-timestamp"])
def test_whatever_is_altered_is_refused(altered: str) -> None:
    """Each of the three is signed."""
    timestamp = SystemClock().now() // SECOND
    headers = dict(
        signed_headers(b"{}", message_id="msg_1", timestamp=timestamp, keys=[decoded(OLD)])
    )
    body = b"[]" if altered == "body" else b"{}"
    headers |= {"webhook-id": "msg_2"} if altered == "webhook-id" else {}
    if altered == "webhook-timestamp":
        headers["webhook-timestamp"] = str(timestamp + 1)
    with pytest.raises(standardwebhooks.webhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OLD).verify(body, headers)
