"""The chart of deploy/helm by Helm itself, and what it makes by the schemas of all versions of Kubernetes it is for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import chain
from typing import Any

import jsonschema
import pytest
import yaml
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.settings import PREFIX, Settings
from invoice_pipelines.work import enqueue
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE
from invoice_pipelines_tests.system.deploy.conftest import CHART
from invoice_pipelines_tests.system.deploy.extensions import SCHEMAS

pytestmark = pytest.mark.slow

VERSIONS = tuple(f"1.{minor}" for minor in range(25, 38))
LEAST = ("-f", CHART / "ci/least-values.yaml")
ALL = ("-f", CHART / "ci/all-values.yaml")
MATRIX: dict[str, Sequence[object]] = {
    "least": LEAST,
    "all": ALL,
    "no web": (*LEAST, "--set", "web.replicas=0"),
    "one machine does all": (*LEAST, "--set", "workers.express.replicas=0,workers.bulk.processes=8"),
    "only bulk comes and goes": (*LEAST, "--set", "workers.bulk.keda.enabled=true,workers.bulk.keda.minReplicas=0"),
    "OpenShift": (*LEAST, "--set-json", 'podSecurityContext={"runAsUser":null,"runAsGroup":null,"fsGroup":null}'),
    "a pod for each run": (*ALL, "--set", "podForEachRun.enabled=true"),
    "a policy for all": (*LEAST, "--set", "networkPolicy.enabled=true,podDisruptionBudgets=false"),
}


@pytest.mark.parametrize("name", MATRIX)
def test_what_the_chart_makes_is_taken_by_each_version_of_kubernetes(helm, rendered, name):
    values = MATRIX[name]
    validate = import_module("kubernetes_validate")
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, *values).stdout
    made = rendered(*values)
    for document in made:
        if document["kind"] in SCHEMAS:
            jsonschema.validate(document, SCHEMAS[document["kind"]])
            continue
        # What differs between values is seen by the oldest and the newest.
        for version in VERSIONS if name == "all" or AT_FULL_SIZE else (VERSIONS[0], VERSIONS[-1]):
            validate.validate(document, version, strict=True)
    assert made


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("storage.inbox=/var/inbox", "/storage/inbox"),
        ("settings.INVOICE_PIPELINES_ENCRYPTION_KEYS=abc", "INVOICE_PIPELINES_ENCRYPTION_KEYS"),
        ("settings.PATH=/bin", "PATH"),
        ("workers.express.queues={fast}", "/workers/express/queues"),
        ("workers.bulk.procesess=3", "procesess"),
        ("web.ingress.enabled=true,web.ingress.host=x.example.com", "tlsSecret"),
        ("secrets.application=", "/secrets/application"),
    ],
)
def test_values_that_would_not_work_are_refused_by_name(helm, wrong, told):
    done = helm("template", "invoice-pipelines", CHART, *LEAST, "--set", wrong)
    assert done.returncode != 0
    assert told in done.stderr


def test_no_pod_has_more_rights_than_it_needs(rendered):
    for document, pod in pods(rendered(*ALL)):
        assert pod["automountServiceAccountToken"] is False, document
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_the_owners_login_is_told_to_the_migration_alone(rendered):
    knowing = {
        document["kind"]
        for document, pod in pods(rendered(*ALL))
        if "invoices-owner" in str(pod["containers"][0].get("envFrom"))
    }
    assert knowing == {"Job"}


def test_a_worker_may_end_what_it_has_begun(rendered):
    """A run ends after its time box, and Kubernetes waits for longer."""
    made = rendered(*ALL)
    seconds = int(of_kind(made, "ConfigMap")[0]["data"]["INVOICE_PIPELINES_RUN_TIME_BOX_SECONDS"])
    workers = [pod for document, pod in pods(made) if "worker" in document["metadata"]["name"]]
    assert len(workers) == 2
    assert {pod["terminationGracePeriodSeconds"] for pod in workers} == {seconds + 60}


def test_six_runs_begin_for_each_process_at_most_and_each_pod_of_its_own_has_one(rendered):
    cases = (
        (LEAST, 6 * 4, 2),
        (ALL, 6 * 48, 40),
        (MATRIX["one machine does all"], 6 * 8, 7),
        (MATRIX["a pod for each run"], 10, 9),
    )
    for values, most, in_bulk in cases:
        dagster = yaml.safe_load(of_kind(rendered(*values), "ConfigMap")[1]["data"]["dagster.yaml"])
        runs = dagster["concurrency"]["runs"]
        limits = {limit["key"]: limit["limit"] for limit in runs["tag_concurrency_limits"]}
        assert (runs["max_concurrent_runs"], limits["lane"]) == (most, in_bulk)


def test_dagster_runs_as_on_one_machine_but_where_machines_differ(rendered):
    ours = yaml.safe_load(of_kind(rendered(*LEAST), "ConfigMap")[1]["data"]["dagster.yaml"])
    usual = yaml.safe_load((PROJECT / "dagster.yaml").read_text("utf-8"))
    differ = {name for name in usual if usual[name] != ours.get(name)}
    assert differ == {"concurrency", "run_monitoring", "code_servers"}
    assert set(ours) - set(usual) == {"storage", "run_launcher", "compute_logs", "local_artifact_storage"}


def test_variables_are_settings(rendered):
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    made = rendered(*ALL)
    told = set(of_kind(made, "ConfigMap")[0]["data"])
    for _, pod in pods(made):
        told |= {variable["name"] for variable in pod["containers"][0].get("env", ())}
    assert {name for name in told if name.startswith(PREFIX)} <= names


def test_dagsters_own_chart_reads_what_ours_makes(rendered):
    values = yaml.safe_load((PROJECT / "deploy/helm/dagster-values.yaml").read_text("utf-8"))
    made = rendered(*LEAST)
    settings, dagster = (document["metadata"]["name"] for document in of_kind(made, "ConfigMap"))
    (web,) = (pod for document, pod in pods(made) if document["metadata"]["name"].endswith("-web"))
    (secret,) = (source["secretRef"] for source in web["containers"][0]["envFrom"] if "secretRef" in source)
    (code_server,) = values["dagster-user-deployments"]["deployments"]
    for process in (values["dagsterWebserver"], values["dagsterDaemon"], code_server):
        assert process["envConfigMaps"] == [{"name": settings}]
        assert process["envSecrets"] == [secret]
        assert process["volumes"][0]["configMap"] == {"name": dagster}
        assert process["env"] == [{"name": "DAGSTER_HOME", "value": process["volumeMounts"][0]["mountPath"]}]
        assert process["podSecurityContext"] == web["securityContext"]
        assert process["securityContext"] == web["containers"][0]["securityContext"]
        assert process["image"]["tag"] == yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"]
    port = values["dagsterWebserver"]["service"]["port"]
    url = of_kind(made, "ConfigMap")[0]["data"]["INVOICE_PIPELINES_DAGSTER_URL"]
    assert url == f"http://dagster-dagster-webserver:{port}"


def test_the_chart_is_of_the_version_of_the_program():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert chart["appVersion"] == project["version"]


def test_the_depth_that_keda_asks_for_is_that_of_the_queues(rendered, database, make_organization):
    (trigger,) = of_kind(rendered(*ALL), "ScaledObject")[0]["spec"]["triggers"]
    with organization_scope(database.engine, make_organization("acme")) as connection:
        enqueue(connection, "something", ["a", "b", "c"])
    with database.engine.connect() as connection:  # as the application, of no organization
        assert connection.execute(text(trigger["metadata"]["query"])).scalar_one() == 3


def of_kind(made: list[Any], kind: str) -> list[Any]:
    return [document for document in made if document["kind"] == kind]


def pods(made: list[Any]) -> Iterator[tuple[Any, Any]]:
    for document in chain(of_kind(made, "Deployment"), of_kind(made, "Job")):
        yield document, document["spec"]["template"]["spec"]
