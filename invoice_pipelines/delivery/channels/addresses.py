"""Email addresses and phone numbers, checked without asking anybody.

Whether there is somebody at an address is found out by sending, and is not asked here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from invoice_pipelines.errors import InvoicePipelinesError

_LONGEST_SHOWN = 80


class AddressError(InvoicePipelinesError):
    """There is no address that a message can go to, and what to do. `code` is NO_ADDRESS or BAD_ADDRESS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the channel writes it, and in the form in which two of them are compared."""

    address: str
    recipient: str


@dataclass(frozen=True, slots=True)
class AddressKind:
    """A kind of address. `field` is where the customer has it, and where settings have that of test mode
    (`redirect_...`). `read` raises ValueError with the reason; it is given the country of numbers that name none.
    """

    field: str
    what: str
    read: Callable[[str, str | None], Address]

    def find(self, customer: Mapping[str, str | None], country_code: str) -> Address:
        """The address of a customer. Raises AddressError."""
        given = customer[self.field]
        if given is None or not given.strip():
            raise AddressError("NO_ADDRESS", f"The customer has no {self.field}: enter one, then retry.")
        return self.check(given, country_code)

    def check(self, given: str, country_code: str | None = None) -> Address:
        """An address in the forms that count. Raises AddressError."""
        try:
            return self.read(given, country_code)
        except ValueError as error:
            shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in given)[:_LONGEST_SHOWN]
            reason = " ".join(str(error).split())
            raise AddressError(
                "BAD_ADDRESS", f"{shown!r} is not {self.what}: {reason} Correct it, then retry."
            ) from None


def _email(given: str, _: str | None) -> Address:
    try:
        address = validate_email(given.strip(), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    # RFC 5321 lets a host tell Anna@ from anna@; none does, and a person must not be told twice.
    return Address(address, address.casefold())


def _phone(given: str, country_code: str | None) -> Address:
    try:
        number = phonenumbers.parse(given, country_code)
    except phonenumbers.NumberParseException as error:
        raise ValueError(str(error)) from None
    if not phonenumbers.is_valid_number(number):
        raise ValueError("No such number is in use; name the country as in +49 30 1234567.")
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Address(written, written)


EMAIL_ADDRESSES = AddressKind("email", "an email address", _email)
"""RFC 5321 and 5322; whether the domain exists is not asked."""
PHONE_NUMBERS = AddressKind("phone", "a phone number", _phone)
"""In the form of E.164."""
