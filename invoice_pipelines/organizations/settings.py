"""What an organization chooses for itself: language, how its documents are numbered, where it sits."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from invoice_pipelines.registry import MESSAGING_CHANNELS

_PLACEHOLDER = re.compile(r"\{(?:year|month|month:02|number|number:0(?:[1-9]|1[0-8]))\}")
_LONGEST_PATTERN = 60


class NumberFormat(BaseModel):
    """How the numbers of a series are written.

    `pattern` knows {year}, {month}, {month:02}, {number} and {number:06}, where 06 is the least count of digits: what
    `billing.format_number` prints. Year and month are those of the issue date. With `yearly_reset` numbers start again
    at 1 with each year.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: str = "INV-{year}-{number:06}"
    yearly_reset: bool = True

    @field_validator("pattern")
    @classmethod
    def _can_be_printed(cls, pattern: str) -> str:
        plain = _PLACEHOLDER.sub("", pattern)
        if "{" in plain or "}" in plain:
            raise ValueError(
                f"{pattern!r} has a brace that is not part of {{year}}, {{month}}, {{month:02}}, {{number}} or "
                "{number:06} (one to eighteen digits)"
            )
        if pattern.count("{number") != 1:
            raise ValueError(f"{pattern!r} must contain {{number}} once")
        if len(pattern) > _LONGEST_PATTERN or pattern != pattern.strip() or not plain.isprintable():
            raise ValueError(
                f"{pattern!r} must be at most {_LONGEST_PATTERN} printable characters, without blanks at its ends"
            )
        if re.search(r"[\d}]\{month\}|\{month\}[\d{]", pattern):
            raise ValueError(
                f"{pattern!r} is ambiguous, as {{month}} has one digit or two: write {{month:02}} or put a sign between"
            )
        return pattern

    @model_validator(mode="after")
    def _is_unique(self) -> NumberFormat:
        if self.yearly_reset and "{year}" not in self.pattern:
            raise ValueError(f"{self.pattern!r} must contain {{year}}, as numbers start again each year (yearly_reset)")
        return self

    @property
    def skeleton(self) -> str:
        """The pattern with `#` for each run of digits: two series whose skeletons differ never share a number."""
        return re.sub(r"[0-9]+", "#", _PLACEHOLDER.sub("0", self.pattern))


Confidence = Annotated[float, Field(ge=0, le=1)]


class ReviewThresholds(BaseModel):
    """How sure a reader must be of a value from a text layer or a picture, 0 to 1; below, a person looks at it.

    A value that an invoice does not have is not asked for here: what it may not lack is a rule of validation.
    A confidence is the share of such values that are right (`text_layer.calibration`); that of amounts is from 0.95 on
    where arithmetic proves them (net + VAT = total, rate x net = VAT).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: Confidence = 0.95
    issue_date: Confidence = 0.97
    seller_name: Confidence = 0.8
    currency: Confidence = 0.97
    net_amount: Confidence = 0.95
    tax_amount: Confidence = 0.95
    gross_amount: Confidence = 0.95
    payable_amount: Confidence = 0.95
    seller_vat_id: Confidence = 0.9
    iban: Confidence = 0.9


HexColour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Channel = Annotated[str, AfterValidator(MESSAGING_CHANNELS.check)]
_Line = Annotated[str, Field(min_length=1, max_length=200)]


class DocumentSettings(BaseModel):
    """How the documents of an organization look, and what they say beside the invoice. The logo is a template file."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    accent_colour: HexColour = "#1f4e79"
    paper: Literal["a4", "us-letter"] = "a4"
    contact_name: _Line | None = None
    """BT-41. XRechnung needs name, phone and email of a contact (BR-DE-5 to BR-DE-7)."""
    contact_phone: _Line | None = None
    """BT-42"""
    contact_email: _Line | None = None
    """BT-43, and the electronic address of the seller (BT-34)"""
    website: _Line | None = None
    bank_name: _Line | None = None
    bic: Annotated[str, Field(pattern=r"^[A-Z0-9]{8}([A-Z0-9]{3})?$")] | None = None
    """BT-86, of the account `iban` of the organization"""
    legal_text: Annotated[str, Field(min_length=1, max_length=600)] | None = None
    """What the law asks to stand on letters: register, managing directors, capital."""
    payment_terms: Annotated[str, Field(min_length=1, max_length=600)] | None = None
    """Under the totals, and BT-20; None: the text of the language, with the due date."""
    payment_qr_code: bool = True
    """EPC code for a transfer, on invoices in EUR of an organization with an IBAN."""


