"""What was done, as the sentences that the next page says."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

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


_SAID: Mapping[str, Callable[[Any], tuple[Iterable[str], bool]]] = {}
