"""Ids as people write them, whole or by the characters with which lists show them; and in the order of time."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.errors import InvoicePipelinesError

SHORTEST = 4


class UnknownId(InvoicePipelinesError):
    """What somebody wrote is no id, or that of nothing or of several things in the organization."""


def find_id(connection: Connection, relation: str, written: str, what: str, shown_by: str) -> UUID:
    """The id in a table or view of the organization in scope that begins or ends with what was written.

    A whole id is taken as it is, whether there is one or not. `what` it is the id of, and the command by which people
    find it, are for the message and its hint. Raises UnknownId.
    """
    wanted = written.strip().lower()
    with suppress(ValueError):
        return UUID(wanted)
    hint = f"`{shown_by}` shows them"
    if len(wanted) < SHORTEST or set(wanted) - set("0123456789abcdef-"):
        raise UnknownId(
            f"{written[:60]!r} is not the id of {what}, nor at least {SHORTEST} characters of its start or end",
            hint=hint,
        )
    found = connection.execute(
        text(
            f"""select id from {relation}
                where organization_id = organizations.current()
                  and (id::text like :wanted || '%' or id::text like '%' || :wanted) order by id limit 2"""
        ),
        {"wanted": wanted},
    ).scalars()
    match found.all():
        case [UUID() as only]:
            return only
        case []:
            raise UnknownId(f"no id of {what} begins or ends with {wanted}", hint=hint)
        case _:
            raise UnknownId(f"{wanted} matches several ids; type more characters", hint=hint)


def first_id(moment: datetime) -> UUID:
    """No id that was made since a moment (uuidv7) is below this one, even if the clock was set back by a second."""
    milliseconds = int(moment.timestamp() * 1000) - 1000
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62)
