"""Where things stand in the two syntaxes, for the rules that are asked of single elements."""

from __future__ import annotations

TRANSACTION = "rsm:SupplyChainTradeTransaction/"
LINES = TRANSACTION + "ram:IncludedSupplyChainTradeLineItem"
AGREEMENT = TRANSACTION + "ram:ApplicableHeaderTradeAgreement/"
DELIVERY = TRANSACTION + "ram:ApplicableHeaderTradeDelivery/"
SETTLEMENT = TRANSACTION + "ram:ApplicableHeaderTradeSettlement/"
SELLER = AGREEMENT + "ram:SellerTradeParty"
BUYER = AGREEMENT + "ram:BuyerTradeParty"

UBL_SELLER = "cac:AccountingSupplierParty/cac:Party"
UBL_BUYER = "cac:AccountingCustomerParty/cac:Party"
UBL_LINES = "cac:InvoiceLine|cac:CreditNoteLine"
UBL_AMOUNTS = (
    "cbc:Amount | cbc:BaseAmount | cbc:PriceAmount | cbc:TaxAmount | cbc:TaxableAmount | cbc:LineExtensionAmount | "
    "cbc:TaxExclusiveAmount | cbc:TaxInclusiveAmount | cbc:AllowanceTotalAmount | cbc:ChargeTotalAmount | "
    "cbc:PrepaidAmount | cbc:PayableRoundingAmount | cbc:PayableAmount"
)
"""The elements of UBL that are amounts of money."""
