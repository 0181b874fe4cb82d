"""A package of somebody else adds a channel: messages go out by it, and nothing here knows its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from invoice_pipelines.cli.main import app
from invoice_pipelines.database.schema import sql_files, statements_of
from invoice_pipelines.delivery.messages.messages import read_request
from invoice_pipelines.delivery.messages.opt_outs import add_opt_out
from invoice_pipelines.delivery.messages.templates import message_templates
from invoice_pipelines.delivery.values import DeliveryError, MessageStatus
from invoice_pipelines.organizations.settings import OrganizationSettings
from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post
from invoice_pipelines_tests.support.plug_in import install

FAX = """
import json, os
from invoice_pipelines.delivery.channels.addresses import PHONE_NUMBERS
from invoice_pipelines.delivery.channels.channel import Accepted, MessagingChannel, OutcomeUnknown, Originator

class OpenFax:
    def __init__(self, settings):
        self.tray = os.environ["FAX_TRAY"]

    def send(self, outgoing):
        with open(self.tray, "a", encoding="utf-8") as tray:
            tray.write(json.dumps({"from": outgoing.sender, "to": outgoing.recipient, "text": outgoing.text}) + "\\n")
        if outgoing.recipient.endswith("7"):
            raise OutcomeUnknown("The line went dead.")
        return Accepted("page-1")

    def look_up(self, outgoing, since):
        raise AssertionError("a fax machine keeps no list")

    def close(self):
        pass

FAX = MessagingChannel(
    name="fax", title="faxes", addresses=PHONE_NUMBERS, open=OpenFax, is_set_up=lambda settings: True,
    sender=lambda context: Originator("+4930999"), per_minute=lambda wishes: 100_000, can_look_up=False,
    fit=str.upper, texts_of="sms",
)
"""


@pytest.fixture
def tray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where faxes lie, once the package that sends them is installed."""
    install(tmp_path, monkeypatch, MESSAGING_CHANNELS.group, "fax", "FAX", FAX)
    monkeypatch.setenv("FAX_TRAY", str(tmp_path / "tray"))
    return tmp_path / "tray"


def faxes(tray: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tray.read_text("utf-8").splitlines()]


def test_an_invoice_goes_out_by_it(post: Post, tray: Path) -> None:
    report = post.ask_and_send([post.invoice(phone="+493012345678")], "fax", include_pdf=True)
    assert (report.sent, dict(report.sent_by_channel)) == (1, {"fax": 1}), report
    message = post.message()
    assert (message.channel, message.status, message.provider_id) == ("fax", MessageStatus.SENT, "page-1")
    (sent,) = faxes(tray)
    assert (sent["from"], sent["to"]) == ("+4930999", "+493012345678")
    assert message.invoice_number in sent["text"]
    assert sent["text"] == sent["text"].upper()


def test_a_reminder_goes_out_by_it_in_test_mode_and_not_to_who_opted_out(post: Post, tray: Path) -> None:
    post.wish(redirect_phone="+493011111111")
    post.reminder(post.invoice(), channel="fax")
    with post.desk.scope() as connection:
        add_opt_out(connection, "fax", "030 12345678", created_by="anna")
    post.reminder(post.invoice(phone="+493012345678"), channel="fax")
    report = post.send()
    assert (report.sent, report.skipped) == (1, 1)
    (sent,) = faxes(tray)
    assert sent["to"] == "+493011111111"
    assert sent["text"].startswith("[for +4915123456789] ")


def test_a_lost_answer_that_nobody_can_be_asked_about_is_left_to_a_person(post: Post, tray: Path) -> None:
    post.ask([post.invoice(phone="+493012345677")], "fax")
    post.settle(look_up_after_seconds=0.0)
    assert len(faxes(tray)) == 1
    assert post.message().status is MessageStatus.UNKNOWN
    assert post.item().error_code == "OUTCOME_UNKNOWN"


def test_settings_texts_sql_and_commands_know_it(post: Post, tray: Path) -> None:
    assert OrganizationSettings(overdue_channels=("fax",), messages={"quiet_channels": ["fax"]}).overdue_channels
    with post.desk.scope() as connection:
        texts = [each.key for each in message_templates(connection)]
    assert [key for key in texts if key.channel == "fax"]
    (names,) = [statements_of(file) for file in sql_files() if file.name == "channels.sql"]
    assert "array['email', 'fax', 'sms', 'whatsapp']" in names


def test_a_channel_that_nobody_registered_is_refused_by_name(post: Post) -> None:
    reason = "There is no messaging channel called 'fax'. Choose one of: email, sms, whatsapp."
    with pytest.raises(DeliveryError) as refusal:
        read_request({"method": "fax"})
    assert str(refusal.value) == f"method: {reason}"
    with pytest.raises(ValidationError, match="no messaging channel called 'fax'"):
        OrganizationSettings(overdue_channels=("fax",))
    refused = CliRunner().invoke(app, ["messages", "list", "--organization", "acme", "--channel", "fax"])
    assert refused.exit_code == 2
    assert "no messaging channel called 'fax'" in " ".join(refused.output.split())
    post.reminder(post.invoice(), channel="fax")
    assert post.send().failed == 1
    assert (post.item().error_code, post.item().error_message) == ("UNKNOWN_CHANNEL", reason)
    assert (post.message().status, post.message().error_code) == (MessageStatus.FAILED, "UNKNOWN_CHANNEL")
