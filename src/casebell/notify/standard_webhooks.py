"""Signs what is posted, as Standard Webhooks 1.0.0 asks for it. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence


def signed_headers(
    body: bytes, *, message_id: str, timestamp: int, keys: Sequence[bytes]
) -> Mapping[str, str]:
    """The three headers: one signature for each key, so that a receiver may know any of them.

    Args:
        message_id: tells a repetition from another message.
        timestamp: seconds; of the attempt.
    """
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digests = [hmac.new(key, content, hashlib.sha256).digest() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(digest).decode()}" for digest in digests
        ),
    }
