"""Checks on template files: a template sees the files of its bundle, and nothing else."""

from __future__ import annotations

import re

from invoice_pipelines.delivery.rendering.bundle import TemplateBundle, project_files
from invoice_pipelines.delivery.rendering.errors import TemplateError

LARGEST_FILE = 1_000_000
LARGEST_OF_ALL = 5_000_000
_NAME = re.compile(r"(?:[a-z0-9][a-z0-9_-]*\.(?:typ|svg|png|jpg)|texts/[a-z]{2}\.toml)")
# A hyphen before a word may be part of a name, or a minus: both are taken for the latter.
_LOADING = re.compile(r"(?<!\w)(?:import|include)(?!\w)(?P<named>\s*\"(?P<file>[^\"\\]*)\")?")
_REACHING = re.compile(r"(?<!\w)(?:eval|std|plugin)(?!\w)")


def check_name(name: str) -> None:
    """Raises TemplateError for a name that no template file can have."""
    if not _NAME.fullmatch(name) or len(name) > 100:
        raise TemplateError(
            "a template file is named in small letters and ends in .typ, .svg, .png or .jpg, or is a catalogue such as "
            "texts/fr.toml",
            name,
        )


def own_files(bundle: TemplateBundle) -> dict[str, bytes]:
    """The files of a bundle that are not the project's."""
    return {name: content for name, content in bundle.files.items() if project_files().get(name) != content}


def check_sources(bundle: TemplateBundle) -> None:
    """Refuses what could load anything but the files of the bundle. Raises TemplateError with file and line.

    Typst loads packages over the network, by a name that may be computed. So a file is named literally, and what could
    compute code is not for templates.
    """
    own = own_files(bundle)
    for name, content in own.items():
        check_name(name)
        if len(content) > LARGEST_FILE:
            raise TemplateError(f"it has {len(content):,} bytes; {LARGEST_FILE:,} are allowed", name)
        if name.endswith(".typ"):
            _check_source(name, content, bundle)
    if sum(map(len, own.values())) > LARGEST_OF_ALL:
        raise TemplateError(f"all template files together have more than {LARGEST_OF_ALL:,} bytes")


def _check_source(name: str, content: bytes, bundle: TemplateBundle) -> None:
    try:
        source = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TemplateError("it is not UTF-8", name, content[: error.start].count(b"\n") + 1) from None
    for found in _LOADING.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        if found["named"] is None:
            raise TemplateError(
                'after "import" and "include" there must be the name of a template file in quotes; as words of a text '
                "they belong in a catalogue",
                name,
                line,
            )
        if found["file"].startswith("@"):
            raise TemplateError(f"{found['file']} is a package; templates load none", name, line)
        if found["file"] not in bundle.files:
            raise TemplateError(f"there is no template file {found['file']!r}", name, line)
    if reaching := _REACHING.search(source):
        line = source.count("\n", 0, reaching.start()) + 1
        raise TemplateError(f'"{reaching.group()}" is not allowed in templates', name, line)
