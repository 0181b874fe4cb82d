"""The connection of an organization with its QuickBooks company: making it, finding it, ending it.

How a person allows the connection is in `authorization`, what becomes of tokens in `tokens`, how calls are stopped in
`realm`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.http_clients import open_http_client
from invoice_pipelines.quickbooks.api.company import CALLS_TO_READ, read_company
from invoice_pipelines.quickbooks.api.faults import NotConnected, QuickBooksError
from invoice_pipelines.quickbooks.api.options import Company, ConnectionOptions
from invoice_pipelines.quickbooks.api.rate import count_calls
from invoice_pipelines.quickbooks.connection import oauth
from invoice_pipelines.quickbooks.connection.oauth import Tokens
from invoice_pipelines.quickbooks.connection.secrets import SecretsError, seal, unseal
from invoice_pipelines.quickbooks.events import record_event
from invoice_pipelines.settings import Settings

_ACCESS_TOKEN_LASTS = timedelta(hours=1)
_REFRESH_TOKEN_LASTS = timedelta(days=100)


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection of an organization, without its tokens.

    `status` is `connected`, `unconfirmed` (another company than before: nothing is read or written until a person
    agrees), `needs_reconnect` or `disconnected`.
    """

    organization_id: UUID
    realm_id: str
    status: str
    company: Company
    options: ConnectionOptions
    paused_until: datetime | None
    status_reason: str | None = None
    paused_reason: str | None = None
    connected_at: datetime | None = None
    connected_by: str = ""
    access_refused_since: datetime | None = None
    """Since when QuickBooks refuses calls although it gives new tokens; None: it does not."""

    def is_paused(self, now: datetime) -> bool:
        """Whether nothing is asked of the company at that moment."""
        return self.paused_until is not None and self.paused_until > now


@dataclass(frozen=True, slots=True)
class Allowed:
    """A company that its tokens open, as it is set."""

    realm_id: str
    company: Company
    tokens: Tokens


def find_connection(connection: Connection, *, to_change: bool = False) -> Connected | None:
    """The connection of the organization in scope; None where it never had one. `to_change`: others who want to change
    it wait for the end of this transaction.
    """
    row = connection.execute(
        text(
            f"""select organization_id, realm_id, status, company, options, paused_until, status_reason, paused_reason,
                      connected_at, connected_by, access_refused_since
               from quickbooks.connection
               where organization_id = organizations.current() {"for update" if to_change else ""}"""
        )
    ).one_or_none()
    if row is None:
        return None
    return Connected(
        **{
            **row._mapping,
            "company": Company.model_validate(row.company),
            "options": ConnectionOptions.model_validate(row.options),
        }
    )


def connection_of(connection: Connection, *, to_change: bool = False) -> Connected:
    """The same. Raises NotConnected where there never was one."""
    known = find_connection(connection, to_change=to_change)
    if known is None:
        raise NotConnected
    return known


def connect_with_tokens(
    engine: Engine,
    settings: Settings,
    organization_id: UUID,
    *,
    realm_id: str,
    access_token: str,
    refresh_token: str,
    connected_by: str,
) -> Connected:
    """Connects an organization by tokens that exist already, such as those of another tool that is replaced.

    The access token counts as valid for an hour and the refresh token for 100 days. Asks the company for its
    settings, and so proves that the tokens are good for it. A company other than the one before is `unconfirmed`.
    Raises QuickBooksError where another organization has the company, or the tokens do not open it.
    """
    now = datetime.now(UTC)
    tokens = Tokens(
        access_token=access_token,
        refresh_token=refresh_token,
        access_expires_at=now + _ACCESS_TOKEN_LASTS,
        refresh_expires_at=now + _REFRESH_TOKEN_LASTS,
        refresh_hard_expires_at=None,
    )
    allowed = ask_company(settings, realm_id, tokens)
    with organization_scope(engine, organization_id) as connection:
        return connect(connection, settings, allowed, connected_by=connected_by)


def ask_company(settings: Settings, realm_id: str, tokens: Tokens) -> Allowed:
    """What a company is set to, which proves that the tokens are good for it. Raises QuickBooksError otherwise."""
    if not (realm_id.isascii() and realm_id.isdigit() and len(realm_id) <= 20):
        raise QuickBooksError(f"{realm_id[:40]!r} is not a company of QuickBooks: a realm id has up to 20 digits.")
    with open_http_client() as http:
        return Allowed(realm_id, read_company(http, settings, realm_id, tokens.access_token), tokens)


