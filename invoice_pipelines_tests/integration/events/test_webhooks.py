"""Endpoints are told of each event at least once, signed, whatever they or the network answer."""

from __future__ import annotations

import ssl
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from invoice_pipelines.events.feed import prune_events
from invoice_pipelines.events.values import DeliveryStatus, EndpointStatus, EventsError
from invoice_pipelines.events.webhooks import sending
from invoice_pipelines.events.webhooks.deliveries import (
    Attempt,
    Delivery,
    get_delivery,
    list_attempts,
    list_deliveries,
    replay_delivery,
    replay_since,
)
from invoice_pipelines.events.webhooks.endpoints import (
    Endpoint,
    NewSecret,
    add_endpoint,
    change_endpoint,
    disable_endpoint,
    enable_endpoint,
    get_endpoint,
    remove_endpoint,
    rotate_keys,
    rotate_secret,
)
from invoice_pipelines.events.webhooks.sending import ATTEMPTS, PAUSES, WebhookReport, deliver_webhooks
from invoice_pipelines.http_clients import trusted_certificates
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import cancel_job, create_job
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.support.billing.shop import Shop
from invoice_pipelines_tests.support.organization_view import OrganizationView
from invoice_pipelines_tests.support.programs import Program
from invoice_pipelines_tests.support.receiver import Receiver, Reply
from invoice_pipelines_tests.support.waiting import wait_for

TIME_BOX = timedelta(minutes=2)


@dataclass
class Office:
    """An organization whose changes are told, and one endpoint."""

    desk: OrganizationView
    settings: Settings
    made: NewSecret

    @property
    def context(self) -> OrganizationContext:
        context = self.desk.context()
        return OrganizationContext(context.engine, context.organization, self.settings, "anna")

    @property
    def endpoint(self) -> Endpoint:
        with self.desk.scope() as connection:
            return get_endpoint(connection, self.made.endpoint_id)

    @property
    def deliveries(self) -> list[Delivery]:
        with self.desk.scope() as connection:
            return list_deliveries(connection, self.made.endpoint_id)

    def attempts(self, delivery: Delivery) -> list[Attempt]:
        with self.desk.scope() as connection:
            return list_attempts(connection, delivery.id)

    def change(self, times: int = 1) -> list[str]:
        """Changes that are told; what they are about."""
        with self.desk.scope() as connection:
            jobs = [create_job(connection, "tidy_up", ["a"], created_by="anna") for _ in range(times)]
            for job in jobs:
                cancel_job(connection, job, cancelled_by="anna")
        return [str(job) for job in jobs]

    def deliver(self) -> WebhookReport:
        return deliver_webhooks(self.context, time_box=TIME_BOX)

    def pass_time(self, interval: str = "1 day") -> None:
        """As if so much time had passed for what waits."""
        with self.desk.superuser.begin() as connection:
            for statement in (
                "update work.batch_item set available_at = available_at - cast(:time as interval) "
                "where organization_id = :id and kind = 'send_webhook' and status = 'pending'",
                "update events.webhook_endpoint set rests_until = rests_until - cast(:time as interval), "
                "failing_since = failing_since - cast(:time as interval) where organization_id = :id",
            ):
                connection.execute(text(statement), {"time": interval, "id": self.desk.organization_id})


def open_office(database: TestDatabase, settings: Settings, url: str, **wishes: Any) -> Office:
    desk = open_organization(database, OrganizationView)
    with desk.scope() as connection:
        made = add_endpoint(connection, settings, url, created_by="anna", **wishes)
    return Office(desk, settings, made)


@pytest.fixture
def office(shared_database: TestDatabase, webhook_settings: Settings, receiver: Receiver) -> Office:
    return open_office(shared_database, webhook_settings, receiver.url)


def test_an_event_is_told_once_with_a_signature_that_receivers_can_verify(office: Office, receiver: Receiver) -> None:
    (job,) = office.change()
    assert office.deliver().delivered == 1
    assert office.deliver().delivered == 0
    (got,) = receiver.got
    assert got.path == "/hooks?from=us"
    assert got.headers["content-type"] == "application/json"
    event = Webhook(office.made.secret).verify(got.body, got.headers)
    assert event["type"] == "batch_operation.cancelled"
    assert event["data"]["job_id"] == job
    assert datetime.fromisoformat(event["timestamp"]).tzinfo is not None
    with pytest.raises(WebhookVerificationError):
        Webhook(office.made.secret).verify(got.body + b" ", got.headers)
    (delivery,) = office.deliveries
    assert (delivery.status, delivery.status_code, delivery.answer) == (DeliveryStatus.DELIVERED, 200, "ok")
    assert str(delivery.event_id) == got.id


