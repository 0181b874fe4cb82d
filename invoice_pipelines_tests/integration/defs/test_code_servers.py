"""Code servers that spawn processes: they keep their sessions of PostgreSQL, and the processes have their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._grpc.client import DagsterGrpcClient
from sqlalchemy import text

from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.direct]  # which sessions there are is for PostgreSQL itself to say

LOCATION = "invoices"
SENSOR = "organization_partitions"
"""One that asks the database."""


@contextmanager
def code_server(house: DagsterHouse, *command: str) -> Iterator[WorkspaceRequestContext]:
    """What Dagster's daemon sees of a code server that a command of Dagster's starts."""
    address, printed = house.folder / "code_server.sock", house.folder / "code_server.log"
    words = [sys.executable, "-m", "dagster", *command, "-m", "invoice_pipelines.definitions", "--socket", address]
    with printed.open("wb") as log:
        # Dagster ends by SIGTERM only where SIGINT is not ignored, as it is in what a shell runs in the background.
        server = subprocess.Popen(
            words, cwd=PROJECT, stdout=log, stderr=log, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        )
    try:
        client = DagsterGrpcClient(socket=str(address))
        wait_for("the code server", lambda: answers(client) or server.poll() is not None, 90)
        assert server.poll() is None, printed.read_text("utf-8")
        target = GrpcServerTarget(host="localhost", port=None, socket=str(address), location_name=LOCATION)
        with WorkspaceProcessContext(house.instance, target) as process:
            yield process.create_request_context()
    finally:
        server.terminate()
        server.wait(60)


def answers(client: DagsterGrpcClient) -> bool:
    with suppress(DagsterUserCodeUnreachableError):
        return bool(client.ping("are you there?"))
    return False


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("api", "grpc"), id="api grpc"),
        pytest.param(("code-server", "start"), id="code-server start", marks=only_at_full_size),
    ],
)
def test_runs_that_a_code_server_spawns_have_sessions_of_their_own_and_leave_its_kept_ones_alone(
    lasting_house: DagsterHouse, command: tuple[str, ...]
) -> None:
    house, slugs = lasting_house, ("acme", "beta")
    house.add(*slugs)
    for slug in slugs:
        house.upload(slug, "one.xml", GOOD)
    with code_server(house, *command) as workspace:
        location = workspace.get_code_location(LOCATION)
        (repository,) = location.get_repositories().values()
        job = repository.get_full_job(INTAKE_RUN)

        def tick() -> str | None:
            asked = location.get_sensor_execution_data(
                house.instance, repository.handle, SENSOR, None, None, None, None, None
            )
            return asked.skip_message

        def launched(slug: str) -> str:
            run = house.instance.create_run_for_job(
                house.defs.resolve_job_def(INTAKE_RUN),
                remote_job_origin=job.get_remote_origin(),
                job_code_origin=job.get_python_origin(),
                tags={"organization": slug, "dagster/partition": slug},
            )
            return house.instance.launch_run(run.run_id, workspace).run_id

        def sessions() -> set[int]:
            everybody = text("select pid from pg_stat_activity where backend_type = 'client backend'")
            with house.database.superuser.connect() as connection:
                return set(connection.scalars(everybody))

        others = sessions()
        tick()
        kept = sessions()
        assert kept > others
        run_ids = [launched(slug) for slug in slugs]
        wait_for("sessions of the runs", lambda: tick() and sessions() > kept)
        wait_for("their ends", lambda: tick() and all(run.is_finished for run in runs_of(house, run_ids)), 60)
        assert {run.status for run in runs_of(house, run_ids)} == {dg.DagsterRunStatus.SUCCESS}
        assert [house.statuses(slug) for slug in slugs] == [{"one.xml": "EXPORTED"}] * 2
        assert tick() == "2 organizations, all in step"
        assert sessions() >= kept


def runs_of(house: DagsterHouse, run_ids: list[str]) -> list[dg.DagsterRun]:
    return list(house.instance.get_runs(dg.RunsFilter(run_ids=run_ids)))