class MessageSettings(BaseModel):
    """From whom messages of an organization come, when they may go out, and how fast."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    email_from: _Line | None = None
    """Address; None: that of the deployment."""
    email_from_name: _Line | None = None
    """None: the name of the organization"""
    email_reply_to: _Line | None = None
    sms_from: _Line | None = None
    """Phone number (+49...), a sender name of 11 letters, or the id of a messaging service (MG...)."""
    whatsapp_from: _Line | None = None
    quiet_from: TimeOfDay = "21:00"
    quiet_until: TimeOfDay = "08:00"
    """In the time zone of the organization; the same as quiet_from: no quiet hours."""
    quiet_channels: tuple[_Channel, ...] = ("sms", "whatsapp")
    emails_per_minute: int = Field(default=300, ge=1, le=100_000)
    sms_per_minute: int = Field(default=60, ge=1, le=100_000)
    whatsapp_per_minute: int = Field(default=60, ge=1, le=100_000)
    redirect_email: _Line | None = None
    """Test mode: all emails go to this address instead."""
    redirect_phone: _Line | None = None
    """Test mode: all SMS and WhatsApp messages go to this number instead."""


class OrganizationSettings(BaseModel):
    """What an organization chooses. Stored as one validated JSON document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Literal["en", "de"] = "en"
    """Of invoices, where neither the request nor the customer names one; and of messages."""
    invoice_number: NumberFormat = Field(default_factory=NumberFormat)
    credit_note_number: NumberFormat = Field(default_factory=lambda: NumberFormat(pattern="CN-{year}-{number:06}"))
    oldest_invoice_years: int = Field(default=10, ge=1, le=100)
    """An invoice dated longer ago than this is not plausible."""
    exchange_rate_days: int = Field(default=7, ge=0, le=366)
    """VAT is converted at a rate published at most so many days before the supply; 31 for rates of months."""

    ocr_engine: str | None = None
    """What reads pages that are pictures (`registry.OCR_ENGINES`, or none); None: what the deployment has set."""

    export_formats: tuple[str, ...] | None = Field(default=None, min_length=1)
    """What received invoices are exported as (`registry.EXPORT_FORMATS`); None: CSV, and DATEV where it is set up."""

    review_thresholds: ReviewThresholds = Field(default_factory=ReviewThresholds)
    ask_for_sellers: bool = False
    """A simplified invoice (small amount) whose seller is not sure waits for a person as well, instead of passing
    without its seller."""
    review_within_hours: int = Field(default=48, ge=1, le=8760)
    """An invoice that waits longer than this for a person is pointed out."""

    overdue_levels: tuple[Annotated[int, Field(ge=1, le=3650)], ...] = Field(default=(1,), min_length=1, max_length=10)
    """Days past due at which a notification is made, such as 1, 14 and 30."""
    overdue_channels: tuple[_Channel, ...] = ()
    """By which customers are told of overdue invoices; none: notifications are seen by the organization only."""

    documents: DocumentSettings = Field(default_factory=DocumentSettings)
    messages: MessageSettings = Field(default_factory=MessageSettings)

    @field_validator("overdue_levels")
    @classmethod
    def _levels_rise(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if list(levels) != sorted(set(levels)):
            raise ValueError(f"{list(levels)} must rise, each once, such as [1, 14, 30]")
        return levels

    @field_validator("overdue_channels")
    @classmethod
    def _channels_once(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(channels)) < len(channels):
            raise ValueError(f"{list(channels)} names a channel twice")
        return channels

    @model_validator(mode="after")
    def _series_differ(self) -> OrganizationSettings:
        if self.invoice_number.skeleton == self.credit_note_number.skeleton:
            raise ValueError(
                f"invoice_number and credit_note_number ({self.invoice_number.pattern!r}, "
                f"{self.credit_note_number.pattern!r}) must differ in letters or signs, or a number may be given twice"
            )
        return self


class Address(BaseModel):
    """Where an organization sits, as its invoices show it (BG-5): BT-35, BT-36, BT-37, BT-38."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    street: str | None = Field(default=None, min_length=1, max_length=200)
    additional_street: str | None = Field(default=None, min_length=1, max_length=200)
    city: str | None = Field(default=None, min_length=1, max_length=200)
    post_code: str | None = Field(default=None, min_length=1, max_length=20)
