"""The code location as a whole: it loads anywhere, touches nothing while loading, and has what the docs promise."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository

from invoice_pipelines.database.tables import COLUMNS, read_columns
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase

BARE_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}

LOAD_UNDER_WATCH = """
import os, sys, sysconfig
import dagster as dg

allowed = tuple(os.path.realpath(path) for path in (
    sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), {project!r},
    "/usr/share/zoneinfo", "/etc", "/proc", "/dev"))

def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        raise SystemExit(f"network while loading: {{event}} {{arguments}}")
    if event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.mkdir", "os.remove", "os.rename"):
        raise SystemExit(f"{{event}} while loading: {{arguments}}")
    if event == "open" and isinstance(arguments[0], str):
        path, mode = os.path.realpath(arguments[0]), str(arguments[1])
        if set(mode) & set("wax+") or not path.startswith(allowed):
            raise SystemExit(f"file opened while loading: {{path}} {{mode}}")

sys.addaudithook(watch)
from invoice_pipelines.definitions import defs
dg.Definitions.validate_loadable(defs())
print("loaded")
"""


def test_loading_needs_no_setting_and_touches_no_network_file_or_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD_UNDER_WATCH.format(project=str(PROJECT))],
        env=BARE_ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "loaded\n", done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_does_runs_of_several_jobs_makes_the_definitions_once() -> None:
    pointer = CodePointer.from_module("invoice_pipelines.definitions", "defs", None)
    jobs = [ReconstructableJob(ReconstructableRepository(pointer), name) for name in ("intake", "overdue", "intake")]
    loaded = [(job.get_definition().name, job.get_repository_definition()) for job in jobs]
    assert [name for name, _ in loaded] == ["intake", "overdue", "intake"]
    assert len({id(repository) for _, repository in loaded}) == 1


@pytest.mark.parametrize(
    ("arguments", "keeps"),
    [(["api", "grpc", "-m", "invoice_pipelines.definitions"], True), (["api", "execute_run", "{}"], False)],
)
def test_the_code_server_keeps_its_sessions_and_the_process_of_a_run_does_not(
    arguments: list[str], keeps: bool
) -> None:
    loads = "import sys; sys.argv = {}; import invoice_pipelines.definitions; {}"
    tells = "from invoice_pipelines.database.access import sessions_are_kept as kept; print(kept())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", loads.format(["dagster", *arguments], tells)],
        env=BARE_ENVIRONMENT,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{keeps}\n", done.stderr


def test_the_definitions_are_these(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    assets = defs.resolve_all_asset_keys()
    assert {key.to_user_string() for key in assets} == {
        "intake/uploads",
        "intake/parsed_invoices",
        "intake/recognized_pages",
        "intake/validated_invoices",
        "intake/export_files",
        "intake/reparsed_invoices",
        "operations/health",
        "billing/sales_orders",
        "billing/imported_records",
        "billing/issued_invoices",
        "billing/backlog",
        "billing/receivables",
        "overdue/notifications",
        "delivery/invoice_documents",
        "delivery/messages",
        "events/webhook_deliveries",
        "quickbooks/customers",
        "quickbooks/items",
        "quickbooks/invoices",
        "quickbooks/payments",
        "quickbooks/imported_company",
        "quickbooks/pushed_backlog",
    }
    domains = (
        "intake",
        "recognition",
        "imports",
        "invoicing",
        "receivables",
        "delivery",
        "overdue",
        "webhooks",
        "quickbooks_push",
    )
    checks = {key.to_user_string() for key in repository.asset_graph.asset_check_keys}
    assert checks == {
        "intake/uploads:every_upload_has_an_invoice",
        "intake/uploads:every_file_was_taken",
        "intake/parsed_invoices:all_documents_readable",
        "intake/parsed_invoices:every_failure_has_a_reason",
        "intake/parsed_invoices:every_status_is_in_the_audit_trail",
        "intake/recognized_pages:all_documents_readable",
        "intake/recognized_pages:ocr_engine_works",
        "intake/validated_invoices:all_invoices_valid",
        "intake/validated_invoices:totals_tie",
        "intake/validated_invoices:passed_by_a_verdict",
        "intake/validated_invoices:waiting_for_review",
        "intake/export_files:exported_invoices_are_in_a_file",
        "intake/export_files:nothing_is_stuck",
        "billing/receivables:buckets_sum_to_total",
        "billing/receivables:aging_is_what_is_due",
        "overdue/notifications:every_overdue_invoice_has_its_notifications",
        "overdue/notifications:no_notification_of_settled_invoices",
        "overdue/notifications:last_execution_is_fresh",
        "delivery/invoice_documents:documents_match_their_files",
        "delivery/invoice_documents:documents_are_valid_e_invoices",
        "delivery/invoice_documents:no_document_is_late",
        "delivery/messages:every_message_has_an_outcome",
        "delivery/messages:nobody_is_told_twice",
        "delivery/messages:sent_messages_have_an_attempt",
        "delivery/messages:no_message_of_void_invoices",
        "delivery/messages:no_reminder_of_settled_invoices",
        "delivery/messages:no_message_is_late",
        "events/webhook_deliveries:endpoints_answer",
        "events/webhook_deliveries:no_webhook_is_late",
        "quickbooks/customers:mapping_is_unique",
        "quickbooks/customers:no_open_conflicts",
        "quickbooks/items:mapping_is_unique",
        "quickbooks/items:no_open_conflicts",
        "quickbooks/invoices:mapping_is_unique",
        "quickbooks/invoices:every_sent_invoice_is_mapped",
        "quickbooks/invoices:no_invoice_is_lost",
        "quickbooks/invoices:no_invoice_is_late",
        "quickbooks/invoices:totals_agree",
        "quickbooks/invoices:no_drift",
        "quickbooks/invoices:no_open_conflicts",
        "quickbooks/payments:paid_and_due_is_total",
        "quickbooks/payments:allocations_equal_quickbooks",
        "quickbooks/imported_company:came_to_the_end",
        "quickbooks/pushed_backlog:all_was_sent",
    } | {f"operations/health:{domain}_is_healthy" for domain in domains} | {
        f"quickbooks/{asset}:connection_is_healthy" for asset in ("customers", "items", "invoices", "payments")
    } | {
        f"billing/{asset}:{name}"
        for asset in ("issued_invoices", "backlog")
        for name in (
            "numbers_have_no_gap",
            "no_number_twice",
            "dates_in_order",
            "complete_invoices",
            "amounts_tie",
            "settlements_tie",
            "lines_belong_to_invoices",
            "events_tell_what_happened",
            "payments_are_as_their_events_tell",
            "every_invoiced_order_has_its_invoice",
            "every_order_was_invoiced",
            "batch_jobs_tell_what_happened",
            "stock_is_never_negative",
        )
    }
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {
        "batch_documents",
        "billing_backlog_sweep",
        "delivery_invoice_documents_sweep",
        "intake_reparsed_invoices_sweep",
        "quickbooks_imported_company_sweep",
        "quickbooks_pushed_backlog_sweep",
        "batch_invoice_orders",
        "cancel_batch",
        "communications",
        "decide_reviews",
        "delivery",
        "delivery_reports",
        "delivery_sweep",
        "export_again",
        "import_master_data",
        "imports",
        "imports_sweep",
        "intake",
        "intake_sweep",
        "invoicing",
        "invoicing_sweep",
        "nightly_check",
        "nightly_prune",
        "overdue",
        "overdue_lateness",
        "overdue_now",
        "overdue_sweep",
        "process_uploads_now",
        "quickbooks_conflicts",
        "quickbooks_push",
        "quickbooks_push_sweep",
        "quickbooks_sync",
        "quickbooks_sync_one",
        "receivables_aging",
        "recognition",
        "recognition_sweep",
        "receivables_sweep",
        "reparse_intake",
        "retry_batch",
        "retry_failed_intake",
        "stuck_work_clean_up",
        "webhooks",
        "webhooks_sweep",
    }
    sensors = {sensor.name: sensor.minimum_interval_seconds for sensor in repository.sensor_defs}
    assert sensors == {
        "alerts_by_mail": 60,
        "alerts_by_webhook": 60,
        "failed_runs": 30,
        "fleet_health": 300,
        "intake_due": 3,
        "late_overdue_runs": 60,
        "lost_runs": 10,
        "organization_partitions": 10,
        "overdue_left": 10,
        "pending_deliveries": 3,
        "pending_imports": 3,
        "pending_invoice_jobs": 3,
        "quickbooks_push_due": 60,
        "receivables_due": 30,
        "recognition_due": 3,
        "webhooks_due": 3,
    }
    schedules = {schedule.name: (schedule.cron_schedule, schedule.job_name) for schedule in repository.schedule_defs}
    assert schedules == {
        "check_every_night": ("30 1 * * *", "nightly_check"),
        "delivery_reports_schedule": ("*/15 * * * *", "delivery_reports"),
        "overdue_schedule": ("0 0 * * *", "overdue_sweep"),
        "prune_every_night": ("30 3 * * *", "nightly_prune"),
        "quickbooks_customers_daily": ("*/15 * * * *", "quickbooks_sync"),
        "quickbooks_items_daily": ("*/15 * * * *", "quickbooks_sync"),
        "quickbooks_payments_daily": ("*/15 * * * *", "quickbooks_sync"),
        "stuck_work_every_ten_minutes": ("*/10 * * * *", "stuck_work_clean_up"),
    }


def test_all_begins_without_a_click_and_steps_share_the_process_of_their_run(
    defs: dg.Definitions,
) -> None:
    repository = defs.get_repository_def()
    assert {sensor.default_status for sensor in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}
    assert {schedule.default_status for schedule in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}
    assert {job.executor_def.name for job in repository.get_all_jobs()} == {"in_process"}


def test_whatever_runs_by_itself_or_by_hand_says_what_it_does(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    said = {found.name: found.description for found in repository.sensor_defs}
    said |= {found.name: found.description for found in repository.schedule_defs}
    said |= {found.name: found.description for found in jobs}
    assert [name for name, description in said.items() if len(description or "") < 40] == []


def test_every_asset_has_a_run_for_each_organization_and_says_what_it_is(
    defs: dg.Definitions,
) -> None:
    graph = defs.get_repository_def().asset_graph
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        if key.path[0] != "operations":  # that is about all of them
            assert isinstance(node.partitions_def, dg.DynamicPartitionsDefinition), key
            assert node.partitions_def.name == "organization", key
        assert len(node.description or "") > 40, key
        assert node.group_name == key.path[0], key
        assert node.owners, key
        assert node.code_version, key
        of_many = (
            *("billing/imported_records", "operations/health"),
            *("quickbooks/imported_company", "quickbooks/pushed_backlog"),
        )
        assert "dagster/column_schema" in node.metadata or key.to_user_string() in of_many, key
        if key.to_user_string() == "overdue/notifications":
            assert all(column.description for column in node.metadata["dagster/column_schema"].columns), key
        schema = node.assets_def.op.config_schema.as_field() if node.assets_def.op.config_schema else None
        assert schema is None or not schema.is_required, f"{key}: the UI offers no backfill of required config"
        policy = node.backfill_policy
        assert policy is None or policy.max_partitions_per_run == 1, key


def test_assets_of_migrations_say_which_config_a_backfill_wants(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    said = {}
    for key in repository.asset_graph.materializable_asset_keys:
        asset = repository.assets_defs_by_key[key]
        if found := re.search(r"```yaml\n(.+)\n```", asset.descriptions_by_key[key] or "", re.DOTALL):
            said[key.to_user_string()] = yaml.safe_load(found[1])
            job = defs.resolve_implicit_job_def_def_for_assets([key])
            assert job is not None
            assert dg.validate_run_config(job, said[key.to_user_string()])["ops"]
    assert {key: list(config["ops"]) for key, config in said.items()} == {
        key: [key.replace("/", "__")]
        for key in (
            "billing/backlog",
            "delivery/invoice_documents",
            "intake/reparsed_invoices",
            "quickbooks/imported_company",
            "quickbooks/pushed_backlog",
        )
    }


def test_the_columns_of_assets_are_those_of_the_database(shared_database: TestDatabase) -> None:
    with shared_database.engine.connect() as connection:
        assert read_columns(connection, list(COLUMNS)) == COLUMNS, "run `python -m invoice_pipelines.database.tables`"


def test_lineage_goes_from_orders_to_payments_to_what_is_owed(defs: dg.Definitions) -> None:
    graph = defs.get_repository_def().asset_graph

    def followed(asset: str) -> set[str]:
        return {key.to_user_string() for key in graph.get(dg.AssetKey(asset.split("/"))).parent_keys}

    assert followed("billing/receivables") == {"billing/issued_invoices", "quickbooks/payments"}
    assert followed("overdue/notifications") == {"billing/issued_invoices", "quickbooks/payments"}
    assert followed("billing/backlog") == {"billing/sales_orders"}
    assert "billing/backlog" in followed("quickbooks/pushed_backlog")


@pytest.mark.parametrize(
    ("job", "op", "config", "wrong"),
    [
        ("communications", "send_communications", {"invoice_ids": ["1"], "method": "fax"}, "method"),
        ("batch_invoice_orders", "ask_for_invoices", {"all_open": True, "communication_method": "fax"}, "fax"),
        ("batch_documents", "make_batch_of_documents", {"all": True, "formats": ["docx"]}, "docx"),
        ("import_master_data", "import_file", {"kind": "invoices", "file": "customers.csv"}, "invoices"),
    ],
)
def test_the_launchpad_refuses_what_cannot_be_chosen(
    defs: dg.Definitions, job: str, op: str, config: dict[str, object], wrong: str
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match=wrong):
        dg.validate_run_config(defs.resolve_job_def(job), {"ops": {op: {"config": {"organization": "acme", **config}}}})


def test_the_configs_that_the_pages_show_are_those_of_the_launchpad(defs: dg.Definitions) -> None:
    shown = [
        yaml.safe_load(block)
        for page in (PROJECT / "docs").glob("*.md")
        for block in re.findall(r"^```yaml\n(ops:\n.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    ]
    jobs = defs.get_repository_def().get_all_jobs()  # also that of assets
    for config in shown:
        job, *_ = [job for job in jobs if set(config["ops"]) <= {node.name for node in job.nodes}]
        dg.validate_run_config(job, config)
    assert {op for config in shown for op in config["ops"]} >= {"uploads", "import_file"}


@pytest.mark.slow
@pytest.mark.alone
def test_loading_costs_less_than_3_seconds_more_than_dagster_itself(tmp_path: Path) -> None:
    measure = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
    load = "from invoice_pipelines.definitions import defs; defs().get_repository_def()"
    dagster: list[float] = []
    location: list[float] = []
    for _ in range(3):
        for statement, seconds in (("import dagster", dagster), (load, location)):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", measure.format(statement)],
                env={**BARE_ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": ""},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            )
            seconds.append(float(done.stdout))
    assert statistics.median(location) - statistics.median(dagster) < 3.0, (dagster, location)


@pytest.mark.slow  # by default, that they load is tried above
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param(["dg", "check", "defs"], "All definitions loaded successfully", id="dg check defs"),
        pytest.param(["dg", "list", "defs"], "intake/validated_invoices", id="dg list defs"),
        pytest.param(
            ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
            "Validation successful",
            id="dagster definitions validate",
        ),
    ],
)
def test_dagsters_own_commands_accept_the_project(command: list[str], expected: str, tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    done = subprocess.run(
        [str(binaries / command[0]), *command[1:]],
        env={
            **BARE_ENVIRONMENT,
            "PATH": f"{binaries}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "DG_CLI_DISABLE_TELEMETRY": "1",
            "COLUMNS": "240",
        },
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout + done.stderr
