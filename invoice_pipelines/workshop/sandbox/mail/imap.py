"""The IMAP side (IMAP4rev1, RFC 3501): as much as reading and marking mail takes. A folder is the mailbox of an
address; INBOX is that of the archive.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.parser import BytesHeaderParser

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.workshop.sandbox.mail.smtp import Account
from invoice_pipelines.workshop.sandbox.mail.store import Copy, MailStore

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)')
_STORE_KINDS = ("FLAGS", "+FLAGS", "-FLAGS")


class _No(InvoicePipelinesError):
    """A command that cannot be done."""


class _Bad(InvoicePipelinesError):
    """A command that is not understood."""


class ImapConnections:
    """Serves each connection in a coroutine of its own."""

    def __init__(self, store: MailStore, account: Account, archive: str, starttls: ssl.SSLContext | None) -> None:
        self._store = store
        self._account = account
        self._archive = archive
        self._starttls = starttls
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the client has gone."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await _Session(self._store, self._account, self._archive, self._starttls, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            with suppress(Exception):
                writer.close()


class _Session:
    def __init__(
        self,
        store: MailStore,
        account: Account,
        archive: str,
        starttls: ssl.SSLContext | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._store = store
        self._account = account
        self._archive = archive
        self._starttls = starttls
        self._reader = reader
        self._writer = writer
        self._encrypted = False
        self._is_known = account.user is None
        self._mailbox: str | None = None
        self._read_only = False
        self._commands: dict[str, Callable[[str], str]] = {
            "CAPABILITY": self._capability,
            "NOOP": lambda _: "NOOP completed",
            "LOGIN": self._login,
            "SELECT": lambda rest: self._select(rest, read_only=False),
            "EXAMINE": lambda rest: self._select(rest, read_only=True),
            "CLOSE": self._close,
            "UID SEARCH": self._search,
            "UID FETCH": self._fetch,
            "UID STORE": self._mark,
        }

    async def run(self) -> None:
        self._say("* OK sandbox IMAP4rev1 ready")
        await self._writer.drain()
        while line := await self._reader.readline():
            tag, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            name, _, rest = rest.partition(" ")
            name = name.upper()
            if name == "UID":
                second, _, rest = rest.partition(" ")
                name = f"UID {second.upper()}"
            if name == "STARTTLS" and self._starttls is not None and not self._encrypted:
                self._say(f"{tag} OK begin")
                await self._writer.drain()
                await self._writer.start_tls(self._starttls)
                self._encrypted = True
                continue
            if name == "LOGOUT":
                self._say("* BYE see you")
                self._say(f"{tag} OK LOGOUT completed")
                await self._writer.drain()
                return
            self._say(f"{tag} {self._answer(name, rest)}")
            await self._writer.drain()

    def _answer(self, name: str, rest: str) -> str:
        command = self._commands.get(name)
        if command is None:
            return f"BAD {name} is not known here"
        if not self._is_known and name not in ("CAPABILITY", "NOOP", "LOGIN"):
            return "NO log in first"
        if name.startswith("UID") and self._mailbox is None:
            return "BAD select a mailbox first"
        try:
            return f"OK {command(rest)}"
        except _No as error:
            return f"NO {error}"
        except (_Bad, ValueError, IndexError) as error:
            return f"BAD {error}"

    def _capability(self, rest: str) -> str:
        more = " STARTTLS LOGINDISABLED" if self._starttls is not None and not self._encrypted else ""
        self._say(f"* CAPABILITY IMAP4rev1{more}")
        return "CAPABILITY completed"

    def _login(self, rest: str) -> str:
        user, password = _words(rest)
        if self._starttls is not None and not self._encrypted:
            raise _No("[PRIVACYREQUIRED] STARTTLS first")
        if self._account.user is not None and (user, password) != (self._account.user, self._account.password):
            raise _No("[AUTHENTICATIONFAILED] Authentication failed.")
        self._is_known = True
        return "LOGIN completed"

    def _select(self, rest: str, *, read_only: bool) -> str:
        (name,) = _words(rest)
        self._mailbox = None
        if name.upper() == "INBOX":
            name = self._archive
        if "@" not in name:
            raise _No(f"[NONEXISTENT] Mailbox does not exist: {name}")
        self._mailbox, self._read_only = name.casefold(), read_only
        copies = self._copies()
        self._say("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)")
        self._say(f"* {len(copies)} EXISTS")
        self._say("* 0 RECENT")
        self._say("* OK [UIDVALIDITY 1] UIDs valid")
        self._say(f"* OK [UIDNEXT {copies[-1].uid + 1 if copies else 1}] Predicted next UID")
        return f"[READ-{'ONLY' if read_only else 'WRITE'}] done"

    def _close(self, rest: str) -> str:
        self._mailbox = None
        return "CLOSE completed"

    def _search(self, rest: str) -> str:
        words = _words(rest)
        if words[:1] == ["CHARSET"]:
            words = words[2:]
        copies = self._copies()
        position = 0

        def word() -> str:
            nonlocal position
            position += 1
            return words[position - 1]

        while position < len(words):
            key = word().upper()
            if key == "ALL":
                continue
            if key in ("SEEN", "UNSEEN"):
                copies = [one for one in copies if ("\\Seen" in one.flags) == (key == "SEEN")]
            elif key == "SINCE":
                since = datetime.strptime(word(), "%d-%b-%Y").replace(tzinfo=UTC).timestamp()
                copies = [one for one in copies if one.received_at >= since]
            elif key == "HEADER":
                copies = self._with_header(copies, word(), word())
            elif key == "UID":
                copies = _in_set(copies, word())
            else:
                raise _Bad(f"search key {key} is not known here")
        self._say(" ".join(["* SEARCH", *(str(one.uid) for one in copies)]))
        return "SEARCH completed"

    def _with_header(self, copies: Sequence[Copy], name: str, value: str) -> list[Copy]:
        if name.upper() == "MESSAGE-ID":
            return [one for one in copies if value.casefold() in one.message_id.casefold()]
        parser = BytesHeaderParser()
        found = []
        for one in copies:
            header = parser.parsebytes(self._store.data(one.mail)).get(name)
            if header is not None and value.casefold() in str(header).casefold():
                found.append(one)
        return found

    def _fetch(self, rest: str) -> str:
        wanted, _, items = rest.partition(" ")
        names = items.strip().strip("()").upper().split()
        copies = self._copies()
        numbers = {one.uid: number for number, one in enumerate(copies, 1)}
        for one in _in_set(copies, wanted):
            flags = one.flags
            parts = [f"UID {one.uid}".encode()]
            for name in names:
                if name == "FLAGS":
                    parts.append(f"FLAGS ({' '.join(sorted(flags))})".encode())
                elif name == "RFC822.SIZE":
                    parts.append(b"RFC822.SIZE %d" % len(self._store.data(one.mail)))
                elif name in ("RFC822", "BODY[]", "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY[HEADER]"):
                    data = self._store.data(one.mail)
                    if name.endswith("[HEADER]"):
                        data = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                    parts.append(name.replace(".PEEK", "").encode() + b" {%d}\r\n" % len(data) + data)
                    if "PEEK" not in name and not self._read_only:
                        self._store.set_flags(str(self._mailbox), one.uid, flags | {"\\Seen"})
                elif name != "UID":
                    raise _Bad(f"item {name} is not known here")
            self._writer.write(b"* %d FETCH (%s)\r\n" % (numbers[one.uid], b" ".join(parts)))
        return "FETCH completed"

    def _mark(self, rest: str) -> str:
        if self._read_only:
            raise _No("[READ-ONLY] the mailbox was opened for reading only")
        wanted, kind, flags = rest.split(" ", 2)
        kind, silent = kind.upper().removesuffix(".SILENT"), kind.upper().endswith(".SILENT")
        if kind not in _STORE_KINDS:
            raise _Bad(f"{kind} is not known here")
        given = set(flags.strip().strip("()").split())
        copies = self._copies()
        numbers = {one.uid: number for number, one in enumerate(copies, 1)}
        for one in _in_set(copies, wanted):
            new = given if kind == "FLAGS" else one.flags | given if kind == "+FLAGS" else one.flags - given
            self._store.set_flags(str(self._mailbox), one.uid, new)
            if not silent:
                self._say(f"* {numbers[one.uid]} FETCH (UID {one.uid} FLAGS ({' '.join(sorted(new))}))")
        return "STORE completed"

    def _copies(self) -> list[Copy]:
        return self._store.copies(str(self._mailbox))

    def _say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")


def _words(text: str) -> list[str]:
    return [plain or re.sub(r"\\(.)", r"\1", quoted) for quoted, plain in _WORD.findall(text)]


def _in_set(copies: Sequence[Copy], wanted: str) -> list[Copy]:
    last = copies[-1].uid if copies else 0
    chosen: set[int] = set()
    for part in wanted.split(","):
        first, _, end = part.partition(":")
        low = last if first == "*" else int(first)
        high = low if not end else last if end == "*" else int(end)
        chosen.update(range(min(low, high), max(low, high) + 1))
    return [one for one in copies if one.uid in chosen]
