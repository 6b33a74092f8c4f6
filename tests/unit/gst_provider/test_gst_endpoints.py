"""The endpoint table: every name that modules use exists, and each kind of provider is asked in its own way."""

from __future__ import annotations

import pytest

from clientsync.errors import BadRequest, UnknownName
from clientsync.identifiers import gstin_check_character
from clientsync.periods import Period
from connectors.gst.provider.endpoints import ENDPOINTS, endpoint_of
from connectors.gst.provider.requests import Request, fill

GSTIN = "27AAACT0000A1Z" + gstin_check_character("27AAACT0000A1Z")
MONTH = Period(2026, 9)
NEEDED = (
    "public.rettrack", "public.search", "returns.getpref", "returns.filedet", "ims.filedet",
    "notices.list", "notices.detail", "gstr2b.get", "gstr2b.generate", "gstr2b.status", "gstr1.retsum",
    "gstr1a.retsum", "gstr3b.retsum", "gstr3b.autoliab", "gstr3b.retint", "gstr3b.closingbal",
    "gstr3b.openingbal", "gstr3b.rcmclosingbal", "gstr3b.rcmopnbal", "ledgers.cash", "ledgers.itc",
    "ledgers.tax", "ledgers.bal", "ims.getcnt", "ims.getinv"
)  # fmt: skip
OUTWARD = (
    "b2b", "b2ba", "b2cl", "b2cla", "b2cs", "b2csa", "cdnr", "cdnra", "cdnur", "cdnura", "exp", "expa",
    "nil", "at", "ata", "txpd", "txpda", "hsn", "doc_issue", "supeco", "supecoa", "ecom", "ecoma"
)  # fmt: skip
INWARD = (
    "b2b", "b2ba", "cdn", "cdna", "isd", "impg", "impgsez", "tds", "tcs", "ecom", "ecoma"
)  # fmt: skip


def _filled(name: str, kind: str, **params: str) -> Request:
    request = fill(endpoint_of(name), kind, gstin=GSTIN, period=MONTH, params=params, versions={})
    assert request is not None
    return request


def test_every_question_of_the_modules_is_in_the_table_and_nothing_else() -> None:
    names = set(NEEDED)
    names |= {f"gstr1.{one}" for one in OUTWARD} | {f"gstr1a.{one}" for one in OUTWARD}
    names |= {f"gstr2a.{one}" for one in INWARD}
    assert set(ENDPOINTS) == names


def test_every_endpoint_names_an_endpoint_for_its_files() -> None:
    assert all(one.files in ENDPOINTS for one in ENDPOINTS.values())


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("gstr1.txpd", "TXP"), ("gstr1.hsn", "HSNSUM"), ("gstr1.doc_issue", "DOCISS"), ("gstr1a.b2b", "R1AB2B"),
        ("gstr1a.at", "ATR1A"), ("gstr1a.ata", "ATAR1A"), ("gstr1a.hsn", "R1AHSNSUM"), ("gstr1a.txpd", "R1ATXP"),
        ("gstr1a.retsum", "RETSUM"), ("gstr2a.impgsez", "IMPGSEZ"), ("gstr3b.rcmopnbal", "RCMOPNBAL"),
    ],
)  # fmt: skip
def test_the_raw_protocol_gets_the_action_that_gstn_knows(name: str, action: str) -> None:
    request = _filled(name, "gsp")
    assert request.query["action"] == action
    assert request.query["ret_period"] == "092026"
    assert request.query["gstin"] == GSTIN


def test_a_2b_is_asked_by_page_only_when_a_page_is_wanted() -> None:
    assert _filled("gstr2b.get", "gsp").query == {"action": "GET2B", "gstin": GSTIN, "rtnprd": "092026"}
    assert _filled("gstr2b.get", "gsp", file_num="2").query["file_num"] == "2"
    assert _filled("gstr2b.get", "sandbox", file_num="2").query == {"file_number": "2"}


def test_sandbox_gets_year_and_two_digit_month_in_the_path() -> None:
    assert _filled("gstr1.doc_issue", "sandbox").path == (
        "/gst/compliance/tax-payer/gstrs/gstr-1/doc-issue/2026/09"
    )
    assert _filled("ledgers.bal", "sandbox", ret_period="102026").path.endswith("/ledgers/bal/2026/10")


def test_a_parameter_cannot_climb_out_of_the_path() -> None:
    path = _filled("notices.detail", "sandbox", refId="../../x?y=1").path
    assert path == "/gst/compliance/tax-payer/notices/..%2F..%2Fx%3Fy%3D1"


def test_a_version_can_be_set_per_endpoint() -> None:
    endpoint = endpoint_of("gstr2b.get")
    request = fill(endpoint, "gsp", gstin=GSTIN, period=MONTH, params={}, versions={"gstr2b.get": "v2.1"})
    assert request is not None
    assert (request.version, request.path) == ("v2.1", "/taxpayerapi/v2.1/returns/gstr2b")


def test_a_missing_or_strange_parameter_is_our_defect_and_says_which() -> None:
    with pytest.raises(BadRequest, match="fr_dt"):
        _filled("ledgers.cash", "gsp", to_dt="30/09/2026")
    with pytest.raises(BadRequest, match="colour"):
        _filled("ledgers.cash", "gsp", colour="red")


def test_an_unknown_endpoint_lists_those_that_exist() -> None:
    with pytest.raises(UnknownName, match=r"gstr1\.at"):
        endpoint_of("gstr9.get")


def test_public_questions_are_public_with_both_kinds() -> None:
    for name in ("public.rettrack", "public.search"):
        assert endpoint_of(name).public == {"gsp", "sandbox"}
    assert endpoint_of("returns.getpref").public == {"gsp"}
