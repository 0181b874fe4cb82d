"""The desk calls a channel by its words, also one that a package of somebody else adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines.web.pages.batch_operations.words import Words
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.messages.words import channel_choices, channel_name
from invoice_pipelines_tests.support.plug_in import install

FAX = """
from dataclasses import replace
from invoice_pipelines.delivery.channels.phone import SMS
FAX = replace(SMS, name="fax", title="Faxes")
"""


def test_a_channel_of_a_package_has_the_title_that_it_gives_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    german = Language("de")
    assert channel_name("fax", german) == "fax"  # of messages that went out while it was installed
    install(tmp_path, monkeypatch, MESSAGING_CHANNELS.group, "fax", "FAX", FAX)
    assert channel_choices(german) == [("email", "E-Mail"), ("fax", "Faxes"), ("sms", "SMS"), ("whatsapp", "WhatsApp")]
    assert Words(german).subject("fax") == "Faxes"


def test_a_way_of_sending_is_named_within_a_sentence() -> None:
    words = Words(Language("en"))
    assert [words.subject(name) for name in MESSAGING_CHANNELS.names()] == ["email", "SMS", "WhatsApp"]
