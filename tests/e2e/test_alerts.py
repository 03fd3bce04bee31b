"""Who is told what, and what becomes of an alert whose channel fails."""

import asyncio
import contextlib
import email
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import Ending, HttpAnswer
from casebell.sandbox.mail_sink import SmtpSink
from casebell.uscis.receipts import mask
from e2e.recipients import RecordingSink, ServerWithRecipients, free_port, text_of
from e2e.sender import deliver, document, encoded, post, signed
from e2e.server import SOURCES, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOLDEN = Path(__file__).parent / "golden"
LABELLED, CONFIDENTIAL = "DIS0000000001", "DIS0000000002"

#: Each scenario has receipts that begin with letters of its own, and so rules of its own.
CONFIG = """
[[rules]]
name = "Requests for evidence"
when = { receipt = "TEA*", status = ["rfe_issued"] }
notify = ["team"]
urgent = true

[[rules]]
name = "All of the team's"
when = { receipt = "TEA*" }
notify = ["team"]

[[rules]]
name = "By mail"
when = { receipt = "MAI*" }
notify = ["mail"]
urgent = true

[[rules]]
name = "Everybody, more or less"
when = { receipt = "DIS*" }
notify = ["team", "standard", "full"]

[[rules]]
name = "Urgent in the queue"
when = { receipt = "QUE*", status = ["rfe_issued"] }
notify = ["queue"]
urgent = true

[[rules]]
name = "In the queue"
when = { receipt = "QUE*" }
notify = ["queue"]

[[rules]]
name = "Over channels that fail"
when = { receipt = "BAD*" }
notify = ["down", "limited", "denied", "vague", "closed", "team"]
urgent = true

[ops]
notify = ["ops"]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def setup(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerWithRecipients]:
    """One server, a sink for each channel, and a case of which the firm told us the label."""
    options = {
        "ops": "",
        "team": "",
        "standard": 'disclose = "standard"',
        "full": 'disclose = "full"',
        "queue": "",
        "down": "",
        "limited": "",
        "denied": 'fallback = "deputy"',
        "deputy": "",
        "vague": "",
    }
    async with contextlib.AsyncExitStack() as stack:
        hooks = {name: await stack.enter_async_context(RecordingSink()) for name in options}
        mail = await stack.enter_async_context(SmtpSink())
        channels = "".join(
            f'[channels.{name}]\nurl = "json://127.0.0.1:{hooks[name].port}/"\npace = "0s"\n'
            f"{more}\n"
            for name, more in options.items()
        )
        channels += (
            f'[channels.mail]\nurl = "mailto://127.0.0.1:{mail.port}?from=casebell@example.com"\n'
            'to = ["rfe-team@example.com", "jchan@example.com"]\npace = "0s"\n'
            f'[channels.closed]\nurl = "json://127.0.0.1:{free_port()}/"\nmax_age = "3s"\n'
        )
        server = Server(
            tmp_path_factory.mktemp("alerts"),
            SOURCES + channels + CONFIG,
            server='public_url = "https://casebell.example-firm.com/"',
        )
        await server.start()
        await server.stop()
        server.write(
            f"INSERT INTO cases (receipt, label, confidential, updated_at) VALUES "
            f"('{LABELLED}', 'Acme-O1A', 0, 0), ('{CONFIDENTIAL}', 'Acme-O1A', 1, 0)"
        )
        await server.start()
        yield ServerWithRecipients(server=server, hooks=hooks, mail=mail)
        await server.gone()


# ── One change, one alert ────────────────────────────────────────────────────────────────────────


async def test_generic_and_specific_events_are_one_alert(setup: ServerWithRecipients) -> None:
    """Parley may tell of one RFE twice, under two types and two ids: people hear of it once."""
    receipt = "TEA0000000001"
    await deliver(setup.server, receipt_number=receipt, type="case.status.updated")
    await deliver(setup.server, receipt_number=receipt, type="case.rfe.issued")
    assert await setup.alerts_ended(receipt) == [("team", "sent")]
    (message,) = setup.hooks["team"].messages_of(receipt)
    # Both rules asked for the same target: one message, which names them, as urgent as either.
    assert "Rule: Requests for evidence; All of the team's" in message["message"]
    assert message["title"] == f"URGENT: RFE issued · {mask(receipt)}"


async def test_a_duplicate_alerts_nobody(setup: ServerWithRecipients) -> None:
    """A delivery that the source repeats is told once."""
    receipt = "TEA0000000002"
    body = encoded(document(receipt_number=receipt))
    for _ in range(3):
        assert (await post(setup.server, body, signed(body))).status_code == 200
    assert await setup.alerts_ended(receipt) == [("team", "sent")]
    assert len(setup.hooks["team"].messages_of(receipt)) == 1


async def test_a_late_arrival_says_so(setup: ServerWithRecipients) -> None:
    """An RFE that arrives after a later approval is told, with the later status beside it."""
    receipt = "TEA0000000003"
    await deliver(
        setup.server,
        receipt_number=receipt,
        normalized_status="approved",
        raw_status_text="Case Was Approved",
        occurred_at="2025-11-02T16:01:17Z",
    )
    await setup.alerts_ended(receipt)
    await deliver(setup.server, receipt_number=receipt)
    await setup.alerts_ended(receipt)
    approved, late = setup.hooks["team"].messages_of(receipt)
    assert "Arrived late" not in approved["message"]
    assert "Arrived late: a later status (approved) is already known." in late["message"]


async def test_urgent_alerts_go_first(setup: ServerWithRecipients) -> None:
    """What waits for a slow channel is sent by urgency, then in order."""
    hook = setup.hooks["queue"]
    hook.answer(HttpAnswer(delay=1.0), HttpAnswer())
    ordinary = [f"QUE000000000{number}" for number in range(4)]
    for receipt in ordinary:
        await deliver(
            setup.server,
            receipt_number=receipt,
            normalized_status="received",
            raw_status_text="Case Was Received",
        )
        if receipt == ordinary[0]:
            await hook.received(1)
    urgent = "QUE0000000009"
    await deliver(setup.server, receipt_number=urgent)
    await setup.alerts_ended(urgent)
    await asyncio.gather(*(setup.alerts_ended(receipt) for receipt in ordinary))
    order = [json.loads(one.body)["title"].rpartition(" ")[2] for one in hook.requests]
    assert order == [mask(one) for one in (ordinary[0], urgent, *ordinary[1:])]


# ── What operations hear ─────────────────────────────────────────────────────────────────────────


async def test_a_test_receipt_goes_to_operations_only(setup: ServerWithRecipients) -> None:
    """A staging receipt disturbs no attorney."""
    receipt = "EAC9999103402"
    await deliver(setup.server, receipt_number=receipt)
    assert await setup.alerts_ended(receipt) == [("ops", "sent")]
    (message,) = setup.hooks["ops"].messages_of(receipt)
    assert message["title"].startswith("TEST")


async def test_operations_hear_of_held_deliveries(setup: ServerWithRecipients) -> None:
    """What could not be understood is told, with the commands that show and release it."""
    body = encoded({"id": "evt_held", "receipt_number": "A123456789"})
    assert (await post(setup.server, body)).status_code == 202
    await until(
        lambda: setup.hooks["ops"].messages_with(lambda text: "Deliveries held: parley" in text),
        "the message to operations",
    )
    (message,) = setup.hooks["ops"].messages_with(lambda text: "Deliveries held: parley" in text)
    ((number,),) = setup.server.rows("SELECT id FROM held WHERE body = ?", body)
    assert "invalid_receipt" in message["message"]
    assert f"The first is {number}." in message["message"]
    assert "casebell held release --all --reason invalid_receipt" in message["message"]
    assert "A123456789" not in message["message"]


async def test_operations_hear_of_conflicts(setup: ServerWithRecipients) -> None:
    """An id that comes with two bodies: both are kept and told, and operations compare them."""
    receipt = "TEA0000000004"
    first = await deliver(setup.server, receipt_number=receipt, id="evt_conflict")
    other = encoded(
        document(
            receipt_number=receipt,
            id="evt_conflict",
            normalized_status="denied",
            raw_status_text="Case Was Denied",
        )
    )
    assert (await post(setup.server, other)).json()["status"] == "conflict"
    assert await setup.alerts_ended(receipt) == [("team", "sent"), ("team", "sent")]
    rfe, denied = setup.hooks["team"].messages_of(receipt)
    assert "The source sent differing content for the same event" in denied["message"]
    assert "Case denied" in denied["title"]
    assert "RFE issued" in rfe["title"]
    why = f"casebell why {first['row']}"
    (ops,) = await until(
        lambda: setup.hooks["ops"].messages_with(lambda text: why in text),
        "the message to operations",
    )
    assert "Conflicting delivery from parley" in ops["title"]
    assert "differ: normalized_status, raw_status_text." in ops["message"]


async def test_operations_hear_of_contradictions(setup: ServerWithRecipients) -> None:
    """Where type and status disagree the more urgent one is told, and operations hear of both."""
    receipt = "TEA0000000005"
    sent = await deliver(
        setup.server, receipt_number=receipt, type="case.rfe.issued", normalized_status="approved"
    )
    await setup.alerts_ended(receipt)
    (message,) = setup.hooks["team"].messages_of(receipt)
    assert "RFE issued" in message["title"]
    assert "The source contradicts itself" in message["message"]
    assert "approved" in message["message"]
    why = f"casebell why {sent['row']}"
    (ops,) = await until(
        lambda: setup.hooks["ops"].messages_with(lambda text: why in text),
        "the message to operations",
    )
    assert "approved" in ops["message"]
    assert "case.rfe.issued" in ops["message"]


# ── What a message says ──────────────────────────────────────────────────────────────────────────


async def test_a_mail_says_what_an_attorney_needs(setup: ServerWithRecipients) -> None:
    """The whole mail, word for word, to each of the channel's recipients by itself."""
    receipt = "MAI0912345678"
    sent = await deliver(setup.server, receipt_number=receipt)
    assert await setup.alerts_ended(receipt) == [("mail", "sent"), ("mail", "sent")]
    sent_mails = [mail for mail in setup.mail.mails if mask(receipt) in str(text_of(mail))]
    mails = [text_of(mail) for mail in sent_mails]
    assert {recipient for recipient, _, _ in mails} == {"rfe-team@example.com", "jchan@example.com"}
    received = re.compile(r"Received: [A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d{2} [AP]M E[DS]T\n")
    for _, subject, text in mails:
        assert len(received.findall(text)) == 1
        said = received.sub("Received: (now)\n", text).replace(str(sent["row"]), "(row)")
        assert f"{subject}\n\n{said}" == (GOLDEN / "rfe-mail.txt").read_text()
    # Each has an id, and all of the case are one thread.
    first, second = (email.message_from_bytes(mail.content) for mail in sent_mails)
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]
    ids = {name: first[name].partition("_")[0] for name in ("Message-ID", "References")}
    assert ids == {"Message-ID": "<msg", "References": "<case"}


