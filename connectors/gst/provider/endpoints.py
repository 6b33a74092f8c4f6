"""Every question that can be put to the portal, and how each kind of provider wants it put: one table.

A route is a method, a path and its parameters, all templates over the same few values (gstin, period, year,
month, fy and the question's own parameters). An endpoint's version can be set per provider in the settings.
Paths and versions: GSTN API of 2024-25 as clients of several GSPs call it; Sandbox's public documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from clientsync.errors import UnknownName


@dataclass(frozen=True)
class Route:
    """How one kind of provider wants a question put.

    Attributes:
        method: HTTP method.
        path: template below the provider's base address.
        query: parameter name to template; a name that ends in ``?`` is left out when its value is not given.
        body: the same for a plain JSON body.
        sealed: names of the values that travel in the sealed ``data`` of a raw request.
    """

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: Mapping[str, str] = field(default_factory=dict)
    sealed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoint:
    """One question.

    Attributes:
        name: what modules call it.
        version: of the raw contract, before overrides.
        routes: by kind of provider; a kind that is missing does not offer it.
        public: kinds of provider with which it needs no taxpayer session.
        files: endpoint that is asked for a queued file of this one.
        acts: whether it makes the portal do something, and is therefore never sent twice.
    """

    name: str
    version: str
    routes: Mapping[str, Route]
    public: frozenset[str] = frozenset()
    files: str = "returns.filedet"
    acts: bool = False


BOTH = frozenset({"gsp", "sandbox"})

GSTR1_SECTIONS: Mapping[str, tuple[str, str]] = {
    "b2b": ("B2B", "b2b"),
    "b2ba": ("B2BA", "b2ba"),
    "b2cl": ("B2CL", "b2cl"),
    "b2cla": ("B2CLA", "b2cla"),
    "b2cs": ("B2CS", "b2cs"),
    "b2csa": ("B2CSA", "b2csa"),
    "cdnr": ("CDNR", "cdnr"),
    "cdnra": ("CDNRA", "cdnra"),
    "cdnur": ("CDNUR", "cdnur"),
    "cdnura": ("CDNURA", "cdnura"),
    "exp": ("EXP", "exp"),
    "expa": ("EXPA", "expa"),
    "nil": ("NIL", "nil"),
    "at": ("AT", "at"),
    "ata": ("ATA", "ata"),
    "txpd": ("TXP", "txp"),
    "txpda": ("TXPA", "txpa"),
    "hsn": ("HSNSUM", "hsn"),
    "doc_issue": ("DOCISS", "doc-issue"),
    "supeco": ("SUPECO", "supeco"),
    "supecoa": ("SUPECOA", "supecoa"),
    "ecom": ("ECOM", "ecom"),
    "ecoma": ("ECOMA", "ecoma"),
}
"""Section to the raw action of GSTR-1 and to Sandbox's path."""

GSTR1A_ACTIONS: Mapping[str, str] = {"at": "ATR1A", "ata": "ATAR1A"}
"""Raw actions of GSTR-1A that are not ``R1A`` plus that of GSTR-1. Those of credit notes, exports, documents and
e-commerce are not published; they follow the same form and can be corrected by a version override."""

GSTR2A_SECTIONS = (
    "b2b", "b2ba", "cdn", "cdna", "isd", "impg", "impgsez", "tds", "tcs", "ecom", "ecoma",
)  # fmt: skip

GSTR3B_ACTIONS: Mapping[str, tuple[str, str | None]] = {
    "retsum": ("RETSUM", ""),
    "autoliab": ("AUTOLIAB", "/auto-liability-calc"),
    "retint": ("RETINT", None),
    "closingbal": ("CLOSINGBAL", None),
    "openingbal": ("OPENINGBAL", None),
    "rcmclosingbal": ("RCMCLOSINGBAL", None),
    "rcmopnbal": ("RCMOPNBAL", None),
}
"""Statement of GSTR-3B to its raw action and to what Sandbox's path ends in, None when Sandbox has none."""

_R = "/gst/compliance/tax-payer/gstrs"
_T = "/gst/compliance/tax-payer"
_MONTHLY = {"gstin": "{gstin}", "ret_period": "{period}", "ctin?": "{ctin}", "from_time?": "{from_time}"}


