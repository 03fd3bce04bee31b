"""A real Postfix for one test: a firm's relay, with two mailboxes and a server elsewhere."""

import asyncio
import os
import pwd
import shutil
import socket
import tempfile
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from pathlib import Path
from typing import Self

import trustme

from waiting import until

#: Where mail arrives, by address; mail to the domain `elsewhere.example` goes to another server.
MAILBOXES = {"rfe-team@example-firm.com": "team", "casebell@example-firm.com": "sender"}
ELSEWHERE = "elsewhere.example"
_SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def missing() -> str:
    """Why there can be no Postfix here; "" where there can."""
    if shutil.which("postfix") is None:
        return "needs Postfix (apt-get install postfix)"
    return "" if os.geteuid() == 0 else "needs root, as Postfix does to start"


class Postfix:
    """A relay that insists on nothing and offers STARTTLS.

    Args:
        elsewhere: the port of the server for `ELSEWHERE`.
    """

    def __init__(self, authority: trustme.CA, *, elsewhere: int) -> None:
        # Below a directory that Postfix's own user may enter.
        self._folder = Path(tempfile.mkdtemp(prefix="casebell-postfix-"))
        self._folder.chmod(0o755)
        self.log = self._folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        user = pwd.getpwnam("postfix")
        chain = self._folder / "chain.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
        for name in ("mail", "data"):
            (self._folder / name).mkdir()
            os.chown(self._folder / name, user.pw_uid, user.pw_gid)
        (self._folder / "queue").mkdir()
        boxes = " ".join(f"{{ {address} = {box}/ }}" for address, box in MAILBOXES.items())
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": self._folder / "queue",
            "data_directory": self._folder / "data",
            "maillog_file": self.log,
            "maillog_file_prefixes": self._folder,
            "mail_owner": "postfix",
            "myhostname": "relay.example-firm.com",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": chain,
            "virtual_mailbox_domains": "example-firm.com",
            "virtual_mailbox_maps": f"inline:{{ {boxes} }}",
            "virtual_mailbox_base": self._folder / "mail",
            "virtual_minimum_uid": user.pw_uid,
            "virtual_uid_maps": f"static:{user.pw_uid}",
            "virtual_gid_maps": f"static:{user.pw_gid}",
            "transport_maps": f"inline:{{ {{ {ELSEWHERE} = smtp:[127.0.0.1]:{elsewhere} }} }}",
        }
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        (self._folder / "main.cf").write_text("".join(lines))
        (self._folder / "master.cf").write_text(_SERVICES.format(port=self.port))

    async def __aenter__(self) -> Self:
        await self._do("start")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._do("stop")
        shutil.rmtree(self._folder)

    async def delivered(self, box: str) -> EmailMessage:
        """Wait for the one mail of a mailbox."""
        new = self._folder / "mail" / box / "new"
        await until(lambda: new.is_dir() and any(new.iterdir()), f"a mail in {box}")
        (path,) = new.iterdir()
        mail = message_from_bytes(path.read_bytes(), policy=modern)
        assert isinstance(mail, EmailMessage)
        return mail

    async def _do(self, verb: str) -> None:
        process = await asyncio.create_subprocess_exec(
            "postfix", "-c", str(self._folder), verb,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        log = self.log.read_text() if self.log.exists() else ""
        assert process.returncode == 0, f"{output.decode()}\n{log}"
