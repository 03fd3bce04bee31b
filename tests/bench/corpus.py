"""Unique, signed deliveries for the load generator: one line each, five fields between tabs."""

import hashlib
import hmac
import json
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from bench.case_histories import event_id

#: What a delivery may tell, in turn.
STATUSES = (
    ("rfe_issued", "We sent you a request for evidence for your Form I-129."),
    ("approved", "Case Was Approved. We approved your Form I-140 and mailed the notice."),
    ("received", "Case Was Received and a receipt notice was emailed."),
)


def any_receipt(chance: random.Random) -> str:
    """A receipt number that hardly comes twice."""
    return f"IOE{chance.randrange(10**10):010d}"


def write_corpus(
    path: Path,
    *,
    secret: str,
    count: int,
    seed: float = 7,
    receipt: Callable[[random.Random], str] = any_receipt,
) -> None:
    """Time, idempotency key, signature, signature of the body alone, body; the same for a seed."""
    chance = random.Random(seed)
    began = time.time_ns() // 1000
    now = str(began // 1_000_000).encode()
    key = secret.encode()
    with path.open("wb") as file:
        for number in range(count):
            status, text = STATUSES[number % len(STATUSES)]
            document = {
                "id": event_id(chance.getrandbits(80), at=began + number * 1_000),
                "type": "case.status.updated",
                "receipt_number": receipt(chance),
                "normalized_status": status,
                "raw_status_text": text,
                "occurred_at": "2025-10-14T19:22:03Z",
            }
            body = json.dumps(document, separators=(",", ":")).encode()
            fields = (
                now,
                str(uuid.UUID(int=chance.getrandbits(128))).encode(),
                hmac.new(key, now + b"." + body, hashlib.sha256).hexdigest().encode(),
                hmac.new(key, body, hashlib.sha256).hexdigest().encode(),
                body,
            )
            file.write(b"\t".join(fields) + b"\n")
