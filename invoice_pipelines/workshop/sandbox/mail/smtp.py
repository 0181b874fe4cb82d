"""The SMTP side: what is answered to each command, and when a connection is cut. The protocol is aiosmtpd's."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any, Never, Protocol

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from invoice_pipelines.workshop.sandbox.injected_faults import Faults, Injected
from invoice_pipelines.workshop.sandbox.mail import faults as moments
from invoice_pipelines.workshop.sandbox.mail.faults import ANSWERS, KEPT, Fault
from invoice_pipelines.workshop.sandbox.mail.reports import ReportStyle, delivery_report
from invoice_pipelines.workshop.sandbox.mail.store import MailStore

HOST = "mail.sandbox.example"
_SLOW = 1.0


class Account(Protocol):
    """Who may use the server; no user: everybody."""

    user: str | None
    password: str


class Handler:
    """Decides what happens to mail. Called by aiosmtpd, in the thread of the server."""

    def __init__(self, store: MailStore, faults: Faults[Fault], account: Account, style: ReportStyle) -> None:
        self.store = store
        self.faults = faults
        self.account = account
        self.style = style
        self.connections = 0

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, kind: str, given: Any) -> AuthResult:
        """Checks a login."""
        fault = self.faults.take(moments.AT_AUTH)
        if fault is not None and fault.fault is Fault.AUTH_BUSY:
            return AuthResult(success=False, handled=False, message="454 4.7.0 Temporary authentication failure")
        known = isinstance(given, LoginPassword) and self.account.user is not None and _same(given, self.account)
        return AuthResult(success=known and fault is None, handled=False, auth_data=given)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.account.user is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 Non-ASCII addresses need SMTPUTF8"
        if fault := self.faults.take(moments.AT_MAIL):
            return await self._answer(server, fault, address)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 Non-ASCII addresses need SMTPUTF8"
        fault = self.faults.take(moments.AT_RECIPIENT, [address])
        if fault is not None and fault.fault is Fault.GREYLIST:
            first = self.store.greylisted_since(str(envelope.mail_from), address)
            if time.time() - first >= (_SLOW if fault.seconds is None else fault.seconds):
                fault = None
        if fault is not None:
            return await self._answer(server, fault, address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def before_data(self, server: SMTP) -> str | None:
        """An answer instead of the go-ahead for the message."""
        if server.envelope is None or not server.envelope.rcpt_tos:
            return None
        fault = self.faults.take(moments.AT_DATA, server.envelope.rcpt_tos)
        return None if fault is None else await self._answer(server, fault, "")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        fault = self.faults.take(moments.AFTER_DATA, envelope.rcpt_tos)
        if fault is not None and fault.fault not in KEPT:
            return await self._answer(server, fault, "")
        data = envelope.original_content or b""
        number = self.store.add(str(envelope.mail_from), envelope.rcpt_tos, data)
        if fault is None:
            return f"250 2.0.0 Ok: queued as {number:010X}"
        if fault.fault in (Fault.BOUNCE, Fault.DELAY_REPORT):
            self._report(envelope, data, fault)
        elif fault.fault is Fault.SLOW:
            await asyncio.sleep(_SLOW if fault.seconds is None else fault.seconds)
        else:
            return await self._answer(server, fault, "")
        return f"250 2.0.0 Ok: queued as {number:010X}"

    def _report(self, envelope: Envelope, data: bytes, fault: Injected[Fault]) -> None:
        """Puts a report into the mailbox of the sender, as from the null sender (RFC 3464 section 2)."""
        recipient = fault.recipient or envelope.rcpt_tos[0].casefold()
        failed = fault.fault is Fault.BOUNCE
        report = delivery_report(self.style, data, recipient=recipient, failed=failed)
        self.store.add("", [str(envelope.mail_from)], report)

    async def _answer(self, server: SMTP, fault: Injected[Fault], address: str) -> str:
        kind = fault.fault
        if kind in (
            Fault.DROP_AT_RECIPIENT,
            Fault.DROP_IN_DATA,
            Fault.DROP_BEFORE_ACCEPT,
            Fault.DROP_AFTER_ACCEPT,
        ):
            await cut(server)
        if kind is Fault.HANG_AFTER_ACCEPT:
            await asyncio.Event().wait()  # ends with the connection
        answer = ANSWERS[kind].format(address=address, user=self.account.user, host=HOST)
        if answer.startswith("421 "):
            await server.push(answer)
            _transport(server).close()
            await asyncio.Event().wait()
        return answer


class Connection(SMTP):
    """A connection, with faults at its beginning and before the message, where aiosmtpd asks no handler."""

    async def _handle_client(self) -> None:
        handler: Handler = self.event_handler
        handler.connections += 1
        fault = handler.faults.take(moments.AT_CONNECT)
        if fault is None:
            await super()._handle_client()
        elif fault.fault is Fault.BUSY:
            await self.push(f"421 4.3.2 {HOST} Too many connections, try again later")
            _transport(self).close()
        else:
            _transport(self).abort()

    async def smtp_DATA(self, arg: str) -> None:
        answer = await self.event_handler.before_data(self)
        if answer is None:
            await super().smtp_DATA(arg)
        else:
            await self.push(answer)


async def cut(server: SMTP) -> Never:
    """Resets the connection; its coroutine ends with it."""
    _transport(server).abort()
    await asyncio.Event().wait()
    raise AssertionError("cancelled")


def connection_factory(handler: Handler, **options: Any) -> Callable[[], Connection]:
    """As a server on an event loop takes it."""
    return lambda: Connection(
        handler, hostname=HOST, ident="ESMTP sandbox", authenticator=handler.authenticate, **options
    )


def _transport(server: SMTP) -> asyncio.WriteTransport:
    assert isinstance(server.transport, asyncio.WriteTransport)
    return server.transport


def _same(given: LoginPassword, account: Account) -> bool:
    return given.login == str(account.user).encode() and hmac.compare_digest(given.password, account.password.encode())
