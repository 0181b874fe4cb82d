"""Which catalogue counts: among the files of a bundle, and for a message of an organization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.rendering.bundle import TemplateBundle, project_files
from invoice_pipelines.delivery.rendering.language.catalogue import (
    MODEL,
    Catalogue,
    catalogue_name,
    languages_of,
    read_catalogue,
)
from invoice_pipelines.delivery.rendering.language.formats import formats_of


def languages(bundle: TemplateBundle) -> tuple[str, ...]:
    """The languages that documents can be made in: those with a catalogue."""
    return languages_of(bundle.files)


def catalogue_of(files: Mapping[str, bytes], language: str) -> Catalogue:
    """The catalogue of a language that has one. Raises TemplateError for a broken one."""
    project, name = project_files(), catalogue_name(language)
    return read_catalogue(language, files[name], project[catalogue_name(MODEL)], project.get(name))


def load_catalogue(connection: Connection, language: str) -> Catalogue:
    """What a message of the organization in scope is written with, so that it says what the document says.

    A language without a catalogue has English words, and dates and amounts as the CLDR writes them in it. Raises
    TemplateError.
    """
    rows = connection.execute(
        text(
            """select distinct on (name) name, content from delivery.template_file
               where organization_id = organizations.current() and name = any (:names)
               order by name, id desc"""
        ),
        {"names": [catalogue_name(language), catalogue_name(MODEL)]},
    )
    return _any_language({row.name: bytes(row.content) for row in rows if row.content is not None}, language)


def project_catalogue(language: str) -> Catalogue:
    """The same for an organization that has no files of its own."""
    return _any_language({}, language)


def _any_language(own: Mapping[str, bytes], language: str) -> Catalogue:
    files = {**project_files(), **own}
    if catalogue_name(language) in files:
        return catalogue_of(files, language)
    model = catalogue_of(files, MODEL)
    try:
        return replace(model, language=language, formats=formats_of(language), date_pattern="long")
    except ValueError:
        return model
