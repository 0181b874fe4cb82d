"""What the client does when a call goes wrong: wait, repeat, stop the company, or say that the outcome is unknown."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from invoice_pipelines.accounting.reports import Health
from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault, FaultKind, RealmPaused
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.api.usage import Usage, read_usage
from invoice_pipelines.quickbooks.promises import connection_health
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.quickbooks.api.conftest import ConnectedOffice
from invoice_pipelines_tests.integration.quickbooks.conftest import REALM
from invoice_pipelines_tests.support.sizes import only_at_full_size


def end_pause(office: ConnectedOffice, refused_for: timedelta | None = None) -> None:
    """As if the time had passed."""
    since = "access_refused_since = coalesce(now() - cast(:refused_for as interval), access_refused_since)"
    office.change(f"paused_until = null, {since}", refused_for=refused_for or None)


def test_a_throttled_call_pauses_its_company_for_a_minute_and_no_other(
    office: ConnectedOffice, other: ConnectedOffice, sandbox: Sandbox, quickbooks: QuickBooks
) -> None:
    sandbox.faults.inject("THROTTLED", realm=REALM)
    with pytest.raises(RealmPaused) as paused:
        quickbooks.count("Customer")
    assert paused.value.until is not None
    assert timedelta(seconds=1) < paused.value.until - datetime.now(UTC) <= timedelta(seconds=3)
    for _ in range(3):
        with (
            pytest.raises(RealmPaused),
            office.client() as c,
        ):
            c.count("Customer")
    assert len(sandbox.calls(REALM)) == 1
    with other.client() as unbothered:
        assert unbothered.count("Customer") == 0
    assert office.events() == ["THROTTLED"]
    office.change("paused_until = now()")
    assert quickbooks.count("Customer") == 0


def test_a_throttled_call_waits_as_long_as_it_is_told_and_is_then_sent_again(
    sandbox: Sandbox, quickbooks: QuickBooks
) -> None:
    sandbox.faults.inject("THROTTLED", seconds=4)  # 0.2 s, as a second lasts a twentieth
    made = quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    first, second = sandbox.calls(REALM)
    assert made["DisplayName"] == "Acme"
    assert first.request_id == second.request_id
    assert second.monotonic - first.monotonic >= 0.2


ANSWERS = [
    ("THROTTLED_XML", "", RealmPaused, None),
    ("THROTTLED_403", "", RealmPaused, None),
    ("REFUSED_WITH_200", "6240", Fault, FaultKind.CONFLICT),
    ("TWO_ERRORS", "2050", Fault, FaultKind.DATA),
    ("TRUNCATED", "", Fault, FaultKind.UNKNOWN),
    ("EMPTY", "", Fault, FaultKind.UNKNOWN),
    ("NOT_JSON", "", Fault, FaultKind.UNKNOWN),
    ("CUT", "", Fault, FaultKind.UNKNOWN),
    ("LOSE_ANSWER", "", Fault, FaultKind.UNKNOWN),
    ("BAD_GATEWAY", "", Fault, FaultKind.UNKNOWN),
    ("GATEWAY_TIME_OUT", "", Fault, FaultKind.UNKNOWN),
    ("UNAVAILABLE", "", Fault, FaultKind.RETRY),
    ("XML_ERROR", "", Fault, FaultKind.RETRY),
    ("FORBIDDEN", "", RealmPaused, None),
]


@pytest.mark.parametrize(("shape", "code", "raised", "kind"), ANSWERS, ids=[answer[0] for answer in ANSWERS])
def test_a_fault_is_understood_in_whichever_shape_it_comes(
    sandbox: Sandbox,
    quickbooks: QuickBooks,
    shape: str,
    code: str,
    raised: type[Exception],
    kind: FaultKind | None,
) -> None:
    sandbox.faults.inject(shape, operation="create", times=None, **({"code": code} if code else {}))
    with pytest.raises(raised) as problem:
        quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    if isinstance(problem.value, Fault):
        assert problem.value.kind is kind
        assert problem.value.code == (code or {"XML_ERROR": "10000"}.get(shape, ""))
        assert len(problem.value.errors) == (2 if shape == "TWO_ERRORS" else 1)
    assert "\n" not in str(problem.value)


def test_a_gateway_that_spells_its_fault_in_lower_case_leads_to_a_new_token(
    sandbox: Sandbox, quickbooks: QuickBooks
) -> None:
    sandbox.oauth.expire(REALM)
    assert quickbooks.count("Customer") == 0
    assert [call.status for call in sandbox.calls(REALM)] == [401, 200]


@pytest.mark.parametrize("shape", ["DROP", "TRUNCATED", "CUT", "BAD_GATEWAY", "UNAVAILABLE", "XML_ERROR"])
def test_a_read_without_an_answer_is_asked_once_more(sandbox: Sandbox, quickbooks: QuickBooks, shape: str) -> None:
    sandbox.faults.inject(shape, operation="query")
    assert quickbooks.count("Customer") == 0
    assert len(sandbox.calls(REALM, "query")) == 2


def test_a_fault_of_the_system_is_tried_once_more_and_then_told(sandbox: Sandbox, quickbooks: QuickBooks) -> None:
    sandbox.faults.inject("REFUSED", operation="create", code="10000")
    quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    assert [(call.status, call.request_id) for call in sandbox.calls(REALM)] == [(500, "acme"), (200, "acme")]
    sandbox.faults.inject("REFUSED", operation="create", code="10000", times=None)
    with pytest.raises(Fault) as fault:
        quickbooks.write("Customer", {"DisplayName": "Other"}, request_id="other")
    assert (fault.value.kind, fault.value.code) == (FaultKind.RETRY, "10000")
    assert fault.value.intuit_tid
    assert fault.value.intuit_tid in str(fault.value)
    assert len(sandbox.calls(REALM)) == 4


def test_a_write_that_gets_no_answer_in_time_has_an_unknown_outcome_and_is_not_repeated(
    office: ConnectedOffice, sandbox: Sandbox
) -> None:
    sandbox.faults.inject("TIME_OUT", operation="create")
    with office.client(quickbooks_timeout_seconds=0.3) as quickbooks:
        with pytest.raises(Fault) as fault:
            quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
        assert fault.value.kind is FaultKind.UNKNOWN
        made = quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    assert len(sandbox.calls(REALM)) == 2
    assert sandbox.accountant(REALM).count("Customer") == 1
    assert made["DisplayName"] == "Acme"


def test_a_service_that_cannot_be_reached_was_not_asked(office: ConnectedOffice) -> None:
    with office.client(quickbooks_api_url="http://127.0.0.1:9") as quickbooks, pytest.raises(Fault) as fault:
        quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    assert fault.value.kind is FaultKind.RETRY


def test_a_process_that_starts_in_the_middle_of_a_minute_keeps_to_the_turns_of_those_before(
    office: ConnectedOffice, sandbox: Sandbox
) -> None:
    sandbox.switches.throttled = True
    sandbox.switches.time_scale = 12
    sandbox.switches.calls_per_minute = 12
    sandbox.switches.calls_per_second = 12
    limits = Limits(per_minute=12, per_second=12, minute=timedelta(seconds=5))
    for _ in range(2):  # each is a new process to the limiter: it remembers nothing
        with office.client(limits) as quickbooks:
            for _ in range(8):
                quickbooks.count("Customer")
    assert len(sandbox.calls(REALM)) == 16
    assert sandbox.count_throttled() == 0


@pytest.mark.parametrize("code", ["100", "120", "3100"])
def test_refused_access_pauses_the_company_and_keeps_its_connection(
    office: ConnectedOffice, other: ConnectedOffice, sandbox: Sandbox, quickbooks: QuickBooks, code: str
) -> None:
    sandbox.faults.inject("REFUSED", realm=REALM, code=code, times=2)
    with pytest.raises(RealmPaused, match="refuses access") as paused:
        quickbooks.count("Customer")
    assert paused.value.until is not None
    with pytest.raises(RealmPaused, match="refuses access"):
        quickbooks.count("Customer")
    assert len(sandbox.calls(REALM)) == 2  # the second with a new token; none while it is paused
    assert office.status == "connected"
    assert office.events() == ["ACCESS_REFUSED"]
    with other.client() as unbothered:
        assert unbothered.count("Customer") == 0
    end_pause(office)
    assert quickbooks.count("Customer") == 0
    assert office.events() == ["ACCESS_REFUSED", "ACCESS_RETURNED"]


def test_access_that_was_taken_away_stops_the_company_until_a_person_connects_it_again(
    office: ConnectedOffice, sandbox: Sandbox, quickbooks: QuickBooks
) -> None:
    sandbox.oauth.revoke_all(REALM)
    for _ in range(2):
        with pytest.raises(RealmPaused, match="must connect it again"):
            quickbooks.count("Customer")
    assert office.status == "needs_reconnect"
    assert office.events() == ["NEEDS_RECONNECT"]


def test_a_refusal_that_lasts_is_tried_less_often_and_is_shown_as_broken(
    office: ConnectedOffice, sandbox: Sandbox, quickbooks: QuickBooks
) -> None:
    sandbox.faults.inject("UNAUTHORIZED", times=None)
    pauses = []
    for hours in (0, 2, 30):
        end_pause(office, refused_for=timedelta(hours=hours))
        with pytest.raises(RealmPaused) as paused:
            quickbooks.count("Customer")
        assert paused.value.until is not None
        pauses.append(paused.value.until - datetime.now(UTC))
    assert pauses[0] < timedelta(minutes=2)
    assert timedelta(minutes=55) < pauses[1] <= timedelta(hours=1)
    assert timedelta(minutes=55) < pauses[2] <= timedelta(hours=1)
    assert office.status == "connected"  # new tokens are given, so the grant lives
    with organization_scope(office.database.engine, office.id) as connection:
        health = connection_health(connection, "acme")
    assert health.health is Health.BROKEN
    assert health.why is not None
    assert "quickbooks connect acme" in health.why


def test_new_tokens_that_are_refused_for_hours_end_the_connection(office: ConnectedOffice, sandbox: Sandbox) -> None:
    sandbox.oauth.expire(REALM)
    sandbox.oauth.refusal = "access_denied"
    with office.client() as quickbooks:
        with pytest.raises(RealmPaused) as paused:
            quickbooks.count("Customer")
        assert paused.value.until is not None
        assert office.status == "connected"
        end_pause(office, refused_for=timedelta(hours=7))
        with pytest.raises(RealmPaused, match="must connect it again"):
            quickbooks.count("Customer")
    assert office.status == "needs_reconnect"


def test_an_ended_subscription_pauses_the_company_and_keeps_its_connection(
    office: ConnectedOffice, sandbox: Sandbox, quickbooks: QuickBooks
) -> None:
    sandbox.faults.inject("REFUSED", code="6190")
    with pytest.raises(RealmPaused) as paused:
        quickbooks.count("Customer")
    assert paused.value.until is not None
    assert paused.value.until > datetime.now(UTC) + timedelta(hours=1)
    assert office.status == "connected"
    assert office.events() == ["SUBSCRIPTION_ENDED"]


def test_a_token_that_ends_before_a_batch_is_refreshed_and_the_batch_sent_as_it_was(
    sandbox: Sandbox, quickbooks: QuickBooks
) -> None:
    sandbox.oauth.expire(REALM)
    body = '{"BatchItemRequest":[{"bId":"1","operation":"create","Customer":{"DisplayName":"Acme"}}]}'
    answer = quickbooks.batch(body, "batch-1")
    assert isinstance(answer.answers["1"], dict)
    first, second = sandbox.calls(REALM)
    assert (first.status, second.status) == (401, 200)
    assert (first.request_id, first.body) == (second.request_id, second.body)
    assert len(sandbox.calls("", "token")) == 1


def test_a_token_that_is_refused_when_it_is_new_pauses_the_company_instead_of_refreshing_for_ever(
    office: ConnectedOffice, sandbox: Sandbox, quickbooks: QuickBooks
) -> None:
    sandbox.faults.inject("UNAUTHORIZED", times=2)
    for _ in range(3):
        with pytest.raises(RealmPaused):
            quickbooks.count("Customer")
    assert len(sandbox.calls("", "token")) == 1
    assert office.status == "connected"
    end_pause(office)
    assert quickbooks.count("Customer") == 0


def test_every_call_is_counted_and_leaves_a_line_with_its_intuit_tid(
    office: ConnectedOffice, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="invoice_pipelines.quickbooks.api.transport")
    with office.client() as quickbooks:
        quickbooks.count("Customer")
        quickbooks.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
        quickbooks.batch('{"BatchItemRequest":[{"bId":"1","Query":"select * from Item"}]}', "batch")
        with pytest.raises(Fault):
            quickbooks.read("Customer", "999")
        sandbox.faults.inject("THROTTLED", seconds=1)
        quickbooks.count("Customer")
    with organization_scope(office.database.engine, office.id) as connection:
        used = read_usage(connection, datetime.now(UTC) - timedelta(hours=1), REALM)
    assert used == Usage(calls=6, batches=1, reads=2, throttled=1, faults=1)
    lines = [record.message for record in caplog.records if record.message.startswith("quickbooks ")]
    assert len(lines) == 6
    assert all("intuit_tid=" in line and "intuit_tid=None" not in line for line in lines)


@only_at_full_size
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_full_speed_is_at_least_98_percent_of_the_limit_without_a_single_refusal(
    office: ConnectedOffice, sandbox: Sandbox, window: str
) -> None:
    """A minute lasts 12 s here, and four senders do what they can for a little more than one.

    Much shorter it cannot be: what a busy machine delays a call by is not scaled with it.
    """
    sandbox.switches.throttled = True
    sandbox.switches.time_scale = 5
    sandbox.switches.latency_per_call = 0.02
    sandbox.switches.window = "sliding" if window == "sliding" else "fixed"
    limits = Limits(minute=timedelta(seconds=12))
    body = '{"BatchItemRequest":[{"bId":"1","Query":"select count(*) from Item"}]}'
    wanted = iter(range(41))

    with office.client(limits) as quickbooks:

        def send() -> None:
            for number in wanted:
                quickbooks.batch(body, f"batch-{number}")

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sent = sorted(call.monotonic for call in sandbox.calls(REALM, "batch"))
    assert sandbox.count_throttled() == 0
    assert len(sent) == 41
    minutes = (sent[40] - sent[0]) / 12
    assert 40 / minutes >= 0.98 * 40


@only_at_full_size
@pytest.mark.slow
@pytest.mark.alone
def test_processes_share_one_limit_and_one_refresh(office: ConnectedOffice, sandbox: Sandbox) -> None:
    sandbox.switches.throttled = True
    sandbox.switches.time_scale = 5
    office.let_access_end()
    keys, secret = office.settings.encryption_keys, office.settings.quickbooks_client_secret
    assert keys is not None
    assert secret is not None
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(office.settings.home),
        "INVOICE_PIPELINES_ENCRYPTION_KEYS": keys.get_secret_value(),
        "INVOICE_PIPELINES_QUICKBOOKS_CLIENT_ID": "client",
        "INVOICE_PIPELINES_QUICKBOOKS_CLIENT_SECRET": secret.get_secret_value(),
        "INVOICE_PIPELINES_QUICKBOOKS_API_URL": sandbox.url,
        "INVOICE_PIPELINES_QUICKBOOKS_TOKEN_URL": office.settings.quickbooks_token_url,
    }
    url = office.database.app_url.render_as_string(hide_password=False)
    module = "invoice_pipelines_tests.integration.quickbooks.api.worker"
    command = [sys.executable, "-m", module, url, str(office.id)]
    workers = [subprocess.Popen([*command, name, "20"], env=environment, cwd=PROJECT) for name in ("a", "b", "c")]
    assert [worker.wait(120) for worker in workers] == [0, 0, 0]
    assert len({call.request_id for call in sandbox.calls(REALM, "batch")}) == 60
    assert sandbox.count_throttled() == 0
    assert len(sandbox.calls("", "token")) == 1
