"""What the verbs that change something answer, as sentences: on a terminal and on a page."""

from collections.abc import Iterator, Mapping
from typing import Any

from casebell.alerts import Outcome
from casebell.service.attempts_in_words import failure_in_words, outcome_in_words
from casebell.times import counted

#: What one of the verbs answers, as `done` has it.
Answer = Mapping[str, Any]


def alerts_retried(answer: Answer) -> Iterator[str]:
    """Of alerts that are sent again, and of those that cannot be."""
    yield from _alerts(answer, "will be sent again")
    if left := answer["left"]:
        yield (
            f"{counted(len(left), 'alert')} cannot be sent, as the configuration no longer has the "
            f"channel or the target: {', '.join(map(str, left))}. `casebell alerts dismiss` closes "
            "such alerts."
        )


def alerts_dismissed(answer: Answer) -> Iterator[str]:
    """Of alerts about which nothing remains to be done."""
    yield from _alerts(answer, "dismissed, and kept on record")


def _alerts(answer: Answer, what: str) -> Iterator[str]:
    done = answer["alerts"]
    if len(done) == 1:
        yield f"Alert {done[0]}: {what}."
    elif done:
        yield f"{counted(len(done), 'alert')}: {what}."
    elif not answer["left"]:
        yield "No failed alert matches."


def held_released(one: Answer) -> str:
    """Of one held delivery that was tried again."""
    became = {
        "closed": "is a provider's test, and closed.",
        "held": f"is in part held delivery {one['part']} now.",
        "still_held": f"still cannot be understood: {one['problem']}",
    }
    event = f"is event {one['event']} now ({one['status']})."
    return f"Held delivery {one['held']} {became.get(one['status'], event)}"


def held_discarded(answer: Answer) -> str:
    """Of one that was closed without acting on it."""
    return f"Held delivery {answer['held']} is discarded; its body is kept."


def refused_checked(one: Answer) -> str:
    """Of one refused delivery that was checked again."""
    number, event = one["refused"], one["event"]
    sentences = {
        "stored": f"is event {event} now.",
        "duplicate": f"had come again as event {event} meanwhile.",
        "conflict": f"is event {event} now; it contradicts another of the same key.",
        "held": f"is authentic, but not understood: it is held delivery {one['held']} now.",
        "refused": f"still does not authenticate ({one['error']}), and stays.",
        "readmitted": "had been readmitted already.",
        "not_kept": "brought nothing that could be checked again.",
    }
    return f"Refused delivery {number} {sentences[one['status']]}"


def channel_tested(answer: Answer) -> Iterator[str]:
    """Of a test message to each target."""
    for one in answer["targets"]:
        became = f"not delivered. {failure_in_words(one)}"
        if one["outcome"] == Outcome.SENT:
            became = "delivered."
        elif one["delivered"]:
            became = f"{outcome_in_words(one['outcome'])}."
        yield f"{answer['channel']} → {one['target']}: {became}"


def changed(names: Mapping[str, Mapping[str, list[str]]]) -> Iterator[str]:
    """Of what differs between two configurations, a kind at a time."""
    width = max(map(len, names), default=0) + 2
    for kind, of_kind in names.items():
        differences = "; ".join(f"{what}: {', '.join(which)}" for what, which in of_kind.items())
        yield f"{kind.capitalize():<{width}}{differences}"


def reloaded(answer: Answer) -> Iterator[str]:
    """Of a configuration that was read again."""
    yield from changed(answer["changed"])
    for key in answer["needs_restart"]:
        yield f"Warning: {key} is as it was: it changes with the next start."
    for warning in answer["warnings"]:
        yield f"Warning: {warning}"
    yield "The server uses the new configuration." if answer["changed"] else "Nothing changed."


def account_became(verb: str, account: Answer) -> Iterator[str]:
    """Of an account that a verb changed."""
    yield f"Account {account['name']} ({account['role']}) {_BECAME[verb]}."
    for warning in account.get("warnings", ()):
        yield f"Warning: {warning}"


