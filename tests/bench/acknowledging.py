"""Casebell without its router: what an acknowledgement costs when nothing is done behind it.

No mode of the product. Everything else is as `casebell serve` has it.
"""

from typing import Self

import casebell.runtime
from casebell.cli.main import run
from casebell.route.router import Router


class IdleRouter(Router):
    """Decides about nothing."""

    async def __aenter__(self) -> Self:
        return self


if __name__ == "__main__":
    vars(casebell.runtime)["Router"] = IdleRouter
    raise SystemExit(run(["serve"]))
