"""The simulated world: what there is, and the commands that change it.

A command is a record of the journal. What it comes to depends on the record and on what was before
it, and on nothing else, so that a restart comes to the same ids, losses and repeats.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from casebell.clock import DAY, SECOND
from casebell.events import Micros, Status
from casebell.json_text import encode
from casebell.kinds import GENERIC_TYPE
from casebell.sandbox.posting import Backoff
from casebell.sandbox.simulator import bodies
from casebell.sandbox.simulator.cases import Case, Movement
from casebell.sandbox.simulator.clock import SimulatedClock
from casebell.sandbox.simulator.deliveries import Answered, Delivery, State
from casebell.sandbox.simulator.faults import Faults
from casebell.sandbox.simulator.journal import Journal
from casebell.sandbox.simulator.limits import Budget, Limits
from casebell.sandbox.simulator.outbox import Outbox, identifier
from casebell.sandbox.simulator.scenarios import SCENARIOS
from casebell.sandbox.simulator.secrets_in_use import Secrets
from casebell.sandbox.simulator.subscriptions import Subscription, TorchWebhook
from casebell.sandbox.simulator.vocabulary import TEXTS, types_of

#: Answers that are kept for their Idempotency-Keys.
MAX_ANSWERS = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The answer to a request with an Idempotency-Key."""

    #: Of the request's body.
    digest: str
    status: int
    content: Mapping[str, Any]


