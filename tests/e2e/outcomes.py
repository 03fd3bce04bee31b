"""What came of an attack: the answers to it, and the authentic deliveries after it."""

from collections import Counter
from dataclasses import dataclass, field

from e2e.conversation import PAUSE, Conversation
from e2e.proxies import Proxy
from e2e.sender import Answer, document, encoded, request, signed
from e2e.server import Server
from e2e.smuggling import MAX_BODY, Attack


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How an attack is cut into segments."""

    #: Bytes of its body in one segment.
    most: int
    #: Seconds between two.
    pause: float


#: Each is what one proxy needs to send the end of a body on by itself.
SHAPES = (
    Shape(most=MAX_BODY, pause=PAUSE),
    # Apache reads some of a body before it sends the head on.
    Shape(most=20_000, pause=PAUSE),
    # nginx without buffering uses no connection again where the answer came before the body.
    Shape(most=MAX_BODY, pause=0),
)
#: What a proxy says of its own accord where Casebell hung up, and where it believes an upgrade.
WRONG_OF_A_PROXY = {"0", "101", "502", "503", "504"}
OWN = "proxy's "


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """An authentic delivery with an id of its own."""

    key: str
    head: bytes
    body: bytes

    def is_stored(self, server: Server, answer: Answer) -> bool:
        """Whether this answer says so, for this very event, and the database too."""
        if answer.status != 200 or b"event_id" not in answer.body:
            return False
        said = answer.json()
        kept = server.rows("SELECT body FROM events WHERE key = ?", self.key)
        return (said["status"], said["event_id"], kept) == ("stored", self.key, [(self.body,)])


def delivery(**headers: str) -> Delivery:
    """A new one."""
    content = document()
    body = encoded(content)
    whole = request(body, signed(body) | headers)
    return Delivery(key=content["id"], head=whole.removesuffix(body), body=body)


async def delivered(proxy: Proxy, server: Server) -> bool:
    """Whether an authentic delivery on a new connection is stored, and answered once."""
    sent = delivery(Connection="close")
    async with Conversation(proxy.port) as sender:
        await sender.say(sent.head + sent.body)
        answers = await sender.all_answers()
    return len(answers) == 1 and sent.is_stored(server, answers[0])


@dataclass(kw_only=True, slots=True)
class Outcome:
    """One thing that was sent through one proxy, as often as it was."""

    #: Whether the proxy itself reads this attack as two requests.
    splits: bool = False
    #: What the proxy may answer of its own accord, and others may not.
    allowed: frozenset[str] = frozenset()
    #: The statuses that came for one attack, to how often they did.
    answers: Counter[tuple[str, ...]] = field(default_factory=Counter)
    deliveries: int = 0
    #: Authentic deliveries that were not stored: on other connections, and on the attack's own.
    lost: int = 0
    lost_on_its_own: int = 0
    #: Attacks of which the body was read as a delivery, and stored.
    smuggled: int = 0

    @property
    def is_right(self) -> bool:
        """Whether each attack was refused once, and nothing was lost."""
        if self.splits:
            return not self.lost
        single = all(len(said) == 1 for said in self.answers)
        refused = all(self._is_refusal(status) for said in self.answers for status in said)
        return single and refused and not (self.lost or self.lost_on_its_own or self.smuggled)

    def _is_refusal(self, status: str) -> bool:
        own = status.removeprefix(OWN)
        if own == status:
            return status == "501" or status.startswith("4")
        return own in self.allowed or (own[0] in "45" and own not in WRONG_OF_A_PROXY)

    def __str__(self) -> str:
        """What is in the table."""
        answers = ", ".join(
            f"{' and '.join(said) or 'none'} x{times}" for said, times in self.answers.items()
        )
        text = f"{answers:28} {self.lost} of {self.deliveries}"
        if self.lost_on_its_own:
            text += f", and {self.lost_on_its_own} on the attack's own connection"
        if self.smuggled:
            text += "; its body was stored"
        return text + ("; the proxy reads two requests" if self.splits else "")


class Outcomes:
    """Everything that was sent, by proxy and name."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Outcome] = {}

    def of(self, proxy: Proxy, name: str) -> Outcome:
        """The outcome of what has this name."""
        kind = proxy.kind
        blames = frozenset({"502"} if name in kind.blames_casebell else ())
        made = Outcome(splits=name in kind.splits, allowed=blames)
        return self._rows.setdefault((kind.name, name), made)

    def __str__(self) -> str:
        """A table."""
        lines = [f"\n{'proxy':17} {'sent':36} {'answers':28} authentic deliveries lost"]
        lines += [f"{proxy:17} {name:36} {row}" for (proxy, name), row in self._rows.items()]
        return "\n".join(lines)


def said_by(answer: Answer) -> str:
    """The status, and whether it is the proxy's own: Casebell's answers have a request id."""
    return f"{'' if 'x-request-id' in answer.headers else OWN}{answer.status}"


async def attacked(
    proxy: Proxy, server: Server, attack: Attack, outcome: Outcome, shape: Shape
) -> None:
    """Attack, deliver on a new connection, deliver on the stranger's own, and count the answers."""
    last = delivery(Connection="close")
    async with Conversation(proxy.port) as stranger:
        await stranger.say(*attack.segments(shape.most), pause=shape.pause)
        await stranger.answers(1)
        outcome.deliveries += 1
        outcome.lost += not await delivered(proxy, server)
        await stranger.say(last.head + last.body)
        answers = await stranger.all_answers()
    # Where the stranger's connection was closed this delivery has no answer, and its sender knows.
    if len(answers) > 1:
        if last.is_stored(server, answers[-1]):
            answers.pop()
        else:
            outcome.lost_on_its_own += 1
    outcome.answers[tuple(said_by(answer) for answer in answers)] += 1
