"""How Dagster's processes use PostgreSQL."""

import time

import dagster as dg
import pytest
from sqlalchemy import event, text

from invoice_pipelines.database import create_login_engine
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.integration.defs.conftest import House

pytestmark = pytest.mark.direct  # which sessions there are is for PostgreSQL itself to say


@dg.job
def nothing() -> None:
    """Does nothing."""


def test_dagster_works_in_one_session_opens_another_when_it_is_cut_and_closes_it_in_the_end(
    lasting_house: House, server: EmbeddedServer
) -> None:
    storage_url = load_settings().dagster_database_url
    assert storage_url is not None
    name = storage_url.get_secret_value().rpartition("/")[2].partition("?")[0]
    admin = create_login_engine(server.url("postgres"))

    def sessions(cut: bool = False) -> set[int]:
        cutting = ", pg_terminate_backend(pid, 5000)" if cut else ""
        with admin.begin() as connection:
            found = connection.execute(
                text(f"select pid {cutting} from pg_stat_activity where datname = :name"), {"name": name}
            )
            return {row.pid for row in found}

    def work() -> None:
        for _ in range(5):
            lasting_house.instance.get_runs_count()
            lasting_house.instance.all_asset_keys()
            lasting_house.instance.all_instigator_state()

    work()
    first = sessions()
    work()
    assert sessions() == first
    assert len(first) == 1
    assert sessions(cut=True) == first
    work()
    assert len(sessions() - first) == 1
    lasting_house.instance.dispose()
    patience = time.monotonic() + 30  # a session ends a little after it was told to
    while sessions() and time.monotonic() < patience:
        time.sleep(0.02)
    assert sessions() == set()
    admin.dispose()


def test_dagster_asks_once_whether_its_tables_are_there(lasting_house: House) -> None:
    instance = lasting_house.instance
    asked: list[str] = []

    def work() -> None:
        instance.add_dynamic_partitions("organization", ["acme"])
        assert instance.has_dynamic_partition("organization", "acme")
        instance.all_instigator_state()
        instance.all_asset_keys()
        instance.get_run_records(limit=1)

    work()
    engine = instance.event_log_storage._engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    work()
    assert asked
    assert [statement for statement in asked if "pg_catalog" in statement] == []


def test_an_event_is_stored_without_a_notice_to_nobody(lasting_house: House) -> None:
    instance = lasting_house.instance
    asked: list[str] = []
    engine = instance.event_log_storage._engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    run = instance.create_run_for_job(nothing)
    instance.report_engine_event("It is told.", run)
    assert [record.message for record in instance.all_logs(run.run_id)] == ["It is told."]
    assert [statement for statement in asked if statement.startswith("INSERT INTO event_logs")] != []
    assert [statement for statement in asked if "NOTIFY" in statement] == []