def _raw(area: str, action: str, query: Mapping[str, str]) -> Route:
    return Route(f"/taxpayerapi/{{version}}/{area}", {"action": action, **query})


def _statements() -> Iterator[Endpoint]:
    for name, (action, path) in GSTR1_SECTIONS.items():
        yield Endpoint(
            f"gstr1.{name}",
            "v4.0",
            {
                "gsp": _raw("returns/gstr1", action, _MONTHLY),
                "sandbox": Route(f"{_R}/gstr-1/{path}/{{year}}/{{month}}"),
            },
        )
        yield Endpoint(
            f"gstr1a.{name}",
            "v1.0",
            {
                "gsp": _raw("returns/gstr1a", GSTR1A_ACTIONS.get(name, f"R1A{action}"), _MONTHLY),
                "sandbox": Route(f"{_R}/gstr-1a/{path}/{{year}}/{{month}}"),
            },
        )
    for form, version in (("gstr1", "v4.0"), ("gstr1a", "v1.0")):
        yield Endpoint(
            f"{form}.retsum",
            version,
            {
                "gsp": _raw(f"returns/{form}", "RETSUM", {**_MONTHLY, "smrytyp?": "{smrytyp}"}),
                "sandbox": Route(
                    f"{_R}/{form.replace('gstr', 'gstr-')}/{{year}}/{{month}}", {"summary_type": "long"}
                ),
            },
        )
    for name in GSTR2A_SECTIONS:
        yield Endpoint(
            f"gstr2a.{name}",
            "v2.2",
            {
                "gsp": _raw("returns/gstr2a", name.upper(), _MONTHLY),
                "sandbox": Route(f"{_R}/gstr-2a/{name}/{{year}}/{{month}}"),
            },
        )
    for name, (action, ending) in GSTR3B_ACTIONS.items():
        routes = {"gsp": _raw("returns/gstr3b", action, {"gstin": "{gstin}", "ret_period": "{period}"})}
        if ending is not None:
            routes["sandbox"] = Route(f"{_R}/gstr-3b/{{year}}/{{month}}{ending}")
        yield Endpoint(f"gstr3b.{name}", "v6.0", routes)


_LEDGER_DAYS = {"gstin": "{gstin}", "fr_dt": "{fr_dt}", "to_dt": "{to_dt}"}
_SANDBOX_DAYS = {"from": "{fr_dt}", "to": "{to_dt}"}

