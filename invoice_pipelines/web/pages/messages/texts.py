"""The texts of messages: which count, and how they look. Admins write their own, which are checked first."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated

from fastapi import Form, Query, Response
from pydantic import BaseModel, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.delivery.channels.channel import Part, channel_of
from invoice_pipelines.delivery.messages.fields import named, sample_fields
from invoice_pipelines.delivery.messages.templates import (
    MessageTemplate,
    TemplateKey,
    Written,
    check_template,
    find_template,
    message_templates,
    remove_message_template,
    set_message_template,
    write,
)
from invoice_pipelines.delivery.values import DeliveryError, Purpose
from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.messages.words import about, channel_name, shown
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.problems import Refusal, not_found

router = PageRouter()

_KEY = re.compile(r"(invoice|reminder)-([0-9]{1,4})-([a-z][a-z0-9_]*)-([a-z]{2})")
_LONGEST = 100_000
_END = N_("The end is missing, such as }}, {%% endif %%} or {%% endfor %%}.")
_SIGN = N_("A sign is missing or one too many: compare the braces and the names.")
_SYNTAX = (
    (r"Encountered unknown tag ('[^']*')", N_("There is no %(what)s. Commands are if, for and set.")),
    (r"([Uu]nexpected end of template|Missing end of)", _END),
    (r"(expected token|unexpected 'end of|Expected an expression)", _SIGN),
    (r"unexpected (?:char )?(.+?)(?: at \d+)?$", N_("%(what)s is not possible here.")),
    (r"No filter named ('[^']*')", N_("There is no filter %(what)s.")),
    (r"No test named ('[^']*')", N_("There is no condition %(what)s.")),
    (r"(nothing can be called or computed here)", N_("Nothing can be called or computed in a text.")),
    (r"(?:the text|it) is longer than ([0-9,]+)", N_("It is longer than %(what)s characters.")),
)
"""What is wrong with the syntax of a text, by how Jinja says it."""
_HTML_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""An email as its reader sees it: with styles of its own, and nothing that runs or loads."""


class Typed(BaseModel):
    """A text as it is typed."""

    subject: str = Field("", max_length=1000)
    text: str = Field("", max_length=_LONGEST)
    html: str = Field("", max_length=_LONGEST)
    content_sid: str = Field("", max_length=100)

    def as_template(self, key: TemplateKey) -> MessageTemplate:
        """As the domain takes it; line ends as files have them, not as browsers send them."""
        parts = channel_of(key.channel).parts
        return MessageTemplate(
            key,
            _lines(self.text),
            _lines(self.subject).strip() if Part.SUBJECT in parts else None,
            (_lines(self.html) if self.html.strip() else None) if Part.HTML in parts else None,
            (self.content_sid.strip() or None) if Part.APPROVED_TEMPLATE in parts else None,
        )


@router.get("/messages/texts", role=Role.VIEWER)
def texts(page: Page) -> Response:
    """The texts that count."""
    with page.enter() as at:
        return page.show(
            "messages/texts.html",
            texts=message_templates(at.connection),
            address_of=address_of,
            channels=MESSAGING_CHANNELS.names(),
            **shown(page.language),
        )


@router.get("/messages/texts/new", role=Role.ADMIN)
def new_text(
    page: Page,
    purpose: Annotated[str, Query(max_length=20)] = "reminder",
    level: Annotated[str, Query(max_length=10)] = "0",
    channel: Annotated[str, Query(max_length=50)] = "email",
    language: Annotated[str, Query(max_length=10)] = "en",
) -> Response:
    """Goes on to the page of a text that there is not yet."""
    with page.enter():
        days = level.strip() if purpose == Purpose.REMINDER else "0"
        written = f"{purpose}-{days}-{channel}-{language.strip().lower()}"
        try:
            _key_of(written)
        except Refusal:
            said = page.gettext("Enter the days as a number, 1 or more, and the language by two letters such as en.")
            return page.go(page.url("messages", "texts"), said, "warn")
    return page.go(page.url("messages", "texts", written))


@router.get("/messages/texts/{name}", role=Role.VIEWER)
def text(page: Page, name: str) -> Response:
    """A text with a sample, and where it is changed."""
    with page.enter() as at:
        key = _key_of(name)
        found = _found(at, key)
        return _show(page, at, key, found, replace(found, key=key))


@router.post("/messages/texts/{name}", role=Role.ADMIN, area="delivery", people_only=True)
def save(
    page: Page, name: str, typed: Annotated[Typed, Form()], action: Annotated[str, Query(max_length=20)] = "save"
) -> Response:
    """Stores a text of the organization's own once it is checked; or only checks it and shows how it looks."""
    with page.enter() as at:
        key = _key_of(name)
        template = typed.as_template(key)
        try:
            if action == "save":
                set_message_template(at.connection, template, created_by=at.entry.actor)
            else:
                check_template(template)
        except DeliveryError as refused:
            errors = _errors(refused, page.language)
            return _show(page, at, key, _found(at, key), template, errors=errors, status=422)
        if action != "save":
            return _show(page, at, key, _found(at, key), template, is_checked=True)
    said = page.gettext("Stored. Messages are written with this text from now on.")
    return page.go(page.url("messages", "texts", name), said)


