"""How folders are named to a mailbox."""

from __future__ import annotations

import pytest

from invoice_pipelines.delivery.channels.channel import Unavailable
from invoice_pipelines.delivery.channels.mailbox import Mailbox, spelled
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.integration.delivery.conftest import settings_of


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", "INBOX"),
        ("Sent Mail", "Sent Mail"),
        ("R&D", "R&-D"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # of RFC 3501
        ("😀", "&2D3eAA-"),
    ],
)
def test_names_of_folders_are_spelled_as_imap_wants_them(name: str, wire: str) -> None:
    assert spelled(name) == wire


@pytest.mark.parametrize("folder", ['quoted "name"', "back\\slash", "two\r\nA1 LOGOUT"])
def test_no_name_of_a_folder_is_taken_for_a_command(mail_server: MailServer, folder: str) -> None:
    mailbox = Mailbox(settings_of(mail_server, None))
    with pytest.raises(Unavailable):
        mailbox.holds(folder, "<a@b>")
    assert mailbox.holds("INBOX", "<a@b>") is False
    mailbox.close()
