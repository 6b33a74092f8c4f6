"""Our columns of a register, and the headers under which accounting programs and portals write them."""

from __future__ import annotations

COLUMNS = {
    "document_number": "Number of the supplier's document (purchases), or of the own document (sales)",
    "document_on": "Date of the document",
    "document_type": "Invoice, credit note, debit note or bill of entry; empty means invoice",
    "party_gstin": "GSTIN of the other party; empty when unregistered or overseas",
    "party_name": "Name of the other party",
    "place_of_supply": "State, by code or name",
    "is_reverse_charge": "Y when the recipient pays the tax",
    "is_itc_eligible": "Y when credit is claimed (purchases)",
    "period": "Month in which it was booked, MMYYYY; else from booked_on, else from the date",
    "booked_on": "Date of the entry in the books",
    "voucher_number": "Number of the entry in the books",
    "rate": "Rate in per cent; a register with this column has a line per rate",
    "hsn": "HSN or SAC; a register with this column has a line per item",
    "port_code": "Port of a bill of entry",
    "original_number": "Document behind a note",
    "original_on": "Date of that document",
    "taxable": "Taxable value in rupees",
    "igst": "IGST in rupees",
    "cgst": "CGST in rupees",
    "sgst": "SGST or UTGST in rupees",
    "cess": "Cess in rupees",
    "document_value": "Value of the document in rupees",
}
"""Our columns and what they mean; also the template."""
REQUIRED = ("document_number", "document_on", "taxable")
AMOUNTS = ("taxable", "igst", "cgst", "sgst", "cess", "document_value")
_NAMES = {
    "document_number": (
        "invoice number; invoice no; inv no; bill no; bill number; supplier invoice no; document no; "
        "supplier invoice number; note number; doc no; ref no; reference no; supplier inv no; voucher ref "
        "no; vendor invoice no; supplier ref; note no; credit note number; invoice #; bill#; bill no.; bill "
        "ref no; document number; invoice id; vch bill no; gst invoice no; invoice/note number; bill of "
        "entry number; boe number; purchase invoice no; supplier bill no"
    ),
    "document_on": (
        "invoice date; inv date; bill date; supplier invoice date; document date; doc date; note date; "
        "supplier ref date; vendor invoice date; vch bill date; credit note date; reference date; ref date; "
        "invoice/note date; boe date; bill of entry date; supplier bill date"
    ),
    "document_type": (
        "type; doc type; invoice type; voucher type; note type; transaction type; vch type; document type"
    ),
    "party_gstin": (
        "gstin; supplier gstin; party gstin; gstin/uin; gstin of supplier; buyer gstin; gst no; gst "
        "identification number (gstin); gst identification number; gst number; party gst no; supplier gst "
        "no; gstin of party; gstin/uin of supplier; gstin/uin of party; customer gstin; gstin of recipient; "
        "gstin/uin of recipient; gstin no; gstin of buyer; vendor gstin"
    ),
    "party_name": (
        "party name; supplier name; name; particulars; customer name; vendor; vendor name; ledger; buyer "
        "name; receiver name; trade name; supplier; customer; party; legal name; name of supplier; "
        "name of party; name of recipient; party account; ledger name; buyer"
    ),
    "place_of_supply": "pos; place of supply; state; state code; place",
    "is_reverse_charge": "rcm; reverse charge; rev charge; reverse charge applicable",
    "is_itc_eligible": (
        "itc; itc eligible; eligible itc; itc eligibility; eligibility for itc; itc availability; "
        "eligibility of itc"
    ),
    "period": "period; return period; month; tax period; booking month",
    "booked_on": "voucher date; vch date; entry date; posting date; booking date; date",
    "voucher_number": "voucher no; vch no; voucher number; entry no; vch number; internal no",
    "rate": "rate; gst rate; tax rate; rate %; gst %; tax %",
    "hsn": "hsn; hsn/sac; hsn code; sac",
    "port_code": "port code; port",
    "original_number": (
        "original invoice number; original invoice no; against invoice; original document no; original bill "
        "no; invoice/advance payment voucher number"
    ),
    "original_on": "original invoice date; original document date",
    "taxable": (
        "taxable value; taxable amount; taxable; assessable value; basic amount; taxable amt; total taxable "
        "value; net amount before tax; value of supplies; sub total; subtotal; taxable val; value before "
        "tax; gross amount before tax"
    ),
    "igst": (
        "igst; igst amount; integrated tax; integrated tax amount; igst amt; input igst; output igst; igst "
        "paid; integrated tax paid; total igst; igst tax"
    ),
    "cgst": (
        "cgst; cgst amount; central tax; central tax amount; cgst amt; input cgst; output cgst; cgst paid; "
        "central tax paid; total cgst; cgst tax"
    ),
    "sgst": (
        "sgst; sgst amount; state tax; sgst/utgst; state/ut tax; state/ut tax amount; utgst; sgst amt; "
        "input sgst; state tax amount; output sgst; sgst paid; state/ut tax paid; total sgst; sgst tax"
    ),
    "cess": "cess; cess amount; cess amt; cess paid; gst cess; compensation cess; total cess",
    "document_value": (
        "invoice value; total; gross total; invoice amount; total amount; bill amount; value; note value; "
        "invoice/note value; document value; total invoice value; net amount; grand total; bill value"
    ),
}
SYNONYMS = {column: tuple(names.split("; ")) for column, names in _NAMES.items()}
"""Headers by our column, as they are written; compared without case, blanks and signs."""
