"""The list that practice software leaves: imported once, when it is whole, by one server."""

import os
from pathlib import Path
from typing import Any

import pytest

from casebell.clock import DAY, SECOND
from casebell.ops_targets import OpsTargets
from casebell.service import case_list_watch
from casebell.service.case_directory import CaseDirectory
from casebell.service.case_list_watch import SETTLE, TURN, CaseListWatch
from casebell.settings import Settings
from casebell.settings.models import Cases
from casebell.store.engine import Store
from casebell.store.schema import alerts, cases, journal
from casebell.telemetry import Metrics
from contracts.actors import ADMIN
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import failing_transactions, read_table
from service.harness import settings_of
from waiting import until

R1, R2 = "IOE0912345678", "IOE0912345679"
HOUR = 3_600.0


class Server:
    """The watch of a server over a file; no loop runs unless it is asked for."""

    def __init__(self, store: Store, file: Path | None, clock: ManualClock | None = None) -> None:
        self.store = store
        self.clock = clock or ManualClock()
        self.settings = self._settings(file)
        self.recording = RecordingLog()
        self.directory = CaseDirectory(store=store, clock=self.clock)
        self.watch = CaseListWatch(
            store=store,
            directory=self.directory,
            settings=lambda: self.settings,
            ops=lambda: OpsTargets(targets=(("ops", "it@example-firm.com"),)),
            clock=self.clock,
            metrics=Metrics(),
            log=self.recording.log,
        )

    @staticmethod
    def _settings(file: Path | None) -> Settings:
        return settings_of("parley").model_copy(update={"cases": Cases(file=file, every=HOUR)})

    def use(self, file: Path | None) -> None:
        """As a reload does."""
        self.settings = self._settings(file)

    async def look(self, times: int = 2) -> None:
        """Look so often, as the loop would."""
        for _ in range(times):
            await self.watch.look()
            self.clock.advance(self.watch._rest() or 0)

    async def owners(self) -> dict[str, str]:
        """The owner of each case."""
        return {row.receipt: row.owner for row in await read_table(self.store, cases)}

    async def told(self) -> list[str]:
        """The topics of what operations were told."""
        rows = await read_table(self.store, alerts)
        return [row.subject.partition(":")[0] for row in rows]

    async def imports(self) -> list[tuple[str, str]]:
        """Who imported a list, by the journal."""
        return [
            (row.kind, row.actor)
            for row in await read_table(self.store, journal)
            if row.kind == "cases.imported"
        ]


def write(file: Path, *owners: str, more: str = "") -> None:
    """Leave a list in which each of these owns a case, as another file under the same name."""
    part = file.with_suffix(".part")
    lines = [f"IOE091234567{8 + number},{owner}\n" for number, owner in enumerate(owners)]
    part.write_text("receipt,attorney\n" + "".join(lines) + more)
    part.rename(file)


async def test_a_new_list(store: Store, tmp_path: Path) -> None:
    """It is imported once it is the same at two looks, and not again until there is another."""
    file = tmp_path / "export.csv"
    server = Server(store, file)
    write(file, "ana")
    await server.look(1)
    assert await server.owners() == {}
    assert server.watch._rest() == SETTLE
    await server.look(1)
    assert await server.owners() == {R1: "ana"}
    assert server.watch._rest() == HOUR
    # What somebody says afterwards stays, though the server is started anew.
    await server.directory.set_case(receipt=R1, facts={"owner": "ben"}, actor=ADMIN)
    await server.look()
    await Server(store, file).look()
    assert await server.owners() == {R1: "ben"}
    # The same under another time is the same list.
    os.utime(file, (1, 1))
    await server.look(3)
    assert await server.owners() == {R1: "ben"}
    write(file, "cem", "dan")
    await server.look(3)
    assert await server.owners() == {R1: "cem", R2: "dan"}
    assert await server.imports() == [("cases.imported", "server")] * 2
    assert await server.told() == []
    assert [one["new"] for one in server.recording.named("cases.imported")] == [1, 1]


async def test_a_list_that_is_being_written(store: Store, tmp_path: Path) -> None:
    """Half of it is not imported: each look that sees another state waits for one more."""
    file = tmp_path / "export.csv"
    server = Server(store, file)
    with file.open("w") as growing:
        growing.write("receipt,attorney\n")
        for number in range(3):
            growing.write(f"IOE091234567{number},ana\n")
            growing.flush()
            await server.look(1)
    assert await server.owners() == {}
    await server.look(1)
    assert len(await server.owners()) == 3


