"""The texts of the desk as they stand in the code, and the German ones of `web/locale/de`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import invoice_pipelines.web

WEB = Path(invoice_pipelines.web.__file__).parent
_METHODS = [("pages/**.py", "python"), ("templates/desk/**.html", "jinja2.ext:babel_extract")]
_OPTIONS = {"templates/desk/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}

Text = str | tuple[str, ...]


def texts_in_code() -> dict[Text, set[str]]:
    """Each text, and the files in which it stands; one that depends on a number is a tuple of its forms."""
    found: dict[Text, set[str]] = {}
    for file, _, message, _, _ in extract_from_dir(WEB, _METHODS, _OPTIONS):
        found.setdefault(tuple(message) if isinstance(message, list | tuple) else message, set()).add(file)
    return found


def german_texts() -> tuple[dict[Text, Text], list[Text]]:
    """The German of each text, and what stands in more than one file."""
    found: dict[Text, Text] = {}
    times: Counter[Text] = Counter()
    for file in sorted((WEB / "locale" / "de").glob("*.po")):
        with file.open("rb") as opened:
            for message in read_po(opened, locale="de"):
                if message.id:
                    key = tuple(message.id) if isinstance(message.id, list | tuple) else message.id
                    said = message.string
                    found[key] = tuple(said) if isinstance(said, list | tuple) else said or ""
                    times[key] += 1
    return found, [key for key, count in times.items() if count > 1]


if __name__ == "__main__":
    known, _ = german_texts()
    for text, files in sorted(texts_in_code().items(), key=str):
        if text not in known:
            print(f"\n# {', '.join(sorted(files))}")
            for name, form in zip(("msgid", "msgid_plural"), [text] if isinstance(text, str) else text, strict=False):
                print(name, '"' + form.replace('"', '\\"') + '"')
            print('msgstr ""' if isinstance(text, str) else 'msgstr[0] ""\nmsgstr[1] ""')
