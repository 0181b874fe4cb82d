"""The files of deploy/docker: what hadolint and the Compose specification say, and that they fit to one another."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from invoice_pipelines.settings import PREFIX, Settings
from invoice_pipelines_tests.conftest import PROJECT

pytestmark = pytest.mark.slow

DOCKER = PROJECT / "deploy/docker"
ONCE = {"bucket", "migrate"}
"""Containers that end by themselves."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """compose.yaml with the values that hold where nobody sets others."""
    found = _filled(yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8")))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder of secrets that the script makes."""
    shutil.copy(DOCKER / "make-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "make-secrets.sh"], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_hadolint_finds_nothing(program):
    done = subprocess.run([program("hadolint"), DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_it_is_a_compose_file(program, compose):
    program("hadolint")  # is installed with what follows, or nothing of it is
    reader = import_module("compose_spec").PyOptions()
    reader.from_yaml(yaml.dump(compose)).validate()
    wrong: dict[str, Any]
    for wrong in ({"healtcheck": {}}, {"depends_on": {"web": {"condition": "service_health"}}}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            reader.from_yaml(yaml.dump({"services": {"web": {"image": "x", **wrong}}}))


def test_containers_wait_for_others_that_say_how_they_are(compose):
    services = compose["services"]
    for name, service in services.items():
        assert name in ONCE or "healthcheck" in service, name
        for other, wanted in service.get("depends_on", {}).items():
            if other in ONCE:
                assert wanted["condition"] == "service_completed_successfully"
            else:
                assert (wanted["condition"], "healthcheck" in services[other]) == ("service_healthy", True)


def test_our_containers_have_no_more_rights_than_they_need(compose):
    ours = [service for service in compose["services"].values() if "invoice-pipelines" in service["image"]]
    assert len(ours) == 8
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_the_owners_login_is_told_to_the_migration_alone(compose):
    told = {name for name, service in compose["services"].items() if f"{PREFIX}DATABASE_OWNER_URL" in _secrets(service)}
    assert told == {"migrate"}


def test_every_secret_is_made_once_and_used(compose, secrets):
    named = {name: DOCKER / secret["file"] for name, secret in compose["secrets"].items()}
    assert {path.name for path in named.values()} == set(named)
    assert set(named) | {"redis"} == {file.name for file in secrets.iterdir()}
    assert set(named) == {name for service in compose["services"].values() for name in _secrets(service)}
    before = {file.name: file.read_text("utf-8") for file in secrets.iterdir()}
    subprocess.run([secrets.parent / "make-secrets.sh"], check=True, capture_output=True)
    assert {file.name: file.read_text("utf-8") for file in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_what_containers_are_told_are_settings(compose, secrets, monkeypatch):
    """The entry point makes variables of files, and the program takes all of them."""
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    script = (DOCKER / "entrypoint.sh").read_text("utf-8").replace("/run/secrets", str(secrets))
    for service in compose["services"].values():
        told = set(service.get("environment", {})) | set(_secrets(service))
        assert {name for name in told if name.startswith(PREFIX)} <= names
    environment = {"PATH": os.environ["PATH"], **compose["services"]["web"]["environment"]}
    done = subprocess.run(
        ["sh", "-c", script, "sh", "env"], env=environment, capture_output=True, text=True, check=True
    )
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert "redis" not in variables
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.web_trusted_proxies == ("172.16.0.0/12",)
    assert settings.encryption_keys is not None
    assert settings.broker_url is not None


def test_a_worker_may_end_what_it_has_begun(compose):
    for name in ("worker-express", "worker-bulk"):
        service = compose["services"][name]
        minutes = int(service["stop_grace_period"].removesuffix("m"))
        assert minutes * 60 > int(service["environment"][f"{PREFIX}RUN_TIME_BOX_SECONDS"])


def test_six_runs_begin_for_each_process(compose):
    runs = yaml.safe_load((DOCKER / "dagster.yaml").read_text("utf-8"))["concurrency"]["runs"]
    workers = [compose["services"][name]["command"] for name in ("worker-express", "worker-bulk")]
    assert runs["max_concurrent_runs"] == 6 * sum(int(command[3]) for command in workers)
    assert runs["tag_concurrency_limits"][0]["limit"] == int(workers[1][3])


def test_dagster_runs_as_on_one_machine_but_where_machines_differ():
    ours, usual = (yaml.safe_load((folder / "dagster.yaml").read_text("utf-8")) for folder in (DOCKER, PROJECT))
    assert {name for name in usual if usual[name] != ours.get(name)} == {
        "concurrency",
        "run_monitoring",
        "code_servers",
    }


def test_the_image_is_named_by_the_version_of_the_program(compose):
    assert compose["services"]["web"]["image"] == f"invoice-pipelines:{version('invoice-pipelines')}"
    assert f"ARG VERSION={version('invoice-pipelines')}" in (DOCKER / "Dockerfile").read_text("utf-8")


def _secrets(service: dict[str, Any]) -> list[str]:
    return service.get("secrets", [])


def _filled(value: Any) -> Any:
    """As Compose puts in variables: in texts, once the file is read."""
    if isinstance(value, dict):
        return {key: _filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) if isinstance(value, str) else value
