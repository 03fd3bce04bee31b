"""The list of cases that practice software leaves beside a real server."""

import pytest

from casebell.sandbox.http_sink import HttpSink
from e2e.server import SOURCES, MakeServer
from waiting import until

pytestmark = [
    # A new file is taken up once it is the same at two looks, ten seconds apart.
    pytest.mark.slow,
]

CONFIGURATION = """
[channels.ops]
url = "json://127.0.0.1:{port}/"
pace = "0s"

[ops]
notify = ["ops"]

[cases]
file = "export.csv"
every = "1s"
"""


async def test_a_list_that_is_left_there(make_server: MakeServer) -> None:
    """Its cases are the directory's; what was left out, operations hear of with counts alone."""
    async with HttpSink() as sink:
        server = make_server(SOURCES + CONFIGURATION.format(port=sink.port))
        await server.start()
        part = server.config.with_name("export.csv.part")
        part.write_text("receipt,attorney,title\nIOE0912345678,ana,Gomez\nA1,ben,Ruiz\n")
        part.rename(part.with_suffix(""))
        named = "SELECT owner, label FROM cases WHERE listed_at IS NOT NULL"
        await until(lambda: server.rows(named) == [("ana", "Gomez")], "the import", within=40)

        def told() -> str:
            return "".join(one.body.decode() for one in sink.requests)

        await until(lambda: "Lines left out: 1." in told(), "what operations hear")
        assert "Ruiz" not in told()
