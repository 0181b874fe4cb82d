"""The mail that was taken, in SQLite: each message once, and for each recipient of its envelope a copy in the
mailbox of that address, with the flags that IMAP puts on it. One file, so that a killed server goes on where it stood.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

_TABLES = """
create table if not exists mail (
    id integer primary key autoincrement, message_id text not null, envelope_from text not null,
    envelope_to text not null, data blob not null, received_at real not null
);
create table if not exists copy (
    mailbox text not null, uid integer not null, mail integer not null references mail (id),
    message_id text not null, received_at real not null, flags text not null default '', primary key (mailbox, uid)
) without rowid;
create index if not exists copy_by_message_id on copy (mailbox, message_id);
create table if not exists greylist (sender text, recipient text, first real, primary key (sender, recipient));
"""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it was taken."""

    message_id: str
    envelope_from: str
    envelope_to: tuple[str, ...]
    data: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Copy:
    """A message in a mailbox."""

    uid: int
    mail: int
    message_id: str
    received_at: float
    flags: frozenset[str]


class MailStore:
    """One file, or memory."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(str(path) if path else ":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = off")  # a killed process loses nothing by it, only a lost machine does
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Ends for good."""
        with self._lock:
            self._db.close()

    def add(self, envelope_from: str, envelope_to: Sequence[str], data: bytes) -> int:
        """Keeps a message, and gives its number."""
        message_id = str(BytesHeaderParser().parsebytes(data).get("Message-ID", "")).strip()
        now = time.time()
        with self._lock:
            self._db.execute("begin immediate")
            cursor = self._db.execute(
                "insert into mail (message_id, envelope_from, envelope_to, data, received_at) values (?, ?, ?, ?, ?)",
                (message_id, envelope_from, json.dumps(list(envelope_to)), data, now),
            )
            for mailbox in dict.fromkeys(one.casefold() for one in envelope_to):
                self._db.execute(
                    "insert into copy (mailbox, uid, mail, message_id, received_at)"
                    " select ?, coalesce(max(uid), 0) + 1, ?, ?, ? from copy where mailbox = ?",
                    (mailbox, cursor.lastrowid, message_id, now, mailbox),
                )
            self._db.execute("commit")
            return int(cursor.lastrowid or 0)

    def messages(self, recipient: str | None = None) -> list[Received]:
        """All that was taken, or what an address has in its mailbox, in the order of arrival."""
        columns = "select mail.message_id, envelope_from, envelope_to, data, mail.received_at from mail"
        if recipient is None:
            rows = self._rows(f"{columns} order by id")
        else:
            rows = self._rows(
                f"{columns} join copy on copy.mail = mail.id where mailbox = ? order by uid", (recipient.casefold(),)
            )
        return [
            Received(message_id, sender, tuple(json.loads(recipients)), data, datetime.fromtimestamp(at, UTC))
            for message_id, sender, recipients, data, at in rows
        ]

    def count(self) -> int:
        """How many messages were taken."""
        return int(self._rows("select count(*) from mail")[0][0])

    def copies(self, mailbox: str) -> list[Copy]:
        """What is in a mailbox, by uid."""
        rows = self._rows(
            "select uid, mail, message_id, received_at, flags from copy where mailbox = ? order by uid",
            (mailbox.casefold(),),
        )
        return [Copy(uid, mail, name, at, frozenset(flags.split())) for uid, mail, name, at, flags in rows]

    def data(self, mail: int) -> bytes:
        """The bytes of a message."""
        return bytes(self._rows("select data from mail where id = ?", (mail,))[0][0])

    def set_flags(self, mailbox: str, uid: int, flags: Iterable[str]) -> None:
        """Marks a copy."""
        self._rows(
            "update copy set flags = ? where mailbox = ? and uid = ?",
            (" ".join(sorted(flags)), mailbox.casefold(), uid),
        )

    def greylisted_since(self, sender: str, recipient: str) -> float:
        """When a sender first tried to reach a recipient: now, if never before."""
        rows = self._rows(
            "insert into greylist values (?, ?, ?) on conflict do update set first = first returning first",
            (sender.casefold(), recipient.casefold(), time.time()),
        )
        return float(rows[0][0])

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, parameters).fetchall()
