"""The texts of messages: those of the project, and those that an organization has put in their place.

A text is known by purpose, level (of reminders), channel and language. What it can have beside its words (a subject,
HTML, a template that the provider approved, whose places the lines of the text fill in their order), and how long it
may be, its channel says. The fields that it can name are in `fields`.

Functions that take a connection work in its transaction, which must come from `organization_scope`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import TypeVar

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.channels.channel import Part, channel_of
from invoice_pipelines.delivery.messages.fields import Fields, sample_fields
from invoice_pipelines.delivery.messages.text_rendering import TextError, check_names, render, render_line
from invoice_pipelines.delivery.values import DeliveryError, Purpose
from invoice_pipelines.registry import MESSAGING_CHANNELS

T = TypeVar("T")

LAST_RESORT = "en"
LONGEST_SUBJECT = 250

_FILE = re.compile(r"(invoice|reminder)(?:-(\d+))?\.([a-z][a-z0-9_]*)\.(?:(subject)\.)?(txt|html)")
_CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True, order=True)
class TemplateKey:
    """What a text is for. `level`: from so many days past due on; 0 for an invoice."""

    purpose: Purpose
    level: int
    channel: str
    language: str

    def __str__(self) -> str:
        level = f" from day {self.level} on" if self.purpose is Purpose.REMINDER else ""
        return f"{self.purpose}{level}, {self.channel}, {self.language}"


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """The texts of a message. `is_own`: the organization's, not the project's."""

    key: TemplateKey
    body_text: str
    subject: str | None = None
    body_html: str | None = None
    content_sid: str | None = None
    is_own: bool = True
    created_at: datetime | None = None
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A message with its fields filled in. `subject` is on one line."""

    subject: str | None
    body_text: str
    body_html: str | None
    content_sid: str | None
    content_variables: dict[str, str] | None


def write(template: MessageTemplate, fields: Fields, *, subject: str | None = None) -> Written:
    """Fills in the fields. `subject` stands above that of the template. Raises DeliveryError."""
    channel = channel_of(template.key.channel)
    body = _part("text", lambda: render(template.body_text, fields))
    if not body:
        raise DeliveryError("text: it is empty")
    body = channel.fit(body)
    title = html = content_sid = variables = None
    if Part.SUBJECT in channel.parts:
        title = _part("subject", lambda: render_line(subject or template.subject or "", fields))
        if not title:
            raise DeliveryError("subject: it is empty")
        if len(title) > LONGEST_SUBJECT:
            title = title[: LONGEST_SUBJECT - 1] + "…"
    if Part.HTML in channel.parts and (source := template.body_html) is not None:
        html = _part("html", lambda: render(source, fields, is_html=True))
    if Part.APPROVED_TEMPLATE in channel.parts and template.content_sid is not None:
        content_sid = template.content_sid
        lines = [line.strip() for line in body.splitlines() if line.strip()]
        variables = {str(place): line for place, line in enumerate(lines, 1)}
    return Written(title, body, html, content_sid, variables)


def check_template(template: MessageTemplate) -> None:
    """Writes samples with a template and looks at all fields that it names. Raises DeliveryError with part and line."""
    key, channel = template.key, channel_of(template.key.channel)
    if not re.fullmatch("[a-z]{2}", key.language):
        raise DeliveryError(f"language: {key.language[:20]!r} is not two letters like en or de (ISO 639-1)")
    if (key.purpose is Purpose.REMINDER) != (key.level > 0):
        raise DeliveryError("level: a reminder is from day 1 or later on, an invoice has no level")
    if (Part.SUBJECT in channel.parts) != (template.subject is not None):
        raise DeliveryError(f"subject: {channel.title} {'have none' if template.subject is not None else 'need one'}")
    for name, given, part in (
        ("html", template.body_html, Part.HTML),
        ("content_sid", template.content_sid, Part.APPROVED_TEMPLATE),
    ):
        if given is not None and part not in channel.parts:
            raise DeliveryError(f"{name}: {channel.title} have none")
    if template.content_sid is not None and not _CONTENT_SID.fullmatch(template.content_sid):
        raise DeliveryError("content_sid: it is written HX and 32 digits or letters a to f")
    _part("subject", lambda: check_names(template.subject or ""))
    _part("text", lambda: check_names(template.body_text))
    _part("html", lambda: check_names(template.body_html or "", is_html=True))
    for sample in _samples(key.purpose, key.level, key.language):
        write(template, sample)


def check_subject(subject: str) -> None:
    """Looks at a subject that stands above those of templates. Raises DeliveryError."""
    _part("subject", lambda: check_names(subject))
    for sample in _samples(Purpose.INVOICE, 0, LAST_RESORT):
        if not _part("subject", partial(render_line, subject, sample)):
            raise DeliveryError("subject: it is empty")


