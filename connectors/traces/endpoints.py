"""The questions that TRACES answers, as data: path, query and body of each, by the name the modules use.

Every path can be replaced by ``endpoint_versions`` of the portal's settings. None of it is a published contract:
it was observed in use and may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import Formatter
from typing import Any

from clientsync.errors import BadRequest, UnknownName

VERSION = "2026-04"
"""Month in which both portals took the shape described here."""
BRIDGE_ORIGIN = "https://traces.tdscpc.gov.in"
"""Origin and Referer that the old portal wants to see on the bridge, wherever it is reached."""

CAPTCHA = "traces_new.captcha"
LOGIN = "traces_new.login"
BRIDGE = "traces_old.bridge"
DASHBOARD = "traces_old.dashboard"


class Shape(StrEnum):
    """What an answer is."""

    JSON = "json"
    ROWS = "rows"  # a bare list, or an object: handed on as an object with "rows"
    PAGE = "page"  # HTML, handed on as {"html": text}


@dataclass(frozen=True)
class Endpoint:
    """One question.

    Attributes:
        name: as modules call it; what stands before the dot is the portal.
        method: HTTP method.
        path: below the portal's address.
        query: name to template; a name that ends in ``?`` is left out when its value is missing.
        form: fields of a form body, None for none.
        json: makes the JSON body from the values, None for none.
        takes: parameters besides those of the templates.
        defaults: values of parameters that may be left out.
        shape: what the answer is.
        nothing: what the portal writes with HTTP 400 when there is nothing.
    """

    name: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    json: Callable[[Mapping[str, str]], Any] | None = None
    takes: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=dict)
    shape: Shape = Shape.JSON
    nothing: str = ""

    @property
    def portal(self) -> str:
        """Name of the portal that answers: ``traces_old`` or ``traces_new``."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Request:
    """One question, filled in."""

    endpoint: Endpoint
    query: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] | None = field(repr=False)
    json: Any = field(repr=False)


def fill(endpoint: Endpoint, params: Mapping[str, str], *, tan: str, username: str) -> Request:
    """Return the request of a question.

    Raises:
        BadRequest: a parameter is missing, not known, or not a number where one is wanted.
    """
    strange = sorted(set(params) - _names_of(endpoint))
    if strange:
        known = ", ".join(sorted(_names_of(endpoint))) or "none"
        raise BadRequest(f"{endpoint.name} takes no parameter {', '.join(strange)}. Valid: {known}.")
    values = {**endpoint.defaults, **params, "tan": tan, "username": username}
    try:
        return Request(
            endpoint=endpoint,
            query=_filled(endpoint.query, values),
            form=None if endpoint.form is None else _filled(endpoint.form, values),
            json=None if endpoint.json is None else endpoint.json(values),
        )
    except KeyError as error:
        raise BadRequest(f"{endpoint.name} needs the parameter {error.args[0]}.") from None
    except ValueError:
        raise BadRequest(f"{endpoint.name} needs a number for its page.") from None


