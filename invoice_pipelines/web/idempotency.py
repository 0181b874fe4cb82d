"""Requests that may be repeated: the answer to a request with an `Idempotency-Key` is kept in the transaction of its
effect, so that there is either both or none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import BaseModel
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from invoice_pipelines.database.errors import LOCK_NOT_AVAILABLE, sqlstate
from invoice_pipelines.web.problems import Refusal, wrong_field

LONGEST_KEY = 255
_KEPT = "24 hours"


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered: the status, the address of what was made, and the body as JSON."""

    status: int
    location: str | None
    body: str


def request_hash(method: str, path: str, body: BaseModel | str | None) -> bytes:
    """What tells one request from another."""
    said = body.model_dump_json() if isinstance(body, BaseModel) else body or ""
    return hashlib.sha256(f"{method} {path}\n{said}".encode()).digest()


def kept_answer(
    connection: Connection, actor: str, key: str, request: bytes, *, waits: bool = False
) -> KeptAnswer | None:
    """The answer that an equal request got; None for the first one, which has the key until the transaction ends.

    Raises Refusal while an equal request is being done, and where the key belongs to another request. `waits`: for the
    equal one, as long as for any lock; a person whose form is sent twice sees the page for the second one alone.
    """
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise wrong_field("Idempotency-Key", f"must have 1 to {LONGEST_KEY} printable characters")
    take = "pg_advisory_xact_lock" if waits else "pg_try_advisory_xact_lock"
    try:
        taken = connection.execute(
            text(f"select {take}(hashtextextended(organizations.current() || cast(:named as text), 0))"),
            {"named": f" {actor} {key}"},
        ).scalar_one()
    except OperationalError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        taken = False
    if taken is False:
        raise Refusal(
            409,
            "REQUEST_IN_FLIGHT",
            "A request with this Idempotency-Key is being done. Send this one again for its answer.",
            headers={"Retry-After": "1"},
        )
    return find_answer(connection, actor, key, request)


def find_answer(connection: Connection, actor: str, key: str, request: bytes) -> KeptAnswer | None:
    """The answer that an equal request got, if it is done. Raises Refusal where the key belongs to another request."""
    row = connection.execute(
        text(
            f"""select request_sha256, status, location, answer from web.idempotency_key
                where organization_id = organizations.current() and created_by = :actor and key = :key
                  and created_at > now() - interval '{_KEPT}'"""
        ),
        {"actor": actor, "key": key},
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.request_sha256) != request:
        raise Refusal(
            422,
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key belongs to another request. Use a new key for each new request.",
        )
    return KeptAnswer(row.status, row.location, row.answer)


def keep_answer(connection: Connection, actor: str, key: str, request: bytes, answer: KeptAnswer) -> None:
    """Keeps an answer for a day, and removes some that were kept for longer."""
    connection.execute(
        text(
            f"""with one as materialized (  -- others would wait for the end of this transaction
                    select pg_try_advisory_xact_lock(hashtextextended(organizations.current() || ' old keys', 0)) as me
                ), old as (
                    select key, created_by from web.idempotency_key
                    where organization_id = organizations.current() and created_at < now() - interval '{_KEPT}'
                      and (select me from one)
                    order by created_at limit 20
                )
                delete from web.idempotency_key k using old
                where k.organization_id = organizations.current()
                  and ((k.created_by, k.key) = (old.created_by, old.key)
                       or (k.created_by, k.key) = (:actor, :key))"""
        ),
        {"actor": actor, "key": key},
    )
    connection.execute(
        text(
            """insert into web.idempotency_key
                   (organization_id, created_by, key, request_sha256, status, location, answer)
               values (organizations.current(), :actor, :key, :request, :status, :location, :answer)"""
        ),
        {
            "actor": actor,
            "key": key,
            "request": request,
            "status": answer.status,
            "location": answer.location,
            "answer": answer.body,
        },
    )
