"""Why QuickBooks refuses something, with its codes and words; how that looks on the wire is in `shapes`."""

from __future__ import annotations

from invoice_pipelines.errors import InvoicePipelinesError


class Refusal(InvoicePipelinesError):
    """One error of a fault; `code` is QuickBooks' own."""

    def __init__(
        self,
        code: str,
        message: str,
        detail: str,
        element: str = "",
        kind: str = "ValidationFault",
        status: int = 400,
    ) -> None:
        super().__init__(code, message, detail, code=code)
        self.message = message
        self.detail = detail
        self.element = element
        self.kind = kind
        self.status = status

    def __str__(self) -> str:
        return f"{self.code} {self.detail}"


def unsupported(what: str) -> Refusal:
    """Something that the service does not do."""
    return Refusal("500", "Unsupported Operation", f"Operation {what} is not supported.")


def malformed(what: str) -> Refusal:
    """A body that cannot be read."""
    return Refusal("2010", "Request has invalid or unsupported property", f"Property Name:{what} is unsupported")


def missing(parameter: str) -> Refusal:
    """A required element is not there."""
    return Refusal(
        "2020",
        "Required param missing, need to supply the required value for the API",
        f"Required parameter {parameter} is missing in the request",
        parameter,
    )


def bad_id(value: object) -> Refusal:
    """Not an id."""
    return Refusal("2030", "Invalid ID", f"Invalid ID : Id should be a valid number. Supplied value:{value}", "Id")


def bad_characters(element: str) -> Refusal:
    """Characters that the element may not have."""
    return Refusal(
        "2040",
        "Invalid String. The string has one or more unsupported characters",
        f"Property Name:{element} specified has unsupported characters",
        element,
    )


def bad_length(element: str, most: int, supplied: int, least: int = 0) -> Refusal:
    """Too long a text."""
    return Refusal(
        "2050",
        "String length is either shorter or longer than supported by specification",
        f"Min:{least} Max:{most} supported. Supplied length:{supplied}",
        element,
    )


def bad_date(element: str, value: object) -> Refusal:
    """Not a date."""
    return Refusal(
        "2060", "Invalid Date. Supported format:YYYY-MM-DD", f"Invalid Date : Supplied value:{value}", element
    )


def bad_number(element: str, value: object) -> Refusal:
    """Not an amount."""
    return Refusal("2110", "Invalid decimal number", f"Invalid decimal number. Supplied value:{value}", element)


def bad_choice(element: str, value: object) -> Refusal:
    """Not one of the words that the element knows."""
    return Refusal("2170", "Invalid Enumeration", f"Invalid Enumeration : {value}", element)


def bad_email(element: str) -> Refusal:
    """Not an email address."""
    return Refusal(
        "2210",
        "Invalid Email Address format",
        "Email Address does not conform to internet email format rules. (@) and (.) must be present.",
        element,
    )


def not_found(inactive: bool = False) -> Refusal:
    """The document does not exist, or something that it names is not in use any more."""
    if inactive:
        return Refusal(
            "610",
            "Object Not Found",
            "Object Not Found : Something you're trying to use has been made inactive. "
            "Check the fields with accounts, items, customers, vendors or employees.",
        )
    return Refusal(
        "610",
        "Object Not Found",
        "Object Not Found : Something you're trying to use has been made inactive or was deleted.",
    )


def bad_reference(kind: str, reference: object, element: str) -> Refusal:
    """An id that leads nowhere."""
    return Refusal(
        "2500", "Invalid Reference Id", f"Invalid Reference Id : {kind} element id {reference} not found", element
    )


def inactive_customer(name: str) -> Refusal:
    """The customer of a transaction is not in use any more."""
    return Refusal(
        "6250", "Inactive Customer Error", f"Inactive Customer Error : The customer {name} is inactive.", "CustomerRef"
    )


def stale() -> Refusal:
    """The SyncToken is not the newest."""
    return Refusal(
        "5010",
        "Stale Object Error",
        "Stale Object Error : You and root were working on this at the same time. root finished before you did, so "
        "your work was not saved.",
    )


def duplicate_name() -> Refusal:
    """Another customer, vendor, employee or item has this name."""
    return Refusal(
        "6240",
        "Duplicate Name Exists Error",
        "The name supplied already exists. : Another customer, vendor or employee is already using this name. \n"
        "Please use a different name.",
    )


def duplicate_number(number: str, kind: str, transaction_id: str) -> Refusal:
    """Another transaction of this kind has this DocNumber."""
    return Refusal(
        "6140",
        "Duplicate Document Number Error",
        "Duplicate Document Number Error : You must specify a different number. This number has already been used. "
        f"DocNumber={number} is assigned to TxnType={kind} with TxnId={transaction_id}",
        "DocNumber",
    )


def deposited() -> Refusal:
    """A payment that is part of a deposit."""
    return business(
        "The transaction has been deposited. If you want to change it or delete it, you must edit the deposit it "
        "appears on and remove it first.",
        "6540",
    )


def has_balance() -> Refusal:
    """Deactivated while money is open."""
    return Refusal(
        "6220",
        "Delete List Has Balance Error",
        "Delete List Has Balance Error : The account you want to delete has a balance. "
        "Only those with a zero balance can be deleted.",
    )


def business(detail: str, code: str = "6000", element: str = "") -> Refusal:
    """A rule of bookkeeping."""
    return Refusal(code, "A business validation error has occurred while processing your request", detail, element)


def other_currency() -> Refusal:
    """A transaction in another currency than its customer."""
    return business(
        "Business Validation Error: The transaction needs to be in the same currency as the A/R and A/P accounts you "
        "use.",
        element="CurrencyRef",
    )


def wrong_amount(supplied: object) -> Refusal:
    """A line whose amount is not quantity times price."""
    return Refusal(
        "6070",
        "Amount calculation incorrect in the request",
        f"Amount calculation incorrect in the request : Amount is not equal to UnitPrice * Qty. "
        f"Supplied value:{supplied}",
        "Line.Amount",
    )


def books_closed(with_password: bool) -> Refusal:
    """Dated before the books were closed."""
    if with_password:
        return Refusal(
            "6210",
            "Account Period Closed, Password required",
            "Account Period Closed, Password required : The account period has closed and a password is required.",
            "TxnDate",
        )
    return Refusal(
        "6200",
        "Account Period Closed, Cannot Update Through Services API",
        "The account period has closed and the account books cannot be updated through the QBO Services API.",
        "TxnDate",
    )


def system_fault() -> Refusal:
    """Something broke on the other side."""
    return Refusal(
        "10000",
        "An application error has occurred while processing your request",
        "System Failure Error: Could not complete the request.",
        kind="SystemFault",
        status=500,
    )
