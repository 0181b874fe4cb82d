"""An organization's own template files: they are checked and stored here. Which files a rendering sees: `bundle`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.rendering.bundle import TemplateBundle, bundle_of, project_files
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.renderer import Look
from invoice_pipelines.delivery.rendering.sources import check_name
from invoice_pipelines.delivery.rendering.template_checks import check_bundle
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.organizations import OrganizationSettings

__all__ = [
    "OwnFile",
    "TemplateBundle",
    "TemplateError",
    "check_templates",
    "list_own_files",
    "load_bundle",
    "remove_template_file",
    "set_template_file",
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


def set_template_file(connection: Connection, name: str, content: bytes, *, created_by: str) -> None:
    """Stores a template file of the organization in scope, in place of the project's or beside them.

    Samples are rendered with it before: one page, many, a credit note, in each language. Raises TemplateError, a
    DeliveryError, with the file and the line where one fails.
    """
    set_template_files(connection, {name: content}, created_by=created_by)


def set_template_files(connection: Connection, files: Mapping[str, bytes], *, created_by: str) -> None:
    """Stores template files that need one another, as `set_template_file` does one."""
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


def check_templates(connection: Connection) -> dict[str, bytes]:
    """Samples with the files of the organization in scope, as PDFs by file name. Raises TemplateError."""
    return check_bundle(load_bundle(connection), _look(connection))


_NEWEST = """
    select distinct on (name) name, content, created_at, created_by from delivery.template_file
    where organization_id = organizations.current()
    order by name, id desc
"""


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