async def test_each_channel_discloses_what_it_may(setup: ServerWithRecipients) -> None:
    """Minimal masks the receipt and leaves the label out; standard names it; full shows both."""
    sent = await deliver(
        setup.server,
        receipt_number=LABELLED,
        raw_status_text=f"We sent a request for evidence for {LABELLED}.",
    )
    await setup.alerts_ended(LABELLED)
    by_channel = {
        name: setup.hooks[name].messages_of(LABELLED) for name in ("team", "standard", "full")
    }
    shown = {name: f"{one['title']}\n{one['message']}" for name, (one,) in by_channel.items()}
    assert {name: LABELLED in text for name, text in shown.items()} == {
        "team": False,
        "standard": False,
        "full": True,
    }
    assert {name: "Acme-O1A" in text for name, text in shown.items()} == {
        "team": False,
        "standard": True,
        "full": True,
    }
    for text in shown.values():
        assert f"https://casebell.example-firm.com/events/{sent['row']}" in text.splitlines()
        assert "not legal notice" in text


async def test_a_confidential_case_is_told_to_no_room(setup: ServerWithRecipients) -> None:
    """None of these channels is one person: operations alone hear, and only that there is news."""
    await deliver(setup.server, receipt_number=CONFIDENTIAL)
    await setup.alerts_ended(CONFIDENTIAL)
    for name in ("team", "standard", "full"):
        assert setup.hooks[name].messages_of(CONFIDENTIAL) == []
    (message,) = setup.hooks["ops"].messages_of(CONFIDENTIAL)
    assert message["title"] == f"URGENT: A confidential case has news · {mask(CONFIDENTIAL)}"
    assert "Acme-O1A" not in message["message"]


