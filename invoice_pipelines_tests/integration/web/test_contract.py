"""The API keeps to its document, whatever it is sent: Schemathesis makes the requests, alone and in chains.

It is loaded where it is used, as that takes longer than most tests.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings

from invoice_pipelines_tests.support.sizes import example_count
from invoice_pipelines_tests.support.web import DOCUMENT, Site

NAMES = [operation["operationId"] for operations in DOCUMENT["paths"].values() for operation in operations.values()]
NOT_MEANT = (
    "positive_data_acceptance",  # what fits the document may still not be there, or not be possible now
    "negative_data_rejection",  # what is only text in an address fits whatever it is
)


@cache
def not_meant() -> list[Any]:
    """Checks of Schemathesis that this API is not held to."""
    import schemathesis

    schemathesis.checks.load_all_checks()
    return [schemathesis.checks.CHECKS.get_one(name) for name in NOT_MEANT]


def schema_of(site: Site) -> Any:
    """The document, for one organization."""
    import schemathesis

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
    answer = case.call_and_validate(headers=headers, excluded_checks=not_meant())
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"], answer.text
        assert answer.json()["status"] == answer.status_code
    if "{organization}" in case.path:
        assert answer.status_code not in (401, 403), answer.text


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_keeps_to_the_document(site: Site, name: str, mode: str) -> None:
    from schemathesis.generation import GenerationMode

    operation = schema_of(site).find_operation_by_id(name)

    @settings(max_examples=example_count(40), deadline=None)
    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
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
            case.validate_response(response, excluded_checks=not_meant())

    Chains.run(settings=settings(max_examples=example_count(30), stateful_step_count=8, deadline=None))
