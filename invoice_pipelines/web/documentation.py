"""The API as a document (OpenAPI 3.1), and as a page made of it: without scripts, with nothing from elsewhere."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic.json_schema import models_json_schema

from invoice_pipelines.web.problems import Problem

HERE = Path(__file__).parent
DESCRIPTION = (HERE / "templates" / "api_description.md").read_text("utf-8")
VERSION = "1"
_PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def add_documentation(app: FastAPI) -> None:
    """Adds the document and its page to an app; both need no account."""

    async def openapi_json(_: Request) -> Response:
        return Response(_as_json(app), media_type="application/json", headers={"Cache-Control": "public, max-age=300"})

    async def docs(_: Request) -> Response:
        headers = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "public, max-age=300"}
        return Response(_page(app), media_type="text/html; charset=utf-8", headers=headers)

    async def style(_: Request) -> Response:
        content = (HERE / "static" / "api_docs.css").read_text("utf-8")
        return Response(content, media_type="text/css", headers={"Cache-Control": "public, max-age=300"})

    app.add_route("/api/openapi.json", openapi_json, include_in_schema=False)
    app.add_route("/api/docs", docs, include_in_schema=False)
    app.add_route("/api/docs.css", style, include_in_schema=False)


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title="invoice_pipelines",
        version=VERSION,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    _, problems = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
    made["components"]["schemas"] |= problems["$defs"]
    made["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token, `ip_live_...`"},
        "session": {"type": "apiKey", "in": "cookie", "name": "__Host-session"},
    }
    made["security"] = [{"token": []}, {"session": []}]
    made["servers"] = [{"url": "/"}]
    for schema in made["components"]["schemas"].values():
        if "examples" in schema:
            schema["examples"] = [
                _with_nulls(example, schema, made["components"]["schemas"]) for example in schema["examples"]
            ]
    for operations in made["paths"].values():
        for operation in operations.values():
            if operation.get("description", "").rstrip(".") == operation["summary"]:
                del operation["description"]
            for content in _json_contents(operation):
                if "example" not in content and "examples" not in content:
                    example = example_of(content["schema"], made["components"]["schemas"])
                    if example is not NONE:
                        content["example"] = example
    return made


def _json_contents(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """What an operation takes and, where it is done, gives as JSON."""
    answers = [answer for status, answer in operation["responses"].items() if str(status).startswith("2")]
    given = [operation["requestBody"]] if "requestBody" in operation else []
    contents = [part.get("content", {}) for part in given + answers]
    return [content["application/json"] for content in contents if "application/json" in content]


NONE = object()


def example_of(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """An example of what a schema describes, put together of those of its parts; NONE where a part has none."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components)
    if "examples" in schema:
        return _with_nulls(schema["examples"][0], schema, components)
    for known in ("example", "default", "const"):
        if known in schema:
            return deepcopy(schema[known])
    if "enum" in schema:
        return schema["enum"][0]
    for part in schema.get("anyOf", ()):
        if part.get("type") != "null":
            return example_of(part, components)
    kind = schema.get("type")
    if kind == "array":
        item = example_of(schema["items"], components)
        return item if item is NONE else [item]
    if kind == "object" and "properties" in schema:
        parts = {name: example_of(part, components) for name, part in schema["properties"].items()}
        return NONE if any(part is NONE for part in parts.values()) else parts
    return NONE


def _with_nulls(example: Any, schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """The example with its nulls, which FastAPI takes out."""
    if "$ref" in schema:
        return _with_nulls(example, components[schema["$ref"].rpartition("/")[2]], components)
    parts = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    if parts:
        return _with_nulls(example, parts[0], components)
    if isinstance(example, list) and "items" in schema:
        return [_with_nulls(item, schema["items"], components) for item in example]
    if not isinstance(example, dict) or "properties" not in schema:
        return deepcopy(example)
    return {
        name: _with_nulls(example[name], part, components) if name in example else None
        for name, part in schema["properties"].items()
        if name in example or name in schema.get("required", ())
    }


@cache
def _as_json(app: FastAPI) -> str:
    return as_json(document(app))


def as_json(made: dict[str, Any]) -> str:
    """The document as it is committed."""
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


@cache
def _page(app: FastAPI) -> str:
    environment = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
    environment.filters["words"] = _with_code
    environment.filters["example"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    return environment.get_template("api_docs.html").render(document=document(app), groups=_by_tag(document(app)))


def _with_code(words: str) -> Markup:
    """Words in which `code` is set as such."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words))))  # noqa: S704 - escaped before


def _by_tag(made: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The operations of each tag, in their order, each with its method and path."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            entry = {"description": "", "parameters": [], **operation, "method": method.upper(), "path": path}
            bodies = operation.get("requestBody", {}).get("content", {})
            entry["takes"] = [(kind, content.get("example")) for kind, content in bodies.items()]
            entry["gives"] = [
                (status, kind, content.get("example"))
                for status, answer in operation["responses"].items()
                if status.startswith("2")
                for kind, content in (answer.get("content") or {"nothing": {}}).items()
            ]
            found.setdefault(operation["tags"][0], []).append(entry)
    return found
