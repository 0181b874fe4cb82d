"""The tokens of one connection: who has a valid one, and who gets a new one when it ends.

Many processes find the same token expired at the same moment, and each refresh may end the refresh token before it. So
a refresh is made under the lock of the connection's row (the only call that is made inside a transaction), and those
that waited for the lock find the new version and use it. New tokens are stored before they are used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import httpx
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.quickbooks.api.faults import RealmPaused
from invoice_pipelines.quickbooks.connection import oauth
from invoice_pipelines.quickbooks.connection.oauth import (
    ClientRefused,
    GrantRefused,
    RefreshRefused,
    Tokens,
    TokenServiceAway,
)
from invoice_pipelines.quickbooks.connection.realm import Realm
from invoice_pipelines.quickbooks.connection.secrets import seal, unseal
from invoice_pipelines.quickbooks.events import Severity, record_event
from invoice_pipelines.settings import Settings

REFRESHED_BEFORE = timedelta(minutes=5)
"""How long a token must be valid yet, as a call may wait some minutes for its turn after it got the token."""

IDLE_WARNING = timedelta(days=3)
HARD_WARNING = timedelta(days=30)

_SERVICE_AWAY_PAUSE = timedelta(seconds=30)
_CONFIGURATION_PAUSE = timedelta(minutes=5)
_REFUSAL_LASTS = timedelta(hours=6)
"""After which a refusal of calls and of new tokens is believed. Intuit's own troubles were over sooner."""
_LONGEST_LOCK_WAIT = "90s"
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Access:
    """An access token, and which version of the stored tokens it is from."""

    token: str = field(repr=False)
    version: int
    expires_at: datetime


class TokenKeeper:
    """Gives the calls of one connection their access token. Thread safe."""

    def __init__(self, realm: Realm, settings: Settings, http: httpx.Client) -> None:
        self._realm = realm
        self._settings = settings
        self._http = http
        self._lock = Lock()
        self._access: Access | None = None

    def access(self) -> Access:
        """A token that is valid for some minutes. Raises RealmPaused where there is none to be had."""
        with self._lock:
            if self._access is None:
                self._access = self._stored()
            if self._access.expires_at - datetime.now(UTC) < REFRESHED_BEFORE:
                self._access = self._renew(self._access)
            return self._access

    def renew(self, refused: Access) -> Access:
        """Another token than one that QuickBooks refused. Raises RealmPaused where there is none to be had."""
        with self._lock:
            if self._access is None or self._access.version == refused.version:
                self._access = self._renew(refused)
            return self._access

    def refused(self, reason: str, intuit_tid: str | None) -> RealmPaused:
        """Pauses the connection, as QuickBooks refuses calls though it gives new tokens; returns what to raise.

        That is no end: a gateway in trouble says the same for minutes or hours, and the tokens are good afterwards.
        """
        until, since = self._realm.pause_refused(reason, intuit_tid=intuit_tid)
        return RealmPaused(f"{reason} Access is refused since {since:%Y-%m-%d %H:%M} UTC.", until)

    def _give_up(self, refused: Access, reason: str) -> RealmPaused:
        reason = f"{reason} A person of the company must connect it again."
        self._realm.stop_until_reconnected(refused.version, reason)
        return RealmPaused(reason)

    def _stored(self) -> Access:
        with self._realm.scope() as connection:
            row = self._row(connection)
            warn_of_expiry(connection, datetime.now(UTC))
            return self._opened(row)[0]

    def _renew(self, before: Access) -> Access:
        tried = before
        while True:
            try:
                return self._renew_under_lock(tried)
            except GrantRefused as error:
                # Another process may have stored newer tokens after our lock was lost with its session.
                now = self._stored()
                if now.version != tried.version:
                    tried = now
                    if now.expires_at - datetime.now(UTC) >= REFRESHED_BEFORE:
                        return now
                    continue
                raise self._give_up(tried, str(error)) from None
            except RefreshRefused as error:
                until, since = self._realm.pause_refused(str(error))
                if datetime.now(UTC) - since >= _REFUSAL_LASTS:
                    raise self._give_up(tried, f"{error} That has been so since {since:%Y-%m-%d %H:%M} UTC.") from None
                raise RealmPaused(str(error), until) from None
            except ClientRefused as error:
                raise self._paused(_CONFIGURATION_PAUSE, str(error), "CONFIGURATION", "error") from None
            except TokenServiceAway as error:
                raise self._paused(_SERVICE_AWAY_PAUSE, str(error), "TOKEN_SERVICE_AWAY", "warning") from None
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                    raise
                raise RealmPaused("Another process has been refreshing the tokens for too long.") from None

    def _renew_under_lock(self, before: Access) -> Access:
        new: Tokens | None = None
        version = before.version
        try:
            with self._realm.scope() as connection:
                connection.execute(text(f"set local lock_timeout = '{_LONGEST_LOCK_WAIT}'"))
                row = self._row(connection, lock=True)
                access, refresh_token = self._opened(row)
                version = access.version
                if version != before.version and access.expires_at - datetime.now(UTC) >= REFRESHED_BEFORE:
                    return access
                new = oauth.refresh(self._http, self._settings, refresh_token)
                self._store(connection, new, version)
                warn_of_expiry(connection, datetime.now(UTC))
        except DBAPIError:
            if new is None:
                raise
            # The session was lost while the answer was on its way. These may be the only tokens that are valid.
            with self._realm.scope() as connection:
                if not self._store(connection, new, version):
                    return self._opened(self._row(connection))[0]
        return Access(new.access_token, version + 1, new.access_expires_at)

    def _row(self, connection: Connection, *, lock: bool = False) -> Any:
        if lock:
            # Before the tokens are read: a statement that waits for a lock sees what else it reads as it was before.
            connection.execute(
                text(
                    """select from quickbooks.connection
                       where organization_id = organizations.current() for no key update"""
                )
            )
        row = connection.execute(
            text(
                """select c.realm_id, c.status, c.status_reason, c.token_version, c.access_token_expires_at, t.sealed
                   from quickbooks.connection c
                   left join quickbooks.token_pair t on t.organization_id = c.organization_id and not t.is_ended
                   where c.organization_id = organizations.current()"""
            )
        ).one_or_none()
        if row is None or row.realm_id != self._realm.realm_id or row.sealed is None or row.status == "needs_reconnect":
            reason = row.status_reason if row is not None and row.realm_id == self._realm.realm_id else None
            raise RealmPaused(reason or "The organization is not connected with this company any more.")
        return row

    def _opened(self, row: Any) -> tuple[Access, str]:
        secrets = unseal(self._settings, self._realm.organization_id, self._realm.realm_id, row.sealed)
        access = Access(secrets["access_token"], row.token_version, row.access_token_expires_at)
        return access, secrets["refresh_token"]

    def _store(self, connection: Connection, new: Tokens, version: int) -> bool:
        """Stores tokens in place of those of a version; false where another process was first."""
        stored = connection.execute(
            text(
                """update quickbooks.connection c
                   set token_version = c.token_version + 1, access_token_expires_at = :access_expires,
                       refresh_token_expires_at = :refresh_expires,
                       refresh_token_hard_expires_at = coalesce(:hard_expires, c.refresh_token_hard_expires_at),
                       status = case c.status when 'needs_reconnect' then 'connected' else c.status end,
                       status_reason = case c.status when 'needs_reconnect' then null else c.status_reason end,
                       updated_at = clock_timestamp()
                   where c.organization_id = organizations.current() and c.realm_id = :realm
                     and c.token_version = :version and c.status <> 'disconnected'"""
            ),
            {
                "access_expires": new.access_expires_at,
                "refresh_expires": new.refresh_expires_at,
                "hard_expires": new.refresh_hard_expires_at,
                "realm": self._realm.realm_id,
                "version": version,
            },
        ).rowcount
        if stored:
            connection.execute(
                text(
                    "update quickbooks.token_pair set sealed = :sealed where organization_id = organizations.current()"
                ),
                {"sealed": seal(self._settings, self._realm.organization_id, self._realm.realm_id, new.secrets)},
            )
        return bool(stored)

    def _paused(self, duration: timedelta, reason: str, code: str, severity: Severity) -> RealmPaused:
        return RealmPaused(reason, self._realm.pause(duration, reason, code=code, severity=severity))


