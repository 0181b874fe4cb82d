"""Tokens: refreshed once however many need it, stored before they are used, lost by nobody, seen by nobody."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.quickbooks.api.faults import Fault, RealmPaused
from invoice_pipelines.quickbooks.connection.secrets import SecretsError, rotate_keys
from invoice_pipelines.quickbooks.connection.tokens import TokenKeeper
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.integration.quickbooks.api.conftest import ConnectedOffice
from invoice_pipelines_tests.integration.quickbooks.conftest import REALM
from invoice_pipelines_tests.support.waiting import wait_for

WORKERS = 20


def test_twenty_workers_that_find_an_expired_token_make_one_refresh(office: ConnectedOffice) -> None:
    office.let_access_end()
    engine = create_app_engine(office.database.app_url, pool_size=WORKERS)
    crowded = replace(office, database=replace(office.database, engine=engine))
    together = threading.Barrier(WORKERS)
    found: list[str] = []

    def work() -> None:
        own = crowded.keeper()
        together.wait()
        found.append(own.access().token)

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert len(office.sandbox.calls("", "token")) == 1
    assert len(found) == WORKERS
    assert set(found) == {office.secrets()[0]}


@pytest.mark.parametrize("grace", [True, False])
def test_a_process_that_dies_before_it_stores_new_tokens_costs_a_reconnect_at_most(
    office: ConnectedOffice, monkeypatch: pytest.MonkeyPatch, grace: bool
) -> None:
    office.sandbox.switches.refresh_token_grace = timedelta(days=1 if grace else 0)
    office.let_access_end()

    class Death(BaseException):
        pass

    def die(*_: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(TokenKeeper, "_store", die)
        with pytest.raises(Death):
            office.keeper().access()
    assert len(office.sandbox.calls("", "token")) == 1
    if grace:
        office.keeper().access()
        assert office.status == "connected"
        return
    for _ in range(4):
        with pytest.raises(RealmPaused, match="must connect it again"):
            office.keeper().access()
    assert len(office.sandbox.calls("", "token")) == 2
    assert office.status == "needs_reconnect"
    assert office.events() == ["NEEDS_RECONNECT"]


def test_a_token_that_a_sibling_rotated_is_read_again_and_not_refreshed(office: ConnectedOffice) -> None:
    one, other = (office.keeper() for _ in range(2))
    before = one.access()
    assert other.access() == before
    renewed = other.renew(before)
    assert one.renew(before) == renewed
    assert len(office.sandbox.calls("", "token")) == 1


def test_tokens_that_came_after_their_lock_was_lost_are_stored_even_if_a_sibling_gave_up(
    office: ConnectedOffice,
) -> None:
    office.let_access_end()
    office.sandbox.faults.inject("SLOW", operation="token", seconds=1.5)
    slow = office.keeper()
    thread = threading.Thread(target=slow.access)
    thread.start()

    def cut_its_session() -> bool:
        statement = """select pg_terminate_backend(pid) from pg_stat_activity a
                       where datname = current_database() and state = 'idle in transaction'
                         and query like '%quickbooks.token_pair%'
                         and exists (select from pg_locks l where l.pid = a.pid and l.mode = 'RowShareLock'
                                     and l.relation = 'quickbooks.connection'::regclass)"""
        with office.database.superuser.begin() as connection:
            return bool(connection.execute(text(statement)).all())

    wait_for("the session with the lock", cut_its_session, 10)
    with pytest.raises(RealmPaused):  # it has the token that is not good any more
        office.keeper().access()
    assert office.status == "needs_reconnect"
    thread.join()
    assert office.status == "connected"
    with office.client() as quickbooks:
        assert quickbooks.count("Customer") == 0


def test_a_refused_client_is_an_alarm_about_the_configuration_and_no_reason_to_connect_again(
    office: ConnectedOffice,
) -> None:
    office.sandbox.oauth.clients = {"client": "another secret"}
    office.let_access_end()
    with pytest.raises(RealmPaused, match="QUICKBOOKS_CLIENT_SECRET"):
        office.keeper().access()
    assert office.status == "connected"
    assert office.events() == ["CONFIGURATION"]
    office.sandbox.oauth.clients = {}
    office.change("paused_until = null")
    with office.client() as quickbooks:
        assert quickbooks.count("Customer") == 0


def test_a_connection_that_is_about_to_end_is_announced_once(office: ConnectedOffice) -> None:
    office.keeper().access()
    assert office.events() == []
    office.change(
        "refresh_token_expires_at = now() + interval '1 day', refresh_token_hard_expires_at = now() + interval '29 d'",
    )
    for _ in range(3):
        office.keeper().access()
    assert office.events() == ["REFRESH_TOKEN_EXPIRES", "RECONNECT_DUE"]


def test_a_refresh_tells_when_the_company_must_connect_again(office: ConnectedOffice) -> None:
    office.let_access_end()
    office.keeper().access()
    ((hard,),) = office.rows("select refresh_token_hard_expires_at from quickbooks.connection")
    assert timedelta(days=5 * 365 - 1) < hard - datetime.now(UTC) < timedelta(days=5 * 365 + 1)


def test_tokens_of_a_row_that_was_copied_to_another_organization_open_for_nobody(
    office: ConnectedOffice, other: ConnectedOffice
) -> None:
    with office.database.superuser.begin() as connection:
        connection.execute(
            text(
                """update quickbooks.connection c set realm_id = s.realm_id
                   from quickbooks.connection s where s.organization_id = :source and c.organization_id = :target"""
            ),
            {"source": office.id, "target": other.id},
        )
        connection.execute(
            text(
                """update quickbooks.token_pair c set sealed = s.sealed
                   from quickbooks.token_pair s where s.organization_id = :source and c.organization_id = :target"""
            ),
            {"source": office.id, "target": other.id},
        )
    with (
        other.client() as quickbooks,
        pytest.raises(SecretsError, match="another organization"),
    ):
        quickbooks.count("Customer")
    assert office.sandbox.calls(REALM) == []


def test_keys_are_rotated_while_connections_go_on(office: ConnectedOffice, other: ConnectedOffice) -> None:
    old = office.settings.encryption_keys
    assert old is not None
    new = Fernet.generate_key().decode()

    def with_keys(*keys: str) -> Settings:
        return office.settings.model_copy(update={"encryption_keys": SecretStr(",".join(keys))})

    with pytest.raises(SecretsError, match="ENCRYPTION_KEYS"):
        office.keeper(encryption_keys=with_keys(new).encryption_keys).access()
    both = with_keys(new, old.get_secret_value())
    office.keeper(encryption_keys=both.encryption_keys).access()
    assert rotate_keys(office.database.engine, both) == (2, [])
    office.keeper(encryption_keys=with_keys(new).encryption_keys).access()
    assert rotate_keys(office.database.engine, office.settings) == (0, ["acme", "other"])
    assert other.secrets(with_keys(new))


def test_without_keys_in_the_settings_a_key_is_made_that_only_its_owner_reads(office: ConnectedOffice) -> None:
    without = office.settings.model_copy(update={"encryption_keys": None})
    with pytest.raises(SecretsError):
        office.keeper(encryption_keys=without.encryption_keys).access()
    file = office.settings.home / "encryption.key"
    assert file.stat().st_mode & 0o777 == 0o600
    key = file.read_text()
    assert len(key) == 44
    both = office.settings.model_copy(update={"encryption_keys": SecretStr(f"{key},{office.keys}")})
    rotate_keys(office.database.engine, both)
    office.keeper(encryption_keys=without.encryption_keys).access()
    assert file.read_text() == key


def test_secrets_stand_in_no_row_log_representation_or_error(
    office: ConnectedOffice, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    secrets = set(office.secrets())
    with office.client() as quickbooks:
        quickbooks.count("Customer")
        office.sandbox.oauth.expire(REALM)
        quickbooks.count("Customer")
        secrets |= set(office.secrets())
        for fault in ("REFUSED", "TRUNCATED", "DROP", "THROTTLED", "UNAUTHORIZED"):
            office.sandbox.faults.inject(fault, times=None)
            try:
                quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id=fault)
            except (Fault, RealmPaused) as error:
                said += [str(error), repr(error), repr(error.__cause__), repr(vars(error))]
            office.sandbox.faults.clear()
            office.change("paused_until = null")
        own = office.keeper()
        said += [repr(quickbooks), repr(vars(quickbooks)), repr(quickbooks.connected), repr(own), repr(vars(own))]
    secrets |= {"secret", office.keys}
    said += [repr(office.settings), caplog.text]
    with office.database.superuser.connect() as connection:
        for table in ("connection", "event"):
            said += [
                str(row) for row in connection.execute(text(f"select t::text from quickbooks.{table} t")).scalars()
            ]
    assert len(secrets) == 6
    for secret in secrets - {"secret"}:
        assert not any(secret in text for text in said)
    assert "'secret'" not in "".join(said)
