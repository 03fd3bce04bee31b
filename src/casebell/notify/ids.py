"""Ids of messages, the same at each attempt: keyed digests, so that they tell nothing."""

import hashlib
import hmac
from collections.abc import Sequence

from casebell.alerts import Alert
from casebell.json_text import canonical


def message_id(alert: Alert, *, key: bytes) -> str:
    """The same for each attempt of an alert, in a restored database too; of no other alert.

    The number of an alert alone would come again: in another database, and in a restored one for
    what was decided after its backup. The receiver would drop that as a repetition.

    Args:
        key: of this database.
    """
    unique = [alert.id, alert.created_at, alert.subject, alert.channel, alert.target]
    return f"msg_{_digest(unique, key)}"


def group_id(alerts: Sequence[Alert], *, key: bytes) -> str:
    """The same for each attempt of these alerts in one message; of no alert that goes alone.

    Args:
        key: of this database.
    """
    return f"msg_{_digest(['group', *(message_id(one, key=key) for one in alerts)], key)}"


def thread_id(receipt: str, *, key: bytes) -> str:
    """The same for all messages of a case; without the key nobody can try receipts against it.

    Args:
        key: of this database.
    """
    return f"case_{_digest(['case', receipt], key)}"


def _digest(named: Sequence[object], key: bytes) -> str:
    return hmac.new(key, canonical([*named]).encode(), hashlib.sha256).hexdigest()[:32]