async def test_written_to_while_it_is_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is not used."""
    file = tmp_path / "export.csv"
    server = Server(store, file)
    write(file, "ana")
    await server.look(1)
    read = case_list_watch._read

    def meanwhile(path: Path) -> bytes:
        content = read(path)
        write(file, "ben")
        return content

    with monkeypatch.context() as patched:
        patched.setattr(case_list_watch, "_read", meanwhile)
        await server.look(1)
    assert await server.owners() == {}
    await server.look()
    assert await server.owners() == {R1: "ben"}


async def test_problems_are_told_once_for_a_list(store: Store, tmp_path: Path) -> None:
    """With counts alone; the end of the trouble is silent, and another list with it is told."""
    file = tmp_path / "export.csv"
    server = Server(store, file)
    write(file, "ana", more="A1,Gomez\nA2,Ruiz\n")
    await server.look(4)
    await Server(store, file).look()
    assert await server.told() == ["case_list_problems"]
    ((note,),) = [(row.note,) for row in await read_table(store, alerts)]
    assert '"taken":1' in note
    assert '"left_out":2' in note
    assert "Gomez" not in note
    write(file, "ana", "ben")
    await server.look(3)
    assert await server.told() == ["case_list_problems"]
    file.write_bytes(b"PK\x03\x04")
    await server.look(4)
    assert await server.told() == ["case_list_problems", "case_list_unusable"]
    assert await server.owners() == {R1: "ana", R2: "ben"}
    assert [one["reason"][:10] for one in server.recording.named("cases.not_imported")] == [
        "This is an"
    ]


async def test_a_list_that_is_not_there(store: Store, tmp_path: Path) -> None:
    """Between two exports it may be away; for longer than two looks it is told, once a day."""
    file = tmp_path / "export.csv"
    server = Server(store, file)
    # The day is young.
    server.clock.advance((DAY - server.clock.now() % DAY) / SECOND)
    write(file, "ana")
    await server.look()
    file.unlink()
    await server.look()
    assert await server.told() == []
    await server.look(4)
    await Server(store, file, server.clock).look(4)
    assert await server.told() == ["case_list_missing"]
    # Once a day: silence would read as if it had come back.
    server.clock.advance(DAY / SECOND)
    await server.look(2)
    assert await server.told() == ["case_list_missing", "case_list_missing"]
    write(file, "ben")
    await server.look()
    assert await server.owners() == {R1: "ben"}
    # A folder, or a file that may not be read, says so.
    server.use(tmp_path)
    await server.look(3)
    assert await server.told() == [*["case_list_missing"] * 2, "case_list_unusable"]
    server.use(None)
    await server.look(3)
    assert server.watch._rest() is None


async def test_one_server_of_several(store: Store, tmp_path: Path) -> None:
    """While one imports a list the others wait; where it dies, another does it later."""
    file = tmp_path / "export.csv"
    clock = ManualClock()
    first, second = Server(store, file, clock), Server(store, file, clock)
    write(file, "ana")
    await first.look(1)

    async def dies(**_: Any) -> Any:
        raise MemoryError

    first.directory.import_cases = dies  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        await first.look(1)
    await second.look(5)
    assert await second.owners() == {}
    clock.advance(TURN)
    await second.look()
    assert await second.owners() == {R1: "ana"}
    assert await second.imports() == [("cases.imported", "server")]


async def test_the_loop(store: Store, tmp_path: Path) -> None:
    """It looks by itself; a failure of the storage is tried again, and a reload is taken up."""
    file = tmp_path / "export.csv"
    server = Server(store, None)
    async with server.watch:
        server.use(file)
        write(file, "ana")
        server.watch.wake()
        await until(lambda: server.clock.asleep == [SETTLE], "the second look")
        with failing_transactions(store):
            server.clock.advance(SETTLE)
            await until(lambda: server.clock.asleep == [SETTLE], "another try")
            assert await server.owners() == {}
        server.clock.advance(SETTLE)
        await until(lambda: server.clock.asleep == [HOUR], "the import")
    assert await server.owners() == {R1: "ana"}
