"""One invoice written by hand in each syntax, and PDFs to carry them. UBL and CII say the same throughout."""

from __future__ import annotations

import zlib
from functools import cache
from io import BytesIO

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, TextStringObject
from reportlab.pdfgen.canvas import Canvas

UBL = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
 <cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0</cbc:CustomizationID>
 <cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>
 <cbc:ID>RE-2025/0815</cbc:ID>
 <cbc:IssueDate>2025-03-31</cbc:IssueDate>
 <cbc:DueDate>2025-04-30</cbc:DueDate>
 <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
 <cbc:Note>#AAI#Two parts,
the second in May.</cbc:Note>
 <cbc:Note>No code here.</cbc:Note>
 <cbc:TaxPointDate>2025-03-30</cbc:TaxPointDate>
 <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
 <cbc:TaxCurrencyCode>CZK</cbc:TaxCurrencyCode>
 <cbc:AccountingCost>4400</cbc:AccountingCost>
 <cbc:BuyerReference>04011000-12345-34</cbc:BuyerReference>
 <cac:InvoicePeriod><cbc:StartDate>2025-03-01</cbc:StartDate><cbc:EndDate>2025-03-31</cbc:EndDate></cac:InvoicePeriod>
 <cac:OrderReference><cbc:ID>PO-7</cbc:ID><cbc:SalesOrderID>SO-8</cbc:SalesOrderID></cac:OrderReference>
 <cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>RE-2025/0700</cbc:ID>
  <cbc:IssueDate>2025-02-28</cbc:IssueDate></cac:InvoiceDocumentReference></cac:BillingReference>
 <cac:DespatchDocumentReference><cbc:ID>DN-3</cbc:ID></cac:DespatchDocumentReference>
 <cac:ReceiptDocumentReference><cbc:ID>RA-4</cbc:ID></cac:ReceiptDocumentReference>
 <cac:OriginatorDocumentReference><cbc:ID>LOT-5</cbc:ID></cac:OriginatorDocumentReference>
 <cac:ContractDocumentReference><cbc:ID>CT-6</cbc:ID></cac:ContractDocumentReference>
 <cac:AdditionalDocumentReference><cbc:ID schemeID="AAM">meter 9</cbc:ID>
 <cbc:DocumentTypeCode>130</cbc:DocumentTypeCode>
 </cac:AdditionalDocumentReference>
 <cac:AdditionalDocumentReference><cbc:ID>sheet</cbc:ID><cbc:DocumentDescription>Time sheet</cbc:DocumentDescription>
  <cac:Attachment>
 <cbc:EmbeddedDocumentBinaryObject mimeCode="text/csv" filename="t.csv">YTtiCg==</cbc:EmbeddedDocumentBinaryObject>
  </cac:Attachment></cac:AdditionalDocumentReference>
 <cac:ProjectReference><cbc:ID>PR-9</cbc:ID></cac:ProjectReference>
 <cac:AccountingSupplierParty><cac:Party>
  <cbc:EndpointID schemeID="EM">rechnung@lieferant.example</cbc:EndpointID>
  <cac:PartyIdentification><cbc:ID schemeID="0088">4000001123452</cbc:ID></cac:PartyIdentification>
  <cac:PartyIdentification><cbc:ID schemeID="SEPA">DE98ZZZ09999999999</cbc:ID></cac:PartyIdentification>
  <cac:PartyName><cbc:Name>Liefer &amp; Co</cbc:Name></cac:PartyName>
  <cac:PostalAddress><cbc:StreetName>Hafenstraße 1</cbc:StreetName>
 <cbc:AdditionalStreetName>Haus B</cbc:AdditionalStreetName>
   <cbc:CityName>Köln</cbc:CityName><cbc:PostalZone>50667</cbc:PostalZone>
 <cbc:CountrySubentity>NRW</cbc:CountrySubentity>
   <cac:AddressLine><cbc:Line>3. Stock</cbc:Line></cac:AddressLine>
   <cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
  <cac:PartyTaxScheme><cbc:CompanyID>DE123456789</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
 </cac:PartyTaxScheme>
  <cac:PartyTaxScheme><cbc:CompanyID>201/113/40209</cbc:CompanyID><cac:TaxScheme><cbc:ID>FC</cbc:ID>
 </cac:TaxScheme></cac:PartyTaxScheme>
  <cac:PartyLegalEntity><cbc:RegistrationName>Lieferant GmbH</cbc:RegistrationName>
   <cbc:CompanyID schemeID="0002">HRB 1234</cbc:CompanyID>
 <cbc:CompanyLegalForm>Amtsgericht Köln</cbc:CompanyLegalForm></cac:PartyLegalEntity>
  <cac:Contact><cbc:Name>Frau Beispiel</cbc:Name><cbc:Telephone>+49 221 1</cbc:Telephone>
   <cbc:ElectronicMail>b@lieferant.example</cbc:ElectronicMail></cac:Contact>
 </cac:Party></cac:AccountingSupplierParty>
 <cac:AccountingCustomerParty><cac:Party>
  <cac:PartyIdentification><cbc:ID>K-77</cbc:ID></cac:PartyIdentification>
  <cac:PostalAddress><cbc:CityName>Praha</cbc:CityName><cac:Country>
 <cbc:IdentificationCode>CZ</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
  <cac:PartyTaxScheme><cbc:CompanyID>CZ12345678</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
 </cac:PartyTaxScheme>
  <cac:PartyLegalEntity><cbc:RegistrationName>Kupující s.r.o.</cbc:RegistrationName></cac:PartyLegalEntity>
 </cac:Party></cac:AccountingCustomerParty>
 <cac:PayeeParty><cac:PartyName><cbc:Name>Factoring AG</cbc:Name></cac:PartyName></cac:PayeeParty>
 <cac:TaxRepresentativeParty><cac:PartyName><cbc:Name>Daně a.s.</cbc:Name></cac:PartyName>
  <cac:PartyTaxScheme><cbc:CompanyID>CZ99999999</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
 </cac:PartyTaxScheme>
 </cac:TaxRepresentativeParty>
 <cac:Delivery><cbc:ActualDeliveryDate>2025-03-29</cbc:ActualDeliveryDate>
  <cac:DeliveryLocation><cbc:ID schemeID="0088">8590000000000</cbc:ID>
   <cac:Address><cbc:CityName>Brno</cbc:CityName><cac:Country><cbc:IdentificationCode>CZ</cbc:IdentificationCode>
 </cac:Country></cac:Address>
  </cac:DeliveryLocation><cac:DeliveryParty><cac:PartyName><cbc:Name>Sklad</cbc:Name></cac:PartyName>
 </cac:DeliveryParty></cac:Delivery>
 <cac:PaymentMeans><cbc:PaymentMeansCode name="SEPA">58</cbc:PaymentMeansCode><cbc:PaymentID>0815</cbc:PaymentID>
  <cac:PayeeFinancialAccount><cbc:ID>DE02 1203 0000 0000 2020 51</cbc:ID><cbc:Name>Factoring</cbc:Name>
   <cac:FinancialInstitutionBranch><cbc:ID>BYLADEM1001</cbc:ID></cac:FinancialInstitutionBranch>
 </cac:PayeeFinancialAccount>
  <cac:PaymentMandate><cbc:ID>M-1</cbc:ID><cac:PayerFinancialAccount><cbc:ID>CZ6508000000192000145399</cbc:ID>
 </cac:PayerFinancialAccount></cac:PaymentMandate>
 </cac:PaymentMeans>
 <cac:PaymentTerms><cbc:Note>#SKONTO#TAGE=7#PROZENT=2.00#
