"""Texts of messages are checked when they are stored; an organization's stand in the place of the project's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.delivery.channels.phone import segments
from invoice_pipelines.delivery.messages.fields import Fields, sample_fields
from invoice_pipelines.delivery.messages.templates import (
    MessageTemplate,
    TemplateKey,
    check_template,
    default_templates,
    find_template,
    message_templates,
    remove_message_template,
    set_message_template,
    write,
)
from invoice_pipelines.delivery.messages.text_rendering import render
from invoice_pipelines.delivery.values import DeliveryError, MessageStatus, Purpose
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post, text_of
from invoice_pipelines_tests.support.sizes import example_count

EMAIL = TemplateKey(Purpose.INVOICE, 0, "email", "de")
SMS = TemplateKey(Purpose.INVOICE, 0, "sms", "de")
FIELDS = sample_fields(language="en", level=0)


@pytest.mark.parametrize("template", default_templates().values(), ids=str)
def test_the_projects_texts_are_right(template: MessageTemplate) -> None:
    check_template(template)
    key = template.key
    written = write(template, sample_fields(language=key.language, level=key.level))
    assert "INV-2026-000042" in (written.subject or "") + written.body_text
    if key.channel == "sms":
        assert segments(written.body_text) <= 2


def test_there_are_texts_for_all_that_is_sent_in_both_languages() -> None:
    levels = {Purpose.INVOICE: (0,), Purpose.REMINDER: (1, 14, 30)}
    assert set(default_templates()) == {
        TemplateKey(purpose, level, channel, language)
        for purpose, its in levels.items()
        for level in its
        for channel in ("email", "sms", "whatsapp")
        for language in ("de", "en")
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Invoice {{ invoice.nummer }}", "text, line 1: there is no field 'invoice.nummer'; it has amount_due,"),
        ("{{ customer_name }}", "text, line 1: there is no field 'customer_name'; there are customer,"),
        ("a\nb\n{% if invoice.is_credit_note %}{{ invoice.nope }}{% endif %}", "text, line 3: there is no field"),
        ("a\n{% if %}", "text, line 2: Expected an expression"),
        ("a {{ invoice.number", "text, line 1: unexpected end of template"),
        ("{{ invoice.number | shout }}", "text, line 1: No filter named 'shout'"),
        ("{{ customer.name | safe }}", "text, line 1: No filter named 'safe'"),
        ("{{ range(10) }}", "text, line 1: there is no field 'range'"),
        ("a\n{% for x in 'ab' %}{% for y in 'ab' %}{{ x }}{% endfor %}{% endfor %}", "text, line 2: {% for %} is not"),
        ("{% set x = invoice %}{{ x.nope }}", "text, line 1: {% set %} is not available here"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "text, line 1: {% macro %} is not available here"),
        ("{% autoescape false %}{{ customer.name }}{% endautoescape %}", "text, line 1: {% autoescape %} is not"),
        ("{{ ''.__class__.__mro__ }}", "text, line 1: nothing can be called or computed here"),
        ("{{ invoice.__class__ }}", "text, line 1: there is no field 'invoice.__class__'"),
        ("{{ 'a' * 10000000000 }}", "text, line 1: nothing can be called or computed here"),
        ("{{ '%1000000000d' % 1 }}", "text, line 1: nothing can be called or computed here"),
        ("{{ '{:>9999999999}'.format(1) }}", "text, line 1: nothing can be called or computed here"),
        ("{% include '/etc/passwd' %}", "text, line 1: {% include %} is not available here"),
        ("{% extends '/etc/passwd' %}", "text, line 1: there is no '/etc/passwd'; the HTML"),
        ("{{ 2 ** 100000 }}", "text, line 1: ** is not available here"),
        ("{# nothing #}", "text: it is empty"),
        ("x" * 1600, "text: an SMS of 11 parts is too long; 10 are possible"),
        ("x" * 100_001, "text: it is longer than 100,000 characters"),
    ],
)
def test_a_wrong_text_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(DeliveryError) as refusal:
        check_template(MessageTemplate(SMS, text))
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (MessageTemplate(EMAIL, "text", "{{ '' }}"), "subject: it is empty"),
        (MessageTemplate(EMAIL, "text"), "subject: emails need one"),
        (MessageTemplate(SMS, "text", "subject"), "subject: SMS have none"),
        (MessageTemplate(SMS, "text", body_html="<p>"), "html: SMS have none"),
        (MessageTemplate(EMAIL, "text", "s", "<p>\n{{ nope }}"), "html, line 2: there is no field 'nope'"),
        (MessageTemplate(SMS, "text", content_sid="HX1"), "content_sid: SMS have none"),
        (MessageTemplate(TemplateKey(Purpose.REMINDER, 0, "sms", "de"), "t"), "level: a reminder is from"),
        (MessageTemplate(TemplateKey(Purpose.INVOICE, 0, "sms", "deu"), "t"), "language: 'deu' is not"),
    ],
)
def test_what_does_not_belong_to_a_channel_is_refused(template: MessageTemplate, reason: str) -> None:
    with pytest.raises(DeliveryError) as refusal:
        check_template(template)
    assert str(refusal.value).startswith(reason)


def refusal_of(text: str) -> str:
    try:
        return "" if isinstance(render(text, FIELDS), str) else "not a text"
    except DeliveryError as error:
        return str(error)


@settings(max_examples=example_count(60))
@given(st.text(max_size=40))
def test_a_value_is_never_taken_for_a_template_or_for_markup(value: str) -> None:
    fields = Fields(FIELDS.invoice, FIELDS.customer, FIELDS.organization, 0, True, value)
    assert render("{{ language }}", fields, is_html=True).count("<") == 0
    for text in (f"a{{{{ {value!r} }}}}", value):
        assert "\n" not in refusal_of(text)


def test_an_approved_whatsapp_template_gets_its_places_by_line() -> None:
    key = TemplateKey(Purpose.INVOICE, 0, "whatsapp", "de")
    template = MessageTemplate(key, "{{ customer.name }}\n{{ invoice.number }}\n", content_sid="HX" + "0a" * 16)
    check_template(template)
    assert write(template, FIELDS).content_variables == {"1": "Müller & Söhne GmbH", "2": "INV-2026-000042"}


def test_an_organizations_text_stands_in_the_place_of_the_projects_until_it_is_removed(post: Post) -> None:
    with post.desk.scope() as connection:
        own = MessageTemplate(
            EMAIL, "Servus {{ customer.name }}", "Bon {{ invoice.number }}", "<p>{{ customer.name }}</p>"
        )
        set_message_template(connection, own, created_by="anna")
        assert [t.key for t in message_templates(connection) if t.is_own] == [EMAIL]
    post.ask_and_send([post.invoice(email="own@kunde.example", name="A&B")])
    (received,) = post.mails("own@kunde.example")
    assert received["Subject"].startswith("Bon INV-")
    assert text_of(received).strip() == "Servus A&B"
    with post.desk.scope() as connection:
        assert remove_message_template(connection, EMAIL, created_by="anna")
        assert not remove_message_template(connection, EMAIL, created_by="anna")
        found = find_template(connection, Purpose.INVOICE, 0, "email", ["de"])
    assert not found.is_own


def test_a_language_without_texts_gets_those_of_the_organization_and_english_at_last(post: Post) -> None:
    with post.desk.scope() as connection:
        for languages, expected in ((("fr", "de"), "de"), (("fr", "it"), "en")):
            found = find_template(connection, Purpose.INVOICE, 0, "sms", languages)
            assert found.key.language == expected


def test_a_text_that_went_wrong_all_the_same_fails_its_message_with_a_reason(post: Post, tmp_path: Path) -> None:
    """It was stored before a field was taken away."""
    post.desk.rows(
        """insert into delivery.message_template (organization_id, purpose, channel, language, subject, body_text)
           values (organizations.current(), 'invoice', 'email', 'de', 's', :text)""",
        text="x\n{{ invoice.gone }}",
    )
    report = post.ask_and_send([post.invoice()])
    assert report.failed == 1
    assert post.item().error_code == "TEMPLATE"
    assert "text, line 2:" in post.item().error_message
    assert post.message().status is MessageStatus.FAILED