def _filled(templates: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    filled: dict[str, str] = {}
    for name, template in templates.items():
        try:
            filled[name.removesuffix("?")] = template.format_map(values)
        except KeyError:
            if not name.endswith("?"):
                raise
    return filled


def _names_of(endpoint: Endpoint) -> set[str]:
    found = set(endpoint.takes) | set(endpoint.defaults)
    for template in (*endpoint.query.values(), *(endpoint.form or {}).values()):
        found.update(name for _, name, _, _ in Formatter().parse(template) if name)
    return found - {"tan", "username"}


_SERVLETS = "/app/ded/srv"
_GRID = {"_search": "false", "rows": "100", "page": "{page}", "sidx": "", "sord": "asc"}
_FIRST_PAGE = {"page": "1"}
_STATEMENT = {"financialYear": "{financialYear}", "quarter": "{quarter}", "formType": "{formType}"}


def _grid(
    name: str, servlet: str, query: Mapping[str, str], extra: Mapping[str, str] | None = None
) -> Endpoint:
    return Endpoint(
        f"traces_old.{name}",
        "POST",
        f"{_SERVLETS}/{servlet}",
        query,
        form={**_GRID, **(extra or {})},
        defaults=_FIRST_PAGE,
    )


def _rows(name: str, servlet: str, query: Mapping[str, str]) -> Endpoint:
    return Endpoint(f"traces_old.{name}", "POST", f"{_SERVLETS}/{servlet}", query, form={}, shape=Shape.ROWS)


def _challans(values: Mapping[str, str]) -> Any:
    return {
        "tan": values["tan"],
        "fromDate": values["fromDate"],
        "toDate": values["toDate"],
        "matchStatus": "All",
        "consumptionStatus": [],
    }


def _certificates(values: Mapping[str, str]) -> Any:
    return {"tan": values["tan"], "pageNumber": int(values["pageNumber"]), "pageSize": 10}


_ALL = (
    _grid("statement_status", "DedStmtStatusServlet", {**_STATEMENT, "reqType": "1"}),
    _rows("rejection_reason", "DedStmtStatusServlet", {**_STATEMENT, "tokenno": "{tokenno}", "reqType": "5"}),
    _grid("unconsumed", "GetUnconChlnDetailServlet", {"reqtype": "0"}),
    _grid(
        "challan_status",
        "ChlnStatusServlet",
        {"reqtype": "0", "sdate": "{sdate}", "edate": "{edate}", "cstatus": "{cstatus}"},
    ),
    _rows(
        "consumption",
        "ChlnStatusServlet",
        {
            "reqtype": "2",
            "recptNum": "{recptNum}",
            "chlnSNo": "{chlnSNo}",
            "chlnAmt": "{chlnAmt}",
            "dateOfDep": "{dateOfDep}",
            "bsrCode": "{bsrCode}",
        },
    ),
    _grid(
        "inbox",
        "CommInboxServlet",
        {"reqtype": "0", "commClassify": "{commClassify}"},
        {"commCatogory": "{commClassify}"},
    ),
    _grid("requests", "GetReqListServlet", {"reqtype": "0"}),
    _rows("demand", "TagChallanServlet", {"reqtype": "0"}),
    _rows("demand_prior", "TagChallanServlet", {"reqtype": "1"}),
    Endpoint(
        "traces_old.demand_quarters",
        "GET",
        "/app/ded/viewdemandsum.xhtml",
        {"fy": "{fy}"},
        shape=Shape.PAGE,
    ),
    Endpoint(
        "traces_old.demand_summary",
        "GET",
        "/app/ded/demsummary.xhtml",
        {
            "fy": "{fy}",
            "quarterdesc": "{quarterdesc}",
            "qr": "{qr}",
            "ft": "{ft}",
            "finyrdesc": "{finyrdesc}",
        },
        shape=Shape.PAGE,
    ),
    _rows(
        "certificates",
        "CertiVerifyServlet",
        {
            "certiNo?": "{certiNo}",
            "deducteePan": "{deducteePan}",
            "financialYear": "{financialYear}",
            "reqType": "1",
        },
    ),
    Endpoint(
        "traces_new.challans",
        "POST",
        "/oltaschallancorrection/deductor/bin/periodOfpayment",
        {"page": "{page}", "size": "50"},
        json=_challans,
        takes=frozenset({"fromDate", "toDate"}),
        defaults={"page": "0"},
        nothing="no challans found",
    ),
    Endpoint(
        "traces_new.certificates",
        "POST",
        "/childcertgenservice/api/view/searchDeductor",
        json=_certificates,
        defaults={"pageNumber": "1"},
        nothing="no certificates found",
    ),
    Endpoint(
        "traces_new.certificate",
        "GET",
        "/certificateservice/api/child-certificate",
        {"childCertNum": "{childCertNum}", "tan": "{tan}", "pan": "{pan}"},
        nothing="no certificate found",
    ),
    Endpoint(
        "traces_new.requests",
        "GET",
        "/tdscertificatesservice/api/new-requests",
        {"userId": "{username}", "fetchAll": "true", "page": "{page}", "size": "10"},
        defaults={"page": "0"},
        nothing="no requests found",
    ),
)

ENDPOINTS: Mapping[str, Endpoint] = {one.name: one for one in _ALL}
"""Every question by name."""

SESSION_PATHS: Mapping[str, str] = {
    CAPTCHA: "/loginservice/api/auth/generateCaptcha",
    LOGIN: "/loginservice/api/auth/login",
    BRIDGE: "/app/preauthV2.xhtml",
    DASHBOARD: "/app/ded/dashboard.xhtml",
}
"""Paths of the log-in and the bridge."""


def endpoint_of(name: str) -> Endpoint:
    """Return an endpoint.

    Raises:
        UnknownName: no such endpoint; lists those that exist.
    """
    found = ENDPOINTS.get(name)
    if found is None:
        raise UnknownName("endpoint", name, sorted(ENDPOINTS))
    return found
