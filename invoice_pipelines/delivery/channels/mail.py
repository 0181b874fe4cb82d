"""Emails handed over by SMTP (RFC 5321), one connection for many. Their channel is declared in `email`.

What is known of a message after each step: until the dot that ends it has left this machine, the server has not taken
it. An answer of 4xx or 5xx to the dot says that it has not. Everything else after the dot (no answer, a lost
connection, an answer that is none) leaves it open, and `look_up` asks the mailbox in which each email leaves a copy:
that of EMAIL_ARCHIVE_TO, which is a recipient of the envelope like the customer, so that the server takes a message
for both or for none. Without a mailbox it cannot be told. Nor where the mailbox does not hold a message either that
was surely taken since.

If the server refuses the address of the copies, nothing goes out at all (Unavailable ARCHIVE_REFUSED): a message
without a copy would be taken for not sent.
"""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import socket
import ssl
import time
from collections import deque
from datetime import UTC, datetime

from invoice_pipelines.delivery.channels.channel import (
    Accepted,
    LookedUp,
    OutcomeUnknown,
    Outgoing,
    Refused,
    Unavailable,
)
from invoice_pipelines.delivery.channels.mail_message import Mail, envelope_address, message_id_of, write_mail
from invoice_pipelines.delivery.channels.mailbox import Mailbox
from invoice_pipelines.delivery.channels.smtp_answers import Step, not_accepted, one_line
from invoice_pipelines.settings import Settings

MESSAGES_PER_CONNECTION = 100
IDLE_SECONDS = 60.0
"""A connection that was not used for longer is not trusted any more."""

_CHUNK = 65536
_WITNESSES = 500
"""How many messages that were taken are remembered: one of them that is not in the mailbox says that others may be
missing there as well."""
_LOST = (smtplib.SMTPException, OSError)
"""Also answers that smtplib cannot read, after which nobody knows where the conversation stands."""
_QUEUED_AS = re.compile(r"queued as ([A-Za-z0-9]{4,40})")


