"""Who is woken by what: webhook and mail, told by the sensors of alerts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.workshop.sandbox.http_server import HttpServer, Request, Response
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse


@dataclass
class Hook:
    """A webhook, and what it was told."""

    told: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200

    def take(self, request: Request) -> Response:
        if self.status == 200:
            self.told.append(json.loads(request.body))
        return Response(self.status, b"{}")


@dataclass
class Watch:
    """A house, and one of the sensors of alerts with its cursor."""

    house: DagsterHouse
    sensor: str
    cursor: str | None = None

    def tick(self) -> str:
        """One tick; returns what it says. As in the daemon, a tick that fails leaves the cursor where it was."""
        with dg.build_sensor_context(instance=self.house.instance, cursor=self.cursor) as context:
            said = self.house.defs.resolve_sensor_def(self.sensor)(context)
            self.cursor = context.cursor
        assert isinstance(said, dg.SkipReason)
        return str(said.skip_message)


@pytest.fixture
def hook(configure: Callable[..., None]) -> Iterator[Hook]:
    hook = Hook()
    server = HttpServer(0, hook.take)
    server.start()
    configure(alert_webhook_url=f"http://127.0.0.1:{server.port}/T0/secret", ui_url="https://dagster.example.com/")
    yield hook
    server.stop()


@pytest.fixture
def webhook(house: DagsterHouse, hook: Hook) -> Watch:
    watch = Watch(house, "alerts_by_webhook")
    watch.tick()
    return watch


def test_without_settings_nobody_is_told_and_the_sensor_says_what_to_set(house: DagsterHouse) -> None:
    assert Watch(house, "alerts_by_webhook").tick() == "INVOICE_PIPELINES_ALERT_WEBHOOK_URL is not set"
    assert Watch(house, "alerts_by_mail").tick() == "INVOICE_PIPELINES_ALERT_EMAIL_TO is not set"


def test_a_failed_run_is_told_once_with_job_organization_run_link_and_reason(
    house: DagsterHouse, hook: Hook, webhook: Watch
) -> None:
    house.add("acme", "beta")
    house.break_organization("beta")
    failed = house.run("intake", "beta").run_id
    assert webhook.tick() == "told of 1 failures"
    (told,) = hook.told
    (alert,) = told["alerts"]
    assert alert["name"] == "intake"
    assert alert["organization"] == "beta"
    assert alert["run_id"] == failed
    assert alert["url"] == f"https://dagster.example.com/runs/{failed}"
    assert "oldest_invoice_years" in alert["reason"]
    assert told["text"].splitlines()[0] == "invoice_pipelines: 1 failure"
    assert "acme" not in told["text"]
    assert webhook.tick() == "nothing failed that was not told"

    house.run("intake", "beta")
    webhook.tick()
    assert len(hook.told) == 1, "the same problem again, within the hour"


def test_each_organization_that_a_sweep_left_out_is_told_with_its_own_reason(
    house: DagsterHouse, hook: Hook, webhook: Watch
) -> None:
    house.add("acme", "beta", "gamma")
    house.break_organization("beta")
    house.break_organization("gamma")
    house.sweep("acme", "beta", "gamma")
    webhook.tick()
    assert [alert["organization"] for alert in hook.told[0]["alerts"]] == ["beta", "gamma"]


def test_a_failed_check_of_severity_error_is_told_and_a_warning_is_not(
    house: DagsterHouse, hook: Hook, webhook: Watch
) -> None:
    house.add("acme")
    house.drop("acme", "broken.xml", b"no invoice")
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    house.sweep("acme")
    assert webhook.tick() == "nothing failed that was not told", "a document that cannot be read is a warning"
    house.behind("update intake.received_invoice set gross_amount = gross_amount + 1 where gross_amount is not null")
    run = house.run("intake", "acme").run_id
    webhook.tick()
    names = {alert["name"]: alert for alert in hook.told[0]["alerts"]}
    assert names["intake/validated_invoices: totals_tie"]["organization"] == "acme"
    assert names["intake/validated_invoices: totals_tie"]["run_id"] == run
    assert "1 offending" in names["intake/validated_invoices: totals_tie"]["reason"]


def test_many_failures_are_one_message(house: DagsterHouse, hook: Hook, webhook: Watch) -> None:
    job = house.defs.resolve_job_def("intake")
    for number in range(25):
        run = house.instance.create_run_for_job(job, tags={"organization": f"org-{number}"})
        house.instance.report_run_failed(run, "the process died")
    webhook.tick()
    (told,) = hook.told
    assert told["count"] == 25
    assert len(told["alerts"]) == 20
    assert told["text"].splitlines()[-1] == "and 5 more"


def test_a_webhook_that_is_down_is_tried_again_and_holds_up_no_mail(
    house: DagsterHouse, hook: Hook, webhook: Watch, configure: Callable[..., None]
) -> None:
    with MailServer(user=None) as server:
        configure(
            smtp_host="127.0.0.1",
            smtp_port=server.smtp_port,
            smtp_security="none",
            email_from="dagster@example.com",
            alert_email_to="ops@example.com",
        )
        by_mail = Watch(house, "alerts_by_mail")
        by_mail.tick()
        house.add("beta")
        house.break_organization("beta")
        house.run("intake", "beta")
        hook.status = 503
        for _ in range(2):
            with pytest.raises(dg.Failure, match="the webhook answered 503") as failure:
                webhook.tick()
            assert "secret" not in str(failure.value)
        assert by_mail.tick() == "told of 1 failures"
        (mail,) = server.messages("ops@example.com")
        assert "intake (beta)" in mail.data.decode()
        assert "Subject: invoice_pipelines: 1 failure" in mail.data.decode()
        hook.status = 200
        assert webhook.tick() == "told of 1 failures"
        assert len(hook.told) == 1
        by_mail.tick()
        assert len(server.messages("ops@example.com")) == 1


def test_the_address_of_the_webhook_must_be_encrypted(configure: Callable[..., None]) -> None:
    from invoice_pipelines.settings import load_settings

    configure(alert_webhook_url="http://hooks.example.com/T0/secret")
    with pytest.raises(InvoicePipelinesError, match="ALERT_WEBHOOK_URL") as refused:
        load_settings()
    assert "T0" not in str(refused.value)
