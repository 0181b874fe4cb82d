"""How Dagster's processes use PostgreSQL."""

import os
from collections.abc import Iterator

import dagster as dg
import pytest
from sqlalchemy import Engine, event, text

from invoice_pipelines import kept_sessions
from invoice_pipelines.database import access, create_login_engine
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.support.waiting import wait_for

pytestmark = pytest.mark.direct  # which sessions there are is for PostgreSQL itself to say


@dg.job
def nothing() -> None:
    """Does nothing."""


MANY = dg.DynamicPartitionsDefinition(name="organization")


@dg.asset(partitions_def=MANY, check_specs=[dg.AssetCheckSpec(name, asset="parsed") for name in ("adds_up", "is_new")])
def parsed() -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """Has two checks."""
    yield dg.MaterializeResult(asset_key="parsed")
    for name in ("adds_up", "is_new"):
        yield dg.AssetCheckResult(passed=True, check_name=name, asset_key="parsed")


@dg.asset(partitions_def=MANY, deps=[parsed])
def validated() -> None:
    """Has no check."""


@dg.asset_check(asset=validated, partitions_def=MANY)
def of_a_partition() -> dg.AssetCheckResult:
    """A check with partitions of its own."""
    return dg.AssetCheckResult(passed=True)


PLANS = dg.Definitions(
    [parsed, validated],
    asset_checks=[of_a_partition],
    jobs=[dg.define_asset_job("all_of_it", dg.AssetSelection.all())],
)


