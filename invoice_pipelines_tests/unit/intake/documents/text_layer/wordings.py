"""How made-up invoices call things, by language, for `random_invoices`.

Written from what such documents say, not from the files in `labels/`. What is in `RARE` is held out: nobody may add
these phrases to the files, so that they measure how far the rules carry beyond the words they know.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """One language. `{}` in `tax` is the rate; a date format is that of `strftime`, `%B` the name of the month."""

    title: tuple[str, ...]
    number: tuple[str, ...]
    issued: tuple[str, ...]
    due: tuple[str, ...]
    order: tuple[str, ...]
    customer: tuple[str, ...]
    buyer: tuple[str, ...]
    vat_id: tuple[str, ...]
    columns: tuple[tuple[str, str, str, str], ...]
    net: tuple[str, ...]
    tax: tuple[str, ...]
    gross: tuple[str, ...]
    thanks: tuple[str, ...]
    items: tuple[str, ...]
    companies: tuple[str, ...]
    places: tuple[str, ...]
    dates: tuple[str, ...]
    amounts: tuple[str, ...]  # 1234.56 as it is written
    currencies: tuple[str, ...]  # {} is the amount
    rates: tuple[str, ...]
    vat_ids: tuple[str, ...]
    iban: str


WORDINGS = {
    "de": Wording(
        ("Rechnung", "RECHNUNG", "Ausgangsrechnung"),
        ("Rechnungsnummer:", "Rechnungs-Nr.", "Rechnung Nr.:", "Belegnummer", "RG-Nr.:"),
        ("Rechnungsdatum:", "Datum:", "Belegdatum", "Ausgestellt am:"),
        ("Zahlbar bis:", "Fällig am", "Fälligkeitsdatum:", "Zahlungsziel:"),
        ("Bestellnummer:", "Ihre Bestellung:", "Auftragsnummer"),
        ("Kundennummer:", "Kunden-Nr.", "Debitor:"),
        ("Rechnung an:", "Rechnungsempfänger", "Kunde:"),
        ("USt-IdNr.:", "USt-ID", "Umsatzsteuer-ID:"),
        (("Beschreibung", "Menge", "Einzelpreis", "Gesamt"), ("Artikel", "Anzahl", "Preis", "Betrag")),
        ("Nettobetrag", "Summe netto", "Zwischensumme (netto)", "Gesamt netto", "Warenwert netto"),
        ("zzgl. {} % MwSt.", "Umsatzsteuer {}%", "{}% USt.", "MwSt {} %"),
        ("Gesamtbetrag", "Rechnungsbetrag", "Summe brutto", "Endbetrag", "Gesamtsumme inkl. MwSt.", "Zu zahlen"),
        ("Vielen Dank für Ihren Auftrag.", "Bitte überweisen Sie den Betrag ohne Abzug."),
        ("Beratung vor Ort", "Druckerpapier A4", "Wartung Heizung", "Schrauben M6", "Montage", "Kabeltrommel"),
        ("Brandt Elektrotechnik GmbH", "Hofladen Krüger e.K.", "Lorenz & Partner KG", "Nordwerk AG"),
        ("Lindenstraße 12, 50674 Köln", "Am Wall 3, 28195 Bremen", "Hauptstr. 77, 80331 München"),
        ("%d.%m.%Y", "%d.%m.%y", "%d. %B %Y"),
        ("1.234,56", "1234,56"),
        ("{} €", "{} EUR", "{}"),
        ("19", "7"),
        ("DE136695976", "DE811569869"),
        "DE02 1203 0000 0000 2020 51",
    ),
    "en": Wording(
        ("INVOICE", "Invoice", "Tax Invoice", "VAT INVOICE"),
        ("Invoice No.", "Invoice Number:", "Invoice #", "Inv. No:", "Our invoice no."),
        ("Invoice Date:", "Date:", "Date of issue", "Issued:", "Tax point"),
        ("Due Date:", "Payment due:", "Please pay by", "Due by:"),
        ("PO Number:", "Your order no.", "Purchase Order:"),
        ("Customer No.", "Account No:", "Client ID"),
        ("Bill To:", "Invoice To", "Customer:"),
        ("VAT Reg No:", "VAT No.", "VAT number:"),
        (("Description", "Qty", "Unit Price", "Amount"), ("Item", "Quantity", "Rate", "Total")),
        ("Subtotal", "Net total", "Total excl. VAT", "Net amount", "Total net"),
        ("VAT {}%", "VAT @ {}%", "Plus VAT at {}%", "Tax ({}%)"),
        ("Total", "Total due", "Invoice total", "Total incl. VAT", "Amount due", "Grand Total", "TOTAL PAYABLE"),
        ("Thank you for your business.", "Please quote the invoice number with your payment."),
        ("Consulting day", "Office chair", "Site visit", "Printer toner", "Hosting, monthly", "Paint, white"),
        ("Hartley Joinery Ltd", "Copper & Vine Limited", "Milford Stationers Ltd", "Quayside Media LLP"),
        ("14 Church Lane, York YO1 7EX", "Unit 3, Dock Road, Hull HU1 2AB", "22 Baker Street, London W1U 3BW"),
        ("%d/%m/%Y", "%d %B %Y", "%Y-%m-%d", "%B %d, %Y"),
        ("1,234.56", "1234.56"),
        ("£{}", "{}", "GBP {}"),
        ("20", "5"),
        ("GB980780684",),
        "GB33 BUKB 2020 1555 5555 55",
    ),
    "fr": Wording(
        ("FACTURE", "Facture"),
        ("Facture n°", "N° de facture :", "Numéro de facture", "Facture N° :", "Référence facture :"),
        ("Date de facture :", "Date :", "Date d'émission", "Émise le", "Date de facturation :"),
        ("Date d'échéance :", "Échéance", "À régler avant le", "Échéance le"),
        ("Commande n°", "Votre commande :", "Bon de commande"),
        ("N° client :", "Code client", "Client n°"),
        ("Facturé à :", "Client :", "Adresse de facturation"),
        ("N° TVA :", "TVA intracommunautaire :", "N° TVA intracom."),
        (("Désignation", "Quantité", "Prix unitaire HT", "Montant HT"), ("Description", "Qté", "P.U. HT", "Total HT")),
        ("Total HT", "Montant HT", "Sous-total HT", "Total hors taxes", "Total net HT"),
        ("TVA {} %", "TVA ({}%)", "Montant TVA {} %", "T.V.A. {}%"),
        ("Total TTC", "Net à payer", "Montant total TTC", "TOTAL T.T.C.", "Total à payer TTC", "Montant TTC"),
        ("Merci de votre confiance.", "En cas de retard de paiement, indemnité forfaitaire de 40,00 €"),
        ("Prestation de conseil", "Ramette de papier", "Pose de parquet", "Entretien chaudière", "Vin rouge, carton"),
        ("Menuiserie Lambert SARL", "Atelier Dubois SAS", "Boulangerie Morel EURL", "Transports Girard SA"),
        ("12 rue de la Paix, 75002 Paris", "5 avenue Foch, 69006 Lyon", "8 quai des Chartrons, 33000 Bordeaux"),
        ("%d/%m/%Y", "%d %B %Y", "%d-%m-%Y", "%d.%m.%Y"),
        ("1 234,56", "1234,56", "1.234,56"),
        ("{} €", "{} EUR", "{}"),
        ("20", "10", "5,5"),
        ("FR40303265045",),
        "FR14 2004 1010 0505 0001 3M02 606",
    ),
    "es": Wording(
        ("FACTURA", "Factura"),
        ("Factura nº:", "Número de factura", "Nº Factura:", "Factura N.º", "Factura número:"),
        ("Fecha de factura:", "Fecha:", "Fecha de emisión", "Fecha factura", "Fecha de expedición:"),
        ("Fecha de vencimiento:", "Vencimiento:", "Vence el"),
        ("Nº de pedido:", "Su pedido", "Pedido nº"),
        ("Nº cliente:", "Código de cliente", "Cliente nº:"),
        ("Facturar a:", "Cliente:", "Datos del cliente"),
        ("NIF:", "CIF:", "N.I.F."),
        (("Descripción", "Cantidad", "Precio unitario", "Importe"), ("Concepto", "Uds.", "Precio", "Total")),
        ("Base imponible", "Subtotal", "Total neto", "Importe neto", "Base Imponible:"),
        ("IVA {}%", "I.V.A. ({} %)", "Cuota IVA {}%", "IVA {} %:"),
        ("Total factura", "TOTAL", "Total a pagar", "Importe total", "Total (IVA incluido)", "TOTAL EUR"),
        ("Gracias por su confianza.", "Forma de pago: transferencia bancaria"),
        ("Servicio de consultoría", "Papel A4", "Reparación", "Alquiler de sala", "Tornillos", "Transporte local"),
        ("Talleres Ruiz S.L.", "Bodegas del Sur S.A.", "Imprenta Vega SLU", "Jardines Soto S.L."),
        ("Calle Mayor 12, 28013 Madrid", "Avenida del Puerto 40, 46021 Valencia", "Calle Sierpes 3, 41004 Sevilla"),
        ("%d/%m/%Y", "%d de %B de %Y", "%d-%m-%Y"),
        ("1.234,56", "1234,56"),
        ("{} €", "{}", "{} EUR"),
        ("21", "10", "4"),
        ("ESB58378431",),
        "ES91 2100 0418 4502 0005 1332",
    ),
    "it": Wording(
        ("FATTURA", "Fattura"),
        ("Fattura n.", "Numero fattura:", "Fattura N°", "N. documento", "Fattura nr."),
        ("Data fattura:", "Data:", "Data documento", "Data di emissione:", "Data emissione"),
        ("Scadenza:", "Data scadenza", "Da pagare entro il", "Scadenza pagamento:"),
        ("Ordine n.", "Vs. ordine", "Numero ordine:"),
        ("Codice cliente:", "Cod. cliente", "Cliente n."),
        ("Spett.le", "Cliente:", "Intestatario"),
        ("P. IVA:", "Partita IVA", "P.IVA"),
        (("Descrizione", "Quantità", "Prezzo unitario", "Importo"), ("Articolo", "Q.tà", "Prezzo", "Totale")),
        ("Imponibile", "Totale imponibile", "Totale netto", "Imponibile IVA", "Totale merce"),
        ("IVA {}%", "I.V.A. {} %", "Imposta ({}%)", "IVA {} %:"),
        ("Totale fattura", "Totale documento", "Totale da pagare", "TOTALE", "Netto a pagare", "Importo totale"),
        ("Grazie per averci scelto.", "Pagamento: bonifico bancario"),
        ("Consulenza tecnica", "Carta A4", "Manutenzione", "Piastrelle", "Trasporto", "Noleggio furgone"),
        ("Officine Bianchi S.r.l.", "Cantina Rossi S.p.A.", "Studio Verdi S.n.c.", "Ceramiche Galli S.r.l."),
        ("Via Roma 12, 20121 Milano", "Via Garibaldi 7, 40124 Bologna", "Corso Italia 33, 50123 Firenze"),
        ("%d/%m/%Y", "%d %B %Y", "%d-%m-%Y", "%d.%m.%Y"),
        ("1.234,56", "1234,56"),
        ("€ {}", "{} €", "{}"),
        ("22", "10", "4"),
        ("IT00743110157",),
        "IT60 X054 2811 1010 0000 0123 456",
    ),
    "nl": Wording(
        ("FACTUUR", "Factuur"),
        ("Factuurnummer:", "Factuurnr.", "Factuur nr:", "Factuurnummer"),
        ("Factuurdatum:", "Datum:", "Datum factuur", "Factuurdatum"),
        ("Vervaldatum:", "Uiterste betaaldatum", "Te betalen voor", "Vervaldatum"),
        ("Ordernummer:", "Uw bestelnummer", "Uw order:"),
        ("Klantnummer:", "Debiteurnummer", "Klantnr."),
        ("Factuur aan:", "Klant:", "Factuuradres"),
        ("BTW-nummer:", "BTW nr.", "Btw-id:"),
        (("Omschrijving", "Aantal", "Prijs", "Bedrag"), ("Artikel", "Aantal", "Stukprijs", "Totaal")),
        ("Subtotaal", "Totaal excl. BTW", "Netto bedrag", "Totaal exclusief btw", "Bedrag excl. btw"),
        ("BTW {}%", "{}% btw", "BTW ({} %)", "Btw {}%:"),
        ("Totaal", "Totaal incl. BTW", "Te betalen", "Totaalbedrag", "Totaal te voldoen", "Factuurbedrag"),
        ("Bedankt voor uw bestelling.", "Wij verzoeken u het bedrag binnen 14 dagen over te maken."),
        ("Advies op locatie", "Kantoorpapier", "Onderhoud ketel", "Montage", "Transport", "Verf wit"),
        ("Bakkerij De Molen B.V.", "Jansen Techniek BV", "Van Dijk Transport B.V.", "Studio Noord V.O.F."),
        ("Kerkstraat 12, 1017 GC Amsterdam", "Havenweg 5, 3011 AB Rotterdam", "Markt 9, 5611 EC Eindhoven"),
        ("%d-%m-%Y", "%d %B %Y", "%d/%m/%Y"),
        ("1.234,56", "1234,56"),
        ("€ {}", "{}", "EUR {}"),
        ("21", "9"),
        ("NL004495445B01",),
        "NL91 ABNA 0417 1643 00",
    ),
    "pl": Wording(
        ("FAKTURA", "Faktura VAT", "Faktura"),
        ("Numer faktury:", "Nr faktury", "Faktura nr:", "Faktura VAT nr"),
        ("Data wystawienia:", "Data faktury", "Wystawiono dnia:"),
        ("Termin płatności:", "Termin zapłaty", "Płatne do:"),
        ("Numer zamówienia:", "Nr zamówienia", "Zamówienie nr:"),
        ("Numer klienta:", "Nr klienta"),
        ("Nabywca:", "Nabywca", "Kupujący:"),
        ("NIP:", "NIP", "NIP UE:"),
        (("Nazwa towaru", "Ilość", "Cena netto", "Wartość netto"), ("Opis", "Ilość", "Cena", "Wartość")),
        ("Razem netto", "Wartość netto", "Suma netto", "Netto razem"),
        ("VAT {}%", "Podatek VAT {}%", "Kwota VAT {} %"),
        ("Razem brutto", "Do zapłaty", "Razem do zapłaty", "Wartość brutto", "Kwota do zapłaty"),
        ("Dziękujemy za zakupy.", "Prosimy o zapłatę w terminie 14 dni przelewem."),
        ("Doradztwo na miejscu", "Papier biurowy", "Konserwacja kotła", "Montaż", "Usługa drukowania"),
        ("Piekarnia Młyn Sp. z o.o.", "Kowalski Technika Sp. z o.o.", "Studio Północ S.A."),
        ("ul. Długa 12, 00-238 Warszawa", "ul. Portowa 5, 80-001 Gdańsk", "Rynek 9, 31-042 Kraków"),
        ("%d.%m.%Y", "%d %B %Y", "%Y-%m-%d"),
        ("1 234,56", "1234,56"),
        ("{} zł", "{} PLN", "{}"),
        ("23", "8"),
        ("PL8567346215",),
        "PL61 1090 1014 0000 0712 1981 2874",
    ),
    "cs": Wording(
        ("FAKTURA", "Faktura - daňový doklad", "Faktura"),
        ("Číslo faktury:", "Faktura č.", "Faktura číslo:", "Číslo dokladu:"),
        ("Datum vystavení:", "Vystaveno", "Datum faktury:"),
        ("Datum splatnosti:", "Splatnost", "Splatné do:"),
        ("Číslo objednávky:", "Objednávka č.", "Vaše objednávka:"),
        ("Číslo zákazníka:", "Zákazník č."),
        ("Odběratel:", "Odběratel", "Kupující:"),
        ("DIČ:", "DIČ"),
        (("Popis", "Množství", "Cena za MJ", "Celkem"), ("Označení dodávky", "Počet", "Cena", "Částka")),
        ("Celkem bez DPH", "Základ daně", "Cena bez DPH", "Součet bez DPH"),
        ("DPH {}%", "DPH {} %", "Daň {}%"),
        ("Celkem s DPH", "Celkem k úhradě", "K úhradě", "Cena celkem s DPH", "Celkem včetně DPH"),
        ("Děkujeme za Váš nákup.", "Prosíme o úhradu převodem do 14 dnů."),
        ("Poradenství na místě", "Kancelářský papír", "Údržba kotle", "Montáž", "Tisk letáků"),
        ("Pekárna Mlýn s.r.o.", "Novák Technika s.r.o.", "Studio Sever a.s."),
        ("Dlouhá 12, 110 00 Praha", "Přístavní 5, 602 00 Brno", "Náměstí 9, 301 00 Plzeň"),
        ("%d.%m.%Y", "%d. %B %Y"),
        ("1 234,56", "1234,56"),
        ("{} Kč", "{} CZK", "{}"),
        ("21", "12"),
        ("CZ25123891",),
        "CZ65 0800 0000 1920 0014 5399",
    ),
}

# Held out: none of these phrases may be in the files of `labels/`.
RARE = {
    "de": {"number": "Rechnungsbeleg-Kennnummer:", "issued": "Rechnung erstellt am", "gross": "Forderungssumme gesamt"},
    "en": {
        "number": "Invoice serial:",
        "issued": "Billed on",
        "gross": "Full invoice amount",
        "net": "Charges before VAT",
    },
    "fr": {"number": "Notre facture portant le n°", "issued": "Fait le", "gross": "Somme TTC exigible"},
    "es": {"number": "Factura con número", "issued": "Día de emisión", "gross": "Importe global con IVA"},
    "it": {
        "number": "Fattura avente numero",
        "issued": "Giorno di emissione",
        "gross": "Ammontare complessivo",
    },
    "pl": {"number": "Sygnatura faktury:", "issued": "Sporządzono", "gross": "Należność z podatkiem"},
    "cs": {"number": "Označení faktury:", "issued": "Sepsáno", "gross": "Finální cena s daní"},
    "nl": {"number": "Kenmerk factuur nr.", "issued": "Gefactureerd op", "gross": "Eindsom inclusief btw"},
}
