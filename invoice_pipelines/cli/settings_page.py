"""How docs/settings.md is made: one table of every setting, from the settings themselves."""

from __future__ import annotations

import sys

from invoice_pipelines.settings import Settings, variable_of

HEAD = """# Settings

Every setting is an environment variable. A wrong value stops the start with a line that names the variable.
This page is made from `invoice_pipelines/settings.py` by `make docs`.

| variable | default | meaning |
| --- | --- | --- |
"""


def settings_page() -> str:
    """The page as Markdown."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        meaning = " ".join(str(field.description).split())
        rows.append(f"| `{variable_of(name)}` | {default} | {meaning} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
