"""The old portal (Act of 1961): grids for a browser, and the pages of the demand.

A grid has at most 100 rows on a page and tells how many records there are. Amounts are text, days are dd-Mon-yyyy.
"""

import zlib
from collections.abc import Callable, Iterable
from html import escape
from typing import Any
from urllib.parse import urlencode

from simulators.tds.records import Certificate, Challan, Demand, Notice, Quarter, Statement
from simulators.traces import show
from simulators.traces.view import OLD_ACT, REJECTED, Balance, View

Json = dict[str, Any]
Params = dict[str, str]
GRID_ROWS = 100
REMARKS = {"Failed": "Contact CPC", "Disabled": "Duplicate request", "Not Available": "No defaults"}
FOLDER = "/app/ded/"
DEFAULT_HEADS = (
    "Sr. No.",
    "Type of Default",
    "Default Amount (Rs.)",
    "Amount reported as 'Interest/Others' claimed in the statement (Rs.)",
    "Payable (Rs.)",
)
SELECTORS = {
    "srv/DedStmtStatusServlet": ("reqType", {"1": "statement_status", "5": "rejection_reason"}),
    "srv/GetUnconChlnDetailServlet": ("reqtype", {"0": "unconsumed"}),
    "srv/ChlnStatusServlet": ("reqtype", {"0": "challan_status", "1": "challan", "2": "consumption"}),
    "srv/CommInboxServlet": ("reqtype", {"0": "inbox"}),
    "srv/GetReqListServlet": ("reqtype", {"0": "requests", "1": "requests", "2": "requests"}),
    "srv/TagChallanServlet": ("reqtype", {"0": "demand", "1": "demand_prior"}),
    "srv/CertiVerifyServlet": ("reqType", {"1": "certificates"}),
    "viewdemandsum.xhtml": ("", {"": "demand_quarters"}),
    "demsummary.xhtml": ("", {"": "demand_summary"}),
    "dashboard.xhtml": ("", {"": "dashboard"}),
}
"""Which endpoint a path is, by the parameter that selects it (TDS reference, sections 3.1 and 3.3 to 3.6)."""


def endpoint_of(path: str, params: Params) -> str | None:
    """Give the name of the endpoint behind a path, or None."""
    selector, names = SELECTORS.get(path.removeprefix(FOLDER), ("", {}))
    return names.get(params.get(selector, "") if selector else "")


def answer(endpoint: str, view: View, params: Params) -> object:
    """Answer one endpoint.

    Returns:
        JSON values, or text when it is an HTML page.

    Raises:
        KeyError: a parameter is missing.
        ValueError: a parameter cannot be read.
    """
    return ANSWERS[endpoint](view, params)


def is_page(endpoint: str) -> bool:
    """Tell whether an endpoint is an HTML page."""
    return endpoint in {"dashboard", "demand_quarters", "demand_summary"}