def test_what_was_before_an_endpoint_and_what_it_does_not_want_is_not_told(
    shared_database: TestDatabase, webhook_settings: Settings, receiver: Receiver
) -> None:
    office = open_office(shared_database, webhook_settings, receiver.url, event_types=["invoice.*", "message.sent"])
    office.change()
    office.deliver()
    assert receiver.got == []
    with office.desk.scope() as connection:
        add_endpoint(connection, webhook_settings, receiver.url + "&all", created_by="anna")
    office.deliver()
    assert receiver.got == []
    office.change()
    office.deliver()
    assert [got.path for got in receiver.got] == ["/hooks?from=us&all"]


def test_a_failed_attempt_is_tried_again_with_the_same_id_and_body(office: Office, receiver: Receiver) -> None:
    receiver.replies = [Reply(500, b"broken" * 1000)]
    office.change()
    report = office.deliver()
    assert (report.delivered, report.failed_attempts, report.postponed) == (0, {"HTTP_500": 1}, 1)
    (delivery,) = office.deliveries
    assert (delivery.status, delivery.error_code) == (DeliveryStatus.PENDING, "HTTP_500")
    assert delivery.answer == ("broken" * 1000)[:500]
    assert office.endpoint.failures == 1
    assert office.deliver().delivered == 0, "it is not time yet"
    office.pass_time("10 seconds")
    assert office.deliver().delivered == 1
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    Webhook(office.made.secret).verify(second.body, second.headers)
    assert [attempt.status_code for attempt in office.attempts(office.deliveries[0])] == [500, 200]
    assert (office.endpoint.failures, office.endpoint.failing_since) == (0, None)


def test_after_three_days_of_failures_a_delivery_has_failed_and_can_be_asked_for_again(
    office: Office, receiver: Receiver
) -> None:
    assert timedelta(days=2.5) < sum(PAUSES, timedelta()) < timedelta(days=3.5)
    receiver.answer = lambda _: Reply(503)
    office.change()
    for _ in range(len(PAUSES) + 1):
        office.deliver()
        office.pass_time("27 hours")
        with office.desk.superuser.begin() as connection:  # the delivery alone is looked at, not its endpoint
            connection.execute(text("update events.webhook_endpoint set failing_since = now() where failures > 0"))
    assert len(receiver.got) == len(PAUSES) + 1
    (delivery,) = office.deliveries
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.FAILED, len(PAUSES) + 1)
    assert office.deliver().done == 0
    receiver.answer = lambda _: Reply()
    with office.desk.scope() as connection:
        replay_delivery(connection, delivery.id)
    assert office.deliver().delivered == 1
    assert {got.id for got in receiver.got} == {str(delivery.event_id)}


def test_an_event_that_cannot_be_told_holds_up_no_other(office: Office, receiver: Receiver) -> None:
    broken, _ = office.change(2)
    with office.desk.superuser.begin() as connection:
        connection.execute(
            text("update events.event set data = '[1]' where organization_id = :id and data ->> 'job_id' = :job"),
            {"id": office.desk.organization_id, "job": broken},
        )
    report = office.deliver()
    assert (report.delivered, report.failed_attempts) == (1, {"UNEXPECTED_ERROR": 1})
    for _ in range(ATTEMPTS):
        office.pass_time()
        office.deliver()
    assert sorted(delivery.status for delivery in office.deliveries) == ["delivered", "failed"]
    assert len(receiver.got) == 1