def expiry_dates(connection: Connection, now: datetime) -> dict[str, datetime]:
    """When the refresh token of the organization in scope ends, by event code, where people have to do something."""
    row = connection.execute(
        text(
            """select refresh_token_expires_at as idle, refresh_token_hard_expires_at as hard
               from quickbooks.connection
               where organization_id = organizations.current()"""
        )
    ).one_or_none()
    dates = {}
    if row is not None and row.idle is not None and row.idle - now <= IDLE_WARNING:
        dates["REFRESH_TOKEN_EXPIRES"] = row.idle
    if row is not None and row.hard is not None and row.hard - now <= HARD_WARNING:
        dates["RECONNECT_DUE"] = row.hard
    return dates


def expiry_warnings(connection: Connection, now: datetime) -> dict[str, str]:
    """The same as what to tell people: a sentence by event code."""
    return {code: _EXPIRY[code].format(day=day) for code, day in expiry_dates(connection, now).items()}


_EXPIRY = {
    "REFRESH_TOKEN_EXPIRES": "The connection ends on {day:%Y-%m-%d} if nothing is read or written before then; run a "
    "sync.",
    "RECONNECT_DUE": "Intuit ends the connection on {day:%Y-%m-%d}, whatever is done with it; connect it again before.",
}


def warn_of_expiry(connection: Connection, now: datetime) -> None:
    """Records each of these warnings, once for each date."""
    for code, sentence in expiry_warnings(connection, now).items():
        newest = connection.execute(
            text(
                """select message from quickbooks.event
                   where organization_id = organizations.current() and code = :code
                   order by id desc limit 1"""
            ),
            {"code": code},
        ).scalar_one_or_none()
        if newest != sentence:
            realm_id = connection.execute(
                text(
                    """select realm_id from quickbooks.connection
                       where organization_id = organizations.current()"""
                )
            ).scalar_one()
            record_event(connection, realm_id, code, sentence, severity="warning")
