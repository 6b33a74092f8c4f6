"""The questions that the e-filing portal answers, as data: path and body of each, by the name the modules use.

Every path can be replaced by ``endpoint_versions`` of the portal's settings. None of it is a published contract:
it was observed in use and may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clientsync.errors import BadRequest, UnknownName

VERSION = "2026-04"
"""Month in which the portal took the shape described here."""
ACTS = ("O", "N")
"""The Act of 1961 and that of 2025, as the portal writes them."""

LOGIN = "income_tax.login"
CHOOSE_ACT = "income_tax.choose_act"
EXTEND = "income_tax.extend"

SESSION_PATHS: Mapping[str, str] = {
    LOGIN: "/iec/loginapi/login",
    CHOOSE_ACT: "/iec/loginapi/auth/chooseAct",
    EXTEND: "/iec/loginapi/auth/extendSession",
}
"""Paths of the log-in, of the choice of the Act and of keeping a session alive."""

Values = Mapping[str, str]
_PAYMENTS = {"formName": "PO-03-PYMNT"}


@dataclass(frozen=True)
class Endpoint:
    """One question.

    Attributes:
        name: as modules call it.
        path: below the portal's address.
        service: the ``sn`` header, which the portal wants with every call.
        takes: parameters that must be given.
        may_take: parameters that may be left out, with their values then.
        body: makes the JSON body from the values; ``tan`` is among them.
        holds: what a good answer has.
        nothing: what the portal writes there when there is nothing.
    """

    name: str
    path: str
    service: str
    takes: frozenset[str]
    body: Callable[[Values], Any]
    holds: str
    may_take: Mapping[str, str]
    nothing: str = ""

    @property
    def needs_act(self) -> bool:
        """Whether the answer depends on the Act that was chosen."""
        return "actType" in self.takes

    def filled(self, params: Mapping[str, str], tan: str) -> Any:
        """Return the JSON body of a question.

        Raises:
            BadRequest: a parameter is missing, not known or of another form.
        """
        known = self.takes | set(self.may_take)
        strange = sorted(set(params) - known)
        if strange:
            raise BadRequest(
                f"{self.name} takes no parameter {', '.join(strange)}. Valid: {', '.join(sorted(known))}."
            )
        missing = sorted(self.takes - set(params))
        if missing:
            raise BadRequest(f"{self.name} needs the parameter {', '.join(missing)}.")
        if self.needs_act and params["actType"] not in ACTS:
            raise BadRequest(f"{self.name} knows the Acts O and N only.")
        try:
            return self.body({**self.may_take, **params, "tan": tan})
        except ValueError:
            raise BadRequest(f"{self.name} needs a number for its page.") from None


def _history(values: Values) -> Any:
    return {
        "header": _PAYMENTS,
        "formData": {
            "pan": values["tan"],
            "actType": values["actType"],
            "loggedInUserID": values["tan"],
            "loggedInUserType": "TDS",
            "pageNumber": int(values["pageNumber"]),
            "pageSize": 100,
        },
    }


def _details(values: Values) -> Any:
    return {"header": _PAYMENTS, "formData": {"cin": values["cin"], "entityNum": values["tan"]}}


def _forms(values: Values) -> Any:
    return {
        "serviceName": "viewFiledForms",
        "entityNum": values["tan"],
        "formTypeCd": values["formTypeCd"],
        "currentPage": values["currentPage"],
        "pageSize": "100",
    }


def _proceedings(values: Values) -> Any:
    return {
        "serviceName": "getEProceedingsDetail",
        "pan": values["tan"],
        "prcdngStatusFlag": values["flag"],
        "header": {"formName": "FO-041_PCDNG"},
    }


def _csi(values: Values) -> Any:
    return {
        "header": _PAYMENTS,
        "formData": {
            "pan": values["tan"],
            "fromDate": values["fromDate"],
            "toDate": values["toDate"],
            "actType": values["actType"],
            "loggedInUserID": values["tan"],
            "loggedInUserType": "TDS",
        },
    }


_ALL = (
    Endpoint(
        "income_tax.payment_history",
        "/iec/paymentapi/auth/challan/paymenthistory",
        "paymenthistory",
        frozenset({"actType"}),
        _history,
        "paymentList",
        {"pageNumber": "0"},
    ),
    Endpoint(
        "income_tax.payment_details",
        "/iec/paymentapi/auth/challan/paymentdetails",
        "paymentdetails",
        frozenset({"cin"}),
        _details,
        "paymentDetails",
        {},
    ),
    Endpoint(
        "income_tax.filed_forms",
        "/iec/servicesapi/auth/saveEntity",
        "viewFiledForms",
        frozenset(),
        _forms,
        "forms",
        {"formTypeCd": "", "currentPage": "0"},
    ),
    Endpoint(
        "income_tax.proceedings",
        "/iec/returnservicesapi/auth/getEntity",
        "getEProceedingsDetail",
        frozenset({"flag"}),
        _proceedings,
        "eProceedings",
        {},
    ),
    Endpoint(
        "income_tax.csi",
        "/iec/paymentapi/auth/challan/downloadCSI",
        "downloadCSI",
        frozenset({"actType", "fromDate", "toDate"}),
        _csi,
        "csiResponse",
        {},
        nothing="No Data found",
    ),
)

ENDPOINTS: Mapping[str, Endpoint] = {one.name: one for one in _ALL}
"""Every question by name."""


def endpoint_of(name: str) -> Endpoint:
    """Return an endpoint.

    Raises:
        UnknownName: no such endpoint; lists those that exist.
    """
    found = ENDPOINTS.get(name)
    if found is None:
        raise UnknownName("endpoint", name, sorted(ENDPOINTS))
    return found