def set_message_template(connection: Connection, template: MessageTemplate, *, created_by: str) -> None:
    """Puts a text in the place of the project's from now on, once it is checked. Raises DeliveryError."""
    if any("\x00" in (part or "") for part in (template.subject, template.body_text, template.body_html)):
        raise DeliveryError("text: it has a character (NUL) that cannot be stored")
    check_template(template)
    _insert(connection, template.key, template, created_by)


def remove_message_template(connection: Connection, key: TemplateKey, *, created_by: str) -> bool:
    """Lets the project's text count again; False if the organization had none of its own."""
    if not any(own.key == key for own in _own(connection, key.purpose, key.channel)):
        return False
    _insert(connection, key, None, created_by)
    return True


def message_templates(connection: Connection) -> list[MessageTemplate]:
    """All texts that count for the organization in scope."""
    found: dict[TemplateKey, MessageTemplate] = {}
    for channel in MESSAGING_CHANNELS.names():
        found |= _defaults(channel)
        for purpose in Purpose:
            found |= {own.key: own for own in _own(connection, purpose, channel)}
    return [found[key] for key in sorted(found)]


def find_template(
    connection: Connection, purpose: Purpose, level: int, channel: str, languages: Iterable[str]
) -> MessageTemplate:
    """The text for a message: of the first of the languages that there is one in, else English, with the highest level
    that is reached. Raises DeliveryError where there is none.
    """
    there = {key: each for key, each in _defaults(channel).items() if key.purpose is purpose}
    there |= {own.key: own for own in _own(connection, purpose, channel)}
    for language in (*languages, LAST_RESORT):
        reached = [key for key in there if key.language == language and key.level <= level]
        if reached:
            return there[max(reached)]
    raise DeliveryError(f"there is no text for {TemplateKey(purpose, level, channel, LAST_RESORT)}")


@cache
def default_templates() -> dict[TemplateKey, MessageTemplate]:
    """The project's own texts."""
    parts: dict[TemplateKey, dict[str, str]] = {}
    for folder in (files("invoice_pipelines.delivery.messages") / "texts").iterdir():
        if not folder.is_dir() or len(folder.name) != 2:
            continue
        for file in folder.iterdir():
            if not (match := _FILE.fullmatch(file.name)):
                continue
            purpose, level, channel, subject, kind = match.groups()
            key = TemplateKey(Purpose(purpose), int(level or 0), channel, folder.name)
            name = "subject" if subject else "body_html" if kind == "html" else "body_text"
            content = file.read_text(encoding="utf-8")
            parts.setdefault(key, {})[name] = content.strip() if subject else content
    return {key: replace(MessageTemplate(key, "", is_own=False), **texts) for key, texts in parts.items()}  # type: ignore[arg-type]  # the names are those of texts


def _defaults(channel: str) -> dict[TemplateKey, MessageTemplate]:
    """The project's texts for a channel: those written for it, else those of the one that it names."""
    every = default_templates()
    own = {key: each for key, each in every.items() if key.channel == channel}
    if own or (like := channel_of(channel).texts_of) is None:
        return own
    borrowed = (replace(each, key=replace(key, channel=channel)) for key, each in every.items() if key.channel == like)
    return {each.key: each for each in borrowed}


def _samples(purpose: Purpose, level: int, language: str) -> list[Fields]:
    samples = [sample_fields(language=language, level=level, is_sparse=is_sparse) for is_sparse in (False, True)]
    if purpose is Purpose.INVOICE:
        samples.append(sample_fields(language=language, level=0, is_credit_note=True))
    return samples


def _part(name: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except TextError as error:
        raise DeliveryError(f"{name}, {error}" if error.line is not None else f"{name}: {error}") from None


def _own(connection: Connection, purpose: Purpose, channel: str) -> list[MessageTemplate]:
    rows = connection.execute(
        text(
            """select distinct on (t.language, t.level) t.* from delivery.message_template t
               where t.purpose = :purpose and t.channel = :channel
                 and t.organization_id = organizations.current()
               order by t.language, t.level, t.id desc"""
        ),
        {"purpose": purpose.value, "channel": channel},
    )
    texts = ("body_text", "subject", "body_html", "content_sid", "created_at", "created_by")
    return [
        MessageTemplate(
            TemplateKey(purpose, row.level, channel, row.language), **{name: row._mapping[name] for name in texts}
        )
        for row in rows
        if not row.is_removed
    ]


def _insert(connection: Connection, key: TemplateKey, template: MessageTemplate | None, created_by: str) -> None:
    connection.execute(
        text(
            """insert into delivery.message_template (organization_id, purpose, level, channel, language, is_removed,
                   subject, body_text, body_html, content_sid, created_by)
               values (organizations.current(), :purpose, :level, :channel, :language, :is_removed,
                   :subject, :body_text, :body_html, :content_sid, :created_by)"""
        ),
        {
            **asdict(key),
            "is_removed": template is None,
            **{name: getattr(template, name, None) for name in ("subject", "body_text", "body_html", "content_sid")},
            "created_by": created_by,
        },
    )
