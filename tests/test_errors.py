"""The tree of errors: what each says, to whom, and how a command ends with it."""

import inspect
import re

import pytest

from casebell import errors
from casebell.errors import (
    CasebellError,
    ConfigError,
    HeldDelivery,
    NotFound,
    NothingStored,
    Problem,
    RefusedDelivery,
    RequestError,
    StorageUnavailable,
    Unavailable,
)
from casebell.events import HeldReason

KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, CasebellError)
]


def bare(kind: type[CasebellError]) -> CasebellError:
    """An error of that kind, raised without words of its own."""
    if kind is ConfigError:
        return ConfigError([])
    if kind is HeldDelivery:
        return HeldDelivery(HeldReason.INVALID_JSON)
    return kind()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_docstring_is_the_message(kind: type[CasebellError]) -> None:
    """Each class says in one short sentence what happened, and that is its message and its text."""
    sentence = kind.__doc__ or ""
    assert re.fullmatch(r"[A-Z][^\n]{3,80}\.", sentence)
    assert bare(kind).message == str(bare(kind)) == sentence


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_codes_are_words(kind: type[CasebellError]) -> None:
    """A code is a machine's word."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)


def test_codes_tell_errors_apart() -> None:
    """No two errors share a code, but for a class and the one that stands for it by default."""
    by_code: dict[str, set[str]] = {}
    for kind in KINDS:
        by_code.setdefault(kind.code, set()).add(kind.__name__)
    shared = {code: names for code, names in by_code.items() if len(names) > 1}
    assert shared == {
        # The parent is never raised itself.
        "signature_mismatch": {"RefusedDelivery", "SignatureMismatch"},
        # An address without anything, a row without that number: one word for a reader.
        "not_found": {"NotThere", "NotFound"},
    }


@pytest.mark.parametrize(
    ("kind", "status", "exit_code"),
    [
        (RefusedDelivery, {401}, 2),
        (HeldDelivery, {202}, 2),
        (RequestError, {400, 404, 405, 408, 413, 415, 429}, 2),
        (Unavailable, {503}, 3),
        (NotFound, {404}, 1),
        (errors.Refusal, {409}, 1),
        (ConfigError, {409}, 2),
    ],
)
def test_each_branch_answers_alike(
    kind: type[CasebellError], status: set[int], exit_code: int
) -> None:
    """A branch of the tree has its HTTP answers and its exit code, as docs/contract.md says."""
    branch = [one for one in KINDS if issubclass(one, kind)]
    assert {one.http_status for one in branch} == status
    assert {one.exit_code for one in branch} == {exit_code}


def test_the_contracts_answers() -> None:
    """The codes and statuses that a sender can meet are those of docs/operations.md."""
    told = {
        one.code: one.http_status
        for one in KINDS
        if issubclass(one, RefusedDelivery | RequestError | Unavailable) and one is not RequestError
    }
    senders = {
        "signature_missing": 401,
        "signature_malformed": 401,
        "signature_mismatch": 401,
        "secret_missing": 401,
        "secret_mismatch": 401,
        "stale_signature": 401,
        "unknown_source": 404,
        "method_not_allowed": 405,
        "body_too_slow": 408,
        "body_too_large": 413,
        "encoded_body": 415,
        "too_many_refusals": 429,
        "storage_unavailable": 503,
        "queue_full": 503,
        "authentication_busy": 503,
        "shutting_down": 503,
    }
    assert senders.items() <= told.items()


def test_words_of_its_own() -> None:
    """An instance may say more than its class, and hint at something else."""
    error = StorageUnavailable("The disk is full.", hint="Make room.")
    assert (error.message, str(error), error.hint) == (
        "The disk is full.",
        "The disk is full.",
        "Make room.",
    )
    assert NothingStored("The disk is full.").hint == NothingStored.hint != ""


def test_a_held_delivery_has_its_reason() -> None:
    """The reason is for the sender, the message for operators."""
    error = HeldDelivery(HeldReason.INVALID_JSON, "Line 1 is no JSON.")
    assert (error.reason, error.message) == (HeldReason.INVALID_JSON, "Line 1 is no JSON.")


def test_a_configuration_lists_every_problem() -> None:
    """All problems are there, in their order, and cannot be changed behind its back."""
    problems = [Problem(key="sources", message="There is none."), Problem(key="rules", message="x")]
    error = ConfigError(problems)
    problems.clear()
    assert [one.key for one in error.problems] == ["sources", "rules"]
    assert "casebell check" in error.hint


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_hints_name_what_to_do(kind: type[CasebellError]) -> None:
    """A hint is a sentence, where there is one."""
    assert kind.hint == "" or kind.hint.endswith(".")


def test_the_drawn_tree_is_the_tree() -> None:
    """The picture at the top of the module names every class, and no other."""
    drawn = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", errors.__doc__ or ""))
    drawn |= {"Unavailable", "Unauthorized", "Forbidden", "Refusal"}
    assert drawn == {kind.__name__ for kind in KINDS}
