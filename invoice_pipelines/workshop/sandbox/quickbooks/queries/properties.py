"""Which properties of which entity can stand in a query, and how their values compare."""

from __future__ import annotations

_COMMON = {"Id": "id", "MetaData.CreateTime": "instant", "MetaData.LastUpdatedTime": "updated", "SyncToken": "text"}
_LIST = {**_COMMON, "Active": "active", "Name": "text", "FullyQualifiedName": "text"}
_NAME = {
    **_COMMON,
    "Active": "active",
    **dict.fromkeys(
        (
            "DisplayName",
            "FullyQualifiedName",
            "CompanyName",
            "GivenName",
            "MiddleName",
            "FamilyName",
            "Suffix",
            "Title",
            "PrintOnCheckName",
            "PrimaryEmailAddr",
            "PrimaryPhone",
            "Notes",
        ),
        "text",
    ),
    "Balance": "number",
    "Taxable": "bool",
}
_SALE = {
    **_COMMON,
    "DocNumber": "number text",
    "TxnDate": "text",
    "DueDate": "text",
    "PrivateNote": "text",
    "CustomerRef": "customer",
    "TotalAmt": "number",
    "Balance": "number",
    "EmailStatus": "text",
    "PrintStatus": "text",
    "CurrencyRef": "reference",
    "SalesTermRef": "reference",
}

PROPERTIES: dict[str, dict[str, str]] = {
    "Customer": {**_NAME, "Job": "bool", "ParentRef": "reference"},
    "Vendor": _NAME,
    "Employee": _NAME,
    "Item": {
        **_LIST,
        **dict.fromkeys(("Sku", "Description", "Type", "PurchaseDesc"), "text"),
        **dict.fromkeys(("UnitPrice", "QtyOnHand", "PurchaseCost"), "number"),
        **dict.fromkeys(("IncomeAccountRef", "ParentRef"), "reference"),
        **dict.fromkeys(("Taxable", "TrackQtyOnHand"), "bool"),
    },
    "Invoice": _SALE,
    "CreditMemo": {**_SALE, "RemainingCredit": "number"},
    "RefundReceipt": {**_SALE, "DepositToAccountRef": "reference", "PaymentMethodRef": "reference"},
    "Payment": {
        **_COMMON,
        **dict.fromkeys(("TxnDate", "PaymentRefNum", "PrivateNote"), "text"),
        **dict.fromkeys(("TotalAmt", "UnappliedAmt"), "number"),
        "CustomerRef": "customer",
        "PaymentMethodRef": "reference",
        "CurrencyRef": "reference",
    },
    "Purchase": {**_COMMON, "TxnDate": "text", "DocNumber": "number text", "TotalAmt": "number", "PaymentType": "text"},
    "JournalEntry": {**_COMMON, "TxnDate": "text", "DocNumber": "number text"},
    "Deposit": {**_COMMON, "TxnDate": "text", "TotalAmt": "number"},
    "Account": {
        **_LIST,
        **dict.fromkeys(("AccountType", "AccountSubType", "Classification", "AcctNum"), "text"),
        "CurrentBalance": "number",
    },
    "PaymentMethod": {**_LIST, "Type": "text"},
    "Term": {**_LIST, "Type": "text", "DueDays": "number"},
    "TaxCode": {**_LIST, "Description": "text", "Taxable": "bool", "TaxGroup": "bool"},
    "TaxRate": {**_LIST, "RateValue": "number"},
    "Class": _LIST,
    "Department": _LIST,
}
"""How a property compares, by entity: `updated`, `active`, `customer` and `number text` are columns of their own."""