_BECAME: Mapping[str, str] = {
    "add_account": "is added",
    "set_account": "is changed",
    "enable_account": "is enabled",
    "disable_account": "is disabled",
    "set_password": "has another password",
    "reset_second_factor": "has no second factor any more",
    "end_sessions": "is signed out everywhere",
}


def token_revoked(token: Answer) -> str:
    """Of a token that is refused from now on."""
    return f"Token {token['name']} is revoked; its name stays taken."


def feed_revoked(feed: Answer) -> str:
    """Of a calendar that says nothing more."""
    return f"Feed {feed['id']} of {feed['person']} is revoked: whoever reads it finds nothing."


def cases_imported(answer: Answer) -> Iterator[str]:
    """Of a list of cases: what it came to, without the lines that were left out."""
    if answer["ignored"]:
        yield (
            f"Columns that mean nothing here, of which nothing is kept: "
            f"{', '.join(answer['ignored'])}."
        )
    if answer["encoding"] not in ("UTF-8", "UTF-16"):
        yield f"The file was read as {answer['encoding']}."
    if answer["altered"]:
        yield (
            f"Of {counted(answer['altered'], 'line')} a text was cut, or lost characters that "
            "cannot be seen."
        )
    sums = ", ".join(f"{answer[name]:,} {name}" for name in ("new", "changed", "unchanged"))
    rows = counted(answer["new"] + answer["changed"] + answer["unchanged"], "case")
    yield (
        f"{rows} in the list: {sums}."
        if not answer["dry_run"]
        else (f"Nothing was imported. {rows} in the list: {sums}.")
    )


def lines_left_out(number: int, *, dry_run: bool) -> str:
    """Of the lines of a list of cases that have problems."""
    became = (
        "would be left out" if dry_run else ("was left out" if number == 1 else "were left out")
    )
    return f"{counted(number, 'line')} {became}."


def case_set(case: Answer) -> str:
    """Of what the firm says of a case."""
    return f"Case {case['receipt']} is as you said."


def acknowledged(answer: Answer) -> Iterator[str]:
    """Of changes that somebody has seen."""
    numbers = ", ".join(map(str, answer["changes"]))
    noun = "change" if len(answer["changes"]) == 1 else "changes"
    again = "" if answer["new"] else " You had said so before."
    yield f"Case {answer['receipt']}: {noun} {numbers} acknowledged.{again}"
    yield "What is in the queue stays there until it is answered."


def due_words(owed: Answer) -> str:
    """The date of a change, and on whom it rests."""
    if owed["due"] is None:
        return "no date entered"
    if owed["due_confirmed"]:
        return f"due {owed['due']}, confirmed by {owed['due_confirmed_by']}"
    return f"due {owed['due']}, entered by {owed['due_by']}, unconfirmed"


def due_set(answer: Answer) -> Iterator[str]:
    """Of a date that somebody typed, or cleared."""
    yield f"Case {answer['receipt']}, change {answer['change']}: {due_words(answer)}."
    if answer["due"] and not answer["due_confirmed"]:
        yield "It is confirmed once a second person enters the same date, signed in as themselves."
    if answer["question"]:
        yield f"Look again: {answer['question']}"


def owed_now(answer: Answer) -> str:
    """Of a change that is answered, or is in the queue again."""
    what = f"Case {answer['receipt']}, change {answer['change']}"
    if answer["answered_at"] is None:
        return f"{what}: in the queue again, {due_words(answer)}."
    return f"{what}: answered, by {answer['answered_by']}. Nobody is reminded of it any more."


def person_away(person: Answer) -> Iterator[str]:
    """Of somebody who is away."""
    yield f"{person['name']} is away: alerts to them go to {person['stand_in']}, too."
    for warning in person["warnings"]:
        yield f"Warning: {warning}"


def person_back(person: Answer) -> Iterator[str]:
    """Of somebody who is back."""
    yield from person["warnings"] or [f"{person['name']} is back."]