30 days net</cbc:Note></cac:PaymentTerms>
 <cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator>
 <cbc:AllowanceChargeReasonCode>95</cbc:AllowanceChargeReasonCode>
  <cbc:AllowanceChargeReason>Discount</cbc:AllowanceChargeReason>
 <cbc:MultiplierFactorNumeric>10</cbc:MultiplierFactorNumeric>
  <cbc:Amount currencyID="EUR">10.00</cbc:Amount><cbc:BaseAmount currencyID="EUR">100.00</cbc:BaseAmount>
  <cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID>
 </cac:TaxScheme></cac:TaxCategory></cac:AllowanceCharge>
 <cac:AllowanceCharge><cbc:ChargeIndicator>true</cbc:ChargeIndicator>
 <cbc:AllowanceChargeReason>Freight</cbc:AllowanceChargeReason>
  <cbc:Amount currencyID="EUR">5.50</cbc:Amount>
  <cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID>
 </cac:TaxScheme></cac:TaxCategory></cac:AllowanceCharge>
 <cac:TaxTotal><cbc:TaxAmount currencyID="CZK">453.63</cbc:TaxAmount></cac:TaxTotal>
 <cac:TaxTotal><cbc:TaxAmount currencyID="EUR">18.15</cbc:TaxAmount>
  <cac:TaxSubtotal><cbc:TaxableAmount currencyID="EUR">95.50</cbc:TaxableAmount>
 <cbc:TaxAmount currencyID="EUR">18.15</cbc:TaxAmount>
   <cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID>
 </cac:TaxScheme></cac:TaxCategory></cac:TaxSubtotal>
  <cac:TaxSubtotal><cbc:TaxableAmount currencyID="EUR">0.00</cbc:TaxableAmount>
 <cbc:TaxAmount currencyID="EUR">0.00</cbc:TaxAmount>
   <cac:TaxCategory><cbc:ID>E</cbc:ID><cbc:Percent>0</cbc:Percent>
 <cbc:TaxExemptionReasonCode>VATEX-EU-132</cbc:TaxExemptionReasonCode>
    <cbc:TaxExemptionReason>Exempt</cbc:TaxExemptionReason><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
 </cac:TaxCategory></cac:TaxSubtotal>
 </cac:TaxTotal>
 <cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="EUR">100.00</cbc:LineExtensionAmount>
  <cbc:TaxExclusiveAmount currencyID="EUR">95.50</cbc:TaxExclusiveAmount>
 <cbc:TaxInclusiveAmount currencyID="EUR">113.65</cbc:TaxInclusiveAmount>
  <cbc:AllowanceTotalAmount currencyID="EUR">10.00</cbc:AllowanceTotalAmount>
 <cbc:ChargeTotalAmount currencyID="EUR">5.50</cbc:ChargeTotalAmount>
  <cbc:PrepaidAmount currencyID="EUR">13.6</cbc:PrepaidAmount>
 <cbc:PayableRoundingAmount currencyID="EUR">-0.05</cbc:PayableRoundingAmount>
  <cbc:PayableAmount currencyID="EUR">100</cbc:PayableAmount></cac:LegalMonetaryTotal>
 <cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:Note>As agreed</cbc:Note>
 <cbc:InvoicedQuantity unitCode="HUR">2.5</cbc:InvoicedQuantity>
  <cbc:LineExtensionAmount currencyID="EUR">100.00</cbc:LineExtensionAmount>
 <cbc:AccountingCost>4401</cbc:AccountingCost>
  <cac:InvoicePeriod><cbc:StartDate>2025-03-01</cbc:StartDate><cbc:EndDate>2025-03-15</cbc:EndDate>
 </cac:InvoicePeriod>
  <cac:OrderLineReference><cbc:LineID>10</cbc:LineID></cac:OrderLineReference>
  <cac:DocumentReference><cbc:ID schemeID="AAB">pump 3</cbc:ID><cbc:DocumentTypeCode>130</cbc:DocumentTypeCode>
 </cac:DocumentReference>
  <cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator>
 <cbc:AllowanceChargeReason>Rebate</cbc:AllowanceChargeReason>
   <cbc:Amount currencyID="EUR">12.50</cbc:Amount></cac:AllowanceCharge>
  <cac:Item><cbc:Description>Repair of pump
