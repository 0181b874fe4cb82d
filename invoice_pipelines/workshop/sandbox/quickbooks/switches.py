"""What of the sandbox's behaviour can be chosen: limits, latency, tokens, and all that nobody has confirmed about
QuickBooks Online. Of two behaviours that may be real, the default is the one that forgives a client less."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Switches(BaseModel):
    """May be changed while the sandbox runs; durations of the throttles are real time, others that of its clock."""

    model_config = ConfigDict(validate_assignment=True, extra="forbid")

    # Limits and latency
    throttled: bool = True
    calls_per_minute: int = 500
    calls_per_second: int = 10
    calls_in_flight: int = 10
    batches_per_minute: int = 40
    batch_items: int = 30
    time_scale: float = Field(default=1.0, gt=0, description="20: a minute of the throttles lasts 3 seconds.")
    throttle_shape: Literal["json", "xml", "403"] = "json"
    latency_per_call: float = Field(
        default=0.15, ge=0, description="Seconds; one that calls and waits in turn then stays below ten calls a second."
    )
    latency_per_item: float = Field(default=0.0, ge=0, description="Seconds, for each item of a batch.")

    # Tokens
    access_token_lifetime: timedelta = timedelta(hours=1)
    refresh_token_lifetime: timedelta = timedelta(days=101)
    refresh_token_hard_lifetime: timedelta = timedelta(days=5 * 365)
    refresh_token_rotates_after: timedelta = Field(
        default=timedelta(days=1), description="Age at which a refresh gives a new value: documented as about a day."
    )
    refresh_token_grace: timedelta = Field(
        default=timedelta(), description="Unconfirmed: how long the value before the newest is still taken."
    )

    # What is not confirmed
    retry_after: Literal["none", "seconds", "date"] = Field(
        default="none", description="Unconfirmed: what a 429 says about when to come again."
    )
    window: Literal["sliding", "fixed"] = Field(default="sliding", description="Unconfirmed: how a minute is counted.")
    request_id_lifetime: timedelta = Field(
        default=timedelta(hours=24), description="Unconfirmed: how long the answer to a request id is replayed."
    )
    replay_faults: bool = Field(default=True, description="Unconfirmed: whether a refusal is replayed, too.")
    changed_body: Literal["replay", "refuse"] = Field(
        default="replay", description="Unconfirmed: a known request id with another body: the old answer, or code 600."
    )
    void_in_batch: bool = Field(default=True, description="Unconfirmed: the schema names it; without it, code 500.")
    void_with_payment_code: str = Field(default="6000", description="Unconfirmed: the code of that refusal.")
    cdc_too_old_code: str = Field(default="4001", description="Unconfirmed: the code of that refusal.")
    cdc_keeps: Literal["newest", "oldest", "first_entities"] = Field(
        default="newest", description="Unconfirmed: which 1,000 of more changes are told."
    )
    cdc_total_count: bool = Field(default=False, description="It is sometimes missing.")
    max_results_over_1000: Literal["refuse", "cap"] = Field(default="refuse", description="Unconfirmed.")
    start_position_0: Literal["refuse", "first"] = Field(default="refuse", description="Unconfirmed.")
    zone_of_local_times: str = Field(
        default="America/Los_Angeles", description="Unconfirmed: what a time without offset is taken for."
    )
    balance_moves_customer: bool = Field(
        default=True, description="Unconfirmed: whether a customer counts as changed when only the balance did."
    )
    merge_leaves: Literal["inactive", "deleted"] = Field(
        default="inactive", description="Unconfirmed: how the one that was merged away looks afterwards."
    )
    names_trimmed: bool = Field(default=True, description="Unconfirmed: blanks around a DisplayName do not count.")
    names_ignore_case: bool = Field(default=True, description="Unconfirmed: names that differ in case are the same.")
    inactive_keeps_name: bool = Field(
        default=False, description="Unconfirmed: whether the name of an inactive customer cannot be used again."
    )
    item_name_forbidden: str = Field(
        default=":\t\n", description="Unconfirmed: characters that Item.Name may not have."
    )
    cdc_is_metered: bool = Field(default=True, description="Unconfirmed: whether CDC counts as a metered read.")
    double_void: Literal["refuse", "accept"] = Field(default="refuse", description="Unconfirmed.")
    not_latin_1: Literal["refuse", "mangle", "accept"] = Field(
        default="refuse", description="Unconfirmed: characters outside ISO-8859-1 in a US company."
    )
    text_ignores_case: bool = Field(default=True, description="Unconfirmed: `=` of texts in a query.")
    ties: Literal["scattered", "by_id"] = Field(
        default="scattered", description="Unconfirmed: the order of rows that a query's ORDERBY leaves open."
    )
    shuffled_batches: bool = Field(default=True, description="The order of a batch's answers is not promised.")
    country_as_iso3: bool = Field(default=True, description="`US` comes back as `USA`, since 2025.")
    tax_differs_by: str = Field(default="0.00", description="Added to each tax that the company computes itself.")
    line_without_item: Literal["ignored", "counted", "refused"] = Field(
        default="ignored",
        description="A sales line without ItemRef is documentation and its amount is ignored, says the reference; "
        "it is booked on an item of the company's, said Intuit in 2018.",
    )
    missing_exchange_rate: Literal["one", "company"] = Field(
        default="one", description="A foreign transaction without ExchangeRate: 1, as documented, or the company's own."
    )
    sent_sales_tax: Literal["taken", "computed"] = Field(
        default="taken", description="TotalTax of a US company with automated tax: documented as taken, in 2017."
    )
