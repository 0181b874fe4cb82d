"""Exchange rates on the command line, and the order with VAT in another currency that waits for one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from invoice_pipelines_tests.support.terminal import Terminal

RATES = "Date,USD,JPY,\n2026-02-27,1.0823,160.12,\n2026-02-26,1.08,N/A,\n"
ORDERS = (
    "order_number,customer_number,currency,order_date,order_period_start,order_period_end,description,quantity,"
    "unit_price,tax_category,tax_rate,period_start,period_end\n"
    "O1,C1,USD,2026-02-01,2026-02-01,2026-02-28,Support,1,1000,S,19,2026-02-01,2026-02-14\n"
    "O1,C1,USD,2026-02-01,2026-02-01,2026-02-28,Support,1,1000,S,19,2026-02-15,2026-02-28\n"
    "O2,C1,USD,2026-02-01,2026-02-28,2026-02-01,Support,1,1000,S,19,,\n"
    "O3,C1,USD,2026-02-01,,,Support,1,1000,S,19,2026-02-28,2026-02-01\n"
)


@pytest.fixture(scope="module")
def terminal(terminal: Terminal) -> Terminal:
    files = {
        "rates.csv": "tax_category,rate,name\nS,19,19 %\n",
        "customers.csv": "customer_number,name,country_code\nC1,Buyer,DE\n",
        "orders.csv": ORDERS,
        "ecb.csv": RATES,
        "wrong.csv": "Date,USD\n2026-02-27,abc\n",
    }
    for name, content in files.items():
        terminal.file(name, content)
    for command, file in (("tax-rates", "rates.csv"), ("customers", "customers.csv")):
        assert terminal.acme(command, "import", str(terminal.home / file)).returncode == 0
    return terminal


def test_an_order_waits_for_the_rate_that_its_refusal_names(terminal: Terminal, tmp_path: Path) -> None:
    imported = terminal.acme("orders", "import", str(terminal.home / "orders.csv"))
    assert "1 orders added, 2 left out" in imported.stdout
    assert "period_end 2026-02-01 is before period_start 2026-02-28 (BR-29, BR-30)" in " ".join(imported.stdout.split())
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("O1\n", encoding="utf-8")
    refused = terminal.acme("batch", "invoices", "--orders", str(wanted), "--now")
    assert refused.returncode == 1
    assert "MISSING_EXCHANGE_RATE" in refused.stdout
    assert "exchange-rates set EUR USD RATE --date 2026-02-28" in " ".join(refused.stdout.split())

    wrong = terminal.acme("exchange-rates", "import", str(terminal.home / "wrong.csv"))
    assert wrong.returncode != 0
    assert "wrong.csv: line 2: the rate of USD: is not a number" in " ".join(wrong.stderr.split())
    ecb = str(terminal.home / "ecb.csv")
    first = terminal.acme("exchange-rates", "import", ecb, "--since", "2026-02-27")
    assert "2 rates added, 0 corrected, 0 known already. The newest are of 2026-02-27." in first.stdout
    assert "1 rates added, 0 corrected, 2 known already" in terminal.acme("exchange-rates", "import", ecb).stdout

    assert terminal.acme("batch", "invoices", "--orders", str(wanted), "--now").returncode == 0
    (number,) = re.findall(r"INV-\d{4}-\d{6}", terminal.acme("invoices", "list").stdout)
    shown = " ".join(terminal.acme("invoices", "show", number).stdout.split())
    assert "supplied 2026-02-28 service period 2026-02-01 to 2026-02-28" in shown
    assert "VAT converted 351.10 EUR, 1 EUR = 1.0823 USD on 2026-02-27 (ECB)" in shown


def test_a_rate_is_set_listed_and_removed_by_hand(terminal: Terminal) -> None:
    by_hand = ["exchange-rates", "set", "EUR", "CHF", "0.9412", "--date", "2026-03-02"]
    assert terminal.acme(*by_hand).returncode != 0  # a source is needed
    added = terminal.acme(*by_hand, "--source", "our bank")
    assert "1 EUR = 0.9412 CHF on 2026-03-02 (our bank): added." in added.stdout
    rate = json.loads(terminal.acme("exchange-rates", "list", "--currency", "CHF", "--json").stdout)
    assert (rate["rate"], rate["rate_date"], rate["source"]) == ("0.9412", "2026-03-02", "our bank")
    assert re.search(r"0\.9412 +CHF", terminal.acme("exchange-rates", "list").stdout)
    refused = terminal.acme("exchange-rates", "set", "EUR", "CHX", "1", "--date", "2026-03-02", "--source", "me")
    assert refused.returncode != 0
    assert "currency: 'CHX' is not a currency of ISO 4217" in " ".join(refused.stderr.split())
    remove = ["exchange-rates", "remove", "EUR", "CHF", "--date", "2026-03-02"]
    assert "is removed" in terminal.acme(*remove).stdout
    assert terminal.acme(*remove).returncode == 1
