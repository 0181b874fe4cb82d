"""The document of the API and its page: complete, valid, and as committed."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from invoice_pipelines.accounts.roles import AREAS
from invoice_pipelines.web.app import openapi_json
from invoice_pipelines_tests.support.web import DOCUMENT, OPENAPI_JSON, Site

OPERATIONS = {
    operation["operationId"]: operation
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
}


def test_the_document_is_the_committed_one() -> None:
    assert openapi_json() == OPENAPI_JSON, "run `make docs`"


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")


def contents(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What an operation takes and, where it is done, gives; by media type."""
    answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    parts = [operation["requestBody"]] if "requestBody" in operation else []
    return [found for part in parts + answers for found in part.get("content", {}).items()]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_explains_itself(name: str) -> None:
    operation = OPERATIONS[name]
    assert re.fullmatch(r"[a-z][a-z_]+", name)
    assert operation["summary"]
    assert len(operation["tags"]) == 1
    for status in ("4XX", "5XX"):
        assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
    assert any(status.startswith(("2", "3")) for status in operation["responses"])
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description"), f"the parameter {parameter['name']} needs a description"
    for kind, content in contents(operation):
        if kind != "application/json":
            continue
        assert "example" in content or "examples" in content, f"{name} needs an example: give its model one"
        for example in [content["example"]] if "example" in content else content["examples"]:
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            jsonschema.validate(example, schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
)
def test_an_operation_says_who_may_use_it(path: str, method: str) -> None:
    operation = DOCUMENT["paths"][path][method]
    if not path.startswith("/api/v1/organizations/{organization}"):
        assert "x-role" not in operation
        return
    assert operation["x-role"] in ("viewer", "accountant", "admin")
    if method != "get":
        assert operation["x-area"] in (*AREAS, "any")


def test_the_page_shows_each_operation_without_anything_from_elsewhere(site: Site) -> None:
    with site.client() as client:
        page = client.get("/api/docs")
        style = client.get("/api/docs.css")
        told = client.get("/api/openapi.json")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name in OPERATIONS:
        assert f'id="{name}"' in page.text
    for forbidden in ("<script", "style=", "//", "onclick"):
        assert forbidden not in re.sub(r"<pre>.*?</pre>", "", page.text, flags=re.S), forbidden
    assert "script" not in page.headers["content-security-policy"]
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert told.json()["openapi"] == DOCUMENT["openapi"]
