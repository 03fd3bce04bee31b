"""What must hold of all that is stored and sent, however often the server was killed."""

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from casebell.sandbox.http_sink import HttpSink
from casebell.store.journal import entry_bytes, leaf_hash
from e2e.databases import Database
from e2e.load import Load

#: Which statuses each channel of `CHANNELS` hears of; "received" is nobody's.
HEARS = {"hook-0": {"approved", "rfe_issued"}, "hook-1": {"rfe_issued"}}
#: The channel that operations read: it hears of conflicts.
OPS = "hook-1"
#: Journal entries read at once.
_CHUNK = 5_000


def configuration(*hooks: HttpSink) -> str:
    """Two channels, rules by which some changes go to both, some to one and some to nobody.

    Each alert goes alone: with this `max_age` none waits to go in one message with others.
    """
    return (
        "".join(
            f'[channels.hook-{place}]\nurl = "json://127.0.0.1:{hook.port}/"\npace = "0s"\n'
            'max_age = "15m"\n'
            for place, hook in enumerate(hooks)
        )
        + '[[rules]]\nname = "RFE"\nwhen = { status = ["rfe_issued"] }\n'
        'notify = ["hook-0", "hook-1"]\nurgent = true\n'
        '[[rules]]\nname = "Approved"\nwhen = { status = ["approved"] }\nnotify = ["hook-0"]\n'
        f'[ops]\nnotify = ["{OPS}"]\n'
    )


class ReceivedMessages:
    """The sinks' messages: for each channel and alert, whether each message said "May repeat"."""

    def __init__(self, *hooks: HttpSink) -> None:
        self._hooks = hooks
        self.about: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
        #: Sources of which operations heard that they sent other content under a known key.
        self.conflicts: set[str] = set()
        #: Messages of any other kind, by title.
        self.other: Counter[str] = Counter()

    def collect(self) -> None:
        """Take what came in since."""
        for place, hook in enumerate(self._hooks):
            for one in hook.requests:
                content = json.loads(one.body)
                text = content["message"]
                if found := re.search(r"^Source (\S+) sent other content", text, re.MULTILINE):
                    self.conflicts.add(found[1])
                    continue
                if found := re.search(r"^Source: .*, event (\d+)$", text, re.MULTILINE):
                    subject = f"event:{found[1]}"
                else:
                    self.other[content["title"]] += 1
                    continue
                self.about[f"hook-{place}", subject].append("May repeat" in text)
            hook.requests.clear()