def connect(connection: Connection, settings: Settings, allowed: Allowed, *, connected_by: str) -> Connected:
    """Connects the organization in scope with a company; one that is another than before is `unconfirmed`.

    Raises QuickBooksError where another organization has the company.
    """
    realm_id, company, tokens = allowed.realm_id, allowed.company, allowed.tokens
    connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended('quickbooks realm ' || :realm, 0))"),
        {"realm": realm_id},
    )
    if connection.execute(text("select quickbooks.realm_is_taken(:realm)"), {"realm": realm_id}).scalar_one():
        raise QuickBooksError(
            f"The company {company.name} ({realm_id}) is connected with another organization; disconnect it there.",
            code="COMPANY_TAKEN",
        )
    connection.execute(
        text(
            """insert into quickbooks.connection as c (
                   organization_id, realm_id, confirmed_realm_id, token_version, access_token_expires_at,
                   refresh_token_expires_at, refresh_token_hard_expires_at, company, connected_by)
               values (organizations.current(), :realm_id, :realm_id, 1, :access_expires, :refresh_expires,
                       :hard_expires, cast(:company as jsonb), :connected_by)
               on conflict (organization_id) do update
               set realm_id = excluded.realm_id,
                   status = case when c.confirmed_realm_id = excluded.realm_id then 'connected'
                                 else 'unconfirmed' end,
                   status_reason = case when c.confirmed_realm_id <> excluded.realm_id then :other_company
                                        || c.confirmed_realm_id || '. Nothing is read or written until somebody '
                                        || 'confirms that.' end,
                   -- Ids of accounts, tax codes and items mean something else in another company.
                   options = case when c.realm_id = excluded.realm_id then c.options else c.options
                                  - '{income_account,tax_codes,default_item,discount_item}'::text[] end,
                   paused_until = null, paused_reason = null, access_refused_since = null,
                   token_version = c.token_version + 1,
                   access_token_expires_at = excluded.access_token_expires_at,
                   refresh_token_expires_at = excluded.refresh_token_expires_at,
                   refresh_token_hard_expires_at = excluded.refresh_token_hard_expires_at,
                   company = excluded.company, company_read_at = clock_timestamp(),
                   connected_at = clock_timestamp(),
                   connected_by = excluded.connected_by, updated_at = clock_timestamp()"""
        ),
        {
            "realm_id": realm_id,
            "access_expires": tokens.access_expires_at,
            "refresh_expires": tokens.refresh_expires_at,
            "hard_expires": tokens.refresh_hard_expires_at,
            "company": company.model_dump_json(),
            "connected_by": connected_by,
            "other_company": f"The organization is connected with {company.name} ({realm_id}) now, before it was ",
        },
    )
    connected = connection_of(connection)
    # In two statements without a condition, as the web may write tokens and not read them.
    connection.execute(text("delete from quickbooks.token_pair"))
    connection.execute(
        text(
            """insert into quickbooks.token_pair (organization_id, sealed)
               values (organizations.current(), :sealed)"""
        ),
        {"sealed": seal(settings, connected.organization_id, realm_id, tokens.secrets)},
    )
    count_calls(connection, realm_id, CALLS_TO_READ)
    message = f"{connected_by} connected {company.name} ({realm_id})."
    record_event(connection, realm_id, "CONNECTED", message, detail={"by": connected_by})
    if connected.status == "unconfirmed":
        record_event(connection, realm_id, "OTHER_COMPANY", connected.status_reason or "", severity="warning")
    return connected


def confirm_company(connection: Connection, *, confirmed_by: str) -> Connected:
    """A person agrees that the organization in scope works with another company from now on.

    Everything is then pushed and pulled anew, as mappings belong to a company. Raises QuickBooksError where there is
    nothing to agree to.
    """
    known = connection_of(connection)
    changed = connection.execute(
        text(
            """update quickbooks.connection
               set status = 'connected', status_reason = null, confirmed_realm_id = realm_id,
                   updated_at = clock_timestamp()
               where organization_id = organizations.current() and status = 'unconfirmed'"""
        )
    ).rowcount
    if not changed:
        raise QuickBooksError(
            f"There is no change of company to confirm: the connection is {known.status}.",
            code="NOTHING_TO_CONFIRM",
        )
    message = f"{confirmed_by} confirmed the change to {known.company.name} ({known.realm_id})."
    record_event(connection, known.realm_id, "COMPANY_CONFIRMED", message, detail={"by": confirmed_by})
    return connection_of(connection)


