"""Reads the settings of a company from its `CompanyInfo` and `Preferences`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import httpx

from invoice_pipelines.quickbooks.api.answers import read_answer
from invoice_pipelines.quickbooks.api.countries import alpha_2
from invoice_pipelines.quickbooks.api.faults import Fault, QuickBooksError
from invoice_pipelines.quickbooks.api.options import Company
from invoice_pipelines.settings import Settings

_TIMEOUT = httpx.Timeout(30, connect=10)


CALLS_TO_READ = 2


def read_company(http: httpx.Client, settings: Settings, realm_id: str, access_token: str) -> Company:
    """Asks a company that is about to be connected for its settings, and so tries the token on it.

    Raises QuickBooksError where it does not answer, or not to this token.
    """
    answers = []
    for path in (f"companyinfo/{realm_id}", "preferences"):
        try:
            answer = http.get(
                f"{settings.quickbooks_api_url}/v3/company/{realm_id}/{path}",
                headers={"Authorization": f"Bearer {access_token}", "Accept": "application/json"},
                timeout=_TIMEOUT,
            )
            answers.append(read_answer(answer.status_code, answer.headers, answer.content))
        except httpx.HTTPError as error:
            raise QuickBooksError(f"QuickBooks did not answer ({type(error).__name__}); try again.") from None
        except Fault as fault:
            raise QuickBooksError(f"The company {realm_id} cannot be read with these tokens. {fault}") from None
    return company_of(*answers)


def company_of(company_info: Mapping[str, Any], preferences: Mapping[str, Any]) -> Company:
    """The settings of a company; what is not said has QuickBooks' default."""
    info = company_info.get("CompanyInfo") or {}
    chosen = preferences.get("Preferences") or {}
    country = str(info.get("Country") or "US")
    currencies = chosen.get("CurrencyPrefs") or {}
    return Company(
        name=str(info.get("CompanyName") or ""),
        country=alpha_2(country) or country.strip().upper(),
        home_currency=str((currencies.get("HomeCurrency") or {}).get("value") or "USD"),
        multi_currency=bool(currencies.get("MultiCurrencyEnabled")),
        custom_txn_numbers=bool((chosen.get("SalesFormsPrefs") or {}).get("CustomTxnNumbers")),
        automated_sales_tax=bool((chosen.get("TaxPrefs") or {}).get("PartnerTaxEnabled")),
        books_closed_until=_day((chosen.get("AccountingInfoPrefs") or {}).get("BookCloseDate")),
    )


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