with parts</cbc:Description><cbc:Name>Repair</cbc:Name>
   <cac:BuyersItemIdentification><cbc:ID>B-1</cbc:ID></cac:BuyersItemIdentification>
   <cac:SellersItemIdentification><cbc:ID>S-1</cbc:ID></cac:SellersItemIdentification>
   <cac:StandardItemIdentification><cbc:ID schemeID="0160">4012345001235</cbc:ID></cac:StandardItemIdentification>
   <cac:OriginCountry><cbc:IdentificationCode>AT</cbc:IdentificationCode></cac:OriginCountry>
   <cac:CommodityClassification><cbc:ItemClassificationCode listID="STI">72154</cbc:ItemClassificationCode>
 </cac:CommodityClassification>
   <cac:ClassifiedTaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID>
 </cac:TaxScheme></cac:ClassifiedTaxCategory>
   <cac:AdditionalItemProperty><cbc:Name>Colour</cbc:Name><cbc:Value>blue</cbc:Value></cac:AdditionalItemProperty>
 </cac:Item>
  <cac:Price><cbc:PriceAmount currencyID="EUR">45.0000</cbc:PriceAmount>
 <cbc:BaseQuantity unitCode="HUR">1</cbc:BaseQuantity>
   <cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator><cbc:Amount currencyID="EUR">5</cbc:Amount>
    <cbc:BaseAmount currencyID="EUR">50</cbc:BaseAmount></cac:AllowanceCharge></cac:Price>
 </cac:InvoiceLine>
