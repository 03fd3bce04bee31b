"""Which right each verb needs, and which give more than JSON.

A verb that is not in the first table is refused to everybody.
"""

from collections.abc import Mapping
from types import MappingProxyType

from casebell.actors import Right

RIGHTS: Mapping[str, Right] = MappingProxyType(
    {
        # Of cases: those that are confidential are left out in SQL.
        "list_events": Right.CASES,
        "find_event": Right.CASES,
        "why": Right.CASES,
        "explain_event": Right.CASES,
        "list_alerts": Right.CASES,
        "list_cases": Right.CASES,
        "find_case": Right.CASES,
        "list_queue": Right.CASES,
        "completeness": Right.CASES,
        "list_people": Right.CASES,
        "outcomes": Right.CASES,
        "outcome_lines": Right.CASES,
        # Of cases that the actor may see.
        "acknowledge": Right.FOLLOW_UP,
        "set_due": Right.FOLLOW_UP,
        "mark_answered": Right.FOLLOW_UP,
        # Of the directory of cases; which cases one may edit is asked for each.
        "set_case": Right.OWN_CASES,
        "import_cases": Right.EDIT_CASES,
        "put_cases": Right.EDIT_CASES,
        "record_import": Right.EDIT_CASES,
        # Of operations.
        "list_channels": Right.OPERATIONS,
        "list_servers": Right.OPERATIONS,
        "rules": Right.OPERATIONS,
        "decided_otherwise": Right.OPERATIONS,
        "list_held": Right.OPERATIONS,
        "list_refused": Right.OPERATIONS,
        "list_arrivals": Right.OPERATIONS,
        "why_refused": Right.OPERATIONS,
        "refused_in_a_row": Right.OPERATIONS,
        "pushed_out": Right.OPERATIONS,
        "waiting": Right.OPERATIONS,
        "owners_in_doubt": Right.OPERATIONS,
        "soundness": Right.OPERATIONS,
        "checks": Right.OPERATIONS,
        "doubts": Right.OPERATIONS,
        "warnings": Right.OPERATIONS,
        "storage": Right.OPERATIONS,
        "heartbeat": Right.OPERATIONS,
        "address": Right.OPERATIONS,
        "certificate": Right.OPERATIONS,
        "list_upstreams": Right.OPERATIONS,
        "retry_alerts": Right.OPERATE,
        "dismiss_alerts": Right.OPERATE,
        "release_held": Right.OPERATE,
        "discard_held": Right.OPERATE,
        "readmit_refused": Right.OPERATE,
        "test_channel": Right.OPERATE,
        "reload": Right.OPERATE,
        "set_away": Right.OPERATE,
        "set_back": Right.OPERATE,
        "record_backup": Right.OPERATE,
        "register_cases": Right.OPERATE,
        "subscribe": Right.OPERATE,
        "reconcile": Right.OPERATE,
        # Of evidence.
        "show_event": Right.EVIDENCE,
        "event_body": Right.EVIDENCE,
        "list_journal": Right.EVIDENCE,
        "export_events": Right.EVIDENCE,
        "export_alerts": Right.EVIDENCE,
        "count_events": Right.EVIDENCE,
        "count_alerts": Right.EVIDENCE,
        "export_cases": Right.EVIDENCE,
        "count_cases": Right.EVIDENCE,
        "record_export": Right.EVIDENCE,
        # Of accounts and tokens.
        "add_token": Right.ACCOUNTS,
        "list_tokens": Right.ACCOUNTS,
        "revoke_token": Right.ACCOUNTS,
        "add_account": Right.ACCOUNTS,
        "list_accounts": Right.ACCOUNTS,
        "find_account": Right.ACCOUNTS,
        "set_account": Right.ACCOUNTS,
        "disable_account": Right.ACCOUNTS,
        "enable_account": Right.ACCOUNTS,
        "set_password": Right.ACCOUNTS,
        "reset_second_factor": Right.ACCOUNTS,
        "end_sessions": Right.ACCOUNTS,
        "add_feed": Right.ACCOUNTS,
        "list_feeds": Right.ACCOUNTS,
        "revoke_feed": Right.ACCOUNTS,
        # Of one's own account.
        "own_account": Right.OWN_ACCOUNT,
        "change_own_password": Right.OWN_ACCOUNT,
        "end_other_sessions": Right.OWN_ACCOUNT,
        "own_feeds": Right.OWN_ACCOUNT,
        "add_own_feed": Right.OWN_ACCOUNT,
        "revoke_own_feed": Right.OWN_ACCOUNT,
        "begin_second_factor": Right.OWN_ACCOUNT,
        "pending_second_factor": Right.OWN_ACCOUNT,
        "confirm_second_factor": Right.OWN_ACCOUNT,
        "turn_off_second_factor": Right.OWN_ACCOUNT,
        "make_recovery_codes": Right.OWN_ACCOUNT,
    }
)

#: Verbs that give bytes, or lines one by one: only whoever asks for such an answer gets it.
NOT_JSON: frozenset[str] = frozenset(
    {"event_body", "export_events", "export_alerts", "export_cases", "outcome_lines"}
)
