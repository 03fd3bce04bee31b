"""Steps of the demo: the firm's list says whose case it is, and which is confidential."""

from casebell.sandbox import fixtures
from casebell.sandbox.demo_environment import CHAT, OTHER_ATTORNEY, OWNER, DemoEnvironment
from casebell.sandbox.expect import expect
from casebell.sandbox.scenario_step import (
    Lines,
    deliver,
    expect_recipients,
    expect_text,
    recipients_and_times,
)
from casebell.sandbox.server_process import run_json

#: As practice software exports it: other names of columns, and one that nobody asked for.
_LIST = f"""Receipt #,Description,Form Type,Responsible Attorney,VAWA,Billing Rate
{fixtures.LISTED_RECEIPT},Acme / Ortiz O-1A,I-129,Ana Ruiz,no,410
{fixtures.CONFIDENTIAL_RECEIPT},R. D.,I-360,Kim Roe,yes,0
"""


async def to_its_owner(demo: DemoEnvironment) -> Lines:
    """An alert goes to the owner, and says whose case it is where the channel may."""
    file = demo.config.with_name("cases.csv")
    file.write_text(_LIST)
    (found,) = await run_json("cases", "import", str(file), config=demo.config)
    expect("casebell cases import", expected=2, got=found["new"])
    yield "imported", "two cases, as practice software lists them; an unknown column is ignored"
    answer = await deliver(demo, fixtures.LISTED, "200 stored", key="evt-1020")
    yield "posted", f"a Request for Evidence for one of them → {answer}"
    arrivals = await demo.arrivals()
    expect_recipients(arrivals, CHAT, OWNER)
    title = "URGENT: RFE issued · Acme / Ortiz O-1A · I-129 · IOE…0010"
    mails = [one for one in arrivals if one.recipient == OWNER]
    expect("the title of the mail", expected=title, got=mails[0].title)
    # Many read there.
    expect_text([one for one in arrivals if one.recipient == CHAT], never=["Ortiz"])
    yield "told", f"{recipients_and_times(arrivals, answer.posted_at)}; the team is not asked"
    yield "message", f"“{title}”, and in the chat no client"


async def confidential(demo: DemoEnvironment) -> Lines:
    """Of a confidential case its owner hears that there is news, and nobody else does."""
    answer = await deliver(demo, fixtures.CONFIDENTIAL, "200 stored", key="evt-1021")
    yield "posted", f"a denial of the confidential one → {answer}"
    arrivals = await demo.arrivals()
    expect_recipients(arrivals, OTHER_ATTORNEY)
    expect_text(arrivals, never=["denied", "I-360", "R. D.", fixtures.CONFIDENTIAL_RECEIPT])
    yield "told", f"{recipients_and_times(arrivals, answer.posted_at)}; neither chat nor team"
    yield "message", f"“{arrivals[0].title}”"