</Invoice>
"""

CII = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
 xmlns:qdt="urn:un:unece:uncefact:data:standard:QualifiedDataType:100">
 <rsm:ExchangedDocumentContext>
  <ram:BusinessProcessSpecifiedDocumentContextParameter>
 <ram:ID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</ram:ID></ram:BusinessProcessSpecifiedDocumentContextParameter>
  <ram:GuidelineSpecifiedDocumentContextParameter>
 <ram:ID>urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0</ram:ID>
 </ram:GuidelineSpecifiedDocumentContextParameter>
 </rsm:ExchangedDocumentContext>
 <rsm:ExchangedDocument><ram:ID>RE-2025/0815</ram:ID><ram:TypeCode>380</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">20250331</udt:DateTimeString></ram:IssueDateTime>
  <ram:IncludedNote><ram:Content>Two parts,
the second in May.</ram:Content><ram:SubjectCode>AAI</ram:SubjectCode></ram:IncludedNote>
  <ram:IncludedNote><ram:Content>No code here.</ram:Content></ram:IncludedNote></rsm:ExchangedDocument>
 <rsm:SupplyChainTradeTransaction>
  <ram:IncludedSupplyChainTradeLineItem>
   <ram:AssociatedDocumentLineDocument><ram:LineID>1</ram:LineID><ram:IncludedNote>
 <ram:Content>As agreed</ram:Content></ram:IncludedNote></ram:AssociatedDocumentLineDocument>
   <ram:SpecifiedTradeProduct><ram:GlobalID schemeID="0160">4012345001235</ram:GlobalID>
 <ram:SellerAssignedID>S-1</ram:SellerAssignedID>
    <ram:BuyerAssignedID>B-1</ram:BuyerAssignedID><ram:Name>Repair</ram:Name><ram:Description>Repair of pump
with parts</ram:Description>
    <ram:ApplicableProductCharacteristic><ram:Description>Colour</ram:Description><ram:Value>blue</ram:Value>
 </ram:ApplicableProductCharacteristic>
    <ram:DesignatedProductClassification><ram:ClassCode listID="STI">72154</ram:ClassCode>
 </ram:DesignatedProductClassification>
    <ram:OriginTradeCountry><ram:ID>AT</ram:ID></ram:OriginTradeCountry></ram:SpecifiedTradeProduct>
   <ram:SpecifiedLineTradeAgreement><ram:BuyerOrderReferencedDocument><ram:LineID>10</ram:LineID>
 </ram:BuyerOrderReferencedDocument>
    <ram:GrossPriceProductTradePrice><ram:ChargeAmount>50</ram:ChargeAmount><ram:AppliedTradeAllowanceCharge>
     <ram:ChargeIndicator><udt:Indicator>false</udt:Indicator></ram:ChargeIndicator>
 <ram:ActualAmount>5</ram:ActualAmount></ram:AppliedTradeAllowanceCharge></ram:GrossPriceProductTradePrice>
    <ram:NetPriceProductTradePrice><ram:ChargeAmount>45.0000</ram:ChargeAmount>
 <ram:BasisQuantity unitCode="HUR">1</ram:BasisQuantity></ram:NetPriceProductTradePrice>
 </ram:SpecifiedLineTradeAgreement>
   <ram:SpecifiedLineTradeDelivery><ram:BilledQuantity unitCode="HUR">2.5</ram:BilledQuantity>
 </ram:SpecifiedLineTradeDelivery>
   <ram:SpecifiedLineTradeSettlement><ram:ApplicableTradeTax><ram:TypeCode>VAT</ram:TypeCode>
 <ram:CategoryCode>S</ram:CategoryCode><ram:RateApplicablePercent>19</ram:RateApplicablePercent>
 </ram:ApplicableTradeTax>
    <ram:BillingSpecifiedPeriod><ram:StartDateTime><udt:DateTimeString format="102">20250301</udt:DateTimeString>
 </ram:StartDateTime>
     <ram:EndDateTime><udt:DateTimeString format="102">20250315</udt:DateTimeString></ram:EndDateTime>
 </ram:BillingSpecifiedPeriod>
    <ram:SpecifiedTradeAllowanceCharge><ram:ChargeIndicator><udt:Indicator>false</udt:Indicator>
 </ram:ChargeIndicator><ram:ActualAmount>12.50</ram:ActualAmount><ram:Reason>Rebate</ram:Reason>
 </ram:SpecifiedTradeAllowanceCharge>
    <ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>100.00</ram:LineTotalAmount>
 </ram:SpecifiedTradeSettlementLineMonetarySummation>
    <ram:AdditionalReferencedDocument><ram:IssuerAssignedID>pump 3</ram:IssuerAssignedID>
 <ram:TypeCode>130</ram:TypeCode><ram:ReferenceTypeCode>AAB</ram:ReferenceTypeCode></ram:AdditionalReferencedDocument>
    <ram:ReceivableSpecifiedTradeAccountingAccount><ram:ID>4401</ram:ID>
 </ram:ReceivableSpecifiedTradeAccountingAccount></ram:SpecifiedLineTradeSettlement>
  </ram:IncludedSupplyChainTradeLineItem>
  <ram:ApplicableHeaderTradeAgreement><ram:BuyerReference>04011000-12345-34</ram:BuyerReference>
   <ram:SellerTradeParty><ram:GlobalID schemeID="0088">4000001123452</ram:GlobalID>
 <ram:Name>Lieferant GmbH</ram:Name><ram:Description>Amtsgericht Köln</ram:Description>
    <ram:SpecifiedLegalOrganization><ram:ID schemeID="0002">HRB 1234</ram:ID>
 <ram:TradingBusinessName>Liefer &amp; Co</ram:TradingBusinessName></ram:SpecifiedLegalOrganization>
    <ram:DefinedTradeContact><ram:PersonName>Frau Beispiel</ram:PersonName><ram:TelephoneUniversalCommunication>
 <ram:CompleteNumber>+49 221 1</ram:CompleteNumber></ram:TelephoneUniversalCommunication>
     <ram:EmailURIUniversalCommunication><ram:URIID>b@lieferant.example</ram:URIID>
 </ram:EmailURIUniversalCommunication></ram:DefinedTradeContact>
    <ram:PostalTradeAddress><ram:PostcodeCode>50667</ram:PostcodeCode><ram:LineOne>Hafenstraße 1</ram:LineOne>
 <ram:LineTwo>Haus B</ram:LineTwo><ram:LineThree>3. Stock</ram:LineThree>
     <ram:CityName>Köln</ram:CityName><ram:CountryID>DE</ram:CountryID>
 <ram:CountrySubDivisionName>NRW</ram:CountrySubDivisionName></ram:PostalTradeAddress>
    <ram:URIUniversalCommunication><ram:URIID schemeID="EM">rechnung@lieferant.example</ram:URIID>
 </ram:URIUniversalCommunication>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="FC">201/113/40209</ram:ID></ram:SpecifiedTaxRegistration>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE123456789</ram:ID></ram:SpecifiedTaxRegistration>
 </ram:SellerTradeParty>
   <ram:BuyerTradeParty><ram:ID>K-77</ram:ID><ram:Name>Kupující s.r.o.</ram:Name>
    <ram:PostalTradeAddress><ram:CityName>Praha</ram:CityName><ram:CountryID>CZ</ram:CountryID>
 </ram:PostalTradeAddress>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">CZ12345678</ram:ID></ram:SpecifiedTaxRegistration>
 </ram:BuyerTradeParty>
   <ram:SellerTaxRepresentativeTradeParty><ram:Name>Daně a.s.</ram:Name>
    <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">CZ99999999</ram:ID></ram:SpecifiedTaxRegistration>
 </ram:SellerTaxRepresentativeTradeParty>
   <ram:SellerOrderReferencedDocument><ram:IssuerAssignedID>SO-8</ram:IssuerAssignedID>
 </ram:SellerOrderReferencedDocument>
   <ram:BuyerOrderReferencedDocument><ram:IssuerAssignedID>PO-7</ram:IssuerAssignedID>
 </ram:BuyerOrderReferencedDocument>
   <ram:ContractReferencedDocument><ram:IssuerAssignedID>CT-6</ram:IssuerAssignedID></ram:ContractReferencedDocument>
   <ram:AdditionalReferencedDocument><ram:IssuerAssignedID>sheet</ram:IssuerAssignedID>
 <ram:TypeCode>916</ram:TypeCode><ram:Name>Time sheet</ram:Name>
    <ram:AttachmentBinaryObject mimeCode="text/csv" filename="t.csv">YTtiCg==</ram:AttachmentBinaryObject>
 </ram:AdditionalReferencedDocument>
   <ram:AdditionalReferencedDocument><ram:IssuerAssignedID>LOT-5</ram:IssuerAssignedID>
 <ram:TypeCode>50</ram:TypeCode></ram:AdditionalReferencedDocument>
   <ram:AdditionalReferencedDocument><ram:IssuerAssignedID>meter 9</ram:IssuerAssignedID>
 <ram:TypeCode>130</ram:TypeCode><ram:ReferenceTypeCode>AAM</ram:ReferenceTypeCode></ram:AdditionalReferencedDocument>
   <ram:SpecifiedProcuringProject><ram:ID>PR-9</ram:ID><ram:Name>Project</ram:Name></ram:SpecifiedProcuringProject>
 </ram:ApplicableHeaderTradeAgreement>
  <ram:ApplicableHeaderTradeDelivery>
   <ram:ShipToTradeParty><ram:GlobalID schemeID="0088">8590000000000</ram:GlobalID><ram:Name>Sklad</ram:Name>
    <ram:PostalTradeAddress><ram:CityName>Brno</ram:CityName><ram:CountryID>CZ</ram:CountryID>
 </ram:PostalTradeAddress></ram:ShipToTradeParty>
   <ram:ActualDeliverySupplyChainEvent><ram:OccurrenceDateTime>
 <udt:DateTimeString format="102">20250329</udt:DateTimeString></ram:OccurrenceDateTime>
 </ram:ActualDeliverySupplyChainEvent>
   <ram:DespatchAdviceReferencedDocument><ram:IssuerAssignedID>DN-3</ram:IssuerAssignedID>
 </ram:DespatchAdviceReferencedDocument>
   <ram:ReceivingAdviceReferencedDocument><ram:IssuerAssignedID>RA-4</ram:IssuerAssignedID>
 </ram:ReceivingAdviceReferencedDocument></ram:ApplicableHeaderTradeDelivery>
  <ram:ApplicableHeaderTradeSettlement><ram:CreditorReferenceID>DE98ZZZ09999999999</ram:CreditorReferenceID>
 <ram:PaymentReference>0815</ram:PaymentReference>
   <ram:TaxCurrencyCode>CZK</ram:TaxCurrencyCode><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:PayeeTradeParty><ram:Name>Factoring AG</ram:Name></ram:PayeeTradeParty>
   <ram:SpecifiedTradeSettlementPaymentMeans><ram:TypeCode>58</ram:TypeCode><ram:Information>SEPA</ram:Information>
    <ram:PayerPartyDebtorFinancialAccount><ram:IBANID>CZ6508000000192000145399</ram:IBANID>
 </ram:PayerPartyDebtorFinancialAccount>
    <ram:PayeePartyCreditorFinancialAccount><ram:IBANID>DE02 1203 0000 0000 2020 51</ram:IBANID>
 <ram:AccountName>Factoring</ram:AccountName></ram:PayeePartyCreditorFinancialAccount>
    <ram:PayeeSpecifiedCreditorFinancialInstitution><ram:BICID>BYLADEM1001</ram:BICID>
 </ram:PayeeSpecifiedCreditorFinancialInstitution></ram:SpecifiedTradeSettlementPaymentMeans>
   <ram:ApplicableTradeTax><ram:CalculatedAmount>18.15</ram:CalculatedAmount><ram:TypeCode>VAT</ram:TypeCode>
 <ram:BasisAmount>95.50</ram:BasisAmount><ram:CategoryCode>S</ram:CategoryCode>
    <ram:TaxPointDate><udt:DateString format="102">20250330</udt:DateString></ram:TaxPointDate>
 <ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:ApplicableTradeTax>
   <ram:ApplicableTradeTax><ram:CalculatedAmount>0.00</ram:CalculatedAmount><ram:TypeCode>VAT</ram:TypeCode>
 <ram:ExemptionReason>Exempt</ram:ExemptionReason><ram:BasisAmount>0.00</ram:BasisAmount>
    <ram:CategoryCode>E</ram:CategoryCode><ram:ExemptionReasonCode>VATEX-EU-132</ram:ExemptionReasonCode>
 <ram:RateApplicablePercent>0</ram:RateApplicablePercent></ram:ApplicableTradeTax>
   <ram:BillingSpecifiedPeriod><ram:StartDateTime><udt:DateTimeString format="102">20250301</udt:DateTimeString>
 </ram:StartDateTime>
    <ram:EndDateTime><udt:DateTimeString format="102">20250331</udt:DateTimeString></ram:EndDateTime>
 </ram:BillingSpecifiedPeriod>
   <ram:SpecifiedTradeAllowanceCharge><ram:ChargeIndicator><udt:Indicator>false</udt:Indicator>
 </ram:ChargeIndicator><ram:CalculationPercent>10</ram:CalculationPercent>
    <ram:BasisAmount>100.00</ram:BasisAmount><ram:ActualAmount>10.00</ram:ActualAmount>
 <ram:ReasonCode>95</ram:ReasonCode><ram:Reason>Discount</ram:Reason>
    <ram:CategoryTradeTax><ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode>
 <ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:CategoryTradeTax></ram:SpecifiedTradeAllowanceCharge>
   <ram:SpecifiedTradeAllowanceCharge><ram:ChargeIndicator><udt:Indicator>true</udt:Indicator>
 </ram:ChargeIndicator><ram:ActualAmount>5.50</ram:ActualAmount><ram:Reason>Freight</ram:Reason>
    <ram:CategoryTradeTax><ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode>
 <ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:CategoryTradeTax></ram:SpecifiedTradeAllowanceCharge>
   <ram:SpecifiedTradePaymentTerms><ram:Description>#SKONTO#TAGE=7#PROZENT=2.00#
30 days net</ram:Description><ram:DueDateDateTime><udt:DateTimeString format="102">20250430</udt:DateTimeString>
 </ram:DueDateDateTime>
    <ram:DirectDebitMandateID>M-1</ram:DirectDebitMandateID></ram:SpecifiedTradePaymentTerms>
   <ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:LineTotalAmount>100.00</ram:LineTotalAmount>
 <ram:ChargeTotalAmount>5.50</ram:ChargeTotalAmount>
    <ram:AllowanceTotalAmount>10.00</ram:AllowanceTotalAmount><ram:TaxBasisTotalAmount>95.50</ram:TaxBasisTotalAmount>
    <ram:TaxTotalAmount currencyID="CZK">453.63</ram:TaxTotalAmount>
 <ram:TaxTotalAmount currencyID="EUR">18.15</ram:TaxTotalAmount>
    <ram:RoundingAmount>-0.05</ram:RoundingAmount><ram:GrandTotalAmount>113.65</ram:GrandTotalAmount>
 <ram:TotalPrepaidAmount>13.6</ram:TotalPrepaidAmount>
    <ram:DuePayableAmount>100</ram:DuePayableAmount></ram:SpecifiedTradeSettlementHeaderMonetarySummation>
   <ram:InvoiceReferencedDocument><ram:IssuerAssignedID>RE-2025/0700</ram:IssuerAssignedID>
 <ram:FormattedIssueDateTime><qdt:DateTimeString format="102">20250228</qdt:DateTimeString>
 </ram:FormattedIssueDateTime></ram:InvoiceReferencedDocument>
   <ram:ReceivableSpecifiedTradeAccountingAccount><ram:ID>4400</ram:ID>
 </ram:ReceivableSpecifiedTradeAccountingAccount>
  </ram:ApplicableHeaderTradeSettlement>
 </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
"""

