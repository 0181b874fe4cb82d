"""The state of the sandbox in SQLite: documents as JSON text beside the columns that are searched, and ids.

Everything is in one file, so that a killed sandbox goes on where it stood. What the documents mean is in `books`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document, dumps, loads

_TABLES = """
create table if not exists company (realm text primary key, options text not null);
create table if not exists sequence (realm text, name text, last integer not null, primary key (realm, name));
create table if not exists document (
    realm text not null, entity text not null, id integer not null, updated integer not null, scatter integer not null,
    active integer, name_key text, doc_number text, customer integer,
    deleted integer not null default 0, poison integer not null default 0, body text,
    primary key (realm, entity, id)
);
create index if not exists document_updated on document (realm, entity, updated, scatter, id);
create index if not exists document_name on document (name_key, realm, entity) where name_key is not null;
create index if not exists document_number on document (doc_number, realm, entity) where doc_number is not null;
create index if not exists document_number_in_any_case on document (doc_number collate nocase, realm, entity)
    where doc_number is not null;
create index if not exists document_customer on document (customer, realm, entity) where customer is not null;
create index if not exists document_poison on document (realm, entity) where poison;
create table if not exists request (
    realm text, request_id text, body_hash text, at real, status integer, content text, primary key (realm, request_id)
);
create table if not exists token (
    value text primary key, realm text not null, kind text not null, family text not null, issued real not null,
    expires real not null, replaced real, revoked integer not null default 0
);
create index if not exists token_family on token (family);
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A stored document; the body of a deleted one is None."""

    id: int
    updated: int
    deleted: bool
    poison: bool
    body: str | None

    @property
    def document(self) -> Document:
        """The body, read."""
        assert self.body is not None
        document: Document = loads(self.body)
        return document


class Store:
    """One file, or memory; one connection, used by one thread at a time under `lock`."""

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self._db = sqlite3.connect(str(path) if path else ":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = off")  # a killed process loses nothing by it, only a lost machine does
        self._db.executescript(_TABLES)
        self._depth = 0

    def close(self) -> None:
        """Ends for good."""
        with self.lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested: the inner part alone can fail."""
        with self.lock:
            name = f"s{self._depth}"
            self._db.execute("begin immediate" if self._depth == 0 else f"savepoint {name}")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("rollback")
                else:
                    self._db.execute(f"rollback to {name}")
                    self._db.execute(f"release {name}")
                raise
            self._depth -= 1
            self._db.execute("commit" if self._depth == 0 else f"release {name}")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """What a statement gives."""
        with self.lock:
            return self._db.execute(sql, parameters).fetchall()

    def many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        """A statement, many times."""
        with self.lock:
            self._db.executemany(sql, parameters)

    def next_id(self, realm: str, sequence: str, count: int = 1) -> int:
        """The first of `count` new ids."""
        found = self.rows(
            "insert into sequence values (?, ?, ?) on conflict do update set last = last + ? returning last",
            (realm, sequence, count, count),
        )
        return int(found[0][0]) - count + 1

    def get(self, realm: str, entity: str, identity: int) -> Row | None:
        """A document, or its tombstone."""
        found = self.rows(
            "select id, updated, deleted, poison, body from document where realm = ? and entity = ? and id = ?",
            (realm, entity, identity),
        )
        return Row(*found[0]) if found else None

    def put(self, realm: str, entity: str, document: Document, updated: int, name_key: str | None) -> None:
        """Stores a document, new or changed."""
        self.put_many([columns(realm, entity, document, updated, name_key)])

    def put_many(self, rows: Sequence[Sequence[Any]]) -> None:
        """Stores rows made by `columns`."""
        self.many(
            "insert into document (realm, entity, id, updated, scatter, active, name_key, doc_number, customer, body)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (realm, entity, id) do update set"
            " updated = excluded.updated, active = excluded.active, name_key = excluded.name_key,"
            " doc_number = excluded.doc_number, customer = excluded.customer, body = excluded.body",
            rows,
        )

    def bury(self, realm: str, entity: str, identity: int, updated: int) -> None:
        """Leaves of a document only that it was."""
        self.rows(
            "update document set deleted = 1, body = null, name_key = null, doc_number = null, customer = null,"
            " updated = ? where realm = ? and entity = ? and id = ?",
            (updated, realm, entity, identity),
        )


def columns(realm: str, entity: str, document: Document, updated: int, name_key: str | None) -> tuple[Any, ...]:
    """A row as `put_many` takes it."""
    identity = int(document["Id"])
    active = document.get("Active")
    customer = document.get("CustomerRef")
    return (
        realm,
        entity,
        identity,
        updated,
        identity * 7919 % 10007,
        None if active is None else int(active),
        name_key,
        document.get("DocNumber"),
        int(customer["value"]) if customer else None,
        dumps(document),
    )
