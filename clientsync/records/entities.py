"""What is kept alike: the fields of an entity, their canonical forms, and who may change what.

Two values are compared in canonical form only. A form is idempotent: of a canonical value it is the value itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache

import phonenumbers

from clientsync.errors import InvalidInput

DIRECTIONS = ("two_way", "a_to_b", "b_to_a", "ignore")
ON_CONFLICT = ("ask", "a", "b", "a_unless_blank", "b_unless_blank")
_DAY_FORMS = ("%Y-%m-%d", "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y%m%d")
_YES, _NO = {"1", "true", "yes", "y", "active", "ja"}, {"0", "false", "no", "n", "inactive", "nej"}


def text_form(value: object) -> str:
    """Return a text with composed characters, one blank between words, none around."""
    return " ".join(unicodedata.normalize("NFC", "" if value is None else str(value)).split())


def mail_form(value: object) -> str:
    """Return an e-mail address without regard to capitals; the part after a plus sign stays."""
    return text_form(value).casefold().replace(" ", "")


def number_form(value: object) -> str:
    """Return a number that identifies: its leading zeros stay, a decimal part that Excel put there goes.

    What has other signs than digits before its point, such as a tax number, stays as it is.
    """
    return re.sub(r"^(\d+)\.0+$", r"\1", text_form(value))


def day_form(value: object) -> str:
    """Return an ISO day.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    text = text_form(value)
    if not text:
        return ""
    for form in _DAY_FORMS:
        try:
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no day; write it as 2026-04-30")


def flag_form(value: object) -> str:
    """Return ``1`` or ``0``; empty stays empty.

    Raises:
        ValueError: neither yes nor no.
    """
    text = text_form(value).casefold()
    if text in _YES:
        return "1"
    if text in _NO:
        return "0"
    if not text:
        return ""
    raise ValueError(f"{text!r} is neither yes nor no")


def phone_form(region: str) -> Callable[[object], str]:
    """Return the form of telephone numbers: E.164 where it is a number of the region or has a country code.

    An extension stays behind it. What is no possible number stays as its digits and signs, so that nothing is lost.
    """

    def form(value: object) -> str:
        text = text_form(value)
        if not text:
            return ""
        try:
            parsed = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            return text
        if not phonenumbers.is_possible_number(parsed):
            return text
        number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        return f"{number} ext. {parsed.extension}" if parsed.extension else number

    return form


@cache
def form_of(kind: str, region: str) -> Callable[[object], str]:
    """Return the canonical form of a kind of field.

    Raises:
        InvalidInput: no such kind.
    """
    forms: dict[str, Callable[[object], str]] = {
        "text": text_form,
        "mail": mail_form,
        "number": number_form,
        "day": day_form,
        "flag": flag_form,
        "phone": phone_form(region),
    }
    if kind not in forms:
        raise InvalidInput(f"There is no kind of field {kind!r}. Valid: {', '.join(forms)}.")
    return forms[kind]