CREDIT_NOTE = """<ubl:CreditNote xmlns:ubl="urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
 <cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0</cbc:CustomizationID>
 <cbc:ID>GS-1</cbc:ID><cbc:IssueDate>2025-05-05+01:00</cbc:IssueDate>
 <cbc:CreditNoteTypeCode>381</cbc:CreditNoteTypeCode>
 <cbc:DocumentCurrencyCode>SEK</cbc:DocumentCurrencyCode>
 <cac:AdditionalDocumentReference><cbc:ID>PR-1</cbc:ID><cbc:DocumentTypeCode>50</cbc:DocumentTypeCode>
 </cac:AdditionalDocumentReference>
 <cac:PaymentMeans><cbc:PaymentMeansCode>30</cbc:PaymentMeansCode>
 <cbc:PaymentDueDate>2025-06-04</cbc:PaymentDueDate></cac:PaymentMeans>
 <cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="SEK">250.00</cbc:PayableAmount></cac:LegalMonetaryTotal>
 <cac:CreditNoteLine><cbc:ID>1</cbc:ID><cbc:CreditedQuantity unitCode="C62">2</cbc:CreditedQuantity>
  <cbc:LineExtensionAmount currencyID="SEK">200.00</cbc:LineExtensionAmount><cac:Item>
 <cbc:Name>Returned goods</cbc:Name></cac:Item></cac:CreditNoteLine>
</ubl:CreditNote>
"""

