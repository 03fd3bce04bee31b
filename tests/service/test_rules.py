"""Who hears of what by the rules in force, and whether the file is still theirs."""

from pathlib import Path

from casebell.events import Status, Tag
from casebell.service.rules import RuleReading, Rules
from casebell.store.engine import Store
from contracts.actors import ADMIN
from service.configured import RULES, ConfiguredFirm


async def rules(firm: ConfiguredFirm) -> Rules:
    """What is told of the configuration in force."""
    return await RuleReading(settings=firm.in_force.settings).rules(actor=ADMIN)


async def test_who_hears_of_what(store: Store, tmp_path: Path) -> None:
    """A row for each status, each tag and a new wording, and the gaps in sentences."""
    found = await rules(ConfiguredFirm(store, tmp_path))
    rows = {(row["kind"], row["value"]): row for row in found["coverage"]}
    assert len(rows) == len(Status) + len(Tag) + 1
    approved = rows["status", "approved"]
    assert (approved["channels"], approved["rules"]) == (["slack"], ["Approved"])
    (gap,) = found["gaps"]
    assert gap.startswith("Operations alone are sure to hear of status rfe_issued, denied; tag")


async def test_a_file_that_was_changed(store: Store, tmp_path: Path) -> None:
    """It differs until it is taken up; so does one that is gone."""
    firm = ConfiguredFirm(store, tmp_path)
    assert (await rules(firm))["file_differs"] is False
    firm.write(RULES + "urgent = true\n")
    assert (await rules(firm))["file_differs"] is True
    firm.take_up()
    assert (await rules(firm))["file_differs"] is False
    firm.file.unlink()
    assert (await rules(firm))["file_differs"] is True
