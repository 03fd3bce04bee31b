"""The watch over the pair on disk: what operations hear of it, and when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from casebell.http.certificate import PATIENCE, LiveCertificate
from casebell.ops_targets import OpsTargets
from casebell.store.engine import Store
from casebell.store.schema import alerts
from casebell.telemetry import Metrics
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table


class Watched:
    """A pair in a folder, and the watch over it; no loop runs."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.clock = ManualClock()
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.renew(days=20)
        self.recording = RecordingLog()
        self.watch = LiveCertificate(
            cert=self.cert,
            key=self.key,
            store=store,
            ops=lambda: OpsTargets(targets=(("ops", "it@example-firm.com"),)),
            clock=self.clock,
            metrics=Metrics(),
            log=self.recording.log,
            followed=lambda: None,
        )

    def renew(self, *, days: float) -> None:
        """Put another pair in place."""
        ends_at = datetime.fromtimestamp(self.clock.now() / 1_000_000, UTC) + timedelta(days=days)
        made = trustme.CA().issue_cert("casebell.example-firm.com", not_after=ends_at)
        made.cert_chain_pems[0].write_to_path(str(self.cert))
        made.private_key_pem.write_to_path(str(self.key))

    async def told(self, *, looks: int = 1) -> list[str]:
        """What operations were told after so many looks: the topics, and how urgent."""
        for _ in range(looks):
            await self.watch._look()
        rows = await read_table(self.store, alerts)
        return [f"{row.subject.partition(':')[0]} {row.priority}" for row in rows]


async def test_half_a_pair_for_a_minute(store: Store, tmp_path: Path) -> None:
    """Whoever renews writes one file after the other: only what lasts is told, and once."""
    watched = Watched(store, tmp_path)
    whole = watched.cert.read_bytes()
    watched.cert.write_bytes(whole[:200])
    assert await watched.told(looks=PATIENCE - 1) == []
    assert await watched.told(looks=PATIENCE) == ["certificate_not_used 1"]
    assert (await watched.watch.answer())["fault"] == "they are no PEM certificate and its key"
    assert [name for _, name, _ in watched.recording.lines] == ["certificate.not_used"]
    watched.cert.write_bytes(whole)
    assert await watched.told() == ["certificate_not_used 1"]
    assert (await watched.watch.answer())["fault"] == ""


async def test_each_stage_once(store: Store, tmp_path: Path) -> None:
    """While the server runs on, its certificate comes to its end; a renewed one begins anew."""
    watched = Watched(store, tmp_path)
    days = 86_400
    assert await watched.told() == []
    stages = []
    for passed in (7, 4, 7, 1, 2):
        watched.clock.advance(passed * days)
        stages.append(len(await watched.told(looks=2)))
    assert stages == [1, 1, 2, 2, 3]
    assert await watched.told() == [f"certificate_ends {priority}" for priority in (1, 0, 0)]
    watched.renew(days=10)
    assert len(await watched.told(looks=2)) == 4
