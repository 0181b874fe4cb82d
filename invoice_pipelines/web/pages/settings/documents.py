"""The look of documents: the logo, and a sample invoice as it would be made now."""

from __future__ import annotations

from typing import Annotated

from fastapi import File, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.delivery.rendering.preview import draw, preview_of
from invoice_pipelines.delivery.rendering.template_files import TemplateError, remove_logo, set_logo
from invoice_pipelines.web.api.attachments import PDF
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.pages.settings.files import save_as
from invoice_pipelines.web.pages.settings.forms import show_section
from invoice_pipelines.web.pages.settings.sections import DOCUMENTS

router = PageRouter()
_LARGEST_UPLOAD = 1_100_000
_NO_LOGO = N_("Choose a picture of at most 1 MB: SVG, PNG or JPEG.")


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
        said = page.gettext(_NO_LOGO)
        if wrong.file is not None:
            said = page.gettext("This picture cannot be used: %(reason)s") % {"reason": str(wrong)}
        with page.enter() as at:
            return show_section(page, DOCUMENTS, at, status=422, logo_error=said)
    return page.go(page.url("settings", "documents"), page.gettext("The logo is on new documents from now on."))


@router.post("/settings/documents/logo/remove", role=Role.ADMIN, area="organization")
def take_logo_off(page: Page) -> Response:
    """Takes the logo off documents that are made from now on."""
    with page.enter() as at:
        remove_logo(at.connection, created_by=at.entry.actor)
    return page.go(page.url("settings", "documents"), page.gettext("New documents have no logo."))