@dataclass(frozen=True)
class FieldRule:
    """One field that both sides keep.

    Attributes:
        name: ours.
        title: for people.
        kind: ``text``, ``mail``, ``number``, ``day``, ``flag`` or ``phone``.
        direction: ``two_way``; ``a_to_b`` or ``b_to_a``, where a change on the other side is reverted; ``ignore``.
        on_conflict: ``ask``, or the side that wins, or wins unless it is blank.
        blank_is_value: a blank may overwrite a value without a person.
    """

    name: str
    title: str
    kind: str = "text"
    direction: str = "two_way"
    on_conflict: str = "ask"
    blank_is_value: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no direction or no way to decide."""
        if self.direction not in DIRECTIONS:
            raise InvalidInput(
                f"{self.name}: {self.direction!r} is no direction. Valid: {', '.join(DIRECTIONS)}."
            )
        if self.on_conflict not in ON_CONFLICT:
            raise InvalidInput(
                f"{self.name}: {self.on_conflict!r} decides nothing. Valid: {', '.join(ON_CONFLICT)}."
            )


def typed(rule: FieldRule, text: str, region: str) -> str:
    """Return the canonical form of a value that a person typed for a field.

    Raises:
        InvalidInput: it has none; names the field.
    """
    try:
        return form_of(rule.kind, region)(text)
    except ValueError as error:
        raise InvalidInput(f"{rule.title}: {error}.") from None


@dataclass(frozen=True)
class Entity:
    """A kind of record.

    Attributes:
        name: of the kind.
        title: in the plural, for people.
        fields: in the order in which a person reads them.
        number_field: with the number by which both systems know a record.
        name_field: with its name.
        active_field: a flag; empty when records of the kind are never inactive.
        exact_keys: fields that identify when they are equal and stand for one record on each side.
        contradictions: fields of which two different values speak against a pair.
        near_fields: fields that make a pair of like names likelier when they are equal.
    """

    name: str
    title: str
    fields: Sequence[FieldRule]
    number_field: str
    name_field: str
    active_field: str = ""
    exact_keys: Sequence[str] = ()
    contradictions: Sequence[str] = ()
    near_fields: Sequence[str] = ()

    @property
    def mapped(self) -> list[FieldRule]:
        """The fields that are compared."""
        return [one for one in self.fields if one.direction != "ignore"]

    def between(self, a: Collection[str], b: Collection[str]) -> Entity:
        """Return the kind with only those fields compared that both sides have.

        Args:
            a: fields of side a.
            b: fields of side b.
        """
        both = set(a) & set(b)
        fields = [one if one.name in both else replace(one, direction="ignore") for one in self.fields]
        return replace(self, fields=fields)

    def canonical(self, values: Mapping[str, object], region: str) -> dict[str, str]:
        """Return all fields of a record in canonical form; what is missing is empty.

        Raises:
            ValueError: a value has no canonical form; says which field and why.
        """
        found = {}
        for one in self.fields:
            try:
                found[one.name] = form_of(one.kind, region)(values.get(one.name))
            except ValueError as error:
                raise ValueError(f"{one.title}: {error}") from None
        return found


CUSTOMERS = Entity(
    name="customers",
    title="Customers",
    fields=(
        FieldRule("number", "Number", "number"),
        FieldRule("name", "Name"),
        FieldRule("tax_id", "Tax number", "number"),
        FieldRule("email", "E-mail", "mail"),
        FieldRule("phone", "Telephone", "phone"),
        FieldRule("street", "Street"),
        FieldRule("postcode", "Postcode", "number"),
        FieldRule("city", "City"),
        FieldRule("active", "Active", "flag"),
    ),
    number_field="number",
    name_field="name",
    active_field="active",
    exact_keys=("number", "tax_id", "email", "phone"),
    contradictions=("tax_id",),
    near_fields=("postcode", "city", "phone"),
)
EMPLOYEES = Entity(
    name="employees",
    title="Employees",
    fields=(
        FieldRule("number", "Number", "number"),
        FieldRule("name", "Name"),
        FieldRule("birth_date", "Date of birth", "day"),
        FieldRule("email", "E-mail", "mail"),
        FieldRule("phone", "Telephone", "phone"),
        FieldRule("street", "Street"),
        FieldRule("postcode", "Postcode", "number"),
        FieldRule("city", "City"),
        FieldRule("hired_on", "Hired on", "day"),
        FieldRule("active", "Active", "flag"),
    ),
    number_field="number",
    name_field="name",
    active_field="active",
    exact_keys=("number", "email", "phone"),
    contradictions=("birth_date",),
    near_fields=("postcode", "city", "phone", "birth_date"),
)
ENTITIES = {one.name: one for one in (CUSTOMERS, EMPLOYEES)}
"""Kinds of records by name; another kind is one more of these."""