@router.post("/messages/texts/{name}/html", role=Role.ADMIN, area="delivery", people_only=True)
def html(page: Page, name: str, typed: Annotated[Typed, Form()]) -> Response:
    """The HTML of an email as its reader sees it, with a sample."""
    with page.enter() as at:
        key = _key_of(name)
        template = typed.as_template(key)
        try:
            written = _written(template)
        except DeliveryError as refused:
            return _show(page, at, key, _found(at, key), template, errors=_errors(refused, page.language), status=422)
    return Response(written.body_html or "", headers={"Content-Security-Policy": _HTML_POLICY}, media_type="text/html")


@router.post("/messages/texts/{name}/remove", role=Role.ADMIN, area="delivery", people_only=True)
def remove(page: Page, name: str) -> Response:
    """Lets the text of the program count again."""
    with page.enter() as at:
        remove_message_template(at.connection, _key_of(name), created_by=at.entry.actor)
    said = page.gettext("The standard text counts again.")
    return page.go(page.url("messages", "texts"), said)


def address_of(key: TemplateKey) -> str:
    """The last part of the address of a text."""
    return f"{key.purpose}-{key.level}-{key.channel}-{key.language}"


def _key_of(name: str) -> TemplateKey:
    found = _KEY.fullmatch(name)
    if found is None or found[3] not in MESSAGING_CHANNELS.names():
        raise not_found()
    key = TemplateKey(Purpose(found[1]), int(found[2]), found[3], found[4])
    if (key.purpose is Purpose.REMINDER) != (0 < key.level <= 3650):
        raise not_found()
    return key


def _found(at: At, key: TemplateKey) -> MessageTemplate:
    """The text that counts, which may be one of a lower level or in English."""
    return find_template(at.connection, key.purpose, key.level, key.channel, [key.language])


def _written(template: MessageTemplate) -> Written:
    return write(template, sample_fields(language=template.key.language, level=template.key.level))


def _show(
    page: PageCaller,
    at: At,
    key: TemplateKey,
    found: MessageTemplate,
    edited: MessageTemplate,
    *,
    errors: dict[str, str] | None = None,
    is_checked: bool = False,
    status: int = 200,
) -> Response:
    sample = None
    if not errors:
        try:
            sample = _written(edited)
        except DeliveryError as refused:
            errors = _errors(refused, page.language)
    parts = channel_of(key.channel).parts
    return page.show(
        "messages/text.html",
        status=status,
        key=key,
        name=address_of(key),
        title=f"{about(key.purpose, key.level, page.language)}, {channel_name(key.channel, page.language)}",
        found=found,
        edited=edited,
        is_own=found.is_own and found.key == key,
        is_there=found.key == key,
        has_subject=Part.SUBJECT in parts,
        has_html=Part.HTML in parts,
        has_content_sid=Part.APPROVED_TEMPLATE in parts,
        sample=sample,
        is_checked=is_checked,
        errors=errors or {},
        fields=named(sample_fields(language=key.language, level=key.level)),
        **shown(page.language),
    )


def _errors(refused: DeliveryError, language: Language) -> dict[str, str]:
    """What is wrong, by the part of the text."""
    said = re.match(r"(subject|text|html|content_sid)(?:, line (\d+))?: (.*)", str(refused), re.DOTALL)
    if said is None:
        return {"text": language.in_english(str(refused))}
    part, line, reason = said.groups()
    _ = language.gettext
    if field := re.match("there is no field '([^']*)'", reason):
        reason = _("There is no field %(name)s. The fields are listed below.") % {"name": field[1]}
    elif reason == "it is empty":
        reason = _("This cannot be empty.")
    elif found := re.match("(.*) is not available here", reason):
        reason = _("%(what)s cannot be used in a text.") % {"what": found[1]}
    elif reason.startswith("it is written HX"):
        reason = _("It is HX and 32 digits or letters from a to f.")
    else:
        reason = next(
            (_(words) % {"what": found[1]} for pattern, words in _SYNTAX if (found := re.match(pattern, reason))),
            _("This cannot be read as a text: %(words)s") % {"words": language.in_english(reason)},
        )
    if line is not None:
        reason = _("Line %(line)s: %(words)s") % {"line": line, "words": reason}
    return {part: reason}


def _lines(typed: str) -> str:
    return typed.replace("\r\n", "\n")
