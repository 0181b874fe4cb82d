"""Endpoints are looked after at the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.events.webhooks.sending import deliver_webhooks
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import cancel_job, create_job
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.receiver import Receiver, Reply
from invoice_pipelines_tests.support.terminal import Ended, Terminal


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def desk(terminal: Terminal) -> Terminal:
    terminal.environment["INVOICE_PIPELINES_WEBHOOK_LOCAL_ADDRESSES"] = "true"
    return terminal


def lines(desk: Terminal, *words: str) -> list[dict[str, Any]]:
    ended = desk.acme(*words, "--json")
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def do(desk: Terminal, *words: str) -> Ended:
    ended = desk.acme(*words)
    assert ended.returncode == 0, ended.stderr
    return ended


def happen(desk: Terminal, database: TestDatabase) -> None:
    """Something changes, and a run tells it."""
    engine = create_app_engine(database.app_url)
    settings = Settings().model_copy(update={"home": desk.home, "webhook_local_addresses": True})
    context = OrganizationContext.of(engine, "acme", settings, "run")
    with context.scope() as connection:
        cancel_job(connection, create_job(connection, "tidy_up", ["a"], created_by="anna"), cancelled_by="anna")
    deliver_webhooks(context, time_box=timedelta(seconds=30))
    engine.dispose()


def test_the_life_of_an_endpoint(desk: Terminal, receiver: Receiver, module_database: TestDatabase) -> None:
    (made,) = lines(desk, "webhooks", "add", receiver.url, "--type", "batch_operation.*", "--description", "the shop")
    endpoint = made["endpoint_id"]
    happen(desk, module_database)
    Webhook(made["secret"]).verify(receiver.got[-1].body, receiver.got[-1].headers)
    assert "the shop" in do(desk, "webhooks", "list").stdout
    assert "batch_operation.*" in do(desk, "webhooks", "show", endpoint[-8:]).stdout
    receiver.replies = [Reply(500, b"it broke")]
    happen(desk, module_database)
    (failed,) = lines(desk, "webhooks", "attempts", endpoint, "--status", "pending")
    assert (failed["error_code"], failed["answer"]) == ("HTTP_500", "it broke")
    assert "it broke" in do(desk, "webhooks", "attempts", endpoint, "--delivery", failed["id"][-8:]).stdout
    told = len(receiver.got)
    assert "1 event again" in do(desk, "webhooks", "replay", endpoint, "--delivery", failed["id"]).stdout
    assert "2 events again" in do(desk, "webhooks", "replay", endpoint, "--since", "1h").stdout
    new = do(desk, "webhooks", "rotate", endpoint, "--keep-hours", "0").stdout
    assert made["secret"] not in new
    assert "shown this once" in new
    do(desk, "webhooks", "disable", endpoint, "--reason", "we move")
    assert "we move" in do(desk, "webhooks", "list").stdout
    refused = desk.acme("webhooks", "replay", endpoint, "--since", "1h")
    assert (refused.returncode, "enable it first" in refused.stderr) == (2, True)
    do(desk, "webhooks", "enable", endpoint)
    happen(desk, module_database)
    assert len(receiver.got) > told
    do(desk, "webhooks", "remove", endpoint)
    assert "There is none" in do(desk, "webhooks", "list").stdout
    assert desk.run("webhooks", "rotate-keys").returncode == 0


def test_events_are_read_on_from_a_cursor(desk: Terminal, module_database: TestDatabase) -> None:
    happen(desk, module_database)
    newest = lines(desk, "events", "list", "--limit", "1")
    assert newest[0]["type"] == "batch_operation.cancelled"
    assert lines(desk, "events", "list", "--after", newest[0]["cursor"]) == []
    happen(desk, module_database)
    assert len(lines(desk, "events", "list", "--after", newest[0]["cursor"])) == 1
    assert lines(desk, "events", "list", "--type", "invoice.*") == []
    assert "batch_operation.cancelled" in do(desk, "events", "list").stdout
    wrong = desk.acme("events", "list", "--after", "x")
    assert (wrong.returncode, "cursor" in wrong.stderr) == (2, True)


def test_what_is_mistyped_is_told(desk: Terminal) -> None:
    for words, said in (
        (["add", "http://shop.example/"], "https"),
        (["add", "https://shop.example/", "--type", "invoice.payed"], "invoice.payed"),
        (["show", "ffffffff"], "no id of a webhook endpoint"),
        (["replay", "ffffffff"], "either --since or --delivery"),
    ):
        ended = desk.acme("webhooks", *words)
        assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr
