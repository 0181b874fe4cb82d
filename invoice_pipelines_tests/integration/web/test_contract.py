"""The API keeps to its document, whatever it is sent: Schemathesis makes the requests, alone and in chains."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis.generation import GenerationMode

from invoice_pipelines.settings import Settings
from invoice_pipelines.web.app import create_app
from invoice_pipelines.web.documentation import document
from invoice_pipelines_tests.support.sizes import example_count
from invoice_pipelines_tests.support.web import Site

DOCUMENT = document(create_app(None, Settings()))
NAMES = [operation["operationId"] for operations in DOCUMENT["paths"].values() for operation in operations.values()]
schemathesis.checks.load_all_checks()
NOT_MEANT = [
    schemathesis.checks.CHECKS.get_one(name)
    for name in (
        "positive_data_acceptance",  # what fits the document may still not be there, or not be possible now
        "negative_data_rejection",  # what is only text in an address fits whatever it is
    )
]


def schema_of(site: Site) -> Any:
    """The document, for one organization."""
    known = json.loads(json.dumps(DOCUMENT))
    for operations in known["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "organization":
                    parameter["schema"] = {"type": "string", "enum": [site.a.slug]}
    schema = schemathesis.openapi.from_dict(known)
    schema.config.update(base_url=site.url)
    return schema


def judge(case: Any, site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.a.tokens['writer']}"}
    answer = case.call_and_validate(headers=headers, excluded_checks=NOT_MEANT)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"], answer.text
        assert answer.json()["status"] == answer.status_code
    if "{organization}" in case.path:
        assert answer.status_code not in (401, 403), answer.text


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_keeps_to_the_document(site: Site, name: str, mode: GenerationMode) -> None:
    operation = schema_of(site).find_operation_by_id(name)

    @settings(max_examples=example_count(40), deadline=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        judge(case, site)

    run()


@pytest.mark.slow
def test_chains_of_operations_keep_to_the_document(site: Site) -> None:
    schema = schema_of(site)

    class Chains(schema.as_state_machine()):
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {site.a.tokens['writer']}"}}

        def validate_response(self, response: Any, case: Any, **options: Any) -> None:
            case.validate_response(response, excluded_checks=NOT_MEANT)

    Chains.run(settings=settings(max_examples=example_count(30), stateful_step_count=8, deadline=None))
