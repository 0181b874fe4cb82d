"""A mailbox, read by IMAP (RFC 3501): whether a message is there, and unread delivery reports."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from invoice_pipelines.delivery.channels.channel import Unavailable
from invoice_pipelines.delivery.channels.smtp_answers import one_line
from invoice_pipelines.settings import Settings

T = TypeVar("T")

_ERRORS = (imaplib.IMAP4.error, OSError, UnicodeError)


class Mailbox:
    """The mail account of the settings. Connects when it is used first, and once more if the connection was lost.

    All methods raise Unavailable where the server cannot be reached, refuses the login or has no such folder.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.imap_host is None:
            raise Unavailable("NOT_SET_UP", "There is no mailbox: set IMAP_HOST.", is_of_all=True)
        self._settings = settings
        self._host = settings.imap_host
        self._imap: imaplib.IMAP4 | None = None

    def holds(self, folder: str, message_id: str) -> bool:
        """Whether a message with this Message-ID, one of ASCII without quotes, is in a folder."""

        def ask(imap: imaplib.IMAP4) -> bool:
            self._open(imap, folder, read_only=True)
            return bool(_uids(imap, "HEADER", "Message-ID", _quoted(message_id)))

        return self._do(ask)

    def unread_reports(self, folder: str, limit: int) -> list[str]:
        """UIDs of unread delivery reports (RFC 6522), oldest first; other mail of the folder is left alone. Opens the
        folder, for `messages` and `mark_read` as well.
        """

        def ask(imap: imaplib.IMAP4) -> list[str]:
            self._open(imap, folder, read_only=False)
            return _uids(imap, "UNSEEN", "HEADER", "Content-Type", '"multipart/report"')[:limit]

        return self._do(ask)

    def messages(self, uids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Each of these messages of the open folder that is still there, not marked as read by it."""
        for uid in uids:
            kind, parts = self._of_open_folder("FETCH", uid, "(BODY.PEEK[])")
            if kind == "OK" and (found := next((part for part in parts if isinstance(part, tuple)), None)):
                yield uid, bytes(found[1])

    def mark_read(self, uid: str) -> None:
        """Marks a message of the open folder."""
        kind, answer = self._of_open_folder("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")
        if kind != "OK":
            raise self._unavailable(str(answer))

    def close(self) -> None:
        """Ends the connection."""
        imap, self._imap = self._imap, None
        if imap is not None:
            with contextlib.suppress(*_ERRORS):
                imap.logout()

    def _of_open_folder(self, command: str, *arguments: str) -> tuple[str, list[Any]]:
        if self._imap is None:
            raise self._unavailable("the connection was lost")
        try:
            return self._imap.uid(command, *arguments)
        except _ERRORS as error:
            self.close()
            raise self._unavailable(str(error)) from None

    def _do(self, ask: Callable[[imaplib.IMAP4], T]) -> T:
        was_open = self._imap is not None
        try:
            return ask(self._connected())
        except _ERRORS as error:
            self.close()
            if not (was_open and isinstance(error, imaplib.IMAP4.abort | OSError)):
                raise self._unavailable(str(error)) from None
        return self._do(ask)

    def _connected(self) -> imaplib.IMAP4:
        if self._imap is not None:
            return self._imap
        settings = self._settings
        seconds = settings.smtp_timeout_seconds
        imap: imaplib.IMAP4
        if settings.imap_security == "tls":
            context = ssl.create_default_context()
            imap = imaplib.IMAP4_SSL(self._host, settings.imap_port, ssl_context=context, timeout=seconds)
        else:
            imap = imaplib.IMAP4(self._host, settings.imap_port, timeout=seconds)
        try:
            if settings.imap_security == "starttls":
                imap.starttls(ssl.create_default_context())
            if settings.imap_user is not None:
                password = settings.imap_password.get_secret_value() if settings.imap_password else ""
                imap.login(_quoted(settings.imap_user), password)
        except BaseException:
            with contextlib.suppress(*_ERRORS):
                imap.shutdown()
            raise
        self._imap = imap
        return imap

    def _open(self, imap: imaplib.IMAP4, folder: str, *, read_only: bool) -> None:
        # Each time: a server need not tell of what came in since.
        kind, answer = imap.select(_quoted(spelled(folder)), readonly=read_only)
        if kind != "OK":
            raise imaplib.IMAP4.error(f"the folder {folder} cannot be opened: {_said(answer)}")

    def _unavailable(self, said: str) -> Unavailable:
        secret = self._settings.imap_password
        line = one_line(said, (secret.get_secret_value(),) if secret else ())
        where = f"The mailbox at {self._host}:{self._settings.imap_port}"
        return Unavailable("MAILBOX", f"{where} cannot be read: {line}", is_of_all=True)


def _uids(imap: imaplib.IMAP4, *criteria: str) -> list[str]:
    kind, found = imap.uid("SEARCH", *criteria)
    if kind != "OK":
        raise imaplib.IMAP4.error(f"it cannot be searched: {_said(found)}")
    return [uid.decode() for part in found if isinstance(part, bytes) for uid in part.split()]


def _said(answer: Sequence[object]) -> str:
    return " ".join(one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in answer)


def _quoted(text: str) -> str:
    if "\r" in text or "\n" in text:
        raise imaplib.IMAP4.error("a line break in a name")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def spelled(name: str) -> str:
    """A folder's name as IMAP spells it: RFC 3501 section 5.1.3."""

    def shifted(found: re.Match[str]) -> str:
        return "&" + base64.b64encode(found[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"

    return re.sub("[^ -~]+", shifted, name.replace("&", "&-"))
