"""The messages that were created, in SQLite, and what Twilio says of one: its fields, and a status that moves on
with time. One file, so that a killed server goes on where it stood.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

_TABLES = """
create table if not exists message (
    id integer primary key autoincrement, sid text not null unique, recipient text not null, sender text,
    service text, body text not null, content text, created real not null, ends_as text not null, error integer
);
create index if not exists message_by_recipient on message (recipient, id);
"""
_COLUMNS = "id, sid, recipient, sender, service, body, content, created, ends_as, error"

API_VERSION = "2010-04-01"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was created. `ends_as` is the status that it comes to."""

    number: int
    sid: str
    to: str
    sender: str | None
    messaging_service_sid: str | None
    body: str
    content: str | None
    """SID of a content template and its variables, as given."""
    created_at: datetime
    ends_as: str
    error_code: int | None


class Messages:
    """One file, or memory. A message is `sent` after `sent_after` seconds, and ends after `ended_after`."""

    def __init__(self, path: Path | None, *, sent_after: float, ended_after: float) -> None:
        self.sent_after = sent_after
        self.ended_after = ended_after
        self._lock = threading.RLock()
        self._db = sqlite3.connect(str(path) if path else ":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = off")  # a killed process loses nothing by it, only a lost machine does
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Ends for good."""
        with self._lock:
            self._db.close()

    def add(
        self,
        to: str,
        sender: str | None,
        service: str | None,
        body: str,
        content: str | None,
        ends_as: str,
        error: int | None,
    ) -> Sent:
        """Creates a message."""
        sid = f"{'MM' if to.startswith('whatsapp:') else 'SM'}{uuid4().hex}"
        self._rows(
            "insert into message (sid, recipient, sender, service, body, content, created, ends_as, error)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (sid, to, sender, service, body, content, time.time(), ends_as, error),
        )
        found = self.get(sid)
        assert found is not None
        return found

    def get(self, sid: str) -> Sent | None:
        """A message."""
        found = self._select("where sid = ?", (sid,))
        return found[0] if found else None

    def all(self, to: str | None = None) -> list[Sent]:
        """All that were created, or those to a recipient, oldest first."""
        return self._select("order by id") if to is None else self._select("where recipient = ? order by id", (to,))

    def page(self, to: str | None, sender: str | None, since: float | None, size: int, page: int) -> list[Sent]:
        """One page and the first one after it, newest first."""
        conditions = [("recipient = ?", to), ("sender = ?", sender), ("created + ? >= ?", since)]
        parameters: list[Any] = []
        texts = []
        for condition, value in conditions:
            if value is not None:
                texts.append(condition)
                parameters += [self.sent_after, value] if "created" in condition else [value]
        where = f"where {' and '.join(texts)}" if texts else ""
        return self._select(f"{where} order by id desc limit ? offset ?", (*parameters, size + 1, page * size))

    def status(self, message: Sent) -> str:
        """Where a message stands by now."""
        age = time.time() - message.created_at.timestamp()
        if age >= self.ended_after:
            return message.ends_as
        return "sent" if age >= self.sent_after else "queued"

    def shown(self, message: Sent, account: str) -> dict[str, Any]:
        """As the API shows it."""
        status = self.status(message)
        created = format_datetime(message.created_at.replace(microsecond=0))
        sent_at = datetime.fromtimestamp(message.created_at.timestamp() + self.sent_after, UTC).replace(microsecond=0)
        is_over = status in ("undelivered", "failed")
        uri = f"/{API_VERSION}/Accounts/{account}/Messages/{message.sid}"
        return {
            "account_sid": account,
            "api_version": API_VERSION,
            "body": message.body,
            "date_created": created,
            "date_sent": None if status == "queued" else format_datetime(sent_at),
            "date_updated": created if status == "queued" else format_datetime(sent_at),
            "direction": "outbound-api",
            "error_code": message.error_code if is_over else None,
            "error_message": "Unreachable destination handset" if is_over else None,
            # Of a messaging service: chosen when it is sent.
            "from": message.sender or (None if status == "queued" else "+15005550006"),
            "messaging_service_sid": message.messaging_service_sid,
            "num_media": "0",
            "num_segments": str(max(1, -(-len(message.body) // (160 if message.body.isascii() else 70)))),
            "price": None,
            "price_unit": "USD",
            "sid": message.sid,
            "status": status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": message.to,
            "uri": f"{uri}.json",
        }

    def _select(self, rest: str, parameters: Sequence[Any] = ()) -> list[Sent]:
        rows = self._rows(f"select {_COLUMNS} from message {rest}", parameters)
        return [
            Sent(number, sid, to, sender, service, body, content, datetime.fromtimestamp(created, UTC), ends_as, error)
            for number, sid, to, sender, service, body, content, created, ends_as, error in rows
        ]

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, parameters).fetchall()
