"""The words of a language, as its catalogue file gives them, and which file counts: among those of a bundle, and for a
message of an organization.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from string import Formatter
from typing import Any

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.rendering.bundle import TemplateBundle, project_files
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.language.formats import Formats, formats_of

FOLDER = "texts/"
MODEL = "en"
"""The language whose catalogue says which keys there are."""

_OPTIONAL = "exemption_codes"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of a language. `units` has one and many of each code of UN/ECE recommendation 20, `exemption_codes` a
    sentence for codes of the VATEX list.
    """

    language: str
    formats: Formats
    date_pattern: str
    words: Mapping[str, str]
    sentences: Mapping[str, str]
    tax_categories: Mapping[str, str]
    exemption_reasons: Mapping[str, str]
    exemption_codes: Mapping[str, str]
    units: Mapping[str, tuple[str, str]]

    def sentence(self, key: str, **values: str) -> str:
        """A sentence with its values; these are texts, braces in them mean nothing."""
        return self.sentences[key].format(**values)


def catalogue_name(language: str) -> str:
    """The file name of the catalogue of a language."""
    return f"{FOLDER}{language}.toml"


def languages(bundle: TemplateBundle) -> tuple[str, ...]:
    """The languages that documents can be made in: those with a catalogue."""
    files = (name for name in bundle.files if name.startswith(FOLDER) and name.endswith(".toml"))
    return tuple(sorted(name[len(FOLDER) : -5] for name in files))


def catalogue_of(files: Mapping[str, bytes], language: str) -> Catalogue:
    """The catalogue of a language that has one. Raises TemplateError for a broken one."""
    project, name = project_files(), catalogue_name(language)
    return _read_catalogue(language, files[name], project[catalogue_name(MODEL)], project.get(name))


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


@lru_cache(maxsize=64)
def _read_catalogue(language: str, content: bytes, model: bytes, project: bytes | None) -> Catalogue:
    """Reads a catalogue. What it lacks stands in that of the `project`, where the project has this language: so a
    catalogue that an organization stored long ago goes on to work when a text is added. Raises TemplateError for one
    that is broken, or lacks a key that the `model` has.
    """
    name = catalogue_name(language)
    try:
        read = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise TemplateError("it is not UTF-8", name, content[: error.start].count(b"\n") + 1) from None
    except tomllib.TOMLDecodeError as error:
        # It names the line, or the end of the document.
        message, _, place = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", place)
        raise TemplateError(message, name, int(line[1]) if line else content.count(b"\n") + 1) from None
    try:
        formats = formats_of(language)
    except ValueError as error:
        raise TemplateError(str(error), name) from None
    if project is not None:
        read = _over(tomllib.loads(project.decode("utf-8")), read)
    _check(read, tomllib.loads(model.decode("utf-8")), name, content)
    return Catalogue(
        language=language,
        formats=formats,
        date_pattern=read["date_pattern"],
        words=read["words"],
        sentences=read["sentences"],
        tax_categories=read["tax_categories"],
        exemption_reasons=read["exemption_reasons"],
        exemption_codes=read.get("exemption_codes", {}),
        units={code: (one, many) for code, (one, many) in read["units"].items()},
    )


def _over(project: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The project's texts with an organization's own in their place. What is of a wrong kind stays, to be refused."""
    shared = (key for key, texts in project.items() if isinstance(texts, dict) and isinstance(own.get(key), dict))
    sections = {key: {**project[key], **own[key]} for key in shared}
    return {**project, **own, **sections}


def _check(read: dict[str, Any], model: dict[str, Any], name: str, content: bytes) -> None:
    for key, expected in model.items():
        found = read.get(key)
        if key == _OPTIONAL and found is None:
            continue
        if not isinstance(found, type(expected)):
            what = "section" if isinstance(expected, dict) else "text"
            raise TemplateError(f"the {what} {key!r} is missing", name)
        if key == "units":
            for code, entry in found.items():
                if not (isinstance(entry, list) and len(entry) == 2 and all(isinstance(word, str) for word in entry)):
                    raise TemplateError(
                        f"the unit {code} must be two texts, for one and for many", name, _line_with(code, content)
                    )
        elif isinstance(expected, dict):
            for inner, sentence in expected.items():
                if key == _OPTIONAL and inner not in found:
                    continue
                if not isinstance(found.get(inner), str):
                    raise TemplateError(f"{key}.{inner} is missing, or no text", name, _line_with(inner, content))
                known, used = _fields(sentence), _fields(found[inner])
                if used is None or not used <= (known or set()):
                    allowed = ", ".join(f"{{{field}}}" for field in sorted(known or ())) or "nothing"
                    raise TemplateError(f"{key}.{inner} can hold {allowed} in braces", name, _line_with(inner, content))


def _fields(sentence: str) -> set[str] | None:
    """The names in braces; None if they are wrong, or more than names."""
    fields = set()
    try:
        for _, field, format_spec, conversion in Formatter().parse(sentence):
            if field is not None:
                if not field.isidentifier() or format_spec or conversion:
                    return None
                fields.add(field)
    except ValueError:
        return None
    return fields


def _line_with(key: str, content: bytes) -> int | None:
    lines = enumerate(content.decode("utf-8").splitlines(), start=1)
    return next((number for number, line in lines if line.split("=")[0].strip() == key), None)
