"""What was done, as the sentences that the next page says."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from casebell.service import done_in_words as words
from casebell.service import upstream_in_words as words_of_upstream
from casebell.times import counted

#: Sentences of one answer; of more rows their number is said.
MAX_SENTENCES = 20

#: What a page says: sentences, and whether all went well.
Told = Mapping[str, Any]


def said(verb: str, value: Any) -> Told:
    """What the next page says of a verb's answer."""
    sentences, good = _SAID.get(verb, _done)(value)
    shown = list(sentences)
    if len(shown) > MAX_SENTENCES:
        rest = len(shown) - MAX_SENTENCES
        shown = [*shown[:MAX_SENTENCES], f"And {counted(rest, 'more')}."]
    return {"sentences": shown, "good": good}


def _done(_: Any) -> tuple[Iterable[str], bool]:
    return ["Done."], True


def _each(
    name: str, sentence: Callable[[Any], str], good: Callable[[Any], bool]
) -> Callable[[Any], tuple[Iterable[str], bool]]:
    """A sentence of each of a list in the answer; all went well where each did."""

    def of(value: Any) -> tuple[Iterable[str], bool]:
        found = value[name]
        if not found:
            return ["There was nothing to do."], True
        # What went wrong first: of very many the others are a number.
        return map(sentence, sorted(found, key=good)), all(map(good, found))

    return of


def _released(one: Mapping[str, Any]) -> str:
    return f"{words.held_released(one)} {one['hint']}".rstrip()


def _imported(value: Mapping[str, Any]) -> Iterable[str]:
    yield from words.cases_imported(value)
    if value["left_out"]:
        yield words.lines_left_out(value["left_out"], dry_run=value["dry_run"])
        for problem in value["problems"]:
            yield f"Line {problem['line']}: {problem['reason']}"


def _of_account(verb: str) -> Callable[[Any], tuple[Iterable[str], bool]]:
    return lambda account: (words.account_became(verb, account), not account.get("warnings"))


def _always(sentence: str) -> Callable[[Any], tuple[Iterable[str], bool]]:
    return lambda _: ([sentence], True)


_SAID: Mapping[str, Callable[[Any], tuple[Iterable[str], bool]]] = {
    "retry_alerts": lambda value: (words.alerts_retried(value), not value["left"]),
    "dismiss_alerts": lambda value: (words.alerts_dismissed(value), True),
    "release_held": _each("held", _released, lambda one: one["status"] != "still_held"),
    "discard_held": lambda value: ([words.held_discarded(value)], True),
    "readmit_refused": _each(
        "refused", words.refused_checked, lambda one: one["status"] not in ("refused", "not_kept")
    ),
    "import_cases": lambda value: (_imported(value), not value["left_out"]),
    "set_case": lambda value: ([words.case_set(value)], True),
    "acknowledge": lambda value: (words.acknowledged(value), True),
    "set_due": lambda value: (words.due_set(value), value["question"] is None),
    "mark_answered": lambda value: ([words.owed_now(value)], True),
    "test_channel": lambda value: (
        words.channel_tested(value),
        all(one["delivered"] for one in value["targets"]),
    ),
    "set_away": lambda value: (words.person_away(value), not value["warnings"]),
    "set_back": lambda value: (words.person_back(value), True),
    "register_cases": lambda value: (words_of_upstream.registered(value), not value["problems"]),
    "reconcile": lambda value: (
        words_of_upstream.reconciled(value),
        not value["failed"] and not value["waits"],
    ),
    "subscribe": lambda value: (words_of_upstream.subscribed(value), True),
    "reload": lambda value: (words.reloaded(value), not value["warnings"]),
    **{
        verb: _of_account(verb)
        for verb in (
            *("set_account", "enable_account", "disable_account", "reset_second_factor"),
            "end_sessions",
        )
    },
    "revoke_token": lambda token: ([words.token_revoked(token)], True),
    "change_own_password": _always(
        "Your password is changed, and you are signed out everywhere else."
    ),
    "end_other_sessions": _always("You are signed out everywhere else."),
    "revoke_own_feed": _always("That calendar is revoked: whoever reads it finds nothing."),
    "turn_off_second_factor": _always("Your second factor is off."),
}
