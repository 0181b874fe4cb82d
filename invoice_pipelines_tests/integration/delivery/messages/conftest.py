"""Fixtures of messages: an organization that sells and sends, to a mail server and a Twilio on loopback."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from invoice_pipelines.delivery.channels.channel import Accepted, OpenChannel, Outgoing, channel_of
from invoice_pipelines.delivery.messages.messages import (
    CommunicationRequest,
    Message,
    ask_for_communications,
    list_messages,
)
from invoice_pipelines.delivery.sending.sending import SendReport, send_messages
from invoice_pipelines.organizations import Organization, find_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.mail.store import Received
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.conftest import EmbeddedServer, TestDatabase, fresh_database
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk
from invoice_pipelines_tests.integration.delivery.conftest import settings_of

T = TypeVar("T")

SENDS = {
    "sms_from": "+4915112345678",
    "whatsapp_from": "+4915112345678",
    "quiet_channels": [],
    "emails_per_minute": 100_000,
    "sms_per_minute": 100_000,
    "whatsapp_per_minute": 100_000,
}
"""Message settings of an organization that is set up and in no hurry."""
TODAY = "cast(now() at time zone 'Europe/Berlin' as date)"
"""Where these organizations are."""


@dataclass
class Post:
    """One organization, and what it reaches."""

    desk: BillingDesk
    settings: Settings
    mail: MailServer
    twilio: TwilioServer

    @property
    def organization(self) -> Organization:
        (row,) = self.desk.rows(
            "select slug from organizations.organization where id = :id", id=self.desk.organization_id
        )
        return find_organization(self.desk.engine, row.slug)

    def context(self, **settings: Any) -> OrganizationContext:
        """The organization as a run sees it, with some settings changed."""
        changed = self.settings.model_copy(update=settings)
        return OrganizationContext(self.desk.engine, self.organization, changed, "test")

    def wish(self, **messages: Any) -> None:
        """Changes the message settings of the organization."""
        self.desk.set_settings(messages=SENDS | messages)

    def customer(self, **columns: Any) -> UUID:
        given = {"email": f"{uuid4().hex[:12]}@kunde.example", "phone": "+4915123456789", "language": "de"}
        return self.desk.customer(**given | columns)

    def invoices(self, count: int, customer: UUID | None = None, **columns: Any) -> list[UUID]:
        """Invoices to one customer, or to one each."""
        return self.issued(
            [{"lines": [line()], "customer_id": str(customer or self.customer())} | columns for _ in range(count)]
        )

    def issued(self, orders: Sequence[dict[str, Any]]) -> list[UUID]:
        """The invoices of new orders, in their order."""
        order_ids = self.desk.orders(orders)
        items = self.desk.invoice(order_ids)
        assert {item.status for item in items.values()} == {"succeeded"}, items
        rows = self.desk.rows(
            "select sales_order_id, id from billing.invoice where sales_order_id = any(:ids)", ids=order_ids
        )
        found = {row.sales_order_id: row.id for row in rows}
        return [found[order_id] for order_id in order_ids]

    def invoice(self, **customer: Any) -> UUID:
        """An invoice to a new customer."""
        return self.invoices(1, self.customer(**customer))[0]

    def reminder(
        self,
        invoice_id: UUID,
        level: int = 1,
        channel: str = "email",
        *,
        days: int | None = None,
        include_pdf: bool = False,
    ) -> UUID:
        """Makes an invoice overdue, and asks for its customer to be reminded, as a run of overdue does.

        Without `include_pdf` the message is there already, as the document takes half a second.
        """
        self.desk.behind(
            f"""alter table billing.invoice disable trigger user;
                update billing.invoice set issue_date = {TODAY} - 400, due_date = {TODAY} - {days or level}
                where id = '{invoice_id}';
                alter table billing.invoice enable trigger user"""
        )
        notification: UUID = self.desk.value(
            f"""with made as (
                   insert into overdue.notification (organization_id, invoice_id, level, as_of, days_overdue,
                       invoice_number, customer_id, customer_name, amount_due, currency, due_date, execution_id)
                   select i.organization_id, i.id, :level, {TODAY}, {TODAY} - i.due_date, i.invoice_number,
                          i.customer_id, 'X', i.amount_due, i.currency, i.due_date, uuidv7()
                   from billing.issued_invoice i where i.id = :invoice returning id)
               select id from made, lateral work.enqueue('send_overdue_notification', array[id || '/' || :channel])""",
            level=level,
            invoice=invoice_id,
            channel=channel,
        )
        if not include_pdf:
            self.desk.rows(
                """insert into delivery.message (organization_id, invoice_id, invoice_number, customer_id, purpose,
                                                 level, channel, recipient, wishes, notification_id)
                   select organization_id, id, invoice_number, customer_id, 'reminder', :level, :channel, '',
                          '{"include_pdf": false}', :notification
                   from billing.issued_invoice where id = :id""",
                level=level,
                channel=channel,
                notification=notification,
                id=invoice_id,
            )
        return notification

    def ask(self, invoices: Sequence[UUID | str], method: str = "email", **request: Any) -> UUID:
        wanted = CommunicationRequest(**{"method": method, "include_pdf": False} | request)
        return self.do(ask_for_communications, invoices, wanted, created_by="anna").job_id

    def send(self, **settings: Any) -> SendReport:
        """A run until nothing is due."""
        return send_messages(self.context(**settings), time_box=timedelta(seconds=60))

    def ask_and_send(self, invoices: Sequence[UUID | str], method: str = "email", **request: Any) -> SendReport:
        self.ask(invoices, method, **request)
        return self.send()

    def send_by(self, channel: OpenChannel, message_senders: int = 1) -> SendReport:
        """A run that hands over by this channel."""
        context = self.context(message_senders=message_senders)
        return send_messages(context, time_box=timedelta(seconds=30), open_channel=lambda _: channel)

    def stranger(self) -> Post:
        """Another organization of the same database, that reaches the same servers."""
        desk = self.desk
        database = TestDatabase(desk.engine, desk.superuser, desk.url, desk.url)
        return Post(open_desk(database), self.settings, self.mail, self.twilio)

    def do(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """What a function does with a connection in the scope of the organization."""
        with self.desk.scope() as connection:
            return work(connection, *arguments, **options)

    def settle(self, **settings: Any) -> None:
        """Runs, as if time passed in between, until nothing waits."""
        for _ in range(20):
            self.send(**settings)
            self.due_now()
            if all(item.status not in ("pending", "processing") for item in self.items()):
                return
        raise AssertionError(self.items())

    def due_now(self) -> None:
        """What waits for a time waits no more."""
        self.desk.behind(
            """update work.batch_item set available_at = now()
               where organization_id = '{organization}' and status = 'pending'"""
        )

    def messages(self, **filters: Any) -> list[Message]:
        """The oldest first."""
        return self.do(list_messages, limit=10_000, **filters)[::-1]

    def message(self, **filters: Any) -> Message:
        """The only one."""
        (message,) = self.messages(**filters)
        return message

    def items(self) -> list[Any]:
        return self.desk.rows("select * from work.batch_item where kind not like 'invoice%' order by id")

    def item(self) -> Any:
        """The only entry of the queue."""
        (item,) = self.items()
        return item

    def attempts(self) -> list[tuple[str, str | None, str | None]]:
        rows = self.desk.rows("select kind, outcome, code from delivery.message_attempt order by message_id, attempt")
        return [tuple(row) for row in rows]

    def mails(self, recipient: str) -> list[EmailMessage]:
        return [parsed(each) for each in self.mail.messages(recipient)]

    def pay(self, invoice_id: UUID, amount: str | None = None) -> None:
        self.desk.rows(
            """select billing.settle(jsonb_build_array(jsonb_build_object(
                   'id', gen_random_uuid(), 'source', 'manual', 'kind', 'payment', 'status', 'active',
                   'payment_date', current_date, 'currency', i.currency, 'amount', i.amount, 'unapplied_amount', 0,
                   'allocations', jsonb_build_object(i.id, i.amount))))
               from (select id, currency, coalesce(cast(:amount as numeric), amount_due) as amount
                     from billing.invoice where id = :id) i""",
            id=invoice_id,
            amount=amount,
        )


class Watched:
    """The channel of emails, with something done before a message is handed over by it, and after."""

    def __init__(self, post: Post, **when: Callable[[Outgoing], object]) -> None:
        self._channel = channel_of("email").open(post.settings)
        self._when = when
        self.look_up, self.close = self._channel.look_up, self._channel.close

    def send(self, outgoing: Outgoing) -> Accepted:
        if "before" in self._when:
            self._when["before"](outgoing)
        accepted = self._channel.send(outgoing)
        if "after" in self._when:
            self._when["after"](outgoing)
        return accepted


def parsed(received: Received) -> EmailMessage:
    message = email.message_from_bytes(received.data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@pytest.fixture(scope="session")
def message_database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    with fresh_database(server, template) as database:
        yield database


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        yield server


@pytest.fixture
def post(message_database: TestDatabase, mail: MailServer, twilio: TwilioServer, tmp_path: Path) -> Iterator[Post]:
    """An organization of its own; nothing goes wrong at the servers unless it is injected."""
    made = open_post(message_database, mail, twilio, tmp_path)
    yield made
    mail.faults.clear()
    twilio.faults.clear()


def open_post(database: TestDatabase, mail: MailServer, twilio: TwilioServer, folder: Path) -> Post:
    settings = settings_of(mail, twilio, documents=str(folder / "documents"), message_senders=2)
    made = Post(open_desk(database), settings, mail, twilio)
    made.wish()
    return made


def stored_settings(settings: Settings) -> str:
    """Settings as JSON, for another process."""
    given = {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for name, value in settings.model_dump(mode="python").items()
        if value is not None and name not in ("home",)
    }
    return json.dumps(given, default=str)
