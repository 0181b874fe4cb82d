"""A sandbox of its own process: started by the command, controlled over HTTP, killed, and gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from invoice_pipelines.workshop.commands.sandbox import app
from invoice_pipelines.workshop.sandbox.quickbooks import Fault, Refusal, RemoteSandbox, Sandbox
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import REALM, Api


@contextmanager
def _command(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The command, and what it printed first."""
    code = "from invoice_pipelines.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "sandbox", "quickbooks", "--port", "0", "--json", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def _call(shown: dict[str, Any], realm: str, method: str, path: str, **more: Any) -> httpx.Response:
    token = shown["companies"][realm]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.request(method, f"{shown['url']}/v3/company/{realm}{path}", headers=headers, verify=False, **more)


def test_another_sandbox_goes_on_with_the_file_of_one_that_ended(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "state.db") as sandbox:
        sandbox.add_company(REALM)
        api = Api(sandbox)
        first = api.post("/customer", {"DisplayName": "A"}, requestid="r").text
    with Sandbox(tmp_path / "state.db") as sandbox:
        api.http.base_url = f"{sandbox.url}/v3/company/{REALM}"
        assert api.post("/customer", {"DisplayName": "A"}, requestid="r").text == first
        assert sandbox.accountant(REALM).count("Customer") == 1
    api.http.close()


@pytest.mark.slow
def test_a_killed_sandbox_goes_on_where_it_stood_with_tokens_and_request_ids(tmp_path: Path) -> None:
    options = ("--realm", "1", "--realm", "2", "--state", str(tmp_path / "state.db"), "--switch", "throttled=false")
    create = {"json": {"DisplayName": "A"}, "params": {"requestid": "r"}}
    with _command(*options) as (process, before):
        first = _call(before, "1", "POST", "/customer", **create)
        assert set(before["companies"]) == {"1", "2"}
        process.send_signal(signal.SIGKILL)
    with _command(*options) as (process, after):
        assert _call({**before, "url": after["url"]}, "1", "POST", "/customer", **create).text == first.text
        with RemoteSandbox(after["url"]) as remote:
            assert [remote.accountant(realm).count("Customer") for realm in ("1", "2")] == [1, 0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_another_process_controls_everything_by_the_same_words(sandbox: Sandbox) -> None:
    with RemoteSandbox(sandbox.url) as remote:
        books = remote.add_company("77", country="DE", name="Example")
        customer = books.customer("A")["Id"]
        owed = books.invoice(customer, Decimal("10.10"))
        assert owed["TotalAmt"] == Decimal("12.02")
        assert books.pay(owed["Id"], Decimal("2.02"))["TotalAmt"] == Decimal("2.02")
        assert [one["Balance"] for one in books.documents("Invoice")] == [Decimal("10.00")]
        with pytest.raises(Refusal, match="6240"):
            books.customer("a")
        with pytest.raises(ValueError, match="no_such"):
            books.no_such()
        remote.set_switches(latency_per_call=0.25, window="fixed")
        assert (sandbox.switches.latency_per_call, sandbox.switches.window) == (0.25, "fixed")
        remote.set_switches(latency_per_call=0)
        remote.inject(Fault.UNAVAILABLE, operation="read", probability=1.0)
        token = remote.tokens("77").access_token
        url = f"{sandbox.url}/v3/company/77/customer/{customer}"
        statuses = [httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code for _ in range(2)]
        assert statuses == [503, 200]
        assert [call["status"] for call in remote.log("77", "read")] == [503, 200]
        assert remote.counts("77")["by_status"] == {"503": 1, "200": 1}
        remote.clear_log()
        assert remote.log() == []
        remote.shift_clock(86_400)
        assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 401
        made = remote.seed("77", customers=10, invoices=20, payments=5, over=60)
        assert (len(made.customers), len(made.invoices), books.count("Payment")) == (10, 20, 6)


def test_a_large_company_is_made_as_its_rules_would_have_made_it(sandbox: Sandbox) -> None:
    books = sandbox.accountant(REALM)
    made = sandbox.seed(REALM, customers=3, items=2, invoices=6, payments=3)
    assert [books.document("Customer", str(one))["Balance"] for one in made.customers] == [100] * 3
    open_invoice = str(made.invoices[-1])
    assert books.pay(open_invoice, 40)["UnappliedAmt"] == 0
    paid = books.document("Invoice", str(made.invoices[0]))
    (link,) = paid["LinkedTxn"]
    payment = books.document("Payment", link["TxnId"])
    assert payment["Line"][0]["LinkedTxn"] == [{"TxnId": paid["Id"], "TxnType": "Invoice"}]
    assert payment["CustomerRef"] == paid["CustomerRef"]
    books.void("Payment", payment["Id"])
    assert books.document("Invoice", paid["Id"])["Balance"] == 100
    assert books.customer("new")["Id"] == str(made.customers.stop)
    with pytest.raises(Refusal, match="6240"):
        books.customer(f"Customer {made.customers[0]}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--switch", "windw=fixed"], "--switch windw: there is none of that name"),
        (["--switch", "window=open"], "--switch window=open: Input should be 'sliding' or 'fixed'"),
        (["--realm", "abc"], "--realm 'abc' is not 1 to 20 digits"),
        (["--country", "Germany"], "--country 'Germany' is not a two-letter code"),
    ],
)
def test_a_wrong_option_is_named(options: list[str], said: str) -> None:
    ended = CliRunner().invoke(app, ["quickbooks", "--port", "0", *options])
    assert ended.exit_code == 2
    assert said in " ".join(ended.output.replace("│", " ").split())
