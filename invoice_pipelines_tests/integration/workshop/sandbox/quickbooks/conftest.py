"""Fixtures of the QuickBooks sandbox's tests: one with a company, and a client that knows no more than HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox, Switches
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import dumps, loads

REALM = "9130001"


class Api:
    """Calls a company as its API is called."""

    def __init__(self, sandbox: Sandbox, realm: str = REALM) -> None:
        self.sandbox = sandbox
        # Without verification no certificates are loaded, which takes longer than most of these tests.
        self.http = httpx.Client(base_url=f"{sandbox.url}/v3/company/{realm}", timeout=5, verify=False)
        self.http.headers["Authorization"] = f"Bearer {sandbox.tokens(realm).access_token}"
        self.http.headers["Accept"] = "application/json"

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return self.http.get(path, params=parameters)

    def post(self, path: str, body: Any, **parameters: str) -> httpx.Response:
        return self.http.post(path, content=dumps(body), params=parameters)

    def query(self, statement: str) -> Any:
        """The value of QueryResponse."""
        answer = self.get("/query", query=statement)
        assert answer.status_code == 200, answer.text
        return loads(answer.text)["QueryResponse"]

    def ids(self, statement: str) -> list[str]:
        """The ids that a statement finds, in their order."""
        found = self.query(statement)
        return [one["Id"] for key, rows in found.items() if isinstance(rows, list) for one in rows]

    def batch(self, *requests: dict[str, Any], **parameters: str) -> dict[str, Any]:
        """The answers by their bIds."""
        answer = self.post("/batch", {"BatchItemRequest": list(requests)}, **parameters)
        assert answer.status_code == 200, answer.text
        return {one.get("bId", ""): one for one in loads(answer.text)["BatchItemResponse"]}

    def write(self, entity: str, body: Any, **parameters: str) -> Any:
        """The document that a write gives."""
        answer = self.post(f"/{entity.lower()}", body, **parameters)
        assert answer.status_code == 200, answer.text
        return loads(answer.text)[entity]


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and detail of a fault with one error."""
    (error,) = answer.json()["Fault"]["Error"]
    return answer.status_code, error["code"], error["Detail"]


def invoice(customer: str, *amounts: str, **fields: Any) -> dict[str, Any]:
    """An invoice with a line for each amount, without tax."""
    lines = [
        {"Amount": Decimal(one), "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {}} for one in amounts
    ]
    return {"CustomerRef": {"value": customer}, "Line": lines, **fields}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """With one US company, throttles off, and lines that count without an item: what is bought is not the question."""
    switches = Switches(throttled=False, latency_per_call=0, line_without_item="counted")
    with Sandbox(switches=switches) as sandbox:
        sandbox.add_company(REALM)
        yield sandbox


@pytest.fixture
def books(sandbox: Sandbox) -> Accountant:
    """Who works in the company."""
    return sandbox.accountant(REALM)


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Api]:
    """Calls the company."""
    api = Api(sandbox)
    yield api
    api.http.close()
