"""Time that passes for files in an inbox: the clock that says how long they lie still is PostgreSQL's."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, text


def let_files_lie(connection: Connection, passed: timedelta) -> None:
    """As if the last looks into the inboxes that the connection may see had been so much earlier."""
    statement = """update intake.arrival set last_seen_at = last_seen_at - cast(:passed as interval),
                                             still_since = still_since - cast(:passed as interval)
                   where outcome is null"""
    connection.execute(text(statement), {"passed": passed})
