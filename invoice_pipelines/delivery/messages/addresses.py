"""Holds where a message can go: addresses of emails and phone numbers, checked without asking anybody."""

from __future__ import annotations

from dataclasses import dataclass

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from invoice_pipelines.delivery.values import ChannelName

_LONGEST_SHOWN = 80
_MEANT_FOR = {ChannelName.EMAIL: "email", ChannelName.SMS: "phone", ChannelName.WHATSAPP: "phone"}


class AddressError(Exception):
    """There is no address that a message can go to, and what to do. `code` is NO_ADDRESS or BAD_ADDRESS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the channel writes it, and in the form in which two of them are compared."""

    address: str
    recipient: str


def find_address(channel: ChannelName, email: str | None, phone: str | None, country_code: str) -> Address:
    """The address of a customer for a channel. Raises AddressError."""
    given = email if channel is ChannelName.EMAIL else phone
    field = _MEANT_FOR[channel]
    if given is None or not given.strip():
        raise AddressError("NO_ADDRESS", f"The customer has no {field}: enter one, then retry.")
    return check_address(channel, given, country_code)


def check_address(channel: ChannelName, given: str, country_code: str | None = None) -> Address:
    """An address in the forms that count. `country_code` is that of phone numbers that name none (+49 ...).

    An email address must be one of RFC 5321 and 5322; whether its domain exists is not asked. Raises AddressError.
    """
    if channel is ChannelName.EMAIL:
        try:
            address = validate_email(given.strip(), check_deliverability=False).normalized
        except EmailNotValidError as error:
            raise _bad(given, "email address", str(error)) from None
        # RFC 5321 lets a host tell Anna@ from anna@; none does, and a person must not be told twice.
        return Address(address, address.casefold())
    try:
        number = phonenumbers.parse(given, country_code)
    except phonenumbers.NumberParseException as error:
        raise _bad(given, "phone number", str(error)) from None
    if not phonenumbers.is_valid_number(number):
        raise _bad(given, "phone number", "No such number is in use; name the country as in +49 30 1234567.")
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Address(written, written)


def _bad(given: str, kind: str, reason: str) -> AddressError:
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in given)[:_LONGEST_SHOWN]
    return AddressError("BAD_ADDRESS", f"{shown!r} is no {kind}: {' '.join(reason.split())} Correct it, then retry.")
