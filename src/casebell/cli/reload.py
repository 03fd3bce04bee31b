"""`casebell reload`: new secrets, channels and rules without a restart."""

from casebell.cli.options import AsJson, By, Config, unusable_is_no
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer
from casebell.errors import ServerUnreachable
from casebell.service.done_in_words import reloaded


def reload(by: By = None, as_json: AsJson = False, config: Config = None) -> None:
    """Have the running server use its configuration as it is now, or say why it cannot."""
    # The file may be so wrong that the server's socket cannot be found: nothing was changed then.
    with unusable_is_no():
        answer = ServiceClient(config).ask_server("reload", by=by)
    if answer is None:
        raise ServerUnreachable(
            "No server of this configuration runs here.",
            hint="Run this where the server runs; the next `casebell serve` reads the file anyway.",
        )
    print_answer(answer, reloaded(answer), as_json=as_json)