def test_an_endpoint_that_fails_for_days_is_disabled_and_says_why(office: Office, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(500)
    office.change()
    office.deliver()
    office.pass_time("6 days")
    office.deliver()
    assert office.endpoint.status is EndpointStatus.DISABLED
    assert office.endpoint.status_reason == "Nothing was taken for 5 days. The endpoint answered 500."
    office.pass_time("1 day")
    office.deliver()
    assert len(receiver.got) == 2
    assert office.deliveries[0].status is DeliveryStatus.FAILED
    with office.desk.scope() as connection, pytest.raises(EventsError, match="disabled: enable it first"):
        replay_delivery(connection, office.deliveries[0].id)


def test_an_endpoint_that_is_gone_is_disabled_at_once(office: Office, receiver: Receiver) -> None:
    receiver.replies = [Reply(410)]
    office.change(3)
    office.deliver()
    assert office.endpoint.status is EndpointStatus.DISABLED
    assert office.endpoint.status_reason == "The endpoint says that it is gone (410)."
    assert len(receiver.got) <= 3


def test_a_disabled_endpoint_hears_nothing_until_it_is_enabled_and_can_be_told_what_it_missed(
    office: Office, receiver: Receiver
) -> None:
    before = datetime.now(UTC)
    (told,) = office.change()
    office.deliver()
    with office.desk.scope() as connection:
        disable_endpoint(connection, office.made.endpoint_id, "we move")
    (missed,) = office.change()
    office.deliver()
    with office.desk.scope() as connection:
        enable_endpoint(connection, office.made.endpoint_id)
    (later,) = office.change()
    office.deliver()
    assert [got.event["data"]["job_id"] for got in receiver.got] == [told, later]
    with office.desk.scope() as connection:
        assert replay_since(connection, office.made.endpoint_id, before) == 3
    assert office.deliver().delivered == 3
    jobs = Counter(got.event["data"]["job_id"] for got in receiver.got)
    assert jobs == {told: 2, missed: 1, later: 2}
    assert len({got.id for got in receiver.got}) == 3


def test_an_endpoint_that_does_not_answer_in_time_holds_up_nobody_for_long(office: Office, receiver: Receiver) -> None:
    """One that hangs, and one whose answer comes byte by byte."""
    receiver.answer = lambda _: Reply(seconds=5)
    office.change(40)
    started = datetime.now(UTC)
    report = office.deliver()
    assert datetime.now(UTC) - started < timedelta(seconds=5)
    assert set(report.failed_attempts) == {"TIMEOUT"}
    assert report.failed_attempts["TIMEOUT"] <= 4, "while it rests, nothing is tried"
    receiver.answer = lambda _: Reply()
    office.pass_time("1 hour")
    assert office.deliver().delivered + sum(d.status == "delivered" for d in office.deliveries) >= 40


def test_an_answer_that_never_ends_counts_by_its_status(office: Office, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(body=b"x" * 100, drips=0.2)
    office.change()
    started = datetime.now(UTC)
    assert office.deliver().delivered == 1
    assert datetime.now(UTC) - started < timedelta(seconds=4)


def test_what_waited_for_an_endpoint_comes_as_soon_as_it_is_back(office: Office, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(500)
    office.change(20)
    office.deliver()
    waiting = office.endpoint.waiting
    assert waiting == 20
    receiver.answer = lambda _: Reply()
    with office.desk.superuser.begin() as connection:  # the rest is over, and one of them is due
        connection.execute(
            text("update events.webhook_endpoint set rests_until = now() where organization_id = :id"),
            {"id": office.desk.organization_id},
        )
        connection.execute(
            text(
                """update work.batch_item set available_at = now() where organization_id = :id and id = (
                       select id from work.batch_item where organization_id = :id and error_code = 'ENDPOINT_RESTS'
                         and status = 'pending' limit 1)"""
            ),
            {"id": office.desk.organization_id},
        )
    delivered = office.deliver().delivered
    assert delivered >= 20 - 4


def test_what_waits_for_a_wrong_address_comes_to_the_right_one_at_once(office: Office, receiver: Receiver) -> None:
    receiver.answer = lambda got: Reply(200 if "right" in got.path else 404)
    office.change(20)
    office.deliver()
    with office.desk.scope() as connection:
        change_endpoint(connection, office.settings, office.made.endpoint_id, url=receiver.url + "&right")
    assert office.deliver().delivered >= 20 - 4, "all that was not tried yet"


def test_redirects_are_not_followed(office: Office, receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        receiver.replies = [Reply(307, headers={"location": elsewhere.url})]
        office.change()
        assert office.deliver().failed_attempts == {"REDIRECTED": 1}
        assert elsewhere.got == []


def test_nobody_there_and_no_such_name_are_told_apart(
    shared_database: TestDatabase, webhook_settings: Settings
) -> None:
    with Receiver() as gone:
        url = gone.url
    for address, code in ((url, "NO_ANSWER"), ("https://nobody.invalid/hooks", "NO_SUCH_HOST")):
        office = open_office(shared_database, webhook_settings, address)
        office.change()
        assert office.deliver().failed_attempts == {code: 1}


def test_a_server_that_cannot_show_who_it_is_gets_nothing(
    shared_database: TestDatabase, webhook_settings: Settings, tmp_path: Path
) -> None:
    with Receiver(self_signed(tmp_path)) as receiver:
        office = open_office(shared_database, webhook_settings, receiver.url)
        office.change()
        assert office.deliver().failed_attempts == {"TLS": 1}
        assert receiver.got == []
    assert "self-signed" in (office.deliveries[0].error_message or "")


def test_a_server_that_can_is_told(
    shared_database: TestDatabase, webhook_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver(self_signed(tmp_path)) as receiver:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        trusted_certificates.cache_clear()
        office = open_office(shared_database, webhook_settings, receiver.url)
        office.change()
        assert office.deliver().delivered == 1
        assert receiver.got[0].headers["host"] == f"localhost:{receiver.port}"
    trusted_certificates.cache_clear()


def test_without_the_operators_leave_nothing_goes_to_this_machine(office: Office, receiver: Receiver) -> None:
    """Nor where a name leads here that was entered before, or leads here only now."""
    office.settings = office.settings.model_copy(update={"webhook_local_addresses": False})
    office.change()
    assert office.deliver().failed_attempts == {"ADDRESS_REFUSED": 1}
    assert receiver.got == []


def test_two_secrets_sign_while_the_receiver_changes_from_one_to_the_other(office: Office, receiver: Receiver) -> None:
    with office.desk.scope() as connection:
        new = rotate_secret(connection, office.settings, office.made.endpoint_id, created_by="anna")
    office.change()
    office.deliver()
    (got,) = receiver.got
    for secret in (office.made.secret, new.secret):
        Webhook(secret).verify(got.body, got.headers)
    with office.desk.scope() as connection:
        newest = rotate_secret(
            connection, office.settings, office.made.endpoint_id, keep_earlier=timedelta(0), created_by="anna"
        )
    office.change()
    office.deliver()
    got = receiver.got[-1]
    Webhook(newest.secret).verify(got.body, got.headers)
    for secret in (office.made.secret, new.secret):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(got.body, got.headers)


def test_secrets_are_stored_encrypted_and_open_for_their_endpoint_only(
    office: Office, receiver: Receiver, shared_database: TestDatabase
) -> None:
    stored = office.desk.value("select sealed from events.webhook_secret")
    assert office.made.secret.encode() not in bytes(stored)
    other = open_office(shared_database, office.settings, receiver.url)
    with office.desk.superuser.begin() as connection:
        connection.execute(
            text("update events.webhook_secret set sealed = :sealed where organization_id = :id"),
            {"sealed": stored, "id": other.desk.organization_id},
        )
    other.change()
    assert other.deliver().delivered == 0
    assert other.desk.value("select error_code from work.batch_item where kind = 'send_webhook'") == "NO_KEY"


def test_secrets_can_be_encrypted_with_another_key(office: Office, receiver: Receiver) -> None:
    new = Fernet.generate_key().decode()
    old = (office.settings.home / "encryption.key").read_text()
    office.settings = office.settings.model_copy(update={"encryption_keys": SecretStr(f"{new},{old}")})
    rotated, _ = rotate_keys(office.desk.engine, office.settings)
    assert rotated >= 1
    office.settings = office.settings.model_copy(update={"encryption_keys": SecretStr(new)})
    office.change()
    assert office.deliver().delivered == 1
    Webhook(office.made.secret).verify(receiver.got[0].body, receiver.got[0].headers)


WORKER = """
import sys
from datetime import timedelta
from pathlib import Path
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.events.webhooks.sending import deliver_webhooks
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings

url, slug, home = sys.argv[1:]
fields = {"home": Path(home), "webhook_local_addresses": True, "webhook_timeout_seconds": 60.0, "lease_seconds": 5}
context = OrganizationContext.of(create_app_engine(url), slug, Settings().model_copy(update=fields), "worker")
deliver_webhooks(context, time_box=timedelta(minutes=5))
"""


@pytest.mark.slow
def test_a_worker_that_is_killed_after_the_post_leaves_it_to_be_posted_again_with_the_same_id(
    office: Office, receiver: Receiver
) -> None:
    receiver.replies = [Reply(seconds=20)]
    office.change()
    url = office.desk.url.render_as_string(hide_password=False)
    worker = Program(WORKER, url, office.context.slug, office.settings.home)
    wait_for("the post", lambda: receiver.got)
    worker.kill()
    worker.wait()
    assert office.deliver().delivered == 0, "somebody holds it, as far as anyone knows"
    wait_for("the end of the lease", lambda: office.deliver().delivered)
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    dead, alive = office.attempts(office.deliveries[0])
    assert (dead.duration_seconds, dead.status_code) == (None, None)
    assert alive.status_code == 200


def test_two_runs_at_once_tell_each_event_once(office: Office, receiver: Receiver) -> None:
    office.change(60)
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: office.deliver(), range(3)))
    assert sum(report.delivered for report in reports) == 60
    assert Counter(Counter(got.id for got in receiver.got).values()) == {1: 60}


def test_another_organization_sees_and_does_nothing(
    office: Office, shared_database: TestDatabase, receiver: Receiver
) -> None:
    office.change()
    office.deliver()
    other = open_office(shared_database, office.settings, receiver.url)
    assert other.deliver().done == 0
    assert other.deliveries == []
    with other.desk.scope() as connection:
        for refused in (
            lambda: get_endpoint(connection, office.made.endpoint_id),
            lambda: disable_endpoint(connection, office.made.endpoint_id, "mine"),
            lambda: rotate_secret(connection, office.settings, office.made.endpoint_id, created_by="bert"),
            lambda: get_delivery(connection, office.deliveries[0].id),
            lambda: replay_delivery(connection, office.deliveries[0].id),
            lambda: replay_since(connection, office.made.endpoint_id, datetime.now(UTC)),
        ):
            with pytest.raises(EventsError, match="This organization has no webhook"):
                refused()
    assert office.endpoint.status is EndpointStatus.ENABLED


def test_a_removed_endpoint_is_told_nothing_and_stays_removed(office: Office, receiver: Receiver) -> None:
    office.change()
    with office.desk.scope() as connection:
        remove_endpoint(connection, office.made.endpoint_id, "anna")
    office.deliver()
    assert receiver.got == []
    with office.desk.scope() as connection, pytest.raises(EventsError, match="has no webhook endpoint"):
        enable_endpoint(connection, office.made.endpoint_id)
    with pytest.raises(Exception, match="was removed"):
        office.desk.rows("update events.webhook_endpoint set status = 'enabled'")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://example.com/", "whole address"),
        ("example.com/hooks", "whole address"),
        ("http://example.com/hooks", "use https"),
        ("https://user:secret@example.com/", "leave out login"),
        ("https://example.com/#part", "leave out login"),
        ("https://exämple.com/", "ASCII"),
        ("https://example.com/a b", "ASCII"),
        ("https://example.com/\r\nX: y", "ASCII"),
        ("https://example.com:99999/", "no address"),
        ("https://", "whole address"),
        ("http://localhost:8000/", "private networks"),
        ("https://127.0.0.1/", "private networks"),
        ("https://10.0.0.1/", "private networks"),
        ("https://169.254.169.254/latest/meta-data", "private networks"),
        ("https://[::1]/", "private networks"),
        ("https://[fd00::1]/", "private networks"),
        ("https://[::ffff:192.168.0.1]/", "private networks"),
        ("https://example.com/" + "x" * 2000, "at most 2000"),
    ],
)
def test_an_address_that_cannot_or_must_not_be_called_is_refused(
    desk: OrganizationView, webhook_settings: Settings, url: str, problem: str
) -> None:
    settings = webhook_settings.model_copy(update={"webhook_local_addresses": False})
    with desk.scope() as connection, pytest.raises(EventsError, match=rf"^url: .*{problem}") as refused:
        add_endpoint(connection, settings, url, created_by="anna")
    assert "secret" not in str(refused.value)


def test_an_address_is_added_once(office: Office, receiver: Receiver) -> None:
    with office.desk.scope() as connection, pytest.raises(EventsError, match="already"):
        add_endpoint(connection, office.settings, receiver.url, created_by="anna")


def test_invoices_that_are_issued_in_bulk_are_told_one_by_one(
    shop: Shop, webhook_settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "READ_AT_ONCE", 20)
    with shop.scope() as connection:
        add_endpoint(connection, webhook_settings, receiver.url, event_types=["invoice.issued"], created_by="anna")
    issued = shop.issue(*[{} for _ in range(50)])
    context = OrganizationContext(shop.engine, shop.organization, webhook_settings, "anna")
    report = deliver_webhooks(context, time_box=TIME_BOX)
    assert (report.delivered, report.failed_attempts) == (50, {})
    assert {got.event["data"]["invoice_id"] for got in receiver.got} == {str(invoice) for invoice in issued}


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate for localhost that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_secrets_of_removed_endpoints_and_old_events_are_pruned(office: Office, receiver: Receiver) -> None:
    office.change()
    office.deliver()
    with office.desk.scope() as connection:
        add_endpoint(connection, office.settings, receiver.url + "&second", created_by="anna")
        remove_endpoint(connection, office.made.endpoint_id, "anna")
    with office.desk.superuser.begin() as connection:
        connection.execute(
            text("update events.event set created_at = now() - interval '40 days' where organization_id = :id"),
            {"id": office.desk.organization_id},
        )
    prune_events(office.desk.engine, office.desk.organization_id, datetime.now(UTC) - timedelta(days=30))
    assert office.desk.value("select count(*) from events.webhook_secret") == 1
    assert office.desk.value("select count(*) from events.event") == 0
