"""Who changed what of an organization; PostgreSQL writes it down with each change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A value that was changed: `setting` is its name, such as `vat_id` or `settings.messages.quiet_from`; a value that
    is None was not set.
    """

    id: UUID
    setting: str
    old_value: Any
    new_value: Any
    created_at: datetime
    created_by: str


def list_setting_changes(connection: Connection, *, after: UUID | None = None, limit: int = 50) -> list[SettingChange]:
    """What was changed of the organization in scope, the latest first; `after` is the last one of the page before."""
    rows = connection.execute(
        text(
            """select id, setting, old_value, new_value, created_at, created_by from organizations.setting_change
               where organization_id = (select organizations.current())
                 and (cast(:after as uuid) is null or id < :after)
               order by organization_id, id desc limit :limit"""
        ),
        {"after": after, "limit": limit},
    )
    return [SettingChange(*row) for row in rows]