def test_dagster_works_in_one_session_opens_another_when_it_is_cut_and_closes_it_in_the_end(
    lasting_house: DagsterHouse, server: EmbeddedServer
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
    wait_for("the end of its sessions, a little after they were told to", lambda: not sessions(), 30)
    admin.dispose()


def test_dagster_asks_once_whether_its_tables_are_there(lasting_house: DagsterHouse) -> None:
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


def test_a_process_that_keeps_its_sessions_opens_the_storage_anew_without_new_ones_or_questions(
    lasting_house: DagsterHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    note = lambda *told: asked.append(told[2])  # noqa: E731
    own: list[Engine] = []
    monkeypatch.setattr(access._kept, "is_on", True)

    def tick() -> tuple[Engine, int]:
        """As the code server opens Dagster's storage for a tick of a sensor."""
        with dg.DagsterInstance.from_ref(lasting_house.instance.get_ref()) as instance:
            engine: Engine = instance.event_log_storage._engine  # type: ignore[attr-defined]
            instance.get_run_records(limit=1)
            instance.all_instigator_state()
            instance.all_asset_keys()
            with engine.connect() as connection:
                return engine, connection.execute(text("select pg_backend_pid()")).scalar_one()

    try:
        first = tick()
        own.append(first[0])
        event.listen(first[0], "before_cursor_execute", note)
        assert tick() == first
        assert asked
        assert [statement for statement in asked if "pg_catalog" in statement] == []
        assert first[0] is not lasting_house.instance.event_log_storage._engine  # type: ignore[attr-defined]
        monkeypatch.setattr(os, "getpid", lambda: 0)  # a process that was forked from this one
        forked = tick()
        own.append(forked[0])
        assert forked[1] != first[1]
    finally:
        kept_sessions._of_process.cache_clear()
        for engine in own:
            engine.dispose()


def test_an_event_is_stored_without_a_notice_to_nobody(lasting_house: DagsterHouse) -> None:
    instance = lasting_house.instance
    asked: list[str] = []
    engine = instance.event_log_storage._engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    run = instance.create_run_for_job(nothing)
    instance.report_engine_event("It is told.", run)
    assert [record.message for record in instance.all_logs(run.run_id)] == ["It is told."]
    assert [statement for statement in asked if statement.startswith("INSERT INTO event_logs")] != []
    assert [statement for statement in asked if "NOTIFY" in statement] == []


def _planned(house: DagsterHouse, run: dg.DagsterRun) -> list[list[tuple[object, ...]]]:
    """What is stored of what a run is to make and to check."""
    tables = (
        """select dagster_event_type, step_key, asset_key, partition, event::jsonb -> 'dagster_event'
           from event_logs where run_id = :run""",
        """select c.asset_key, c.check_name, c.partition, c.execution_status, e.event = c.evaluation_event,
                  c.evaluation_event_timestamp = e.timestamp
           from asset_check_executions c left join event_logs e on e.id = c.evaluation_event_storage_id
           where c.run_id = :run""",
        "select asset_key, last_materialization_timestamp is null from asset_keys where last_run_id = :run",
    )
    engine = house.instance.event_log_storage._engine  # type: ignore[attr-defined]
    with engine.connect() as connection:
        return [sorted(map(tuple, connection.execute(text(each), {"run": run.run_id})), key=str) for each in tables]


def test_what_a_run_is_to_make_is_stored_at_once_as_dagster_would_store_it(
    lasting_house: DagsterHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, job = lasting_house.instance, PLANS.resolve_job_def("all_of_it")
    instance.add_dynamic_partitions("organization", ["acme"])
    begun: list[object] = []
    sent: list[str] = []
    event.listen(instance.event_log_storage._engine, "begin", begun.append)  # type: ignore[attr-defined]

    def create() -> tuple[list[list[tuple[object, ...]]], int]:
        begun.clear()
        run = instance.create_run_for_job(job, tags={"dagster/partition": "acme"})
        transactions = len(begun)
        return _planned(lasting_house, run), transactions

    create()  # stores what the job consists of
    event.listen(
        instance.event_log_storage._engine,  # type: ignore[attr-defined]
        "before_cursor_execute",
        lambda *told: sent.append(told[2].split()[2]) if told[2].startswith("INSERT") else None,
    )
    stored, transactions = create()
    assert [sent.count(table) for table in ("event_logs", "asset_check_executions", "asset_keys")] == [1, 1, 1]
    assert [len(rows) for rows in stored] == [5, 3, 2]
    monkeypatch.setenv("DAGSTER_EMIT_PLANNED_EVENTS_INDIVIDUALLY", "1")
    as_dagster_does, many = create()
    assert as_dagster_does == stored
    assert many - transactions >= 5 + 3 + 2 - 1

    done = job.execute_in_process(instance=instance, partition_key="acme")
    assert done.success
    checks = _planned(lasting_house, done.dagster_run)[1]
    assert [row[3] for row in checks] == ["SUCCEEDED"] * 3


def test_a_run_over_several_partitions_is_planned_at_once_as_well(
    lasting_house: DagsterHouse, capfd: pytest.CaptureFixture[str]
) -> None:
    instance, job = lasting_house.instance, PLANS.resolve_job_def("all_of_it")
    instance.add_dynamic_partitions("organization", ["acme", "globex"])
    of_both = {"dagster/asset_partition_range_start": "acme", "dagster/asset_partition_range_end": "globex"}
    events, checks, assets = _planned(lasting_house, instance.create_run_for_job(job, tags=of_both))
    assert {(row[2], row[3]) for row in events if row[2]} == {
        (f'["{name}"]', partition) for name in ("parsed", "validated") for partition in ("acme", "globex")
    }
    assert len(checks) >= 3
    assert len(assets) == 2
    assert "Falling back" not in capfd.readouterr().err


def test_where_a_part_cannot_be_stored_nothing_is_twice(
    lasting_house: DagsterHouse, capfd: pytest.CaptureFixture[str]
) -> None:
    instance, job = lasting_house.instance, PLANS.resolve_job_def("all_of_it")
    instance.add_dynamic_partitions("organization", ["acme"])
    failures = ["the session is cut"]

    def cut(*told: object) -> None:
        if failures and "INTO asset_check_executions" in str(told[2]):
            raise OSError(failures.pop())

    event.listen(instance.event_log_storage._engine, "before_cursor_execute", cut)  # type: ignore[attr-defined]
    run = instance.create_run_for_job(job, tags={"dagster/partition": "acme"})
    assert [len(rows) for rows in _planned(lasting_house, run)] == [5, 3, 2]
    assert not failures
    assert "the session is cut" in capfd.readouterr().err