class MailChannel:
    """Hands emails over to the mail server of the settings. Raises Unavailable NOT_SET_UP where there is none."""

    def __init__(self, settings: Settings) -> None:
        if settings.smtp_host is None:
            raise Unavailable("NOT_SET_UP", "There is no mail server: set SMTP_HOST.", is_of_all=True)
        self._settings = settings
        self._host = settings.smtp_host
        self._smtp: smtplib.SMTP | None = None
        self._sent = 0
        self._used = 0.0
        self._mailbox: Mailbox | None = None
        self._accepted: deque[tuple[datetime, str]] = deque(maxlen=_WITNESSES)

    def send(self, outgoing: Outgoing) -> Accepted:
        """Hands an email over. Raises Refused, Unavailable or OutcomeUnknown."""
        mail = write_mail(outgoing)
        smtp = self._begin(mail)
        try:
            self._recipients(smtp, mail)
            self._go_ahead(smtp)
            for start in range(0, len(body := _quoted(mail.data)), _CHUNK):
                smtp.send(body[start : start + _CHUNK])
        except _LOST as error:
            self._drop()
            said = one_line(str(error), self._secrets)
            raise Unavailable(
                "CONNECTION_LOST", f"The connection to the mail server was lost before the message was sent: {said}"
            ) from None
        accepted = self._end(smtp)
        self._accepted.append((datetime.now(UTC), message_id_of(outgoing)))
        return accepted

    def look_up(self, outgoing: Outgoing, since: datetime) -> LookedUp:
        """Whether the copy of an email is in the mailbox. Raises Unavailable, also where the mailbox is late."""
        settings = self._settings
        if settings.imap_host is None:
            return LookedUp(None, detail="There is no mailbox to look into (IMAP_HOST).")
        if self._mailbox is None:
            self._mailbox = Mailbox(settings)
        folder = settings.imap_mailbox
        witness = next((message_id for at, message_id in self._accepted if at >= since), None)
        is_up_to_date = witness is None or self._mailbox.holds(folder, witness)
        if self._mailbox.holds(folder, message_id_of(outgoing)):
            return LookedUp(True, detail=f"In the mailbox {folder}.")
        if not is_up_to_date:
            text = (
                f"The mailbox {folder} does not hold a message that surely went out since, either: copies take long, "
                "or it is not the one of EMAIL_ARCHIVE_TO."
            )
            raise Unavailable("MAILBOX_LAGS", text)
        if settings.email_archive_to is None and folder.upper() == "INBOX":
            return LookedUp(None, detail="INBOX holds what comes in, and no copies are sent there (EMAIL_ARCHIVE_TO).")
        return LookedUp(False, detail=f"Not in the mailbox {folder}.")

    def close(self) -> None:
        """Ends the connections."""
        if self._smtp is not None:
            with contextlib.suppress(*_LOST):
                self._smtp.quit()
        self._drop()
        if self._mailbox is not None:
            self._mailbox.close()
            self._mailbox = None

    @property
    def _secrets(self) -> tuple[str, ...]:
        secret = self._settings.smtp_password
        if secret is None:
            return ()
        password, user = secret.get_secret_value(), self._settings.smtp_user or ""
        forms = (password, f"\0{user}\0{password}")
        return (*(base64.b64encode(one.encode()).decode() for one in forms), password)

    def _begin(self, mail: Mail) -> smtplib.SMTP:
        """A connection on which the sender was accepted. One that was kept may have ended meanwhile: then, anew."""
        sender = self._address(self._settings.email_bounces_to, "EMAIL_BOUNCES_TO") or mail.sender
        while True:
            is_kept = self._is_kept()
            smtp = self._smtp if is_kept and self._smtp is not None else self._connect()
            options = self._options(smtp, mail)
            try:
                code, answer = smtp.mail(sender, options)
            except _LOST as error:
                self._drop()
                if is_kept:
                    continue
                said = one_line(str(error), self._secrets)
                message = f"The connection to the mail server was lost at the start: {said}"
                raise Unavailable("CONNECTION_LOST", message, is_of_all=True) from None
            if code == 421:
                self._drop()
                if is_kept:
                    continue
            if not 200 <= code <= 299:
                raise self._refusal(Step.MAIL, code, answer)
            return smtp

    def _address(self, address: str | None, setting: str) -> str | None:
        """An address of the settings, which must be one of ASCII: it stands beside that of any message."""
        if address is None:
            return None
        try:
            checked = envelope_address(address, setting)
        except Refused as error:
            checked, said = "", str(error)
        else:
            said = f"{setting} must be ASCII before the @."
        if not checked.isascii() or not checked:
            self.close()
            raise Unavailable("SETTINGS", said, is_of_all=True)
        return checked

    def _is_kept(self) -> bool:
        if self._smtp is None:
            return False
        if self._sent < MESSAGES_PER_CONNECTION and time.monotonic() - self._used < IDLE_SECONDS:
            return True
        with contextlib.suppress(*_LOST):
            self._smtp.quit()
        self._drop()
        return False

    def _options(self, smtp: smtplib.SMTP, mail: Mail) -> list[str]:
        """Of MAIL. Raises Refused for what this server cannot."""
        options = []
        if smtp.has_extn("size"):
            options.append(f"size={len(mail.data)}")
            limit = smtp.esmtp_features["size"].strip()
            if limit.isdigit() and 0 < int(limit) < len(mail.data):
                size = f"{len(mail.data):,} bytes; the mail server takes {int(limit):,}"
                raise Refused("TOO_LARGE", f"The message has {size}.")
        if mail.needs_smtputf8:
            if not smtp.has_extn("smtputf8"):
                raise Refused(
                    "SMTPUTF8", f"The mail server cannot send between {mail.sender} and {mail.recipient} (no SMTPUTF8)."
                )
            options.append("smtputf8")
            if smtp.has_extn("8bitmime"):
                options.append("body=8bitmime")
        return options

    def _recipients(self, smtp: smtplib.SMTP, mail: Mail) -> None:
        recipients = [(Step.RECIPIENT, mail.recipient)]
        copy_to = self._address(self._settings.email_archive_to, "EMAIL_ARCHIVE_TO")
        if copy_to and copy_to != mail.recipient:
            recipients.append((Step.ARCHIVE, copy_to))
        for step, address in recipients:
            code, answer = smtp.rcpt(address)
            if not 200 <= code <= 299:
                raise self._refusal(step, code, answer)

    def _go_ahead(self, smtp: smtplib.SMTP) -> None:
        code, answer = smtp.docmd("DATA")
        if 200 <= code <= 299:
            self._drop()
            raise Unavailable("PROTOCOL", f"The mail server answered {code} where it should say 354.")
        if code != 354:
            raise self._refusal(Step.DATA, code, answer)

    def _end(self, smtp: smtplib.SMTP) -> Accepted:
        """The dot, and what is said to it."""
        try:
            smtp.send(b".\r\n")
            code, answer = smtp.getreply()
        except _LOST as error:
            self._drop()
            said = one_line(str(error), self._secrets) or type(error).__name__
            raise OutcomeUnknown(f"The connection to the mail server was lost before it answered: {said}") from None
        line = one_line(answer, self._secrets)
        if 200 <= code <= 299:
            self._sent += 1
            self._used = time.monotonic()
            queued = _QUEUED_AS.search(line)
            return Accepted(queued[1] if queued else None, f"{code} {line}")
        if 400 <= code <= 599:
            raise self._refusal(Step.DATA, code, answer)
        self._drop()
        raise OutcomeUnknown(f"The mail server gave an answer to the message that cannot be understood: {line}")

    def _refusal(self, step: Step, code: int, answer: bytes) -> Exception:
        line = one_line(answer, self._secrets)
        if code == 421 or not 400 <= code <= 599:
            self._drop()
        elif self._smtp is not None:
            self._reset(self._smtp)
        if not 400 <= code <= 599:
            return Unavailable("PROTOCOL", f"The mail server gave an answer that cannot be understood: {line}")
        return not_accepted(step, code, line)

    def _reset(self, smtp: smtplib.SMTP) -> None:
        try:
            code, _ = smtp.rset()
        except _LOST:
            code = 0
        if code == 250:
            self._used = time.monotonic()
        else:
            self._drop()

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None
        self._sent = 0

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        where = f"The mail server {self._host}:{settings.smtp_port}"
        begun: list[smtplib.SMTP] = []
        try:
            smtp = self._greeted(begun)
            smtp.ehlo_or_helo_if_needed()
            if settings.smtp_user is not None:
                password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
                smtp.login(settings.smtp_user, password)
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            for one in begun:
                one.close()
            raise self._no_connection(where, error) from None
        if smtp.sock is not None:  # the dot goes out by itself, and shall not wait for the message to be confirmed
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._smtp, self._sent, self._used = smtp, 0, time.monotonic()
        return smtp

    def _greeted(self, begun: list[smtplib.SMTP]) -> smtplib.SMTP:
        settings = self._settings
        seconds, name = settings.smtp_timeout_seconds, _own_name()
        smtp: smtplib.SMTP
        if settings.smtp_security == "tls":
            context = ssl.create_default_context()
            smtp = smtplib.SMTP_SSL(self._host, settings.smtp_port, name, timeout=seconds, context=context)
            begun.append(smtp)
            return smtp
        smtp = smtplib.SMTP(self._host, settings.smtp_port, name, timeout=seconds)
        begun.append(smtp)
        if settings.smtp_security == "starttls":
            smtp.starttls(context=ssl.create_default_context())
        return smtp

    def _no_connection(self, where: str, error: Exception) -> Unavailable:
        plain = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        said = one_line(plain, self._secrets) or type(error).__name__
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):  # smtplib wraps some
            seconds = f"{self._settings.smtp_timeout_seconds:g} seconds (SMTP_TIMEOUT_SECONDS)"
            return Unavailable("CONNECTION", f"{where} did not answer within {seconds}.", is_of_all=True)
        if isinstance(error, smtplib.SMTPResponseException):
            said = f"{error.smtp_code} {one_line(error.smtp_error, self._secrets)}"
        if isinstance(error, ssl.SSLError):
            return Unavailable(
                "TLS", f"{where} has no certificate that can be trusted, or does not speak TLS: {said}", is_of_all=True
            )
        if isinstance(error, smtplib.SMTPAuthenticationError):
            code = "LOGIN_REFUSED" if error.smtp_code >= 500 else "MAIL_SERVER_BUSY"
            return Unavailable(code, f"{where} refused the login (SMTP_USER, SMTP_PASSWORD): {said}", is_of_all=True)
        if isinstance(error, UnicodeError):
            return Unavailable("LOGIN_REFUSED", f"{where}: SMTP_USER and SMTP_PASSWORD must be ASCII.", is_of_all=True)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Unavailable(
                "NOT_SUPPORTED", f"{where} does not support what the settings ask for: {said}", is_of_all=True
            )
        if isinstance(error, smtplib.SMTPResponseException):
            return Unavailable("MAIL_SERVER_BUSY", f"{where} does not accept mail now: {said}", is_of_all=True)
        return Unavailable("CONNECTION", f"{where} cannot be reached: {said}", is_of_all=True)


def _quoted(data: bytes) -> bytes:
    """With the dots at the beginnings of lines doubled (RFC 5321 section 4.5.2), and a line end at its end."""
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    return (b"." if data.startswith(b".") else b"") + data.replace(b"\r\n.", b"\r\n..")


def _own_name() -> str:
    """For EHLO, without asking the name service, which may take seconds."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
