"""Filling a route of the endpoint table with what one question is about.

Pure. A value never becomes more than one part of a path, and a parameter that an endpoint does not know is our
own defect, said before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from urllib.parse import quote

from clientsync.errors import BadRequest
from clientsync.periods import Period
from connectors.gst.provider.endpoints import Endpoint


@dataclass(frozen=True)
class Request:
    """One question, filled in: what is sent, before headers and encryption."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, str]
    sealed: Mapping[str, str]
    version: str


def fill(
    endpoint: Endpoint,
    kind: str,
    *,
    gstin: str,
    period: Period | None,
    params: Mapping[str, str],
    versions: Mapping[str, str],
) -> Request | None:
    """Return the request of a question for a kind of provider, None when that kind does not offer it.

    Raises:
        BadRequest: a parameter that the endpoint needs is missing, or one was given that it does not know.
    """
    route = endpoint.routes.get(kind)
    if route is None:
        return None
    version = versions.get(endpoint.name, endpoint.version)
    values = _values(gstin, period, params, version)
    known = _names_of(endpoint)
    strange = sorted(set(params) - known)
    if strange:
        raise BadRequest(
            f"{endpoint.name} takes no parameter {', '.join(strange)}. Valid: {', '.join(sorted(known))}."
        )
    try:
        return Request(
            method=route.method,
            path=route.path.format_map({name: quote(value, safe="") for name, value in values.items()}),
            query=_filled(route.query, values),
            body=_filled(route.body, values),
            sealed=_filled(route.sealed, values),
            version=version,
        )
    except KeyError as error:
        raise BadRequest(f"{endpoint.name} needs the parameter {error.args[0]}.") from None


def _values(gstin: str, period: Period | None, params: Mapping[str, str], version: str) -> dict[str, str]:
    values = {"gstin": gstin, "version": version}
    month = Period.parse(params["ret_period"]) if "ret_period" in params else period
    if month is not None:
        values |= {
            "period": str(month),
            "ret_period": str(month),
            "year": f"{month.year}",
            "month": f"{month.month:02d}",
            "fy": month.financial_year,
        }
    return values | dict(params)


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
    """Return the parameters that an endpoint knows with any kind of provider."""
    found = {"ret_period"}
    for route in endpoint.routes.values():
        for template in (route.path, *route.query.values(), *route.body.values(), *route.sealed.values()):
            found.update(name for _, name, _, _ in Formatter().parse(template) if name)
    return found - {"version", "gstin"}
