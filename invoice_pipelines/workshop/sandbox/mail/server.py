"""The mail server as a whole: both protocols on one event loop, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Literal

from invoice_pipelines.workshop.sandbox.injected_faults import Faults
from invoice_pipelines.workshop.sandbox.mail.certificates import make_certificates
from invoice_pipelines.workshop.sandbox.mail.faults import Fault
from invoice_pipelines.workshop.sandbox.mail.imap import ImapConnections
from invoice_pipelines.workshop.sandbox.mail.reports import ReportStyle
from invoice_pipelines.workshop.sandbox.mail.smtp import Handler, connection_factory
from invoice_pipelines.workshop.sandbox.mail.store import MailStore, Received

Security = Literal["none", "starttls", "tls"]

SIZE_LIMIT = 25 * 2**20
PASSWORD = "a-password-for-trying-out"  # noqa: S105  # of nobody
BOUNCES = "bounces@sandbox.example"
"""Where reports of undeliverable mail go, if the client names it as the sender of the envelope."""

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns at each login of a property of its own


class MailServer:
    """A mail server on loopback, for as long as the context lasts.

    Mail for anybody is taken and kept, one copy for each recipient of the envelope. The IMAP folder of a mailbox is
    named like its address; INBOX is the one of `archive`. `user` None: no login is asked for.
    """

    def __init__(
        self,
        state: Path | None = None,
        smtp_port: int = 0,
        imap_port: int = 0,
        *,
        tls: Security = "none",
        names: tuple[str, ...] = ("localhost", "127.0.0.1"),
        user: str | None = "sandbox",
        password: str = PASSWORD,
        archive: str = "archive@sandbox.example",
        smtputf8: bool = True,
        size_limit: int = SIZE_LIMIT,
        report_style: ReportStyle = ReportStyle.POSTFIX,
    ) -> None:
        self.smtp_port = smtp_port
        self.imap_port = imap_port
        self.tls = tls
        self.user = user
        self.password = password
        self.archive = archive
        self.faults: Faults[Fault] = Faults()
        self._store = MailStore(state)
        self._folder = TemporaryDirectory(prefix="mail-sandbox-") if tls != "none" else None
        self.ca_file: Path | None = None
        """Certificate of the authority, to be named by SSL_CERT_FILE."""
        self._context: ssl.SSLContext | None = None
        if self._folder is not None:
            files = make_certificates(Path(self._folder.name), names)
            self.ca_file = files.authority
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(files.server)
        self._handler = Handler(self._store, self.faults, self, report_style)
        self._imap = ImapConnections(self._store, self, archive, self._context if tls == "starttls" else None)
        self._options = {
            "enable_SMTPUTF8": smtputf8,
            "data_size_limit": size_limit,
            "auth_exclude_mechanism": ["LOGIN"],  # clients try one after the other, so that a fault would be tried away
            "auth_require_tls": tls == "starttls",
            "tls_context": self._context if tls == "starttls" else None,
            "require_starttls": tls == "starttls",
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail sandbox", daemon=True)
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> MailServer:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except OSError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._store.close()
        if self._folder is not None:
            self._folder.cleanup()

    def messages(self, recipient: str | None = None) -> list[Received]:
        """All that was taken, or what an address has in its mailbox, in the order of arrival."""
        return self._store.messages(recipient)

    def count(self) -> int:
        """How many messages were taken."""
        return self._store.count()

    @property
    def connections(self) -> int:
        """How many SMTP connections there were."""
        return self._handler.connections

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make this the mail server of the project."""
        login = {} if self.user is None else {"USER": self.user, "PASSWORD": self.password}
        smtp = {"HOST": "127.0.0.1", "PORT": str(self.smtp_port), "SECURITY": self.tls, **login}
        imap = {"HOST": "127.0.0.1", "PORT": str(self.imap_port), "SECURITY": self.tls, **login}
        imap |= {"MAILBOX": "INBOX", "BOUNCES_MAILBOX": BOUNCES}
        email = {"FROM": "invoices@sandbox.example", "ARCHIVE_TO": self.archive, "BOUNCES_TO": BOUNCES}
        groups = {"SMTP": smtp, "EMAIL": email, "IMAP": imap}
        variables = {
            f"INVOICE_PIPELINES_{group}_{name}": value for group, of in groups.items() for name, value in of.items()
        }
        return variables if self.ca_file is None else {**variables, "SSL_CERT_FILE": str(self.ca_file)}

    async def _listen(self) -> None:
        at_once = self._context if self.tls == "tls" else None
        smtp = await self._loop.create_server(
            connection_factory(self._handler, loop=self._loop, **self._options),
            "127.0.0.1",
            self.smtp_port,
            ssl=at_once,
        )
        self._servers.append(smtp)
        imap = await asyncio.start_server(self._imap.serve, "127.0.0.1", self.imap_port, ssl=at_once)
        self._servers.append(imap)
        self.smtp_port, self.imap_port = (one.sockets[0].getsockname()[1] for one in self._servers)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