# ── Channels that fail ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """One change told over six channels, of which five fail each in its own way."""

    receipt: str
    row: int
    ended: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trouble(setup: ServerWithRecipients) -> Trouble:
    """All of it at once: it takes as long as the slowest retry."""
    hooks = setup.hooks
    hooks["down"].answer(HttpAnswer(status=503), HttpAnswer())
    hooks["limited"].answer(HttpAnswer(status=429, headers=(("Retry-After", "6"),)), HttpAnswer())
    hooks["denied"].answer(HttpAnswer(status=401))
    hooks["vague"].answer(HttpAnswer(ending=Ending.CLOSE), HttpAnswer())
    receipt = "BAD0000000001"
    sent = await deliver(setup.server, receipt_number=receipt)
    ended = dict(await setup.alerts_ended(receipt))
    return Trouble(receipt=receipt, row=sent["row"], ended=ended)


async def test_every_alert_ends(setup: ServerWithRecipients, trouble: Trouble) -> None:
    """Sent where a retry helped, failed where it could not, and nothing in between for ever."""
    assert trouble.ended == {
        "down": "sent",
        "limited": "sent",
        "denied": "failed",
        "vague": "sent",
        "closed": "failed",
        "team": "sent",
        "deputy": "sent",
    }


async def test_a_good_channel_does_not_wait_for_the_others(
    setup: ServerWithRecipients, trouble: Trouble
) -> None:
    """Among five channels that fail the sixth is told within a second of the delivery."""
    (message,) = setup.hooks["team"].messages_of(trouble.receipt)
    ((received_at,),) = setup.server.rows(
        "SELECT received_at FROM events WHERE id = ?", trouble.row
    )
    took = (message["at"] - received_at) / 1000
    print(f"received to alerted beside failing channels: {took:.0f} ms")  # noqa: T201 - a figure
    assert took < 1000


