"""Public suites for receivers of webhooks, run against Casebell.

tests/vectors/receiver_suites.json has them. A case is the suite's input in our scheme, with the
suite's answer and ours; where they differ, the decision stands beside it.
"""

import asyncio
import base64
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casebell.errors import ConfigError, HeldDelivery, RefusedDelivery
from casebell.receive.accept import Receiver, source_receivers
from casebell.receive.refusals import Refusals
from casebell.receive.signatures import Authenticator
from casebell.receive.understand import understand
from casebell.store.event_log import EventLog
from casebell.store.schema import events
from contracts.case_events import json_content
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.decisions import decide_nothing
from contracts.stores import read_table, store_in
from receive.builders import NOW, SIGNED_AT, make_delivery, make_secret, make_source

ROOT = Path(__file__).parents[2]
PUBLISHED = json.loads((ROOT / "tests" / "vectors" / "receiver_suites.json").read_text())
SECOND = 1_000_000


def cases() -> Iterator[Any]:
    """Each case with the defaults of its suite."""
    for suite in PUBLISHED["suites"]:
        for case in suite["cases"]:
            whole = {"body": suite["body"], "secret": suite["secret"], **case}
            yield pytest.param(whole, id=f"{suite['name']}: {case['case']}")


def digest(secret: str, time: str, body: str) -> bytes:
    """As the scheme has it."""
    return hmac.digest(secret.encode(), f"{time}.{body}".encode(), "sha256")


def header(template: str, *, secret: str, body: str, time: str, **more: str) -> bytes:
    """A header of the vectors, signed."""
    good = digest(secret, time, body)
    rolled = digest(f"{secret}_rolled_key", time, body)
    encoded = base64.b64encode(good).decode()
    return template.format(
        t=time, good=good.hex(), good64=encoded, part64=encoded[:5], rolled=rolled.hex(), **more
    ).encode()


def outcome(case: dict[str, Any]) -> str:
    """What Casebell makes of a case."""
    secret, body, time = case["secret"], case["body"], case.get("t", str(SIGNED_AT))
    given = case["header"]
    values = [] if given is None else [given] if isinstance(given, str) else given
    headers = [
        (b"stripe-signature", header(one, secret=secret, body=body, time=time)) for one in values
    ]
    known = tuple(
        make_secret(value, label=str(number))
        for number, value in enumerate(case.get("known", [secret]))
    )
    source = make_source(
        secrets=known, signature_header="Stripe-Signature", tolerance=case.get("tolerance", 300.0)
    )
    try:
        subject = Authenticator(source)
    except ConfigError:
        return "no start"
    delivery = make_delivery(case.get("sent", body).encode(), headers)
    try:
        verified = subject.authenticate(delivery, now=(SIGNED_AT + case.get("age", 0)) * SECOND)
    except RefusedDelivery as refusal:
        return f"refused {refusal.code}"
    if verified.hold:
        return f"held {verified.hold}"
    try:
        understand(verified, source)
    except HeldDelivery as why:
        if why.reason == "invalid_json":
            return f"held {why.reason}"
    # Their bodies are of other subjects, and are held for that.
    return " ".join(["verified", *verified.flags])


@pytest.mark.parametrize("case", list(cases()))
def test_a_case_of_a_public_suite(case: dict[str, Any]) -> None:
    """Ours is the suite's answer, or another with the decision beside it."""
    assert outcome(case) == case["ours"]
    accepted = case["ours"].startswith("verified")
    assert (accepted == (case["theirs"] == "accepted")) == ("why" not in case)


SCENARIOS = PUBLISHED["scenarios"]


@pytest.mark.parametrize(
    "scenario",
    [one for one in SCENARIOS["scenarios"] if "deliveries" in one],
    ids=lambda one: one["name"],
)
async def test_a_scenario_of_the_conformance_harness(
    scenario: dict[str, Any], tmp_path: Path
) -> None:
    """Posted to a receiver over a real store: the answers, and how many events there are."""
    secret, old = SCENARIOS["secret"], str(SIGNED_AT - 3_600)

    async with store_in(tmp_path) as store:
        clock = ManualClock(NOW)
        log = EventLog(store=store, content_of=json_content, decide=decide_nothing)
        refusals = Refusals(
            store=store, clock=clock, log=RecordingLog().log, per_minute=lambda: 100
        )
        receivers = source_receivers({"parley": make_source(secrets=(make_secret(secret),))})
        receiver = Receiver(
            sources=lambda: receivers,
            store=store,
            event_log=log,
            refusals=refusals,
            clock=clock,
        )

        async def post(body: str, template: str | None) -> str:
            signed = {
                "old": old,
                "good_old": digest(secret, old, body).hex(),
                "good_other": digest(secret, str(SIGNED_AT), f"{body} ").hex(),
            }
            value = template and header(
                template, secret=secret, body=body, time=str(SIGNED_AT), **signed
            )
            headers = [(b"authorization", value)] if value else []
            try:
                accepted = await receiver.accept(make_delivery(body.encode(), headers))
            except RefusedDelivery as refusal:
                return refusal.code
            return accepted.status

        async with refusals, log:
            if scenario.get("at_once"):
                answers = await asyncio.gather(*(post(*one) for one in scenario["deliveries"]))
                answers.sort(reverse=True)
            else:
                answers = [await post(*one) for one in scenario["deliveries"]]
        assert answers == scenario["ours"]
        assert len(await read_table(store, events)) == answers.count("stored")


def test_the_other_scenarios_are_shown_elsewhere() -> None:
    """A crash, a restart and a canary need the real server: the tests named exist."""
    elsewhere = [one["shown_by"] for one in SCENARIOS["scenarios"] if "shown_by" in one]
    for named in elsewhere:
        path, _, test = named.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text()
    assert len(elsewhere) + sum("deliveries" in one for one in SCENARIOS["scenarios"]) == 16


def test_the_score() -> None:
    """For each suite: its cases, and how many of them differ by decision."""
    found = {
        suite["name"]: (len(suite["cases"]), sum("why" in case for case in suite["cases"]))
        for suite in PUBLISHED["suites"]
    }
    found[SCENARIOS["name"]] = (
        len(SCENARIOS["scenarios"]),
        sum("why" in one for one in SCENARIOS["scenarios"]),
    )
    assert found == {
        "stripe-python": (12, 2),
        "stripe-node": (24, 4),
        "stripe-go": (15, 3),
        "standard-webhooks, Python": (9, 2),
        "standard-webhooks, JavaScript": (13, 2),
        "svix, Python": (9, 2),
        "octokit webhooks-methods.js": (12, 0),
        "octokit webhooks.js": (2, 0),
        "webhook-receiver-conformance": (16, 1),
    }
    for suite in [*PUBLISHED["suites"], SCENARIOS]:
        assert suite["origin"].startswith("https://github.com/")
        assert suite["licence"] in ("MIT", "Apache-2.0")
