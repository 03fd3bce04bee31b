"""`casebell demo`: a whole run in a temporary directory."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from casebell.cli.terminal import print_line
from casebell.clock import SystemClock
from casebell.errors import CasebellError, ServerUnreachable
from casebell.notify.inert_text import one_line
from casebell.sandbox.deliveries import SAMPLES, document_of
from casebell.sandbox.demo_environment import ACCOUNT, DemoEnvironment, set_up_demo
from casebell.sandbox.expect import StepFailed, expect
from casebell.sandbox.fixtures import RFE_RECEIPT, STORM_RECEIPTS
from casebell.sandbox.scenario import SCENARIO
from casebell.sandbox.scenario_step import Step
from casebell.sandbox.upstream import Outgoing

#: Signals that end the demo early; Ctrl-C is SIGINT, a closed window SIGHUP.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds between two of the upstream's deliveries once the scenario is over.
_EVERY = 4.0
_LOOK = 0.1
#: Lines of the server's log shown where a step failed.
_TAIL = 15
#: Characters that are printed of an expected and of an actual value.
_MAX_CHARS = 2_000


def demo(
    once: Annotated[bool, typer.Option("--once", help="Play the scenario, then end.")] = False,
) -> None:
    """Try everything on this machine: a server, a simulated upstream, mail and chat sinks."""
    raise typer.Exit(run_demo(once=once))


def run_demo(
    *, once: bool, configuration: str | None = None, scenario: Sequence[Step] = SCENARIO
) -> int:
    """Play a scenario; the exit code.

    Args:
        once: end after the last step; else go on until Ctrl-C.
        configuration: the text of a configuration instead of the demo's own.
    """
    ended_by: list[signal.Signals] = []

    async def play() -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def end(number: signal.Signals) -> None:
            # A second signal must not disturb the cleaning up.
            if task is not None and not ended_by:
                ended_by.append(number)
                task.cancel()

        for number in _SIGNALS:
            loop.add_signal_handler(number, end, number)
        return await _demo(scenario, once=once, configuration=configuration)

    try:
        with asyncio.Runner() as runner:
            return runner.run(play())
    except asyncio.CancelledError:
        print_line()
        print_line("Ended before the last step. Nothing is left of it.")
        return 128 + ended_by[0] if ended_by else 1


async def _demo(scenario: Sequence[Step], *, once: bool, configuration: str | None) -> int:
    async with set_up_demo(configuration=configuration) as environment:
        print_line("Casebell demo: a real server, a simulated upstream, real chat and mail sinks.")
        place = environment.config.parent
        print_line(f"All of it runs on this machine, in {place}, which is removed at the end.")
        print_line(
            "Alerts go to chat (an HTTP sink) and to the mail of rfe-team and jchan (an SMTP sink);"
        )
        print_line("it-desk gets mail about what operations must know.")
        began = time.monotonic()
        if not await _play(scenario, environment, sign_in=not once):
            return 1
        seconds = time.monotonic() - began
        print_line()
        print_line(f"{len(scenario)} steps in {seconds:.0f} s, all as promised.")
        if once:
            print_line("To see it all in a browser: casebell demo, without --once.")
            return 0
        return await _keep_running(environment)


async def _play(scenario: Sequence[Step], environment: DemoEnvironment, *, sign_in: bool) -> bool:
    """Play the steps and print their lines; whether every step came out as promised.

    Args:
        sign_in: let whoever looks on sign in to the console.
    """
    number = 0
    try:
        took = await environment.server.start()
        print_line(f"The server is ready after {took:.1f} s: {environment.server.url}")
        if sign_in:
            await environment.add_account()
            print_line(f"Open that address in a browser, and sign in: {_sign_in(environment)}")
        for number, step in enumerate(scenario, start=1):
            print_line()
            _print_styled(f"{number:>2}  {step.title}", bold=True)
            async for about, text in step.play(environment):
                print_line(f"    {about:<9} {text}")
            surplus = [f"{one.recipient}: {one.title}" for one in environment.inbox.read()]
            expect("messages beyond those", expected="none", got="; ".join(surplus) or "none")
    except CasebellError as error:
        await _print_failure_and_log(error, environment)
        if number:
            print_line()
            print_line(f"Step {number} of {len(scenario)} did not come out as promised.")
        return False
    return True


def _sign_in(environment: DemoEnvironment) -> str:
    return f"name {ACCOUNT}, password {environment.password}"


async def _print_failure_and_log(error: CasebellError, environment: DemoEnvironment) -> None:
    _print_failure(error)
    request_ids = [one.content.get("request_id") for _, one in environment.upstream.answers]
    if request_ids and request_ids[-1] is not None:
        try:
            # The line of a wrong answer says why it was given, and is written after the answer.
            await environment.server.logged(str(request_ids[-1]))
        except StepFailed as missing:
            _print_failure(missing)
    print_line("    The last lines of the server's log:")
    for logged in environment.server.tail(_TAIL):
        print_line(f"      {logged}")


def _print_failure(error: CasebellError) -> None:
    if isinstance(error, StepFailed):
        _print_styled(f"    NOT AS EXPECTED: {error.what}", fg="red")
        print_line(f"      expected  {one_line(error.expected, limit=_MAX_CHARS)}")
        print_line(f"      got       {one_line(error.got, limit=_MAX_CHARS)}")
    else:
        _print_styled(f"    NOT AS EXPECTED: {error.message}", fg="red")


async def _keep_running(environment: DemoEnvironment) -> int:
    """Keep everything running and show what happens, until Ctrl-C."""
    if not environment.server.runs:
        await environment.server.start()
    # Those of the last steps; what is delivered from now on is of cases among them.
    await environment.register_cases()
    config, url = f"--config {environment.config}", environment.server.url
    for text in (
        "",
        "Everything runs on, and the upstream delivers something every few seconds.",
        "",
        "To see it, open the console in a browser:",
        f"  Console        {url}",
        f"  Sign in        {_sign_in(environment)}",
        f"  The RFE        {url}/cases/{RFE_RECEIPT}",
        "",
        "To move a case as the provider would, open its simulator:",
        f"  Simulator      {environment.provider.url}",
        "",
        "What is where:",
        f"  Configuration  {environment.config}",
        f"  Secrets        {environment.config.with_name('.env')}",
        f"  Server's log   {environment.server.log}",
        "",
        "To try in another window:",
        f"  casebell send {config} --sample parley-rfe",
        f"  casebell send {config} --sample parley-hostile",
        f"  casebell events list {config}",
        f"  casebell alerts list {config}",
        f"  casebell why evt-1007 {config}",
        f"  casebell held list {config}",
        f"  casebell upstream status {config}",
        f"  casebell doctor {config}",
        "",
        "Ctrl-C ends the demo and removes everything.",
        "",
    ):
        print_line(text)
    try:
        await _deliver_samples(environment)
    except asyncio.CancelledError:
        print_line()
        print_line("Ended. Nothing is left of the demo.")
        return 0
    print_line("The server has ended by itself. The last lines of its log:")
    for logged in environment.server.tail(_TAIL):
        print_line(f"  {logged}")
    return 1


async def _deliver_samples(environment: DemoEnvironment) -> None:
    """Deliver and show until the server ends."""
    clock = SystemClock()
    next_at = clock.monotonic()
    samples = [(name, one) for name, one in SAMPLES.items() if one[0].name in environment.secrets]
    while environment.server.runs:
        for arrival in environment.inbox.read():
            _print_event(arrival.recipient, arrival.title)
        if clock.monotonic() >= next_at:
            next_at = clock.monotonic() + _EVERY
            name, (kind, sample) = random.choice(samples)  # noqa: S311 - any will do
            receipt = sample.receipt or random.choice(STORM_RECEIPTS)  # noqa: S311 - any will do
            document = document_of(kind, sample, now=clock.now(), receipt=receipt)
            outgoing = Outgoing.of(kind.name, document)
            try:
                answer = str(await environment.upstream.post(outgoing))
            except ServerUnreachable as error:
                answer = error.message
            _print_event("upstream", f"{name} → {answer}")
        await asyncio.sleep(_LOOK)


def _print_event(who: str, what: str) -> None:
    print_line(f"{datetime.now().astimezone():%H:%M:%S}  {who:<26} {what}")


def _print_styled(text: str, **style: Any) -> None:
    # Our own words; what comes from outside goes through `print_line`.
    typer.secho(text, color=False if "NO_COLOR" in os.environ else None, **style)
