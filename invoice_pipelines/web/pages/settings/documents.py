"""The look of documents: the logo, and a sample invoice as it would be made now."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import File, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.delivery.rendering.preview import draw, preview_of
from invoice_pipelines.delivery.rendering.renderer import LOGOS
from invoice_pipelines.delivery.rendering.template_files import TemplateError, remove_logo, set_logo
from invoice_pipelines.web.api.attachments import PDF
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.pages.settings.files import save_as
from invoice_pipelines.web.pages.settings.forms import show_section
from invoice_pipelines.web.pages.settings.sections import DOCUMENTS

router = PageRouter()
_LARGEST_UPLOAD = 1_100_000
_NO_LOGO = N_("Choose a picture of at most 1 MB: SVG, PNG or JPEG.")
_PIXELS = re.compile(r"the logo has (\d+) x (\d+) pixels; ([\d,]+) in all")


@router.get("/settings/documents/sample.png", role=Role.VIEWER, response_class=Response)
def sample_picture(page: Page) -> Response:
    """The sample as a picture. Its address has a digest, so browsers keep it."""
    with page.enter() as at:
        preview = preview_of(at.connection)
    return Response(draw(preview, "png"), media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/settings/documents/sample.pdf", role=Role.VIEWER, response_class=Response)
def sample_file(page: Page) -> Response:
    """The sample as a file."""
    with page.enter() as at:
        preview = preview_of(at.connection)
    return save_as(draw(preview, "pdf"), "sample.pdf", PDF)


@router.post("/settings/documents/logo", role=Role.ADMIN, area="organization", max_bytes=_LARGEST_UPLOAD)
def change_logo(page: Page, logo: Annotated[bytes, File()] = b"") -> Response:
    """Puts a logo on the documents that are made from now on."""
    try:
        with page.enter() as at:
            if not logo:
                raise TemplateError("it is empty")
            set_logo(at.connection, logo, created_by=at.entry.actor)
    except TemplateError as wrong:
        with page.enter() as at:
            return show_section(page, DOCUMENTS, at, status=422, logo_error=_reason(wrong, page.language))
    return page.go(page.url("settings", "documents"), page.gettext("The logo is on new documents from now on."))


@router.post("/settings/documents/logo/remove", role=Role.ADMIN, area="organization")
def take_logo_off(page: Page) -> Response:
    """Takes the logo off documents that are made from now on."""
    with page.enter() as at:
        remove_logo(at.connection, created_by=at.entry.actor)
    return page.go(page.url("settings", "documents"), page.gettext("New documents have no logo."))


def _reason(wrong: TemplateError, language: Language) -> str:
    """Why a picture is no logo, and what to do; what a renderer says of it in detail helps nobody here."""
    _ = language.gettext
    if found := _PIXELS.match(wrong.message):
        width, height, most = (language.number(int(figure.replace(",", ""))) for figure in found.groups())
        return _("This picture has %(width)s × %(height)s pixels; %(most)s in all are allowed. Make it smaller.") % {
            "width": width,
            "height": height,
            "most": most,
        }
    if wrong.message.startswith(("the samples took", "the process that made")):
        return _("Drawing this picture takes too long. Choose a simpler one.")
    if wrong.file in (None, *LOGOS) and wrong.message.startswith(("it ", "a logo is")):
        return _(_NO_LOGO)
    return _(
        "This picture cannot be used: it is damaged, or has something that cannot be printed. Save it anew as PNG."
    )
