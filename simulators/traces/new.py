"""The new portal (Act of 2025): challans, certificates and requests as JSON pages.

Amounts are JSON numbers with two decimals, days are yyyy-mm-dd. A search for challans that finds none is refused with
HTTP 400, which is the portal's normal way to say so.
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from simulators.tds.records import Certificate, DownloadRequest
from simulators.traces import show
from simulators.traces.view import NEW_ACT, Balance, View

Json = dict[str, Any]
PAGE_ROWS, MOST_ROWS, CERTIFICATE_ROWS = 10, 50, 10  # TDS reference, section 7
KEPT = timedelta(days=30)
PATHS = {
    ("POST", "/oltaschallancorrection/deductor/bin/periodOfpayment"): "challans",
    ("POST", "/childcertgenservice/api/view/searchDeductor"): "certificates",
    ("GET", "/certificateservice/api/child-certificate"): "certificate",
    ("GET", "/tdscertificatesservice/api/new-requests"): "requests",
}
"""Method and path of each endpoint (TDS reference, sections 3.3, 3.6 and 3.7)."""


class NothingFoundError(Exception):
    """The portal refuses because there is nothing; the text is its message."""


def answer(endpoint: str, view: View, params: Json) -> Json:
    """Answer one endpoint.

    Raises:
        NothingFoundError: there is nothing, and the endpoint says so with a refusal.
        KeyError: a parameter is missing.
        ValueError: a parameter cannot be read.
    """
    return ANSWERS[endpoint](view, params)


def _page(rows: list[Json], params: Json) -> Json:
    size = min(MOST_ROWS, max(1, int(params.get("size", PAGE_ROWS))))
    page = max(0, int(params.get("page", 0)))
    return {
        "content": rows[page * size : (page + 1) * size],
        "totalElements": len(rows),
        "totalPages": -(-len(rows) // size),
        "number": page,
    }


def _challans(view: View, params: Json) -> Json:
    since, until = date.fromisoformat(params["fromDate"]), date.fromisoformat(params["toDate"])
    rows = [_challan(one) for one in view.balances(NEW_ACT) if since <= one.challan.paid_on <= until]
    match, consumption = params.get("matchStatus") or "All", params.get("consumptionStatus") or []
    rows = [
        one
        for one in rows
        if match in {"All", one["matchStatus"]}
        and (not consumption or one["consumptionStatus"] in consumption)
    ]
    if not rows:
        raise NothingFoundError("No Challans Found")
    return _page(rows, params)


def _challan(one: Balance) -> Json:
    used = "Partially Consumed" if one.available else "Fully Consumed"
    return {
        "bsrCode": one.challan.bsr,
        "challanSerialNo": one.challan.serial,
        "challanDate": one.challan.paid_on.isoformat(),
        "challanAmount": show.number(one.challan.amount),
        "consumedAmount": show.number(one.consumed),
        "availableAmount": show.number(one.available),
        "matchStatus": "Overbooked" if one.excess else "Matched",
        "consumptionStatus": used if one.claims else "Unconsumed",
        "cin": one.challan.cin,
    }


def _certificates(view: View, params: Json) -> Json:
    size = min(CERTIFICATE_ROWS, max(1, int(params.get("pageSize", CERTIFICATE_ROWS))))
    page = max(1, int(params["pageNumber"]))
    found = sorted(view.certificates(NEW_ACT), key=lambda one: one.number)
    rows = [
        {
            "childCertNum": one.number,
            "taxYear": one.year,
            "sectionCode": one.section,
            "deducteePan": one.pan,
            "childCertificateAmount": show.number(one.limit),
            "validFrom": one.valid_from.isoformat(),
            "validTo": one.valid_to.isoformat(),
            "remarks": "Cancelled" if view.cancelled_on(one) else None,
        }
        for one in found[(page - 1) * size : page * size]
    ]
    return {"certificates": rows, "hasNext": len(found) > page * size}


def _certificate(view: View, params: Json) -> Json:
    wanted = (params["childCertNum"], params["pan"])
    for one in view.certificates(NEW_ACT):
        if (one.number, one.pan) == wanted:
            return _detail(view, one)
    raise NothingFoundError("No Certificate Found")


def _detail(view: View, one: Certificate) -> Json:
    cancelled = view.cancelled_on(one)
    stamp = f"{one.issued_on.isoformat()}T10:00:00"
    return {
        "parentCertNum": f"{one.number[:-1]}P",
        "childCertNum": one.number,
        "appPan": one.pan,
        "tan": view.deductor.tan,
        "taxYear": one.year,
        "sectionCode": one.section,
        "issueDate": one.issued_on.isoformat(),
        "certificateAmount": show.number(one.limit),
        "amountConsumed": show.number(one.consumed),
        "balanceAvailable": show.number(max(0, one.limit - one.consumed)),
        "validityStartDate": one.valid_from.isoformat(),
        "validityEndDate": one.valid_to.isoformat(),
        "activeFlag": "Y" if not cancelled and view.day <= one.valid_to else "N",
        "natureOfPayment": one.nature,
        "certificateRate": Decimal(one.rate),
        "insertTimestamp": stamp,
        "updateTimestamp": f"{cancelled.isoformat()}T10:00:00" if cancelled else stamp,
    }


def _requests(view: View, params: Json) -> Json:
    found = _page([_request(view, one) for one in view.requests(NEW_ACT)], params)
    del found["number"]
    return found


def _request(view: View, one: DownloadRequest) -> Json:
    status = view.request_status(one)
    return {
        "requestId": one.number,
        "financialYear": one.quarter.year,
        "formType": one.form,
        "quarter": f"Q{one.quarter.number}",
        "requestDate": one.requested_on.isoformat(),
        "status": status,
        "expiryDate": (one.ready_on + KEPT).isoformat() if status == "Available" else None,
        "remarks": one.kind,
    }


ANSWERS: dict[str, Callable[[View, Json], Json]] = {
    "challans": _challans,
    "certificates": _certificates,
    "certificate": _certificate,
    "requests": _requests,
}
