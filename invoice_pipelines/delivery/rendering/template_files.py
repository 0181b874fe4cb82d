"""An organization's own template files: they are checked and stored here. Which files a rendering sees: `bundle`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from PIL import Image
from sqlalchemy import Connection, text

from invoice_pipelines.delivery.rendering.bundle import TemplateBundle, bundle_of, project_files
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.renderer import LOGOS, Look
from invoice_pipelines.delivery.rendering.sources import check_name
from invoice_pipelines.delivery.rendering.template_checks import check_bundle
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.organizations import OrganizationSettings

MOST_PIXELS = 20_000_000
"""Of a logo: one that is printed 80 mm wide needs a tenth of them."""

__all__ = [
    "MOST_PIXELS",
    "OwnFile",
    "TemplateBundle",
    "TemplateError",
    "check_templates",
    "list_own_files",
    "load_bundle",
    "own_logo",
    "remove_logo",
    "remove_template_file",
    "set_logo",
    "set_template_files",
]


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A template file of an organization."""

    name: str
    size_bytes: int
    created_at: datetime
    created_by: str


def load_bundle(connection: Connection) -> TemplateBundle:
    """All files that a rendering of the organization in scope sees: its own over those of the project."""
    return bundle_of(_own_files(connection))


def list_own_files(connection: Connection) -> list[OwnFile]:
    """The template files of the organization in scope, by name."""
    rows = connection.execute(
        text(f"select name, octet_length(content), created_at, created_by from ({_NEWEST}) f where content is not null")
    )
    return [OwnFile(*row) for row in rows]


def set_template_files(connection: Connection, files: Mapping[str, bytes], *, created_by: str) -> None:
    """Stores template files of the organization in scope, in place of the project's or beside them.

    Samples are rendered with them before: one page, many, a credit note, in each language. Raises TemplateError, a
    DeliveryError, with the file and the line where one fails.
    """
    for name, content in files.items():
        check_name(name)
        if not content:
            raise TemplateError("it is empty; to use the project's again, remove it", name)
    own = {**_own_files(connection), **files}
    check_bundle(bundle_of(own), _look(connection))
    for name, content in sorted(files.items()):
        _insert(connection, name, content, created_by)


def remove_template_file(connection: Connection, name: str, *, created_by: str) -> None:
    """Takes back a template file of the organization in scope, so that the project's counts. Raises DeliveryError."""
    if name not in _own_files(connection):
        known = "the project has one" if name in project_files() else "nor has the project"
        raise DeliveryError(f"the organization has no template file {name!r}, {known}")
    _insert(connection, name, None, created_by)


def own_logo(connection: Connection) -> OwnFile | None:
    """The logo of the organization in scope."""
    own = {file.name: file for file in list_own_files(connection)}
    return next((own[name] for name in LOGOS if name in own), None)


def set_logo(connection: Connection, content: bytes, *, created_by: str) -> None:
    """Stores the logo of the organization in scope, an SVG, PNG or JPEG, in place of the one before. Samples are
    rendered with it before. Raises TemplateError.
    """
    name = _logo_name(content)
    own = {known: file for known, file in _own_files(connection).items() if known not in LOGOS}
    check_bundle(bundle_of({**own, name: content}), _look(connection))
    remove_logo(connection, created_by=created_by)
    _insert(connection, name, content, created_by)


def remove_logo(connection: Connection, *, created_by: str) -> None:
    """Takes the logo of the organization in scope off its documents, where there is one."""
    for name in LOGOS:
        if name in _own_files(connection):
            _insert(connection, name, None, created_by)


def check_templates(connection: Connection) -> dict[str, bytes]:
    """Samples with the files of the organization in scope, as PDFs by file name. Raises TemplateError."""
    return check_bundle(load_bundle(connection), _look(connection))


_NEWEST = """
    select distinct on (name) name, content, created_at, created_by from delivery.template_file
    where organization_id = organizations.current()
    order by name, id desc
"""


def _logo_name(content: bytes) -> str:
    """The name of a file with a logo, by what it is. Raises TemplateError for what is none, or has too many pixels."""
    beginning = content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if beginning.startswith(b"<") and b"<svg" in content[:10_000]:
        return "logo.svg"
    try:
        with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as picture:  # its head alone is read
            name = "logo.png" if picture.format == "PNG" else "logo.jpg"
            width, height = picture.size
    except (OSError, ValueError, Image.DecompressionBombError):
        raise TemplateError("a logo is an SVG, PNG or JPEG") from None
    if width * height > MOST_PIXELS:
        raise TemplateError(f"the logo has {width} x {height} pixels; {MOST_PIXELS:,} in all are allowed", name)
    return name


def _own_files(connection: Connection) -> dict[str, bytes]:
    return {row.name: bytes(row.content) for row in connection.execute(text(_NEWEST)) if row.content is not None}


def _insert(connection: Connection, name: str, content: bytes | None, created_by: str) -> None:
    connection.execute(
        text(
            """insert into delivery.template_file (organization_id, name, content, created_by)
               values (organizations.current(), :name, :content, :created_by)"""
        ),
        {"name": name, "content": content, "created_by": created_by},
    )


def _look(connection: Connection) -> Look:
    stored = connection.execute(
        text(
            """select settings from organizations.organization
               where id = organizations.current()"""
        )
    ).scalar_one()
    settings = OrganizationSettings.model_validate(stored)
    return Look(settings.documents, settings.language)