@dataclass(kw_only=True)
class World:
    """Everything that the simulator knows."""

    clock: SimulatedClock
    journal: Journal
    #: Decides losses, repeats and ids.
    seed: str
    secrets: Secrets
    backoff: Backoff
    max_tries: int
    #: Called when there is something new to deliver, or another time.
    wake: Callable[[], None] = lambda: None
    cases: dict[str, Case] = field(default_factory=dict)
    subscriptions: list[Subscription] = field(default_factory=list)
    torch_webhook: TorchWebhook | None = None
    faults: Faults = field(default_factory=Faults)
    scenario: str = "calm"
    budgets: dict[str, Budget] = field(
        default_factory=lambda: {api: Budget(limits=Limits()) for api in ("parley", "torch")}
    )
    outbox: Outbox = field(init=False)
    #: By path and key.
    answers: dict[tuple[str, str], Kept] = field(default_factory=dict)
    #: How many requests each API fault may still meet, by its place; None is any number.
    api_faults_left: list[int | None] = field(default_factory=list)
    _subscribed: int = 0
    _movements: int = 0

    def __post_init__(self) -> None:
        self.outbox = Outbox(seed=self.seed)

    def perform(self, verb: str, **values: Any) -> Any:
        """Carry out a command, once it is on record.

        Raises:
            OSError: it cannot be put on record, and nothing was done.
        """
        record = {"do": verb, "at": self.clock.now(), **values}
        # What came of a try may be lost with the power: then the delivery is tried again.
        self.journal.write(record, durable=verb != "tried")
        result = self.apply(record)
        if verb != "tried":
            self.wake()
        return result

    def apply(self, record: Mapping[str, Any]) -> Any:
        """What a command comes to."""
        values = {name: value for name, value in record.items() if name not in {"do", "at"}}
        return getattr(self, f"_{record['do']}")(record["at"], **values)

    def case_of(self, receipt: str) -> Case | None:
        """The case, if anybody has heard of it."""
        case = self.cases.get(receipt)
        if case is None and self.faults.knows_all:
            case = Case(receipt=receipt, history=[_received(self.clock.now(), number=0)])
        return case

    def use_faults(self, faults: Faults) -> None:
        """Set what goes wrong, with the APIs from the beginning; that is on no record."""
        self.faults = faults
        self.api_faults_left = [one.times for one in faults.api_faults]

    # The commands. Their names stand in journals.

    def _register(
        self,
        at: Micros,
        *,
        receipts: Sequence[Mapping[str, str]],
        path: str = "",
        key: str = "",
        digest: str = "",
    ) -> Kept:
        """Track receipts; one that nobody has heard of is a case that was received."""
        registered: list[str] = []
        known: list[str] = []
        for given in receipts:
            receipt = given["receipt_number"]
            case = self.cases.get(receipt)
            if case is None:
                self._movements += 1
                first = _received(at, number=self._movements)
                case = self.cases[receipt] = Case(receipt=receipt, history=[first])
            case.label = given.get("label") or case.label
            if not case.registered:
                case.registered = True
                registered.append(receipt)
            elif receipt not in registered and receipt not in known:
                known.append(receipt)
        content = {"registered": registered, "already_registered": known}
        return self._keep(path, key, digest, 201 if registered else 200, content)

    def _subscribe(
        self,
        at: Micros,
        *,
        url: str,
        events: Sequence[str],
        secret: str = "",
        path: str = "",
        key: str = "",
        digest: str = "",
    ) -> Kept:
        """Have webhooks posted there from now on."""
        self._subscribed += 1
        made = Subscription(
            id=f"sub_{identifier(self.seed, 'subscription', self._subscribed)}",
            url=url,
            events=tuple(dict.fromkeys(events)),
            created_at=at,
            secret=secret,
        )
        self.subscriptions.append(made)
        content = {
            "id": made.id,
            "url": made.url,
            "events": list(made.events),
            "created_at": bodies.stamp(made.created_at),
        }
        return self._keep(path, key, digest, 201, content)

    def _unsubscribe(self, _at: Micros, *, subscription: str) -> None:
        """Post nothing to it any more; what is still to be made for it is lost."""
        self.subscriptions = [one for one in self.subscriptions if one.id != subscription]
        for one in self.outbox.deliveries.values():
            if one.subscription == subscription and one.state is State.PENDING:
                self.outbox.settle(one, State.DROPPED)

    def _move(self, at: Micros, *, moves: Sequence[Mapping[str, Any]], made_at: int) -> int:
        """Move cases; how many deliveries that makes."""
        before = self.outbox.made
        for move in moves:
            self._movements += 1
            status = Status(move["status"])
            movement = Movement(
                number=self._movements,
                status=status,
                text=move.get("text") or TEXTS[status],
                at=move.get("at") or at // SECOND * SECOND,
                category=move.get("category") or "",
            )
            receipt = move["receipt"]
            case = self.cases.setdefault(receipt, Case(receipt=receipt))
            case.move(movement)
            if not move.get("quiet"):
                self._tell(case, movement, at=at, made_at=made_at)
        return self.outbox.made - before

    def _set_faults(self, _at: Micros, *, faults: Mapping[str, Any]) -> None:
        """Set what goes wrong."""
        self.use_faults(Faults.model_validate(dict(faults)))

    def _set_scenario(self, at: Micros, *, name: str, secret: str = "") -> None:
        """Begin a scenario: whatever was set before is as it was at first."""
        scenario = SCENARIOS[name]
        self.scenario = name
        self._set_faults(at, faults=scenario.faults)
        for budget in self.budgets.values():
            budget.limits = scenario.limits
        self.secrets.parley = self.secrets.parley[:1]
        if secret:
            self._set_secrets(at, parley=secret, overlap=True)

    def _set_limits(self, _at: Micros, *, api: str, per_minute: int, per_day: int) -> None:
        self.budgets[api].limits = Limits(per_minute=per_minute, per_day=per_day)

    def _set_secrets(
        self, _at: Micros, *, parley: str = "", torch: str = "", overlap: bool = False
    ) -> None:
        """Replace secrets; with `overlap` the old one of Parley's signs as well."""
        if parley:
            self.secrets.parley = (parley, *(self.secrets.parley[:1] if overlap else ()))
        if torch:
            self.secrets.torch = torch
            if self.torch_webhook is not None:
                hook = self.torch_webhook
                self.torch_webhook = TorchWebhook(url=hook.url, header=hook.header, secret=torch)

    def _set_torch_webhook(self, _at: Micros, *, url: str, header: str, secret: str) -> None:
        self.torch_webhook = TorchWebhook(url=url, header=header, secret=secret) if url else None

    def _set_clock(self, at: Micros, *, speed: float | None = None, advance: float = 0.0) -> None:
        self.clock.not_before(at)
        self.clock.set(speed=speed, advance=advance)

    def _tried(
        self, at: Micros, *, delivery: int, status: int | None, said: str = ""
    ) -> Delivery | None:
        """A delivery was tried."""
        found = self.outbox.deliveries.get(delivery)
        if found is None or found.state is not State.PENDING:
            return None
        answer = Answered(at=at, status=status, said=said)
        found.answers.append(answer)
        if answer.good:
            self.outbox.settle(found, State.DELIVERED)
        elif found.tries >= self.max_tries:
            self.outbox.settle(found, State.GAVE_UP)
        else:
            self.outbox.again(found, at=at + round(self.backoff.after(found.tries) * SECOND))
        return found

    # What they have in common.

    def _tell(self, case: Case, movement: Movement, *, at: Micros, made_at: int) -> None:
        if case.registered:
            for event_type in types_of(movement.status):
                event_id = f"evt_{identifier(self.seed, 'event', movement.number, event_type)}"
                body = None
                for subscription in self.subscriptions:
                    if event_type not in subscription.events:
                        continue
                    body = body or encode(
                        bodies.parley_event(
                            case.receipt,
                            movement,
                            event_type=event_type,
                            event_id=event_id,
                            faults=self.faults,
                        )
                    )
                    self.outbox.deliver(
                        self.faults,
                        api="parley",
                        subscription=subscription.id,
                        url=subscription.url,
                        receipt=case.receipt,
                        type=event_type,
                        event_id=event_id,
                        body=body.encode(),
                        due_at=at,
                        made_at=made_at,
                    )
        if self.torch_webhook is not None:
            for again in (False, True) if self.faults.moving_times else (False,):
                event_id = f"evt_{identifier(self.seed, 'torch', movement.number, again)}"
                said = bodies.torch_event(
                    case.receipt,
                    movement,
                    event_id=event_id,
                    sent_at=at,
                    again=again,
                    faults=self.faults,
                )
                self.outbox.deliver(
                    self.faults,
                    api="torch",
                    subscription="",
                    url=self.torch_webhook.url,
                    receipt=case.receipt,
                    type=GENERIC_TYPE,
                    event_id=event_id,
                    body=encode(said).encode(),
                    due_at=at,
                    made_at=made_at,
                )

    def _keep(
        self, path: str, key: str, digest: str, status: int, content: Mapping[str, Any]
    ) -> Kept:
        kept = Kept(digest=digest, status=status, content=content)
        if key:
            if len(self.answers) >= MAX_ANSWERS:
                del self.answers[next(iter(self.answers))]
            self.answers[path, key] = kept
        return kept


def _received(now: Micros, *, number: int) -> Movement:
    """What is assumed of a case that nobody has moved: that it was received a month ago."""
    at = now // DAY * DAY - 30 * DAY
    text = TEXTS[Status.RECEIVED]
    return Movement(number=number, status=Status.RECEIVED, text=text, at=at, assumed=True)
