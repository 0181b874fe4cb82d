"""What a QuickBooks company is set to, and what an organization chooses for its sync."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Company(BaseModel):
    """What a company is set to in QuickBooks, as read when it was connected (`CompanyInfo` and `Preferences`)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = ""
    country: str = "US"
    """ISO 3166-1 alpha-2. A US company takes ISO-8859-1 characters only and computes its own sales tax."""
    home_currency: str = "USD"
    multi_currency: bool = False
    custom_txn_numbers: bool = False
    """Whether our invoice numbers are kept as DocNumber; otherwise QuickBooks counts by itself."""
    automated_sales_tax: bool = False
    books_closed_until: date | None = None
    """Transactions dated up to this day are refused (6200, 6210)."""


class ConnectionOptions(BaseModel):
    """What an organization chooses for its sync. Stored as one validated JSON document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conflict_policy: Literal["newest", "ours", "theirs", "review"] = "newest"
    """Who wins where both sides changed the same field; `review`: it waits for a person."""
    description_from: Literal["ours", "quickbooks"] = "ours"
    """Whose description of an item counts."""
    push_descriptions: bool = True
    """Whether our descriptions of items are sent to QuickBooks, where ours count."""
    name_in_use: Literal["suffix", "conflict"] = "suffix"
    """A customer whose name a vendor or employee has there: gets a suffix, or waits for a person."""
    inactive_name: Literal["reactivate", "new_name"] = "reactivate"
    """A name that an inactive record has there: that record is made active again, or ours gets another name."""
    income_account: str | None = Field(default=None, min_length=1, max_length=36)
    """Id of the account of new items; None: the first of type Income / SalesOfProductIncome."""
    tax_codes: dict[str, str] = Field(default_factory=dict)
    """Id of the TaxCode there by our VAT category and rate, such as `S:19.00`. Companies in the US with automated sales
    tax need none, others in the US one for each rate that is taxed."""
    default_item: str | None = Field(default=None, min_length=1, max_length=36)
    """Id of the Item of lines that have none here; None: they are sent without one."""
    discount_item: str | None = Field(default=None, min_length=1, max_length=36)
    """Id of the Item of discounts on a whole invoice; None: the default item."""
    exchange_rates: Literal["ours", "quickbooks"] = "ours"
    """Where no rate is known here for a foreign invoice: it waits for one, or QuickBooks is asked for its own."""