def _grid(rows: list[Json], params: Params) -> Json:
    size = min(GRID_ROWS, max(1, int(params.get("rows", GRID_ROWS))))
    page = max(1, int(params.get("page", 1)))
    return {
        "page": page,
        "total": -(-len(rows) // size),
        "records": len(rows),
        "rows": rows[(page - 1) * size : page * size],
    }


def _dashboard(view: View, _: Params) -> str:
    return show.page("Dashboard", f"<p>Welcome {escape(view.deductor.name)}</p>")


def _asked(view: View, params: Params) -> list[Statement]:
    wanted = (params["financialYear"], params["quarter"], params["formType"])
    return [
        one
        for one in view.statements()
        if (str(one.quarter.start), show.QUARTER_CODES[one.quarter.number], one.form) == wanted
    ]


def _statement_status(view: View, params: Params) -> Json:
    rows: list[Json] = [
        {
            "tokenno": one.token,
            "finyear": one.quarter.year,
            "quarter": f"Q{one.quarter.number}",
            "formtype": one.form,
            "stmnttype": one.kind,
            "dtoffiling": show.dmy(one.filed_on),
            "dtofprcng": show.dmy(view.processed_on(one)),
            "status": view.status(one),
            "remarks": "",
            "reason": "View Rejection Reason" if view.status(one) == REJECTED else None,
        }
        for one in _asked(view, params)
    ]
    return _grid(rows, params)


def _rejection_reason(view: View, params: Params) -> list[Json]:
    return [
        {"failMsg": one.reason}
        for one in _asked(view, params)
        if one.token == params["tokenno"] and view.status(one) == REJECTED
    ]


def _unconsumed(view: View, params: Params) -> Json:
    rows: list[Json] = [
        {
            "chlnbsrcode": one.challan.bsr,
            "dateofdep": show.dmy(one.challan.paid_on),
            "chlnsrno": str(int(one.challan.serial)),
            "recptNo": receipt(one.challan),
            "hidchlnamt": show.rupees(one.challan.amount),
            "hidunconschlnamt": show.rupees(one.available),
        }
        for one in view.balances(OLD_ACT)
        if one.available
    ]
    return _grid(rows, params)


def receipt(challan: Challan) -> str:
    """Give the number by which the portal itself knows a challan."""
    return f"{zlib.crc32(f'{challan.bsr}{challan.paid_on}{challan.serial}'.encode()):010d}"


def _claim_status(one: Balance) -> str:
    if one.excess:
        return "Overbooked"
    return "Claimed" if one.claims else "Unclaimed"


def _challan_row(one: Balance, amount: str) -> Json:
    return {
        "bankCode": one.challan.bsr[:3],
        "branchCode": one.challan.bsr[3:],
        "dateOfDep": show.dmy(one.challan.paid_on),
        "chlnSNo": one.challan.serial,
        "chlnStatus": _claim_status(one),
        "recptNum": receipt(one.challan),
        "chlnAmt": amount,
    }


def _challan_status(view: View, params: Params) -> Json:
    since, until = show.read_dmy(params["sdate"]), show.read_dmy(params["edate"])
    claimed = {"A": (True, False), "M": (True,), "U": (False,)}[params["cstatus"]]
    found = [one for one in view.balances(OLD_ACT) if since <= one.challan.paid_on <= until]
    return _grid([_challan_row(one, "") for one in found if bool(one.claims) in claimed], params)


def _named(view: View, params: Params) -> Balance | None:
    """Find a challan; its amount must be right."""
    day, serial = show.read_dmy(params["dateOfDep"]), int(params["chlnSNo"])
    amount, number = show.read_rupees(params.get("chlnAmt", "")), params.get("recptNum", "")
    for one in view.balances(OLD_ACT):
        paid = one.challan
        if (paid.bsr, int(paid.serial), paid.paid_on, paid.amount) == (
            params["bsrCode"],
            serial,
            day,
            amount,
        ):
            return one if number in {"", receipt(paid)} else None
    return None


def _challan(view: View, params: Params) -> Json:
    found = _named(view, params)
    return _refused() if found is None else {"rows": [_challan_row(found, show.rupees(found.challan.amount))]}


def _consumption(view: View, params: Params) -> Json:
    found = _named(view, params)
    if found is None:
        return _refused()
    rows: list[Json] = [
        {
            "tokenNum": claim.token,
            "finYr": str(claim.quarter.start),
            "qtr": show.QUARTER_CODES[claim.quarter.number],
            "formType": claim.form,
            "claimAmt": show.rupees(claim.amount),
            "claimIntAmt": show.rupees(claim.interest),
            "claimOthAmt": show.rupees(claim.others),
            "chlnStatus": _claim_status(found),
            "excessAmt": show.rupees(found.excess),
            "availAmt": show.rupees(found.available),
        }
        for claim in found.claims
    ]
    return {"rows": rows}


def _refused() -> Json:
    return {"rows": [], "errorMsg": "No challan with these details. Check the challan amount."}


def _inbox(view: View, params: Params) -> Json:
    wanted = {"1": True, "0": False}[params["commClassify"]]
    return _grid([_notice(one) for one in view.notices(needs_action=wanted)], params)


def _notice(one: Notice) -> Json:
    number = zlib.crc32(one.reference.encode())
    return {
        "commRefNo": one.reference,
        "date": show.dmy(one.issued_on),
        "commcat": one.category,
        "description": one.description,
        "finYear": one.quarter.year if one.quarter else "",
        "quarter": f"Q{one.quarter.number}" if one.quarter else "",
        "formType": one.form,
        "hidFY": str(one.quarter.start) if one.quarter else "",
        "hidQT": show.QUARTER_CODES[one.quarter.number] if one.quarter else "",
        "commInbId": str(number),
        "commMstrId": str(number % 100_000),
        "comcatid": one.category_id,
        "certNum": one.certificate,
        "isRead": "Y" if one.is_read else "N",
    }


def _requests(view: View, params: Params) -> Json:
    found = view.requests(OLD_ACT)
    if params["reqtype"] == "2":
        found = [one for one in found if one.number == params["reqNo"]]
    if params["reqtype"] == "1":
        since, until = show.read_dmy(params["frmDate"]), show.read_dmy(params["toDate"])
        found = [one for one in found if since <= one.requested_on <= until]
    rows: list[Json] = [
        {
            "reqNo": one.number,
            "reqDate": show.dmy(one.requested_on),
            "finYr": one.quarter.year,
            "qrtr": f"Q{one.quarter.number}",
            "frmType": one.form,
            "dntype": one.kind,
            "status": view.request_status(one),
            "remarks": REMARKS.get(view.request_status(one), ""),
        }
        for one in found
    ]
    return _grid(rows, params)


def _demand_row(name: str, fin: str, years: Iterable[Demand]) -> Json:
    held = list(years)
    return {
        "finYr": name,
        "fin": fin,
        "aodmnd": show.rupees(sum(one.manual for one in held)),
        "cpcdmd": show.rupees(sum(one.processed for one in held)),
    }


def _years(demands: list[Demand]) -> list[Json]:
    return [_demand_row(show.year(one.year_start), str(one.year_start), [one]) for one in demands]


def _demand(view: View, _: Params) -> Json:
    prior = view.demands(prior=True)
    first = [_demand_row("Prior Years", "1", prior)] if prior else []
    return {"rows": first + _years(view.demands(prior=False))}


def _demand_prior(view: View, _: Params) -> Json:
    return {"rows": _years(view.demands(prior=True))}


def _demand_quarters(view: View, params: Params) -> str:
    rows = []
    for one in view.assessed(int(params["fy"])):
        name = f"Q{one.quarter.number}"
        query = {
            "fy": str(one.quarter.start),
            "quarterdesc": name,
            "qr": show.QUARTER_CODES[one.quarter.number],
            "ft": one.form,
            "finyrdesc": one.quarter.year,
        }
        link = escape(f"demsummary.xhtml?{urlencode(query)}")
        rows.append((name, one.form, f'<a href="{link}">{show.rupees(one.net_payable)}</a>'))
    heads = ("Quarter", "Form Type", "Net Payable (Rounded off) (Rs.)")
    return show.page("Demand Summary", show.grid("demandsumFY1", heads, rows))


def _demand_summary(view: View, params: Params) -> str:
    numbers = {code: number for number, code in show.QUARTER_CODES.items()}
    quarter = Quarter(int(params["fy"]), numbers[params["qr"]])
    wanted = (quarter, params["ft"])
    found = next((one for one in view.assessed(quarter.start) if (one.quarter, one.form) == wanted), None)
    if found is None:
        return show.page("Default Summary", show.grid("defaultsummary", DEFAULT_HEADS, ()))
    details = (
        ("Statement Type", found.kind),
        ("Token Number", show.masked(found.token)),
        ("Order Passed Date", show.dmy(found.processed_on)),
        ("Number of Correction Statements", str(view.corrections(*wanted))),
        ("Net Payable (Rounded off)", show.rupees(found.net_payable)),
    )
    rows = [
        (str(place), escape(one.kind), *map(show.rupees, (one.amount, one.claimed, one.payable)))
        for place, one in enumerate(found.defaults, 1)
    ]
    counts = (
        ("Deductees without PAN", str(found.without_pan)),
        ("Deductees with invalid PAN", str(found.invalid_pan)),
    )
    body = show.facts("stmtdetails", details) + show.grid("defaultsummary", DEFAULT_HEADS, rows)
    return show.page("Default Summary", body + show.facts("panerrors", counts))


def _certificates(view: View, params: Params) -> Json:
    number = params.get("certiNo", "")
    found = [
        one
        for one in view.certificates(OLD_ACT)
        if (one.pan, one.year[:4]) == (params["deducteePan"], params["financialYear"][:4])
        and number in {"", one.number}
    ]
    return {"rows": [_certificate(view, one, place) for place, one in enumerate(found, 1)]}


def _certificate(view: View, one: Certificate, place: int) -> Json:
    return {
        "serialno": str(place),
        "certino": one.number,
        "finyear": one.year,
        "deducteepan": one.pan,
        "dedname": one.name,
        "validfrm": show.dmy(one.valid_from),
        "canceldt": show.dmy(view.cancelled_on(one)),
        "validto": show.dmy(one.valid_to),
        "seccode": one.section,
        "natofpayment": one.nature,
        "rateoftds": one.rate,
        "certilimit": show.rupees(one.limit),
        "amtconsume": show.rupees(one.consumed),
        "issuedate": show.dmy(one.issued_on),
    }


ANSWERS: dict[str, Callable[[View, Params], object]] = {
    "dashboard": _dashboard,
    "statement_status": _statement_status,
    "rejection_reason": _rejection_reason,
    "unconsumed": _unconsumed,
    "challan_status": _challan_status,
    "challan": _challan,
    "consumption": _consumption,
    "inbox": _inbox,
    "requests": _requests,
    "demand": _demand,
    "demand_prior": _demand_prior,
    "demand_quarters": _demand_quarters,
    "demand_summary": _demand_summary,
    "certificates": _certificates,
}
