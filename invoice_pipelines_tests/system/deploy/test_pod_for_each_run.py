"""Runs in pods of their own: the job that Dagster's K8sRunLauncher makes by the chart's dagster.yaml, by the schemas of
Kubernetes, and what its container does, done as a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.launcher import LaunchRunContext
from sqlalchemy import text

from invoice_pipelines.database import libpq_url
from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.support.programs import run_command
from invoice_pipelines_tests.system.deploy.test_chart import LEAST, VERSIONS, of_kind

pytestmark = pytest.mark.slow


class Cluster:
    """Takes jobs, and does nothing with them."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def create_namespaced_job(self, body: Any, namespace: str, **_: Any) -> None:
        assert namespace == "default"
        self.jobs.append(body)


def test_a_run_in_a_pod_of_its_own_does_its_work(
    program, rendered, database: TestDatabase, server, tmp_path: Path, monkeypatch
) -> None:
    program("helm")
    client = import_module("kubernetes.client")
    monkeypatch.setattr("kubernetes.config.load_incluster_config", lambda: None)
    made = rendered(*LEAST, "--set", "podForEachRun.enabled=true")
    assert [document["metadata"]["name"] for document in of_kind(made, "Deployment")] == ["invoice-pipelines-web"]
    home = tmp_path / "home"
    home.mkdir()
    config = of_kind(made, "ConfigMap")[1]["data"]["dagster.yaml"].replace("/tmp/dagster", str(tmp_path / "artifacts"))
    (home / "dagster.yaml").write_text(config, "utf-8")
    variables = {
        "DAGSTER_HOME": str(home),
        "INVOICE_PIPELINES_DATABASE_URL": libpq_url(database.app_url),
        "INVOICE_PIPELINES_DATABASE_OWNER_URL": libpq_url(database.owner_url),
    }
    assert run_command(home, "db", "migrate", "--dagster", **variables).returncode == 0
    dagster_url = run_command(home, "db", "url", "--dagster", **variables).stdout.strip()
    variables["INVOICE_PIPELINES_DAGSTER_DATABASE_URL"] = dagster_url
    for words in (
        (
            "organizations",
            "add",
            "acme",
            "--name",
            "Acme",
            "--country",
            "DE",
            "--time-zone",
            "UTC",
            "--currency",
            "EUR",
        ),
        ("upload", PROJECT / "examples/nordwind-handel/polder-bloemen-20260214.xml", "--organization", "acme"),
    ):
        done = run_command(home, *map(str, words), **variables)
        assert done.returncode == 0, done.stderr
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    definitions = CodePointer.from_module("invoice_pipelines.definitions", "defs", None)
    job = ReconstructableJob(ReconstructableRepository(definitions), INTAKE_RUN)
    cluster = Cluster()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        launcher: Any = instance.run_launcher
        launcher._api_client.batch_api = cluster
        instance.add_dynamic_partitions("organization", ["acme"])
        run = instance.create_run_for_job(
            job.get_definition(),
            tags={"dagster/partition": "acme", "organization": "acme"},
            job_code_origin=job.get_python_origin(),
        )
        launcher.launch_run(LaunchRunContext(run, workspace=None))
        (body,) = cluster.jobs
        manifest = client.ApiClient().sanitize_for_serialization(body)
        for version in VERSIONS:
            import_module("kubernetes_validate").validate(manifest, version, strict=True)
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert manifest["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == "run"
        assert [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source] == [
            "invoice-pipelines"
        ]
        assert "command" not in container, "the image's entry point begins it"
        said = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert said.pop("DAGSTER_HOME") == "/etc/invoice-pipelines"
        command = [str(Path(sys.executable).parent / container["args"][0]), *container["args"][1:]]
        done = subprocess.run(
            command,
            env=os.environ | {name: value for name, value in said.items() if value},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        kept = instance.get_run_by_id(run.run_id)
        assert kept is not None
        assert kept.status is dg.DagsterRunStatus.SUCCESS
    with database.superuser.connect() as connection:
        statuses = connection.execute(text("select status from intake.received_invoice")).scalars().all()
    assert statuses == ["EXPORTED"]
