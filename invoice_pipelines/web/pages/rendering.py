"""Pages as HTML: templates in the language of the reader, under a policy that lets nothing run but our own files."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from invoice_pipelines.web.pages.assets import asset
from invoice_pipelines.web.pages.languages import LANGUAGES, Language, language_of

TEMPLATES = Path(__file__).parents[1] / "templates" / "desk"
THEME_COOKIE = "__Host-theme"
THEMES = ("auto", "light", "dark")
SAID_COOKIE = "__Host-said"
_SAID_SECONDS = 60
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline, nothing from elsewhere. Pictures of `data:` are those in the vendored style sheet."""


def render(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    language: Language | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page, or a part of one, from a file of `templates/desk/`."""
    language = language or language_of(request)
    theme = request.cookies.get(THEME_COOKIE, "")
    said = _said(request)
    content = (
        environment(language.code)
        .get_template(template)
        .render(
            {
                "address": f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
                "path": request.url.path,
                "query": request.query_params,
                "is_part": "hx-request" in request.headers,
                "language": language,
                "theme": theme if theme in THEMES else "auto",
                "said": said,
                "menu": [],
                "live_standing": None,
                "who": None,
                "organization": None,
                **values,
            }
        )
    )
    answer = Response(content, status, {"Content-Security-Policy": POLICY, **(headers or {})}, "text/html")
    if said:
        answer.delete_cookie(SAID_COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


def redirect(address: str, said: str | None = None, kind: str = "good") -> Response:
    """Sends the browser to a page of ours by GET, which shows once what was `said`; kind: good, warn or bad."""
    answer = Response(status_code=303, headers={"Location": address})
    if said is not None:
        content = quote(json.dumps([kind, said[:1500]], ensure_ascii=False))
        answer.set_cookie(SAID_COOKIE, content, max_age=_SAID_SECONDS, secure=True, httponly=True, samesite="lax")
    return answer


def is_local(address: str) -> bool:
    """Whether an address is one of a page of ours, such as /desk, whatever a browser makes of it."""
    return address.startswith("/") and address[1:2] not in ("/", "\\") and address.isprintable() and "\\" not in address


def harmless(text: str) -> str:
    """A name that strangers chose, on one line, without what turns the text beside it around or cannot be seen."""
    return "".join(character for character in text if unicodedata.category(character) not in _UNSEEN)


def _said(request: Request) -> tuple[str, str] | None:
    """What the page before wanted to be said: its kind, and the text."""
    try:
        kind, words = json.loads(unquote(request.cookies.get(SAID_COOKIE, "")))
    except ValueError:
        return None
    return (str(kind) if kind in ("good", "warn", "bad") else "good", str(words))


@cache
def environment(code: str) -> Environment:
    """Where templates are read in a language."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    language = Language(code)
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {"asset": asset, "languages": LANGUAGES}
    made.filters["harmless"] = harmless
    made.filters["who"] = language.who
    made.filters["role_name"] = lambda role: {
        "viewer": language.gettext("Viewer"),
        "accountant": language.gettext("Accountant"),
        "admin": language.gettext("Admin"),
    }.get(str(role), role)
    return made
