"""Tokens: refreshed once however many need it, stored before they are used, lost by nobody, seen by nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import Engine, text

from invoice_pipelines.database import create_app_engine, organization_scope
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault, RealmPaused
from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines.quickbooks.connection.realm import Realm
from invoice_pipelines.quickbooks.connection.secrets import SecretsError, rotate_keys
from invoice_pipelines.quickbooks.connection.tokens import TokenKeeper
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase

REALM = "9130001"
OTHER = "9130002"
WORKERS = 20


def keeper(engine: Engine, settings: Settings, organization: UUID) -> TokenKeeper:
    """What each process has of its own."""
    return TokenKeeper(Realm(engine, organization, REALM), settings, httpx.Client())


def change(database: TestDatabase, organization: UUID, assignments: str) -> None:
    with organization_scope(database.engine, organization) as connection:
        connection.execute(text(f"update quickbooks.connection set {assignments}"))


def let_access_end(database: TestDatabase, organization: UUID) -> None:
    change(database, organization, "access_token_expires_at = now()")


def events(database: TestDatabase, organization: UUID) -> list[str]:
    with organization_scope(database.engine, organization) as connection:
        found = connection.execute(text("select code from quickbooks.event where code <> 'CONNECTED' order by id"))
        return list(found.scalars())


def status(database: TestDatabase, organization: UUID) -> str:
    with organization_scope(database.engine, organization) as connection:
        known = find_connection(connection)
        assert known is not None
        return known.status


def secrets_of(database: TestDatabase, settings: Settings, organization: UUID) -> list[str]:
    from invoice_pipelines.quickbooks.connection.secrets import unseal

    with organization_scope(database.engine, organization) as connection:
        row = connection.execute(text("select realm_id, tokens from quickbooks.connection")).one()
    return list(unseal(settings, organization, row.realm_id, row.tokens).values())


def test_twenty_workers_that_find_an_expired_token_make_one_refresh(
    database: TestDatabase, quickbooks_settings: Settings, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    let_access_end(database, organization)
    engine = create_app_engine(database.app_url, pool_size=WORKERS)
    together = threading.Barrier(WORKERS)
    found: list[str] = []

    def work() -> None:
        own = keeper(engine, quickbooks_settings, organization)
        together.wait()
        found.append(own.access().token)

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert len(sandbox.calls("", "token")) == 1
    assert len(found) == WORKERS
    assert set(found) == {secrets_of(database, quickbooks_settings, organization)[0]}


@pytest.mark.parametrize("grace", [True, False])
def test_a_process_that_dies_before_it_stores_new_tokens_costs_a_reconnect_at_most(
    database: TestDatabase,
    quickbooks_settings: Settings,
    sandbox: Sandbox,
    connected: Callable[..., UUID],
    monkeypatch: pytest.MonkeyPatch,
    grace: bool,
) -> None:
    organization = connected("acme")
    sandbox.switches.refresh_token_grace = timedelta(days=1 if grace else 0)
    let_access_end(database, organization)

    class Death(BaseException):
        pass

    def die(*_: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(TokenKeeper, "_store", die)
        with pytest.raises(Death):
            keeper(database.engine, quickbooks_settings, organization).access()
    assert len(sandbox.calls("", "token")) == 1
    if grace:
        keeper(database.engine, quickbooks_settings, organization).access()
        assert status(database, organization) == "connected"
        return
    for _ in range(4):
        with pytest.raises(RealmPaused, match="quickbooks connect"):
            keeper(database.engine, quickbooks_settings, organization).access()
    assert len(sandbox.calls("", "token")) == 2
    assert status(database, organization) == "needs_reconnect"
    assert events(database, organization) == ["NEEDS_RECONNECT"]


def test_a_token_that_a_sibling_rotated_is_read_again_and_not_refreshed(
    database: TestDatabase, quickbooks_settings: Settings, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    one, other = (keeper(database.engine, quickbooks_settings, organization) for _ in range(2))
    before = one.access()
    assert other.access() == before
    renewed = other.renew(before)
    assert one.renew(before) == renewed
    assert len(sandbox.calls("", "token")) == 1


def test_tokens_that_came_after_their_lock_was_lost_are_stored_even_if_a_sibling_gave_up_meanwhile(
    database: TestDatabase, quickbooks_settings: Settings, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    let_access_end(database, organization)
    sandbox.faults.inject("SLOW", operation="token", seconds=1.5)
    slow = keeper(database.engine, quickbooks_settings, organization)
    thread = threading.Thread(target=slow.access)
    thread.start()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with database.superuser.begin() as connection:
            killed = connection.execute(
                text(
                    """select pg_terminate_backend(pid) from pg_stat_activity
                       where datname = current_database() and state = 'idle in transaction'
                         and query like '%for no key update%'"""
                )
            ).all()
        if killed:
            break
        time.sleep(0.02)
    with pytest.raises(RealmPaused):  # it has the token that is not good any more
        keeper(database.engine, quickbooks_settings, organization).access()
    assert status(database, organization) == "needs_reconnect"
    thread.join()
    assert status(database, organization) == "connected"
    with QuickBooks(database.engine, quickbooks_settings, organization) as quickbooks:
        assert quickbooks.count("Customer") == 0


def test_a_refused_client_is_an_alarm_about_the_configuration_and_no_reason_to_connect_again(
    database: TestDatabase, quickbooks_settings: Settings, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    sandbox.oauth.clients = {"client": "another secret"}
    let_access_end(database, organization)
    with pytest.raises(RealmPaused, match="QUICKBOOKS_CLIENT_SECRET"):
        keeper(database.engine, quickbooks_settings, organization).access()
    assert status(database, organization) == "connected"
    assert events(database, organization) == ["CONFIGURATION"]
    sandbox.oauth.clients = {}
    change(database, organization, "paused_until = null")
    with QuickBooks(database.engine, quickbooks_settings, organization) as quickbooks:
        assert quickbooks.count("Customer") == 0


def test_a_connection_that_is_about_to_end_is_announced_once(
    database: TestDatabase, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    keeper(database.engine, quickbooks_settings, organization).access()
    assert events(database, organization) == []
    change(
        database,
        organization,
        "refresh_token_expires_at = now() + interval '1 day', refresh_token_hard_expires_at = now() + interval '29 d'",
    )
    for _ in range(3):
        keeper(database.engine, quickbooks_settings, organization).access()
    assert events(database, organization) == ["REFRESH_TOKEN_EXPIRES", "RECONNECT_DUE"]


def test_a_refresh_tells_when_the_company_must_connect_again(
    database: TestDatabase, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    let_access_end(database, organization)
    keeper(database.engine, quickbooks_settings, organization).access()
    with organization_scope(database.engine, organization) as connection:
        hard = connection.execute(text("select refresh_token_hard_expires_at from quickbooks.connection")).scalar_one()
    assert timedelta(days=5 * 365 - 1) < hard - datetime.now(UTC) < timedelta(days=5 * 365 + 1)


def test_tokens_of_a_row_that_was_copied_to_another_organization_open_for_nobody(
    database: TestDatabase, quickbooks_settings: Settings, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization, other = connected("acme"), connected("other", OTHER)
    with database.superuser.begin() as connection:
        connection.execute(
            text(
                """update quickbooks.connection c set realm_id = s.realm_id, tokens = s.tokens
                   from quickbooks.connection s where s.organization_id = :source and c.organization_id = :target"""
            ),
            {"source": organization, "target": other},
        )
    with (
        QuickBooks(database.engine, quickbooks_settings, other) as quickbooks,
        pytest.raises(SecretsError, match="another organization"),
    ):
        quickbooks.count("Customer")
    assert sandbox.calls(REALM) == []


def test_keys_are_rotated_while_connections_go_on(
    database: TestDatabase, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> None:
    organization, other = connected("acme"), connected("other", OTHER)
    old = quickbooks_settings.encryption_keys
    assert old is not None
    new = Fernet.generate_key().decode()

    def with_keys(*keys: str) -> Settings:
        return quickbooks_settings.model_copy(update={"encryption_keys": SecretStr(",".join(keys))})

    with pytest.raises(SecretsError, match="ENCRYPTION_KEYS"):
        keeper(database.engine, with_keys(new), organization).access()
    both = with_keys(new, old.get_secret_value())
    keeper(database.engine, both, organization).access()
    assert rotate_keys(database.engine, both) == (2, [])
    keeper(database.engine, with_keys(new), organization).access()
    assert rotate_keys(database.engine, quickbooks_settings) == (0, ["acme", "other"])
    assert secrets_of(database, with_keys(new), other)


def test_without_keys_in_the_settings_a_key_is_made_that_only_its_owner_reads(
    database: TestDatabase, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    without = quickbooks_settings.model_copy(update={"encryption_keys": None})
    with pytest.raises(SecretsError):
        keeper(database.engine, without, organization).access()
    file = quickbooks_settings.home / "encryption.key"
    assert file.stat().st_mode & 0o777 == 0o600
    key = file.read_text()
    assert len(key) == 44
    both = quickbooks_settings.model_copy(
        update={"encryption_keys": SecretStr(f"{key},{quickbooks_settings.encryption_keys.get_secret_value()}")}
    )
    rotate_keys(database.engine, both)
    keeper(database.engine, without, organization).access()
    assert file.read_text() == key


def test_secrets_stand_in_no_row_log_representation_or_error(
    database: TestDatabase,
    quickbooks_settings: Settings,
    sandbox: Sandbox,
    connected: Callable[..., UUID],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    organization = connected("acme")
    secrets = set(secrets_of(database, quickbooks_settings, organization))
    with QuickBooks(database.engine, quickbooks_settings, organization) as quickbooks:
        quickbooks.count("Customer")
        sandbox.oauth.expire(REALM)
        quickbooks.count("Customer")
        secrets |= set(secrets_of(database, quickbooks_settings, organization))
        for fault in ("REFUSED", "TRUNCATED", "DROP", "THROTTLED", "UNAUTHORIZED"):
            sandbox.faults.inject(fault, times=None)
            try:
                quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id=fault)
            except (Fault, RealmPaused) as error:
                said += [str(error), repr(error), repr(error.__cause__), repr(vars(error))]
            sandbox.faults.clear()
            change(database, organization, "paused_until = null")
        own = keeper(database.engine, quickbooks_settings, organization)
        said += [repr(quickbooks), repr(vars(quickbooks)), repr(quickbooks.connected), repr(own), repr(vars(own))]
    secrets |= {"secret", quickbooks_settings.encryption_keys.get_secret_value()}
    said += [repr(quickbooks_settings), caplog.text]
    with database.superuser.connect() as connection:
        for table in ("connection", "event"):
            said += [
                str(row) for row in connection.execute(text(f"select t::text from quickbooks.{table} t")).scalars()
            ]
    assert len(secrets) == 6
    for secret in secrets - {"secret"}:
        assert not any(secret in text for text in said)
    assert "'secret'" not in "".join(said)
