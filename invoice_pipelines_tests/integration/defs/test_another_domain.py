"""A domain is one declaration: one from outside the package gets its asset, job, sweep and sensor."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest
from pydantic import Field
from sqlalchemy import Connection, text

from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.defs.domain import Domain, Stage, StageResult, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.organizations import OrganizationError, list_organizations
from invoice_pipelines.promises import Finding, Promise
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse, failure_of


class Greeting(dg.Config):
    """How is greeted."""

    word: str = Field(default="hello", description="The greeting.")


def greet(turn: Turn, config: Greeting) -> StageResult:
    if turn.organization.slug == "sullen":
        raise OrganizationError("sullen greets nobody.")
    with turn.organization.scope() as connection:
        name = connection.execute(text("select name from organizations.organization where slug = :slug"),
                                  {"slug": turn.organization.slug}).scalar_one()  # fmt: skip
        return StageResult(True, {"said": f"{config.word} {name}"}, evaluated(PROMISES, connection))


def due(connection: Connection, settings: Settings) -> list[object]:
    return [found.id for found in list_organizations(connection.engine) if found.slug != "quiet"]


def gruff(connection: Connection) -> Finding:
    name = connection.execute(text("select name from organizations.organization where slug = 'gruff'")).scalar()
    return Finding(0, ()) if name is None else Finding(1, (name,))


PROMISES = (Promise("nobody_is_gruff", "Nobody is called so.", gruff, blocking=True),)
LATER = Stage(key=dg.AssetKey(["greeting", "farewells"]), description="What is said last.",
              work=lambda turn, _: StageResult(True, {"said": "bye"}, []))  # fmt: skip
GREETING = Domain(
    name="greeting",
    description="Greets one organization.",
    does="Greets {}",
    stages=(
        Stage(
            key=dg.AssetKey(["greeting", "greetings"]),
            description="What is said first.",
            config=Greeting,
            work=greet,
            promises=PROMISES,
        ),
        LATER,
    ),
    due=due,
    sensor="greetings_due",
    sensor_description="Asks for runs where somebody is to be greeted.",
)


@pytest.fixture
def sixth(house: DagsterHouse) -> DagsterHouse:
    """An installation that has this domain alone."""
    declared = definitions_of(GREETING)
    house.defs = dg.Definitions.merge(
        declared, dg.Definitions(resources={"database": InvoiceDatabase()}, executor=dg.in_process_executor)
    )
    return house


def said(house: DagsterHouse, asset: str) -> dict[str, object]:
    records = house.instance.fetch_materializations(dg.AssetKey(["greeting", asset]), limit=9).records
    return {
        str(record.partition_key): record.asset_materialization.metadata["said"].value
        for record in records
        if record.asset_materialization is not None
    }


def test_its_sensor_asks_for_a_run_which_does_all_stages(sixth: DagsterHouse) -> None:
    sixth.add("acme", "quiet")
    (request,) = sixth.look("greetings_due").run_requests or []
    assert (request.job_name, request.partition_key, request.tags["organization"]) == ("greeting", "acme", "acme")
    result = sixth.run("greeting", "acme", {"ops": {"greeting__greetings": {"config": {"word": "good day"}}}})
    assert result.success
    assert said(sixth, "greetings") == {"acme": "good day Acme"}
    assert said(sixth, "farewells") == {"acme": "bye"}
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.partition) == ("nobody_is_gruff", True, "acme")


def test_many_organizations_are_swept_and_a_broken_one_stops_no_other(
    sixth: DagsterHouse, configure: Callable[..., None]
) -> None:
    configure(sweep_threshold=2)
    sixth.add("acme", "beta", "gruff", "sullen")
    (request,) = sixth.look("greetings_due").run_requests or []
    assert (request.job_name, request.tags["organization"]) == ("greeting_sweep", "(greeting: acme and 3 more)")
    result = sixth.run("greeting_sweep", config=request.run_config)
    assert not result.success
    assert said(sixth, "greetings") == {"acme": "hello Acme", "beta": "hello Beta", "gruff": "hello Gruff"}
    assert said(sixth, "farewells") == {"acme": "bye", "beta": "bye"}
    left_out = sixth.left_out(result)
    assert left_out["gruff"].endswith("greetings: nobody_is_gruff")
    assert left_out["sullen"].endswith("sullen greets nobody.")
    assert sixth.wanted("greetings_due") == ["acme", "beta"], "those that failed rest"


def test_what_it_refuses_fails_the_run_with_one_line(sixth: DagsterHouse) -> None:
    sixth.add("sullen")
    assert failure_of(sixth.run("greeting", "sullen")) == "sullen greets nobody."