async def test_a_service_that_is_down_is_tried_again(
    setup: ServerWithRecipients, trouble: Trouble
) -> None:
    """A 503 said that nothing was taken: the same message again, without "may repeat"."""
    first, second = setup.hooks["down"].messages_of(trouble.receipt)
    assert second["message"] == first["message"]
    assert "May repeat" not in second["message"]


async def test_a_service_that_asks_for_time_gets_it(
    setup: ServerWithRecipients, trouble: Trouble
) -> None:
    """A 429 with Retry-After is not bothered again before that."""
    first, second = setup.hooks["limited"].messages_of(trouble.receipt)
    assert second["at"] - first["at"] >= 6_000_000


async def test_refused_credentials_go_to_the_fallback(
    setup: ServerWithRecipients, trouble: Trouble
) -> None:
    """A 401 is not tried again: the fallback is told why it hears of it, and operations too."""
    assert len(setup.hooks["denied"].messages_of(trouble.receipt)) == 1
    (message,) = setup.hooks["deputy"].messages_of(trouble.receipt)
    assert message["title"].startswith("URGENT: RFE issued")
    assert "Sent here because channel denied failed." in message["message"]
    assert "May repeat" not in message["message"]
    ops = await until(
        lambda: setup.hooks["ops"].messages_with(lambda text: "Channel denied fails" in text),
        "the message to operations",
    )
    assert "auth_failed" in ops[0]["message"]
    assert "casebell channels test denied" in ops[0]["message"]


async def test_doubt_is_admitted(setup: ServerWithRecipients, trouble: Trouble) -> None:
    """Where a service went away without a word, the second attempt says that it may repeat."""
    first, second = setup.hooks["vague"].messages_of(trouble.receipt)
    assert "May repeat" not in first["message"]
    assert "May repeat: an earlier attempt" in second["message"]


async def test_an_urgent_alert_that_nobody_got_is_told(
    setup: ServerWithRecipients, trouble: Trouble
) -> None:
    """Without a fallback operations are asked, urgently, to tell people themselves."""
    fits: Callable[[str], bool] = lambda text: "URGENT: an alert was not delivered" in text  # noqa: E731
    (message,) = await until(
        lambda: setup.hooks["ops"].messages_with(fits), "the message to operations"
    )
    assert "channel closed: gave_up" in message["message"]
    assert f"event {trouble.row}: Request for Evidence issued" in message["message"]
