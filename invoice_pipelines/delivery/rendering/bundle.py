"""The files that a rendering sees: those of the project, and those of an organization that stand in for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable


@dataclass(frozen=True)
class TemplateBundle:
    """All files that a rendering sees, by name; `sha256` is of names and contents."""

    sha256: str
    files: Mapping[str, bytes]


def bundle_of(own: Mapping[str, bytes]) -> TemplateBundle:
    """The files of the project with an organization's own over them."""
    files = dict(sorted({**project_files(), **own}.items()))
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return TemplateBundle(digest.hexdigest(), files)


@lru_cache(maxsize=1)
def project_files() -> Mapping[str, bytes]:
    """The templates and catalogues of the project, by the names under which they can be overridden."""
    package = resources.files(__package__)
    return {
        **_files_in(package / "templates", ""),
        **_files_in(package / "texts", "texts/"),
    }


def _files_in(folder: Traversable, prefix: str) -> dict[str, bytes]:
    return {prefix + file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