@dataclass(kw_only=True)
class ConsistencyCheck:
    """Checks what is new in a database after each restart, and everything at the end."""

    database: Database
    #: Journal entries that were found right, and the leaf of the last.
    seen: int = 0
    leaf: bytes = b""
    _looked_up: set[tuple[str, str]] = field(default_factory=set)

    async def journal(self) -> Counter[str]:
        """See that what was added has no gap and every leaf is right; its kinds, counted."""
        kinds: Counter[str] = Counter()
        if self.seen:
            kept = await self.database.rows(f"SELECT leaf FROM journal WHERE seq = {self.seen}")
            assert [bytes(leaf) for (leaf,) in kept] == [self.leaf], "a kept entry changed"
        while chunk := await self.database.rows(
            f"SELECT seq, at, kind, actor, subject, data, leaf FROM journal "
            f"WHERE seq > {self.seen} ORDER BY seq LIMIT {_CHUNK}"
        ):
            for seq, at, kind, actor, subject, data, leaf in chunk:
                assert seq == self.seen + 1, f"entry {self.seen + 1} is missing"
                made = entry_bytes(
                    seq=seq, at=at, kind=kind, actor=actor, subject=subject, data=data
                )
                assert bytes(leaf) == leaf_hash(made), f"entry {seq} has another leaf"
                self.seen, self.leaf = seq, bytes(leaf)
                kinds[kind] += 1
        return kinds

    async def acknowledged(self, load: Load) -> None:
        """See that what was acknowledged since the last look is there, once."""
        assert not load.wrong, load.wrong[:5]
        book = {**load.stored, **load.conflicts}
        new = book.keys() - self._looked_up
        if not new:
            return
        # A conflicting body by its digest, as the key of a revision is Casebell's own.
        names = ", ".join(f"'{name}'" for _, name in new)
        stored = Counter(
            (source, name)
            for source, name in await self.database.rows(
                f"SELECT source, key FROM events WHERE key IN ({names}) UNION ALL "
                "SELECT source, body_sha256 FROM events WHERE revision_of IS NOT NULL "
                f"AND body_sha256 IN ({names})"
            )
        )
        lost = {name for name in new if stored[name] != 1}
        assert not lost, f"acknowledged, and not there once: {sorted(lost)[:5]}"
        self._looked_up |= new

    async def everything(self, load: Load, received: ReceivedMessages) -> dict[str, int]:
        """See that all of it holds together; the figures."""
        self._looked_up.clear()
        await self.acknowledged(load)
        self.seen, self.leaf = 0, b""
        kinds = await self.journal()
        # Every acknowledged POST is in the journal, repeats too.
        for word in ("stored", "duplicate", "conflict"):
            assert kinds[f"delivery.{word}"] >= load.answers[word]
        events = await self.database.rows(
            "SELECT id, source, key, receipt, status, body_sha256, change_id, revision_of "
            "FROM events WHERE routed_at IS NOT NULL"
        )
        assert await self.database.rows("SELECT count(*) FROM events") == [(len(events),)]
        by_name = {
            (source, key if rest[-1] is None else rest[2]): rest for _, source, key, *rest in events
        }
        assert len(by_name) == len(events)
        for name, sent in {**load.stored, **load.conflicts}.items():
            receipt, status, sha256, _, revision_of = by_name[name]
            assert (receipt, status, sha256) == (sent.receipt, sent.status, sent.sha256)
            assert (revision_of is not None) == (name in load.conflicts)
        changes = await self.database.rows("SELECT id, receipt, status, event_id FROM changes")
        decided = {change for change, *_ in changes}
        assert {change for *_, change, _ in events} == decided
        # One receipt, one change, however many events report it.
        assert len({receipt for _, receipt, *_ in changes}) == len(changes)
        figures = await self._alerts(changes, events, received)
        assert await self.database.sound()
        return {
            "acknowledged": load.acknowledged,
            "stored": len(events),
            "changes": len(changes),
            **figures,
            "journal": self.seen,
        }

    async def _alerts(
        self,
        changes: list[tuple[int, str, str, int]],
        events: list[tuple[object, ...]],
        received: ReceivedMessages,
    ) -> dict[str, int]:
        """Each change has its alerts, each alert was told, again only where it was in flight."""
        due = {
            (channel, f"event:{event}")
            for _, _, status, event in changes
            for channel, hears in HEARS.items()
            if status in hears
        }
        in_conflict = {source for _, source, *_, revision_of in events if revision_of is not None}
        alerts = await self.database.rows(
            "SELECT id, kind, subject, channel, state, event_id FROM alerts"
        )
        named = {
            row: (channel, f"event:{event}" if kind == "case" else subject)
            for row, kind, subject, channel, _, event in alerts
            # Hourly for each source.
            if not subject.startswith("conflict:")
        }
        assert len(set(named.values())) == len(named)
        assert set(named.values()) == due
        assert {state for *_, state, _ in alerts} == {"sent"}
        tries = await self.database.rows("SELECT alert_id, outcome, reason FROM attempts")
        interrupted = Counter(row for row, _, reason in tries if reason == "interrupted")
        sent = Counter(row for row, outcome, _ in tries if outcome == "sent")
        # Retryable is what never went out, because the storage could not be read.
        nothing_sent = sum(outcome == "retryable" for _, outcome, _ in tries)
        assert sum(interrupted.values()) + sum(sent.values()) + nothing_sent == len(tries)
        received.collect()
        assert received.conflicts == in_conflict
        assert set(received.about) == due, (set(received.about) - due, due - set(received.about))
        for row, name in named.items():
            said = received.about[name]
            assert sent[row] == 1, name
            assert all(said[1:]), f"{name} was repeated and did not say so"
            assert sum(said) <= interrupted[row], f"{name} was not in flight: {said}"
        return {
            "alerts": len(alerts),
            "in_flight": sum(interrupted.values()),
            "messages": sum(map(len, received.about.values())),
            "repeated": sum(len(said) - 1 for said in received.about.values()),
        }
