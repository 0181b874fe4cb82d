"""Uploads ask Dagster's webserver for a run behind their commit; whatever it does, the upload is taken at once."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.receiver import Got, Receiver, Reply
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.support.web import Site, Tenant, running_site

NODE = {"name": "__repository__", "location": {"name": "here"}, "jobs": [{"name": "other"}, {"name": "intake"}]}


class Dagster:
    """What its webserver answers, on a real socket: that organizations have `waiting` or `stopped` runs; and what it is
    asked to launch.
    """

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.waiting: set[str] = set()
        self.stopped: set[str] = set()
        self.seconds = 0.0
        receiver.answer = self.answer

    def answer(self, got: Got) -> Reply:
        body = json.loads(got.body)
        query = body["query"]
        data: dict[str, Any]
        if "launchRun" in query:
            data = {"launchRun": {"__typename": "LaunchRunSuccess"}}
        elif "repositoriesOrError" in query:
            data = {"repositoriesOrError": {"nodes": [NODE]}}
        else:
            (tag,) = body["variables"]["waiting"]["tags"]
            found = {"waiting": self.waiting, "stopped": self.stopped, "stoppedSweeps": set[str]()}
            data = {name: {"results": [{"id": "a run"}] * (tag["value"] in of)} for name, of in found.items()}
        return Reply(body=json.dumps({"data": data}).encode(), seconds=self.seconds)

    @property
    def launched(self) -> list[Any]:
        bodies = [json.loads(got.body) for got in self.receiver.got]
        return [body["variables"]["parameters"] for body in bodies if "launchRun" in body["query"]]

    @property
    def launched_for(self) -> list[str]:
        """The organizations of the runs, by slug."""
        tags = [{tag["key"]: tag["value"] for tag in each["executionMetadata"]["tags"]} for each in self.launched]
        return [each["organization"] for each in tags]


@pytest.fixture
def dagster() -> Iterator[Dagster]:
    with Receiver() as receiver:
        yield Dagster(receiver)


@contextmanager
def open_site(database: TestDatabase, url: str) -> Iterator[Site]:
    """A site whose organizations are not new."""
    with running_site(database, dagster_url=url) as site:
        with database.superuser.begin() as connection:
            connection.execute(text("update organizations.organization set created_at = now() - interval '1 hour'"))
        yield site


def upload(site: Site, tenant: Tenant | None = None) -> float:
    """A new file by the API, of the first organization if not of another; returns how many seconds it took."""
    tenant = tenant or site.a
    started = time.monotonic()
    with site.client(tenant.tokens["writer"]) as client:
        answer = client.post(
            site.path(tenant, "uploads"), params={"file_name": "a.xml"}, content=f"<a>{uuid4()}</a>".encode()
        )
    assert answer.status_code == 201, answer.text
    return time.monotonic() - started


def launched_meanwhile(site: Site, dagster: Dagster) -> list[str]:
    """The organizations of the runs that are launched until one is that an upload of the second organization asks for:
    by then the first one would have its own.
    """
    upload(site, site.b)
    wait_for("the run of the second one", lambda: site.b.slug in dagster.launched_for, 20)
    return [slug for slug in dagster.launched_for if slug != site.b.slug]


def left_to_us(site: Site) -> bool:
    """Whether sensors leave the organization to whoever asked for its run."""
    with site.database.superuser.connect() as connection:
        found = connection.execute(
            text("select asked_until > clock_timestamp() from work.turn where organization_id = :id"), {"id": site.a.id}
        )
        return bool(found.scalar_one_or_none())


def test_an_upload_asks_for_a_run_of_its_organization_which_no_sensor_does_meanwhile(
    shared_database: TestDatabase, dagster: Dagster
) -> None:
    with open_site(shared_database, dagster.receiver.url) as site:
        upload(site)
        assert left_to_us(site)
        wait_for("the run", lambda: dagster.launched, 20)
        (asked,) = dagster.launched
        assert asked["selector"]["jobName"] == "intake"
        assert asked["selector"]["repositoryLocationName"] == "here"
        tags = {tag["key"]: tag["value"] for tag in asked["executionMetadata"]["tags"]}
        own = {"dagster/partition": site.a.slug, "organization": site.a.slug}
        assert tags == own | {"lane": "express", "asked_by": "upload"}


def test_files_of_the_page_ask_for_one_run(shared_database: TestDatabase, dagster: Dagster) -> None:
    with open_site(shared_database, dagster.receiver.url) as site:
        files = [("file", (f"{number}.xml", f"<a>{uuid4()}</a>".encode(), "application/xml")) for number in range(3)]
        with site.browser(site.a.sessions[Role.ACCOUNTANT]) as browser:
            answer = browser.post(f"/desk/{site.a.slug}/received/uploads", files=files)
        assert answer.status_code == 200, answer.text
        wait_for("the run", lambda: dagster.launched, 20)
        assert launched_meanwhile(site, dagster) == [site.a.slug]


def test_a_run_that_waits_to_begin_takes_the_upload_along(shared_database: TestDatabase, dagster: Dagster) -> None:
    with open_site(shared_database, dagster.receiver.url) as site:
        dagster.waiting = {site.a.slug}
        for _ in range(3):
            upload(site)
        assert left_to_us(site)
        assert launched_meanwhile(site, dagster) == []


def test_what_a_person_stopped_is_not_begun_again(shared_database: TestDatabase, dagster: Dagster) -> None:
    with open_site(shared_database, dagster.receiver.url) as site:
        dagster.stopped = {site.a.slug}
        upload(site)
        assert left_to_us(site)
        assert launched_meanwhile(site, dagster) == []


@pytest.mark.parametrize("column", ["rests", "is new"])
def test_an_organization_that_rests_or_has_no_partition_yet_is_left_to_the_sensor(
    shared_database: TestDatabase, dagster: Dagster, column: str
) -> None:
    with open_site(shared_database, dagster.receiver.url) as site:
        statements = {
            "rests": """insert into work.turn (organization_id, kind, failures, rests_until)
                        values (:id, 'intake', 1, now() + interval '1 hour')""",
            "is new": "update organizations.organization set created_at = now() where id = :id",
        }
        with site.database.superuser.begin() as connection:
            connection.execute(text(statements[column]), {"id": site.a.id})
        upload(site)
        assert (launched_meanwhile(site, dagster), left_to_us(site)) == ([], False)


def test_where_dagster_is_away_the_upload_is_taken_and_the_sensor_soon_has_it(shared_database: TestDatabase) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with open_site(shared_database, f"http://127.0.0.1:{nobody.getsockname()[1]}") as site:
            assert upload(site) < 5
            wait_for("that it is left to the sensor", lambda: not left_to_us(site), 20)
            upload(site)
            assert not left_to_us(site), "it is not expected again for a while"


def test_an_upload_does_not_wait_for_a_dagster_that_does_not_answer(
    shared_database: TestDatabase, dagster: Dagster
) -> None:
    dagster.seconds = 30
    with open_site(shared_database, dagster.receiver.url) as site:
        assert max(upload(site) for _ in range(3)) < 3


def test_where_no_address_is_known_all_is_as_without(shared_database: TestDatabase, tmp_path: Path) -> None:
    with running_site(shared_database) as site:
        upload(site)
        assert not left_to_us(site)