ZUGFERD1 = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryDocument xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:12"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:15">
 <rsm:SpecifiedExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter>
  <ram:ID>urn:ferd:CrossIndustryDocument:invoice:1p0:comfort</ram:ID>
 </ram:GuidelineSpecifiedDocumentContextParameter></rsm:SpecifiedExchangedDocumentContext>
 <rsm:HeaderExchangedDocument><ram:ID>471102</ram:ID><ram:Name>RECHNUNG</ram:Name><ram:TypeCode>380</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">20130305</udt:DateTimeString></ram:IssueDateTime>
 </rsm:HeaderExchangedDocument>
 <rsm:SpecifiedSupplyChainTradeTransaction>
  <ram:ApplicableSupplyChainTradeAgreement>
   <ram:SellerTradeParty><ram:Name>Lieferant GmbH</ram:Name><ram:SpecifiedTaxRegistration>
 <ram:ID schemeID="VA">DE123456789</ram:ID></ram:SpecifiedTaxRegistration></ram:SellerTradeParty>
   <ram:BuyerTradeParty><ram:Name>Kunden AG</ram:Name></ram:BuyerTradeParty>
   <ram:BuyerOrderReferencedDocument><ram:IssueDateTime>2013-03-01T00:00:00</ram:IssueDateTime>
 <ram:ID>PO-1</ram:ID></ram:BuyerOrderReferencedDocument>
  </ram:ApplicableSupplyChainTradeAgreement>
  <ram:ApplicableSupplyChainTradeDelivery><ram:ActualDeliverySupplyChainEvent><ram:OccurrenceDateTime>
   <udt:DateTimeString format="102">20130304</udt:DateTimeString></ram:OccurrenceDateTime>
 </ram:ActualDeliverySupplyChainEvent></ram:ApplicableSupplyChainTradeDelivery>
  <ram:ApplicableSupplyChainTradeSettlement><ram:PaymentReference>2013-471102</ram:PaymentReference>
 <ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradeSettlementPaymentMeans><ram:TypeCode>31</ram:TypeCode>
    <ram:PayeePartyCreditorFinancialAccount><ram:IBANID>DE08700901001234567890</ram:IBANID>
 </ram:PayeePartyCreditorFinancialAccount></ram:SpecifiedTradeSettlementPaymentMeans>
   <ram:ApplicableTradeTax><ram:CalculatedAmount currencyID="EUR">38.76</ram:CalculatedAmount>
 <ram:TypeCode>VAT</ram:TypeCode>
    <ram:BasisAmount currencyID="EUR">204.00</ram:BasisAmount><ram:CategoryCode>S</ram:CategoryCode>
 <ram:ApplicablePercent>19.00</ram:ApplicablePercent></ram:ApplicableTradeTax>
   <ram:SpecifiedLogisticsServiceCharge><ram:Description>Versand</ram:Description>
 <ram:AppliedAmount currencyID="EUR">6.00</ram:AppliedAmount>
    <ram:AppliedTradeTax><ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode>
 <ram:ApplicablePercent>19.00</ram:ApplicablePercent></ram:AppliedTradeTax></ram:SpecifiedLogisticsServiceCharge>
   <ram:SpecifiedTradeSettlementMonetarySummation><ram:LineTotalAmount currencyID="EUR">198.00</ram:LineTotalAmount>
    <ram:ChargeTotalAmount currencyID="EUR">6.00</ram:ChargeTotalAmount>
 <ram:AllowanceTotalAmount currencyID="EUR">0.00</ram:AllowanceTotalAmount>
    <ram:TaxBasisTotalAmount currencyID="EUR">204.00</ram:TaxBasisTotalAmount>
 <ram:TaxTotalAmount currencyID="EUR">38.76</ram:TaxTotalAmount>
    <ram:GrandTotalAmount currencyID="EUR">242.76</ram:GrandTotalAmount>
 <ram:DuePayableAmount currencyID="EUR">242.76</ram:DuePayableAmount></ram:SpecifiedTradeSettlementMonetarySummation>
  </ram:ApplicableSupplyChainTradeSettlement>
  <ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:LineID>1</ram:LineID>
 </ram:AssociatedDocumentLineDocument>
   <ram:SpecifiedSupplyChainTradeAgreement><ram:NetPriceProductTradePrice>
 <ram:ChargeAmount currencyID="EUR">9.90</ram:ChargeAmount></ram:NetPriceProductTradePrice>
 </ram:SpecifiedSupplyChainTradeAgreement>
   <ram:SpecifiedSupplyChainTradeDelivery><ram:BilledQuantity unitCode="C62">20.0000</ram:BilledQuantity>
 </ram:SpecifiedSupplyChainTradeDelivery>
   <ram:SpecifiedSupplyChainTradeSettlement><ram:ApplicableTradeTax><ram:TypeCode>VAT</ram:TypeCode>
 <ram:CategoryCode>S</ram:CategoryCode><ram:ApplicablePercent>19.00</ram:ApplicablePercent></ram:ApplicableTradeTax>
    <ram:SpecifiedTradeSettlementMonetarySummation>
 <ram:LineTotalAmount currencyID="EUR">198.00</ram:LineTotalAmount></ram:SpecifiedTradeSettlementMonetarySummation>
 </ram:SpecifiedSupplyChainTradeSettlement>
   <ram:SpecifiedTradeProduct><ram:SellerAssignedID>TB100A4</ram:SellerAssignedID>
 <ram:Name>Trennblätter A4</ram:Name></ram:SpecifiedTradeProduct></ram:IncludedSupplyChainTradeLineItem>
 </rsm:SpecifiedSupplyChainTradeTransaction>
