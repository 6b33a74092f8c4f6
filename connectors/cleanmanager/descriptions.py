"""How customers and employees are reached; another system of this kind is another description.

CleanManager publishes no interface. This is a plain one: pages with a total, a reference of the caller's, a number.
"""

from __future__ import annotations

from clientsync.records.rest_side import RestDescription

_PERSON = {
    "number": "number",
    "name": "name",
    "email": "email",
    "phone": "phone",
    "street": "address",
    "postcode": "zip",
    "city": "city",
    "active": "active",
}
CUSTOMERS = RestDescription(
    path="v1/customers",
    fields={**_PERSON, "tax_id": "vat_number"},
    reference_field="external_reference",
    reference_query="external_reference",
)
EMPLOYEES = RestDescription(
    path="v1/employees",
    fields={**_PERSON, "birth_date": "birth_date", "hired_on": "hired_on"},
    reference_field="external_reference",
    reference_query="external_reference",
)
