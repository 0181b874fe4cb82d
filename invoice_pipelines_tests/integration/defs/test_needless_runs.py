"""Runs that an upload asked for, and whose work another run has done meanwhile: they end before they cost a process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from invoice_pipelines.workers.needless import ended_before_it_began
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse
from invoice_pipelines_tests.support.receiver import Receiver, Reply

NODE = {"name": "__repository__", "location": {"name": "here"}, "jobs": [{"name": "intake"}]}


def launched(house: DagsterHouse, *, asked_by: str | None = "upload", job: str = "intake") -> dg.DagsterRun:
    """A run that Dagster is about to begin."""
    tags = {"organization": "acme", "dagster/partition": "acme", "lane": "express"}
    tags |= {"asked_by": asked_by} if asked_by else {}
    run = dg.DagsterRun(job_name=job, run_id=make_new_run_id(), tags=tags)
    return house.instance.add_run(run.with_status(dg.DagsterRunStatus.STARTING))


def status(house: DagsterHouse, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = house.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_run_whose_uploads_were_taken_ends_and_one_with_work_begins(house: DagsterHouse) -> None:
    house.add("acme")
    empty = launched(house)
    assert ended_before_it_began(house.instance, empty)
    assert status(house, empty) is dg.DagsterRunStatus.SUCCESS
    house.upload("acme", "one.xml", GOOD)
    needed = launched(house)
    assert not ended_before_it_began(house.instance, needed)
    assert status(house, needed) is dg.DagsterRunStatus.STARTING


@pytest.mark.parametrize("other", [{"asked_by": None}, {"asked_by": "anna"}, {"job": "delivery"}])
def test_runs_that_others_asked_for_begin(house: DagsterHouse, other: dict[str, str | None]) -> None:
    house.add("acme")
    assert not ended_before_it_began(house.instance, launched(house, **other))


def test_files_in_the_inbox_are_work_as_well(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "one.xml", GOOD)
    house.tick()
    house.tick()
    assert not ended_before_it_began(house.instance, launched(house))


def test_where_nothing_can_be_found_out_the_run_begins(house: DagsterHouse, configure: Callable[..., None]) -> None:
    house.add("acme")
    run = launched(house)
    configure(database_url="postgresql://nobody@127.0.0.1:1/none", database_connect_seconds=1)
    assert not ended_before_it_began(house.instance, run)
    assert status(house, run) is dg.DagsterRunStatus.STARTING


def test_an_upload_that_relied_on_the_run_gets_another_one(house: DagsterHouse, configure: Callable[..., None]) -> None:
    house.add("acme")
    asked: list[str] = []

    def answer(got: object) -> Reply:
        query = json.loads(got.body)["query"]  # type: ignore[attr-defined]
        asked.append(query)
        none: dict[str, list[Any]] = {"results": []}
        data = {
            "launchRun": {"__typename": "LaunchRunSuccess"},
            "repositoriesOrError": {"nodes": [NODE]},
            **dict.fromkeys(("waiting", "stopped", "stoppedSweeps"), none),
        }
        return Reply(body=json.dumps({"data": data}).encode())

    class UploadMeanwhile:
        def report_dagster_event(self, *event: object) -> None:
            house.upload("acme", "one.xml", GOOD)
            house.instance.report_dagster_event(*event)

    with Receiver() as receiver:
        receiver.answer = answer
        configure(dagster_url=receiver.url)
        assert ended_before_it_began(UploadMeanwhile(), launched(house))
    assert sum("launchRun" in query for query in asked) == 1