</rsm:CrossIndustryDocument>
"""


@cache
def packed(byte: bytes, megabytes: int) -> bytes:
    """So much of one byte as a zlib stream. It is packed once and repeated, which takes a tenth of the time."""
    block = byte * (1 << 20)
    packer = zlib.compressobj(9)
    first, more = (packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    checksum = 1
    for _ in range(megabytes):
        checksum = zlib.adler32(block, checksum)
    return first + more * (megabytes - 1) + packer.flush()[:-4] + checksum.to_bytes(4, "big")


def pdf(*texts: str, pages: int = 1) -> bytes:
    """A PDF with the texts one below the other on each page; without texts it looks like a scan."""
    buffer = BytesIO()
    canvas = Canvas(buffer)
    for _ in range(pages):
        for row, text in enumerate(texts):
            canvas.drawString(72, 770 - 20 * row, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def with_attachments(
    carrier: bytes, *files: tuple[str, bytes], metadata: bytes | None = None, password: str | None = None
) -> bytes:
    """The PDF with files attached in the name tree, XMP metadata and encryption."""
    writer = PdfWriter(clone_from=BytesIO(carrier))
    for name, content in files:
        writer.add_attachment(name, content)
    if metadata is not None:
        stream = DecodedStreamObject()
        stream.set_data(metadata)
        stream.update({NameObject("/Type"): NameObject("/Metadata"), NameObject("/Subtype"): NameObject("/XML")})
        writer.root_object[NameObject("/Metadata")] = writer._add_object(stream)
    if password is not None:
        writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    return written(writer)


def written(writer: PdfWriter) -> bytes:
    """The bytes of what a writer holds."""
    buffer = BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def embedded_file(writer: PdfWriter, name: str, stream: DictionaryObject) -> DictionaryObject:
    """A file specification for a stream that has been built by hand."""
    return DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Filespec"),
            NameObject("/UF"): TextStringObject(name),
            NameObject("/EF"): DictionaryObject({NameObject("/F"): writer._add_object(stream)}),
        }
    )
