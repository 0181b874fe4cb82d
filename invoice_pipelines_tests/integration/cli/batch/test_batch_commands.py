"""Batch jobs on the command line: found again by filters and pages, looked at with their items, and who did what."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.work import Chunk, Failed, Outcome, Skipped, Succeeded, create_job, drain
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.terminal import PLACE, Ended, Terminal, one_line


@dataclass
class BatchOffice:
    """An organization whose batch jobs are typed about."""

    terminal: Terminal
    engine: Engine
    superuser: Engine
    organization_id: UUID

    def job(self, kind: str, *subjects: str, by: str = "anna", **parameters: Any) -> UUID:
        with organization_scope(self.engine, self.organization_id) as connection:
            return create_job(connection, kind, subjects, parameters, created_by=by)

    def work(self, kind: str) -> None:
        """Does all jobs of a kind: what is called bad fails, what is called old is skipped."""
        drain(self.engine, self.organization_id, kind, _outcomes)

    def date_back(self, job_id: UUID, days: int) -> None:
        with self.superuser.begin() as connection:
            connection.execute(
                text("update work.batch_job set created_at = created_at - make_interval(days => :days) where id = :id"),
                {"id": job_id, "days": days},
            )

    def types(self, *words: object) -> Ended:
        return self.terminal.acme("batch", *(str(word) for word in words))

    def listed(self, *words: object) -> list[UUID]:
        """Ids of the jobs that a list with these options shows."""
        ended = self.types("list", "--json", *words)
        assert ended.returncode == 0, ended.stderr
        return [UUID(json.loads(line)["id"]) for line in ended.stdout.splitlines()]


def _outcomes(_: object, chunk: Chunk) -> list[Outcome]:
    def outcome(subject: str) -> Outcome:
        if subject.startswith("bad"):
            return Failed("BROKEN", f"{subject} is broken [red]here[/red].")
        return Skipped("was done before") if subject.startswith("old") else Succeeded({"made": subject.upper()})

    return [outcome(item.subject_id) for item in chunk.items]


@pytest.fixture(scope="module")
def office(module_database: TestDatabase, terminal: Terminal) -> BatchOffice:
    terminal.add("beta", *PLACE)
    acme = find_organization(module_database.engine, "acme").id
    return BatchOffice(terminal, module_database.engine, module_database.superuser, acme)


def test_jobs_are_found_by_kind_status_who_asked_and_when(office: BatchOffice) -> None:
    done = office.job("find_mail", "a", by="anna")
    broken = office.job("find_mail", "bad", "b", by="ben")
    office.work("find_mail")
    waiting = office.job("find_files", "a", by="anna")
    long_ago = office.job("find_files", "b", by="anna")
    office.date_back(long_ago, 40)
    mine = ["--kind", "find_mail"]
    assert office.listed(*mine) == [broken, done]
    assert office.listed(*mine, "--by", "ben") == [broken]
    assert office.listed(*mine, "--status", "completed") == [done]
    assert office.listed(*mine, "--status", "completed", "--status", "completed_with_errors") == [broken, done]
    assert office.listed("--kind", "find_files") == [long_ago, waiting]
    for since in ("7d", "12h"):
        assert office.listed("--kind", "find_files", "--since", since) == [waiting]
    assert office.listed("--kind", "find_files", "--since", "2020-01-01") == [long_ago, waiting]
    assert office.listed("--kind", "of_none") == []


def test_a_long_list_is_read_page_by_page_without_missing_or_repeating_one(office: BatchOffice) -> None:
    jobs = [office.job("page_through", str(number)) for number in range(7)]
    seen: list[UUID] = []
    page: list[str] = []
    while True:
        seen += office.listed("--kind", "page_through", "--limit", "3", *page)
        shown = office.types("list", "--kind", "page_through", "--limit", "3", *page).stdout
        more = re.search(r"There may be more: add (--after) ([0-9a-f-]{36})", shown)
        if more is None:
            break
        page = list(more.groups())
        office.job("page_through", "new one")  # does not shift what is on the next page
    assert seen == jobs[::-1]


def test_a_job_is_shown_with_who_did_what_and_its_items_by_status_and_page(office: BatchOffice) -> None:
    job = office.job("show_items", "a", "bad 1", "old", "bad 2", by="anna", colour="blue")
    office.work("show_items")
    shown = office.types("show", job)
    assert shown.returncode == 1
    assert 'asked for  {"colour": "blue"}' in shown.stdout
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d  created by anna", shown.stdout)
    assert re.search(r"BROKEN +2 +bad 1 +bad 1 is broken \[red\]here\[/red\]\.", shown.stdout)

    items = office.types("show", job, "--items", "all").stdout
    assert re.search(r'a +succeeded +1 +\{"made": "A"\}', items)
    assert re.search(r"old +skipped +1 +was done before", items)
    failed = office.types("show", job, "--items", "failed", "--limit", "1").stdout
    assert re.search(r"bad 1 +failed +1 +BROKEN", failed)
    (page,) = re.findall(r"There are more: add --after ([0-9a-f-]{36})", failed)
    rest = office.types("show", job, "--items", "failed", "--limit", "1", "--after", page).stdout
    assert re.search(r"bad 2 +failed +1 +BROKEN", rest)
    assert "There are more" not in rest

    assert "2 items wait again" in office.types("retry", job).stdout
    assert office.types("cancel", job).returncode == 0
    said = office.types("show", job)
    assert said.returncode == 0  # nothing has failed now
    assert f'retried by {person()} ({{"items": 2}})' in said.stdout
    assert f'cancelled by {person()} ({{"items": 2}})' in said.stdout
    job_line, *item_lines = map(json.loads, office.types("show", job, "--items", "all", "--json").stdout.splitlines())
    assert [event["action"] for event in job_line["events"]] == ["created", "retried", "cancelled"]
    assert [item["status"] for item in item_lines] == ["succeeded", "cancelled", "skipped", "cancelled"]


def test_failed_orders_are_tried_again_with_another_issue_date(office: BatchOffice) -> None:
    job = office.job("invoice_orders", "order 7", invoice_date="2026-01-01", due_days=14)
    assert office.types("run", job).returncode == 1
    for wrong in ("soon", "1999-12-31"):
        refused = office.types("retry", job, "--invoice-date", wrong)
        assert (refused.returncode, wrong in refused.stderr) == (2, True)
    assert "1 items wait again" in office.types("retry", job, "--invoice-date", "2026-01-02").stdout
    assert office.types("run", job).returncode == 1
    assert "1 items wait again" in office.types("retry", job, "--invoice-date", "today").stdout
    said = office.types("show", job).stdout
    assert 'asked for  {"due_days": 14}' in said
    for before, after in (("2026-01-01", '"2026-01-02"'), ("2026-01-02", "null")):
        changes = f'"before": {{"due_days": 14, "invoice_date": "{before}"}}, "changed": {{"invoice_date": {after}}}'
        assert f'retried by {person()} ({{"items": 1, {changes}}})' in said


def test_all_that_failed_longer_ago_is_tried_again(office: BatchOffice) -> None:
    new, old = office.job("of_old", "bad"), office.job("of_old", "bad", "a")
    office.work("of_old")
    office.date_back(old, 2)
    of_kind = ("--kind", "of_old", "--older-than")
    assert office.types("retry", *of_kind, "3d").stdout == "No item has failed.\n"
    assert office.types("retry", *of_kind, "1d").stdout == "1 items wait again.\n"
    assert office.listed("--kind", "of_old", "--status", "pending") == [old]
    assert office.listed("--kind", "of_old", "--status", "failed", "--status", "completed_with_errors") == [new]
    assert "JOB or --older-than" in one_line(office.types("retry"))
    assert "--older-than: 'soon' is neither" in one_line(office.types("retry", "--older-than", "soon"))


def test_statistics_are_told_by_kind_of_one_organization_or_of_all(office: BatchOffice) -> None:
    office.job("count_things", "a", "b", "bad")
    office.work("count_things")
    office.job("count_things", "c")
    shown = office.types("stats").stdout
    assert re.search(r"count_things +2 +1 +0 +0 +1 +0 +0 +0\.\d+", shown)
    assert re.search(r"count_things +4 +2 +1 +0 +66\.67 +1 +0", shown)
    of_all = office.terminal.run("batch", "stats", "--json")
    counted = {line["job_type"]: line for line in map(json.loads, of_all.stdout.splitlines())}
    assert (counted["count_things"]["total_items"], counted["count_things"]["success_rate"]) == (4, "66.67")
    assert office.terminal.run("batch", "stats", "--organization", "beta").stdout == "There was no batch job.\n"


def test_another_organization_sees_nothing_of_a_job(office: BatchOffice) -> None:
    job = office.job("keep_apart", "a")
    assert office.terminal.run("batch", "list", "--organization", "beta", "--json").stdout == ""
    for command in ("show", "cancel", "retry", "run"):
        ended = office.terminal.run("batch", command, str(job), "--organization", "beta")
        assert (ended.returncode, "There is no batch job" in ended.stderr) == (2, True)


def test_a_kind_that_only_dagster_does_is_named(office: BatchOffice) -> None:
    job = office.job("of_dagster", "a")
    ended = office.types("run", job)
    assert ended.returncode == 2
    assert "is of the kind of_dagster, which Dagster does; here: invoice_orders" in ended.stderr


def test_what_an_organization_chooses_is_shown_and_changed_by_name(office: BatchOffice) -> None:
    def types(*words: str) -> Ended:
        return office.terminal.run("organizations", "settings", "acme", *words)

    changed = types(
        *("--set", "documents.accent_colour=#0F5C6E"),
        *("--set", 'overdue_channels=["email"]', "--set", "messages.sms_from=+4930"),
    )
    assert changed.returncode == 0, changed.stderr
    assert re.search(r'overdue_channels +\["email"\]', changed.stdout)
    assert re.search(r"documents.accent_colour +#0F5C6E", types().stdout)
    back = types("--unset", "documents.accent_colour", "--set", "messages.sms_from=null").stdout
    assert re.search(r"documents.accent_colour +#1f4e79", back)
    assert re.search(r"messages.sms_from +null", back)
    for words, expected in (
        (("--set", "documents.colour=red"), "there is no setting 'documents.colour'"),
        (("--set", "documents.accent_colour=red"), "documents.accent_colour"),
        (("--set", "language"), "'language' is not NAME=VALUE"),
        (("--unset", "language.x"), "there is no setting 'language.x'"),
    ):
        refused = types(*words)
        assert (refused.returncode, expected in refused.stderr) == (2, True), refused.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list", "--since", "yesterday"], "--since: 'yesterday' is neither a day"),
        (["list", "--since", "99999999999d"], "--since: '99999999999d' is neither"),
        (["list", "--status", "done"], "--status"),
        (["list", "--after", "2"], "'2' is not the id of a batch job"),
        (["show", "{job}", "--items", "broken"], "--items: 'broken' is none of all, pending"),
        (["show", "{job}", "--items", "all", "--after", "2"], "'2' is not the id of an item"),
        (["invoices", "--all-open", "--send", "fax"], "communication_method: fax is none of email, sms, whatsapp"),
    ],
)
def test_what_is_mistyped_is_one_line_that_names_the_option(
    office: BatchOffice, words: list[str], expected: str
) -> None:
    job = str(office.job("mistyped", "a"))
    assert expected in one_line(office.types(*(word.replace("{job}", job) for word in words)))