def disconnect(engine: Engine, settings: Settings, organization_id: UUID, *, disconnected_by: str) -> None:
    """Ends the connection and gives the tokens back. Mappings stay, for when the same company is connected again."""
    with organization_scope(engine, organization_id) as connection:
        end_connection(connection, disconnected_by=disconnected_by)
    give_tokens_back(engine, settings, organization_id)


def end_connection(connection: Connection, *, disconnected_by: str) -> None:
    """Ends the connection of the organization in scope. Its tokens work for nobody any more; the next run of the sync
    gives them back, or `give_tokens_back`. Raises QuickBooksError where there never was a connection.
    """
    known = connection_of(connection)
    connection.execute(
        text(
            """update quickbooks.connection
               set status = 'disconnected', status_reason = :reason,
                   token_version = token_version + 1, paused_until = null, paused_reason = null,
                   access_refused_since = null, access_token_expires_at = null, refresh_token_expires_at = null,
                   refresh_token_hard_expires_at = null, updated_at = clock_timestamp()
               where organization_id = organizations.current()"""
        ),
        {"reason": f"Disconnected by {disconnected_by}."},
    )
    connection.execute(text("update quickbooks.token_pair set is_ended = true"))
    message = f"{disconnected_by} disconnected {known.company.name} ({known.realm_id})."
    record_event(connection, known.realm_id, "DISCONNECTED", message, detail={"by": disconnected_by})


def give_tokens_back(engine: Engine, settings: Settings, organization_id: UUID) -> None:
    """Revokes the tokens of a connection that was ended, and forgets them. The web cannot: it sees no tokens."""
    with organization_scope(engine, organization_id) as connection:
        ended = connection.execute(
            text(
                """delete from quickbooks.token_pair t using quickbooks.connection c
                   where t.organization_id = organizations.current() and t.is_ended
                     and c.organization_id = t.organization_id
                   returning c.realm_id, t.sealed"""
            )
        ).one_or_none()
    if ended is not None:
        # Intuit's tokens end by themselves; what cannot be reached or opened does not keep the connection.
        with contextlib.suppress(oauth.TokenServiceAway, SecretsError), open_http_client() as http:
            oauth.revoke(
                http, settings, unseal(settings, organization_id, ended.realm_id, ended.sealed)["refresh_token"]
            )


def store_company(connection: Connection, realm_id: str, company: Company) -> None:
    """Stores what the company of the organization in scope is set to, unless it has another one meanwhile."""
    connection.execute(
        text(
            """update quickbooks.connection
               set company = cast(:company as jsonb), company_read_at = clock_timestamp(),
                   updated_at = case when company = cast(:company as jsonb) then updated_at else clock_timestamp() end
               where organization_id = organizations.current() and realm_id = :realm"""
        ),
        {"realm": realm_id, "company": company.model_dump_json()},
    )


def company_is_old(connection: Connection) -> bool:
    """Whether what the company of the organization in scope is set to was read longer than half a day ago."""
    return bool(
        connection.execute(
            text(
                """select company_read_at < now() - interval '12 hours' from quickbooks.connection
                   where organization_id = organizations.current()"""
            )
        ).scalar()
    )


def change_options(
    engine: Engine, organization_id: UUID, changes: Mapping[str, Any], *, changed_by: str
) -> ConnectionOptions:
    """Changes some of what the organization chose; returns it as it is now. Raises QuickBooksError for wrong values."""
    with organization_scope(engine, organization_id) as connection:
        return change_options_in_scope(connection, changes, changed_by=changed_by)


def change_options_in_scope(
    connection: Connection, changes: Mapping[str, Any], *, changed_by: str
) -> ConnectionOptions:
    """The same, for the organization in scope."""
    known = connection_of(connection, to_change=True)
    try:
        new = ConnectionOptions.model_validate({**known.options.model_dump(), **changes})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise QuickBooksError(f"Options of QuickBooks: {problems}") from None
    connection.execute(
        text(
            """update quickbooks.connection
               set options = cast(:options as jsonb), updated_at = clock_timestamp()
               where organization_id = organizations.current()"""
        ),
        {"options": new.model_dump_json()},
    )
    before = known.options.model_dump()
    changed = {name: [before[name], value] for name, value in new.model_dump().items() if value != before[name]}
    if changed:
        message = f"{changed_by} changed {', '.join(sorted(changed))}."
        record_event(
            connection, known.realm_id, "OPTIONS_CHANGED", message, detail={"by": changed_by, "changed": changed}
        )
    return new