_OTHERS: tuple[Endpoint, ...] = (
    Endpoint(
        "public.search",
        "v1.1",
        {
            "gsp": Route("/commonapi/{version}/search", {"action": "TP", "gstin": "{gstin}"}),
            "sandbox": Route("/gst/compliance/public/gstin/search", method="POST", body={"gstin": "{gstin}"}),
        },
        public=BOTH,
    ),
    Endpoint(
        "public.rettrack",
        "v1.0",
        {
            "gsp": Route(
                "/commonapi/{version}/returns",
                {"action": "RETTRACK", "gstin": "{gstin}", "fy": "{fy}", "type?": "{type}"},
            ),
            "sandbox": Route(
                "/gst/compliance/public/gstrs/track",
                {"financial_year": "FY {fy}", "gstr?": "{type}"},
                method="POST",
                body={"gstin": "{gstin}"},
            ),
        },
        public=BOTH,
    ),
    Endpoint(
        "returns.getpref",
        "v1.0",
        {
            "gsp": Route(
                "/commonapi/{version}/returns", {"action": "GETPREF", "gstin": "{gstin}", "fy": "{fy}"}
            ),
            "sandbox": Route(f"{_R}/preference", {"financial_year": "FY {fy}"}),
        },
        public=frozenset({"gsp"}),
    ),
    Endpoint(
        "returns.filedet",
        "v1.1",
        {
            "gsp": _raw(
                "returns", "FILEDET", {"gstin": "{gstin}", "ret_period?": "{period}", "token": "{token}"}
            ),
            "sandbox": Route(f"{_R}/{{year}}/{{month}}/status", {"reference_id": "{token}"}),
        },
    ),
    Endpoint(
        "ims.filedet",
        "v1.0",
        {
            "gsp": _raw("returns/ims", "FILEDET", {"gstin": "{gstin}", "token": "{token}"}),
            "sandbox": Route(f"{_R}/{{year}}/{{month}}/status", {"reference_id": "{token}"}),
        },
    ),
    Endpoint(
        "ims.getcnt",
        "v1.0",
        {
            "gsp": _raw("returns/ims", "GETCNT", {"gstin": "{gstin}", "goods_typ?": "{goods_typ}"}),
            "sandbox": Route(f"{_T}/invoices/count", {"goods_type?": "{goods_typ}"}),
        },
        files="ims.filedet",
    ),
    Endpoint(
        "ims.getinv",
        "v1.0",
        {
            "gsp": _raw(
                "returns/ims",
                "GETINV",
                {"gstin": "{gstin}", "section": "{section}", "status?": "{status}"},
            ),
            "sandbox": Route(f"{_T}/invoices", {"section": "{section}", "status?": "{status}"}),
        },
        files="ims.filedet",
    ),
    Endpoint(
        "gstr2b.get",
        "v2.0",
        {
            "gsp": _raw(
                "returns/gstr2b",
                "GET2B",
                {"gstin": "{gstin}", "rtnprd": "{period}", "file_num?": "{file_num}"},
            ),
            "sandbox": Route(f"{_R}/gstr-2b/{{year}}/{{month}}", {"file_number?": "{file_num}"}),
        },
    ),
    Endpoint(
        "gstr2b.generate",
        "v4.0",
        {
            "gsp": Route(
                "/taxpayerapi/{version}/returns/gstr2b",
                {"action": "GEN2B"},
                method="PUT",
                sealed={"rtin": "{gstin}", "itcprd": "{period}"},
            ),
            "sandbox": Route(
                f"{_R}/gstr-2b/regenerate", method="POST", body={"rtin": "{gstin}", "itcprd": "{period}"}
            ),
        },
        acts=True,
    ),
    Endpoint(
        "gstr2b.status",
        "v4.0",
        {
            "gsp": _raw("returns/gstr2b", "GENSTS2B", {"gstin": "{gstin}", "int_tran_id": "{int_tran_id}"}),
            "sandbox": Route(
                f"{_R}/gstr-2b/{{year}}/{{month}}/regenerate", {"reference_id": "{int_tran_id}"}
            ),
        },
    ),
    Endpoint(
        "ledgers.cash",
        "v0.3",
        {
            "gsp": _raw("ledgers", "CASH", _LEDGER_DAYS),
            "sandbox": Route(f"{_T}/ledgers/cash", _SANDBOX_DAYS),
        },
    ),
    Endpoint(
        "ledgers.itc",
        "v0.3",
        {
            "gsp": _raw("ledgers", "ITC", _LEDGER_DAYS),
            "sandbox": Route(f"{_T}/ledgers/itc", _SANDBOX_DAYS),
        },
    ),
    Endpoint(
        "ledgers.tax",
        "v0.3",
        {
            "gsp": _raw("ledgers", "TAX", {"gstin": "{gstin}", "ret_period": "{ret_period}"}),
            "sandbox": Route(f"{_T}/ledgers/tax/{{year}}/{{month}}"),
        },
    ),
    Endpoint(
        "ledgers.bal",
        "v0.3",
        {
            "gsp": _raw("ledgers", "BAL", {"gstin": "{gstin}", "ret_period": "{ret_period}"}),
            "sandbox": Route(f"{_T}/ledgers/bal/{{year}}/{{month}}"),
        },
    ),
    Endpoint(
        "notices.list",
        "v1.0",
        {
            "gsp": _raw("notices", "LIST", {"gstin": "{gstin}", "date?": "{date}"}),
            "sandbox": Route(f"{_T}/notices", {"date?": "{date}"}),
        },
    ),
    Endpoint(
        "notices.detail",
        "v1.0",
        {
            "gsp": _raw("notices", "DETAIL", {"gstin": "{gstin}", "refId": "{refId}"}),
            "sandbox": Route(f"{_T}/notices/{{refId}}"),
        },
    ),
)

ENDPOINTS: Mapping[str, Endpoint] = {one.name: one for one in (*_statements(), *_OTHERS)}
"""Every endpoint by name."""


def endpoint_of(name: str) -> Endpoint:
    """Return an endpoint.

    Raises:
        UnknownName: no such endpoint; lists those that exist.
    """
    found = ENDPOINTS.get(name)
    if found is None:
        raise UnknownName("endpoint", name, sorted(ENDPOINTS))
    return found
