"""What a company of the sandbox is set to, what every company starts with (accounts, terms, tax codes), and the
two documents by which it describes itself."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document

_CURRENCIES = {"US": "USD", "GB": "GBP", "CA": "CAD", "AU": "AUD", "CH": "CHF", "SE": "SEK", "PL": "PLN"}
CURRENCY_NAMES = {
    "USD": "United States Dollar",
    "EUR": "Euro",
    "GBP": "British Pound Sterling",
    "CAD": "Canadian Dollar",
    "AUD": "Australian Dollar",
    "CHF": "Swiss Franc",
}
_TAX_PERCENTS = {
    "DE": ("19", "7", "0"),
    "AT": ("20", "10", "13", "0"),
    "FR": ("20", "10", "5.5", "0"),
    "GB": ("20", "5", "0"),
    "NL": ("21", "9", "0"),
    "IT": ("22", "10", "4", "0"),
    "ES": ("21", "10", "4", "0"),
    "CA": ("5", "13", "0"),
    "AU": ("10", "0"),
}


class Company(BaseModel):
    """A realm. US companies compute sales tax themselves; others take it from the tax codes of the lines."""

    model_config = ConfigDict(extra="forbid")

    name: str = "Sandbox Company"
    country: str = "US"
    home_currency: str = Field(default_factory=lambda data: _CURRENCIES.get(data["country"], "EUR"))
    multi_currency: bool = False
    exchange_rates: dict[str, Decimal] = Field(default_factory=dict)
    """What it takes a unit of a foreign currency for, in its own, unless a transaction says otherwise."""
    custom_txn_numbers: bool = True
    automated_sales_tax: bool = Field(default_factory=lambda data: data["country"] == "US")
    tax_percent: Decimal = Decimal("8")
    """Of US companies, on lines with the tax code TAX."""
    tax_rounded_per_line: bool = False
    tax_percents: list[Decimal] = Field(
        default_factory=lambda data: [Decimal(one) for one in _TAX_PERCENTS.get(data["country"], ("20", "10", "0"))]
    )
    """Of others: one TaxCode and one TaxRate for each, in this order, with ids from 1."""
    books_closed_until: date | None = None
    books_closed_with_password: bool = False


_ACCOUNTS = [
    ("Sales of Product Income", "Income", "SalesOfProductIncome", "Revenue"),
    ("Services", "Income", "ServiceFeeIncome", "Revenue"),
    ("Checking", "Bank", "Checking", "Asset"),
    ("Cost of Goods Sold", "Cost of Goods Sold", "SuppliesMaterialsCogs", "Expense"),
    ("Inventory Asset", "Other Current Asset", "Inventory", "Asset"),
    ("Accounts Receivable (A/R)", "Accounts Receivable", "AccountsReceivable", "Asset"),
    ("Undeposited Funds", "Other Current Asset", "UndepositedFunds", "Asset"),
    ("Discounts given", "Income", "DiscountsRefundsGiven", "Revenue"),
    ("Savings", "Bank", "Savings", "Asset"),
]


def first_documents(company: Company) -> list[tuple[str, Document]]:
    """The lists of a new company, as entity and document without id."""
    documents: list[tuple[str, Document]] = [
        (
            "Account",
            {
                "Name": name,
                "FullyQualifiedName": name,
                "Active": True,
                "AccountType": kind,
                "AccountSubType": sub_type,
                "Classification": classification,
                "SubAccount": False,
                "CurrentBalance": 0,
            },
        )
        for name, kind, sub_type, classification in _ACCOUNTS
    ]
    for name in ("Cash", "Check", "Credit Card"):
        documents.append(("PaymentMethod", {"Name": name, "Active": True, "Type": "NON_CREDIT_CARD"}))
    for days in (0, 15, 30, 60):
        name = f"Net {days}" if days else "Due on receipt"
        documents.append(("Term", {"Name": name, "Active": True, "Type": "STANDARD", "DueDays": days}))
    percents = [company.tax_percent] if company.country == "US" else company.tax_percents
    for number, percent in enumerate(percents, start=1):
        name = f"{percent.normalize():f}%"
        documents.append(("TaxRate", {"Name": name, "Active": True, "RateValue": percent}))
        detail = {"TaxRateRef": {"value": str(number), "name": name}, "TaxTypeApplicable": "TaxOnAmount"}
        documents.append(
            (
                "TaxCode",
                {
                    "Name": f"{name} S",
                    "Description": name,
                    "Active": True,
                    "Taxable": True,
                    "TaxGroup": company.country == "US",
                    "SalesTaxRateList": {"TaxRateDetail": [{**detail, "TaxOrder": 0}]},
                },
            )
        )
    return documents


def company_info(company: Company, realm: str) -> Document:
    """The answer to `companyinfo`."""
    address = {"Id": "1", "Line1": "1 Main Street", "City": "Sandbox", "Country": company.country}
    return {
        "CompanyName": company.name,
        "LegalName": company.name,
        "CompanyAddr": address,
        "Country": company.country,
        "Email": {"Address": "books@example.com"},
        "FiscalYearStartMonth": "January",
        "SupportedLanguages": "en",
        "NameValue": [{"Name": "OfferingSku", "Value": "QuickBooks Online Plus"}, {"Name": "RealmId", "Value": realm}],
        "Id": "1",
        "domain": "QBO",
        "sparse": False,
    }


def preferences(company: Company) -> Document:
    """The answer to `preferences`."""
    accounting: dict[str, Any] = {"UseAccountNumbers": False, "FirstMonthOfFiscalYear": "January"}
    if company.books_closed_until:
        accounting["BookCloseDate"] = company.books_closed_until.isoformat()
    currency = {"value": company.home_currency, "name": CURRENCY_NAMES.get(company.home_currency, "")}
    return {
        "AccountingInfoPrefs": accounting,
        "SalesFormsPrefs": {
            "CustomTxnNumbers": company.custom_txn_numbers,
            "AllowDeposit": False,
            "AllowDiscount": True,
            "DefaultTerms": {"value": "3"},
            "IPNSupportEnabled": False,
        },
        "TaxPrefs": {"UsingSalesTax": True, "PartnerTaxEnabled": company.automated_sales_tax},
        "CurrencyPrefs": {"MultiCurrencyEnabled": company.multi_currency, "HomeCurrency": currency},
        "Id": "1",
        "domain": "QBO",
        "sparse": False,
    }
